#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Kernel twins of devices that are shared memory (net_memif); and the link of a device, which its
# twin's carrier follows (net_memif, net_tap).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/twin.sh"

begin 3
twin_nics
twin_config
edit "d['dataplane']['ports'][0].update(device='net_memif0,role=server,id=0,"\
"socket=$TOPOLOGY_DIR/wan.sock,socket-abstract=no,mac=02:00:00:00:0a:01')
d['dataplane']['ports'][1].update(device='net_memif1,role=server,id=1,"\
"socket=$TOPOLOGY_DIR/lan.sock,socket-abstract=no,mac=02:00:00:00:0a:02')
d['dataplane']['ports'].append({'name': 'spare', 'device': 'net_tap0,iface=nic', 'kernel': 'tap'})
d['defaults']['check'].update(inter='400ms', timeout='1s')
d['backends'][2]['servers'] = d['backends'][2]['servers'][:1]
d['backends'][2]['servers'][0]['check'] = {'port': 8080}"
carrier() { ip -n "$TOPOLOGY-balancer" -j link show dev "$1" | json "'LOWER_UP' in d[0]['flags']"; }
carrier_is() { [ "$(carrier "$1")" = "$2" ]; }
workers() { ctl -j show workers | json "sum(w['$1'] for w in d)"; }
drops() { ctl -j show drops | json "d['$1']"; }
reach() { in_ns client curl -sf --max-time 3 -o /dev/null "http://$1/"; }

dataplane_start "$CONFIG"
check_equal "shunt-dataplane starts" 0 $? || exit 1
control_start "$CONFIG"
check_equal "shunt-control starts" 0 $? || exit 1
check "a twin has no carrier while nobody is at the far end" wait_until 5 carrier_is wan False
memif() { echo "net_memif$1,role=client,id=$1,socket=$TOPOLOGY_DIR/$2.sock,socket-abstract=no"; }
start_in balancer cable "$SHUNT_BUILD/tests/netns/cable" "$(memif 0 wan)" \
	net_af_packet0,iface=wan0 "$(memif 1 lan)" net_af_packet1,iface=lan0
check "the far ends connect" wait_until 10 log_has cable connected || {
	cat "$TOPOLOGY_DIR/cable.log"
	exit 1
}
check "then it has one" wait_until 5 carrier_is wan True
check "the other, too" wait_until 5 carrier_is lan True
for server in app/s1 app/s2 app/s3 app6/s1 app6/s2 app6/s3 echo/s1; do
	check "probes through the twin: $server comes up" wait_until 15 server_is $server up || exit 1
done

mac_found() { in_ns client ip neigh show dev c0 | grep -q "^$1 .*02:00:00:00:0a:01"; }
check "the kernel answers ping to the twin's own address" \
	in_ns client ping -c 2 -i 0.2 -W 2 192.0.2.254
check "so it has answered ARP, with the device's MAC" mac_found 192.0.2.254
check "over IPv6, too" in_ns client ping -c 2 -i 0.2 -W 2 2001:db8:1::fe
check "with neighbour discovery" mac_found 2001:db8:1::fe
check "and to a balanced address" in_ns client ping -c 2 -i 0.2 -W 2 198.51.100.10
check "over IPv6, too" in_ns client ping -c 2 -i 0.2 -W 2 2001:db8:10::10
check "the kernel's own ping goes out" in_ns balancer ping -c 1 -W 2 10.0.0.11
check "over IPv6, too" in_ns balancer ping -c 1 -W 2 2001:db8:a::11
heard() { in_ns "$1" ping -L -c 1 -W 2 "ff02::1%$2" | grep -q "from $3"; }
check "a ping to all hosts is heard on the twin" heard client c0 "fe80::ff:fe00:a01"
check "and the twin's is by a neighbour" heard balancer wan fe80
refused() { in_ns client curl -s --max-time 3 http://198.51.100.10:81/; [ $? = 7 ]; }
check "a closed port of a balanced address is refused by the kernel" refused

in_ns balancer timeout 10 tcpdump -c 2 -ni wan icmp >"$TOPOLOGY_DIR/dump.log" 2>&1 &
TOPOLOGY_PIDS+=("$!")
wait_until 5 log_has dump listening
in_ns client ping -c 2 -i 0.2 -W 2 192.0.2.254 >/dev/null
check "tcpdump on the twin sees a ping" wait_until 5 log_has dump "ICMP echo reply"

web_load v4 2; wait "$LOAD_PID"
web_load v6 1 --host 2001:db8:10::10 --source 2001:db8:1::1; wait "$LOAD_PID"
check_load "IPv4 through nat: no request failed" v4 "d['failed'] == 0 and d['requests'] > 50"
check_load "IPv6: the same" v6 "d['failed'] == 0 and d['requests'] > 20"
check_load "all servers had some" v4 "set(d['servers']) == {'s1', 's2', 's3'}"
check "both workers received" \
	test "$(ctl -j show workers | json "all(w['rx_packets'] > 0 for w in d)")" = True
check "workers say what they passed to the kernel, and from it" \
	test "$(workers punted)" -gt 20 -a "$(workers injected)" -gt 20
check_equal "nothing of all this was taken for a reply" "0 0" "$(drops no-flow) $(drops local)"
web_kill 1
check "a server that dies is found by probes through the twin" wait_until 8 server_is app/s1 down

# A net_tap device is its interface's far end, and has a link while that is switched on.
check "a device's link is up: its twin has a carrier" wait_until 5 carrier_is spare True
passes_all() { ip -n "$TOPOLOGY-balancer" link show dev nic | grep -q ALLMULTI; }
check "a device that can is told to pass all multicast on" passes_all
check "and the log says so" log_has dataplane "spare: the device passes all multicast on"
ip -n "$TOPOLOGY-balancer" link set nic down
check "it goes down: the twin's goes, too" wait_until 5 carrier_is spare False
ip -n "$TOPOLOGY-balancer" link set nic up
check "and comes back with it" wait_until 5 carrier_is spare True
check "other twins kept theirs" carrier_is wan True
check "and the service was not harmed" wait_until 5 reach 198.51.100.10
