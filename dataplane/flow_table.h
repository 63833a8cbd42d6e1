/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the flow table, for flow.c and flow_insert.c (and the table's own test).
 *
 * The two families differ in how a key lies in a bucket and in nothing else. Functions here take
 * `slots`, entries in a bucket, which is also the family: 4 for IPv4, 2 for IPv6 and whatever else
 * needs a wide key. They are forced
 * inline, so that where it is a constant the other family's code vanishes.
 *
 * Writers and flow_peek(): the worker makes table->changes odd, changes keys and values with
 * release stores, and makes it even again. A reader takes what it found only if changes was even
 * and the same before and after, so it never pairs one flow's key with another's value. Values
 * that the worker updates in place (flow_set()) need none of this: the key stays.
 */
#ifndef DATAPLANE_FLOW_TABLE_H
#define DATAPLANE_FLOW_TABLE_H

#include "flow.h"
#include "mix.h"

#define FLOW_INLINE static inline __attribute__((always_inline))

#define FLOW_SLOTS_V4	  4
#define FLOW_SLOTS_V6	  2
#define FLOW_MAX_CAPACITY (64u << 20)
/* Tiny tables get a few buckets more, so that they too can be filled to the cap. */
#define FLOW_MIN_BUCKETS 8
/* What inserts may have saved up, and begin with: flow_insert.c. */
#define FLOW_LOOKS_SAVED 8192

/* Values are the last words of a bucket in either family. Zero bytes are an empty bucket. */
union flow_bucket {
	uint64_t word[8];
	struct {
		uint64_t key[FLOW_SLOTS_V4]; /* address 32 | port 16 | service 16 */
		uint64_t value[FLOW_SLOTS_V4];
	} v4;
	struct {
		uint64_t address[FLOW_SLOTS_V6][2];
		uint32_t endpoint[FLOW_SLOTS_V6]; /* port 16 | service 16 */
		uint32_t extra[FLOW_SLOTS_V6];
		uint64_t value[FLOW_SLOTS_V6];
	} v6;
};

static_assert(sizeof(union flow_bucket) == SHUNT_CACHE_LINE, "a hit costs one cache line");
static_assert(offsetof(union flow_bucket, v4.value) == 8 * (8 - FLOW_SLOTS_V4), "values last");
static_assert(offsetof(union flow_bucket, v6.value) == 8 * (8 - FLOW_SLOTS_V6), "values last");
static_assert((SHUNT_MAX_SERVICES & (SHUNT_MAX_SERVICES - 1)) == 0, "masked below");
static_assert(FLOW_STATE_COUNT <= 8, "a state indexes flow_timeouts.ticks");

/* A key in the form that is compared: IPv4 is word[0] alone, with the endpoint in its top half. */
struct flow_words {
	uint64_t word[2];
	uint32_t endpoint;
	uint32_t extra; /* wide keys only */
};

/* One family's half of the table. */
struct flow_family {
	union flow_bucket *buckets;
	uint32_t bucket_count;
	uint32_t slots;
	uint32_t capacity;
	uint32_t count; /* entries in place, expired ones too; worker: rw, others: ro */
};

enum {
	FLOW_V4,
	FLOW_V6,
	FLOW_FAMILIES,
};

struct flow_table {
	uint64_t secret[4];
	const struct flow_timeouts *timeouts; /* NULL: nothing expires; worker: rw, agent: ro */
	flow_gone_fn *gone;
	flow_claim_fn *judge;
	flow_visit_fn *visit;
	void *context;
	struct flow_family family[FLOW_FAMILIES];

	uint32_t claims;       /* of the wide family's count; worker: rw, others: ro */
	uint32_t sweep_family; /* where the next sweep begins */
	uint32_t sweep_bucket;
	uint32_t sweep_round;		  /* of the wide family */
	uint32_t looks;			  /* that inserts have saved: flow_insert.c */
	uint32_t changes;		  /* odd: under way; worker: rw, others: ro */
	uint32_t entries[FLOW_CLAIM + 1]; /* in place, by service; worker: rw, others: ro */
};

FLOW_INLINE struct flow_words
flow_words_v4(const void *address, uint16_t port_be, uint16_t service)
{
	struct flow_words words = { .endpoint = port_be | (uint32_t)service << 16 };
	uint32_t v4;

	memcpy(&v4, address, 4);
	words.word[0] = v4 | (uint64_t)words.endpoint << 32;
	return words;
}

FLOW_INLINE struct flow_words
flow_words_v6(const void *address, uint16_t port_be, uint16_t service, uint32_t extra)
{
	struct flow_words words = {
		.endpoint = port_be | (uint32_t)service << 16,
		.extra = extra,
	};

	memcpy(words.word, address, 16);
	return words;
}

/* IPv4 with a wide key. */
FLOW_INLINE struct flow_words
flow_words_mapped(const void *address, uint16_t port_be, uint16_t service, uint32_t extra)
{
	struct shunt_addr mapped = shunt_addr_from_v4(address);

	return flow_words_v6(mapped.bytes, port_be, service, extra);
}

FLOW_INLINE bool
flow_is_wide(const struct flow_key *key)
{
	return key->version == 6 || key->extra || key->service == FLOW_CLAIM;
}

FLOW_INLINE struct flow_words
flow_words_of(const struct flow_key *key)
{
	if (!flow_is_wide(key))
		return flow_words_v4(key->address, key->port_be, key->service);
	if (key->version == 4)
		return flow_words_mapped(key->address, key->port_be, key->service, key->extra);
	return flow_words_v6(key->address, key->port_be, key->service, key->extra);
}

/* The other way round. */
FLOW_INLINE struct flow_key
flow_key_from(unsigned int slots, const struct flow_words *words)
{
	struct flow_key key = {
		.port_be = words->endpoint & 0xffff,
		.service = words->endpoint >> 16,
		.version = 4,
		.extra = words->extra,
	};
	struct shunt_addr address;

	if (slots == FLOW_SLOTS_V4) {
		memcpy(key.address, words->word, 4);
		return key;
	}
	memcpy(address.bytes, words->word, 16);
	if (shunt_addr_is_v4(&address)) {
		memcpy(key.address, &address.bytes[12], 4);
	} else {
		memcpy(key.address, address.bytes, 16);
		key.version = 6;
	}
	return key;
}

/*
 * Two multiply-folds, as in wyhash (Wang Yi, 2019), with the constants replaced by secrets. Not
 * linear in the key, as CRC32C is, where keys that collide under one seed collide under all.
 */
FLOW_INLINE uint64_t
flow_hash(const uint64_t secret[4], unsigned int slots, const struct flow_words *words)
{
	if (slots == FLOW_SLOTS_V4)
		return mix_fold(
			mix_fold(words->word[0] ^ secret[0], secret[1]) ^ secret[2], secret[3]);
	return mix_fold(mix_fold(words->word[0] ^ secret[0], words->word[1] ^ secret[1]) ^
			words->endpoint ^ (uint64_t)words->extra << 32 ^ secret[2],
		secret[3]);
}

/* Multiply and shift instead of a division (Lemire, 2019): bucket counts need be no power of two.
 */
FLOW_INLINE uint32_t
flow_first(const struct flow_family *family, uint64_t hash)
{
	return ((hash >> 32) * family->bucket_count) >> 32;
}

/* The second choice is some other bucket than the first. hash: its lower half. */
FLOW_INLINE uint32_t
flow_next(const struct flow_family *family, uint32_t first, uint32_t hash)
{
	uint32_t count = family->bucket_count;
	uint32_t second = first + 1 + (uint32_t)(((uint64_t)hash * (count - 1)) >> 32);

	return second >= count ? second - count : second;
}

FLOW_INLINE uint32_t
flow_second(const struct flow_family *family, uint64_t hash)
{
	return flow_next(family, flow_first(family, hash), (uint32_t)hash);
}

FLOW_INLINE uint64_t *
flow_slot_value(union flow_bucket *bucket, unsigned int slots, unsigned int slot)
{
	return &bucket->word[8 - slots + slot];
}

FLOW_INLINE uint32_t
flow_slot_endpoint(const union flow_bucket *bucket, unsigned int slots, unsigned int slot)
{
	return slots == FLOW_SLOTS_V4 ? bucket->v4.key[slot] >> 32 : bucket->v6.endpoint[slot];
}

FLOW_INLINE struct flow_words
flow_slot_words(const union flow_bucket *bucket, unsigned int slots, unsigned int slot)
{
	struct flow_words words = { .endpoint = flow_slot_endpoint(bucket, slots, slot) };

	if (slots == FLOW_SLOTS_V4) {
		words.word[0] = bucket->v4.key[slot];
	} else {
		words.word[0] = bucket->v6.address[slot][0];
		words.word[1] = bucket->v6.address[slot][1];
		words.extra = bucket->v6.extra[slot];
	}
	return words;
}

/* flow_peek() reads these words meanwhile: see the top of this file. */
FLOW_INLINE void
flow_slot_put(union flow_bucket *bucket, unsigned int slots, unsigned int slot,
	const struct flow_words *words, uint64_t value)
{
	if (slots == FLOW_SLOTS_V4) {
		__atomic_store_n(&bucket->v4.key[slot], words->word[0], __ATOMIC_RELEASE);
	} else {
		uint64_t *address = bucket->v6.address[slot];

		__atomic_store_n(&address[0], words->word[0], __ATOMIC_RELEASE);
		__atomic_store_n(&address[1], words->word[1], __ATOMIC_RELEASE);
		__atomic_store_n(&bucket->v6.endpoint[slot], words->endpoint, __ATOMIC_RELEASE);
		__atomic_store_n(&bucket->v6.extra[slot], words->extra, __ATOMIC_RELEASE);
	}
	__atomic_store_n(flow_slot_value(bucket, slots, slot), value, __ATOMIC_RELEASE);
}

/*
 * Bit i: slot i holds the key. At most one bit is set: an insert never adds a key twice, and the
 * key of a free slot is zero, whose service (0) is in no key. All slots are compared without a
 * branch, because in which slot a flow lies is beyond prediction.
 */
FLOW_INLINE unsigned int
flow_match(const union flow_bucket *bucket, unsigned int slots, const struct flow_words *words)
{
	unsigned int mask = 0;

	if (slots == FLOW_SLOTS_V4) {
		const uint64_t *key = bucket->v4.key;

		mask |= (unsigned int)(key[0] == words->word[0]);
		mask |= (unsigned int)(key[1] == words->word[0]) << 1;
		mask |= (unsigned int)(key[2] == words->word[0]) << 2;
		mask |= (unsigned int)(key[3] == words->word[0]) << 3;
		return mask;
	}
	for (unsigned int i = 0; i < FLOW_SLOTS_V6; i++) {
		const uint64_t *address = bucket->v6.address[i];
		uint64_t differs = (address[0] ^ words->word[0]) | (address[1] ^ words->word[1]) |
			(bucket->v6.endpoint[i] ^ words->endpoint) |
			(bucket->v6.extra[i] ^ words->extra);

		mask |= (unsigned int)(differs == 0) << i;
	}
	return mask;
}

/*
 * Has an entry in place had its time? A limit of zero is a service or a state that is not there
 * any more.
 */
FLOW_INLINE bool
flow_expired(const struct flow_timeouts *timeouts, uint32_t endpoint, uint64_t value, uint16_t tick)
{
	uint16_t limit;

	if (!timeouts)
		return false;
	limit = timeouts[(endpoint >> 16) & (SHUNT_MAX_SERVICES - 1)].ticks[flow_state(value) & 7];
	return (limit == 0) | ((uint16_t)(tick - flow_last_seen(value)) > limit);
}

FLOW_INLINE bool
flow_endpoint_is_claim(uint32_t endpoint)
{
	return endpoint >> 16 == FLOW_CLAIM;
}

/* A service has one entry more, or one less. */
FLOW_INLINE void
flow_count_entry(struct flow_table *table, uint32_t endpoint, uint32_t change)
{
	uint32_t *entries = &table->entries[endpoint >> 16];

	__atomic_store_n(entries, *entries + change, __ATOMIC_RELAXED);
}

FLOW_INLINE struct flow_family *
flow_family_of(struct flow_table *table, const struct flow_key *key)
{
	return &table->family[flow_is_wide(key) ? FLOW_V6 : FLOW_V4];
}

/* An entry has gone: tells who is to know. */
FLOW_INLINE void
flow_tell_gone(struct flow_table *table, unsigned int slots, const struct flow_words *words,
	uint64_t value)
{
	struct flow_key key;

	if (!table->gone)
		return;
	key = flow_key_from(slots, words);
	table->gone(table->context, &key, value);
}

FLOW_INLINE void
flow_change_begin(struct flow_table *table)
{
	__atomic_store_n(&table->changes, table->changes + 1, __ATOMIC_RELAXED);
}

FLOW_INLINE void
flow_change_end(struct flow_table *table)
{
	__atomic_store_n(&table->changes, table->changes + 1, __ATOMIC_RELEASE);
}

#endif
