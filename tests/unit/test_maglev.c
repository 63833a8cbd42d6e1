/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "maglev_members.h"
#include "roundrobin.h"
#include "unit.h"

#define KNOWN_IDENTITY 0xced579d382205374ull
#define KNOWN_DIGEST   0x6a04701d65a6aae6ull

static uint16_t *
table(const struct maglev_member *members, size_t count, uint32_t slot_count)
{
	uint16_t *slots = malloc(slot_count * sizeof(*slots));

	memset(slots, 0xff, slot_count * sizeof(*slots));
	CU_ASSERT_EQUAL_FATAL(maglev_build(members, count, slots, slot_count), 0);
	for (uint32_t i = 0; i < slot_count; i++) {
		if (slots[i] >= count)
			CU_FAIL_FATAL("a slot names no member");
	}
	return slots;
}

static uint32_t *
shares(const uint16_t *slots, uint32_t slot_count, size_t count)
{
	uint32_t *share = calloc(count, sizeof(*share));

	for (uint32_t i = 0; i < slot_count; i++)
		share[slots[i]]++;
	return share;
}

/* Every member has its exact share rounded down or up; returns the greatest excess as a ratio. */
static double
check_shares(const struct maglev_member *members, size_t count, uint32_t slot_count)
{
	uint16_t *slots = table(members, count, slot_count);
	uint32_t *share = shares(slots, slot_count, count);
	uint64_t total = 0;
	double worst = 0;

	for (size_t i = 0; i < count; i++)
		total += members[i].weight;
	for (size_t i = 0; i < count; i++) {
		uint64_t product = (uint64_t)slot_count * members[i].weight;
		double exact = (double)product / (double)total;

		if (share[i] < product / total || share[i] > (product + total - 1) / total)
			CU_FAIL("share is off by a slot or more");
		if (share[i] / exact > worst)
			worst = share[i] / exact;
	}
	free(share);
	free(slots);
	return worst;
}

static void
slot_counts(void)
{
	struct maglev_member members[3] = { { 1, 1 }, { 2, 1 }, { 3, 1 } };
	struct maglev_member *many;

	CU_ASSERT_EQUAL(maglev_slot_count(members, 0), 0);
	CU_ASSERT_EQUAL(maglev_slot_count(members, 1), 128);
	CU_ASSERT_EQUAL(maglev_slot_count(members, 2), 256);
	CU_ASSERT_EQUAL(maglev_slot_count(members, 3), 512);
	members[0].weight = 256; /* 100 * 258 */
	CU_ASSERT_EQUAL(maglev_slot_count(members, 3), 32768);
	many = members_create(SHUNT_MAX_SERVERS - 1, weight_any);
	CU_ASSERT_EQUAL(maglev_slot_count(many, SHUNT_MAX_SERVERS - 1), SHUNT_MAX_SLOTS);
	CU_ASSERT_EQUAL(maglev_slot_count(many, 1), 128);
	free(many);
}

static void
even_shares(void)
{
	static const uint32_t counts[] = { 1, 2, 3, 5, 17, 100, 1000 };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct maglev_member *members = members_create(counts[i], weight_one);
		uint32_t slot_count = maglev_slot_count(members, counts[i]);

		CU_ASSERT(check_shares(members, counts[i], slot_count) <= 1.01);
		free(members);
	}
}

static void
weighted_shares(void)
{
	static const uint32_t counts[] = { 2, 3, 5, 40, 200, 1000 };
	struct maglev_member extreme[2] = { { identity(1), 256 }, { identity(2), 1 } };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct maglev_member *members = members_create(counts[i], weight_mixed);
		uint32_t slot_count = maglev_slot_count(members, counts[i]);

		CU_ASSERT(check_shares(members, counts[i], slot_count) <= 1.02);
		free(members);
	}
	CU_ASSERT(check_shares(extreme, 2, maglev_slot_count(extreme, 2)) <= 1.02);
}

/* Where the table is too small for everyone to have a slot, it is still filled and exact. */
static void
crowded_table(void)
{
	uint32_t count = 300;
	struct maglev_member *members = members_create(count, weight_any);

	check_shares(members, count, 256);
	check_shares(members, count, 1);
	free(members);
	count = SHUNT_MAX_SERVERS - 1;
	members = members_create(count, weight_any);
	check_shares(members, count, SHUNT_MAX_SLOTS);
	free(members);
}

static void
order_does_not_matter(void)
{
	uint32_t count = 200;
	struct maglev_member *members = members_create(count, weight_mixed);
	struct maglev_member *shuffled = members_create(count, weight_mixed);
	uint32_t slot_count = maglev_slot_count(members, count);
	uint16_t *a, *b;
	bool same = true;

	srand(7);
	for (uint32_t i = count - 1; i > 0; i--) {
		uint32_t j = (uint32_t)rand() % (i + 1);
		struct maglev_member swap = shuffled[i];

		shuffled[i] = shuffled[j];
		shuffled[j] = swap;
	}
	CU_ASSERT_EQUAL(maglev_slot_count(shuffled, count), slot_count);
	a = table(members, count, slot_count);
	b = table(shuffled, count, slot_count);
	for (uint32_t i = 0; i < slot_count; i++)
		same &= members[a[i]].identity == shuffled[b[i]].identity;
	CU_ASSERT_TRUE(same);
	free(a);
	free(b);
	free(members);
	free(shuffled);
}

static void
same_endpoint_twice(void)
{
	struct maglev_member members[4] = { { identity(1), 1 }, { identity(1), 1 },
		{ identity(2), 1 }, { identity(1), 3 } };
	uint32_t slot_count = maglev_slot_count(members, 4);

	CU_ASSERT(check_shares(members, 4, slot_count) <= 1.02);
}

/*
 * Takes one member out. Slots that were its own must move; of the others, returns the part that
 * moved as well.
 */
static double
moved_by_removal(uint32_t count, uint32_t (*weight)(uint32_t i), uint32_t out)
{
	struct maglev_member *members = members_create(count, weight);
	struct maglev_member *rest = members_create(count, weight);
	uint32_t slot_count = maglev_slot_count(members, count), kept = 0, moved = 0;
	uint16_t *before, *after;

	memmove(&rest[out], &rest[out + 1], (count - out - 1) * sizeof(*rest));
	before = table(members, count, slot_count);
	after = table(rest, count - 1, slot_count);
	for (uint32_t i = 0; i < slot_count; i++) {
		if (before[i] == out)
			continue;
		kept++;
		moved += members[before[i]].identity != rest[after[i]].identity;
	}
	free(before);
	free(after);
	free(members);
	free(rest);
	return (double)moved / kept;
}

static double
worst_removal(uint32_t count, uint32_t (*weight)(uint32_t i))
{
	double worst = 0;

	for (uint32_t out = 0; out < count; out += count < 20 ? 1 : count / 20) {
		double moved = moved_by_removal(count, weight, out);

		if (moved > worst)
			worst = moved;
	}
	printf("\n    %u servers: %.2f %% of the others' slots moved ", count, worst * 100);
	return worst;
}

static void
small_disruption(void)
{
	CU_ASSERT(worst_removal(3, weight_one) <= 0.03);
	CU_ASSERT(worst_removal(10, weight_one) <= 0.03);
	CU_ASSERT(worst_removal(100, weight_one) <= 0.02);
	CU_ASSERT(worst_removal(1000, weight_one) <= 0.01);
	CU_ASSERT(worst_removal(5, weight_mixed) <= 0.02);
	CU_ASSERT(worst_removal(100, weight_mixed) <= 0.02);
}

/* A change here moves every client of every cluster whose nodes are updated one by one. */
static void
known_answers(void)
{
	struct maglev_member *members = members_create(3, weight_one);
	uint16_t *slots = table(members, 3, 512);
	uint64_t digest = 0xcbf29ce484222325ull;

	for (uint32_t i = 0; i < 512; i++)
		digest = (digest ^ slots[i]) * 0x100000001b3ull;
	CU_ASSERT_EQUAL(identity(0x010203), KNOWN_IDENTITY);
	CU_ASSERT_EQUAL(digest, KNOWN_DIGEST);
	if (digest != KNOWN_DIGEST)
		printf("\n    %#llx %#llx ", (unsigned long long)identity(0x010203),
			(unsigned long long)digest);
	free(slots);
	free(members);
}

/* The bound is far above what it takes (a few milliseconds), for slow machines and sanitizers. */
static void
fast_enough(void)
{
	struct maglev_member *members = members_create(1000, weight_one);
	uint32_t slot_count = maglev_slot_count(members, 1000), weights[1000], length;
	double start = seconds(), took;
	uint16_t *slots = table(members, 1000, slot_count), *schedule;

	took = seconds() - start;
	printf("\n    1000 servers: table in %.2f ms, ", took * 1000);
	CU_ASSERT(took < 0.2);
	for (uint32_t i = 0; i < 1000; i++)
		weights[i] = weight_any(i);
	start = seconds();
	CU_ASSERT_EQUAL(roundrobin_build(weights, 1000, &schedule, &length), 0);
	took = seconds() - start;
	printf("schedule of %u in %.2f ms ", length, took * 1000);
	CU_ASSERT(took < 0.5);
	free(schedule);
	free(slots);
	free(members);
}

/* The greatest distance, over all places and servers, between turns had and turns due. */
static double
greatest_lag(const uint32_t *weights, size_t count, const uint16_t *schedule, uint32_t length)
{
	uint32_t *had = calloc(count, sizeof(*had));
	double worst = 0;

	for (uint32_t place = 0; place < length; place++) {
		had[schedule[place]]++;
		for (size_t i = 0; i < count; i++) {
			double lag = (place + 1.0) * weights[i] / length - had[i];

			if (lag < 0)
				lag = -lag;
			if (lag > worst)
				worst = lag;
		}
	}
	free(had);
	return worst;
}

static void
schedule_small(void)
{
	static const uint32_t weights[] = { 5, 1, 1 }, tens[] = { 20, 10, 10 }, one[] = { 7 };
	uint16_t *schedule = &(uint16_t){ 0 };
	uint32_t length = 1, count[3] = { 0 };

	CU_ASSERT_EQUAL(roundrobin_build(weights, 0, &schedule, &length), 0);
	CU_ASSERT_PTR_NULL(schedule);
	CU_ASSERT_EQUAL(length, 0);
	CU_ASSERT_EQUAL(roundrobin_build(one, 1, &schedule, &length), 0);
	CU_ASSERT_EQUAL(length, 1);
	free(schedule);
	CU_ASSERT_EQUAL(roundrobin_build(tens, 3, &schedule, &length), 0);
	CU_ASSERT_EQUAL(length, 4);
	free(schedule);
	CU_ASSERT_EQUAL(roundrobin_build(weights, 3, &schedule, &length), 0);
	CU_ASSERT_EQUAL_FATAL(length, 7);
	for (uint32_t i = 0; i < length; i++)
		count[schedule[i]]++;
	CU_ASSERT(count[0] == 5 && count[1] == 1 && count[2] == 1);
	CU_ASSERT(greatest_lag(weights, 3, schedule, length) < 1);
	free(schedule);
}

static void
schedule_equal_weights(void)
{
	uint32_t weights[50], length;
	uint16_t *schedule;

	for (uint32_t i = 0; i < 50; i++)
		weights[i] = 10;
	CU_ASSERT_EQUAL(roundrobin_build(weights, 50, &schedule, &length), 0);
	CU_ASSERT_EQUAL_FATAL(length, 50);
	for (uint32_t i = 0; i < 50; i++)
		CU_ASSERT_EQUAL(schedule[i], i);
	free(schedule);
}

static void
schedule_is_smooth(void)
{
	uint32_t weights[60], length;
	uint16_t *schedule;

	srand(11);
	for (int round = 0; round < 60; round++) {
		size_t count = 2 + (size_t)rand() % 58;
		uint32_t sum = 0, range = round % 2 ? SHUNT_MAX_WEIGHT : 9;

		for (size_t i = 0; i < count; i++) {
			weights[i] = (uint32_t)rand() % range + 1;
			sum += weights[i];
		}
		CU_ASSERT_EQUAL(roundrobin_build(weights, count, &schedule, &length), 0);
		CU_ASSERT_EQUAL_FATAL(sum % length, 0);
		for (size_t i = 0; i < count; i++)
			weights[i] /= sum / length;
		CU_ASSERT(greatest_lag(weights, count, schedule, length) < 1);
		free(schedule);
	}
	/* One that is wanted as often as all the others must come every other time. */
	for (int i = 0; i < 60; i++)
		weights[i] = i ? 1 : 59;
	CU_ASSERT_EQUAL(roundrobin_build(weights, 60, &schedule, &length), 0);
	for (uint32_t i = 2; i < length; i += 2)
		CU_ASSERT_NOT_EQUAL(schedule[i] == 0, schedule[i - 1] == 0);
	free(schedule);
}

static void
schedule_scaled_down(void)
{
	uint32_t count = 20000, *weights = calloc(count, sizeof(*weights)), length, *had;
	uint16_t *schedule;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		weights[i] = weight_any(i);
		sum += weights[i];
	}
	CU_ASSERT(sum > SHUNT_MAX_SCHEDULE);
	CU_ASSERT_EQUAL(roundrobin_build(weights, count, &schedule, &length), 0);
	CU_ASSERT(length <= SHUNT_MAX_SCHEDULE && length > SHUNT_MAX_SCHEDULE / 2);
	had = shares(schedule, length, count);
	for (uint32_t i = 0; i < count; i++) {
		if (had[i] == 0)
			CU_FAIL("a server has no turn");
	}
	free(had);
	free(schedule);
	free(weights);
	/* As many as there can be, all as heavy as can be but one. */
	count = SHUNT_MAX_SERVERS - 1;
	weights = calloc(count, sizeof(*weights));
	for (uint32_t i = 0; i < count; i++)
		weights[i] = i ? SHUNT_MAX_WEIGHT : 1;
	CU_ASSERT_EQUAL(roundrobin_build(weights, count, &schedule, &length), 0);
	CU_ASSERT(length <= SHUNT_MAX_SCHEDULE && length >= count);
	free(schedule);
	free(weights);
}

static const struct unit_test tests[] = {
	{ "numbers of slots", slot_counts },
	{ "even shares", even_shares },
	{ "weighted shares", weighted_shares },
	{ "more members than slots", crowded_table },
	{ "order of members does not matter", order_does_not_matter },
	{ "one endpoint several times", same_endpoint_twice },
	{ "a removal moves few slots of the others", small_disruption },
	{ "known answers", known_answers },
	{ "fast enough", fast_enough },
	{ "schedule: small", schedule_small },
	{ "schedule: equal weights", schedule_equal_weights },
	{ "schedule: smooth", schedule_is_smooth },
	{ "schedule: scaled down", schedule_scaled_down },
};

UNIT_MAIN("maglev", tests)
