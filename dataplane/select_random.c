/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The better of two random choices (Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", 2001): two members are drawn by weight, from the selection slots, which are
 * proportional to it; the one with fewer live flows for its weight takes the flow. Workers need to
 * know nothing of each other but the counters of two servers, and do not run after the same one.
 */
#include "select.h"

#define REDRAWS 4

static uint32_t
draw(struct select_state *state, const struct gen_backend *backend)
{
	return backend
		->slots[shunt_selection_slot(select_random_number(state), backend->slot_count)];
}

/* Of two members that are not both at their whole weight. */
static uint32_t
warmer(const struct select_state *state, const struct gen_backend *backend, uint32_t a, uint32_t b)
{
	const struct shunt_member *members = backend->members;
	float weight_a = (float)members[a].weight * select_share(state, backend, a);
	float weight_b = (float)members[b].weight * select_share(state, backend, b);
	/* One more each: it is not to have a flow before its share is one. */
	float of_a = (float)(select_sessions(state, members[a].server) + 1);
	float of_b = (float)(select_sessions(state, members[b].server) + 1);

	return of_a * weight_b <= of_b * weight_a ? a : b;
}

static uint32_t
pick(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p, uint32_t attempt)
{
	const struct shunt_member *members = backend->members;
	uint32_t a = draw(state, backend), b = draw(state, backend);
	uint64_t of_a, of_b;

	(void)generation;
	(void)p;
	(void)attempt;
	if (state->clock < backend->ramped) {
		/* One that is warming up must not get flows for want of another one. */
		for (unsigned int i = 0; i < REDRAWS && a == b; i++)
			b = draw(state, backend);
		return warmer(state, backend, a, b);
	}
	if (a == b)
		return a;
	/* Not one more each: of two without flows the drawn one is as good as the other. */
	of_a = select_sessions(state, members[a].server);
	of_b = select_sessions(state, members[b].server);
	return of_a * members[b].weight <= of_b * members[a].weight ? a : b;
}

const struct select_algorithm select_random = {
	.name = "random",
	.knows_ramps = true,
	.pick = pick,
};
