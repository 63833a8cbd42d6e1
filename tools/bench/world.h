/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a measurement runs in: the EAL, a port of net_null, and for each scenario a worker of
 * shunt-dataplane's own code with a generation that has the scenario's services and servers.
 */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

#include "connections.h"
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
	struct connections *connections; /* SCENARIO_CONNECTIONS; else NULL */
	uint64_t owner_seed;
	uint32_t new_room; /* new clients that the flow table has room for beside the flows */
	uint32_t connection_count; /* that SCENARIO_CONNECTIONS has, at most new_room */
};

/* Starts the EAL. memory_mb: hugepages to use. 0 or -errno, said on standard error. */
int world_create(struct world *world, uint32_t memory_mb);
void world_destroy(struct world *world);

/*
 * Makes everything for a scenario, and establishes its flows by sending their packets through the
 * worker. 0 or -errno, said on standard error.
 */
int world_open(struct world *world, const struct scenario *scenario);
/* The same, but that no flow is established. */
int world_open_empty(struct world *world, const struct scenario *scenario);
/* Has the servers' answers to all flows ready, as the worker's table has the flows now. */
void world_prepare_answers(struct world *world);
void world_close(struct world *world);

/* A fresh worker in the place of the one that has taken in new clients; flows are as after open. */
int world_renew(struct world *world);

/* Who takes packets from now on. */
void world_read(struct world *world, enum connections_reader reader);
/* Has the worker seen all new clients that its table has room for, or all connections? */
bool world_is_used_up(const struct world *world);

/* Lets the worker run until the traffic has given so many packets more. */
void world_run(struct world *world, uint64_t packets);

/* By what source the flow of a client to a service (0, 1, ...) is known to its server, in full NAT.
 */
void world_source(const struct world *world, const struct traffic_end *client, uint32_t service,
	struct traffic_end *source);

/* The counters of the worker. */
const struct shunt_worker_stats *world_stats(const struct world *world);
uint64_t world_drops(const struct world *world);

/* Server s (0, 1, ...) as an object, in a state. */
struct shunt_server world_server(const struct world *world, uint32_t s, uint8_t state);

#endif
