/* SPDX-License-Identifier: BSD-3-Clause */
#include "persist.h"

#include "mem.h"
#include "mix.h"
#include "select.h"

#define TAG_SHIFT    40
#define SERVER_SHIFT 24
#define END_MASK     0xffffffu

static_assert(SHUNT_MAX_SERVERS == 1u << (TAG_SHIFT - SERVER_SHIFT), "an id fits");
static_assert(sizeof(((struct persist_table *)0)->words[0]) == SHUNT_CACHE_LINE, "one line");

struct persist_table *
persist_create(uint64_t seed)
{
	struct persist_table *table = mem_alloc(sizeof(*table));

	if (!table)
		return NULL;
	table->references = 1;
	table->seed = seed;
	return table;
}

void
persist_destroy(struct persist_table *table)
{
	if (table && --table->references == 0)
		mem_free(table);
}

uint64_t
persist_hash(const struct persist_table *table, const struct gen_backend *backend,
	const uint8_t *client, uint8_t version)
{
	struct shunt_addr network = select_address(client, version);
	uint64_t words[2], hash;

	shunt_selection_network(
		&network, 32u - backend->persist_prefix4, 128u - backend->persist_prefix6);
	memcpy(words, &network, sizeof(words));
	hash = mix_fold(
		words[0] ^ table->seed ^ 0xa0761d6478bd642full, words[1] ^ 0x9e3779b97f4a7c15ull);
	return mix_fold(hash ^ backend->id, table->seed ^ 0xe7037ed1a0b428dbull);
}

static inline uint64_t *
bucket_of(const struct persist_table *table, uint64_t hash)
{
	/* Workers write to it; that it is const here says that the table itself stays. */
	return (uint64_t *)(uintptr_t)table->words[hash % PERSIST_BUCKETS];
}

static inline uint64_t
load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint32_t
server_of(uint64_t word)
{
	return (uint16_t)(word >> SERVER_SHIFT);
}

/* Ticks that it still has, modulo 2^24 as they are kept: at most half of that, or it has ended. */
static inline uint32_t
left_of(uint64_t word, uint32_t now)
{
	uint32_t left = ((uint32_t)word - now) & END_MASK;

	return server_of(word) && left <= END_MASK / 2 ? left : 0;
}

uint32_t
persist_find(const struct persist_table *table, uint64_t hash, uint32_t now)
{
	const uint64_t *bucket = bucket_of(table, hash);

	for (unsigned int i = 0; i < PERSIST_PER_BUCKET; i++) {
		uint64_t word = load(&bucket[i]);

		if (word >> TAG_SHIFT == hash >> TAG_SHIFT && left_of(word, now))
			return server_of(word);
	}
	return 0;
}

void
persist_put(
	struct persist_table *table, uint64_t hash, uint32_t server, uint32_t now, uint32_t ticks)
{
	uint64_t *bucket = bucket_of(table, hash), *place = bucket;
	uint32_t least = UINT32_MAX;

	for (unsigned int i = 0; i < PERSIST_PER_BUCKET; i++) {
		uint64_t word = load(&bucket[i]);
		uint32_t left = left_of(word, now);

		if (word >> TAG_SHIFT == hash >> TAG_SHIFT && server_of(word)) {
			place = &bucket[i];
			break;
		}
		if (left < least) {
			place = &bucket[i];
			least = left;
		}
	}
	__atomic_store_n(place,
		hash >> TAG_SHIFT << TAG_SHIFT | (uint64_t)server << SERVER_SHIFT |
			((now + ticks) & END_MASK),
		__ATOMIC_RELAXED);
}
