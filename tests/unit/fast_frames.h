/* SPDX-License-Identifier: BSD-3-Clause */
/* Random frames for fast_scene.h: mostly what established flows send, and all that it is not. */
#ifndef TESTS_FAST_FRAMES_H
#define TESTS_FAST_FRAMES_H

#include "fast_scene.h"

/* How much of a burst is out of the ordinary. */
enum scene_dirt {
	SCENE_CLEAN,  /* nothing */
	SCENE_MIXED,  /* flags, TTLs, lengths, routers */
	SCENE_BROKEN, /* whatever can be wrong */
	SCENE_DIRTS,
};

struct scene_frame {
	uint8_t bytes[FRAME_MAX_BYTES];
	uint32_t length;
	int flow; /* connection and direction; -1: it may be any */
};

static inline struct flow_key
scene_key(const struct scene_connection *c)
{
	struct flow_key key = {
		.port_be = htons(c->port),
		.service = c->service,
		.version = c->version,
	};

	memcpy(key.address, c->client, field_address_bytes(c->version));
	return key;
}

/* The server's end of a connection, as the flow's entry in this world says, or any. */
static inline void
scene_server_end(struct scene *s, const struct bed_world *w, const struct scene_connection *c,
	struct frame_spec *spec)
{
	uint32_t id = 1 + scene_random(s, SCENE_SERVERS - 1) + (c->version == 6) * SCENE_SERVERS;
	const struct scene_service *service = scene_service_of(c);
	const struct gen_source *sources = s->generation->sources;
	unsigned int bytes = field_address_bytes(c->version);
	struct flow_key key = scene_key(c);
	const struct gen_server *server;
	uint64_t value = 0;

	if (service == &scene_services[SCENE_RANGE - 1])
		key.extra = htons(service->port);
	if (s->generation->services[c->service].version)
		value = flow_peek(w->tracker->flows, &key, w->tick);
	if (value && flow_server(value) < s->generation->server_count)
		id = flow_server(value);
	server = &s->generation->servers[id];
	memcpy(spec->src, server->address, bytes);
	spec->sport = server->port_be ? ntohs(server->port_be) : service->port;
	memcpy(spec->dst, c->client, bytes);
	spec->dport = c->port;
	if (flow_source(value))
		spec->dport = flow_source_port(value);
	if (s->with_fullnat && scene_chance(s, 2))
		memcpy(spec->dst, sources[c->version == 4 ? 1 : 2].address, bytes);
	if (flow_source(value) && flow_source(value) != FLOW_SOURCE_CLIENT)
		memcpy(spec->dst, sources[flow_source(value)].address, bytes);
}

static inline uint8_t
scene_flags(struct scene *s, enum scene_dirt dirt)
{
	static const uint8_t seldom[] = { PKT_SYN, PKT_SYN | PKT_ACK, PKT_FIN | PKT_ACK, PKT_RST,
		PKT_RST | PKT_ACK, 0, PKT_SYN | PKT_FIN, PKT_FIN, 0xff };
	static const uint8_t extra[] = { 0, PKT_PSH, PKT_URG, 0xc0 };

	if (dirt != SCENE_CLEAN && scene_chance(s, 12))
		return seldom[scene_random(s, sizeof(seldom))];
	return PKT_ACK | extra[scene_random(s, sizeof(extra))];
}

static inline void
scene_fix_ip4(struct scene_frame *f)
{
	if ((f->bytes[14] & 0xf) >= 5) /* else it has been broken */
		frame_put16(f->bytes + 24, frame_ip4_checksum(f->bytes + 14));
}

/* Tags between the addresses and the type. */
static inline void
scene_tag(struct scene *s, struct scene_frame *f)
{
	static const uint16_t types[] = { 0x8100, 0x88a8, 0x9100 };

	memmove(f->bytes + 16, f->bytes + 12, f->length - 12);
	frame_put16(f->bytes + 12, types[scene_random(s, 3)]);
	frame_put16(f->bytes + 14, scene_random(s, 3) * 100);
	f->length += 4;
}

static inline bool
scene_is_ip6(const struct scene_frame *f)
{
	return frame_get16(f->bytes + 12) == ETHERTYPE_IP6;
}

/* What the flow can still be told from. */
static inline void
scene_vary(struct scene *s, struct scene_frame *f)
{
	static const uint8_t ttls[] = { 0, 1, 2, 255 };
	uint8_t *ip = f->bytes + FAST_L3;

	if (scene_chance(s, 5))
		ip[scene_is_ip6(f) ? IP6_HOP_LIMIT : IP4_TTL] = ttls[scene_random(s, sizeof(ttls))];
	if (scene_chance(s, 5))
		f->bytes[11] = (uint8_t)scene_random(s, 4);
	if (scene_is_ip6(f)) { /* traffic class, and the flow label */
		ip[0] = (uint8_t)(0x60 | scene_random(s, 16));
		frame_random_bytes(&s->random, ip + 1, 3);
	} else {
		ip[1] = (uint8_t)scene_random(s, 256);
		/* "Don't fragment", and the bit that means nothing. */
		ip[6] = (uint8_t)((ip[6] & 0x3f) | scene_random(s, 4) << 6);
		scene_fix_ip4(f);
	}
	if (scene_chance(s, 3))
		scene_tag(s, f);
}

/* A fragment of a datagram, or not any more. */
static inline void
scene_fragment(struct scene *s, struct scene_frame *f)
{
	uint8_t *ip = f->bytes + FAST_L3;

	if (!scene_is_ip6(f)) {
		frame_put16(ip + 6,
			scene_chance(s, 50) ? 1u << scene_random(s, 16) : scene_random(s, 0x4000));
		scene_fix_ip4(f);
		return;
	}
	memmove(ip + IP6_BYTES + 8, ip + IP6_BYTES, f->length - FAST6_L4);
	memset(ip + IP6_BYTES, 0, 8);
	ip[IP6_BYTES] = ip[6];
	ip[6] = 44;
	frame_put16(ip + IP6_BYTES + 2, scene_random(s, 3));
	frame_put16(ip + 4, frame_get16(ip + 4) + 8);
	f->length += 8;
}

/* Source addresses that no packet may have, or that are the destination. */
static inline void
scene_forbid(struct scene *s, struct scene_frame *f)
{
	static const char *const sources[] = { "::", "::1", "ff02::1", "::ffff:192.0.2.1" };
	uint32_t which = scene_random(s, sizeof(sources) / sizeof(sources[0]) + 1);
	uint8_t *ip = f->bytes + FAST_L3;
	struct shunt_addr source;

	if (!scene_is_ip6(f)) {
		f->bytes[26] = (uint8_t)scene_random(s, 256);
		scene_fix_ip4(f);
		return;
	}
	if (which == sizeof(sources) / sizeof(sources[0])) {
		memcpy(ip + IP6_SOURCE, ip + IP6_DESTINATION, 16);
		return;
	}
	source = helper_addr(sources[which]);
	memcpy(ip + (scene_chance(s, 80) ? IP6_SOURCE : IP6_DESTINATION), source.bytes, 16);
}

/* Whatever can be wrong, mostly in a header; mostly with its checksum put right again. */
static inline void
scene_break(struct scene *s, struct scene_frame *f)
{
	unsigned int l4 = scene_is_ip6(f) ? FAST6_L4 : FAST_L4;
	uint32_t at = 12 + scene_random(s, l4 + 20 - 12);
	bool ip6 = scene_is_ip6(f);

	switch (scene_random(s, 7)) {
	case 0:
		f->length = scene_random(s, f->length + 1);
		break;
	case 1:
		scene_fragment(s, f);
		break;
	case 2:
		f->bytes[at % f->length] = (uint8_t)scene_random(s, 256);
		break;
	case 3: /* lengths */
		at = scene_chance(s, 50) ? (ip6 ? FAST_L3 + 4 : FAST_L3 + 2) : l4 + UDP_LENGTH;
		frame_put16(f->bytes + at, frame_get16(f->bytes + at) + scene_random(s, 65) - 32);
		if (!ip6)
			scene_fix_ip4(f);
		break;
	case 4:
		scene_forbid(s, f);
		break;
	default:
		f->bytes[at % f->length] ^= (uint8_t)(1u << scene_random(s, 8));
		if (!ip6)
			scene_fix_ip4(f);
	}
	f->flow = -1;
}

static inline void
scene_frame_ip6(struct scene *s, struct scene_frame *f)
{
	struct frame_spec spec = frame_default(6, scene_chance(s, 50) ? SHUNT_TCP : SHUNT_UDP);
	struct shunt_addr vip = helper_addr("2001:db8::10");

	memcpy(spec.dst, vip.bytes, 16);
	spec.src[15] = (uint8_t)(1 + scene_random(s, 4));
	spec.flags = scene_chance(s, 50) ? PKT_SYN : PKT_ACK;
	f->length = (uint32_t)frame_build(f->bytes, &spec);
	f->flow = -1;
}

/* IP options, or extension headers: hop-by-hop, for the destination, routing, a whole fragment. */
static inline void
scene_options(struct scene *s, struct frame_spec *spec)
{
	static const uint8_t options[] = { 1, 1, 1, 0 }, kinds[] = { 0, 43, 44, 60 };
	static uint8_t extension[8];

	if (spec->version == 4) {
		spec->options = options;
		spec->options_bytes = sizeof(options);
		return;
	}
	extension[0] = spec->protocol;
	spec->next = kinds[scene_random(s, sizeof(kinds))];
	spec->extensions = extension;
	spec->extensions_bytes = sizeof(extension);
}

/* What a connection's one end sends to the other. */
static inline struct frame_spec
scene_spec(struct scene *s, const struct bed_world *w, const struct scene_connection *c,
	bool to_server)
{
	const struct scene_service *service = scene_service_of(c);
	unsigned int bytes = field_address_bytes(c->version);
	struct shunt_addr vip = scene_address(service->address, c->version == 6);
	struct frame_spec spec = frame_default(c->version, service->protocol);

	memcpy(spec.src, c->client, bytes);
	memcpy(spec.dst, vip.bytes + 16 - bytes, bytes);
	spec.sport = c->port;
	spec.dport = service->port;
	if (!to_server)
		scene_server_end(s, w, c, &spec);
	return spec;
}

/* Another server of the same backend, be it the flow's or not. */
static inline void
scene_other_server(struct scene *s, const struct scene_connection *c, struct frame_spec *spec)
{
	uint8_t backend = scene_service_of(c)->backend;
	uint32_t id, wide = c->version == 6;
	const struct gen_server *server;

	do {
		id = 1 + scene_random(s, SCENE_SERVERS);
	} while (scene_servers[id - 1].backend != backend || (id == SCENE_SERVERS && s->gone));
	server = &s->generation->servers[id + wide * SCENE_SERVERS];
	memcpy(spec->src, server->address, field_address_bytes(c->version));
	spec->sport = ntohs(server->port_be);
}

/* One frame of a connection. */
static inline void
scene_draw_frame(struct scene *s, const struct bed_world *w, unsigned int connection,
	bool to_server, enum scene_dirt dirt, struct scene_frame *f)
{
	const struct scene_connection *c = &s->connections[connection];
	uint8_t payload[1500], *checksum;
	struct frame_spec spec;

	if (dirt == SCENE_BROKEN && scene_chance(s, 2)) {
		scene_frame_ip6(s, f);
		return;
	}
	spec = scene_spec(s, w, c, to_server);
	if (dirt != SCENE_CLEAN && !to_server && scene_chance(s, 5))
		scene_other_server(s, c, &spec);
	spec.flags = scene_flags(s, dirt);
	spec.payload = payload;
	spec.payload_bytes = scene_random(s, scene_chance(s, 10) ? 1473 : 40);
	frame_random_bytes(&s->random, payload, spec.payload_bytes);
	if (dirt != SCENE_CLEAN && scene_chance(s, 2))
		scene_options(s, &spec);
	f->length = (uint32_t)frame_build(f->bytes, &spec);
	f->bytes[11] = to_server ? c->mac : 9;
	f->flow = (int)(2 * connection + to_server);
	checksum = f->bytes + scene_l4(c) + field_l4_checksum(spec.protocol);
	if (spec.protocol == SHUNT_UDP && scene_chance(s, 10))
		memset(checksum, 0, 2);
	else if (scene_chance(s, 5)) /* wrong, and to stay so; or one that is 0 or 0xffff */
		memset(checksum, scene_chance(s, 50) ? 0xff : 0, 2);
	if (dirt != SCENE_CLEAN && !spec.options_bytes)
		scene_vary(s, f);
	if (dirt == SCENE_BROKEN && scene_chance(s, 12))
		scene_break(s, f);
	/* As on a wire, or else. */
	while (f->length < 60 && scene_chance(s, 98))
		f->bytes[f->length++] = 0x5a;
	if (scene_chance(s, 5))
		f->bytes[f->length++] = 0x5a;
}

/* A burst of frames, the same for all worlds; returns the port that it comes in on. */
static inline uint8_t
scene_draw_burst(struct scene *s, struct bed_world *const *worlds, unsigned int count,
	unsigned int n, enum scene_dirt dirt, struct scene_frame *frames)
{
	bool one_way = scene_chance(s, 50), to_server = scene_chance(s, 50);
	bool mostly_clean = scene_chance(s, 50);
	unsigned int among = scene_chance(s, 40) ? 1 + scene_random(s, 12) : SCENE_CONNECTIONS;
	unsigned int first = scene_random(s, SCENE_CONNECTIONS);

	for (unsigned int i = 0; i < n; i++) {
		unsigned int which = (first + scene_random(s, among)) % SCENE_CONNECTIONS;

		if (!one_way)
			to_server = scene_chance(s, 50);
		scene_draw_frame(s, worlds[0], which, to_server,
			mostly_clean && scene_chance(s, 90) ? SCENE_CLEAN : dirt, &frames[i]);
		for (unsigned int k = 0; k < count; k++)
			bed_put(worlds[k], frames[i].bytes, frames[i].length);
	}
	/* Often where the clients are. */
	return (uint8_t)(scene_chance(s, 80) ? 0 : scene_random(s, BED_PORTS));
}

/* Handshakes of all connections, a step of each at a time. */
static inline void
scene_connect(struct scene *s, struct bed_world *const *worlds, unsigned int count)
{
	static const uint8_t flags[] = { PKT_SYN, PKT_SYN | PKT_ACK, PKT_ACK };
	struct scene_frame f;

	for (unsigned int i = 0; i < SCENE_CONNECTIONS * sizeof(flags); i++) {
		unsigned int step = i / SCENE_CONNECTIONS;
		unsigned int which = i % SCENE_CONNECTIONS;
		const struct scene_connection *c = &s->connections[which];

		scene_draw_frame(s, worlds[0], which, step != 1, SCENE_CLEAN, &f);
		if (scene_service_of(c)->protocol == SHUNT_TCP)
			f.bytes[scene_l4(c) + 13] = flags[step];
		for (unsigned int k = 0; k < count; k++) {
			bed_put(worlds[k], f.bytes, f.length);
			bed_walk(worlds[k], step == 1 ? 1 : 0);
			bed_clear(worlds[k]);
		}
	}
}

#endif
