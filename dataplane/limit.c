/* SPDX-License-Identifier: BSD-3-Clause */
#include "limit.h"

#include <errno.h>

#include "mem.h"

struct limiter *
limiter_create(uint64_t clock_hz, uint32_t source_capacity, const uint64_t seed[2])
{
	struct limiter *limiter = mem_alloc(sizeof(*limiter));

	if (!limiter)
		return NULL;
	limiter->clock_hz = clock_hz;
	limiter->source_capacity = source_capacity;
	limiter->seed[0] = seed[0];
	limiter->seed[1] = seed[1];
	return limiter;
}

void
limiter_destroy(struct limiter *limiter)
{
	if (!limiter)
		return;
	mem_free(limiter->frontends);
	source_table_destroy(limiter->sources);
	mem_free(limiter->rules);
	mem_free(limiter);
}

static int
frontends_create(struct limiter *limiter)
{
	struct limit_frontend *frontends = mem_alloc(SHUNT_MAX_LIMITS * sizeof(*frontends));

	__atomic_store_n(&limiter->frontends, frontends, __ATOMIC_RELEASE);
	return frontends ? 0 : -ENOMEM;
}

static int
sources_create(struct limiter *limiter)
{
	struct source_table *sources =
		source_table_create(limiter->source_capacity, limiter->clock_hz, limiter->seed);

	__atomic_store_n(&limiter->sources, sources, __ATOMIC_RELEASE);
	return sources ? 0 : -ENOMEM;
}

static int
rules_create(struct limiter *limiter)
{
	limiter->rules = mem_alloc(SHUNT_MAX_RULES * sizeof(*limiter->rules));
	return limiter->rules ? 0 : -ENOMEM;
}

int
limiter_prepare(struct limiter *limiter, const struct generation *generation)
{
	int result = 0;

	if (!limiter->frontends && generation->limits->end > 0)
		result = frontends_create(limiter);
	if (result == 0 && !limiter->sources && generation->limits->has_sources)
		result = sources_create(limiter);
	if (result == 0 && !limiter->rules && acl_has_rates(generation->acl))
		result = rules_create(limiter);
	return result;
}

bool
limit_source_key(const struct gen_limits *limits, uint32_t limit, const struct shunt_addr *client,
	struct source_key *key)
{
	const struct gen_limit *l = &limits->limit[limit];

	if (l->source_number == 0)
		return false;
	*key = (struct source_key){
		.network = gen_limit_network(l, client),
		.number = l->source_number,
		.limit = (uint16_t)limit,
	};
	return true;
}

/* One session more, unless it were more than most; 0: no limit, but it is counted. */
static bool
take_session(struct limit_frontend *f, uint64_t most)
{
	uint64_t sessions = __atomic_load_n(&f->sessions, __ATOMIC_RELAXED);

	do {
		/* Below zero while workers learn of a limit one after the other. */
		if (most && (int64_t)sessions >= (int64_t)most)
			return false;
	} while (!__atomic_compare_exchange_n(
		&f->sessions, &sessions, sessions + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

void
limit_count(struct limiter *limiter, uint32_t limit, int64_t change)
{
	__atomic_fetch_add(&limiter->frontends[limit].sessions, (uint64_t)change, __ATOMIC_RELAXED);
}

static enum shunt_drop
admit_source(struct limiter *limiter, const struct gen_limits *limits, bool replaces, uint64_t now,
	struct limit_hold *hold, uint64_t *evicted)
{
	enum source_verdict verdict =
		source_table_begin(limiter->sources, limits, &hold->source, replaces, now, evicted);

	hold->counted = verdict == SOURCE_COUNTED;
	if (verdict == SOURCE_OVER_MAXCONN)
		return SHUNT_DROP_SOURCE_MAXCONN;
	return verdict == SOURCE_OVER_RATE ? SHUNT_DROP_SOURCE_RATE : SHUNT_DROP_NONE;
}

static enum shunt_drop
admit_frontend(struct limiter *limiter, const struct gen_limit *l, uint32_t limit, bool replaces,
	uint64_t now)
{
	struct limit_frontend *f = &limiter->frontends[limit];

	if (!take_session(f, l->maxconn ? (uint64_t)l->maxconn + replaces : 0))
		return SHUNT_DROP_FRONTEND_MAXCONN;
	if (!l->rate.period || gcra_take(&l->rate, &f->full, now))
		return SHUNT_DROP_NONE;
	limit_count(limiter, limit, -1);
	return SHUNT_DROP_RATE_LIMIT;
}

/* The network first: what is refused for that costs the frontend none of its tokens. */
enum shunt_drop
limit_admit(struct limiter *limiter, const struct gen_limits *limits, uint32_t limit,
	const struct shunt_addr *client, struct limit_replaced replaced, uint64_t now,
	struct limit_hold *hold, uint64_t *evicted)
{
	const struct gen_limit *l = &limits->limit[limit];
	enum shunt_drop drop = SHUNT_DROP_NONE;

	hold->counted = false;
	if (limit_source_key(limits, limit, client, &hold->source))
		drop = admit_source(limiter, limits, replaced.counted, now, hold, evicted);
	if (drop)
		return drop;
	drop = admit_frontend(limiter, l, limit, replaced.session, now);
	if (drop && hold->counted)
		source_table_undo(limiter->sources, l, &hold->source);
	hold->limit = drop ? 0 : (uint16_t)limit;
	return drop;
}

void
limit_release(struct limiter *limiter, struct limit_hold *hold)
{
	limit_count(limiter, hold->limit, -1);
	if (hold->counted)
		source_table_end(limiter->sources, &hold->source);
	hold->limit = 0;
}

struct source_facts
limit_source_facts(const struct limiter *limiter, const struct gen_limits *limits, uint32_t limit,
	const struct shunt_addr *client, uint64_t now)
{
	struct source_key key;

	if (!limit_source_key(limits, limit, client, &key))
		return (struct source_facts){ 0 };
	return source_table_facts(limiter->sources, &key, now);
}

enum shunt_drop
limit_ask(const struct limiter *limiter, const struct gen_limits *limits, uint32_t limit,
	const struct shunt_addr *client, uint64_t now)
{
	const struct gen_limit *l = &limits->limit[limit];
	const struct limit_frontend *f = &limiter->frontends[limit];
	enum source_verdict verdict = SOURCE_COUNTED;
	struct source_key key;

	if (limit_source_key(limits, limit, client, &key))
		verdict = source_table_ask(limiter->sources, l, &key, now);
	if (verdict == SOURCE_OVER_MAXCONN)
		return SHUNT_DROP_SOURCE_MAXCONN;
	if (verdict == SOURCE_OVER_RATE)
		return SHUNT_DROP_SOURCE_RATE;
	if (l->maxconn &&
		(int64_t)__atomic_load_n(&f->sessions, __ATOMIC_RELAXED) >= (int64_t)l->maxconn)
		return SHUNT_DROP_FRONTEND_MAXCONN;
	if (l->rate.period && !gcra_has(&l->rate, &f->full, now))
		return SHUNT_DROP_RATE_LIMIT;
	return SHUNT_DROP_NONE;
}
