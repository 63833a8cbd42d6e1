/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_mbuf.h>

#include "checksum.h"
#include "pkt.h"
#include "traffic.h"
#include "zipf.h"

#define ROW_MIN	  (1u << 20) /* stamps, however few the flows: a row of its own, not of hot lines */
#define ROW_AHEAD 16	     /* stamps prefetched ahead of the one in use */

/* Odd, so that each number has an address of its own; and what takes it back, modulo 2^28. */
#define CLIENT_STEP	    0x9e3779b1u
#define CLIENT_STEP_INVERSE 0x0e8b2f51u
#define CLIENT_MASK	    0x0fffffffu

#define SERVICES_NET4 0xc6336401u /* 198.51.100.1: the first service's address */

/* What tells one packet of a scenario from another. */
struct stamp4 {
	uint8_t source[4];
	uint8_t destination[4];
	uint16_t sport_be;
	uint16_t dport_be;
	uint16_t ip_checksum;
	uint16_t tcp_checksum;
};

struct stamp6 {
	uint8_t source[16];
	uint8_t destination[16];
	uint16_t sport_be;
	uint16_t dport_be;
	uint16_t tcp_checksum;
	uint16_t pad;
};

struct row {
	void *stamps; /* [count] of the family's struct */
	uint64_t count;
	size_t bytes;
	uint8_t tcp_flags;
};

struct traffic {
	struct scenario scenario;
	uint8_t frame[80]; /* headers that all packets share */
	uint16_t frame_bytes;
	uint16_t tcp_sum; /* of the frame's TCP and pseudo header, with no flag set */
	struct row rows[TRAFFIC_FLOW + 1];
	enum traffic_part part;
	const struct row *row; /* of this part */
	uint64_t next;	       /* into the row */
	uint64_t given;	       /* since traffic_start() */
	uint64_t new_clients;
	uint64_t new_base;  /* number of the first new client; flows come before */
	uint32_t new_every; /* in 1/2^32 of the packets */
	uint32_t new_phase;
};

/* A bijection on 32 bits (Wellons, "Prospecting for hash functions", 2018): clients in no order. */
static uint32_t
mix32(uint32_t x)
{
	x = (x ^ (x >> 16)) * 0x7feb352du;
	x = (x ^ (x >> 15)) * 0x846ca68bu;
	return x ^ (x >> 16);
}

/*
 * Clients have addresses in 16.0.0.0/4 (or 2001:db8:c::/96): 2^28 of them, each with one port. A
 * client's number decides both, so that no two flows are the same.
 */
void
traffic_client(const struct scenario *s, uint64_t i, struct traffic_end *end)
{
	uint32_t low = (uint32_t)(i * CLIENT_STEP) & CLIENT_MASK;
	uint32_t address_be = htonl(0x10000000u | low);

	memset(end, 0, sizeof(*end));
	if (s->version == 4) {
		memcpy(end->address, &address_be, 4);
	} else {
		static const uint8_t prefix[6] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0x0c };

		memcpy(end->address, prefix, sizeof(prefix));
		memcpy(&end->address[12], &address_be, 4);
	}
	end->port_be = htons((uint16_t)(1024 + mix32((uint32_t)i) % 60000));
}

uint64_t
traffic_number(const struct scenario *s, const struct traffic_end *client)
{
	uint32_t address_be;

	memcpy(&address_be, &client->address[s->version == 4 ? 0 : 12], sizeof(address_be));
	return (ntohl(address_be) * CLIENT_STEP_INVERSE) & CLIENT_MASK;
}

bool
traffic_is_udp(const struct scenario *s, const struct traffic_end *client)
{
	return s->udp && ntohs(client->port_be) % 3 == 0;
}

static void
inside_end(const struct scenario *s, uint32_t net4, uint8_t net6, uint32_t i, uint16_t port,
	struct traffic_end *end)
{
	uint32_t address_be = htonl(net4 + i);

	memset(end, 0, sizeof(*end));
	if (s->version == 4) {
		memcpy(end->address, &address_be, 4);
	} else {
		end->address[0] = 0xfd;
		end->address[1] = net6;
		address_be = htonl(i + 1);
		memcpy(&end->address[12], &address_be, 4);
	}
	end->port_be = htons(port);
}

void
traffic_service(const struct scenario *s, uint32_t service, struct traffic_end *end)
{
	inside_end(s, SERVICES_NET4, 1, service, TRAFFIC_SERVICE_PORT, end);
}

void
traffic_server(const struct scenario *s, uint32_t server, struct traffic_end *end)
{
	inside_end(s, 0x0a000001u, 2, server, TRAFFIC_SERVER_PORT, end);
}

uint32_t
traffic_service_of(const struct scenario *s, uint64_t i)
{
	return s->services == 1 ? 0 : mix32((uint32_t)i + 1) % s->services;
}

uint32_t
traffic_service_at(const struct scenario *s, const uint8_t *address)
{
	uint32_t low_be;

	memcpy(&low_be, address + (s->version == 4 ? 0 : 12), sizeof(low_be));
	return ntohl(low_be) - (s->version == 4 ? SERVICES_NET4 : 1);
}

static void
make_frame(struct traffic *t)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xc };
	const uint16_t pseudo[2] = { htons(SHUNT_TCP), htons(20) };
	uint8_t *f = t->frame;
	uint8_t *tcp;

	memcpy(f, macs, sizeof(macs));
	if (t->scenario.version == 4) {
		static const uint8_t ip[12] = { 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, SHUNT_TCP };

		f[12] = 0x08;
		memcpy(f + 14, ip, sizeof(ip));
		tcp = f + 34;
		t->frame_bytes = 60; /* the shortest frame there is, without its FCS */
	} else {
		static const uint8_t ip[8] = { 0x60, 0, 0, 0, 0, 20, SHUNT_TCP, 64 };

		f[12] = 0x86;
		f[13] = 0xdd;
		memcpy(f + 14, ip, sizeof(ip));
		tcp = f + 54;
		t->frame_bytes = 74;
	}
	tcp[12] = 5 << 4;
	tcp[14] = 0x20; /* window */
	t->tcp_sum = checksum_add(checksum_sum(tcp, 20), checksum_sum(pseudo, sizeof(pseudo)));
}

/* What the TCP checksum covers but for addresses and ports. */
static uint16_t
tcp_sum(const struct traffic *t, uint8_t flags)
{
	return checksum_add(t->tcp_sum, htons(flags));
}

static void
make_stamp4(const struct traffic *t, uint8_t flags, const struct traffic_end *from,
	const struct traffic_end *to, struct stamp4 *out)
{
	uint16_t addresses =
		checksum_add(checksum_sum(from->address, 4), checksum_sum(to->address, 4));
	uint16_t ports = checksum_add(from->port_be, to->port_be);

	memcpy(out->source, from->address, 4);
	memcpy(out->destination, to->address, 4);
	out->sport_be = from->port_be;
	out->dport_be = to->port_be;
	out->ip_checksum = (uint16_t)~checksum_add(checksum_sum(t->frame + 14, 20), addresses);
	out->tcp_checksum =
		(uint16_t)~checksum_fold((uint64_t)tcp_sum(t, flags) + addresses + ports);
}

static void
make_stamp6(const struct traffic *t, uint8_t flags, const struct traffic_end *from,
	const struct traffic_end *to, struct stamp6 *out)
{
	uint16_t sums =
		checksum_add(checksum_sum(from->address, 16), checksum_sum(to->address, 16));
	uint16_t ports = checksum_add(from->port_be, to->port_be);

	memcpy(out->source, from->address, 16);
	memcpy(out->destination, to->address, 16);
	out->sport_be = from->port_be;
	out->dport_be = to->port_be;
	out->tcp_checksum = (uint16_t)~checksum_fold((uint64_t)tcp_sum(t, flags) + sums + ports);
}

static void
put_stamp(const struct traffic *t, const struct row *row, uint64_t at,
	const struct traffic_end *from, const struct traffic_end *to)
{
	if (t->scenario.version == 4)
		make_stamp4(t, row->tcp_flags, from, to, (struct stamp4 *)row->stamps + at);
	else
		make_stamp6(t, row->tcp_flags, from, to, (struct stamp6 *)row->stamps + at);
}

static int
row_create(struct traffic *t, enum traffic_part part, uint64_t count, uint8_t tcp_flags)
{
	struct row *row = &t->rows[part];

	row->count = count;
	row->tcp_flags = tcp_flags;
	row->bytes =
		count * (t->scenario.version == 4 ? sizeof(struct stamp4) : sizeof(struct stamp6));
	row->stamps =
		mmap(NULL, row->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (row->stamps == MAP_FAILED) {
		row->stamps = NULL;
		return -1;
	}
	/* Fewer TLB misses for what is read from front to back; a wish only. */
	madvise(row->stamps, row->bytes, MADV_HUGEPAGE);
	return 0;
}

static void
row_destroy(struct row *row)
{
	if (row->stamps)
		munmap(row->stamps, row->bytes);
}

static void
put_client_stamp(const struct traffic *t, const struct row *row, uint64_t at, uint64_t flow)
{
	struct traffic_end client, service;

	traffic_client(&t->scenario, flow, &client);
	traffic_service(&t->scenario, traffic_service_of(&t->scenario, flow), &service);
	put_stamp(t, row, at, &client, &service);
}

/* Every flow as often as every other, in no order. */
static void
fill_uniform(struct traffic *t, struct row *row)
{
	uint32_t *order = malloc(t->scenario.flows * sizeof(*order));
	uint64_t random = 1;

	if (!order)
		return;
	for (uint32_t i = 0; i < t->scenario.flows; i++)
		order[i] = i;
	for (uint32_t i = t->scenario.flows - 1; i > 0; i--) {
		uint32_t other = zipf_random(&random) % (i + 1), swap = order[i];

		order[i] = order[other];
		order[other] = swap;
	}
	for (uint64_t at = 0; at < row->count; at++)
		put_client_stamp(t, row, at, order[at % t->scenario.flows]);
	free(order);
}

static void
fill_zipf(struct traffic *t, struct row *row)
{
	struct zipf zipf;
	uint64_t random = 1;

	zipf_init(&zipf, t->scenario.flows);
	for (uint64_t at = 0; at < row->count; at++)
		put_client_stamp(t, row, at, mix32(zipf_draw(&zipf, &random)) % t->scenario.flows);
}

struct traffic *
traffic_create(const struct scenario *s)
{
	struct traffic *t = calloc(1, sizeof(*t));
	uint64_t count = s->flows;

	if (!t)
		return NULL;
	t->scenario = *s;
	t->new_base = s->flows;
	t->new_every = (uint32_t)((uint64_t)s->new_percent * UINT32_MAX / 100);
	make_frame(t);
	while (count < ROW_MIN)
		count += s->flows;
	if (row_create(t, TRAFFIC_OPEN, s->flows, PKT_SYN) < 0 ||
		row_create(t, TRAFFIC_ANSWER, s->flows, PKT_SYN | PKT_ACK) < 0 ||
		row_create(t, TRAFFIC_FLOW, count, PKT_ACK) < 0) {
		traffic_destroy(t);
		return NULL;
	}
	for (uint64_t i = 0; i < s->flows; i++)
		put_client_stamp(t, &t->rows[TRAFFIC_OPEN], i, i);
	if (s->zipf)
		fill_zipf(t, &t->rows[TRAFFIC_FLOW]);
	else
		fill_uniform(t, &t->rows[TRAFFIC_FLOW]);
	traffic_start(t, TRAFFIC_OPEN);
	return t;
}

void
traffic_destroy(struct traffic *t)
{
	if (!t)
		return;
	for (size_t i = 0; i <= TRAFFIC_FLOW; i++)
		row_destroy(&t->rows[i]);
	free(t);
}

void
traffic_answer(struct traffic *t, traffic_server_fn *server_of, void *context)
{
	for (uint64_t i = 0; i < t->scenario.flows; i++) {
		struct traffic_end to, server;

		traffic_client(&t->scenario, i, &to);
		traffic_server(&t->scenario, server_of(context, i, &to), &server);
		put_stamp(t, &t->rows[TRAFFIC_ANSWER], i, &server, &to);
	}
}

void
traffic_start(struct traffic *t, enum traffic_part part)
{
	uint8_t *tcp = t->frame + (t->scenario.version == 4 ? 34 : 54);

	t->part = part;
	t->row = &t->rows[part == TRAFFIC_CONFIRM ? TRAFFIC_FLOW : part];
	t->next = 0;
	t->given = 0;
	t->new_clients = 0;
	tcp[13] = t->row->tcp_flags;
}

uint64_t
traffic_given(const struct traffic *t)
{
	return t->given;
}

uint64_t
traffic_new_clients(const struct traffic *t)
{
	return t->new_clients;
}

void
traffic_forget_new(struct traffic *t)
{
	t->new_base += t->new_clients;
	t->new_clients = 0;
}

static void
stamp4_put(uint8_t *frame, const struct stamp4 *stamp)
{
	memcpy(frame + 26, stamp->source, 8);
	memcpy(frame + 34, &stamp->sport_be, 4);
	memcpy(frame + 24, &stamp->ip_checksum, 2);
	memcpy(frame + 50, &stamp->tcp_checksum, 2);
}

static void
stamp6_put(uint8_t *frame, const struct stamp6 *stamp)
{
	memcpy(frame + 22, stamp->source, 32);
	memcpy(frame + 54, &stamp->sport_be, 4);
	memcpy(frame + 70, &stamp->tcp_checksum, 2);
}

/* The first packet of a client that has not been here before. */
static void
put_new_client(struct traffic *t, uint8_t *frame)
{
	uint64_t number = t->new_base + t->new_clients++;
	struct traffic_end client, service;

	traffic_client(&t->scenario, number, &client);
	traffic_service(&t->scenario, traffic_service_of(&t->scenario, number), &service);
	if (t->scenario.version == 4) {
		struct stamp4 stamp;

		make_stamp4(t, PKT_SYN, &client, &service, &stamp);
		stamp4_put(frame, &stamp);
		frame[47] = PKT_SYN;
	} else {
		struct stamp6 stamp;

		make_stamp6(t, PKT_SYN, &client, &service, &stamp);
		stamp6_put(frame, &stamp);
		frame[67] = PKT_SYN;
	}
}

/* Is the next packet one of a new client's? Spread evenly, without a division. */
static bool
new_is_due(struct traffic *t)
{
	uint32_t before = t->new_phase;

	if (t->part != TRAFFIC_FLOW || t->new_every == 0)
		return false;
	t->new_phase += t->new_every;
	return t->new_every == UINT32_MAX || t->new_phase < before;
}

static void
put_next(struct traffic *t, uint8_t *frame)
{
	if (t->scenario.version == 4) {
		const struct stamp4 *stamps = t->row->stamps;

		__builtin_prefetch(&stamps[t->next + ROW_AHEAD]);
		stamp4_put(frame, &stamps[t->next]);
	} else {
		const struct stamp6 *stamps = t->row->stamps;

		__builtin_prefetch(&stamps[t->next + ROW_AHEAD]);
		stamp6_put(frame, &stamps[t->next]);
	}
	if (++t->next == t->row->count)
		t->next = 0;
}

uint16_t
traffic_receive(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count,
	uint16_t max, void *context)
{
	struct traffic *t = context;

	(void)port;
	(void)queue;
	(void)max;
	for (uint16_t i = 0; i < count; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], uint8_t *);

		memcpy(frame, t->frame, sizeof(t->frame));
		mbufs[i]->data_len = t->frame_bytes;
		mbufs[i]->pkt_len = t->frame_bytes;
		if (new_is_due(t))
			put_new_client(t, frame);
		else
			put_next(t, frame);
	}
	t->given += count;
	return count;
}
