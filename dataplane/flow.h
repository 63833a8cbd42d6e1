/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: which server a client's flow to a service was given, and how far it has got.
 * One per worker, used by that worker alone (flow_peek() excepted); fixed size, no allocation.
 *
 * Buckets are 64 bytes, so that a hit costs one cache line:
 *   IPv4	uint64_t key[4], value[4]	key = client address 32 | port 16 | service 16
 *   IPv6	2 x { address 16 bytes, port 16 | service 16, extra 32, value }
 * The IPv6 half is the wide one. It has the flows of services with several ports too, with the
 * service's port as the extra word, since each of a client's connections needs an entry of its own;
 * those of IPv4 stand there under the client's mapped address, which no packet has as its source.
 * And it has claims: which flow a client's port at a server's endpoint belongs to (track_claim.c).
 *
 * A key has two buckets (two choices); the second is touched only if the first does not hold it.
 * An insert may move at most FLOW_MAX_MOVES entries to make room; load is capped at a share of the
 * entries (FLOW_MAX_LOAD_PERCENT) where inserts still cost little. The hash is keyed and
 * non-linear (multiply-fold), so that nobody outside can craft collisions.
 *
 * An insert may move entries: a pointer to a value is good until the next flow_insert().
 */
#ifndef DATAPLANE_FLOW_H
#define DATAPLANE_FLOW_H

#include <stddef.h>

#include "pkt.h"

#define FLOW_MAX_MOVES 8

/*
 * Load caps. IPv4: 24.6 bytes a flow. IPv6: 44.4 bytes; so full, an insert in 2200 looks at more
 * than 16 buckets, where it is one in 25000 at 65 %.
 */
#define FLOW_MAX_LOAD_PERCENT	 65
#define FLOW_MAX_LOAD_PERCENT_V6 72

/* TCP as seen from the middle, and UDP. FREE is an empty slot. */
enum flow_state {
	FLOW_FREE = 0,
	FLOW_SYN,	  /* opened by the client, or picked up midway; no answer seen */
	FLOW_SYN_ACK,	  /* the server has answered, the client not yet: still half open */
	FLOW_ESTABLISHED, /* both have spoken */
	FLOW_FIN_CLIENT,  /* the client has closed its side */
	FLOW_FIN_SERVER,
	FLOW_CLOSED, /* both sides, or a reset */
	FLOW_UDP,
	FLOW_STATE_COUNT, /* at most 8: struct flow_timeouts */
};

/* What else is known of a flow. */
enum flow_flag {
	FLOW_SERVER_CLOSED_FIRST = 1, /* so it is the server that waits in TIME_WAIT */
	FLOW_CLAIMED = 4,	      /* it has a claim, which goes with it */
	FLOW_TRANSLATED = 2,	      /* begun by a SYN cookie: cookie_flows.h has the rest */
	/* These are one bit of a value, which is the first in FLOW_CLOSED and the other elsewhere:
	 */
	FLOW_RESETTING = 16, /* whatever comes is answered with a reset */
	FLOW_CHALLENGED = 8, /* the sender of an RST has been asked whether it was its */
	/* In FLOW_SYN, the bits of FLOW_SERVER_CLOSED_FIRST and FLOW_CHALLENGED; nowhere else: */
	FLOW_ASKED = 32,       /* a SYN has begun it, and what came of that has not been counted */
	FLOW_SECOND_HALF = 64, /* the SYN came in the second half of the tick when last seen */
};

static_assert(FLOW_RESETTING >> 1 == FLOW_CHALLENGED, "one bit of a value");
static_assert(FLOW_ASKED >> 5 == FLOW_SERVER_CLOSED_FIRST, "one bit of a value");
static_assert(FLOW_SECOND_HALF >> 3 == FLOW_CHALLENGED, "one bit of a value");
static_assert(SHUNT_MAX_SERVERS <= 1 << 16, "server ids fit a value");

/*
 * In place of a source address: the client has kept its own and been given another port. Then the
 * hop is in the flow's claim.
 */
#define FLOW_SOURCE_CLIENT 255

static_assert(SHUNT_MAX_SOURCES <= FLOW_SOURCE_CLIENT, "source ids fit a value");

/*
 * In a key, in place of a service: a claim. One past the ids, so that it has the timeouts of id 0.
 */
#define FLOW_CLAIM SHUNT_MAX_SERVICES

/*
 * A value, from the lowest bit: server id 16, flags 4, state 3, counted 1 (FLOW_COUNTED), hop 16
 * (the client's way back, hop.h; of a flow with a source address: the source port that it has been
 * given, as a number), source address 8 (id; 0: the client's own is kept), last seen 16 (ticks of
 * SHUNT_FLOW_TICK_MS, modulo 2^16).
 */

/* Of the four flags' bits, those that mean something else in FLOW_SYN. */
#define FLOW_SYN_BITS ((unsigned int)FLOW_SERVER_CLOSED_FIRST | FLOW_CHALLENGED)

/* It is among the sessions of its client's network (track_limit.c), and taken off when it ends. */
#define FLOW_COUNTED (1ull << 23)

static inline uint32_t
flow_server(uint64_t value)
{
	return value & 0xffff;
}

static inline unsigned int
flow_flags(uint64_t value)
{
	unsigned int bits = (value >> 16) & 0xf;
	bool resetting = (value >> 20 & 0x7) == FLOW_CLOSED && (bits & FLOW_CHALLENGED);

	if ((value >> 20 & 0x7) == FLOW_SYN)
		return (bits & ~FLOW_SYN_BITS) | (bits & FLOW_SERVER_CLOSED_FIRST) << 5 |
			(bits & FLOW_CHALLENGED) << 3;
	return resetting ? bits ^ (FLOW_CHALLENGED | FLOW_RESETTING) : bits;
}

static inline enum flow_state
flow_state(uint64_t value)
{
	return (value >> 20) & 0x7;
}

static inline uint16_t
flow_hop(uint64_t value)
{
	return (value >> 24) & 0xffff;
}

static inline uint16_t
flow_source_port(uint64_t value)
{
	return flow_hop(value);
}

static inline uint8_t
flow_source(uint64_t value)
{
	return (value >> 40) & 0xff;
}

static inline uint16_t
flow_last_seen(uint64_t value)
{
	return value >> 48;
}

static inline uint64_t
flow_value(uint32_t server, enum flow_state state, uint16_t hop, uint16_t tick)
{
	return (uint64_t)(server & 0xffff) | (uint64_t)state << 20 | (uint64_t)hop << 24 |
		(uint64_t)tick << 48;
}

/* The value with the state, the flags and the age of another moment; all else stays. */
static inline uint64_t
flow_value_update(uint64_t value, enum flow_state state, unsigned int flags, uint16_t tick)
{
	unsigned int last = state == FLOW_CLOSED ? flags >> 1 : flags;
	unsigned int bits = (flags & 0x7) | (last & FLOW_CHALLENGED);

	if (state == FLOW_SYN)
		bits = (flags & 0x7 & ~FLOW_SYN_BITS) | ((flags >> 5) & FLOW_SERVER_CLOSED_FIRST) |
			((flags >> 3) & FLOW_CHALLENGED);
	return (value & 0x0000ffffff80ffffull) | (uint64_t)bits << 16 | (uint64_t)state << 20 |
		(uint64_t)tick << 48;
}

/* That of a flow in FLOW_SYN which a SYN has begun. */
static inline uint64_t
flow_value_asked(uint64_t value, bool second_half)
{
	unsigned int bits =
		FLOW_SERVER_CLOSED_FIRST | (second_half ? (unsigned int)FLOW_CHALLENGED : 0);

	return value | (uint64_t)bits << 16;
}

static inline uint64_t
flow_value_seen(uint64_t value, uint16_t tick)
{
	return (value & 0x0000ffffffffffffull) | (uint64_t)tick << 48;
}

static inline uint64_t
flow_value_with_source(uint64_t value, uint8_t source, uint16_t port)
{
	return (value & 0xffff000000ffffffull) | (uint64_t)port << 24 | (uint64_t)source << 40;
}

static inline uint64_t
flow_value_with_hop(uint64_t value, uint16_t hop)
{
	return (value & ~((uint64_t)0xffff << 24)) | (uint64_t)hop << 24;
}

/*
 * A claim's value: service id 16, a state that is not FREE, hop 16, and the client's own port 16 as
 * on the wire. The hop counts only if that is not the port in the claim's key.
 */
static inline uint64_t
flow_claim_value(uint16_t service, uint16_t client_port_be, uint16_t hop)
{
	return flow_value(service, FLOW_ESTABLISHED, hop, client_port_be);
}

static inline uint16_t
flow_claim_service(uint64_t value)
{
	return value & 0xffff;
}

static inline uint16_t
flow_claim_port_be(uint64_t value)
{
	return value >> 48;
}

/*
 * Changes the value of an entry that a lookup or an insert has returned. Whole, because
 * flow_peek() may be reading it. Never to state FLOW_FREE: entries go by expiry alone, so that
 * each is told of when it goes; a connection that is over becomes FLOW_CLOSED. Worker only.
 */
static inline void
flow_set(uint64_t *flow, uint64_t value)
{
	__atomic_store_n(flow, value, __ATOMIC_RELAXED);
}

/* Of either family; version says which. */
struct flow_key {
	uint8_t address[16]; /* the client's; IPv4: the first four bytes, the rest zero */
	uint16_t port_be;
	uint16_t service; /* id, which implies the protocol; or FLOW_CLAIM */
	uint8_t version;
	/* The service's port, if it has several, else 0; of a claim: the tag of the endpoint. */
	uint32_t extra;
};

/*
 * Told of every flow that goes: by expiry, whether found by the sweep or by an insert. It may
 * remove claims, and change nothing else of the table.
 */
typedef void flow_gone_fn(void *context, const struct flow_key *key, uint64_t value);

/* Does the claim's flow live? Called by the sweep. */
typedef bool
flow_claim_fn(void *context, const struct flow_key *key, uint64_t value, uint16_t tick);

/*
 * Shown an entry by the sweep: one that has expired, and goes unless its value is changed now, or
 * one that is FLOW_RESETTING; or any, by flow_visit(). Changes the value by flow_set() if at all.
 */
typedef void flow_visit_fn(void *context, const struct flow_key *key, uint64_t *flow, bool expired);

/*
 * When entries expire: ticks[service][state]. The worker points this at its generation's table.
 * A service that is not there any more has all zero: its flows go at the next sweep. SYN and
 * SYN_ACK have the same timeout, the short one of half-open connections.
 */
struct flow_timeouts {
	uint16_t ticks[8]; /* by enum flow_state */
};

/*
 * A flow's age need not be moved on by each packet: it may lag by a 32nd of the ticks after which
 * the flow expires, which have a 16th more than the timeout says.
 */
#define FLOW_STALE_SHIFT 5
#define FLOW_SLACK_SHIFT 4

struct flow_table;

/* capacity: flows of each family at the load cap, 1..64M. seed: random. NULL: no memory. */
struct flow_table *flow_table_create(uint32_t capacity, const uint64_t seed[2]);
void flow_table_destroy(struct flow_table *table);

/* Sets how entries expire and who is told. timeouts: SHUNT_MAX_SERVICES of them. */
void flow_table_bind(struct flow_table *table, const struct flow_timeouts *timeouts,
	flow_gone_fn *gone, void *context);

/* Who judges the claims; has the context of flow_table_bind(). Claims of others stay. */
void flow_table_judge(struct flow_table *table, flow_claim_fn *judge);

/* What the sweep shows flows to, with the context of flow_table_bind(). NULL, at first: nobody. */
void flow_table_show(struct flow_table *table, flow_visit_fn *visit);

uint64_t flow_count(const struct flow_table *table); /* both families, no claims */
uint32_t flow_claims(const struct flow_table *table);
/* Entries of one service, expired ones too until they are found. service: an id. Any thread. */
uint32_t flow_entries(const struct flow_table *table, uint32_t service);
uint64_t flow_capacity(const struct flow_table *table);		      /* both families */
uint64_t flow_bytes(const struct flow_table *table, uint8_t version); /* of one family's buckets */

/*
 * Looks up a burst: sets p->flow for each of the n packets that classify has given a service
 * (NULL if there is no entry; an expired entry is none). Prefetches all buckets first.
 */
void
flow_lookup_burst(struct flow_table *table, struct pkt *const *pkts, unsigned int n, uint16_t tick);

/* One key. Worker only. */
uint64_t *flow_lookup(struct flow_table *table, const struct flow_key *key, uint16_t tick);

/*
 * Adds a key that is not there (its own expired entry, if it still is, gives way). Returns its
 * value's place (already set), or NULL if the table is full (load cap reached, or no room within
 * FLOW_MAX_MOVES) or the key has no valid service; nothing is ever evicted but expired entries.
 */
uint64_t *
flow_insert(struct flow_table *table, const struct flow_key *key, uint64_t value, uint16_t tick);

/* Removes an entry, if it is there. Nobody is told. Worker only. */
void flow_remove(struct flow_table *table, const struct flow_key *key);

/*
 * The tag of a server's endpoint, for its claims' keys: the port, below 16 bits of a keyed hash.
 * Two endpoints with the same tag count as one, which costs a few clients another port. address: 16
 * bytes.
 */
uint32_t flow_endpoint_tag(const struct flow_table *table, const uint8_t address[16],
	uint16_t port_be, uint8_t protocol);

/* The port in it. */
static inline uint16_t
flow_tag_port_be(uint32_t tag)
{
	return tag & 0xffff;
}

/* Looks at up to `buckets` buckets, from where the last sweep stopped; returns entries freed. */
unsigned int flow_sweep(struct flow_table *table, unsigned int buckets, uint16_t tick);

/* Where a look at all entries has got to. Zero: at the beginning. */
struct flow_cursor {
	uint32_t family;
	uint32_t bucket;
};

/*
 * Shows what is in the next buckets to fn, expired entries too. False: that was the last one, and
 * the cursor is at the beginning again. Entries must not be inserted meanwhile; if some are between
 * two calls, those that an insert moves may be missed.
 */
bool flow_visit(struct flow_table *table, struct flow_cursor *cursor, unsigned int buckets,
	flow_visit_fn *fn, void *context);

/* From another thread: the value, or 0; may be out of date, and miss an entry being moved. */
uint64_t flow_peek(const struct flow_table *table, const struct flow_key *key, uint16_t tick);

/* The key of a packet that has passed classify. */
void flow_key_of(const struct pkt *p, uint16_t service, struct flow_key *key);

#endif
