/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of flows that have begun with a SYN cookie, for as long as they live: by how much
 * the server's sequence numbers are off, and until the server has answered, what its SYN is made
 * of. A flow's value has no room for that; it has FLOW_TRANSLATED, and nobody else looks here.
 *
 * One table per worker, used by that worker alone; fixed size, no allocation. An entry is a cache
 * line, in one of COOKIE_FLOWS_TRIES places behind the one that its keyed hash names; at most half
 * of all places are used. It comes and goes with its flow's entry in the flow table.
 */
#ifndef DATAPLANE_COOKIE_FLOWS_H
#define DATAPLANE_COOKIE_FLOWS_H

#include "cookie.h"
#include "flow.h"

/* Of the flows that a flow table of this capacity has of one family, this part may be such. */
#define COOKIE_FLOWS_SHARE 8
#define COOKIE_FLOWS_TRIES 16

struct cookie_flow {
	uint8_t client[16]; /* as a struct shunt_addr */
	uint16_t client_port_be;
	uint16_t service; /* id; 0: free */
	uint32_t extra;	  /* as in the flow's key */
	struct cookie_syn syn;
	bool waiting; /* the server has not answered */
	/* From its answer on: */
	bool again;		/* the client has sent another SYN, with this number: */
	int8_t to_client_shift; /* of windows */
	int8_t to_server_shift;
	uint32_t again_isn;
	uint32_t server_isn;
	uint32_t delta; /* of the server's numbers: clients see so much more */
	uint8_t pad[8];
};

static_assert(sizeof(struct cookie_flow) == SHUNT_CACHE_LINE, "an entry costs one cache line");

struct cookie_flows;

/* flow_capacity: the flow table's. seed: random. NULL: no memory. Agent. */
struct cookie_flows *cookie_flows_create(uint32_t flow_capacity, const uint64_t seed[2]);
void cookie_flows_destroy(struct cookie_flows *table);
uint64_t cookie_flows_bytes(uint32_t flow_capacity);
uint32_t cookie_flows_count(const struct cookie_flows *table);

/* NULL: it is not there. Worker. */
struct cookie_flow *cookie_flows_find(struct cookie_flows *table, const struct flow_key *key);
/* An entry that waits for the server. NULL: there is no room. Worker. */
struct cookie_flow *cookie_flows_add(
	struct cookie_flows *table, const struct flow_key *key, const struct cookie_syn *syn);
/* If it is there. Worker. */
void cookie_flows_remove(struct cookie_flows *table, const struct flow_key *key);

#endif
