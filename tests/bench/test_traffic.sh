#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What tools/traffic says is in the form that programs rely on, its sums are right, and it leaves
# nothing behind. How fast anything is stands nowhere here: the machine may be busy.
set -u
. "$(dirname "$0")/lib.sh"

for tool in dpdk-testpmd wrk iperf3 haproxy nft nginx; do
	if ! command -v $tool >/dev/null; then
		echo "skip  $(basename "$0"): needs $tool"
		exit 0
	fi
done
export SHUNT_BUILD
TRAFFIC=$SHUNT_TOP/tools/traffic

# memif GENERATOR [ARGUMENTS]: without hugepages, which others may be using.
memif() {
	local generator=$1
	shift
	"$TRAFFIC/memif" -j --generator "$generator" --seconds 0.2 --memory pages --loss 99 "$@" \
		>"$DIR/$generator" && python3 - "$DIR/$generator" <<'END'
import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
c, generator = d["conditions"], sys.argv[1].split("/")[-1]
assert c["generator"] == generator and set(c["cpus"]) == {"main", "worker", "generator", "sink"}, c
assert d["full_rate"] == d["trials"][0] and d["trials"], d
for t in d["trials"]:
    assert t["offered"] >= t["forwarded"] > 0 and t["offered_mpps"] > 0, t
    assert t["lost"] == t["offered"] - t["forwarded"], t
    assert t["lost"] == t["lost_before"] + t["lost_dropped"], t
    assert t["lost_elsewhere"] == 0 and abs(t["loss"] - t["lost"] / t["offered"]) < 1e-5, t
    s = t["shunt"]
    assert s["received"] == t["offered"] - t["lost_before"] and s["sent"] == t["forwarded"], t
    assert set(s["drops"]) <= {"tx-full"}, t
    assert s["flows"] == (c["flows"] if t["middle"] == "shunt" else 0), t
if generator == "txonly":
    assert [t["middle"] for t in d["trials"]] == ["shunt"] * 2 + ["macswap"] * 2, d
    for ratio in d["ratio_to_macswap"].values():
        assert 0 < ratio["min"] == ratio["median"] == ratio["max"], d
best = d["highest_without_loss"]
assert best in d["trials"] and best["loss"] <= 0.99, d
END
}

compare() {
	TOPOLOGY=shunttraffic$$ "$TRAFFIC/compare" -j --rounds 1 --seconds 1 \
		--only nftables,shunt,haproxy,new,up >"$DIR/compare"
}

is_compared() {
	python3 - "$DIR/compare" <<'END'
import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
assert d["conditions"]["rounds"] == 1 and d["conditions"]["reference"] == "nftables", d
assert list(d["results"]) == ["nftables", "shunt", "haproxy"], d
for balancer, rows in d["results"].items():
    assert {"new_per_s", "up_gbit_per_s", "new_cpu_us"} <= set(rows), balancer
    assert "requests_per_s" not in rows and ("new_cpu_own" in rows) == (balancer != "nftables"), rows
    for key in ("new_per_s", "up_gbit_per_s", "new_cpu_us"):
        row = rows[key]
        assert 0 < row["min"] <= row["median"] <= row["max"] and row["ratio"] > 0, row
    assert balancer != "nftables" or rows["new_per_s"]["ratio"] == 1, rows
assert all(isinstance(count, int) for count in d["errors"].values()), d
END
}

leaves_nothing() {
	! ip netns list | grep "^shunttraffic$$-" && ! ls -d /tmp/shunttraffic$$.* 2>/dev/null
}

# Without hugepages, as memif. That one of two workers drops while the other has no CPU is well.
workers() {
	"$TRAFFIC/workers" -j --seconds 0.5 --rounds 1 --memory pages >"$DIR/workers" &&
		python3 - "$DIR/workers" <<'END'
import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
assert [(t["middle"], t["workers"]) for t in d["trials"]] == [
    ("shunt", 1), ("shunt", 2), ("macswap", 1), ("macswap", 2)], d
flows = d["conditions"]["flows"]
for t in d["trials"]:
    assert t["received"] > 0 and t["sent"] > 0 and t["mpps"] > 0, t
    assert t["flows"] == (flows * t["workers"] if t["middle"] == "shunt" else 0), t
    assert set(t["drops"]) <= ({"handover-full"} if t["workers"] == 2 else set()), t
for ratio in d["ratio_two_to_one"].values():
    assert 0 < ratio["min"] == ratio["median"] == ratio["max"], d
END
}

# The search for the highest rate, over a balancer that loses packets with fewer than 37 reads each.
finds_the_rate() {
	PYTHONDONTWRITEBYTECODE=1 python3 - "$TRAFFIC" <<'END'
import argparse, importlib.machinery, importlib.util, sys
sys.path.insert(0, sys.argv[1])
loader = importlib.machinery.SourceFileLoader("memif", sys.argv[1] + "/memif")
memif = importlib.util.module_from_spec(importlib.util.spec_from_loader("memif", loader))
loader.exec_module(memif)

def search(limit, **more):
    memif.trials_of = lambda args, reads: [{"reads_per_packet": reads, "forwarded_mpps": 10 / (1 + reads),
                                            "loss": 0 if reads >= limit else 0.02}]
    args = argparse.Namespace(**{"loss": 0, "steps": 12, **more})
    trials, best = memif.search(args, lambda _: None)
    return [t["reads_per_packet"] for t in trials], best and best["reads_per_packet"]

assert search(37) == ([0, 4, 8, 16, 32, 64, 48, 40, 36, 38, 37], 37), search(37)
assert search(37, steps=2) == ([0, 4, 8, 16, 32, 64, 48, 40], 40), search(37, steps=2)
assert search(0) == ([0], 0) and search(37, loss=3) == ([0], 0)
trials, best = search(10 ** 9)
assert best is None and max(trials) <= memif.MAX_READS, trials
END
}

is_refused() {
	! "$TRAFFIC/memif" --flows 0 2>"$DIR/memif-refused" && grep -q flows "$DIR/memif-refused" &&
		! "$TRAFFIC/workers" --flows 0 2>"$DIR/workers-refused" && grep -q range "$DIR/workers-refused" &&
		! "$TRAFFIC/compare" --only ipvs 2>"$DIR/refused" && grep -q ipvs "$DIR/refused"
}

check "testpmd sends a capture through the balancer, and every packet is accounted for" \
	memif replay --flows 1000
check "testpmd's flowgen: the same" memif flowgen
check "testpmd's txonly: the same, and with testpmd in the balancer's place" memif txonly --reference
check "the highest rate without loss is found" finds_the_rate
check "balancers are compared" compare
check "with the figures in the form that programs read" is_compared
check "and nothing is left behind" leaves_nothing
check "one worker and two forward all flows, and so does testpmd in their place" workers
check "the configuration for real NICs is valid" \
	"$SHUNT_BUILD/control/shunt-control" --check -c "$TRAFFIC/nic.json"
check "wrong options are refused" is_refused
exit $FAILED
