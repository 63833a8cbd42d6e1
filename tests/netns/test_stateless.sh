#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A stateless frontend: real connections and UDP flows keep their servers while others are added,
# removed, drained and taken down, and only those have entries whose servers the hash no longer says.
. "$(dirname "$0")/lib.sh"

COUNT=60 # of either protocol
PORT=9000
WEB_PORT=80 UDP_PORT=$PORT
begin 4
edit "
servers = [{'name': f's{n}', 'address': f'10.0.0.1{n}:$PORT'} for n in (1, 2, 3)]
mode = {'forward': 'dr', 'hash-on': 'source-port', 'servers': servers, 'check': False}
d['frontends'] = [
    {'name': p, 'bind': '198.51.100.10:$PORT', 'protocol': p, 'default-backend': 'app',
     'flow-mode': 'stateless', 'timeout': {'fin': '1s', 'udp': '1h'}} for p in ('tcp', 'udp')]
d['backends'] = [{'name': 'app', **mode}]
"
topology_direct 4 198.51.100.10/32
for n in 1 2 3 4; do
	start_in s$n "echo$n" python3 "$(dirname "$0")/stateless.py" serve $PORT "s$n"
	udp_start $n
	check "s$n serves" wait_until 5 log_has "echo$n" serving
done
balancer_start || exit 1
check "all servers are in use" wait_until 10 server_is app/s3 no-check

total() {
	ctl -j show workers | json "sum(w['$1'] for w in d)"
}
test_connected() {
	[ "$(ctl -j show info | json "d['dataplane_connected'] and d['generation'] > 0")" = True ]
}

mkfifo "$TOPOLOGY_DIR/rounds"
ip netns exec "$TOPOLOGY-client" python3 "$(dirname "$0")/stateless.py" hold 198.51.100.10 $PORT \
	$COUNT <"$TOPOLOGY_DIR/rounds" >"$TOPOLOGY_DIR/hold.log" 2>&1 &
HELD=$!
TOPOLOGY_PIDS+=("$HELD")
exec 9>"$TOPOLOGY_DIR/rounds"
ROUND=0
# next_round: asks all of them; what came of it is in $SEEN.
next_round() {
	ROUND=$((ROUND + 1))
	echo >&9
	wait_until 5 log_has hold "^round $ROUND:"
	SEEN=$(sed -n "s/^round $ROUND: //p" "$TOPOLOGY_DIR/hold.log")
}
# all_same TEXT: each is answered by its server.
all_same() {
	next_round
	check_equal "$1" "tcp $COUNT/0/0 udp $COUNT/0/0" "$SEEN"
}

check "all are open" wait_until 10 log_has hold "^open: $((2 * COUNT)) at 3, 0 lost"
all_same "nothing has changed"
check_equal "and nothing is stored" "0 0" "$(total flows) $(total exceptions)"
check_equal "lookup says why" "source-port hash, stateless" \
	"$(ctl -j lookup tcp 192.0.2.1:1234 198.51.100.10:$PORT | json "d['reason']")"
stop_pid "$DATAPLANE_PID" KILL
dataplane_start "$CONFIG"
check "the dataplane is killed and back" wait_until 10 test_connected
all_same "which nobody notices"

ctl set server app/s3 state drain >/dev/null
all_same "s3 drains"
STORED=$(total flows)
check "only its flows are stored" test "$STORED" -gt 10 -a "$STORED" -lt "$COUNT"
check_equal "each once" "$STORED" "$(total exceptions)"
all_same "and they are found"
check_equal "nothing more is stored" "$STORED" "$(total exceptions)"
check_equal "new connections pass it by" "s1 s2" "$(for _ in $(seq 20); do
	in_ns client timeout 5 bash -c \
		"exec 3<>/dev/tcp/198.51.100.10/$PORT && echo >&3 && head -c 2 <&3 && echo"
done | sort -u | xargs)"
ctl set server app/s3 state ready >/dev/null
all_same "s3 is back"
ctl set server app/s1 state maint >/dev/null
next_round
check "UDP flows leave a server that is down, TCP ones do not: $SEEN" \
	grep -Eqx "tcp $COUNT/0/0 udp [0-9]+/[1-9][0-9]*/0" <<<"$SEEN"
ctl set server app/s1 state ready >/dev/null
all_same "s1 is back, and they stay where they are now"
edit "d['backends'][0]['servers'].append({'name': 's4', 'address': '10.0.0.14:$PORT'})"
check "a reload adds s4" ctl reload
all_same "s4 is new"
edit "del d['backends'][0]['servers'][1]"
check "a reload removes s2" ctl reload
all_same "s2 is removed"
check "and shown while it may be in use" server_is app/s2 removed

edit "for f in d['frontends']: f['flow-mode'] = 'stateful'"
check "a reload makes them stateful" ctl reload
ctl set server app/s3 state drain >/dev/null
all_same "all are found"
check "and all are stored" test "$(total flows)" -ge $((2 * COUNT))
edit "for f in d['frontends']: f['flow-mode'] = 'stateless'"
check "a reload makes them stateless" ctl reload
ctl set server app/s3 state ready >/dev/null
all_same "those that have entries keep to them"
check_equal "nothing was dropped" "{}" "$(ctl -j show drops | json "{k: n for k, n in d.items() if n and
	k not in ('no-neighbor', 'not-ip', 'no-service', 'local')}")"
stop_pid "$HELD"
