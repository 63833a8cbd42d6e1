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

#include <stddef.h>

#include "acl.h"
#include "flow.h"
#include "generation_limits.h"
#include "link.h"
#include "shunt/table.h"

struct object_store;	/* objects.h */
struct classifier;	/* classify.h */
struct known;		/* known.h */
struct shared_services; /* generation_services.c */
struct pmtu_table;	/* pmtu.h */
struct persist_table;	/* persist.h */

enum gen_family {
	GEN_V4,
	GEN_V6,
	GEN_FAMILIES,
};

/* A server as the packet path sees it: one cache line. */
struct gen_server {
	uint8_t address[16];	/* IPv4: the first four bytes */
	uint16_t backend;	/* id; this and the next four are one word of the fast path's */
	uint16_t l3_sum;	/* ones' complement sum of the address, for the checksum deltas */
	uint16_t l4_sum;	/* of address and port */
	uint8_t plain;		/* enum gen_plain */
	uint8_t shared;		/* GEN_SHARED_ bits: see classify_is_shared() */
	uint16_t port_be;	/* 0: the port that the client has sent to */
	uint8_t version;	/* 4, 6; 0: no such server */
	uint8_t state;		/* enum shunt_server_state */
	struct link link;	/* the way to it */
	uint8_t forward;	/* enum shunt_forward; this and the rest: its backend's */
	uint8_t encap;		/* enum shunt_encap */
	uint16_t encap_port_be; /* SHUNT_GUE */
	uint16_t mss_clamp;	/* 0: none */
	uint8_t source[16];	/* of a tunnel's outer packets; IPv4: the first four bytes */
	uint8_t shutdown_sessions; /* down: its flows are reset, not kept */
	uint8_t removed;	   /* nothing new, not even by persistence */
};

static_assert(offsetof(struct gen_server, backend) == 16 &&
		offsetof(struct gen_server, l3_sum) == 18 &&
		offsetof(struct gen_server, l4_sum) == 20 &&
		offsetof(struct gen_server, plain) == 22,
	"one word, in this order");

/*
 * Servers that the fast path knows: with a known way without VLANs, not down and, for NAT, with a
 * port.
 */
enum gen_plain {
	GEN_PLAIN_NOT = 0,
	GEN_PLAIN_NAT,
	GEN_PLAIN_NAT_SHARED, /* an endpoint of several services */
	GEN_PLAIN_DR,
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
	uint16_t backend; /* id; this and the next two are a word of the fast path's */
	uint16_t l3_sum;
	uint16_t l4_sum;
	uint16_t port_be;
	uint16_t last_port_be; /* of a range; port_be is the first */
	uint8_t version;       /* 0: no such service */
	uint8_t protocol;
	uint8_t reset_idle; /* see struct shunt_service */
	uint8_t stateless;  /* see stateless.h */
	uint8_t leftover;   /* stateless, but flows in any slot may have entries from before */
	uint8_t cookies;    /* enum shunt_cookies; TCP only */
	uint16_t limit;	    /* id: see generation_limits.h; 0: none */
	uint8_t pad[2];
	uint32_t flood_rate; /* see struct shunt_service */
	uint32_t rules;	     /* row of its rules; 0: none */
	uint8_t pad2[20];
};

static_assert(offsetof(struct gen_service, backend) == 16 &&
		offsetof(struct gen_service, l3_sum) == 18 &&
		offsetof(struct gen_service, l4_sum) == 20,
	"one word, in this order");

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

/*
 * The servers of a backend's selection slots, with what they were before; stateless.h says what
 * that is for. At least as many as the backend has slots, so that none of those covers two that
 * were different.
 */
struct gen_answers {
	uint32_t count;	       /* a power of two */
	uint32_t marked;       /* of them, those that have a former server */
	uint32_t window;       /* ticks that a flow may be silent for */
	uint32_t last_until;   /* the greatest of those below */
	uint32_t keep_until;   /* no service is stateless any more: kept up to this tick; else 0 */
	const uint32_t *until; /* [count], in ticks since the start: see stateless_is_open() */
	uint32_t slots[];      /* [count]: see stateless_slot() */
};

/* A server's share grows, from when it began to take flows; in the clock of select_state. */
struct gen_ramp {
	uint64_t begins;
	float per_cycle; /* of its share; 0: it has it all */
};

struct select_loads; /* select_loads.h */

struct gen_backend {
	uint32_t references; /* agent only */
	uint8_t algorithm;
	uint8_t hash_on;
	uint8_t forward;
	bool is_simple; /* nothing stands between the algorithm and its server: the next eight */
	bool has_maxconn;
	bool reject_full;
	uint16_t balance_factor;
	uint16_t id;
	uint64_t ramped;	      /* when the last of these has its share; 0: there are none */
	const struct gen_ramp *ramps; /* [member_count], if there are any */
	uint32_t persist_ticks;	      /* 0: none */
	uint8_t persist_prefix4;
	uint8_t persist_prefix6;
	uint8_t ignored_bits4; /* of clients' addresses, by the hash */
	uint8_t ignored_bits6;
	/* [worker_count]: what each knows of the members, and nobody else touches; or NULL */
	struct select_loads **loads;
	uint32_t worker_count;
	uint32_t weight; /* of all members */
	uint32_t member_count;
	uint32_t slot_count;
	uint32_t schedule_count;
	const struct shunt_member *members;
	const uint16_t *slots;
	const uint16_t *schedule;
	struct gen_answers
		*answers; /* NULL: no stateless service leads here, and none did lately */
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
	struct gen_limits *limits;		      /* never NULL */
	struct gen_source sources[SHUNT_MAX_SOURCES]; /* by id */
	bool has_fullnat; /* a backend of that mode: workers need source ports */
	bool has_cookies; /* a service that may answer SYNs with them: workers need room */
	bool has_answers; /* a backend that has some */
	bool has_persist; /* a backend that wants it */
	struct persist_table *persist; /* of all generations since; workers write to it; or NULL */
	struct acl *acl;	       /* rules; NULL: no service has any */
	uint64_t truth[SHUNT_MAX_TRUTHS / 64]; /* as struct shunt_truth has them */
	struct classifier *classifier;
	struct known *known;
	struct pmtu_table *pmtu; /* of all generations; workers write to it, see pmtu.h */
	/* Agent only: */
	struct object_store *objects; /* what it was built of */
	bool same_ways; /* from the one before it differs in servers' states and members alone */
};

/* One of the backends that a service may lead to: its own, or by a rule. */
struct gen_way {
	uint16_t service;
	uint16_t backend;
};

/* The other backends that a service's rules lead to, ascending; perhaps its own among them. */
const uint16_t *
generation_targets(const struct generation *generation, uint32_t service, uint32_t *count);

/* All that a service may lead to, each once, and how many; ways: room for one more than targets. */
uint32_t
generation_ways(const struct generation *generation, uint32_t service, struct gen_way *ways);

/* Do all services lead to the same backends by their rules? */
bool generation_same_ways(const struct generation *a, const struct generation *b);

/* May flows of the service be at servers of this backend? Worker. */
static inline bool
generation_leads(const struct generation *g, uint32_t service, uint16_t backend)
{
	const struct gen_service *s = &g->services[service];

	return s->backend == backend || (s->rules && acl_leads(g->acl, s->rules, backend));
}

/* Which object a refusal is about, and why, for people. */
struct generation_error {
	uint32_t kind;
	uint32_t id;
	const char *text; /* static */
};

/* The clock of workers where nobody says what it is: nanoseconds. */
#define GEN_CLOCK_HZ 1000000000ull

/* What is so among the workers while a generation is built, and they use the one before. */
struct gen_moment {
	/* Ticks since the start: no worker is behind the first, none beyond the last. */
	uint32_t first;
	uint32_t last;
	/* The same moment: workers' clock (select_state), and CLOCK_MONOTONIC. */
	uint64_t clock;
	uint64_t monotonic_ms;
	uint32_t worker_count; /* 0 is 1 */
	uint64_t seed;	       /* secret, for tables that are made now */
	/* The entries that a service has in all flow tables, counted after `first` was read. */
	uint64_t (*entries)(void *context, uint32_t service);
	void *context;
	uint64_t clock_hz; /* of the workers' clock; 0: GEN_CLOCK_HZ */
};

/*
 * Builds the generation of a set of objects. before: the running one to share with, or NULL.
 * port_count: nexthops must name a port below it. NULL: error says why (-EINVAL or -ENOMEM in
 * *result). Agent only.
 */
struct generation *generation_create(const struct object_store *objects, uint64_t number,
	const struct generation *before, uint32_t port_count, struct generation_error *error,
	int *result);
/* The same at a moment that is not the start, which is what stateless services need to know. */
struct generation *generation_create_at(const struct object_store *objects, uint64_t number,
	const struct generation *before, uint32_t port_count, const struct gen_moment *moment,
	struct generation_error *error, int *result);
void generation_destroy(struct generation *generation);

/* Memory of a generation, bytes, with what it shares with others. */
struct generation_bytes {
	uint64_t tables;   /* backends: members, selection tables, schedules */
	uint64_t services; /* services, and what finds them and the servers by address */
	uint64_t servers;
	uint64_t rules; /* ACLs, rules, and what finds them by address */
};

/* Agent only. */
struct generation_bytes generation_bytes(const struct generation *generation);

#endif
