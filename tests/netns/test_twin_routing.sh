#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Real daemons on a kernel twin: keepalived (VRRP) and BIRD (BGP), with a router beside the servers that
# speaks both; while that router also floods the balancer at ports at which nobody listens.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/twin.sh"

for program in keepalived bird birdc; do
	command -v $program >/dev/null && continue
	echo "skip  $(basename "$0"): needs $program"
	exit 0
done

begin 3
twin_nics
twin_config
# More than the daemons and probes need. The pauses of the flood are a tenth as long as the one between
# two frames that may pass, so that little else would pass if it were of the same class.
edit "d['dataplane']['ports'][1]['punt-rate'] = 100
d['defaults']['check'].update(inter='1s', timeout='1s')
d['backends'][2]['servers'] = d['backends'][2]['servers'][:1]
d['backends'][2]['servers'][0]['check'] = {'port': 8080}"

# The router: 10.0.0.50, and behind it 203.0.113.0/24, of which the balancer learns by BGP.
topology_namespace router
topology_wire switch portr router eth0
ip -n "$TOPOLOGY-switch" link set portr master br0
ip -n "$TOPOLOGY-router" addr add 10.0.0.50/24 dev eth0
ip -n "$TOPOLOGY-router" addr add 2001:db8:a::50/64 dev eth0 nodad
ip -n "$TOPOLOGY-router" addr add 203.0.113.1/24 dev lo

# keepalived_start NAMESPACE INTERFACE PRIORITY4 PRIORITY4-OF-THE-OTHER PRIORITY6
keepalived_start() {
	local conf=$TOPOLOGY_DIR/keepalived-$1.conf

	cat >"$conf" <<END
global_defs { vrrp_version 3 }
vrrp_instance of_balancer {
	interface $2
	virtual_router_id 51
	priority $3
	advert_int 2
	virtual_ipaddress { 10.0.0.100/24 }
}
vrrp_instance of_router {
	interface $2
	virtual_router_id 52
	priority $4
	advert_int 2
	virtual_ipaddress { 10.0.0.101/24 }
}
vrrp_instance of_router6 {
	interface $2
	virtual_router_id 53
	priority $5
	advert_int 2
	virtual_ipaddress {
		fe80::6
		2001:db8:a::101/64
	}
}
END
	start_in "$1" "keepalived-$1" keepalived -n -l -D -G -P -f "$conf" \
		-p "$TOPOLOGY_DIR/keepalived-$1.pid" -r "$TOPOLOGY_DIR/vrrp-$1.pid"
}

# bird_start NAMESPACE INTERFACE ADDRESS AS NEIGHBOR AS: announces the networks of the static protocol.
bird_start() {
	local conf=$TOPOLOGY_DIR/bird-$1.conf

	cat >"$conf" <<END
router id $3;
timeformat protocol iso long;
protocol device { scan time 10; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
protocol static { ipv4; route $7 blackhole; }
protocol bgp peer {
	local $3 as $4;
	neighbor $5 as $6;
	interface "$2";
	hold time 9;
	connect retry time 1;
	error wait time 1, 2;
	ipv4 { import all; export where source = RTS_STATIC; };
}
END
	start_in "$1" "bird-$1" bird -f -c "$conf" -s "$TOPOLOGY_DIR/bird-$1.ctl" \
		-P "$TOPOLOGY_DIR/bird-$1.pid"
}

workers() { ctl -j show workers | json "sum(w['$1'] for w in d)"; }
drops() { ctl -j show drops | json "d['$1']"; }
downs() { ctl -j show servers | json "sum(s['check_down'] for s in d)"; }
interface_of() { [ "$1" = balancer ] && echo lan || echo eth0; }
has() { ip -n "$TOPOLOGY-$1" -o addr show dev "$(interface_of "$1")" | grep -qF " $2/"; }
alone_has() { has "$1" "$2" && ! has "$3" "$2"; }
# The MAC that a server finds an address at.
answers() {
	local mac

	mac=$(ip -n "$TOPOLOGY-$1" -j link show dev "$(interface_of "$1")" | json "d[0]['address']")
	in_ns s2 ip neigh flush to "$2" dev eth0
	in_ns s2 ping -c 1 -W 1 "$2" && in_ns s2 ip neigh show "$2" | grep -q "$mac"
}
session() { birdc -s "$TOPOLOGY_DIR/bird-$1.ctl" show protocols peer | grep "^peer"; }
established() { session "$1" | grep -q Established; }
route_to() { ip -n "$TOPOLOGY-$1" route show "$2" | grep -q "proto bird"; }
# By the way that BGP has found, from an address that the balancer knows by BGP alone.
reach() { in_ns router curl -sf --max-time 3 -o /dev/null --interface 203.0.113.1 http://198.51.100.10/; }
transitions() { grep -cE "Entering (MASTER|BACKUP|FAULT) STATE" "$TOPOLOGY_DIR/keepalived-$1.log"; }

balancer_start app/s1 app/s2 app/s3 || exit 1
bird_start balancer lan 10.0.0.1 65001 10.0.0.50 65002 198.51.100.0/24
bird_start router eth0 10.0.0.50 65002 10.0.0.1 65001 203.0.113.0/24
keepalived_start balancer lan 150 100 100
keepalived_start router eth0 100 150 150
router_keepalived=$STARTED

check "VRRP: the balancer is master of its address" wait_until 16 alone_has balancer 10.0.0.100 router
check "the router is of its own, whose adverts reach the twin" \
	wait_until 16 alone_has router 10.0.0.101 balancer
check "over IPv6, too" wait_until 16 alone_has router 2001:db8:a::101 balancer
check "the address on the twin is reached" wait_until 5 answers balancer 10.0.0.100
check "BGP: the session comes up" wait_until 12 established balancer
check "the balanced addresses are announced" wait_until 8 route_to router 198.51.100.0/24
check "and the router's network is learned" wait_until 8 route_to balancer 203.0.113.0/24
check "the service is reached by this way" wait_until 5 reach

session_before=$(session balancer) down_before=$(downs)
masters=$(transitions balancer)/$(transitions router)
punted=$(workers punted) limited=$(drops punt-limited) since=$(date +%s%N)
start_in router flood python3 "$(dirname "$0")/flood.py" 10.0.0.1 60 16
flood=$STARTED
is_limited() { [ "$(drops punt-limited)" -gt $((limited + 1000)) ]; }
check "a flood of closed ports at the twin's own address is limited" wait_until 5 is_limited
sleep 10 # longer than VRRP waits for an advert (7.2 s) and BGP for a message (9 s)
check_equal "nobody became master or backup meanwhile" "$masters" \
	"$(transitions balancer)/$(transitions router)"
check "the service is reached by the way that BGP has found" reach
stop_pid "$router_keepalived"
check "the router's keepalived ends: the balancer takes the address" \
	wait_until 6 alone_has balancer 10.0.0.101 router
check "the IPv6 address, too" wait_until 6 alone_has balancer 2001:db8:a::101 router
check "neighbours find it at the twin" wait_until 5 answers balancer 10.0.0.101
check "all during the flood" kill -0 "$flood"
stop_pid "$flood"
took_ms=$((($(date +%s%N) - since) / 1000000))
echo "      $(cat "$TOPOLOGY_DIR/flood.log") datagrams in $took_ms ms: $(($(workers punted) - punted)) punted, $(($(drops punt-limited) - limited)) limited, $(drops punt-full) for want of room"
# 100 a second, of the class, and as much and 1000 for what else was punted meanwhile.
check "what was let to the kernel is bounded" \
	test $(($(workers punted) - punted)) -lt $((took_ms / 5 + 1000))
explained() { ctl show drops | grep -q "punt-limited .*for the kernel, but more than punt-rate"; }
check "and show drops says what was not" explained
check_equal "the BGP session has been up all the time" "$session_before" "$(session balancer)"
check_equal "no server was taken for dead" "$down_before" "$(downs)"
keepalived_start router eth0 100 150 150
check "keepalived is back at the router, and so is its address" \
	wait_until 16 alone_has router 10.0.0.101 balancer
check "neighbours find it there" wait_until 5 answers router 10.0.0.101
[ "$CHECKS_FAILED" = 0 ] || tail -n 25 "$TOPOLOGY_DIR"/{keepalived,bird}-*.log
