#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ICMP errors about balanced flows, both ways: path MTU discovery between a server and a client
# behind a narrow link, and a server's closed UDP port.
#
#   far ── (MTU 1300) ── client, as a router ── balancer ── servers
. "$(dirname "$0")/lib.sh"

begin 3
topology_namespace far
topology_wire client narrow far f0
ip -n "$TOPOLOGY-client" addr add 203.0.113.1/24 dev narrow
ip -n "$TOPOLOGY-client" addr add 2001:db8:f::1/64 dev narrow nodad
ip -n "$TOPOLOGY-far" addr add 203.0.113.2/24 dev f0
ip -n "$TOPOLOGY-far" addr add 2001:db8:f::2/64 dev f0 nodad
ip -n "$TOPOLOGY-far" route add default via 203.0.113.1
ip -n "$TOPOLOGY-far" route add default via 2001:db8:f::1
in_ns client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
# Only the router's end is narrow: the far host asks for segments of 1460 bytes.
ip -n "$TOPOLOGY-client" link set narrow mtu 1300
edit 'd["frontends"].append({"name": "echo6", "bind": "[2001:db8:10::10]:53", "protocol": "udp",
	"default-backend": "echo6"})
d["backends"].append({"name": "echo6", "servers": [
	{"name": "s1", "address": "[2001:db8:a::11]:5353", "check": {"port": 8080}}]})'
balancer_start app/s1 app/s2 app/s3 app6/s3 echo/s3 echo6/s1 || exit 1

download() {
	test "$(in_ns far curl -s -g --max-time 30 "$1" | cksum)" = \
		"$(head -c 8000000 /dev/zero | cksum)"
}

# knows_mtu ADDRESS: a server has learnt the path's MTU to it.
knows_mtu() {
	local n

	for n in 1 2 3; do
		in_ns "s$n" ip route get "$1" | grep -q "mtu 1300" && return 0
	done
	return 1
}

# refused NAMESPACE FAMILY ADDRESS PORT: does a connected UDP socket hear that nobody listens?
refused() {
	in_ns "$1" python3 - "$2" "$3" "$4" <<'END'
import socket, sys
s = socket.socket(getattr(socket, sys.argv[1]), socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((sys.argv[2], int(sys.argv[3])))
s.send(b"anybody there?")
try:
    s.recv(100)
except ConnectionRefusedError:
    sys.exit(0)
sys.exit("no error came")
END
}

check "no server knows the narrow link over IPv4" not knows_mtu 203.0.113.2
check "IPv4: a download through the narrow link arrives whole" download http://198.51.100.10/big
check "because the server has learnt its MTU" knows_mtu 203.0.113.2
check "no server knows the narrow link over IPv6" not knows_mtu 2001:db8:f::2
check "IPv6: a download through the narrow link arrives whole" \
	download "http://[2001:db8:10::10]/big"
check "because the server has learnt its MTU" knows_mtu 2001:db8:f::2

# hop VERSION ADDRESS: is the client told, by this address, that the TTL of its datagram was used up?
hop() {
	in_ns client python3 - "$1" "$2" <<'END'
import socket, struct, sys
v4 = sys.argv[1] == "4"
s = socket.socket(socket.AF_INET if v4 else socket.AF_INET6, socket.SOCK_DGRAM)
level = socket.IPPROTO_IP if v4 else socket.IPPROTO_IPV6
s.setsockopt(level, 11 if v4 else 25, 1)  # IP_RECVERR, IPV6_RECVERR
s.setsockopt(level, socket.IP_TTL if v4 else socket.IPV6_UNICAST_HOPS, 1)
s.settimeout(3)
s.connect((sys.argv[2], 53))
s.send(b"how far?")
try:
    s.recv(100)
except TimeoutError:
    sys.exit("no error came")
except OSError as error:
    print(error)
control = s.recvmsg(500, 500, socket.MSG_ERRQUEUE)[1][0][2]
code, origin, kind = struct.unpack_from("=IBB", control)  # struct sock_extended_err
address = control[20:24] if v4 else control[24:40]
print(code, origin, kind, socket.inet_ntop(s.family, address))
expected = 11 if v4 else 3
sys.exit((kind, socket.inet_ntop(s.family, address)) != (expected, sys.argv[2]))
END
}

check "IPv4: traceroute sees the balancer" hop 4 198.51.100.10
check "IPv6: traceroute sees the balancer" hop 6 2001:db8:10::10

check "IPv4: a client hears that a server's UDP port is closed" \
	refused client AF_INET 198.51.100.10 53
check "IPv6: a client hears that a server's UDP port is closed" \
	refused client AF_INET6 2001:db8:10::10 53

# A probe's errors are the kernel's: its source is the balancer's own address.
check "the balancer's kernel hears that a server's UDP port is closed" \
	refused balancer AF_INET 10.0.0.11 5353
check "the kernel answers ping to a balanced address" \
	in_ns client ping -c 2 -i 0.2 -W 2 198.51.100.10
check "and to the balancer's own" in_ns client ping -c 1 -W 2 192.0.2.254
check "no error was dropped" test "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('icmp-inner', 'icmp-checksum', 'no-flow', 'protocol'))")" = 0
