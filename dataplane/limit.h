/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits of new sessions: how many a frontend may have and how many a second, and the same for each
 * network of its clients. One of these for all workers, which see one another's sessions at once:
 * a limit is the same whatever their number. It costs atomic operations where a session begins or
 * ends, for frontends with limits alone, and nothing in between.
 *
 * What is counted outlives generations. Sessions of frontends with maxconn are one word each: a
 * worker adds its own as they begin, and what it has of a frontend when that gets a limit
 * (track_limit.c). So never are there more than maxconn, but while a generation that brings the
 * limit is on its way to the workers, and for connections that are picked up midway: these have
 * begun before, so they are counted and not refused.
 *
 * Pure; the clock is passed in.
 */
#ifndef DATAPLANE_LIMIT_H
#define DATAPLANE_LIMIT_H

#include "generation.h"
#include "source_table.h"

/* What all workers count of a frontend, by its limit's id. */
struct limit_frontend {
	uint64_t sessions;
	uint64_t full; /* of the bucket for new ones: gcra.h */
} __attribute__((aligned(SHUNT_CACHE_LINE)));

struct limiter {
	uint64_t clock_hz;
	uint32_t source_capacity;
	uint64_t seed[2];
	/* Made when a generation first needs them. Agent: wo, until a worker is given that. */
	struct limit_frontend *frontends; /* [SHUNT_MAX_LIMITS] */
	struct source_table *sources;
	uint64_t *rules; /* [SHUNT_MAX_RULES], by counter: buckets of rules that have a rate */
};

/* A session that was admitted, and has not begun. */
struct limit_hold {
	uint16_t limit; /* id; 0: none */
	bool counted;	/* for its network */
	struct source_key source;
};

/* source_capacity: client networks. seed: random. NULL: no memory. Agent. */
struct limiter *limiter_create(uint64_t clock_hz, uint32_t source_capacity, const uint64_t seed[2]);
void limiter_destroy(struct limiter *limiter);

/*
 * Makes what this generation needs, if it is not there. To be called before a worker is given the
 * generation. 0, -ENOMEM. Agent.
 */
int limiter_prepare(struct limiter *limiter, const struct generation *generation);

/* The key of a client's network; false: the limit counts none. Any thread. */
bool limit_source_key(const struct gen_limits *limits, uint32_t limit,
	const struct shunt_addr *client, struct source_key *key);

/* A session that a new one takes the place of. */
struct limit_replaced {
	bool session; /* there is one */
	bool counted; /* for its network, which is the same */
};

/*
 * May a new session begin? SHUNT_DROP_NONE, with *hold for limit_release() or for the session; or
 * why not. Worker.
 */
enum shunt_drop limit_admit(struct limiter *limiter, const struct gen_limits *limits,
	uint32_t limit, const struct shunt_addr *client, struct limit_replaced replaced,
	uint64_t now, struct limit_hold *hold, uint64_t *evicted);

/* The admitted session has not come about: as if it had never been, but for its token. Worker. */
void limit_release(struct limiter *limiter, struct limit_hold *hold);

/* A frontend has so many sessions more, or less. Worker. */
void limit_count(struct limiter *limiter, uint32_t limit, int64_t change);

/*
 * What is known of the client's network: sessions, new ones a second. Zero if this limit counts
 * none. Reads only: two cache lines. Any thread that has the generation.
 */
struct source_facts
limit_source_facts(const struct limiter *limiter, const struct gen_limits *limits, uint32_t limit,
	const struct shunt_addr *client, uint64_t now);

/* Would limit_admit() let it begin? Reads only. Any thread that has the generation. */
enum shunt_drop limit_ask(const struct limiter *limiter, const struct gen_limits *limits,
	uint32_t limit, const struct shunt_addr *client, uint64_t now);

#endif
