/* SPDX-License-Identifier: BSD-3-Clause */
/* Token buckets, and the table of client networks: counts, makes room, under a flood too. */
#include <pthread.h>
#include <stdlib.h>

#include "source_table.h"
#include "unit.h"

#define HZ	1000000000ull
#define MS	(HZ / 1000)
#define START	(1000 * HZ)
#define NETWORK 0xc0000201u /* 192.0.2.1 */

static const uint64_t seed[2] = { 11, 22 };

/* One limit, number 1 of 1, with id 1. */
static struct gen_limits *
make_limits(uint32_t maxconn, uint32_t rate, uint32_t burst)
{
	struct gen_limits *limits = calloc(1, sizeof(*limits) + 2 * sizeof(limits->limit[0]));
	struct gen_limit *l = &limits->limit[1];

	limits->end = 2;
	limits->last_number = 1;
	l->exists = true;
	l->source_maxconn = maxconn;
	l->source_rate = gcra_make(HZ, rate, burst);
	l->source_number = 1;
	l->source_bits[0] = 128;
	l->source_bits[1] = 64;
	l->session_weight = maxconn ? GEN_LIMIT_FULL / maxconn : 1;
	if (rate)
		l->clock_weight = ((uint64_t)GEN_LIMIT_FULL << 32) /
			(l->source_rate.tolerance + l->source_rate.period);
	return limits;
}

static struct source_key
key_of(uint32_t address)
{
	const uint8_t v4[4] = { (uint8_t)(address >> 24), (uint8_t)(address >> 16),
		(uint8_t)(address >> 8), (uint8_t)address };

	return (struct source_key){ .network = shunt_addr_from_v4(v4), .number = 1, .limit = 1 };
}

/* Of a second's worth of attempts each millisecond, exactly burst and rate pass. */
static void
test_gcra(void)
{
	static const struct {
		uint32_t rate, burst;
	} cases[] = { { 1, 1 }, { 7, 3 }, { 10, 10 }, { 100, 1 }, { 1000, 50 } };

	for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		struct gcra g = gcra_make(HZ, cases[c].rate, cases[c].burst);
		uint64_t full = 0;
		uint32_t passed = 0;

		for (uint64_t t = 0; t < 10 * HZ; t += MS / 4) {
			bool has = gcra_has(&g, &full, START + t);

			CU_ASSERT_EQUAL_FATAL(gcra_take(&g, &full, START + t), has);
			passed += has;
		}
		/* Those of the first moment, and what has come since: 10 s less a quarter ms. */
		CU_ASSERT(passed <= cases[c].burst + 10 * cases[c].rate);
		CU_ASSERT(passed >= cases[c].burst + 10 * cases[c].rate - 1);
	}
}

/* Idle, a bucket fills up to burst and no further; a token given back is there again. */
static void
test_gcra_fills(void)
{
	struct gcra g = gcra_make(HZ, 10, 5);
	uint64_t full = 0, now = START;

	for (int round = 0; round < 3; round++, now += 100 * HZ) {
		for (int i = 0; i < 5; i++)
			CU_ASSERT_TRUE(gcra_take(&g, &full, now));
		CU_ASSERT_FALSE(gcra_take(&g, &full, now));
		gcra_give_back(&g, &full);
		CU_ASSERT_TRUE(gcra_take(&g, &full, now));
		CU_ASSERT_FALSE(gcra_take(&g, &full, now + HZ / 10 - 1));
		CU_ASSERT_TRUE(gcra_take(&g, &full, now + HZ / 10));
	}
}

/* A reload from one a second to a thousand must not have to wait for the old bucket to fill. */
static void
test_gcra_change(void)
{
	struct gcra slow = gcra_make(HZ, 1, 1000), fast = gcra_make(HZ, 1000, 10);
	uint64_t full = 0;

	for (int i = 0; i < 1000; i++)
		CU_ASSERT_TRUE(gcra_take(&slow, &full, START));
	CU_ASSERT_FALSE(gcra_take(&fast, &full, START));
	CU_ASSERT_TRUE(gcra_take(&fast, &full, START + MS));
	/* A clock that is a turn behind is no reason to fill it up. */
	full = START + fast.tolerance + fast.period;
	CU_ASSERT_FALSE(gcra_take(&fast, &full, START - MS));
	CU_ASSERT_FALSE(gcra_take(&fast, &full, START));
}

static void
test_maxconn(void)
{
	struct gen_limits *limits = make_limits(3, 0, 0);
	struct source_table *t = source_table_create(1024, HZ, seed);
	struct source_key key = key_of(NETWORK), other = key_of(NETWORK + 1);
	uint64_t evicted = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			CU_ASSERT_EQUAL(source_table_begin(t, limits, &key, false, START, &evicted),
				SOURCE_COUNTED);
		CU_ASSERT_EQUAL(
			source_table_ask(t, &limits->limit[1], &key, START), SOURCE_OVER_MAXCONN);
		CU_ASSERT_EQUAL(source_table_begin(t, limits, &key, false, START, &evicted),
			SOURCE_OVER_MAXCONN);
		CU_ASSERT_EQUAL(source_table_begin(t, limits, &other, false, START, &evicted),
			SOURCE_COUNTED);
		source_table_end(t, &other);
		/* In the place of another one there is room. */
		CU_ASSERT_EQUAL(
			source_table_begin(t, limits, &key, true, START, &evicted), SOURCE_COUNTED);
		source_table_end(t, &key);
		CU_ASSERT_EQUAL(source_table_facts(t, &key, START).sessions, 3);
		source_table_end(t, &key);
		CU_ASSERT_EQUAL(
			source_table_ask(t, &limits->limit[1], &key, START), SOURCE_COUNTED);
		source_table_end(t, &key);
		source_table_end(t, &key);
		CU_ASSERT_EQUAL(source_table_facts(t, &key, START).sessions, 0);
		source_table_end(t, &key); /* never below */
		CU_ASSERT_EQUAL(source_table_facts(t, &key, START).sessions, 0);
	}
	CU_ASSERT_EQUAL(source_table_facts(t, &key, START).refused, 3);
	CU_ASSERT_EQUAL(source_table_facts(t, &other, START).refused, 0);
	CU_ASSERT_EQUAL(evicted, 0);
	source_table_destroy(t);
	free(limits);
}

static void
test_rate(void)
{
	struct gen_limits *limits = make_limits(0, 10, 5);
	struct source_table *t = source_table_create(1024, HZ, seed);
	struct source_key key = key_of(NETWORK);
	uint64_t evicted = 0, now = START;
	uint32_t counted = 0;

	for (int i = 0; i < 10000; i++, now += MS)
		counted +=
			source_table_begin(t, limits, &key, false, now, &evicted) == SOURCE_COUNTED;
	CU_ASSERT(counted >= 5 + 99 && counted <= 5 + 100);
	CU_ASSERT_EQUAL(source_table_facts(t, &key, now).sessions, counted);
	CU_ASSERT_EQUAL(source_table_facts(t, &key, now).refused, 10000 - counted);
	/* A thousand a second were tried. */
	CU_ASSERT(source_table_facts(t, &key, now).rate > 950);
	CU_ASSERT(source_table_facts(t, &key, now).rate < 1050);
	CU_ASSERT_EQUAL(source_table_facts(t, &key, now + 3 * HZ).rate, 0);
	/* A token of what came to nothing for another reason is given back. */
	now += 10 * HZ;
	for (int i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL(
			source_table_begin(t, limits, &key, false, now, &evicted), SOURCE_COUNTED);
		source_table_undo(t, &limits->limit[1], &key);
	}
	CU_ASSERT_EQUAL(source_table_facts(t, &key, now).sessions, counted);
	source_table_destroy(t);
	free(limits);
}

/*
 * A flood from random addresses, each with a session that does not end. Offenders at their limits
 * stay held back, and every honest client that comes meanwhile is let in.
 */
static void
flood(uint32_t maxconn, uint32_t rate, uint32_t burst)
{
	struct gen_limits *limits = make_limits(maxconn, rate, burst);
	struct source_table *t = source_table_create(8192, HZ, seed);
	uint64_t evicted = 0, now = START, random = 12345;
	uint32_t refused = 0, let_in = 0, honest = 0;

	for (uint32_t i = 0; i < 200000; i++, now += 10000) {
		struct source_key key;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		key = key_of((uint32_t)(random >> 32) | 1u << 31); /* none of those below */
		source_table_begin(t, limits, &key, false, now, &evicted);
		if (i % 20 == 0) {
			/* 50 offenders, by turns, each with 100 attempts a second */
			key = key_of(0x0a000000 + i / 20 % 50);
			if (source_table_begin(t, limits, &key, false, now, &evicted) ==
				SOURCE_COUNTED) {
				let_in++;
				if (!maxconn)
					source_table_end(t, &key);
			} else {
				refused++;
			}
		}
		if (i % 100 == 0) {
			key = key_of(0x0b000000 + i / 100);
			honest += source_table_begin(t, limits, &key, false, now, &evicted) <=
				SOURCE_LET_BY;
			source_table_end(t, &key);
		}
	}
	CU_ASSERT_EQUAL(honest, 2000);
	CU_ASSERT(evicted > 100000);
	/* 10000 attempts of theirs in two seconds; what they may is 50 times the limit. */
	if (maxconn)
		CU_ASSERT(let_in <= 50 * maxconn * 11 / 10);
	if (rate)
		CU_ASSERT(let_in <= 50 * (burst + 2 * rate) * 11 / 10);
	CU_ASSERT_EQUAL(let_in + refused, 10000);
	source_table_destroy(t);
	free(limits);
}

static void
test_flood(void)
{
	flood(10, 0, 0);
	flood(0, 10, 5);
	flood(0, 20, 20);
}

/* Idle networks make room first, then those of limits that are no more. */
static void
test_room(void)
{
	struct gen_limits *limits = make_limits(10, 0, 0);
	struct source_table *t = source_table_create(SOURCE_TABLE_WAYS, HZ, seed);
	uint64_t evicted = 0;

	for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
		struct source_key key = key_of(NETWORK + i);

		source_table_begin(t, limits, &key, false, START, &evicted);
	}
	for (uint32_t i = 0; i < 100; i++) {
		struct source_key key = key_of(NETWORK + 3), next = key_of(NETWORK + 100 + i);

		if (i == 0)
			source_table_end(t, &key);
		source_table_begin(t, limits, &next, false, START, &evicted);
		source_table_end(t, &next);
	}
	CU_ASSERT_EQUAL(evicted, 0);
	for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
		struct source_key key = key_of(NETWORK + i);

		CU_ASSERT_EQUAL(source_table_facts(t, &key, START).sessions, i != 3);
	}
	limits->limit[1].source_number = limits->last_number = 2;
	for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
		struct source_key key = key_of(NETWORK + i);

		key.number = 2;
		CU_ASSERT_EQUAL(source_table_begin(t, limits, &key, false, START, &evicted),
			SOURCE_COUNTED);
	}
	CU_ASSERT_EQUAL(evicted, 0);
	/* A worker that does not know of the new limit yet leaves its networks alone. */
	limits->limit[1].source_number = limits->last_number = 1;
	CU_ASSERT_EQUAL(
		source_table_begin(t, limits, &(struct source_key){ .number = 1, .limit = 1 },
			false, START, &evicted),
		SOURCE_LET_BY);
	source_table_destroy(t);
	free(limits);
}

static void
test_top(void)
{
	struct gen_limits *limits = make_limits(100, 0, 0);
	struct source_table *t = source_table_create(1024, HZ, seed);
	struct shunt_source_row rows[10];
	uint64_t evicted = 0;

	for (uint32_t i = 0; i < 50; i++) {
		struct source_key key = key_of(NETWORK + i);

		for (uint32_t n = 0; n <= i; n++)
			source_table_begin(t, limits, &key, false, START, &evicted);
	}
	CU_ASSERT_EQUAL_FATAL(source_table_top(t, limits, START, rows, 10), 10);
	for (uint32_t i = 0; i < 10; i++) {
		struct source_key key = key_of(NETWORK + 49 - i);

		CU_ASSERT_EQUAL(rows[i].sessions, 50 - i);
		CU_ASSERT_EQUAL(rows[i].limit, 1);
		CU_ASSERT_EQUAL(rows[i].bits, 32);
		CU_ASSERT_TRUE(shunt_addr_equal(&rows[i].network, &key.network));
	}
	CU_ASSERT_EQUAL(source_table_top(t, limits, START, rows, 0), 0);
	source_table_destroy(t);
	free(limits);
}

/* Threads as workers: nothing is lost, nothing is double, no limit is passed. */
struct crowd {
	struct gen_limits *limits;
	struct source_table *table;
	uint64_t live[64];
	uint64_t most;
	uint64_t let_by;
};

static void *
crowd_run(void *context)
{
	struct crowd *crowd = context;
	uint64_t evicted = 0, random = (uintptr_t)&evicted;

	for (int i = 0; i < 100000; i++) {
		struct source_key key;
		uint32_t who;
		uint64_t live;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		who = (random >> 33) % 64;
		key = key_of(NETWORK + who);
		switch (source_table_begin(
			crowd->table, crowd->limits, &key, false, START, &evicted)) {
		case SOURCE_COUNTED:
			live = __atomic_add_fetch(&crowd->live[who], 1, __ATOMIC_SEQ_CST);
			if (live > 2)
				__atomic_add_fetch(&crowd->most, 1, __ATOMIC_SEQ_CST);
			__atomic_sub_fetch(&crowd->live[who], 1, __ATOMIC_SEQ_CST);
			source_table_end(crowd->table, &key);
			break;
		case SOURCE_LET_BY:
			__atomic_add_fetch(&crowd->let_by, 1, __ATOMIC_SEQ_CST);
			break;
		default:
			break;
		}
	}
	return NULL;
}

static void
test_threads(void)
{
	/* Room for all of them: the table is large enough for any distribution of 64. */
	struct crowd crowd = { .limits = make_limits(2, 0, 0),
		.table = source_table_create(8192, HZ, seed) };
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, crowd_run, &crowd);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(crowd.most, 0);
	CU_ASSERT(crowd.let_by < 100);
	for (uint32_t i = 0; i < 64; i++) {
		struct source_key key = key_of(NETWORK + i);

		CU_ASSERT_EQUAL(source_table_facts(crowd.table, &key, START).sessions, 0);
	}
	source_table_destroy(crowd.table);
	free(crowd.limits);
}

/* The same where all fight for one set: counts may be lost with entries, but never stay. */
static void
test_threads_full(void)
{
	struct crowd crowd = { .limits = make_limits(2, 0, 0),
		.table = source_table_create(SOURCE_TABLE_WAYS, HZ, seed) };
	struct shunt_source_row rows[SOURCE_TABLE_WAYS];
	pthread_t threads[4];
	uint32_t count;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, crowd_run, &crowd);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	count = source_table_top(crowd.table, crowd.limits, START, rows, SOURCE_TABLE_WAYS);
	for (uint32_t i = 0; i < count; i++)
		CU_ASSERT_EQUAL(rows[i].sessions, 0);
	source_table_destroy(crowd.table);
	free(crowd.limits);
}

static const struct unit_test tests[] = {
	{ "token bucket", test_gcra },
	{ "token bucket fills", test_gcra_fills },
	{ "token bucket of another rate", test_gcra_change },
	{ "sessions of a network", test_maxconn },
	{ "rate of a network", test_rate },
	{ "flood from false addresses", test_flood },
	{ "who makes room", test_room },
	{ "nearest to their limits", test_top },
	{ "threads", test_threads },
	{ "threads in one set", test_threads_full },
};

UNIT_MAIN("source_table", tests)
