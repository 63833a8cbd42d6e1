/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plain reference for the flow table: an array by key number, told what is in the table by
 * inserts and by gone(). Values name their key (the server id is the key's number), so that a
 * value in the wrong place is seen at once. Every difference counts as an error.
 */
#ifndef TESTS_FLOW_REFERENCE_H
#define TESTS_FLOW_REFERENCE_H

#include <stdlib.h>

#include "flow_table.h"

#define KEYS	 8000 /* of the reference; odd ones are IPv6 */
#define SERVICES 5    /* 1 .. 4 are used */

struct reference {
	struct flow_table *table;
	struct flow_timeouts timeouts[SHUNT_MAX_SERVICES];
	uint64_t value[KEYS]; /* 0: not in the table */
	uint32_t count[2];    /* IPv4, IPv6 */
	uint64_t gone;	      /* calls */
	uint64_t errors;
	uint16_t tick;
};

static uint64_t random_state;

/* xorshift64* (Vigna, 2016): the same trace in every run. */
static inline uint32_t
random_below(uint32_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return ((random_state * 0x2545f4914f6cdd1dull >> 32) * limit) >> 32;
}

/*
 * Key number i: no two are the same, but there are always others that differ only in the family,
 * the port, the service, a part of the address or (with wide keys) the extra word.
 */
static inline struct flow_key
key_of(uint32_t i, uint8_t version)
{
	struct flow_key key = {
		.port_be = (i >> 2) % 4,
		.service = 1 + i % 4,
		.version = version,
	};
	uint32_t client = (i >> 4) * 0x9e3779b1u;

	memcpy(key.address, &client, 4);
	if (version == 6) {
		memset(key.address, 0, 16);
		memcpy(&key.address[(i >> 4) % 10], &client, 4);
		client = i >> 4;
		key.address[13] ^= (uint8_t)(client >> 16);
		key.address[14] ^= (uint8_t)(client >> 8);
		key.address[15] ^= (uint8_t)client;
		/* Half as many ports, and each with two extra words. */
		key.port_be = (i >> 3) % 2;
		key.extra = (i >> 2) % 2 * 0x10000001u;
	}
	return key;
}

static inline struct flow_key
reference_key(uint32_t i)
{
	return key_of(i / 2, i % 2 ? 6 : 4);
}

static inline bool
reference_expired(const struct reference *r, uint32_t i)
{
	uint16_t age = r->tick - flow_last_seen(r->value[i]);
	uint16_t limit = r->timeouts[reference_key(i).service].ticks[flow_state(r->value[i])];

	return limit == 0 || age > limit;
}

static inline void
reference_gone(void *context, const struct flow_key *key, uint64_t value)
{
	struct reference *r = context;
	uint32_t i = flow_server(value);
	struct flow_key expected = reference_key(i < KEYS ? i : 0);

	r->gone++;
	if (i >= KEYS || r->value[i] != value || expected.service != key->service ||
		expected.port_be != key->port_be || expected.version != key->version ||
		memcmp(expected.address, key->address, sizeof(key->address)) != 0 ||
		!reference_expired(r, i)) {
		r->errors++;
		return;
	}
	r->value[i] = 0;
	r->count[i % 2]--;
}

static inline void
reference_set_timeouts(struct reference *r)
{
	for (int i = 1; i < SERVICES; i++) {
		for (int state = 1; state < 8; state++)
			r->timeouts[i].ticks[state] = 1 + i * 10 + state;
	}
}

static inline struct reference *
reference_create(uint32_t capacity)
{
	static const uint64_t seed[2] = { 3, 4 };
	struct reference *r = calloc(1, sizeof(*r));

	random_state = 0x853c49e6748fea9bull;
	if (r)
		r->table = flow_table_create(capacity, seed);
	if (!r || !r->table)
		abort();
	reference_set_timeouts(r);
	flow_table_bind(r->table, r->timeouts, reference_gone, r);
	return r;
}

static inline void
reference_destroy(struct reference *r)
{
	flow_table_destroy(r->table);
	free(r);
}

/* What the table says of key i must be what the reference says. Returns the value's place. */
static inline uint64_t *
reference_lookup(struct reference *r, uint32_t i)
{
	struct flow_key key = reference_key(i);
	uint64_t *flow = flow_lookup(r->table, &key, r->tick);
	bool live = r->value[i] && !reference_expired(r, i);

	r->errors += live != (flow != NULL);
	if (flow && live)
		r->errors += *flow != r->value[i];
	return live ? flow : NULL;
}

static inline void
reference_touch(struct reference *r, uint32_t i, uint64_t *flow)
{
	r->value[i] = flow_value(i, 1 + random_below(6), random_below(65536), r->tick);
	flow_set(flow, r->value[i]);
}

static inline void
reference_insert(struct reference *r, uint32_t i)
{
	struct flow_key key = reference_key(i);
	uint64_t value = flow_value(i, 1 + random_below(6), random_below(65536), r->tick);
	bool at_cap = r->count[i % 2] == flow_capacity(r->table) / 2;
	uint64_t gone = r->gone;
	uint64_t *flow = flow_insert(r->table, &key, value, r->tick);

	if (!flow) {
		r->errors += !at_cap;
		return;
	}
	r->errors += *flow != value;
	r->errors += r->value[i] != 0; /* an expired entry of its own must have gone */
	r->errors += r->gone - gone > 1;
	r->errors += at_cap && r->gone == gone;
	r->value[i] = value;
	r->count[i % 2]++;
}

static inline void
reference_check_all(struct reference *r)
{
	for (uint32_t i = 0; i < KEYS; i++)
		reference_lookup(r, i);
	r->errors += flow_count(r->table) != r->count[0] + r->count[1];
	r->errors += r->table->family[FLOW_V4].count != r->count[0];
	r->errors += r->table->family[FLOW_V6].count != r->count[1];
}

#endif
