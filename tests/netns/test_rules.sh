#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ACLs and rules with real clients and servers: every action, every forwarding mode behind
# use-backend, a file of prefixes that is read anew, and conditions that follow the servers' health.
. "$(dirname "$0")/lib.sh"

begin 0
for n in 1 2 3 4; do topology_server $n; done
for n in 1 2 4; do web_start $n; done
# s3 has the balanced address and answers past the balancer; s4 has no way back but to a source address.
topology_direct 0
WEB_PORT=80 web_start 3
ip -n "$TOPOLOGY-s3" route replace default via 10.0.0.200
in_ns s3 sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
ip -n "$TOPOLOGY-s3" addr add 198.51.100.10/32 dev lo
ip -n "$TOPOLOGY-s4" route del default
udp_start 1
echo "192.0.2.20/31 # two of the client's" >"$TOPOLOGY_DIR/blocked.txt"
edit '
def backend(name, server, **more):
    return {"name": name, "servers": [{"name": "s", "address": server}], **more}
d["acls"] = {
    "blocked": {"src-file": "blocked.txt"},
    "refused": {"src": ["192.0.2.30", "2001:db8:1::1e"]},
    "to-nat": {"src": "192.0.2.40"}, "to-dr": {"src": "192.0.2.50"},
    "to-fullnat": {"src": "192.0.2.60/31"},
    "from-lan": {"interface": "lan"},
    "app-is-down": {"server-count": {"backend": "app", "max": 0}},
    "second-is-up": {"healthy": "second"},
    "bad-bytes": {"payload": {"offset": 1, "bytes": "4144", "mask": "dfdf"}}}
use = lambda acl, name: {"if": acl, "action": "use-backend", "backend": name}
d["frontends"][0]["rules"] = [
    {"if": ["blocked"], "action": "drop"},
    {"if": "refused", "action": "reject"},
    use("to-nat", "second"), use("to-dr", "direct"), use(["to-fullnat", "!from-lan"], "full"),
    use(["app-is-down", "second-is-up"], "second"),
    {"if": ["from-lan", "!to-nat"], "action": "drop"}]
d["frontends"][1]["rules"] = [{"if": "refused", "action": "reject"}]
d["frontends"][2]["rules"] = [
    {"if": "refused", "action": "reject"}, {"if": "bad-bytes", "action": "drop"}]
d["backends"] = [backend("app", "10.0.0.11:8080"),
    backend("app6", "[2001:db8:a::11]:8080"), backend("second", "10.0.0.12:8080"),
    backend("direct", "10.0.0.13:80", forward="dr"),
    backend("full", "10.0.0.14:8080", forward="fullnat", **{"source-addresses": ["10.0.0.240"]}),
    backend("echo", "10.0.0.11:5353")]
d["backends"][5]["servers"][0]["check"] = {"port": 8080}'
balancer_start app/s app6/s second/s direct/s full/s echo/s || exit 1

# from CLIENT [URL]: the server that answers, or curl's exit status; 7: refused, 28: nobody answers.
from() {
	in_ns client curl -sgf --max-time 2 --interface "$1" "${2:-http://198.51.100.10/}" || echo $?
}
hits() { ctl -j show rules | json "[r['hits'] for r in d if r['frontend'] == '$1']"; }
from_is() { [ "$(from "$1")" = "$2" ]; }

check_equal "no rule holds: the frontend's own backend" s1 "$(from 192.0.2.10)"
check_equal "drop: nobody answers" 28 "$(from 192.0.2.20)"
check_equal "reject: the connection is refused" 7 "$(from 192.0.2.30)"
check_equal "reject over IPv6" 7 "$(from 2001:db8:1::1e 'http://[2001:db8:10::10]/')"
check_equal "others over IPv6" s1 "$(from 2001:db8:1::1f 'http://[2001:db8:10::10]/')"
check_equal "use-backend with nat" s2 "$(from 192.0.2.40)"
check_equal "use-backend with dr" s3 "$(from 192.0.2.50)"
check_equal "use-backend with fullnat" s4 "$(from 192.0.2.60)"
# A SYN is sent again after a second, and dropped again.
check "hits are counted" test "$(hits web | json "d[0] in (1, 2) and d[1:] == [1, 1, 1, 1, 0, 0]")" = True
check_equal "and for the other frontends" "[1]" "$(hits web6)"
check "show rules is for people, too" grep -q "web  *5  use-backend  full  *to-fullnat !from-lan  *1" \
	<<<"$(ctl show rules)"

# udp SOURCE TEXT: what comes back, "refused", or "silence".
udp() {
	in_ns client /usr/bin/python3 - "$1" "$2" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.bind((sys.argv[1], 0))
s.connect(("198.51.100.10", 53))
s.send(sys.argv[2].encode())
try:
    print(s.recv(100).decode().split()[0])
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("silence")
END
}
check_equal "UDP: reject is ICMP's port unreachable" refused "$(udp 192.0.2.30 hello)"
check_equal "UDP: what is let in is answered" s1 "$(udp 192.0.2.31 hello)"
check_equal "UDP: dropped by its bytes" silence "$(udp 192.0.2.32 Bad)"
check_equal "under a mask" silence "$(udp 192.0.2.32 bAD)"
check_equal "and not by others" s1 "$(udp 192.0.2.32 good)"

lookup() { ctl -j lookup tcp "$1:40000" 198.51.100.10:80 "${@:2}" | json "d.get('$FIELD')"; }
FIELD=rule
check_equal "lookup names the rule that rejects" "rule 2 of frontend web: reject if refused" \
	"$(lookup 192.0.2.30)"
check_equal "and the one that chooses a backend" \
	"rule 4 of frontend web: use-backend direct if to-dr" "$(lookup 192.0.2.50)"
check_equal "none where none holds" None "$(lookup 192.0.2.10)"
check_equal "what it is told of the interface counts" \
	"rule 7 of frontend web: drop if from-lan !to-nat" "$(lookup 192.0.2.10 interface lan)"
FIELD=note
check "it says what it has not been told" grep -q "counts as not holding" <<<"$(lookup 192.0.2.10)"
check_equal "and nothing if it has" None "$(lookup 192.0.2.10 interface wan)"
FIELD=backend
check_equal "and which backend that is" direct "$(lookup 192.0.2.50)"
check "payload is looked into" grep -q "drop if bad-bytes" \
	<<<"$(ctl lookup udp 192.0.2.32:4000 198.51.100.10:53 payload 426164)"

# Flows outlive the rules that would refuse them, and the death of the process.
download() {
	test "$(in_ns client curl -s --max-time 30 --interface "$1" http://198.51.100.10/big | cksum)" = \
		"$(head -c 8000000 /dev/zero | cksum)"
}
download 192.0.2.10 & own=$!
download 192.0.2.40 & other=$!
download 192.0.2.61 & full=$!
in_use() {
	[ "$(ctl -j show servers | json "sum(s['sessions'] > 0 for s in d
		if s['backend'] in ('app', 'second', 'full'))")" = 3 ]
}
check "downloads have begun" wait_until 20 in_use
printf '192.0.2.10\n192.0.2.40\n192.0.2.61\n2001:db8:1::/64\n' >"$TOPOLOGY_DIR/blocked.txt"
check "a reload reads the file of prefixes anew" ctl reload
check_equal "who is in it now is dropped" 28 "$(from 192.0.2.10)"
check_equal "who was in it before is not" s1 "$(from 192.0.2.20)"
stop_pid "$CONTROL_PID" KILL
rm -f "$TOPOLOGY_DIR/run/control.sock"
control_start "$CONFIG"
check_equal "shunt-control starts again after kill -9" 0 $?
check_equal "generation stays" True "$(ctl -j show info | json "d['generation'] > 0")"
check "hits go on where they were" test "$(hits web | json 'd[0] >= 1 and d[1] == 1')" = True
wait $own; check_equal "a download goes on that the rules would refuse now" 0 $?
wait $other; check_equal "and one from another backend" 0 $?
wait $full; check_equal "and one by full NAT" 0 $?

# Midway without an entry a packet finds the backend that its flow has, by the same rules.
echo 192.0.2.99 >"$TOPOLOGY_DIR/blocked.txt"
check "another reload" ctl reload
# kept SOURCE: requests on one connection for as long as it takes; prints who answered.
kept() {
	in_ns client /usr/bin/python3 - "$1" "$TOPOLOGY_DIR/enough" <<'END'
import http.client, os, sys, time
c = http.client.HTTPConnection("198.51.100.10", timeout=20, source_address=(sys.argv[1], 0))
c.connect()
first = c.sock
names = set()
while not os.path.exists(sys.argv[2]):
    c.request("GET", "/")
    names.add(c.getresponse().read().decode().strip())
    time.sleep(0.2)
print(*names, c.sock is first)
END
}
for n in 40 41 42; do kept 192.0.2.$n >"$TOPOLOGY_DIR/kept$n.log" & done
two() {
	[ "$(ctl -j show servers | json "[s['sessions'] for s in d
		if s['backend'] in ('app', 'second')]")" = "[2, 1]" ]
}
check "connections are there" wait_until 20 two
stop_pid "$DATAPLANE_PID" KILL
rm -f "$TOPOLOGY_DIR/run/dataplane.sock"
dataplane_start "$CONFIG"
check_equal "shunt-dataplane starts again after kill -9" 0 $?
check "and forwards" wait_until 10 from_is 192.0.2.10 s1
sleep 1
touch "$TOPOLOGY_DIR/enough"
wait_for_kept() { [ "$(cat "$TOPOLOGY_DIR"/kept4?.log | wc -l)" = 3 ]; }
check "connections end" wait_until 20 wait_for_kept
check_equal "one by use-backend lived through it" "s2 True" "$(cat "$TOPOLOGY_DIR/kept40.log")"
check_equal "as others did" "s1 True s1 True" "$(cat "$TOPOLOGY_DIR"/kept4[12].log | xargs)"

# Conditions follow the servers' health.
check_equal "app is up: rule 6 is not there" s1 "$(from 192.0.2.10)"
web_kill 1
check "app is down: new connections go where rule 6 says" wait_until 5 from_is 192.0.2.10 s2
FIELD=rule
check_equal "as lookup knows" \
	"rule 6 of frontend web: use-backend second if app-is-down second-is-up" \
	"$(lookup 192.0.2.10)"
WEB_PORT=8080 web_start 1
check "app is up again: they come back" wait_until 5 from_is 192.0.2.10 s1

# A million prefixes, of which one is the client's.
python3 - >"$TOPOLOGY_DIR/blocked.txt" <<'END'
import random
random.seed(1)
print("192.0.2.70")
for i in range(1000000):
    a = random.getrandbits(32) | 1 << 31
    print("%d.%d.%d.%d" % ((a >> 24) % 64 + 16, a >> 16 & 255, a >> 8 & 255, a & 255))
END
downs() { ctl -j show servers | json "sum(s['check_down'] for s in d)"; }
before=$(downs)
begun=$(date +%s%N)
check "a reload with a million prefixes" ctl reload
echo "      took $((($(date +%s%N) - begun) / 1000000)) ms"
check_equal "they count" 28 "$(from 192.0.2.70)"
check_equal "for those who are meant" s1 "$(from 192.0.2.71)"
check_equal "no server went down for it" "$before" "$(downs)"
echo "192.0.2.0/240" >"$TOPOLOGY_DIR/blocked.txt"
check "a file with a wrong line is refused" not ctl reload
check "and the log says which" log_has control "blocked.txt: line 1 must be"
check_equal "the last good one stays" 28 "$(from 192.0.2.70)"
