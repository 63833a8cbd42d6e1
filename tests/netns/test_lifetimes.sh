#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# How connections end, with real hosts at both ends: by an RST, but not by a forged one; by their
# server being marked down, if that is wanted; by an operator's command; by being idle.
. "$(dirname "$0")/lib.sh"

ENDS=$(dirname "$0")/lifetimes.py
declare -A HOLDER

begin 2
edit "
d['defaults']['timeout'] = {'syn': '2s', 'established': '10m', 'fin': '2s'}
d['defaults']['check'] = {'inter': '300ms', 'timeout': '300ms', 'fall': 2, 'rise': 1}
d['frontends'], d['backends'] = [], []
def add(name, port, server, address='198.51.100.10', **more):
    timeout = {'established': '2s'} if name.startswith('idle') else {}
    host = '10.0.0.1%s:9000' if address[0] != '[' else '[2001:db8:a::1%s]:9000'
    front = {k: v for k, v in more.items() if k == 'on-timeout'}
    back = {k: v for k, v in more.items() if k != 'on-timeout'}
    d['frontends'].append({'name': name, 'bind': '%s:%d' % (address, port), 'default-backend': name,
                           'timeout': timeout, **front})
    d['backends'].append({'name': name, 'servers': [{'name': 's', 'address': host % server}], **back})
shut = {'on-marked-down': 'shutdown-sessions'}
add('shut', 9001, 1, **shut)
add('shut6', 9001, 1, '[2001:db8:10::10]', **shut)
add('kept', 9002, 1)
add('rst', 9003, 2)
add('idle', 9004, 2, **{'on-timeout': 'reset'})
add('idlekept', 9005, 2)
"
for n in 1 2; do start_in s$n serve$n python3 "$ENDS" serve 9000; done
balancer_start shut/s shut6/s kept/s rst/s idle/s idlekept/s || exit 1

# hold NAME HOST PORT LOCAL-PORT [talk]
hold() {
	local name=$1
	shift
	start_in client "$name" python3 "$ENDS" hold "$@"
	HOLDER[$name]=$STARTED
	check "$name is open" wait_until 5 log_has "$name" open
}

sessions() {
	[ "$(ctl -j show servers | json "sum(s['sessions'] for s in d if s['backend'] == '$1')")" = "$2" ]
}

counter() {
	ctl -j show workers | json "sum(w['$1'] for w in d)"
}

answers() {
	kill -USR1 "${HOLDER[$1]}"
	wait_until 5 log_has "$1" answered
}

# Idle connections take longest to end: they begin first.
hold idle 198.51.100.10 9004 40004
hold idlekept 198.51.100.10 9005 40005

hold forged 198.51.100.10 9003 41000
in_ns client python3 "$ENDS" forge 192.0.2.1 41000 198.51.100.10 9003
in_ns s2 python3 "$ENDS" forge 10.0.0.12 9000 192.0.2.1 41000
FORGED=$(date +%s%N)
check "the senders of forged resets are challenged" test "$(counter tcp_challenges)" -ge 2

hold byclient 198.51.100.10 9003 41001
hold byserver 198.51.100.10 9003 41002
check "three sessions" sessions rst 3
kill -USR2 "${HOLDER[byclient]}"
check "a client's reset ends its session" wait_until 2 sessions rst 2
check "the server hears of it" wait_until 2 log_has serve2 "41001 reset"
kill -HUP "${HOLDER[byserver]}"
check "the client hears of the server's" wait_until 2 log_has byserver reset
check "a server's reset ends its session" wait_until 2 sessions rst 1

# Marked down by an operator, whose server still runs, and by the probes, whose server is mute.
hold shut 198.51.100.10 9001 42000
hold talks 198.51.100.10 9001 42001 talk
hold shut6 2001:db8:10::10 9001 42002
hold kept 198.51.100.10 9002 42003
ctl set server shut/s state maint >/dev/null
check "maint: a silent client is told" wait_until 3 log_has shut reset
check "and one that talks" wait_until 3 log_has talks reset
check "and the server" wait_until 3 log_has serve1 "42000 reset"
check "no session is left" wait_until 2 sessions shut 0
ctl set server kept/s state maint >/dev/null
check "maint: what is kept goes on" answers kept
check "IPv6 goes on with it" answers shut6
ctl set server kept/s state ready >/dev/null
check "a command resets sessions" ctl shutdown sessions server kept/s
check "at the client" wait_until 3 log_has kept reset
check "and at the server" wait_until 3 log_has serve1 "42003 reset"
check "and no others" not log_has shut6 reset
ip -n "$TOPOLOGY-s1" link set eth0 down
check "a server does not answer its probes any more" wait_until 5 server_is shut6/s down
check "then a silent client is told" wait_until 3 log_has shut6 reset

check "a connection that is idle is reset at the client" wait_until 20 log_has idle reset
check "and at the server" wait_until 5 log_has serve2 "40004 reset"
check "but not where that is not wanted" test "$(cat "$TOPOLOGY_DIR/idlekept.log")" = open

# The short timeouts here have ticks of two seconds, and another four for the sweep.
while [ $(($(date +%s%N) - FORGED)) -lt 11000000000 ]; do sleep 0.2; done
check "long after the forged resets the session is there" sessions rst 1
check "and its connection goes on" answers forged
check "neither end was reset" test "$(grep -c reset "$TOPOLOGY_DIR/forged.log")" = 0
check "nothing was dropped for want of room" test "$(ctl -j show drops |
	json "sum(d.get(k, 0) for k in ('tx-full', 'handover-full'))")" = 0
