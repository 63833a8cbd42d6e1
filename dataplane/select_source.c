/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consistent hashing of the client: a keyed hash names a slot, and control has given the slots to
 * the members by weight, so that a member that comes or goes moves few of them (Maglev, Eisenbud
 * et al., NSDI 2016, section 3.4).
 */
#include "select.h"

static uint32_t
pick(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p)
{
	uint32_t hash = select_hash(generation, backend, p);

	(void)state;
	return backend->slots[shunt_selection_slot(hash, backend->slot_count)];
}

const struct select_algorithm select_source = {
	.name = "source",
	.pick = pick,
};
