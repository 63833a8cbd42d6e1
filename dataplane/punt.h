/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel shall have of that which is no service's, and how urgently. Classes share
 * nothing: each has its own allowance and its own way to the kernel, so that a flood of one takes
 * nothing from another. Pure functions over bytes. Worker.
 */
#ifndef DATAPLANE_PUNT_H
#define DATAPLANE_PUNT_H

#include "known.h"
#include "pkt.h"

enum punt_class {
	PUNT_LINK,    /* keeps the link and its addresses alive; only neighbours can send it */
	PUNT_ANSWER,  /* from a server to the balancer itself: what probes wait for */
	PUNT_ROUTING, /* routing protocols that cross routers, so that anybody can send it */
	PUNT_OTHER,
	PUNT_CLASSES,
	PUNT_NONE = PUNT_CLASSES, /* not for the kernel */
};

/* The class of a frame that left the path for this reason. */
enum punt_class punt_classify(const uint8_t *frame, uint32_t bytes, enum shunt_drop reason);

/* The same for a packet, whose addresses count too. */
enum punt_class punt_classify_pkt(const struct known *known, const struct pkt *p);

#endif
