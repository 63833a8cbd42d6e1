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

#define INBOX_COUNT	  16
#define SWEEP_PERIOD_MS	  4000 /* the whole flow table is looked at once in this time */
#define SWEEP_BUCKETS	  64   /* at most, in one turn of the loop */
#define SWEEP_MIN_US	  200  /* from one turn to the next: large tables take longer, see README */
#define CLOCK_STEP_MS	  10   /* of now_ms */
#define PREFETCH_AHEAD	  4
#define IDLE_TURNS_SHORT  64   /* turns without a packet before a worker sleeps at all */
#define IDLE_TURNS_LONG	  1024 /* and before it sleeps longer */
#define IDLE_SLEEP_US	  10
#define IDLE_LONGSLEEP_US 200

/* Sets data, bytes, headroom and in_port. A packet in several pieces is put into one if it can be.
 */
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
		/* One that cannot be put into one piece is too short for its headers to parse. */
		p->bytes = m->nb_segs > 1 && rte_pktmbuf_linearize(m) < 0 ? 0 : m->data_len;
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
	tx_port(&w->tx, m, p->out_port);
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

void
worker_forward(struct worker *w)
{
	struct tracker *t = w->tracker;
	struct burst *b = &w->burst;
	struct pkt *misses[PKT_BURST];
	unsigned int missed;

	track_sources(t, b->live, b->count);
	flow_lookup_burst(t->flows, b->live, b->count, w->tick);
	missed = track_hits(t, b->live, b->count, w->tick, misses);
	track_misses(t, misses, missed, w->tick);
	worker_challenge(w);
	worker_send(w);
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

/* The packet path. Each stage sets p->drop on what goes no further; burst_drop() takes it out. */
static void
worker_process(struct worker *w, struct rte_mbuf **mbufs, unsigned int n, uint8_t port)
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
		for (uint16_t k = 0; k < n; k++)
			w->stats->rx_bytes += mbufs[k]->pkt_len;
		worker_process(w, mbufs, n, q->port);
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
				tx_port(&w->tx, mbufs[i], port);
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
		__atomic_store_n(&w->stats->generation, msg.number, __ATOMIC_RELEASE);
	}
}

/* Moves the clock on, and gives the flow table as much of its sweep as has fallen due. */
static void
worker_tick(struct worker *w)
{
	uint64_t now = rte_rdtsc();

	while (now >= w->tick_tsc) {
		w->tick++;
		if (w->index == 0)
			pmtu_tick(w->tracker->generation->pmtu, w->tick);
		w->tick_tsc += w->cycles_per_tick;
	}
	if (now >= w->step_tsc) {
		while (now >= w->step_tsc) {
			w->now_ms += CLOCK_STEP_MS;
			w->step_tsc += w->cycles_per_step;
		}
		worker_reap_fragments(w);
	}
	if (now < w->sweep_tsc)
		return;
	w->sweep_tsc += w->cycles_per_sweep;
	if (now > w->sweep_tsc + w->cycles_per_tick)
		w->sweep_tsc = now; /* after a long pause, do not make up for all of it */
	track_sweep(w->tracker, SWEEP_BUCKETS, w->tick);
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

static int
add_queues(struct worker *w, const struct ports *ports)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < ports->count; i++)
		total += ports->port[i].rx_queues;
	w->rx_queues = mem_alloc(total * sizeof(*w->rx_queues));
	if (!w->rx_queues)
		return -ENOMEM;
	for (uint32_t i = 0; i < ports->count; i++) {
		w->port_macs[i] = ports->port[i].mac;
		w->tx.queue[i] = port_tx_queue(&ports->port[i], w->index);
		w->port_mtus[i] = ports->port[i].mtu;
		memcpy(w->port_vlans[i], ports->port[i].vlan, sizeof(w->port_vlans[i]));
		for (uint16_t q = (uint16_t)w->index; q < ports->port[i].rx_queues; q += w->count) {
			w->rx_queues[w->rx_queue_count++] = (struct rx_queue){
				.port_id = ports->port[i].id,
				.queue = q,
				.port = (uint8_t)i,
			};
		}
	}
	return 0;
}

/* With one producer, and this worker for its consumer: on its memory node if there is room. */
static struct rte_ring *
ring_to(const struct worker *w, const char *name, unsigned int element_bytes, unsigned int count)
{
	struct rte_ring *ring = rte_ring_create_elem(name, element_bytes, count,
		(int)rte_lcore_to_socket_id(w->lcore), RING_F_SP_ENQ | RING_F_SC_DEQ);

	return ring ? ring
		    : rte_ring_create_elem(name, element_bytes, count, SOCKET_ID_ANY,
			      RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static struct worker *
worker_create(
	uint32_t index, uint32_t count, uint16_t lcore, const struct worker_settings *settings)
{
	struct worker *w = mem_alloc(sizeof(*w));
	const uint64_t seed[2] = { rte_rand(), rte_rand() };
	uint64_t buckets, second = rte_get_tsc_hz();
	char name[RTE_RING_NAMESIZE];

	if (!w)
		return NULL;
	w->index = index;
	w->count = count;
	w->lcore = lcore;
	w->sleeps = settings->sleeps;
	w->burst_size = settings->burst_size ? settings->burst_size : PKT_BURST;
	w->owner_seed = settings->owner_seed;
	w->stats = shunt_stats_worker(settings->stats, index);
	w->stats->lcore = lcore;
	w->tracker = tracker_create(settings->stats, index, settings->flow_capacity, seed);
	w->frags = frag_table_create(index, seed);
	if (w->tracker)
		w->tracker->owner_seed = settings->owner_seed;
	w->peers = mem_alloc(count * sizeof(struct rte_ring *));
	w->tx.rings = mem_alloc(count * sizeof(struct rte_ring *));
	snprintf(name, sizeof(name), "inbox_%u", index);
	w->inbox = ring_to(w, name, sizeof(struct worker_msg), INBOX_COUNT);
	if (!w->tracker || !w->frags || !w->peers || !w->tx.rings || !w->inbox ||
		add_queues(w, settings->ports) < 0) {
		workers_destroy(&w, 1);
		return NULL;
	}
	w->buffers = ports_buffers(settings->ports, (int)rte_lcore_to_socket_id(lcore));
	w->tx.ports = settings->ports;
	w->tx.worker = index;
	w->tx.worker_count = count;
	w->tx.stats = w->stats;
	worker_add_twin(w, settings->twin_rings, settings->ports);
	w->stats->flows_max = (uint32_t)flow_capacity(w->tracker->flows);
	w->stats->flow_v4_bytes = flow_bytes(w->tracker->flows, 4);
	w->stats->flow_v6_bytes = flow_bytes(w->tracker->flows, 6);
	buckets = (w->stats->flow_v4_bytes + w->stats->flow_v6_bytes) / 64;
	w->ttl_limit.period = second / ICMP_ANSWERS_PER_SECOND;
	w->ttl_limit.burst = ICMP_ANSWERS_BURST;
	w->too_big_limit.period = second / TOO_BIG_PER_SECOND;
	w->too_big_limit.burst = TOO_BIG_BURST;
	worker_tcp_init(w, second);
	w->tunnel_limit.period = second / PMTU_PER_SECOND;
	w->tunnel_limit.burst = PMTU_BURST;
	w->cycles_per_tick = second / 1000 * SHUNT_FLOW_TICK_MS;
	w->cycles_per_step = second / 1000 * CLOCK_STEP_MS;
	w->cycles_per_sweep =
		second / 1000 * SWEEP_PERIOD_MS / ((buckets + SWEEP_BUCKETS - 1) / SWEEP_BUCKETS);
	if (w->cycles_per_sweep < second / 1000000 * SWEEP_MIN_US)
		w->cycles_per_sweep = second / 1000000 * SWEEP_MIN_US;
	return w;
}

/* A ring from each worker to each other one, so that each has one producer and one consumer. */
static int
connect_workers(struct worker **workers, uint32_t count)
{
	char name[RTE_RING_NAMESIZE];

	for (uint32_t from = 0; from < count; from++) {
		for (uint32_t to = 0; to < count; to++) {
			struct rte_ring *ring;

			if (from == to)
				continue;
			snprintf(name, sizeof(name), "hand_%u_%u", from, to);
			ring = ring_to(workers[to], name, sizeof(void *), TX_RING_COUNT);
			if (!ring)
				return -ENOMEM;
			workers[from]->tx.rings[to] = ring;
			workers[to]->peers[from] = ring;
		}
	}
	return 0;
}

int
workers_create(struct worker **workers, const uint16_t *lcores, uint32_t count,
	const struct worker_settings *settings)
{
	for (uint32_t i = 0; i < count; i++) {
		mem_set_node((int)rte_lcore_to_socket_id(lcores[i]));
		workers[i] = worker_create(i, count, lcores[i], settings);
		mem_set_node(MEM_ANY_NODE);
		if (!workers[i]) {
			workers_destroy(workers, i);
			return -ENOMEM;
		}
	}
	if (connect_workers(workers, count) < 0) {
		workers_destroy(workers, count);
		return -ENOMEM;
	}
	return 0;
}

static void
drain_ring(struct rte_ring *ring)
{
	struct rte_mbuf *mbuf;

	while (rte_ring_sc_dequeue(ring, (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(ring);
}

void
workers_destroy(struct worker **workers, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct worker *w = workers[i];

		for (uint32_t to = 0; w->tx.rings && to < w->count; to++) {
			if (w->tx.rings[to])
				drain_ring(w->tx.rings[to]);
		}
		rte_ring_free(w->inbox);
		tracker_destroy(w->tracker);
		worker_free_fragments(w);
		mem_free(w->rx_queues);
		mem_free(w->tx.rings);
		mem_free(w->peers);
		mem_free(w);
		workers[i] = NULL;
	}
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
