/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe_stats.h"
#include "unit.h"

static void
result(struct probe_stats *stats, uint8_t status, uint32_t duration_us)
{
	const struct check_report report = { .status = status, .duration_us = duration_us };

	probe_stats_result(stats, &report);
}

static void
statuses(void)
{
	struct probe_stats stats = { 0 };

	for (uint8_t status = 0; status <= CHECK_STATUS_COUNT; status++) /* one is none */
		result(&stats, status, 5);
	CU_ASSERT_EQUAL(stats.by_status[CHECK_SOCKERR], 1);
	CU_ASSERT_EQUAL(stats.by_status[CHECK_L4TOUT], 1);
	/* INI and SOCKERR are neither. */
	CU_ASSERT_EQUAL(
		probe_stats_succeeded(&stats) + probe_stats_failed(&stats), CHECK_STATUS_COUNT - 2);
	CU_ASSERT_TRUE(probe_stats_succeeded(&stats) >= 2);
	CU_ASSERT_TRUE(probe_stats_failed(&stats) >= 5);
	/* Only successes have their time kept. */
	CU_ASSERT_EQUAL(stats.buckets[0], probe_stats_succeeded(&stats));
}

static void
buckets(void)
{
	struct probe_stats stats = { 0 };
	uint32_t end_us;

	CU_ASSERT_EQUAL(probe_stats_bucket_us(0), 10);
	CU_ASSERT_EQUAL(probe_stats_bucket_us(1), 20);
	CU_ASSERT_EQUAL(probe_stats_bucket_us(2), 50);
	CU_ASSERT_EQUAL(probe_stats_bucket_us(3), 100);
	CU_ASSERT_EQUAL(probe_stats_bucket_us(PROBE_BUCKETS - 2), 50000000);
	CU_ASSERT_EQUAL(probe_stats_bucket_us(PROBE_BUCKETS - 1), 0);
	CU_ASSERT_EQUAL(probe_stats_bucket_us(PROBE_BUCKETS), 0);
	for (unsigned int i = 0; (end_us = probe_stats_bucket_us(i)); i++) {
		result(&stats, CHECK_L4OK, end_us - 1);
		CU_ASSERT_EQUAL(stats.buckets[i], 1 + (i > 0));
		result(&stats, CHECK_L7OK, end_us);
		CU_ASSERT_EQUAL(stats.buckets[i + 1], 1);
	}
	result(&stats, CHECK_L7OK, UINT32_MAX);
	CU_ASSERT_EQUAL(stats.buckets[PROBE_BUCKETS - 1], 2);
	CU_ASSERT_EQUAL(stats.max_us, UINT32_MAX);
	CU_ASSERT_EQUAL(probe_stats_quantile_us(&stats, 1000), UINT32_MAX);
}

static void
quantiles(void)
{
	struct probe_stats stats = { 0 };
	uint32_t us;

	CU_ASSERT_EQUAL(probe_stats_quantile_us(&stats, 500), 0);
	result(&stats, CHECK_L4OK, 130);
	CU_ASSERT_EQUAL(probe_stats_quantile_us(&stats, 500), 130); /* no more than there was */
	CU_ASSERT_EQUAL(probe_stats_quantile_us(&stats, 990), 130);
	stats = (struct probe_stats){ 0 };
	/* Evenly: then the estimate is right. */
	for (us = 0; us < 1000; us++)
		result(&stats, CHECK_L4OK, us);
	CU_ASSERT_TRUE(probe_stats_quantile_us(&stats, 500) >= 495);
	CU_ASSERT_TRUE(probe_stats_quantile_us(&stats, 500) <= 505);
	CU_ASSERT_TRUE(probe_stats_quantile_us(&stats, 990) >= 985);
	CU_ASSERT_TRUE(probe_stats_quantile_us(&stats, 990) <= 995);
	/* One in a hundred is slow: the p99 is not, the rest is. */
	stats = (struct probe_stats){ 0 };
	for (int i = 0; i < 990; i++)
		result(&stats, CHECK_L7OK, 150);
	for (int i = 0; i < 10; i++)
		result(&stats, CHECK_L7OK, 3000000);
	CU_ASSERT_TRUE(probe_stats_quantile_us(&stats, 990) <= 200);
	CU_ASSERT_TRUE(probe_stats_quantile_us(&stats, 991) > 2000000);
	CU_ASSERT_EQUAL(probe_stats_quantile_us(&stats, 1000), 3000000);
	CU_ASSERT_EQUAL(stats.sum_us, 990 * 150 + 10 * 3000000);
}

static void
queue(void)
{
	struct probe_stats stats = { 0 };

	for (int i = 0; i < 3; i++)
		probe_stats_queued(&stats);
	probe_stats_unqueued(&stats, 40);
	probe_stats_unqueued(&stats, 2);
	probe_stats_queued(&stats);
	CU_ASSERT_EQUAL(stats.queued, 2);
	CU_ASSERT_EQUAL(stats.queued_most, 3);
	CU_ASSERT_EQUAL(stats.waited, 2);
	CU_ASSERT_EQUAL(stats.wait_sum_ms, 42);
	CU_ASSERT_EQUAL(stats.wait_max_ms, 40);
}

static const struct unit_test tests[] = {
	{ "statuses", statuses },
	{ "buckets", buckets },
	{ "quantiles", quantiles },
	{ "the queue", queue },
};

UNIT_MAIN("probe_stats", tests)
