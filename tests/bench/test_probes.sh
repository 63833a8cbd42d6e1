#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# 10,000 servers probed once a second: all of them, evenly, none taken for down, and what that costs.
# SERVERS=, HTTP_SERVERS=, SECONDS_EACH= in the environment for more or less. No cost is judged.
# Alone: the probes and their servers take a small machine whole.
if [ -z "${PROBES_INSIDE:-}" ] && [ "$(id -u)" = 0 ]; then
	# In a network of its own, where every address in 10/8 is this host's.
	PROBES_INSIDE=1 exec unshare -n "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
. "$SHUNT_TOP/tools/lib/topology.sh"

SERVERS=${SERVERS:-10000} HTTP_SERVERS=${HTTP_SERVERS:-5000}
SECONDS_EACH=${SECONDS_EACH:-5}
HERE=$SHUNT_TOP/tests/bench
PEER_PID= CONTROL_PID=

finish() {
	local pid

	for pid in $CONTROL_PID $PEER_PID; do
		stop_pid "$pid"
	done
	rm -rf "$DIR"
}
trap finish EXIT
trap 'exit 130' INT TERM

ctl() { timeout 30 "$SHUNT_BUILD/tools/shuntctl" --run-dir "$DIR" "$@"; }

# control SERVERS CHECK [PORTS]: starts shunt-control with so many servers.
control() {
	python3 "$HERE/probe_config.py" "$@" >"$DIR/shunt.json"
	rm -f "$DIR/control.sock"
	"$SHUNT_BUILD/control/shunt-control" -c "$DIR/shunt.json" --run-dir "$DIR" 2>"$DIR/control.log" &
	CONTROL_PID=$!
	wait_until 30 test -S "$DIR/control.sock"
}

# peer LAST_PORT tcp|http: starts the servers.
peer() {
	"$SHUNT_BUILD/tests/bench/probe_peer" listen 8080 "$@" >"$DIR/peer" &
	PEER_PID=$!
	wait_until 5 listens
}
listens() { [ -n "$(ss -Hltn "sport = 8080")" ]; }

look() { ctl -j show probes >"$DIR/probes" && ctl -j show info >"$DIR/info"; }

up() {
	[ "$(ctl -j show probes | json "min(d['succeeded'], $1)")" = "$1" ]
}

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$CONTROL_PID/status"; }
# Processor time of shunt-control, in ticks: user, system.
ticks() { sed 's/.*) //' "/proc/$CONTROL_PID/stat" | cut -d ' ' -f 12,13; }

# figures BEFORE AFTER NANOSECONDS: of the processor.
figures() {
	# shellcheck disable=SC2086
	python3 - $1 $2 "$3" "$(getconf CLK_TCK)" "$DIR" <<'END'
import json, sys
u0, s0, u1, s1, ns, hz = map(int, sys.argv[1:7])
peer, probes, info = (json.load(open(sys.argv[7] + "/" + f)) for f in ("peer", "probes", "info"))
user, system = (u1 - u0) / hz, (s1 - s0) / hz
seconds, made = ns / 1e9, peer["accepted"] * ns / 1e6 / peer["ms"]
print("      %.0f probes a second; %.1f %% of a core: user %.1f %%, system %.1f %%; %.1f us a probe" % (
    made / seconds, 100 * (user + system) / seconds, 100 * user / seconds, 100 * system / seconds,
    1e6 * (user + system) / made))
print("      took: p50 %(p50)d us, p90 %(p90)d us, p99 %(p99)d us, max %(max)d us" % probes["duration_us"])
late, turns = info["loop"]["timers_late_ms"]["last_10s"], info["loop"]["turns_us"]["last_10s"]
print("      timers late %.1f ms, %d ms at most; turns %.0f us, %d us at most; open %d at most of %d" % (
    late["mean"], late["max"], turns["mean"], turns["max"], probes["open"]["most"], probes["open"]["limit"]))
print("      a server was probed %d to %d times; the busiest tenth of the second has %.2f of the mean" % (
    peer["least"], peer["most"], peer["busiest_tenth"]))
END
}

# To ask for the state of all would be a load of its own.
none_down() { ! grep -q ' is down' "$DIR/control.log"; }
# peer_is EXPRESSION, probes_are EXPRESSION: of what they have told.
peer_is() { [ "$(json "$1" <"$DIR/peer")" = True ]; }
probes_are() { [ "$(json "$1" <"$DIR/probes")" = True ]; }

# run NAME SERVERS: watches what has been started for a while, and judges it.
run() {
	local name=$1 servers=$2 before after start memory

	check "$name: all are up" wait_until 60 up "$servers" || return
	kill -USR1 "$PEER_PID"
	before=$(ticks) start=$(date +%s%N)
	sleep "$SECONDS_EACH"
	after=$(ticks) start=$(($(date +%s%N) - start)) memory=$(rss)
	check "$name: it answers" look
	stop_pid "$CONTROL_PID"
	stop_pid "$PEER_PID"
	CONTROL_PID='' PEER_PID=''
	check "$name: none is taken for down" none_down
	check "$name: none could not be probed" probes_are "d['local_errors'] == 0"
	check "$name: every server is probed" peer_is "d['servers'] == $servers"
	check "$name: about as often as the others" \
		peer_is "d['least'] * 2 >= d['most'] - 2 and d['least'] > 0"
	check "$name: at any time of the second" peer_is "d['busiest_tenth'] <= 1.5"
	check "$name: with no more sockets than the limit" \
		probes_are "0 < d['open']['most'] <= d['open']['limit']"
	check "$name: TIME_WAIT has had room" no_overflow
	figures "$before" "$after" "$start"
	echo "      memory $memory KB"
}
no_overflow() { [ "$(nstat -asz TcpExtTCPTimeWaitOverflow | awk '/Overflow/ { print $2 }')" = 0 ]; }

ip link set lo up
ip route add local 10.0.0.0/8 dev lo
# A minute's connections stand in TIME_WAIT; and the servers here are one, with one queue.
sysctl -qw net.ipv4.tcp_max_tw_buckets=2000000 net.core.somaxconn=65535 \
	net.ipv4.tcp_max_syn_backlog=65535

control 1 false
check "without probes" test -S "$DIR/control.sock"
sleep 0.5
echo "      memory $(rss) KB with one server that is not checked"
stop_pid "$CONTROL_PID"

peer 8080 tcp
echo "      the same connections by a program that does nothing else:"
for end in bare polite; do
	echo "      $end: $("$SHUNT_BUILD/tests/bench/probe_peer" floor 8080 "$SERVERS" "$SERVERS" 3 $end)"
done
control "$SERVERS" '{"inter": "1s"}'
run tcp "$SERVERS"
check "tcp: no server has seen a reset" peer_is "d['resets'] == 0"

peer 8080 http
control "$HTTP_SERVERS" '{"type": "http", "path": "/", "inter": "1s"}'
run http "$HTTP_SERVERS"

# Each port of a server's address is a destination of its own for the kernel's choice of ours.
PORTS=$((SERVERS < 500 ? SERVERS : 500))
peer $((8079 + PORTS)) tcp
control $PORTS '{"inter": "100ms"}' ports
run "one address" $PORTS
exit $FAILED
