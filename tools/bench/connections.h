/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets of whole TCP connections, in both directions, all of them from clients that have not
 * been here before: SYN, SYN|ACK, ACK, data, data in answer, FIN of the client, FIN of the server,
 * ACK. Thousands of connections are under way at any time, each at another of these. Which server a
 * client's answers come from is known beforehand by the selection hash; so this is for NAT, where
 * nothing else is the worker's choice.
 *
 * As with traffic.h, a receive callback stamps ready-made values into empty buffers.
 */
#ifndef BENCH_CONNECTIONS_H
#define BENCH_CONNECTIONS_H

#include "traffic.h"

#define CONNECTIONS_PACKETS 8 /* of one */

struct rte_mbuf;
struct connections;

/* Which server a client (whose flow has this number) is given. */
typedef uint32_t connections_server_fn(const void *context, const struct traffic_end *client);

/* count: connections, until they begin anew. NULL: no memory. */
struct connections *connections_create(const struct scenario *scenario, uint32_t count,
	connections_server_fn *server_of, const void *context);
void connections_destroy(struct connections *connections);

/* Two readers, so that the one that swaps addresses takes no packet from the worker's connections.
 */
enum connections_reader {
	CONNECTIONS_WORKER,
	CONNECTIONS_MACSWAP,
	CONNECTIONS_READERS,
};

/* From now on the callback gives packets to this reader, where it stopped. */
void connections_read(struct connections *connections, enum connections_reader reader);
/* The worker's connections begin anew: the worker must not know them any more. */
void connections_restart(struct connections *connections);
/* Has the worker been given all packets of all connections? */
bool connections_are_over(const struct connections *connections);

/* The callback, for rte_eth_add_rx_callback() with the connections as its argument. */
uint16_t connections_receive(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count,
	uint16_t max, void *connections);

#endif
