/* SPDX-License-Identifier: BSD-3-Clause */
#include "flap.h"
#include "unit.h"

static const struct flap_config usual = {
	.after = 3, .within_ms = 60000, .hold_ms = 10000, .max_ms = 50000
};

/* Down now, up when it may; how long it was held. The clock stands where it came up. */
static uint32_t
down_and_up(struct flap *flap, const struct flap_config *config, uint64_t *now_ms)
{
	uint32_t held_ms;

	flap_down(flap, config, *now_ms);
	held_ms = flap_held_ms(flap, config, *now_ms);
	if (held_ms) {
		CU_ASSERT_EQUAL(flap_held_ms(flap, config, *now_ms + held_ms - 1), 1);
		CU_ASSERT_EQUAL(flap_held_ms(flap, config, *now_ms + held_ms), 0);
	}
	*now_ms += held_ms + 100;
	flap_up(flap, *now_ms);
	CU_ASSERT_EQUAL(flap_held_ms(flap, config, *now_ms), 0);
	return held_ms;
}

static void
holds_double_up_to_the_cap(void)
{
	static const uint32_t expected[] = { 0, 0, 10000, 20000, 40000, 50000, 50000, 50000 };
	struct flap flap = { 0 };
	uint64_t now_ms = 1000;

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		now_ms += 1000;
		CU_ASSERT_EQUAL(down_and_up(&flap, &usual, &now_ms), expected[i]);
	}
}

static void
seldom_is_never_held(void)
{
	struct flap flap = { 0 };
	uint64_t now_ms = 0;

	for (unsigned int i = 0; i < 50; i++) {
		CU_ASSERT_EQUAL(down_and_up(&flap, &usual, &now_ms), 0);
		now_ms += usual.within_ms / 2;
	}
}

static void
within_to_the_millisecond(void)
{
	for (unsigned int late = 0; late <= 1; late++) {
		struct flap flap = { 0 };

		for (unsigned int i = 0; i < 2; i++)
			flap_down(&flap, &usual, 5);
		flap_down(&flap, &usual, 5 + usual.within_ms + late);
		CU_ASSERT_EQUAL(flap_held_ms(&flap, &usual, 5 + usual.within_ms + late),
			late ? 0 : usual.hold_ms);
	}
}

static void
quiet_shrinks_it(void)
{
	struct flap flap = { 0 };
	uint64_t now_ms = 0;

	for (unsigned int i = 0; i < 10; i++)
		down_and_up(&flap, &usual, &now_ms); /* at the cap: level 4 */
	now_ms += 2ull * usual.within_ms;
	CU_ASSERT_EQUAL(down_and_up(&flap, &usual, &now_ms), 40000); /* two back, one more */
	now_ms += 2ull * usual.within_ms;
	CU_ASSERT_EQUAL(down_and_up(&flap, &usual, &now_ms), 20000);
	now_ms += 2ull * usual.within_ms;
	CU_ASSERT_EQUAL(down_and_up(&flap, &usual, &now_ms), 0); /* forgotten: it begins anew */
	CU_ASSERT_EQUAL(down_and_up(&flap, &usual, &now_ms), 0);
	CU_ASSERT_EQUAL(down_and_up(&flap, &usual, &now_ms), 10000);
}

static void
off_and_extremes(void)
{
	static const struct flap_config off = { 0 };
	static const struct flap_config most = {
		.after = FLAP_AFTER_MAX, .within_ms = 86400000, .hold_ms = 100, .max_ms = 86400000
	};
	static const struct flap_config first = { 1, 1000, 100, 100 };
	struct flap flap = { 0 };
	uint64_t now_ms = 0;

	for (unsigned int i = 0; i < 300; i++)
		CU_ASSERT_EQUAL(down_and_up(&flap, &off, &now_ms), 0);
	for (unsigned int i = 1; i < FLAP_AFTER_MAX; i++)
		CU_ASSERT_EQUAL(down_and_up(&flap, &most, &now_ms), 0);
	for (unsigned int i = 0; i < 300; i++)
		CU_ASSERT_EQUAL(down_and_up(&flap, &most, &now_ms), i < 20 ? 100u << i : 86400000);
	flap = (struct flap){ 0 };
	CU_ASSERT_EQUAL(down_and_up(&flap, &first, &now_ms), 100);
	/* Switched off while it is held: at once. */
	flap_down(&flap, &first, now_ms);
	CU_ASSERT_EQUAL(flap_held_ms(&flap, &off, now_ms), 0);
}

static const struct unit_test tests[] = {
	{ "holds double up to the cap", holds_double_up_to_the_cap },
	{ "seldom is never held", seldom_is_never_held },
	{ "within, to the millisecond", within_to_the_millisecond },
	{ "quiet shrinks the hold", quiet_shrinks_it },
	{ "off, the first time, the greatest values", off_and_extremes },
};

UNIT_MAIN("flap", tests)
