/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits (limit.h) where flows begin and end.
 *
 * Judged is what opens a session: a SYN, or a UDP packet without a flow. A TCP segment out of the
 * middle belongs to a connection that is there already, so it is let in and its session counted.
 *
 * Whether a session is counted for its network, its flow says itself (FLOW_COUNTED), so what began
 * before there was a limit, or was let by, takes nothing off when it ends. When a reload changes
 * which networks are counted, the worker goes through its flows, a bit at a time: first it takes
 * off the mark, and what it stands for, of those of services that count other networks now than
 * they did, then it counts and marks all that have none. In the meantime such services count no
 * networks. Of services without flows there is nothing to go through.
 */
#include "track_impl.h"

/* As track_reset.c: an insert may move an entry from what is to be looked at to what has been. */
#define PASS_ROUNDS 2

static const struct gen_service *
service_of(const struct tracker *t, uint16_t id)
{
	return &t->generation->services[id];
}

/* Which networks the service counts by the generation; 0: none. */
static uint32_t
number_of(const struct generation *g, uint32_t service)
{
	uint32_t limit = g->services[service].limit;

	return limit ? g->limits->limit[limit].source_number : 0;
}

/* The network that a flow with the mark is counted for; false: it is counted no more. */
static bool
counted_for(const struct tracker *t, const struct flow_key *key, struct source_key *source)
{
	const struct gen_limits *limits = t->generation->limits;
	const struct track_limits *own = t->limits;
	const struct shunt_addr client = select_address(key->address, key->version);
	uint32_t limit = own->limit[key->service];

	return limit && limit < limits->end &&
		limits->limit[limit].source_number == own->number[key->service] &&
		limit_source_key(limits, limit, &client, source);
}

/* Do all of the service's flows say what they are counted for? */
static bool
is_settled(const struct tracker *t, uint16_t service)
{
	return t->limits->number[service] == number_of(t->generation, service);
}

enum shunt_drop
track_limit(struct tracker *t, struct pkt *p)
{
	uint32_t limit = service_of(t, p->service)->limit;
	const struct gen_limits *limits = t->generation->limits;
	struct limit_replaced replaced = { 0 };
	struct shunt_addr client;
	enum shunt_drop drop;

	if (!limit || !t->limiter || !track_is_first(p))
		return SHUNT_DROP_NONE;
	if (p->flow && track_is_session(flow_state(*p->flow))) {
		/* A UDP flow that gets another server goes on. */
		if (p->protocol == SHUNT_UDP)
			return SHUNT_DROP_NONE;
		replaced.session = true;
		replaced.counted = (*p->flow & FLOW_COUNTED) && is_settled(t, p->service);
	}
	client = select_address(p->client, p->version);
	drop = limit_admit(t->limiter, limits, limit, &client, replaced, t->select.clock,
		&t->limits->hold, &t->stats->sources_evicted);
	if (drop) {
		p->silent = limits->limit[limit].drop;
		t->services[p->service].refused++;
	}
	return drop;
}

struct source_facts
track_limit_facts(const struct tracker *t, const struct pkt *p)
{
	uint32_t limit = service_of(t, p->service)->limit;
	struct shunt_addr client = select_address(p->client, p->version);

	if (!limit || !t->limiter)
		return (struct source_facts){ 0 };
	return limit_source_facts(
		t->limiter, t->generation->limits, limit, &client, t->select.clock);
}

void
track_limit_begins(struct tracker *t, struct pkt *p)
{
	struct limit_hold *hold = &t->limits->hold;
	uint32_t limit = service_of(t, p->service)->limit;
	struct shunt_addr client;

	if (!limit || !t->limiter)
		return;
	t->limits->sessions[limit]++;
	if (hold->limit == 0) {
		/* It was not judged, but counts. */
		limit_count(t->limiter, limit, 1);
		client = select_address(p->client, p->version);
		hold->counted =
			limit_source_key(t->generation->limits, limit, &client, &hold->source) &&
			source_table_add(t->limiter->sources, t->generation->limits, &hold->source,
				t->select.clock, &t->stats->sources_evicted);
	}
	hold->limit = 0;
	if (!hold->counted)
		return;
	if (is_settled(t, p->service))
		flow_set(p->flow, *p->flow | FLOW_COUNTED);
	else
		source_table_end(t->limiter->sources, &hold->source); /* the pass will count it */
}

void
track_limit_ends(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	uint32_t limit = service_of(t, key->service)->limit;
	struct source_key source;

	if (!t->limiter)
		return;
	if (limit) {
		t->limits->sessions[limit]--;
		limit_count(t->limiter, limit, -1);
	}
	if ((value & FLOW_COUNTED) && counted_for(t, key, &source))
		source_table_end(t->limiter->sources, &source);
}

/* None of the service's flows has the mark for anything else. */
static void
settle(struct tracker *t, uint32_t service)
{
	t->limits->number[service] = number_of(t->generation, service);
	t->limits->limit[service] = t->generation->services[service].limit;
}

/* Sessions of the frontends that have limits now, by this worker's own services. */
static void
count_anew(struct tracker *t)
{
	struct track_limits *own = t->limits;
	uint32_t sums[SHUNT_MAX_LIMITS] = { 0 };

	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		uint32_t limit = t->generation->services[id].limit;

		if (limit)
			sums[limit] += (uint32_t)t->services[id].sessions;
	}
	for (uint32_t limit = 1; limit < SHUNT_MAX_LIMITS; limit++) {
		if (sums[limit] == own->sessions[limit])
			continue;
		limit_count(t->limiter, limit, (int64_t)sums[limit] - own->sessions[limit]);
		own->sessions[limit] = sums[limit];
	}
}

void
track_limits_due(struct tracker *t, const struct generation *before)
{
	const struct generation *g = t->generation;
	struct track_limits *own = t->limits;
	bool other = false;

	if (!t->limiter || !t->limiter->frontends ||
		(before && before->services == g->services && before->limits == g->limits))
		return;
	count_anew(t);
	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		if (own->number[id] == number_of(g, id))
			continue;
		if (flow_entries(t->flows, id))
			other = true;
		else
			settle(t, id);
	}
	if (other)
		own->pass = (struct track_limit_pass){
			.phase = TRACK_LIMIT_FORGET,
			.rounds = PASS_ROUNDS,
		};
}

static void
see_forgotten(void *context, const struct flow_key *key, uint64_t *flow, bool expired)
{
	struct tracker *t = context;
	struct source_key source;

	(void)expired;
	if (key->service >= SHUNT_MAX_SERVICES || !(*flow & FLOW_COUNTED) ||
		is_settled(t, key->service))
		return;
	/* One that is closed has been taken off already. */
	if (track_is_session(flow_state(*flow)) && counted_for(t, key, &source))
		source_table_end(t->limiter->sources, &source);
	flow_set(flow, *flow & ~FLOW_COUNTED);
}

static void
see_counted(void *context, const struct flow_key *key, uint64_t *flow, bool expired)
{
	struct tracker *t = context;
	struct source_key source;

	if (expired || key->service >= SHUNT_MAX_SERVICES || (*flow & FLOW_COUNTED) ||
		!track_is_session(flow_state(*flow)))
		return;
	if (counted_for(t, key, &source) &&
		source_table_add(t->limiter->sources, t->generation->limits, &source,
			t->select.clock, &t->stats->sources_evicted))
		flow_set(flow, *flow | FLOW_COUNTED);
}

bool
track_limit_pass(struct tracker *t, unsigned int buckets)
{
	struct track_limit_pass *pass = &t->limits->pass;
	bool forget = pass->phase == TRACK_LIMIT_FORGET;

	if (pass->rounds == 0)
		return false;
	if (flow_visit(t->flows, &pass->cursor, buckets, forget ? see_forgotten : see_counted, t))
		return true;
	if (--pass->rounds == 0 && forget) {
		for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++)
			settle(t, id);
		pass->phase = TRACK_LIMIT_COUNT;
		pass->rounds = PASS_ROUNDS;
	}
	return true;
}
