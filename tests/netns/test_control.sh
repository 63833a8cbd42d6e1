#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The control process is killed, replaced, stopped: traffic goes on, and what runs is adopted.
. "$(dirname "$0")/lib.sh"

begin 3
balancer_start app/s1 app/s2 app/s3 || exit 1
check "drain s1" ctl set server app/s1 state drain
sleep 0.5
before=$(generation)

web_load kill 10
for i in $(seq 8); do
	sleep 0.$((i % 4 + 1))
	stop_pid "$CONTROL_PID" KILL
	control_start "$CONFIG"
done
check "it answers again" wait_until 10 server_is app/s2 up
wait "$LOAD_PID"
check_load "8 times kill -9: no request failed" kill "d['failed'] == 0 and d['requests'] > 1000"
check "the same file: no message to the workers" test "$(generation)" = "$before"
check "drain is adopted" server_is app/s1 drain
check "health is adopted: nothing went down" test "$(ctl -j show servers |
	json "sum(s['check_down'] for s in d)")" = 0

web_load commit 8
for i in $(seq 10); do
	edit "d['backends'][0]['servers'][1]['weight'] = 20 + $i"
	(sleep 0.0$((i % 10)); kill -KILL "$CONTROL_PID") 2>/dev/null &
	ctl reload >/dev/null 2>&1
	wait $!
	stop_pid "$CONTROL_PID" KILL
	control_start "$CONFIG"
	wait_until 10 server_is app/s2 up
done
wait "$LOAD_PID"
check_load "killed within reloads: no request failed" commit "d['failed'] == 0"
check "the last file's weight is in force" test "$(ctl -j show servers |
	json "[s['weight'] for s in d if s['backend'] == 'app' and s['server'] == 's2'][0]")" = 30

old=$CONTROL_PID
kill -STOP "$old"
control_start "$CONFIG"
check "a newer process takes over from a stopped one" wait_until 10 server_is app/s2 up
before=$(generation)
kill -CONT "$old"
check "the old one finds out and ends" wait_until 10 process_gone "$old"
check "having written nothing" test "$(generation)" = "$before"
check "the new one still answers" ctl show info

web_load none 4
stop_pid "$CONTROL_PID" TERM
wait "$LOAD_PID"
check_load "without any control process traffic goes on" none "d['failed'] == 0"
check "shuntctl says that there is nobody" not ctl show info
