/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors from parse to rewriting. The errors are about packets that nat has rewritten, and
 * when they are delivered they must quote what was there before nat: each end reads its own packet.
 */
#include <arpa/inet.h>

#include "parse_unit.h"

#include "checksum.h"
#include "icmp.h"
#include "icmp_answer.h"
#include "rate_limit.h"
#include "nat.h"

#define ROUNDS 20000

static const struct shunt_mac port_macs[3] = { { { 2, 1, 1, 1, 1, 0 } }, { { 2, 1, 1, 1, 1, 1 } },
	{ { 2, 1, 1, 1, 1, 2 } } };
static const struct link client_hop = { .mac = { { 2, 7, 7, 7, 7, 7 } }, .port = 1, .known = 1 };
static const uint8_t router[16] = { 0x20, 0x01, 0x0d, 0xb8, 7, 7, [15] = 7 };

/* A packet before and after nat. */
struct scene {
	struct gen_service service;
	struct gen_server server;
	uint8_t version;
	uint8_t protocol;
	size_t bytes;			 /* of IP */
	size_t l4_start;		 /* from the IP header on */
	uint8_t before[FRAME_MAX_BYTES]; /* from the IP header on, its TTL as it is after nat */
	uint8_t after[FRAME_MAX_BYTES];
};

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

static void
scene_ends(struct scene *c, const uint8_t *service, uint16_t service_port, const uint8_t *server,
	uint16_t server_port)
{
	size_t n = c->version == 4 ? 4 : 16;

	memset(&c->service, 0, sizeof(c->service));
	memset(&c->server, 0, sizeof(c->server));
	memcpy(c->service.address, service, n);
	c->service.port_be = htons(service_port);
	c->service.l3_sum = checksum_l3_sum(service, n);
	c->service.l4_sum = checksum_l4_sum(c->service.l3_sum, c->service.port_be);
	memcpy(c->server.address, server, n);
	c->server.port_be = htons(server_port);
	c->server.l3_sum = checksum_l3_sum(server, n);
	c->server.l4_sum = checksum_l4_sum(c->server.l3_sum, c->server.port_be);
	c->server.link.known = 1;
	c->server.link.port = 2;
	c->server.link.mac = (struct shunt_mac){ { 2, 9, 9, 9, 9, 9 } };
}

/* A random request (or reply), rewritten by nat. */
static void
scene_create(struct scene *c, uint64_t *state, unsigned int kind, bool reply)
{
	static const uint8_t options[8] = { 7, 7, 4 };
	struct frame_spec s = frame_default(kinds[kind].version, kinds[kind].protocol);
	uint8_t payload[96], other[16], frame[FRAME_MAX_BYTES], extension[8] = { s.protocol };
	uint16_t other_port;
	struct pkt p = { .data = frame };

	random_bytes(state, s.src, 16);
	random_bytes(state, s.dst, 16);
	random_bytes(state, other, 16);
	random_bytes(state, (uint8_t *)&s.sport, 2);
	random_bytes(state, (uint8_t *)&s.dport, 2);
	random_bytes(state, (uint8_t *)&other_port, 2);
	/* 0 is no port of a service or server; it would say that the port stays. */
	s.sport |= !s.sport;
	s.dport |= !s.dport;
	other_port |= !other_port;
	random_bytes(state, payload, sizeof(payload));
	s.src[0] = s.version == 4 ? 10 : 0x20;
	s.dst[0] = s.version == 4 ? 192 : 0x21;
	other[0] = s.version == 4 ? 172 : 0x22;
	s.ttl = (uint8_t)(2 + frame_random(state) % 254);
	s.payload = payload;
	s.payload_bytes = frame_random(state) % (sizeof(payload) + 1);
	s.options = options;
	s.options_bytes = (frame_random(state) >> 62) == 0 ? 8 : 0;
	s.next = 60;
	s.extensions = extension;
	s.extensions_bytes = s.options_bytes;
	c->version = s.version;
	c->protocol = s.protocol;
	p.bytes = (uint32_t)frame_build(frame, &s);
	parse_pkt(&p);
	CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
	c->bytes = p.bytes - 14;
	c->l4_start = p.l4_offset - 14u;
	memcpy(c->before, frame + 14, c->bytes);
	if (reply) {
		scene_ends(c, other, other_port, s.src, s.sport);
		nat_to_client(&p, &c->service, &c->server, &client_hop, port_macs);
	} else {
		scene_ends(c, s.dst, s.dport, other, other_port);
		nat_to_server(&p, &c->service, &c->server, port_macs);
	}
	CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
	memcpy(c->after, frame + 14, c->bytes);
	c->before[s.version == 4 ? 8 : 7]--;
	if (s.version == 4)
		frame_put16(c->before + 10, frame_ip4_checksum(c->before));
}

/* How much of the packet is quoted: 8 bytes of layer 4 at least, and no half of TCP's checksum. */
static size_t
random_length(const struct scene *c, uint64_t *state)
{
	size_t least = c->l4_start + 8;
	size_t length = least + frame_random(state) % (c->bytes - least + 1);

	return c->protocol == SHUNT_TCP && length == c->l4_start + 17 ? length - 1 : length;
}

/* The error about the first `quoted` bytes of c->after in memory of its own, parsed. */
static void
error_create(struct pkt *p, const struct scene *c, const uint8_t *source, size_t quoted)
{
	static const uint8_t types[2][2] = { { 3, 11 }, { 2, 3 } };
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = frame_build_icmp(
		frame, types[c->version == 6][quoted & 1], source, c->after, quoted);

	*p = (struct pkt){ .data = frame_exact(frame, bytes), .bytes = (uint32_t)bytes };
	p->out_port = 0xee;
	parse_pkt(p);
	CU_ASSERT_EQUAL_FATAL(p->drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL_FATAL(p->kind, PKT_ICMP_ERROR);
	CU_ASSERT_TRUE_FATAL(frame_parsed_is_sound(p, bytes));
}

/* Checksums are those of full computation, it is between these two, and quotes what was sent. */
static void
check_error(const struct pkt *p, const struct scene *c, const uint8_t *source,
	const uint8_t *destination, size_t quoted)
{
	const uint8_t *ip = p->data + 14, *icmp = p->data + p->l4_offset;
	size_t n = c->version == 4 ? 4 : 16, at = c->version == 4 ? 12 : 8;

	CU_ASSERT_EQUAL_FATAL(p->drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL_FATAL(memcmp(ip + at, source, n), 0);
	CU_ASSERT_EQUAL_FATAL(memcmp(ip + at + n, destination, n), 0);
	CU_ASSERT_EQUAL_FATAL(ip[c->version == 4 ? 8 : 7], 60);
	if (c->version == 4)
		CU_ASSERT_EQUAL_FATAL(frame_get16(ip + 10), frame_ip4_checksum(ip));
	CU_ASSERT_EQUAL_FATAL(
		frame_get16(icmp + 2), frame_icmp_checksum(ip, icmp, p->bytes - p->l4_offset));
	CU_ASSERT_EQUAL_FATAL(memcmp(icmp + 8, c->before, quoted), 0);
}

static void
test_to_client(void)
{
	uint64_t state = 31;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		bool from_router = i & 8;
		struct scene c;
		struct pkt p;
		size_t quoted;

		scene_create(&c, &state, i % KINDS, false);
		quoted = random_length(&c, &state);
		error_create(&p, &c, from_router ? router : c.server.address, quoted);
		icmp_to_client(&p, &c.service, &c.server, &client_hop, port_macs);
		check_error(&p, &c, from_router ? router : c.service.address,
			c.before + (c.version == 4 ? 12 : 8), quoted);
		CU_ASSERT_EQUAL(p.out_port, 1);
		CU_ASSERT_EQUAL(memcmp(p.data, client_hop.mac.bytes, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 6, port_macs[1].bytes, 6), 0);
		free(p.data);
	}
}

static void
test_to_server(void)
{
	uint64_t state = 32;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct scene c;
		struct pkt p;
		size_t quoted;

		scene_create(&c, &state, i % KINDS, true);
		quoted = random_length(&c, &state);
		error_create(&p, &c, router, quoted);
		icmp_to_server(&p, &c.server, port_macs);
		check_error(&p, &c, router, c.server.address, quoted);
		CU_ASSERT_EQUAL(p.out_port, 2);
		CU_ASSERT_EQUAL(memcmp(p.data, c.server.link.mac.bytes, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 6, port_macs[2].bytes, 6), 0);
		free(p.data);
	}
}

/* What cannot go on is left as it was. */
static void
test_dropped_untouched(void)
{
	static const struct link no_hop;
	uint64_t state = 33;

	for (unsigned int i = 0; i < 16 * KINDS; i++) {
		bool reply = i & 4, ttl = i & 8;
		uint8_t copy[FRAME_MAX_BYTES];
		struct scene c;
		struct pkt p;

		scene_create(&c, &state, i % KINDS, reply);
		error_create(&p, &c, router, c.bytes);
		if (ttl)
			p.data[14 + (c.version == 4 ? 8 : 7)] = (uint8_t)(i >> 4) & 1;
		memcpy(copy, p.data, p.bytes);
		c.server.link.known = 0;
		if (reply)
			icmp_to_server(&p, &c.server, port_macs);
		else
			icmp_to_client(&p, &c.service, &c.server, &no_hop, port_macs);
		CU_ASSERT_EQUAL(p.drop, ttl ? SHUNT_DROP_TTL : SHUNT_DROP_NO_NEIGHBOR);
		CU_ASSERT_EQUAL(memcmp(copy, p.data, p.bytes), 0);
		CU_ASSERT_EQUAL(p.out_port, 0xee);
		free(p.data);
	}
}

/* Frames cut at every byte, and packets that quote less and less. */
static void
test_parse_truncated(void)
{
	uint64_t state = 34;
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int i = 0; i < 8 * KINDS; i++) {
		struct scene c;
		size_t bytes;

		scene_create(&c, &state, i % KINDS, true);
		bytes = frame_build_icmp(frame, 3, router, c.after, c.bytes);
		for (size_t n = 0; n < bytes; n++) {
			unsigned int drop = parse_bytes(frame, n, NULL);

			CU_ASSERT(drop == SHUNT_DROP_SHORT_FRAME || drop == SHUNT_DROP_IP_LENGTH);
		}
		for (size_t quoted = 20; quoted <= c.bytes; quoted++) {
			bytes = frame_build_icmp(frame, 3, router, c.after, quoted);
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL),
				quoted < c.l4_start + 8 ? SHUNT_DROP_ICMP_INNER : SHUNT_DROP_NONE);
		}
	}
}

static void
test_parse_types(void)
{
	uint64_t state = 35;
	uint8_t frame[FRAME_MAX_BYTES];
	struct scene c;

	for (unsigned int type = 0; type < 256; type++) {
		for (unsigned int k = 0; k < KINDS; k++) {
			bool v4 = kinds[k].version == 4, error;

			scene_create(&c, &state, k, true);
			error = v4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
			CU_ASSERT_EQUAL(parse_bytes(frame,
						frame_build_icmp(frame, (uint8_t)type, router,
							c.after, c.bytes),
						NULL),
				error ? SHUNT_DROP_NONE : SHUNT_DROP_PROTOCOL);
		}
	}
}

/* Any bit of the message that flips is noticed, but for the type's, which may say it is no error.
 */
static void
test_parse_checksum(void)
{
	uint64_t state = 36;
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k++) {
		struct scene c;
		size_t bytes, start = 14 + (kinds[k].version == 4 ? 20 : 40);

		scene_create(&c, &state, k, false);
		bytes = frame_build_icmp(frame, 3, router, c.after, c.bytes);
		for (size_t bit = (start + 1) * 8; bit < bytes * 8; bit++) {
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), SHUNT_DROP_ICMP_CHECKSUM);
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/* The quoted packet must be what the error's receiver has sent, with ports to find it by. */
static void
test_parse_inner(void)
{
	uint64_t state = 37;
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k++) {
		bool v4 = kinds[k].version == 4;
		size_t start = 14 + (v4 ? 20 : 40), length;
		/* Version, protocol, source; and in IPv4 header length and fragment offset. */
		const struct {
			size_t at;
			uint8_t flip;
			enum shunt_drop drop;
		} changes[] = {
			{ 0, 0x20, SHUNT_DROP_ICMP_INNER },
			{ v4 ? 9 : 6, 0x80, SHUNT_DROP_PROTOCOL },
			{ v4 ? 12 : 8, 1, SHUNT_DROP_ICMP_INNER },
			{ v4 ? 15 : 23, 1, SHUNT_DROP_ICMP_INNER },
			{ v4 ? 0 : 1, 0x04, v4 ? SHUNT_DROP_ICMP_INNER : 0 },
			{ v4 ? 7 : 2, 1, v4 ? SHUNT_DROP_ICMP_INNER : 0 },
			{ v4 ? 6 : 3, 0x20, 0 },  /* more fragments; flow label */
			{ v4 ? 16 : 24, 1, 0 },	  /* whoever the other end is */
			{ v4 ? 10 : 7, 0xff, 0 }, /* header checksum; hop limit */
		};
		struct scene c;

		do {
			scene_create(&c, &state, k, true);
		} while (c.l4_start != (v4 ? 20 : 40));
		for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
			length = frame_build_icmp(frame, 3, router, c.after, c.bytes);
			frame[start + 8 + changes[i].at] ^= changes[i].flip;
			frame_put16(frame + start + 2,
				frame_icmp_checksum(frame + 14, frame + start, length - start));
			CU_ASSERT_EQUAL(parse_bytes(frame, length, NULL), changes[i].drop);
		}
		length = frame_build_icmp(frame, 3, c.after + (v4 ? 12 : 8), c.after, c.bytes);
		CU_ASSERT_EQUAL(parse_bytes(frame, length, NULL), SHUNT_DROP_LAND);
	}
}

/* At most a burst at once, then one a period; a pause saves up no more than a burst. */
static void
test_limit(void)
{
	struct rate_limit limit = { .period = 1000, .burst = ICMP_ANSWERS_BURST };
	uint64_t now = 1ull << 40;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < ICMP_ANSWERS_BURST; i++)
			CU_ASSERT_TRUE(rate_limit_take(&limit, now + (uint64_t)i));
		CU_ASSERT_FALSE(rate_limit_take(&limit, now + 900));
		for (uint64_t i = 1; i < 100; i++) {
			CU_ASSERT_TRUE(rate_limit_take(&limit, now + 1000 * i));
			CU_ASSERT_FALSE(rate_limit_take(&limit, now + 1000 * i + 900));
		}
		now += 1000000000;
	}
}

/* Limits of length, checksums, the quotation, and what it says. */
static void
answer_with(enum icmp_answer answer, uint8_t drop, const uint8_t says4[2], const uint8_t says6[2])
{
	static const size_t payloads[] = { 0, 1, 500, 548 - 28, 549 - 28, 1232 - 48, 1400 };
	static uint8_t payload[1400];

	for (unsigned int i = 0; i < KINDS * 7; i++) {
		struct frame_spec s = frame_default(kinds[i % KINDS].version, SHUNT_UDP);
		bool v4 = s.version == 4;
		size_t grown = v4 ? 28 : 48, n = v4 ? 4 : 16, at = v4 ? 12 : 8, bytes;
		struct gen_service service = { .version = s.version };
		uint8_t frame[FRAME_MAX_BYTES], *room = malloc(ICMP_ANSWER_ROOM + FRAME_MAX_BYTES);
		struct pkt p = { .data = room + ICMP_ANSWER_ROOM, .in_port = 2 };
		const uint8_t *ip;

		s.ttl = 1;
		s.payload = payload;
		s.payload_bytes = payloads[i / KINDS];
		memcpy(service.address, s.dst, n);
		bytes = frame_build(frame, &s);
		memcpy(p.data, frame, bytes);
		p.bytes = (uint32_t)bytes;
		parse_pkt(&p);
		CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_TRUE(icmp_answer_allowed(&p));
		p.drop = drop;
		icmp_answer(&p, answer, &service, &port_macs[2]);
		CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_PTR_EQUAL(p.data, room + ICMP_ANSWER_ROOM - grown);
		CU_ASSERT_EQUAL(p.out_port, 2);
		CU_ASSERT_EQUAL(p.bytes - 14,
			bytes - 14 + grown < (v4 ? 576 : 1280) ? bytes - 14 + grown
							       : (v4 ? 576 : 1280));
		ip = p.data + 14;
		CU_ASSERT_EQUAL(memcmp(p.data, frame + 6, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 6, port_macs[2].bytes, 6), 0);
		CU_ASSERT_EQUAL(memcmp(ip + (v4 ? 20 : 40), v4 ? says4 : says6, 2), 0);
		CU_ASSERT_EQUAL(memcmp(ip + at, s.dst, n), 0);
		CU_ASSERT_EQUAL(memcmp(ip + at + n, s.src, n), 0);
		CU_ASSERT_EQUAL(memcmp(ip + grown, frame + 14, p.bytes - 14 - grown), 0);
		/* It is an error as Shunt itself would take it from others. */
		CU_ASSERT_EQUAL(parse_bytes(p.data, p.bytes, NULL), SHUNT_DROP_NONE);
		p.data[0] |= 1;
		CU_ASSERT_FALSE(icmp_answer_allowed(&p));
		free(room);
	}
}

/* What a router that has no TTL left says. */
static void
test_time_exceeded(void)
{
	answer_with(ICMP_ANSWER_TIME_EXCEEDED, SHUNT_DROP_TTL, (uint8_t[]){ 11, 0 },
		(uint8_t[]){ 3, 0 });
}

/* What a host says of a port that nobody has. */
static void
test_port_unreachable(void)
{
	answer_with(ICMP_ANSWER_PORT_UNREACHABLE, SHUNT_DROP_REFUSED, (uint8_t[]){ 3, 3 },
		(uint8_t[]){ 1, 4 });
}

static const struct unit_test tests[] = {
	{ "to the client", test_to_client },
	{ "to the server", test_to_server },
	{ "what is dropped is left alone", test_dropped_untouched },
	{ "cut at every length", test_parse_truncated },
	{ "every type", test_parse_types },
	{ "every bit counts", test_parse_checksum },
	{ "what is quoted", test_parse_inner },
	{ "token bucket", test_limit },
	{ "time exceeded", test_time_exceeded },
	{ "port unreachable", test_port_unreachable },
};

UNIT_MAIN("icmp", tests)
