#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Forwarding mode fullnat between the families: IPv6 clients of IPv4 servers, and the reverse.
. "$(dirname "$0")/lib.sh"

WEB_PORT=80 UDP_PORT=53
begin 2
cp "$SHUNT_TOP/config/fullnat.json" "$CONFIG"
# Frontends of both families in front of servers of IPv4 (app, dns) and of IPv6 (app6, dns6).
edit "
def backend(name, sources, *servers, **more):
    return {'name': name, 'balance': 'roundrobin', 'source-addresses': sources, **more, 'servers':
        [{'name': 's%d' % n, 'address': a} for n, a in enumerate(servers, 1)]}

d['frontends'] = [
    {'name': n, 'bind': ['198.51.100.%d:%d' % (a, p), '[2001:db8:10::%d]:%d' % (a, p)],
     'protocol': l4, 'default-backend': n}
    for n, a, p, l4 in (('app', 10, 80, 'tcp'), ('app6', 11, 80, 'tcp'),
                        ('dns', 10, 53, 'udp'), ('dns6', 11, 53, 'udp'))]
probe = {'check': {'port': 80, 'inter': '300ms', 'timeout': '300ms'}}
v4, v6 = ['10.0.0.200', '10.0.0.201'], ['2001:db8:a::200', '2001:db8:a::204/127']
d['backends'] = [
    backend('app', v4, '10.0.0.11:80', '10.0.0.12:80'),
    backend('app6', v6, '[2001:db8:a::11]:80', '[2001:db8:a::12]:80'),
    backend('dns', v4, '10.0.0.11:53', '10.0.0.12:53', **probe),
    backend('dns6', v6, '[2001:db8:a::11]:53', '[2001:db8:a::12]:53', **probe)]
"
for n in 1 2; do
	udp_start $n
	eval "UDP_PID_$n=$STARTED"
done
balancer_start app/s1 app/s2 app6/s1 app6/s2 dns/s2 dns6/s2 || exit 1
check "the source addresses are on the servers' side" wait_until 5 eval \
	'[ "$(addresses lan0 | grep -c "10.0.0.20[01]/32\|2001:db8:a::20[045]/128")" = 5 ]'

# The servers have no way to the clients but through their answers to the source addresses.
for n in 1 2; do
	ip -n "$TOPOLOGY-s$n" route del default
	ip -n "$TOPOLOGY-s$n" -6 route del default
done

# all_answer TEXT URL: both servers answer there.
all_answer() {
	check_equal "$1" "s1 s2 " "$(for _ in 1 2 3 4 5 6 7 8; do
		in_ns client curl -s -g -m 5 "$2"
	done | sort -u | tr '\n' ' ')"
}
all_answer "an IPv6 client gets at IPv4 servers" "http://[2001:db8:10::10]/"
all_answer "an IPv4 client gets at IPv6 servers" "http://198.51.100.11/"
all_answer "an IPv4 client gets at IPv4 servers by the same frontend" "http://198.51.100.10/"
all_answer "an IPv6 client gets at IPv6 servers by the same frontend" "http://[2001:db8:10::11]/"

count_load six 600 --host 2001:db8:10::10 --source 2001:db8:1::1
check_load "IPv6 to IPv4: no request failed" six "d['failed'] == 0 and d['requests'] > 100"
count_load four 600 --host 198.51.100.11
check_load "IPv4 to IPv6: no request failed" four "d['failed'] == 0 and d['requests'] > 100"

# Full-sized segments: what the longer headers leave room for, both ends must find.
big() {
	in_ns client curl -s -g --max-time 30 "$1" | cksum >"$TOPOLOGY_DIR/$2"
}
upload() {
	in_ns client curl -s -g --max-time 20 -o /dev/null -w '%{http_code} %{size_upload}' \
		-H "Expect:" --data-binary "@$TOPOLOGY_DIR/upload" "$1"
}
head -c 900000 /dev/zero >"$TOPOLOGY_DIR/upload"
big "http://[2001:db8:10::10]/big" big6 &
BIG6=$!
big http://198.51.100.11/big big4 &
BIG4=$!
check_equal "an upload arrives whole from IPv6" "200 900000" "$(upload "http://[2001:db8:10::10]/")"
check_equal "an upload arrives whole from IPv4" "200 900000" "$(upload http://198.51.100.11/)"
wait $BIG6 $BIG4
for name in big6 big4; do
	check_equal "a download of 8 MB arrives whole: $name" "$(head -c 8000000 /dev/zero | cksum)" \
		"$(cat "$TOPOLOGY_DIR/$name")"
done

# UDP, whole and in fragments, with and without checksum.
datagrams() {
	in_ns client python3 - "$@" <<'END'
import ipaddress, socket, sys
host, bytes_, no_checksum = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "no-checksum"
v6 = ipaddress.ip_address(host).version == 6
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
if no_checksum:
    s.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
s.settimeout(3)
s.connect((host, 53))
s.send(b"x" * bytes_)
print(s.recv(65536).decode()[:2])
END
}
for host in 2001:db8:10::10 198.51.100.11; do
	check "a datagram to $host is answered" grep -q '^s[12]' <(datagrams $host 20 checksum)
	check "one of 1200 bytes" grep -q '^s[12]' <(datagrams $host 1200 checksum)
	check "one of 5000 bytes, in fragments" grep -q '^s[12]' <(datagrams $host 5000 checksum)
done
check "one from IPv4 without checksum is answered by an IPv6 server" \
	grep -q '^s[12]' <(datagrams 198.51.100.11 40 no-checksum)

# Errors cross over: the client is told of a closed port of a server of the other family.
stop_pid "$UDP_PID_1"
stop_pid "$UDP_PID_2"
for host in 2001:db8:10::10 198.51.100.11; do
	check "a closed port behind $host is refused" grep -q "ConnectionRefusedError" \
		<(datagrams $host 20 checksum 2>&1)
done
check "nothing was dropped for want of a source port or a neighbour" test "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('tx-full', 'handover-full', 'no-neighbor', 'no-source-port'))")" = 0
