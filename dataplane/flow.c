/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table but for inserting (flow_insert.c): life, lookups, expiry. flow_table.h has the
 * layout of a bucket, and what holds between the worker and flow_peek().
 */
#include <stdlib.h>

#include "flow_table.h"
#include "mem.h"

/* A table that changes all the time could keep a reader busy for ever. */
#define PEEK_TRIES 1000
/* The reader's clock may be behind the worker's by this much. */
#define PEEK_SKEW_TICKS 16
/* A power of two. */
#define CLAIM_ROUNDS 16

/* A packet whose flow is being looked up. */
struct probe {
	struct flow_words words;
	uint64_t hash;
	union flow_bucket *bucket;
	struct pkt *p;
};

static int
family_init(struct flow_family *family, unsigned int slots, unsigned int load_percent,
	uint32_t capacity)
{
	uint64_t per_bucket = (uint64_t)slots * load_percent;
	uint64_t buckets = ((uint64_t)capacity * 100 + per_bucket - 1) / per_bucket;

	if (buckets < FLOW_MIN_BUCKETS)
		buckets = FLOW_MIN_BUCKETS;
	family->slots = slots;
	family->capacity = capacity;
	family->bucket_count = buckets;
	family->buckets = mem_alloc(buckets * sizeof(*family->buckets));
	return family->buckets ? 0 : -1;
}

struct flow_table *
flow_table_create(uint32_t capacity, const uint64_t seed[2])
{
	struct flow_table *table;
	uint64_t even = seed[0], odd = seed[1];

	if (capacity == 0 || capacity > FLOW_MAX_CAPACITY)
		return NULL;
	table = mem_alloc(sizeof(*table));
	if (!table)
		return NULL;
	/* An odd factor keeps every bit of what it multiplies. */
	table->secret[0] = mix_next(&even);
	table->secret[1] = mix_next(&odd) | 1;
	table->secret[2] = mix_next(&even);
	table->secret[3] = mix_next(&odd) | 1;
	table->looks = FLOW_LOOKS_SAVED;
	if (family_init(&table->family[FLOW_V4], FLOW_SLOTS_V4, FLOW_MAX_LOAD_PERCENT, capacity) <
			0 ||
		family_init(&table->family[FLOW_V6], FLOW_SLOTS_V6, FLOW_MAX_LOAD_PERCENT_V6,
			capacity) < 0) {
		flow_table_destroy(table);
		return NULL;
	}
	return table;
}

void
flow_table_destroy(struct flow_table *table)
{
	if (!table)
		return;
	for (int i = 0; i < FLOW_FAMILIES; i++) {
		if (table->family[i].buckets)
			mem_free(table->family[i].buckets);
	}
	mem_free(table);
}

void
flow_table_bind(struct flow_table *table, const struct flow_timeouts *timeouts, flow_gone_fn *gone,
	void *context)
{
	__atomic_store_n(&table->timeouts, timeouts, __ATOMIC_RELEASE);
	table->gone = gone;
	table->context = context;
}

void
flow_table_show(struct flow_table *table, flow_visit_fn *visit)
{
	table->visit = visit;
}

uint64_t
flow_count(const struct flow_table *table)
{
	return (uint64_t)__atomic_load_n(&table->family[FLOW_V4].count, __ATOMIC_RELAXED) +
		__atomic_load_n(&table->family[FLOW_V6].count, __ATOMIC_RELAXED) -
		flow_claims(table);
}

void
flow_table_judge(struct flow_table *table, flow_claim_fn *judge)
{
	table->judge = judge;
}

uint32_t
flow_claims(const struct flow_table *table)
{
	return __atomic_load_n(&table->claims, __ATOMIC_RELAXED);
}

uint32_t
flow_entries(const struct flow_table *table, uint32_t service)
{
	return __atomic_load_n(&table->entries[service], __ATOMIC_RELAXED);
}

uint32_t
flow_endpoint_tag(const struct flow_table *table, const uint8_t address[16], uint16_t port_be,
	uint8_t protocol)
{
	struct flow_words words =
		flow_words_v6(address, port_be, FLOW_CLAIM, (uint32_t)protocol + 1);

	return (uint32_t)(flow_hash(table->secret, FLOW_SLOTS_V6, &words) >> 48) << 16 | port_be;
}

uint64_t
flow_capacity(const struct flow_table *table)
{
	return (uint64_t)table->family[FLOW_V4].capacity + table->family[FLOW_V6].capacity;
}

uint64_t
flow_bytes(const struct flow_table *table, uint8_t version)
{
	const struct flow_family *family = &table->family[version == 6 ? FLOW_V6 : FLOW_V4];

	return (uint64_t)family->bucket_count * sizeof(*family->buckets);
}

void
flow_key_of(const struct pkt *p, uint16_t service, struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->address, p->client, p->client_version == 6 ? 16 : 4);
	key->port_be = p->client_port_be;
	key->service = service;
	key->version = p->client_version;
	key->extra = p->range_port_be;
}

/*
 * The value in the slot that matched; NULL if none did, or if the entry has expired. No branch on
 * the mask, see look().
 */
FLOW_INLINE uint64_t *
live_value(const struct flow_table *table, union flow_bucket *bucket, unsigned int slots,
	unsigned int mask, const struct flow_words *words, uint16_t tick)
{
	/* Without a match the last slot is judged, and the verdict not used. */
	unsigned int slot = (unsigned int)__builtin_ctz(mask | 1u << (slots - 1));
	uint64_t *value = flow_slot_value(bucket, slots, slot);
	bool live = (mask != 0) & !flow_expired(table->timeouts, words->endpoint, *value, tick);

	return live ? value : NULL;
}

uint64_t *
flow_lookup(struct flow_table *table, const struct flow_key *key, uint16_t tick)
{
	const struct flow_family *family = flow_family_of(table, key);
	unsigned int slots = family->slots;
	struct flow_words words = flow_words_of(key);
	uint64_t hash = flow_hash(table->secret, slots, &words);
	union flow_bucket *bucket = &family->buckets[flow_first(family, hash)];
	unsigned int mask = flow_match(bucket, slots, &words);

	if (!key->service)
		return NULL; /* such a key would match free slots */
	if (!mask) {
		bucket = &family->buckets[flow_second(family, hash)];
		mask = flow_match(bucket, slots, &words);
	}
	return live_value(table, bucket, slots, mask, &words, tick);
}

/*
 * Looks into each probe's bucket and writes the indices of those that do not match to `missed`;
 * as a branch, that would be mispredicted for every fourth flow. Returns how many.
 */
FLOW_INLINE unsigned int
look(const struct flow_table *table, unsigned int slots, const struct probe *probes, unsigned int n,
	uint16_t tick, uint8_t missed[PKT_BURST])
{
	unsigned int misses = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct probe *probe = &probes[i];
		unsigned int mask = flow_match(probe->bucket, slots, &probe->words);

		probe->p->flow = live_value(table, probe->bucket, slots, mask, &probe->words, tick);
		missed[misses] = i;
		misses += mask == 0;
	}
	return misses;
}

/* First buckets have been prefetched. */
FLOW_INLINE void
look_both(const struct flow_table *table, const struct flow_family *family, unsigned int slots,
	struct probe *probes, unsigned int n, uint16_t tick)
{
	uint8_t missed[PKT_BURST];
	unsigned int misses = look(table, slots, probes, n, tick, missed);

	for (unsigned int i = 0; i < misses; i++) {
		struct probe *probe = &probes[missed[i]];

		probe->bucket = &family->buckets[flow_second(family, probe->hash)];
		__builtin_prefetch(probe->bucket);
	}
	for (unsigned int i = 0; i < misses; i++) {
		const struct probe *probe = &probes[missed[i]];
		unsigned int mask = flow_match(probe->bucket, slots, &probe->words);

		probe->p->flow = live_value(table, probe->bucket, slots, mask, &probe->words, tick);
	}
}

FLOW_INLINE void
aim(const struct flow_table *table, const struct flow_family *family, unsigned int slots,
	struct probe *probe)
{
	probe->hash = flow_hash(table->secret, slots, &probe->words);
	probe->bucket = &family->buckets[flow_first(family, probe->hash)];
	__builtin_prefetch(probe->bucket);
}

static void
lookup_part(const struct flow_table *table, struct pkt *const *pkts, unsigned int n, uint16_t tick)
{
	const struct flow_family *v4 = &table->family[FLOW_V4], *v6 = &table->family[FLOW_V6];
	struct probe probes4[PKT_BURST], probes6[PKT_BURST];
	unsigned int n4 = 0, n6 = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = pkts[i];

		if (p->drop || !p->service)
			continue;
		if (p->client_version == 6) {
			struct probe *probe = &probes6[n6++];

			probe->p = p;
			probe->words = flow_words_v6(
				p->client, p->client_port_be, p->service, p->range_port_be);
			aim(table, v6, FLOW_SLOTS_V6, probe);
		} else if (p->range_port_be) {
			struct probe *probe = &probes6[n6++];

			probe->p = p;
			probe->words = flow_words_mapped(
				p->client, p->client_port_be, p->service, p->range_port_be);
			aim(table, v6, FLOW_SLOTS_V6, probe);
		} else {
			struct probe *probe = &probes4[n4++];

			probe->p = p;
			probe->words = flow_words_v4(p->client, p->client_port_be, p->service);
			aim(table, v4, FLOW_SLOTS_V4, probe);
		}
	}
	look_both(table, v4, FLOW_SLOTS_V4, probes4, n4, tick);
	look_both(table, v6, FLOW_SLOTS_V6, probes6, n6, tick);
}

/*
 * Uses drop, service, client_version, client, client_port_be and range_port_be; sets flow of
 * packets that are not dropped and have a service.
 */
void
flow_lookup_burst(struct flow_table *table, struct pkt *const *pkts, unsigned int n, uint16_t tick)
{
	for (; n > PKT_BURST; pkts += PKT_BURST, n -= PKT_BURST)
		lookup_part(table, pkts, PKT_BURST, tick);
	lookup_part(table, pkts, n, tick);
}

static void
empty(struct flow_table *table, struct flow_family *family, union flow_bucket *bucket,
	unsigned int slot)
{
	static const struct flow_words none;
	unsigned int slots = family->slots;
	struct flow_words words = flow_slot_words(bucket, slots, slot);

	flow_change_begin(table);
	flow_slot_put(bucket, slots, slot, &none, 0);
	flow_change_end(table);
	__atomic_store_n(&family->count, family->count - 1, __ATOMIC_RELAXED);
	flow_count_entry(table, words.endpoint, -1u);
	if (flow_endpoint_is_claim(words.endpoint))
		__atomic_store_n(&table->claims, table->claims - 1, __ATOMIC_RELAXED);
}

static void
forget(struct flow_table *table, struct flow_family *family, union flow_bucket *bucket,
	unsigned int slot)
{
	uint64_t value = *flow_slot_value(bucket, family->slots, slot);
	struct flow_words words = flow_slot_words(bucket, family->slots, slot);

	empty(table, family, bucket, slot);
	if (!flow_endpoint_is_claim(words.endpoint))
		flow_tell_gone(table, family->slots, &words, value);
}

void
flow_remove(struct flow_table *table, const struct flow_key *key)
{
	struct flow_family *family = flow_family_of(table, key);
	unsigned int slots = family->slots;
	struct flow_words words = flow_words_of(key);
	uint64_t hash = flow_hash(table->secret, slots, &words);
	union flow_bucket *bucket = &family->buckets[flow_first(family, hash)];
	unsigned int mask = flow_match(bucket, slots, &words);

	if (!mask) {
		bucket = &family->buckets[flow_second(family, hash)];
		mask = flow_match(bucket, slots, &words);
	}
	/* The key without a service is that of free slots. */
	if (mask && key->service)
		empty(table, family, bucket, (unsigned int)__builtin_ctz(mask));
}

/*
 * A claim goes with its flow, but for one whose server is not known any more by then. So each is
 * judged once in CLAIM_ROUNDS rounds, which are seconds; that is a lookup.
 */
static unsigned int
sweep_claims(struct flow_table *table, struct flow_family *family, union flow_bucket *bucket,
	uint16_t tick)
{
	unsigned int freed = 0;

	for (unsigned int i = 0; i < FLOW_SLOTS_V6; i++) {
		struct flow_words words = flow_slot_words(bucket, FLOW_SLOTS_V6, i);
		struct flow_key key;

		if (!flow_endpoint_is_claim(words.endpoint))
			continue;
		key = flow_key_from(FLOW_SLOTS_V6, &words);
		if (table->judge(table->context, &key, bucket->v6.value[i], tick))
			continue;
		forget(table, family, bucket, i);
		freed++;
	}
	return freed;
}

/* Shows entries that the sweep has found, by their slots; returns those that are to go. */
static unsigned int
show(struct flow_table *table, union flow_bucket *bucket, unsigned int slots, unsigned int found,
	unsigned int expired, uint16_t tick)
{
	unsigned int gone = 0;

	for (; found; found &= found - 1) {
		unsigned int slot = (unsigned int)__builtin_ctz(found);
		bool is_expired = expired & 1u << slot;
		const struct flow_words words = flow_slot_words(bucket, slots, slot);
		struct flow_key key = flow_key_from(slots, &words);
		uint64_t *flow = flow_slot_value(bucket, slots, slot);

		if (!flow_endpoint_is_claim(words.endpoint))
			table->visit(table->context, &key, flow, is_expired);
		if (is_expired && flow_expired(table->timeouts, words.endpoint, *flow, tick))
			gone |= 1u << slot;
	}
	return gone;
}

/* Frees the expired entries of one bucket. Which slots are in use is beyond prediction too. */
FLOW_INLINE unsigned int
sweep_bucket(struct flow_table *table, struct flow_family *family, unsigned int slots,
	union flow_bucket *bucket, uint16_t tick)
{
	const struct flow_timeouts *timeouts = table->timeouts;
	unsigned int expired = 0, resetting = 0, freed = 0;

#pragma GCC unroll 4
	for (unsigned int i = 0; i < slots; i++) {
		uint64_t value = *flow_slot_value(bucket, slots, i);
		uint32_t endpoint = flow_slot_endpoint(bucket, slots, i);
		bool used = flow_state(value) != FLOW_FREE;

		expired |= (unsigned int)(used & flow_expired(timeouts, endpoint, value, tick))
			<< i;
		resetting |= (unsigned int)((flow_flags(value) & FLOW_RESETTING) != 0) << i;
	}
	if ((expired | resetting) && table->visit)
		expired = show(table, bucket, slots, expired | resetting, expired, tick);
	for (; expired; expired &= expired - 1, freed++)
		forget(table, family, bucket, (unsigned int)__builtin_ctz(expired));
	return freed;
}

FLOW_INLINE unsigned int
sweep_run(struct flow_table *table, struct flow_family *family, unsigned int slots, uint32_t n,
	uint16_t tick)
{
	union flow_bucket *bucket = &family->buckets[table->sweep_bucket];
	unsigned int freed = 0;

	for (uint32_t i = 0; i < n; i++)
		freed += sweep_bucket(table, family, slots, &bucket[i], tick);
	if (slots == FLOW_SLOTS_V4 || !table->claims || !table->judge)
		return freed;
	for (uint32_t i = 0; i < n; i++) {
		if ((table->sweep_bucket + i) % CLAIM_ROUNDS == table->sweep_round % CLAIM_ROUNDS)
			freed += sweep_claims(table, family, &bucket[i], tick);
	}
	return freed;
}

/* A family without entries is passed over, so that the other one is swept in less time. */
unsigned int
flow_sweep(struct flow_table *table, unsigned int buckets, uint16_t tick)
{
	unsigned int freed = 0;

	if (!table->timeouts)
		return 0;
	/* The rest of one family, the other one, and the first one's beginning: three runs. */
	for (int run = 0; run < FLOW_FAMILIES + 1 && buckets; run++) {
		struct flow_family *family = &table->family[table->sweep_family];
		uint32_t left = family->count ? family->bucket_count - table->sweep_bucket : 0;
		uint32_t n = left < buckets ? left : buckets;

		if (table->sweep_family == FLOW_V4)
			freed += sweep_run(table, family, FLOW_SLOTS_V4, n, tick);
		else
			freed += sweep_run(table, family, FLOW_SLOTS_V6, n, tick);
		buckets -= n;
		table->sweep_bucket += n;
		if (n == left) {
			table->sweep_round += table->sweep_family == FLOW_V6;
			table->sweep_family ^= 1;
			table->sweep_bucket = 0;
		}
	}
	return freed;
}

static void
visit_slot(union flow_bucket *bucket, unsigned int slots, unsigned int slot, flow_visit_fn *fn,
	void *context)
{
	const struct flow_words words = flow_slot_words(bucket, slots, slot);
	struct flow_key key = flow_key_from(slots, &words);
	uint64_t *flow = flow_slot_value(bucket, slots, slot);

	if (flow_state(*flow) != FLOW_FREE && !flow_endpoint_is_claim(words.endpoint))
		fn(context, &key, flow, false);
}

bool
flow_visit(struct flow_table *table, struct flow_cursor *cursor, unsigned int buckets,
	flow_visit_fn *fn, void *context)
{
	for (; cursor->family < FLOW_FAMILIES; cursor->family++, cursor->bucket = 0) {
		struct flow_family *family = &table->family[cursor->family];
		uint32_t end = family->count ? family->bucket_count : 0;

		for (; cursor->bucket < end; cursor->bucket++, buckets--) {
			union flow_bucket *bucket = &family->buckets[cursor->bucket];

			if (buckets == 0)
				return true;
			for (unsigned int i = 0; i < family->slots; i++)
				visit_slot(bucket, family->slots, i, fn, context);
		}
	}
	*cursor = (struct flow_cursor){ 0 };
	return false;
}

/* As flow_match(), from another thread. Acquire loads: `changes` is read again after them. */
static uint64_t
peek_bucket(const union flow_bucket *bucket, unsigned int slots, const struct flow_words *words)
{
	for (unsigned int i = 0; i < slots; i++) {
		bool same;

		if (slots == FLOW_SLOTS_V4) {
			same = __atomic_load_n(&bucket->v4.key[i], __ATOMIC_ACQUIRE) ==
				words->word[0];
		} else {
			const uint64_t *address = bucket->v6.address[i];

			same = __atomic_load_n(&address[0], __ATOMIC_ACQUIRE) == words->word[0];
			same &= __atomic_load_n(&address[1], __ATOMIC_ACQUIRE) == words->word[1];
			same &= __atomic_load_n(&bucket->v6.endpoint[i], __ATOMIC_ACQUIRE) ==
				words->endpoint;
			same &= __atomic_load_n(&bucket->v6.extra[i], __ATOMIC_ACQUIRE) ==
				words->extra;
		}
		if (same)
			return __atomic_load_n(&bucket->word[8 - slots + i], __ATOMIC_ACQUIRE);
	}
	return 0;
}

/* Any thread that may read the timeouts last bound: the one that frees generations. */
uint64_t
flow_peek(const struct flow_table *table, const struct flow_key *key, uint16_t tick)
{
	const struct flow_family *family = &table->family[flow_is_wide(key) ? FLOW_V6 : FLOW_V4];
	struct flow_words words = flow_words_of(key);
	uint64_t hash = flow_hash(table->secret, family->slots, &words);
	const union flow_bucket *first = &family->buckets[flow_first(family, hash)];
	const union flow_bucket *second = &family->buckets[flow_second(family, hash)];
	const struct flow_timeouts *timeouts = __atomic_load_n(&table->timeouts, __ATOMIC_ACQUIRE);

	for (int try = 0; try < PEEK_TRIES; try++) {
		uint32_t before = __atomic_load_n(&table->changes, __ATOMIC_ACQUIRE);
		uint64_t value = peek_bucket(first, family->slots, &words);

		if (flow_state(value) == FLOW_FREE)
			value = peek_bucket(second, family->slots, &words);
		if ((before & 1) || __atomic_load_n(&table->changes, __ATOMIC_RELAXED) != before)
			continue;
		if ((uint16_t)(flow_last_seen(value) - tick) <= PEEK_SKEW_TICKS)
			tick = flow_last_seen(value);
		return flow_expired(timeouts, words.endpoint, value, tick) ? 0 : value;
	}
	return 0;
}
