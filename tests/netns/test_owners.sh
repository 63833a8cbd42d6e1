#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two workers, every forwarding mode at once: each flow has one owner, while datagrams in fragments
# and ICMP errors come in between the rest and all modes carry a load.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/modes.sh"

COUNT=60
here=$(dirname "$0")
modes_up nat dr tunnel fullnat nat64 ports || exit 1

# unreachable N: ICMP errors that the server's kernel has received.
unreachable() {
	in_ns s"$1" awk '/^Icmp:/ { for (i = 2; i <= NF; i++) {
		if (!seen) column[$i] = i; else if (i == column["InDestUnreachs"]) print $i }
		seen = 1 }' /proc/net/snmp
}
resets() { in_ns client awk '/^Tcp:/ && $9 ~ /^[0-9]/ { print $9 }' /proc/net/snmp; }
sum_of() { of_workers "sum(w['$1'] for w in d)"; }

flows=$(sum_of flows_created) loads=() askers=() expected=0
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	before[n]=$(unreachable $n)
	tcp=5001 udp=53
	[ "${MODES[n - 1]}" != ports ] || tcp=8000-8019 udp=5300-5303
	start_in client load$n /usr/bin/python3 "$here/transfer.py" send --bytes 30000000 \
		--from "$(mode_source $n 1)" --to "$(mode_endpoint $n ${tcp%-*})"
	loads+=("$STARTED")
	start_in client ask$n /usr/bin/python3 "$here/owners.py" --count $COUNT \
		--from "$(mode_source $n 2)" --to "$(mode_address $n)" --tcp $tcp --udp $udp
	askers+=("$STARTED")
done
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	mode=${MODES[n - 1]}
	wait "${loads[n - 1]}"
	check_equal "$mode: the load arrives whole" 0 $?
	wait "${askers[n - 1]}"
	seen=$(tail -n 1 "$TOPOLOGY_DIR/ask$n.log")
	check_equal "$mode: $COUNT connections and $COUNT UDP flows, all answered" \
		"{}" "$(json "d['wrong']" <<<"$seen" 2>&1)"
	errors=$(json "d['errors']" <<<"$seen")
	# Under load queues lose some. Had another worker got them, they would be drops, see below.
	check "$mode: ICMP errors about them arrive at the server, most of $errors" \
		test $((4 * ($(unreachable $n) - before[n]))) -ge $((3 * errors))
	expected=$((expected + $(json "d['flows']" <<<"$seen") + 1))
done

# Were a flow known to two workers, both would have made an entry for it.
check_equal "there were as many flows as connections and UDP sockets" $expected \
	$(($(sum_of flows_created) - flows))
check "both workers had some of them" \
	test "$(of_workers "all(w['flows_created'] > $COUNT for w in d)")" = True
check "packets had to be handed over" test "$(sum_of handed_over)" -gt 0
check_equal "no reset was sent by a worker" 0 "$(sum_of tcp_resets)"
check_equal "and none has reached a client" 0 "$(resets)"
# A client that does not know a tunnel's MTU yet is told, and a busy machine has full rings.
check_equal "no packet was dropped for want of a flow, or for anything else in it" "{}" \
	"$(ctl -j show drops | json "{k: v for k, v in d.items()
		if v and k not in ('too-big', 'handover-full', 'tx-full')}")"
