#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What compare has measured, as a table or as JSON: medians over the rounds, and ratios to nftables.

Each line of the file is "ROUND BALANCER MEASURE KEY VALUE KEY VALUE ...".
"""

import argparse
import collections
import json
import os
import platform
import statistics

REFERENCE = "nftables"


def cost(values):
    """CPU time of the whole machine for one thing done, in microseconds."""
    return 1e6 * values["cpu_machine"] / values["rate"] if values["rate"] else None


def of(key):
    return lambda values: values.get(key)


# Key, what the table calls it, measure, how it follows from the measure's values, decimals.
ROWS = [
    ("new_per_s", "new connections/s", "new", of("rate"), 0),
    ("requests_per_s", "requests/s, kept", "kept", of("rate"), 0),
    ("up_gbit_per_s", "bulk up, Gbit/s", "up", of("rate"), 2),
    ("down_gbit_per_s", "bulk down, Gbit/s", "down", of("rate"), 2),
    ("up_retransmits", "retransmits, up *", "up", of("retransmits"), 0),
    ("down_retransmits", "retransmits, down *", "down", of("retransmits"), 0),
    ("single_p50_ms", "one request, p50 ms *", "single", of("p50_ms"), 3),
    ("single_p99_ms", "one request, p99 ms *", "single", of("p99_ms"), 3),
    ("kept_p50_ms", "kept, p50 ms *", "kept", of("p50_ms"), 3),
    ("kept_p99_ms", "kept, p99 ms *", "kept", of("p99_ms"), 3),
    ("new_cpu_us", "machine us/connection *", "new", cost, 1),
    ("kept_cpu_us", "machine us/request *", "kept", cost, 1),
    ("new_cpu_own", "own CPUs, new", "new", of("cpu_own"), 2),
    ("kept_cpu_own", "own CPUs, kept", "kept", of("cpu_own"), 2),
    ("up_cpu_own", "own CPUs, bulk up", "up", of("cpu_own"), 2),
    ("new_cpu_interrupts", "CPUs in interrupts, new", "new", of("cpu_interrupts"), 2),
    ("kept_cpu_interrupts", "CPUs in interrupts, kept", "kept", of("cpu_interrupts"), 2),
]


def read(path):
    """{(balancer, measure): {round: values}}, and the balancers in the order they were measured."""
    results, balancers = collections.defaultdict(dict), []
    with open(path, encoding="ascii") as file:
        for line in file:
            turn, balancer, measure, *rest = line.split()
            results[balancer, measure][int(turn)] = dict(zip(rest[::2], map(float, rest[1::2])))
            if balancer not in balancers:
                balancers.append(balancer)
    return results, balancers


def summarize(rounds, reference, value):
    """Median, least and greatest, and the median of the ratios within each round."""
    seen = {turn: value(values) for turn, values in rounds.items()}
    seen = {turn: v for turn, v in seen.items() if v is not None}
    if not seen:
        return None
    ratios = []
    for turn, v in seen.items():
        base = value(reference[turn]) if turn in reference else None
        if base:
            ratios.append(v / base)
    return {"median": statistics.median(seen.values()), "min": min(seen.values()),
            "max": max(seen.values()), "ratio": round(statistics.median(ratios), 3) if ratios else None}


def evaluate(results, balancers):
    table = {balancer: {} for balancer in balancers}
    for balancer in balancers:
        for key, _, measure, value, _ in ROWS:
            if key.endswith("cpu_own") and balancer.split("+")[0] in (REFERENCE, "route"):
                continue  # they have no processes
            if (balancer, measure) in results:
                summary = summarize(results[balancer, measure], results.get((REFERENCE, measure), {}), value)
                if summary:
                    table[balancer][key] = summary
    return table


def errors(results):
    counts = collections.Counter()
    for (balancer, measure), rounds in results.items():
        counts[f"{balancer} {measure}"] = int(sum(v["errors"] for v in rounds.values()))
    return {name: count for name, count in counts.items() if count}


def show(table, balancers, failed):
    print("%-26s" % "" + "".join("%20s" % balancer for balancer in balancers))
    for key, title, _, _, decimals in ROWS:
        cells = []
        for balancer in balancers:
            summary = table[balancer].get(key)
            if not summary:
                cells.append("%20s" % "-")
                continue
            ratio = "" if summary["ratio"] is None or balancer == REFERENCE else "x%.2f" % summary["ratio"]
            cells.append("%12.*f%8s" % (decimals, summary["median"], ratio))
        if any(cell.strip() != "-" for cell in cells):
            print(("%-26s" % title + "".join(cells)).rstrip())
    print("medians over the rounds; x: ratio to %s; *: less is better" % REFERENCE)
    for name, count in failed.items():
        print("errors: %s: %d" % (name, count))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--others", type=float, required=True, help="CPUs that were busy before the run")
    parser.add_argument("-j", "--json", action="store_true")
    args = parser.parse_args()
    results, balancers = read(args.file)
    table, failed = evaluate(results, balancers), errors(results)
    if not args.json:
        show(table, balancers, failed)
        if args.others > 0.1:
            print("%.1f of %d CPUs were busy with other things before this run" % (args.others, os.cpu_count()))
        return
    conditions = {"rounds": args.rounds, "seconds": args.seconds, "cpus": os.cpu_count(),
                  "cpus_busy_before": args.others,
                  "kernel": platform.release(), "reference": REFERENCE}
    print(json.dumps({"conditions": conditions, "results": table, "errors": failed}, indent=1))


if __name__ == "__main__":
    main()
