/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of a part of the servers, and what a change moves. */
#include <stdio.h>
#include <stdlib.h>

#include "maglev_members.h"
#include "unit.h"

#define KNOWN_DIGEST 0x235243932324bf6aull

/* A set of servers, who of them is up, and the table of these by the servers' own numbers. */
struct scene {
	uint32_t count;
	struct maglev_member *members;
	uint32_t slot_count;
	struct maglev *maglev;
	uint16_t *base; /* all are up */
	bool *up;
	uint16_t *table;
};

static struct scene
scene_create(uint32_t count, uint32_t (*weight)(uint32_t i))
{
	struct scene s = { .count = count, .members = members_create(count, weight) };

	s.slot_count = maglev_slot_count(s.members, count);
	s.maglev = maglev_create(s.members, count, s.slot_count);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s.maglev);
	s.base = calloc(s.slot_count, sizeof(*s.base));
	s.table = calloc(s.slot_count, sizeof(*s.table));
	s.up = calloc(count, sizeof(*s.up));
	CU_ASSERT_EQUAL(maglev_build(s.members, count, s.base, s.slot_count), 0);
	for (uint32_t i = 0; i < count; i++)
		s.up[i] = true;
	return s;
}

static void
scene_destroy(struct scene *s)
{
	maglev_destroy(s->maglev);
	free(s->members);
	free(s->base);
	free(s->table);
	free(s->up);
}

/* Takes `missing` servers down, others than before. */
static void
take_down(struct scene *s, uint32_t missing)
{
	for (uint32_t i = 0; i < s->count; i++)
		s->up[i] = true;
	while (missing > 0) {
		uint32_t i = (uint32_t)rand() % s->count;

		missing -= s->up[i];
		s->up[i] = false;
	}
}

static void
select_table(struct scene *s)
{
	uint16_t *standing = calloc(s->count, sizeof(*standing));
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		if (s->up[i])
			standing[count++] = (uint16_t)i;
	}
	memset(s->table, 0xff, s->slot_count * sizeof(*s->table));
	maglev_select(s->maglev, s->up, s->table);
	for (uint32_t i = 0; i < s->slot_count; i++) {
		if (s->table[i] >= count)
			CU_FAIL_FATAL("a slot names no server that is up");
		s->table[i] = standing[s->table[i]];
	}
	free(standing);
}

/* The greatest share of slots, as a ratio to the one that is due by weight. */
static double
unevenness(const struct scene *s)
{
	uint32_t *share = calloc(s->count, sizeof(*share));
	double worst = 0, total = 0;

	for (uint32_t i = 0; i < s->slot_count; i++)
		share[s->table[i]]++;
	for (uint32_t i = 0; i < s->count; i++)
		total += s->up[i] ? s->members[i].weight : 0;
	for (uint32_t i = 0; i < s->count; i++) {
		double due = s->slot_count * (s->members[i].weight / total);

		if (share[i] / due > worst)
			worst = share[i] / due;
	}
	free(share);
	return worst;
}

/* Slots of servers that are up in the complete table: they never move. */
static bool
standing_ones_stay(const struct scene *s)
{
	bool stay = true;

	for (uint32_t i = 0; i < s->slot_count; i++)
		stay &= !s->up[s->base[i]] || s->table[i] == s->base[i];
	return stay;
}

/* Slots that move when one more goes down, but for its own, as a part of the table. */
static double
moved_by_one_more(struct scene *s)
{
	uint16_t *before = malloc(s->slot_count * sizeof(*before));
	uint32_t out = (uint32_t)rand() % s->count, moved = 0;

	while (!s->up[out])
		out = (uint32_t)rand() % s->count;
	memcpy(before, s->table, s->slot_count * sizeof(*before));
	s->up[out] = false;
	select_table(s);
	for (uint32_t i = 0; i < s->slot_count; i++)
		moved += before[i] != out && before[i] != s->table[i];
	free(before);
	return (double)moved / s->slot_count;
}

static void
all_are_up(void)
{
	static const uint32_t counts[] = { 1, 2, 3, 17, 1000 };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct scene s = scene_create(counts[i], weight_mixed);

		select_table(&s);
		CU_ASSERT_EQUAL(memcmp(s.table, s.base, s.slot_count * sizeof(*s.table)), 0);
		CU_ASSERT_EQUAL(maglev_slots(s.maglev), s.slot_count);
		scene_destroy(&s);
	}
}

/* Many sets of missing servers: shares stay even, and what can stay stays. */
static void
any_part(uint32_t count, uint32_t (*weight)(uint32_t i), double limit, double moved_limit)
{
	struct scene s = scene_create(count, weight);
	double worst = 0, most = 0;

	for (uint32_t missing = 1; missing < count - 1; missing += missing / 2 + 1) {
		for (int i = 0; i < 4; i++) {
			double part;

			take_down(&s, missing);
			select_table(&s);
			CU_ASSERT_TRUE(standing_ones_stay(&s));
			worst = unevenness(&s) > worst ? unevenness(&s) : worst;
			part = moved_by_one_more(&s);
			/* With most of them gone there is no table to keep to. */
			if (missing <= count / 2 && part > most)
				most = part;
		}
	}
	printf("\n    %u servers: max/mean %.4f; one more moves at most %.3f %% of the others' ",
		count, worst, most * 100);
	CU_ASSERT(worst <= limit);
	CU_ASSERT(most <= moved_limit);
	scene_destroy(&s);
}

static void
even_and_steady(void)
{
	srand(3);
	any_part(3, weight_one, 1.01, 0);
	any_part(10, weight_one, 1.01, 0.02);
	any_part(100, weight_one, 1.01, 0.01);
	any_part(1000, weight_one, 1.01, 0.008);
	any_part(5, weight_mixed, 1.02, 0.01);
	any_part(100, weight_mixed, 1.02, 0.005);
	any_part(1000, weight_mixed, 1.02, 0.001);
}

/* What is promised: one of all goes, and no slot but its own moves; it comes, and all is as before.
 */
static void
one_goes_and_comes(void)
{
	struct scene s = scene_create(1000, weight_one);

	for (uint32_t out = 0; out < s.count; out += 37) {
		uint32_t moved = 0, own = 0;

		s.up[out] = false;
		select_table(&s);
		for (uint32_t i = 0; i < s.slot_count; i++) {
			moved += s.table[i] != s.base[i];
			own += s.base[i] == out;
		}
		CU_ASSERT_EQUAL(moved, own);
		CU_ASSERT(unevenness(&s) <= 1.01);
		s.up[out] = true;
		select_table(&s);
		CU_ASSERT_EQUAL(memcmp(s.table, s.base, s.slot_count * sizeof(*s.table)), 0);
	}
	scene_destroy(&s);
}

/* Another node, which has never seen the servers go, and has them in another order. */
static void
history_does_not_matter(void)
{
	struct scene s = scene_create(200, weight_mixed), other = scene_create(200, weight_mixed);
	uint32_t place[200];
	bool same = true;

	srand(9);
	for (uint32_t i = 0; i < 200; i++)
		place[i] = i;
	for (uint32_t i = 199; i > 0; i--) {
		uint32_t j = (uint32_t)rand() % (i + 1), swap = place[i];

		place[i] = place[j];
		place[j] = swap;
	}
	for (int i = 0; i < 50; i++) {
		take_down(&s, (uint32_t)i * 3 + 1);
		select_table(&s);
	}
	for (uint32_t i = 0; i < 200; i++) {
		other.members[i] = s.members[place[i]];
		other.up[i] = s.up[place[i]];
	}
	maglev_destroy(other.maglev);
	other.maglev = maglev_create(other.members, 200, other.slot_count);
	CU_ASSERT_PTR_NOT_NULL_FATAL(other.maglev);
	select_table(&other);
	for (uint32_t i = 0; i < s.slot_count; i++)
		same &= place[other.table[i]] == s.table[i];
	CU_ASSERT_TRUE(same);
	scene_destroy(&s);
	scene_destroy(&other);
}

static void
members_are_compared(void)
{
	struct scene s = scene_create(20, weight_mixed);

	CU_ASSERT_TRUE(maglev_is_of(s.maglev, s.members, 20, s.slot_count));
	CU_ASSERT_FALSE(maglev_is_of(s.maglev, s.members, 19, s.slot_count));
	CU_ASSERT_FALSE(maglev_is_of(s.maglev, s.members, 20, s.slot_count * 2));
	s.members[19].weight++;
	CU_ASSERT_FALSE(maglev_is_of(s.maglev, s.members, 20, s.slot_count));
	s.members[19].weight--;
	s.members[0].identity++;
	CU_ASSERT_FALSE(maglev_is_of(s.maglev, s.members, 20, s.slot_count));
	CU_ASSERT(maglev_bytes(s.maglev) > s.slot_count * sizeof(uint16_t));
	scene_destroy(&s);
}

/* More servers than slots for all, and one endpoint twice. */
static void
odd_sets(void)
{
	uint32_t count = 300;
	struct maglev_member *members = members_create(count, weight_any);
	bool up[300] = { [17] = true, [250] = true };
	uint16_t slots[256];
	struct maglev *maglev;

	for (uint32_t slot_count = 1; slot_count <= 256; slot_count *= 16) {
		uint32_t of_one = 0;

		maglev = maglev_create(members, count, slot_count);
		CU_ASSERT_PTR_NOT_NULL_FATAL(maglev);
		maglev_select(maglev, up, slots);
		for (uint32_t i = 0; i < slot_count; i++) {
			CU_ASSERT(slots[i] < 2);
			of_one += slots[i];
		}
		if (slot_count == 256)
			CU_ASSERT(of_one > 0 && of_one < 256);
		maglev_destroy(maglev);
	}
	members[1] = members[2] = members[0];
	maglev = maglev_create(members, 3, 256);
	CU_ASSERT_PTR_NOT_NULL_FATAL(maglev);
	memset(up, 1, 2);
	maglev_select(maglev, up, slots);
	for (uint32_t i = 0; i < 256; i++)
		CU_ASSERT(slots[i] < 2);
	maglev_destroy(maglev);
	free(members);
}

/* A change here moves clients of every cluster whose nodes are updated one by one. */
static void
known_answer(void)
{
	struct scene s = scene_create(40, weight_mixed);
	uint64_t digest = 0xcbf29ce484222325ull;

	s.up[3] = s.up[17] = s.up[39] = false;
	select_table(&s);
	for (uint32_t i = 0; i < s.slot_count; i++)
		digest = (digest ^ s.table[i]) * 0x100000001b3ull;
	CU_ASSERT_EQUAL(digest, KNOWN_DIGEST);
	if (digest != KNOWN_DIGEST)
		printf("\n    %#llx ", (unsigned long long)digest);
	scene_destroy(&s);
}

/* A change is far less work than the complete table: how much less is printed for people. */
static void
less_work(void)
{
	struct scene s = scene_create(1000, weight_one);
	double start = seconds(), all, one;

	for (int i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(maglev_build(s.members, s.count, s.base, s.slot_count), 0);
	all = (seconds() - start) / 20;
	start = seconds();
	for (int i = 0; i < 100; i++) {
		s.up[i] = false;
		maglev_select(s.maglev, s.up, s.table);
		s.up[i] = true;
	}
	one = (seconds() - start) / 100;
	printf("\n    1000 servers: table in %.3f ms, without one of them in %.3f ms ", all * 1e3,
		one * 1e3);
	CU_ASSERT(one < all / 2);
	scene_destroy(&s);
}

static const struct unit_test tests[] = {
	{ "all are up", all_are_up },
	{ "even and steady, whoever is missing", even_and_steady },
	{ "one goes and comes", one_goes_and_comes },
	{ "history and order do not matter", history_does_not_matter },
	{ "members are compared", members_are_compared },
	{ "odd sets", odd_sets },
	{ "known answer", known_answer },
	{ "a change is little work", less_work },
};

UNIT_MAIN("maglev_select", tests)
