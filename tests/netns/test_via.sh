#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Checks with "via": "service": probes reach servers as clients' packets do, by MAC and through every
# tunnel. s1 and s2 listen at the balanced addresses alone; s3 at all it has, but has none of those.
. "$(dirname "$0")/lib.sh"

begin 3
cp "$SHUNT_TOP/config/dr.json" "$CONFIG"
edit "
d['defaults']['check'] = {'inter': '500ms', 'timeout': '500ms', 'via': 'service'}
d['frontends'], d['backends'] = [], []
def add(name, number, v6, **more):
    bind = '[2001:db8:10::%d]:80' if v6 else '198.51.100.%d:80'
    address = '[2001:db8:a::1%d]:80' if v6 else '10.0.0.1%d:80'
    d['frontends'].append({'name': name, 'bind': bind % number, 'default-backend': name})
    d['backends'].append({'name': name, 'balance': 'roundrobin', **more, 'servers':
        [{'name': 's%d' % n, 'address': address % n} for n in (1, 2, 3)]})
for v6 in (False, True):
    family = '6' if v6 else '4'
    add('dr' + family, 10, v6)
    add('own' + family, 11, v6, check={'via': 'server'})
    for number, encap in ((20, 'ipip'), (21, 'gue'), (22, 'gre')):
        add(encap + family, number, v6, forward='tunnel', encap=encap)
# Some ask for an answer as well: conversations take the same way as handshakes.
for backend in d['backends']:
    if backend['name'] in ('dr4', 'ipip6', 'gue4', 'gre6'):
        backend['check'] = {'type': 'http', 'expect-regex': '^s[123]$'}
# Servers without a port of their own, behind one port and behind several.
for at, backend in enumerate(d['backends']):
    if backend['name'] in ('dr4', 'gue6'):
        for server in backend['servers']:
            server['address'] = server['address'].removesuffix(':80')
    if backend['name'] == 'gue6':
        d['frontends'][at]['bind'] += '-89'
"
v4=(198.51.100.{10,11,20,21,22}) v6=(2001:db8:10::{10,11,20,21,22})
topology_direct 3 "${v4[@]/%//32}" "${v6[@]/%//128}"
for address in "${v4[@]/%//32}" "${v6[@]/%//128}"; do ip -n "$TOPOLOGY-s3" addr del "$address" dev lo; done

# listen N ADDRESS ...: answers HTTP at port 80 of these addresses alone.
listen() {
	start_in "s$1" "listen$1" python3 -c '
import select, socket, sys
listeners = [socket.create_server((a, 80), family=socket.AF_INET6 if ":" in a else socket.AF_INET,
    backlog=64) for a in sys.argv[2:]]
while True:
    for listener in select.select(listeners, [], [])[0]:
        with listener.accept()[0] as peer:
            try:
                peer.settimeout(1)
                if peer.recv(4096):
                    peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + sys.argv[1].encode())
            except OSError:
                pass
' "s$@"
	eval "LISTEN_PID_$1=$STARTED"
}
listen 1 "${v4[@]}" "${v6[@]}"
listen 2 "${v4[@]}" "${v6[@]}"
listen 3 0.0.0.0 ::
for n in 1 2 3; do
	start_in s$n decap$n "$SHUNT_BUILD/tools/shunt-decap" -i eth0 --from 10.0.0.1 --from 2001:db8:a::1
	check "shunt-decap starts in s$n" wait_until 5 grep -q "taking tunnels" "$TOPOLOGY_DIR/decap$n.log" || exit 1
done

names=({dr,ipip,gue,gre}{4,6})
balancer_start "${names[@]/%//s1}" "${names[@]/%//s2}" own4/s3 own6/s3 || exit 1

# states BACKENDS SERVER: of a server, in all backends whose name matches, each state once.
states() {
	ctl -j show servers |
		json "sorted({s['state'] for s in d if s['server'] == '$2' and __import__('re').fullmatch('$1', s['backend'])})"
}
all_are() {
	[ "$(states "$1" "$2")" = "[\"$3\"]" ]
}
via='(dr|ipip|gue|gre)[46]'
sum() {
	ctl -j show servers | json "sum(s['$1'] for s in d)"
}
no_more_downs() {
	[ "$(sum check_down)" = "$downs" ]
}
connected() {
	[ "$(ctl -j show info | json "d['dataplane_connected'] and d['generation'] > 0 and d['workers'][0]['generation'] > 0")" = True ]
}
all_probed() {
	[ "$(ctl -j show servers | json "min(s['check_fail'] for s in d if s['server'] == 's3' and s['backend'][:3] != 'own')")" -ge 2 ]
}

check "a server without the balanced address is probed" wait_until 10 all_probed
check "and is down, though its own address answers" all_are "$via" s3 down
check "as the probe to that address says" all_are 'own[46]' s3 up
check "where no server listens at its own address, that probe finds none" all_are 'own[46]' s1 down
for host in 198.51.100.{10,20,21,22} "[2001:db8:10::"{10,20,21,22}"]"; do
	check "a client reaches $host" in_ns client curl -sgf -m 5 -o /dev/null "http://$host/"
done
check "the kernel's other connections are what they were" \
	in_ns balancer curl -sf -m 5 -o /dev/null http://10.0.0.13/

stop_pid "$LISTEN_PID_2" KILL
check "a server that stops listening goes down everywhere" wait_until 10 all_are "$via" s2 down
check "and the others do not" all_are "$via" s1 up
listen 2 "${v4[@]}" "${v6[@]}"
check "it comes back" wait_until 10 all_are "$via" s2 up
ip -n "$TOPOLOGY-s1" addr del 198.51.100.20/32 dev lo
check "a server that loses one address is down for that alone" wait_until 10 server_is ipip4/s1 down
check "and not for the others" all_are '(dr|gue|gre)[46]|ipip6' s1 up
ip -n "$TOPOLOGY-s1" addr add 198.51.100.20/32 dev lo
check "it comes back with it" wait_until 10 server_is ipip4/s1 up

# What the probes know does not depend on which process has come last.
downs=$(sum check_down)
stop_pid "$DATAPLANE_PID" KILL
sleep 0.7
dataplane_start "$CONFIG"
check "the dataplane is back" wait_until 20 connected
check "and the servers are still up" all_are "$via" s1 up
check "no verdict was made without it" no_more_downs
stop_pid "$CONTROL_PID" KILL
control_start "$CONFIG"
check "after a restart of shunt-control too they are up" wait_until 10 all_are "$via" s1 up
sleep 1.5
check_equal "and stay so" '["up"]' "$(states "$via" s1)"
check_equal "none has been down" 0 "$(sum check_down)"
check "as some had been before" test "$downs" -ge 9
check "they are probed as before" wait_until 10 all_probed

edit "
d['defaults']['check']['via'] = 'server'
next(b for b in d['backends'] if b['name'] == 'gue6')['check'] = {'port': 80}
"
check "a reload to the servers' own addresses" ctl reload
check "turns it all round: s3 is up" wait_until 10 all_are "$via" s3 up
check "and s1 is down" wait_until 10 all_are "$via" s1 down

stop_pid "$CONTROL_PID"
stop_pid "$DATAPLANE_PID"
check "nothing is left on the interfaces" not grep -q shunt_via \
	<(for i in wan0 lan0; do
		in_ns balancer tc filter show dev $i egress
		in_ns balancer tc filter show dev $i ingress
	done 2>/dev/null)
check "no notice about hugepages that are not asked for" not log_has dataplane "1048576 kB"
