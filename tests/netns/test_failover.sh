#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A server that crashes, one that is black-holed, their return; weight and drain; all under traffic.
. "$(dirname "$0")/lib.sh"

begin 3
balancer_start app/s1 app/s2 app/s3 || exit 1

web_load before 2; wait "$LOAD_PID"
web_kill 2
check "a crashed server is taken out" wait_until 10 server_is app/s2 down
web_load out 2; wait "$LOAD_PID"
check_load "no new connection goes to it" out "d['failed'] == 0 and 's2' not in d['servers']"
moved() {
	python3 - "$TOPOLOGY_DIR/load-before.json" "$TOPOLOGY_DIR/load-$1.json" <<'EOF'
import json, sys
a, b = (json.load(open(f))["sources"] for f in sys.argv[1:])
both = [s for s in a if s in b and "s2" not in a[s]]
moved = [s for s in both if set(a[s]) != set(b[s])]
print(len(moved), "of", len(both), "moved")
sys.exit(len(both) < 50 or len(moved) > 0.05 * len(both))
EOF
}
check "the clients of the others keep theirs" moved out
web_load back 4
web_start 2
check "it is taken in again" wait_until 10 server_is app/s2 up
wait "$LOAD_PID"
check_load "without a failed request" back "d['failed'] == 0"

in_ns s3 nft -f - <<EOF
table inet t {
	chain input { type filter hook input priority 0; ip saddr 10.0.0.1 drop; }
}
EOF
check "a server that answers no probe is taken out" wait_until 10 server_is app/s3 down
web_load quiet 2; wait "$LOAD_PID"
check_load "and gets no new connection" quiet "d['failed'] == 0 and 's3' not in d['servers']"
in_ns s3 nft delete table inet t
check "and comes back" wait_until 10 server_is app/s3 up

check "set weight is acknowledged" ctl set server app/s3 weight 0
web_load weight0 2; wait "$LOAD_PID"
check_load "weight 0 takes no new connection" weight0 "d['failed'] == 0 and 's3' not in d['servers']"
check "set weight back" ctl set server app/s3 weight 30

in_ns client curl -s --max-time 60 -o "$TOPOLOGY_DIR/big" http://198.51.100.10/big &
download=$!
sleep 1
web_load drain 3
for s in s1 s2; do check "drain $s" ctl set server app/$s state drain; done
wait "$LOAD_PID"
check_load "no request fails while servers drain" drain "d['failed'] == 0"
web_load drained 2; wait "$LOAD_PID"
check_load "drained servers get no new connection" drained \
	"d['failed'] == 0 and set(d['servers']) == {'s3'}"
wait $download
check "a connection that was there is served to its end" \
	test "$(stat -c %s "$TOPOLOGY_DIR/big")" = 8000000
check "show servers says drain" server_is app/s1 drain
check "maint" ctl set server app/s1 state maint
check "show servers says maint" server_is app/s1 maint
check "ready" ctl set server app/s1 state ready
check "ready" ctl set server app/s2 state ready
check "an unknown server is refused" not ctl set server app/nobody state drain
check "a weight out of range is refused" not ctl set server app/s1 weight 257
