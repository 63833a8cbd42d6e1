#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Services with several ports, servers that take any, and one client port to two services.
. "$(dirname "$0")/lib.sh"
HERE=$(dirname "$0")

begin 2
# One server in s1 for the ranges, so that it is known where a connection goes; both for FTP's.
edit '
d["frontends"] = [
    {"name": "range", "bind": "198.51.100.10:8000-8019", "default-backend": "files"},
    {"name": "exact", "bind": "198.51.100.10:8010", "default-backend": "web"},
    {"name": "files", "bind": "198.51.100.11:8000-8019", "default-backend": "files"},
    {"name": "web", "bind": "198.51.100.12:80", "default-backend": "web"},
    {"name": "web-too", "bind": "198.51.100.13:80", "default-backend": "web-too"},
    {"name": "any", "bind": "198.51.100.14:*", "default-backend": "any"},
    {"name": "kept", "bind": "198.51.100.15:8080", "default-backend": "kept"}]
d["backends"] = [
    {"name": "files", "check": {"port": 8000}, "servers": [{"name": "s1", "address": "10.0.0.11"}]},
    {"name": "web", "servers": [{"name": "s1", "address": "10.0.0.11:9000"}]},
    {"name": "web-too", "servers": [{"name": "s1", "address": "10.0.0.11:9000"}]},
    {"name": "kept", "servers": [{"name": "s2", "address": "10.0.0.12"}]},
    {"name": "any", "check": {"port": 21}, "servers": [
        {"name": "s1", "address": "10.0.0.11"}, {"name": "s2", "address": "10.0.0.12"}]}]'
for n in 1 2; do
	start_in s$n ftp$n python3 "$HERE/ports.py" serve s$n 21 21
	start_in s$n data$n python3 "$HERE/ports.py" serve s$n 30000 30099
done
start_in s1 files1 python3 "$HERE/ports.py" serve files 8000 8019
start_in s1 web1 python3 "$HERE/ports.py" serve web 9000 9000
balancer_start files/s1 web/s1 web-too/s1 kept/s2 any/s1 any/s2 || exit 1

# both PORT ENDPOINT ...: what ports.py has seen of connections from one local port, in $SEEN.
both() {
	SEEN=$(in_ns client timeout 20 python3 "$HERE/ports.py" both "$@" 2>&1)
}

# all PATTERN N: N lines of $SEEN are like this.
all() {
	[ "$(grep -cE -- "$1" <<<"$SEEN")" = "$2" ] || {
		echo "$SEEN"
		return 1
	}
}

both 0 198.51.100.10:8000 198.51.100.10:8019
check "ports of a range are kept" all '^198.51.100.10:(80[01][09]) files \1 ' 7
both 0 198.51.100.10:8010
check "an exact port goes before the range, and is translated" all ' web 9000 ' 3
both 5501 198.51.100.10:8000 198.51.100.10:8001 198.51.100.10:8002
check "one client port to three ports of a range" all '^198.51.100.10:(800[012]) files \1 5501$' 11
check "nothing answers beside the range" \
	not in_ns client timeout 2 python3 "$HERE/ports.py" both 0 198.51.100.10:8020

both 5502 198.51.100.12:80 198.51.100.13:80
check "one client port to two services at one server" all ' web 9000 ' 7
check "it keeps its port with the first" all '^198.51.100.12:80 web 9000 5502$' 3
check "and has another with the second" all '^198.51.100.13:80 web 9000 5502$' 0
both 5503 198.51.100.10:8005 198.51.100.11:8005
check "also where the port is kept" all '^198.51.100.1[01]:8005 files 8005 ' 7
check "there too, one of them has another" all ' files 8005 5503$' 3
both 5502 198.51.100.12:80 198.51.100.13:80
check "the same once more" all ' web 9000 ' 7

for _ in 1 2 3; do
	check "data where the control connection said, at the same server" \
		in_ns client timeout 10 bash -c \
		"python3 '$HERE/ports.py' passive 198.51.100.14 | grep -Eq '^(s[12]) and \\1\$'"
done
check "nginx, with the frontend's port kept" \
	in_ns client curl -sf --max-time 5 http://198.51.100.15:8080/
check "a big download" test "$(in_ns client curl -s --max-time 30 http://198.51.100.15:8080/big |
	cksum)" = "$(head -c 8000000 /dev/zero | cksum)"

check_equal "show servers: an address without port" 10.0.0.12 \
	"$(ctl -j show servers | json "[s['address'] for s in d if s['backend'] == 'kept'][0]")"
check_equal "lookup: a port of a range" range \
	"$(ctl -j lookup tcp 192.0.2.1:1 198.51.100.10:8001 | json "d['frontend']")"
check_equal "lookup: the exact one" exact \
	"$(ctl -j lookup tcp 192.0.2.1:1 198.51.100.10:8010 | json "d['frontend']")"

# An open connection is found by its port.
in_ns client python3 - <<'PYTHON' &
import socket, time
s = socket.socket()
s.bind(("", 5504))
s.connect(("198.51.100.10", 8003))
s.sendall(b"?")
time.sleep(6)
PYTHON
open_client=$!
client_address=$(in_ns client ip -4 -o addr show scope global | awk '{ sub("/.*", "", $4); print $4; exit }')
found() {
	[ "$(ctl -j lookup tcp "$client_address:5504" "198.51.100.10:$1" | json "d['reason']")" = "established flow" ]
}
check "lookup: the flow of a port" wait_until 5 found 8003
check "lookup: not that of another" not found 8004
kill "$open_client" 2>/dev/null
wait "$open_client" 2>/dev/null

# Ranges that a reload narrows.
edit 'd["frontends"][0]["bind"] = "198.51.100.10:8000-8004"'
check "a reload narrows the range" ctl reload
check "what is outside has gone" \
	not in_ns client timeout 2 python3 "$HERE/ports.py" both 0 198.51.100.10:8005
both 0 198.51.100.10:8004
check "what is inside is there" all ' files 8004 ' 3
check_equal "no client was without a port" 0 "$(ctl -j show drops | json "d.get('client-port', 0)")"
