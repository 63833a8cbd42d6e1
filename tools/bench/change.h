/* SPDX-License-Identifier: BSD-3-Clause */
/* What a change of one server among 1000 costs, and whether the packet path notices any. */
#ifndef BENCH_CHANGE_H
#define BENCH_CHANGE_H

#include "measure.h"

struct change {
	struct spread table_ms; /* shunt-control: the selection table without the server */
	struct spread agent_ms; /* checking, copying, and building the generation */
	struct spread ack_ms;	/* until the worker has acknowledged it */
	/* p99 of the time that the worker takes for a turn, in microseconds. */
	struct spread quiet_p99_us;
	struct spread busy_p99_us; /* with 100 changes a second */
};

/* Opens and closes the world. 0 or -errno. */
int change_measure(struct world *world, unsigned int rounds, struct change *out);

#endif
