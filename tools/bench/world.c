/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "expect.h"
#include "image.h"
#include "stats.h"
#include "world.h"

#define MBUFS	    16384
#define QUEUE_SIZE  512
#define CONNECTIONS (1u << 19)
/* New clients in one filling of the flow table; a bit less than it has room for. */
#define NEW_AT_ONCE (SCENARIO_NEW_ROOM / 8 * 7)

/* The first two processors that this process may use, be they the same, as lcores 0 and 1. */
static void
choose_lcores(char *out, size_t size)
{
	int chosen[2] = { 0, 0 }, count = 0;
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int i = 0; i < CPU_SETSIZE && count < 2; i++) {
		if (CPU_ISSET(i, &allowed))
			chosen[count++] = i;
	}
	if (count == 1)
		chosen[1] = chosen[0];
	snprintf(out, size, "--lcores=0@%d,1@%d", chosen[0], chosen[1]);
}

static int
start_eal(uint32_t memory_mb)
{
	char memory[32], lcores[64];
	char *args[] = { (char[]){ "shunt-bench" }, lcores, (char[]){ "--no-telemetry" },
		(char[]){ "--log-level=*:error" }, (char[]){ "--no-pci" },
		(char[]){ "--iova-mode=va" }, (char[]){ "--vdev=net_null0,size=60" },
		(char[]){ "-m" }, memory, (char[]){ "--in-memory" } };

	snprintf(memory, sizeof(memory), "%u", memory_mb);
	choose_lcores(lcores, sizeof(lcores));
	if (rte_eal_init(sizeof(args) / sizeof(args[0]), args) < 0) {
		fprintf(stderr, "shunt-bench: DPDK did not start: %s\n", rte_strerror(rte_errno));
		return -EIO;
	}
	return 0;
}

static int
start_port(struct ports *ports)
{
	struct rte_eth_conf conf = { 0 };
	struct port *port = &ports->port[0];

	ports->mbufs[0] = rte_pktmbuf_pool_create(
		"bench", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!ports->mbufs[0] || rte_eth_dev_get_port_by_name("net_null0", &port->id) < 0)
		return -ENODEV;
	snprintf(port->name, sizeof(port->name), "null");
	port->rx_queues = port->tx_queues = 1;
	port->mtu = 1500;
	port->mac = (struct shunt_mac){ { 2, 0, 0, 0, 0, 1 } };
	ports->count = 1;
	if (rte_eth_dev_configure(port->id, 1, 1, &conf) < 0 ||
		rte_eth_rx_queue_setup(port->id, 0, QUEUE_SIZE, 0, NULL, ports->mbufs[0]) < 0 ||
		rte_eth_tx_queue_setup(port->id, 0, QUEUE_SIZE, 0, NULL) < 0)
		return -EIO;
	return rte_eth_dev_start(port->id);
}

int
world_create(struct world *w, uint32_t memory_mb)
{
	int fd, result = start_eal(memory_mb);

	*w = (struct world){
		.owner_seed = 0x5eed, .new_room = SCENARIO_NEW_ROOM, .connection_count = CONNECTIONS
	};
	if (result < 0)
		return result;
	result = start_port(&w->ports);
	w->stats = result < 0 ? NULL : stats_create(1, &fd);
	if (!w->stats) {
		fprintf(stderr, "shunt-bench: no port of net_null, or no memory for it\n");
		return -ENODEV;
	}
	close(fd);
	return 0;
}

void
world_destroy(struct world *w)
{
	stats_destroy(w->stats);
	rte_eth_dev_stop(w->ports.port[0].id);
	rte_eth_dev_close(w->ports.port[0].id);
	rte_eal_cleanup();
}

const struct shunt_worker_stats *
world_stats(const struct world *w)
{
	return shunt_stats_worker(w->stats, 0);
}

uint64_t
world_drops(const struct world *w)
{
	uint64_t sum = 0;

	for (int i = 0; i < SHUNT_DROP_COUNT; i++)
		sum += world_stats(w)->drops[i];
	return sum;
}

struct shunt_server
world_server(const struct world *w, uint32_t s, uint8_t state)
{
	return image_server(&w->scenario, s, state);
}

void
world_run(struct world *w, uint64_t packets)
{
	uint64_t end = traffic_given(w->traffic) + packets;

	while (traffic_given(w->traffic) < end)
		worker_turn(w->worker);
}

/* The value of a client's flow in the worker's table, or 0. */
static uint64_t
value_of(const struct world *w, const struct traffic_end *client, uint32_t service)
{
	struct flow_key key = {
		.version = w->scenario.version,
		.port_be = client->port_be,
		.service = image_service_id(
			&w->scenario, service, traffic_is_udp(&w->scenario, client)),
	};

	memcpy(key.address, client->address, w->scenario.version == 4 ? 4 : 16);
	return worker_peek(w->worker, &key);
}

static void
set_source(const struct world *w, uint64_t value, struct traffic_end *source)
{
	image_source(&w->scenario, value ? flow_source(value) - 1u : 0, source);
	source->port_be = htons(flow_source_port(value));
}

void
world_source(const struct world *w, const struct traffic_end *client, uint32_t service,
	struct traffic_end *source)
{
	set_source(w, value_of(w, client, service), source);
}

/* A traffic_server_fn. */
static uint32_t
server_of(void *context, uint64_t flow, struct traffic_end *to)
{
	const struct world *w = context;
	uint32_t service = traffic_service_of(&w->scenario, flow);
	uint64_t value = value_of(w, to, service);

	if (w->scenario.forward == SHUNT_FULLNAT)
		set_source(w, value, to);
	return value ? flow_server(value) - 1 : 0;
}

static bool
answers_come_back(const struct scenario *s)
{
	return s->forward == SHUNT_NAT || s->forward == SHUNT_FULLNAT;
}

void
world_prepare_answers(struct world *w)
{
	traffic_answer(w->traffic, server_of, w);
}

static void
set_callback(struct world *w, rte_rx_callback_fn receive, void *context)
{
	uint16_t port = w->ports.port[0].id;

	if (w->callback)
		rte_eth_remove_rx_callback(port, 0, w->callback);
	w->callback = receive ? rte_eth_add_rx_callback(port, 0, receive, context) : NULL;
}

/* A connections_server_fn. */
static uint32_t
server_of_client(const void *context, const struct traffic_end *client)
{
	const struct world *w = context;
	uint64_t number = traffic_number(&w->scenario, client);

	return expect_server(w, client, traffic_service_of(&w->scenario, number));
}

/* After establish(): from now on connections come, if the scenario has them. */
static int
start_connections(struct world *w)
{
	if (w->scenario.kind != SCENARIO_CONNECTIONS)
		return 0;
	if (!w->connections)
		w->connections =
			connections_create(&w->scenario, w->connection_count, server_of_client, w);
	if (!w->connections)
		return -ENOMEM;
	connections_restart(w->connections);
	set_callback(w, connections_receive, w->connections);
	return 0;
}

void
world_read(struct world *w, enum connections_reader reader)
{
	if (w->connections)
		connections_read(w->connections, reader);
}

bool
world_is_used_up(const struct world *w)
{
	if (w->scenario.flood)
		return false; /* nothing is kept of it */
	return w->connections ? connections_are_over(w->connections)
			      : traffic_new_clients(w->traffic) >= NEW_AT_ONCE;
}

/* The three packets that open a connection, of every flow; then acknowledgments only. */
static void
establish(struct world *w)
{
	uint32_t flows = w->scenario.flows;

	traffic_start(w->traffic, TRAFFIC_OPEN);
	world_run(w, flows);
	if (answers_come_back(&w->scenario)) {
		world_prepare_answers(w);
		traffic_start(w->traffic, TRAFFIC_ANSWER);
		world_run(w, flows);
	}
	traffic_start(w->traffic, TRAFFIC_CONFIRM);
	world_run(w, flows);
	traffic_start(w->traffic, TRAFFIC_FLOW);
}

static int
start_worker(struct world *w)
{
	uint16_t lcore = (uint16_t)rte_lcore_id();
	struct worker_settings settings = {
		.ports = &w->ports,
		.stats = w->stats,
		.flow_capacity = w->scenario.flows + (w->scenario.new_percent ? w->new_room : 0),
		/*
		 * All handshakes begin at once. They shall be no flood, and what is one shall soon
		 * be seen to be.
		 */
		.half_open_max = w->scenario.flood ? 2 * w->scenario.flows : UINT32_MAX / 2,
		.burst_size = w->scenario.burst,
		.owner_seed = w->owner_seed,
	};
	struct worker_msg msg = { WORKER_OP_GENERATION, w->generation->number, w->generation };
	int result = workers_create(&w->worker, &lcore, 1, &settings);

	if (result == 0)
		result = worker_prepare(w->worker, w->generation);
	if (result < 0)
		return result;
	worker_tell(w->worker, &msg);
	worker_start_clock(w->worker);
	return 0;
}

int
world_renew(struct world *w)
{
	int result;

	workers_destroy(&w->worker, 1);
	traffic_forget_new(w->traffic);
	set_callback(w, traffic_receive, w->traffic);
	result = start_worker(w);
	if (result < 0)
		return result;
	establish(w);
	return start_connections(w);
}

int
world_open_empty(struct world *w, const struct scenario *scenario)
{
	int result = -ENOMEM;

	w->scenario = *scenario;
	w->traffic = traffic_create(scenario);
	w->objects = image_create(scenario);
	if (w->objects)
		w->generation = image_generation(w->objects, 1, NULL);
	if (w->traffic && w->generation) {
		set_callback(w, traffic_receive, w->traffic);
		result = start_worker(w);
	}
	if (result < 0) {
		fprintf(stderr, "shunt-bench: no memory for %u flows: more hugepages are needed\n",
			scenario->flows);
		world_close(w);
		return result;
	}
	return 0;
}

int
world_open(struct world *w, const struct scenario *scenario)
{
	int result = world_open_empty(w, scenario);

	if (result < 0)
		return result;
	establish(w);
	result = start_connections(w);
	if (result < 0) {
		fprintf(stderr, "shunt-bench: no memory for %u connections\n", w->connection_count);
		world_close(w);
	}
	return result;
}

void
world_close(struct world *w)
{
	set_callback(w, NULL, NULL);
	connections_destroy(w->connections);
	w->connections = NULL;
	if (w->worker)
		workers_destroy(&w->worker, 1);
	w->worker = NULL;
	generation_destroy(w->generation);
	w->generation = NULL;
	if (w->objects)
		object_store_destroy(w->objects);
	w->objects = NULL;
	traffic_destroy(w->traffic);
	w->traffic = NULL;
}
