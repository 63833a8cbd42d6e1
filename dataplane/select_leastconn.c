/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weighted least connections: the member with the fewest live flows for its weight, counted over
 * all workers, so that many workers balance as one. The workers' counters are read as they stand:
 * what another worker adds in the same moment is seen by the next pick.
 *
 * Every member is looked at: the cost of a new flow grows with members times workers.
 */
#include "select.h"

static uint64_t
sessions_of(const struct select_state *state, uint32_t server)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < state->worker_count; w++)
		sum += __atomic_load_n(
			&shunt_stats_servers(state->stats, w)[server].sessions, __ATOMIC_RELAXED);
	return sum;
}

static uint32_t
pick(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p)
{
	const struct shunt_member *members = backend->members;
	uint32_t *position = &state->position[backend->id];
	uint64_t best_sessions = 0;
	uint32_t best = 0, i;

	(void)generation;
	(void)p;
	/*
	 * The search begins behind the member that was picked last, and the first of equals wins:
	 * equal members get equal shares. Kept plus one, so that 0 says that this worker has not
	 * begun.
	 */
	i = *position - 1;
	if (i >= backend->member_count)
		i = select_start(state, backend->member_count);
	for (uint32_t left = backend->member_count; left > 0; left--) {
		uint64_t sessions = sessions_of(state, members[i].server);

		/* sessions / weight < best_sessions / best's weight */
		if (left == backend->member_count ||
			sessions * members[best].weight < best_sessions * members[i].weight) {
			best = i;
			best_sessions = sessions;
		}
		i = i + 1 == backend->member_count ? 0 : i + 1;
	}
	*position = best + 1 == backend->member_count ? 1 : best + 2;
	return best;
}

const struct select_algorithm select_leastconn = {
	.name = "leastconn",
	.pick = pick,
};
