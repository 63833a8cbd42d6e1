/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A token bucket that several workers take from: one word, the time when it will be full again (the
 * generic cell rate algorithm, ITU-T I.371), so that a token is one compare-and-swap, and there is
 * no division. Exact whatever the workers' number: what one takes the next one sees. Times are the
 * workers' clock (struct select_state), which may be behind by a turn of a worker's loop: a worker
 * that is behind finds less in the bucket, never more.
 */
#ifndef DATAPLANE_GCRA_H
#define DATAPLANE_GCRA_H

#include <stdbool.h>
#include <stdint.h>

struct gcra {
	uint64_t period;    /* clock from one token to the next; 0: no limit */
	uint64_t tolerance; /* of a full bucket, all but one token's */
	uint64_t longest;   /* no bucket of this rate is full later than so from now */
};

/* rate: tokens a second. burst: tokens of a full bucket, 1 at least. Agent. */
static inline struct gcra
gcra_make(uint64_t hz, uint32_t rate, uint32_t burst)
{
	struct gcra g = { 0 };

	if (rate == 0)
		return g;
	g.period = (hz + rate / 2) / rate;
	if (g.period == 0)
		g.period = 1;
	g.tolerance = (burst - 1) * g.period;
	/* Clocks of workers differ by far less than a second. */
	g.longest = g.tolerance + g.period + hz;
	return g;
}

/* Would there be a token? Any thread. */
static inline bool
gcra_has(const struct gcra *g, const uint64_t *full, uint64_t now)
{
	uint64_t at = __atomic_load_n(full, __ATOMIC_RELAXED);

	return at <= now || at - now <= g->tolerance;
}

/*
 * Takes a token if there is one. A bucket that a reload has given a greater rate may be full later
 * than any of that rate: then it is as empty as one can be, and fills from now. Worker.
 */
static inline bool
gcra_take(const struct gcra *g, uint64_t *full, uint64_t now)
{
	uint64_t at = __atomic_load_n(full, __ATOMIC_RELAXED), next;
	bool taken;

	do {
		taken = at <= now || at - now <= g->tolerance;
		if (taken)
			next = (at > now ? at : now) + g->period;
		else if (at - now > g->longest)
			next = now + g->tolerance + g->period;
		else
			return false;
	} while (!__atomic_compare_exchange_n(
		full, &at, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return taken;
}

/* Gives back a token just taken. Worker. */
static inline void
gcra_give_back(const struct gcra *g, uint64_t *full)
{
	__atomic_fetch_sub(full, g->period, __ATOMIC_RELAXED);
}

#endif
