#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A gigabyte from servers to clients through each mode whose answers pass Shunt, by curl, through two
# workers: what arrives is what was there. Then iperf3 both ways at once through every mode.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/modes.sh"

MODES_WEB=1
PART=$((1 << 28))
PARTS=4
modes_up nat fullnat nat64 dr tunnel || exit 1
mkdir "$TOPOLOGY_DIR/files"
head -c $PART /dev/urandom >"$TOPOLOGY_DIR/files/part"
chmod 755 "$TOPOLOGY_DIR/files"
sum=$(sha256sum <"$TOPOLOGY_DIR/files/part")

# download N K: by the mode's Kth client.
download() {
	in_ns client curl -s -g --max-time 100 --interface "$(mode_source "$1" "$2")" \
		"http://$(mode_endpoint "$1" 80)/files/part" | sha256sum
}

jobs=()
for n in 1 2 3; do
	for ((k = 1; k <= PARTS; k++)); do
		download $n $k >"$TOPOLOGY_DIR/sum-$n-$k" &
		jobs+=($!)
	done
done
wait "${jobs[@]}"
for n in 1 2 3; do
	check_equal "${MODES[n - 1]}: all $PARTS downloads of $PART bytes have the file's SHA-256" \
		$PARTS "$(cat "$TOPOLOGY_DIR"/sum-$n-* | grep -cxF "$sum")"
	check "${MODES[n - 1]}: they came through Shunt" \
		test "$(out_bytes $n web)" -gt $((PARTS * PART))
done

# streams N: eight at once, four each way. What of them is under way at the end, iperf3 cuts off.
streams() {
	in_ns client timeout 60 iperf3 --client "$(mode_address "$1")" -B "$(mode_source "$1" 20)" \
		--bidir --parallel 4 --time 3 --json >"$TOPOLOGY_DIR/iperf-$1.json"
}
pids=()
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	streams $n &
	pids+=($!)
done
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	wait "${pids[n - 1]}"
	check_equal "${MODES[n - 1]}: iperf3, four streams each way, ends well" 0 $?
	check "${MODES[n - 1]}: both ends have received" test "$(json "'error' not in d and all(
		d['end'][s]['bytes'] > 1e5 for s in ('sum_received', 'sum_received_bidir_reverse'))" \
		<"$TOPOLOGY_DIR/iperf-$n.json")" = True
	check_equal "${MODES[n - 1]}: the server's kernel saw no wrong checksum" 0 "$(wrong s$n)"
done
check_equal "nor did the client's" 0 "$(wrong client)"
check "both workers had flows" test "$(of_workers "all(w['flows_created'] > 5 for w in d)")" = True
check "packets had to be handed over" \
	test "$(of_workers "sum(w['handed_over'] for w in d) > 0")" = True
