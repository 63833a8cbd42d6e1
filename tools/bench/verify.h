/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether what the worker sends is right: every output packet is compared, byte by byte, with what
 * its input should become (expect.h). The inputs are those of a scenario in many dresses (dress.h),
 * both directions among each other.
 */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include "world.h"

struct verify_result {
	uint64_t packets; /* compared */
	uint64_t wrong;
	uint64_t missing; /* in, but never out */
};

/* Opens and closes the world for the scenario. 0 or -errno; what is wrong goes to standard error.
 */
int verify(struct world *world, const struct scenario *scenario, struct verify_result *result);

#endif
