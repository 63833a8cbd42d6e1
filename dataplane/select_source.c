/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consistent hashing of the client: a keyed hash names a slot, and control has given the slots to
 * the members by weight, so that a member that comes or goes moves few of them (Maglev, Eisenbud
 * et al., NSDI 2016, section 3.4). If that member cannot take the flow, the hash is hashed once
 * more: the same on every node, and its clients are spread over all others.
 */
#include "select.h"

/* Another place, for all clients of this one in a different way: MurmurHash3's last step. */
static uint32_t
rehash(uint32_t hash, uint32_t attempt)
{
	hash += attempt * 0x9e3779b9u;
	hash = (hash ^ hash >> 16) * 0x85ebca6bu;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
	return hash ^ hash >> 16;
}

static uint32_t
pick(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p, uint32_t attempt)
{
	uint32_t hash = select_hash(generation, backend, p);

	(void)state;
	if (attempt)
		hash = rehash(hash, attempt);
	return backend->slots[shunt_selection_slot(hash, backend->slot_count)];
}

const struct select_algorithm select_source = {
	.name = "source",
	.pick = pick,
};
