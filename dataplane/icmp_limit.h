/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many ICMP errors a worker may send: a token bucket (RFC 1812 section 4.3.2.8, RFC 4443
 * section 2.4(f)), kept as the time when it will be full again (the generic cell rate algorithm,
 * ITU-T I.371), which needs no division. Times are in cycles, or any other unit. Worker.
 */
#ifndef DATAPLANE_ICMP_LIMIT_H
#define DATAPLANE_ICMP_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct icmp_limit {
	uint64_t period; /* from one token to the next */
	uint64_t burst;	 /* tokens that a full bucket holds */
	uint64_t full;
};

/* Takes a token if there is one. */
static inline bool
icmp_limit_take(struct icmp_limit *limit, uint64_t now)
{
	if (limit->full < now)
		limit->full = now;
	if (limit->full - now > (limit->burst - 1) * limit->period)
		return false;
	limit->full += limit->period;
	return true;
}

#endif
