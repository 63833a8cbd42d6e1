#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A gigabyte by TCP through each forwarding mode, from clients to servers, all at a time through two
# workers: every byte is the right one, and no kernel sees a wrong checksum.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/modes.sh"

BYTES=$((1 << 30))
modes_up nat dr tunnel fullnat nat64 || exit 1

pids=()
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	start_in client "send$n" /usr/bin/python3 "$(dirname "$0")/transfer.py" send --bytes $BYTES \
		--from "$(mode_source $n 1)" --to "$(mode_endpoint $n 5001)"
	pids+=("$STARTED")
done
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	wait "${pids[n - 1]}"
	check_equal "${MODES[n - 1]}: $(tail -n 1 "$TOPOLOGY_DIR/send$n.log")" 0 $?
done
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	check "${MODES[n - 1]}: it went through Shunt" test "$(in_bytes $n tcp)" -gt $BYTES
	check_equal "${MODES[n - 1]}: the server's kernel saw no wrong checksum" 0 "$(wrong s$n)"
done
check_equal "nor did the client's" 0 "$(wrong client)"
check "packets had to be handed over" \
	test "$(of_workers "sum(w['handed_over'] for w in d) > 0")" = True
