/* SPDX-License-Identifier: BSD-3-Clause */
#include "expect.h"

#include <arpa/inet.h>

#include "image.h"
#include "pkt.h"
#include "shunt/selection.h"

enum {
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_TIMESTAMPS = 8,
	SERVERS_MAC = 5, /* last byte, as in image.c */
};

uint32_t
expect_server(const struct world *w, const struct traffic_end *client, uint32_t service)
{
	const struct generation *g = w->generation;
	const struct gen_backend *backend = g->backends[1];
	struct shunt_selection_key key = { .client_port_be = client->port_be };
	struct traffic_end end;
	uint32_t hash;

	traffic_service(&w->scenario, service, &end);
	key.client = image_address(&w->scenario, client);
	key.service = image_address(&w->scenario, &end);
	key.service_port_be = end.port_be;
	key.protocol = traffic_is_udp(&w->scenario, client) ? SHUNT_UDP : SHUNT_TCP;
	hash = shunt_selection_hash(g->hash_secret, image_hash_on(&w->scenario), &key);
	return backend->members[backend->slots[shunt_selection_slot(hash, backend->slot_count)]]
		       .server -
		1;
}

/* Padding is not sent on, and neither is a tag that has a priority only. */
static void
trim(struct frame *f, uint8_t to_mac)
{
	const uint8_t head[12] = { 2, 0, 0, 0, 0, to_mac, 2, 0, 0, 0, 0, 1 };
	struct frame_layout l;

	frame_layout(f, &l);
	f->length = l.end;
	if (l.l3 > 14) {
		memmove(f->bytes + 12, f->bytes + 16, f->length - 16);
		f->length -= 4;
	}
	memcpy(f->bytes, head, sizeof(head));
}

/*
 * Outer headers as RFC 2003 and RFC 2473 have them; what they leave open is taken from `seen`. DSCP
 * and ECN are copied (RFC 2983, RFC 6040).
 */
static void
wrap(const struct world *w, struct frame *f, uint32_t server, const struct frame *seen)
{
	bool v4 = w->scenario.version == 4;
	uint32_t outer = v4 ? 20 : 40, inner_bytes = f->length - 14;
	uint8_t *ip = f->bytes + 14;
	struct traffic_end from, to;
	struct frame_layout l;

	memmove(ip + outer, ip, inner_bytes);
	if (seen)
		memcpy(ip, seen->bytes + 14, outer);
	f->length += outer;
	image_source(&w->scenario, 0, &from);
	traffic_server(&w->scenario, server, &to);
	ip[0] = v4 ? 0x45 : ip[outer];
	ip[1] = v4 ? ip[outer + 1] : (uint8_t)((ip[1] & 0xf) | (ip[outer + 1] & 0xf0));
	frame_put_be16(f, v4 ? 16 : 18, v4 ? inner_bytes + 20 : inner_bytes);
	ip[v4 ? 9 : 6] = v4 ? 4 : 41;
	memcpy(ip + (v4 ? 12 : 8), from.address, v4 ? 4 : 16);
	memcpy(ip + (v4 ? 16 : 24), to.address, v4 ? 4 : 16);
	frame_layout(f, &l);
	frame_put_ip_checksum(f, &l);
}

/* In full NAT a SYN's timestamps become padding: dataplane/fullnat.c says why. */
static void
strip_timestamps(struct frame *f, const struct frame_layout *l)
{
	uint32_t at = l->l4 + 20, end = l->l4 + (f->bytes[l->l4 + 12] >> 4) * 4u;

	if (l->protocol != SHUNT_TCP || !(f->bytes[l->l4 + 13] & PKT_SYN))
		return;
	while (at < end && f->bytes[at] != TCP_OPTION_END) {
		uint32_t bytes = f->bytes[at] == TCP_OPTION_NOP ? 1 : f->bytes[at + 1];

		if (f->bytes[at] == TCP_OPTION_TIMESTAMPS)
			memset(f->bytes + at, TCP_OPTION_NOP, bytes);
		at += bytes;
	}
}

static void
put_end(struct frame *f, uint32_t address_at, uint32_t bytes, uint32_t port_at,
	const struct traffic_end *end)
{
	memcpy(f->bytes + address_at, end->address, bytes);
	memcpy(f->bytes + port_at, &end->port_be, 2);
}

/* NAT of both kinds, either way. */
static void
translate(const struct world *w, const struct expect_input *input, uint32_t server, struct frame *f)
{
	const struct scenario *s = &w->scenario;
	bool full = s->forward == SHUNT_FULLNAT;
	struct traffic_end source, destination;
	struct frame_layout l;
	uint16_t sum;

	frame_layout(f, &l);
	sum = frame_l4_sum(f, &l);
	if (input->to_client) {
		traffic_service(s, input->service, &source);
		destination = input->client;
	} else {
		source = input->client;
		traffic_server(s, server, &destination);
		if (full)
			world_source(w, &input->client, input->service, &source);
	}
	put_end(f, l.source, l.address_bytes, l.l4, &source);
	put_end(f, l.destination, l.address_bytes, l.l4 + 2, &destination);
	if (full && !input->to_client)
		strip_timestamps(f, &l);
	f->bytes[l.ttl]--;
	frame_put_ip_checksum(f, &l);
	frame_put_l4_checksum(f, &l, sum);
}

void
expect(const struct world *w, const struct expect_input *input, const struct frame *seen,
	struct frame *out)
{
	uint8_t forward = w->scenario.forward;
	uint32_t server = expect_server(w, &input->client, input->service);

	*out = input->frame;
	trim(out, input->to_client ? input->router : SERVERS_MAC);
	if (forward == SHUNT_NAT || forward == SHUNT_FULLNAT)
		translate(w, input, server, out);
	else if (forward == SHUNT_TUNNEL)
		wrap(w, out, server, seen);
}
