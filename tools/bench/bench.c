/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shunt-bench: the packet path on one core, beside a loop that swaps MAC addresses, on the same
 * ports in the same run.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hugepages.h"
#include "plot.h"
#include "report.h"

#define MEMORY_MB_QUICK 1600
#define MEMORY_MB_WHOLE 2600

struct options {
	bool quick;
	bool json;
	bool verify_only;
	const char *only; /* NULL: all */
	const char *plot; /* NULL: none */
	struct measure_settings measure;
};

static void
usage(FILE *out)
{
	fprintf(out,
		"Usage: shunt-bench [OPTION ...]\n"
		"Measures the packet path on one core, beside a loop that only swaps MAC\n"
		"addresses: the same packets, the same port, taking turns. As root, with two\n"
		"cores that do nothing else if the figures are to be compared.\n\n"
		"  -q, --quick       few scenarios, in about a minute\n"
		"  -j, --json        an array of results, for programs\n"
		"      --verify      only check that the packets sent are right\n"
		"      --only TEXT   scenarios whose line in the table has this text\n"
		"      --plot FILE   write a picture of the ratios (SVG)\n"
		"      --rounds N    rounds of each scenario (7; quick: 5)\n"
		"      --round-ms N  length of a round of either side (500; quick: 200)\n"
		"  -h, --help        this text\n"
		"  -V, --version     the version\n");
}

/* 1..max, or 0 for what is no such number. */
static unsigned int
number(const char *text, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	return *text && !*end && value <= max ? (unsigned int)value : 0;
}

static bool
set_option(int option, struct options *o)
{
	switch (option) {
	case 'q':
		o->quick = true;
		return true;
	case 'j':
		o->json = true;
		return true;
	case 'v':
		o->verify_only = true;
		return true;
	case 'o':
		o->only = optarg;
		return true;
	case 'p':
		o->plot = optarg;
		return true;
	case 'r':
		o->measure.rounds = number(optarg, MEASURE_MAX_ROUNDS);
		return o->measure.rounds > 0;
	case 't':
		o->measure.round_ms = number(optarg, 60000);
		return o->measure.round_ms > 0;
	default:
		return false;
	}
}

/* Returns -1 to go on, or the exit code. */
static int
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		{ "verify", no_argument, NULL, 'v' },
		{ "only", required_argument, NULL, 'o' },
		{ "plot", required_argument, NULL, 'p' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "round-ms", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "qjhV", longs, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return 0;
		}
		if (option == 'V') {
			printf("shunt-bench %s\n", SHUNT_VERSION);
			return 0;
		}
		if (!set_option(option, o)) {
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	if (!o->measure.rounds)
		o->measure.rounds = o->quick ? 5 : 7;
	if (!o->measure.round_ms)
		o->measure.round_ms = o->quick ? 200 : 500;
	return -1;
}

/*
 * Each mode and family, one service and many, with new clients among the others. 0, or -errno;
 * -EBADMSG: wrong packets.
 */
static int
verify_all(struct world *w, bool json)
{
	static const uint8_t modes[] = { SHUNT_NAT, SHUNT_DR, SHUNT_TUNNEL, SHUNT_FULLNAT };
	bool good = true;

	for (unsigned int i = 0; i < 16; i++) {
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
		};
		struct verify_result result;
		int rc = verify(w, &scenario, &result);

		if (rc < 0)
			return rc;
		if (!json)
			report_verify(&scenario, &result);
		good = good && result.wrong == 0 && result.missing == 0 && result.packets > 0;
	}
	return good ? 0 : -EBADMSG;
}

/* Is it one of those asked for? */
static bool
is_wanted(const struct options *o, const struct scenario *s)
{
	char name[96];

	scenario_describe(s, name, sizeof(name));
	return !o->only || strstr(name, o->only);
}

/* Prints each as it is done, unless JSON is wanted. Sets *count; done[]: as long as the list. */
static int
measure_all(struct world *w, const struct options *o, const struct scenario *list, size_t length,
	struct measurement *done, size_t *count)
{
	if (!o->json)
		report_head();
	*count = 0;
	for (size_t i = 0; i < length; i++) {
		int rc;

		if (!is_wanted(o, &list[i]))
			continue;
		rc = world_open(w, &list[i]);
		if (rc < 0)
			return rc;
		rc = measure(w, &o->measure, &done[*count]);
		world_close(w);
		if (rc < 0)
			return rc;
		if (!o->json)
			report_measurement(&done[*count]);
		++*count;
	}
	return 0;
}

static int
measure_scenarios(struct world *w, const struct options *o)
{
	const struct scenario *list;
	size_t length = scenario_list(o->quick ? SCENARIO_QUICK : SCENARIO_WHOLE, &list), count;
	struct measurement *done = calloc(length, sizeof(*done));
	int rc = done ? measure_all(w, o, list, length, done, &count) : -ENOMEM;

	if (rc == 0 && o->json)
		rc = report_json(done, count);
	if (rc == 0 && o->plot)
		rc = plot_write(o->plot, done, count);
	free(done);
	return rc;
}

static int
measure_rest(struct world *w, const struct options *o)
{
	static const uint32_t flows[] = { 65536, 1u << 20, 10u << 20 };
	struct change change;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(flows) / sizeof(flows[0]); i++) {
		struct lookups l;

		rc = lookups_measure(flows[i], o->measure.rounds, &l);
		if (rc == 0)
			report_lookups(&l, i == 0);
	}
	if (rc == 0)
		rc = change_measure(w, o->measure.rounds, &change);
	if (rc == 0)
		report_change(&change);
	return rc;
}

static int
run(struct world *w, const struct options *o)
{
	int rc = verify_all(w, o->json);

	if (rc == -EBADMSG)
		fprintf(stderr, "shunt-bench: packets are wrong: no figures\n");
	if (rc == 0 && !o->verify_only)
		rc = measure_scenarios(w, o);
	if (rc == 0 && !o->verify_only && !o->json && !o->quick && !o->only)
		rc = measure_rest(w, o);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options options = { 0 };
	struct hugepages hugepages;
	struct world world;
	int rc = parse_options(argc, argv, &options);
	uint32_t memory_mb;

	if (rc >= 0)
		return rc;
	memory_mb = options.quick ? MEMORY_MB_QUICK : MEMORY_MB_WHOLE;
	if (hugepages_reserve(&hugepages, memory_mb) < 0)
		return 1;
	rc = world_create(&world, memory_mb);
	if (rc == 0) {
		rc = run(&world, &options);
		world_destroy(&world);
	}
	hugepages_release(&hugepages);
	return rc < 0 ? 1 : 0;
}
