/* SPDX-License-Identifier: BSD-3-Clause */
/* How workers come and go. Agent. */
#include <errno.h>
#include <stdio.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_random.h>
#include <rte_ring_elem.h>

#include "icmp_answer.h"
#include "mem.h"
#include "pmtu.h"
#include "too_big.h"
#include "worker_impl.h"

#define INBOX_COUNT	16
#define SWEEP_PERIOD_MS 4000 /* the whole flow table is looked at once in this time */
#define SWEEP_MIN_US	200  /* from one turn to the next: large tables take longer, see README */

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
		w->tx.owned[i] = port_owns_tx(&ports->port[i], w->index);
		w->port_mtus[i] = ports->port[i].mtu;
		w->least_mtu = RTE_MIN(w->least_mtu, w->port_mtus[i]);
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

static void
set_tracker(struct worker *w, const struct worker_settings *settings, uint64_t second)
{
	struct tracker *t = w->tracker;

	t->owner_seed = settings->owner_seed;
	t->select.clock = rte_rdtsc();
	t->select.look_period = second / 1000 * SELECT_LOOK_MS;
	t->limiter = settings->limiter;
	if (settings->half_open_max)
		t->half_open_max = settings->half_open_max;
	w->stats->half_open_max = t->half_open_max;
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
	w->passes = fast_passes(settings->simple_passes);
	w->least_mtu = UINT16_MAX;
	w->stats = shunt_stats_worker(settings->stats, index);
	w->stats->lcore = lcore;
	w->tracker = tracker_create(settings->stats, index, settings->flow_capacity, seed);
	w->frags = frag_table_create(index, seed);
	if (w->tracker)
		set_tracker(w, settings, second);
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
	w->refuse_limit.period = second / ICMP_REFUSALS_PER_SECOND;
	w->refuse_limit.burst = ICMP_REFUSALS_BURST;
	w->too_big_limit.period = second / TOO_BIG_PER_SECOND;
	w->too_big_limit.burst = TOO_BIG_BURST;
	worker_tcp_init(w, second);
	w->tunnel_limit.period = second / PMTU_PER_SECOND;
	w->tunnel_limit.burst = PMTU_BURST;
	w->cycles_per_tick = second / 1000 * SHUNT_FLOW_TICK_MS;
	w->cycles_per_step = second / 1000 * WORKER_STEP_MS;
	w->cycles_per_sweep = second / 1000 * SWEEP_PERIOD_MS /
		((buckets + WORKER_SWEEP_BUCKETS - 1) / WORKER_SWEEP_BUCKETS);
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
