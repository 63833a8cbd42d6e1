/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's side of the kernel twins: what it gives to the twin's thread and takes from it. */
#ifndef DATAPLANE_WORKER_TWIN_H
#define DATAPLANE_WORKER_TWIN_H

#include "frame_ring.h"
#include "icmp_limit.h"
#include "port.h"
#include "punt.h"

#define TWIN_HEADERS_BYTES (14 + 2 * 4) /* Ethernet, and two VLAN tags */

/* Of one worker; the other end of each is the twin's thread. */
struct twin_rings {
	struct frame_ring *punt[PUNT_CLASSES]; /* worker: produces */
	struct frame_ring *inject;	       /* worker: consumes */
};

/* Touched by its worker alone. */
struct worker_twin {
	const struct twin_rings *rings;	   /* NULL: no port has a twin */
	bool port[SHUNT_MAX_PORTS];	   /* has one */
	uint16_t longest[SHUNT_MAX_PORTS]; /* frame that a port takes */
	struct icmp_limit limit[SHUNT_MAX_PORTS][PUNT_CLASSES];
};

/* What may be sent out of a port: its MTU, with Ethernet header and two VLAN tags. */
static inline uint16_t
twin_longest_frame(const struct port *port)
{
	/* A frame that fills a slot to its end may have been cut off there by read(). */
	unsigned int longest = port->mtu + TWIN_HEADERS_BYTES;

	return (uint16_t)(longest < FRAME_RING_BYTES ? longest : FRAME_RING_BYTES - 1);
}

#endif
