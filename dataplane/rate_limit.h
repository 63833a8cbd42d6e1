/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much a worker may do of what anybody can provoke (ICMP errors: RFC 1812 section 4.3.2.8, RFC
 * 4443 section 2.4(f); challenges, resets, packets for the kernel twin): a token bucket, kept as
 * the time when it will be full again (the generic cell rate algorithm, ITU-T I.371), which needs
 * no division. Times are in cycles, or any other unit. Worker.
 */
#ifndef DATAPLANE_RATE_LIMIT_H
#define DATAPLANE_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct rate_limit {
	uint64_t period; /* from one token to the next */
	uint64_t burst;	 /* tokens that a full bucket holds */
	uint64_t full;
};

/* Takes a token if there is one. */
static inline bool
rate_limit_take(struct rate_limit *limit, uint64_t now)
{
	if (limit->full < now)
		limit->full = now;
	if (limit->full - now > (limit->burst - 1) * limit->period)
		return false;
	limit->full += limit->period;
	return true;
}

#endif
