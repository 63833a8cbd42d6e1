/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a measurement runs in: the EAL, a port of net_null, and for each scenario a worker of
 * shunt-dataplane's own code with a generation that has the scenario's services and servers.
 */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

#include "generation.h"
#include "objects.h"
#include "scenario.h"
#include "traffic.h"
#include "worker.h"

struct world {
	struct ports ports; /* one, by which packets come and go */
	struct shunt_stats *stats;
	const struct rte_eth_rxtx_callback *callback;

	/* world_open(): */
	struct scenario scenario;
	struct object_store *objects;
	struct generation *generation;
	struct worker *worker;
	struct traffic *traffic;
	uint64_t owner_seed;
};

/* Starts the EAL. memory_mb: hugepages to use. 0 or -errno, said on standard error. */
int world_create(struct world *world, uint32_t memory_mb);
void world_destroy(struct world *world);

/*
 * Makes everything for a scenario, and establishes its flows by sending their packets through the
 * worker. 0 or -errno, said on standard error.
 */
int world_open(struct world *world, const struct scenario *scenario);
void world_close(struct world *world);

/* A fresh worker in the place of the one that has taken in new clients; flows are as after open. */
int world_renew(struct world *world);

/* Lets the worker run until the traffic has given so many packets more. */
void world_run(struct world *world, uint64_t packets);

/* The counters of the worker. */
const struct shunt_worker_stats *world_stats(const struct world *world);
uint64_t world_drops(const struct world *world);

/* Server s (0, 1, ...) as an object, in a state. */
struct shunt_server world_server(const struct world *world, uint32_t s, uint8_t state);

#endif
