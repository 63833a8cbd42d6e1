/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdio.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "image.h"
#include "shunt/selection.h"
#include "verify.h"

#define WAITING	   256 /* inputs whose output has not come yet: a few bursts at most */
#define FRAME_SIZE 160
#define SHOWN	   3 /* wrong packets that are printed */

struct frame {
	uint8_t bytes[FRAME_SIZE];
	uint32_t length;
};

struct verifier {
	struct world *world;
	struct verify_result *result;
	struct frame waiting[WAITING]; /* inputs, oldest first, in a ring */
	uint64_t in;
	uint64_t out;
};

/* The plain way, 16 bits at a time, so that it shares nothing with what it checks. */
static uint32_t
plain_sum(const uint8_t *at, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)at[i] << 8 | (i + 1 < bytes ? at[i + 1] : 0);
	return sum;
}

static void
plain_checksum_put(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

static void
recompute(uint8_t *ip, uint32_t length, bool with_tcp)
{
	unsigned int header = ip[0] >> 4 == 4 ? 20 : 40, at = header == 20 ? 12 : 8;
	uint8_t *tcp = ip + header;
	uint32_t sum;

	if (header == 20) {
		ip[10] = ip[11] = 0;
		plain_checksum_put(ip + 10, plain_sum(ip, 20, 0));
	}
	if (!with_tcp)
		return;
	sum = plain_sum(ip + at, header - at, SHUNT_TCP + length - header);
	tcp[16] = tcp[17] = 0;
	plain_checksum_put(tcp + 16, plain_sum(tcp, length - header, sum));
}

/* The server that the hash gives this client; in the worker it is in the flow table by then. */
static uint32_t
server_of_client(const struct verifier *v, const uint8_t *address, uint16_t port_be)
{
	const struct generation *g = v->world->generation;
	const struct gen_backend *backend = g->backends[1];
	struct shunt_selection_key key = { .client_port_be = port_be };
	uint32_t hash;

	if (v->world->scenario.version == 4)
		key.client = shunt_addr_from_v4(address);
	else
		memcpy(key.client.bytes, address, 16);
	hash = shunt_selection_hash(g->hash_secret, SHUNT_HASH_SOURCE_PORT, &key);
	return backend->members[backend->slots[shunt_selection_slot(hash, backend->slot_count)]]
		       .server -
		1;
}

static void
expect_ethernet(struct frame *f, uint8_t last)
{
	static const uint8_t ours[6] = { 2, 0, 0, 0, 0, 1 };
	const uint8_t to[6] = { 2, 0, 0, 0, 0, last };

	memcpy(f->bytes, to, 6);
	memcpy(f->bytes + 6, ours, 6);
}

/* Outer headers as RFC 2003 and RFC 2473 have them; what they leave open is taken from `seen`. */
static void
expect_ipip(const struct verifier *v, struct frame *f, uint32_t server, const struct frame *seen)
{
	unsigned int outer = v->world->scenario.version == 4 ? 20 : 40;
	const uint8_t *inner_ip = f->bytes + 14;
	uint32_t inner_length = f->length - 14;
	struct frame whole = { .length = f->length + outer };
	uint8_t *ip = whole.bytes + 14;
	struct traffic_end end;

	memcpy(whole.bytes, f->bytes, 14);
	memcpy(ip + outer, inner_ip, inner_length);
	memcpy(ip, seen->bytes + 14, outer);
	traffic_server(&v->world->scenario, server, &end);
	if (outer == 20) {
		ip[0] = 0x45;
		ip[2] = (uint8_t)((inner_length + 20) >> 8);
		ip[3] = (uint8_t)(inner_length + 20);
		ip[9] = 4;
		memcpy(ip + 16, end.address, 4);
	} else {
		ip[4] = (uint8_t)(inner_length >> 8);
		ip[5] = (uint8_t)inner_length;
		ip[6] = 41;
		memcpy(ip + 24, end.address, 16);
	}
	recompute(ip, inner_length + outer, false);
	*f = whole;
}

static void
expect_to_server(const struct verifier *v, struct frame *f, const struct frame *seen)
{
	const struct scenario *s = &v->world->scenario;
	unsigned int bytes = s->version == 4 ? 4 : 16, at = s->version == 4 ? 12 : 8;
	uint8_t *ip = f->bytes + 14, *tcp = ip + (s->version == 4 ? 20 : 40);
	struct traffic_end end;
	uint16_t sport_be;
	uint32_t server;

	memcpy(&sport_be, tcp, 2);
	server = server_of_client(v, ip + at, sport_be);
	expect_ethernet(f, 5);
	if (s->forward == SHUNT_TUNNEL)
		expect_ipip(v, f, server, seen);
	if (s->forward != SHUNT_NAT && s->forward != SHUNT_FULLNAT)
		return;
	traffic_server(s, server, &end);
	memcpy(ip + at + bytes, end.address, bytes);
	memcpy(tcp + 2, &end.port_be, 2);
	if (s->forward == SHUNT_FULLNAT) {
		/* Which port it is, is the worker's choice; replies show that it is the flow's. */
		image_source(s, &end);
		memcpy(ip + at, end.address, bytes);
		memcpy(tcp, seen->bytes + (tcp - f->bytes), 2);
	}
	ip[s->version == 4 ? 8 : 7]--;
	recompute(ip, f->length - 14, true);
}

static void
expect_to_client(const struct verifier *v, struct frame *f)
{
	const struct scenario *s = &v->world->scenario;
	unsigned int bytes = s->version == 4 ? 4 : 16, at = s->version == 4 ? 12 : 8;
	uint8_t *ip = f->bytes + 14, *tcp = ip + (s->version == 4 ? 20 : 40);
	uint64_t flow = (v->out) % s->flows;
	struct traffic_end end;

	expect_ethernet(f, 0xc);
	traffic_service(s, traffic_service_of(s, flow), &end);
	memcpy(ip + at, end.address, bytes);
	memcpy(tcp, &end.port_be, 2);
	traffic_client(s, flow, &end);
	memcpy(ip + at + bytes, end.address, bytes);
	memcpy(tcp + 2, &end.port_be, 2);
	ip[s->version == 4 ? 8 : 7]--;
	recompute(ip, f->length - 14, true);
}

static bool
is_answer(const struct frame *f)
{
	const uint8_t *ip = f->bytes + 14;

	return ip[(ip[0] >> 4 == 4 ? 20 : 40) + 13] == (PKT_SYN | PKT_ACK);
}

static void
show(const struct frame *expected, const struct frame *seen)
{
	const struct frame *both[2] = { expected, seen };

	for (int i = 0; i < 2; i++) {
		fprintf(stderr, "%s", i ? "seen     " : "expected ");
		for (uint32_t k = 0; k < both[i]->length; k++)
			fprintf(stderr, "%02x", both[i]->bytes[k]);
		fprintf(stderr, "\n");
	}
}

static void
frame_of(const struct rte_mbuf *m, struct frame *f)
{
	f->length = m->data_len < FRAME_SIZE ? m->data_len : FRAME_SIZE;
	memcpy(f->bytes, rte_pktmbuf_mtod(m, const uint8_t *), f->length);
}

static uint16_t
on_receive(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count, uint16_t max,
	void *context)
{
	struct verifier *v = context;

	(void)port;
	(void)queue;
	(void)max;
	for (uint16_t i = 0; i < count; i++) {
		struct frame *f = &v->waiting[v->in++ % WAITING];
		const uint8_t *ip = f->bytes + 14;

		frame_of(mbufs[i], f);
		/* The shortest frame may have padding, which is not sent on. */
		f->length = 14u + (ip[0] >> 4 == 4 ? 40 : 60);
	}
	return count;
}

static uint16_t
on_send(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count, void *context)
{
	struct verifier *v = context;

	(void)port;
	(void)queue;
	for (uint16_t i = 0; i < count; i++) {
		struct frame expected = v->waiting[v->out % WAITING], seen;

		frame_of(mbufs[i], &seen);
		if (is_answer(&expected))
			expect_to_client(v, &expected);
		else
			expect_to_server(v, &expected, &seen);
		v->out++;
		v->result->packets++;
		if (seen.length == expected.length &&
			memcmp(seen.bytes, expected.bytes, seen.length) == 0)
			continue;
		if (v->result->wrong++ < SHOWN)
			show(&expected, &seen);
	}
	return count;
}

/* Bursts are whole: `flows` is a multiple of the burst, so that no packet of a part is left over.
 */
int
verify(struct world *w, const struct scenario *scenario, struct verify_result *result)
{
	static struct verifier v;
	const struct rte_eth_rxtx_callback *receive, *send;
	uint16_t port = w->ports.port[0].id;
	int rc = world_open(w, scenario);

	if (rc < 0)
		return rc;
	*result = (struct verify_result){ 0 };
	v = (struct verifier){ .world = w, .result = result };
	receive = rte_eth_add_rx_callback(port, 0, on_receive, &v);
	send = rte_eth_add_tx_callback(port, 0, on_send, &v);
	traffic_start(w->traffic, TRAFFIC_OPEN);
	world_run(w, scenario->flows);
	if (scenario->forward == SHUNT_NAT || scenario->forward == SHUNT_FULLNAT) {
		v.in = v.out = 0;
		traffic_start(w->traffic, TRAFFIC_ANSWER);
		world_run(w, scenario->flows);
	}
	traffic_start(w->traffic, TRAFFIC_FLOW);
	v.in = v.out = 0;
	world_run(w, scenario->flows);
	result->missing = v.in - v.out;
	rte_eth_remove_tx_callback(port, 0, send);
	rte_eth_remove_rx_callback(port, 0, receive);
	world_close(w);
	return 0;
}
