/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_random.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "classify.h"
#include "icmp_answer.h"
#include "known.h"
#include "mem.h"
#include "parse.h"
#include "pmtu.h"
#include "rewrite.h"
#include "too_big.h"
#include "worker_impl.h"

#define PREFETCH_AHEAD	  4
#define IDLE_TURNS_SHORT  64   /* turns without a packet before a worker sleeps at all */
#define IDLE_TURNS_LONG	  1024 /* and before it sleeps longer */
#define IDLE_SLEEP_US	  10
#define IDLE_LONGSLEEP_US 200

/* Sets data, bytes, headroom and in_port. */
static void
burst_fill(struct burst *b, struct rte_mbuf **mbufs, unsigned int n, uint8_t port)
{
	for (unsigned int i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		struct pkt *p = &b->pkts[i];

		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + PREFETCH_AHEAD], void *));
		pkt_poison(p);
		p->bytes = mbuf_bytes(m);
		p->data = rte_pktmbuf_mtod(m, uint8_t *);
		p->headroom = rte_pktmbuf_headroom(m);
		p->in_port = port;
		p->flow = NULL;
		b->mbufs[i] = m;
		b->live[i] = p;
	}
	b->count = n;
	b->rare_count = 0;
}

/*
 * Takes the dropped packets out of the burst. What is the kernel's goes to the port's twin, if it
 * has one; else it is counted why. In the place of one whose TTL was used up, or that is too big,
 * its answer may go on.
 */
void
burst_drop(struct worker *w)
{
	struct burst *b = &w->burst;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < b->count; i++) {
		struct pkt *p = b->live[i];
		uint8_t reason;

		if (!p->drop || (p->drop == SHUNT_DROP_TOO_BIG && worker_split(w, p))) {
			b->live[kept++] = p;
			continue;
		}
		if (w->twin.rings && worker_punt(w, p))
			continue;
		reason = p->drop;
		w->stats->drops[reason]++;
		if (worker_answer(w, p))
			b->live[kept++] = p;
		else
			rte_pktmbuf_free(burst_mbuf(b, p));
		/* Also with an answer in its place: the fragments behind a first one go its way. */
		p->drop = reason;
	}
	b->count = kept;
}

/* Takes the packets that need more than the fast path does out of the burst. */
static void
burst_set_aside(struct burst *b)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < b->count; i++) {
		if (b->live[i]->kind == PKT_PLAIN)
			b->live[kept++] = b->live[i];
		else
			b->rare[b->rare_count++] = b->live[i];
	}
	b->count = kept;
}

/* Leaves to their owners the packets of flows that other workers own. */
static void
burst_hand_over(struct worker *w)
{
	struct burst *b = &w->burst;
	unsigned int kept = 0;

	if (w->count == 1)
		return;
	for (unsigned int i = 0; i < b->count; i++) {
		struct pkt *p = b->live[i];
		uint32_t owner = worker_owner(p->owner_hash, w->count);

		if (owner == w->index)
			b->live[kept++] = p;
		else
			tx_owner(&w->tx, burst_mbuf(b, p), p->in_port, owner);
	}
	b->count = kept;
}

static void
transmit(struct worker *w, const struct pkt *p)
{
	struct rte_mbuf *m = burst_mbuf(&w->burst, p);

	/* What is put in front begins before the frame received; parse has cut the padding off. */
	m->data_off = (uint16_t)(p->data - (uint8_t *)m->buf_addr);
	m->data_len = p->bytes;
	m->pkt_len = p->bytes;
	tx_port(&w->tx, m, p->bytes, p->out_port);
}

void
burst_transmit(struct worker *w)
{
	for (unsigned int i = 0; i < w->burst.count; i++)
		transmit(w, w->burst.live[i]);
}

void
worker_send(struct worker *w)
{
	struct tracker *t = w->tracker;
	struct burst *b = &w->burst;

	rewrite_burst(t->generation, t->hops, w->port_macs, w->port_mtus, b->live, b->count);
	track_count(t, b->live, b->count);
	burst_drop(w);
	burst_transmit(w);
}

/* From tracking on: pkts are those of the burst that have been looked up in the flow table. */
static void
worker_track(struct worker *w, struct pkt *const *pkts, unsigned int n)
{
	struct tracker *t = w->tracker;
	struct pkt *misses[PKT_BURST];
	unsigned int missed = track_hits(t, pkts, n, w->tick, misses);

	track_misses(t, misses, missed, w->tick);
	worker_challenge(w);
	worker_accept(w);
	worker_send(w);
}

void
worker_forward(struct worker *w)
{
	struct tracker *t = w->tracker;
	struct pkt *rest[PKT_BURST], *const *pkts;
	unsigned int n;

	pkts = worker_stateless(w, rest, &n);
	track_sources(t, pkts, n);
	flow_lookup_burst(t->flows, pkts, n, w->tick);
	worker_track(w, pkts, n);
}

/* What has left the burst after parse, by its kind. Uses the burst's live list for each. */
static void
worker_process_rare(struct worker *w)
{
	struct burst *b = &w->burst;

	for (unsigned int i = 0; i < b->rare_count; i++) {
		if (b->rare[i]->kind == PKT_FRAGMENT)
			worker_fragment(w, b->rare[i]);
		else
			worker_icmp(w, b->rare[i]);
	}
}

/*
 * The path that can do everything. Each stage sets p->drop on what goes no further; burst_drop()
 * takes it out.
 */
static void
worker_process_strange(struct worker *w, struct rte_mbuf **mbufs, unsigned int n, uint8_t port)
{
	const struct generation *g = w->tracker->generation;
	struct burst *b = &w->burst;

	burst_fill(b, mbufs, n, port);
	parse_burst(b->live, b->count);
	link_check_vlan(b->live, b->count, w->port_vlans[port]);
	burst_drop(w);
	burst_set_aside(b);
	classify_burst(g->classifier, b->live, b->count, w->owner_seed);
	known_mark_local(g->known, b->live, b->count);
	burst_drop(w);
	burst_hand_over(w);
	worker_forward(w);
	if (b->rare_count)
		worker_process_rare(w);
}

/*
 * The packet path. What the fast path (fast.h) cannot do, which is little, is left to the other.
 * Returns the packets' bytes.
 */
static uint64_t
worker_process(struct worker *w, struct rte_mbuf **mbufs, unsigned int n, uint8_t port)
{
	struct fast_burst *f = &w->fast;
	struct pkt *rest[PKT_BURST], *const *pkts;
	unsigned int count;
	uint64_t left, found, bytes = worker_fast_take(w, mbufs, n, port);

	left = worker_fast_forward(w, &found);
	if (f->strange_count)
		worker_fast6(w, port);
	if (left && !f->strange_count) {
		worker_fast_leave(w, left, found, port);
		pkts = worker_stateless(w, rest, &count);
		worker_track(w, pkts, count);
		left = 0;
	}
	if (f->strange_count) {
		n = worker_fast_strange(w, left, mbufs);
		worker_process_strange(w, mbufs, n, port);
	}
	return bytes;
}

/* Receives from this worker's queues. Returns the packets seen. */
static unsigned int
worker_receive(struct worker *w)
{
	struct rte_mbuf *mbufs[PKT_BURST];
	unsigned int total = 0;

	w->burst.handed_over = false;
	for (uint32_t i = 0; i < w->rx_queue_count; i++) {
		const struct rx_queue *q = &w->rx_queues[i];
		uint16_t n = rte_eth_rx_burst(q->port_id, q->queue, mbufs, w->burst_size);

		if (n == 0)
			continue;
		w->stats->rx_packets += n;
		w->stats->rx_bytes += worker_process(w, mbufs, n, q->port);
		total += n;
	}
	return total;
}

/* Takes what other workers have handed over: to be processed as received, or to be transmitted. */
static unsigned int
worker_take_over(struct worker *w)
{
	struct rte_mbuf *mbufs[PKT_BURST];
	unsigned int total = 0;

	w->burst.handed_over = true;
	for (uint32_t from = 0; from < w->count; from++) {
		unsigned int n, start = 0;
		uint8_t port = 0, next;

		if (from == w->index)
			continue;
		n = rte_ring_sc_dequeue_burst(w->peers[from], (void **)mbufs, PKT_BURST, NULL);
		total += n;
		for (unsigned int i = 0; i < n; i++) {
			bool transmit = tx_is_for_port(mbufs[i], &next);

			/* A run of packets received on one port is processed as one burst. */
			if (i > start && (transmit || next != port)) {
				worker_process(w, mbufs + start, i - start, port);
				start = i;
			}
			port = next;
			if (transmit) {
				tx_port(&w->tx, mbufs[i], mbufs[i]->pkt_len, port);
				start = i + 1;
			}
		}
		if (n > start)
			worker_process(w, mbufs + start, n - start, port);
	}
	return total;
}

/* Between bursts: the acknowledgement says that nothing older is in use here any more. */
static void
worker_read_inbox(struct worker *w)
{
	struct worker_msg msg;

	while (rte_ring_sc_dequeue_elem(w->inbox, &msg, sizeof(msg)) == 0) {
		if (msg.op == WORKER_OP_STOP) {
			w->stopped = true;
			return;
		}
		tracker_set_generation(w->tracker, msg.generation);
		fast_view_bind(&w->view, w->tracker, w->port_macs, w->least_mtu);
		__atomic_store_n(&w->stats->generation, msg.number, __ATOMIC_RELEASE);
	}
}

/* Moves the clock on, and gives the flow table as much of its sweep as has fallen due. */
static void
worker_tick(struct worker *w)
{
	uint64_t now = rte_rdtsc();

	w->tracker->select.clock = now;
	while (now >= w->tick_tsc) {
		w->tick++;
		__atomic_store_n(&w->tracker->now, w->tracker->now + 1, __ATOMIC_RELEASE);
		if (w->index == 0)
			pmtu_tick(w->tracker->generation->pmtu, w->tick);
		w->tick_tsc += w->cycles_per_tick;
	}
	w->tracker->second_half = 2 * (w->tick_tsc - now) <= w->cycles_per_tick;
	if (now >= w->step_tsc) {
		while (now >= w->step_tsc) {
			w->now_ms += WORKER_STEP_MS;
			w->step_tsc += w->cycles_per_step;
		}
		worker_reap_fragments(w);
	}
	if (now < w->sweep_tsc)
		return;
	w->sweep_tsc += w->cycles_per_sweep;
	if (now > w->sweep_tsc + w->cycles_per_tick)
		w->sweep_tsc = now; /* after a long pause, do not make up for all of it */
	track_sweep(w->tracker, WORKER_SWEEP_BUCKETS, w->tick);
	w->stats->flows = flow_count(w->tracker->flows);
}

/* Spins, or sleeps for a moment when nothing has come for a while. */
static void
worker_idle(struct worker *w, unsigned int packets)
{
	w->stats->loops++;
	if (packets) {
		w->idle_turns = 0;
		return;
	}
	w->stats->idle_loops++;
	if (!w->sleeps || ++w->idle_turns < IDLE_TURNS_SHORT)
		return;
	w->stats->sleeps++;
	rte_delay_us_sleep(w->idle_turns < IDLE_TURNS_LONG ? IDLE_SLEEP_US : IDLE_LONGSLEEP_US);
}

void
worker_start_clock(struct worker *w)
{
	w->tick_tsc = rte_rdtsc() + w->cycles_per_tick;
	w->sweep_tsc = rte_rdtsc();
	w->step_tsc = rte_rdtsc() + w->cycles_per_step;
	w->tracker->select.clock = rte_rdtsc();
}

unsigned int
worker_turn(struct worker *w)
{
	unsigned int packets;

	worker_read_inbox(w);
	if (!w->tracker->generation)
		return 0;
	packets = worker_receive(w);
	packets += worker_take_over(w);
	packets += worker_inject(w);
	tx_flush(&w->tx);
	worker_tick(w);
	packets += worker_reset_flows(w);
	return packets;
}

static int
worker_run(void *argument)
{
	struct worker *w = argument;

	/* The kernel rounds sleeps up by 50 us if it is not asked otherwise. */
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	worker_start_clock(w);
	while (!w->stopped)
		worker_idle(w, worker_turn(w));
	return 0;
}

int
worker_tell(struct worker *w, const struct worker_msg *msg)
{
	struct worker_msg copy = *msg;

	return rte_ring_sp_enqueue_elem(w->inbox, &copy, sizeof(copy));
}

int
worker_prepare(struct worker *w, const struct generation *generation)
{
	int result;

	mem_set_node((int)rte_lcore_to_socket_id(w->lcore));
	result = tracker_prepare(w->tracker, generation);
	mem_set_node(MEM_ANY_NODE);
	return result;
}

uint64_t
worker_peek(const struct worker *w, const struct flow_key *key)
{
	return flow_peek(w->tracker->flows, key, __atomic_load_n(&w->tick, __ATOMIC_RELAXED));
}

int
workers_launch(struct worker **workers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		int result = rte_eal_remote_launch(worker_run, workers[i], workers[i]->lcore);

		if (result < 0)
			return result;
	}
	return 0;
}
