/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <arpa/inet.h>

#include "frames.h"
#include "parse.h"
#include "tunnel.h"

#define MTU	 1500
#define GUE_PORT 6080

static const struct shunt_mac port_macs[3] = { { { 2, 1, 1, 1, 1, 0 } }, { { 2, 1, 1, 1, 1, 1 } },
	{ { 2, 1, 1, 1, 1, 2 } } };
static const uint16_t port_mtus[3] = { 9000, 9000, MTU };

/* A packet with just the room in front of it that it needs, so that a sanitizer sees a byte more.
 */
struct scene {
	struct gen_server server;
	struct pkt p;
	uint8_t *room;
	uint8_t before[FRAME_MAX_BYTES];
	size_t bytes;
};

static struct gen_server
tunnel_server(enum shunt_encap encap, uint8_t version)
{
	struct gen_server server = {
		.version = version,
		.forward = SHUNT_TUNNEL,
		.encap = encap,
		.encap_port_be = encap == SHUNT_GUE ? htons(GUE_PORT) : 0,
		.link.known = 1,
		.link.port = 2,
		.link.mac = { { 2, 9, 9, 9, 9, 9 } },
		.address = { 10, 0, 0, 11 },
		.source = { 10, 0, 0, 1 },
	};

	if (version == 6) {
		memcpy(server.address, "\xfd\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b", 16);
		memcpy(server.source, "\xfd\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	}
	return server;
}

static void
scene_create(struct scene *c, enum shunt_encap encap, uint8_t outer, const struct frame_spec *s)
{
	unsigned int overhead;

	c->server = tunnel_server(encap, outer);
	overhead = tunnel_overhead(&c->server);
	c->bytes = frame_build(c->before, s);
	c->room = malloc(overhead + c->bytes);
	if (!c->room)
		abort();
	memset(c->room, 0xa5, overhead);
	memcpy(c->room + overhead, c->before, c->bytes);
	c->p = (struct pkt){
		.data = c->room + overhead,
		.bytes = (uint32_t)c->bytes,
		.headroom = (uint16_t)overhead,
		.owner_hash = 0x12345678,
	};
	parse_pkt(&c->p);
	CU_ASSERT_EQUAL_FATAL(c->p.drop, SHUNT_DROP_NONE);
}

static void
scene_destroy(struct scene *c)
{
	free(c->room);
}

/* What the server sees of the outer IP header; returns the protocol. */
static uint8_t
check_outer_ip(const struct scene *c, const uint8_t *ip, size_t bytes, uint8_t class)
{
	if (c->server.version == 4) {
		CU_ASSERT_EQUAL(ip[0], 0x45);
		CU_ASSERT_EQUAL(ip[1], class);
		CU_ASSERT_EQUAL(frame_get16(ip + 2), bytes);
		CU_ASSERT_EQUAL(frame_get16(ip + 6), 0x4000);
		CU_ASSERT_EQUAL(ip[8], 64);
		CU_ASSERT_EQUAL(frame_get16(ip + 10), frame_ip4_checksum(ip));
		CU_ASSERT_EQUAL(memcmp(ip + 12, c->server.source, 4), 0);
		CU_ASSERT_EQUAL(memcmp(ip + 16, c->server.address, 4), 0);
		return ip[9];
	}
	CU_ASSERT_EQUAL(ip[0] >> 4, 6);
	CU_ASSERT_EQUAL((frame_get16(ip) >> 4 & 0xff), class);
	CU_ASSERT_EQUAL(frame_get16(ip + 4), bytes - 40);
	CU_ASSERT_EQUAL(ip[7], 64);
	CU_ASSERT_EQUAL(memcmp(ip + 8, c->server.source, 16), 0);
	CU_ASSERT_EQUAL(memcmp(ip + 24, c->server.address, 16), 0);
	return ip[6];
}

/* Takes the outer headers off as a server does; returns where the inner packet begins. */
static const uint8_t *
decapsulate(const struct scene *c, const uint8_t *ip, size_t bytes, uint8_t class)
{
	uint8_t protocol = check_outer_ip(c, ip, bytes, class);
	size_t header = c->server.version == 4 ? 20 : 40;
	const uint8_t *shim = ip + header;
	bool inner4 = c->p.version == 4;

	switch (c->server.encap) {
	case SHUNT_GUE:
		CU_ASSERT_EQUAL(protocol, 17);
		CU_ASSERT(frame_get16(shim) >= 49152);
		CU_ASSERT_EQUAL(frame_get16(shim + 2), GUE_PORT);
		CU_ASSERT_EQUAL(frame_get16(shim + 4), bytes - header);
		CU_ASSERT_EQUAL(frame_get16(shim + 6),
			c->server.version == 4
				? 0
				: frame_l4_checksum(ip, shim, SHUNT_UDP, bytes - header));
		CU_ASSERT_EQUAL(shim[8] >> 6, 1); /* GUE variant 1 */
		return shim + 8;
	case SHUNT_GRE:
		CU_ASSERT_EQUAL(protocol, 47);
		CU_ASSERT_EQUAL(frame_get16(shim), 0);
		CU_ASSERT_EQUAL(frame_get16(shim + 2), inner4 ? 0x0800 : 0x86dd);
		return shim + 4;
	default:
		CU_ASSERT_EQUAL(protocol, inner4 ? 4 : 41);
		return shim;
	}
}

static void
check_round_trip(enum shunt_encap encap, uint8_t outer, const struct frame_spec *s, uint8_t class)
{
	unsigned int overhead;
	struct scene c;
	const uint8_t *inner;

	scene_create(&c, encap, outer, s);
	if (s->version == 4) {
		c.p.data[15] = c.before[15] = class;
		frame_put16(c.before + 24, frame_ip4_checksum(c.before + 14));
	} else {
		frame_put16(c.before + 14, 0x6000 | class << 4 | 0xd);
	}
	memcpy(c.p.data, c.before, c.bytes);
	overhead = tunnel_overhead(&c.server);
	tunnel_to_server(&c.p, &c.server, port_macs, port_mtus);
	CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(c.p.out_port, 2);
	CU_ASSERT_EQUAL(c.p.bytes, c.bytes + overhead);
	CU_ASSERT_PTR_EQUAL(c.p.data, c.room);
	CU_ASSERT_EQUAL(c.p.headroom, 0);
	CU_ASSERT_EQUAL(memcmp(c.p.data, c.server.link.mac.bytes, 6), 0);
	CU_ASSERT_EQUAL(memcmp(c.p.data + 6, port_macs[2].bytes, 6), 0);
	CU_ASSERT_EQUAL(frame_get16(c.p.data + 12), outer == 4 ? 0x0800 : 0x86dd);
	inner = decapsulate(&c, c.p.data + 14, c.p.bytes - 14, class);
	CU_ASSERT_PTR_EQUAL(inner, c.p.data + c.p.l3_offset);
	CU_ASSERT_EQUAL(pkt_ip_bytes(&c.p), c.bytes - 14);
	CU_ASSERT_EQUAL(frame_get16(c.p.data + c.p.l4_offset), s->sport);
	CU_ASSERT_EQUAL(memcmp(inner, c.before + 14, c.bytes - 14), 0);
	scene_destroy(&c);
}

/* Every encapsulation, inner and outer family, protocol, DSCP and ECN, many lengths. */
static void
test_round_trip(void)
{
	static const uint8_t protocols[] = { SHUNT_TCP, SHUNT_UDP };
	static const uint8_t classes[] = { 0, 0xb8, 1, 2, 3, 0xff };
	uint8_t payload[1400];
	uint64_t state = 3;

	frame_random_bytes(&state, payload, sizeof(payload));
	for (unsigned int k = 0; k < 8; k++) {
		struct frame_spec s = frame_default(k & 1 ? 4 : 6, protocols[k >> 1 & 1]);

		s.payload = payload;
		for (unsigned int n = 0; n < 120; n++) {
			s.payload_bytes = n < 100 ? n : frame_random(&state) % 1300;
			s.ttl = (uint8_t)(1 + n);
			for (enum shunt_encap e = SHUNT_IPIP; e < SHUNT_ENCAP_COUNT; e++)
				check_round_trip(e, k & 4 ? 4 : 6, &s, classes[n % 6]);
		}
	}
}

/* A checksum that comes out as 0 is sent as 0xffff: over IPv6, 0 is none and not allowed. */
static void
test_gue_checksum(void)
{
	struct frame_spec s = frame_default(6, SHUNT_UDP);
	unsigned int seen = 0;
	uint8_t payload[2];

	s.payload = payload;
	s.payload_bytes = sizeof(payload);
	for (unsigned int word = 0; word < 65536; word++) {
		struct scene c;

		frame_put16(payload, word);
		scene_create(&c, SHUNT_GUE, 6, &s);
		/* The inner checksum evens the payload out, so that it is spoilt on purpose. */
		frame_put16(c.p.data + c.p.l4_offset + 6, 0x1234);
		tunnel_to_server(&c.p, &c.server, port_macs, port_mtus);
		CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_NOT_EQUAL(frame_get16(c.p.data + 54 + 6), 0);
		CU_ASSERT_EQUAL(frame_get16(c.p.data + 54 + 6),
			frame_l4_checksum(c.p.data + 14, c.p.data + 54, SHUNT_UDP, c.p.bytes - 54));
		seen += frame_get16(c.p.data + 54 + 6) == 0xffff;
		scene_destroy(&c);
	}
	CU_ASSERT(seen > 0);
}

/* One byte more than fits is refused, with what would fit; the packet is left alone. */
static void
test_too_big(void)
{
	static const uint8_t payload[MTU + 1];

	for (unsigned int k = 0; k < 4; k++) {
		for (enum shunt_encap e = SHUNT_IPIP; e < SHUNT_ENCAP_COUNT; e++) {
			struct frame_spec s = frame_default(k & 1 ? 4 : 6, SHUNT_UDP);
			struct gen_server server = tunnel_server(e, k & 2 ? 4 : 6);
			unsigned int fits = MTU - tunnel_overhead(&server);

			for (unsigned int bytes = fits - 2; bytes <= fits + 2; bytes++) {
				struct scene c;

				s.payload = payload;
				s.payload_bytes = bytes - (s.version == 4 ? 28 : 48);
				scene_create(&c, e, server.version, &s);
				tunnel_to_server(&c.p, &c.server, port_macs, port_mtus);
				CU_ASSERT_EQUAL(c.p.drop,
					bytes > fits ? SHUNT_DROP_TOO_BIG : SHUNT_DROP_NONE);
				if (c.p.drop) {
					CU_ASSERT_EQUAL(c.p.fit_bytes, fits);
					CU_ASSERT_EQUAL(memcmp(c.p.data, c.before, c.bytes), 0);
				}
				scene_destroy(&c);
			}
		}
	}
}

static void
test_dropped(void)
{
	struct frame_spec s = frame_default(4, SHUNT_TCP);
	struct scene c;

	scene_create(&c, SHUNT_GRE, 4, &s);
	c.server.link.known = 0;
	tunnel_to_server(&c.p, &c.server, port_macs, port_mtus);
	CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_NO_NEIGHBOR);
	CU_ASSERT_EQUAL(memcmp(c.p.data, c.before, c.bytes), 0);
	scene_destroy(&c);
	scene_create(&c, SHUNT_GRE, 4, &s);
	c.p.headroom--; /* no driver gives so little, but nothing may be written before it */
	tunnel_to_server(&c.p, &c.server, port_macs, port_mtus);
	CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_TOO_BIG);
	scene_destroy(&c);
}

static unsigned int
gue_source_port(uint32_t owner_hash, uint8_t outer)
{
	struct frame_spec s = frame_default(4, SHUNT_TCP);
	struct scene c;
	unsigned int port;

	scene_create(&c, SHUNT_GUE, outer, &s);
	c.p.owner_hash = owner_hash;
	tunnel_to_server(&c.p, &c.server, port_macs, port_mtus);
	port = frame_get16(c.p.data + (outer == 4 ? 34 : 54));
	scene_destroy(&c);
	return port;
}

/* The same for a flow, and spread over flows, those of one worker of many as well. */
static void
test_source_port(void)
{
	uint8_t buckets[64] = { 0 };
	uint64_t state = 11;
	unsigned int full = 0;

	for (unsigned int i = 0; i < 2000; i++) {
		uint32_t hash = (uint32_t)(frame_random(&state) >> 38); /* the first of 64 */
		unsigned int port = gue_source_port(hash, 4);

		CU_ASSERT(port >= 49152 && port <= 65535);
		CU_ASSERT_EQUAL(port, gue_source_port(hash, 6));
		buckets[(port - 49152) >> 8] = 1;
	}
	for (unsigned int i = 0; i < 64; i++)
		full += buckets[i];
	CU_ASSERT_EQUAL(full, 64);
}

static const struct unit_test tests[] = {
	{ "encapsulation and back", test_round_trip },
	{ "UDP checksum of GUE over IPv6", test_gue_checksum },
	{ "too big", test_too_big },
	{ "no neighbour, no room", test_dropped },
	{ "source port of GUE", test_source_port },
};

UNIT_MAIN("tunnel", tests)
