/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "scenario.h"

#define K64 65536u
#define M1  (1u << 20)
#define M10 (10u << 20)

/* One line for each: mode, family, distribution, burst, flows, services, servers, % new. */
static const struct scenario quick[] = {
	{ SHUNT_NAT, 4, false, 64, K64, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M10, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 100 },
	{ SHUNT_DR, 4, false, 64, K64, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, M10, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 100 },
};

/*
 * The quick ones, and then one thing changed at a time, from nat, IPv4, 1M flows, one service, ten
 * servers, bursts of 64.
 */
static const struct scenario whole[] = {
	{ SHUNT_NAT, 4, false, 64, 1024, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, K64, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M10, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, 1024, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, K64, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, M10, 1, 10, 0 },
	{ SHUNT_TUNNEL, 4, false, 64, K64, 1, 10, 0 },
	{ SHUNT_TUNNEL, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_FULLNAT, 4, false, 64, K64, 1, 1000, 0 },
	{ SHUNT_FULLNAT, 4, false, 64, M1, 1, 1000, 0 },
	{ SHUNT_FULLNAT, 6, false, 64, M1, 1, 1000, 0 },
	{ SHUNT_FULLNAT, 4, false, 64, M1, 1, 1000, 100 },
	{ SHUNT_NAT, 6, false, 64, K64, 1, 10, 0 },
	{ SHUNT_NAT, 6, false, 64, M1, 1, 10, 0 },
	{ SHUNT_DR, 6, false, 64, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 1 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 10 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 100 },
	{ SHUNT_NAT, 4, false, 64, M10, 1, 10, 100 },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 100 },
	{ SHUNT_NAT, 6, false, 64, M1, 1, 10, 100 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 1000, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 1000, 100 },
	{ SHUNT_NAT, 4, false, 64, M1, 1000, 1000, 0 },
	{ SHUNT_DR, 4, false, 64, M1, 1000, 1000, 0 },
	{ SHUNT_NAT, 4, false, 32, M1, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 32, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, true, 64, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, true, 64, M10, 1, 10, 0 },
	{ SHUNT_DR, 4, true, 64, M1, 1, 10, 0 },
};

size_t
scenario_list(enum scenario_set set, const struct scenario **list)
{
	*list = set == SCENARIO_QUICK ? quick : whole;
	return set == SCENARIO_QUICK ? sizeof(quick) / sizeof(quick[0])
				     : sizeof(whole) / sizeof(whole[0]);
}

const char *
scenario_mode(const struct scenario *s)
{
	static const char *const modes[SHUNT_FORWARD_COUNT] = {
		[SHUNT_NAT] = "nat",
		[SHUNT_DR] = "dr",
		[SHUNT_TUNNEL] = "tunnel",
		[SHUNT_FULLNAT] = "fullnat",
	};

	return modes[s->forward];
}

const char *
scenario_family(const struct scenario *s)
{
	return s->version == 4 ? "ipv4" : "ipv6";
}

const char *
scenario_distribution(const struct scenario *s)
{
	return s->zipf ? "zipf" : "uniform";
}

void
scenario_describe(const struct scenario *s, char *out, size_t size)
{
	char flows[16];

	if (s->flows >= M1)
		snprintf(flows, sizeof(flows), "%uM", s->flows / M1);
	else
		snprintf(flows, sizeof(flows), "%uk", s->flows / 1024);
	snprintf(out, size, "%-7s %s %4s flows %3u%% new %4u x %-4u burst %u %s", scenario_mode(s),
		scenario_family(s), flows, s->new_percent, s->services, s->servers, s->burst,
		scenario_distribution(s));
}
