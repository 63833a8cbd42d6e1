/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The answer to a client's packet that is too big for the way to its server: ICMP "fragmentation
 * needed" (RFC 1191) or ICMPv6 "packet too big" (RFC 4443 section 3.2), from the balanced address,
 * about the client's own packet. And the limit to how many of them leave.
 */
#ifndef DATAPLANE_TOO_BIG_H
#define DATAPLANE_TOO_BIG_H

#include "pkt.h"

/*
 * So many at once and in the long run (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4(f)). The
 * clock is whatever the caller passes: interval is its units from one answer to the next.
 */
#define TOO_BIG_PER_SECOND 1000
#define TOO_BIG_BURST	   100

struct too_big_limit {
	uint64_t interval;
	uint64_t next; /* when the answers given so far have been paid for */
};

/* One more now? Counts it. Worker. */
static inline bool
too_big_allow(struct too_big_limit *limit, uint64_t now)
{
	uint64_t from = limit->next > now ? limit->next : now;

	if (from - now > (TOO_BIG_BURST - 1) * limit->interval)
		return false;
	limit->next = from + limit->interval;
	return true;
}

/*
 * Is there anybody to tell, and would it help? Not an IPv4 sender that lets others fragment, and
 * nobody about a frame that was sent to a group (RFC 1122 section 3.2.2). p: with drop TOO_BIG and
 * fit_bytes, else as parsed. Worker.
 */
bool too_big_wants_answer(const struct pkt *p);

/*
 * Makes p the answer, in place; it is never longer than p was. Clears drop, sets out_port to where
 * p came from. Call only if too_big_wants_answer(). Worker.
 */
void too_big_answer(struct pkt *p, const struct shunt_mac *port_macs);

#endif
