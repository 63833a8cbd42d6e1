/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path's way between mbufs and what knows bytes alone (fast.h). */
#include "worker_impl.h"

/* A port that serves one VLAN has no untagged packets to forward. */
static void
take_none(struct fast_burst *f)
{
	f->foreign_count = 0;
	f->count = 0;
	f->strange_count = f->in_count;
	memcpy(f->strange, f->in_mbuf, f->in_count * sizeof(f->strange[0]));
}

uint64_t
worker_fast_take(struct worker *w, struct rte_mbuf *const *mbufs, unsigned int n, uint8_t port)
{
	struct fast_burst *f = &w->fast;
	uint64_t bytes = 0;

	f->in_count = n;
	f->in_mbuf = (void *const *)mbufs;
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];

		f->in_bytes[i] = mbuf_bytes(m);
		f->in_frame[i] = rte_pktmbuf_mtod(m, uint8_t *);
		rte_prefetch0(f->in_frame[i]);
		bytes += m->pkt_len;
	}
	fast_view_begin(&w->view, port, w->tick);
	if (w->port_vlans[port][0])
		take_none(f);
	else
		w->passes->take(&w->view, f);
	for (unsigned int i = 0; i < f->foreign_count; i++)
		tx_owner(&w->tx, f->foreign[i].mbuf, port, f->foreign[i].owner);
	return bytes;
}

/* Mostly all of a burst leave by the same port. */
static void
send(struct worker *w, uint64_t these)
{
	struct fast_burst *f = &w->fast;
	struct rte_mbuf *run[PKT_BURST];
	unsigned int n = 0, run_bytes = 0;
	uint8_t port = 0;

	for (; these; these &= these - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(these);
		struct rte_mbuf *m = f->mbuf[i];
		unsigned int bytes = FAST_L3 + f->ip_bytes[i];

		if (f->out_port[i] != port) {
			tx_burst(&w->tx, run, n, run_bytes, port);
			port = f->out_port[i];
			n = run_bytes = 0;
		}
		m->data_len = (uint16_t)bytes;
		m->pkt_len = bytes;
		run_bytes += bytes;
		run[n++] = m;
	}
	tx_burst(&w->tx, run, n, run_bytes, port);
}

uint64_t
worker_fast_forward(struct worker *w, uint64_t *found)
{
	const struct fast_passes *pass = w->passes;
	struct fast_burst *f = &w->fast;
	uint64_t taken = f->count < 64 ? FAST_BIT(f->count) - 1 : UINT64_MAX;
	uint64_t hashed = 0, first, second, sent, more;

	if (w->view.stateless) {
		hashed = pass->hash(&w->view, f, taken);
		taken &= ~hashed;
	}
	first = pass->find(f, taken);
	fast_aim_again(&w->view, f, taken & ~first);
	sent = pass->judge(&w->view, f, first);
	fast_rewrite(&w->view, f, sent);
	second = pass->find(f, taken & ~first);
	more = pass->judge(&w->view, f, second);
	fast_rewrite(&w->view, f, more);
	send(w, hashed | sent | more);
	*found = first | second;
	return taken & ~(sent | more);
}

void
worker_fast6(struct worker *w, uint8_t port)
{
	struct fast_burst *f = &w->fast;
	struct fast6_burst *b = &w->fast6;
	unsigned int left = 0, k = 0;

	if (w->port_vlans[port][0])
		return; /* as take_none() */
	fast6_begin(b);
	for (unsigned int i = 0; i < f->strange_count; i++) {
		struct rte_mbuf *m = f->strange[i];

		fast6_take(&w->view, b, rte_pktmbuf_mtod(m, uint8_t *), mbuf_bytes(m), m);
	}
	fast6_find(&w->view, b);
	for (unsigned int i = 0; i < f->strange_count; i++) {
		struct rte_mbuf *m = f->strange[i];
		struct fast6_pkt *p = &b->pkts[k];
		bool taken = k < b->count && p->mbuf == m;

		k += taken;
		if (!taken || !fast6_forward(&w->view, b, p)) {
			f->strange[left++] = m;
			continue;
		}
		m->data_len = p->bytes;
		m->pkt_len = p->bytes;
		tx_port(&w->tx, m, p->bytes, p->out_port);
	}
	f->strange_count = left;
}

unsigned int
worker_fast_strange(struct worker *w, uint64_t left, struct rte_mbuf **mbufs)
{
	const struct fast_burst *f = &w->fast;
	unsigned int n = 0, s = 0;

	/* Both are in the order in which they came. */
	for (unsigned int i = 0; i < f->in_count; i++) {
		void *m = f->in_mbuf[i];

		if (s < f->strange_count && f->strange[s] == m) {
			s++;
		} else if (left && f->mbuf[__builtin_ctzll(left)] == m) {
			left &= left - 1;
		} else {
			continue;
		}
		mbufs[n++] = m;
	}
	return n;
}

void
worker_fast_leave(struct worker *w, uint64_t left, uint64_t found, uint8_t port)
{
	struct fast_burst *f = &w->fast;
	struct burst *b = &w->burst;

	b->count = 0;
	b->rare_count = 0;
	for (; left; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(left);
		struct pkt *p = &b->pkts[b->count];
		struct rte_mbuf *m = f->mbuf[i];

		if (!fast_leave(&w->view, f, i, found >> i & 1, port, p)) {
			f->strange[f->strange_count++] = m;
			continue;
		}
		p->headroom = rte_pktmbuf_headroom(m);
		b->mbufs[b->count] = m;
		b->live[b->count++] = p;
	}
}
