#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `observe`: servers that fail between two probes, which are ten minutes apart. What clients meet has
# them probed at once, and their probes take them down; whoever is not observed stays up.
. "$(dirname "$0")/lib.sh"

begin 4
# s1 owns the balanced address of dr, and answers past the balancer.
topology_direct 1 198.51.100.20/32
# A second port of s4, which answers whatever becomes of the first.
sed -i "s|^http {|http {\n\tserver { listen 8081; }|" "$TOPOLOGY_DIR/s4/nginx.conf"
kill -HUP "$WEB_PID_4"

edit "
d['defaults']['check'] = {'inter': '10m', 'fastinter': '100ms', 'downinter': '100ms',
                          'timeout': '300ms', 'fall': 3, 'rise': 1}
d['frontends'], d['backends'] = [], []
def add(name, bind, server, check, **more):
    d['frontends'].append({'name': name, 'bind': bind, 'default-backend': name})
    d['backends'].append({'name': name, 'check': check, **more,
                          'servers': [{'name': server, 'address': '10.0.0.1%s:8080' % server[1]}]})
seen = {'observe': {'share': 40, 'within': '1s', 'least': 3}}
add('direct', '198.51.100.20:8080', 's1', seen, forward='dr')
add('refuse', '198.51.100.10:82', 's2', seen)
# With another timeout, so that they are probed for themselves.
blind = {'timeout': '299ms'}
add('refuse-blind', '198.51.100.10:92', 's2', blind)
add('drop', '198.51.100.10:83', 's3', seen)
add('drop-blind', '198.51.100.10:93', 's3', blind)
add('data', '198.51.100.10:84', 's4', {**seen, 'port': 8081})
"
balancer_start direct/s1 refuse/s2 refuse-blind/s2 drop/s3 drop-blind/s3 data/s4 || exit 1

# field BACKEND KEY: of its one server.
field() {
	ctl -j show servers | json "[s['$2'] for s in d if s['backend'] == '$1'][0]"
}
# field_least BACKEND KEY LEAST
field_least() { [ "$(field "$1" "$2")" -ge "$3" ]; }
# knock COUNT ADDRESS:PORT ...: so many connections to each, all at once; bounded by their time.
knock() {
	local count=$1 to n pids=()
	shift
	for to in "$@"; do
		for ((n = 0; n < count; n++)); do
			in_ns client curl -s -o /dev/null --max-time 2.5 "http://$to/" &
			pids+=($!)
		done
	done
	wait "${pids[@]}"
	return 0
}
# falls SERVER ADDRESS:PORT ...: it is down, behind some knocks.
falls() {
	local server=$1
	shift
	knock 10 "$@"
	server_is "$server" down
}
# said BACKEND: how often the log has said that its connections fail.
said() { grep -c "observe: $1/s[0-9]: [0-9]* of [0-9]* new connections in the last" \
	"$TOPOLOGY_DIR/control.log"; }
serves() { in_ns client curl -sf --max-time 3 -o /dev/null "http://$1/"; }
# close_port N VERDICT: what sN's kernel does with what comes to port 8080.
close_port() {
	in_ns "s$1" nft -f - <<-END
		table inet closed {
			chain in {
				type filter hook input priority 0;
				tcp dport 8080 $2
			}
		}
	END
}
open_port() { in_ns "s$1" nft delete table inet closed; }

for to in 198.51.100.20:8080 198.51.100.10:{82,92,83,93,84}; do
	check "clients reach $to" serves "$to"
done
knock 10 198.51.100.20:8080 198.51.100.10:{82,92,83,93,84}
check_equal "nothing is held against servers that answer" 0 \
	"$(ctl -j show servers | json "sum(s['syn_refused'] + s['check_hurried'] for s in d)")"

web_kill 2
check "the server that refuses is down, minutes before its next probe" \
	wait_until 40 falls refuse/s2 198.51.100.10:82 198.51.100.10:92
check "its refusals are counted" field_least refuse syn_refused 3
check "by its probes" field_least refuse check_fail 3
check "the same one is up where it is not observed" server_is refuse-blind/s2 up
check "though as many were refused" field_least refuse-blind syn_refused 3
check_equal "that had no probes" 0 "$(field refuse-blind check_fail)"
check_equal "the log says it once" 1 "$(said refuse)"
check_equal "and nothing of the other" 0 "$(said refuse-blind)"

close_port 3 drop
check "the server that drops is down" wait_until 40 falls drop/s3 198.51.100.10:83 198.51.100.10:93
check "what it left without an answer is counted" field_least drop syn_unanswered 3
check_equal "no refusals" 0 "$(field drop syn_refused)"
check "the same one is up where it is not observed" server_is drop-blind/s3 up
check_equal "that had no probes" 0 "$(field drop-blind check_fail)"

close_port 1 drop
check "a server that answers directly is down, too" \
	wait_until 40 falls direct/s1 198.51.100.20:8080
check "its clients had to ask again" field_least direct syn_unanswered 3
open_port 1
check "it comes up" wait_until 10 server_is direct/s1 up
check "and serves" serves 198.51.100.20:8080

# more_probes COUNT: of data/s4, behind some knocks.
more_probes() {
	knock 10 198.51.100.10:84
	field_least data check_hurried "$1"
}
close_port 4 "reject with tcp reset"
check "a server whose check answers is probed again and again" wait_until 40 more_probes 10
check "but no refusal takes it down" server_is data/s4 up
check_equal "as no probe has failed" 0 "$(field data check_fail)"
open_port 4
# calm: no probe in half a second.
calm() {
	local before
	before=$(field data check_hurried)
	sleep 0.5
	[ "$(field data check_hurried)" = "$before" ]
}
check "when it serves again, its probes are seldom" wait_until 20 calm
check "show servers has the counters" grep -q "refused  unanswered" <(ctl show servers)

before=$(grep -c "new connections in the last" "$TOPOLOGY_DIR/control.log")
stop_started "$DATAPLANE_PID"
dataplane_start "$CONFIG"
check "another dataplane begins to count anew" wait_until 20 serves 198.51.100.10:84
knock 10 198.51.100.10:84
check_equal "that is no alarm" "$before" \
	"$(grep -c "new connections in the last" "$TOPOLOGY_DIR/control.log")"
check "and what went before is forgotten" test "$(field data syn_refused)" -lt 3
