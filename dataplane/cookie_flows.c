/* SPDX-License-Identifier: BSD-3-Clause */
#include "cookie_flows.h"

#include "mem.h"
#include "mix.h"

#define MIN_CAPACITY 64

struct cookie_flows {
	uint64_t secret[4];
	struct cookie_flow *entries;
	uint32_t size;
	uint32_t capacity;
	uint32_t count;
};

static uint32_t
capacity_of(uint32_t flow_capacity)
{
	uint32_t capacity = flow_capacity / COOKIE_FLOWS_SHARE;

	return capacity < MIN_CAPACITY ? MIN_CAPACITY : capacity;
}

uint64_t
cookie_flows_bytes(uint32_t flow_capacity)
{
	return sizeof(struct cookie_flows) +
		2ull * capacity_of(flow_capacity) * sizeof(struct cookie_flow);
}

struct cookie_flows *
cookie_flows_create(uint32_t flow_capacity, const uint64_t seed[2])
{
	struct cookie_flows *t = mem_alloc(sizeof(*t));
	uint64_t even = ~seed[0], odd = seed[1];

	if (!t)
		return NULL;
	t->capacity = capacity_of(flow_capacity);
	t->size = 2 * t->capacity;
	t->entries = mem_alloc((size_t)t->size * sizeof(*t->entries));
	if (!t->entries) {
		mem_free(t);
		return NULL;
	}
	t->secret[0] = mix_next(&even);
	t->secret[1] = mix_next(&odd) | 1;
	t->secret[2] = mix_next(&even);
	t->secret[3] = mix_next(&odd) | 1;
	return t;
}

void
cookie_flows_destroy(struct cookie_flows *t)
{
	if (!t)
		return;
	mem_free(t->entries);
	mem_free(t);
}

uint32_t
cookie_flows_count(const struct cookie_flows *t)
{
	return t->count;
}

/* The key's part of an entry. */
static struct cookie_flow
entry_of(const struct flow_key *key)
{
	struct cookie_flow entry = {
		.client_port_be = key->port_be,
		.service = key->service,
		.extra = key->extra,
	};
	struct shunt_addr client;

	if (key->version == 4)
		client = shunt_addr_from_v4(key->address);
	else
		memcpy(client.bytes, key->address, sizeof(client.bytes));
	memcpy(entry.client, client.bytes, sizeof(entry.client));
	return entry;
}

static bool
is_same(const struct cookie_flow *a, const struct cookie_flow *b)
{
	return a->client_port_be == b->client_port_be && a->service == b->service &&
		a->extra == b->extra && memcmp(a->client, b->client, sizeof(a->client)) == 0;
}

static uint32_t
place_of(const struct cookie_flows *t, const struct cookie_flow *e)
{
	uint64_t words[2], h;

	memcpy(words, e->client, sizeof(words));
	h = mix_fold(words[0] ^ t->secret[0], words[1] ^ t->secret[1]);
	h ^= e->client_port_be | (uint64_t)e->service << 16 | (uint64_t)e->extra << 32;
	h = mix_fold(h ^ t->secret[2], t->secret[3]);
	return (uint32_t)(((h >> 32) * t->size) >> 32);
}

static struct cookie_flow *
nth(const struct cookie_flows *t, uint32_t place, uint32_t n)
{
	place += n;
	return &t->entries[place < t->size ? place : place - t->size];
}

static struct cookie_flow *
find(const struct cookie_flows *t, const struct cookie_flow *wanted)
{
	uint32_t place = place_of(t, wanted);

	for (uint32_t i = 0; i < COOKIE_FLOWS_TRIES; i++) {
		struct cookie_flow *e = nth(t, place, i);

		if (e->service && is_same(e, wanted))
			return e;
	}
	return NULL;
}

struct cookie_flow *
cookie_flows_find(struct cookie_flows *t, const struct flow_key *key)
{
	const struct cookie_flow wanted = entry_of(key);

	return find(t, &wanted);
}

struct cookie_flow *
cookie_flows_add(struct cookie_flows *t, const struct flow_key *key, const struct cookie_syn *syn)
{
	struct cookie_flow wanted = entry_of(key), *e = find(t, &wanted);
	uint32_t place = place_of(t, &wanted);

	wanted.syn = *syn;
	wanted.waiting = true;
	if (!e && t->count >= t->capacity)
		return NULL;
	for (uint32_t i = 0; !e && i < COOKIE_FLOWS_TRIES; i++) {
		if (nth(t, place, i)->service)
			continue;
		e = nth(t, place, i);
		t->count++;
	}
	if (e)
		*e = wanted;
	return e;
}

void
cookie_flows_remove(struct cookie_flows *t, const struct flow_key *key)
{
	struct cookie_flow *e = cookie_flows_find(t, key);

	if (!e)
		return;
	e->service = 0;
	t->count--;
}
