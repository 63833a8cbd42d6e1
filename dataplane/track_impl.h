/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a tracker, for track.c and track_*.c alone. Worker. */
#ifndef DATAPLANE_TRACK_IMPL_H
#define DATAPLANE_TRACK_IMPL_H

#include "classify.h"
#include "tcp_state.h"
#include "track.h"

static inline const struct gen_server *
track_server(const struct generation *generation, uint32_t id)
{
	return id < generation->server_count && generation->servers[id].version
		? &generation->servers[id]
		: NULL;
}

static inline unsigned int
track_address_bytes(const struct pkt *p)
{
	return p->version == 4 ? 4 : 16;
}

static inline const uint8_t *
track_source_address(const struct pkt *p)
{
	return p->data + p->l3_offset + (p->version == 4 ? 12 : 8);
}

/* The id of a flow's source address; 0: it has none of Shunt's. */
static inline unsigned int
track_source_id(uint64_t value)
{
	unsigned int id = flow_source(value);

	return id < SHUNT_MAX_SOURCES ? id : 0;
}

/* A packet that begins something: it may be given another server than the one before. */
static inline bool
track_is_first(const struct pkt *p)
{
	return p->protocol == SHUNT_UDP || tcp_state_opens(p->tcp_flags);
}

static inline struct track_untracked *
track_untracked_place(const struct tracker *t, const struct pkt *p)
{
	return &t->untracked[p->owner_hash & (TRACK_UNTRACKED_COUNT - 1)];
}

/* track.c: */

void track_session_begins(struct tracker *t, uint16_t service, uint32_t server);
/* What is to be done when a flow goes, or gives its entry to another one. */
void track_flow_gone(void *context, const struct flow_key *key, uint64_t value);

/* track_fullnat.c: */

/* Is this the value of a flow as this server's mode has them? */
bool track_mode_fits(const struct tracker *t, const struct gen_server *server, uint64_t value);
/* Tells the packet what its flow's source is. */
void track_set_source(struct pkt *p, uint64_t value);
/*
 * A packet of the client has hit: keeps its way back up to date. False: its port is not the flow's
 * any more, as the server's endpoint is another now or the sweep has found the flow expired.
 */
bool track_keep_source(struct tracker *t, const struct pkt *p, const struct gen_server *server);
/* The client of a reply to a source address, for which the server's endpoint is given. */
bool track_find_source(struct tracker *t, struct pkt *p, const uint8_t *address, uint16_t port_be);
/* A client's packet that needs a new server: sets drop if it cannot be had. flow: its entry, if
 * any. */
void track_new_fullnat(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, uint64_t *flow, uint16_t tick);
/* The flow has gone, and its port is free. */
void track_release_source(struct tracker *t, const struct flow_key *key, uint64_t value);

#endif
