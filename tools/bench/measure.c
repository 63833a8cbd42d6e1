/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "measure.h"

#define TURNS_AT_ONCE 16
/* New clients in one filling of the flow table; a bit less than it has room for (world.c). */
#define NEW_AT_ONCE (7u << 18)

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

/* Until the time is over, or the table has taken in as many new clients as it may. */
static void
run_worker(struct world *w, uint64_t cycles, struct run *run)
{
	uint64_t start = rte_rdtsc(), now = start;

	while (now - start < cycles && traffic_new_clients(w->traffic) < NEW_AT_ONCE) {
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
		if (traffic_new_clients(w->traffic) >= NEW_AT_ONCE) {
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

int
measure(struct world *w, const struct measure_settings *settings, struct measurement *out)
{
	uint64_t cycles = rte_get_tsc_hz() / 1000 * settings->round_ms;
	double ratio[MEASURE_MAX_ROUNDS], added[MEASURE_MAX_ROUNDS], mpps[MEASURE_MAX_ROUNDS],
		macswap_mpps[MEASURE_MAX_ROUNDS];
	struct run warm = { 0 };

	/* Neither side shall pay for what is touched for the first time. */
	run_macswap(w, cycles / 10, &warm);
	run_worker(w, cycles / 10, &warm);
	for (unsigned int i = 0; i < settings->rounds; i++) {
		struct run macswap = { 0 }, worker = { 0 };
		int result;

		run_macswap(w, cycles, &macswap);
		/* Clients that only the swapping loop has seen are new to the worker still. */
		result = round_of_worker(w, cycles, &worker);
		if (result < 0)
			return result;
		mpps[i] = mpps_of(&worker);
		macswap_mpps[i] = mpps_of(&macswap);
		ratio[i] = mpps[i] / macswap_mpps[i];
		added[i] = cycles_of(&worker) - cycles_of(&macswap);
	}
	*out = (struct measurement){
		.scenario = w->scenario,
		.ratio = spread_of(ratio, settings->rounds),
		.added_cycles = spread_of(added, settings->rounds),
		.mpps = spread_of(mpps, settings->rounds),
		.macswap_mpps = spread_of(macswap_mpps, settings->rounds),
	};
	return 0;
}
