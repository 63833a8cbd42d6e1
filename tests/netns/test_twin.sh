#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Devices that DPDK drives, with kernel twins: what is no service's is the kernel's, and the rest.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/twin.sh"

begin 3
for n in 1 2 3; do udp_start $n; done
twin_nics
twin_config
edit "d['defaults']['check'].update(inter='400ms', timeout='1s')"
balancer_start app/s1 app/s2 app/s3 app6/s1 app6/s2 app6/s3 echo/s1 || exit 1
mac_of() { ip -n "$TOPOLOGY-balancer" -j link show dev "$1" | json "d[0]['address']"; }
workers() { ctl -j show workers | json "sum(w['$1'] for w in d)"; }
drops() { ctl -j show drops | json "d['$1']"; }
reach() { in_ns client curl -sf --max-time 3 -o /dev/null "http://$1/"; }

check_equal "the twin has the device's MAC" "$(mac_of wan0)" "$(mac_of wan)"
check "the balanced address is on the twin" grep -qF " 198.51.100.10/32" <<<"$(addresses wan)"
neighbor_found() { in_ns client ip neigh show dev c0 | grep -q "^192.0.2.254.*$(mac_of wan)"; }
check "the kernel answers ping to the twin's own address" \
	in_ns client ping -c 2 -i 0.2 -W 2 192.0.2.254
check "so it has answered ARP" neighbor_found
check "over IPv6, too" in_ns client ping -c 2 -i 0.2 -W 2 2001:db8:1::fe
check "and to a balanced address" in_ns client ping -c 2 -i 0.2 -W 2 198.51.100.10
check "over IPv6, too" in_ns client ping -c 2 -i 0.2 -W 2 2001:db8:10::10
check "the kernel's own ping goes out" in_ns balancer ping -c 1 -W 2 10.0.0.11
check "one with a TTL of 1 is answered by the neighbour" \
	in_ns balancer ping -c 1 -t 1 -W 2 192.0.2.1
traced() { in_ns balancer ping -c 1 -t 1 -W 2 10.9.0.1 | grep -q "From 10.0.0.11.*exceeded"; }
in_ns s1 sysctl -qw net.ipv4.ip_forward=1
ip -n "$TOPOLOGY-balancer" route add 10.9.0.0/24 via 10.0.0.11 dev lan
ip -n "$TOPOLOGY-s1" route add 10.9.0.0/24 via 10.0.0.12
check "and an ICMP error about the kernel's own packet comes in" traced
refused() { in_ns client curl -s --max-time 3 http://198.51.100.10:81/; [ $? = 7 ]; }
check "a closed port of a balanced address is refused by the kernel" refused

in_ns balancer timeout 10 tcpdump -c 2 -ni wan icmp >"$TOPOLOGY_DIR/dump.log" 2>&1 &
TOPOLOGY_PIDS+=("$!")
wait_until 5 log_has dump listening
in_ns client ping -c 2 -i 0.2 -W 2 192.0.2.254 >/dev/null
check "tcpdump on the twin sees a ping" wait_until 5 log_has dump "ICMP echo reply"

count_load v4 1200
count_load v6 600 --host 2001:db8:10::10 --source 2001:db8:1::1
check_load "IPv4 through nat: no request failed" v4 "d['failed'] == 0 and d['requests'] > 100"
check_load "IPv6: the same" v6 "d['failed'] == 0 and d['requests'] > 100"
check_load "all servers had some" v4 "set(d['servers']) == {'s1', 's2', 's3'}"
check "both workers have flows" \
	test "$(ctl -j show workers | json "all(w['flows'] > 0 for w in d)")" = True
# A socket of the kernel's, with more in flight than a packet: checksums must be whole.
ssh_like() {
	start_in balancer listener python3 -m http.server -d "$TOPOLOGY_DIR/s1/www" --bind 192.0.2.254 8000
	wait_until 5 in_ns client curl -sf -o /dev/null http://192.0.2.254:8000/
	[ "$(in_ns client curl -s --max-time 10 http://192.0.2.254:8000/big | cksum)" = \
		"$(cksum <"$TOPOLOGY_DIR/s1/www/big")" ]
}
check "a download of 8 MB from the kernel itself arrives whole" ssh_like
check_equal "nothing of all this was taken for a reply" "0 0" "$(drops no-flow) $(drops local)"

web_kill 1
check "a server that dies is found by probes through the twin" wait_until 8 server_is app/s1 down
web_start 1
check "and found again" wait_until 8 server_is app/s1 up
ip -n "$TOPOLOGY-s1" link set eth0 address 02:00:00:00:00:77
in_ns s1 ping -c 1 -W 1 10.0.0.1 >/dev/null
ok_again() { for i in 1 2 3 4 5 6; do in_ns client curl -sf --max-time 1 -o /dev/null \
	--interface "192.0.2.$i" http://198.51.100.10/ || return 1; done; }
check "a neighbour's new MAC is learned through the twin" wait_until 8 ok_again

# Not s1, whose new MAC may not be known to all yet.
downs() { ctl -j show servers | json "sum(s['check_down'] for s in d if s['server'] != 's1')"; }
before=$(downs) punted=$(workers punted) since=$(date +%s%N)
start_in client flood python3 "$(dirname "$0")/flood.py" 198.51.100.10 3
flood=$STARTED
check "during a flood of closed ports the service is reached" wait_until 3 reach 198.51.100.10
wait "$flood"
took_ms=$((($(date +%s%N) - since) / 1000000))
sent=$(cat "$TOPOLOGY_DIR/flood.log")
echo "      $sent datagrams in $took_ms ms: $(($(workers punted) - punted)) punted, $(drops punt-limited) limited, $(drops punt-full) for want of room"
check "most of a flood is not let to the kernel" test "$(drops punt-limited)" -gt 1000
# 10000 a second and worker, of the class; what else was punted meanwhile is a tenth of it.
check "and what is let there is bounded" \
	test $(($(workers punted) - punted)) -lt $((took_ms * 11 + 1000))
check_equal "no server was taken for dead meanwhile" "$before" "$(downs)"

connected() { [ "$(ctl -j show info | json "d['dataplane_connected'] and d['generation'] > 0")" = True ]; }
index_of() { ip -n "$TOPOLOGY-balancer" -j link show dev wan | json "d[0]['ifindex']"; }
index=$(index_of)
kill -KILL "$DATAPLANE_PID"
wait "$DATAPLANE_PID" 2>/dev/null
check "kill -9: the twin is gone" wait_until 5 not index_of
dataplane_start "$CONFIG"
check "it is connected again" wait_until 5 connected
check "with a new twin" test "$index" != "$(index_of)"
check "which has its addresses" grep -qF " 192.0.2.254/24" <<<"$(addresses wan)"
check "and the balanced one" wait_until 3 eval 'grep -qF " 198.51.100.10/32" <<<"$(addresses wan)"'
check "the service is back" wait_until 5 reach 198.51.100.10
check "over IPv6, too" wait_until 5 reach '[2001:db8:10::10]'
check "ping, too" in_ns client ping -c 1 -W 2 192.0.2.254

# A TAP that the operator has made stays, with what is on it.
stop_pid "$DATAPLANE_PID"
check "SIGTERM: the twin is gone" not index_of
ip -n "$TOPOLOGY-balancer" tuntap add dev wan mode tap
ip -n "$TOPOLOGY-balancer" addr add 192.0.2.253/24 dev wan
dataplane_start "$CONFIG"
check "a TAP that was there is taken" wait_until 5 in_ns client ping -c 1 -W 1 192.0.2.253
check "the service is back" wait_until 5 reach 198.51.100.10
index=$(index_of)
start_in balancer thief "$SHUNT_BUILD/dataplane/shunt-dataplane" -c "$CONFIG" \
	--run-dir "$TOPOLOGY_DIR/other"
wait "$STARTED"
check_equal "another dataplane cannot have it" 1 $?
check "and says so" log_has thief "the TAP wan is used by another process"
kill -KILL "$DATAPLANE_PID"
wait "$DATAPLANE_PID" 2>/dev/null
check_equal "and it outlives the dataplane" "$index" "$(index_of)"
check "with its address" grep -qF " 192.0.2.253/24" <<<"$(addresses wan)"
ip -n "$TOPOLOGY-balancer" tuntap del dev wan mode tap
ip -n "$TOPOLOGY-balancer" link add wan type veth peer name other
dataplane_start "$CONFIG"
wait "$DATAPLANE_PID"
check_equal "an interface of another kind is not taken" 1 $?
check "and the log says so" log_has dataplane "there is an interface wan that is no TAP"
