/* SPDX-License-Identifier: BSD-3-Clause */
/* Translation of TCP, UDP and fragments from one family into the other. */
#include "xlat_scene.h"

static uint8_t payload[FRAME_MAX_BYTES];

static const struct {
	uint8_t version;
	uint8_t protocol;
} kinds[] = { { 4, SHUNT_TCP }, { 4, SHUNT_UDP }, { 6, SHUNT_TCP }, { 6, SHUNT_UDP } };
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* Translates the frame and compares all of it. */
static void
check_bytes(const uint8_t *frame, size_t bytes, const uint8_t *expected, size_t expected_bytes)
{
	size_t headroom = expected_bytes > bytes ? expected_bytes - bytes : 0;
	const struct ends ends = scene_ends(frame[14] >> 4 == 4 ? 6 : 4);
	struct scene c;

	scene_create(&c, frame, bytes, headroom);
	xlat_pkt(&c.p, &ends, (uint16_t)(expected_bytes - 14), XLAT_ID);
	CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL_FATAL(c.p.bytes, expected_bytes);
	CU_ASSERT(memcmp(c.p.data, expected, expected_bytes) == 0);
	CU_ASSERT_EQUAL(c.p.version, ends.version);
	CU_ASSERT_EQUAL(c.p.l3_offset, 14);
	scene_check_place(&c, headroom);
	/* What later stages read of it is what parse would say of the new packet. */
	struct pkt again = { .data = c.p.data, .bytes = c.p.bytes };

	parse_pkt(&again);
	CU_ASSERT_EQUAL(again.drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(again.l4_offset, c.p.l4_offset);
	CU_ASSERT_EQUAL(again.kind, c.p.kind);
	if (c.p.kind == PKT_FRAGMENT)
		CU_ASSERT_EQUAL(again.fragment_id, c.p.fragment_id);
	scene_destroy(&c);
}

static void
check_spec(const struct frame_spec *s, uint8_t class)
{
	uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES];
	const struct frame_spec t = scene_translated(s);
	size_t bytes = frame_build(frame, s), expected_bytes = frame_build(expected, &t);

	scene_set_class(frame, class);
	scene_set_class(expected, class);
	if (t.version == 4)
		scene_set_whole_id(expected, expected_bytes);
	check_bytes(frame, bytes, expected, expected_bytes);
}

static void
test_whole(void)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 13, 536, 1219, 1220, 1221, 1232, 1233, 1400 };

	for (size_t k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);

		s.payload = payload;
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			s.payload_bytes = sizes[i];
			s.ttl = (uint8_t)(2 + i * 23);
			check_spec(&s, (uint8_t)(i * 23));
		}
	}
}

/* The header before is longer: the frame may shrink even towards IPv6. */
static void
test_options(void)
{
	static const uint8_t options[40] = { 7, 7, 4, 0, 0, 0, 0, 0 };

	for (size_t bytes = 0; bytes <= sizeof(options); bytes += 4) {
		struct frame_spec s = frame_default(4, bytes % 8 ? SHUNT_UDP : SHUNT_TCP);

		s.options = bytes == 4 ? options + 8 : options; /* end of options, or some */
		s.options_bytes = bytes;
		s.payload = payload;
		s.payload_bytes = 21;
		check_spec(&s, 0xb8);
	}
}

static void
test_extensions(void)
{
	/* Hop by hop, routing with nothing left, destination options, atomic fragment. */
	uint8_t headers[40] = { 43, 0, 1, 4, [8] = 60, 0, 0, 0, [16] = 44, 1, 1, 12, [32] = 0 };

	for (size_t k = 0; k < 2; k++) {
		struct frame_spec s = frame_default(6, k ? SHUNT_TCP : SHUNT_UDP);

		headers[32] = s.protocol;
		s.next = 0;
		s.extensions = headers;
		s.extensions_bytes = sizeof(headers);
		s.payload = payload;
		s.payload_bytes = 33;
		check_spec(&s, 3);
	}
}

/* The flow label is not carried over, nor does it disturb the traffic class. */
static void
test_flow_label(void)
{
	struct frame_spec s = frame_default(6, SHUNT_TCP), t = scene_translated(&s);
	uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES];
	size_t bytes = frame_build(frame, &s), expected_bytes = frame_build(expected, &t);

	frame[15] |= 0xf;
	frame[16] = frame[17] = 0xff;
	scene_set_class(frame, 0x5a);
	scene_set_class(expected, 0x5a);
	scene_set_whole_id(expected, expected_bytes);
	check_bytes(frame, bytes, expected, expected_bytes);
}

/* Every piece of a datagram, in pieces of several sizes. */
static void
test_fragments(void)
{
	uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES];
	uint8_t piece[FRAME_MAX_BYTES], expected_piece[FRAME_MAX_BYTES];

	for (size_t k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol), t;
		size_t bytes, expected_bytes, l4_bytes;

		s.payload = payload;
		s.payload_bytes = 300;
		t = scene_translated(&s);
		bytes = frame_build(frame, &s);
		expected_bytes = frame_build(expected, &t);
		l4_bytes = 300 + (s.protocol == SHUNT_TCP ? 20 : 8);
		for (size_t step = 24; step < l4_bytes; step += 56) {
			for (size_t at = 0; at < l4_bytes; at += step) {
				bool more = at + step < l4_bytes;
				struct fragment_spec f = { at, more ? step : l4_bytes - at, more,
					0xfedc7788 };
				size_t n = fragment_build(piece, frame, bytes, f), m;

				if (s.version == 4)
					f.id = 0x7788;
				m = fragment_build(expected_piece, expected, expected_bytes, f);
				check_bytes(piece, n, expected_piece, m);
			}
		}
	}
}

/* Translates there and back to the ends it had. */
static void
round_trip(const uint8_t *frame, size_t bytes, uint8_t *out, size_t *out_bytes)
{
	struct ends there = scene_ends(frame[14] >> 4 == 4 ? 6 : 4), back;
	bool v4 = frame[14] >> 4 == 4;
	const uint8_t *ip = frame + 14, *source = ip + (v4 ? 12 : 8);
	struct scene c;

	scene_create(&c, frame, bytes, XLAT_GROW);
	back = (struct ends){ .source = source,
		.destination = source + (v4 ? 4 : 16),
		.sport_be = c.p.sport_be,
		.dport_be = c.p.dport_be,
		.version = v4 ? 4 : 6 };
	xlat_pkt(&c.p, &there, 9000, XLAT_ID);
	CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
	parse_pkt(&c.p);
	CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
	xlat_pkt(&c.p, &back, 9000, XLAT_ID);
	CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
	memcpy(out, c.p.data, c.p.bytes);
	*out_bytes = c.p.bytes;
	scene_destroy(&c);
}

static void
test_round_trips(void)
{
	uint8_t frame[FRAME_MAX_BYTES], back[FRAME_MAX_BYTES];
	uint64_t random = 5;

	for (unsigned int i = 0; i < 2000; i++) {
		struct frame_spec s =
			frame_default(kinds[i % KINDS].version, kinds[i % KINDS].protocol);
		size_t bytes, back_bytes;

		s.payload = payload;
		s.payload_bytes = frame_random(&random) % 1400;
		s.sport = (uint16_t)frame_random(&random) | 1;
		s.dport = (uint16_t)frame_random(&random) & 0xfffe;
		s.ttl = (uint8_t)(3 + frame_random(&random) % 250);
		frame_random_bytes(&random, payload, s.payload_bytes);
		bytes = frame_build(frame, &s);
		round_trip(frame, bytes, back, &back_bytes);
		CU_ASSERT_EQUAL_FATAL(back_bytes, bytes);
		if (s.version == 4) {
			back[22] = (uint8_t)(back[22] + 2);
			scene_set_id(back, 0x1234, 0x4000);
		} else {
			back[21] = (uint8_t)(back[21] + 2);
		}
		CU_ASSERT(memcmp(frame, back, bytes) == 0);
	}
}

/* A wrong checksum stays as wrong as it was. */
static void
test_wrong_checksum(void)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);
		const struct ends ends = scene_ends(s.version == 4 ? 6 : 4);
		size_t at = frame_checksum_offset(s.protocol), bytes, l4_bytes;
		uint8_t frame[FRAME_MAX_BYTES], *l4;
		unsigned int right;
		struct scene c;

		s.payload = payload;
		s.payload_bytes = 9;
		bytes = frame_build(frame, &s);
		l4_bytes = 9 + (s.protocol == SHUNT_TCP ? 20 : 8);
		l4 = frame + bytes - l4_bytes;
		frame_put16(l4 + at, (frame_get16(l4 + at) + 0x101) % 0xffff);
		scene_create(&c, frame, bytes, XLAT_GROW);
		xlat_pkt(&c.p, &ends, 1500, XLAT_ID);
		l4 = c.p.data + c.p.l4_offset;
		right = frame_l4_checksum(c.p.data + 14, l4, s.protocol, l4_bytes);
		CU_ASSERT_EQUAL(frame_get16(l4 + at) % 0xffff, (right + 0x101) % 0xffff);
		scene_destroy(&c);
	}
}

static void
clear_udp_checksum(uint8_t *frame, size_t header)
{
	frame_put16(frame + 14 + header + 6, 0);
}

static void
check_drop(const uint8_t *frame, size_t bytes, enum shunt_drop drop)
{
	const struct ends ends = scene_ends(frame[14] >> 4 == 4 ? 6 : 4);
	struct scene c;

	scene_create(&c, frame, bytes, XLAT_GROW);
	xlat_pkt(&c.p, &ends, 1500, XLAT_ID);
	CU_ASSERT_EQUAL(c.p.drop, drop);
	CU_ASSERT(scene_is_untouched(&c, XLAT_GROW));
	scene_destroy(&c);
}

static void
test_no_udp_checksum(void)
{
	struct frame_spec s = frame_default(4, SHUNT_UDP), t = scene_translated(&s);
	uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES], piece[FRAME_MAX_BYTES];
	struct fragment_spec first = { 0, 24, true, 7 }, later = { 24, 24, false, 7 };
	size_t bytes, expected_bytes;

	s.payload = t.payload = payload;
	/* Computed for a whole datagram, of even and odd length. */
	for (size_t n = 0; n < 64; n++) {
		s.payload_bytes = t.payload_bytes = n;
		bytes = frame_build(frame, &s);
		expected_bytes = frame_build(expected, &t);
		clear_udp_checksum(frame, 20);
		check_bytes(frame, bytes, expected, expected_bytes);
	}
	/* Not for a part. What is behind the first one is nobody's and passes. */
	bytes = fragment_build(piece, frame, bytes, first);
	check_drop(piece, bytes, SHUNT_DROP_UDP_CHECKSUM);
	frame_build(frame, &s);
	clear_udp_checksum(frame, 20);
	bytes = fragment_build(piece, frame, 14 + 20 + 48, later);
	expected_bytes = fragment_build(
		expected, memcpy(frame, expected, expected_bytes), 14 + 40 + 48, later);
	check_bytes(piece, bytes, expected, expected_bytes);
	/* IPv6 does not allow it: as IPv4 it would be good. */
	t = frame_default(6, SHUNT_UDP);
	bytes = frame_build(frame, &t);
	clear_udp_checksum(frame, 40);
	check_drop(frame, bytes, SHUNT_DROP_UDP_CHECKSUM);
	t.payload = payload;
	t.payload_bytes = 40;
	bytes = frame_build(frame, &t);
	clear_udp_checksum(frame, 40);
	bytes = fragment_build(piece, frame, bytes, first);
	check_drop(piece, bytes, SHUNT_DROP_UDP_CHECKSUM);
}

/* A datagram that ends before the packet: the checksum covers the datagram, all of it is sent. */
static void
test_udp_trailer(void)
{
	struct frame_spec s = frame_default(4, SHUNT_UDP), t = scene_translated(&s);
	uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES];
	size_t bytes, expected_bytes;

	s.payload = t.payload = payload;
	s.payload_bytes = t.payload_bytes = 20;
	bytes = frame_build(frame, &s);
	expected_bytes = frame_build(expected, &t);
	frame_put16(frame + 14 + 20 + 4, 8 + 11);
	frame_put16(expected + 14 + 40 + 4, 8 + 11);
	frame_put16(expected + 14 + 40 + 6,
		frame_l4_checksum(expected + 14, expected + 14 + 40, SHUNT_UDP, 8 + 11));
	clear_udp_checksum(frame, 20);
	check_bytes(frame, bytes, expected, expected_bytes);
}

/* A sum that comes out as zero is sent as its other representation. */
static void
test_udp_zero_sum(void)
{
	for (size_t k = 0; k < 2; k++) {
		struct frame_spec s = frame_default(k ? 6 : 4, SHUNT_UDP), t = scene_translated(&s);
		uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES], word[2] = { 0 };
		size_t bytes;

		s.payload = t.payload = word;
		s.payload_bytes = t.payload_bytes = 2;
		bytes = frame_build(expected, &t);
		/* With the sum in the payload, it is zero. */
		memcpy(word, expected + bytes - 4, 2);
		bytes = frame_build(expected, &t);
		CU_ASSERT_EQUAL(frame_get16(expected + bytes - 4), 0xffff);
		if (t.version == 4)
			scene_set_whole_id(expected, bytes);
		check_bytes(frame, frame_build(frame, &s), expected, bytes);
		if (s.version == 6)
			continue;
		frame_build(frame, &s);
		clear_udp_checksum(frame, 20);
		check_bytes(frame, bytes - 20, expected, bytes);
	}
}

static void
check_too_big(const uint8_t *frame, size_t bytes, uint16_t mtu, size_t headroom, uint16_t fit)
{
	const struct ends ends = scene_ends(frame[14] >> 4 == 4 ? 6 : 4);
	struct scene c;

	scene_create(&c, frame, bytes, headroom);
	xlat_pkt(&c.p, &ends, mtu, XLAT_ID);
	CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_TOO_BIG);
	CU_ASSERT_EQUAL(c.p.fit_bytes, fit);
	CU_ASSERT(scene_is_untouched(&c, headroom));
	scene_destroy(&c);
}

/* What fits is what the sender has to send for the result to be of the MTU's size. */
static void
test_too_big(void)
{
	uint8_t frame[FRAME_MAX_BYTES], piece[FRAME_MAX_BYTES];
	struct frame_spec s = frame_default(4, SHUNT_TCP);
	static const uint8_t options[8] = { 1, 1, 1, 1, 1, 1, 1, 0 };
	size_t bytes;

	s.payload = payload;
	s.payload_bytes = 1481 - 40;
	bytes = frame_build(frame, &s);
	check_too_big(frame, bytes, 1500, XLAT_GROW, 1480);
	s.payload_bytes--;
	check_spec(&s, 0); /* at an MTU of just its size */
	bytes = frame_build(frame, &s);
	check_too_big(frame, bytes, 1500, 19, 1480);
	bytes = fragment_build(piece, frame, bytes, (struct fragment_spec){ 0, 1456, true, 9 });
	check_too_big(piece, bytes, 1503, XLAT_GROW, 1475);
	check_too_big(piece, bytes, 1504, XLAT_GROW - 1, 1476);
	check_too_big(piece, bytes, 20, XLAT_GROW, 0);
	s.options = options;
	s.options_bytes = sizeof(options);
	bytes = frame_build(frame, &s);
	check_too_big(frame, bytes, 1499, XLAT_GROW, 1487);
	s = frame_default(6, SHUNT_TCP);
	s.payload = payload;
	s.payload_bytes = 1441;
	bytes = frame_build(frame, &s);
	check_too_big(frame, bytes, 1480, XLAT_GROW, 1500);
}

/* Headers that a fragment's datagram has before TCP or UDP make offsets that IPv4 has not. */
static void
test_fragment_with_options(void)
{
	struct frame_spec s = frame_default(6, SHUNT_UDP);
	uint8_t headers[24] = { 44, 0, 1, 4, [8] = 60, 0, 0, 1, [16] = SHUNT_UDP, 0, 1, 4 };
	uint8_t frame[FRAME_MAX_BYTES];
	struct scene c;
	const struct ends ends = scene_ends(4);
	size_t bytes;

	s.next = 60;
	s.extensions = headers;
	s.extensions_bytes = sizeof(headers);
	s.payload = payload;
	s.payload_bytes = 40;
	bytes = frame_build(frame, &s);
	check_drop(frame, bytes, SHUNT_DROP_IP6_EXTENSIONS);
	/* A later one, of which tracking has said in the meantime what it belongs to. */
	headers[11] = 16;
	bytes = frame_build(frame, &s);
	scene_create(&c, frame, bytes, 0);
	CU_ASSERT_EQUAL(c.p.protocol, 0);
	c.p.protocol = SHUNT_UDP;
	xlat_pkt(&c.p, &ends, 1500, XLAT_ID);
	CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_IP6_EXTENSIONS);
	scene_destroy(&c);
	/* Before the fragment header they are no part of the datagram, and left out. */
	headers[8] = SHUNT_UDP;
	s.extensions_bytes = 16;
	headers[11] = 1;
	bytes = frame_build(frame, &s);
	scene_create(&c, frame, bytes, 0);
	xlat_pkt(&c.p, &ends, 1500, XLAT_ID);
	CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(c.p.bytes, 14 + 20 + 48);
	CU_ASSERT_EQUAL(frame_get16(c.p.data + 20), 0x2000);
	scene_destroy(&c);
}

/* The header counts for the length of an IPv4 datagram. */
static void
test_fragment_too_long(void)
{
	struct frame_spec s = frame_default(6, SHUNT_UDP);
	uint8_t frame[FRAME_MAX_BYTES], piece[FRAME_MAX_BYTES];
	struct fragment_spec f = { 65504, 12, false, 3 };
	const struct ends ends = scene_ends(4);
	size_t bytes = frame_build(frame, &s);
	struct scene c;

	check_drop(piece, fragment_build(piece, frame, bytes, f), SHUNT_DROP_FRAGMENT_TOO_LONG);
	f.bytes = 11;
	bytes = fragment_build(piece, frame, bytes, f);
	scene_create(&c, piece, bytes, 0);
	xlat_pkt(&c.p, &ends, 1500, XLAT_ID);
	CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_NONE);
	scene_destroy(&c);
}

/* Tags between the addresses and the EtherType are moved with them. */
static void
test_longer_link_header(void)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);
		struct frame_spec t = scene_translated(&s);
		const struct ends ends = scene_ends(t.version);
		uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES];
		static const uint8_t tag[4] = { 0x81, 0, 0, 5 };
		size_t bytes = frame_build(frame, &s), expected_bytes = frame_build(expected, &t);
		struct scene c;

		if (t.version == 4)
			scene_set_whole_id(expected, expected_bytes);
		scene_create(&c, frame, bytes, XLAT_GROW + 4);
		memmove(c.p.data - 4, c.p.data, 12);
		memcpy(c.p.data + 8, tag, 4);
		c.p.data -= 4;
		c.p.headroom -= 4;
		c.p.bytes += 4;
		c.p.l3_offset += 4;
		c.p.l4_offset += 4;
		xlat_pkt(&c.p, &ends, 1500, XLAT_ID);
		CU_ASSERT_EQUAL_FATAL(c.p.bytes, expected_bytes + 4);
		CU_ASSERT(memcmp(c.p.data, expected, 12) == 0);
		CU_ASSERT(memcmp(c.p.data + 12, tag, 4) == 0);
		CU_ASSERT(memcmp(c.p.data + 16, expected + 12, expected_bytes - 12) == 0);
		scene_destroy(&c);
	}
}

static const struct unit_test tests[] = {
	{ "whole packets", test_whole },
	{ "IPv4 options", test_options },
	{ "IPv6 extension headers", test_extensions },
	{ "flow label", test_flow_label },
	{ "fragments", test_fragments },
	{ "there and back", test_round_trips },
	{ "a wrong checksum is not repaired", test_wrong_checksum },
	{ "UDP without checksum", test_no_udp_checksum },
	{ "UDP shorter than its packet", test_udp_trailer },
	{ "UDP checksum of zero", test_udp_zero_sum },
	{ "too big", test_too_big },
	{ "fragments with options inside", test_fragment_with_options },
	{ "fragments beyond IPv4's length", test_fragment_too_long },
	{ "a longer link header", test_longer_link_header },
};

UNIT_MAIN("xlat", tests)
