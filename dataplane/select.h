/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Picking a server for a new flow. One file an algorithm behind struct select_algorithm; control
 * has put everything that is slow to find (which servers may be used, tables by weight) into the
 * backend already.
 */
#ifndef DATAPLANE_SELECT_H
#define DATAPLANE_SELECT_H

#include "generation.h"
#include "pkt.h"
#include "shunt/selection.h"

/* A worker's own part of selection state. */
struct select_state {
	uint32_t worker;
	uint32_t worker_count;
	const struct shunt_stats *stats; /* live flows of all workers, for leastconn */
	/*
	 * By backend id: where in the schedule (or among the members) this worker goes on, plus
	 * one; 0: not begun.
	 */
	uint32_t position[SHUNT_MAX_BACKENDS];
};

struct select_algorithm {
	const char *name;
	/* Returns an index into members; backend->member_count is not 0. */
	uint32_t (*pick)(struct select_state *state, const struct generation *generation,
		const struct gen_backend *backend, const struct pkt *p);
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

/* A server id for a new flow, by the backend's algorithm; 0: the backend has no server. */
uint32_t select_server(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p);

/* A server id by the consistent hash, whatever the algorithm; 0: none. */
uint32_t select_by_hash(const struct generation *generation, const struct gen_backend *backend,
	const struct pkt *p);

#endif
