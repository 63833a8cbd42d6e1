#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Health with real servers: soft failures weigh less and do not take the last one out, a server that
# flaps is held down, init-state, and what show events says of all of that.
. "$(dirname "$0")/lib.sh"

begin 2
# page N STATUS: what nginx in sN answers at port 8081.
page() {
	cat >"$TOPOLOGY_DIR/page$1.conf" <<-END
		server {
			listen 8081;
			location = /up { default_type text/plain; return $2 "this is $2\n"; }
		}
	END
}
# says N STATUS: from now on.
says() {
	local pid=WEB_PID_$1
	page "$1" "$2"
	kill -HUP "${!pid}"
}
for n in 1 2; do
	page $n 200
	sed -i "s|^http {|http {\n\tinclude $TOPOLOGY_DIR/page$n.conf;|" "$TOPOLOGY_DIR/s$n/nginx.conf"
	says $n 200
done

# Backends anew, by add(NAME, SERVERS, CHECK).
ANEW="
d['frontends'], d['backends'] = [], []
def add(name, count, check):
    d['frontends'].append({'name': name, 'bind': '198.51.100.10:%d' % (80 + len(d['frontends'])),
                           'default-backend': name})
    d['backends'].append({'name': name, 'check': check, 'servers': [
        {'name': 's%d' % n, 'address': '10.0.0.1%d:8080' % n} for n in range(1, count + 1)]})
"
edit "
d['defaults']['check'] = {'type': 'http', 'port': 8081, 'path': '/up', 'inter': '100ms',
                          'timeout': '100ms', 'rise': 1, 'fall': 3}
$ANEW
add('app', 2, {'soft-status': 503, 'soft-fall': 25, 'keep-last': True})
add('hard', 2, {})
add('soft', 2, {'soft-status': [503], 'soft-fall': 25})
add('flap', 1, {'fall': 1, 'flap-hold': {'after': 2, 'within': '1m', 'hold': '2s'}})
add('trust', 1, {'port': 8089, 'init-state': 'fully-up', 'fall': 5, 'inter': '1s'})
"
balancer_start app/s1 app/s2 hard/s1 hard/s2 soft/s1 soft/s2 flap/s1 trust/s1 || exit 1

# field SERVER KEY, of show servers
field() {
	ctl -j show servers | json "[s['$2'] for s in d if s['backend'] + '/' + s['server'] == '$1'][0]"
}
# field_is SERVER KEY VALUE
field_is() { [ "$(field "$1" "$2")" = "$3" ]; }
# events SERVER: what it has been.
events() {
	ctl -j show events |
		json "' '.join(e['to'] for e in d if e['backend'] + '/' + e['server'] == '$1')"
}
# why SERVER: its last change.
why() {
	ctl -j show events |
		json "[e['why'] for e in d if e['backend'] + '/' + e['server'] == '$1'][-1]"
}
serves() { in_ns client curl -sf --max-time 1 http://198.51.100.10/; }

check "init-state: up on trust, although nobody is there" server_is trust/s1 up
check "until it has failed often enough" wait_until 8 server_is trust/s1 down

says 2 503
check "503 three times takes down who takes it for hard" wait_until 5 server_is hard/s2 down
check "and not yet who takes it for soft" server_is soft/s2 up
check "but twenty-five times do" wait_until 5 server_is soft/s2 down
check "also with another server beside it" wait_until 5 server_is app/s2 down
says 1 503
check "the other one says so too, and goes" wait_until 5 server_is soft/s1 down
check "but the last is kept, if it shall be" wait_until 5 log_has control "app/s1 is kept up"
check "the log has it once" test "$(grep -c "app/s1 is kept up" "$TOPOLOGY_DIR/control.log")" = 1
check "it is up" server_is app/s1 up
check "and serves" serves
says 1 200
check "it is well again" wait_until 5 server_is soft/s1 up

# It went down once when it said 503.
check "flap/s1 comes up for the first time again" wait_until 5 server_is flap/s1 up
says 1 404
check "it goes down a second time" wait_until 5 server_is flap/s1 down
says 1 200
check "its page is there again" wait_until 5 field_is flap/s1 check_status L7OK
check "but it is held" server_is flap/s1 down
check "which show servers says" grep -q "^flap .* down .* [12]s " <(ctl show servers)
check "with -j, too" test "$(field flap/s1 hold_ms)" -gt 0
check "then it comes up" wait_until 5 server_is flap/s1 up
check_equal "and is not held any more" 0 "$(field flap/s1 hold_ms)"

check_equal "show events has it all" "up down up down up" "$(events flap/s1)"
check "with the reason" grep -q "^L7OK 200 in" <(why flap/s1)
check "an operator's, too" ctl set server hard/s1 state drain
check_equal "is said to be one" "set by command" "$(why hard/s1)"
edit "d['backends'][1]['servers'].pop()"
check "a reload" ctl reload
check_equal "is one more, and keeps those before" "up down removed" "$(events hard/s2)"
check_equal "show events 1 is the last" 1 "$(ctl -j show events 1 | json "len(d)")"
check "for people it is a table" grep -q "^20..-..-..T.*Z  hard  *s2  *down  removed  reload" \
	<(ctl show events 1)

# One page for two backends, and two servers that track one of theirs: by itself, and by another one.
edit "
$ANEW
add('one', 1, {})
add('two', 1, {'fall': 6})
add('from', 1, {'source-address': '10.0.0.1', 'port': 8080, 'type': 'tcp'})
add('nowhere', 1, {'source-address': '10.0.0.77', 'port': 8080, 'type': 'tcp', 'init-state': 'fully-up'})
add('track', 1, {})
add('again', 1, {})
add('page', 1, {'address': '10.0.0.12'})
d['backends'][4]['servers'][0]['track'] = 'one/s1'
d['backends'][5]['servers'][0]['track'] = 'track/s1'
"
check "a reload with servers that track others" ctl reload
for name in one two from track again; do
	check "$name/s1 comes up" wait_until 5 server_is $name/s1 up
done
# asked SECONDS: how often nginx in s1 is asked for its page meanwhile.
asked() {
	local before
	before=$(grep -c /up "$TOPOLOGY_DIR/s1/access.log")
	sleep "$1"
	echo $(($(grep -c /up "$TOPOLOGY_DIR/s1/access.log") - before))
}
# Each for itself they would ask twice as often; nobody may ask more than once in 95 ms.
asked=$(asked 2)
check "two backends ask for their page once: $asked times in 2 s" test "$asked" -le 25
check "and do ask" test "$asked" -ge 2
check "a source address that is not here is no result" wait_until 5 field_is nowhere/s1 check_status SOCKERR
check "and takes nobody down" server_is nowhere/s1 up
says 1 503
check "the tracked one goes down" wait_until 5 server_is one/s1 down
check "and who tracks it" server_is track/s1 down
check "and who tracks that one" server_is again/s1 down
check_equal "which is why" "tracks track/s1" "$(why again/s1)"
check "its neighbour with another fall is up a little longer, then down" wait_until 5 server_is two/s1 down
says 1 200
check "up again, with all of them" wait_until 5 server_is again/s1 up
check "drain" ctl set server track/s1 state drain
check "is also that of who tracks it" server_is again/s1 drain
check "and not of whom it tracks" server_is one/s1 up
check "ready" ctl set server track/s1 state ready
check "is, too" server_is again/s1 up
check "show servers says whom it tracks" grep -q "^again .* tracks track/s1" <(ctl show servers)
check "a check at another address is that one's" server_is page/s1 down
says 2 200
check "and comes up with it" wait_until 5 server_is page/s1 up

# At a restart what runs is known and waits for its turn, an hour; who is new there does not.
edit "
$ANEW
add('old', 1, {'inter': '1h'})
"
check "a reload" ctl reload
check "old/s1 comes up" wait_until 5 server_is old/s1 up
stop_pid "$CONTROL_PID" KILL
edit "
d['frontends'].append({**d['frontends'][0], 'name': 'new', 'bind': '198.51.100.10:99', 'default-backend': 'new'})
d['backends'].append({**d['backends'][0], 'name': 'new'})
"
control_start "$CONFIG"
check "a new server beside a known one with the same target is probed at once" wait_until 5 server_is new/s1 up
