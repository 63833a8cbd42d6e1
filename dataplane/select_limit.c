/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server may be the algorithm's choice and yet not take the flow:
 *
 *   - it has all the sessions that `maxconn` allows;
 *   - it has more than `hash-balance-factor` allows: consistent hashing with bounded loads
 * (Mirrokni, Thorup, Zadimoghaddam, SODA 2018);
 *   - it is warming up (`slowstart`), and its share at this moment leaves this flow to others.
 *
 * Then the algorithm is asked for another, a few times; after that the first one behind its last
 * choice is taken that has room. If none has, this is not found out again for each flow of a flood,
 * but once in FULL_PERIODS.
 */
#include "select.h"
#include "select_loads.h"

#define TRIES	     8
#define NO_MEMBER    UINT32_MAX
#define FULL_PERIODS 16 /* a part of look_period: some 0.6 ms */

bool
select_reserve(struct select_state *state, const struct shunt_member *member)
{
	uint64_t *own;

	if (!member->maxconn)
		return true;
	own = &shunt_stats_servers(state->stats, state->worker)[member->server].sessions;
	__atomic_store_n(own, *own + 1, __ATOMIC_RELAXED);
	/* Nobody's counter is read before everybody can see this one's. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (select_sessions(state, member->server) <= member->maxconn) {
		state->reserved = member->server;
		return true;
	}
	__atomic_store_n(own, *own - 1, __ATOMIC_RELAXED);
	return false;
}

bool
select_reserve_server(
	struct select_state *state, const struct gen_backend *backend, uint32_t server)
{
	for (uint32_t i = 0; backend->has_maxconn && i < backend->member_count; i++) {
		if (backend->members[i].server == server)
			return select_reserve(state, &backend->members[i]);
	}
	return true;
}

/* Does it take its part of new flows only, and is this one not in it? */
static bool
is_left_to_others(struct select_state *state, const struct gen_backend *backend, uint32_t member)
{
	float share = select_share(state, backend, member);

	return share < 1 && (float)select_random_number(state) > share * (float)UINT32_MAX;
}

/* The last full look at a backend's members has found no room. */
static bool
is_known_full(const struct select_state *state, struct select_loads *loads)
{
	return loads && state->clock < loads->full_until;
}

static void
note_full(const struct select_state *state, struct select_loads *loads)
{
	if (loads)
		loads->full_until = state->clock + state->look_period / FULL_PERIODS;
}

/* The first member behind `from` that has room, if need be beyond its part; or NO_MEMBER. */
static uint32_t
scan(struct select_state *state, const struct gen_backend *backend, struct select_loads *loads,
	uint32_t from)
{
	bool bounded = backend->balance_factor && loads;

	for (unsigned int round = bounded ? 0 : 1; round < 2; round++) {
		for (uint32_t left = backend->member_count, i = from; left > 0; left--) {
			i = i + 1 == backend->member_count ? 0 : i + 1;
			if (round == 0 && select_loads_is_over(loads, backend, i))
				continue;
			if (select_reserve(state, &backend->members[i]))
				return i;
		}
	}
	note_full(state, loads);
	return NO_MEMBER;
}

/*
 * The member that takes the flow; NO_MEMBER: no try has found one, *last is the last of them, and
 * *full says whether that has all its sessions.
 */
static uint32_t
try_members(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct select_algorithm *algorithm,
	const struct pkt *p, struct select_loads *loads, uint32_t *last, bool *full)
{
	*full = false;
	for (uint32_t attempt = 0; attempt < TRIES; attempt++) {
		uint32_t m = *last = algorithm->pick(state, generation, backend, p, attempt);

		/* Where all are warming up they share as they would without. */
		if (!algorithm->knows_ramps && attempt + 1 < TRIES &&
			is_left_to_others(state, backend, m))
			continue;
		if (backend->balance_factor && loads && select_loads_is_over(loads, backend, m))
			continue;
		if (select_reserve(state, &backend->members[m]))
			return m;
		*full = true;
		if (backend->reject_full)
			break;
	}
	return NO_MEMBER;
}

uint32_t
select_within_limits(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct select_algorithm *algorithm,
	const struct pkt *p)
{
	struct select_loads *loads = select_loads_of(state, backend);
	uint32_t member, last;
	bool full;

	if (is_known_full(state, loads))
		return 0;
	if (backend->balance_factor && loads)
		select_loads_look(loads, state, backend);
	member = try_members(state, generation, backend, algorithm, p, loads, &last, &full);
	if (member == NO_MEMBER && !(full && backend->reject_full)) {
		member = scan(state, backend, loads, last);
		if (member != NO_MEMBER && algorithm->took)
			algorithm->took(state, backend, member);
	}
	if (member == NO_MEMBER)
		return 0;
	if (backend->balance_factor && loads)
		select_loads_placed(loads, state, member);
	return backend->members[member].server;
}
