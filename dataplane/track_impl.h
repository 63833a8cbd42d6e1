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

static inline struct track_untracked *
track_untracked_place(const struct tracker *t, const struct pkt *p)
{
	return &t->untracked[p->owner_hash & (TRACK_UNTRACKED_COUNT - 1)];
}

#endif
