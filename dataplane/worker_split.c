/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that may be fragmented, and must be, in a worker: between xlat.h and the mbufs. */
#include "rewrite.h"
#include "worker_impl.h"
#include "xlat.h"

static void
rewrite(struct worker *w, struct pkt *p)
{
	struct tracker *t = w->tracker;

	rewrite_burst(t->generation, t->hops, w->port_macs, w->port_mtus, &p, 1);
	track_count(t, &p, 1);
}

/* Sends what is in an mbuf of its own, or frees it. */
static void
send_piece(struct worker *w, struct pkt *p, struct rte_mbuf *m)
{
	if (p->drop) {
		w->stats->drops[p->drop]++;
		rte_pktmbuf_free(m);
		return;
	}
	m->data_off = (uint16_t)(p->data - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)p->bytes;
	m->pkt_len = p->bytes;
	tx_port(&w->tx, m, m->pkt_len, p->out_port);
}

bool
worker_split(struct worker *w, struct pkt *p)
{
	struct rte_mempool *pool = burst_mbuf(&w->burst, p)->pool;
	struct rte_mbuf *m, *next;
	struct pkt rest, more;

	/* A tunnel is not fragmented: see tunnel.c. */
	if (w->tracker->generation->servers[p->server].forward != SHUNT_FULLNAT)
		return false;
	m = rte_pktmbuf_alloc(pool);
	if (!m)
		return false;
	if (!xlat_split(p, &rest, rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_tailroom(m))) {
		rte_pktmbuf_free(m);
		return false;
	}
	rest.headroom = rte_pktmbuf_headroom(m);
	rewrite(w, p);
	if (p->drop) {
		rte_pktmbuf_free(m);
		return false;
	}
	rewrite(w, &rest);
	/* From a port with a much greater MTU there is more than one piece. */
	while (rest.drop == SHUNT_DROP_TOO_BIG && (next = rte_pktmbuf_alloc(pool))) {
		bool split = xlat_split(&rest, &more, rte_pktmbuf_mtod(next, uint8_t *),
			rte_pktmbuf_tailroom(next));

		if (!split) {
			rte_pktmbuf_free(next);
			break;
		}
		more.headroom = rte_pktmbuf_headroom(next);
		rewrite(w, &rest);
		send_piece(w, &rest, m);
		rest = more;
		m = next;
		rewrite(w, &rest);
	}
	send_piece(w, &rest, m);
	return true;
}
