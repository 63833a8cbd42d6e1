#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What must not take servers down, or make others wait: servers that are silent or drip, no
# descriptors, no local ports, a shunt-control that was stopped, a wall clock that jumps.
. "$(dirname "$0")/lib.sh"

GOOD=100 BAD=100
begin 1
start_in s1 peer "$SHUNT_BUILD/tests/bench/probe_peer" listen 9001 $((9000 + GOOD)) http
start_in s1 bad python3 "$SHUNT_TOP/tests/netns/bad_servers.py" 9500 $BAD
check "the bad servers listen" wait_until 10 log_has bad listening

# configure BAD?: 100 good servers; and with it those beside them.
configure() {
	edit "
d['defaults']['check'] = {'type': 'http', 'path': '/', 'inter': '400ms', 'timeout': '400ms', 'rise': 1, 'fall': 3}
d['frontends'], d['backends'] = [], []
def add(name, first, count):
    d['frontends'].append({'name': name, 'bind': '198.51.100.10:%d' % (80 + len(d['frontends'])),
                           'default-backend': name})
    d['backends'].append({'name': name, 'servers': [
        {'name': '%s%d' % (name, n), 'address': '10.0.0.11:%d' % (first + n)} for n in range(count)]})
add('good', 9001, $GOOD)
if $1:
    add('drip', 9500, 1)
    add('tarpit', 9501, $BAD)
"
}

# servers EXPRESSION: of the rows s of show servers, of good ones unless said otherwise.
servers() { ctl -j show servers 2>/dev/null | json "(lambda s: $1)([s for s in d if s['backend'] == '${2:-good}'])"; }
servers_are() { [ "$(servers "$@")" = True ]; }
probes() { ctl -j show probes | json "$1"; }
probes_are() { [ "$(probes "$1")" = True ]; }
all_up() { servers_are "all(r['state'] == 'up' for r in s)"; }
none_was_down() { servers_are "all(r['state'] == 'up' and r['check_down'] == 0 for r in s)"; }
# goes_on TEXT: 300 more probes succeed.
goes_on() {
	local succeeded

	succeeded=$(probes "d['succeeded']")
	check "$1" wait_until 20 probes_are "d['succeeded'] >= $succeeded + 300"
}
# restart [WORDS ...]: shunt-control anew, started with these words before it.
restart() {
	[ -z "${CONTROL_PID:-}" ] || stop_started "$CONTROL_PID"
	rm -f "$TOPOLOGY_DIR/run/control.sock"
	start_in balancer control "$@" "$SHUNT_BUILD/control/shunt-control" -c "$CONFIG" \
		--run-dir "$TOPOLOGY_DIR/run"
	CONTROL_PID=$STARTED
	wait_until 10 test -S "$TOPOLOGY_DIR/run/control.sock"
	check "the good servers come up" wait_until 20 all_up
}

#
# Beside bad servers
#
configure False
restart
goes_on "good servers alone are probed"
ALONE=$(probes "d['duration_us']['p50']")
configure True
restart
check "one that drips is down" wait_until 10 servers_are \
	"s[0]['state'] == 'down' and s[0]['check_status'] == 'L7TOUT'" drip
check "at its timeout, not at the end of its answer" servers_are \
	"380000 <= s[0]['check_duration_us'] < 5000000" drip
check "and show servers has what it said" grep -q 'nothing as expected within 400 ms, but "H' <(ctl show servers 2>/dev/null)
check "those that say nothing, too" wait_until 10 servers_are \
	"all(r['state'] == 'down' and r['check_status'] == 'L7TOUT' for r in s)" tarpit
goes_on "the good ones are probed beside them"
check "which have not been down" none_was_down
BESIDE=$(probes "d['duration_us']['p50']")
echo "      half of the good probes took $ALONE us alone, $BESIDE us beside $((BAD + 1)) bad ones"
# A bad one takes 400 ms: nobody waits for one, or for a part of it.
check "and do not wait for them" test "$BESIDE" -lt $((ALONE * 4 + 20000))

#
# No descriptors
#
ERRORS=$(probes "d['local_errors']")
check_equal "no probe has failed here yet" 0 "$ERRORS"
HARD=$(prlimit --pid "$CONTROL_PID" --nofile -o HARD --noheadings)
check "shunt-control gets no more descriptors" prlimit --pid "$CONTROL_PID" --nofile=3:"$HARD"
check "the log says so, and what to do" wait_until 20 log_has control \
	"could not be probed from here.*raise the limit on open files"
sleep 1
check "it gets them again" prlimit --pid "$CONTROL_PID" --nofile="$HARD":"$HARD"
check "such probes are counted" wait_until 10 probes_are "d['local_errors'] >= $GOOD"
check "with every server" servers_are "all(r['check_error'] > 0 for r in s)"
check "no good server has been down" none_was_down
goes_on "and they are probed again"

#
# No processor
#
kill -STOP "$CONTROL_PID"
sleep 5
kill -CONT "$CONTROL_PID"
check "after five seconds in which it stood still, no good server is down" none_was_down
goes_on "and they are probed again, after it stood still"
check "none has been down since, either" none_was_down
check "the log says that it was late" wait_until 10 log_has control "late: a timer ran .* or was stopped"
check "so does show info" test "$(ctl -j show info | json "d['loop']['timers_late_ms']['since_start']['max']")" -ge 4000

#
# No local ports: each destination has these 16, and each connection holds one for a minute
#
PORTS=$(in_ns balancer sysctl -n net.ipv4.ip_local_port_range)
ERRORS=$(probes "d['local_errors']")
check "there are 16 ports" in_ns balancer sysctl -qw net.ipv4.ip_local_port_range="40000 40015" net.ipv4.tcp_tw_reuse=0
check "they run out" wait_until 30 servers_are \
	"all(r['check_status'] == 'SOCKERR' and 'assign' in r['last_check'] for r in s)"
check "which is no server's fault" none_was_down
check "there are more again" in_ns balancer sysctl -qw net.ipv4.ip_local_port_range="$PORTS"
check "all are probed again" wait_until 20 servers_are "all(r['check_status'] == 'L7OK' for r in s)"

#
# Another time
#
restart env LD_PRELOAD="$SHUNT_BUILD/tests/netns/libwall_clock.so"
goes_on "with a wall clock that jumps by days, servers are probed"
check "the log's time has jumped" test "$(grep -o '^20[0-9-]*T' "$TOPOLOGY_DIR/control.log" | sort -u | wc -l)" -ge 3
check "no good server has been down for it" none_was_down
check "and no probe has taken days, or less than nothing" probes_are "0 < d['duration_us']['max'] < 60e6"
