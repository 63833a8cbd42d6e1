/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses that tell whose a packet is: the balancer's own (of its kernel, balanced ones not among
 * them) and the servers'. What a server sends to the balancer itself is no reply of a balanced flow
 * but the answer to a probe. Immutable; a part of a generation.
 */
#ifndef DATAPLANE_KNOWN_H
#define DATAPLANE_KNOWN_H

#include "pkt.h"

struct generation;   /* generation.h */
struct object_store; /* objects.h */
struct known;

/*
 * The local objects' addresses and those of the generation's servers. before: what it shares the
 * servers' with, which are the same; or NULL. NULL: no memory. Agent only.
 */
struct known *known_create(const struct object_store *objects, const struct generation *generation,
	const struct known *before);
void known_destroy(struct known *known);	 /* NULL is fine */
uint64_t known_bytes(const struct known *known); /* of memory */

/* address: 4 bytes for version 4, else 16. Worker. */
bool known_is_local(const struct known *known, const uint8_t *address, uint8_t version);
bool known_is_server(const struct known *known, const uint8_t *address, uint8_t version);

/* A bit for each last byte that an address of the balancer's own has: [4]. Worker. */
const uint64_t *known_local_filter(const struct known *known);

/*
 * Sets SHUNT_DROP_LOCAL for what comes from a server, or is an ICMP error about a packet to one,
 * and is addressed to the balancer itself, which a source address of full NAT's is not. Uses drop,
 * direction, source, client. Worker.
 */
void known_mark_local(const struct known *known, struct pkt *const *pkts, unsigned int n);

#endif
