/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shunt-bench: the packet path on one core, beside a loop that swaps MAC addresses, on the same
 * ports in the same run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hugepages.h"
#include "options.h"
#include "plot.h"
#include "report.h"

#define MEMORY_MB_LEAST	  600  /* what the verification takes */
#define MEMORY_MB_LOOKUPS 2600 /* rte_hash with 10M flows */

static const uint32_t lookup_flows[] = { 65536, 1u << 20, 10u << 20 };

#define LOOKUPS	      (sizeof(lookup_flows) / sizeof(lookup_flows[0]))
#define LOOKUPS_QUICK (LOOKUPS - 1)

/* What is measured, and what has come of it. */
struct plan {
	struct scenario *scenarios;
	size_t count;
	bool has_rest; /* lookups and change too */
	struct measurement *measurements;
	struct lookups lookups[LOOKUPS];
	size_t lookup_count;
	struct change change;
};

/* Is it one of those asked for? */
static bool
is_wanted(const struct options *o, const struct scenario *s)
{
	char name[96];

	scenario_describe(s, name, sizeof(name));
	return !o->only || strstr(name, o->only);
}

static void
plan_destroy(struct plan *p)
{
	free(p->scenarios);
	free(p->measurements);
}

static int
plan_create(struct plan *p, const struct options *o)
{
	const struct scenario *list = o->scenarios;
	size_t length = o->count;

	if (!length)
		length = scenario_list(o->quick ? SCENARIO_QUICK : SCENARIO_WHOLE, &list);
	*p = (struct plan){
		.scenarios = calloc(length, sizeof(*p->scenarios)),
		.measurements = calloc(length, sizeof(*p->measurements)),
	};
	if (!p->scenarios || !p->measurements) {
		plan_destroy(p);
		return -ENOMEM;
	}
	for (size_t i = 0; i < length; i++) {
		if (is_wanted(o, &list[i]))
			p->scenarios[p->count++] = list[i];
	}
	p->lookup_count = o->quick ? LOOKUPS_QUICK : LOOKUPS;
	p->has_rest = o->all_json || (!o->json && !o->quick && !o->only && !o->count);
	return 0;
}

static uint32_t
plan_memory_mb(const struct plan *p, const struct options *o)
{
	uint32_t most = MEMORY_MB_LEAST;

	if (o->verify_only)
		return most;
	for (size_t i = 0; i < p->count; i++) {
		uint32_t megabytes = scenario_memory_mb(&p->scenarios[i]);

		most = megabytes > most ? megabytes : most;
	}
	if (p->has_rest && p->lookup_count == LOOKUPS && most < MEMORY_MB_LOOKUPS)
		most = MEMORY_MB_LOOKUPS;
	return most;
}

/* 0, or -errno; -EBADMSG: wrong packets. */
static int
verify_one(struct world *w, const struct scenario *scenario, bool json)
{
	struct verify_result result;
	int rc = verify(w, scenario, &result);

	if (rc < 0)
		return rc;
	if (!json)
		report_verify(scenario, &result);
	return result.wrong || result.missing || !result.packets ? -EBADMSG : 0;
}

/*
 * Each mode and family, one service and many, without rules and with them, with new clients among
 * the others.
 */
static int
verify_packets(struct world *w, bool json)
{
	static const uint8_t modes[] = { SHUNT_NAT, SHUNT_FULLNAT, SHUNT_DR, SHUNT_TUNNEL,
		/* and stateless */ SHUNT_DR, SHUNT_TUNNEL };
	int result = 0;

	for (unsigned int i = 0; i < 24; i++) {
		const struct scenario scenario = {
			.forward = modes[i / 4],
			.version = i / 2 % 2 ? 6 : 4,
			.zipf = i % 2,
			.burst = i % 2 ? 32 : 64,
			.flows = 16384,
			.services = i % 2 ? 1000 : 1,
			.servers = i % 2 ? 1000 : 10,
			.new_percent = 10,
			.udp = true,
			.stateless = i >= 16,
			.by_connection = i % 2,
			.rules = i < 16 && i % 2 ? 1000 : 0,
		};
		int rc = verify_one(w, &scenario, json);

		if (rc < 0 && rc != -EBADMSG)
			return rc;
		result = rc < 0 ? rc : result;
	}
	return result;
}

static int
verify_all(struct world *w, bool json)
{
	int result = verify_packets(w, json);

	for (uint8_t version = 4; result == 0 && version <= 6; version += 2) {
		const struct scenario scenario = {
			.forward = SHUNT_NAT,
			.version = version,
			.burst = 64,
			.flows = 16384,
			.services = version == 4 ? 1 : 1000,
			.servers = 10,
			.new_percent = SCENARIO_CONNECTIONS_NEW,
			.kind = SCENARIO_CONNECTIONS,
		};

		result = verify_one(w, &scenario, json);
	}
	return result;
}

/* Prints each as it is done, unless JSON is wanted. */
static int
measure_scenarios(struct world *w, const struct options *o, struct plan *p)
{
	if (!o->json)
		report_head();
	for (size_t i = 0; i < p->count; i++) {
		int rc = world_open(w, &p->scenarios[i]);

		if (rc < 0)
			return rc;
		rc = measure(w, &o->measure, &p->measurements[i]);
		world_close(w);
		if (rc < 0)
			return rc;
		if (!o->json)
			report_measurement(&p->measurements[i]);
	}
	return 0;
}

static int
measure_rest(struct world *w, const struct options *o, struct plan *p)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->lookup_count; i++) {
		rc = lookups_measure(lookup_flows[i], o->measure.rounds, &p->lookups[i]);
		if (rc == 0 && !o->json)
			report_lookups(&p->lookups[i], i == 0);
	}
	if (rc == 0)
		rc = change_measure(w, o->measure.rounds, &p->change);
	if (rc == 0 && !o->json)
		report_change(&p->change);
	return rc;
}

static int
run(struct world *w, const struct options *o, struct plan *p)
{
	int rc = verify_all(w, o->json);

	if (rc == -EBADMSG)
		fprintf(stderr, "shunt-bench: packets are wrong: no figures\n");
	if (rc < 0 || o->verify_only)
		return rc;
	rc = measure_scenarios(w, o, p);
	if (rc == 0 && p->has_rest)
		rc = measure_rest(w, o, p);
	if (rc == 0 && o->all_json)
		rc = report_all_json(
			p->measurements, p->count, p->lookups, p->lookup_count, &p->change);
	else if (rc == 0 && o->json)
		rc = report_json(p->measurements, p->count);
	if (rc == 0 && o->plot)
		rc = plot_write(o->plot, p->measurements, p->count);
	return rc;
}

int
main(int argc, char **argv)
{
	static struct options options;
	struct hugepages hugepages;
	struct world world;
	struct plan plan;
	int rc = options_parse(argc, argv, &options);
	uint32_t memory_mb;

	if (rc >= 0)
		return rc;
	if (plan_create(&plan, &options) < 0)
		return 1;
	memory_mb = plan_memory_mb(&plan, &options);
	rc = hugepages_reserve(&hugepages, memory_mb);
	if (rc == 0) {
		rc = world_create(&world, memory_mb);
		if (rc == 0) {
			rc = run(&world, &options, &plan);
			world_destroy(&world);
		}
		hugepages_release(&hugepages);
	}
	plan_destroy(&plan);
	return rc < 0 ? 1 : 0;
}
