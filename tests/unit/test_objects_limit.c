/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits and what services say of them, a field at a time; and as a generation has them. */
#include <errno.h>

#include "generation.h"
#include "objects_helper.h"

static const struct shunt_limit good = {
	.maxconn = 10,
	.rate = 5,
	.burst = 5,
	.source_maxconn = 3,
	.source_prefix = 24,
	.source_prefix_v6 = 64,
	.frontend = "web",
};

static int
put(uint32_t kind, const void *bytes, size_t length, const char **why)
{
	struct object_store *store = object_store_create();
	int rc = object_store_put(store, kind, 1, bytes, length, why);

	object_store_destroy(store);
	return rc;
}

#define TRY(field_, value_, result_)                                                             \
	do {                                                                                     \
		struct shunt_limit limit_ = good;                                                \
		const char *why_ = NULL;                                                         \
		limit_.field_ = (value_);                                                        \
		CU_ASSERT_EQUAL(put(SHUNT_KIND_LIMIT, &limit_, sizeof(limit_), &why_), result_); \
		CU_ASSERT_EQUAL(why_ != NULL, (result_) < 0);                                    \
	} while (0)

static void
test_fields(void)
{
	TRY(maxconn, 0, 0);
	TRY(maxconn, SHUNT_MAX_MAXCONN, 0);
	TRY(maxconn, SHUNT_MAX_MAXCONN + 1, -EINVAL);
	TRY(rate, SHUNT_MAX_RATE, 0);
	TRY(rate, SHUNT_MAX_RATE + 1, -EINVAL);
	TRY(rate, 0, -EINVAL);
	TRY(burst, 0, -EINVAL);
	TRY(burst, SHUNT_MAX_BURST, 0);
	TRY(burst, SHUNT_MAX_BURST + 1, -EINVAL);
	TRY(source_rate, 1, -EINVAL);
	TRY(source_burst, 1, -EINVAL);
	TRY(source_maxconn, SHUNT_MAX_MAXCONN + 1, -EINVAL);
	TRY(source_maxconn, 0, 0); /* counted, and not limited */
	TRY(source_prefix, 0, -EINVAL);
	TRY(source_prefix_v6, 0, -EINVAL);
	TRY(source_prefix, SHUNT_MIN_PREFIX, 0);
	TRY(source_prefix, SHUNT_MIN_PREFIX - 1, -EINVAL);
	TRY(source_prefix, 33, -EINVAL);
	TRY(source_prefix_v6, SHUNT_MIN_PREFIX_V6, 0);
	TRY(source_prefix_v6, SHUNT_MIN_PREFIX_V6 - 1, -EINVAL);
	TRY(source_prefix_v6, 129, -EINVAL);
	TRY(drop, 1, 0);
	TRY(drop, 2, -EINVAL);
	TRY(pad, 1, -EINVAL);
	TRY(frontend[SHUNT_NAME_SIZE - 1], 'x', -EINVAL);
}

static void
test_service(void)
{
	struct shunt_service s = helper_service("198.51.100.10", 80, SHUNT_TCP, 1);
	const char *why;

	s.limit = SHUNT_MAX_LIMITS - 1;
	CU_ASSERT_EQUAL(put(SHUNT_KIND_SERVICE, &s, sizeof(s), &why), 0);
	s.limit = SHUNT_MAX_LIMITS;
	CU_ASSERT_EQUAL(put(SHUNT_KIND_SERVICE, &s, sizeof(s), &why), -EINVAL);
	s.limit = 1;
	s.stateless = 1;
	CU_ASSERT_EQUAL(put(SHUNT_KIND_SERVICE, &s, sizeof(s), &why), -EINVAL);
}

static struct shunt_addr
network(const struct gen_limit *limit, const char *text)
{
	const struct shunt_addr client = helper_addr(text);

	return gen_limit_network(limit, &client);
}

static bool
is(struct shunt_addr address, const char *text)
{
	const struct shunt_addr expected = helper_addr(text);

	return shunt_addr_equal(&address, &expected);
}

static void
test_networks(void)
{
	struct gen_limit limit = { .source_bits = { 96 + 24, 64 } };

	CU_ASSERT_TRUE(is(network(&limit, "192.0.2.77"), "192.0.2.0"));
	CU_ASSERT_TRUE(is(network(&limit, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::"));
	limit.source_bits[0] = 96 + 27;
	limit.source_bits[1] = 61;
	CU_ASSERT_TRUE(is(network(&limit, "192.0.2.77"), "192.0.2.64"));
	CU_ASSERT_TRUE(is(network(&limit, "2001:db8:1:f:3::"), "2001:db8:1:8::"));
	limit.source_bits[0] = limit.source_bits[1] = 128;
	CU_ASSERT_TRUE(is(network(&limit, "192.0.2.77"), "192.0.2.77"));
	CU_ASSERT_TRUE(is(network(&limit, "2001:db8::6"), "2001:db8::6"));
	limit.source_bits[0] = 96 + 8;
	CU_ASSERT_TRUE(is(network(&limit, "10.9.8.7"), "10.0.0.0"));
}

/* The numbers of networks: kept while they are the same ones, and never given twice. */
static void
test_numbers(void)
{
	struct object_store *store = object_store_create();
	struct generation *g[5] = { NULL };
	struct shunt_limit limit = good;
	struct generation_error error;
	int result;

	helper_put_settings(store);
	for (int i = 1; i < 5; i++) {
		if (i == 2)
			limit.source_maxconn = 9;
		if (i == 3)
			limit.source_prefix = 32;
		if (i == 4)
			limit.source_prefix = 24;
		helper_put(store, SHUNT_KIND_LIMIT, 7, &limit, sizeof(limit));
		g[i] = generation_create(store, (uint64_t)i, g[i - 1], 1, &error, &result);
		CU_ASSERT_PTR_NOT_NULL_FATAL(g[i]);
		CU_ASSERT_TRUE(g[i]->limits->has_sources);
	}
	CU_ASSERT_EQUAL(g[2]->limits->limit[7].source_maxconn, 9);
	CU_ASSERT_EQUAL(g[1]->limits->limit[7].source_number, g[2]->limits->limit[7].source_number);
	CU_ASSERT_NOT_EQUAL(
		g[2]->limits->limit[7].source_number, g[3]->limits->limit[7].source_number);
	CU_ASSERT_NOT_EQUAL(
		g[2]->limits->limit[7].source_number, g[4]->limits->limit[7].source_number);
	CU_ASSERT_NOT_EQUAL(
		g[3]->limits->limit[7].source_number, g[4]->limits->limit[7].source_number);
	/* Nothing has changed: they are shared. */
	generation_destroy(g[1]);
	g[1] = generation_create(store, 9, g[4], 1, &error, &result);
	CU_ASSERT_PTR_EQUAL(g[1]->limits, g[4]->limits);
	for (int i = 1; i < 5; i++)
		generation_destroy(g[i]);
	object_store_destroy(store);
}

static const struct unit_test tests[] = {
	{ "limit, every field", test_fields },
	{ "service, its limit", test_service },
	{ "networks", test_networks },
	{ "numbers of networks", test_numbers },
};

UNIT_MAIN("objects_limit", tests)
