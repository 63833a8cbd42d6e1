/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes through parse, and what parse lets through also through nat, both
 * ways, into a tunnel and into the answer to what is too big for one, and ICMP errors through their
 * rewriting; fragments also through the table of fragments, which lives on from input to input.
 * Each input is parsed in memory of exactly its size, so that address sanitizer sees any access
 * past its end, and once more as a variation of a good frame. A broken invariant aborts.
 *
 *   build-clang/tests/fuzz/fuzz_parse -max_len=512 -max_total_time=60 CORPUS_DIR
 */
#include "checksum.h"
#include "frag.h"
#include "fragments.h"
#include "frames.h"
#include "icmp.h"
#include "nat.h"
#include "parse.h"
#include "tcp_answer.h"
#include "too_big.h"
#include "tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

#define TAGS_ROOM 8 /* for two VLAN tags */

static uint16_t
load16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
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

/* From the server that the packet's source is taken for; changes *server to it. */
static void
check_nat_back(struct pkt *p, const struct gen_service *service, struct gen_server *server)
{
	static const struct shunt_mac port_macs[1] = { { { 2, 0, 0, 0, 0, 1 } } };
	static const struct link hop = { .mac = { { 2, 0, 0, 0, 0, 2 } }, .known = 1 };
	size_t n = p->version == 4 ? 4 : 16;

	memcpy(server->address, p->data + p->l3_offset + (p->version == 4 ? 12 : 8), n);
	server->port_be = p->sport_be;
	server->l3_sum = checksum_l3_sum(server->address, n);
	server->l4_sum = checksum_l4_sum(server->l3_sum, server->port_be);
	nat_to_client(p, service, server, &hop, port_macs);
}

/*
 * To a server and, taken for that server's packet, back: the destination changes and the source
 * does, and neither a right checksum nor a wrong one gets better or worse.
 */
static void
check_nat(struct pkt *p)
{
	static const struct shunt_mac port_macs[1] = { { { 2, 0, 0, 0, 0, 1 } } };
	static const uint8_t server_address[16] = { 0xfd, 1, 2, 3, [15] = 4 };
	struct gen_service service = { .port_be = p->dport_be, .version = p->version };
	struct gen_server server = {
		.port_be = 0x1234,
		.version = p->version,
		.link = { .known = 1, .vlan = { 5, 6 } },
	};
	size_t n = p->version == 4 ? 4 : 16;
	uint8_t *ip = p->data + p->l3_offset;
	uint8_t *ttl = ip + (p->version == 4 ? 8 : 7);
	uint8_t *source = ip + (p->version == 4 ? 12 : 8);
	/* A later fragment has none. */
	uint8_t *field = p->data + p->l4_offset + frame_checksum_offset(p->protocol);
	bool later = p->l4_offset == 0;
	bool no_checksum = !later && p->protocol == SHUNT_UDP && load16(field) == 0;
	unsigned int error = later ? 0 : checksum_error(p), ttl_before = *ttl;
	/* The packet stays where it is: tags come and go in front of it. */
	uint8_t *kept = later ? source + 2 * n : ip;
	size_t kept_bytes = (size_t)(p->data + p->bytes - kept);
	uint8_t *before;

	/* No service has port 0. */
	if (!later && !p->dport_be)
		return;
	before = frame_exact(kept, kept_bytes);
	memcpy(service.address, source + n, n);
	service.l3_sum = checksum_l3_sum(service.address, n);
	service.l4_sum = checksum_l4_sum(service.l3_sum, service.port_be);
	memcpy(server.address, server_address, n);
	server.l3_sum = checksum_l3_sum(server.address, n);
	server.l4_sum = checksum_l4_sum(server.l3_sum, server.port_be);

	nat_to_server(p, &service, &server, port_macs);
	must((p->drop == SHUNT_DROP_TTL) == (ttl_before <= 1));
	if (!p->drop) {
		must(*ttl == ttl_before - 1 && memcmp(source + n, server_address, n) == 0);
		must(later || (no_checksum ? load16(field) == 0 : checksum_error(p) == error));
		must(!later || memcmp(kept, before, kept_bytes) == 0);
		must(p->l3_offset == 22 && p->data + 22 == ip);
		check_nat_back(p, &service, &server);
		must((p->drop == SHUNT_DROP_TTL) == (ttl_before == 2));
	}
	if (!p->drop) {
		must(memcmp(source, service.address, n) == 0);
		must(later || (no_checksum ? load16(field) == 0 : checksum_error(p) == error));
		must(!later || memcmp(kept, before, kept_bytes) == 0);
		must(p->l3_offset == 14 && p->data + 14 == ip);
		must(p->version == 6 || frame_get16(ip + 10) == frame_ip4_checksum(ip));
	}
	free(before);
}

/* What has waited is in memory of its own, and freed here, whatever has become of it. */
static void
check_later(struct frag_table *table, struct pkt *p, void *handle, bool placed, uint64_t now_ms)
{
	uint32_t owner = 0;

	switch (frag_later(table, p, handle, placed, now_ms, &owner)) {
	case FRAG_WAIT:
		return;
	case FRAG_FORWARD:
		must(p->server == 7 && (p->protocol == SHUNT_TCP || p->protocol == SHUNT_UDP));
		break;
	case FRAG_HAND_OVER:
		must(owner == 1);
		break;
	case FRAG_DROP:
		must(p->drop != 0);
		break;
	}
	free(handle);
}

/* A sound fragment through one table for all inputs; salt: what else may differ. */
static void
check_tracking(const struct pkt *fragment, uint8_t salt)
{
	static const uint64_t seed[2] = { 1, 2 };
	static struct frag_table *table;
	static uint64_t now_ms;
	struct pkt p = *fragment;
	enum shunt_drop reason = SHUNT_DROP_NONE;
	void *handle;

	if (!table)
		table = frag_table_create(0, seed);
	must(table != NULL);
	now_ms += salt & 3;
	while ((handle = frag_reap(table, now_ms, &reason))) {
		must(reason == SHUNT_DROP_FRAGMENT_NO_FIRST || reason == SHUNT_DROP_FRAGMENT_FULL);
		free(handle);
	}
	if (p.fragment_offset) {
		p.data = frame_exact(p.data, p.bytes);
		check_later(table, &p, p.data, salt & 4, now_ms);
		must(frag_waiting(table) <= FRAG_WAITING);
		return;
	}
	p.drop = salt & 8 && salt & 16 ? SHUNT_DROP_NO_SERVICE : SHUNT_DROP_NONE;
	if (frag_first(table, &p, salt >> 5 & 1, now_ms) == FRAG_FORWARD) {
		p.server = 7;
		frag_settle(table, &p);
	}
	while ((handle = frag_take(table, &p)))
		check_later(table, &p, handle, false, now_ms);
}

/* An error goes to the server or the client with its checksum right, and nothing else moved. */
static void
check_icmp(struct pkt *p, bool to_server)
{
	static const struct shunt_mac port_macs[1] = { { { 2, 0, 0, 0, 0, 1 } } };
	static const struct link hop = { .mac = { { 2, 0, 0, 0, 0, 2 } }, .known = 1 };
	struct gen_service service = { .address = { 0xfd, 9 }, .port_be = 0x4321 };
	struct gen_server server = {
		.address = { 0xfd, 8 },
		.port_be = 0x1234,
		.link = { .known = 1, .vlan = { 5, 6 } },
	};
	uint8_t *ip = p->data + p->l3_offset, *icmp = p->data + p->l4_offset;
	unsigned int ttl = ip[p->version == 4 ? 8 : 7], type = icmp[0], bytes = pkt_ip_bytes(p);

	if (to_server)
		icmp_to_server(p, &server, port_macs);
	else
		icmp_to_client(p, &service, &server, &hop, port_macs);
	must(p->drop == (ttl <= 1 ? SHUNT_DROP_TTL : SHUNT_DROP_NONE));
	must(pkt_ip_bytes(p) == bytes && icmp[0] == type && p->data + p->l3_offset == ip);
	must(frame_get16(icmp + 2) % 0xffff ==
		frame_icmp_checksum(ip, icmp, p->bytes - p->l4_offset) % 0xffff);
	must(p->version == 6 || frame_get16(ip + 10) % 0xffff == frame_ip4_checksum(ip) % 0xffff);
}

/*
 * Into a tunnel, with just the room that it needs: the packet is inside as it was, but for the MSS,
 * or does not fit, and then the answer to its sender is no longer than it was.
 */
static void
check_tunnel(const struct pkt *parsed, enum shunt_encap encap, uint8_t outer, uint16_t mtu)
{
	static const struct shunt_mac port_macs[1] = { { { 2, 0, 0, 0, 0, 1 } } };
	const struct gen_server server = {
		.version = outer,
		.forward = SHUNT_TUNNEL,
		.encap = encap,
		.link.known = 1,
		.mss_clamp = 536,
	};
	unsigned int room = tunnel_overhead(&server), bytes = parsed->bytes - parsed->l3_offset;
	uint8_t *frame = malloc(room + parsed->bytes);
	struct pkt p = *parsed;

	must(frame != NULL);
	memcpy(frame + room, parsed->data, parsed->bytes);
	p.data = frame + room;
	p.headroom = (uint16_t)room;
	tunnel_to_server(&p, &server, port_macs, &mtu);
	if (!p.drop) {
		/* Without tags: what came with some leaves room in front. */
		must(p.data + 14 == frame + parsed->l3_offset);
		must(p.bytes == 14 + room + bytes && bytes + room <= mtu);
		must(pkt_ip_bytes(&p) == bytes && p.l3_offset == 14 + room);
		must(p.tcp_flags & PKT_SYN ||
			memcmp(p.data + p.l3_offset, parsed->data + parsed->l3_offset, bytes) == 0);
	} else {
		must(p.drop == SHUNT_DROP_TOO_BIG && bytes + room > mtu);
		must(memcmp(p.data, parsed->data, p.bytes) == 0);
		if (too_big_wants_answer(&p)) {
			too_big_answer(&p, port_macs);
			must(p.bytes <= parsed->bytes && p.drop == SHUNT_DROP_NONE);
		}
	}
	free(frame);
}

static void
check_tunnels(const struct pkt *parsed)
{
	for (enum shunt_encap encap = SHUNT_IPIP; encap < SHUNT_ENCAP_COUNT; encap++) {
		check_tunnel(parsed, encap, 4, 9000);
		check_tunnel(parsed, encap, 6, 9000);
		check_tunnel(parsed, encap, 4, 90);
	}
}

/* Answered by a reset and by a challenge: neither is longer than it, and their checksums hold. */
static void
check_answers(const struct pkt *parsed)
{
	static const uint8_t key[TCP_ANSWER_KEY_BYTES] = { 1 };
	static const struct shunt_mac port_mac = { { 2, 0, 0, 0, 0, 1 } };
	unsigned int header = parsed->version == 4 ? 20 : 40;
	struct ends ends = tcp_answer_ends(parsed);
	struct pkt p = *parsed;
	uint8_t *ip;

	if (parsed->protocol != SHUNT_TCP || !parsed->l4_offset)
		return;
	ip = malloc(header + 20);
	must(ip && tcp_answer_challenge(ip, key, &ends, 1) == header + 20);
	must(frame_get16(ip + header + 16) == frame_l4_checksum(ip, ip + header, SHUNT_TCP, 20));
	tcp_answer_is_proof(parsed, key);
	free(ip);
	if (!tcp_answer_allowed(parsed))
		return;
	p.data = frame_exact(parsed->data, parsed->bytes);
	tcp_answer_reset(&p, &port_mac);
	ip = p.data + p.l3_offset;
	must(p.bytes == p.l3_offset + header + 20 && p.bytes <= parsed->bytes);
	must(frame_get16(ip + header + 16) == frame_l4_checksum(ip, ip + header, SHUNT_TCP, 20));
	must(ip[header + 13] & PKT_RST);
	free(p.data);
}

static void
check(const uint8_t *data, size_t bytes)
{
	struct pkt p = { .data = frame_exact(data, bytes), .bytes = (uint32_t)bytes };
	uint8_t *frame = p.data;

	parse_pkt(&p);
	must(frame_parsed_is_sound(&p, bytes));
	must(bytes == 0 || memcmp(frame, data, bytes) == 0);
	if (!p.drop) {
		/* What is behind the packet is nobody's business any more; two tags fit before it.
		 */
		uint8_t *memory = malloc(TAGS_ROOM + p.bytes);

		must(memory != NULL);
		p.data = memory + TAGS_ROOM;
		p.headroom = TAGS_ROOM;
		memcpy(p.data, frame, p.bytes);
		if (p.kind == PKT_FRAGMENT)
			check_tracking(&p, data[0]);
		if (p.kind == PKT_ICMP_ERROR) {
			if (p.protocol == SHUNT_TCP || p.protocol == SHUNT_UDP)
				check_icmp(&p, bytes & 1);
		} else {
			check_tunnels(&p);
			check_answers(&p);
			check_nat(&p);
		}
		free(memory);
	}
	free(frame);
}

/* Puts VLAN tags in front of what the frame is about. */
static size_t
put_tags(uint8_t *frame, size_t length, size_t tags)
{
	for (size_t i = 0; i < tags && length >= 14; i++, length += 4) {
		memmove(frame + 16, frame + 12, length - 12);
		frame_put16(frame + 12, i ? 0x88a8 : 0x8100);
		frame_put16(frame + 14, 0x6000 + 7 * i);
	}
	return length;
}

/*
 * A frame that parses, with the input laid over it by exclusive or: an input of zeros is a good
 * packet, so that the fuzzer starts where only one in many millions of random frames comes to.
 * The first byte says which frame, whether it is cut, and whether its checksum is put right.
 */
static void
check_variation(const uint8_t *data, size_t bytes)
{
	static const uint8_t options[8] = { 7, 7, 4 }, payload[16];
	bool tcp = data[0] & 1, v6 = data[0] & 2;
	struct frame_spec s = frame_default(v6 ? 6 : 4, tcp ? SHUNT_TCP : SHUNT_UDP);
	uint8_t extensions[16] = { 60, [8] = s.protocol };
	uint8_t frame[FRAME_MAX_BYTES] = { 0 }, whole[FRAME_MAX_BYTES];
	struct fragment_spec f = { data[0] & 64 ? 24 : 0, 24, !(data[0] & 128), 1 };
	size_t length, header;

	s.payload = payload;
	s.payload_bytes = sizeof(payload);
	s.options = options;
	s.options_bytes = data[0] & 4 ? sizeof(options) : 0;
	s.extensions = extensions;
	s.extensions_bytes = data[0] & 4 ? sizeof(extensions) : 0;
	length = frame_build(frame, &s);
	if (data[0] & 32 && !(data[0] & 4)) {
		memcpy(whole, frame, length);
		length = fragment_build(frame, whole, length, f);
	}
	for (size_t i = 1; i < bytes && 11 + i < length; i++)
		frame[11 + i] ^= data[i];
	header = (frame[14] & 0xf) * 4u;
	if (data[0] & 8 && !v6 && header >= 20)
		frame_put16(frame + 24, frame_ip4_checksum(frame + 14));
	if (data[0] & 16 && bytes + 12 < length)
		length = bytes + 12;
	check(frame, put_tags(frame, length, bytes % 4));
}

/* The same with an ICMP error, its checksums put right, for else hardly one would be. */
static void
check_icmp_variation(const uint8_t *data, size_t bytes)
{
	static const uint8_t source[16] = { 10, 7 }, payload[24];
	struct frame_spec s =
		frame_default(data[0] & 2 ? 6 : 4, data[0] & 1 ? SHUNT_TCP : SHUNT_UDP);
	uint8_t quoted[FRAME_MAX_BYTES] = { 0 }, frame[FRAME_MAX_BYTES] = { 0 };
	size_t length, start = 14 + (data[0] & 2 ? 40 : 20);

	s.payload = payload;
	s.payload_bytes = sizeof(payload);
	length = frame_build(quoted, &s) - 14 - (data[0] >> 3);
	length = frame_build_icmp(frame, 3, source, quoted + 14, length);
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
