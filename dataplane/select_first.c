/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first member, in the file's order, that has room: servers are filled up to their `maxconn`
 * one after the other, so that those behind may be switched off when there is little to do. Where
 * the last flow found room is remembered for a moment, so that each one does not ask all full
 * servers before it.
 */
#include "select.h"

/* position: a member's index, and the moment in which it had room. */
#define INDEX_BITS   16
#define INDEX	     ((1u << INDEX_BITS) - 1)
#define MOMENT_SHIFT 22 /* of the clock's cycles: one or two ms */

static uint32_t
moment_of(const struct select_state *state)
{
	return (uint16_t)(state->clock >> MOMENT_SHIFT);
}

static void
took(struct select_state *state, const struct gen_backend *backend, uint32_t member)
{
	state->position[backend->id] = moment_of(state) << INDEX_BITS | member;
}

static uint32_t
pick(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p, uint32_t attempt)
{
	const uint32_t position = state->position[backend->id];
	uint32_t at = position & INDEX;

	(void)generation;
	(void)p;
	if (attempt > 0)
		at = at + 1 == backend->member_count ? 0 : at + 1;
	else if (position >> INDEX_BITS != moment_of(state) || at >= backend->member_count)
		at = 0;
	took(state, backend, at);
	return at;
}

const struct select_algorithm select_first = {
	.name = "first",
	.pick = pick,
	.took = took,
};
