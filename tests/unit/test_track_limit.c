/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits along a flow's life, with one tracker and with two as two workers. */
#include <pthread.h>

#include "limit_bed.h"

static void
maxconn(uint8_t version)
{
	const struct shunt_limit three = { .maxconn = 3, .frontend = "web" };
	struct limiter *limiter;
	struct result r;
	struct path path;

	path_open(&path, version, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &three);
	for (uint16_t port = 1; port <= 3; port++)
		connect_client(&path, 1, port);
	r = request(&path, SHUNT_TCP, 2, 1, PKT_SYN);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_FRONTEND_MAXCONN);
	CU_ASSERT_TRUE(pkt_is_refused(&r.p));
	/* TCP and UDP are one frontend here. */
	CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, 2, 1, 0).p.drop, SHUNT_DROP_FRONTEND_MAXCONN);
	CU_ASSERT_EQUAL(sessions(&path), 3);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 3);
	CU_ASSERT_EQUAL(shunt_stats_services(path.stats, 0)[SERVICE].refused, 1);
	CU_ASSERT_EQUAL(shunt_stats_services(path.stats, 0)[SERVICE + 1].refused, 1);
	/* A SYN sent again, and one in the place of its closing self, are none more. */
	CU_ASSERT_EQUAL(opens(&path, 1, 1), 0);
	request(&path, SHUNT_TCP, 1, 1, PKT_FIN | PKT_ACK);
	CU_ASSERT_EQUAL(opens(&path, 1, 1), 0);
	CU_ASSERT_EQUAL(sessions(&path), 3);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 3);
	path_expire_all(&path);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 0);
	limiter_destroy(limiter);
	path_close(&path);
}

static void
test_maxconn(void)
{
	maxconn(4);
	maxconn(6);
}

/* Full NAT, which refuses flows of its own: for want of a port, or of room. */
static void
test_fullnat(void)
{
	struct shunt_limit limits = by_source;
	struct limiter *limiter;
	struct path path;

	limits.maxconn = limits.source_maxconn = 100;
	path_open(&path, 4, SHUNT_SOURCE, 64);
	path.forward = SHUNT_FULLNAT;
	path.sources = 1;
	path_publish(&path);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &limits);
	for (uint16_t port = 1; port <= 90; port++)
		CU_ASSERT_EQUAL(opens(&path, 1, port),
			port <= 64 ? SHUNT_DROP_NONE : SHUNT_DROP_FLOW_TABLE_FULL);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 64);
	CU_ASSERT_EQUAL(facts(&path, 1).sessions, 64);
	/* The end of a connection that nobody knows takes nothing. */
	CU_ASSERT_EQUAL(
		request(&path, SHUNT_TCP, 1, 200, PKT_FIN | PKT_ACK).p.drop, SHUNT_DROP_NO_FLOW);
	path_expire_all(&path);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 0);
	CU_ASSERT_EQUAL(facts(&path, 1).sessions, 0);
	limiter_destroy(limiter);
	path_close(&path);
}

/* Ends as they come: by FINs, at the next packet; the place is another's at once. */
static void
test_next_is_let_in(void)
{
	const struct shunt_limit two = { .maxconn = 2, .frontend = "web" };
	struct limiter *limiter;
	struct path path;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &two);
	connect_client(&path, 1, 1);
	connect_client(&path, 2, 1);
	for (uint16_t round = 0; round < 50; round++) {
		CU_ASSERT_EQUAL(opens(&path, 3, 1000 + round), SHUNT_DROP_FRONTEND_MAXCONN);
		ends(&path, 1, 1 + round);
		connect_client(&path, 1, 2 + round);
		CU_ASSERT_EQUAL(frontend_sessions(&path), 2);
	}
	path_expire_all(&path);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 0);
	limiter_destroy(limiter);
	path_close(&path);
}

/* Without a flow that is opened there is nothing to refuse: it lives already, and counts. */
static void
test_midway(void)
{
	const struct shunt_limit one = { .maxconn = 1, .rate = 1, .burst = 1, .frontend = "web" };
	struct limiter *limiter;
	struct path path;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &one);
	for (uint16_t port = 1; port <= 10; port++)
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, port, PKT_ACK).p.drop, 0);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 10);
	CU_ASSERT_EQUAL(opens(&path, 1, 11), SHUNT_DROP_FRONTEND_MAXCONN);
	path_expire_all(&path);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 0);
	limiter_destroy(limiter);
	path_close(&path);
}

/* What is admitted and does not come about takes no place. */
static void
test_came_to_nothing(void)
{
	struct shunt_limit many = by_source;
	struct limiter *limiter;
	struct path path;

	many.maxconn = many.source_maxconn = 500;
	path_open(&path, 4, SHUNT_SOURCE, 64);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &many);
	for (uint16_t port = 1; port <= 400; port++)
		CU_ASSERT_EQUAL(opens(&path, 1, port), 0);
	CU_ASSERT_EQUAL(sessions(&path), 64);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 64);
	CU_ASSERT_EQUAL(facts(&path, 1).sessions, 64);
	path_expire_all(&path);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 0);
	CU_ASSERT_EQUAL(facts(&path, 1).sessions, 0);
	limiter_destroy(limiter);
	path_close(&path);
}

static void
test_rates(void)
{
	struct shunt_limit rates = { .rate = 100,
		.burst = 10,
		.source_rate = 10,
		.source_burst = 4,
		.source_prefix = 24,
		.source_prefix_v6 = 64,
		.drop = 1,
		.frontend = "web" };
	uint32_t drops[SHUNT_DROP_COUNT] = { 0 };
	struct limiter *limiter;
	struct result r;
	struct path path;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &rates);
	/* Of one network each, by turns; its bucket is the lesser one. */
	for (uint16_t port = 1; port <= 8; port++)
		drops[opens(&path, port, port)]++;
	CU_ASSERT_EQUAL(drops[0], 4);
	CU_ASSERT_EQUAL(drops[SHUNT_DROP_SOURCE_RATE], 4);
	/* Other networks get the other six of the frontend's. */
	for (uint32_t i = 1; i <= 10; i++)
		drops[opens(&path, i << 8, 1)]++;
	CU_ASSERT_EQUAL(drops[0], 10);
	CU_ASSERT_EQUAL(drops[SHUNT_DROP_RATE_LIMIT], 4);
	CU_ASSERT_EQUAL(sessions(&path), 10);
	/* Those four have their token still. */
	path.tracker->select.clock += HZ;
	for (uint16_t port = 1; port <= 5; port++)
		CU_ASSERT_EQUAL(opens(&path, 10 << 8, 100 + port),
			port <= 4 ? SHUNT_DROP_NONE : SHUNT_DROP_SOURCE_RATE);
	r = request(&path, SHUNT_TCP, 10 << 8, 1, PKT_SYN);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_SOURCE_RATE);
	CU_ASSERT_FALSE(pkt_is_refused(&r.p)); /* on-limit: drop */
	limiter_destroy(limiter);
	path_close(&path);
}

/* Two workers, flows by turns: the limits are those of one. */
static void
test_two_workers(void)
{
	struct shunt_limit limits = by_source;
	uint32_t counted = 0, next = 0;
	struct limiter *limiter;
	struct path path[2];

	limits.maxconn = 20;
	limits.source_maxconn = 5;
	for (int i = 0; i < 2; i++)
		path_open(&path[i], 4, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path[0], &path[1]);
	for (int i = 0; i < 2; i++)
		set_limits(&path[i], &limits);
	for (uint16_t port = 1; port <= 10; port++)
		counted += opens(&path[port & 1], 1, port) == 0;
	CU_ASSERT_EQUAL(counted, 5);
	for (uint32_t client = 2; client < 100; client++)
		counted += opens(&path[client & 1], client, 1) == 0;
	CU_ASSERT_EQUAL(counted, 20);
	CU_ASSERT_EQUAL(sessions(&path[0]) + sessions(&path[1]), 20);
	CU_ASSERT_EQUAL(frontend_sessions(&path[0]), 20);
	/* One ends at one of them, and the other has the room. */
	ends(&path[1], 1, 1);
	CU_ASSERT_EQUAL(opens(&path[0], 1, 50), 0);
	CU_ASSERT_EQUAL(opens(&path[1], 1, 51), SHUNT_DROP_SOURCE_MAXCONN);
	CU_ASSERT_EQUAL(opens(&path[1], 98, 51), SHUNT_DROP_FRONTEND_MAXCONN);
	for (int i = 0; i < 2; i++)
		path_expire_all(&path[i]);
	CU_ASSERT_EQUAL(frontend_sessions(&path[0]), 0);
	CU_ASSERT_EQUAL(facts(&path[0], 1).sessions, 0);
	/* And their buckets are one. */
	limits = (struct shunt_limit){ .rate = 50, .burst = 7, .frontend = "web" };
	for (int i = 0; i < 2; i++)
		set_limits(&path[i], &limits);
	counted = 0;
	for (uint32_t step = 0; step < 1000; step++, next++) {
		struct path *p = &path[step & 1];

		path[0].tracker->select.clock += HZ / 1000;
		path[1].tracker->select.clock =
			path[0].tracker->select.clock - HZ / 5000; /* a turn behind */
		counted += opens(p, next, 9) == 0;
	}
	CU_ASSERT(counted >= 7 + 48 && counted <= 7 + 50);
	limiter_destroy(limiter);
	for (int i = 0; i < 2; i++)
		path_close(&path[i]);
}

/* A UDP flow that must leave its server is no new one, however full the frontend. */
static void
test_udp_moves(void)
{
	struct shunt_limit one = by_source;
	struct limiter *limiter;
	struct path path;
	uint32_t server;

	one.maxconn = one.source_maxconn = 1;
	one.rate = one.burst = 1;
	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &one);
	server = request(&path, SHUNT_UDP, 1, 1, 0).p.server;
	CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, 1, 2, 0).p.drop, SHUNT_DROP_SOURCE_MAXCONN);
	CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, 2, 1, 0).p.drop, SHUNT_DROP_FRONTEND_MAXCONN);
	path.state[server] = SHUNT_SERVER_DOWN;
	path_publish(&path);
	CU_ASSERT_NOT_EQUAL(request(&path, SHUNT_UDP, 1, 1, 0).p.server, server);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	CU_ASSERT_EQUAL(frontend_sessions(&path), 1);
	CU_ASSERT_EQUAL(facts(&path, 1).sessions, 1);
	path_expire_all(&path);
	CU_ASSERT_EQUAL(facts(&path, 1).sessions, 0);
	limiter_destroy(limiter);
	path_close(&path);
}

/* What an operator is told is what would happen. */
static void
test_ask(void)
{
	struct shunt_limit limits = by_source;
	struct shunt_addr client;
	struct limiter *limiter;
	struct path path;
	uint8_t bytes[16];

	limits.maxconn = 3;
	limits.source_rate = 1;
	limits.source_burst = 2;
	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	limiter = make_limiter(&path, NULL);
	set_limits(&path, &limits);
	for (uint16_t i = 0; i < 200; i++) {
		enum shunt_drop told;

		client_address(&path, i % 3, bytes);
		client = select_address(bytes, 4);
		told = limit_ask(limiter, path.generation->limits, LIMIT, &client,
			path.tracker->select.clock);
		CU_ASSERT_EQUAL(opens(&path, i % 3, 100 + i), told);
		if (i % 5 == 4 && !told)
			ends(&path, i % 3, 100 + i);
		path.tracker->select.clock += HZ / 10;
	}
	limiter_destroy(limiter);
	path_close(&path);
}

static void
test_refers(void)
{
	struct generation_error error;
	struct path path;
	struct shunt_service s;
	int result = 0;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	s = helper_service(service_address(&path), 80, SHUNT_TCP, BACKEND);
	s.limit = 7;
	helper_put(path.objects, SHUNT_KIND_SERVICE, SERVICE, &s, sizeof(s));
	CU_ASSERT_PTR_NULL(generation_create(path.objects, 9, NULL, 2, &error, &result));
	CU_ASSERT_EQUAL(result, -22);
	CU_ASSERT_PTR_NOT_NULL_FATAL(error.text);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "limit"));
	path_close(&path);
}

/* Threads as workers: never more than may, not one left in the end. */
struct crowd {
	struct limiter *limiter;
	const struct gen_limits *limits;
	uint64_t live;
	uint64_t over;
	uint64_t begun;
};

static void *
crowd_run(void *context)
{
	struct crowd *c = context;
	struct shunt_addr client = helper_addr("192.0.2.1");
	struct limit_hold hold = { 0 };
	uint64_t evicted = 0;

	for (int i = 0; i < 200000; i++) {
		if (limit_admit(c->limiter, c->limits, LIMIT, &client, (struct limit_replaced){ 0 },
			    1000 * HZ, &hold, &evicted))
			continue;
		if (__atomic_add_fetch(&c->live, 1, __ATOMIC_SEQ_CST) > 3)
			__atomic_add_fetch(&c->over, 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&c->begun, 1, __ATOMIC_SEQ_CST);
		__atomic_sub_fetch(&c->live, 1, __ATOMIC_SEQ_CST);
		limit_release(c->limiter, &hold);
	}
	return NULL;
}

static void
test_threads(void)
{
	struct shunt_limit limits = by_source;
	struct limiter *limiter;
	pthread_t threads[4];
	struct crowd crowd;
	struct path path;

	limits.maxconn = 3;
	limits.source_maxconn = 4;
	path_open(&path, 4, SHUNT_SOURCE, 64);
	limiter = make_limiter(&path, NULL);
	for (int round = 0; round < 2; round++) {
		set_limits(&path, &limits);
		crowd = (struct crowd){ limiter, path.generation->limits, 0, 0, 0 };
		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, crowd_run, &crowd);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(crowd.over, 0);
		CU_ASSERT_EQUAL(frontend_sessions(&path), 0);
		CU_ASSERT_EQUAL(facts(&path, 1).sessions, 0);
		/* The second time of a bucket that holds a thousand, and the clock stands. */
		if (round == 1)
			CU_ASSERT_EQUAL(crowd.begun, 1000);
		limits.maxconn = 0;
		limits.source_maxconn = 3;
		limits.rate = limits.burst = 1000;
	}
	limiter_destroy(limiter);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "maxconn", test_maxconn },
	{ "full NAT", test_fullnat },
	{ "the next is let in", test_next_is_let_in },
	{ "picked up midway", test_midway },
	{ "admitted, and not begun", test_came_to_nothing },
	{ "rates", test_rates },
	{ "two workers", test_two_workers },
	{ "UDP flows that move", test_udp_moves },
	{ "asked before", test_ask },
	{ "a limit that is not there", test_refers },
	{ "threads", test_threads },
};

UNIT_MAIN("track_limit", tests)
