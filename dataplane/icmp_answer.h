/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors that Shunt sends itself. Where it routes (forwarding mode nat) and a packet's TTL or
 * hop limit is used up, its sender is told (RFC 1812 section 5.3.1, RFC 4443 section 3.3), so that
 * traceroute shows the balancer. Who is refused over UDP is told what an unused port would tell him
 * (RFC 1122 section 4.1.3.1, RFC 4443 section 3.1).
 *
 * Its source is the service's address, towards servers too: a worker knows no other address that is
 * the balancer's. None is about an ICMP error, a fragment that is not the first, or a packet from a
 * multicast or broadcast source (RFC 1812 section 4.3.2.7).
 */
#ifndef DATAPLANE_ICMP_ANSWER_H
#define DATAPLANE_ICMP_ANSWER_H

#include "generation.h"

/* Of one worker; see rate_limit.h. */
#define ICMP_ANSWERS_PER_SECOND	 100
#define ICMP_ANSWERS_BURST	 50
#define ICMP_REFUSALS_PER_SECOND 1000
#define ICMP_REFUSALS_BURST	 100
#define ICMP_ANSWER_ROOM	 48 /* in front of a packet that is answered, at most */

/*
 * May this packet be answered at all? Not if it is an ICMP error itself, was sent to many, or is a
 * fragment but the first (RFC 1812 section 4.3.2.7).
 */
bool icmp_answer_allowed(const struct pkt *p);

enum icmp_answer {
	ICMP_ANSWER_TIME_EXCEEDED,
	ICMP_ANSWER_PORT_UNREACHABLE,
};

/*
 * Makes of a packet the error for its sender: puts headers in front of it, in the ICMP_ANSWER_ROOM
 * bytes there, and cuts off what need not be quoted. Sets data, bytes and out_port, clears drop.
 * port_mac: of the port it came from. Worker.
 */
void icmp_answer(struct pkt *p, enum icmp_answer answer, const struct gen_service *service,
	const struct shunt_mac *port_mac);

#endif
