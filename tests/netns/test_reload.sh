#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Reloads under traffic; what stays keeps its state; what is wrong is refused and changes nothing.
. "$(dirname "$0")/lib.sh"

begin 4
balancer_start app/s1 app/s2 app/s3 || exit 1

check "drain s1" ctl set server app/s1 state drain
check "weight of s2" ctl set server app/s2 weight 99
web_load reload 8
sleep 0.5
for i in $(seq 20); do
	edit "d['backends'][0]['servers'][2]['weight'] = 30 + $i"
	ctl reload >/dev/null || check "reload $i" false
done
edit "d['backends'][0]['servers'].append({'name': 's4', 'address': '10.0.0.14:8080', 'weight': 30})"
check "a reload that adds a server" ctl reload
check "it comes up" wait_until 5 server_is app/s4 up
# A reload that removes a server ends what it still has, so an operator drains it first.
check "drain s3" ctl set server app/s3 state drain
sleep 1
edit "d['backends'][0]['servers'].pop(2)"
check "a reload that removes one" ctl reload
wait "$LOAD_PID"
check_load "21 reloads: no request failed" reload "d['failed'] == 0 and d['requests'] > 500"
check "drain is kept" server_is app/s1 drain
check "the weight set by command is kept" test "$(ctl -j show servers |
	json "[s['weight'] for s in d if s['backend'] == 'app' and s['server'] == 's2'][0]")" = 99
check "the removed server is gone" test "$(ctl -j show servers |
	json "[s['server'] for s in d if s['backend'] == 'app']")" = '["s1", "s2", "s4"]'
check "SIGHUP reloads too" kill -HUP "$CONTROL_PID"

sleep 0.5
before=$(generation)
cp "$CONFIG" "$CONFIG.good"
web_load refused 4
for bad in "d['backends'][0]['servers'][0]['weight'] = 1000" "d['frontends'][0]['bind'] = 'x'" \
	"d['frontends'][1]['default-backend'] = 'nobody'" "d['surprise'] = 1"; do
	cp "$CONFIG.good" "$CONFIG"
	edit "$bad"
	check "refused: $bad" not ctl reload
done
printf '{ "frontends": [' >"$CONFIG"
check "refused: a file cut short" not ctl reload
rm "$CONFIG"
check "refused: no file" not ctl reload
cp "$CONFIG.good" "$CONFIG"
wait "$LOAD_PID"
check_load "bad files: no request failed" refused "d['failed'] == 0"
check "and nothing was sent to the workers" test "$(generation)" = "$before"
check "shuntctl says where the error is" sh -c \
	"printf '{\"frontends\": 7}' >'$TOPOLOGY_DIR/bad.json'; '$SHUNT_BUILD/tools/shuntctl' check '$TOPOLOGY_DIR/bad.json' 2>&1 | grep -F '\$.frontends'"
