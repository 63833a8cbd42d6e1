/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "frames.h"
#include "hop.h"

static struct hop_table *
table_create(uint64_t seed)
{
	struct hop_table *table = calloc(1, sizeof(*table));

	CU_ASSERT_PTR_NOT_NULL_FATAL(table);
	table->seed = seed;
	return table;
}

static void
mac_of(uint32_t number, uint8_t mac[6])
{
	mac[0] = 2;
	mac[1] = 0;
	memcpy(mac + 2, &number, 4);
}

static void
test_learn(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct hop_table *table = table_create(1);
	uint16_t index = hop_learn(table, mac, 3);

	CU_ASSERT_NOT_EQUAL(index, 0);
	CU_ASSERT_TRUE(hop_is(table, index, mac, 3));
	CU_ASSERT_FALSE(hop_is(table, index, mac, 2));
	CU_ASSERT_EQUAL(table->hops[index].port, 3);
	CU_ASSERT_EQUAL(memcmp(table->hops[index].mac.bytes, mac, 6), 0);
	CU_ASSERT_EQUAL(hop_learn(table, mac, 3), index);
	/* The same neighbour on another port is another hop. */
	CU_ASSERT_NOT_EQUAL(hop_learn(table, mac, 2), index);
	CU_ASSERT_TRUE(hop_is(table, index, mac, 3));
	free(table);
}

/* All zeros are a MAC like any other: an unused entry is not taken for it. */
static void
test_zero_mac(void)
{
	static const uint8_t mac[6];
	struct hop_table *table = table_create(0);
	uint16_t index;

	CU_ASSERT_FALSE(hop_is(table, 0, mac, 0));
	CU_ASSERT_FALSE(hop_is(table, 1, mac, 0));
	index = hop_learn(table, mac, 0);
	CU_ASSERT_NOT_EQUAL(index, 0);
	CU_ASSERT_TRUE(hop_is(table, index, mac, 0));
	free(table);
}

/* As many sources as a router's clients rarely have: nearly none pushes another out. */
static void
test_many(void)
{
	static uint16_t indices[2000];
	struct hop_table *table = table_create(7);
	unsigned int lost = 0;
	uint8_t mac[6];

	for (uint32_t i = 0; i < 2000; i++) {
		mac_of(i, mac);
		indices[i] = hop_learn(table, mac, (uint8_t)(i % 16));
		CU_ASSERT_NOT_EQUAL_FATAL(indices[i], 0);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		mac_of(i, mac);
		if (!hop_is(table, indices[i], mac, (uint8_t)(i % 16)))
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
	uint16_t index;
	uint8_t mac[6];

	for (uint32_t i = 0; i < 500000; i++) {
		mac_of(i * 2654435761u, mac);
		index = hop_learn(table, mac, (uint8_t)(i & 1));
		CU_ASSERT_NOT_EQUAL_FATAL(index, 0);
		CU_ASSERT_TRUE_FATAL(hop_is(table, index, mac, (uint8_t)(i & 1)));
		CU_ASSERT_EQUAL_FATAL(hop_learn(table, mac, (uint8_t)(i & 1)), index);
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
	static const uint8_t mac[6] = { 2, 9, 9, 9, 9, 9 };
	struct hop_table *table = table_create(11);
	uint16_t first = hop_learn(table, mac, 0), index = first;
	uint8_t other[6];

	for (uint32_t i = 0; i < HOP_PROBES; i++) {
		mac_of(i, other);
		memcpy(table->hops[index].mac.bytes, other, 6);
		table->hops[index].port = 200; /* no packet in this test comes in there */
		table->hops[index].known = 1;
		index = index == HOP_COUNT - 1 ? 1 : (uint16_t)(index + 1);
	}
	CU_ASSERT_EQUAL(hop_learn(table, mac, 0), first);
	CU_ASSERT_TRUE(hop_is(table, first, mac, 0));
	/* If the last of the places is what holds it, it is found there. */
	memset(table->hops[first].mac.bytes, 0xee, 6);
	index = (uint16_t)((first - 1 + HOP_PROBES - 1) % (HOP_COUNT - 1) + 1);
	memcpy(table->hops[index].mac.bytes, mac, 6);
	table->hops[index].port = 0;
	CU_ASSERT_EQUAL(hop_learn(table, mac, 0), index);
	free(table);
}

/* Another seed, other places: what collides cannot be known from outside. */
static void
test_seed(void)
{
	struct hop_table *a = table_create(1), *b = table_create(0x123456789abcdefull);
	unsigned int same = 0;
	uint8_t mac[6];

	for (uint32_t i = 0; i < 1000; i++) {
		mac_of(i, mac);
		same += hop_learn(a, mac, 0) == hop_learn(b, mac, 0);
	}
	CU_ASSERT_TRUE(same < 10);
	free(a);
	free(b);
}

static const struct unit_test tests[] = {
	{ "learn and find again", test_learn },
	{ "an all-zero MAC", test_zero_mac },
	{ "many sources keep their places", test_many },
	{ "a flood of sources", test_flood },
	{ "all places taken", test_full_places },
	{ "places depend on the seed", test_seed },
};

UNIT_MAIN("hop", tests)
