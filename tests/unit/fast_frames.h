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

/* The server's end of a connection, as the flow's entry in this world says, or any. */
static inline void
scene_server_end(struct scene *s, const struct bed_world *w, const struct scene_connection *c,
	struct frame_spec *spec)
{
	struct flow_key key = { .port_be = htons(c->port), .service = c->service, .version = 4 };
	uint32_t id = 1 + scene_random(s, SCENE_SERVERS);
	const struct gen_server *server;
	uint64_t value = 0;

	memcpy(key.address, c->client, 4);
	if (c->service == SCENE_RANGE)
		key.extra = htons(scene_services[SCENE_RANGE - 1].port);
	if (s->generation->services[c->service].version)
		value = flow_peek(w->tracker->flows, &key, w->tick);
	if (value)
		id = flow_server(value);
	server = &s->generation->servers[id];
	memcpy(spec->src, server->address, 4);
	spec->sport =
		server->port_be ? ntohs(server->port_be) : scene_services[c->service - 1].port;
	memcpy(spec->dst, c->client, 4);
	spec->dport = c->port;
	if (flow_source(value))
		spec->dport = flow_source_port(value);
	if (s->with_fullnat && scene_chance(s, 2))
		memcpy(spec->dst, s->generation->sources[1].address, 4);
	if (flow_source(value) && flow_source(value) != FLOW_SOURCE_CLIENT)
		memcpy(spec->dst, s->generation->sources[flow_source(value)].address, 4);
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

/* What the flow can still be told from. */
static inline void
scene_vary(struct scene *s, struct scene_frame *f)
{
	static const uint8_t ttls[] = { 0, 1, 2, 255 };

	if (scene_chance(s, 5))
		f->bytes[22] = ttls[scene_random(s, sizeof(ttls))];
	if (scene_chance(s, 5))
		f->bytes[11] = (uint8_t)scene_random(s, 4);
	f->bytes[15] = (uint8_t)scene_random(s, 256);
	/* "Don't fragment", and the bit that means nothing. */
	f->bytes[20] = (uint8_t)((f->bytes[20] & 0x3f) | scene_random(s, 4) << 6);
	scene_fix_ip4(f);
	if (scene_chance(s, 3))
		scene_tag(s, f);
}

/* Whatever can be wrong, mostly in a header; mostly with its checksum put right again. */
static inline void
scene_break(struct scene *s, struct scene_frame *f)
{
	uint32_t at = 12 + scene_random(s, 42);

	switch (scene_random(s, 6)) {
	case 0:
		f->length = scene_random(s, f->length + 1);
		break;
	case 1: /* a fragment */
		frame_put16(f->bytes + 20,
			scene_chance(s, 50) ? 1u << scene_random(s, 16) : scene_random(s, 0x4000));
		scene_fix_ip4(f);
		break;
	case 2:
		f->bytes[at % f->length] = (uint8_t)scene_random(s, 256);
		break;
	case 3: /* lengths */
		at = scene_chance(s, 50) ? 16 : 38;
		frame_put16(f->bytes + at, frame_get16(f->bytes + at) + scene_random(s, 65) - 32);
		scene_fix_ip4(f);
		break;
	default:
		f->bytes[at % f->length] ^= (uint8_t)(1u << scene_random(s, 8));
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

/* One frame of a connection. */
static inline void
scene_draw_frame(struct scene *s, const struct bed_world *w, unsigned int connection,
	bool to_server, enum scene_dirt dirt, struct scene_frame *f)
{
	static const uint8_t options[] = { 1, 1, 1, 0 };
	const struct scene_connection *c = &s->connections[connection];
	const struct scene_service *service = &scene_services[c->service - 1];
	struct shunt_addr vip = helper_addr(service->address);
	struct frame_spec spec = frame_default(4, service->protocol);
	uint8_t payload[1500];

	if (dirt == SCENE_BROKEN && scene_chance(s, 2)) {
		scene_frame_ip6(s, f);
		return;
	}
	memcpy(spec.src, c->client, 4);
	memcpy(spec.dst, vip.bytes + 12, 4);
	spec.sport = c->port;
	spec.dport = service->port;
	if (!to_server)
		scene_server_end(s, w, c, &spec);
	spec.flags = scene_flags(s, dirt);
	spec.payload = payload;
	spec.payload_bytes = scene_random(s, scene_chance(s, 10) ? 1473 : 40);
	frame_random_bytes(&s->random, payload, spec.payload_bytes);
	if (dirt != SCENE_CLEAN && scene_chance(s, 2)) {
		spec.options = options;
		spec.options_bytes = sizeof(options);
	}
	f->length = (uint32_t)frame_build(f->bytes, &spec);
	f->bytes[11] = to_server ? c->mac : 9;
	f->flow = (int)(2 * connection + to_server);
	if (spec.protocol == SHUNT_UDP && scene_chance(s, 10))
		memset(f->bytes + 40, 0, 2);
	else if (scene_chance(s, 5)) /* wrong, and to stay so; or one that is 0 or 0xffff */
		memset(f->bytes + (spec.protocol == SHUNT_TCP ? 50 : 40),
			scene_chance(s, 50) ? 0xff : 0, 2);
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
		size_t l4 = 14 + 20;

		scene_draw_frame(s, worlds[0], i % SCENE_CONNECTIONS, step != 1, SCENE_CLEAN, &f);
		if (f.bytes[23] == SHUNT_TCP)
			f.bytes[l4 + 13] = flags[step];
		for (unsigned int k = 0; k < count; k++) {
			bed_put(worlds[k], f.bytes, f.length);
			bed_walk(worlds[k], step == 1 ? 1 : 0);
			bed_clear(worlds[k]);
		}
	}
}

#endif
