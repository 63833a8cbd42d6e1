/* SPDX-License-Identifier: BSD-3-Clause */
/* What it takes to send a frame to a neighbour, be it on the way to a server or to a client. */
#ifndef DATAPLANE_LINK_H
#define DATAPLANE_LINK_H

#include "pkt.h"

struct link {
	struct shunt_mac mac;
	uint8_t port;	  /* index of ours */
	uint8_t known;	  /* 0: it is not, and the rest means nothing */
	uint16_t vlan[2]; /* ids of its tags, the outer first; 0: no (further) tag */
};

static_assert(sizeof(struct link) == 12, "fits a server's line");

/* Makes the frame one from our port to the neighbour. port_macs: [SHUNT_MAX_PORTS]. */
static inline void
link_out(struct pkt *p, const struct link *link, const struct shunt_mac *port_macs)
{
	memcpy(p->data, link->mac.bytes, sizeof(link->mac.bytes));
	memcpy(p->data + 6, port_macs[link->port].bytes, sizeof(link->mac.bytes));
	p->out_port = link->port;
}

#endif
