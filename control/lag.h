/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The greatest and the mean of a measured value over the last second, the last ten and all of the
 * time. Pure: the clock is passed in. No allocation; noting takes the same few steps always.
 */
#ifndef CONTROL_LAG_H
#define CONTROL_LAG_H

#include <stdint.h>

#define LAG_SLOT_MS 250
#define LAG_SLOTS   41 /* ten seconds, and the slot that is being filled */

struct lag_sum {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
};

/* Zeroed at first. */
struct lag {
	struct lag_sum all;
	struct {
		uint64_t number; /* of the slot since the clock began, plus one; 0: never used */
		struct lag_sum sum;
	} slots[LAG_SLOTS];
};

/* now_ms: of one clock that never goes back. */
void lag_note(struct lag *lag, uint64_t now_ms, uint64_t value);

/* The last so many ms, 10 s at most, and up to one slot more; 0: all of the time. */
struct lag_sum lag_over(const struct lag *lag, uint64_t now_ms, uint64_t ms);

static inline double
lag_mean(const struct lag_sum *sum)
{
	return sum->count ? (double)sum->sum / (double)sum->count : 0;
}

#endif
