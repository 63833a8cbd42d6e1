#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Checks without a connection, of real servers, well and ill: a name server (nsd), which answers,
# refuses and fails; a server that sends back what it hears, one that hears and is silent; ports where
# nobody listens, and firewalls; echo requests to hosts that answer, that do not, and that are gone.
# Over IPv4 and IPv6; probes of ICMP by raw sockets, by ping sockets, and where neither is allowed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/checks.sh"

begin 2
nsd_begin

# Port 8201 sends back, 8202 is silent; 8253 reads queries as scapy does, says which are not as scapy
# would have written them, and lies twice before it answers.
cat >"$TOPOLOGY_DIR/datagrams.py" <<'END'
import socket, sys, threading
from scapy.layers.dns import DNS, DNSQR

def server(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, port))
    return s

def echo(s):
    while True:
        data, client = s.recvfrom(65535)
        s.sendto(data, client)

def silent(s):
    while True:
        s.recvfrom(65535)

def dns(s):
    seen = set()
    while True:
        data, client = s.recvfrom(65535)
        q = DNS(data)
        wanted = DNS(id=q.id, rd=1, qd=DNSQR(qname="www.example.org", qtype="AAAA"))
        print("query", "right" if bytes(wanted) == data else "WRONG " + data.hex(), flush=True)
        seen.add((q.id, client[1]))
        if len(seen) == 5:
            print("five ids", sorted(seen), flush=True)
        other = DNSQR(qname="www.example.com", qtype="AAAA")
        for id, qd in (((q.id + 1) % 65536, q.qd), (q.id, other), (q.id, q.qd)):
            s.sendto(bytes(DNS(id=id, qr=1, rd=1, ra=1, tc=1, qd=qd)), client)

for kind, port in ((echo, 8201), (silent, 8202), (dns, 8253)):
    for address in sys.argv[1:]:
        threading.Thread(target=kind, args=(server(address, port),)).start()
print("listening", flush=True)
END
# At addresses of their own, which are then those that they answer from.
start_in s1 datagrams python3 "$TOPOLOGY_DIR/datagrams.py" 10.0.0.11 2001:db8:a::11
for n in 1 2 3; do
	ip -n "$TOPOLOGY-s2" addr add "10.9.0.$n/32" dev lo
	ip -n "$TOPOLOGY-s2" addr add "2001:db8:9::$n/128" dev lo
done
start_in s2 others python3 "$TOPOLOGY_DIR/datagrams.py" 10.0.0.12 2001:db8:a::12 10.9.0.3 2001:db8:9::3
check "the servers of datagrams listen" wait_until 30 log_has datagrams listening
check "on the other host too" wait_until 30 log_has others listening

# Kernels say only once in a while that something cannot be reached; here always. Behind s1 are hosts
# that cannot be reached, for one reason or another, and a narrow link.
for n in 1 2; do
	in_ns "s$n" sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
done
in_ns s1 sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
	net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
in_ns s1 nft -f - <<-END
	table inet lost {
		chain forward {
			type filter hook forward priority 0
			ip daddr 10.9.0.1 reject with icmp host-unreachable
			ip6 daddr 2001:db8:9::1 reject with icmpv6 addr-unreachable
		}
	}
END
ip -n "$TOPOLOGY-s1" route add 10.9.0.1 via 10.0.0.12
ip -n "$TOPOLOGY-s1" route add 2001:db8:9::1 via 2001:db8:a::12
ip -n "$TOPOLOGY-s1" route add 10.9.0.2 via 10.0.0.12
ip -n "$TOPOLOGY-s1" route add 2001:db8:9::2 via 2001:db8:a::12
ip -n "$TOPOLOGY-s1" route add 10.9.0.3 via 10.0.0.12 mtu 1280
ip -n "$TOPOLOGY-s1" route add 2001:db8:9::3 via 2001:db8:a::12 mtu 1280
ip -n "$TOPOLOGY-balancer" route add 10.9.0.0/24 via 10.0.0.11
ip -n "$TOPOLOGY-balancer" route add 2001:db8:9::/64 via 2001:db8:a::11
ip -n "$TOPOLOGY-balancer" route add 10.9.0.2 via 10.0.0.11 hoplimit 1
ip -n "$TOPOLOGY-balancer" route add 2001:db8:9::2 via 2001:db8:a::11 hoplimit 1

edit "
d['defaults']['check'] = {'inter': '300ms', 'timeout': '300ms', 'fall': 2, 'rise': 1}
d['frontends'], d['backends'] = [], []
def add(name, check, v4='10.0.0.11', v6='2001:db8:a::11', port=53):
    for six, address in enumerate((v4, v6)):
        n = name + ('6' if six else '')
        d['frontends'].append({'name': n, 'protocol': 'udp', 'default-backend': n, 'bind':
            ('[2001:db8:10::10]:%d' if six else '198.51.100.10:%d') % (9000 + len(d['frontends']))})
        d['backends'].append({'name': n, 'servers': [{'name': 's', 'check': check,
            'address': ('[%s]:%d' if six else '%s:%d') % (address, port)}]})
s2 = ('10.0.0.12', '2001:db8:a::12')
dns, udp, icmp = {'type': 'dns'}, {'type': 'udp'}, {'type': 'icmp'}
add('zone', {**dns, 'query': 'example.org'})
add('name', {**dns, 'query': 'LONG.example.org.', 'query-type': 'TXT'})
add('missing', {**dns, 'query': 'not.example.org', 'query-type': 'A'})
add('wanted', {**dns, 'query': 'not.example.org', 'query-type': 'ANY',
               'rcode': ['NOERROR', 'NXDOMAIN']})
add('root', dns)
add('broken', {**dns, 'query': 'broken.example'})
add('lies', {**dns, 'query': 'www.example.org', 'query-type': 'AAAA'}, port=8253)
add('parrot', dns, port=8201)
add('mute', dns, port=8202)
add('echo', {**udp, 'send': 'ping', 'expect': 'ping'}, port=8201)
add('other', {**udp, 'send-hex': '70696e67', 'expect-regex': '^pong'}, port=8201)
add('silent', {**udp, 'send': 'ping', 'expect': 'ping'}, port=8202)
add('deaf', udp, port=8202)
add('empty', udp, port=8201)
add('refused', udp, port=8209)
add('far', {**udp, 'send': 'ping', 'expect': 'ping'}, *s2, port=8201)
add('lost', udp, '10.9.0.1', '2001:db8:9::1')
add('ping', icmp)
add('ping-far', icmp, *s2)
add('ping-gone', icmp, '10.0.0.99', '2001:db8:a::99')
add('ping-lost', icmp, '10.9.0.1', '2001:db8:9::1')
add('ping-behind', icmp, '10.9.0.3', '2001:db8:9::3')
add('ping-loop', icmp, '10.9.0.2', '2001:db8:9::2')
add('narrow', {**udp, 'send': 'x' * 2000 + ' all', 'expect': ' all'}, '10.9.0.3', '2001:db8:9::3',
    port=8201)
d['frontends'].append({'name': 'range', 'protocol': 'udp', 'bind': '198.51.100.11:7000-7099',
                       'default-backend': 'range'})
d['backends'].append({'name': 'range', 'servers': [
    {'name': 's', 'address': '10.0.0.11', 'check': icmp}]})
"
balancer_start zone/s zone6/s lies/s echo/s ping/s ping6/s range/s || exit 1

# comes2 TEXT BACKEND RESULT [WORDS]: the same over IPv4 and IPv6.
comes2() {
	comes "$1" "$2" "$3" "${4:-}"
	comes "  over IPv6 too" "${2}6" "$3" "${4:-}"
}

# Hosts that are gone are silent, but for once in a while, when the kernel gives up asking for their
# hardware address.
is_gone() {
	[[ "$(result "$1")" =~ ^"down L4"(TOUT|CON)" 0"$ ]]
}

comes2 "dns: a zone's SOA" zone "up L7OK 0"
comes2 "a text, by a name in other letters" name "up L7OK 0"
comes2 "a name that does not exist" missing "down L7STS 3" "NXDOMAIN, expected NOERROR"
comes2 "unless that is fine" wanted "up L7OK 3"
comes2 "a server that does not serve the root" root "down L7STS 5" "REFUSED, expected NOERROR"
comes2 "a zone that is broken" broken "down L7STS 2" "SERVFAIL, expected NOERROR"
comes2 "forged answers before the right one, which is cut" lies "up L7OK 0"
check "the queries were as scapy writes them" log_has datagrams "query right"
check "all of them" not log_has datagrams WRONG
check "with ids and from ports of their own" wait_until 20 log_has datagrams "five ids"
comes2 "a server that sends back the query" parrot "down L7RSP 0" "no response to a query"
comes2 "one that is silent" mute "down L4TOUT 0" "no answer within 300 ms"

comes2 "udp: the expected answer" echo "up L7OK 0"
comes2 "another one" other "down L7RSP 0" 'expected "^pong", got "ping"'
comes2 "none" silent "down L4TOUT 0"
comes2 "none, where none is expected" deaf "up L4OK 0" "no answer, and no refusal"
comes2 "an empty datagram, and an answer" empty "up L4OK 0"
comes2 "a port where nobody listens" refused "down L4CON 0" "port unreachable"
comes2 "a host that a router cannot reach" lost "down L4CON 0" "no route to host"
comes2 "a request that is too long for a link on the way" narrow "up L7OK 0"
check "is sent again at once" not log_has control "narrow6*/s .* failed"

comes2 "icmp: a host that answers" ping "up L4OK 0"
comes "one behind a range of ports, without one of its own" range "up L4OK 0"
comes2 "another host" ping-far "up L4OK 0"
check "a host that is not there" wait_until 5 is_gone ping-gone
check "  over IPv6 too" wait_until 5 is_gone ping-gone6
comes2 "one that a router cannot reach" ping-lost "down L4CON 0"
comes2 "one that is too far" ping-loop "down L4CON 0" "time to live exceeded"

stop_started "$NSD_PID"
comes2 "nsd has stopped" zone "down L4CON 0" "port unreachable"
nsd_start
comes2 "and runs again" zone "up L7OK 0"
check "the log has told it" log_has control \
	"zone/s is down: 2 probes failed, last: L4CON in .*: port unreachable"
check "both" log_has control "zone/s is up: 1 probe succeeded, last: L7OK"

in_ns s2 nft -f - <<-END
	table inet ill {
		chain input {
			type filter hook input priority 0
			udp dport 8201 drop
			icmp type echo-request drop
			icmpv6 type echo-request drop
		}
	}
END
comes2 "a firewall that drops datagrams" far "down L4TOUT 0"
comes2 "and echo requests" ping-far "down L4TOUT 0"
comes2 "also behind a router" ping-behind "down L4TOUT 0"
# Raw sockets hear these too.
start_in balancer pings ping -q -t 1 -i 0.05 10.9.0.3
start_in balancer pings ping -q -t 1 -i 0.05 2001:db8:9::3
check "errors about others' echo requests are not ours" \
	not wait_until 2 result_is ping-behind "down L4CON 0"
check "  over IPv6 neither" not wait_until 2 result_is ping-behind6 "down L4CON 0"
in_ns s2 nft delete table inet ill
comes2 "no longer" far "up L7OK 0"
comes2 "none of both" ping-far "up L4OK 0"
in_ns s2 nft -f - <<-END
	table inet ill {
		chain input {
			type filter hook input priority 0
			udp dport 8201 reject with icmpx admin-prohibited
			icmp type echo-request reject with icmp admin-prohibited
			icmpv6 type echo-request reject with icmpv6 admin-prohibited
		}
	}
END
comes2 "one that says so" far "down L4CON 0" "administratively prohibited"
comes2 "to who asks by echo requests too" ping-far "down L4CON 0" "administratively prohibited"
in_ns s2 nft delete table inet ill
comes2 "no longer" far "up L7OK 0"
in_ns s2 sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=1
ip -n "$TOPOLOGY-s2" link set eth0 down
check "a host that is switched off" wait_until 10 is_gone ping-far
check "  over IPv6 too" wait_until 10 is_gone ping-far6
ip -n "$TOPOLOGY-s2" link set eth0 up
comes "and on" ping-far "up L4OK 0"

# What the firewall of this host forbids is nothing that a server did.
in_ns balancer nft -f - <<-END
	table inet here {
		chain output {
			type filter hook output priority 0
			udp dport 8201 drop
			icmp type echo-request drop
		}
	}
END
comes "what this host's firewall forbids" echo "up SOCKERR 0" "operation not permitted"
comes "is not held against the server" ping "up SOCKERR 0"
in_ns balancer nft delete table inet here
comes "without it" echo "up L7OK 0"

# Without CAP_NET_RAW, and with and without ping sockets.
stop_started "$CONTROL_PID"
in_ns balancer sysctl -qw net.ipv4.ping_group_range="1 0"
start_in balancer control setpriv --inh-caps=-net_raw --bounding-set=-net_raw \
	"$SHUNT_BUILD/control/shunt-control" -c "$CONFIG" --run-dir "$TOPOLOGY_DIR/run"
comes2 "no socket for echo requests is allowed" ping "up SOCKERR 0" \
	"net.ipv4.ping_group_range, or CAP_NET_RAW"
comes2 "a name server is asked all the same" zone "up L7OK 0"
in_ns balancer sysctl -qw net.ipv4.ping_group_range="0 2147483647"
comes2 "ping sockets are" ping "up L4OK 0"
comes2 "errors come by those too" ping-loop "down L4CON 0" "time to live exceeded"
