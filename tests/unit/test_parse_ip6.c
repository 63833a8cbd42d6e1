/* SPDX-License-Identifier: BSD-3-Clause */
/* parse: IPv6 addresses, extension headers and fragments. */
#include "parse_unit.h"

static void
test_ip6_addresses(void)
{
	static const uint8_t bad[][16] = { { 0 }, { [15] = 1 }, { 0xff, 0x02, [15] = 1 },
		{ 0xff, 0x0e }, { [10] = 0xff, 0xff, 10, 0, 0, 1 }, { [10] = 0xff, 0xff } };
	static const uint8_t fine[][16] = { { [15] = 2 }, { [14] = 1, 1 }, { 0xfe, 0x80, [15] = 1 },
		{ [10] = 0xff, 0xfe, 1 }, { [9] = 1, 0xff, 0xff, 1 }, { 0xfd, [15] = 1 } };

	for (unsigned int k = 2; k < KINDS; k++) {
		struct frame_spec s = frame_default(6, kinds[k].protocol);

		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			memcpy(s.src, bad[i], 16);
			CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_IP_SOURCE);
		}
		for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
			memcpy(s.src, fine[i], 16);
			CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_NONE);
		}
		/* A mapped destination could be taken for an IPv4 service. */
		memcpy(s.dst, bad[4], 16);
		CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_IP_SOURCE);
		memcpy(s.dst, fine[3], 16);
		CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_NONE);
	}
}

static unsigned int
parse_extensions(uint8_t next, const uint8_t *extensions, size_t bytes)
{
	struct frame_spec s = frame_default(6, SHUNT_TCP);

	s.next = next;
	s.extensions = extensions;
	s.extensions_bytes = bytes;
	return parse_spec(&s, NULL);
}

/* Of a packet with these extension headers, what parse has found. */
static struct pkt
parsed_extensions(uint8_t next, const uint8_t *extensions, size_t bytes)
{
	struct frame_spec s = frame_default(6, SHUNT_TCP);
	static const uint8_t payload[4]; /* 20 and 4: a multiple of 8 */
	struct pkt p;

	s.next = next;
	s.extensions = extensions;
	s.extensions_bytes = bytes;
	s.payload = payload;
	s.payload_bytes = sizeof(payload);
	parse_spec(&s, &p);
	return p;
}

static void
test_ip6_fragments(void)
{
	uint8_t header[8] = { SHUNT_TCP, 0, 0, 1, 1, 2, 3, 4 };
	struct pkt p = parsed_extensions(44, header, 8);

	CU_ASSERT_EQUAL(p.drop, 0);
	CU_ASSERT_EQUAL(p.kind, PKT_FRAGMENT);
	CU_ASSERT_EQUAL(p.fragment_id, 0x01020304);
	CU_ASSERT_EQUAL(p.fragment_bytes, 24);
	CU_ASSERT_EQUAL(p.l4_offset, 62);
	header[2] = 0xff;
	header[3] = 0; /* the last that fits: 65280 + 24 */
	p = parsed_extensions(44, header, 8);
	CU_ASSERT_EQUAL(p.drop, 0);
	CU_ASSERT_EQUAL(p.fragment_offset, 65280);
	CU_ASSERT_EQUAL(p.fragment_more, 0);
	CU_ASSERT_EQUAL(p.l4_offset, 0);
	header[3] = 0xf8;
	CU_ASSERT_EQUAL(parsed_extensions(44, header, 8).drop, SHUNT_DROP_FRAGMENT_TOO_LONG);
	/* What the next header of a later one may be: TCP, UDP, or what may stand before them. */
	header[3] = 0;
	for (unsigned int next = 0; next < 256; next++) {
		bool fine = next == 6 || next == 17 || next == 0 || next == 43 || next == 44 ||
			next == 60;

		header[0] = (uint8_t)next;
		p = parsed_extensions(44, header, 8);
		CU_ASSERT_EQUAL(p.drop, fine ? SHUNT_DROP_NONE : SHUNT_DROP_PROTOCOL);
		if (fine)
			CU_ASSERT_EQUAL(p.protocol, next == 6 || next == 17 ? next : 0);
	}
}

/* RFC 6946: the fragment header stays, and the packet is as any other. */
static void
test_ip6_atomic_fragment(void)
{
	uint8_t header[16] = { SHUNT_TCP, 0, 0, 6 /* reserved */, 1, 2, 3, 4 };
	struct pkt p = parsed_extensions(44, header, 8);

	CU_ASSERT_EQUAL(p.drop, 0);
	CU_ASSERT_EQUAL(p.kind, PKT_PLAIN);
	CU_ASSERT_EQUAL(p.l4_offset, 62);
	CU_ASSERT_EQUAL(p.protocol, SHUNT_TCP);
	/* It may have all that a packet may have, but for a second one. */
	header[0] = 60;
	header[8] = SHUNT_TCP;
	CU_ASSERT_EQUAL(parsed_extensions(44, header, 16).drop, 0);
	header[0] = 44;
	CU_ASSERT_EQUAL(parsed_extensions(44, header, 16).drop, SHUNT_DROP_IP6_EXTENSIONS);
	header[11] = 1;
	CU_ASSERT_EQUAL(parsed_extensions(44, header, 16).drop, SHUNT_DROP_IP6_EXTENSIONS);
	header[0] = 0;
	CU_ASSERT_EQUAL(parsed_extensions(44, header, 16).drop, SHUNT_DROP_IP6_EXTENSIONS);
}

/* Extension headers on both sides of the fragment header; RFC 7112: the first has them all. */
static void
test_ip6_fragment_chain(void)
{
	uint8_t chain[32] = { 44, [8] = 60, 0, 0, 1, [16] = 60, 0, [24] = SHUNT_TCP };
	struct pkt p = parsed_extensions(60, chain, 32);

	CU_ASSERT_EQUAL(p.drop, 0);
	CU_ASSERT_EQUAL(p.kind, PKT_FRAGMENT);
	CU_ASSERT_EQUAL(p.l4_offset, 14 + 40 + 32);
	CU_ASSERT_EQUAL(p.fragment_bytes, 16 + 24);
	for (unsigned int units = 1; units < 256; units++) {
		unsigned int bytes = 24 + (units + 1) * 8, want = SHUNT_DROP_FRAGMENT_TINY;

		chain[25] = (uint8_t)units;
		if (bytes > 256)
			want = SHUNT_DROP_IP6_EXTENSIONS;
		CU_ASSERT_EQUAL(parsed_extensions(60, chain, 32).drop, want);
	}
	/* What stands before counts for the datagram's length. */
	chain[25] = 0;
	chain[10] = 0xff;
	chain[11] = 0xf8 - 40;
	CU_ASSERT_EQUAL(parsed_extensions(60, chain, 32).drop, SHUNT_DROP_FRAGMENT_TOO_LONG);
	chain[11] -= 8;
	CU_ASSERT_EQUAL(parsed_extensions(60, chain, 32).drop, 0);
}

/* count headers of 8 bytes of a kind, then TCP. */
static unsigned int
parse_chain(uint8_t first, uint8_t kind, size_t count)
{
	uint8_t chain[128] = { 0 };

	for (size_t i = 0; i < count; i++)
		chain[i * 8] = i == count - 1 ? SHUNT_TCP : kind;
	return parse_extensions(first, chain, count * 8);
}

static void
test_ip6_chain_limits(void)
{
	uint8_t big[264] = { SHUNT_TCP };

	for (size_t count = 1; count <= 16; count++) {
		unsigned int want = count <= 8 ? SHUNT_DROP_NONE : SHUNT_DROP_IP6_EXTENSIONS;

		CU_ASSERT_EQUAL(parse_chain(60, 60, count), want);
		CU_ASSERT_EQUAL(parse_chain(0, 60, count), want);
		CU_ASSERT_EQUAL(parse_chain(43, 43, count), want);
	}
	/* Hop-by-hop options stand first (RFC 8200 section 4.1). */
	CU_ASSERT_EQUAL(parse_chain(0, 0, 2), SHUNT_DROP_IP6_EXTENSIONS);
	CU_ASSERT_EQUAL(parse_chain(60, 0, 2), SHUNT_DROP_IP6_EXTENSIONS);
	/* 256 bytes in one header or in two, and 8 more. */
	big[1] = 31;
	CU_ASSERT_EQUAL(parse_extensions(60, big, 256), SHUNT_DROP_NONE);
	big[1] = 32;
	CU_ASSERT_EQUAL(parse_extensions(60, big, 264), SHUNT_DROP_IP6_EXTENSIONS);
	big[1] = 255;
	CU_ASSERT_EQUAL(parse_extensions(60, big, 264), SHUNT_DROP_IP6_EXTENSIONS);
	big[0] = 60;
	big[1] = 15;
	big[128] = SHUNT_TCP;
	big[129] = 15;
	CU_ASSERT_EQUAL(parse_extensions(0, big, 256), SHUNT_DROP_NONE);
	big[129] = 16;
	CU_ASSERT_EQUAL(parse_extensions(0, big, 264), SHUNT_DROP_IP6_EXTENSIONS);
}

/* Every length a header can give itself, with every number of bytes there. */
static void
test_ip6_extension_lengths(void)
{
	uint8_t frame[FRAME_MAX_BYTES], extensions[256] = { SHUNT_TCP };
	struct frame_spec s = frame_default(6, SHUNT_TCP);
	unsigned int want;

	s.next = 60;
	s.extensions = extensions;
	for (size_t there = 8; there <= 256; there += 8) {
		s.extensions_bytes = there;
		for (unsigned int units = 0; units < 256; units++) {
			size_t bytes, says = (units + 1) * 8, ip_end;

			extensions[1] = (uint8_t)units;
			bytes = frame_build(frame, &s);
			ip_end = there;
			frame_put16(frame + 18, ip_end);
			bytes -= 20;
			if (says > 256)
				want = SHUNT_DROP_IP6_EXTENSIONS;
			else if (says > there)
				want = SHUNT_DROP_IP_LENGTH;
			else
				want = there - says < 20 ? SHUNT_DROP_L4_HEADER : 0;
			if (want)
				CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), want);
		}
	}
}

static void
test_ip6_routing(void)
{
	uint8_t routing[24] = { SHUNT_TCP, 2, 0, 0 };

	for (unsigned int type = 0; type < 256; type++) {
		routing[2] = (uint8_t)type;
		routing[3] = 0;
		CU_ASSERT_EQUAL(parse_extensions(43, routing, 24), SHUNT_DROP_NONE);
		routing[3] = 1;
		CU_ASSERT_EQUAL(parse_extensions(43, routing, 24), SHUNT_DROP_IP6_EXTENSIONS);
	}
}

static void
test_reasons_met(void)
{
	static const uint8_t reasons[] = { SHUNT_DROP_NONE, SHUNT_DROP_IP_SOURCE,
		SHUNT_DROP_IP6_EXTENSIONS, SHUNT_DROP_FRAGMENT_TINY, SHUNT_DROP_FRAGMENT_TOO_LONG,
		SHUNT_DROP_IP_LENGTH, SHUNT_DROP_PROTOCOL, SHUNT_DROP_L4_HEADER };

	parse_check_seen(reasons, sizeof(reasons));
}

static const struct unit_test tests[] = {
	{ "sources and destinations", test_ip6_addresses },
	{ "fragments", test_ip6_fragments },
	{ "atomic fragments", test_ip6_atomic_fragment },
	{ "extension headers around fragments", test_ip6_fragment_chain },
	{ "limits of extension chains", test_ip6_chain_limits },
	{ "lengths of extension headers", test_ip6_extension_lengths },
	{ "routing headers", test_ip6_routing },
	{ "every drop reason was met", test_reasons_met },
};

UNIT_MAIN("parse_ip6", tests)
