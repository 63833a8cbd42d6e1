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

/* What a server may have above its share, in percent, while others are missing. */
#define TOLERANCE	   1
#define TOLERANCE_WEIGHTED 2

/* Members that a slot asks for before it takes any that is up. */
#define CHOICES 64

/* Slots renumbered at a time, and up to how many missing members at all in this way. */
#define BLOCK	    64
#define COUNTED_MAX 6

/* One server at work, in canonical order. */
struct taker {
	uint64_t identity;
	uint32_t weight;
	uint32_t member;    /* index as the caller counts */
	uint32_t start;	    /* first slot of its order of preference */
	uint32_t step;	    /* odd */
	uint32_t at;	    /* next slot of that order */
	uint32_t share;	    /* slots that are its due */
	uint32_t left;	    /* of these: still to take */
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

/* SplitMix64's finalizer (Steele, Lea and Flood, 2014). Slots are nobody's to choose. */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

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
	for (size_t i = 0; i < count; i++)
		takers[i].left = takers[i].share;
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
		takers[i].start = takers[i].at = (uint32_t)hash & (slot_count - 1);
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
	taker->left--;
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
				if (takers[i].left == 0)
					continue;
				take_slot(&takers[i], taken, slots, slot_count);
				left--;
			}
		}
	}
}

/* Takers with shares and permutations, in canonical order. NULL: out of memory. */
static struct taker *
takers_create(const struct maglev_member *members, size_t count, uint32_t slot_count)
{
	struct taker *takers = calloc(count, sizeof(*takers));

	if (!takers)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		takers[i].identity = members[i].identity;
		takers[i].weight = members[i].weight;
		takers[i].member = (uint32_t)i;
	}
	set_shares(takers, count, slot_count);
	set_permutations(takers, count, slot_count);
	return takers;
}

static int
build(struct taker *takers, size_t count, uint16_t *slots, uint32_t slot_count)
{
	uint64_t *taken = calloc((slot_count + 63) / 64, sizeof(*taken));

	if (!taken)
		return -ENOMEM;
	take_turns(takers, count, taken, slots, slot_count);
	free(taken);
	return 0;
}

int
maglev_build(
	const struct maglev_member *members, size_t count, uint16_t *slots, uint32_t slot_count)
{
	struct taker *takers = takers_create(members, count, slot_count);
	int rc = takers ? build(takers, count, slots, slot_count) : -ENOMEM;

	free(takers);
	return rc;
}

/* A member while slots are given away. */
struct receiver {
	uint32_t room;	 /* slots it may still be given; 0: also if it is not up */
	uint16_t number; /* what its slots say: its index among those that are up */
};

struct maglev {
	size_t count;
	uint32_t slot_count;
	bool weighted; /* not all weights are the same */
	struct maglev_member *members;
	struct taker *takers; /* in canonical order */
	uint16_t *slots;      /* of all members */
	/* Of maglev_select(), kept so that it cannot fail. */
	struct receiver *receivers; /* by member */
	uint16_t *missing;	    /* members that are not up, ascending */
	uint16_t *standing;	    /* members that are, in canonical order */
};

struct maglev *
maglev_create(const struct maglev_member *members, size_t count, uint32_t slot_count)
{
	struct maglev *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->count = count;
	m->slot_count = slot_count;
	m->members = calloc(count, sizeof(*m->members));
	m->takers = takers_create(members, count, slot_count);
	m->slots = calloc(slot_count, sizeof(*m->slots));
	m->receivers = calloc(count, sizeof(*m->receivers));
	m->missing = calloc(count, sizeof(*m->missing));
	m->standing = calloc(count, sizeof(*m->standing));
	if (!m->members || !m->takers || !m->slots || !m->receivers || !m->missing ||
		!m->standing || build(m->takers, count, m->slots, slot_count) < 0) {
		maglev_destroy(m);
		return NULL;
	}
	memcpy(m->members, members, count * sizeof(*members));
	m->weighted = m->takers[0].weight != m->takers[count - 1].weight;
	return m;
}

void
maglev_destroy(struct maglev *m)
{
	if (!m)
		return;
	free(m->members);
	free(m->takers);
	free(m->slots);
	free(m->receivers);
	free(m->missing);
	free(m->standing);
	free(m);
}

uint32_t
maglev_slots(const struct maglev *m)
{
	return m->slot_count;
}

size_t
maglev_bytes(const struct maglev *m)
{
	return sizeof(*m) + m->slot_count * sizeof(*m->slots) +
		m->count *
		(sizeof(*m->members) + sizeof(*m->takers) + sizeof(*m->receivers) +
			sizeof(*m->missing) + sizeof(*m->standing));
}

bool
maglev_is_of(const struct maglev *m, const struct maglev_member *members, size_t count,
	uint32_t slot_count)
{
	if (m->count != count || m->slot_count != slot_count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (m->members[i].identity != members[i].identity ||
			m->members[i].weight != members[i].weight)
			return false;
	}
	return true;
}

/*
 * What a member may have when only `total` of the weight is there: a share, and TOLERANCE more. At
 * least one slot more, so that the last slots given away do not look for room for long.
 */
static uint32_t
slots_allowed(const struct maglev *m, uint32_t weight, uint64_t total)
{
	uint64_t due = (uint64_t)m->slot_count * weight;
	uint64_t allowed = due * (100 + (m->weighted ? TOLERANCE_WEIGHTED : TOLERANCE)) / 100;

	return (uint32_t)(allowed / total > due / total ? allowed / total : due / total + 1);
}

/* Sets the receivers, missing and standing. Returns how many are missing. */
static size_t
set_receivers(struct maglev *m, const bool *up)
{
	size_t missing = 0, standing = 0;
	uint64_t total = 0;

	for (size_t i = 0; i < m->count; i++) {
		m->receivers[i] = (struct receiver){ .number = (uint16_t)(i - missing) };
		if (up[i])
			total += m->members[i].weight;
		else
			m->missing[missing++] = (uint16_t)i;
	}
	for (size_t i = 0; i < m->count; i++) {
		const struct taker *taker = &m->takers[i];

		if (!up[taker->member])
			continue;
		m->standing[standing++] = (uint16_t)taker->member;
		m->receivers[taker->member].room =
			slots_allowed(m, taker->weight, total) - taker->share;
	}
	return missing;
}

/* to[i] loses one for each missing member below from[i]: compilers make vector code of it. */
static void
renumber_block(const uint16_t *restrict from, const uint16_t *restrict missing,
	size_t missing_count, uint16_t *restrict to)
{
	for (uint32_t i = 0; i < BLOCK; i++)
		to[i] = from[i];
	for (size_t j = 0; j < missing_count; j++) {
		uint16_t member = missing[j];

		for (uint32_t i = 0; i < BLOCK; i++)
			to[i] = (uint16_t)(to[i] - (from[i] > member));
	}
}

/*
 * The slots as the members that are up are counted; what the missing ones' say is set later. With
 * few missing it is quicker to count those below than to look each slot up.
 */
static void
renumber(const struct maglev *m, size_t missing, uint16_t *slots)
{
	if (missing > COUNTED_MAX || m->slot_count % BLOCK != 0) {
		for (uint32_t i = 0; i < m->slot_count; i++)
			slots[i] = m->receivers[m->slots[i]].number;
		return;
	}
	for (uint32_t at = 0; at < m->slot_count; at += BLOCK)
		renumber_block(&m->slots[at], m->missing, missing, &slots[at]);
}

/*
 * Who gets a slot whose member is missing. Every slot has an order of preference of its own: it
 * asks other slots for their members, the same ones in the same order whoever is up. So members are
 * preferred by weight without anyone counting weights. After CHOICES answers, which happens if most
 * members are missing, it asks those that are up themselves.
 */
static struct receiver *
choose_receiver(const struct maglev *m, uint32_t slot, size_t standing)
{
	uint64_t hash = mix(slot);
	uint32_t at = (uint32_t)hash & (m->slot_count - 1);
	uint32_t step = (uint32_t)(hash >> 32) | 1;
	size_t next;

	for (int i = 0; i < CHOICES; i++) {
		struct receiver *r = &m->receivers[m->slots[at]];

		if (r->room > 0)
			return r;
		at = (at + step) & (m->slot_count - 1);
	}
	next = (size_t)((hash >> 32) * standing >> 32);
	while (m->receivers[m->standing[next]].room == 0)
		next = next + 1 < standing ? next + 1 : 0;
	return &m->receivers[m->standing[next]];
}

/* A member's slots are found as it has taken them: along its order of preference. */
static void
give_away(const struct maglev *m, const struct taker *taker, size_t standing, uint16_t *slots)
{
	uint32_t left = taker->share;

	for (uint32_t at = taker->start; left > 0; at = (at + taker->step) & (m->slot_count - 1)) {
		struct receiver *r;

		if (m->slots[at] != taker->member)
			continue;
		r = choose_receiver(m, at, standing);
		r->room--;
		slots[at] = r->number;
		left--;
	}
}

void
maglev_select(struct maglev *m, const bool *up, uint16_t *slots)
{
	size_t missing = set_receivers(m, up);

	renumber(m, missing, slots);
	for (size_t i = 0; missing > 0 && i < m->count; i++) {
		if (!up[m->takers[i].member])
			give_away(m, &m->takers[i], m->count - missing, slots);
	}
}
