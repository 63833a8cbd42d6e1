/* SPDX-License-Identifier: BSD-3-Clause */
#include "hop.h"

#include "mix.h"

/* Any odd constants with well-mixed bits; these are the first two primes of XXH64. */
#define HOP_MULTIPLY_A 0x9e3779b185ebca87ull
#define HOP_MULTIPLY_B 0xc2b2ae3d27d4eb4full

/*
 * One multiply-fold: both halves of a 128-bit product. The seed keeps a neighbour from working out
 * beforehand which MAC addresses share a place with a router's.
 */
static uint32_t
hop_hash(uint64_t seed, const struct link *source)
{
	uint64_t word = (uint64_t)source->port << 48, vlans = link_vlans(source->vlan);

	memcpy(&word, source->mac.bytes, sizeof(source->mac.bytes));
	return (uint32_t)mix_fold(
		word ^ seed ^ HOP_MULTIPLY_A, HOP_MULTIPLY_B ^ seed << 1 ^ vlans << 16);
}

uint16_t
hop_learn(struct hop_table *table, const struct link *source)
{
	uint32_t first, index, place;

	/* Routers are few, and mostly all clients' packets come by one. */
	if (table->last && hop_is(table, table->last, source))
		return table->last;
	/* 1 .. HOP_COUNT - 1, as evenly as the hash falls, without a division. */
	first = 1 + (uint32_t)(((uint64_t)hop_hash(table->seed, source) * (HOP_COUNT - 1)) >> 32);
	index = place = first;

	for (unsigned int i = 0; i < HOP_PROBES; i++) {
		if (hop_is(table, (uint16_t)index, source))
			return table->last = (uint16_t)index;
		/* Entries never become free again, so the source is not behind a free one. */
		if (!table->hops[index].known) {
			place = index;
			break;
		}
		index = index == HOP_COUNT - 1 ? 1 : index + 1;
	}
	table->hops[place] = *source;
	return table->last = (uint16_t)place;
}
