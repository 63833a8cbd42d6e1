/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where packets leave a worker: collected by destination, which is a transmit queue of the
 * worker's own or the ring to another worker, and sent in bursts. Worker only.
 */
#ifndef DATAPLANE_TX_H
#define DATAPLANE_TX_H

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "pkt.h"
#include "port.h"

#define TX_RING_COUNT 1024

struct tx_batch {
	uint16_t count;
	struct rte_mbuf *mbufs[PKT_BURST];
};

struct tx {
	const struct ports *ports;
	uint32_t worker;
	uint32_t worker_count;
	struct rte_ring **rings; /* [worker_count]: to each other worker; single producer */
	struct shunt_worker_stats *stats;
	uint16_t queue[SHUNT_MAX_PORTS]; /* by port: port_tx_queue(), which divides */
	struct tx_batch to_port[SHUNT_MAX_PORTS];
	struct tx_batch to_worker[SHUNT_MAX_WORKERS];
};

/* Puts a packet on its way out of a port, by another worker if that one owns the queue. */
void tx_port(struct tx *tx, struct rte_mbuf *mbuf, uint8_t port);

/* Gives a received packet to the worker that owns its flow. */
void tx_owner(struct tx *tx, struct rte_mbuf *mbuf, uint8_t in_port, uint32_t owner);

/* Gives a fragment, as placed (frag.h), to the worker that owns its datagram's flow. */
void tx_placed(struct tx *tx, struct rte_mbuf *mbuf, uint8_t in_port, uint32_t owner);

/* Sends all that is collected; what cannot be sent is dropped and counted. */
void tx_flush(struct tx *tx);

/*
 * What a packet that came from another worker is for: transmission on *port (true), or processing
 * as received on *port (false).
 */
bool tx_is_for_port(const struct rte_mbuf *mbuf, uint8_t *port);

/* Whether it came by tx_placed(). Only for a packet that came from another worker. */
bool tx_is_placed(const struct rte_mbuf *mbuf);

#endif
