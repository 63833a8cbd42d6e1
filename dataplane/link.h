/* SPDX-License-Identifier: BSD-3-Clause */
/* What it takes to send a frame to a neighbour, be it on the way to a server or to a client. */
#ifndef DATAPLANE_LINK_H
#define DATAPLANE_LINK_H

#include "pkt.h"

enum {
	LINK_ETHERNET_BYTES = 14, /* without tags */
	LINK_TAG_BYTES = 4,
	LINK_MAX_TAGS = 2,
};

struct link {
	struct shunt_mac mac;
	uint8_t port;	  /* index of ours */
	uint8_t known;	  /* 0: it is not, and the rest means nothing */
	uint16_t vlan[2]; /* as in struct shunt_nexthop */
};

static_assert(sizeof(struct link) == 12, "fits a server's line");

/* Both tags as one value; 0: there is none. */
static inline uint32_t
link_vlans(const uint16_t vlan[2])
{
	uint32_t both;

	memcpy(&both, vlan, sizeof(both));
	return both;
}

/* Where a packet came from, as a way back. */
static inline struct link
link_back(const struct pkt *p)
{
	struct link link = {
		.port = p->in_port,
		.known = 1,
		.vlan = { p->vlan[0], p->vlan[1] },
	};

	memcpy(link.mac.bytes, p->data + 6, sizeof(link.mac.bytes));
	return link;
}

/* Bytes of an Ethernet header on this link. */
static inline unsigned int
link_header_bytes(const struct link *link)
{
	return LINK_ETHERNET_BYTES +
		LINK_TAG_BYTES * ((unsigned int)!!link->vlan[0] + (unsigned int)!!link->vlan[1]);
}

/* Priority and drop eligibility of a frame's tags, the outer's in the upper half; 0 without. */
uint32_t link_priorities(const struct pkt *p);

/* Writes the link's tags and the type of what follows behind the addresses of a frame. */
void
link_put_tags(uint8_t *frame, const struct link *link, uint32_t priorities, uint16_t ethertype);

/*
 * Gives the frame the link's tags in place of its own, of which the priority stays. It grows and
 * shrinks at its start; drop (HEADROOM), if there is no room for that.
 */
void link_retag(struct pkt *p, const struct link *link);

/*
 * Drops (VLAN) what has come in another VLAN than the port's, whatever the kind of its tags. vlan:
 * the port's; without an id it takes all. Worker.
 */
void link_check_vlan(struct pkt *const *pkts, unsigned int n, const uint16_t vlan[2]);

/* Makes the frame one from our port to the neighbour. port_macs: [SHUNT_MAX_PORTS]. */
static inline void
link_out(struct pkt *p, const struct link *link, const struct shunt_mac *port_macs)
{
	/* Most frames have no tags, and are to have none. */
	if ((uint32_t)(p->l3_offset ^ LINK_ETHERNET_BYTES) | link_vlans(link->vlan))
		link_retag(p, link);
	memcpy(p->data, link->mac.bytes, sizeof(link->mac.bytes));
	memcpy(p->data + 6, port_macs[link->port].bytes, sizeof(link->mac.bytes));
	p->out_port = link->port;
}

#endif
