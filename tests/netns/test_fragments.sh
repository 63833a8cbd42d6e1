#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# UDP datagrams of many fragments, made by real kernels and by hand, through two workers.
. "$(dirname "$0")/lib.sh"

begin 3
for n in 1 2 3; do udp_start $n; done
edit "d['frontends'].append({'name': 'echo6', 'bind': '[2001:db8:10::10]:53', 'protocol': 'udp', 'default-backend': 'echo6'})
d['backends'].append({'name': 'echo6', 'balance': 'roundrobin', 'servers': [
    {'name': 's%d' % n, 'address': '[2001:db8:a::1%d]:5353' % n, 'check': {'port': 8080}} for n in (1, 2, 3)]})"
balancer_start echo/s1 echo/s2 echo/s3 echo6/s1 echo6/s2 echo6/s3 || exit 1

# echo TEXT EXPRESSION ARGUMENTS: the expression over the result d.
echo_check() {
	local text=$1 expression=$2 seen
	shift 2
	seen=$(in_ns client /usr/bin/python3 "$(dirname "$0")/fragments.py" "$@")
	check_equal "$text" True "$(json "$expression" <<<"$seen")" || echo "    $seen"
}
drops() { ctl -j show drops | json "d.get('$1', 0)"; }
all="d['answered'] == d['sent'] == 50 and d['servers'] == ['s1', 's2', 's3']"
mac=$(ip -n "$TOPOLOGY-balancer" -j link show dev wan0 | json "d[0]['address']")

echo_check "IPv4: 4000 to 60000 bytes there and back" "$all" \
	--service 198.51.100.10 --source 192.0.2.1
echo_check "IPv6: the same" "$all" --service 2001:db8:10::10 --source 2001:db8:1::1
echo_check "IPv4: fragments in any order" "$all" \
	--service 198.51.100.10 --source 192.0.2.2 --shuffle "$mac"
echo_check "IPv6: the same" "$all" --service 2001:db8:10::10 --source 2001:db8:1::2 --shuffle "$mac"
check_equal "none of it was dropped" 0 "$(ctl -j show drops |
	json "sum(n for reason, n in d.items() if reason.startswith('fragment') or reason == 'handover-full')")"

few="d['answered'] == 0 and d['sent'] == 5"
echo_check "IPv4: without the first fragment there is no answer" "$few" --only-later --rounds 1 \
	--service 198.51.100.10 --source 192.0.2.3 --shuffle "$mac"
echo_check "IPv6: the same" "$few" --only-later --rounds 1 \
	--service 2001:db8:10::10 --source 2001:db8:1::3 --shuffle "$mac"
timed_out() { [ "$(drops fragment-no-first)" -gt 100 ]; }
check "and it is counted" wait_until 5 timed_out

# What is not the service's is the kernel's, in fragments too.
check "the kernel answers a great ping to a balanced address" \
	in_ns client ping -c 2 -i 0.2 -W 2 -s 4000 198.51.100.10
check "over IPv6, too" in_ns client ping -c 2 -i 0.2 -W 2 -s 4000 2001:db8:10::10
check "and to a server's gateway" in_ns s1 ping -c 2 -i 0.2 -W 2 -s 4000 10.0.0.1

# listen NAMESPACE ADDRESS: a UDP socket at port 7777; speak NAMESPACE ADDRESS: 5000 bytes to it.
listen() {
	start_in "$1" "listen-$1" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7777))
print("listening", sys.argv[1], flush=True)
print("received", sys.argv[1], len(s.recv(65535)), flush=True)' "$2"
	wait_until 5 log_has "listen-$1" "listening $2"
}
speak() {
	in_ns "$1" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(bytes(5000), (sys.argv[1], 7777))' "$2"
}
listen balancer 10.0.0.1
speak s1 10.0.0.1
check "fragments from a server to the balancer itself" \
	wait_until 3 log_has listen-balancer "received 10.0.0.1 5000"
listen balancer 198.51.100.10
speak client 198.51.100.10
check "fragments to another port of a balanced address" \
	wait_until 3 log_has listen-balancer "received 198.51.100.10 5000"
in_ns balancer sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
listen client 192.0.2.1
speak s1 192.0.2.1
check "fragments of a server's own are routed by the kernel" \
	wait_until 3 log_has listen-client "received 192.0.2.1 5000"
listen client 2001:db8:1::1
speak s1 2001:db8:1::1
check "over IPv6, too" wait_until 3 log_has listen-client "received 2001:db8:1::1 5000"
check "both workers have forwarded" \
	test "$(ctl -j show workers | json "all(w['flows'] > 0 for w in d)")" = True
