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

/* A flow that packets without SYN, FIN and RST leave as it is, and that is not being reset. */
static inline bool
fast_is_steady(uint64_t value)
{
	return (FAST_STEADY >> flow_state(value) & 1) && !(value & FAST_VALUE_SPECIAL);
}

/* As generation_leads(). That a rule leads there is seen only where the service's own does not. */
static inline bool
fast_leads(const struct fast_view *v, uint64_t service, const struct gen_server *s)
{
	const struct gen_service *from = &v->services[service];

	return s->backend == from->backend ||
		(from->rules && acl_leads(v->acl, from->rules, s->backend));
}

/* Moves the flow's age on. False: it has expired. */
static inline bool
fast_keep(const struct fast_view *v, uint64_t service, uint64_t *flow, uint64_t value)
{
	uint16_t age = v->tick - flow_last_seen(value), limit;

	if (age == 0)
		return true;
	limit = v->timeouts[service].ticks[flow_state(value)];
	if (age > limit)
		return false;
	if (fast_is_stale(age, limit))
		flow_set(flow, flow_value_seen(value, v->tick));
	return true;
}

#endif
