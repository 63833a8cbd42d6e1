/* SPDX-License-Identifier: BSD-3-Clause */
#include "select_fixture.h"

static void
test_no_server(void)
{
	for (enum shunt_algorithm a = 0; a < SHUNT_ALGORITHM_COUNT; a++) {
		struct fixture *f = fixture_create(a, NULL, 0, 0, 1);

		CU_ASSERT_EQUAL(select_server(&f->states[0], f->generation, f->backend, &f->p), 0);
		CU_ASSERT_EQUAL(select_by_hash(f->generation, f->backend, &f->p), 0);
		fixture_destroy(f);
	}
}

static void
test_one_server(void)
{
	static const uint32_t weights[] = { 256 };

	for (enum shunt_algorithm a = 0; a < SHUNT_ALGORITHM_COUNT; a++) {
		struct fixture *f = fixture_create(a, weights, 1, 1, 2);

		for (uint32_t i = 0; i < 1000; i++) {
			set_client(f, i);
			CU_ASSERT_EQUAL(pick(f, i & 1), 0);
			++*sessions(f, i & 1, 0);
			CU_ASSERT_EQUAL(
				select_by_hash(f->generation, f->backend, &f->p), FIRST_SERVER);
		}
		fixture_destroy(f);
	}
}

/* The server is the one that the contract's hash names, and follows the slots' shares. */
static void
test_source(void)
{
	static const uint32_t weights[] = { 1, 2, 5 };
	struct fixture *f = fixture_create(SHUNT_SOURCE, weights, 3, 1024, 2);
	uint32_t counts[3] = { 0 }, clients = 80000;

	for (uint32_t i = 0; i < clients; i++) {
		struct shunt_selection_key key = {
			.service_port_be = htons(80),
			.protocol = SHUNT_TCP,
			.service = helper_addr("198.51.100.10"),
			.client_port_be = f->p.client_port_be,
		};
		uint32_t hash, member;

		set_client(f, i);
		key.client = shunt_addr_from_v4(f->client);
		hash = shunt_selection_hash(f->generation->hash_secret, SHUNT_HASH_SOURCE, &key);
		member = pick(f, 0);
		counts[member]++;
		CU_ASSERT_EQUAL(member,
			f->backend->slots[shunt_selection_slot(hash, f->backend->slot_count)]);
		CU_ASSERT_EQUAL(pick(f, 1), member);
		CU_ASSERT_EQUAL(
			select_by_hash(f->generation, f->backend, &f->p), FIRST_SERVER + member);
		/* The address alone counts. */
		f->p.client_port_be = htons(i);
		CU_ASSERT_EQUAL(pick(f, 0), member);
	}
	for (uint32_t m = 0; m < 3; m++) {
		double expected = clients * weights[m] / 8.0;

		CU_ASSERT(counts[m] > expected * 0.97 && counts[m] < expected * 1.03);
	}
	fixture_destroy(f);
}

static void
test_source_v6(void)
{
	static const uint32_t weights[] = { 1, 1 };
	struct fixture *f = fixture_create(SHUNT_SOURCE, weights, 2, 64, 1);
	struct shunt_service s = helper_service("2001:db8::10", 80, SHUNT_TCP, 7);
	uint32_t differ = 0;

	/* Servers of the family that the service has. */
	for (uint32_t i = 0; i < 64; i++)
		helper_put_server(f->store, FIRST_SERVER + i, "fd00::1", 1000 + i, 7);
	helper_put(f->store, SHUNT_KIND_SERVICE, 3, &s, sizeof(s));
	publish(f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, weights, 2, 64);
	f->p.version = 6;
	for (uint32_t i = 0; i < 1000; i++) {
		struct shunt_selection_key key = { 0 };
		uint32_t hash;

		f->client[0] = 0x20;
		f->client[7] = i;
		f->client[15] = i >> 8;
		memcpy(&key.client, f->client, 16);
		hash = shunt_selection_hash(f->generation->hash_secret, SHUNT_HASH_SOURCE, &key);
		CU_ASSERT_EQUAL(pick(f, 0), f->backend->slots[shunt_selection_slot(hash, 64)]);
		differ += pick(f, 0);
	}
	CU_ASSERT(differ > 400 && differ < 600);
	fixture_destroy(f);
}

/* What hash-on covers moves a client; what it does not cover does not. */
static void
test_hash_on(void)
{
	static const uint32_t weights[] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct fixture *f = fixture_create(SHUNT_SOURCE, weights, 8, 128, 1);

	for (enum shunt_hash_on on = 0; on < SHUNT_HASH_ON_COUNT; on++) {
		uint32_t moved_port = 0, moved_service = 0;

		/* A second service with another address on the same backend. */
		helper_put_service(f->store, 4, "198.51.100.11", 80, SHUNT_TCP, 7);
		publish(f, SHUNT_SOURCE, on, weights, 8, 128);
		for (uint32_t i = 0; i < 1000; i++) {
			uint32_t member;

			set_client(f, i);
			f->p.service = 3;
			f->p.client_port_be = htons(1000);
			member = pick(f, 0);
			f->p.client_port_be = htons(1001);
			moved_port += pick(f, 0) != member;
			f->p.client_port_be = htons(1000);
			f->p.service = 4;
			moved_service += pick(f, 0) != member;
		}
		CU_ASSERT_EQUAL(moved_port > 800, on != SHUNT_HASH_SOURCE);
		CU_ASSERT_EQUAL(moved_port == 0, on == SHUNT_HASH_SOURCE);
		CU_ASSERT_EQUAL(moved_service > 800, on == SHUNT_HASH_CONNECTION);
		CU_ASSERT_EQUAL(moved_service == 0, on != SHUNT_HASH_CONNECTION);
	}
	fixture_destroy(f);
}

/* Exact shares over each turn of each worker, in the schedule's order from its own start. */
static void
test_roundrobin(void)
{
	static const uint32_t weights[] = { 3, 1, 2, 256 };

	for (unsigned int workers = 1; workers <= 5; workers++) {
		struct fixture *f = fixture_create(SHUNT_ROUNDROBIN, weights, 4, 64, workers);
		uint32_t turn = f->backend->schedule_count;

		CU_ASSERT_EQUAL(turn, 262);
		for (unsigned int w = 0; w < workers; w++) {
			uint32_t counts[4] = { 0 }, start = turn * w / workers;

			for (uint32_t i = 0; i < 3 * turn; i++) {
				uint32_t member = pick(f, w);

				CU_ASSERT_EQUAL(member, f->backend->schedule[(start + i) % turn]);
				counts[member]++;
			}
			for (uint32_t m = 0; m < 4; m++)
				CU_ASSERT_EQUAL(counts[m], 3 * weights[m]);
		}
		fixture_destroy(f);
	}
}

/* Two workers that take turns finish a whole turn of the schedule together. */
static void
test_roundrobin_interleaves(void)
{
	static const uint32_t weights[] = { 1, 1, 1, 1, 1, 1 };
	struct fixture *f = fixture_create(SHUNT_ROUNDROBIN, weights, 6, 64, 3);
	uint32_t counts[6] = { 0 };

	for (uint32_t i = 0; i < 6; i++)
		counts[pick(f, i % 3)]++;
	for (uint32_t m = 0; m < 6; m++)
		CU_ASSERT_EQUAL(counts[m], 1);
	fixture_destroy(f);
}

/* A schedule that shrinks, grows or goes under a worker that is in the middle of it. */
static void
test_roundrobin_changes(void)
{
	static const uint32_t weights[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct fixture *f = fixture_create(SHUNT_ROUNDROBIN, weights, 10, 64, 2);
	uint64_t seed = 3;

	for (uint32_t round = 0; round < 200; round++) {
		uint32_t members = helper_random(&seed) % 11, counts[10] = { 0 };

		publish(f, SHUNT_ROUNDROBIN, SHUNT_HASH_SOURCE, weights, members, 16);
		for (uint32_t i = helper_random(&seed) % 7; i > 0 && members; i--)
			pick(f, round & 1);
		for (uint32_t i = 0; i < members; i++)
			counts[pick(f, round & 1)]++;
		for (uint32_t m = 0; m < members; m++)
			CU_ASSERT_EQUAL(counts[m], 1);
	}
	fixture_destroy(f);
}

/* Flows that stay: the shares are the weights' at every moment, to one flow a server and tie. */
static void
test_leastconn_shares(void)
{
	static const uint32_t weights[] = { 10, 5, 1, 20 };

	for (unsigned int workers = 1; workers <= 3; workers++) {
		struct fixture *f = fixture_create(SHUNT_LEASTCONN, weights, 4, 64, workers);
		uint32_t counts[4] = { 0 };
		uint64_t seed = workers;

		for (uint32_t i = 1; i <= 3600; i++) {
			unsigned int w = helper_random(&seed) % workers;
			uint32_t member = pick(f, w);

			counts[member]++;
			++*sessions(f, w, member);
			if (i % 36 != 0)
				continue;
			for (uint32_t m = 0; m < 4; m++)
				CU_ASSERT_EQUAL(counts[m], i / 36 * weights[m]);
		}
		fixture_destroy(f);
	}
}

/* Equal servers without flows share evenly, though no counter moves between the picks. */
static void
test_leastconn_ties(void)
{
	static const uint32_t weights[] = { 1, 1, 1, 1, 1, 1, 1 };

	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct fixture *f = fixture_create(SHUNT_LEASTCONN, weights, 7, 64, workers);
		uint32_t counts[7] = { 0 };

		/* Two are busy; the five others take turns. */
		*sessions(f, 0, 1) = 1;
		*sessions(f, workers - 1, 4) = 3;
		for (uint32_t i = 0; i < 500; i++)
			counts[pick(f, i % workers)]++;
		for (uint32_t m = 0; m < 7; m++)
			CU_ASSERT_EQUAL(counts[m], m == 1 || m == 4 ? 0 : 100);
		fixture_destroy(f);
	}
}

/* Flows of all workers count, for any weights, as in a slow search with exact fractions. */
static void
test_leastconn_against_reference(void)
{
	uint64_t seed = 0x1ea57;

	for (unsigned int round = 0; round < 60; round++) {
		unsigned int workers = 1 + helper_random(&seed) % 4;
		uint32_t weights[16], count = 1 + helper_random(&seed) % 16;
		struct fixture *f;

		for (uint32_t m = 0; m < count; m++)
			weights[m] = 1 + helper_random(&seed) % SHUNT_MAX_WEIGHT;
		f = fixture_create(SHUNT_LEASTCONN, weights, count, 16, workers);
		for (unsigned int i = 0; i < 200; i++) {
			long double best = -1, load[16];
			uint32_t member;

			for (uint32_t m = 0; m < count; m++) {
				uint64_t sum = 0;

				*sessions(f, helper_random(&seed) % workers, m) =
					helper_random(&seed) % (i & 1 ? UINT32_MAX : 4);
				for (unsigned int w = 0; w < workers; w++)
					sum += *sessions(f, w, m);
				load[m] = (long double)(sum + 1) / weights[m];
				if (best < 0 || load[m] < best)
					best = load[m];
			}
			member = pick(f, helper_random(&seed) % workers);
			/* Weights' inverses have 24 bits. */
			CU_ASSERT(load[member] <= best * (1 + 0x1p-15L));
		}
		fixture_destroy(f);
	}
}

/*
 * Flows that come and go at random over two workers: equal servers get equal numbers of new ones.
 * The bound is chi-square's 99.99 % point for 7 degrees of freedom.
 */
static void
test_leastconn_churn(void)
{
	static const uint32_t weights[] = { 4, 4, 4, 4, 4, 4, 4, 4 };
	struct fixture *f = fixture_create(SHUNT_LEASTCONN, weights, 8, 64, 2);
	struct {
		uint8_t worker, member;
	} live[100];
	uint32_t counts[8] = { 0 }, used = 0, flows = 40000;
	uint64_t seed = 99;
	double chi = 0;

	for (uint32_t i = 0; i < flows; i++) {
		uint32_t at = used < 100 ? used++ : helper_random(&seed) % 100;

		if (used == 100 && i >= 100)
			--*sessions(f, live[at].worker, live[at].member);
		live[at].worker = helper_random(&seed) & 1;
		live[at].member = pick(f, live[at].worker);
		++*sessions(f, live[at].worker, live[at].member);
		counts[live[at].member]++;
	}
	for (uint32_t m = 0; m < 8; m++)
		chi += (counts[m] - flows / 8.0) * (counts[m] - flows / 8.0) / (flows / 8.0);
	CU_ASSERT(chi < 29.9);
	fixture_destroy(f);
}

/* Members come and go under a worker's position. */
static void
test_leastconn_changes(void)
{
	static const uint32_t weights[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	struct fixture *f = fixture_create(SHUNT_LEASTCONN, weights, 10, 64, 2);
	uint64_t seed = 4;

	for (uint32_t round = 0; round < 300; round++) {
		uint32_t members = helper_random(&seed) % 11;

		publish(f, SHUNT_LEASTCONN, SHUNT_HASH_SOURCE, weights, members, 16);
		for (uint32_t i = 0; i < 5 && members; i++)
			++*sessions(f, i & 1, pick(f, i & 1));
	}
	fixture_destroy(f);
}

static void
test_names(void)
{
	CU_ASSERT_STRING_EQUAL(select_source.name, "source");
	CU_ASSERT_STRING_EQUAL(select_roundrobin.name, "roundrobin");
	CU_ASSERT_STRING_EQUAL(select_leastconn.name, "leastconn");
	CU_ASSERT_STRING_EQUAL(select_random.name, "random");
	CU_ASSERT_STRING_EQUAL(select_first.name, "first");
}

static const struct unit_test tests[] = {
	{ "names", test_names },
	{ "no server", test_no_server },
	{ "one server", test_one_server },
	{ "source", test_source },
	{ "source, IPv6", test_source_v6 },
	{ "hash-on", test_hash_on },
	{ "round robin", test_roundrobin },
	{ "round robin, workers interleave", test_roundrobin_interleaves },
	{ "round robin, schedule changes", test_roundrobin_changes },
	{ "least connections, shares", test_leastconn_shares },
	{ "least connections, ties", test_leastconn_ties },
	{ "least connections, reference", test_leastconn_against_reference },
	{ "least connections, churn", test_leastconn_churn },
	{ "least connections, members change", test_leastconn_changes },
};

UNIT_MAIN("select", tests)
