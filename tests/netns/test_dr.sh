#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Forwarding mode dr: servers that own the balanced address and answer clients past the balancer.
. "$(dirname "$0")/lib.sh"

WEB_PORT=80 UDP_PORT=53
begin 3
cp "$SHUNT_TOP/config/dr.json" "$CONFIG"
edit "
d['defaults']['timeout'] = {'fin': '2s'}
d['frontends'].append({'name': 'hold', 'bind': '198.51.100.10:9000', 'default-backend': 'hold'})
d['backends'].append({'name': 'hold', 'forward': 'dr', 'on-marked-down': 'shutdown-sessions',
                      'servers': [{'name': 's1', 'address': '10.0.0.11:9000'}]})
"
topology_direct 3 198.51.100.10/32 2001:db8:10::10/128
for n in 1 2 3; do udp_start $n; done
start_in s1 hold python3 "$(dirname "$0")/lifetimes.py" serve 9000
balancer_start hold/s1 app/s1 app/s2 app/s3 app6/s1 app6/s2 app6/s3 dns/s1 dns/s2 dns/s3 || exit 1

count_load v4 1200
check_load "IPv4: no request failed" v4 "d['failed'] == 0 and d['requests'] > 300"
check_load "each client address has one server" v4 \
	"len(d['sources']) == 240 and all(len(c) == 1 for c in d['sources'].values())"
check_load "shares follow the weights" v4 \
	"all(abs(d['servers'][s] / d['requests'] - w / 60) < 0.12 for s, w in (('s1', 10), ('s2', 20), ('s3', 30)))"

count_load v6 600 --host 2001:db8:10::10 --source 2001:db8:1::1
check_load "IPv6: no request failed" v6 "d['failed'] == 0 and d['requests'] > 200"
check_load "round robin shares are those of the weights" v6 \
	"all(abs(d['servers'][s] / d['requests'] - w / 60) < 0.03 for s, w in (('s1', 10), ('s2', 20), ('s3', 30)))"

count_load udp 600 --udp --port 53
check_load "UDP: no datagram was lost" udp "d['failed'] == 0 and d['requests'] > 200"
check_load "least connections shares evenly" udp \
	"all(abs(d['servers'][s] / d['requests'] - 1 / 3) < 0.08 for s in ('s1', 's2', 's3'))"

check "a download of 8 MB arrives whole" \
	test "$(in_ns client curl -s --max-time 30 http://198.51.100.10/big | cksum)" = \
	"$(head -c 8000000 /dev/zero | cksum)"
check_equal "no answer passed the balancer" 0 \
	"$(ctl -j show servers | json "sum(s['out_packets'] for s in d)")"
check "every request did" test "$(ctl -j show servers |
	json "all(s['in_packets'] > 20 for s in d if s['backend'] != 'hold')")" = True

sessions_at_most() {
	[ "$(ctl -j show servers | json "sum(s['sessions'] for s in d if s['backend'] == 'app')")" -le "$1" ]
}
# The client's own connections end when it says so, though nobody hears the server.
in_ns client curl -s --max-time 5 http://198.51.100.10/ >/dev/null
check "flows end by the client's word" wait_until 50 sessions_at_most 10

ctl set server app/s3 state drain >/dev/null
web_load drained 2; wait "$LOAD_PID"
check_load "a drained server gets no new connections" drained \
	"d['failed'] == 0 and 's3' not in d['servers']"
# hold LOCAL-PORT: a connection of a client that says nothing once it is open.
hold() {
	start_in client "hold$1" python3 "$(dirname "$0")/lifetimes.py" hold 198.51.100.10 9000 "$1"
	check "connection $1 is open" wait_until 5 log_has "hold$1" open
}
held() {
	[ "$(ctl -j show servers | json "sum(s['sessions'] for s in d if s['backend'] == 'hold')")" = "$1" ]
}
hold 9100
HELD=$STARTED
hold 9101
check "two sessions" held 2
kill -USR2 "$HELD"
check "a client's reset ends its session" wait_until 3 held 1
ctl set server hold/s1 state maint >/dev/null
check "a server in maintenance: a silent client is told" wait_until 3 log_has hold9101 reset
check "and the session is over" held 0
check "nothing was dropped for want of room" test "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('tx-full', 'handover-full', 'no-neighbor', 'too-big'))")" = 0
