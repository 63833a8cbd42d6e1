/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes through parse, and what it lets through into the other family and
 * back. Each input is parsed in memory of exactly its size and the headroom that translation may
 * need, and once more as a variation of a good frame or ICMP error. A broken invariant aborts.
 *
 *   build-clang/tests/fuzz/fuzz_xlat -max_len=512 -max_total_time=60 CORPUS_DIR
 */
#include "fragments.h"
#include "parse.h"
#include "xlat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const uint8_t source[16] = { 10, 9, 8, 7, [15] = 1 };
static const uint8_t destination[16] = { 10, 9, 8, 6, [15] = 2 };

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* How far TCP's or UDP's checksum is from the right one, modulo 0xffff. */
static unsigned int
checksum_error(const struct pkt *p)
{
	const uint8_t *l4 = p->data + p->l4_offset;
	unsigned int right =
		frame_l4_checksum(p->data + p->l3_offset, l4, p->protocol, p->bytes - p->l4_offset);

	return (frame_get16(l4 + frame_checksum_offset(p->protocol)) + 0xffffu - right) % 0xffff;
}

/* The new packet is one that parse takes for the same, but for its family. */
static void
check_parsed(const struct pkt *p)
{
	struct pkt again = { .data = p->data, .bytes = p->bytes };

	parse_pkt(&again);
	must(again.drop == SHUNT_DROP_NONE && again.bytes == p->bytes);
	must(again.version == p->version && again.kind == p->kind);
	must(again.l4_offset == p->l4_offset && again.protocol == p->protocol);
	if (p->kind == PKT_FRAGMENT)
		must(again.fragment_offset == p->fragment_offset &&
			again.fragment_more == p->fragment_more &&
			again.fragment_bytes == p->fragment_bytes &&
			again.fragment_id == p->fragment_id);
	if (p->kind == PKT_ICMP_ERROR)
		must(again.inner_l3_offset == p->inner_l3_offset &&
			again.inner_l4_offset == p->inner_l4_offset);
}

static bool
is_without_checksum(const struct pkt *p)
{
	return p->kind == PKT_PLAIN && p->protocol == SHUNT_UDP &&
		frame_get16(p->data + p->l4_offset + 6) == 0;
}

/* UDP's length is its own: the reference counts the packet's. */
static bool
can_be_summed(const struct pkt *p)
{
	return p->kind == PKT_PLAIN && !is_without_checksum(p) &&
		(p->protocol == SHUNT_TCP ||
			frame_get16(p->data + p->l4_offset + 4) == p->bytes - p->l4_offset);
}

/* A packet that does not fit, in two pieces that add up to it. */
static void
check_split(const struct pkt *whole)
{
	struct pkt p = *whole, rest;
	unsigned int header = p.l3_offset + (p.data[p.l3_offset] & 0xf) * 4u, bytes = p.bytes;
	uint8_t *frame = frame_exact(p.data, p.bytes), *room = malloc(bytes);

	must(room != NULL);
	p.data = frame;
	if (xlat_split(&p, &rest, room, bytes)) {
		must(whole->version == 4 && !(frame[p.l3_offset + 6] & 0x40));
		must(p.bytes + rest.bytes - header == bytes && p.fragment_more);
		must(p.fragment_bytes == p.bytes - header && p.fragment_bytes % 8 == 0);
		must(rest.fragment_bytes == rest.bytes - header && !rest.l4_offset);
		must(rest.fragment_offset == p.fragment_offset + p.fragment_bytes);
		must(memcmp(room + header, whole->data + p.bytes, rest.fragment_bytes) == 0);
	}
	free(frame);
	free(room);
}

static void
check_packet(struct pkt *p, uint16_t mtu)
{
	const struct ends ends = { source, destination, 0x1234, 0x4321, p->version == 4 ? 6 : 4 };
	bool sum = can_be_summed(p);
	unsigned int error = sum ? checksum_error(p) : 0, bytes = p->bytes;
	const uint8_t *end = p->data + p->bytes, *frame = p->data;

	xlat_pkt(p, &ends, mtu, 77);
	if (p->drop) {
		must(p->data == frame && p->bytes == bytes);
		must(p->drop != SHUNT_DROP_TOO_BIG || p->fit_bytes < pkt_ip_bytes(p));
		if (p->drop == SHUNT_DROP_TOO_BIG)
			check_split(p);
		return;
	}
	must(p->data + p->bytes == end && p->version == ends.version && pkt_ip_bytes(p) <= mtu);
	must(!sum || checksum_error(p) == error);
	must(p->version == 4 || !is_without_checksum(p));
	check_parsed(p);
}

static void
check_icmp(struct pkt *p)
{
	const struct ends outer = { destination, source, 0, 0, p->version == 4 ? 6 : 4 };
	const struct ends quoted = { source, destination, 0x1234, 0x4321, outer.version };
	unsigned int bytes = p->bytes;
	const uint8_t *frame = p->data;

	xlat_icmp_error(p, &outer, &quoted, 77);
	if (p->drop) {
		must(p->drop == SHUNT_DROP_ICMP_TYPE && p->data == frame && p->bytes == bytes);
		return;
	}
	must(p->version == outer.version && pkt_ip_bytes(p) <= (p->version == 4 ? 576 : 1280));
	check_parsed(p);
}

/* From the family it came in to the other one and back. */
static void
translate(struct pkt *p, uint16_t mtu)
{
	for (int i = 0; i < 2 && !p->drop; i++) {
		if (p->data[p->l3_offset + (p->version == 4 ? 8 : 7)] <= 1)
			return;
		/* Of a later fragment with options inside, tracking finds the protocol. */
		if (p->protocol == 0)
			p->protocol = SHUNT_UDP;
		if (p->kind == PKT_ICMP_ERROR)
			check_icmp(p);
		else
			check_packet(p, mtu);
	}
}

static void
check(const uint8_t *data, size_t bytes)
{
	struct pkt p = { .data = frame_exact(data, bytes), .bytes = (uint32_t)bytes };
	static const uint16_t mtus[2] = { 9000, 120 };
	uint8_t *frame = p.data;

	parse_pkt(&p);
	for (int i = 0; i < 2 && !p.drop; i++) {
		struct pkt copy = p;
		uint8_t *room = malloc(XLAT_ICMP_GROW + p.bytes);

		must(room != NULL);
		memcpy(room + XLAT_ICMP_GROW, frame, p.bytes);
		copy.data = room + XLAT_ICMP_GROW;
		copy.headroom = XLAT_ICMP_GROW;
		translate(&copy, mtus[i]);
		free(room);
	}
	free(frame);
}

/*
 * A frame that parses, with the input laid over it by exclusive or: an input of zeros is a good
 * packet. The first byte says which frame.
 */
static void
check_variation(const uint8_t *data, size_t bytes)
{
	static const uint8_t options[8] = { 7, 7, 4 }, payload[40];
	bool tcp = data[0] & 1, v6 = data[0] & 2;
	struct frame_spec s = frame_default(v6 ? 6 : 4, tcp ? SHUNT_TCP : SHUNT_UDP);
	uint8_t extensions[24] = { 44, [8] = 60, 0, 0, (uint8_t)(data[0] >> 6), [16] = s.protocol };
	uint8_t frame[FRAME_MAX_BYTES] = { 0 }, whole[FRAME_MAX_BYTES];
	struct fragment_spec f = { data[0] & 64 ? 24 : 0, 24, !(data[0] & 128), 1 };
	size_t length, header;

	s.payload = payload;
	s.payload_bytes = sizeof(payload);
	s.options = options;
	s.options_bytes = data[0] & 4 ? sizeof(options) : 0;
	s.next = 60;
	s.extensions = extensions;
	s.extensions_bytes = data[0] & 4 ? sizeof(extensions) : 0;
	length = frame_build(frame, &s);
	if (data[0] & 32 && !(data[0] & 4)) {
		memcpy(whole, frame, length);
		length = fragment_build(frame, whole, length, f);
	}
	for (size_t i = 1; i < bytes && 13 + i < length; i++)
		frame[13 + i] ^= data[i];
	header = (frame[14] & 0xf) * 4u;
	if (!v6 && header >= 20)
		frame_put16(frame + 24, frame_ip4_checksum(frame + 14));
	if (data[0] & 16 && bytes + 12 < length)
		length = bytes + 12;
	check(frame, length);
}

/* The same with an ICMP error, its checksums put right, for else hardly one would be. */
static void
check_icmp_variation(const uint8_t *data, size_t bytes)
{
	static const uint8_t router[16] = { 10, 7 }, payload[24], options[8] = { 7, 7, 4 };
	struct frame_spec s =
		frame_default(data[0] & 2 ? 6 : 4, data[0] & 1 ? SHUNT_TCP : SHUNT_UDP);
	uint8_t extensions[16] = { 44, [8] = s.protocol, 0, 0, (uint8_t)(data[0] >> 7) };
	uint8_t quoted[FRAME_MAX_BYTES] = { 0 }, frame[FRAME_MAX_BYTES] = { 0 };
	size_t length, start = 14 + (data[0] & 2 ? 40 : 20);

	s.payload = payload;
	s.payload_bytes = sizeof(payload);
	s.options = options;
	s.options_bytes = data[0] & 4 ? sizeof(options) : 0;
	s.next = 60;
	s.extensions = extensions;
	s.extensions_bytes = data[0] & 4 ? sizeof(extensions) : 0;
	length = frame_build(quoted, &s) - 14 - (data[0] >> 3);
	length = frame_build_icmp(frame, data[0] & 2 ? 1 : 3, router, quoted + 14, length);
	for (size_t i = 1; i < bytes && start + i - 1 < length; i++)
		frame[start + i - 1] ^= data[i];
	frame_put16(
		frame + start + 2, frame_icmp_checksum(frame + 14, frame + start, length - start));
	check(frame, length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	check(data, bytes);
	if (bytes) {
		check_variation(data, bytes);
		check_icmp_variation(data, bytes);
	}
	return 0;
}
