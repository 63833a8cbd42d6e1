/* SPDX-License-Identifier: BSD-3-Clause */
#include "select_loads.h"

#include "mem.h"

#define NOBODY UINT16_MAX
#define LOOKS  256 /* at most, for one pick */

/* Loads are sessions in 2^-24 of what a server of weight 1 has. */
#define LOAD_SHIFT 24

static uint32_t
leaves_for(uint32_t count)
{
	uint32_t leaves = 1;

	while (leaves < count)
		leaves *= 2;
	return leaves;
}

static uint64_t
bytes_of_one(uint32_t count, uint32_t leaves)
{
	uint64_t bytes = sizeof(struct select_loads) +
		count * (3 * sizeof(uint64_t) + sizeof(uint32_t)) +
		2ull * leaves * sizeof(uint16_t);

	return (bytes + SHUNT_CACHE_LINE - 1) & ~(uint64_t)(SHUNT_CACHE_LINE - 1);
}

static struct select_loads *
one_create(const struct gen_backend *backend, uint32_t leaves)
{
	uint32_t count = backend->member_count;
	struct select_loads *l = mem_alloc(bytes_of_one(count, leaves));

	if (!l)
		return NULL;
	l->count = count;
	l->leaves = leaves;
	l->sessions = (uint64_t *)(l + 1);
	l->load = l->sessions + count;
	l->picked = l->load + count;
	l->inverse = (uint32_t *)(l->picked + count);
	l->tree = (uint16_t *)(l->inverse + count);
	for (uint32_t i = 0; i < count; i++)
		l->inverse[i] = (1u << LOAD_SHIFT) / backend->members[i].weight;
	for (uint32_t i = 0; i < 2 * leaves; i++)
		l->tree[i] = NOBODY;
	for (uint32_t i = 0; i < count && leaves; i++)
		l->tree[leaves + i] = (uint16_t)i;
	return l;
}

struct select_loads **
select_loads_create(const struct gen_backend *backend, uint32_t worker_count, bool tree)
{
	uint32_t leaves = tree ? leaves_for(backend->member_count) : 0;
	/* One more, for the end. */
	struct select_loads **loads = mem_alloc((worker_count + 1) * sizeof(struct select_loads *));

	for (uint32_t w = 0; loads && w < worker_count; w++) {
		loads[w] = one_create(backend, leaves);
		if (!loads[w]) {
			select_loads_destroy(loads);
			return NULL;
		}
	}
	return loads;
}

void
select_loads_destroy(struct select_loads **loads)
{
	for (uint32_t w = 0; loads && loads[w]; w++)
		mem_free(loads[w]);
	mem_free(loads);
}

uint64_t
select_loads_bytes(const struct gen_backend *backend)
{
	return backend->loads ? backend->worker_count *
			bytes_of_one(backend->loads[0]->count, backend->loads[0]->leaves)
			      : 0;
}

/* Of two indices, the one that is picked first. */
static inline uint16_t
lesser(const struct select_loads *l, uint16_t a, uint16_t b)
{
	if (a == NOBODY || b == NOBODY)
		return a == NOBODY ? b : a;
	if (l->load[a] != l->load[b])
		return l->load[a] < l->load[b] ? a : b;
	return l->picked[a] <= l->picked[b] ? a : b;
}

static void
climb(struct select_loads *l, uint32_t member)
{
	for (uint32_t node = (l->leaves + member) / 2; node >= 1; node /= 2)
		l->tree[node] = lesser(l, l->tree[2 * node], l->tree[2 * node + 1]);
}

/* A member that is warming up has a load as if its weight were less. */
static uint64_t
load_of(const struct select_loads *l, const struct select_state *state,
	const struct gen_backend *backend, uint32_t member)
{
	const struct shunt_member *m = &backend->members[member];
	uint64_t load = (l->sessions[member] + 1) * l->inverse[member];
	float share;

	if (m->maxconn && l->sessions[member] >= m->maxconn)
		return UINT64_MAX;
	share = select_share(state, backend, member);
	return share < 1 ? (uint64_t)((float)load / (share < 0.01f ? 0.01f : share)) : load;
}

static void
set_sessions(struct select_loads *l, const struct select_state *state,
	const struct gen_backend *backend, uint32_t member, uint64_t sessions)
{
	uint64_t load;

	l->total += sessions - l->sessions[member];
	l->sessions[member] = sessions;
	if (!l->leaves)
		return;
	load = load_of(l, state, backend, member);
	if (load == l->load[member])
		return;
	l->load[member] = load;
	climb(l, member);
}

static void
look_at(struct select_loads *l, const struct select_state *state, const struct gen_backend *backend,
	uint32_t member)
{
	set_sessions(
		l, state, backend, member, select_sessions(state, backend->members[member].server));
}

/*
 * Each worker begins the rows of equals at another place, so that they do not all give the same
 * server its first flows.
 */
static void
begin(struct select_loads *l, const struct select_state *state, const struct gen_backend *backend)
{
	uint32_t start = select_start(state, l->count);

	l->begun = true;
	l->picks = l->count;
	l->every = state->look_period / l->count;
	l->looked = state->clock;
	for (uint32_t i = 0; i < l->count; i++) {
		l->picked[i] = i >= start ? i - start : i + l->count - start;
		look_at(l, state, backend, i);
	}
	for (uint32_t node = l->leaves; node-- > 1;)
		l->tree[node] = lesser(l, l->tree[2 * node], l->tree[2 * node + 1]);
}

void
select_loads_look(
	struct select_loads *l, const struct select_state *state, const struct gen_backend *backend)
{
	if (!l->begun) {
		begin(l, state, backend);
		return;
	}
	if (state->clock - l->looked > state->look_period)
		l->looked = state->clock - state->look_period;
	for (unsigned int looks = 0; looks < LOOKS && looks < l->count; looks++) {
		if (state->clock - l->looked < l->every)
			break;
		l->looked += l->every;
		look_at(l, state, backend, l->next);
		l->next = l->next + 1 == l->count ? 0 : l->next + 1;
	}
}

void
select_loads_placed(struct select_loads *l, const struct select_state *state, uint32_t member)
{
	l->sessions[member] += state->worker_count;
	l->total += state->worker_count;
}

uint32_t
select_loads_least(struct select_loads *l, const struct select_state *state,
	const struct gen_backend *backend, bool again)
{
	uint32_t least;

	select_loads_look(l, state, backend);
	if (again) {
		/* Up to the next look at it. */
		l->load[l->last] = UINT64_MAX;
		climb(l, l->last);
	}
	least = l->tree[1];
	l->last = least;
	l->picked[least] = l->picks++;
	select_loads_placed(l, state, least);
	l->load[least] = load_of(l, state, backend, least);
	climb(l, least);
	return least;
}
