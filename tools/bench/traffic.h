/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets of a run. A port of net_null "receives" empty buffers without end; a receive callback
 * makes each of them a packet, by copying a frame's headers and stamping one of a row of ready-made
 * 5-tuples (with their checksums) into it. The row is read from front to back, so it costs little
 * and always the same, whereas the flows that it names come in no order at all.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include "scenario.h"

struct rte_mbuf;
struct traffic;

#define TRAFFIC_SERVER_PORT  8080
#define TRAFFIC_SERVICE_PORT 80

enum traffic_part {
	TRAFFIC_OPEN,	 /* SYN of every flow, in order: as many packets as there are flows */
	TRAFFIC_ANSWER,	 /* what the servers answer: SYN|ACK, in order; needs traffic_answer() */
	TRAFFIC_FLOW,	 /* ACK of flows as the scenario distributes them, and new clients' SYNs */
	TRAFFIC_CONFIRM, /* the same without new clients: the third packet of connections */
};

/* NULL: no memory. */
struct traffic *traffic_create(const struct scenario *scenario);
void traffic_destroy(struct traffic *traffic);

/* From now on the callback gives packets of this part, from its beginning. */
void traffic_start(struct traffic *traffic, enum traffic_part part);
/* Packets of the part given so far, and those of them from new clients. */
uint64_t traffic_given(const struct traffic *traffic);
uint64_t traffic_new_clients(const struct traffic *traffic);
/* New clients from here on are others than those before. */
void traffic_forget_new(struct traffic *traffic);

/* An end of flow i, as far as the traffic decides it. address: 4 or 16 bytes. */
struct traffic_end {
	uint8_t address[16];
	uint16_t port_be;
};
void traffic_client(const struct scenario *s, uint64_t i, struct traffic_end *end);
void traffic_service(const struct scenario *s, uint32_t service, struct traffic_end *end);
void traffic_server(const struct scenario *s, uint32_t server, struct traffic_end *end);
/* The number i of a client. */
uint64_t traffic_number(const struct scenario *s, const struct traffic_end *client);
/* Which service flow i is to. */
uint32_t traffic_service_of(const struct scenario *s, uint64_t i);
/* Which service has this address. */
uint32_t traffic_service_at(const struct scenario *s, const uint8_t *address);
/* Where there are services of UDP, some clients use them; the traffic is TCP all the same. */
bool traffic_is_udp(const struct scenario *s, const struct traffic_end *client);

/*
 * Asks which server flow i was given, and whom it shall answer (the client, if that is left as it
 * is). Before TRAFFIC_ANSWER.
 */
typedef uint32_t traffic_server_fn(void *context, uint64_t flow, struct traffic_end *to);
void traffic_answer(struct traffic *traffic, traffic_server_fn *server_of, void *context);

/* The callback, for rte_eth_add_rx_callback() with the traffic as its argument. */
uint16_t traffic_receive(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count,
	uint16_t max, void *traffic);

#endif
