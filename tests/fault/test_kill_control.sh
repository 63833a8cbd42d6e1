#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of control processes at random points of their transactions; see kill_control.c.
. "$(dirname "$0")/../netns/lib.sh"

topology_namespace balancer
TOPOLOGY_DIR=$(mktemp -d "/tmp/$TOPOLOGY.XXXXXX")
CONFIG=$TOPOLOGY_DIR/shunt.json
cat >"$CONFIG" <<EOF
{ "dataplane": { "lcores": "0@0,(1,2)@1", "memory": "pages", "flow-table-size": "1K",
  "idle": "adaptive", "ports": [ { "name": "p", "device": "net_null0" } ] } }
EOF
dataplane_start "$CONFIG" || fail "shunt-dataplane did not start"
seed=$(date +%s)
echo "seed $seed"
while read -r line; do
	echo "$line"
	case $line in
	FAIL*) CHECKS_FAILED=$((CHECKS_FAILED + 1)) ;;
	esac
	CHECKS=$((CHECKS + 1))
done < <("$SHUNT_BUILD/tests/fault/kill_control" "$TOPOLOGY_DIR/run" "$DATAPLANE_PID" 500 "$seed" 2>&1)
check "the dataplane logged no error" not log_has dataplane ' error '
