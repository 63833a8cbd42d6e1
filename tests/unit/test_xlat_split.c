/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 packets that are fragmented because IPv6's header is longer. */
#include "xlat_scene.h"

static uint8_t payload[FRAME_MAX_BYTES];

/* Where the pieces' payload is put together again. */
struct assembly {
	uint8_t bytes[FRAME_MAX_BYTES];
	size_t end; /* 0: the last piece has not come */
	size_t sum;
	unsigned int pieces;
};

static void
take_piece(struct assembly *a, const struct pkt *p, uint32_t id, uint16_t mtu)
{
	struct pkt again = { .data = p->data, .bytes = p->bytes };

	parse_pkt(&again);
	CU_ASSERT_EQUAL_FATAL(again.drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL_FATAL(again.kind, PKT_FRAGMENT);
	CU_ASSERT_EQUAL(again.version, 6);
	CU_ASSERT_EQUAL(again.fragment_id, id);
	CU_ASSERT(pkt_ip_bytes(&again) <= mtu);
	CU_ASSERT(memcmp(again.data + 14 + 8, scene_source6, 16) == 0);
	memcpy(a->bytes + again.fragment_offset, again.data + again.bytes - again.fragment_bytes,
		again.fragment_bytes);
	a->sum += again.fragment_bytes;
	a->pieces++;
	if (!again.fragment_more)
		a->end = again.fragment_offset + again.fragment_bytes;
}

/* As a worker does it: cuts, and translates both, until all fits. */
static void
translate(struct assembly *a, const uint8_t *frame, size_t bytes, uint16_t mtu)
{
	const struct ends ends = scene_ends(6);
	uint32_t id = frame_get16(frame + 18);
	struct pkt rest;
	struct scene c;

	scene_create(&c, frame, bytes, XLAT_GROW);
	xlat_pkt(&c.p, &ends, mtu, XLAT_ID);
	while (c.p.drop == SHUNT_DROP_TOO_BIG) {
		uint8_t *room = malloc(XLAT_GROW + c.p.bytes);

		if (!room)
			abort();
		if (!xlat_split(&c.p, &rest, room + XLAT_GROW, c.p.bytes)) {
			CU_FAIL_FATAL("not split");
		}
		rest.headroom = XLAT_GROW;
		xlat_pkt(&c.p, &ends, mtu, XLAT_ID);
		CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
		take_piece(a, &c.p, id, mtu);
		free(c.room);
		c.room = room;
		c.p = rest;
		xlat_pkt(&c.p, &ends, mtu, XLAT_ID);
	}
	CU_ASSERT_EQUAL_FATAL(c.p.drop, SHUNT_DROP_NONE);
	take_piece(a, &c.p, id, mtu);
	scene_destroy(&c);
}

/* The pieces are those of the packet that would have been made with room enough. */
static void
check_assembly(const struct assembly *a, const struct frame_spec *s)
{
	struct frame_spec t = scene_translated(s);
	uint8_t expected[FRAME_MAX_BYTES];
	size_t bytes = frame_build(expected, &t) - 14 - 40;

	CU_ASSERT_EQUAL(a->end, bytes);
	CU_ASSERT_EQUAL(a->sum, bytes);
	CU_ASSERT(memcmp(a->bytes, expected + 14 + 40, bytes) == 0);
}

static struct frame_spec
spec(uint8_t protocol, size_t payload_bytes)
{
	struct frame_spec s = frame_default(4, protocol);
	uint64_t random = 1;

	frame_random_bytes(&random, payload, sizeof(payload));
	s.payload = payload;
	s.payload_bytes = payload_bytes;
	return s;
}

static void
test_whole(void)
{
	static const uint16_t mtus[] = { 1280, 600, 300 };

	for (size_t i = 0; i < sizeof(mtus) / sizeof(*mtus); i++) {
		for (size_t k = 0; k < 4; k++) {
			struct frame_spec s = spec(k % 2 ? SHUNT_TCP : SHUNT_UDP, 1400 + i + k);
			static const uint8_t options[8] = { 7, 7, 4, 0, 0, 0, 0, 0 };
			struct assembly a = { 0 };
			uint8_t frame[FRAME_MAX_BYTES];
			size_t bytes;

			s.options = options;
			s.options_bytes = k / 2 * 8;
			bytes = frame_build(frame, &s);
			scene_set_id(frame, 0x4711, 0);
			/* Of the header that has been changed, the options. */
			frame_put16(frame + 24, frame_ip4_checksum(frame + 14));
			translate(&a, frame, bytes, mtus[i]);
			check_assembly(&a, &s);
			CU_ASSERT(a.pieces >= 2);
		}
	}
}

/* Fragments of a datagram that each have to become two. */
static void
test_fragments(void)
{
	struct frame_spec s = spec(SHUNT_UDP, 1900);
	uint8_t frame[FRAME_MAX_BYTES], piece[FRAME_MAX_BYTES];
	size_t bytes = frame_build(frame, &s);
	struct assembly a = { 0 };

	for (size_t at = 0; at < 1908; at += 704) {
		bool more = at + 704 < 1908;
		struct fragment_spec f = { at, more ? 704 : 1908 - at, more, 0x99 };

		translate(&a, piece, fragment_build(piece, frame, bytes, f), 700);
	}
	check_assembly(&a, &s);
	CU_ASSERT_EQUAL(a.pieces, 5);
}

/* The whole datagram is here still, so it can get its checksum. */
static void
test_udp_without_checksum(void)
{
	struct frame_spec s = spec(SHUNT_UDP, 1465);
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = frame_build(frame, &s);
	struct assembly a = { 0 };

	scene_set_id(frame, 0x4711, 0);
	frame_put16(frame + 14 + 20 + 6, 0);
	translate(&a, frame, bytes, 1500);
	check_assembly(&a, &s);
	CU_ASSERT_EQUAL(a.pieces, 2);
}

static void
check_refused(const uint8_t *frame, size_t bytes, uint16_t mtu, size_t room_bytes)
{
	const struct ends ends = scene_ends(frame[14] >> 4 == 4 ? 6 : 4);
	uint8_t room[FRAME_MAX_BYTES];
	struct pkt rest, before;
	struct scene c;

	scene_create(&c, frame, bytes, 0);
	xlat_pkt(&c.p, &ends, mtu, XLAT_ID);
	CU_ASSERT_EQUAL(c.p.drop, SHUNT_DROP_TOO_BIG);
	before = c.p;
	CU_ASSERT_FALSE(xlat_split(&c.p, &rest, room, (uint32_t)room_bytes));
	CU_ASSERT(scene_is_untouched(&c, 0));
	CU_ASSERT(memcmp(&before, &c.p, sizeof(before)) == 0);
	scene_destroy(&c);
}

static void
test_refused(void)
{
	struct frame_spec s = spec(SHUNT_UDP, 1400);
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = frame_build(frame, &s);

	check_refused(frame, bytes, 1280, FRAME_MAX_BYTES); /* DF */
	scene_set_id(frame, 0x4711, 0);
	check_refused(frame, bytes, 40 + 8 + 63, FRAME_MAX_BYTES); /* not even little */
	check_refused(frame, bytes, 10, FRAME_MAX_BYTES);
	check_refused(frame, bytes, 1280, 14 + 20 + 1408 - 1232 - 1); /* the end has no room */
	check_refused(
		frame, bytes, 9000, FRAME_MAX_BYTES); /* it is the headroom that is too small */
	s = frame_default(6, SHUNT_UDP);
	s.payload = payload;
	s.payload_bytes = 1400;
	bytes = frame_build(frame, &s);
	check_refused(frame, bytes, 1280, FRAME_MAX_BYTES); /* IPv6: only its sender does that */
}

static const struct unit_test tests[] = {
	{ "whole packets", test_whole },
	{ "fragments", test_fragments },
	{ "UDP without checksum", test_udp_without_checksum },
	{ "refused", test_refused },
};

UNIT_MAIN("xlat_split", tests)
