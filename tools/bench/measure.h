/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The measurement of a scenario: rounds in which a loop that only swaps MAC addresses and the
 * worker take turns on the same core, the same port and the same packets.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "world.h"

#define MEASURE_MAX_ROUNDS 99

struct spread {
	double median;
	double min;
	double max;
};

struct measurement {
	struct scenario scenario;
	struct spread ratio; /* packets a second of the worker to those of the swapping loop */
	struct spread added_cycles; /* TSC cycles a packet, more than the swapping loop's */
	struct spread mpps;	    /* of the worker */
	struct spread macswap_mpps;
	struct spread connections_per_second; /* SCENARIO_CONNECTIONS */
	double lost_percent; /* of the packets: dropped, or forwarded without a flow */
};

struct measure_settings {
	unsigned int rounds; /* 1..MEASURE_MAX_ROUNDS */
	unsigned int round_ms;
};

/* The world is open for the scenario. 0 or -errno. */
int measure(struct world *world, const struct measure_settings *settings, struct measurement *out);

/* Of `count` values, which it sorts. */
struct spread spread_of(double *values, unsigned int count);

#endif
