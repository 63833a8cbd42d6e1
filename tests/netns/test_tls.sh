#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Checks over TLS of real servers: nginx and Redis with certificates of a test authority, good ones,
# expired ones and others' ones; a server without TLS, and one that is silent in the handshake.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/checks.sh"

begin 1
CERTS=$TOPOLOGY_DIR/certs
mkdir "$CERTS"

# authority NAME: a key and a certificate that signs others.
authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1 authority" \
		-days 2 -keyout "$CERTS/$1.key" -out "$CERTS/$1.pem"
}

# certificate NAME FIRST LAST NAMES: signed by "test", good from one day to the other.
cat >"$CERTS/ca.conf" <<END
[ca]
default_ca = test
[test]
database = $CERTS/index
new_certs_dir = $CERTS
certificate = $CERTS/test.pem
private_key = $CERTS/test.key
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
END
: >"$CERTS/index"
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "$CERTS/$1.key" -out "$CERTS/$1.csr" &&
		openssl ca -batch -notext -config "$CERTS/ca.conf" -in "$CERTS/$1.csr" -out "$CERTS/$1.pem" \
			-startdate "$(date -u -d "$2" +%Y%m%d%H%M%SZ)" \
			-enddate "$(date -u -d "$3" +%Y%m%d%H%M%SZ)" -extfile <(echo "subjectAltName=$4")
}
check "an authority" authority test
check "another one" authority other
check "a certificate" certificate good yesterday tomorrow "DNS:www.example.org,IP:10.0.0.11,IP:2001:db8:a::11"
check "one of another name" certificate second yesterday tomorrow "DNS:second.example.org"
check "an expired one" certificate old "20 days ago" "10 days ago" "DNS:www.example.org,IP:10.0.0.11"

# pages NAME STATUS: nginx in s1 with that certificate at port 8443, which answers so at /up.
pages() {
	cat >"$TOPOLOGY_DIR/pages.conf" <<-END
		ssl_certificate $CERTS/$1.pem;
		ssl_certificate_key $CERTS/$1.key;
		ssl_protocols TLSv1.2 TLSv1.3;
		server {
			listen 8443 ssl default_server;
			listen [::]:8443 ssl default_server;
			server_name www.example.org;
			default_type text/plain;
			location = /up { return $2 "all is ready\n"; }
			location = /missing { return 404; }
			location = /name { return 200 "<\$ssl_server_name> <\$http_host> <\$ssl_protocol>\n"; }
		}
		server {
			listen 8443 ssl;
			server_name second.example.org;
			ssl_certificate $CERTS/second.pem;
			ssl_certificate_key $CERTS/second.key;
			default_type text/plain;
			location = /up { return 200 "the second\n"; }
		}
		server {
			listen 8444 ssl;
			ssl_certificate $CERTS/old.pem;
			ssl_certificate_key $CERTS/old.key;
		}
		server {
			listen 8445 ssl;
			ssl_protocols TLSv1.2;
			default_type text/plain;
			location = /name { return 200 "<\$ssl_protocol>\n"; }
		}
	END
}
pages good 200
sed -i "s|^http {|http {\n\tinclude $TOPOLOGY_DIR/pages.conf;|" "$TOPOLOGY_DIR/s1/nginx.conf"
kill -HUP "$WEB_PID_1"

start_in s1 redis redis-server --port 0 --tls-port 6380 --bind 10.0.0.11 --tls-auth-clients no \
	--protected-mode no --save '' \
	--dir "$TOPOLOGY_DIR" --tls-cert-file "$CERTS/good.pem" --tls-key-file "$CERTS/good.key" \
	--tls-ca-cert-file "$CERTS/test.pem"
check "Redis is there" wait_until 10 log_has redis "Ready to accept connections"

# Accepts at 8446, hears and says nothing.
cat >"$TOPOLOGY_DIR/silent.py" <<'END'
import socketserver

class Silent(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(4096):
            pass

socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("10.0.0.11", 8446), Silent)
print("listening", flush=True)
server.serve_forever()
END
start_in s1 silent python3 "$TOPOLOGY_DIR/silent.py"
check "a silent server listens" wait_until 10 log_has silent listening

edit "
d['defaults']['check'] = {'inter': '1s', 'fastinter': '200ms', 'downinter': '300ms', 'timeout': '1s',
                          'fall': 2, 'rise': 1}
d['frontends'], d['backends'] = [], []
tls = {'type': 'tls', 'port': 8443, 'ca-file': 'certs/test.pem'}
https = {**tls, 'type': 'https', 'path': '/up'}
def add(name, check, address='10.0.0.11:8080', bind='198.51.100.10:%d'):
    d['frontends'].append({'name': name, 'bind': bind % (9000 + len(d['frontends'])),
                           'default-backend': name})
    d['backends'].append({'name': name, 'servers': [
        {'name': 's', 'address': address, 'check': check}]})
add('tls', tls)
add('six', tls, '[2001:db8:a::11]:8080', '[2001:db8:10::10]:%d')
add('page', {**https, 'host': 'www.example.org', 'expect': 'is ready'})
add('address', {**https, 'path': '/name', 'expect': '<> <10.0.0.11:8443> <TLSv1.3>'})
add('older', {**https, 'port': 8445, 'path': '/name', 'expect': '<TLSv1.2>'})
add('second', {**https, 'sni': 'second.example.org', 'expect': 'the second'})
add('byhost', {**https, 'host': 'second.example.org', 'expect': 'the second'})
add('named', {**https, 'host': 'www.example.org', 'verify-host': 'second.example.org'})
add('expired', {**tls, 'port': 8444})
add('careless', {'type': 'tls', 'port': 8444, 'verify': 'none'})
add('unknown', {**tls, 'ca-file': 'certs/other.pem'})
add('system', {'type': 'tls', 'port': 8443})
add('protocol', {**https, 'alpn': 'http/1.1'})
add('strange', {**tls, 'alpn': 'spdy/3'})
add('plain', {**tls, 'port': 8080})
add('silent', {**tls, 'port': 8446})
add('missing', {**https, 'path': '/missing'})
add('cache', {'type': 'redis', 'tls': True, 'port': 6380, 'ca-file': 'certs/test.pem'})
add('words', {'tls': True, 'port': 6380, 'ca-file': 'certs/test.pem', 'send': 'PING\r\n', 'expect': '+PONG'})
"
balancer_start tls/s six/s page/s older/s second/s careless/s cache/s words/s || exit 1

comes "a handshake, and the address is in the certificate" tls "up L6OK 0"
comes "so it is over IPv6" six "up L6OK 0"
comes "https: a page of a host" page "up L7OK 200"
comes "without one, the address is the host, and no name is asked for" address "up L7OK 200"
comes "a server with TLS 1.2 only" older "up L7OK 200"
comes "sni chooses the certificate and the server" second "up L7OK 200"
comes "so does host, without sni" byhost "up L7OK 200"
comes "a certificate for another name" named "down L6RSP 0" \
	"certificate is for www.example.org and 2 more, not second.example.org"
comes "an expired certificate" expired "down L6RSP 0" "certificate has expired (not after 20"
comes "is good enough without verification" careless "up L6OK 0"
comes "a certificate of another authority" unknown "down L6RSP 0" \
	"certificate's issuer is not trusted: test authority"
comes "which this system does not know either" system "down L6RSP 0"
comes "a protocol that nginx speaks" protocol "up L7OK 200"
comes "one of which it knows nothing" strange "down L6RSP 0" \
	'it sent the alert "no application protocol" in the TLS handshake'
comes "a server that speaks no TLS" plain "down L6RSP 0" 'no TLS there: it answered "HTTP/1.1 400'
comes "one that is silent in the handshake" silent "down L6TOUT 0" "timeout after 1000 ms in TLS handshake"
comes "a page that is missing" missing "down L7STS 404"
comes "Redis over TLS" cache "up L7OK 0"
comes "words over TLS" words "up L7OK 0"
check "the log says why" log_has control "expired/s stays down: first probe failed: L6RSP in .* certificate has expired"

pages good 503
kill -HUP "$WEB_PID_1"
comes "nginx says 503" page "down L7STS 503"
check "while its certificate is as good as ever" result_is tls "up L6OK 0"
pages old 200
kill -HUP "$WEB_PID_1"
comes "nginx has an old certificate" page "down L6RSP 0"
comes "which a handshake tells, too" tls "down L6RSP 0"
pages good 200
kill -HUP "$WEB_PID_1"
comes "and a good one again" page "up L7OK 200"
comes "for all" tls "up L6OK 0"

# What is trusted is read with the configuration, and only then.
cp "$CERTS/other.pem" "$TOPOLOGY_DIR/ca.pem"
edit "
for b in d['backends']:
    if b['name'] == 'tls':
        b['servers'][0]['check']['ca-file'] = 'ca.pem'"
check "a reload with another authority" ctl reload
comes "which does not know the server" tls "down L6RSP 0"
cp "$CERTS/test.pem" "$TOPOLOGY_DIR/ca.pem"
check "the same reload, with what has come into the file" ctl reload
comes "which knows it" tls "up L6OK 0"
echo nothing >"$TOPOLOGY_DIR/ca.pem"
check "a file without certificates is refused" not ctl reload
check "and what ran goes on" result_is tls "up L6OK 0"
check "the log says where" log_has control "check.ca-file: .*ca.pem: has no certificate in PEM"

check_equal "nginx has no errors to tell" "" \
	"$(grep -Ev '\[notice\]' "$TOPOLOGY_DIR/s1/error.log")"
check "it has seen whole requests, and nobody who left early" \
	not grep -E '"GET [^"]*" (400|408|499) ' "$TOPOLOGY_DIR/s1/access.log"
check "nor has Redis" not grep -Ei "error|accepting" <(grep -v "Ready to accept" "$TOPOLOGY_DIR/redis.log")
