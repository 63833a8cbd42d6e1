/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors in a worker: those that pass through, and those that it sends itself. */
#include <rte_cycles.h>

#include "classify.h"
#include "fullnat.h"
#include "icmp.h"
#include "icmp_answer.h"
#include "known.h"
#include "pmtu.h"
#include "rewrite.h"
#include "too_big.h"
#include "worker_impl.h"

/* Makes of a packet an ICMP error from its service to its sender. False: it stays what it is. */
static bool
answer_icmp(struct worker *w, struct pkt *p, enum icmp_answer answer, struct rate_limit *limit)
{
	const struct gen_service *services = w->tracker->generation->services;

	/* A reply may be of another family than the service that it would be answered from. */
	if (services[p->service].version != p->version ||
		rte_pktmbuf_headroom(burst_mbuf(&w->burst, p)) < ICMP_ANSWER_ROOM ||
		!icmp_answer_allowed(p) || !rate_limit_take(limit, rte_rdtsc()))
		return false;
	icmp_answer(p, answer, &services[p->service], &w->port_macs[p->in_port]);
	w->stats->icmp_sent++;
	return true;
}

/* Tells the sender that the TTL was used up. */
static bool
answer_ttl(struct worker *w, struct pkt *p)
{
	return p->drop == SHUNT_DROP_TTL &&
		answer_icmp(w, p, ICMP_ANSWER_TIME_EXCEEDED, &w->ttl_limit);
}

/* A TCP segment is refused by an RST: worker_answer_reset(). */
static bool
answer_refused(struct worker *w, struct pkt *p)
{
	return pkt_is_refused(p) && p->protocol == SHUNT_UDP &&
		answer_icmp(w, p, ICMP_ANSWER_PORT_UNREACHABLE, &w->refuse_limit);
}

/* Makes a packet that is too big the answer to its sender, within limits. */
static bool
answer_too_big(struct worker *w, struct pkt *p)
{
	if (p->drop != SHUNT_DROP_TOO_BIG || !too_big_wants_answer(p) ||
		!rate_limit_take(&w->too_big_limit, rte_rdtsc()))
		return false;
	too_big_answer(p, w->port_macs);
	w->stats->icmp_sent++;
	return true;
}

bool
worker_answer(struct worker *w, struct pkt *p)
{
	worker_restore_quoted(p);
	return answer_ttl(w, p) || answer_too_big(w, p) || answer_refused(w, p) ||
		worker_answer_reset(w, p) || worker_answer_cookie(w, p);
}

/*
 * An error about no flow: it may be about a packet of a tunnel, which is Shunt's own. How often one
 * is looked into is limited, for that costs more than to forward a packet.
 */
static void
process_tunnel_icmp(struct worker *w, struct pkt *p)
{
	uint8_t drop = p->drop;

	if (p->protocol == SHUNT_TCP || !rate_limit_take(&w->tunnel_limit, rte_rdtsc()))
		return;
	p->drop = SHUNT_DROP_NONE;
	pmtu_icmp_error(w->tracker->generation, p, w->port_mtus);
	if (!p->drop)
		p->drop = drop;
}

/* An ICMP error: to the end of the flow that its quoted packet came from. True: handed over. */
static bool
process_icmp(struct worker *w, struct pkt *p)
{
	const struct generation *g = w->tracker->generation;
	struct tracker *t = w->tracker;
	uint32_t owner;

	if (p->protocol == SHUNT_TCP || p->protocol == SHUNT_UDP)
		classify_icmp_error(g->classifier, p, w->owner_seed);
	else
		p->drop = SHUNT_DROP_PROTOCOL;
	known_mark_local(g->known, &p, 1);
	if (p->drop) {
		process_tunnel_icmp(w, p);
		return false;
	}
	owner = worker_owner(p->owner_hash, w->count);
	if (owner != w->index) {
		tx_owner(&w->tx, burst_mbuf(&w->burst, p), p->in_port, owner);
		return true;
	}
	track_icmp_error(t, p, w->tick);
	if (p->drop)
		return false;
	if (g->servers[p->server].forward == SHUNT_FULLNAT)
		fullnat_icmp(p, g, t->hops, w->port_macs);
	else if (gen_server_is_direct(&g->servers[p->server]))
		/* It has the balanced address, and reads the error as it is. */
		rewrite_burst(g, t->hops, w->port_macs, w->port_mtus, &p, 1);
	else if (p->direction == PKT_TO_SERVER)
		icmp_to_server(p, &g->servers[p->server], w->port_macs);
	else
		icmp_to_client(p, &g->services[p->service], &g->servers[p->server],
			&t->hops->hops[p->hop], w->port_macs);
	track_count(t, &p, 1);
	return false;
}

void
worker_icmp(struct worker *w, struct pkt *p)
{
	struct burst *b = &w->burst;

	if (process_icmp(w, p))
		return;
	b->live[0] = p;
	b->count = 1;
	burst_drop(w);
	burst_transmit(w);
}
