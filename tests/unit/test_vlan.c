/* SPDX-License-Identifier: BSD-3-Clause */
/* VLAN tags: parsed, and given to frames that leave (link.c). */
#include "parse_unit.h"

#include "link.h"
#include "shunt/table.h"
#include "too_big.h"

#define ROOM 64 /* in front of a frame that is sent */

struct tag {
	uint16_t type;
	uint16_t control;
};

static const struct shunt_mac port_macs[2] = { { { 2, 1, 1, 1, 1, 0 } }, { { 2, 1, 1, 1, 1, 1 } } };

/* Puts tags behind the addresses of a frame; returns its new length. */
static size_t
put_tags(uint8_t *frame, size_t bytes, const struct tag *tags, unsigned int count)
{
	memmove(frame + 12 + 4 * count, frame + 12, bytes - 12);
	for (unsigned int i = 0; i < count; i++) {
		frame_put16(frame + 12 + 4 * i, tags[i].type);
		frame_put16(frame + 14 + 4 * i, tags[i].control);
	}
	return bytes + 4 * count;
}

static size_t
build(uint8_t *frame, unsigned int kind, const struct tag *tags, unsigned int count)
{
	struct frame_spec s = frame_default(kinds[kind].version, kinds[kind].protocol);

	return put_tags(frame, frame_build(frame, &s), tags, count);
}

/* All the ways to stack two tags; id 0 is a priority alone. */
static const struct accepted {
	unsigned int count;
	struct tag tags[2];
	uint16_t vlan[2];
} accepted[] = {
	{ 0, { { 0, 0 } }, { 0, 0 } },
	{ 1, { { 0x8100, 5 } }, { 5, 0 } },
	{ 1, { { 0x8100, 0xffff & ~1 } }, { 0xffe, 0 } },
	{ 1, { { 0x88a8, 5 } }, { SHUNT_VLAN_S_TAG | 5, 0 } },
	{ 1, { { 0x8100, 0xe000 } }, { 0, 0 } },
	{ 1, { { 0x88a8, 0xe000 } }, { 0, 0 } },
	{ 2, { { 0x88a8, 5 }, { 0x8100, 6 } }, { SHUNT_VLAN_S_TAG | 5, 6 } },
	{ 2, { { 0x8100, 5 }, { 0x8100, 6 } }, { 5, 6 } },
	{ 2, { { 0x8100, 5 }, { 0x88a8, 6 } }, { 5, SHUNT_VLAN_S_TAG | 6 } },
	{ 2, { { 0x8100, 0 }, { 0x8100, 6 } }, { 6, 0 } },
	{ 2, { { 0x8100, 5 }, { 0x8100, 0x2000 } }, { 5, 0 } },
	{ 2, { { 0x88a8, 0 }, { 0x8100, 0 } }, { 0, 0 } },
};

static void
test_accepted(void)
{
	uint8_t frame[FRAME_MAX_BYTES];
	struct pkt p;

	for (unsigned int k = 0; k < KINDS; k++) {
		for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
			const struct accepted *a = &accepted[i];
			unsigned int l3 = 14 + 4 * a->count;
			size_t bytes = build(frame, k, a->tags, a->count);

			memset(frame + bytes, 0x77, 32);
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes + 32, &p), 0);
			CU_ASSERT_EQUAL(p.l3_offset, l3);
			CU_ASSERT_EQUAL(p.l4_offset, l3 + (p.version == 4 ? 20 : 40));
			CU_ASSERT_EQUAL(p.version, kinds[k].version);
			CU_ASSERT_EQUAL(p.bytes, bytes);
			CU_ASSERT_EQUAL(memcmp(p.vlan, a->vlan, sizeof(p.vlan)), 0);
		}
	}
}

/* Cut at every length, in memory of exactly that length. */
static void
test_truncated(void)
{
	static const struct tag tags[3] = { { 0x88a8, 5 }, { 0x8100, 6 }, { 0x8100, 7 } };
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k++) {
		for (unsigned int count = 0; count <= 3; count++) {
			size_t bytes = build(frame, k, tags, count);
			unsigned int l3 = 14 + 4 * (count < 3 ? count : 2);
			size_t header = l3 + (kinds[k].version == 4 ? 20 : 40);

			for (size_t n = 0; n < bytes; n++) {
				unsigned int want = SHUNT_DROP_IP_LENGTH;

				if (n < l3)
					want = SHUNT_DROP_SHORT_FRAME;
				else if (count == 3)
					want = SHUNT_DROP_VLAN_TAGS;
				else if (n < header)
					want = SHUNT_DROP_SHORT_FRAME;
				CU_ASSERT_EQUAL(parse_bytes(frame, n, NULL), want);
			}
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL),
				count == 3 ? SHUNT_DROP_VLAN_TAGS : SHUNT_DROP_NONE);
		}
	}
}

static void
test_refused(void)
{
	static const struct {
		unsigned int count;
		struct tag tags[3];
		uint8_t want;
	} cases[] = {
		{ 1, { { 0x8100, 4095 } }, SHUNT_DROP_VLAN_TAGS },
		{ 2, { { 0x8100, 1 }, { 0x8100, 0xffff } }, SHUNT_DROP_VLAN_TAGS },
		{ 1, { { 0x9100, 1 } }, SHUNT_DROP_VLAN_TAGS },
		{ 2, { { 0x8100, 1 }, { 0x9100, 1 } }, SHUNT_DROP_VLAN_TAGS },
		{ 3, { { 0x8100, 0 }, { 0x8100, 0 }, { 0x8100, 0 } }, SHUNT_DROP_VLAN_TAGS },
		{ 1, { { 0x0806, 1 } }, SHUNT_DROP_NOT_IP },
		{ 2, { { 0x8100, 1 }, { 0x0806, 1 } }, SHUNT_DROP_NOT_IP },
	};
	uint8_t frame[FRAME_MAX_BYTES];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t bytes = build(frame, 0, cases[i].tags, cases[i].count);

		CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), cases[i].want);
	}
}

/* A frame as received, in memory that begins `room` bytes before it and ends with it. */
static struct pkt
received(const uint8_t *frame, size_t bytes, size_t room, uint8_t **memory)
{
	uint8_t whole[FRAME_MAX_BYTES + ROOM];
	struct pkt p = { .in_port = 0, .bytes = (uint32_t)bytes, .headroom = (uint16_t)room };

	memset(whole, 0xee, room);
	memcpy(whole + room, frame, bytes);
	*memory = frame_exact(whole, room + bytes);
	p.data = *memory + room;
	parse_pkt(&p);
	CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
	return p;
}

/* What leaves is the frame built with the link's tags from the start, in their priorities. */
static void
check_out(unsigned int kind, const struct accepted *in, const struct accepted *out)
{
	struct link link = { .mac = { { 2, 7, 7, 7, 7, 7 } }, .port = 1, .known = 1 };
	uint8_t frame[FRAME_MAX_BYTES], want[FRAME_MAX_BYTES], *memory;
	struct tag tags[2] = { { 0, 0 }, { 0, 0 } };
	unsigned int outer = 0, inner = 0, count = 0;
	struct tag marked[2];
	struct pkt p;
	size_t bytes;

	memcpy(link.vlan, out->vlan, sizeof(link.vlan));
	for (unsigned int i = 0; i < in->count; i++) {
		marked[i] = in->tags[i];
		marked[i].control = (uint16_t)((marked[i].control & 0xfff) | (i ? 0x5000 : 0xb000));
		outer = 0xb000;
		inner = i ? 0x5000 : 0xb000;
	}
	for (; count < 2 && link.vlan[count]; count++) {
		tags[count].type = link.vlan[count] & SHUNT_VLAN_S_TAG ? 0x88a8 : 0x8100;
		tags[count].control =
			(uint16_t)((link.vlan[count] & 0xfff) | (count ? inner : outer));
	}
	bytes = build(want, kind, tags, count);
	memcpy(want, link.mac.bytes, 6);
	memcpy(want + 6, port_macs[1].bytes, 6);

	p = received(frame, build(frame, kind, marked, in->count), ROOM, &memory);
	link_out(&p, &link, port_macs);
	CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(p.out_port, 1);
	CU_ASSERT_EQUAL_FATAL(p.bytes, bytes);
	CU_ASSERT_EQUAL(memcmp(p.data, want, bytes), 0);
	CU_ASSERT_EQUAL(p.l3_offset, 14 + 4 * count);
	CU_ASSERT_EQUAL(p.l4_offset, p.l3_offset + (p.version == 4 ? 20 : 40));
	CU_ASSERT_PTR_EQUAL(p.data - p.headroom, memory);
	free(memory);
}

static void
test_out(void)
{
	const size_t n = sizeof(accepted) / sizeof(accepted[0]);

	for (unsigned int k = 0; k < KINDS; k++) {
		for (size_t in = 0; in < n; in++) {
			for (size_t out = 0; out < n; out++)
				check_out(k, &accepted[in], &accepted[out]);
		}
	}
}

/* As much room as is needed is enough, and a byte less is none. */
static void
test_headroom(void)
{
	for (unsigned int in = 0; in <= 1; in++) {
		const struct link link = { .known = 1, .vlan = { 5, 6 } };
		size_t need = 8 - 4 * in, bytes;
		uint8_t frame[FRAME_MAX_BYTES], *memory;
		struct pkt p;

		bytes = build(frame, 0, accepted[1].tags, in);
		p = received(frame, bytes, need, &memory);
		link_out(&p, &link, port_macs);
		CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_PTR_EQUAL(p.data, memory);
		CU_ASSERT_EQUAL(p.headroom, 0);
		free(memory);
		p = received(frame, bytes, need - 1, &memory);
		link_out(&p, &link, port_macs);
		CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_HEADROOM);
		CU_ASSERT_EQUAL(p.bytes, bytes);
		free(memory);
	}
}

/* The offsets into the quoted packet of an ICMP error move with the rest; a later fragment has no
 * upper-layer offset that could. */
static void
test_other_kinds(void)
{
	static const uint8_t router[16] = { 192, 0, 2, 1 };
	static const struct link link = { .known = 1, .vlan = { 5, 6 } };
	struct frame_spec s = frame_default(4, SHUNT_UDP);
	uint8_t frame[FRAME_MAX_BYTES], error[FRAME_MAX_BYTES], *memory;
	size_t bytes = frame_build(frame, &s);
	struct pkt p;

	bytes = frame_build_icmp(error, 3, router, frame + 14, bytes - 14);
	bytes = put_tags(error, bytes, accepted[1].tags, 1);
	p = received(error, bytes, ROOM, &memory);
	CU_ASSERT_EQUAL(p.kind, PKT_ICMP_ERROR);
	CU_ASSERT_EQUAL(p.inner_l3_offset, 18 + 28);
	link_out(&p, &link, port_macs);
	CU_ASSERT_EQUAL(p.inner_l3_offset, 22 + 28);
	CU_ASSERT_EQUAL(p.inner_l4_offset, 22 + 28 + 20);
	free(memory);

	bytes = frame_build(frame, &s);
	frame_put16(frame + 14 + 6, 2); /* the offset: 16 bytes */
	frame_put16(frame + 14 + 10, frame_ip4_checksum(frame + 14));
	p = received(frame, bytes, ROOM, &memory);
	CU_ASSERT_EQUAL(p.kind, PKT_FRAGMENT);
	link_out(&p, &link, port_macs);
	CU_ASSERT_EQUAL(p.l3_offset, 22);
	CU_ASSERT_EQUAL(p.l4_offset, 0);
	free(memory);
}

static void
test_back(void)
{
	uint8_t frame[FRAME_MAX_BYTES], *memory;
	struct link back;
	struct pkt p;

	p = received(frame, build(frame, 0, accepted[6].tags, 2), 0, &memory);
	p.in_port = 3;
	back = link_back(&p);
	CU_ASSERT_EQUAL(memcmp(back.mac.bytes, frame + 6, 6), 0);
	CU_ASSERT(back.port == 3 && back.known);
	CU_ASSERT_EQUAL(memcmp(back.vlan, accepted[6].vlan, sizeof(back.vlan)), 0);
	free(memory);
}

/* A port's own VLAN: by its ids, whatever kind of tag they are in. */
static void
test_port_vlan(void)
{
	static const uint16_t ports[][2] = { { 0, 0 }, { 5, 0 }, { SHUNT_VLAN_S_TAG | 5, 6 } };
	uint8_t frame[FRAME_MAX_BYTES], *memory;

	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		for (size_t k = 0; k < 3; k++) {
			const struct accepted *a = &accepted[i];
			bool same = (a->vlan[0] & 0xfff) == (ports[k][0] & 0xfff) &&
				(a->vlan[1] & 0xfff) == (ports[k][1] & 0xfff);
			struct pkt p, *pkts[1] = { &p };

			p = received(frame, build(frame, 0, a->tags, a->count), 0, &memory);
			link_check_vlan(pkts, 1, ports[k]);
			CU_ASSERT_EQUAL(p.drop, k == 0 || same ? SHUNT_DROP_NONE : SHUNT_DROP_VLAN);
			p.drop = SHUNT_DROP_TTL; /* the first reason counts */
			link_check_vlan(pkts, 1, ports[k]);
			CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_TTL);
			free(memory);
		}
	}
}

/* "Too big" goes back in the tags that the packet came in, priority and all. */
static void
test_too_big(void)
{
	for (unsigned int version = 4; version <= 6; version += 2) {
		static uint8_t payload[1400];
		struct frame_spec s = frame_default((uint8_t)version, SHUNT_TCP);
		static const struct tag tags[2] = { { 0x88a8, 0x6005 }, { 0x8100, 0xe006 } };
		uint8_t frame[FRAME_MAX_BYTES], *memory;
		struct pkt p, again;

		s.payload = payload;
		s.payload_bytes = sizeof(payload);
		p = received(frame, put_tags(frame, frame_build(frame, &s), tags, 2), 0, &memory);
		p.drop = SHUNT_DROP_TOO_BIG;
		p.fit_bytes = 1300;
		CU_ASSERT_TRUE_FATAL(too_big_wants_answer(&p));
		too_big_answer(&p, port_macs);
		CU_ASSERT_EQUAL(memcmp(p.data, frame + 6, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 6, port_macs[0].bytes, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 12, frame + 12, 10), 0);
		CU_ASSERT_EQUAL(parse_bytes(p.data, p.bytes, &again), SHUNT_DROP_NONE);
		CU_ASSERT_EQUAL(again.kind, PKT_ICMP_ERROR);
		CU_ASSERT_EQUAL(again.bytes, p.bytes);
		free(memory);
	}
}

static const struct unit_test tests[] = {
	{ "every way to stack two tags", test_accepted },
	{ "frames with tags cut at every length", test_truncated },
	{ "tags that are refused", test_refused },
	{ "from any tags to any tags", test_out },
	{ "room in front of the frame", test_headroom },
	{ "ICMP errors and fragments", test_other_kinds },
	{ "the way back", test_back },
	{ "a port with a VLAN of its own", test_port_vlan },
	{ "\"too big\" in the same VLAN", test_too_big },
};

UNIT_MAIN("vlan", tests)
