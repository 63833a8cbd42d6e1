/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one lcore that receives, balances and transmits. Workers share nothing that is
 * written per packet; they talk through rings, to each other (packets whose flow another worker
 * owns, or whose port another one transmits on) and with the agent (new generations).
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include "flow.h"
#include "owner.h"
#include "port.h"
#include "shunt/stats.h"

struct generation;
struct limiter;
struct twin_rings;
struct worker;

enum worker_op {
	WORKER_OP_GENERATION = 1, /* use this generation from now on, and acknowledge it */
	WORKER_OP_STOP = 2,
};

/* A message from the agent: an element of a worker's inbox ring, by value. */
struct worker_msg {
	uint64_t op; /* enum worker_op */
	uint64_t number;
	const struct generation *generation;
};

struct worker_settings {
	const struct ports *ports;
	const struct twin_rings *twin_rings; /* by worker; NULL: no port has a kernel twin */
	struct shunt_stats *stats;
	uint32_t flow_capacity;
	uint32_t half_open_max;	 /* 0: a share of it, see track.h */
	uint16_t burst_size;	 /* packets received at a time, 1..PKT_BURST; 0: PKT_BURST */
	bool sleeps;		 /* idle: adaptive */
	uint64_t owner_seed;	 /* the same for all */
	struct limiter *limiter; /* the same for all; its clock is the TSC. NULL: no limits */
	bool simple_passes;	 /* of the fast path, though the CPU has better: for tests */
};

/*
 * Makes the workers, one for each lcore named, with their tables. 0 or -errno (then there are
 * none). Agent, before launch.
 */
int workers_create(struct worker **workers, const uint16_t *lcores, uint32_t count,
	const struct worker_settings *settings);
void workers_destroy(struct worker **workers, uint32_t count);

/* Starts the workers' loops on their lcores. */
int workers_launch(struct worker **workers, uint32_t count);

/*
 * The loop by hand, for a program that measures it: worker_start_clock() once, then turns, each of
 * which returns the packets seen. On the lcore that the worker was created for.
 */
void worker_start_clock(struct worker *worker);
unsigned int worker_turn(struct worker *worker);

/*
 * Makes what the worker needs for this generation, before it is told of it. 0, or -ENOMEM. Agent.
 */
int worker_prepare(struct worker *worker, const struct generation *generation);

/* 0, or -ENOBUFS if the worker does not take its messages. Agent. */
int worker_tell(struct worker *worker, const struct worker_msg *msg);

/* What a worker's table says of a flow, or 0; see flow_peek(). Agent. */
uint64_t worker_peek(const struct worker *worker, const struct flow_key *key);

/* Ticks since the start, and what flow_entries() says then or later. Agent. */
uint32_t worker_now(const struct worker *worker);
uint32_t worker_entries(const struct worker *worker, uint32_t service);

#endif
