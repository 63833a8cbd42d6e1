/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits that come, change and go by reloads, under sessions. */
#include "limit_bed.h"

/* A limit that comes by a reload counts what is there, and what has begun before ends rightly. */
static void
test_reload(void)
{
	struct shunt_limit limits = by_source;
	struct limiter *limiter;
	struct path path[2];

	limits.maxconn = 10;
	limits.source_maxconn = 4;
	for (int i = 0; i < 2; i++)
		path_open(&path[i], 6, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path[0], &path[1]);
	for (uint16_t port = 1; port <= 6; port++)
		connect_client(&path[port & 1], 1, port);
	for (int i = 0; i < 2; i++)
		set_limits(&path[i], &limits);
	CU_ASSERT_EQUAL(frontend_sessions(&path[0]), 6);
	CU_ASSERT_EQUAL(facts(&path[0], 1).sessions, 6);
	CU_ASSERT_EQUAL(opens(&path[0], 1, 7), SHUNT_DROP_SOURCE_MAXCONN);
	for (uint16_t port = 1; port <= 3; port++)
		ends(&path[port & 1], 1, port);
	CU_ASSERT_EQUAL(facts(&path[0], 1).sessions, 3);
	connect_client(&path[0], 1, 7);
	CU_ASSERT_EQUAL(opens(&path[1], 1, 8), SHUNT_DROP_SOURCE_MAXCONN);
	/* Other numbers, same networks: nothing is counted anew. */
	limits.source_maxconn = 5;
	limits.maxconn = 7;
	for (int i = 0; i < 2; i++)
		set_limits(&path[i], &limits);
	CU_ASSERT_EQUAL(facts(&path[0], 1).sessions, 4);
	connect_client(&path[1], 1, 8);
	/* Wider networks: all of them again, and the narrow ones are nobody's. */
	connect_client(&path[1], 2, 1);
	limits.source_prefix_v6 = 64;
	for (int i = 0; i < 2; i++)
		set_limits(&path[i], &limits);
	CU_ASSERT_EQUAL(facts(&path[0], 1).sessions, 6);
	CU_ASSERT_EQUAL(facts(&path[0], 77).sessions, 6);
	CU_ASSERT_EQUAL(frontend_sessions(&path[0]), 6);
	/* Off, and on again. */
	for (int i = 0; i < 2; i++)
		set_limits(&path[i], NULL);
	connect_client(&path[0], 3, 1);
	ends(&path[1], 2, 1);
	for (int i = 0; i < 2; i++)
		set_limits(&path[i], &limits);
	CU_ASSERT_EQUAL(facts(&path[0], 1).sessions, 6);
	CU_ASSERT_EQUAL(frontend_sessions(&path[0]), 6);
	for (int i = 0; i < 2; i++)
		path_expire_all(&path[i]);
	CU_ASSERT_EQUAL(facts(&path[0], 1).sessions, 0);
	CU_ASSERT_EQUAL(frontend_sessions(&path[0]), 0);
	limiter_destroy(limiter);
	for (int i = 0; i < 2; i++)
		path_close(&path[i]);
}

/* While a worker still goes through its flows, sessions begin and end, and come out right. */
static void
test_during_the_pass(void)
{
	struct shunt_limit limits = by_source;
	struct limiter *limiter;
	struct path path;

	limits.source_maxconn = 5000;
	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &limits);
	for (uint32_t round = 0; round < 20; round++) {
		uint32_t steps = 0;
		uint16_t base = (uint16_t)(1000 * round);

		for (uint16_t port = 1; port <= 100; port++)
			connect_client(&path, 1, base + port);
		limits.source_prefix = round % 2 ? 32 : 24;
		helper_put(path.objects, SHUNT_KIND_LIMIT, LIMIT, &limits, sizeof(limits));
		path_commit(&path);
		for (uint16_t port = 1; port <= 50; port++, steps++) {
			tracker_pass(path.tracker, round + 1, path.tick);
			ends(&path, 1, base + port);
			connect_client(&path, 1, base + 200 + port);
		}
		/* Another one before it is done */
		if (round % 3 == 0) {
			limits.source_prefix = 16;
			helper_put(path.objects, SHUNT_KIND_LIMIT, LIMIT, &limits, sizeof(limits));
			path_commit(&path);
		}
		while (tracker_pass(path.tracker, 64, path.tick))
			;
		CU_ASSERT_EQUAL(facts(&path, 1).sessions, sessions(&path));
		CU_ASSERT_EQUAL(frontend_sessions(&path), sessions(&path));
	}
	path_expire_all(&path);
	CU_ASSERT_EQUAL(facts(&path, 1).sessions, 0);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 0);
	limiter_destroy(limiter);
	path_close(&path);
}

/* The TCP service has this limit from now on, the UDP one the other. 0: there is no TCP service. */
static void
give_limit(struct path *path, uint32_t limit)
{
	struct shunt_service s = helper_service(service_address(path), 80, SHUNT_UDP, BACKEND);

	s.limit = 3 - (limit ? limit : 1);
	helper_put(path->objects, SHUNT_KIND_SERVICE, SERVICE + 1, &s, sizeof(s));
	s.protocol = SHUNT_TCP;
	s.limit = limit;
	if (limit)
		helper_put(path->objects, SHUNT_KIND_SERVICE, SERVICE, &s, sizeof(s));
	else
		CU_ASSERT_EQUAL(object_store_delete(path->objects, SHUNT_KIND_SERVICE, SERVICE), 0);
	path_commit(path);
}

static uint32_t
sessions_for(const struct path *path, uint32_t limit)
{
	struct shunt_addr address;
	uint8_t bytes[16];

	client_address(path, 1, bytes);
	address = select_address(bytes, path->version);
	return limit_source_facts(path->tracker->limiter, path->generation->limits, limit, &address,
		path->tracker->select.clock)
		.sessions;
}

/* A bind that goes from one frontend to another, back again before that is done, and away. */
static void
test_bind_moves(void)
{
	struct shunt_limit limits = by_source;
	struct limiter *limiter;
	struct path path;

	limits.source_maxconn = limits.maxconn = 1000;
	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path, NULL);
	helper_put(path.objects, SHUNT_KIND_LIMIT, 1, &limits, sizeof(limits));
	helper_put(path.objects, SHUNT_KIND_LIMIT, 2, &limits, sizeof(limits));
	give_limit(&path, 1);
	for (uint16_t port = 1; port <= 20; port++) {
		connect_client(&path, 1, port);
		request(&path, SHUNT_UDP, 1, port, 0);
	}
	for (unsigned int steps = 0; steps < 60; steps++) {
		uint32_t limit = 1 + steps % 2;

		for (unsigned int i = 0; i < steps; i++)
			tracker_pass(path.tracker, 40, path.tick);
		ends(&path, 1, (uint16_t)(1 + steps * 100));
		connect_client(&path, 1, (uint16_t)(1 + (steps + 1) * 100));
		give_limit(&path, limit);
		CU_ASSERT_EQUAL(limiter->frontends[1].sessions, 20);
		CU_ASSERT_EQUAL(limiter->frontends[2].sessions, 20);
		if (steps % 7)
			continue;
		while (tracker_pass(path.tracker, 64, path.tick))
			;
		CU_ASSERT_EQUAL(sessions_for(&path, 1), 20);
		CU_ASSERT_EQUAL(sessions_for(&path, 2), 20);
	}
	give_limit(&path, 0);
	while (tracker_pass(path.tracker, 64, path.tick))
		;
	CU_ASSERT_EQUAL(limiter->frontends[1].sessions, 0);
	CU_ASSERT_EQUAL(sessions_for(&path, 1), 0);
	CU_ASSERT_EQUAL(sessions_for(&path, 2), 20);
	path_expire_all(&path);
	CU_ASSERT_EQUAL(limiter->frontends[2].sessions, 0);
	CU_ASSERT_EQUAL(sessions_for(&path, 2), 0);
	limiter_destroy(limiter);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "reloads", test_reload },
	{ "during the pass", test_during_the_pass },
	{ "a bind that moves", test_bind_moves },
};

UNIT_MAIN("track_limit_change", tests)
