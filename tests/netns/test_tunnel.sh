#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Forwarding mode tunnel: every encapsulation and both families over both, taken off by shunt-decap.
. "$(dirname "$0")/lib.sh"

WEB_PORT=80 UDP_PORT=53
begin 3
cp "$SHUNT_TOP/config/tunnel.json" "$CONFIG"
# Beside IPv4 in IPv4 (ipip, gre) and IPv6 in IPv6 (gue): each family in the other.
edit "
servers = {4: ['10.0.0.1%d:80' % n for n in (1, 2, 3)], 6: ['[2001:db8:a::1%d]:80' % n for n in (1, 2, 3)]}
number = 20
for encap in ('ipip', 'gue', 'gre'):
    for inner, outer in ((4, 6), (6, 4)):
        name, number = '%s%din%d' % (encap, inner, outer), number + 1
        bind = '198.51.100.%d:80' % number if inner == 4 else '[2001:db8:10::%d]:80' % number
        d['frontends'].append({'name': name, 'bind': bind, 'default-backend': name})
        d['backends'].append({'name': name, 'balance': 'roundrobin', 'encap': encap, 'servers':
            [{'name': 's%d' % (i + 1), 'address': a} for i, a in enumerate(servers[outer])]})
"
topology_direct 3 198.51.100.10/32 198.51.100.2{1,3,5}/32 2001:db8:10::10/128 2001:db8:10::2{2,4,6}/128
for n in 1 2 3; do
	udp_start $n
	start_in s$n decap$n "$SHUNT_BUILD/tools/shunt-decap" -i eth0 --from 10.0.0.1 --from 2001:db8:a::1
	eval "DECAP_PID_$n=$STARTED"
	check "shunt-decap starts in s$n" wait_until 5 grep -q "taking tunnels" "$TOPOLOGY_DIR/decap$n.log" || exit 1
done
balancer_start app/s1 app/s2 app/s3 app6/s1 app6/s2 app6/s3 dns/s1 dns/s2 dns/s3 gre6in4/s3 || exit 1

count_load v4 1200
check_load "IPv4 in IPv4: no request failed" v4 "d['failed'] == 0 and d['requests'] > 300"
check_load "each client address has one server" v4 \
	"len(d['sources']) == 240 and all(len(c) == 1 for c in d['sources'].values())"
check_load "shares follow the weights" v4 \
	"all(abs(d['servers'][s] / d['requests'] - w / 60) < 0.12 for s, w in (('s1', 10), ('s2', 20), ('s3', 30)))"

count_load v6 600 --host 2001:db8:10::10 --source 2001:db8:1::1
check_load "IPv6 in UDP over IPv6: no request failed" v6 "d['failed'] == 0 and d['requests'] > 200"
check_load "round robin shares are those of the weights" v6 \
	"all(abs(d['servers'][s] / d['requests'] - w / 60) < 0.03 for s, w in (('s1', 10), ('s2', 20), ('s3', 30)))"

count_load udp 600 --udp --port 53
check_load "UDP in GRE: no datagram was lost" udp "d['failed'] == 0 and d['requests'] > 200"
check_load "least connections shares evenly" udp \
	"all(abs(d['servers'][s] / d['requests'] - 1 / 3) < 0.08 for s in ('s1', 's2', 's3'))"

number=20
for encap in ipip gue gre; do
	for way in 4in6 6in4; do
		number=$((number + 1))
		host=198.51.100.$number
		[ $way = 4in6 ] || host=[2001:db8:10::$number]
		# Two workers take turns each by itself: one of them gets three requests at least.
		check_equal "$encap $way: requests reach all servers" "s1 s2 s3 " \
			"$(for _ in 1 2 3 4 5 6; do in_ns client curl -s -g -m 5 "http://$host/"; done |
				sort -u | tr '\n' ' ')"
	done
done

check "a download of 8 MB arrives whole" \
	test "$(in_ns client curl -s --max-time 30 http://198.51.100.10/big | cksum)" = \
	"$(head -c 8000000 /dev/zero | cksum)"
check "over IPv6 in UDP as well" \
	test "$(in_ns client curl -s -g --max-time 30 "http://[2001:db8:10::10]/big" | cksum)" = \
	"$(head -c 8000000 /dev/zero | cksum)"

# An upload in full-sized segments does not fit the tunnel: the client has to be told.
head -c 900000 /dev/zero >"$TOPOLOGY_DIR/upload"
upload() {
	in_ns client curl -s -g --max-time 20 -o /dev/null -w '%{http_code} %{size_upload}' \
		-H "Expect:" --data-binary "@$TOPOLOGY_DIR/upload" "$1"
}
check_equal "an upload finds the path's MTU, IPv4" "200 900000" "$(upload http://198.51.100.10/)"
check_equal "an upload finds the path's MTU, IPv6" "200 900000" "$(upload "http://[2001:db8:10::10]/")"
check "the client has learnt the MTU of the IPv4 tunnel" \
	grep -q "mtu 1480" <(in_ns client ip route get 198.51.100.10)
check "and of the IPv6 one" grep -q "mtu 1452" <(in_ns client ip route get 2001:db8:10::10)
check "because Shunt has told it" test "$(ctl -j show workers |
	json "sum(w['icmp_sent'] for w in d) > 0")" = True
check_equal "no answer passed the balancer" 0 \
	"$(ctl -j show servers | json "sum(s['out_packets'] for s in d)")"
check "nothing was dropped for want of room" test "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('tx-full', 'handover-full', 'no-neighbor'))")" = 0

# What comes from elsewhere is not taken out; what is taken out is counted.
in_ns client python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 4)
s.sendto(bytes.fromhex('450000140000000040110000c0000201c633640a'), ('10.0.0.11', 0))"
sleep 0.2
stop_pid "$DECAP_PID_1"
check "shunt-decap says what it has done" grep -Eq "^[1-9][0-9]+ packets taken out, 1 refused" \
	"$TOPOLOGY_DIR/decap1.log"
check "and leaves nothing behind" not grep -q xdp <(ip -n "$TOPOLOGY-s1" link show dev eth0)
