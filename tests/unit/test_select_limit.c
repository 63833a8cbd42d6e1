/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers that have no room, more than their part, or are warming up. */
#include <pthread.h>

#include "select_fixture.h"
#include "select_loads.h"

#define EQUAL(n) [0 ...(n) - 1] = 1

/* A flow that begins: a member, or -1 if there is no room. */
static int
begin(struct fixture *f, unsigned int worker)
{
	struct select_state *state = &f->states[worker];
	uint32_t server = select_server(state, f->generation, f->backend, &f->p);

	if (!server)
		return -1;
	if (state->reserved) {
		CU_ASSERT_EQUAL(state->reserved, server);
		state->reserved = 0;
	} else {
		++*sessions(f, worker, server - FIRST_SERVER);
	}
	return (int)(server - FIRST_SERVER);
}

static uint64_t
sum(struct fixture *f, uint32_t member)
{
	return select_sessions(&f->states[0], FIRST_SERVER + member);
}

/* Every algorithm fills all servers to the brim, over all workers, and then no more. */
static void
test_maxconn(void)
{
	static const uint32_t weights[] = { 1, 2, 30, 4 };
	static const uint32_t most[] = { 5, 1, 7, 20 };

	for (enum shunt_algorithm a = 0; a < SHUNT_ALGORITHM_COUNT; a++) {
		struct fixture *f = fixture_create(a, weights, 4, 64, 3);

		memcpy(f->maxconn, most, sizeof(most));
		publish(f, a, SHUNT_HASH_SOURCE, weights, 4, 64);
		for (uint32_t i = 0; i < 33; i++) {
			set_client(f, i);
			CU_ASSERT_NOT_EQUAL(begin(f, i % 3), -1);
		}
		for (uint32_t m = 0; m < 4; m++)
			CU_ASSERT_EQUAL(sum(f, m), most[m]);
		for (uint32_t i = 0; i < 100; i++) {
			set_client(f, i);
			CU_ASSERT_EQUAL(begin(f, i % 3), -1);
		}
		/* Whose place becomes free takes the next flow, of whichever worker. */
		for (uint32_t i = 0; i < 40; i++) {
			uint32_t m = i % 4, worker = 0;

			while (*sessions(f, worker, m) == 0)
				worker++;
			--*sessions(f, worker, m);
			set_client(f, i);
			CU_ASSERT_EQUAL(begin(f, (i + 1) % 3), (int)m);
		}
		fixture_destroy(f);
	}
}

/* A session that is counted and does not begin leaves no trace. */
static void
test_release(void)
{
	static const uint32_t weights[] = { EQUAL(2) };
	struct fixture *f = fixture_create(SHUNT_ROUNDROBIN, weights, 2, 16, 1);

	f->maxconn[0] = f->maxconn[1] = 1;
	publish(f, SHUNT_ROUNDROBIN, SHUNT_HASH_SOURCE, weights, 2, 16);
	for (uint32_t i = 0; i < 10; i++) {
		CU_ASSERT_NOT_EQUAL(
			select_server(&f->states[0], f->generation, f->backend, &f->p), 0);
		CU_ASSERT_EQUAL(sum(f, 0) + sum(f, 1), 1);
		select_release(&f->states[0]);
		CU_ASSERT_EQUAL(sum(f, 0) + sum(f, 1), 0);
		select_release(&f->states[0]);
		CU_ASSERT_EQUAL(sum(f, 0) + sum(f, 1), 0);
	}
	fixture_destroy(f);
}

struct racer {
	struct fixture *f;
	unsigned int worker;
	uint64_t beyond; /* times that more sessions than allowed were there */
	uint64_t taken;
};

#define RACE_MOST 3

static void *
race(void *argument)
{
	struct racer *r = argument;
	struct select_state *state = &r->f->states[r->worker];
	uint64_t *own = sessions(r->f, r->worker, 0);
	uint64_t mine = 0;

	for (uint32_t i = 0; i < 300000; i++) {
		if (select_reserve(state, &r->f->backend->members[0])) {
			state->reserved = 0;
			mine++;
			r->taken++;
		}
		/* What is held, not what is being tried, may not be too much: see the sum below. */
		if (mine > RACE_MOST)
			r->beyond++;
		if (mine > 1 || i % 3 == 0) {
			__atomic_store_n(own, *own - mine, __ATOMIC_RELAXED);
			mine = 0;
		}
	}
	__atomic_store_n(own, *own - mine, __ATOMIC_RELAXED);
	return NULL;
}

/* Two workers at once: the last place is never given twice, and none is lost. */
static void
test_race(void)
{
	static const uint32_t weights[] = { 1 };
	struct fixture *f = fixture_create(SHUNT_SOURCE, weights, 1, 16, 2);
	struct racer racers[2] = { { .f = f, .worker = 0 }, { .f = f, .worker = 1 } };
	pthread_t threads[2];

	f->maxconn[0] = RACE_MOST;
	publish(f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, weights, 1, 16);
	for (unsigned int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(racers[i].beyond, 0);
		CU_ASSERT(racers[i].taken > 1000);
	}
	CU_ASSERT_EQUAL(sum(f, 0), 0);
	for (unsigned int i = 0; i < RACE_MOST; i++)
		CU_ASSERT_NOT_EQUAL(begin(f, i & 1), -1);
	CU_ASSERT_EQUAL(begin(f, 0), -1);
	CU_ASSERT_EQUAL(begin(f, 1), -1);
	fixture_destroy(f);
}

/* With "reject" a client is refused by its own server and by no other. */
static void
test_reject(void)
{
	static const uint32_t weights[] = { EQUAL(4) };
	struct fixture *f = fixture_create(SHUNT_SOURCE, weights, 4, 64, 1);
	uint32_t refused = 0;
	int before[200];

	for (uint32_t i = 0; i < 200; i++) {
		set_client(f, i);
		before[i] = (int)pick(f, 0);
	}
	f->maxconn[2] = 1;
	f->reject_full = true;
	publish(f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, weights, 4, 64);
	for (uint32_t i = 0; i < 200; i++) {
		int member;

		set_client(f, i);
		member = begin(f, 0);
		CU_ASSERT(member == before[i] || (member == -1 && before[i] == 2));
		refused += member == -1;
	}
	CU_ASSERT(refused > 20);
	CU_ASSERT_EQUAL(sum(f, 2), 1);
	fixture_destroy(f);
}

/* With "next" its clients are spread over the others, each always to the same one. */
static void
test_next(void)
{
	static const uint32_t weights[] = { EQUAL(5) };
	struct fixture *f = fixture_create(SHUNT_SOURCE, weights, 5, 512, 1);
	uint32_t counts[5] = { 0 }, of_full = 0;

	for (uint32_t i = 0; i < 5000; i++) {
		int member;

		f->maxconn[3] = 0;
		set_client(f, i);
		if (i == 0) {
			f->maxconn[3] = 1;
			publish(f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, weights, 5, 512);
			*sessions(f, 0, 3) = 1;
		}
		if (select_by_hash(f->generation, f->backend, &f->p) != FIRST_SERVER + 3)
			continue;
		of_full++;
		member = begin(f, 0);
		CU_ASSERT(member >= 0 && member != 3);
		counts[member]++;
		CU_ASSERT_EQUAL(begin(f, 0), member);
	}
	CU_ASSERT(of_full > 800);
	for (uint32_t m = 0; m < 5; m++)
		CU_ASSERT(m == 3 || (counts[m] > of_full / 6 && counts[m] < of_full / 3));
	fixture_destroy(f);
}

/* Few clients with many flows: no server gets beyond its part of all, by weight. */
static void
test_balance_factor(void)
{
	static const uint32_t weights[] = { 1, 1, 2, 4, 1, 1, 1, 1 };
	static const uint16_t factors[] = { 101, 125, 200, 1000 };

	for (unsigned int k = 0; k < 8; k++) {
		struct fixture *f = fixture_create(SHUNT_SOURCE, weights, 8, 64, 2);
		uint64_t total = 0;

		/* Nobody is refused because of it, also where who finds a full server is. */
		for (unsigned int i = 0; k >= 4 && i < 8; i++)
			f->maxconn[i] = 100000;
		f->reject_full = k >= 4;

		f->balance_factor = factors[k % 4];
		publish(f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, weights, 8, 64);
		for (uint32_t i = 0; i < 3000; i++) {
			int member;

			set_client(f, i * i % 7);
			member = begin(f, i & 1);
			CU_ASSERT_NOT_EQUAL_FATAL(member, -1);
			total++;
			/* ceil(ceil(total * factor / 100) * weight / 12) */
			CU_ASSERT((sum(f, (uint32_t)member) - 1) * 12 <
				(total * factors[k % 4] + 99) / 100 * weights[member]);
		}
		fixture_destroy(f);
	}
}

/* Where clients are many, a factor moves hardly any of them. */
static void
test_balance_factor_moves_few(void)
{
	static const uint32_t weights[] = { EQUAL(10) };
	struct fixture *f = fixture_create(SHUNT_SOURCE, weights, 10, 1024, 1);
	uint32_t moved = 0;

	f->balance_factor = 150;
	publish(f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, weights, 10, 1024);
	for (uint32_t i = 0; i < 20000; i++) {
		set_client(f, i);
		moved += begin(f, 0) !=
			(int)select_by_hash(f->generation, f->backend, &f->p) - FIRST_SERVER;
	}
	CU_ASSERT(moved < 200);
	fixture_destroy(f);
}

#define CLOCK_MS    1000000
#define RAMP_MS	    10000
#define RAMP_MEMBER 4

/* Member 4 of 5 has come up `age_ms` ago. Returns how many of a number of flows it gets. */
static uint32_t
ramp(enum shunt_algorithm algorithm, uint32_t age_ms, uint32_t flows, unsigned int workers)
{
	static const uint32_t weights[] = { EQUAL(5) };
	struct fixture *f = fixture_create(algorithm, weights, 5, 512, workers);
	struct shunt_server server = helper_server("10.0.0.1", 1000 + RAMP_MEMBER, 7);
	uint32_t count = 0;

	server.slowstart_ms = RAMP_MS;
	server.up_since_ms = 5000000;
	helper_put(
		f->store, SHUNT_KIND_SERVER, FIRST_SERVER + RAMP_MEMBER, &server, sizeof(server));
	f->moment.clock_hz = CLOCK_MS * 1000ull;
	f->moment.clock = 77ull * CLOCK_MS;
	f->moment.monotonic_ms = server.up_since_ms;
	publish(f, algorithm, SHUNT_HASH_SOURCE_PORT, weights, 5, 512);
	for (unsigned int w = 0; w < workers; w++)
		f->states[w].clock = f->moment.clock + (uint64_t)age_ms * CLOCK_MS;
	for (uint32_t i = 0; i < flows; i++) {
		set_client(f, i);
		count += begin(f, i % workers) == RAMP_MEMBER;
	}
	fixture_destroy(f);
	return count;
}

/* A share that grows from nothing to a fifth, whatever the algorithm. */
static void
test_slowstart(void)
{
	static const enum shunt_algorithm algorithms[] = { SHUNT_SOURCE, SHUNT_ROUNDROBIN,
		SHUNT_LEASTCONN, SHUNT_RANDOM };

	for (unsigned int a = 0; a < 4; a++) {
		for (unsigned int workers = 1; workers <= 2; workers++) {
			uint32_t none = ramp(algorithms[a], 0, 10000, workers);
			uint32_t tenth = ramp(algorithms[a], RAMP_MS / 10, 10000, workers);
			uint32_t half = ramp(algorithms[a], RAMP_MS / 2, 10000, workers);
			uint32_t all = ramp(algorithms[a], RAMP_MS, 10000, workers);

			CU_ASSERT(none < 60);
			CU_ASSERT(tenth > 140 && tenth < 320);
			CU_ASSERT(half > 850 && half < 1350);
			CU_ASSERT(all > 1850 && all < 2150);
		}
	}
}

/* Where all are warming up they share as ever. */
static void
test_slowstart_of_all(void)
{
	static const uint32_t weights[] = { EQUAL(5) };
	struct fixture *f = fixture_create(SHUNT_ROUNDROBIN, weights, 5, 512, 1);
	uint32_t counts[5] = { 0 };

	for (uint32_t i = 0; i < 5; i++) {
		struct shunt_server server = helper_server("10.0.0.1", (uint16_t)(1000 + i), 7);

		server.slowstart_ms = RAMP_MS;
		server.up_since_ms = 5000000;
		helper_put(f->store, SHUNT_KIND_SERVER, FIRST_SERVER + i, &server, sizeof(server));
	}
	f->moment.clock_hz = CLOCK_MS * 1000ull;
	f->moment.monotonic_ms = 5000000;
	publish(f, SHUNT_ROUNDROBIN, SHUNT_HASH_SOURCE, weights, 5, 512);
	f->states[0].clock = RAMP_MS / 10 * CLOCK_MS;
	for (uint32_t i = 0; i < 5000; i++)
		counts[begin(f, 0)]++;
	for (uint32_t m = 0; m < 5; m++)
		CU_ASSERT(counts[m] > 850 && counts[m] < 1150);
	fixture_destroy(f);
}

/*
 * Between two looks a worker does not see what another one places. A server that is a hundred
 * behind gets that hundred, and not one from each worker.
 */
static void
test_no_herd(void)
{
	static const uint32_t weights[] = { EQUAL(10) };

	for (unsigned int workers = 1; workers <= 4; workers++) {
		struct fixture *f = fixture_create(SHUNT_LEASTCONN, weights, 10, 64, workers);
		uint32_t to_new = 0;

		for (uint32_t m = 0; m < 10; m++)
			*sessions(f, 0, m) = m == 6 ? 900 : 1000;
		for (unsigned int w = 0; w < workers; w++)
			f->states[w].look_period = 1u << 30;
		for (uint32_t i = 0; i < 200; i++)
			to_new += begin(f, i % workers) == 6;
		CU_ASSERT(to_new >= 100 && to_new <= 112);
		/* A period later all is seen. */
		for (unsigned int w = 0; w < workers; w++)
			f->states[w].clock += 1u << 30;
		*sessions(f, workers - 1, 2) -= 500;
		CU_ASSERT_EQUAL(begin(f, 0), 2);
		fixture_destroy(f);
	}
}

/* The first server is filled, then the next; who is free again comes first once more. */
static void
test_first(void)
{
	static const uint32_t weights[] = { 1, 200, 3 };
	struct fixture *f = fixture_create(SHUNT_FIRST, weights, 3, 64, 2);

	for (uint32_t i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(begin(f, i & 1), 0);
	f->maxconn[0] = 12;
	f->maxconn[1] = 4;
	publish(f, SHUNT_FIRST, SHUNT_HASH_SOURCE, weights, 3, 64);
	for (uint32_t i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(begin(f, i & 1), i < 2 ? 0 : i < 6 ? 1 : 2);
	--*sessions(f, 0, 0);
	/* As soon as the moment has gone for which it was known to be full. */
	f->states[0].clock = f->states[1].clock = 1u << 23;
	CU_ASSERT_EQUAL(begin(f, 0), 0);
	CU_ASSERT_EQUAL(begin(f, 0), 2);
	fixture_destroy(f);
}

/* Two choices: live flows are even, by weight, though each pick looks at two servers only. */
static void
test_random(void)
{
	static const uint32_t weights[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 5 };

	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct fixture *f = fixture_create(SHUNT_RANDOM, weights, 12, 256, workers);

		for (uint32_t i = 0; i < 20000; i++)
			begin(f, i % workers);
		for (uint32_t m = 0; m < 12; m++)
			CU_ASSERT(sum(f, m) > 995 * weights[m] && sum(f, m) < 1005 * weights[m]);
		fixture_destroy(f);
	}
}

static const struct unit_test tests[] = {
	{ "maxconn", test_maxconn },
	{ "a session that does not begin", test_release },
	{ "two workers and the last place", test_race },
	{ "on-maxconn reject", test_reject },
	{ "on-maxconn next", test_next },
	{ "hash-balance-factor", test_balance_factor },
	{ "hash-balance-factor moves few", test_balance_factor_moves_few },
	{ "slowstart", test_slowstart },
	{ "slowstart of all", test_slowstart_of_all },
	{ "least connections, no herd", test_no_herd },
	{ "first", test_first },
	{ "random", test_random },
};

UNIT_MAIN("select_limit", tests)
