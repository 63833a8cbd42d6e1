/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast path's find and judge: what flow.c and track.c do for a packet of an established flow,
 * and the checksums that nat.c would give it.
 */
#ifndef DATAPLANE_FAST_JUDGE_H
#define DATAPLANE_FAST_JUDGE_H

#include "fast.h"

/* Both passes, for one packet after the other. */
uint64_t fast_find(struct fast_burst *f, uint64_t among);
uint64_t fast_judge(struct fast_view *v, struct fast_burst *f, uint64_t found);

/* For eight at a time, if the CPU has what it takes. */
uint64_t fast_find_avx512(struct fast_burst *f, uint64_t among);
uint64_t fast_judge_avx512(struct fast_view *v, struct fast_burst *f, uint64_t found);

/*
 * Is the age of a flow's entry to be moved on? Not each time: a write makes a cache line dirty, and
 * with many flows that is all memory has to do. limit: ticks after which the entry expires, in
 * which there is room for that (FLOW_SLACK).
 */
static inline bool
fast_is_stale(uint16_t age, uint16_t limit)
{
	return age > limit >> FLOW_STALE_SHIFT;
}

#endif
