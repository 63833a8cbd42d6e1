/* SPDX-License-Identifier: BSD-3-Clause */
/* A client network's next flow goes where its last one went: the table, and the whole packet path.
 */
#include "path.h"
#include "persist.h"

static void
test_table(void)
{
	struct persist_table *t = persist_create(12345);
	const struct gen_backend a = { .id = 1, .persist_prefix4 = 24, .persist_prefix6 = 56 };
	const struct gen_backend b = { .id = 2, .persist_prefix4 = 24, .persist_prefix6 = 56 };
	const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 1, 7, 1 };
	const uint8_t same6[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 1, 9, 2 };
	const uint8_t other6[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 2, 7, 1 };
	uint64_t h = persist_hash(t, &a, (const uint8_t[]){ 192, 0, 2, 1 }, 4);

	CU_ASSERT_EQUAL(persist_hash(t, &a, (const uint8_t[]){ 192, 0, 2, 200 }, 4), h);
	CU_ASSERT_NOT_EQUAL(persist_hash(t, &a, (const uint8_t[]){ 192, 0, 3, 1 }, 4), h);
	CU_ASSERT_NOT_EQUAL(persist_hash(t, &b, (const uint8_t[]){ 192, 0, 2, 1 }, 4), h);
	CU_ASSERT_EQUAL(persist_hash(t, &a, v6, 6), persist_hash(t, &a, same6, 6));
	CU_ASSERT_NOT_EQUAL(persist_hash(t, &a, v6, 6), persist_hash(t, &a, other6, 6));
	CU_ASSERT_EQUAL(persist_find(t, h, 5), 0);
	persist_put(t, h, 65535, 5, 10);
	CU_ASSERT_EQUAL(persist_find(t, h, 5), 65535);
	CU_ASSERT_EQUAL(persist_find(t, h, 14), 65535);
	CU_ASSERT_EQUAL(persist_find(t, h, 15), 0);
	/* From then on again. */
	persist_put(t, h, 3, 14, 10);
	CU_ASSERT_EQUAL(persist_find(t, h, 23), 3);
	CU_ASSERT_EQUAL(persist_find(t, h, 24), 0);
	/* Where the clock's 24 bits turn over. */
	persist_put(t, h, 4, 0xfffffe, 10);
	CU_ASSERT_EQUAL(persist_find(t, h, 0x1000001), 4);
	CU_ASSERT_EQUAL(persist_find(t, h, 0x1000008), 0);
	persist_destroy(t);
}

/* Of a full bucket the entry goes that would end first, and never more than one. */
static void
test_eviction(void)
{
	struct persist_table *t = persist_create(1);
	const uint64_t step = 1ull << 40;

	for (uint64_t i = 1; i <= PERSIST_PER_BUCKET; i++)
		persist_put(t, i * step | 7, (uint32_t)i, 100, i == 3 ? 20 : 50);
	persist_put(t, 99 * step | 7, 99, 100, 50);
	for (uint64_t i = 1; i <= PERSIST_PER_BUCKET; i++)
		CU_ASSERT_EQUAL(persist_find(t, i * step | 7, 100), i == 3 ? 0 : i);
	CU_ASSERT_EQUAL(persist_find(t, 99 * step | 7, 100), 99);
	persist_destroy(t);
}

/* All that a flood of networks can do is make others be forgotten: no memory, no wrong answer. */
static void
test_flood(void)
{
	struct persist_table *t = persist_create(1);
	const struct gen_backend a = { .id = 1, .persist_prefix4 = 32 };
	uint64_t known = 0, shared = 0;

	for (uint32_t i = 0; i < 4 * PERSIST_BUCKETS * PERSIST_PER_BUCKET; i++)
		persist_put(t, persist_hash(t, &a, (const uint8_t *)&i, 4), 1 + i % 100, 1, 100);
	for (uint32_t i = 0; i < 4 * PERSIST_BUCKETS * PERSIST_PER_BUCKET; i++) {
		uint32_t server = persist_find(t, persist_hash(t, &a, (const uint8_t *)&i, 4), 1);

		known += server != 0;
		shared += server != 0 && server != 1 + i % 100;
	}
	/* Tags have 24 bits: 2 million lookups among 8 of them each meet about one of another's. */
	CU_ASSERT(shared < 10);
	CU_ASSERT(known > PERSIST_BUCKETS * PERSIST_PER_BUCKET * 9ull / 10);
	persist_destroy(t);
}

static void
publish_persistent(struct path *path)
{
	path->persist_ms = 20 * SHUNT_FLOW_TICK_MS;
	path_publish(path);
}

/* Round robin would send each flow elsewhere. */
static void
sticks(uint8_t version)
{
	struct path path;
	uint32_t server, others = 0;

	path_open(&path, version, SHUNT_ROUNDROBIN, CAPACITY);
	publish_persistent(&path);
	server = request(&path, SHUNT_TCP, 3, 40000, PKT_SYN).p.server;
	for (uint16_t port = 1; port < 50; port++) {
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 3, port, PKT_SYN).p.server, server);
		others += request(&path, SHUNT_TCP, 1000 * port, 1, PKT_SYN).p.server != server;
	}
	CU_ASSERT(others > 10);
	/* Its server drains: as in HAProxy it keeps those that know it. */
	path.state[server] = SHUNT_SERVER_DRAIN;
	path_publish(&path);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 3, 60, PKT_SYN).p.server, server);
	/* It goes down, and another one is the client's from then on. */
	path.state[server] = SHUNT_SERVER_DOWN;
	path_publish(&path);
	others = request(&path, SHUNT_TCP, 3, 61, PKT_SYN).p.server;
	CU_ASSERT_NOT_EQUAL(others, server);
	path.state[server] = SHUNT_SERVER_UP;
	path_publish(&path);
	for (uint16_t port = 100; port < 130; port++)
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 3, port, PKT_SYN).p.server, others);
	path_close(&path);
}

static void
test_sticks(void)
{
	sticks(4);
	sticks(6);
}

/* So long after the last new flow, and no longer. */
static void
test_ends(void)
{
	struct path path;
	uint32_t moved = 0, server;

	path_open(&path, 4, SHUNT_ROUNDROBIN, CAPACITY);
	publish_persistent(&path);
	server = request(&path, SHUNT_UDP, 3, 1, 0).p.server;
	for (uint16_t port = 2; port < 6; port++) {
		path.tracker->now += 19;
		CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, 3, port, 0).p.server, server);
	}
	for (uint16_t port = 10; port < 16; port++) {
		path.tracker->now += 20;
		moved += request(&path, SHUNT_UDP, 3, port, 0).p.server != server;
	}
	CU_ASSERT(moved >= 3);
	path_close(&path);
}

/* One that drains is still its clients'; one that the file no longer has gets nothing new. */
static void
test_removed(void)
{
	struct path path;
	uint32_t server, other;

	path_open(&path, 4, SHUNT_ROUNDROBIN, CAPACITY);
	publish_persistent(&path);
	server = request(&path, SHUNT_TCP, 3, 1, PKT_SYN).p.server;
	path.state[server] = SHUNT_SERVER_DRAIN;
	path_publish(&path);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 3, 2, PKT_SYN).p.server, server);
	path.removed[server] = true;
	path_publish(&path);
	other = request(&path, SHUNT_TCP, 3, 3, PKT_SYN).p.server;
	CU_ASSERT(other && other != server);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 3, 4, PKT_SYN).p.server, other);
	/* Its sessions go on. */
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 3, 1, PKT_ACK).p.server, server);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "table", test_table },
	{ "eviction", test_eviction },
	{ "flood", test_flood },
	{ "a client keeps its server", test_sticks },
	{ "until it has been away for long", test_ends },
	{ "but not one that is removed", test_removed },
};

UNIT_MAIN("persist", tests)
