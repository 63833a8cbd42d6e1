#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Shares by weight, stickiness, both families and protocols, with two workers behind one queue.
. "$(dirname "$0")/lib.sh"

begin 3
for n in 1 2 3; do udp_start $n; done
balancer_start app/s1 app/s2 app/s3 app6/s3 echo/s3 || exit 1

count_load v4 1200
web_load v4again 2; wait "$LOAD_PID"
check_load "IPv4: no request failed" v4 "d['failed'] == 0 and d['requests'] > 300"
check_load "each client address has one server" v4 \
	"len(d['sources']) == 240 and all(len(c) == 1 for c in d['sources'].values())"
check_load "shares follow the weights" v4 \
	"all(abs(d['servers'][s] / d['requests'] - w / 60) < 0.12 for s, w in (('s1', 10), ('s2', 20), ('s3', 30)))"
same() {
	python3 - "$TOPOLOGY_DIR/load-v4.json" "$TOPOLOGY_DIR/load-v4again.json" <<'EOF'
import json, sys
a, b = (json.load(open(f))["sources"] for f in sys.argv[1:])
sys.exit(not b or any(set(a[s]) != set(b[s]) for s in b))
EOF
}
check "and finds it again" same

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
check "the kernel answers ping to a balanced address" \
	in_ns client ping -c 2 -i 0.2 -W 2 198.51.100.10
check "and to the balancer's own" in_ns client ping -c 1 -W 2 192.0.2.254
check "both workers have packets" \
	test "$(ctl -j show workers | json "all(w['rx_packets'] + w['flows'] > 0 for w in d)")" = True
check "nothing was dropped for want of room" test "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('tx-full', 'handover-full', 'no-neighbor'))")" = 0
