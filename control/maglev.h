/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selection tables by consistent hashing: weighted Maglev (Eisenbud et al., "Maglev: A Fast and
 * Reliable Software Network Load Balancer", NSDI 2016, section 3.4) over a power-of-two table.
 *
 * Every server has its own order of preference over the slots, a permutation that follows from its
 * identity alone. The servers take turns, each taking the first free slot of its order, so that a
 * server that comes or goes hardly moves a slot of the others. The table depends on the set of
 * (identity, weight) and on the number of slots, and not on the order the members are in: nodes
 * with the same servers agree, whatever ids they gave them.
 */
#ifndef CONTROL_MAGLEV_H
#define CONTROL_MAGLEV_H

#include <stddef.h>

#include "shunt/types.h"

struct maglev_member {
	uint64_t identity; /* maglev_identity() */
	uint32_t weight;   /* 1..SHUNT_MAX_WEIGHT */
};

/* The same on every node and in every release: a change of it moves every client. */
uint64_t maglev_identity(const struct shunt_addr *address, uint16_t port_be);

/*
 * How many slots a set of servers needs for shares within 1 % (2 % with weights): the next power
 * of two >= 128 a server and >= 100 for the one with the least weight, up to SHUNT_MAX_SLOTS.
 * 0 for no members.
 */
uint32_t maglev_slot_count(const struct maglev_member *members, size_t count);

/*
 * Fills slots[slot_count] with indices into members. 1 <= count < SHUNT_MAX_SERVERS; slot_count a
 * power of two. Every member gets its share of slots, rounded down or up. 0 or -ENOMEM.
 */
int maglev_build(
	const struct maglev_member *members, size_t count, uint16_t *slots, uint32_t slot_count);

#endif
