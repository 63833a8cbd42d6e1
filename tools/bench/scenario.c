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

static const struct scenario base = { SHUNT_NAT, 4, false, 64, M1, 1, 10, 0 };

/* The quick ones, one thing changed at a time from the base, and some of that in other modes. */
static const struct scenario whole[] = {
	{ SHUNT_NAT, 4, false, 64, 1024, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, K64, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M10, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, 1024, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, K64, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, M10, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 64, K64, 1, 10, 0, .stateless = true },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 0, .stateless = true },
	{ SHUNT_DR, 4, false, 64, M10, 1, 10, 0, .stateless = true },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 0, .stateless = true, .by_connection = true },
	{ SHUNT_TUNNEL, 4, false, 64, K64, 1, 10, 0 },
	{ SHUNT_TUNNEL, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_TUNNEL, 4, false, 64, M1, 1, 10, 0, .stateless = true },
	{ SHUNT_TUNNEL, 6, false, 64, M1, 1, 10, 0 },
	{ SHUNT_FULLNAT, 4, false, 64, K64, 1, 1000, 0 },
	{ SHUNT_FULLNAT, 4, false, 64, M1, 1, 10, 0 },
	{ SHUNT_FULLNAT, 4, false, 64, M1, 1, 1000, 0 },
	{ SHUNT_FULLNAT, 6, false, 64, M1, 1, 1000, 0 },
	{ SHUNT_FULLNAT, 4, false, 64, M1, 1, 1000, 100 },
	{ SHUNT_NAT, 6, false, 64, K64, 1, 10, 0 },
	{ SHUNT_NAT, 6, false, 64, M1, 1, 10, 0 },
	{ SHUNT_NAT, 6, false, 64, M10, 1, 10, 0 },
	{ SHUNT_DR, 6, false, 64, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 1 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 10 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 100 },
	{ SHUNT_NAT, 4, false, 64, M10, 1, 10, 100 },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 100 },
	{ SHUNT_DR, 4, false, 64, M10, 1, 10, 100 },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 100, .by_connection = true },
	{ SHUNT_DR, 4, false, 64, M1, 1, 10, 100, .stateless = true },
	{ SHUNT_TUNNEL, 4, false, 64, M1, 1, 10, 100 },
	{ SHUNT_NAT, 6, false, 64, M1, 1, 10, 100 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 100, .rules = 10 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 100, .rules = 1000 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 10, 100, .rules = 100000 },
	{ SHUNT_NAT, 6, false, 64, M1, 1, 10, 100, .rules = 100000 },
	{ SHUNT_NAT, 4, false, 64, K64, 1, 10, 50, .flood = true },
	{ SHUNT_NAT, 4, false, 64, K64, 1, 10, 100, .flood = true },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 1000, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 1000, 100 },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 1000, 100, .balance = SHUNT_ROUNDROBIN },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 1000, 100, .balance = SHUNT_LEASTCONN },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 1000, 100, .balance = SHUNT_RANDOM },
	{ SHUNT_NAT, 4, false, 64, M1, 1000, 10, 0 },
	{ SHUNT_NAT, 4, false, 64, M1, 1000, 1000, 0 },
	{ SHUNT_DR, 4, false, 64, M1, 1000, 1000, 0 },
	{ SHUNT_NAT, 4, false, 32, M1, 1, 10, 0 },
	{ SHUNT_DR, 4, false, 32, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, true, 64, M1, 1, 10, 0 },
	{ SHUNT_NAT, 4, true, 64, M10, 1, 10, 0 },
	{ SHUNT_DR, 4, true, 64, M1, 1, 10, 0 },
	/* Last, for they are of another kind. */
	{ SHUNT_NAT, 4, false, 64, K64, 1, 10, SCENARIO_CONNECTIONS_NEW, SCENARIO_CONNECTIONS },
	{ SHUNT_NAT, 4, false, 64, M1, 1, 1000, SCENARIO_CONNECTIONS_NEW, SCENARIO_CONNECTIONS },
	{ SHUNT_NAT, 6, false, 64, K64, 1, 10, SCENARIO_CONNECTIONS_NEW, SCENARIO_CONNECTIONS },
};

static const struct {
	struct scenario scenario;
	struct scenario_aim aim;
} aims[] = {
	{ { SHUNT_NAT, 4, false, 64, K64, 1, 10, 0 }, { .ratio = 0.45 } },
	{ { SHUNT_NAT, 4, false, 64, M1, 1, 10, 0 }, { .ratio = 0.40 } },
	{ { SHUNT_NAT, 4, false, 64, M10, 1, 10, 0 }, { .ratio = 0.35 } },
	{ { SHUNT_DR, 4, false, 64, K64, 1, 10, 0 }, { .ratio = 0.52 } },
	{ { SHUNT_DR, 4, false, 64, M1, 1, 10, 0 }, { .ratio = 0.44 } },
	{ { SHUNT_DR, 4, false, 64, M10, 1, 10, 0 }, { .ratio = 0.41 } },
	{ { SHUNT_DR, 4, false, 64, K64, 1, 10, 0, .stateless = true }, { .ratio = 0.75 } },
	{ { SHUNT_DR, 4, false, 64, M1, 1, 10, 0, .stateless = true }, { .ratio = 0.75 } },
	{ { SHUNT_DR, 4, false, 64, M10, 1, 10, 0, .stateless = true }, { .ratio = 0.75 } },
	{ { SHUNT_NAT, 4, false, 64, M1, 1, 10, 100 }, { .mpps = 10 } },
	{ { SHUNT_NAT, 4, false, 64, M10, 1, 10, 100 }, { .mpps = 8 } },
	{ { SHUNT_NAT, 4, false, 64, K64, 1, 10, SCENARIO_CONNECTIONS_NEW, SCENARIO_CONNECTIONS },
		{ .mpps = 2 * 8 } }, /* connections of eight packets */
};

static bool
is_same(const struct scenario *a, const struct scenario *b)
{
	return a->forward == b->forward && a->version == b->version && a->zipf == b->zipf &&
		a->burst == b->burst && a->flows == b->flows && a->services == b->services &&
		a->servers == b->servers && a->new_percent == b->new_percent &&
		a->kind == b->kind && a->stateless == b->stateless && a->flood == b->flood &&
		a->by_connection == b->by_connection && a->balance == b->balance &&
		a->rules == b->rules;
}

struct scenario_aim
scenario_aim(const struct scenario *s)
{
	for (size_t i = 0; i < sizeof(aims) / sizeof(aims[0]); i++) {
		if (is_same(s, &aims[i].scenario))
			return aims[i].aim;
	}
	return (struct scenario_aim){ 0 };
}

const struct scenario *
scenario_base(void)
{
	return &base;
}

/*
 * Both families' halves of the flow table at its load cap, and full NAT's ports; what is left of
 * the memory between them may be of no use to the next ones.
 */
uint32_t
scenario_memory_mb(const struct scenario *s)
{
	uint64_t flows = s->flows + (s->new_percent ? SCENARIO_NEW_ROOM : 0);
	uint64_t bytes = flows * 75;

	if (s->forward == SHUNT_FULLNAT)
		bytes += flows * 75;
	return 512 + (uint32_t)(bytes >> 20) * 5 / 4;
}

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
scenario_balance(const struct scenario *s)
{
	static const char *const names[SHUNT_ALGORITHM_COUNT] = {
		[SHUNT_SOURCE] = "source",
		[SHUNT_ROUNDROBIN] = "roundrobin",
		[SHUNT_LEASTCONN] = "leastconn",
		[SHUNT_RANDOM] = "random",
		[SHUNT_FIRST] = "first",
	};

	return names[s->balance];
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
scenario_flows(const struct scenario *s, char *out, size_t size)
{
	if (s->flows >= M1 && s->flows % M1 == 0)
		snprintf(out, size, "%uM", s->flows / M1);
	else if (s->flows % 1024 == 0)
		snprintf(out, size, "%uk", s->flows / 1024);
	else
		snprintf(out, size, "%u", s->flows);
}

void
scenario_describe(const struct scenario *s, char *out, size_t size)
{
	const char *kind =
		s->kind == SCENARIO_CONNECTIONS ? "connections" : scenario_distribution(s);
	char flows[16], rules[24] = "";

	scenario_flows(s, flows, sizeof(flows));
	if (s->rules)
		snprintf(rules, sizeof(rules), " %u rules", s->rules);
	snprintf(out, size, "%-7s %s %4s flows %3u%% new %4u x %-4u burst %u %s%s%s%s%s%s%s",
		scenario_mode(s), scenario_family(s), flows, s->new_percent, s->services,
		s->servers, s->burst, kind, s->stateless ? " stateless" : "",
		s->by_connection ? " by connection" : "", s->flood ? " flood" : "",
		s->balance ? " " : "", s->balance ? scenario_balance(s) : "", rules);
}
