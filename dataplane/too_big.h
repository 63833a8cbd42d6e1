/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The answer to a client's packet that is too big for the way to its server: ICMP "fragmentation
 * needed" (RFC 1191) or ICMPv6 "packet too big" (RFC 4443 section 3.2), from the balanced address,
 * about the client's own packet. And the limit to how many of them leave.
 */
#ifndef DATAPLANE_TOO_BIG_H
#define DATAPLANE_TOO_BIG_H

#include "pkt.h"

/* Of one worker; see rate_limit.h. */
#define TOO_BIG_PER_SECOND 1000
#define TOO_BIG_BURST	   100

/*
 * Is there anybody to tell, and would it help? Not an IPv4 sender that lets others fragment, and
 * nobody about an ICMP error, a frame that was sent to a group, or a fragment but the first
 * (RFC 1122 section 3.2.2). p: with drop TOO_BIG and fit_bytes, else as parsed. Worker.
 */
bool too_big_wants_answer(const struct pkt *p);

/*
 * Makes p the answer, in place; it is never longer than p was. Clears drop, sets out_port to where
 * p came from. Call only if too_big_wants_answer(). Worker.
 */
void too_big_answer(struct pkt *p, const struct shunt_mac *port_macs);

#endif
