/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments in a worker: between frag.c, which knows no mbufs, and the stages in worker.c. */
#include "classify.h"
#include "known.h"
#include "worker_impl.h"

void
worker_reap_fragments(struct worker *w)
{
	enum shunt_drop reason;
	void *mbuf;

	while ((mbuf = frag_reap(w->frags, w->now_ms, &reason))) {
		w->stats->drops[reason]++;
		rte_pktmbuf_free(mbuf);
	}
}

/* A fragment that is not the first. */
static void
worker_later_fragment(struct worker *w, struct pkt *p, bool placed)
{
	struct burst *b = &w->burst;
	struct rte_mbuf *m = burst_mbuf(b, p);
	uint32_t owner;

	b->live[0] = p;
	b->count = 1;
	switch (frag_later(w->frags, p, m, placed, w->now_ms, &owner)) {
	case FRAG_FORWARD:
		track_recall(w->tracker, p);
		worker_send(w);
		break;
	case FRAG_HAND_OVER:
		tx_placed(&w->tx, m, p->in_port, owner);
		break;
	case FRAG_DROP:
		burst_drop(w);
		break;
	case FRAG_WAIT:
		break;
	}
}

/* A first fragment goes the way of a whole packet; then those that have waited for it. */
static void
worker_first_fragment(struct worker *w, struct pkt *p, bool placed)
{
	struct burst *b = &w->burst;
	struct rte_mbuf *waited;
	uint32_t owner;

	classify_burst(w->tracker->generation->classifier, &p, 1, w->owner_seed);
	known_mark_local(w->tracker->generation->known, &p, 1);
	owner = p->drop ? w->index : worker_owner(p->owner_hash, w->count);
	/* The two workers are of two generations, and do not agree about it. */
	if (placed && owner != w->index)
		p->drop = SHUNT_DROP_NO_SERVICE;
	b->live[0] = p;
	b->count = 1;
	switch (frag_first(w->frags, p, owner, w->now_ms)) {
	case FRAG_HAND_OVER:
		tx_placed(&w->tx, burst_mbuf(b, p), p->in_port, owner);
		break;
	case FRAG_FORWARD:
		worker_forward(w);
		frag_settle(w->frags, p);
		break;
	default:
		burst_drop(w);
		break;
	}
	/* They take the first one's place in the burst, which is free now. */
	while ((waited = frag_take(w->frags, p))) {
		b->mbufs[p - b->pkts] = waited;
		worker_later_fragment(w, p, false);
	}
}

void
worker_fragment(struct worker *w, struct pkt *p)
{
	struct rte_mbuf *m = burst_mbuf(&w->burst, p);
	bool placed = w->burst.handed_over && tx_is_placed(m);
	uint32_t owner = w->index;

	if (!placed && w->count > 1)
		owner = worker_owner(frag_owner_hash(p, w->owner_seed), w->count);
	if (owner != w->index) {
		tx_owner(&w->tx, m, p->in_port, owner);
	} else if (frag_is_first(p)) {
		worker_first_fragment(w, p, placed);
	} else {
		worker_reap_fragments(w);
		worker_later_fragment(w, p, placed);
	}
}

void
worker_free_fragments(struct worker *w)
{
	enum shunt_drop reason;
	void *mbuf;

	while (w->frags && (mbuf = frag_reap(w->frags, UINT64_MAX, &reason)))
		rte_pktmbuf_free(mbuf);
	frag_table_destroy(w->frags);
}
