/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments that a worker sends itself: see tcp_answer.h for what they are, track_reset.c for
 * when. */
#include <rte_cycles.h>
#include <rte_ether.h>

#include "tcp_answer.h"
#include "worker_impl.h"

/*
 * Challenges of RSTs: as many as connections may end by an RST, since those whose challenge is not
 * sent linger until they time out. They are no larger than the RST, and go where it claims to come
 * from, as any host's answer to it might.
 */
#define DOUBTS_PER_SECOND 20000
#define DOUBTS_BURST	  2000
/* Flows that are reset before their hosts could be provoked are provoked at the next sweep. */
#define PROVOCATIONS_PER_SECOND 100000
#define PROVOCATIONS_BURST	512
#define RESETS_PER_SECOND	100000
#define RESETS_BURST		2000

/* Of the flow table, in one turn of the loop: some microseconds. */
#define PASS_BUCKETS 128

/* From its Ethernet header on, of `link_bytes`. NULL: no memory. */
static struct rte_mbuf *
segment_alloc(struct worker *w, unsigned int link_bytes, uint8_t **frame)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->buffers);

	if (!m)
		return NULL;
	*frame = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(link_bytes + TCP_ANSWER_MAX_BYTES));
	if (*frame)
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

static void
segment_send(struct worker *w, struct rte_mbuf *m, const uint8_t *frame, unsigned int bytes,
	uint8_t port)
{
	m->data_off = (uint16_t)(frame - (const uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	w->stats->tcp_challenges++;
	tx_port(&w->tx, m, m->pkt_len, port);
}

/* The RST itself goes on; what is sent here takes the way that it came. */
static void
challenge_sender(struct worker *w, const struct pkt *p)
{
	struct ends ends = tcp_answer_ends(p);
	struct rte_mbuf *m;
	unsigned int bytes;
	uint8_t *frame;

	if (!rate_limit_take(&w->doubt_limit, rte_rdtsc()))
		return;
	m = segment_alloc(w, p->l3_offset, &frame);
	if (!m)
		return;
	memcpy(frame, p->data, p->l3_offset);
	tcp_answer_turn_link(frame, &w->port_macs[p->in_port]);
	bytes = tcp_answer_challenge(frame + p->l3_offset, w->tracker->reset_key, &ends, w->tick);
	segment_send(w, m, frame, p->l3_offset + bytes, p->in_port);
}

void
worker_challenge(struct worker *w)
{
	struct tracker *t = w->tracker;

	for (unsigned int i = 0; i < t->doubted_count; i++)
		challenge_sender(w, t->doubted[i]);
	t->doubted_count = 0;
}

/* For the tracker: a challenge out of the blue. */
static void
provoke(void *context, const struct ends *ends, const struct link *link)
{
	struct worker *w = context;
	struct rte_ether_hdr *ether;
	struct rte_mbuf *m;
	struct pkt p = { 0 };

	if (!rate_limit_take(&w->provoke_limit, rte_rdtsc()))
		return;
	m = segment_alloc(w, sizeof(*ether), &p.data);
	if (!m)
		return;
	ether = (struct rte_ether_hdr *)p.data;
	ether->ether_type =
		rte_cpu_to_be_16(ends->version == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	p.l3_offset = sizeof(*ether);
	p.version = ends->version;
	p.headroom = rte_pktmbuf_headroom(m);
	p.bytes = p.l3_offset +
		tcp_answer_challenge(p.data + p.l3_offset, w->tracker->reset_key, ends, w->tick);
	link_out(&p, link, w->port_macs);
	if (p.drop)
		rte_pktmbuf_free(m);
	else
		segment_send(w, m, p.data, p.bytes, p.out_port);
}

bool
worker_answer_reset(struct worker *w, struct pkt *p)
{
	if ((p->drop != SHUNT_DROP_RESET && !pkt_is_refused(p)) || !tcp_answer_allowed(p) ||
		!rate_limit_take(&w->reset_limit, rte_rdtsc()))
		return false;
	tcp_answer_reset(p, &w->port_macs[p->in_port]);
	w->stats->tcp_resets++;
	return true;
}

bool
worker_reset_flows(struct worker *w)
{
	return tracker_pass(w->tracker, PASS_BUCKETS, w->tick);
}

static void
set_limit(struct rate_limit *limit, uint64_t second, uint64_t rate, uint64_t burst)
{
	limit->period = second / rate;
	limit->burst = burst;
}

void
worker_tcp_init(struct worker *w, uint64_t cycles_per_second)
{
	set_limit(&w->doubt_limit, cycles_per_second, DOUBTS_PER_SECOND, DOUBTS_BURST);
	set_limit(
		&w->provoke_limit, cycles_per_second, PROVOCATIONS_PER_SECOND, PROVOCATIONS_BURST);
	set_limit(&w->reset_limit, cycles_per_second, RESETS_PER_SECOND, RESETS_BURST);
	w->tracker->challenge = provoke;
	w->tracker->challenge_context = w;
}
