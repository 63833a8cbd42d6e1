#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Path MTU discovery through tunnels whose way to the server has a narrow link: a router there tells
# the balancer, and the balancer the client.
#
#   client ── balancer ── switch ── router ── (MTU 1400) ── narrow server
. "$(dirname "$0")/lib.sh"

WEB_PORT=80
begin 1
topology_namespace router
topology_namespace narrow
topology_wire switch portr router r0
ip -n "$TOPOLOGY-switch" link set portr master br0
topology_wire router r1 narrow eth0
ip -n "$TOPOLOGY-router" addr add 10.0.0.250/24 dev r0
ip -n "$TOPOLOGY-router" addr add 2001:db8:a::250/64 dev r0 nodad
ip -n "$TOPOLOGY-router" addr add 10.7.0.1/24 dev r1
ip -n "$TOPOLOGY-router" addr add 2001:db8:7::1/64 dev r1 nodad
in_ns router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
	net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.r0.rp_filter=0 net.ipv4.conf.r1.rp_filter=0
ip -n "$TOPOLOGY-router" link set r1 mtu 1400
ip -n "$TOPOLOGY-narrow" addr add 10.7.0.2/24 dev eth0
ip -n "$TOPOLOGY-narrow" addr add 2001:db8:7::2/64 dev eth0 nodad
ip -n "$TOPOLOGY-narrow" route add default via 10.7.0.1
ip -n "$TOPOLOGY-narrow" route add default via 2001:db8:7::1
ip -n "$TOPOLOGY-balancer" route add 10.7.0.0/24 via 10.0.0.250
ip -n "$TOPOLOGY-balancer" route add 2001:db8:7::/64 via 2001:db8:a::250
# The server's answers to clients: by the router, and the client's second leg.
topology_direct 1
ip -n "$TOPOLOGY-router" route add 192.0.2.0/24 via 10.0.0.200
ip -n "$TOPOLOGY-router" route add 2001:db8:1::/64 via 2001:db8:a::200

# number encapsulation server address: of each service; the last checks the other family in a tunnel.
edit "
d['frontends'], d['backends'] = [], []
ways = ((41, 'ipip', '10.7.0.2'), (42, 'gue', '10.7.0.2'), (43, 'gre', '10.7.0.2'), (44, 'gue', '[2001:db8:7::2]'))
for number, encap, server in ways:
    name = '%s%d' % (encap, number)
    bind = '[2001:db8:10::%d]:5001' % number if '[' in server else '198.51.100.%d:5001' % number
    d['frontends'].append({'name': name, 'bind': bind, 'default-backend': name})
    d['backends'].append({'name': name, 'forward': 'tunnel', 'encap': encap,
        'servers': [{'name': 's1', 'address': server + ':5001'}]})
"
for number in 41 42 43; do
	ip -n "$TOPOLOGY-narrow" addr add 198.51.100.$number/32 dev lo
done
ip -n "$TOPOLOGY-narrow" addr add 2001:db8:10::44/128 dev lo
start_in narrow decap "$SHUNT_BUILD/tools/shunt-decap" -i eth0 --from 10.0.0.1 --from 2001:db8:a::1
check "shunt-decap starts" wait_until 5 log_has decap "taking tunnels"
start_in narrow receive /usr/bin/python3 "$(dirname "$0")/transfer.py" receive --family6
check "the receiver listens" wait_until 5 log_has receive listening
balancer_start ipip41/s1 gue42/s1 gre43/s1 gue44/s1 || exit 1

drops() { ctl -j show drops | json "d.get('$1', 0)"; }
# knows ADDRESS MTU: the client has learnt the path's.
knows() { in_ns client ip route get "$1" | grep -q "mtu $2"; }

# way NAME SOURCE ADDRESS HOST MTU
way() {
	local before

	before=$(drops icmp-tunnel)
	check "$1: 20 MB arrive whole" in_ns client timeout 20 /usr/bin/python3 \
		"$(dirname "$0")/transfer.py" send --bytes 20000000 --from "$2" --to "$3:5001"
	check "$1: the client has learnt what fits the tunnel and the link, $5" knows "$4" "$5"
	check "$1: the router's error has reached Shunt" test "$(drops icmp-tunnel)" -gt "$before"
}
way "IPv4 in IPv4" 192.0.2.1 198.51.100.41 198.51.100.41 1380
way "IPv4 in UDP" 192.0.2.2 198.51.100.42 198.51.100.42 1372
way "IPv4 in GRE" 192.0.2.3 198.51.100.43 198.51.100.43 1376
way "IPv6 in UDP over IPv6" 2001:db8:1::4 "[2001:db8:10::44]" 2001:db8:10::44 1352

# The kernel's own errors stay the kernel's: its ping is told about the narrow link.
in_ns balancer ping -c 1 -W 1 -M do -s 1440 10.7.0.2 >/dev/null 2>&1
check "the balancer's kernel learns from errors about its own packets" grep -q "mtu 1400" \
	<(in_ns balancer ip route get 10.7.0.2)
check_equal "nothing else was dropped" 0 "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('icmp-inner', 'icmp-checksum', 'no-service', 'tx-full'))")"
