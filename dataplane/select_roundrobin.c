/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weighted round robin: control has laid out one whole turn as a schedule, each member as often as
 * its weight says and spread out; a worker walks it. Each worker walks on its own, so that each
 * gives exact shares and so do all together; they start at different places, so that they do not
 * all pick the same server at the same time.
 */
#include "select.h"

static uint32_t
pick(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p, uint32_t attempt)
{
	uint32_t *position = &state->position[backend->id];
	uint32_t at = *position;

	(void)generation;
	(void)p;
	(void)attempt; /* the next one */
	/* Kept plus one, so that 0 says that this worker has not begun. */
	if (at == 0 || at > backend->schedule_count)
		at = select_start(state, backend->schedule_count) + 1;
	*position = at == backend->schedule_count ? 1 : at + 1;
	return backend->schedule[at - 1];
}

const struct select_algorithm select_roundrobin = {
	.name = "roundrobin",
	.pick = pick,
};
