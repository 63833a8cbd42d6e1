/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "frames.h"
#include "hop.h"
#include "shunt/table.h"

static struct hop_table *
table_create(uint64_t seed)
{
	struct hop_table *table = calloc(1, sizeof(*table));

	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	table->seed = seed;
	return table;
}

static struct link
source_of(uint32_t number, uint8_t port)
{
	struct link link = { .mac = { { 2 } }, .port = port, .known = 1 };

	memcpy(link.mac.bytes + 2, &number, 4);
	return link;
}

static void
test_learn(void)
{
	struct link source = { .mac = { { 2, 0, 0, 0, 0, 1 } }, .port = 3, .known = 1 };
	struct hop_table *table = table_create(1);
	uint16_t index = hop_learn(table, &source);

	CU_ASSERT_NOT_EQUAL(index, 0);
	CU_ASSERT_TRUE(hop_is(table, index, &source));
	CU_ASSERT_EQUAL(table->hops[index].port, 3);
	CU_ASSERT_EQUAL(memcmp(table->hops[index].mac.bytes, source.mac.bytes, 6), 0);
	CU_ASSERT_EQUAL(hop_learn(table, &source), index);
	/* The same neighbour on another port is another hop. */
	source.port = 2;
	CU_ASSERT_FALSE(hop_is(table, index, &source));
	CU_ASSERT_NOT_EQUAL(hop_learn(table, &source), index);
	source.port = 3;
	CU_ASSERT_TRUE(hop_is(table, index, &source));
	free(table);
}

/* The same router in two VLANs, or behind tags of another kind, is as many hops. */
static void
test_vlans(void)
{
	static const uint16_t vlans[][2] = { { 0, 0 }, { 5, 0 }, { 6, 0 }, { 5, 6 }, { 6, 5 },
		{ SHUNT_VLAN_S_TAG | 5, 6 }, { SHUNT_VLAN_S_TAG | 5, 0 } };
	enum {
		COUNT = sizeof(vlans) / sizeof(vlans[0])
	};
	struct link source = { .mac = { { 2, 0, 0, 0, 0, 1 } }, .port = 3, .known = 1 };
	struct hop_table *table = table_create(1);
	uint16_t indices[COUNT];

	for (unsigned int i = 0; i < COUNT; i++) {
		memcpy(source.vlan, vlans[i], sizeof(source.vlan));
		indices[i] = hop_learn(table, &source);
		CU_ASSERT_EQUAL(memcmp(table->hops[indices[i]].vlan, vlans[i], 4), 0);
	}
	for (unsigned int i = 0; i < COUNT; i++) {
		for (unsigned int k = 0; k < COUNT; k++) {
			memcpy(source.vlan, vlans[k], sizeof(source.vlan));
			CU_ASSERT_EQUAL(hop_is(table, indices[i], &source), i == k);
		}
	}
	free(table);
}

/* All zeros are a MAC like any other: an unused entry is not taken for it. */
static void
test_zero_mac(void)
{
	static const struct link source = { .known = 1 };
	struct hop_table *table = table_create(0);
	uint16_t index;

	CU_ASSERT_FALSE(hop_is(table, 0, &source));
	CU_ASSERT_FALSE(hop_is(table, 1, &source));
	index = hop_learn(table, &source);
	CU_ASSERT_NOT_EQUAL(index, 0);
	CU_ASSERT_TRUE(hop_is(table, index, &source));
	free(table);
}

/* As many sources as a router's clients rarely have: nearly none pushes another out. */
static void
test_many(void)
{
	static uint16_t indices[2000];
	struct hop_table *table = table_create(7);
	unsigned int lost = 0;
	struct link source;

	for (uint32_t i = 0; i < 2000; i++) {
		source = source_of(i, (uint8_t)(i % 16));
		indices[i] = hop_learn(table, &source);
		CU_ASSERT_NOT_EQUAL_FATAL(indices[i], 0);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		source = source_of(i, (uint8_t)(i % 16));
		if (!hop_is(table, indices[i], &source))
			lost++;
	}
	CU_ASSERT_EQUAL(lost, 0);
	free(table);
}

/*
 * A flood of forged sources: every one is learned, right after that it is there, index 0 stays
 * unused, and memory stays what it is.
 */
static void
test_flood(void)
{
	struct hop_table *table = table_create(9);
	unsigned int used = 0;
	struct link source;
	uint16_t index;

	for (uint32_t i = 0; i < 500000; i++) {
		source = source_of(i * 2654435761u, (uint8_t)(i & 1));
		source.vlan[0] = i % 7;
		index = hop_learn(table, &source);
		CU_ASSERT_NOT_EQUAL_FATAL(index, 0);
		CU_ASSERT_TRUE_FATAL(hop_is(table, index, &source));
		CU_ASSERT_EQUAL_FATAL(hop_learn(table, &source), index);
	}
	CU_ASSERT_FALSE(table->hops[0].known);
	for (uint32_t i = 1; i < HOP_COUNT; i++)
		used += table->hops[i].known;
	CU_ASSERT_TRUE(used > HOP_COUNT - HOP_COUNT / 100);
	free(table);
}

/* A source is looked for in HOP_PROBES places, and when they are taken gets the first. */
static void
test_full_places(void)
{
	static const struct link source = { .mac = { { 2, 9, 9, 9, 9, 9 } }, .known = 1 };
	struct hop_table *table = table_create(11);
	uint16_t first = hop_learn(table, &source), index = first;

	for (uint32_t i = 0; i < HOP_PROBES; i++) {
		table->hops[index] = source_of(i, 200); /* no packet in this test comes in there */
		index = index == HOP_COUNT - 1 ? 1 : (uint16_t)(index + 1);
	}
	CU_ASSERT_EQUAL(hop_learn(table, &source), first);
	CU_ASSERT_TRUE(hop_is(table, first, &source));
	/* If the last of the places is what holds it, it is found there. */
	memset(table->hops[first].mac.bytes, 0xee, 6);
	index = (uint16_t)((first - 1 + HOP_PROBES - 1) % (HOP_COUNT - 1) + 1);
	table->hops[index] = source;
	CU_ASSERT_EQUAL(hop_learn(table, &source), index);
	free(table);
}

/* Another seed, other places: what collides cannot be known from outside. */
static void
test_seed(void)
{
	struct hop_table *a = table_create(1), *b = table_create(0x123456789abcdefull);
	unsigned int same = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		const struct link source = source_of(i, 0);

		same += hop_learn(a, &source) == hop_learn(b, &source);
	}
	CU_ASSERT_TRUE(same < 10);
	free(a);
	free(b);
}

static const struct unit_test tests[] = {
	{ "learn and find again", test_learn },
	{ "VLANs make hops different", test_vlans },
	{ "an all-zero MAC", test_zero_mac },
	{ "many sources keep their places", test_many },
	{ "a flood of sources", test_flood },
	{ "all places taken", test_full_places },
	{ "places depend on the seed", test_seed },
};

UNIT_MAIN("hop", tests)
