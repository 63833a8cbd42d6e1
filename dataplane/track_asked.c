/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes of the SYNs that begin flows, counted by server for whoever watches them from outside
 * (`observe`): refused, or without an answer. A flow is counted once, with the flag FLOW_ASKED,
 * which only FLOW_SYN has: so packets of flows that are answered never get here.
 *
 * Unanswered is a SYN that its client sends again while nothing has come back, or a flow that
 * expires so. Clients wait for a second at least before they do (RFC 6298 section 2); a SYN that
 * comes twice within one second by the clock here (half a tick) is a copy, or meant to look like
 * this, and does not count. What SYNs from false addresses can do:
 *
 *   nat, fullnat	the server answers them, be it with cookies of its own, and the flow leaves
 *			FLOW_SYN whether or not anybody takes the answer. They count where it does
 *			not answer, which is what is to be found out. An RST of the server is a
 *			refusal: it gives none to a SYN that it takes. What is picked up out of the
 *			middle has no FLOW_ASKED, for an RST to it says nothing.
 *   dr, tunnel		answers do not pass here. A flow stays in FLOW_SYN until its client has
 *			acknowledged, so one that expires says nothing, and a flood would be all
 *			that is counted: here only SYNs sent again count. Who sends each of his
 *			twice, a second apart, makes a server look bad; what follows is probes, no
 *			oftener than `fastinter`.
 *
 * Not counted are SYNs that make no flow: stateless services, `half-open-max`, a full table. A SYN
 * cookie's flow counts as any once its cookie has come back: the SYN is Shunt's then. Worker.
 */
#include <stddef.h>

#include "track_impl.h"

/* Did its SYN come in this very second? */
static bool
is_this_second(const struct tracker *t, uint64_t value, uint16_t tick)
{
	return flow_last_seen(value) == tick &&
		((flow_flags(value) & FLOW_SECOND_HALF) != 0) == t->second_half;
}

void
track_asked_again(struct tracker *t, uint64_t value, unsigned int *flags, uint16_t tick)
{
	if (!(*flags & FLOW_ASKED) || is_this_second(t, value, tick))
		return;
	*flags &= ~(unsigned int)FLOW_ASKED;
	t->servers[flow_server(value)].syn_unanswered++;
}

void
track_asked_refused(struct tracker *t, uint64_t value, unsigned int *flags)
{
	if (!(*flags & FLOW_ASKED))
		return;
	*flags &= ~(unsigned int)FLOW_ASKED;
	t->servers[flow_server(value)].syn_refused++;
}

void
track_asked(struct tracker *t, const struct pkt *p, enum flow_state next, unsigned int *flags,
	uint16_t tick)
{
	if (*flags & FLOW_TRANSLATED)
		return; /* whose numbers are Shunt's: track_cookie.c knows what it is */
	if (next == FLOW_CLOSED)
		track_asked_refused(t, *p->flow, flags);
	else if (p->direction == PKT_TO_SERVER && tcp_state_opens(p->tcp_flags))
		track_asked_again(t, *p->flow, flags, tick);
}

void
track_asked_gone(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	const struct gen_server *server = track_server(t->generation, flow_server(value));

	/* With its service gone, it has not had its time. */
	if (server && !gen_server_is_direct(server) &&
		t->generation->timeouts[key->service].ticks[FLOW_SYN])
		t->servers[flow_server(value)].syn_unanswered++;
}
