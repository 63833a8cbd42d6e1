/* SPDX-License-Identifier: BSD-3-Clause */
/* Translation of ICMP errors from one family into the other. */
#include "xlat_scene.h"

static uint8_t payload[FRAME_MAX_BYTES];

/* The stations that errors come from, before and after: routers. */
static const uint8_t router4[4] = { 192, 0, 2, 77 };
static const uint8_t router6[16] = { 0x20, 0x01, 0x0d, 0xb8, 7, [15] = 7 };
static const uint8_t new_router4[4] = { 10, 0, 0, 77 };
static const uint8_t new_router6[16] = { 0xfd, 7, [15] = 7 };

/* The error itself goes from a router to the new quoted source. */
static struct ends
outer_ends(uint8_t version)
{
	struct ends ends = scene_ends(version);

	ends.destination = ends.source;
	ends.source = version == 4 ? new_router4 : new_router6;
	return ends;
}

/* Puts code and rest into an ICMP error. */
static void
set_head(uint8_t *frame, size_t bytes, uint8_t code, uint32_t rest)
{
	uint8_t *icmp = frame + 14 + (frame[14] >> 4 == 4 ? 20 : 40);

	icmp[1] = code;
	frame_put16(icmp + 4, rest >> 16);
	frame_put16(icmp + 6, rest & 0xffff);
	frame_put16(icmp + 2, frame_icmp_checksum(frame + 14, icmp, bytes - (icmp - frame)));
}

struct error {
	uint8_t type, code;
	uint32_t rest;
};

/* An error about a packet of which `quoted_bytes` behind the IP header are quoted. */
static size_t
build_error(uint8_t *frame, const struct frame_spec *s, struct error e, size_t quoted_bytes)
{
	uint8_t quoted[FRAME_MAX_BYTES];
	size_t header = s->version == 4 ? 20 + s->options_bytes : 40 + s->extensions_bytes, bytes;

	frame_build(quoted, s);
	bytes = frame_build_icmp(frame, e.type, s->version == 4 ? router4 : router6, quoted + 14,
		header + quoted_bytes);
	set_head(frame, bytes, e.code, e.rest);
	return bytes;
}

/* What it must become. */
static size_t
build_expected(uint8_t *frame, const struct frame_spec *s, struct error e, size_t quoted_bytes)
{
	struct frame_spec t = scene_translated(s);
	uint8_t quoted[FRAME_MAX_BYTES];
	size_t header = t.version == 4 ? 20 : 40, bytes;

	t.ttl = s->ttl; /* of the quoted packet it is as it was */
	bytes = frame_build(quoted, &t);
	if (t.version == 4) {
		scene_set_whole_id(quoted, bytes);
		if (bytes - 14 <= 1260)
			scene_set_id(quoted, 0, 0);
	}
	bytes = frame_build_icmp(frame, e.type, t.version == 4 ? new_router4 : new_router6,
		quoted + 14, header + quoted_bytes);
	frame[14 + (t.version == 4 ? 8 : 7)]--;
	if (t.version == 4)
		scene_set_id(frame, XLAT_ID, 0);
	set_head(frame, bytes, e.code, e.rest);
	return bytes;
}

static enum shunt_drop
translate(struct scene *c, const uint8_t *frame, size_t bytes, size_t headroom)
{
	uint8_t version = frame[14] >> 4 == 4 ? 6 : 4;
	const struct ends outer = outer_ends(version), quoted = scene_ends(version);

	scene_create(c, frame, bytes, headroom);
	CU_ASSERT_EQUAL_FATAL(c->p.kind, PKT_ICMP_ERROR);
	xlat_icmp_error(&c->p, &outer, &quoted, XLAT_ID);
	return c->p.drop;
}

static void
check_bytes(const uint8_t *frame, size_t bytes, const uint8_t *expected, size_t expected_bytes)
{
	/* What is in front may need more than the whole grows by, as the end may be cut. */
	const size_t headroom = XLAT_ICMP_GROW;
	struct pkt again;
	struct scene c;

	CU_ASSERT_EQUAL_FATAL(translate(&c, frame, bytes, headroom), SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL_FATAL(c.p.bytes, expected_bytes);
	CU_ASSERT(memcmp(c.p.data, expected, expected_bytes) == 0);
	scene_check_place(&c, headroom);
	again = (struct pkt){ .data = c.p.data, .bytes = c.p.bytes };
	parse_pkt(&again);
	CU_ASSERT_EQUAL(again.drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(again.l4_offset, c.p.l4_offset);
	CU_ASSERT_EQUAL(again.inner_l3_offset, c.p.inner_l3_offset);
	CU_ASSERT_EQUAL(again.inner_l4_offset, c.p.inner_l4_offset);
	CU_ASSERT_EQUAL(again.version, c.p.version);
	scene_destroy(&c);
}

static void
check_error(
	const struct frame_spec *s, struct error before, struct error after, size_t quoted_bytes)
{
	uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES];
	size_t bytes = build_error(frame, s, before, quoted_bytes);
	size_t expected_bytes = build_expected(expected, s, after, quoted_bytes);

	check_bytes(frame, bytes, expected, expected_bytes);
}

static void
check_untranslated(const struct frame_spec *s, struct error e)
{
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = build_error(frame, s, e, 8);
	struct scene c;

	CU_ASSERT_EQUAL(translate(&c, frame, bytes, XLAT_ICMP_GROW), SHUNT_DROP_ICMP_TYPE);
	CU_ASSERT(scene_is_untouched(&c, XLAT_ICMP_GROW));
	scene_destroy(&c);
}

/* Section 4.2 of RFC 7915, line by line. */
static void
test_types_to_6(void)
{
	static const struct {
		struct error before, after;
	} cases[] = {
		{ { 3, 0, 0 }, { 1, 0, 0 } },
		{ { 3, 1, 0 }, { 1, 0, 0 } },
		{ { 3, 2, 0 }, { 4, 1, 6 } },
		{ { 3, 3, 0 }, { 1, 4, 0 } },
		{ { 3, 4, 1400 }, { 2, 0, 1420 } },
		{ { 3, 4, 65535 }, { 2, 0, 65555 } },
		{ { 3, 4, 1000 }, { 2, 0, 1280 } },
		{ { 3, 4, 0 }, { 2, 0, 1280 } },
		{ { 3, 5, 0 }, { 1, 0, 0 } },
		{ { 3, 6, 0 }, { 1, 0, 0 } },
		{ { 3, 7, 0 }, { 1, 0, 0 } },
		{ { 3, 8, 0 }, { 1, 0, 0 } },
		{ { 3, 9, 0 }, { 1, 1, 0 } },
		{ { 3, 10, 0 }, { 1, 1, 0 } },
		{ { 3, 11, 0 }, { 1, 0, 0 } },
		{ { 3, 12, 0 }, { 1, 0, 0 } },
		{ { 3, 13, 0 }, { 1, 1, 0 } },
		{ { 3, 15, 0 }, { 1, 1, 0 } },
		{ { 11, 0, 0 }, { 3, 0, 0 } },
		{ { 11, 1, 0 }, { 3, 1, 0 } },
		{ { 12, 0, 0u << 24 }, { 4, 0, 0 } },
		{ { 12, 2, 1u << 24 }, { 4, 0, 1 } },
		{ { 12, 0, 2u << 24 }, { 4, 0, 4 } },
		{ { 12, 0, 3u << 24 }, { 4, 0, 4 } },
		{ { 12, 0, 8u << 24 }, { 4, 0, 7 } },
		{ { 12, 0, 9u << 24 }, { 4, 0, 6 } },
		{ { 12, 0, 12u << 24 }, { 4, 0, 8 } },
		{ { 12, 0, 15u << 24 }, { 4, 0, 8 } },
		{ { 12, 0, 16u << 24 }, { 4, 0, 24 } },
		{ { 12, 0, 19u << 24 }, { 4, 0, 24 } },
	};
	static const struct error none[] = { { 3, 14, 0 }, { 3, 16, 0 }, { 3, 255, 0 },
		{ 12, 1, 0 }, { 12, 3, 0 }, { 12, 0, 4u << 24 }, { 12, 0, 7u << 24 },
		{ 12, 0, 10u << 24 }, { 12, 0, 11u << 24 }, { 12, 0, 20u << 24 },
		{ 12, 0, 255u << 24 } };
	struct frame_spec s = frame_default(4, SHUNT_TCP);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		s.protocol = i % 2 ? SHUNT_TCP : SHUNT_UDP;
		check_error(&s, cases[i].before, cases[i].after, 8);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		check_untranslated(&s, none[i]);
}

/* Section 5.2. */
static void
test_types_to_4(void)
{
	static const struct {
		struct error before, after;
	} cases[] = {
		{ { 1, 0, 0 }, { 3, 1, 0 } },
		{ { 1, 1, 0 }, { 3, 10, 0 } },
		{ { 1, 2, 0 }, { 3, 1, 0 } },
		{ { 1, 3, 0 }, { 3, 1, 0 } },
		{ { 1, 4, 0 }, { 3, 3, 0 } },
		{ { 2, 0, 1500 }, { 3, 4, 1480 } },
		{ { 2, 0, 1280 }, { 3, 4, 1260 } },
		{ { 2, 0, 5 }, { 3, 4, 68 } },
		{ { 2, 0, 0xffffffff }, { 3, 4, 65535 } },
		{ { 3, 0, 0 }, { 11, 0, 0 } },
		{ { 3, 1, 0 }, { 11, 1, 0 } },
		{ { 4, 0, 0 }, { 12, 0, 0u << 24 } },
		{ { 4, 0, 1 }, { 12, 0, 1u << 24 } },
		{ { 4, 0, 4 }, { 12, 0, 2u << 24 } },
		{ { 4, 0, 5 }, { 12, 0, 2u << 24 } },
		{ { 4, 0, 6 }, { 12, 0, 9u << 24 } },
		{ { 4, 0, 7 }, { 12, 0, 8u << 24 } },
		{ { 4, 0, 8 }, { 12, 0, 12u << 24 } },
		{ { 4, 0, 23 }, { 12, 0, 12u << 24 } },
		{ { 4, 0, 24 }, { 12, 0, 16u << 24 } },
		{ { 4, 0, 39 }, { 12, 0, 16u << 24 } },
		{ { 4, 1, 6 }, { 3, 2, 0 } },
	};
	static const struct error none[] = { { 1, 5, 0 }, { 1, 6, 0 }, { 1, 255, 0 }, { 4, 2, 0 },
		{ 4, 3, 0 }, { 4, 0, 2 }, { 4, 0, 3 }, { 4, 0, 40 }, { 4, 0, 0xffffffff } };
	struct frame_spec s = frame_default(6, SHUNT_TCP);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		s.protocol = i % 2 ? SHUNT_TCP : SHUNT_UDP;
		check_error(&s, cases[i].before, cases[i].after, 8);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		check_untranslated(&s, none[i]);
}

/* Every length of a quote, from the least up to the whole packet. */
static void
test_quoted_lengths(void)
{
	for (size_t k = 0; k < 4; k++) {
		struct frame_spec s = frame_default(k / 2 ? 6 : 4, k % 2 ? SHUNT_TCP : SHUNT_UDP);
		size_t l4 = s.protocol == SHUNT_TCP ? 20 : 8;

		s.payload = payload;
		s.payload_bytes = 50;
		for (size_t bytes = 8; bytes <= l4 + 50; bytes++) {
			/* Half of TCP's checksum is left as it was. */
			if (s.protocol == SHUNT_TCP && bytes == 17)
				continue;
			check_error(&s, (struct error){ k / 2 ? 1 : 3, k / 2 ? 4 : 3, 0 },
				(struct error){ k / 2 ? 3 : 1, k / 2 ? 3 : 4, 0 }, bytes);
		}
	}
}

/* Of a router that does not tell its MTU. */
static void
test_unknown_mtu(void)
{
	struct frame_spec s = frame_default(4, SHUNT_TCP);

	s.payload = payload;
	s.payload_bytes = 1500 - 40;
	check_error(&s, (struct error){ 3, 4, 0 }, (struct error){ 2, 0, 1512 }, 8);
	s.payload_bytes = 1492 - 40;
	check_error(&s, (struct error){ 3, 4, 0 }, (struct error){ 2, 0, 1280 }, 8);
}

/* The quoted packet had options, extension headers; the new one has none. */
static void
test_headers_left_out(void)
{
	static const uint8_t options[8] = { 7, 7, 4, 0, 0, 0, 0, 0 };
	/* Hop by hop, destination options, and an atomic fragment, which is whole. */
	static const uint8_t headers[24] = { 60, 0, 1, 4, [8] = 44, 0, 1, 4, [16] = SHUNT_TCP, 0, 0,
		0, 1, 2, 3, 4 };
	struct frame_spec s = frame_default(4, SHUNT_UDP);

	s.options = options;
	s.options_bytes = sizeof(options);
	s.payload = payload;
	s.payload_bytes = 10;
	check_error(&s, (struct error){ 11, 0, 0 }, (struct error){ 3, 0, 0 }, 18);
	s = frame_default(6, SHUNT_TCP);
	s.next = 0;
	s.extensions = headers;
	s.extensions_bytes = sizeof(headers);
	check_error(&s, (struct error){ 3, 0, 0 }, (struct error){ 11, 0, 0 }, 20);
}

/* A first fragment is quoted as one. */
static void
test_quoted_fragment(void)
{
	for (size_t k = 0; k < 2; k++) {
		struct frame_spec s = frame_default(k ? 6 : 4, SHUNT_UDP), t = scene_translated(&s);
		uint8_t whole[FRAME_MAX_BYTES], piece[FRAME_MAX_BYTES], frame[FRAME_MAX_BYTES];
		uint8_t expected[FRAME_MAX_BYTES];
		struct fragment_spec f = { 0, 48, true, 0x5678 };
		size_t bytes, n;

		s.payload = t.payload = payload;
		s.payload_bytes = t.payload_bytes = 100;
		t.ttl = s.ttl;
		bytes = frame_build(whole, &s);
		n = fragment_build(piece, whole, bytes, f);
		bytes = frame_build_icmp(
			frame, k ? 2 : 11, k ? router6 : router4, piece + 14, n - 14);
		set_head(frame, bytes, 0, k ? 1400 : 0);

		n = frame_build(whole, &t);
		n = fragment_build(piece, whole, n, f);
		n = frame_build_icmp(
			expected, k ? 3 : 3, k ? new_router4 : new_router6, piece + 14, n - 14);
		expected[14 + (k ? 8 : 7)]--;
		if (k)
			scene_set_id(expected, XLAT_ID, 0);
		/* This one was 28 bytes longer as IPv6. */
		set_head(expected, n, k ? 4 : 0, k ? 1372 : 0);
		check_bytes(frame, bytes, expected, n);
	}
}

/* What is more than an error of the family may have is cut. */
static void
test_cut(void)
{
	struct frame_spec s = frame_default(4, SHUNT_TCP);
	uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES];
	size_t bytes;

	s.payload = payload;
	s.payload_bytes = 1400;
	bytes = build_error(frame, &s, (struct error){ 3, 3, 0 }, 1420);
	check_bytes(frame, bytes, expected,
		build_expected(expected, &s, (struct error){ 1, 4, 0 }, 1280 - 40 - 8 - 40));
	s = frame_default(6, SHUNT_TCP);
	s.payload = payload;
	s.payload_bytes = 1400;
	bytes = build_error(frame, &s, (struct error){ 1, 4, 0 }, 1280 - 40 - 8 - 40);
	check_bytes(frame, bytes, expected,
		build_expected(expected, &s, (struct error){ 3, 3, 0 }, 576 - 20 - 8 - 20));
}

/* RFC 4884: what stands behind the quoted packet is left out, and its length no longer given. */
static void
test_extensions_of_icmp(void)
{
	struct frame_spec s = frame_default(4, SHUNT_TCP);
	uint8_t frame[FRAME_MAX_BYTES], expected[FRAME_MAX_BYTES];
	size_t bytes;

	s.payload = payload;
	s.payload_bytes = 200;
	bytes = build_error(frame, &s, (struct error){ 11, 0, 32u << 16 }, 128 - 20 + 12);
	check_bytes(frame, bytes, expected,
		build_expected(expected, &s, (struct error){ 3, 0, 0 }, 128 - 20));
	/* A length that says less than the ports, or more than there is, is nonsense. */
	check_error(&s, (struct error){ 11, 0, 6u << 16 }, (struct error){ 3, 0, 0 }, 60);
	check_error(&s, (struct error){ 11, 0, 255u << 16 }, (struct error){ 3, 0, 0 }, 60);
	s = frame_default(6, SHUNT_TCP);
	s.payload = payload;
	s.payload_bytes = 200;
	bytes = build_error(frame, &s, (struct error){ 3, 0, 16u << 24 }, 128 - 40 + 12);
	check_bytes(frame, bytes, expected,
		build_expected(expected, &s, (struct error){ 11, 0, 0 }, 128 - 40));
	/* These have none: the field is another. */
	check_error(&s, (struct error){ 2, 0, 0x10000000 }, (struct error){ 3, 4, 65535 }, 150);
}

/* The quoted length says nothing sensible: no overflow, and what is there is there. */
static void
test_quoted_length_field(void)
{
	static const uint16_t lengths[] = { 0, 19, 20, 21, 27, 65507, 65535 };

	for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(*lengths); i++) {
		struct frame_spec s = frame_default(i % 2 ? 6 : 4, SHUNT_UDP);
		uint8_t quoted[FRAME_MAX_BYTES], frame[FRAME_MAX_BYTES];
		unsigned int length;
		struct scene c;
		size_t bytes;

		s.payload = payload;
		s.payload_bytes = 8;
		bytes = frame_build(quoted, &s);
		frame_put16(quoted + (i % 2 ? 18 : 16), lengths[i / 2]);
		bytes = frame_build_icmp(
			frame, 3, i % 2 ? router6 : router4, quoted + 14, bytes - 14);
		frame[14 + (i % 2 ? 40 : 20) + 7] = 0;
		set_head(frame, bytes, 0, 0);
		CU_ASSERT_EQUAL_FATAL(translate(&c, frame, bytes, XLAT_ICMP_GROW), SHUNT_DROP_NONE);
		length = frame_get16(c.p.data + c.p.inner_l3_offset + (i % 2 ? 2 : 4));
		CU_ASSERT(length >= (i % 2 ? 36 : 16));
		scene_destroy(&c);
	}
}

static void
test_no_room(void)
{
	struct frame_spec s = frame_default(4, SHUNT_TCP);
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = build_error(frame, &s, (struct error){ 3, 3, 0 }, 20);
	struct scene c;

	CU_ASSERT_EQUAL(translate(&c, frame, bytes, 39), SHUNT_DROP_TOO_BIG);
	CU_ASSERT(scene_is_untouched(&c, 39));
	scene_destroy(&c);
	CU_ASSERT_EQUAL(translate(&c, frame, bytes, 40), SHUNT_DROP_NONE);
	scene_destroy(&c);
}

static const struct unit_test tests[] = {
	{ "types and codes to IPv6", test_types_to_6 },
	{ "types and codes to IPv4", test_types_to_4 },
	{ "quotes of every length", test_quoted_lengths },
	{ "MTU not told", test_unknown_mtu },
	{ "options and extension headers", test_headers_left_out },
	{ "quoted fragments", test_quoted_fragment },
	{ "cut to what is allowed", test_cut },
	{ "extensions of ICMP", test_extensions_of_icmp },
	{ "quoted length is wrong", test_quoted_length_field },
	{ "no room", test_no_room },
};

UNIT_MAIN("xlat_icmp", tests)
