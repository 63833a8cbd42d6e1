/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client networks that limits count: sessions now, a token bucket for new ones, how fast they
 * come, how many were refused. One table for all workers and all limits; fixed size, no allocation.
 *
 * A set is a line of tags and seven entries of a line each; which set a network is in, and its tag,
 * says a keyed, non-linear hash, so that nobody outside can choose networks that fall into one. The
 * whole key is compared.
 *
 * What if a set is full? A new network takes the place of the one that is furthest from its limits
 * (gen_limit's weights: sessions as a share of the limit, tokens taken as a share of the bucket,
 * whichever is more). An idle one is at zero, so it goes first. That is fair under a flood from
 * false addresses: each of those has one session and one token, and they push out one another; a
 * network near its limits is not pushed out, and goes on being held back; and an honest one that
 * loses its entry is let in as if it had none, so it is never refused for what others do. What is
 * lost is a count that was far from its limit. (A flood that wants more must bring each of seven
 * networks a set nearer to its limits than its victim is, in all sets, for it does not know which
 * set that is.) So as long as its entry lives a network's sessions are counted exactly, and after
 * that too low and never too high, by no more than the sessions it had then.
 *
 * Workers write with compare-and-swap, and never wait: an entry's state is its version and its
 * sessions in one word, and who makes an entry another's raises the version first, so that whoever
 * has looked it up meanwhile finds that out when it swaps. One at a time makes entries in a set,
 * lest there be two of one network; who finds that busy for long lets the session by, uncounted.
 */
#ifndef DATAPLANE_SOURCE_TABLE_H
#define DATAPLANE_SOURCE_TABLE_H

#include "generation_limits.h"
#include "shunt/session.h"

#define SOURCE_TABLE_WAYS 7

struct source_table;

/* Which network, of those that a limit counts (number: its source_number). */
struct source_key {
	struct shunt_addr network;
	uint32_t number;
	uint16_t limit; /* id */
};

enum source_verdict {
	SOURCE_COUNTED, /* as one session more, and to be ended some time */
	SOURCE_LET_BY,	/* not counted */
	SOURCE_OVER_RATE,
	SOURCE_OVER_MAXCONN,
};

/* What is known of a network; zero for one that has no entry. */
struct source_facts {
	uint32_t sessions;
	uint32_t rate; /* new ones a second, refused ones too */
	uint64_t refused;
};

/*
 * capacity: networks, at least. hz: of the clock of `now` below. seed: random. NULL: no memory.
 * Agent.
 */
struct source_table *source_table_create(uint32_t capacity, uint64_t hz, const uint64_t seed[2]);
void source_table_destroy(struct source_table *table);
uint64_t source_table_bytes(uint32_t capacity);

/*
 * A new session wants to begin. replaces: another one, that is counted, ends with that. *evicted is
 * counted up if a network that had something counted lost its entry. Worker.
 */
enum source_verdict source_table_begin(struct source_table *table, const struct gen_limits *limits,
	const struct source_key *key, bool replaces, uint64_t now, uint64_t *evicted);

/* Counts a session that is there already. False: it is let by. Worker. */
bool source_table_add(struct source_table *table, const struct gen_limits *limits,
	const struct source_key *key, uint64_t now, uint64_t *evicted);

/* A session that was counted has ended. Worker. */
void source_table_end(struct source_table *table, const struct source_key *key);
/* One that was counted a moment ago has not come about, for a reason beside its network. Worker. */
void source_table_undo(
	struct source_table *table, const struct gen_limit *limit, const struct source_key *key);

/* Reads only, any thread. */
struct source_facts
source_table_facts(const struct source_table *table, const struct source_key *key, uint64_t now);
/* Would source_table_begin() refuse it? Any thread. */
enum source_verdict source_table_ask(const struct source_table *table,
	const struct gen_limit *limit, const struct source_key *key, uint64_t now);

/*
 * The networks nearest to their limits, the nearest first; returns how many, at most max. Goes
 * through the whole table, which takes 0.6 ms for 64K networks, 11 ms for a million. Agent.
 */
uint32_t source_table_top(const struct source_table *table, const struct gen_limits *limits,
	uint64_t now, struct shunt_source_row *rows, uint32_t max);

#endif
