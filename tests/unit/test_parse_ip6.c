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

static void
test_ip6_fragments(void)
{
	static const uint8_t fragment[8] = { 6, 0, 0, 9 }, atomic[8] = { 6 };
	static const uint8_t behind[16] = { 44, 0, 1, 4, [8] = 6 };

	CU_ASSERT_EQUAL(parse_extensions(44, fragment, 8), SHUNT_DROP_FRAGMENT);
	CU_ASSERT_EQUAL(parse_extensions(44, atomic, 8), SHUNT_DROP_FRAGMENT);
	CU_ASSERT_EQUAL(parse_extensions(0, behind, 16), SHUNT_DROP_FRAGMENT);
	CU_ASSERT_EQUAL(parse_extensions(60, behind, 16), SHUNT_DROP_FRAGMENT);
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
		SHUNT_DROP_IP6_EXTENSIONS, SHUNT_DROP_FRAGMENT, SHUNT_DROP_IP_LENGTH,
		SHUNT_DROP_L4_HEADER };

	parse_check_seen(reasons, sizeof(reasons));
}

static const struct unit_test tests[] = {
	{ "sources and destinations", test_ip6_addresses },
	{ "fragments", test_ip6_fragments },
	{ "limits of extension chains", test_ip6_chain_limits },
	{ "lengths of extension headers", test_ip6_extension_lengths },
	{ "routing headers", test_ip6_routing },
	{ "every drop reason was met", test_reasons_met },
};

UNIT_MAIN("parse_ip6", tests)
