#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# shunt-bench sends right packets in every mode, and says what it has measured in the form that
# programs rely on. How fast is nobody's verdict here: the machine may be busy.
set -u
. "$(dirname "$0")/lib.sh"

BENCH=$SHUNT_BUILD/tools/shunt-bench

is_right() {
	"$BENCH" --verify >"$DIR/verify" && ! grep -qv ', 0 wrong, 0 missing$' "$DIR/verify" &&
		[ "$(awk '{print $1, $2}' "$DIR/verify" | sort -u | wc -l)" = 8 ] &&
		[ "$(grep -c connections "$DIR/verify")" = 2 ] &&
		[ "$(grep -c stateless "$DIR/verify")" = 8 ]
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
    assert "kind" not in s, s
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

# One bar for each result and one in the legend; aims for six of the ratios and for new flows.
has_bars_and_aims() {
	[ "$(grep -c '<rect class="bar"' "$DIR/plot.svg")" = 9 ] &&
		[ "$(grep -c '<line class="aim"' "$DIR/plot.svg")" = 8 ]
}

# Any scenario; connections; and all that is measured besides.
is_chosen() {
	"$BENCH" --quick --all-json --rounds 2 --round-ms 10 \
		--scenario mode=fullnat,family=ipv6,flows=64k,new=10,services=1000,servers=20,burst=32,distribution=zipf \
		--scenario flows=1k,kind=connections \
		--scenario mode=dr,flows=1k,flow-mode=stateless >"$DIR/chosen"
}

has_what_was_chosen() {
	python3 - "$DIR/chosen" <<'END'
import json, sys
everything = json.load(open(sys.argv[1], encoding="utf-8"))
one, other, stateless = everything["scenarios"]
assert one["scenario"] == {
    "mode": "fullnat", "family": "ipv6", "flows": 65536, "new_percent": 10, "services": 1000,
    "servers": 20, "burst": 32, "distribution": "zipf"}, one
assert other["scenario"]["kind"] == "connections", other
assert other["scenario"]["new_percent"] not in (0, 1, 10, 100), other
assert "flow_mode" not in one["scenario"], one
assert stateless["scenario"]["flow_mode"] == "stateless", stateless
rate = other["connections_per_second"]
assert 0 < rate["min"] <= rate["median"] <= rate["max"], rate
assert abs(rate["median"] * 8 / other["mpps"]["median"] / 1e6 - 1) < 0.01, other
assert [l["flows"] for l in everything["lookups"]] == [65536, 1 << 20]
for lookup in everything["lookups"]:
    assert 0 < lookup["flow_table_bytes_ipv4"] < lookup["rte_hash_bytes_ipv4"], lookup
    for key in ("flow_table_cycles", "rte_hash_cycles"):
        assert 0 < lookup[key]["min"] <= lookup[key]["median"] <= lookup[key]["max"], lookup
for key in ("selection_table_ms", "generation_ms", "acknowledged_ms", "turn_p99_us_quiet",
            "turn_p99_us_100_changes_per_second"):
    assert everything["change"][key]["min"] > 0, key
END
}

# refuses WORD ARGUMENT ...: exit 2, and the line about it has the word
refuses() {
	local word=$1
	shift
	"$BENCH" "$@" >"$DIR/refused" 2>&1
	[ $? = 2 ] && head -1 "$DIR/refused" | grep -q -- "$word"
}

refuses_wrong_words() {
	refuses "a number from 1" --rounds 0 &&
		refuses "nat, fullnat, dr or tunnel" --scenario mode=bridge &&
		refuses "no such word" --scenario colour=red &&
		refuses "given twice" --scenario flows=1k,flows=1M &&
		refuses "64 to 10M" --scenario flows=11M &&
		refuses "uniform or zipf" --scenario distribution= &&
		refuses "more servers" --scenario mode=fullnat,flows=10M &&
		refuses "stateful, or stateless" --scenario mode=dr,flow-mode=none &&
		refuses "modes dr and tunnel only" --scenario flow-mode=stateless &&
		refuses "mode nat only" --scenario kind=connections,mode=dr &&
		refuses "no option" quick
}

PAGES=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)
check "every packet is right, in every mode and family" is_right
check "it measures" is_measured
check "and says what in the form that programs read" is_in_form
check "and draws it" is_a_picture
check "with a bar for each and what is aimed at" has_bars_and_aims
check "it measures any scenario, and the rest" is_chosen
check "and says so" has_what_was_chosen
check "wrong options and words are refused" refuses_wrong_words
check "hugepages are as many as before" \
	test "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)" = "$PAGES"
exit $FAILED
