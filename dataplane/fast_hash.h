/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast path's hash: which packets go by their slot alone, as stateless_burst() says, and to
 * which server? Only those to a server of mode `dr` go on here. They need no entry in the flow
 * table, so neither do flags and TTL matter, with which others might change it.
 *
 * All of a flow have the same slot, so all of them go on here or none does, but for what a packet's
 * own bytes decide: one that is too big, or opens a connection whose MSS is clamped, is left, and
 * those of its slot behind it are.
 */
#ifndef DATAPLANE_FAST_HASH_H
#define DATAPLANE_FAST_HASH_H

#include "fast.h"
#include "stateless.h"

/*
 * What the hash of an IPv4 client covers begins with the same eight bytes for all, of its mapped
 * address (RFC 4291 section 2.5.5.2): so far SipHash's words are the same for a burst.
 */
struct fast_sip {
	uint64_t v[4];
};

/* What is to be known of a service. */
struct fast_hash_service {
	uint64_t id;
	bool by_slot;	  /* its packets go by their slot: else the rest does not count */
	bool connection;  /* the hash is of all of the connection: see select_hash_of() */
	uint32_t address; /* its own */
	uint32_t count;	  /* of slots */
	const uint32_t *slots;
	uint64_t tail;	      /* connection: its port and protocol, behind the client's port */
	uint64_t client_mask; /* of the client's address, as it lies in a flow's key */
	uint64_t port_mask;   /* of the client's port: what the hash covers of it */
	uint64_t end;	      /* what else is in the last word that is hashed */
};

/* A burst. */
struct fast_hash {
	const struct fast_view *view;
	struct fast_sip sip;
	struct fast_hash_service service; /* of the packet before */
	uint64_t left; /* a bit by slot: slots of which a packet was left for what it is itself */
};

void fast_hash_begin(struct fast_hash *h, const struct fast_view *v);

/* Makes h->service this one. */
void fast_hash_find(struct fast_hash *h, uint64_t id);

/* Sets the packet's slot and asks for it; or for its flow's bucket, and returns false. */
bool fast_hash_aim(struct fast_hash *h, struct fast_burst *f, unsigned int i);

/* For packets with a slot, in their order: the rest of the pass. */
uint64_t fast_hash_send(struct fast_hash *h, struct fast_burst *f, uint64_t by_slot);

/* The passes. */
uint64_t fast_hash(const struct fast_view *v, struct fast_burst *f, uint64_t among);
uint64_t fast_hash_avx512(const struct fast_view *v, struct fast_burst *f, uint64_t among);

/* The second word that is hashed. */
#define FAST_HASH_MAPPED 0xffff0000u

#endif
