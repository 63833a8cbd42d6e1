#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The kernel's network around the balancer changes: gateways, MACs, links, balanced addresses.
. "$(dirname "$0")/lib.sh"

begin 2
# s3 is behind a gateway, s2: 10.9.0.13, reached by a route in the balancer.
topology_namespace s3
topology_wire s2 far0 s3 eth0
ip -n "$TOPOLOGY-s2" addr add 10.9.0.1/24 dev far0
ip -n "$TOPOLOGY-s3" addr add 10.9.0.13/24 dev eth0
ip -n "$TOPOLOGY-s3" route add default via 10.9.0.1
in_ns s2 sysctl -qw net.ipv4.ip_forward=1
ip -n "$TOPOLOGY-balancer" route add 10.9.0.0/24 via 10.0.0.12
start_in s3 web3 python3 -c '
import http.server as h, socketserver
class Server(h.ThreadingHTTPServer):
    server_bind = socketserver.TCPServer.server_bind  # looks no name up
    server_name, server_port = "s3", 8080
class Handler(h.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"s3\n")
Server(("10.9.0.13", 8080), Handler).serve_forever()'
wait_until 10 in_ns s3 curl -sf -o /dev/null http://10.9.0.13:8080/ || fail "no web server in s3"
edit "d['frontends'] = d['frontends'][:1]; d['backends'] = d['backends'][:1]; s = d['backends'][0]['servers']; s[0]['weight'] = 10; s[2].update(address='10.9.0.13:8080', weight=10, check=False); s.pop(1)"
balancer_start app/s1 || exit 1
ok() { [ "$(in_ns client curl -s --max-time 3 --interface "192.0.2.$1" http://198.51.100.10/)" = "$2" ]; }
# Finds a client address that the hash sends to a server.
client_of() {
	local i
	for i in $(seq 1 60); do
		[ "$(ctl -j lookup tcp "192.0.2.$i:1000" 198.51.100.10:80 | json "d['server']")" = "$1" ] && echo "$i" && return
	done
	return 1
}
near=$(client_of s1) far=$(client_of s3)
check "lookup finds clients for both servers" test -n "$near" -a -n "$far"
check "a server on the same network" wait_until 5 ok "$near" s1
check "a server behind a gateway, without probes" wait_until 5 ok "$far" s3
check "is shown as no-check" server_is app/s3 no-check

ip -n "$TOPOLOGY-s1" link set eth0 address 02:00:00:00:00:77
in_ns s1 ping -c 1 -W 1 10.0.0.1 >/dev/null # the kernel tells the neighbours
check "a server with a new MAC is reached again" wait_until 10 ok "$near" s1

ip -n "$TOPOLOGY-balancer" link set lan0 down
sleep 2 # more than fall 3 at 300 ms
check "link down: no server is blamed for it" server_is app/s1 up
check "but nothing is sent out of it blindly" not ok "$near" s1
dropped() { [ "$(ctl -j show drops | json "d.get('no-neighbor', 0) > 0")" = True ]; }
check "and what is dropped is counted" dropped
ip -n "$TOPOLOGY-balancer" link set lan0 up
ip -n "$TOPOLOGY-balancer" route replace 10.9.0.0/24 via 10.0.0.12
check "link up: it is back" wait_until 15 server_is app/s1 up
check "and is reached" wait_until 10 ok "$near" s1
check "the one behind the gateway, too" wait_until 10 ok "$far" s3

has() { addresses wan0 | grep -qF " $1"; }
check "the balanced address is on the interface" has 198.51.100.10/32
edit "d['frontends'].append({'name': 'two', 'bind': '198.51.100.11:80', 'default-backend': 'app'})"
check "reload" ctl reload
check "a new one is added" wait_until 5 has 198.51.100.11/32
edit "d['frontends'][1]['announce'] = 'none'"
check "reload" ctl reload
check "and taken off again with announce none" wait_until 5 not has 198.51.100.11/32
ip -n "$TOPOLOGY-balancer" addr add 198.51.100.12/32 dev wan0
edit "d['frontends'][1].update(bind='198.51.100.12:80', announce='interface')"
check "reload" ctl reload
edit "d['frontends'].pop()"
check "reload" ctl reload
sleep 0.5
check "an address that the operator put there stays" has 198.51.100.12/32
stop_pid "$CONTROL_PID"
check "the balanced addresses stay when control stops" has 198.51.100.10/32
