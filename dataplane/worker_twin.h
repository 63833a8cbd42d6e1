/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's side of the kernel twins: what it gives to the twin's thread and takes from it. */
#ifndef DATAPLANE_WORKER_TWIN_H
#define DATAPLANE_WORKER_TWIN_H

#include "frame_ring.h"
#include "icmp_limit.h"
#include "punt.h"

struct twin;

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

#endif
