/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the probes have come to, all servers' together, since this process began: counts, and how
 * long those took that succeeded. Pure: no clock, no socket, no allocation.
 */
#ifndef CONTROL_PROBE_STATS_H
#define CONTROL_PROBE_STATS_H

#include "check.h"

/* 10, 20, 50, 100, ... 50 s: bucket i has what took less than that and not less than the one
 * before. */
#define PROBE_BUCKETS 22 /* the last one has no end */

/* Zeroed at first. */
struct probe_stats {
	uint64_t made; /* begun: by now they have a result, are under way, or were dropped */
	uint64_t by_status[CHECK_STATUS_COUNT];
	uint64_t buckets[PROBE_BUCKETS]; /* successes */
	uint64_t sum_us;
	uint32_t max_us;
	unsigned int open_most; /* sockets, those that only wait for the server's FIN included */
	unsigned int queued;	/* due, and without a socket */
	unsigned int queued_most;
	uint64_t waited; /* have been queued and are no longer; how long that was */
	uint64_t wait_sum_ms;
	uint64_t wait_max_ms;
};

/* A probe has this result. */
void probe_stats_result(struct probe_stats *stats, const struct check_report *report);
void probe_stats_queued(struct probe_stats *stats);
void probe_stats_unqueued(struct probe_stats *stats, uint64_t wait_ms);

uint64_t probe_stats_succeeded(const struct probe_stats *stats);
/* CHECK_SOCKERR is no failure. */
uint64_t probe_stats_failed(const struct probe_stats *stats);

/* The end of a bucket, which does not belong to it; 0: it has none. */
uint32_t probe_stats_bucket_us(unsigned int bucket);
/*
 * So many of a thousand successes took no longer, as far as buckets can tell: inside of one they
 * are taken to be spread evenly. 0: there are none.
 */
uint32_t probe_stats_quantile_us(const struct probe_stats *stats, unsigned int per_mille);

#endif
