#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# From a fault to the last worker's ack, with each type of check and real servers: refused, and dropped.
# It should be within fall * inter + timeout + 100 ms, and how many were is printed: a busy machine may
# be late, so nothing fails by that unless it takes seconds. FAULT_ROUNDS=20 for figures.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/databases.sh"

ROUNDS=${FAULT_ROUNDS:-2}
INTER_MS=200 TIMEOUT_MS=100 FALL=3
BOUND_MS=$((FALL * INTER_MS + TIMEOUT_MS + 100))
LIMIT_MS=8000

begin 1
databases_begin
nsd_begin
udp_start 1
cat >"$TOPOLOGY_DIR/agent.py" <<'END'
import socketserver

class Agent(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"up\n")

socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("10.0.0.11", 9999), Agent).serve_forever()
END
start_in s1 agent python3 "$TOPOLOGY_DIR/agent.py"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=s1 \
	-keyout "$TOPOLOGY_DIR/key.pem" -out "$TOPOLOGY_DIR/certificate.pem" 2>/dev/null
sed -i "s|^http {|http {\n\tserver { listen 8443 ssl; ssl_certificate $TOPOLOGY_DIR/certificate.pem; \\
	ssl_certificate_key $TOPOLOGY_DIR/key.pem; location / { return 200 well; } }|" "$TOPOLOGY_DIR/s1/nginx.conf"
kill -HUP "$WEB_PID_1"

edit "
d['defaults']['check'] = {'inter': '${INTER_MS}ms', 'timeout': '${TIMEOUT_MS}ms', 'fall': $FALL, 'rise': 1}
d['frontends'], d['backends'] = [], []
def add(name, port, check):
    d['frontends'].append({'name': name, 'bind': '198.51.100.10:%d' % (9000 + len(d['frontends'])),
                           'default-backend': name})
    d['backends'].append({'name': name, 'servers': [
        {'name': 's', 'address': '10.0.0.11:%d' % port, 'check': {'type': name, **check}}]})
add('tcp', 8080, {})
add('http', 8080, {})
add('tls', 8443, {'verify': 'none'})
add('https', 8443, {'verify': 'none', 'expect': 'well'})
add('redis', 6379, {'password': 'secret'})
add('postgres', 5432, {})
add('mysql', 3306, {'user': 'probe'})
add('udp', $UDP_PORT, {'send': 'are you there?', 'expect': 's1'})
add('dns', 53, {'query': 'example.org'})
add('icmp', 80, {})
add('agent', 9999, {})
"
KINDS=(tcp http tls https redis postgres mysql udp dns icmp agent)
balancer_start "${KINDS[@]/%//s}" || exit 1

# fault VERDICT TCP_VERDICT: what s1 does from now on with all that is asked of it.
fault() {
	in_ns s1 nft -f - <<-END
		table inet ill {
			chain input {
				type filter hook input priority 0
				ip saddr 10.0.0.1 tcp sport 1024-65535 $2
				ip saddr 10.0.0.1 meta l4proto { udp, icmp } $1
			}
		}
	END
}
all_are() {
	[ "$(ctl -j show servers | json "all(s['state'] == '$1' for s in d)")" = True ]
}

: >"$TOPOLOGY_DIR/times"
for ((round = 0; round < ROUNDS; round++)); do
	for kind in refused dropped; do
		check "all are up" wait_until 10 all_are up
		# At any time of the interval.
		sleep 0.$((RANDOM % 900 + 100))
		start=$(date +%s%3N)
		if [ $kind = refused ]; then
			fault "reject with icmpx port-unreachable" "reject with tcp reset"
		else
			fault drop drop
		fi
		python3 "$(dirname "$0")/fault_times.py" "$TOPOLOGY_DIR/control.log" "$start" $LIMIT_MS \
			"${KINDS[@]}" >>"$TOPOLOGY_DIR/times"
		in_ns s1 nft delete table inet ill
	done
done
# times EXPRESSION: over r, a list of [milliseconds] by type of check.
times() {
	python3 - "$TOPOLOGY_DIR/times" "$1" <<'END'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
r = {name: [row[name] for row in rows] for name in rows[0]}
print(eval(sys.argv[2]))
END
}
for kind in "${KINDS[@]}"; do
	check "$kind: found each time; at the latest after $(times "max(t or 99999 for t in r['$kind'])") ms" \
		test "$(times "all(r['$kind'])")" = True
done
echo "within $FALL * $INTER_MS + $TIMEOUT_MS + 100 = $BOUND_MS ms: $(times "sum(t is not None and t <= $BOUND_MS for x in r.values() for t in x)") of $(times "sum(len(x) for x in r.values())")"
