/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of xlat.c share. A packet is built twice with frame_build(): as it comes, in one
 * family, and as it must leave, in the other; the two must agree byte by byte after translation.
 */
#ifndef TESTS_XLAT_SCENE_H
#define TESTS_XLAT_SCENE_H

#include <arpa/inet.h>

#include "fragments.h"
#include "parse.h"
#include "unit.h"
#include "xlat.h"

#define XLAT_ID 0xbeef

/* The ends that translated packets are to have; those of frame_default() are others. */
static const uint8_t scene_source4[4] = { 10, 0, 0, 200 }, scene_destination4[4] = { 10, 0, 0, 11 };
static const uint8_t scene_source6[16] = { 0xfd, 1, [15] = 0xc8 };
static const uint8_t scene_destination6[16] = { 0xfd, 1, [15] = 0x0b };
#define SCENE_SPORT 1024
#define SCENE_DPORT 8080

static inline struct ends
scene_ends(uint8_t version)
{
	return (struct ends){
		.source = version == 4 ? scene_source4 : scene_source6,
		.destination = version == 4 ? scene_destination4 : scene_destination6,
		.sport_be = htons(SCENE_SPORT),
		.dport_be = htons(SCENE_DPORT),
		.version = version,
	};
}

/* A packet in memory of exactly its size and the room in front of it. */
struct scene {
	struct pkt p;
	uint8_t *room;
	uint8_t before[FRAME_MAX_BYTES];
	size_t bytes;
};

static inline void
scene_create(struct scene *c, const uint8_t *frame, size_t bytes, size_t headroom)
{
	c->bytes = bytes;
	c->room = malloc(headroom + bytes);
	if (!c->room)
		abort();
	memset(c->room, 0xa5, headroom);
	memcpy(c->room + headroom, frame, bytes);
	memcpy(c->before, frame, bytes);
	c->p = (struct pkt){
		.data = c->room + headroom,
		.bytes = (uint32_t)bytes,
		.headroom = (uint16_t)headroom,
	};
	parse_pkt(&c->p);
	CU_ASSERT_EQUAL_FATAL(c->p.drop, SHUNT_DROP_NONE);
}

static inline void
scene_destroy(struct scene *c)
{
	free(c->room);
}

/* The packet lies in its memory, to the end of it unless it was cut, and the room adds up. */
static inline void
scene_check_place(const struct scene *c, size_t headroom)
{
	CU_ASSERT_PTR_EQUAL(c->p.data, c->room + c->p.headroom);
	CU_ASSERT(c->p.headroom + c->p.bytes <= headroom + c->bytes);
}

/* Was it left alone? */
static inline bool
scene_is_untouched(const struct scene *c, size_t headroom)
{
	return c->p.data == c->room + headroom && c->p.headroom == headroom &&
		memcmp(c->p.data, c->before, c->bytes) == 0;
}

/* What the packet of this spec is to become. */
static inline struct frame_spec
scene_translated(const struct frame_spec *s)
{
	struct frame_spec t = frame_default(s->version == 4 ? 6 : 4, s->protocol);
	const struct ends ends = scene_ends(t.version);

	memcpy(t.src, ends.source, t.version == 4 ? 4 : 16);
	memcpy(t.dst, ends.destination, t.version == 4 ? 4 : 16);
	t.sport = SCENE_SPORT;
	t.dport = SCENE_DPORT;
	t.ttl = (uint8_t)(s->ttl - 1);
	t.flags = s->flags;
	t.payload = s->payload;
	t.payload_bytes = s->payload_bytes;
	return t;
}

/* Puts TOS or traffic class into a frame. */
static inline void
scene_set_class(uint8_t *frame, uint8_t class)
{
	uint8_t *ip = frame + 14;

	if (ip[0] >> 4 == 4) {
		ip[1] = class;
		frame_put16(ip + 10, frame_ip4_checksum(ip));
		return;
	}
	ip[0] = (uint8_t)(0x60 | class >> 4);
	ip[1] = (uint8_t)(class << 4 | (ip[1] & 0xf));
}

/* Puts id and flags into an IPv4 frame. */
static inline void
scene_set_id(uint8_t *frame, uint16_t id, uint16_t flags)
{
	frame_put16(frame + 18, id);
	frame_put16(frame + 20, flags);
	frame_put16(frame + 24, frame_ip4_checksum(frame + 14));
}

/* An unfragmented packet that came from IPv6 may be fragmented up to 1260 bytes. */
static inline void
scene_set_whole_id(uint8_t *frame, size_t bytes)
{
	if (bytes - 14 <= 1260)
		scene_set_id(frame, XLAT_ID, 0);
	else
		scene_set_id(frame, 0, 0x4000);
}

#endif
