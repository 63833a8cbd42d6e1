/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules that count: how many sessions a client has and begins, and how many a rule lets in. */
#include "path.h"
#include "rules_helper.h"

#define LIMIT 1
#define HZ    GEN_CLOCK_HZ

static const uint64_t seed[2] = { 5, 6 };

static struct rules_acl acls[1];
static struct rules_rule rules[1];
static struct rules_model model = {
	.acls = acls,
	.acl_count = 1,
	.rules = rules,
	.rule_count = 1,
	.row_ends = { 1 },
	.row_count = 1,
};

static void
put_service(struct path *path, uint32_t limit)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct shunt_service service = helper_service(
			service_address(path), 80, i == 0 ? SHUNT_TCP : SHUNT_UDP, BACKEND);

		service.rules = 1;
		service.limit = limit;
		helper_put(
			path->objects, SHUNT_KIND_SERVICE, SERVICE + i, &service, sizeof(service));
	}
}

/* The one rule and its one ACL are set; networks are counted, without a limit. */
static struct limiter *
open_path(struct path *path, uint8_t version)
{
	const struct shunt_limit limit = {
		.source_prefix = 24,
		.source_prefix_v6 = 64,
		.frontend = "web",
	};
	struct limiter *limiter = limiter_create(HZ, 1024, seed);

	path_open(path, version, SHUNT_SOURCE, CAPACITY);
	path->tracker->limiter = limiter;
	path->tracker->select.clock = 1000 * HZ;
	helper_put(path->objects, SHUNT_KIND_LIMIT, LIMIT, &limit, sizeof(limit));
	put_service(path, LIMIT);
	rules_put(path->objects, &model, 1);
	path_commit(path);
	while (tracker_pass(path->tracker, 64, path->tick))
		;
	return limiter;
}

static uint8_t
opens(struct path *path, uint32_t client, uint16_t port)
{
	return request(path, SHUNT_TCP, client, port, PKT_SYN).p.drop;
}

static void
ends(struct path *path, uint32_t client, uint16_t port)
{
	uint32_t server = request(path, SHUNT_TCP, client, port, PKT_FIN | PKT_ACK).p.server;

	reply(path, SHUNT_TCP, server, client, port, PKT_FIN | PKT_ACK);
}

/* Who has two already gets no third; his network counts, and nobody else's. */
static void
test_count(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct limiter *limiter;
		struct path path;

		acls[0] = (struct rules_acl){ .acl = { .kinds = SHUNT_ACL_CONN_COUNT,
						      .count_least = 2,
						      .count_greatest = UINT32_MAX } };
		rules[0] = (struct rules_rule){ .action = SHUNT_RULE_REJECT, .literal_count = 1 };
		limiter = open_path(&path, version);
		CU_ASSERT_EQUAL(opens(&path, 1, 1000), 0);
		CU_ASSERT_EQUAL(opens(&path, 2, 1000), 0);
		CU_ASSERT_EQUAL(opens(&path, 3, 1000), SHUNT_DROP_REFUSED);
		if (version == 4)
			CU_ASSERT_EQUAL(opens(&path, 700, 1000), 0);
		ends(&path, 1, 1000);
		CU_ASSERT_EQUAL(opens(&path, 3, 1000), 0);
		CU_ASSERT_EQUAL(opens(&path, 3, 1001), SHUNT_DROP_REFUSED);
		path_close(&path);
		limiter_destroy(limiter);
	}
}

/* Who begins many a second is held back, also by what was refused, until he is quiet. */
static void
test_rate(void)
{
	struct limiter *limiter;
	uint32_t refused = 0;
	struct path path;

	acls[0] = (struct rules_acl){ .acl = { .kinds = SHUNT_ACL_CONN_RATE,
					      .rate_least = 50,
					      .rate_greatest = UINT32_MAX } };
	rules[0] = (struct rules_rule){ .action = SHUNT_RULE_DROP, .literal_count = 1 };
	limiter = open_path(&path, 4);
	for (uint16_t i = 0; i < 400; i++) {
		path.tracker->select.clock += HZ / 200;
		refused += opens(&path, 1, (uint16_t)(1000 + i)) == SHUNT_DROP_RULE;
	}
	CU_ASSERT(refused > 150);
	CU_ASSERT_EQUAL(opens(&path, 1000, 1), 0);
	path.tracker->select.clock += 20 * HZ;
	CU_ASSERT_EQUAL(opens(&path, 1, 900), 0);
	path_close(&path);
	limiter_destroy(limiter);
}

/* A rule lets in what its bucket has, in the middle of a connection too, and tells the others. */
static void
test_rate_limit(void)
{
	struct limiter *limiter;
	struct result r;
	struct path path;

	acls[0] = (struct rules_acl){ .acl = { .kinds = SHUNT_ACL_PROTOCOL,
					      .protocols = SHUNT_ACL_TCP } };
	rules[0] = (struct rules_rule){
		.action = SHUNT_RULE_RATE_LIMIT, .literal_count = 1, .rate = 10, .drop = false
	};
	limiter = open_path(&path, 4);
	for (uint16_t i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(opens(&path, i, 1000), 0);
	r = request(&path, SHUNT_TCP, 50, 1000, PKT_SYN);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_RATE_LIMIT);
	CU_ASSERT_FALSE(r.p.silent);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 51, 1000, PKT_ACK).p.drop, 0);
	path.tracker->select.clock += HZ / 10;
	CU_ASSERT_EQUAL(opens(&path, 50, 1000), 0);
	CU_ASSERT_EQUAL(opens(&path, 52, 1000), SHUNT_DROP_RATE_LIMIT);
	/* A reload that says "drop": the bucket stays as it is, and nobody is told. */
	rules[0].drop = true;
	rules_put(path.objects, &model, 1);
	path_commit(&path);
	r = request(&path, SHUNT_TCP, 52, 1000, PKT_SYN);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_RATE_LIMIT);
	CU_ASSERT_TRUE(r.p.silent);
	path.tracker->select.clock += HZ;
	for (uint16_t i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(opens(&path, 60u + i, 1000), 0);
	CU_ASSERT_EQUAL(opens(&path, 80, 1000), SHUNT_DROP_RATE_LIMIT);
	CU_ASSERT_EQUAL(shunt_stats_hits(path.stats, 0)[SHUNT_MAX_RULES - 1], 26);
	path_close(&path);
	limiter_destroy(limiter);
}

/* What an ACL asks nobody counts: there is nothing. */
static void
test_uncounted(void)
{
	struct limiter *limiter;
	struct path path;

	acls[0] = (struct rules_acl){ .acl = { .kinds = SHUNT_ACL_CONN_COUNT,
					      .count_least = 1,
					      .count_greatest = UINT32_MAX } };
	rules[0] = (struct rules_rule){ .action = SHUNT_RULE_REJECT, .literal_count = 1 };
	limiter = open_path(&path, 4);
	put_service(&path, 0);
	path_commit(&path);
	for (uint16_t i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(opens(&path, 1, (uint16_t)(1000 + i)), 0);
	path_close(&path);
	limiter_destroy(limiter);
}

/* Pieces that say nonsense of rates. */
static void
test_refused(void)
{
	static const struct {
		uint8_t action;
		uint32_t rate, burst;
		uint8_t drop;
		bool good;
	} rows[] = {
		{ SHUNT_RULE_RATE_LIMIT, 1, 1, 0, true },
		{ SHUNT_RULE_RATE_LIMIT, SHUNT_MAX_RATE, SHUNT_MAX_BURST, 1, true },
		{ SHUNT_RULE_RATE_LIMIT, 0, 1, 0, false },
		{ SHUNT_RULE_RATE_LIMIT, 1, 0, 0, false },
		{ SHUNT_RULE_RATE_LIMIT, SHUNT_MAX_RATE + 1, 1, 0, false },
		{ SHUNT_RULE_RATE_LIMIT, 1, SHUNT_MAX_BURST + 1, 0, false },
		{ SHUNT_RULE_RATE_LIMIT, 1, 1, 2, false },
		{ SHUNT_RULE_ACCEPT, 0, 0, 0, true },
		{ SHUNT_RULE_ACCEPT, 1, 0, 0, false },
		{ SHUNT_RULE_ACCEPT, 0, 1, 0, false },
		{ SHUNT_RULE_ACCEPT, 0, 0, 1, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct {
			struct shunt_rules head;
			struct shunt_rule rule;
		} piece = {
			.head = { .row = 1, .rule_count = 1 },
			.rule = { .action = rows[i].action,
				.rate = rows[i].rate,
				.burst = rows[i].burst,
				.drop = rows[i].drop },
		};
		struct object_store *store = object_store_create();
		const char *why;

		CU_ASSERT_EQUAL(object_store_put(store, SHUNT_KIND_RULES, 1, &piece, sizeof(piece),
					&why) == 0,
			rows[i].good);
		object_store_destroy(store);
	}
}

/* A UDP flow whose server goes down goes on at another; that is no new flow. */
static void
test_asked_once(void)
{
	struct limiter *limiter;
	struct path path;
	uint32_t server, other;

	acls[0] = (struct rules_acl){ .acl = { .kinds = SHUNT_ACL_PROTOCOL,
					      .protocols = SHUNT_ACL_UDP } };
	rules[0] = (struct rules_rule){
		.action = SHUNT_RULE_RATE_LIMIT, .literal_count = 1, .rate = 1, .drop = false
	};
	limiter = open_path(&path, 4);
	server = request(&path, SHUNT_UDP, 1, 1000, 0).p.server;
	CU_ASSERT(server > 0);
	CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, 2, 1000, 0).p.drop, SHUNT_DROP_RATE_LIMIT);
	path.state[server] = SHUNT_SERVER_DOWN;
	path_publish(&path);
	other = request(&path, SHUNT_UDP, 1, 1000, 0).p.server;
	CU_ASSERT(other > 0 && other != server);
	CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, 1, 1000, 0).p.server, other);
	path_close(&path);
	limiter_destroy(limiter);
}

static const struct unit_test tests[] = {
	{ "a flow is asked about once", test_asked_once },
	{ "conn-count", test_count },
	{ "conn-rate", test_rate },
	{ "rate-limit", test_rate_limit },
	{ "nothing is counted", test_uncounted },
	{ "refused", test_refused },
};

UNIT_MAIN("rules_rate", tests)
