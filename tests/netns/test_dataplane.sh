#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The dataplane ends or is killed, and comes back: control gives it everything again.
. "$(dirname "$0")/lib.sh"

begin 3
balancer_start app/s1 app/s2 app/s3 || exit 1
has_xdp() { ip -n "$TOPOLOGY-balancer" link show dev wan0 | grep -q xdp; }
connected() { [ "$(ctl -j show info | json "d['dataplane_connected'] and d['generation'] > 0")" = True ]; }

check "the XDP filter is attached" has_xdp
start_in balancer second "$SHUNT_BUILD/dataplane/shunt-dataplane" -c "$CONFIG" \
	--run-dir "$TOPOLOGY_DIR/run"
wait "$STARTED"
check_equal "a second dataplane refuses to start" 1 $?
check "and says why" log_has second "another shunt-dataplane runs"
check "the first keeps its filter" has_xdp
check "and its socket" connected
check "drain s3" ctl set server app/s3 state drain
stop_pid "$DATAPLANE_PID"
check "SIGTERM: the filter is detached" not has_xdp
check "no error was logged" not log_has dataplane ' error '
check "control notices" wait_until 5 not connected
check "servers are still known" server_is app/s2 up
dataplane_start "$CONFIG"
check "it is connected again" wait_until 5 connected
web_load again 2; wait "$LOAD_PID"
check_load "and forwards as before" again "d['failed'] == 0 and set(d['servers']) == {'s1', 's2'}"

# One connection, a request on it every 0.2 s: says how many were answered.
start_in client kept python3 -c '
import http.client, time
c = http.client.HTTPConnection("198.51.100.10", 80, timeout=20)
for i in range(40):
    c.request("GET", "/")
    r = c.getresponse()
    body = r.read()
    print("answered", i, body, c.sock.getsockname()[1], flush=True)
    time.sleep(0.2)
print("all on one connection", flush=True)'
kept=$STARTED
sleep 1
kill -KILL "$DATAPLANE_PID"
wait "$DATAPLANE_PID" 2>/dev/null
dataplane_start "$CONFIG"
check "kill -9: connected again" wait_until 5 connected
web_load killed 2; wait "$LOAD_PID"
check_load "and forwards as before" killed "d['failed'] == 0"
wait "$kept"
one_connection() { [ "$(grep -o "' [0-9]*$" "$TOPOLOGY_DIR/kept.log" | sort -u | wc -l)" = 1 ]; }
check "a connection balanced by source lived through it" log_has kept "all on one connection"
check "and was not opened anew" one_connection

ip -n "$TOPOLOGY-balancer" link add many0 numrxqueues 4 numtxqueues 4 type veth peer name many1
sed 's/"wan0"/"many0"/' "$CONFIG" >"$TOPOLOGY_DIR/many.json"
start_in balancer many "$SHUNT_BUILD/dataplane/shunt-dataplane" -c "$TOPOLOGY_DIR/many.json" \
	--run-dir "$TOPOLOGY_DIR/many"
wait "$STARTED"
check_equal "an interface with queues that AF_XDP cannot serve is refused" 1 $?
check "with what to do" log_has many 'run "ethtool -L many0 rx 1"'
in_ns balancer ethtool -L many0 rx 1
check "which helps" test "$(in_ns balancer ls /sys/class/net/many0/queues | grep -c rx-)" = 1

stop_pid "$CONTROL_PID"
stop_pid "$DATAPLANE_PID"
control_start "$CONFIG"
check "control may be first" ctl show info
dataplane_start "$CONFIG"
check "and finds the dataplane when it comes" wait_until 5 connected
check "its servers are up" wait_until 5 server_is app/s2 up
