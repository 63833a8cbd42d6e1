/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zipf's distribution with exponent 1 over 0..count-1, as flows' sizes on real links nearly are:
 * drawn by inverting the integral of 1/x, which is off from the sum by less than the first ranks.
 */
#ifndef BENCH_ZIPF_H
#define BENCH_ZIPF_H

#include <math.h>
#include <stdint.h>

struct zipf {
	uint32_t count;
	double log_range;
};

/* xorshift64* (Vigna, 2016); *state is not 0. */
static inline uint32_t
zipf_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * 0x2545f4914f6cdd1dull) >> 32);
}

static inline void
zipf_init(struct zipf *zipf, uint32_t count)
{
	zipf->count = count;
	zipf->log_range = log((double)count + 1.0);
}

static inline uint32_t
zipf_draw(const struct zipf *zipf, uint64_t *state)
{
	double rank = exp(zipf->log_range * zipf_random(state) / 4294967296.0);
	uint32_t drawn = (uint32_t)rank - 1;

	return drawn < zipf->count ? drawn : zipf->count - 1;
}

#endif
