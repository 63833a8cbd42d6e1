/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker sends for SYN cookies: track_cookie.c says when. */
#include "seq.h"
#include "tcp_answer.h"
#include "worker_impl.h"

/*
 * No limit here: a SYN|ACK is no larger than its SYN, goes where that claims to come from, as any
 * host's would, and to answer all of them is what cookies are for.
 */
bool
worker_answer_cookie(struct worker *w, struct pkt *p)
{
	if (p->drop != SHUNT_DROP_SYN_COOKIE)
		return false;
	track_cookie_answer(w->tracker, p, w->least_mtu, &w->port_macs[p->in_port]);
	return true;
}

/* What an ICMP error is to quote is what its receiver has sent. */
void
worker_restore_quoted(struct pkt *p)
{
	if (!p->seq_delta || (p->drop != SHUNT_DROP_TTL && p->drop != SHUNT_DROP_TOO_BIG))
		return;
	seq_to_client(p, -p->seq_delta, 0);
	p->seq_delta = 0;
}

/* The last ACK of the handshake, in the client's name: the way that the server's SYN|ACK came. */
static void
accept_one(struct worker *w, const struct track_accepted *a)
{
	const struct pkt *p = a->pkt;
	const struct tcp_segment segment = {
		.seq = a->seq,
		.ack = a->ack,
		.flags = PKT_ACK,
		.window = a->window,
	};
	struct ends ends = tcp_answer_ends(p);
	unsigned int bytes = p->l3_offset + TCP_ANSWER_MAX_BYTES;
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->buffers);
	uint8_t *frame = m ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)bytes) : NULL;

	/* Then the server sends its SYN|ACK again. */
	if (!frame) {
		rte_pktmbuf_free(m);
		return;
	}
	memcpy(frame, p->data, p->l3_offset);
	tcp_answer_turn_link(frame, &w->port_macs[p->in_port]);
	bytes = p->l3_offset + tcp_answer_write(frame + p->l3_offset, &ends, &segment);
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	tx_port(&w->tx, m, bytes, p->in_port);
}

void
worker_accept(struct worker *w)
{
	struct tracker *t = w->tracker;

	for (unsigned int i = 0; i < t->accepted_count; i++)
		accept_one(w, &t->accepted[i]);
	t->accepted_count = 0;
}
