/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tracker has for SYN cookies; for track_cookie.c, and for those who ask how much it is. */
#ifndef DATAPLANE_TRACK_COOKIE_H
#define DATAPLANE_TRACK_COOKIE_H

#include "cookie_flows.h"

/*
 * Servers' segments are announced to be received as large as Ethernet has them, or as the ports'
 * least MTU allows: what a server itself would say is not known yet.
 */
#define TRACK_COOKIE_MTU 1500u

/* SYNs that would begin a flow. */
struct track_flood {
	uint32_t tick;	/* since the start */
	uint32_t count; /* in it */
	bool on;
};

struct track_cookies {
	struct cookie_flows *flows;
	uint8_t key[COOKIE_KEY_BYTES];
	uint32_t last;				       /* tick in which a SYN was answered */
	bool any;				       /* one was, and its cookie may come back */
	struct track_flood all;			       /* of services without a rate */
	struct track_flood floods[SHUNT_MAX_SERVICES]; /* of those with one, by id */
};

#endif
