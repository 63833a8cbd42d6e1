/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a tracker, for track.c and track_*.c alone. Worker. */
#ifndef DATAPLANE_TRACK_IMPL_H
#define DATAPLANE_TRACK_IMPL_H

#include "classify.h"
#include "tcp_state.h"
#include "track.h"

/* track_reset.c */
enum flow_state
track_reset(struct tracker *t, struct pkt *p, enum flow_state next, unsigned int *flags);
void track_resets_due(struct tracker *t);

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

/* A closed flow lingers in the table, but is no session any more. */
static inline bool
track_is_session(enum flow_state state)
{
	return state != FLOW_FREE && state != FLOW_CLOSED;
}

static inline void
track_session_ends(struct tracker *t, uint16_t service, uint32_t server)
{
	t->services[service].sessions--;
	t->servers[server].sessions--;
}

static inline struct track_untracked *
track_untracked_place(const struct tracker *t, const struct pkt *p)
{
	return &t->untracked[p->owner_hash & (TRACK_UNTRACKED_COUNT - 1)];
}

#endif
