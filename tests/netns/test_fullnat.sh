#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Forwarding mode fullnat with one arm: clients, servers and the balancer's only interface are in one
# network, and no server has a route that leads to the balancer. Two workers.
. "$(dirname "$0")/lib.sh"

begin 3
topology_wire switch side client c1
ip -n "$TOPOLOGY-switch" link set side master br0
for n in $(seq 30); do
	ip -n "$TOPOLOGY-client" addr add "10.0.0.$((100 + n))/24" dev c1
	ip -n "$TOPOLOGY-client" addr add "2001:db8:a::$(printf %x $((256 + n)))/64" dev c1 nodad
done
ip -n "$TOPOLOGY-client" route replace 198.51.100.0/24 via 10.0.0.1 dev c1
ip -n "$TOPOLOGY-client" route replace 2001:db8:10::/64 via 2001:db8:a::1 dev c1
for n in 1 2 3; do
	ip -n "$TOPOLOGY-s$n" route del default
	ip -n "$TOPOLOGY-s$n" -6 route del default
done
edit '
d["dataplane"]["ports"] = [{"name": "lan", "interface": "lan0"}]
d["frontends"].append({"name": "echo6", "bind": "[2001:db8:10::10]:53", "protocol": "udp",
	"default-backend": "echo6"})
d["backends"].append({"name": "echo6", "servers": [
	{"name": "s1", "address": "[2001:db8:a::11]:5353", "check": {"port": 8080}}]})
for b in d["backends"]:
	b["forward"] = "fullnat"
	b["source-addresses"] = (["2001:db8:a::f0"] if b["name"].endswith("6")
		else ["10.0.0.240", "10.0.0.241"])'
balancer_start app/s1 app/s2 app/s3 app6/s1 app6/s2 app6/s3 echo/s1 echo6/s1 || exit 1
# Until now the servers' own check of themselves.
for n in 1 2 3; do : >"$TOPOLOGY_DIR/s$n/access.log"; done
four="--source 10.0.0.101 --sources 30"
six="--host 2001:db8:10::10 --source 2001:db8:a::101 --sources 30"

# A connected UDP socket hears that nobody listens: the server's ICMP error, to a source address.
refused() {
	in_ns client python3 - "$1" "$2" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.bind((sys.argv[2], 0))
s.connect((sys.argv[1], 53))
s.send(b"anybody there?")
try:
    s.recv(100)
except ConnectionRefusedError:
    sys.exit(0)
sys.exit("no error came")
END
}
check "IPv4: a client hears that a server's UDP port is closed" refused 198.51.100.10 10.0.0.101
check "IPv6: a client hears that a server's UDP port is closed" \
	refused 2001:db8:10::10 2001:db8:a::101
for n in 1 2 3; do udp_start $n; done

# shellcheck disable=SC2086
count_load v4 1200 $four --parallel 32
check_load "IPv4: no request failed" v4 "d['failed'] == 0 and d['requests'] > 300"
check_load "each client address has one server" v4 \
	"len(d['sources']) == 30 and all(len(c) == 1 for c in d['sources'].values())"
# shellcheck disable=SC2086
count_load v6 600 $six
check_load "IPv6: no request failed" v6 "d['failed'] == 0 and d['requests'] > 150"
# shellcheck disable=SC2086
count_load udp 600 --udp --port 53 $four
check_load "UDP: no datagram was lost" udp "d['failed'] == 0 and d['requests'] > 150"

seen_by() {
	cat "$TOPOLOGY_DIR"/s?/access.log | cut -d' ' -f1 | sort -u | tr '\n' ' '
}
check_equal "servers see the source addresses alone" "10.0.0.240 10.0.0.241 2001:db8:a::f0 " \
	"$(seen_by)"
check "both workers had flows" test "$(ctl -j show workers |
	json "len(d) == 2 and all(w['flows'] > 100 for w in d)")" = True

# Whole downloads at a time, each from its own client; the server's sockets have no timestamps.
download() {
	test "$(in_ns client curl -s -g --max-time 30 --interface "$1" "$2" | cksum)" = \
		"$(head -c 8000000 /dev/zero | cksum)"
}
download 10.0.0.105 http://198.51.100.10/big & first=$!
download 10.0.0.106 http://198.51.100.10/big & second=$!
download 2001:db8:a::105 "http://[2001:db8:10::10]/big" & third=$!
sleep 1
sockets=$(for n in 1 2 3; do in_ns "s$n" ss -tinH state established; done)
check_equal "connections run without timestamps" 0 "$(grep -cw ts <<<"$sockets")"
check "but with all other options" grep -qw wscale <<<"${sockets//wscale:/wscale }"
wait $first; check_equal "IPv4: a download of 8 MB arrives whole" 0 $?
wait $second; check_equal "and another at the same time" 0 $?
wait $third; check_equal "and one over IPv6" 0 $?

# Fragments both ways, by real kernels.
echo_check() {
	local text=$1 seen
	shift
	seen=$(in_ns client /usr/bin/python3 "$(dirname "$0")/fragments.py" "$@")
	check_equal "$text" True "$(json "d['answered'] == d['sent'] == 50" <<<"$seen")" ||
		echo "    $seen"
}
echo_check "IPv4: datagrams of 4000 to 60000 bytes there and back" \
	--service 198.51.100.10 --source 10.0.0.107
echo_check "IPv6: the same" --service 2001:db8:10::10 --source 2001:db8:a::107

check "the kernel answers ping to a source address" \
	in_ns s1 ping -c 2 -i 0.2 -W 2 10.0.0.240
check "and over IPv6" in_ns s1 ping -c 1 -W 2 2001:db8:a::f0
check "nothing was refused for want of a port" test "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('no-source-port', 'flow-table-full', 'tx-full', 'handover-full'))")" = 0

# A process that is killed and started again makes its table anew, in another order.
stop_pid "$DATAPLANE_PID" KILL
rm -f "$TOPOLOGY_DIR/run/dataplane.sock"
dataplane_start "$CONFIG"
check_equal "shunt-dataplane starts again after kill -9" 0 $?
again() { in_ns client curl -sf --max-time 2 --interface 10.0.0.108 http://198.51.100.10/; }
check "and serves again" wait_until 10 again
# shellcheck disable=SC2086
count_load again 400 $four
check_load "no request failed, while servers are in TIME_WAIT with the ports of before" again \
	"d['failed'] == 0 and d['requests'] > 150"
