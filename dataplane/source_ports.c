/* SPDX-License-Identifier: BSD-3-Clause */
#include "source_ports.h"

#include <stdlib.h>

#include "mem.h"
#include "owner.h"

#define BUCKET_ENTRIES 2
/* Candidates whose buckets are fetched together. */
#define GROUP 8

static_assert(SOURCE_PORTS_TRIES % GROUP == 0, "whole groups");
/* 24.7 of the flow table (two 64-byte buckets hold eight flows) and 49.3 here. */
static_assert((64 / 4 + sizeof(struct source_port)) * 100 / SOURCE_PORTS_MAX_LOAD_PERCENT <= 77,
	"memory of an IPv4 flow");

struct bucket {
	struct source_port entries[BUCKET_ENTRIES];
};

static_assert(sizeof(struct bucket) == SHUNT_CACHE_LINE, "a reply costs one line");

/* The candidate that comes next for a server. */
struct cursor {
	uint16_t port;	/* from the slice's first on */
	uint8_t source; /* index into the backend's sources */
};

struct source_ports {
	uint64_t secret[4];
	struct bucket *buckets;
	uint32_t bucket_count;
	uint32_t live;
	uint32_t first_port;
	uint32_t slice;
	uint32_t sweep_bucket;
	struct cursor cursors[SHUNT_MAX_SERVERS]; /* by server id */
};

/* A candidate. */
struct candidate {
	uint64_t key;
	struct bucket *bucket;
};

/* Entries that may be taken from their holding. */
struct fallback {
	struct source_port *entry; /* NULL: none yet */
	uint64_t key;
	uint16_t age;
};

/* As in flow_table.h: keyed, and not linear in the key. */
static uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint32_t
bucket_count(uint32_t capacity)
{
	const uint64_t per_bucket = BUCKET_ENTRIES * SOURCE_PORTS_MAX_LOAD_PERCENT;

	return (uint32_t)(((uint64_t)capacity * 100 + per_bucket - 1) / per_bucket);
}

uint64_t
source_ports_bytes(uint32_t capacity)
{
	return sizeof(struct source_ports) +
		(uint64_t)bucket_count(capacity) * sizeof(struct bucket);
}

/* The first port that worker_owner() gives to a worker; one past the last for worker_count. */
static uint32_t
create_first_port(uint32_t worker, uint32_t worker_count)
{
	uint32_t port = SHUNT_MIN_SOURCE_PORT + worker * SOURCE_PORTS_COUNT / worker_count;

	while (port <= UINT16_MAX &&
		worker_owner(source_ports_owner_hash((uint16_t)port), worker_count) < worker)
		port++;
	return port;
}

struct source_ports *
source_ports_create(
	uint32_t capacity, uint32_t worker, uint32_t worker_count, const uint64_t seed[2])
{
	struct source_ports *t;
	uint64_t even = seed[0], odd = ~seed[1];

	if (capacity == 0 || worker >= worker_count)
		return NULL;
	t = mem_alloc(sizeof(*t));
	if (!t)
		return NULL;
	t->bucket_count = bucket_count(capacity);
	t->buckets = mem_alloc((size_t)t->bucket_count * sizeof(*t->buckets));
	if (!t->buckets) {
		source_ports_destroy(t);
		return NULL;
	}
	t->secret[0] = next_random(&even);
	t->secret[1] = next_random(&odd) | 1;
	t->secret[2] = next_random(&even);
	t->secret[3] = next_random(&odd) | 1;
	t->first_port = create_first_port(worker, worker_count);
	t->slice = create_first_port(worker + 1, worker_count) - t->first_port;
	for (uint32_t i = 0; i < SHUNT_MAX_SERVERS; i++)
		t->cursors[i].port = ((next_random(&even) >> 32) * t->slice) >> 32;
	return t;
}

void
source_ports_destroy(struct source_ports *t)
{
	if (!t)
		return;
	mem_free(t->buckets);
	mem_free(t);
}

uint32_t
source_ports_live(const struct source_ports *t)
{
	return t->live;
}

uint32_t
source_ports_slice(const struct source_ports *t)
{
	return t->slice;
}

uint16_t
source_ports_first_port(const struct source_ports *t)
{
	return (uint16_t)t->first_port;
}

uint64_t
source_ports_tag(const struct source_ports *t, const uint8_t *address, uint8_t version,
	uint16_t port_be, uint8_t protocol)
{
	uint64_t words[2] = { 0 }, h;

	memcpy(words, address, version == 4 ? 4 : 16);
	h = fold(words[0] ^ t->secret[2], words[1] ^ t->secret[1]);
	h = fold(h ^ port_be ^ (uint64_t)protocol << 16 ^ (uint64_t)version << 24, t->secret[3]);
	return h >> 24;
}

static uint64_t
key_of(uint64_t tag, uint8_t source, uint16_t port)
{
	return tag << 24 | (uint64_t)source << 16 | port;
}

static struct bucket *
bucket_of(const struct source_ports *t, uint64_t key)
{
	uint64_t h = fold(fold(key ^ t->secret[0], t->secret[1]) ^ t->secret[2], t->secret[3]);

	return &t->buckets[((h >> 32) * t->bucket_count) >> 32];
}

const void *
source_ports_place(const struct source_ports *t, uint64_t tag, uint8_t source, uint16_t port)
{
	return bucket_of(t, key_of(tag, source, port));
}

struct source_port *
source_ports_find(struct source_ports *t, uint64_t tag, uint8_t source, uint16_t port)
{
	uint64_t key = key_of(tag, source, port);
	struct bucket *bucket = bucket_of(t, key);

	for (unsigned int i = 0; i < BUCKET_ENTRIES; i++) {
		if (bucket->entries[i].key == key)
			return bucket->entries[i].service ? &bucket->entries[i] : NULL;
	}
	return NULL;
}

static bool
is_held_long_enough(const struct source_port *e, uint16_t tick)
{
	return (uint16_t)(tick - e->since) > SOURCE_PORTS_HOLD_TICKS;
}

static void
consider(struct fallback *f, struct source_port *e, uint64_t key, uint16_t tick)
{
	uint16_t age = tick - e->since;

	if (f->entry && f->age >= age)
		return;
	*f = (struct fallback){ .entry = e, .key = key, .age = age };
}

/* The place for a candidate, or NULL; then what its bucket holds may be a fallback. */
static struct source_port *
place_for(const struct candidate *c, struct fallback *fallback, uint16_t tick)
{
	struct source_port *place = NULL;

	for (unsigned int i = 0; i < BUCKET_ENTRIES; i++) {
		struct source_port *e = &c->bucket->entries[i];
		bool usable = e->key == 0 || (!e->service && is_held_long_enough(e, tick));

		if (e->key == c->key) {
			if (!usable && !e->service)
				consider(fallback, e, c->key, tick);
			return usable ? e : NULL;
		}
		if (usable)
			place = e;
	}
	for (unsigned int i = 0; !place && i < BUCKET_ENTRIES; i++) {
		if (!c->bucket->entries[i].service)
			consider(fallback, &c->bucket->entries[i], c->key, tick);
	}
	return place;
}

/* The next candidate of a server: each port with all sources, then the next port. */
static struct candidate
next_candidate(const struct source_ports *t, uint64_t tag, struct cursor *cursor,
	const uint8_t *sources, unsigned int source_count)
{
	struct candidate c;

	if (cursor->source >= source_count) {
		cursor->source = 0;
		cursor->port++;
	}
	if (cursor->port >= t->slice)
		cursor->port = 0;
	c.key = key_of(tag, sources[cursor->source++], (uint16_t)(t->first_port + cursor->port));
	c.bucket = bucket_of(t, c.key);
	__builtin_prefetch(c.bucket);
	return c;
}

static struct source_port *
fill(struct source_ports *t, struct source_port *place, uint64_t key,
	const struct source_port *flow)
{
	*place = *flow;
	place->key = key;
	t->live++;
	return place;
}

struct source_port *
source_ports_take(struct source_ports *t, uint64_t tag, uint32_t server, const uint8_t *sources,
	unsigned int source_count, const struct source_port *flow, uint16_t tick)
{
	struct cursor *cursor = &t->cursors[server & (SHUNT_MAX_SERVERS - 1)];
	struct candidate group[GROUP];
	struct cursor behind[GROUP];
	struct fallback fallback = { 0 };

	if (source_count == 0 || t->slice == 0 || flow->service == 0)
		return NULL;
	for (unsigned int tries = 0; tries < SOURCE_PORTS_TRIES; tries += GROUP) {
		struct cursor next = *cursor;

		for (unsigned int i = 0; i < GROUP; i++) {
			group[i] = next_candidate(t, tag, &next, sources, source_count);
			behind[i] = next;
		}
		for (unsigned int i = 0; i < GROUP; i++) {
			struct source_port *place = place_for(&group[i], &fallback, tick);

			*cursor = behind[i];
			if (place)
				return fill(t, place, group[i].key, flow);
		}
	}
	return fallback.entry ? fill(t, fallback.entry, fallback.key, flow) : NULL;
}

void
source_ports_release(struct source_ports *t, struct source_port *entry, bool hold, uint16_t since)
{
	t->live--;
	entry->service = 0;
	entry->since = since;
	if (!hold)
		entry->key = 0;
}

void
source_ports_sweep(struct source_ports *t, unsigned int buckets,
	bool (*lives)(void *context, const struct source_port *entry, uint16_t tick), void *context,
	uint16_t tick)
{
	for (unsigned int n = 0; n < buckets; n++) {
		struct bucket *bucket = &t->buckets[t->sweep_bucket];

		for (unsigned int i = 0; i < BUCKET_ENTRIES; i++) {
			struct source_port *e = &bucket->entries[i];

			if (e->key && e->service && !lives(context, e, tick))
				source_ports_release(t, e, true, tick);
			else if (e->key && !e->service && is_held_long_enough(e, tick))
				e->key = 0;
		}
		if (++t->sweep_bucket == t->bucket_count)
			t->sweep_bucket = 0;
	}
}
