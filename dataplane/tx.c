/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ethdev.h>

#include "tx.h"

/*
 * A driver may first have to take back what the device has sent (AF_XDP does so within a call),
 * so a short queue gets a second and third chance before packets are dropped.
 */
#define SEND_TRIES 4

/*
 * What a packet between workers is for travels in the mbuf's hash field, which belongs to the
 * application once a packet is received: the port, and a bit for transmission or for a fragment
 * that its fragment owner has placed.
 */
#define FOR_PORT 0x80000000u
#define PLACED	 0x40000000u

static void
drop_all(struct tx *tx, struct rte_mbuf **mbufs, uint16_t count, enum shunt_drop reason)
{
	tx->stats->drops[reason] += count;
	rte_pktmbuf_free_bulk(mbufs, count);
}

void
tx_flush_port(struct tx *tx, uint32_t index)
{
	struct tx_batch *batch = &tx->to_port[index];
	const struct port *port = &tx->ports->port[index];
	uint16_t sent = 0;

	for (int tries = 0; tries < SEND_TRIES && sent < batch->count; tries++)
		sent += rte_eth_tx_burst(
			port->id, tx->queue[index], batch->mbufs + sent, batch->count - sent);
	for (uint16_t i = sent; i < batch->count; i++)
		batch->bytes -= batch->mbufs[i]->pkt_len;
	tx->stats->tx_packets += sent;
	tx->stats->tx_bytes += batch->bytes;
	if (sent < batch->count)
		drop_all(tx, batch->mbufs + sent, batch->count - sent, SHUNT_DROP_TX_FULL);
	batch->count = 0;
	batch->bytes = 0;
}

/* The counter of packets that are handed over for this. */
static uint64_t *
handed_over(struct tx *tx, uint32_t mark)
{
	return mark & FOR_PORT ? &tx->stats->tx_handed_over : &tx->stats->handed_over;
}

static void
flush_worker(struct tx *tx, uint32_t worker)
{
	struct tx_batch *batch = &tx->to_worker[worker];
	uint16_t sent = rte_ring_sp_enqueue_burst(
		tx->rings[worker], (void **)batch->mbufs, batch->count, NULL);

	if (sent < batch->count) {
		for (uint16_t i = sent; i < batch->count; i++)
			(*handed_over(tx, batch->mbufs[i]->hash.usr))--;
		drop_all(tx, batch->mbufs + sent, batch->count - sent, SHUNT_DROP_HANDOVER_FULL);
	}
	batch->count = 0;
}

static void
collect_for_worker(struct tx *tx, struct rte_mbuf *mbuf, uint32_t worker, uint32_t mark)
{
	struct tx_batch *batch = &tx->to_worker[worker];

	mbuf->hash.usr = mark;
	(*handed_over(tx, mark))++;
	batch->mbufs[batch->count++] = mbuf;
	if (batch->count == PKT_BURST)
		flush_worker(tx, worker);
}

void
tx_by_worker(struct tx *tx, struct rte_mbuf *mbuf, uint8_t port)
{
	collect_for_worker(tx, mbuf, tx->queue[port], FOR_PORT | port);
}

void
tx_owner(struct tx *tx, struct rte_mbuf *mbuf, uint8_t in_port, uint32_t owner)
{
	collect_for_worker(tx, mbuf, owner, in_port);
}

void
tx_placed(struct tx *tx, struct rte_mbuf *mbuf, uint8_t in_port, uint32_t owner)
{
	collect_for_worker(tx, mbuf, owner, PLACED | in_port);
}

void
tx_flush(struct tx *tx)
{
	for (uint32_t i = 0; i < tx->ports->count; i++) {
		if (tx->to_port[i].count)
			tx_flush_port(tx, i);
	}
	for (uint32_t i = 0; i < tx->worker_count; i++) {
		if (tx->to_worker[i].count)
			flush_worker(tx, i);
	}
}

bool
tx_is_for_port(const struct rte_mbuf *mbuf, uint8_t *port)
{
	*port = mbuf->hash.usr & 0xff;
	return mbuf->hash.usr & FOR_PORT;
}

bool
tx_is_placed(const struct rte_mbuf *mbuf)
{
	return mbuf->hash.usr & PLACED;
}
