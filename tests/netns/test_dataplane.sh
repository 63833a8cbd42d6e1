#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The dataplane ends or is killed, and comes back: control gives it everything again.
. "$(dirname "$0")/lib.sh"

begin 3
edit "d['backends'][1]['balance'] = 'source'"
balancer_start app/s1 app/s2 app/s3 || exit 1
has_xdp() { ip -n "$TOPOLOGY-balancer" link show dev wan0 | grep -q xdp; }
has_clsact() { in_ns balancer tc qdisc show dev wan0 | grep -q clsact; }
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

# Connections from several addresses, a request on each every 20 ms until the file `enough` is there.
# An error, or a connection opened anew, ends it with a message.
start_in client kept python3 -c '
import http.client, os, sys, threading, time
def say(*words): # in one write: there are many threads
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()
def keep(address, number):
    count = 0
    service = "2001:db8:10::10" if ":" in address else "198.51.100.10"
    c = http.client.HTTPConnection(service, 80, timeout=20, source_address=(address, 0))
    c.connect()
    own = c.sock
    try:
        while not os.path.exists(sys.argv[1]):
            c.request("GET", "/")
            c.getresponse().read()
            if c.sock is not own:
                raise OSError("closed by the other end")
            count += 1
            time.sleep(0.02)
    except Exception as e:
        say("lost", address, number, repr(e), "after", count)
        return
    say("lived", address, number, count)
threads = [threading.Thread(target=keep, args=(a, n)) for a in sys.argv[2:] for n in range(3)]
[t.start() for t in threads]
[t.join() for t in threads]' "$TOPOLOGY_DIR/enough" 192.0.2.{21,22,23,24} 2001:db8:1::{21,22}
kept=$STARTED
sleep 1
for round in 1 2 3 4 5; do
	kill -KILL "$DATAPLANE_PID"
	wait "$DATAPLANE_PID" 2>/dev/null
	check "kill -9, round $round: control notices" wait_until 5 not connected
	dataplane_start "$CONFIG"
	check "kill -9, round $round: connected again" wait_until 5 connected
	check "the old XDP filter was replaced under guard" log_has dataplane "replacing the XDP filter"
	check "and the guard is gone" not has_clsact
	sleep 1
done
web_load killed 2; wait "$LOAD_PID"
check_load "and forwards as before" killed "d['failed'] == 0"
touch "$TOPOLOGY_DIR/enough"
wait "$kept"
check_equal "connections balanced by source lived through it" 18 "$(grep -c ^lived "$TOPOLOGY_DIR/kept.log")"
check_equal "none was lost" "" "$(grep -v ^lived "$TOPOLOGY_DIR/kept.log")"

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
# As a process leaves it that is killed while its guard is on; 0x5368756e is GUARD_HANDLE.
has_guard() { in_ns balancer tc filter show dev wan0 ingress | grep -q 'handle 0x5368756e'; }
in_ns balancer tc qdisc add dev wan0 clsact
in_ns balancer tc filter add dev wan0 ingress prio 1 handle 0x5368756e bpf direct-action \
	object-file "$SHUNT_BUILD/dataplane/xdp_guard.bpf.o" section tc
check "a guard is left over" has_guard
control_start "$CONFIG"
check "control may be first" ctl show info
dataplane_start "$CONFIG"
check "and finds the dataplane when it comes" wait_until 5 connected
check "its servers are up" wait_until 5 server_is app/s2 up
check "and took the left guard off" not has_guard
check "but not a qdisc that others may use" has_clsact
