#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# shunt-bench sends right packets in every mode, and says what it has measured in the form that
# programs rely on. How fast is nobody's verdict here: the machine may be busy.
set -u
. "$(dirname "$0")/../../tools/lib/setup.sh"

if [ "$(id -u)" != 0 ]; then
	echo "skip  $(basename "$0"): needs root"
	exit 0
fi
BENCH=$SHUNT_BUILD/tools/shunt-bench
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
FAILED=0

# check TEXT COMMAND ...
check() {
	local text=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok    $text"
	else
		printf 'FAIL  %s\n%s\n' "$text" "$output"
		FAILED=1
	fi
}

is_right() {
	"$BENCH" --verify >"$DIR/verify" && ! grep -qv ', 0 wrong, 0 missing$' "$DIR/verify" &&
		[ "$(awk '{print $1, $2}' "$DIR/verify" | sort -u | wc -l)" = 8 ]
}

is_measured() {
	"$BENCH" --quick -j --rounds 2 --round-ms 20 --plot "$DIR/plot.svg" >"$DIR/json"
}

is_in_form() {
	python3 - "$DIR/json" <<'END'
import json, sys
results = json.load(open(sys.argv[1], encoding="utf-8"))
seen = set()
for result in results:
    s = result["scenario"]
    assert s["family"] in ("ipv4", "ipv6") and s["distribution"] in ("uniform", "zipf"), s
    assert all(isinstance(s[k], int) for k in ("services", "servers", "burst")), s
    for key in ("ratio", "added_cycles", "mpps"):
        spread = result[key]
        assert spread["min"] <= spread["median"] <= spread["max"], result
    assert result["ratio"]["min"] > 0 and result["mpps"]["min"] > 0, result
    seen.add((s["mode"], s["flows"], s["new_percent"]))
for mode in ("nat", "dr"):
    for flows in (65536, 1048576, 10485760):
        assert (mode, flows, 0) in seen, (mode, flows)
    assert (mode, 1048576, 100) in seen, mode
END
}

is_a_picture() {
	python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$DIR/plot.svg"
}

is_refused() {
	! "$BENCH" --rounds 0 2>"$DIR/refused" && grep -q Usage "$DIR/refused"
}

PAGES=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)
check "every packet is right, in every mode and family" is_right
check "it measures" is_measured
check "and says what in the form that programs read" is_in_form
check "and draws it" is_a_picture
check "a wrong option is refused" is_refused
check "hugepages are as many as before" \
	test "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)" = "$PAGES"
exit $FAILED
