/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Picking a server for a new flow. One file an algorithm behind struct select_algorithm; control
 * has put everything that is slow to find (which servers may be used, tables by weight) into the
 * backend already.
 *
 * What else has a say is select_limit.c's, and the same for all of them: a server may be full
 * (`maxconn`), have more than its part (`hash-balance-factor`) or be warming up (`slowstart`). Then
 * the algorithm is asked again.
 */
#ifndef DATAPLANE_SELECT_H
#define DATAPLANE_SELECT_H

#include "generation.h"
#include "pkt.h"
#include "shunt/selection.h"

#define SELECT_LOOK_MS 10 /* a look_period */

/* A worker's own part of selection state. */
struct select_state {
	uint32_t worker;
	uint32_t worker_count;
	const struct shunt_stats
		*stats;	      /* live flows of all workers; only this one's are written */
	uint64_t clock;	      /* cycles; all workers have the same */
	uint64_t look_period; /* in these: nothing known of members is older */
	uint64_t random;      /* state of select_random(); not 0 */
	uint32_t reserved; /* id of a server that counts a session which has not begun; 0: none */
	/*
	 * By backend id: where in the schedule (or among the members) this worker goes on, plus
	 * one; 0: not begun.
	 */
	uint32_t position[SHUNT_MAX_BACKENDS];
};

struct select_algorithm {
	const char *name;
	bool knows_ramps; /* it sees to members' ramps itself */
	/*
	 * Returns an index into members; backend->member_count is not 0. attempt: how many picks
	 * for this packet came before, which would not do.
	 */
	uint32_t (*pick)(struct select_state *state, const struct generation *generation,
		const struct gen_backend *backend, const struct pkt *p, uint32_t attempt);
	/* Another member than the one picked has taken the flow. NULL: it does not matter. */
	void (*took)(
		struct select_state *state, const struct gen_backend *backend, uint32_t member);
};

/*
 * Where a worker begins in a row of count: the workers are spread evenly over it. Divides, so it
 * is for a backend's first flow (and for the first after its row has become shorter), not for
 * each one.
 */
static inline uint32_t
select_start(const struct select_state *state, uint32_t count)
{
	return (uint64_t)state->worker * count / state->worker_count;
}

/* A member's live sessions, over all workers. Reads a line of each. */
static inline uint64_t
select_sessions(const struct select_state *state, uint32_t server)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < state->worker_count; w++)
		sum += __atomic_load_n(
			&shunt_stats_servers(state->stats, w)[server].sessions, __ATOMIC_RELAXED);
	return sum;
}

/* The part of its weight that a member has, which is warming up: up to 1. */
static inline float
select_share(const struct select_state *state, const struct gen_backend *backend, uint32_t member)
{
	const struct gen_ramp *ramp;
	float share;

	if (state->clock >= backend->ramped)
		return 1;
	ramp = &backend->ramps[member];
	if (ramp->per_cycle <= 0)
		return 1;
	share = (float)(int64_t)(state->clock - ramp->begins) * ramp->per_cycle;
	return share < 1 ? share : 1;
}

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). Not for secrets. */
static inline uint32_t
select_random_number(struct select_state *state)
{
	uint64_t x = state->random ? state->random : 0x9e3779b97f4a7c15ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	state->random = x;
	return (uint32_t)(x >> 32);
}

/* address: four bytes for version 4, else 16. */
static inline struct shunt_addr
select_address(const uint8_t *address, uint8_t version)
{
	struct shunt_addr a;

	if (version == 4)
		return shunt_addr_from_v4(address);
	memcpy(&a, address, sizeof(a));
	return a;
}

/* The consistent hash of a client of a service. range_port_be: of a service with several, or 0. */
static inline uint32_t
select_hash_of(const struct generation *generation, const struct gen_backend *backend,
	const struct gen_service *service, struct shunt_addr client, uint16_t client_port_be,
	uint16_t range_port_be)
{
	struct shunt_selection_key key = { .client = client };

	/* Only what counts is put together. */
	if (backend->ignored_bits4 | backend->ignored_bits6)
		shunt_selection_network(
			&key.client, backend->ignored_bits4, backend->ignored_bits6);
	if (backend->hash_on != SHUNT_HASH_SOURCE)
		key.client_port_be = client_port_be;
	if (backend->hash_on == SHUNT_HASH_CONNECTION) {
		key.service_port_be = range_port_be ? range_port_be : service->port_be;
		key.protocol = service->protocol;
		key.service = select_address(service->address, service->version);
	}
	return shunt_selection_hash(generation->hash_secret, backend->hash_on, &key);
}

/* That of a client's packet, or of an ICMP error about one to it. */
static inline uint32_t
select_hash(
	const struct generation *generation, const struct gen_backend *backend, const struct pkt *p)
{
	return select_hash_of(generation, backend, &generation->services[p->service],
		select_address(p->client, p->version), p->client_port_be, p->range_port_be);
}

extern const struct select_algorithm select_source;
extern const struct select_algorithm select_roundrobin;
extern const struct select_algorithm select_leastconn;
extern const struct select_algorithm select_random;
extern const struct select_algorithm select_first;

/*
 * A server id for a new flow, by the backend's algorithm; 0: the backend has no server, or none
 * that has room. A server with `maxconn` counts the session from now on: either it begins, or
 * select_release() is called.
 */
uint32_t select_server(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p);

/* select_limit.c: the same where more than the algorithm has a say. */
uint32_t select_within_limits(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct select_algorithm *algorithm,
	const struct pkt *p);

/*
 * Counts a session with a server that has `maxconn`, if it has room. No two workers can both take
 * the last place: each counts first and then looks at the sum, so that of two at the same time one
 * at least sees the other. Both may: then both are refused, and the place stays free for the next.
 */
bool select_reserve(struct select_state *state, const struct shunt_member *member);

/* The same for a server that persistence names: one without members may have any number. */
bool select_reserve_server(
	struct select_state *state, const struct gen_backend *backend, uint32_t server);

/* The session that was counted does not begin. */
static inline void
select_release(struct select_state *state)
{
	if (!state->reserved)
		return;
	shunt_stats_servers(state->stats, state->worker)[state->reserved].sessions--;
	state->reserved = 0;
}

/* A server id by the consistent hash, whatever the algorithm; 0: none. */
uint32_t select_by_hash(const struct generation *generation, const struct gen_backend *backend,
	const struct pkt *p);

#endif
