/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Persistence: which server a client network was given last, so that its next flows go there too,
 * whatever the algorithm says. keepalived's persistence_timeout and persistence_granularity.
 *
 * One table for all workers and generations, for a network's flows belong to all of them. An entry
 * is one 64-bit word, stored and loaded whole, without a lock: tag 24 | server 16 | end 24 (ticks
 * since the start). A bucket is a cache line of eight. Where a bucket is full of entries that live,
 * the one that ends first makes room: memory is bounded, and what is lost is a network's
 * persistence, not a flow. Two networks with one tag in one bucket (one pair in 2^40) share an
 * entry, and so a server, which both may have.
 *
 * Two workers that place a network's first two flows in the same moment may give them two servers;
 * the later one counts from then on.
 */
#ifndef DATAPLANE_PERSIST_H
#define DATAPLANE_PERSIST_H

#include "generation.h"

#define PERSIST_BUCKETS	   (1u << 16)
#define PERSIST_PER_BUCKET 8

struct persist_table {
	uint32_t references; /* agent only */
	uint64_t seed;
	uint64_t words[PERSIST_BUCKETS][PERSIST_PER_BUCKET] __attribute__((aligned(64)));
};

/* seed: secret. With one reference; NULL: no memory. Agent. */
struct persist_table *persist_create(uint64_t seed);
void persist_destroy(struct persist_table *table); /* drops one; NULL is fine. Agent. */

/* What stands for the client's network at a backend, which has persistence. Worker. */
uint64_t persist_hash(const struct persist_table *table, const struct gen_backend *backend,
	const uint8_t *client, uint8_t version);

/* The server's id, or 0. now: ticks since the start. Worker. */
uint32_t persist_find(const struct persist_table *table, uint64_t hash, uint32_t now);

/* From now on it is this one, for so many ticks. Worker. */
void persist_put(
	struct persist_table *table, uint64_t hash, uint32_t server, uint32_t now, uint32_t ticks);

#endif
