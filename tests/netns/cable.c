/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cable between DPDK devices: what comes out of one goes into the other, both ways, until SIGTERM
 * or SIGINT. With it a network interface can be the far end of a shared memory interface:
 *
 *   cable net_memif0,role=client,socket=/tmp/wan net_af_packet0,iface=wan0 [DEVICE DEVICE ...]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define MAX_ENDS     8
#define MAX_QUEUES   2 /* as many workers as the tests have */
#define BURST	     32
#define DESCRIPTORS  1024
#define BUFFER_COUNT (16 * 1024 - 1)
#define IDLE_US	     50
#define WAIT_TIMES   200 /* of IDLE_US, for room at the far end */

/* Where in a frame. */
#define HASHED_FROM (14 + 12)
#define HASHED_END  (14 + 24)

struct end {
	uint16_t id;
	uint16_t queues;
};

static volatile sig_atomic_t stopped;

static void
on_signal(int signal)
{
	(void)signal;
	stopped = 1;
}

static int
start(struct end *end, struct rte_mempool *buffers)
{
	const struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	int result = rte_eth_dev_info_get(end->id, &info);

	if (result < 0)
		return result;
	end->queues = RTE_MIN(info.max_rx_queues, info.max_tx_queues);
	end->queues = RTE_MIN(end->queues, MAX_QUEUES);
	result = rte_eth_dev_configure(end->id, end->queues, end->queues, &conf);
	for (uint16_t q = 0; q < end->queues && result == 0; q++) {
		result = rte_eth_rx_queue_setup(
			end->id, q, DESCRIPTORS, SOCKET_ID_ANY, NULL, buffers);
		if (result == 0)
			result = rte_eth_tx_queue_setup(
				end->id, q, DESCRIPTORS, SOCKET_ID_ANY, NULL);
	}
	return result == 0 ? rte_eth_dev_start(end->id) : result;
}

static int
open_end(struct end *end, const char *device, struct rte_mempool *buffers)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	int result = rte_dev_probe(device);

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	if (result == 0)
		result = rte_eth_dev_get_port_by_name(name, &end->id);
	if (result == 0)
		result = start(end, buffers);
	if (result < 0)
		fprintf(stderr, "%s: %s\n", device, strerror(-result));
	return result;
}

/*
 * As a NIC spreads what it receives: by an IPv4 packet's addresses and ports, or an IPv6 packet's
 * source, so that frames of a flow keep their order.
 */
static uint16_t
queue_of(const struct rte_mbuf *m, uint16_t queues)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t hash = 0;

	for (uint32_t i = HASHED_FROM; i < HASHED_END && i < rte_pktmbuf_data_len(m); i++)
		hash = hash * 31 + bytes[i];
	return (uint16_t)((hash >> 4) % queues);
}

static void
send_one(const struct end *to, struct rte_mbuf *m)
{
	uint16_t queue = queue_of(m, to->queues);

	for (int i = 0; i < WAIT_TIMES && !stopped; i++) {
		if (rte_eth_tx_burst(to->id, queue, &m, 1) == 1)
			return;
		usleep(IDLE_US);
	}
	rte_pktmbuf_free(m);
}

static unsigned int
carry(const struct end *from, const struct end *to)
{
	struct rte_mbuf *frames[BURST];
	unsigned int count = 0;

	for (uint16_t q = 0; q < from->queues; q++) {
		uint16_t n = rte_eth_rx_burst(from->id, q, frames, BURST);

		for (uint16_t i = 0; i < n; i++)
			send_one(to, frames[i]);
		count += n;
	}
	return count;
}

static void
run(const struct end *ends, int count)
{
	while (!stopped) {
		unsigned int carried = 0;

		for (int i = 0; i < count; i += 2) {
			carried += carry(&ends[i], &ends[i + 1]);
			carried += carry(&ends[i + 1], &ends[i]);
		}
		if (carried == 0)
			usleep(IDLE_US);
	}
}

int
main(int argc, char **argv)
{
	char *args[] = { argv[0], "--no-huge", "--no-shconf", "-m", "128", "--no-pci",
		"--no-telemetry", "--lcores", "0", "--log-level=*:warning" };
	const struct sigaction action = { .sa_handler = on_signal };
	struct end ends[MAX_ENDS] = { 0 };
	struct rte_mempool *buffers;
	int count = argc - 1;

	if (count < 2 || count > MAX_ENDS || count % 2 != 0) {
		fprintf(stderr, "usage: cable DEVICE DEVICE [DEVICE DEVICE ...]\n");
		return 2;
	}
	if (rte_eal_init((int)RTE_DIM(args), args) < 0) {
		fprintf(stderr, "the EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	buffers = rte_pktmbuf_pool_create(
		"frames", BUFFER_COUNT, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!buffers) {
		fprintf(stderr, "no memory for frames: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	for (int i = 0; i < count; i++) {
		if (open_end(&ends[i], argv[i + 1], buffers) < 0)
			return 1;
	}
	puts("connected");
	fflush(stdout);
	run(ends, count);
	for (int i = 0; i < count; i++) {
		rte_eth_dev_stop(ends[i].id);
		rte_eth_dev_close(ends[i].id);
	}
	rte_eal_cleanup();
	return 0;
}
