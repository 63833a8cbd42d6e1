/* SPDX-License-Identifier: BSD-3-Clause */
/* parse: fragments, but for the IPv6 headers around them (test_parse_ip6.c). */
#include "parse_unit.h"

#include <arpa/inet.h>

/* What parse has to say of a fragment with the last `bytes` of a datagram, or some before. */
static unsigned int
fragment_reason(uint8_t protocol, size_t header, size_t offset, size_t bytes, bool more)
{
	if (bytes == 0 || (more && bytes % 8))
		return SHUNT_DROP_FRAGMENT;
	if (header + offset + bytes > 65535)
		return SHUNT_DROP_FRAGMENT_TOO_LONG;
	if (protocol == SHUNT_TCP && offset > 0 && offset < 20)
		return SHUNT_DROP_FRAGMENT_OVERLAP;
	if (offset == 0 && bytes < (protocol == SHUNT_TCP ? 20 : 8))
		return SHUNT_DROP_FRAGMENT_TINY;
	return SHUNT_DROP_NONE;
}

/* Every offset, with and without more to follow; the reserved bits are nobody's business. */
static void
test_ip4_fragments(void)
{
	static const uint8_t payload[28];
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < 2; k++) {
		struct frame_spec s = frame_default(4, kinds[k].protocol);
		size_t bytes, l4_bytes;
		struct pkt p;

		s.payload = payload;
		s.payload_bytes = s.protocol == SHUNT_TCP ? 20 : 24;
		bytes = frame_build(frame, &s);
		l4_bytes = bytes - 34;
		for (unsigned int field = 0; field <= 0xffff; field++) {
			size_t offset = (field & 0x1fff) * 8;
			bool more = field & 0x2000;

			frame_put16(frame + 20, field);
			frame_put16(frame + 24, frame_ip4_checksum(frame + 14));
			CU_ASSERT_EQUAL_FATAL(parse_bytes(frame, bytes, &p),
				fragment_reason(s.protocol, 20, offset, l4_bytes, more));
			if (p.drop)
				continue;
			CU_ASSERT_EQUAL(p.kind, field & 0x3fff ? PKT_FRAGMENT : PKT_PLAIN);
			CU_ASSERT_EQUAL(p.fragment_offset, offset);
			if (p.kind == PKT_PLAIN)
				continue;
			CU_ASSERT_EQUAL(p.fragment_more, more);
			CU_ASSERT_EQUAL(p.fragment_bytes, l4_bytes);
			CU_ASSERT_EQUAL(p.fragment_id, 0x1234);
			CU_ASSERT_EQUAL(p.l4_offset, offset ? 0 : 34);
			CU_ASSERT_EQUAL(p.dport_be, offset ? 0 : htons(80));
		}
	}
}

/* Every length that a first, a middle and a last fragment can have, of both families. */
static void
test_fragment_lengths(void)
{
	static const struct {
		size_t offset;
		bool more;
	} places[] = { { 0, true }, { 64, true }, { 64, false }, { 65488, false } };
	static const uint8_t payload[100];
	uint8_t whole[FRAME_MAX_BYTES], frame[FRAME_MAX_BYTES];

	for (unsigned int i = 0; i < 4 * KINDS; i++) {
		struct frame_spec s = frame_default(kinds[i / 4].version, kinds[i / 4].protocol);
		struct fragment_spec f = { .offset = places[i % 4].offset, .id = 0xa0b0c0d0 };
		size_t whole_bytes;

		f.more = places[i % 4].more;
		s.payload = payload;
		s.payload_bytes = sizeof(payload);
		whole_bytes = frame_build(whole, &s);
		for (f.bytes = 0; f.bytes <= 100; f.bytes++) {
			size_t bytes = fragment_build(frame, whole, whole_bytes, f);
			struct pkt p;

			memset(frame + bytes, 0x77, 46); /* Ethernet padding is no payload */
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes + f.bytes % 47, &p),
				fragment_reason(s.protocol, s.version == 4 ? 20 : 0, f.offset,
					f.bytes, f.more));
			if (p.drop)
				continue;
			CU_ASSERT_EQUAL(p.fragment_bytes, f.bytes);
			CU_ASSERT_EQUAL(p.fragment_id, s.version == 4 ? 0xc0d0 : 0xa0b0c0d0);
		}
	}
}

/* A TCP header that goes on in the next fragment; one whose length is impossible in any. */
static void
test_tiny_first_fragment(void)
{
	static const uint8_t payload[100];
	uint8_t whole[FRAME_MAX_BYTES], frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k += 2) {
		struct frame_spec s = frame_default(kinds[k].version, SHUNT_TCP);
		struct fragment_spec f = { .bytes = 40, .more = true };
		size_t bytes;

		s.payload = payload;
		s.payload_bytes = sizeof(payload);
		bytes = frame_build(whole, &s);
		for (unsigned int words = 0; words < 16; words++) {
			unsigned int want = words < 5 ? SHUNT_DROP_L4_HEADER : SHUNT_DROP_NONE;

			whole[14 + (s.version == 4 ? 20 : 40) + 12] = (uint8_t)(words << 4);
			if (words > 10)
				want = SHUNT_DROP_FRAGMENT_TINY;
			CU_ASSERT_EQUAL(
				parse_bytes(frame, fragment_build(frame, whole, bytes, f), NULL),
				want);
		}
	}
}

/* UDP's length is that of the whole datagram; less than its header it cannot be. */
static void
test_udp_length_in_fragment(void)
{
	static const uint8_t payload[100];
	uint8_t whole[FRAME_MAX_BYTES], frame[FRAME_MAX_BYTES];

	for (unsigned int k = 1; k < KINDS; k += 2) {
		struct frame_spec s = frame_default(kinds[k].version, SHUNT_UDP);
		struct fragment_spec f = { .bytes = 16, .more = true };
		size_t bytes;

		s.payload = payload;
		s.payload_bytes = sizeof(payload);
		bytes = frame_build(whole, &s);
		for (unsigned int length = 0; length <= 0xffff; length += length < 50 ? 1 : 31) {
			frame_put16(whole + 14 + (s.version == 4 ? 20 : 40) + 4, length);
			CU_ASSERT_EQUAL(
				parse_bytes(frame, fragment_build(frame, whole, bytes, f), NULL),
				length < 8 ? SHUNT_DROP_L4_HEADER : SHUNT_DROP_NONE);
		}
	}
}

static void
test_reasons_met(void)
{
	static const uint8_t reasons[] = { SHUNT_DROP_NONE, SHUNT_DROP_FRAGMENT,
		SHUNT_DROP_FRAGMENT_TINY, SHUNT_DROP_FRAGMENT_TOO_LONG, SHUNT_DROP_FRAGMENT_OVERLAP,
		SHUNT_DROP_L4_HEADER };

	parse_check_seen(reasons, sizeof(reasons));
}

static const struct unit_test tests[] = {
	{ "every IPv4 fragment field", test_ip4_fragments },
	{ "every length of a fragment", test_fragment_lengths },
	{ "tiny first fragments", test_tiny_first_fragment },
	{ "UDP lengths in a fragment", test_udp_length_in_fragment },
	{ "every drop reason was met", test_reasons_met },
};

UNIT_MAIN("parse_fragments", tests)
