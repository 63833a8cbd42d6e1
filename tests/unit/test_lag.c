/* SPDX-License-Identifier: BSD-3-Clause */
#include "lag.h"
#include "unit.h"

static void
check(const struct lag *lag, uint64_t now_ms, uint64_t ms, uint64_t count, uint64_t max,
	double mean)
{
	struct lag_sum sum = lag_over(lag, now_ms, ms);

	CU_ASSERT_EQUAL(sum.count, count);
	CU_ASSERT_EQUAL(sum.max, max);
	CU_ASSERT_DOUBLE_EQUAL(lag_mean(&sum), mean, 0.001);
}

static void
windows(void)
{
	struct lag lag = { 0 };

	check(&lag, 0, 0, 0, 0, 0);
	check(&lag, 5, 1000, 0, 0, 0);
	lag_note(&lag, 0, 7); /* a clock may begin at zero */
	lag_note(&lag, 100, 1);
	check(&lag, 100, 1000, 2, 7, 4);
	lag_note(&lag, 2000, 100);
	check(&lag, 2000, 1000, 1, 100, 100);
	check(&lag, 2000, 10000, 3, 100, 36);
	check(&lag, 2999, 1000, 1, 100, 100);
	/* The slot that it is in reaches back a little further. */
	check(&lag, 3249, 1000, 1, 100, 100);
	check(&lag, 3250, 1000, 0, 0, 0);
	check(&lag, 12249, 10000, 1, 100, 100);
	check(&lag, 12250, 10000, 0, 0, 0);
	check(&lag, 12250, 0, 3, 100, 36);
}

/* Every slot is used again, and none of what was in it before is left. */
static void
around(void)
{
	struct lag lag = { 0 };
	uint64_t ms;

	for (ms = 1000000; ms < 1100000; ms++)
		lag_note(&lag, ms, ms < 1080000 ? 50 : ms % 2);
	check(&lag, ms - 1, 10000, 10250, 1, 0.5);
	check(&lag, ms - 1, 1000, 1250, 1, 0.5);
	check(&lag, ms + 1000000, 10000, 0, 0, 0);
	lag_note(&lag, ms + 1000000, 9);
	check(&lag, ms + 1000000, 10000, 1, 9, 9);
}

static const struct unit_test tests[] = {
	{ "windows of time", windows },
	{ "slots are used again", around },
};

UNIT_MAIN("lag", tests)
