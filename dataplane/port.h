/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network ports: devices started from the settings, and who may use which queue.
 *
 * Receive queue q is polled by worker q % workers. Transmit queue q belongs to worker q; a worker
 * without a queue of its own hands its packets to the owner of queue (worker % queues). So no
 * queue is ever used by two workers, and none needs a lock.
 */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include <rte_mempool.h>

#include "settings.h"
#include "shunt/types.h"

struct xdp;

#define PORT_MAX_NODES 8 /* of memory that have buffers of their own; beyond, some are shared */

struct port {
	char name[SHUNT_NAME_SIZE];
	char interface[SETTINGS_INTERFACE_SIZE]; /* the kernel twin; empty: none */
	uint32_t punt_rate; /* of a twin that is a TAP: frames a second and class; else 0 */
	uint16_t id;	    /* DPDK's */
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t mtu; /* of IP packets, when the port was started */
	int node;     /* of memory: where the device is; SOCKET_ID_ANY: not known */
	struct shunt_mac mac;
	uint16_t vlan[2]; /* the only one it serves; 0: whichever */
};

struct ports {
	struct port port[SHUNT_MAX_PORTS];
	uint32_t count;
	/* Packet buffers, by the memory node of the ports that receive into them. */
	struct rte_mempool *mbufs[PORT_MAX_NODES];
};

/* Mbufs that the settings need on each node that has ports, and the bytes of memory they take. */
uint32_t port_mbuf_count(const struct settings *settings);
uint64_t port_mbuf_bytes(uint32_t mbufs);

/*
 * Opens, configures and starts all ports. Logs what is wrong. 0 or -errno, then none is open.
 * filter: path of the XDP filter's object file. Main lcore, before the workers run.
 */
int ports_open(
	struct ports *ports, const struct settings *settings, const char *filter, struct xdp *xdp);
void ports_close(struct ports *ports);

/* Buffers for packets that are made on a memory node: its own, or another's. */
static inline struct rte_mempool *
ports_buffers(const struct ports *ports, int node)
{
	unsigned int index = node > 0 ? (unsigned int)node % PORT_MAX_NODES : 0;

	for (unsigned int i = 0; i < PORT_MAX_NODES && !ports->mbufs[index]; i++)
		index = (index + 1) % PORT_MAX_NODES;
	return ports->mbufs[index];
}

/* The queue that a worker's packets leave by, and so the worker that owns it. Before the start. */
static inline uint16_t
port_tx_queue(const struct port *port, uint32_t worker)
{
	return worker % port->tx_queues;
}

static inline bool
port_owns_tx(const struct port *port, uint32_t worker)
{
	return worker < port->tx_queues;
}

#endif
