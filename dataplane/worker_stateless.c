/* SPDX-License-Identifier: BSD-3-Clause */
/* Stateless services in a worker, and what the agent must know of it for them. */
#include "stateless.h"
#include "worker_impl.h"

struct pkt *const *
worker_stateless(struct worker *w, struct pkt **rest, unsigned int *n)
{
	const struct tracker *t = w->tracker;
	struct burst *b = &w->burst;

	*n = b->count;
	if (!t->generation->has_answers)
		return b->live;
	*n = stateless_burst(t->generation, t->flows, t->now, b->live, b->count, rest);
	return rest;
}

uint32_t
worker_now(const struct worker *w)
{
	return __atomic_load_n(&w->tracker->now, __ATOMIC_ACQUIRE);
}

uint32_t
worker_entries(const struct worker *w, uint32_t service)
{
	return flow_entries(w->tracker->flows, service);
}
