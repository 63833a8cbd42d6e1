/* SPDX-License-Identifier: BSD-3-Clause */
#include "oracle_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "objects_helper.h"
#include "stats.h"
#include "worker_impl.h"

#define PORTS	      2
#define MAX_WORKERS   2
#define RING_COUNT    512
#define MBUFS	      8191
#define FLOW_CAPACITY (1u << 18)
#define SLOTS	      16
#define SETTLE_MS     1300 /* more than the second that fragments may wait */

struct bed {
	uint32_t worker_count;
	struct worker *workers[MAX_WORKERS];
	struct ports ports;
	struct shunt_stats *stats;
	struct object_store *objects;
	struct generation *generation;
	struct rte_ring *rx[PORTS][MAX_WORKERS];
	struct rte_ring *tx[PORTS][MAX_WORKERS];
};

static void
must(bool condition, const char *what)
{
	if (condition)
		return;
	printf("oracle: cannot %s: %s\n", what, rte_strerror(rte_errno));
	exit(1);
}

static void
start_eal(void)
{
	static char *args[] = { "oracle", "--no-huge", "--no-shconf", "--iova-mode=va", "--no-pci",
		"--no-telemetry", "-m", "256", "--lcores", "0", "--log-level=*:warning" };

	must(rte_eal_init((int)(sizeof(args) / sizeof(args[0])), args) >= 0, "start DPDK");
}

static struct rte_ring *
make_ring(const char *what, unsigned int port, unsigned int queue)
{
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *ring;

	snprintf(name, sizeof(name), "bed_%s_%u_%u", what, port, queue);
	ring = rte_ring_create(name, RING_COUNT, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	must(ring != NULL, "make a ring");
	return ring;
}

static void
open_port(struct bed *bed, unsigned int index)
{
	static const struct rte_eth_conf conf;
	struct port *port = &bed->ports.port[index];
	uint16_t queues = (uint16_t)bed->worker_count;
	char name[16];
	int id;

	for (unsigned int q = 0; q < queues; q++) {
		bed->rx[index][q] = make_ring("rx", index, q);
		bed->tx[index][q] = make_ring("tx", index, q);
	}
	snprintf(name, sizeof(name), "bed%u", index);
	id = rte_eth_from_rings(name, bed->rx[index], queues, bed->tx[index], queues, 0);
	must(id >= 0, "make a port");
	must(rte_eth_dev_configure((uint16_t)id, queues, queues, &conf) == 0, "configure a port");
	for (uint16_t q = 0; q < queues; q++) {
		must(rte_eth_rx_queue_setup(
			     (uint16_t)id, q, RING_COUNT, 0, NULL, bed->ports.mbufs[0]) == 0,
			"set up a receive queue");
		must(rte_eth_tx_queue_setup((uint16_t)id, q, RING_COUNT, 0, NULL) == 0,
			"set up a transmit queue");
	}
	must(rte_eth_dev_start((uint16_t)id) == 0, "start a port");
	snprintf(port->name, sizeof(port->name), "%s", index ? "lan" : "wan");
	port->id = (uint16_t)id;
	port->rx_queues = port->tx_queues = queues;
	port->mtu = 1500;
	/* The addresses of tests/packet: those of DPDK's net_pcap. */
	port->mac = (struct shunt_mac){ { 2, 0x70, 0x63, 0x61, 0x70, (uint8_t)index } };
}

static void
put(struct bed *bed, uint32_t kind, uint32_t id, const void *bytes, uint64_t length)
{
	const char *why = "get memory";

	must(object_store_put(bed->objects, kind, id, bytes, length, &why) == 0, why);
}

static void
put_service(struct bed *bed, uint32_t id, const struct oracle_service *s)
{
	struct shunt_nexthop nexthop = { .port = 1 };
	struct shunt_server server = helper_server("0.0.0.0", 0, id);
	struct shunt_service service = helper_service("0.0.0.0", 0, s->protocol, id);
	const struct shunt_member member = { .server = id, .weight = 1 };
	struct shunt_backend *backend = helper_backend(SHUNT_SOURCE, &member, 1, SLOTS);

	memcpy(&nexthop.mac, s->mac, sizeof(nexthop.mac));
	memcpy(&nexthop.source, s->source, sizeof(nexthop.source));
	memcpy(&server.address, s->server, sizeof(server.address));
	server.port_be = s->server_port_be;
	server.nexthop = id;
	memcpy(&service.address, s->address, sizeof(service.address));
	service.port_be = service.last_port_be = s->port_be;
	backend->forward = s->forward;
	backend->encap = s->encap;
	backend->encap_port_be = s->encap_port_be;
	if (s->forward == SHUNT_FULLNAT) {
		struct shunt_source source;

		memcpy(&source.address, s->source, sizeof(source.address));
		put(bed, SHUNT_KIND_SOURCE, id, &source, sizeof(source));
		backend->sources[0] = (uint8_t)id;
	}
	put(bed, SHUNT_KIND_NEXTHOP, id, &nexthop, sizeof(nexthop));
	put(bed, SHUNT_KIND_SERVER, id, &server, sizeof(server));
	put(bed, SHUNT_KIND_BACKEND, id, backend, shunt_backend_bytes(backend));
	put(bed, SHUNT_KIND_SERVICE, id, &service, sizeof(service));
	free(backend);
}

static void
publish(struct bed *bed, const struct oracle_service *services, uint32_t count)
{
	const struct shunt_settings settings = { .hash_secret = "0123456789abcde" };
	struct generation_error error = { 0 };
	int result = 0;

	bed->objects = object_store_create();
	must(bed->objects != NULL, "get memory");
	put(bed, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	for (uint32_t i = 0; i < count; i++)
		put_service(bed, i + 1, &services[i]);
	bed->generation = generation_create(bed->objects, 1, NULL, PORTS, &error, &result);
	if (!bed->generation)
		printf("oracle: kind %u id %u: %s\n", error.kind, error.id, error.text);
	must(bed->generation != NULL, "build a generation");
	for (uint32_t i = 0; i < bed->worker_count; i++) {
		const struct worker_msg msg = { WORKER_OP_GENERATION, 1, bed->generation };

		must(worker_prepare(bed->workers[i], bed->generation) == 0, "prepare a worker");
		must(worker_tell(bed->workers[i], &msg) == 0, "tell a worker");
	}
}

static bool
begins_a_line(const void *memory)
{
	return (uintptr_t)memory % SHUNT_CACHE_LINE == 0;
}

/* No cache line that a worker writes is another's too: all of what is one's begins one. */
static void
check_lines(const struct bed *bed)
{
	for (uint32_t i = 0; i < bed->worker_count; i++) {
		const struct worker *w = bed->workers[i];

		must(begins_a_line(w) && begins_a_line(w->tracker) && begins_a_line(w->stats) &&
				begins_a_line(w->tracker->services) &&
				begins_a_line(w->tracker->servers),
			"give each worker lines of its own");
	}
}

struct bed *
bed_create(
	const struct oracle_service *services, uint32_t count, uint32_t workers, bool simple_passes)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	struct worker_settings settings = {
		.flow_capacity = FLOW_CAPACITY,
		.owner_seed = 42,
		.simple_passes = simple_passes,
	};
	static const uint16_t lcores[MAX_WORKERS];
	int fd = -1;

	must(bed != NULL && workers >= 1 && workers <= MAX_WORKERS, "make so many workers");
	start_eal();
	bed->worker_count = workers;
	bed->ports.count = PORTS;
	bed->ports.mbufs[0] = rte_pktmbuf_pool_create(
		"bed", MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + 64, SOCKET_ID_ANY);
	must(bed->ports.mbufs[0] != NULL, "make buffers");
	for (unsigned int i = 0; i < PORTS; i++)
		open_port(bed, i);
	bed->stats = stats_create(workers, &fd);
	must(bed->stats != NULL, "make counters");
	close(fd);
	settings.ports = &bed->ports;
	settings.stats = bed->stats;
	must(workers_create(bed->workers, lcores, workers, &settings) == 0, "make workers");
	check_lines(bed);
	publish(bed, services, count);
	for (uint32_t i = 0; i < workers; i++) {
		/* What may be answered is known, how often within a second is not: no limit. */
		bed->workers[i]->ttl_limit.period = 0;
		bed->workers[i]->too_big_limit.period = 0;
		worker_start_clock(bed->workers[i]);
	}
	return bed;
}

void
bed_destroy(struct bed *bed)
{
	workers_destroy(bed->workers, bed->worker_count);
	generation_destroy(bed->generation);
	object_store_destroy(bed->objects);
	stats_destroy(bed->stats);
	for (unsigned int i = 0; i < PORTS; i++) {
		rte_eth_dev_stop(bed->ports.port[i].id);
		rte_eth_dev_close(bed->ports.port[i].id);
	}
	rte_mempool_free(bed->ports.mbufs[0]);
	rte_eal_cleanup();
	free(bed);
}

struct frame_memory {
	struct rte_mbuf_ext_shared_info info;
	uint8_t *bytes;
};

static void
free_frame(void *address, void *opaque)
{
	(void)address;
	struct frame_memory *memory = opaque;

	free(memory->bytes);
	free(memory);
}

void
bed_send(struct bed *bed, unsigned int port, uint64_t queue, const uint8_t *frame, uint32_t bytes)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bed->ports.mbufs[0]);
	struct frame_memory *memory = malloc(sizeof(*memory));

	must(mbuf != NULL && memory != NULL, "get a buffer");
	memory->bytes = malloc(RTE_PKTMBUF_HEADROOM + bytes);
	must(memory->bytes != NULL, "get memory");
	memset(memory->bytes, 0xa5, RTE_PKTMBUF_HEADROOM);
	memcpy(memory->bytes + RTE_PKTMBUF_HEADROOM, frame, bytes);
	memory->info.free_cb = free_frame;
	memory->info.fcb_opaque = memory;
	rte_mbuf_ext_refcnt_set(&memory->info, 1);
	rte_pktmbuf_attach_extbuf(
		mbuf, memory->bytes, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + bytes), &memory->info);
	mbuf->data_off = RTE_PKTMBUF_HEADROOM;
	mbuf->data_len = (uint16_t)bytes;
	mbuf->pkt_len = bytes;
	must(rte_ring_enqueue(bed->rx[port][queue % bed->worker_count], mbuf) == 0,
		"put a frame in a ring");
}

void
bed_turn(struct bed *bed)
{
	/* A fragment goes to its own owner, then to its flow's. */
	for (uint32_t round = 0; round < (bed->worker_count > 1 ? 3 : 1); round++) {
		for (uint32_t i = 0; i < bed->worker_count; i++)
			worker_turn(bed->workers[i]);
	}
}

unsigned int
bed_collect(struct bed *bed, unsigned int port, struct bed_frame *frames, unsigned int room)
{
	struct rte_mbuf *mbuf;
	unsigned int n = 0;

	for (uint32_t q = 0; q < bed->worker_count; q++) {
		while (n < room && rte_ring_dequeue(bed->tx[port][q], (void **)&mbuf) == 0) {
			frames[n].bytes = mbuf->data_len;
			frames[n].data = malloc(mbuf->data_len + 1u);
			must(frames[n].data != NULL, "get memory");
			memcpy(frames[n++].data, rte_pktmbuf_mtod(mbuf, void *), mbuf->data_len);
			rte_pktmbuf_free(mbuf);
		}
	}
	return n;
}

void
bed_settle(struct bed *bed)
{
	for (int ms = 0; ms < SETTLE_MS; ms += 10) {
		bed_turn(bed);
		usleep(10000);
	}
	bed_turn(bed);
}

void
bed_drops(const struct bed *bed, uint64_t drops[SHUNT_DROP_COUNT])
{
	memset(drops, 0, SHUNT_DROP_COUNT * sizeof(*drops));
	for (uint32_t i = 0; i < bed->worker_count; i++) {
		for (unsigned int r = 0; r < SHUNT_DROP_COUNT; r++)
			drops[r] += bed->workers[i]->stats->drops[r];
	}
}

bool
bed_adds_up(const struct bed *bed, uint64_t rx, uint64_t tx, uint64_t icmp_sent)
{
	for (uint32_t i = 0; i < bed->worker_count; i++) {
		rx -= bed->workers[i]->stats->rx_packets;
		tx -= bed->workers[i]->stats->tx_packets;
		icmp_sent -= bed->workers[i]->stats->icmp_sent;
	}
	return rx == 0 && tx == 0 && icmp_sent == 0 &&
		rte_mempool_avail_count(bed->ports.mbufs[0]) == MBUFS;
}
