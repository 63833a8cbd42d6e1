/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <arpa/inet.h>

#include "checksum.h"
#include "fragments.h"
#include "nat.h"
#include "parse.h"

static const struct {
	uint8_t version;
	uint8_t protocol;
} kinds[] = { { 4, SHUNT_TCP }, { 4, SHUNT_UDP }, { 6, SHUNT_TCP }, { 6, SHUNT_UDP } };

#define KINDS  (sizeof(kinds) / sizeof(kinds[0]))
#define ROUNDS 20000

static const struct shunt_mac port_macs[3] = { { { 2, 1, 1, 1, 1, 0 } }, { { 2, 1, 1, 1, 1, 1 } },
	{ { 2, 1, 1, 1, 1, 2 } } };
static const struct link client_hop = { .mac = { { 2, 7, 7, 7, 7, 7 } }, .port = 0, .known = 1 };

/* A frame on its way, in memory of exactly its size, with the two ends it is between. */
struct scene {
	struct gen_service service;
	struct gen_server server;
	struct pkt p;
	uint8_t before[FRAME_MAX_BYTES];
	size_t bytes;
};

static size_t
address_bytes(uint8_t version)
{
	return version == 4 ? 4 : 16;
}

static void
scene_ends(struct scene *c, uint8_t version, uint8_t protocol, const uint8_t *service,
	uint16_t service_port, const uint8_t *server, uint16_t server_port)
{
	size_t n = address_bytes(version);

	memset(&c->service, 0, sizeof(c->service));
	memset(&c->server, 0, sizeof(c->server));
	memcpy(c->service.address, service, n);
	c->service.version = version;
	c->service.protocol = protocol;
	c->service.port_be = htons(service_port);
	c->service.l3_sum = checksum_l3_sum(service, n);
	c->service.l4_sum = checksum_l4_sum(c->service.l3_sum, c->service.port_be);
	memcpy(c->server.address, server, n);
	c->server.version = version;
	c->server.port_be = htons(server_port);
	c->server.l3_sum = checksum_l3_sum(server, n);
	c->server.l4_sum = checksum_l4_sum(c->server.l3_sum, c->server.port_be);
	c->server.link.known = 1;
	c->server.link.port = 2;
	c->server.link.mac = (struct shunt_mac){ { 2, 9, 9, 9, 9, 9 } };
}

/* Takes a frame that must parse. */
static void
scene_frame(struct scene *c, const uint8_t *frame, size_t bytes)
{
	memset(&c->p, 0, sizeof(c->p));
	memcpy(c->before, frame, bytes);
	c->bytes = bytes;
	c->p.data = frame_exact(frame, bytes);
	c->p.bytes = (uint32_t)bytes;
	c->p.out_port = 0xee;
	parse_pkt(&c->p);
	CU_ASSERT_EQUAL_FATAL(c->p.drop, SHUNT_DROP_NONE);
}

/* A client's packet, to a service, of a kind, with fixed ends. */
static void
scene_create(struct scene *c, unsigned int kind, const uint8_t *payload, size_t payload_bytes,
	uint8_t ttl)
{
	static const uint8_t server4[4] = { 10, 0, 0, 11 };
	static const uint8_t server6[16] = { 0xfd, 0, [15] = 0x11 };
	struct frame_spec s = frame_default(kinds[kind].version, kinds[kind].protocol);
	uint8_t frame[FRAME_MAX_BYTES];

	s.ttl = ttl;
	s.payload = payload;
	s.payload_bytes = payload_bytes;
	scene_ends(
		c, s.version, s.protocol, s.dst, s.dport, s.version == 4 ? server4 : server6, 8080);
	scene_frame(c, frame, frame_build(frame, &s));
}

static void
scene_destroy(struct scene *c)
{
	free(c->p.data);
}

static uint8_t *
scene_checksum(struct scene *c)
{
	return c->p.data + c->p.l4_offset + frame_checksum_offset(c->p.protocol);
}

/* Are the checksums in the frame those of full computation? */
static bool
checksums_are_right(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset, *l4 = p->data + p->l4_offset;

	if (p->version == 4 && frame_get16(ip + 10) != frame_ip4_checksum(ip))
		return false;
	return frame_get16(l4 + frame_checksum_offset(p->protocol)) ==
		frame_l4_checksum(ip, l4, p->protocol, p->bytes - p->l4_offset);
}

static bool
bytes_equal(const uint8_t *a, const void *b, size_t bytes)
{
	return memcmp(a, b, bytes) == 0;
}

/* Every field that must change has, and no other. */
static void
test_to_server_fields(void)
{
	static const uint8_t payload[3] = { 1, 2, 3 };

	for (unsigned int k = 0; k < KINDS; k++) {
		bool v4 = kinds[k].version == 4;
		size_t dst = 14 + (v4 ? 16 : 24), n = address_bytes(kinds[k].version);
		uint8_t want[FRAME_MAX_BYTES];
		struct scene c;

		scene_create(&c, k, payload, sizeof(payload), 64);
		nat_to_server(&c.p, &c.service, &c.server, port_macs);
		CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_EQUAL(c.p.out_port, 2);
		CU_ASSERT_EQUAL(c.p.bytes, c.bytes);

		memcpy(want, c.before, c.bytes);
		memcpy(want, c.server.link.mac.bytes, 6);
		memcpy(want + 6, port_macs[2].bytes, 6);
		memcpy(want + dst, c.server.address, n);
		want[14 + (v4 ? 8 : 7)] = 63;
		frame_put16(want + c.p.l4_offset + 2, 8080);
		if (v4)
			frame_put16(want + 24, frame_ip4_checksum(want + 14));
		frame_put16(want + c.p.l4_offset + frame_checksum_offset(c.p.protocol),
			frame_l4_checksum(want + 14, want + c.p.l4_offset, c.p.protocol,
				c.bytes - c.p.l4_offset));
		CU_ASSERT_TRUE(bytes_equal(want, c.p.data, c.bytes));
		scene_destroy(&c);
	}
}

static void
test_to_client_fields(void)
{
	static const struct link hop = { .mac = { { 2, 5, 5, 5, 5, 5 } }, .port = 1, .known = 1 };

	for (unsigned int k = 0; k < KINDS; k++) {
		bool v4 = kinds[k].version == 4;
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);
		size_t n = address_bytes(s.version);
		uint8_t service[16] = { 0x20, 0x02, 3, 4, 5 }, frame[FRAME_MAX_BYTES];
		struct scene c;

		scene_ends(&c, s.version, s.protocol, service, 443, s.src, s.sport);
		scene_frame(&c, frame, frame_build(frame, &s));
		nat_to_client(&c.p, &c.service, &c.server, &hop, port_macs);
		CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_EQUAL(c.p.out_port, 1);
		CU_ASSERT_TRUE(bytes_equal(c.p.data, hop.mac.bytes, 6));
		CU_ASSERT_TRUE(bytes_equal(c.p.data + 6, port_macs[1].bytes, 6));
		CU_ASSERT_TRUE(bytes_equal(c.p.data + 14 + (v4 ? 12 : 8), service, n));
		CU_ASSERT_TRUE(bytes_equal(c.p.data + 14 + (v4 ? 16 : 24), s.dst, n));
		CU_ASSERT_EQUAL(frame_get16(c.p.data + c.p.l4_offset), 443);
		CU_ASSERT_EQUAL(frame_get16(c.p.data + c.p.l4_offset + 2), s.dport);
		CU_ASSERT_EQUAL(c.p.data[14 + (v4 ? 8 : 7)], 63);
		CU_ASSERT_TRUE(checksums_are_right(&c.p));
		scene_destroy(&c);
	}
}

/* Random bytes, but often a word of all zeros or all ones, where checksums have their corners. */
static void
random_bytes(uint64_t *state, uint8_t *out, size_t bytes)
{
	frame_random_bytes(state, out, bytes);
	for (size_t i = 0; i + 1 < bytes; i += 2) {
		unsigned int kind = (unsigned int)(frame_random(state) >> 61);

		if (kind < 2)
			memset(out + i, kind ? 0xff : 0, 2);
	}
}

/* A random packet that parses, between random ends. */
static void
random_scene(struct scene *c, uint64_t *state, unsigned int kind)
{
	static const uint8_t options[2][8] = { { 1, 1, 1, 0 }, { 7, 7, 4, 0, 0, 0, 0, 0 } };
	struct frame_spec s = frame_default(kinds[kind].version, kinds[kind].protocol);
	uint8_t payload[96], extension[8] = { s.protocol }, server[16], frame[FRAME_MAX_BYTES];

	random_bytes(state, s.src, 16);
	random_bytes(state, s.dst, 16);
	random_bytes(state, server, 16);
	random_bytes(state, (uint8_t *)&s.sport, 2);
	random_bytes(state, (uint8_t *)&s.dport, 2);
	s.dport |= !s.dport; /* 0 is no port of a service */
	random_bytes(state, payload, sizeof(payload));
	s.src[0] = s.version == 4 ? 10 : 0x20;
	s.dst[0] = s.version == 4 ? 192 : 0x21;
	server[0] |= 1; /* no address is all zeros */
	s.ttl = (uint8_t)(2 + frame_random(state) % 254);
	s.payload = payload;
	s.payload_bytes = frame_random(state) % (sizeof(payload) + 1);
	s.options = options[frame_random(state) >> 63];
	s.options_bytes = (frame_random(state) >> 62) == 0 ? 8 : 0;
	s.next = 60;
	s.extensions = extension;
	s.extensions_bytes = s.options_bytes;
	scene_ends(c, s.version, s.protocol, s.dst, s.dport, server,
		(uint16_t)(frame_random(state) >> 48 | 1));
	scene_frame(c, frame, frame_build(frame, &s));
}

/* A server's answer to what it got: ends swapped, as a packet of its own, TTL and all. */
static void
turn_round(struct pkt *p)
{
	uint8_t *ip = p->data + 14, *l4 = p->data + p->l4_offset, other[16];
	size_t src = p->version == 4 ? 12 : 8, n = address_bytes(p->version);

	memcpy(other, ip + src, n);
	memmove(ip + src, ip + src + n, n);
	memcpy(ip + src + n, other, n);
	memcpy(other, l4, 2);
	memmove(l4, l4 + 2, 2);
	memcpy(l4 + 2, other, 2);
}

static void
test_checksums_are_recomputation(void)
{
	uint64_t state = 21;
	struct scene c;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		random_scene(&c, &state, i % KINDS);
		CU_ASSERT_TRUE_FATAL(checksums_are_right(&c.p));
		nat_to_server(&c.p, &c.service, &c.server, port_macs);
		CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_TRUE_FATAL(checksums_are_right(&c.p));
		scene_destroy(&c);
	}
}

/*
 * The packet that the server sends back unchanged but for its direction reaches the client as the
 * client sent it, turned round: all but the MACs, two of the TTL and what counts it.
 */
static void
test_there_and_back(void)
{
	uint64_t state = 22;
	struct scene c;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		size_t ttl;

		random_scene(&c, &state, i % KINDS);
		ttl = 14 + (c.p.version == 4 ? 8 : 7);
		if (c.before[ttl] < 3)
			goto next;
		nat_to_server(&c.p, &c.service, &c.server, port_macs);
		turn_round(&c.p);
		nat_to_client(&c.p, &c.service, &c.server, &client_hop, port_macs);
		CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_EQUAL_FATAL(c.p.out_port, 0);
		CU_ASSERT_TRUE_FATAL(checksums_are_right(&c.p));
		turn_round(&c.p);
		CU_ASSERT_EQUAL_FATAL(c.p.data[ttl], c.before[ttl] - 2);
		c.p.data[ttl] = c.before[ttl];
		if (c.p.version == 4)
			memcpy(c.p.data + 24, c.before + 24, 2);
		CU_ASSERT_TRUE_FATAL(bytes_equal(c.before + 12, c.p.data + 12, c.bytes - 12));
	next:
		scene_destroy(&c);
	}
}

/* A checksum wrong by some difference is wrong by the same one afterwards: the server sees it. */
static void
test_bad_checksum_stays_bad(void)
{
	uint64_t state = 23;
	unsigned int right, wrong, error;
	struct scene c;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		random_scene(&c, &state, i % KINDS);
		error = 1 + (unsigned int)(frame_random(&state) % 0xfffe);
		right = frame_get16(scene_checksum(&c));
		wrong = (right + error) % 0xffff;
		if (wrong == 0)
			wrong = 0xffff; /* 0 means something else to UDP */
		frame_put16(scene_checksum(&c), wrong);
		nat_to_server(&c.p, &c.service, &c.server, port_macs);
		CU_ASSERT_FALSE_FATAL(checksums_are_right(&c.p));
		right = frame_l4_checksum(c.p.data + 14, c.p.data + c.p.l4_offset, c.p.protocol,
			c.bytes - c.p.l4_offset);
		CU_ASSERT_EQUAL_FATAL(
			frame_get16(scene_checksum(&c)) % 0xffff, (right + error) % 0xffff);
		scene_destroy(&c);
	}
}

/* No UDP checksum stays none, over IPv4 and, where it is wrong, over IPv6. */
static void
test_udp_without_checksum(void)
{
	uint64_t state = 24;
	struct scene c;

	for (unsigned int i = 0; i < 2000; i++) {
		random_scene(&c, &state, i % 2 ? 1 : 3);
		memset(scene_checksum(&c), 0, 2);
		nat_to_server(&c.p, &c.service, &c.server, port_macs);
		CU_ASSERT_EQUAL_FATAL(frame_get16(scene_checksum(&c)), 0);
		if (c.p.version == 4)
			CU_ASSERT_EQUAL_FATAL(
				frame_get16(c.p.data + 24), frame_ip4_checksum(c.p.data + 14));
		scene_destroy(&c);
	}
}

/*
 * For each of the 2^16 ports a server may have, one packet: among them is the one whose checksum
 * comes out as 0. UDP sends that as 0xffff; TCP as it is.
 */
static void
test_computed_zero(void)
{
	for (unsigned int k = 0; k < KINDS; k++) {
		unsigned int zeros = 0, ones = 0, checksum;
		struct scene c;

		scene_create(&c, k, (const uint8_t *)"x", 1, 64);
		for (unsigned int port = 0; port <= 0xffff; port++) {
			memcpy(c.p.data, c.before, c.bytes);
			c.server.port_be = htons((uint16_t)port);
			c.server.l4_sum = checksum_l4_sum(c.server.l3_sum, c.server.port_be);
			nat_to_server(&c.p, &c.service, &c.server, port_macs);
			CU_ASSERT_TRUE_FATAL(checksums_are_right(&c.p));
			checksum = frame_get16(scene_checksum(&c));
			zeros += checksum == 0;
			ones += checksum == 0xffff;
		}
		CU_ASSERT_TRUE(kinds[k].protocol == SHUNT_TCP ? zeros && !ones : !zeros && ones);
		scene_destroy(&c);
	}
}

/* A service whose server has the same address and port: nothing but the way changes. */
static void
test_same_ends(void)
{
	for (unsigned int k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);
		uint8_t frame[FRAME_MAX_BYTES];
		struct scene c;

		scene_ends(&c, s.version, s.protocol, s.dst, s.dport, s.dst, s.dport);
		scene_frame(&c, frame, frame_build(frame, &s));
		nat_to_server(&c.p, &c.service, &c.server, port_macs);
		CU_ASSERT_TRUE(checksums_are_right(&c.p));
		CU_ASSERT_TRUE(bytes_equal(c.before + c.p.l4_offset, c.p.data + c.p.l4_offset,
			c.bytes - c.p.l4_offset));
		scene_destroy(&c);
	}
}

/* Every TTL, both ways: 0 and 1 go no further, and the packet is left as it was. */
static void
test_ttl(void)
{
	for (unsigned int k = 0; k < KINDS; k++) {
		for (unsigned int ttl = 0; ttl < 256; ttl++) {
			for (unsigned int back = 0; back < 2; back++) {
				struct scene c;

				scene_create(&c, k, NULL, 0, (uint8_t)ttl);
				if (back)
					nat_to_client(&c.p, &c.service, &c.server, &client_hop,
						port_macs);
				else
					nat_to_server(&c.p, &c.service, &c.server, port_macs);
				CU_ASSERT_EQUAL(c.p.drop, ttl <= 1 ? SHUNT_DROP_TTL : 0);
				if (ttl <= 1) {
					CU_ASSERT_TRUE(bytes_equal(c.before, c.p.data, c.bytes));
					CU_ASSERT_EQUAL(c.p.out_port, 0xee);
				} else {
					CU_ASSERT_EQUAL(
						c.p.data[14 + (kinds[k].version == 4 ? 8 : 7)],
						ttl - 1);
				}
				scene_destroy(&c);
			}
		}
	}
}

static void
test_no_neighbor(void)
{
	static struct hop_table table;

	for (unsigned int k = 0; k < KINDS; k++) {
		struct scene c;

		scene_create(&c, k, NULL, 0, 64);
		c.server.link.known = 0;
		nat_to_server(&c.p, &c.service, &c.server, port_macs);
		CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_NO_NEIGHBOR);
		CU_ASSERT_TRUE(bytes_equal(c.before, c.p.data, c.bytes));
		c.p.drop = 0;
		nat_to_client(&c.p, &c.service, &c.server, &table.hops[0], port_macs);
		CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_NO_NEIGHBOR);
		CU_ASSERT_TRUE(bytes_equal(c.before, c.p.data, c.bytes));
		CU_ASSERT_EQUAL(c.p.out_port, 0xee);
		scene_destroy(&c);
	}
}

static void
nat_either_way(struct scene *c, bool to_client)
{
	if (to_client)
		nat_to_client(&c->p, &c->service, &c->server, &client_hop, port_macs);
	else
		nat_to_server(&c->p, &c->service, &c->server, port_macs);
	CU_ASSERT_EQUAL(c->p.drop, SHUNT_DROP_NONE);
}

/* The fragments of a datagram, rewritten, are the fragments of the rewritten datagram. */
static void
test_fragments(void)
{
	static const uint8_t payload[99] = { [0] = 1, [30] = 0x55, [98] = 9 };
	static const uint8_t other[16] = { 0x20, 0x02, 3, 4, 5 };
	uint8_t frame[FRAME_MAX_BYTES], want[FRAME_MAX_BYTES];

	for (unsigned int i = 0; i < 2 * KINDS; i++) {
		struct frame_spec s = frame_default(kinds[i / 2].version, kinds[i / 2].protocol);
		bool to_client = i % 2;
		struct scene whole, c;

		s.payload = payload;
		s.payload_bytes = sizeof(payload);
		scene_ends(&whole, s.version, s.protocol, to_client ? other : s.dst,
			to_client ? 443 : s.dport, to_client ? s.src : other,
			to_client ? s.sport : 8080);
		scene_frame(&whole, frame, frame_build(frame, &s));
		c = whole;
		nat_either_way(&whole, to_client);
		for (size_t offset = 0; offset < 96; offset += 32) {
			struct fragment_spec f = { offset, 32, offset < 64, 0x99aa };
			size_t bytes = fragment_build(frame, whole.before, whole.bytes, f);

			fragment_build(want, whole.p.data, whole.bytes, f);
			scene_frame(&c, frame, bytes);
			CU_ASSERT_EQUAL(c.p.kind, PKT_FRAGMENT);
			nat_either_way(&c, to_client);
			CU_ASSERT_TRUE(bytes_equal(c.p.data, want, bytes));
			scene_destroy(&c);
		}
		scene_destroy(&whole);
	}
}

static const struct unit_test tests[] = {
	{ "to the server, field by field", test_to_server_fields },
	{ "to the client, field by field", test_to_client_fields },
	{ "checksums equal recomputation", test_checksums_are_recomputation },
	{ "there and back is identity", test_there_and_back },
	{ "a bad checksum stays bad", test_bad_checksum_stays_bad },
	{ "UDP without checksum", test_udp_without_checksum },
	{ "a checksum that comes out as zero", test_computed_zero },
	{ "service and server the same", test_same_ends },
	{ "TTL and hop limit", test_ttl },
	{ "unknown neighbours", test_no_neighbor },
	{ "fragments", test_fragments },
};

UNIT_MAIN("nat", tests)
