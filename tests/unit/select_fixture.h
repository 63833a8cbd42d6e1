/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of balancing algorithms share. */
#ifndef TESTS_SELECT_FIXTURE_H
#define TESTS_SELECT_FIXTURE_H

#include <string.h>

#include "objects_helper.h"
#include "select.h"
#include "shunt/selection.h"

/* One service on one backend whose servers are 11, 12, ...; and the counters of some workers. */
struct fixture {
	struct object_store *store;
	struct generation *generation;
	const struct gen_backend *backend;
	struct shunt_stats *stats;
	struct select_state *states; /* one per worker */
	unsigned int workers;
	uint8_t client[16];
	struct pkt p;
	/* For what is published next: */
	uint32_t maxconn[64];
	bool reject_full;
	uint16_t balance_factor;
	struct gen_moment moment;
};

static inline uint64_t
fixture_entries(void *context, uint32_t service)
{
	(void)context;
	(void)service;
	return 1;
}

#define FIRST_SERVER 11

static inline void
publish(struct fixture *f, enum shunt_algorithm algorithm, enum shunt_hash_on hash_on,
	const uint32_t *weights, uint32_t count, uint32_t slots)
{
	struct shunt_member members[64];
	struct generation_error error;
	struct generation *before = f->generation;
	struct shunt_backend *b;
	int result;

	for (uint32_t i = 0; i < count; i++)
		members[i] = (struct shunt_member){ FIRST_SERVER + i, weights[i], f->maxconn[i] };
	b = helper_backend(algorithm, members, count, slots);
	b->hash_on = hash_on;
	b->reject_full = f->reject_full;
	b->balance_factor = f->balance_factor;
	helper_put(f->store, SHUNT_KIND_BACKEND, 7, b, shunt_backend_bytes(b));
	free(b);
	f->moment.entries = fixture_entries;
	f->moment.worker_count = f->workers;
	f->generation = generation_create_at(f->store, 1, before, 1, &f->moment, &error, &result);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->generation);
	generation_destroy(before);
	f->backend = f->generation->backends[7];
}

static inline struct fixture *
fixture_create(enum shunt_algorithm algorithm, const uint32_t *weights, uint32_t count,
	uint32_t slots, unsigned int workers)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->store = object_store_create();
	f->workers = workers;
	f->stats = calloc(1, shunt_stats_bytes(workers));
	f->states = calloc(workers, sizeof(*f->states));
	if (!f->store || !f->stats || !f->states)
		abort();
	f->stats->workers_offset = sizeof(struct shunt_stats);
	f->stats->services_offset =
		f->stats->workers_offset + workers * sizeof(struct shunt_worker_stats);
	f->stats->servers_offset = f->stats->services_offset +
		workers * SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats);
	for (unsigned int w = 0; w < workers; w++)
		f->states[w] = (struct select_state){
			.worker = w,
			.worker_count = workers,
			.stats = f->stats,
		};
	helper_put_settings(f->store);
	for (uint32_t i = 0; i < 64; i++)
		helper_put_server(f->store, FIRST_SERVER + i, "10.0.0.1", 1000 + i, 7);
	helper_put_service(f->store, 3, "198.51.100.10", 80, SHUNT_TCP, 7);
	publish(f, algorithm, SHUNT_HASH_SOURCE, weights, count, slots);
	f->p = (struct pkt){
		.version = 4,
		.protocol = SHUNT_TCP,
		.service = 3,
		.client = f->client,
		.client_port_be = htons(1234),
	};
	return f;
}

static inline void
fixture_destroy(struct fixture *f)
{
	generation_destroy(f->generation);
	object_store_destroy(f->store);
	free(f->stats);
	free(f->states);
	free(f);
}

static inline uint32_t
pick(struct fixture *f, unsigned int worker)
{
	uint32_t server = select_server(&f->states[worker], f->generation, f->backend, &f->p);

	CU_ASSERT_FATAL(server >= FIRST_SERVER);
	CU_ASSERT_FATAL(server < FIRST_SERVER + f->backend->member_count);
	return server - FIRST_SERVER;
}

static inline void
set_client(struct fixture *f, uint32_t n)
{
	n = htonl(0x0a000000 + n);
	memcpy(f->client, &n, 4);
}

static inline uint64_t *
sessions(struct fixture *f, unsigned int worker, uint32_t member)
{
	return &shunt_stats_servers(f->stats, worker)[FIRST_SERVER + member].sessions;
}

#endif
