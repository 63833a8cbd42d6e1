/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A generation: everything the workers need to know to forward packets, built by the agent from
 * the service image, never changed after it is published, freed when no worker uses it any more.
 * Backends, services and the classifier are shared with the generation before if nothing in them
 * changed. If no more has changed than the state of servers, which is what health does, the rest is
 * copied without a look at it: generation_update.c.
 */
#ifndef DATAPLANE_GENERATION_H
#define DATAPLANE_GENERATION_H

#include "flow.h"
#include "link.h"
#include "shunt/table.h"

struct object_store;	/* objects.h */
struct classifier;	/* classify.h */
struct known;		/* known.h */
struct shared_services; /* generation_services.c */
struct pmtu_table;	/* pmtu.h */

enum gen_family {
	GEN_V4,
	GEN_V6,
	GEN_FAMILIES,
};

/* A server as the packet path sees it: one cache line. */
struct gen_server {
	uint8_t address[16];	/* IPv4: the first four bytes */
	uint16_t port_be;	/* 0: the port that the client has sent to */
	uint8_t version;	/* 4, 6; 0: no such server */
	uint8_t state;		/* enum shunt_server_state */
	uint16_t backend;	/* id */
	uint16_t l3_sum;	/* ones' complement sum of the address, for the checksum deltas */
	uint16_t l4_sum;	/* of address and port */
	struct link link;	/* the way to it */
	uint8_t forward;	/* enum shunt_forward; this and the rest: its backend's */
	uint8_t encap;		/* enum shunt_encap */
	uint16_t encap_port_be; /* SHUNT_GUE */
	uint16_t mss_clamp;	/* 0: none */
	uint8_t source[16];	/* of a tunnel's outer packets; IPv4: the first four bytes */
	uint8_t shutdown_sessions; /* down: its flows are reset, not kept */
	uint8_t shared;		   /* GEN_SHARED_ bits: see classify_is_shared() */
	uint8_t pad[2];
};

#define GEN_SHARED_TCP 1
#define GEN_SHARED_UDP 2

static inline bool
gen_server_is_shared(const struct gen_server *s, uint8_t protocol)
{
	return s->shared & (protocol == SHUNT_TCP ? GEN_SHARED_TCP : GEN_SHARED_UDP);
}

/* Does the server answer clients itself? Then nothing that it sends passes here. */
static inline bool
gen_server_is_direct(const struct gen_server *s)
{
	return s->forward == SHUNT_DR || s->forward == SHUNT_TUNNEL;
}

/* Can it be sent a packet of this family? A tunnel carries either, full NAT translates. */
static inline bool
gen_server_takes(const struct gen_server *s, uint8_t version)
{
	return s->version == version || s->forward == SHUNT_TUNNEL || s->forward == SHUNT_FULLNAT;
}

struct gen_service {
	uint8_t address[16];
	uint16_t port_be;
	uint8_t version; /* 0: no such service */
	uint8_t protocol;
	uint16_t backend; /* id */
	uint16_t l3_sum;
	uint16_t l4_sum;
	uint16_t last_port_be; /* of a range; port_be is the first */
	uint8_t reset_idle;    /* see struct shunt_service */
	uint8_t pad[35];
};

static inline bool
gen_service_is_range(const struct gen_service *s)
{
	return s->port_be != s->last_port_be;
}

/* An address that full NAT gives to clients' packets. */
struct gen_source {
	uint8_t address[16]; /* IPv4: the first four bytes */
	uint8_t version;     /* 0: no such source */
	uint8_t pad;
	uint16_t l3_sum;
};

/* When a server's flows were last to be reset. */
struct gen_reset {
	uint64_t at;   /* number of the generation that said so; 0: never */
	uint32_t mark; /* as in the image: another one is an operator's command */
};

struct gen_backend {
	uint32_t references; /* agent only */
	uint8_t algorithm;
	uint8_t hash_on;
	uint8_t forward;
	uint16_t id;
	uint32_t member_count;
	uint32_t slot_count;
	uint32_t schedule_count;
	const struct shunt_member *members;
	const uint16_t *slots;
	const uint16_t *schedule;
	/* SHUNT_FULLNAT: ids of sources by family, ascending. */
	uint8_t source_count[GEN_FAMILIES];
	uint8_t sources[GEN_FAMILIES][SHUNT_MAX_BACKEND_SOURCES];
};

struct generation {
	uint64_t number;
	uint8_t hash_secret[16];
	struct gen_server *servers;		      /* [server_count], by id */
	uint32_t server_count;			      /* greatest id + 1 */
	struct gen_reset *resets;		      /* [server_count], by id */
	uint64_t last_reset;			      /* the greatest of them */
	struct shared_services *shared;		      /* agent only: what the next two point into */
	const struct gen_service *services;	      /* [SHUNT_MAX_SERVICES], by id */
	const struct flow_timeouts *timeouts;	      /* [SHUNT_MAX_SERVICES], by service id */
	struct gen_backend **backends;		      /* [SHUNT_MAX_BACKENDS], by id; NULL: none */
	struct gen_source sources[SHUNT_MAX_SOURCES]; /* by id */
	bool has_fullnat; /* a backend of that mode: workers need source ports */
	struct classifier *classifier;
	struct known *known;
	struct pmtu_table *pmtu; /* of all generations; workers write to it, see pmtu.h */
	/* Agent only: */
	struct object_store *objects; /* what it was built of */
	bool same_ways; /* from the one before it differs in servers' states and members alone */
};

/* Which object a refusal is about, and why, for people. */
struct generation_error {
	uint32_t kind;
	uint32_t id;
	const char *text; /* static */
};

/*
 * Builds the generation of a set of objects. before: the running one to share with, or NULL.
 * port_count: nexthops must name a port below it. NULL: error says why (-EINVAL or -ENOMEM in
 * *result). Agent only.
 */
struct generation *generation_create(const struct object_store *objects, uint64_t number,
	const struct generation *before, uint32_t port_count, struct generation_error *error,
	int *result);
void generation_destroy(struct generation *generation);

/* Memory of a generation, bytes, with what it shares with others. */
struct generation_bytes {
	uint64_t tables;   /* backends: members, selection tables, schedules */
	uint64_t services; /* services, and what finds them and the servers by address */
	uint64_t servers;
};

/* Agent only. */
struct generation_bytes generation_bytes(const struct generation *generation);

#endif
