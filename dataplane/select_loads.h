/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one worker knows of the sessions of a backend's members over all workers, without reading
 * all their counters for each new flow: it looks at the members in turn, so fast that nothing it
 * knows is older than a period (10 ms; with more than LOOKS members in one pick's worth of time,
 * older). In between it counts what it places itself, times the number of workers: new flows are
 * spread over the workers by a hash, so the others place about as many. Without that, each would
 * fill the least loaded server as if it were alone, and together they would overrun it.
 *
 * For least connections the members stand in a tournament tree besides: each node names the lesser
 * of its two, so the root is the least of all, and a member that changes costs a way from leaf to
 * root.
 */
#ifndef DATAPLANE_SELECT_LOADS_H
#define DATAPLANE_SELECT_LOADS_H

#include "select.h"

struct select_loads {
	uint64_t looked;     /* the clock, up to which members have been looked at */
	uint64_t every;	     /* cycles from one to the next */
	uint64_t picks;	     /* so far */
	uint64_t total;	     /* sessions of all members */
	uint64_t full_until; /* no member has room up to this clock */
	uint32_t next;	     /* member to be looked at */
	uint32_t last;	     /* picked last */
	uint32_t count;
	uint32_t leaves; /* a power of two; 0: no tree */
	bool begun;
	uint64_t *sessions; /* [count] */
	uint64_t *load;	    /* [count]: what the tree goes by; UINT64_MAX: not to be picked */
	uint64_t *picked;   /* [count]: the number of its last pick: of equals the longest ago */
	uint32_t *inverse;  /* [count]: of the weight */
	uint16_t *tree;	    /* [2 * leaves]: indices of members; the root is [1] */
};

/* [worker_count] of them; tree: for least connections. NULL: no memory. Agent. */
struct select_loads **
select_loads_create(const struct gen_backend *backend, uint32_t worker_count, bool tree);
void select_loads_destroy(struct select_loads **loads); /* NULL is fine. Agent. */
/* Memory of them, bytes. */
uint64_t select_loads_bytes(const struct gen_backend *backend);

/* This worker's; NULL: the backend has none. */
static inline struct select_loads *
select_loads_of(const struct select_state *state, const struct gen_backend *backend)
{
	return backend->loads && state->worker < backend->worker_count
		? backend->loads[state->worker]
		: NULL;
}

/* Looks at as many members as have fallen due. */
void select_loads_look(struct select_loads *loads, const struct select_state *state,
	const struct gen_backend *backend);

/* A flow has been given to a member. Not for a tree, whose picks are counted. */
void
select_loads_placed(struct select_loads *loads, const struct select_state *state, uint32_t member);

/* The member with the least load, which is counted as picked; not the one picked last, if `again`.
 */
uint32_t select_loads_least(struct select_loads *loads, const struct select_state *state,
	const struct gen_backend *backend, bool again);

/*
 * Would one session more be beyond the member's part, which is balance_factor per cent of its share
 * by weight, rounded up?
 */
static inline bool
select_loads_is_over(
	const struct select_loads *loads, const struct gen_backend *backend, uint32_t member)
{
	uint64_t all = ((loads->total + 1) * backend->balance_factor + 99) / 100;

	return loads->sessions[member] * backend->weight >= all * backend->members[member].weight;
}

#endif
