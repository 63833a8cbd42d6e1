/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weighted least connections: the member with the fewest live flows for its weight, counted over
 * all workers, so that many workers balance as one. What a worker knows of the others is at most
 * some 10 ms old (select_loads.h), and in that time it supposes that they place as many flows as it
 * does itself. Of equals the one goes first that was picked longest ago.
 */
#include "select_loads.h"

static uint32_t
pick(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p, uint32_t attempt)
{
	(void)generation;
	(void)p;
	return select_loads_least(select_loads_of(state, backend), state, backend, attempt > 0);
}

const struct select_algorithm select_leastconn = {
	.name = "leastconn",
	.knows_ramps = true,
	.pick = pick,
};
