/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <time.h>

#include "known.h"

#include "classify.h"
#include "generation.h"
#include "objects_helper.h"

static const char *const local4[] = { "10.0.0.1", "192.0.2.254" };
static const char *const local6[] = { "2001:db8:a::1", "2001:db8:1::fe" };
static const char *const servers[] = { "10.0.0.11", "10.0.0.12", "2001:db8:a::11" };

static void
put_local(struct object_store *store, uint32_t id, const char *address)
{
	const struct shunt_local local = { .address = helper_addr(address) };

	helper_put(store, SHUNT_KIND_LOCAL, id, &local, sizeof(local));
}

static struct object_store *
make_store(void)
{
	struct object_store *store = object_store_create();

	helper_put_settings(store);
	for (uint32_t i = 0; i < 2; i++) {
		put_local(store, 1 + i, local4[i]);
		put_local(store, 10 + i, local6[i]); /* ids with gaps */
	}
	/* The last one in a backend that answers directly: its answers to probes count too. */
	for (uint32_t i = 0; i < 3; i++) {
		struct shunt_member member = { .server = 1 + i, .weight = 1 };
		struct shunt_backend *b = helper_backend(SHUNT_SOURCE, &member, 1, 128);

		b->forward = i == 2 ? SHUNT_DR : SHUNT_NAT;
		helper_put_server(store, 1 + i, servers[i], 8080, 1 + i);
		helper_put(store, SHUNT_KIND_BACKEND, 1 + i, b, shunt_backend_bytes(b));
		free(b);
	}
	return store;
}

static struct generation *
make(const struct object_store *store, uint64_t number, const struct generation *before)
{
	struct generation_error error;
	int result;
	struct generation *g = generation_create(store, number, before, 1, &error, &result);

	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	return g;
}

static bool
is_local(const struct generation *g, const char *text)
{
	struct shunt_addr a = helper_addr(text);
	bool v4 = shunt_addr_is_v4(&a);

	return known_is_local(g->known, a.bytes + (v4 ? 12 : 0), v4 ? 4 : 6);
}

static bool
is_server(const struct generation *g, const char *text)
{
	struct shunt_addr a = helper_addr(text);
	bool v4 = shunt_addr_is_v4(&a);

	return known_is_server(g->known, a.bytes + (v4 ? 12 : 0), v4 ? 4 : 6);
}

static void
test_sets(void)
{
	/* Neighbours in value, of the other set, other last bytes that pass the filter. */
	static const char *const neither[] = { "10.0.0.2", "10.0.1.1", "0.0.0.1", "0.0.0.0",
		"2001:db8:a::2", "2001:db8:b::1", "::1", "::", "::a00:1" };
	struct object_store *store = make_store();
	struct generation *g = make(store, 1, NULL);

	for (int i = 0; i < 2; i++) {
		CU_ASSERT_TRUE(is_local(g, local4[i]));
		CU_ASSERT_TRUE(is_local(g, local6[i]));
		CU_ASSERT_FALSE(is_server(g, local4[i]));
	}
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(is_server(g, servers[i]));
		CU_ASSERT_FALSE(is_local(g, servers[i]));
	}
	for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++) {
		CU_ASSERT_FALSE(is_local(g, neither[i]));
		CU_ASSERT_FALSE(is_server(g, neither[i]));
	}
	generation_destroy(g);
	object_store_destroy(store);
}

/* As many as there can be, so that the table's runs are long. */
static void
test_full(void)
{
	struct object_store *store = object_store_create();
	unsigned int missing = 0, false_hits = 0;
	struct generation *g;
	char text[32];

	for (uint32_t id = 1; id < SHUNT_MAX_LOCALS; id++) {
		snprintf(text, sizeof(text), "10.1.%u.%u", id / 256, id % 256);
		put_local(store, id, text);
	}
	g = make(store, 1, NULL);
	for (uint32_t id = 1; id < SHUNT_MAX_LOCALS; id++) {
		snprintf(text, sizeof(text), "10.1.%u.%u", id / 256, id % 256);
		missing += !is_local(g, text);
		snprintf(text, sizeof(text), "10.2.%u.%u", id / 256, id % 256);
		false_hits += is_local(g, text);
	}
	CU_ASSERT_EQUAL(missing, 0);
	CU_ASSERT_EQUAL(false_hits, 0);
	generation_destroy(g);
	object_store_destroy(store);
}

/* The next generation shares what has not changed, and outlives this one. */
static void
test_generations(void)
{
	struct object_store *store = make_store();
	struct generation *first = make(store, 1, NULL), *second, *third;

	put_local(store, 20, "10.0.0.77");
	CU_ASSERT_EQUAL(object_store_delete(store, SHUNT_KIND_LOCAL, 1), 0);
	second = make(store, 2, first);
	CU_ASSERT_FALSE(is_local(first, "10.0.0.77"));
	generation_destroy(first);
	CU_ASSERT_TRUE(is_local(second, "10.0.0.77"));
	CU_ASSERT_FALSE(is_local(second, local4[0]));
	CU_ASSERT_TRUE(is_server(second, servers[0]));
	helper_put_server(store, 1, "10.0.0.99", 8080, 1);
	third = make(store, 3, second);
	generation_destroy(second);
	CU_ASSERT_TRUE(is_server(third, "10.0.0.99"));
	CU_ASSERT_FALSE(is_server(third, servers[0]));
	generation_destroy(third);
	object_store_destroy(store);
}

static void
test_mark(void)
{
	struct object_store *store = make_store();
	struct generation *g = make(store, 1, NULL);
	static const uint8_t local[4] = { 10, 0, 0, 1 }, client[4] = { 203, 0, 113, 1 };
	struct pkt pkts[] = {
		{ .direction = PKT_TO_CLIENT, .client = local, .version = 4 },
		{ .direction = PKT_TO_CLIENT, .client = client, .version = 4 },
		/* A client may not claim it, but its packet is no answer to a probe. */
		{ .direction = PKT_TO_SERVER, .client = local, .version = 4 },
		{ .drop = SHUNT_DROP_NO_SERVICE, .direction = PKT_TO_CLIENT, .client = NULL },
		/* Whose reply to a source address it is, the flow will say. */
		{ .direction = PKT_TO_CLIENT, .source = 1, .client = NULL, .version = 4 },
	};
	struct pkt *burst[] = { &pkts[0], &pkts[1], &pkts[2], &pkts[3], &pkts[4] };

	known_mark_local(g->known, burst, 5);
	CU_ASSERT_EQUAL(pkts[0].drop, SHUNT_DROP_LOCAL);
	CU_ASSERT_EQUAL(pkts[1].drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(pkts[2].drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(pkts[3].drop, SHUNT_DROP_NO_SERVICE);
	CU_ASSERT_EQUAL(pkts[4].drop, SHUNT_DROP_NONE);
	generation_destroy(g);
	object_store_destroy(store);
}

/* CPU time, in seconds, that the set of 60,000 servers takes, of which `together` share a /24. */
static double
time_of_servers(uint32_t together)
{
	struct object_store *store = object_store_create();
	struct gen_server *all = calloc(60001, sizeof(*all));
	struct generation g = { .servers = all, .server_count = 60001 };
	clock_t start;
	struct known *known;

	for (uint32_t i = 1; i < g.server_count; i++) {
		uint32_t net = i / together;
		const uint8_t address[4] = { 10, (uint8_t)(net >> 8), (uint8_t)net,
			(uint8_t)(i % together) };

		all[i].version = 4;
		memcpy(all[i].address, address, sizeof(address));
	}
	start = clock();
	known = known_create(store, &g, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(known);
	for (uint32_t i = 1; i < g.server_count; i++) {
		if (!known_is_server(known, all[i].address, 4))
			CU_FAIL("a server is not known");
	}
	start = clock() - start;
	known_destroy(known);
	object_store_destroy(store);
	free(all);
	return (double)start / CLOCKS_PER_SEC;
}

/* Servers of one network are as quick to find as those that have a network each. */
static void
test_one_network(void)
{
	double apart = time_of_servers(1), together = time_of_servers(250);

	printf("\n    60000 servers: %.1f ms, in few networks %.1f ms ", apart * 1000,
		together * 1000);
	CU_ASSERT(together < 20 * apart + 0.01);
}

static const struct unit_test tests[] = {
	{ "what is in the sets", test_sets },
	{ "as many as can be", test_full },
	{ "from generation to generation", test_generations },
	{ "what is marked", test_mark },
	{ "servers of one network", test_one_network },
};

UNIT_MAIN("known", tests)
