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

/*
 * The same table, kept, with those that follow from it when some of its members are missing: their
 * slots, and no others, go to the rest. README.md says how, and what that is good for.
 */
struct maglev;

/* As for maglev_build(). NULL: out of memory. */
struct maglev *
maglev_create(const struct maglev_member *members, size_t count, uint32_t slot_count);
void maglev_destroy(struct maglev *maglev);
uint32_t maglev_slots(const struct maglev *maglev); /* its slot_count */
size_t maglev_bytes(const struct maglev *maglev);   /* of memory */
/* Was it made of these? */
bool maglev_is_of(const struct maglev *maglev, const struct maglev_member *members, size_t count,
	uint32_t slot_count);

/*
 * Fills slots[] with the table of the members whose up[] is true, at least one, as indices that
 * count only these, in the order of members. It depends on who is up and on nothing that was
 * before.
 */
void maglev_select(struct maglev *maglev, const bool *up, uint16_t *slots);

#endif
