/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario_parse.h"

static void
usage(FILE *out)
{
	fprintf(out,
		"Usage: shunt-bench [OPTION ...]\n"
		"Measures the packet path on one core, beside a loop that only swaps MAC\n"
		"addresses: the same packets, the same port, taking turns. As root, with two\n"
		"cores that do nothing else if the figures are to be compared.\n\n"
		"  -q, --quick          few scenarios, in less than a minute\n"
		"  -j, --json           an array of results, for programs\n"
		"      --all-json       an object: \"scenarios\" (that array), \"lookups\", "
		"\"change\"\n"
		"      --verify         only check that the packets sent are right\n"
		"      --only TEXT      scenarios whose line in the table has this text\n"
		"      --scenario LIST  this scenario and no other; may be given again. LIST:\n"
		"                       WORD=VALUE,... of\n"
		"%s"
		"      --plot FILE      write a picture of the ratios (SVG)\n"
		"      --rounds N       rounds of each scenario (7; quick: 5)\n"
		"      --round-ms N     length of a round of either side (500; quick: 200)\n"
		"  -h, --help           this text\n"
		"  -V, --version        the version\n",
		scenario_words());
}

/* Why has been said. */
static int
refuse(void)
{
	fprintf(stderr, "shunt-bench --help says what there is\n");
	return 2;
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
add_scenario(struct options *o, const char *text)
{
	if (o->count == OPTIONS_MAX_SCENARIOS) {
		fprintf(stderr, "shunt-bench: more than %d scenarios\n", OPTIONS_MAX_SCENARIOS);
		return false;
	}
	return scenario_parse(text, &o->scenarios[o->count++]) == 0;
}

static bool
set_number(const char *name, unsigned int max, unsigned int *out)
{
	*out = number(optarg, max);
	if (!*out)
		fprintf(stderr, "shunt-bench: --%s: '%s': a number from 1 to %u\n", name, optarg,
			max);
	return *out > 0;
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
	case 'a':
		o->json = o->all_json = true;
		return true;
	case 'v':
		o->verify_only = true;
		return true;
	case 'o':
		o->only = optarg;
		return true;
	case 's':
		return add_scenario(o, optarg);
	case 'p':
		o->plot = optarg;
		return true;
	case 'r':
		return set_number("rounds", MEASURE_MAX_ROUNDS, &o->measure.rounds);
	case 't':
		return set_number("round-ms", 60000, &o->measure.round_ms);
	default:
		return false;
	}
}

int
options_parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		{ "all-json", no_argument, NULL, 'a' },
		{ "verify", no_argument, NULL, 'v' },
		{ "only", required_argument, NULL, 'o' },
		{ "scenario", required_argument, NULL, 's' },
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
		if (!set_option(option, o))
			return refuse();
	}
	if (optind < argc) {
		fprintf(stderr, "shunt-bench: '%s': no option\n", argv[optind]);
		return refuse();
	}
	if (!o->measure.rounds)
		o->measure.rounds = o->quick ? 5 : 7;
	if (!o->measure.round_ms)
		o->measure.round_ms = o->quick ? 200 : 500;
	return -1;
}
