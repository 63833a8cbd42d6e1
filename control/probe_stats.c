/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe_stats.h"

uint32_t
probe_stats_bucket_us(unsigned int bucket)
{
	static const uint32_t steps[] = { 10, 20, 50 };
	uint32_t end_us;

	if (bucket + 1 >= PROBE_BUCKETS)
		return 0;
	end_us = steps[bucket % 3];
	for (unsigned int i = 0; i < bucket / 3; i++)
		end_us *= 10;
	return end_us;
}

static unsigned int
bucket_of(uint32_t duration_us)
{
	unsigned int bucket = 0;

	while (bucket + 1 < PROBE_BUCKETS && duration_us >= probe_stats_bucket_us(bucket))
		bucket++;
	return bucket;
}

void
probe_stats_result(struct probe_stats *stats, const struct check_report *report)
{
	if (report->status < CHECK_STATUS_COUNT)
		stats->by_status[report->status]++;
	if (!check_passed(report))
		return;
	stats->buckets[bucket_of(report->duration_us)]++;
	stats->sum_us += report->duration_us;
	if (report->duration_us > stats->max_us)
		stats->max_us = report->duration_us;
}

void
probe_stats_queued(struct probe_stats *stats)
{
	if (++stats->queued > stats->queued_most)
		stats->queued_most = stats->queued;
}

void
probe_stats_unqueued(struct probe_stats *stats, uint64_t wait_ms)
{
	stats->queued--;
	stats->waited++;
	stats->wait_sum_ms += wait_ms;
	if (wait_ms > stats->wait_max_ms)
		stats->wait_max_ms = wait_ms;
}

static uint64_t
count(const struct probe_stats *stats, bool passed)
{
	uint64_t sum = 0;

	for (uint8_t status = CHECK_SOCKERR + 1; status < CHECK_STATUS_COUNT; status++) {
		const struct check_report report = { .status = status };

		if (check_passed(&report) == passed)
			sum += stats->by_status[status];
	}
	return sum;
}

uint64_t
probe_stats_succeeded(const struct probe_stats *stats)
{
	return count(stats, true);
}

uint64_t
probe_stats_failed(const struct probe_stats *stats)
{
	return count(stats, false);
}

uint32_t
probe_stats_quantile_us(const struct probe_stats *stats, unsigned int per_mille)
{
	uint64_t total = probe_stats_succeeded(stats), rank = (total * per_mille + 999) / 1000;
	uint64_t before = 0, first_us = 0, end_us, at_us;

	if (total == 0)
		return 0;
	for (unsigned int i = 0; i < PROBE_BUCKETS; i++) {
		end_us = probe_stats_bucket_us(i);
		if (end_us == 0 || end_us > stats->max_us)
			end_us = stats->max_us;
		if (before + stats->buckets[i] >= rank) {
			at_us = first_us;
			if (stats->buckets[i] && end_us > first_us)
				at_us += (end_us - first_us) * (rank - before) / stats->buckets[i];
			return (uint32_t)at_us;
		}
		before += stats->buckets[i];
		first_us = end_us;
	}
	return stats->max_us;
}
