/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent: the main lcore's loop. It takes transactions from the control session, checks and
 * copies what they bring, builds generations, gives them to the workers, collects their
 * acknowledgements and frees what no worker uses any more. It never waits for a worker or for the
 * peer: everything it does is answered by its next turn.
 */
#ifndef DATAPLANE_AGENT_H
#define DATAPLANE_AGENT_H

#include "port.h"
#include "shunt/stats.h"
#include "worker.h"

struct agent;
struct limiter;
struct probe_via;
struct xdp;

struct agent_settings {
	const char *run_dir;
	const struct ports *ports;
	struct worker **workers;
	uint32_t worker_count;
	struct shunt_stats *stats;
	int stats_fd;
	struct xdp *xdp;
	struct probe_via *probe_via;
	struct limiter *limiter;
	uint64_t owner_seed;
};

/* NULL: could not listen; it is logged. settings must outlive the agent. */
struct agent *agent_create(const struct agent_settings *settings);
void agent_destroy(struct agent *agent);

/* Runs until SIGTERM or SIGINT, which the caller has blocked; then stops the workers. */
int agent_run(struct agent *agent);

#endif
