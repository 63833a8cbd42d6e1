/* SPDX-License-Identifier: BSD-3-Clause */
#include "connections.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <rte_mbuf.h>

#include "dress.h"
#include "pkt.h"

#define APART	   4096 /* a connection's next packet comes when so many others have had theirs */
#define DATA_BYTES 6	/* as many as the shortest frame of IPv4 has room for */
#define ROW_AHEAD  16

/* Last bytes of MAC addresses, as traffic.c and image.c have them. */
#define CLIENTS_MAC 0x0c
#define SERVERS_MAC 0x05

struct stage {
	bool from_server;
	bool data;
	uint8_t tcp_flags;
};

static const struct stage stages[CONNECTIONS_PACKETS] = {
	{ false, false, PKT_SYN },
	{ true, false, PKT_SYN | PKT_ACK },
	{ false, false, PKT_ACK },
	{ false, true, PKT_PSH | PKT_ACK },
	{ true, true, PKT_PSH | PKT_ACK },
	{ false, false, PKT_FIN | PKT_ACK },
	{ true, false, PKT_FIN | PKT_ACK },
	{ false, false, PKT_ACK },
};

/* What tells one packet from another. */
struct stamp4 {
	uint8_t ends[12]; /* addresses and ports, as they follow each other */
	uint8_t ip_bytes_be[2];
	uint8_t ip_checksum[2];
	uint8_t tcp_checksum[2];
	uint8_t tcp_flags;
	uint8_t from_mac;
};

struct stamp6 {
	uint8_t ends[36];
	uint8_t payload_bytes_be[2];
	uint8_t tcp_checksum[2];
	uint8_t tcp_flags;
	uint8_t from_mac;
};

struct connections {
	struct scenario scenario;
	uint32_t count;
	uint8_t frame[80];
	uint16_t frame_bytes;
	void *stamps; /* [packets] of the family's struct */
	uint64_t packets;
	size_t bytes;
	enum connections_reader reader;
	uint64_t next[CONNECTIONS_READERS]; /* into stamps */
	bool over;			    /* the worker has read all */
};

static void
stamp4_read(struct stamp4 *stamp, const uint8_t *frame)
{
	memcpy(stamp->ends, frame + 26, sizeof(stamp->ends));
	memcpy(stamp->ip_bytes_be, frame + 16, 2);
	memcpy(stamp->ip_checksum, frame + 24, 2);
	memcpy(stamp->tcp_checksum, frame + 50, 2);
	stamp->tcp_flags = frame[47];
	stamp->from_mac = frame[11];
}

static void
stamp4_put(const struct stamp4 *stamp, uint8_t *frame)
{
	memcpy(frame + 26, stamp->ends, sizeof(stamp->ends));
	memcpy(frame + 16, stamp->ip_bytes_be, 2);
	memcpy(frame + 24, stamp->ip_checksum, 2);
	memcpy(frame + 50, stamp->tcp_checksum, 2);
	frame[47] = stamp->tcp_flags;
	frame[11] = stamp->from_mac;
}

static void
stamp6_read(struct stamp6 *stamp, const uint8_t *frame)
{
	memcpy(stamp->ends, frame + 22, sizeof(stamp->ends));
	memcpy(stamp->payload_bytes_be, frame + 18, 2);
	memcpy(stamp->tcp_checksum, frame + 70, 2);
	stamp->tcp_flags = frame[67];
	stamp->from_mac = frame[11];
}

static void
stamp6_put(const struct stamp6 *stamp, uint8_t *frame)
{
	memcpy(frame + 22, stamp->ends, sizeof(stamp->ends));
	memcpy(frame + 18, stamp->payload_bytes_be, 2);
	memcpy(frame + 70, stamp->tcp_checksum, 2);
	frame[67] = stamp->tcp_flags;
	frame[11] = stamp->from_mac;
}

/* The bytes of a connection's packet, as a frame without anything special. */
static void
make_frame(const struct scenario *s, const struct stage *stage, const struct traffic_end *client,
	const struct traffic_end *service, const struct traffic_end *server, struct frame *f)
{
	const struct traffic_end *from = stage->from_server ? server : client;
	const struct traffic_end *to = stage->from_server ? client : service;
	struct dress_body body = {
		.sport_be = from->port_be,
		.dport_be = to->port_be,
		.version = s->version,
		.protocol = SHUNT_TCP,
		.tcp_flags = stage->tcp_flags,
		.from_mac = stage->from_server ? SERVERS_MAC : CLIENTS_MAC,
		.data_bytes = stage->data ? DATA_BYTES : 0,
	};

	memcpy(body.source, from->address, sizeof(body.source));
	memcpy(body.destination, to->address, sizeof(body.destination));
	dress_plain(f, &body);
}

/* The place of a connection's packet: after `turns` connections have begun, all later stages. */
static uint64_t
place_of(const struct connections *c, uint64_t connection, uint32_t stage)
{
	uint64_t turn = connection + (uint64_t)stage * APART, place = 0;

	/* In each turn every stage has one packet, but before the first and after the last. */
	for (uint32_t other = 0; other < CONNECTIONS_PACKETS; other++) {
		uint64_t start = (uint64_t)other * APART, end = turn + (other < stage);

		if (end > start)
			place += end - start < c->count ? end - start : c->count;
	}
	return place;
}

static void
put_connection(
	struct connections *c, uint64_t i, connections_server_fn *server_of, const void *context)
{
	const struct scenario *s = &c->scenario;
	uint64_t number = s->flows + i; /* established flows have the numbers before */
	struct traffic_end client, service, server;
	struct frame f;

	traffic_client(s, number, &client);
	traffic_service(s, traffic_service_of(s, number), &service);
	traffic_server(s, server_of(context, &client), &server);
	for (uint32_t stage = 0; stage < CONNECTIONS_PACKETS; stage++) {
		uint64_t place = place_of(c, i, stage);

		make_frame(s, &stages[stage], &client, &service, &server, &f);
		if (s->version == 4)
			stamp4_read((struct stamp4 *)c->stamps + place, f.bytes);
		else
			stamp6_read((struct stamp6 *)c->stamps + place, f.bytes);
		if (stages[stage].data) {
			memcpy(c->frame, f.bytes, sizeof(c->frame));
			c->frame_bytes = (uint16_t)f.length;
		}
	}
}

struct connections *
connections_create(const struct scenario *s, uint32_t count, connections_server_fn *server_of,
	const void *context)
{
	struct connections *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->scenario = *s;
	c->count = count;
	c->packets = (uint64_t)count * CONNECTIONS_PACKETS;
	c->bytes = c->packets * (s->version == 4 ? sizeof(struct stamp4) : sizeof(struct stamp6));
	c->stamps =
		mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->stamps == MAP_FAILED) {
		free(c);
		return NULL;
	}
	/* Fewer TLB misses for what is read from front to back; a wish only. */
	madvise(c->stamps, c->bytes, MADV_HUGEPAGE);
	for (uint32_t i = 0; i < count; i++)
		put_connection(c, i, server_of, context);
	return c;
}

void
connections_destroy(struct connections *c)
{
	if (!c)
		return;
	munmap(c->stamps, c->bytes);
	free(c);
}

void
connections_read(struct connections *c, enum connections_reader reader)
{
	c->reader = reader;
}

void
connections_restart(struct connections *c)
{
	c->next[CONNECTIONS_WORKER] = 0;
	c->over = false;
}

bool
connections_are_over(const struct connections *c)
{
	return c->over;
}

uint16_t
connections_receive(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count,
	uint16_t max, void *context)
{
	struct connections *c = context;
	uint64_t next = c->next[c->reader];

	(void)port;
	(void)queue;
	(void)max;
	for (uint16_t i = 0; i < count; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], uint8_t *);

		memcpy(frame, c->frame, sizeof(c->frame));
		mbufs[i]->data_len = c->frame_bytes;
		mbufs[i]->pkt_len = c->frame_bytes;
		if (c->scenario.version == 4) {
			const struct stamp4 *stamps = c->stamps;

			__builtin_prefetch(&stamps[next + ROW_AHEAD]);
			stamp4_put(&stamps[next], frame);
		} else {
			const struct stamp6 *stamps = c->stamps;

			__builtin_prefetch(&stamps[next + ROW_AHEAD]);
			stamp6_put(&stamps[next], frame);
		}
		if (++next == c->packets) {
			next = 0;
			c->over = c->over || c->reader == CONNECTIONS_WORKER;
		}
	}
	c->next[c->reader] = next;
	return count;
}
