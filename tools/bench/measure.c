/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "measure.h"

#define TURNS_AT_ONCE 16
#define LOST_PERCENT  0.1 /* at most, or the figures say nothing */

/* One side of a round. */
struct run {
	uint64_t packets;
	uint64_t cycles;
};

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread
spread_of(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare);
	return (struct spread){
		.median = count % 2 ? values[count / 2]
				    : (values[count / 2 - 1] + values[count / 2]) / 2,
		.min = values[0],
		.max = values[count - 1],
	};
}

/* What any program must do that receives a packet and sends it back. */
static unsigned int
macswap_turn(uint16_t port, uint16_t burst)
{
	struct rte_mbuf *mbufs[PKT_BURST];
	uint16_t n = rte_eth_rx_burst(port, 0, mbufs, burst), sent;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbufs[i], struct rte_ether_hdr *);
		struct rte_ether_addr swap = eth->dst_addr;

		eth->dst_addr = eth->src_addr;
		eth->src_addr = swap;
	}
	sent = rte_eth_tx_burst(port, 0, mbufs, n);
	for (uint16_t i = sent; i < n; i++)
		rte_pktmbuf_free(mbufs[i]);
	return n;
}

static void
run_macswap(struct world *w, uint64_t cycles, struct run *run)
{
	uint16_t port = w->ports.port[0].id;
	uint64_t start = rte_rdtsc(), now = start;

	while (now - start < cycles) {
		for (int i = 0; i < TURNS_AT_ONCE; i++)
			run->packets += macswap_turn(port, w->scenario.burst);
		now = rte_rdtsc();
	}
	run->cycles += now - start;
}

/* Until the time is over, or the worker has had all that may be new to it. */
static void
run_worker(struct world *w, uint64_t cycles, struct run *run)
{
	uint64_t start = rte_rdtsc(), now = start;

	while (now - start < cycles && !world_is_used_up(w)) {
		for (int i = 0; i < TURNS_AT_ONCE; i++)
			run->packets += worker_turn(w->worker);
		now = rte_rdtsc();
	}
	run->cycles += now - start;
}

static int
round_of_worker(struct world *w, uint64_t cycles, struct run *run)
{
	while (run->cycles < cycles) {
		if (world_is_used_up(w)) {
			int result = world_renew(w);

			if (result < 0)
				return result;
		}
		run_worker(w, cycles - run->cycles, run);
	}
	return 0;
}

static double
mpps_of(const struct run *run)
{
	return (double)run->packets * (double)rte_get_tsc_hz() / (double)run->cycles / 1e6;
}

static double
cycles_of(const struct run *run)
{
	return (double)run->cycles / (double)run->packets;
}

/*
 * Packets that the worker has dropped so far, or forwarded by the hash alone. A SYN that becomes a
 * cookie is none of them.
 */
static uint64_t
lost(const struct world *w)
{
	const struct shunt_worker_stats *stats = world_stats(w);

	return world_drops(w) - stats->drops[SHUNT_DROP_SYN_COOKIE] + stats->untracked;
}

/* One round of both sides. Clients that only the swapping loop has seen are new to the worker. */
static int
measure_round(struct world *w, uint64_t cycles, struct run *macswap, struct run *worker)
{
	world_read(w, CONNECTIONS_MACSWAP);
	run_macswap(w, cycles, macswap);
	world_read(w, CONNECTIONS_WORKER);
	return round_of_worker(w, cycles, worker);
}

/* Figures are of no use if packets did not go the way that is measured. */
static int
check_lost(const struct measurement *m)
{
	char name[96];

	if (m->lost_percent <= LOST_PERCENT)
		return 0;
	scenario_describe(&m->scenario, name, sizeof(name));
	fprintf(stderr, "shunt-bench: %s: %.1f %% of the packets were dropped, or have no flow\n",
		name, m->lost_percent);
	return -EIO;
}

int
measure(struct world *w, const struct measure_settings *settings, struct measurement *out)
{
	uint64_t cycles = rte_get_tsc_hz() / 1000 * settings->round_ms, packets = 0, before;
	double ratio[MEASURE_MAX_ROUNDS], added[MEASURE_MAX_ROUNDS], mpps[MEASURE_MAX_ROUNDS],
		macswap_mpps[MEASURE_MAX_ROUNDS], connections[MEASURE_MAX_ROUNDS];
	struct run warm[2] = { { 0 } };
	/* Neither side shall pay for what is touched for the first time. */
	int result = measure_round(w, cycles / 10, &warm[0], &warm[1]);

	before = lost(w);
	for (unsigned int i = 0; result == 0 && i < settings->rounds; i++) {
		struct run macswap = { 0 }, worker = { 0 };

		result = measure_round(w, cycles, &macswap, &worker);
		if (result < 0)
			break;
		packets += worker.packets;
		mpps[i] = mpps_of(&worker);
		macswap_mpps[i] = mpps_of(&macswap);
		ratio[i] = mpps[i] / macswap_mpps[i];
		added[i] = cycles_of(&worker) - cycles_of(&macswap);
		connections[i] = mpps[i] * 1e6 / CONNECTIONS_PACKETS;
	}
	if (result < 0)
		return result;
	*out = (struct measurement){
		.scenario = w->scenario,
		.ratio = spread_of(ratio, settings->rounds),
		.added_cycles = spread_of(added, settings->rounds),
		.mpps = spread_of(mpps, settings->rounds),
		.macswap_mpps = spread_of(macswap_mpps, settings->rounds),
		.connections_per_second = spread_of(connections, settings->rounds),
		.lost_percent = 100.0 * (double)(lost(w) - before) / (double)packets,
	};
	return check_lost(out);
}
