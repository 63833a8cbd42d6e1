#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a server's agent says, beside the check and as the check itself. HAProxy, which asks the same
# agent, says what each line means.
. "$(dirname "$0")/lib.sh"

begin 1
# Says at 10.0.0.11 what stands in the file, to whoever connects to the port.
cat >"$TOPOLOGY_DIR/agent.py" <<'END'
import socketserver, sys

class Agent(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(open(sys.argv[1], "rb").read())

socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("10.0.0.11", int(sys.argv[2])), Agent)
server.serve_forever()
END
# says LINE: from now on.
says() {
	printf '%b' "$1" >"$TOPOLOGY_DIR/line.new"
	mv "$TOPOLOGY_DIR/line.new" "$TOPOLOGY_DIR/line"
}
says 'up\n'
agent_answers() { [ -n "$(in_ns s1 python3 -c '
import socket
print(socket.create_connection(("10.0.0.11", 9999), 1).recv(99).decode())')" ]; }
# agent_begins: not within a check, which would keep its pid.
agent_begins() {
	start_in s1 agent python3 "$TOPOLOGY_DIR/agent.py" "$TOPOLOGY_DIR/line" 9999
	AGENT=$STARTED
	check "the agent answers" wait_until 5 agent_answers
}
agent_begins
# That of the server which tracks the other one: it never says "up".
printf '100%%\n' >"$TOPOLOGY_DIR/content"
start_in s1 content python3 "$TOPOLOGY_DIR/agent.py" "$TOPOLOGY_DIR/content" 9998

cat >"$TOPOLOGY_DIR/haproxy.cfg" <<END
global
	stats socket $TOPOLOGY_DIR/haproxy.sock mode 600
defaults
	mode tcp
	timeout connect 1s
	timeout client 5s
	timeout server 5s
frontend f
	bind 127.0.0.1:8000
	default_backend app
backend app
	server s1 10.0.0.11:8080 weight 8 check inter 200ms agent-check agent-port 9999 agent-inter 100ms
END
start_in balancer haproxy haproxy -f "$TOPOLOGY_DIR/haproxy.cfg" -db
# What HAProxy makes of it: state, and weight in force.
oracle() {
	python3 - "$TOPOLOGY_DIR/haproxy.sock" <<'END'
import csv, io, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"show stat app 4 -1\n")
text = b""
while chunk := s.recv(65536):
    text += chunk
row = next(csv.DictReader(io.StringIO(text.decode().lstrip("# "))))
print(row["status"].split()[0].lower(), row["weight"])
END
}

edit "
d['defaults']['check'] = {'inter': '200ms', 'timeout': '200ms', 'fall': 2, 'rise': 1}
d['frontends'] = [{'name': n, 'bind': '198.51.100.10:%d' % p, 'default-backend': n}
                  for n, p in (('app', 80), ('own', 81), ('follower', 82))]
agent = {'port': 9999, 'inter': '100ms'}
s1 = {'name': 's1', 'address': '10.0.0.11:8080', 'weight': 8}
d['backends'] = [
    {'name': 'app', 'servers': [{**s1, 'agent-check': agent}, {**s1, 'name': 'twin', 'port': 0}]},
    {'name': 'own', 'servers': [{**s1, 'check': {'type': 'agent', 'port': 9999, 'inter': '100ms'}}]},
    {'name': 'follower', 'servers': [{**s1, 'track': 'app/s1', 'agent-check': {**agent, 'port': 9998}}]}]
del d['backends'][0]['servers'][1]
"
balancer_start app/s1 own/s1 || exit 1

# field SERVER KEY, of show servers
field_is() { [ "$(field "$1" "$2")" = "$3" ]; }
field() {
	ctl -j show servers | json "[s['$2'] for s in d if s['backend'] + '/' + s['server'] == '$1'][0]"
}
is_as() { [ "$(field "$1" state) $(field "$1" weight)" = "$2" ]; }
agree() { [ "$(oracle)" = "$1" ] && is_as app/s1 "$1"; }
serves() { in_ns client curl -sf --max-time 1 "http://198.51.100.10:$1/"; }

# A line, and what it makes of a server of weight 8, from one line to the next.
while IFS='|' read -r line expected; do
	says "$line"
	check "HAProxy and Shunt agree on '$line': $expected" wait_until 5 agree "$expected"
done <<'END'
50%\n|up 4
100%\r\n|up 8
drain\n|drain 8
75%\n|drain 6
ready up 100%\n|up 8
maint\n|maint 8
up\n|maint 8
ready\n|up 8
down # the disk is full\n|down 8
25%\n|down 2
up,100%\n|up 8
stopped\n|down 8
ready\n|down 8
failed\n|down 8
up\n|up 8
nothing of this kind\n|up 8
END
check "with a reason in show events" grep -q "L7STS in .*: the disk is full" <(ctl show events)
says 'down # the disk is full\n'
check "down" wait_until 5 server_is app/s1 down
check "says show servers, and its check is fine" \
	test "$(field app/s1 check_status) $(field app/s1 agent_status)" = "L4OK L7STS"
check "so does the table" grep -q "^app .* down .* L4OK .* L7STS in .*: the disk is full" <(ctl show servers)
check "nobody is sent there" not serves 80
stop_started $AGENT
check "the agent is gone" wait_until 5 field_is app/s1 agent_status L4CON
check "which changes nothing: it is down as before" server_is app/s1 down
stop_pid "$CONTROL_PID" KILL
control_start "$CONFIG"
check "a restart of control" wait_until 5 field_is app/s1 agent_status L4CON
check "knows that it is down" server_is app/s1 down
check "and who tracks it too" server_is follower/s1 down
check "whose own agent is content" wait_until 5 field_is follower/s1 agent_status L7OK
says 'up\n'
agent_begins
check "until it says up" wait_until 5 server_is app/s1 up
check "for the one that tracks it too" wait_until 5 server_is follower/s1 up
check "and it serves" wait_until 5 serves 80

check "as a check of its own: up" wait_until 5 server_is own/s1 up
says 'down\n'
check "down" wait_until 5 server_is own/s1 down
says 'up 50%\n'
check "up, with half of its weight" wait_until 5 is_as own/s1 "up 4"
says 'drain 100%\n'
check "drain" wait_until 5 is_as own/s1 "drain 8"
says 'ready\n'
check "ready" wait_until 5 server_is own/s1 up
stop_started $AGENT
check "but without an agent the check fails" wait_until 5 server_is own/s1 down

# maxconn:N, by connections that are held.
says 'up maxconn:2\n'
agent_begins
check "its maxconn is taken over" wait_until 5 log_has control "app/s1 is set to maxconn 2 by its agent"
start_in client held python3 -c '
import socket, time
held = [socket.create_connection(("198.51.100.10", 80), 5) for _ in range(2)]
print("held", flush=True)
time.sleep(60)'
check "two connections are held" wait_until 5 log_has held held
check "a third one is refused" not serves 80
says 'maxconn:3\n'
check "until the agent lets it in" wait_until 5 serves 80
