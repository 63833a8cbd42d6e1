#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Path MTU discovery through full NAT, within IPv4, and between the families: a narrow link before
# the clients, which the servers have to learn of, and longer headers, which the clients have to.
#
#   far ── (MTU 1400) ── client, as a router ── balancer ── servers
. "$(dirname "$0")/lib.sh"

WEB_PORT=80
begin 1
here=$(dirname "$0")
topology_namespace far
topology_wire client narrow far f0
ip -n "$TOPOLOGY-client" addr add 203.0.113.1/24 dev narrow
ip -n "$TOPOLOGY-client" addr add 2001:db8:f::1/64 dev narrow nodad
ip -n "$TOPOLOGY-far" addr add 203.0.113.2/24 dev f0
ip -n "$TOPOLOGY-far" addr add 2001:db8:f::2/64 dev f0 nodad
ip -n "$TOPOLOGY-far" route add default via 203.0.113.1
ip -n "$TOPOLOGY-far" route add default via 2001:db8:f::1
in_ns client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$TOPOLOGY-client" link set narrow mtu 1400

# Each way has source addresses of its own, by which the server keeps what it learns.
edit "
d['frontends'], d['backends'] = [], []
for name, bind, server, source in (
        ('4to4', '198.51.100.41', '10.0.0.11', '10.0.0.241'),
        ('6to4', '[2001:db8:10::42]', '10.0.0.11', '10.0.0.242'),
        ('4to6', '198.51.100.43', '[2001:db8:a::11]', '2001:db8:a::243')):
    for port in (80, 5001):
        d['frontends'].append({'name': '%s-%d' % (name, port), 'bind': '%s:%d' % (bind, port),
            'default-backend': '%s-%d' % (name, port)})
        d['backends'].append({'name': '%s-%d' % (name, port), 'forward': 'fullnat',
            'source-addresses': [source],
            'servers': [{'name': 's1', 'address': '%s:%d' % (server, port)}]})
d['frontends'].append({'name': 'udp', 'bind': '198.51.100.43:53', 'protocol': 'udp',
    'default-backend': 'udp'})
d['backends'].append({'name': 'udp', 'forward': 'fullnat', 'source-addresses': ['2001:db8:a::244'],
    'servers': [{'name': 's1', 'address': '[2001:db8:a::11]:53', 'check': {'port': 80}}]})
"
start_in s1 receive /usr/bin/python3 "$here/transfer.py" receive --family6
check "the receiver listens" wait_until 10 log_has receive listening
balancer_start 4to4-80/s1 6to4-80/s1 4to6-80/s1 4to4-5001/s1 6to4-5001/s1 4to6-5001/s1 udp/s1 || exit 1
mkdir "$TOPOLOGY_DIR/files"
chmod 755 "$TOPOLOGY_DIR/files"
head -c 30000000 /dev/urandom >"$TOPOLOGY_DIR/files/part"
sum=$(sha256sum <"$TOPOLOGY_DIR/files/part")

# knows NAMESPACE ADDRESS MTU
knows() { in_ns "$1" ip route get "$2" | grep -q "mtu $3"; }

# down NAME HOST SOURCE MTU: the server's packets become what fits the narrow link.
down() {
	check "$1: the server does not know the narrow link" not knows s1 "$3" "$4"
	check_equal "$1: 30 MB arrive whole behind it" "$sum" \
		"$(in_ns far curl -s -g --max-time 40 "http://$2/files/part" | sha256sum)"
	check "$1: because the server has learnt an MTU of $4" knows s1 "$3" "$4"
}
# What the link lets by, less what IPv6's header is longer, or more what IPv4's is shorter.
down "IPv4" 198.51.100.41 10.0.0.241 1400
down "IPv6 clients of IPv4" "[2001:db8:10::42]" 10.0.0.242 1380
down "IPv4 clients of IPv6" 198.51.100.43 2001:db8:a::243 1420

# up NAME HOST SOURCE
up() {
	check "$1: 30 MB arrive whole at the server" in_ns client timeout 40 /usr/bin/python3 \
		"$here/transfer.py" send --bytes 30000000 --from "$3" --to "$2:5001"
}
up "IPv4" 198.51.100.41 192.0.2.1
up "IPv6 clients of IPv4" "[2001:db8:10::42]" 2001:db8:1::2
up "IPv4 clients of IPv6" 198.51.100.43 192.0.2.3

# TCP has agreed on segments that leave room for the longer header; of a datagram the client is told.
check "IPv4 clients of IPv6: the client does not know that its packets become longer" \
	not knows client 198.51.100.43 1480
# The kernel takes the error only while the socket is there.
tell_udp() {
	in_ns client python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO: not in fragments
s.connect(("198.51.100.43", 53))
s.send(bytes(1472))
s.settimeout(5)
try:
    s.recv(1)
except OSError as error:
    sys.exit(error.errno != 90)  # EMSGSIZE
sys.exit(1)'
}
check "IPv4 clients of IPv6: the sender of a datagram is told" tell_udp
check "IPv4 clients of IPv6: the client knows an MTU of 1480" knows client 198.51.100.43 1480
check_equal "no error was dropped" 0 "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('icmp-inner', 'icmp-checksum', 'no-flow', 'protocol'))")"
