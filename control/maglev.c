/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two departures from the paper. The table is a power of two instead of a prime, so the step of a
 * permutation is odd instead of anything: both make step and size coprime, so that a server's
 * order visits every slot. And servers have weights: a server takes part in a turn when it has
 * saved up credit for it, at a rate of weight / greatest weight a turn, until it has its share.
 *
 * Servers of the same weight always have the same credit, so credit is kept by weight and a turn
 * costs nothing for servers that sit it out.
 */
#include <errno.h>
#include <stdlib.h>

#include "maglev.h"
#include "shunt/selection.h"

#define SLOTS_PER_SERVER  128
#define SLOTS_OF_LIGHTEST 100

/* One server at work, in canonical order. */
struct taker {
	uint64_t identity;
	uint32_t weight;
	uint32_t member;    /* index as the caller counts */
	uint32_t at;	    /* next slot of its order of preference */
	uint32_t step;	    /* odd */
	uint32_t share;	    /* slots still to take */
	uint32_t remainder; /* of the share's division, in units of slots / total weight */
};

/* The takers of one weight: [first, end). */
struct group {
	uint32_t weight;
	uint32_t credit;
	size_t first;
	size_t end;
};

/* Published with the code: it names servers alike everywhere and hides nothing. */
static const uint8_t identity_key[16] = "shunt/identity/1";
static const uint8_t permutation_key[16] = "shunt/permutatio";

uint64_t
maglev_identity(const struct shunt_addr *address, uint16_t port_be)
{
	uint8_t endpoint[sizeof(*address) + sizeof(port_be)];

	memcpy(endpoint, address, sizeof(*address));
	memcpy(endpoint + sizeof(*address), &port_be, sizeof(port_be));
	return shunt_siphash(identity_key, endpoint, sizeof(endpoint));
}

uint32_t
maglev_slot_count(const struct maglev_member *members, size_t count)
{
	uint64_t total = 0, needed = (uint64_t)SLOTS_PER_SERVER * count;
	uint32_t least = SHUNT_MAX_WEIGHT, slots = 1;

	if (count == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		total += members[i].weight;
		if (members[i].weight < least)
			least = members[i].weight;
	}
	if (needed < (SLOTS_OF_LIGHTEST * total + least - 1) / least)
		needed = (SLOTS_OF_LIGHTEST * total + least - 1) / least;
	while (slots < needed && slots < SHUNT_MAX_SLOTS)
		slots *= 2;
	return slots;
}

/* Canonical order: heavy ones first; the caller's order decides only between equals. */
static int
compare_takers(const void *left, const void *right)
{
	const struct taker *a = left, *b = right;

	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	if (a->identity != b->identity)
		return a->identity < b->identity ? -1 : 1;
	return a->member < b->member ? -1 : a->member > b->member;
}

/* Who gets one slot more than its share rounded down: the greatest remainder first. */
static int
compare_remainders(const void *left, const void *right)
{
	const struct taker *a = left, *b = right;

	if (a->remainder != b->remainder)
		return a->remainder > b->remainder ? -1 : 1;
	return compare_takers(left, right);
}

/* Shares by the largest-remainder method: they sum up to the table exactly. */
static void
set_shares(struct taker *takers, size_t count, uint32_t slot_count)
{
	uint64_t total = 0;
	uint32_t left = slot_count;

	for (size_t i = 0; i < count; i++)
		total += takers[i].weight;
	for (size_t i = 0; i < count; i++) {
		uint64_t exact = (uint64_t)slot_count * takers[i].weight;

		takers[i].share = (uint32_t)(exact / total);
		takers[i].remainder = (uint32_t)(exact % total);
		left -= takers[i].share;
	}
	qsort(takers, count, sizeof(*takers), compare_remainders);
	for (size_t i = 0; i < left; i++)
		takers[i].share++;
	qsort(takers, count, sizeof(*takers), compare_takers);
}

/*
 * `takers` in canonical order. Members with one and the same endpoint and weight get permutations
 * of their own, by their rank among each other: which of them has which does not matter, as they
 * are the same server.
 */
static void
set_permutations(struct taker *takers, size_t count, uint32_t slot_count)
{
	uint64_t rank = 0;

	for (size_t i = 0; i < count; i++) {
		bool same = i > 0 && takers[i].identity == takers[i - 1].identity &&
			takers[i].weight == takers[i - 1].weight;
		uint64_t seed[2] = { takers[i].identity, 0 }, hash;

		rank = same ? rank + 1 : 0;
		seed[1] = rank;
		hash = shunt_siphash(permutation_key, seed, sizeof(seed));
		takers[i].at = (uint32_t)hash & (slot_count - 1);
		takers[i].step = ((uint32_t)(hash >> 32) & (slot_count - 1)) | 1;
	}
}

static size_t
set_groups(struct group *groups, const struct taker *takers, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (n == 0 || groups[n - 1].weight != takers[i].weight)
			groups[n++] = (struct group){ .weight = takers[i].weight, .first = i };
		groups[n - 1].end = i + 1;
	}
	return n;
}

static void
take_slot(struct taker *taker, uint64_t *taken, uint16_t *slots, uint32_t slot_count)
{
	uint32_t at = taker->at;

	while (taken[at / 64] >> (at % 64) & 1)
		at = (at + taker->step) & (slot_count - 1);
	taken[at / 64] |= 1ull << (at % 64);
	slots[at] = (uint16_t)taker->member;
	taker->at = (at + taker->step) & (slot_count - 1);
	taker->share--;
}

/* `taken` is a bit a slot: a search visits many slots, and the bits of a table fit a cache. */
static void
take_turns(
	struct taker *takers, size_t count, uint64_t *taken, uint16_t *slots, uint32_t slot_count)
{
	struct group groups[SHUNT_MAX_WEIGHT];
	size_t group_count = set_groups(groups, takers, count);
	uint32_t greatest = groups[0].weight, left = slot_count;

	while (left > 0) {
		for (size_t g = 0; g < group_count; g++) {
			groups[g].credit += groups[g].weight;
			if (groups[g].credit < greatest)
				continue;
			groups[g].credit -= greatest;
			for (size_t i = groups[g].first; i < groups[g].end; i++) {
				if (takers[i].share == 0)
					continue;
				take_slot(&takers[i], taken, slots, slot_count);
				left--;
			}
		}
	}
}

int
maglev_build(
	const struct maglev_member *members, size_t count, uint16_t *slots, uint32_t slot_count)
{
	struct taker *takers = calloc(count, sizeof(*takers));
	uint64_t *taken = calloc((slot_count + 63) / 64, sizeof(*taken));
	int rc = -ENOMEM;

	if (takers && taken) {
		for (size_t i = 0; i < count; i++) {
			takers[i].identity = members[i].identity;
			takers[i].weight = members[i].weight;
			takers[i].member = (uint32_t)i;
		}
		set_shares(takers, count, slot_count);
		set_permutations(takers, count, slot_count);
		take_turns(takers, count, taken, slots, slot_count);
		rc = 0;
	}
	free(takers);
	free(taken);
	return rc;
}
