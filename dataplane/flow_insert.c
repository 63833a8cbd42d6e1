/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Adding a flow: a free or expired slot in the first bucket, else in the second, else the shortest
 * row of moves that ends at one (cuckoo hashing with buckets; Pagh and Rodler, 2001, Dietzfelbinger
 * and Weidling, 2007). The row is found by breadth-first search before anything is moved: an
 * insert that fails has changed nothing. Worker only.
 */
#include "flow_table.h"

/*
 * Buckets that one insert may look at. Of twelve million that filled IPv6 tables to the load cap,
 * none came to more than 48, and of IPv4 fewer.
 */
#define ROOM_MAX_BUCKETS 64
#define NO_SLOT		 FLOW_SLOTS_V4

/*
 * Whoever knew the seed could make keys that share few buckets, so that each insert looks at
 * ROOM_MAX_BUCKETS of them in vain. So looks beyond a key's own two buckets are paid for: each
 * insert earns some, so many may be saved, and none begins that could not be paid to its end.
 * Counted in halves. Ordinary keys need 0.13 looks an insert at the load cap of IPv4, and 1.0 at
 * that of IPv6; they earn half a one and two.
 */
#define LOOK_COST	2
#define LOOKS_EARNED_V4 1
#define LOOKS_EARNED_V6 4

/* A bucket of the search: the entry `slot` of its parent's bucket may move here. */
struct step {
	uint32_t bucket;
	uint8_t parent; /* index of a step */
	uint8_t slot;
	uint8_t moves; /* from a bucket of the new key; 0: is one */
};

struct search {
	unsigned int used;
	struct step steps[ROOM_MAX_BUCKETS];
};

static_assert(ROOM_MAX_BUCKETS <= UINT8_MAX, "step.parent");

/* A slot that a new entry may take: a free one if it may be taken, else an expired one. */
FLOW_INLINE unsigned int
usable_slot(const struct flow_table *table, unsigned int slots, union flow_bucket *bucket,
	bool free_too, uint16_t tick)
{
	if (free_too) {
		for (unsigned int i = 0; i < slots; i++) {
			if (flow_state(*flow_slot_value(bucket, slots, i)) == FLOW_FREE)
				return i;
		}
	}
	for (unsigned int i = 0; i < slots; i++) {
		uint64_t value = *flow_slot_value(bucket, slots, i);

		if (flow_state(value) != FLOW_FREE &&
			flow_expired(
				table->timeouts, flow_slot_endpoint(bucket, slots, i), value, tick))
			return i;
	}
	return NO_SLOT;
}

/*
 * Adds the other buckets of a full bucket's entries. A bucket may come up twice, but then its first
 * step and all that follows from that are looked at first: the row found is a shortest one and
 * never passes the same bucket twice.
 */
FLOW_INLINE void
search_widen(struct search *search, const struct flow_table *table,
	const struct flow_family *family, unsigned int slots, unsigned int parent)
{
	const struct step *from = &search->steps[parent];

	if (from->moves == FLOW_MAX_MOVES)
		return;
	for (unsigned int i = 0; i < slots && search->used < ROOM_MAX_BUCKETS; i++) {
		struct flow_words words = flow_slot_words(&family->buckets[from->bucket], slots, i);
		uint64_t hash = flow_hash(table->secret, slots, &words);
		/* It stands in one of the two; which one is beyond prediction: no branch. */
		uint32_t other =
			flow_first(family, hash) ^ flow_second(family, hash) ^ from->bucket;

		__builtin_prefetch(&family->buckets[other]);
		search->steps[search->used++] = (struct step){
			.bucket = other,
			.parent = parent,
			.slot = i,
			.moves = from->moves + 1,
		};
	}
}

/*
 * The key itself may be there still, expired: its old entry must not shadow the new one. Returns
 * as search_room().
 */
FLOW_INLINE unsigned int
search_key(const struct search *search, const struct flow_family *family, unsigned int slots,
	const struct flow_words *words, unsigned int *slot)
{
	for (unsigned int i = 0; i < search->used; i++) {
		const union flow_bucket *bucket = &family->buckets[search->steps[i].bucket];
		unsigned int mask = flow_match(bucket, slots, words);

		if (mask) {
			*slot = (unsigned int)__builtin_ctz(mask);
			return i;
		}
	}
	return search->used;
}

/*
 * Finds a usable slot near the key's two buckets, which are the first two steps. Returns the step
 * whose bucket has it, or search->used if there is none. With the table at its cap only the key's
 * own buckets are looked at, for an expired entry.
 */
FLOW_INLINE unsigned int
search_room(struct search *search, struct flow_table *table, const struct flow_family *family,
	unsigned int slots, uint16_t tick, unsigned int *slot)
{
	bool below_cap = family->count < family->capacity;
	bool wide = table->looks >= LOOK_COST * ROOM_MAX_BUCKETS;

	for (unsigned int i = 0; i < search->used; i++) {
		if (i > 1)
			table->looks -= LOOK_COST;
		union flow_bucket *bucket = &family->buckets[search->steps[i].bucket];

		*slot = usable_slot(table, slots, bucket, below_cap, tick);
		if (*slot != NO_SLOT)
			return i;
		if (below_cap && wide && i > 0) {
			if (i == 1)
				search_widen(search, table, family, slots, 0);
			search_widen(search, table, family, slots, i);
		}
	}
	return search->used;
}

/* Moves what is on the row, from its end on, and writes the new entry. */
FLOW_INLINE uint64_t *
fill(const struct flow_family *family, unsigned int slots, const struct search *search,
	unsigned int at, unsigned int slot, const struct flow_words *words, uint64_t value)
{
	const struct step *step = &search->steps[at];
	union flow_bucket *to = &family->buckets[step->bucket];

	while (step->moves) {
		const struct step *parent = &search->steps[step->parent];
		union flow_bucket *from = &family->buckets[parent->bucket];
		struct flow_words moved = flow_slot_words(from, slots, step->slot);

		flow_slot_put(to, slots, slot, &moved, *flow_slot_value(from, slots, step->slot));
		slot = step->slot;
		step = parent;
		to = from;
	}
	flow_slot_put(to, slots, slot, words, value);
	return flow_slot_value(to, slots, slot);
}

FLOW_INLINE uint64_t *
insert(struct flow_table *table, struct flow_family *family, unsigned int slots,
	const struct flow_words *words, uint64_t value, uint16_t tick)
{
	uint64_t hash = flow_hash(table->secret, slots, words), old, *place;
	struct flow_words old_words;
	struct search search;
	unsigned int at, slot;

	if (table->looks < FLOW_LOOKS_SAVED)
		table->looks += slots == FLOW_SLOTS_V4 ? LOOKS_EARNED_V4 : LOOKS_EARNED_V6;
	search.used = 2;
	search.steps[0] = (struct step){ .bucket = flow_first(family, hash) };
	search.steps[1] = (struct step){ .bucket = flow_second(family, hash) };
	at = search_key(&search, family, slots, words, &slot);
	if (at == search.used)
		at = search_room(&search, table, family, slots, tick, &slot);
	if (at == search.used)
		return NULL;

	old = *flow_slot_value(&family->buckets[search.steps[at].bucket], slots, slot);
	old_words = flow_slot_words(&family->buckets[search.steps[at].bucket], slots, slot);
	flow_change_begin(table);
	place = fill(family, slots, &search, at, slot, words, value);
	flow_change_end(table);
	flow_count_entry(table, words->endpoint, 1);
	if (flow_state(old) == FLOW_FREE)
		__atomic_store_n(&family->count, family->count + 1, __ATOMIC_RELAXED);
	else
		flow_count_entry(table, old_words.endpoint, -1u);
	if (flow_state(old) != FLOW_FREE && flow_endpoint_is_claim(old_words.endpoint))
		__atomic_store_n(&table->claims, table->claims - 1, __ATOMIC_RELAXED);
	if (flow_endpoint_is_claim(words->endpoint))
		__atomic_store_n(&table->claims, table->claims + 1, __ATOMIC_RELAXED);
	if (flow_state(old) != FLOW_FREE && !flow_endpoint_is_claim(old_words.endpoint))
		flow_tell_gone(table, slots, &old_words, old);
	return place;
}

uint64_t *
flow_insert(struct flow_table *table, const struct flow_key *key, uint64_t value, uint16_t tick)
{
	struct flow_words words = flow_words_of(key);

	if (key->service == 0 || key->service > FLOW_CLAIM || flow_state(value) == FLOW_FREE)
		return NULL;
	if (flow_is_wide(key))
		return insert(table, &table->family[FLOW_V6], FLOW_SLOTS_V6, &words, value, tick);
	return insert(table, &table->family[FLOW_V4], FLOW_SLOTS_V4, &words, value, tick);
}
