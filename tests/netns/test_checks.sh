#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What checks ask real servers, and what show servers says of the answers: nginx that is well, ill or
# has no such page, a server that says nothing, one that refuses, one that is out of reach.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/checks.sh"

begin 2
PAGE='return 200 "all is ready\n";'
# pages TEXT: what nginx in s1 answers at /up at port 8081; /missing is missing.
pages() {
	cat >"$TOPOLOGY_DIR/pages.conf" <<-END
		server {
			listen 8081;
			listen [::]:8081;
			root $TOPOLOGY_DIR/none;
			location = /up { default_type text/plain; $1 }
			location = /name { default_type text/plain; return 200 "\$http_host \$http_x_probe\n"; }
		}
	END
}
pages "$PAGE"
sed -i "s|^http {|http {\n\tinclude $TOPOLOGY_DIR/pages.conf;|" "$TOPOLOGY_DIR/s1/nginx.conf"
kill -HUP "$WEB_PID_1"

# Accepts and says nothing at 8082; at 8083 it says what a server of words would.
cat >"$TOPOLOGY_DIR/words.py" <<'END'
import socketserver, sys

class Silent(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(4096):
            pass

class Words(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"+PONG\r\n" if line == b"PING\r\n" else b"-ERR what?\r\n")

import threading
socketserver.ThreadingTCPServer.daemon_threads = True
for port, kind in ((8082, Silent), (8083, Words)):
    server = socketserver.ThreadingTCPServer(("10.0.0.11", port), kind)
    threading.Thread(target=server.serve_forever).start()
print("listening", flush=True)
END
start_in s1 words python3 "$TOPOLOGY_DIR/words.py"
check "the server of words listens" wait_until 5 log_has words listening

edit "
d['defaults']['check'] = {'inter': '200ms', 'timeout': '200ms', 'fall': 2, 'rise': 1}
d['frontends'], d['backends'] = [], []
http = {'type': 'http', 'port': 8081, 'path': '/up'}
def add(name, check, address='10.0.0.11:8080'):
    d['frontends'].append({'name': name, 'bind': '198.51.100.10:%d' % (9000 + len(d['frontends'])),
                           'default-backend': name})
    d['backends'].append({'name': name, 'servers': [
        {'name': 's', 'address': address, 'check': check}]})
add('plain', {})
add('page', http)
add('body', {**http, 'expect': 'is ready', 'expect-regex': '^all .* ready'})
add('head', {**http, 'method': 'HEAD', 'version': '1.0', 'status': 200})
add('host', {**http, 'path': '/name', 'host': 'www.example.org', 'headers': {'X-Probe': 'shunt'},
             'expect': 'www.example.org shunt'})
add('address', {**http, 'path': '/name', 'expect': '10.0.0.11:8081'})
add('other', {**http, 'expect': 'is broken'})
add('missing', {**http, 'path': '/missing'})
add('wanted', {**http, 'path': '/missing', 'status': [404, '500-503']})
add('nohttp', {**http, 'port': 8083})
add('silent', {**http, 'port': 8082})
add('words', {'port': 8083, 'send': 'PING\r\n', 'expect': '+PONG'})
add('wrong', {'port': 8083, 'send-hex': '51554954 0d0a'.replace(' ', ''), 'expect': '+BYE'})
add('refused', {'port': 8089})
add('far', {}, '10.0.0.12:8080')
d['frontends'].append({'name': 'six', 'bind': '[2001:db8:10::10]:80', 'default-backend': 'six'})
d['backends'].append({'name': 'six', 'servers': [{'name': 's', 'address': '[2001:db8:a::11]:8080',
    'check': {**http, 'path': '/name', 'expect': '[2001:db8:a::11]:8081'}}]})
"
balancer_start plain/s page/s body/s head/s host/s address/s wanted/s words/s six/s || exit 1

comes "without a conversation a connection is enough" plain "up L4OK 0"
comes "http: a page" page "up L7OK 200"
comes "its body has the text, and matches the expression" body "up L7OK 200"
comes "HEAD, HTTP/1.0, one status" head "up L7OK 200"
comes "a host and a header of one's own" host "up L7OK 200"
comes "without one, the server's address is the host" address "up L7OK 200"
comes "in brackets if it is IPv6" six "up L7OK 200"
comes "a body with another text" other "down L7RSP 200"
comes "a page that is missing" missing "down L7STS 404"
comes "unless that is the status that is wanted" wanted "up L7OK 404"
comes "a server that does not speak HTTP" nohttp "down L7RSP 0"
comes "a server that accepts and says nothing" silent "down L7TOUT 0"
comes "tcp: the expected word" words "up L7OK 0"
comes "tcp: another word" wrong "down L7TOUT 0"
comes "a port that refuses" refused "down L4CON 0"
check "the log says why" log_has control "missing/s stays down: first probe failed: L7STS 404 in"
check "show servers too" grep -q "L7STS 404 in .*HTTP 404, expected 200-399" <(ctl show servers)

comes "a server in reach" far "up L4OK 0"
in_ns s2 nft -f - <<-END
	table ip ill {
		chain input {
			type filter hook input priority 0
			tcp dport 8080 drop
		}
	}
END
comes "is no longer" far "down L4TOUT 0"
in_ns s2 nft delete table ip ill
comes "is again" far "up L4OK 0"

pages "return 503;"
kill -HUP "$WEB_PID_1"
comes "nginx says 503" page "down L7STS 503"
check "while its connections are as good as ever" result_is plain "up L4OK 0"
pages "$PAGE"
kill -HUP "$WEB_PID_1"
comes "and 200 again" page "up L7OK 200"
check "which the log tells" log_has control "page/s is down: 2 probes failed, last: L7STS 503 in"

edit "
for b in d['backends']:
    if b['name'] == 'page':
        b['servers'][0]['check']['path'] = '/missing'"
check "a reload with another path" ctl reload
comes "asks for that one" page "down L7STS 404"

check "nginx has seen whole requests, and nobody who left early" \
	not grep -Eq '" (400|408|499) ' "$TOPOLOGY_DIR/s1/access.log"
