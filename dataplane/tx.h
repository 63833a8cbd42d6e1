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
	uint32_t count;
	uint64_t bytes; /* of ports' batches alone */
	struct rte_mbuf *mbufs[PKT_BURST];
};

struct tx {
	const struct ports *ports;
	uint32_t worker;
	uint32_t worker_count;
	struct rte_ring **rings; /* [worker_count]: to each other worker; single producer */
	struct shunt_worker_stats *stats;
	uint16_t queue[SHUNT_MAX_PORTS]; /* by port: port_tx_queue(), which divides */
	bool owned[SHUNT_MAX_PORTS];	 /* the queue is this worker's */
	struct tx_batch to_port[SHUNT_MAX_PORTS];
	struct tx_batch to_worker[SHUNT_MAX_WORKERS];
};

/* Sends what is collected for a port, whose queue is this worker's. */
void tx_flush_port(struct tx *tx, uint32_t port);

/* Gives a packet that is to go out of a port to the worker that owns the queue. */
void tx_by_worker(struct tx *tx, struct rte_mbuf *mbuf, uint8_t port);

/*
 * Puts a packet of so many bytes on its way out of a port, by another worker if that one owns the
 * queue.
 */
static inline void
tx_port(struct tx *tx, struct rte_mbuf *mbuf, uint32_t bytes, uint8_t port)
{
	struct tx_batch *batch = &tx->to_port[port];

	if (__builtin_expect(!tx->owned[port], 0)) {
		tx_by_worker(tx, mbuf, port);
		return;
	}
	batch->mbufs[batch->count++] = mbuf;
	batch->bytes += bytes;
	if (batch->count == PKT_BURST)
		tx_flush_port(tx, port);
}

/* The same for up to PKT_BURST packets, of so many bytes together. */
static inline void
tx_burst(struct tx *tx, struct rte_mbuf **mbufs, unsigned int n, uint32_t bytes, uint8_t port)
{
	struct tx_batch *batch = &tx->to_port[port];

	if (!tx->owned[port] || batch->count + n > PKT_BURST) {
		for (unsigned int i = 0; i < n; i++)
			tx_port(tx, mbufs[i], mbufs[i]->pkt_len, port);
		return;
	}
	memcpy(&batch->mbufs[batch->count], mbufs, n * sizeof(struct rte_mbuf *));
	batch->count += n;
	batch->bytes += bytes;
	if (batch->count == PKT_BURST)
		tx_flush_port(tx, port);
}

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
