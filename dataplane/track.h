/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tying packets to flows: keeps the state, age and way back of the flows that packets hit, gives
 * new flows a server, and counts sessions. One tracker per worker, used by that worker alone.
 *
 * When the flow table has no room, a client's packet is forwarded by the consistent hash alone.
 * The reply to it finds no flow either; so the tracker remembers the last such clients in a small
 * direct-mapped cache, which newer ones overwrite.
 */
#ifndef DATAPLANE_TRACK_H
#define DATAPLANE_TRACK_H

#include "cookie.h"
#include "ends.h"
#include "hop.h"
#include "limit.h"
#include "select.h"
#include "source_ports.h"
#include "tcp_answer.h"

#define TRACK_UNTRACKED_COUNT 65536u
#define TRACK_BEGUN_WORDS     16
/* Of a worker's flows of one family, this part may be half open, unless it is told otherwise. */
#define TRACK_HALF_OPEN_SHARE 4

/* A client forwarded by the hash alone. */
struct track_untracked {
	uint32_t owner_hash;
	uint32_t server; /* id; 0: free */
	uint16_t service;
	uint16_t hop;
};

/* The look at all flows for those of servers whose sessions are to be reset. */
struct track_pass {
	struct flow_cursor cursor;
	unsigned int rounds; /* to go; 0: none is under way */
	uint64_t until;	     /* generations' resets up to here are being seen to */
	uint64_t done;	     /* and up to here have been */
};

/* The look at all flows after a reload that changes which networks are counted: track_limit.c. */
struct track_limit_pass {
	struct flow_cursor cursor;
	unsigned int rounds; /* to go; 0: none is under way */
	enum {
		TRACK_LIMIT_FORGET,
		TRACK_LIMIT_COUNT,
	} phase;
};

/* This worker's part of what is counted for limits. */
struct track_limits {
	struct limit_hold hold; /* of the packet that is being dealt with */
	struct track_limit_pass pass;
	uint32_t sessions[SHUNT_MAX_LIMITS]; /* in the frontends' counts, by the limit's id */
	/* What flows are counted for: a limit and its source_number; 0: nothing. */
	uint16_t limit[SHUNT_MAX_SERVICES];
	uint32_t number[SHUNT_MAX_SERVICES];
};

/* What a server gets whose SYN|ACK has been taken in its client's name. */
struct track_accepted {
	const struct pkt *pkt; /* that was it: its addresses and ports are still there */
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
};

/* Sends a challenge (tcp_answer.h) between these ends, if it is worth it. Worker. */
typedef void track_challenge_fn(void *context, const struct ends *ends, const struct link *link);

struct tracker {
	const struct generation *generation; /* NULL until the first has arrived */
	struct flow_table *flows;
	struct hop_table *hops;
	struct track_untracked *untracked; /* [TRACK_UNTRACKED_COUNT] */
	struct source_ports *ports;	   /* of full NAT; NULL until a generation has that mode */
	struct source_ports *ports_made;   /* the same; agent: rw, until the worker takes it over */
	uint64_t seed[2];
	uint32_t flow_capacity;
	uint32_t half_open;	/* TCP flows that are: tcp_state_half_open() */
	uint32_t half_open_max; /* as many may be begun by SYNs; set before the first packet */
	struct shunt_worker_stats *stats;
	struct shunt_service_stats *services; /* this worker's, by id */
	struct shunt_server_stats *servers;   /* this worker's, by id */
	uint64_t *hits;			      /* this worker's, by rules' counters */
	struct select_state select;
	struct limiter
		*limiter; /* of all workers; NULL: nothing is limited. Set as owner_seed is */
	struct track_limits *limits;
	uint32_t now;	     /* ticks since the start, not modulo anything; worker: rw, agent: ro */
	bool second_half;    /* of the present tick */
	uint64_t owner_seed; /* as classify_burst() has it; set once, before the first packet */
	/* track_reset.c */
	uint8_t reset_key[TCP_ANSWER_KEY_BYTES]; /* of the nonces; never leaves this worker */
	uint16_t reset_tick;
	struct track_pass pass;
	track_challenge_fn *challenge; /* NULL: nobody is provoked; set by the worker's maker */
	void *challenge_context;
	/* Clients of this burst with new flows, a bit for each by owner_hash: track_misses(). */
	uint64_t begun[TRACK_BEGUN_WORDS];
	/*
	 * RSTs of this burst whose senders are to be challenged, as they were received. Whoever
	 * calls track_hits() and track_misses() empties it before rewriting.
	 */
	unsigned int doubted_count;
	struct pkt *doubted[PKT_BURST];
	/* track_cookie.c */
	struct track_cookies *cookies;	    /* NULL until a generation has services with them */
	struct track_cookies *cookies_made; /* the same; agent: rw, until the worker takes it */
	bool proved; /* the client of the packet at hand has proved that it is there */
	unsigned int accepted_count; /* of this burst, emptied as doubted */
	struct track_accepted accepted[PKT_BURST];
};

/* flow_seed: random, this worker's own. NULL: no memory. Agent. */
struct tracker *tracker_create(const struct shunt_stats *stats, uint32_t worker,
	uint32_t flow_capacity, const uint64_t flow_seed[2]);
void tracker_destroy(struct tracker *tracker);

/*
 * Makes the table of source ports, if it is not there and this generation has full NAT, and the
 * same for SYN cookies. To be called before a worker is given the generation. 0, -ENOMEM. Agent.
 */
int tracker_prepare(struct tracker *tracker, const struct generation *generation);

/* From now on this generation decides. Worker. */
void tracker_set_generation(struct tracker *tracker, const struct generation *generation);

/*
 * Finds the clients of replies to source addresses: sets service, client, client_port_be,
 * client_version, service_port_be and hop of those that have source. Of one that is not found
 * service stays 0: its flow may come about in this burst. To be called before flow_lookup_burst().
 * n: at most PKT_BURST.
 */
void track_sources(struct tracker *tracker, struct pkt *const *pkts, unsigned int n);

/*
 * Uses flow (flow_lookup_burst) and all that parse and classify have set.
 * Sets server and hop of packets whose flow goes on, and updates their flows.
 * Leaves to track_misses the others, which it puts in misses[]; returns their number.
 */
unsigned int track_hits(struct tracker *tracker, struct pkt *const *pkts, unsigned int n,
	uint16_t tick, struct pkt **misses);

/*
 * Sets server and hop, or drop, of packets that belong to no flow yet: those of new clients get a
 * server and an entry, replies are looked for under the other services of their server. One by
 * one and in order, since a packet may belong to the flow that the one before it has made.
 */
void track_misses(struct tracker *tracker, struct pkt *const *pkts, unsigned int n, uint16_t tick);

/*
 * Sets service, server and hop of an ICMP error by the flow that it is about, or drop (NO_FLOW).
 * Reads only: whoever can send an error must not be able to end a flow, or to keep one alive.
 */
void track_icmp_error(struct tracker *tracker, struct pkt *p, uint16_t tick);

/*
 * For a packet whose service, server and source were found with another one before it: sets drop if
 * they are not there any more. Sets what else track_sources() sets.
 */
void track_recall(struct tracker *tracker, struct pkt *p);

/*
 * Gives the tables a part of their sweep, so many buckets of the flow table: does what has to be
 * done about flows that go, and about those being reset.
 */
void track_sweep(struct tracker *tracker, unsigned int buckets, uint16_t tick);

/*
 * Looks at some buckets more for flows that the generation wants reset, or counted otherwise, if it
 * wants any. False: there is nothing to do.
 */
bool tracker_pass(struct tracker *tracker, unsigned int buckets, uint16_t tick);

/*
 * Makes of a SYN with drop SYN_COOKIE its answer, which leaves by the port it came from. least_mtu:
 * of all ports.
 */
void track_cookie_answer(struct tracker *tracker, struct pkt *p, uint16_t least_mtu,
	const struct shunt_mac *port_mac);

/* Counts what leaves (drop not set) for its service and server. */
void track_count(struct tracker *tracker, struct pkt *const *pkts, unsigned int n);

#endif
