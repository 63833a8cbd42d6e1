/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow table: random traces against a reference, and what happens at its limits. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "flow_reference.h"
#include "unit.h"

static const uint64_t seed_a[2] = { 1, 2 };
static const uint64_t seed_b[2] = { 0x243f6a8885a308d3, 0x13198a2e03707344 };

/* One random thing. */
static void
reference_step(struct reference *r)
{
	uint32_t what = random_below(1000), i = random_below(KEYS);
	uint64_t *flow, gone = r->gone;

	if (what == 0) {
		r->tick += random_below(4);
	} else if (what == 1) {
		unsigned int freed = flow_sweep(r->table, random_below(300), r->tick);

		r->errors += freed != r->gone - gone;
	} else if (what == 2 && random_below(20) == 0) {
		/* A service goes, and comes back with the next one. */
		reference_set_timeouts(r);
		memset(&r->timeouts[1 + random_below(4)], 0, sizeof(r->timeouts[0]));
	} else {
		flow = reference_lookup(r, i);
		if (!flow)
			reference_insert(r, i);
		else if (what & 1)
			reference_touch(r, i, flow);
	}
}

static void
test_trace(void)
{
	/* Room for a few, for less than half, and for all keys. */
	static const uint32_t capacities[] = { 40, 1800, KEYS / 2 };

	for (size_t c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++) {
		struct reference *r = reference_create(capacities[c]);
		uint32_t turns = 0;

		r->tick = 65000;
		for (uint32_t step = 0; step < 500000; step++) {
			uint16_t before = r->tick;

			reference_step(r);
			turns += r->tick < before;
			if (step % 10000 == 0)
				reference_check_all(r);
		}
		reference_check_all(r);
		CU_ASSERT_EQUAL(r->errors, 0);
		CU_ASSERT_TRUE(turns > 0); /* the tick went round */
		CU_ASSERT_TRUE(r->gone > 1000);
		reference_destroy(r);
	}
}

static void
test_create(void)
{
	struct flow_table *table;

	CU_ASSERT_PTR_NULL(flow_table_create(0, seed_a));
	CU_ASSERT_PTR_NULL(flow_table_create(FLOW_MAX_CAPACITY + 1, seed_a));
	CU_ASSERT_PTR_NULL(flow_table_create(UINT32_MAX, seed_a));
	flow_table_destroy(NULL);
	for (uint32_t capacity = 1; capacity < 5000; capacity = capacity * 3 + 1) {
		table = flow_table_create(capacity, seed_a);
		CU_ASSERT_PTR_NOT_NULL_FATAL(table);
		CU_ASSERT_EQUAL(flow_capacity(table), 2 * (uint64_t)capacity);
		CU_ASSERT_EQUAL(flow_count(table), 0);
		flow_table_destroy(table);
	}
}

static void
test_memory_per_flow(void)
{
	static const uint32_t capacities[] = { 10000, 65536, 1000000 };

	for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
		struct flow_table *table = flow_table_create(capacities[i], seed_a);

		CU_ASSERT_PTR_NOT_NULL_FATAL(table);
		CU_ASSERT_TRUE(flow_bytes(table, 4) <= 27 * (uint64_t)capacities[i]);
		CU_ASSERT_TRUE(flow_bytes(table, 6) <= 45 * (uint64_t)capacities[i]);
		/* No more than the cap's share of the slots is ever used. */
		CU_ASSERT_TRUE(flow_bytes(table, 4) / 16 * FLOW_MAX_LOAD_PERCENT >=
			100 * (uint64_t)capacities[i]);
		CU_ASSERT_TRUE(flow_bytes(table, 6) / 32 * FLOW_MAX_LOAD_PERCENT_V6 >=
			100 * (uint64_t)capacities[i]);
		flow_table_destroy(table);
	}
}

static void
test_refused(void)
{
	struct flow_table *table = flow_table_create(10, seed_a);
	struct flow_key key = { .version = 4 };

	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	for (int version = 4; version <= 6; version += 2) {
		key = (struct flow_key){ .version = version };
		/* The key of all zeros is what free slots hold. */
		CU_ASSERT_PTR_NULL(flow_lookup(table, &key, 0));
		CU_ASSERT_EQUAL(flow_peek(table, &key, 0), 0);
		CU_ASSERT_PTR_NULL(flow_insert(table, &key, flow_value(1, FLOW_SYN, 0, 0), 0));
		key.service = FLOW_CLAIM + 1;
		CU_ASSERT_PTR_NULL(flow_insert(table, &key, flow_value(1, FLOW_SYN, 0, 0), 0));
		key.service = SHUNT_MAX_SERVICES - 1;
		CU_ASSERT_PTR_NULL(flow_insert(table, &key, flow_value(1, FLOW_FREE, 0, 0), 0));
		CU_ASSERT_PTR_NOT_NULL(flow_insert(table, &key, flow_value(1, FLOW_SYN, 0, 0), 0));
	}
	CU_ASSERT_EQUAL(flow_count(table), 2);
	flow_table_destroy(table);
}

/* Fills one family to its cap; returns inserts that failed below it. */
static uint32_t
fill(struct flow_table *table, uint8_t version, uint32_t capacity, uint32_t first)
{
	uint32_t failed = 0;

	for (uint32_t i = first; i < first + capacity; i++) {
		struct flow_key key = key_of(i, version);

		if (!flow_insert(table, &key, flow_value(i, FLOW_SYN, 0, 0), 0))
			failed++;
	}
	return failed;
}

static uint32_t
count_right(struct flow_table *table, uint8_t version, uint32_t first, uint32_t n)
{
	uint32_t right = 0;

	for (uint32_t i = first; i < first + n; i++) {
		struct flow_key key = key_of(i, version);
		uint64_t *flow = flow_lookup(table, &key, 0);

		right += flow && *flow == flow_value(i, FLOW_SYN, 0, 0);
	}
	return right;
}

static void
test_fill_to_cap(void)
{
	static const uint32_t capacities[] = { 1, 2, 5, 17, 100, 300, 1000 };
	uint32_t tables = 0, short_of_cap = 0;

	for (uint32_t round = 0; round < 300; round++) {
		for (size_t c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++) {
			uint64_t seed[2] = { round, c };
			struct flow_table *table = flow_table_create(capacities[c], seed);

			CU_ASSERT_PTR_NOT_NULL_FATAL(table);
			short_of_cap += fill(table, 4, capacities[c], round * 1000) > 0;
			short_of_cap += fill(table, 6, capacities[c], round * 1000) > 0;
			tables += 2;
			flow_table_destroy(table);
		}
	}
	CU_ASSERT_TRUE(tables >= 4000);
	CU_ASSERT_TRUE((uint64_t)short_of_cap * 1000 <= tables);
}

static void
test_full(void)
{
	const uint32_t capacity = 200000;
	struct flow_table *table = flow_table_create(capacity, seed_b);

	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	for (uint8_t version = 4; version <= 6; version += 2) {
		CU_ASSERT_EQUAL(fill(table, version, capacity, 0), 0);
		/* Not one more, however often it is tried, and nobody is thrown out. */
		CU_ASSERT_EQUAL(fill(table, version, 10000, capacity), 10000);
		CU_ASSERT_EQUAL(count_right(table, version, 0, capacity), capacity);
		CU_ASSERT_EQUAL(count_right(table, version, capacity, 10000), 0);
	}
	CU_ASSERT_EQUAL(flow_count(table), flow_capacity(table));
	flow_table_destroy(table);
}

/* At the cap, an expired entry in the key's own buckets is free. */
static void
test_reuse_at_cap(void)
{
	struct reference *r = reference_create(500);
	uint32_t reused = 0;

	for (uint32_t i = 0; i < 1000; i++)
		reference_insert(r, i);
	CU_ASSERT_EQUAL(flow_count(r->table), 1000);
	r->tick = 1000;
	for (uint32_t i = 1000; i < 2000; i++) {
		reference_insert(r, i);
		reused += r->value[i] != 0;
	}
	CU_ASSERT_EQUAL(flow_count(r->table), 1000);
	CU_ASSERT_EQUAL(r->gone, reused);
	CU_ASSERT_TRUE(reused > 500);
	reference_check_all(r);
	CU_ASSERT_EQUAL(r->errors, 0);
	reference_destroy(r);
}

static void
count_gone(void *context, const struct flow_key *key, uint64_t value)
{
	(void)key;
	(void)value;
	++*(uint32_t *)context;
}

/* A key that is added while its own entry is there takes that entry's place, never a second one. */
static void
test_same_key(void)
{
	struct flow_timeouts *timeouts = calloc(SHUNT_MAX_SERVICES, sizeof(*timeouts));
	struct flow_table *table = flow_table_create(1000, seed_a);
	uint32_t gone = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(timeouts);
	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	flow_table_bind(table, timeouts, count_gone, &gone);
	for (uint8_t version = 4; version <= 6; version += 2) {
		for (int service = 1; service < SERVICES; service++)
			timeouts[service].ticks[FLOW_SYN] = 10;
		CU_ASSERT_EQUAL(fill(table, version, 1000, 0), 0);
		gone = 0;
		/* All live: full or not, the key's own place is there. */
		CU_ASSERT_EQUAL(fill(table, version, 1000, 0), 0);
		CU_ASSERT_EQUAL(gone, 1000);
		/* All expired: no timeout left. */
		memset(timeouts, 0, SHUNT_MAX_SERVICES * sizeof(*timeouts));
		CU_ASSERT_EQUAL(count_right(table, version, 0, 1000), 0);
		CU_ASSERT_EQUAL(fill(table, version, 1000, 0), 0);
		CU_ASSERT_EQUAL(flow_count(table), version == 4 ? 1000 : 2000);
		for (int service = 1; service < SERVICES; service++)
			timeouts[service].ticks[FLOW_SYN] = 10;
		CU_ASSERT_EQUAL(flow_sweep(table, UINT32_MAX, 0), 0);
	}
	flow_table_destroy(table);
	free(timeouts);
}

static void
test_expiry(void)
{
	struct flow_timeouts *timeouts = calloc(SHUNT_MAX_SERVICES, sizeof(*timeouts));
	struct flow_table *table = flow_table_create(10, seed_a);
	struct flow_key key = key_of(4, 4);
	uint32_t gone = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(timeouts);
	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	flow_insert(table, &key, flow_value(1, FLOW_UDP, 0, 65530), 65530);
	/* Not bound: nothing expires. */
	CU_ASSERT_PTR_NOT_NULL(flow_lookup(table, &key, 30000));
	CU_ASSERT_EQUAL(flow_sweep(table, 1000, 30000), 0);
	timeouts[key.service].ticks[FLOW_UDP] = 10;
	flow_table_bind(table, timeouts, count_gone, &gone);
	/* Across the turn of the tick: 65530 + 10 is 4. */
	CU_ASSERT_PTR_NOT_NULL(flow_lookup(table, &key, 65530));
	CU_ASSERT_PTR_NOT_NULL(flow_lookup(table, &key, 4));
	CU_ASSERT_NOT_EQUAL(flow_peek(table, &key, 4), 0);
	CU_ASSERT_EQUAL(flow_sweep(table, 1000, 4), 0);
	CU_ASSERT_PTR_NULL(flow_lookup(table, &key, 5));
	CU_ASSERT_EQUAL(flow_peek(table, &key, 5), 0);
	/* A reader whose clock is a little late sees the entry. */
	CU_ASSERT_NOT_EQUAL(flow_peek(table, &key, 65529), 0);
	/* Another state has no timeout at all; nor has the service when it is gone. */
	flow_set(flow_lookup(table, &key, 4), flow_value(1, FLOW_CLOSED, 0, 4));
	CU_ASSERT_PTR_NULL(flow_lookup(table, &key, 4));
	CU_ASSERT_EQUAL(flow_count(table), 1);
	CU_ASSERT_EQUAL(flow_sweep(table, 1000, 4), 1);
	CU_ASSERT_EQUAL(gone, 1);
	CU_ASSERT_EQUAL(flow_count(table), 0);
	CU_ASSERT_EQUAL(flow_sweep(table, 1000, 4), 0);
	/* Nobody need be told. */
	flow_insert(table, &key, flow_value(1, FLOW_UDP, 0, 4), 4);
	flow_table_bind(table, timeouts, NULL, NULL);
	CU_ASSERT_EQUAL(flow_sweep(table, 1000, 100), 1);
	flow_table_destroy(table);
	free(timeouts);
}

/* Small sweeps, one after the other, see every bucket of both families once a round. */
static void
test_sweep_round(void)
{
	struct reference *r = reference_create(KEYS / 2);
	uint64_t buckets = (flow_bytes(r->table, 4) + flow_bytes(r->table, 6)) / 64;
	uint32_t most = 0;

	for (uint32_t i = 0; i < KEYS; i++)
		reference_insert(r, i);
	flow_sweep(r->table, 1234, r->tick); /* begin somewhere */
	CU_ASSERT_EQUAL(r->gone, 0);
	r->tick = 1000;
	for (uint64_t seen = 0; seen < buckets; seen += 64) {
		unsigned int freed = flow_sweep(r->table, 64, r->tick);

		most = freed > most ? freed : most;
	}
	CU_ASSERT_TRUE(most <= 64 * 4);
	CU_ASSERT_EQUAL(r->gone, KEYS);
	CU_ASSERT_EQUAL(flow_count(r->table), 0);
	CU_ASSERT_EQUAL(r->errors, 0);
	CU_ASSERT_EQUAL(flow_sweep(r->table, 0, r->tick), 0);
	reference_destroy(r);
}

/*
 * A burst of random packets, known and unknown flows: of one family, or of both with dropped ones
 * between.
 */
static void
check_burst(struct reference *r, unsigned int n, bool mixed)
{
	static struct pkt pkts[200];
	static uint8_t clients[200][16];
	struct pkt *burst[200] = { NULL };
	uint64_t untouched;

	for (unsigned int j = 0; j < n; j++) {
		struct flow_key key =
			reference_key(random_below(KEYS / 2) * 2 + (n + mixed * j) % 2);

		memcpy(clients[j], key.address, 16);
		pkts[j] = (struct pkt){
			.drop = mixed && random_below(8) == 0 ? SHUNT_DROP_TTL : 0,
			.client_version = key.version,
			.service = mixed && random_below(8) == 0 ? 0 : key.service,
			.client_port_be = key.port_be,
			.client = clients[j],
			.flow = &untouched,
		};
		burst[j] = &pkts[j];
	}
	flow_lookup_burst(r->table, burst, n, r->tick);
	for (unsigned int j = 0; j < n; j++) {
		struct flow_key key;

		if (pkts[j].drop || !pkts[j].service) {
			r->errors += pkts[j].flow != &untouched;
			continue;
		}
		flow_key_of(&pkts[j], pkts[j].service, &key);
		r->errors += pkts[j].flow != flow_lookup(r->table, &key, r->tick);
	}
}

static void
test_burst(void)
{
	struct reference *r = reference_create(3000);

	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t step = 0; step < 500; step++)
			reference_step(r);
		for (unsigned int n = 0; n < 200; n += n < 70 ? 1 : 13)
			check_burst(r, n, round % 2);
	}
	CU_ASSERT_EQUAL(r->errors, 0);
	reference_destroy(r);
}

static void
test_key_of_packet(void)
{
	uint8_t client[16] = { 192, 0, 2, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	static const uint8_t zeros[12];
	struct pkt p = { .client_version = 4, .client = client, .client_port_be = 0x1234 };
	struct flow_key key;

	memset(&key, 0xff, sizeof(key));
	flow_key_of(&p, 77, &key);
	CU_ASSERT_EQUAL(memcmp(key.address, client, 4), 0);
	CU_ASSERT_EQUAL(memcmp(key.address + 4, zeros, 12), 0);
	CU_ASSERT_EQUAL(key.port_be, 0x1234);
	CU_ASSERT_EQUAL(key.service, 77);
	CU_ASSERT_EQUAL(key.version, 4);
	p.client_version = 6;
	flow_key_of(&p, 78, &key);
	CU_ASSERT_EQUAL(memcmp(key.address, client, 16), 0);
	CU_ASSERT_EQUAL(key.version, 6);
}

/*
 * Keys that all have both their buckets among the first four under one seed: that table must turn
 * most of them away (bounded, nothing lost), a table with another seed must not notice.
 */
static void
test_crafted_keys(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct flow_table *a = flow_table_create(1000, seed_a);
		struct flow_table *b = flow_table_create(1000, seed_b);
		struct flow_family *family;
		uint32_t found = 0, taken = 0, taken_b = 0;

		CU_ASSERT_PTR_NOT_NULL_FATAL(a);
		CU_ASSERT_PTR_NOT_NULL_FATAL(b);
		family = &a->family[version == 6 ? FLOW_V6 : FLOW_V4];
		for (uint32_t i = 0; found < 200 && i < 20000000; i++) {
			struct flow_key key = key_of(i, version);
			struct flow_words words = flow_words_of(&key);
			uint64_t hash = flow_hash(a->secret, family->slots, &words);
			uint64_t value = flow_value(i, FLOW_SYN, 0, 0);

			if (flow_first(family, hash) >= 4 || flow_second(family, hash) >= 4)
				continue;
			found++;
			taken += flow_insert(a, &key, value, 0) != NULL;
			taken_b += flow_insert(b, &key, value, 0) != NULL;
		}
		CU_ASSERT_EQUAL(found, 200);
		CU_ASSERT_EQUAL(taken, 4 * family->slots);
		CU_ASSERT_EQUAL(flow_count(a), taken);
		CU_ASSERT_EQUAL(taken_b, found);
		flow_table_destroy(a);
		flow_table_destroy(b);
	}
}

/* Nobody writes: the reader sees what the worker would. */
static void
test_peek(void)
{
	struct reference *r = reference_create(3000);

	for (uint32_t step = 0; step < 100000; step++)
		reference_step(r);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct flow_key key = reference_key(i);
		uint64_t *flow = flow_lookup(r->table, &key, r->tick);

		r->errors += flow_peek(r->table, &key, r->tick) != (flow ? *flow : 0);
	}
	CU_ASSERT_EQUAL(r->errors, 0);
	reference_destroy(r);
}

/* While entries are being changed, a reader takes nothing; afterwards it does again. */
static void
test_peek_change(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct flow_timeouts *timeouts = calloc(SHUNT_MAX_SERVICES, sizeof(*timeouts));
		struct flow_table *table = flow_table_create(100, seed_a);
		struct flow_key stays = key_of(0, version), goes = key_of(1, version);
		uint64_t value = flow_value(1, FLOW_SYN, 2, 0);

		CU_ASSERT_PTR_NOT_NULL_FATAL(timeouts);
		CU_ASSERT_PTR_NOT_NULL_FATAL(table);
		timeouts[stays.service].ticks[FLOW_SYN] = 10;
		flow_insert(table, &stays, value, 0);
		flow_insert(table, &goes, value, 0);
		CU_ASSERT_EQUAL(flow_peek(table, &stays, 0), value);
		flow_change_begin(table);
		CU_ASSERT_EQUAL(flow_peek(table, &stays, 0), 0);
		flow_change_end(table);
		CU_ASSERT_EQUAL(flow_peek(table, &stays, 0), value);
		flow_table_bind(table, timeouts, NULL, NULL);
		CU_ASSERT_EQUAL(flow_sweep(table, 1000, 0), 1);
		CU_ASSERT_EQUAL(flow_peek(table, &stays, 0), value);
		CU_ASSERT_EQUAL(flow_peek(table, &goes, 0), 0);
		flow_table_destroy(table);
		free(timeouts);
	}
}

#define PEEK_KEYS 256

struct peek_race {
	struct flow_table *table;
	struct flow_timeouts *timeouts;
	_Atomic uint16_t tick;
	atomic_bool done;
};

/* Says which key it belongs to, and is wrong if any of its parts is of another. */
static uint64_t
race_value(uint32_t i, uint16_t tick)
{
	return flow_value(i, FLOW_UDP, (uint16_t)((i * 40503u + tick) * 31421u), tick);
}

static void *
race_writer(void *context)
{
	struct peek_race *race = context;
	uint16_t tick = 0;

	for (uint32_t step = 0; step < 1500000; step++) {
		uint32_t i = random_below(PEEK_KEYS);
		struct flow_key key = reference_key(i);
		uint64_t *flow = flow_lookup(race->table, &key, tick);

		if (flow)
			flow_set(flow, race_value(i, tick));
		else
			flow_insert(race->table, &key, race_value(i, tick), tick);
		if (step % 64 == 0) {
			tick += 1 + random_below(4);
			atomic_store(&race->tick, tick);
			flow_sweep(race->table, 10, tick);
		}
	}
	atomic_store(&race->done, true);
	return NULL;
}

static void
test_peek_race(void)
{
	struct peek_race race = { .timeouts = calloc(SHUNT_MAX_SERVICES, sizeof(*race.timeouts)) };
	uint64_t seen = 0, wrong = 0;
	pthread_t writer;

	/* Of the keys, a few more than half are in the table at a time, and come and go. */
	race.table = flow_table_create(PEEK_KEYS / 3, seed_a);
	CU_ASSERT_PTR_NOT_NULL_FATAL(race.timeouts);
	CU_ASSERT_PTR_NOT_NULL_FATAL(race.table);
	for (int service = 1; service < SERVICES; service++)
		race.timeouts[service].ticks[FLOW_UDP] = 4;
	flow_table_bind(race.table, race.timeouts, NULL, NULL);
	random_state = 0x853c49e6748fea9bull;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&writer, NULL, race_writer, &race), 0);
	for (uint32_t i = 0; !atomic_load(&race.done); i = (i + 1) % PEEK_KEYS) {
		struct flow_key key = reference_key(i);
		uint64_t value = flow_peek(race.table, &key, atomic_load(&race.tick));

		seen += value != 0;
		wrong += value != 0 && value != race_value(i, flow_last_seen(value));
	}
	pthread_join(writer, NULL);
	CU_ASSERT_TRUE(seen > 100);
	CU_ASSERT_EQUAL(wrong, 0);
	flow_table_destroy(race.table);
	free(race.timeouts);
}

static const struct unit_test tests[] = {
	{ "create: limits", test_create },
	{ "memory per flow", test_memory_per_flow },
	{ "keys and values that are refused", test_refused },
	{ "random traces against a reference", test_trace },
	{ "can be filled to the cap", test_fill_to_cap },
	{ "full: nobody in, nobody out", test_full },
	{ "full: expired entries are free", test_reuse_at_cap },
	{ "a key is never there twice", test_same_key },
	{ "expiry, across the turn of the tick", test_expiry },
	{ "sweep: every bucket once a round", test_sweep_round },
	{ "burst lookup equals single lookup", test_burst },
	{ "key of a packet", test_key_of_packet },
	{ "crafted keys under another seed", test_crafted_keys },
	{ "peek: nobody writes", test_peek },
	{ "peek: in the middle of a change", test_peek_change },
	{ "peek: while the worker writes", test_peek_race },
};

UNIT_MAIN("flow", tests)
