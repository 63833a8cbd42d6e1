/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <arpa/inet.h>

#include "direct.h"
#include "frames.h"
#include "mss.h"
#include "parse.h"

static const struct shunt_mac port_macs[3] = { { { 2, 1, 1, 1, 1, 0 } }, { { 2, 1, 1, 1, 1, 1 } },
	{ { 2, 1, 1, 1, 1, 2 } } };
static const uint16_t port_mtus[3] = { 9000, 9000, 1500 };

static struct gen_server
server_on_port(uint8_t port)
{
	return (struct gen_server){
		.version = 4,
		.forward = SHUNT_DR,
		.link.known = 1,
		.link.port = port,
		.link.mac = { { 2, 9, 9, 9, 9, 9 } },
	};
}

/* A parsed frame in memory of exactly its size; to be freed. */
static struct pkt
parsed(const struct frame_spec *spec)
{
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = frame_build(frame, spec);
	struct pkt p = { .data = frame_exact(frame, bytes), .bytes = (uint32_t)bytes };

	parse_pkt(&p);
	CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
	return p;
}

/* Behind the Ethernet addresses nothing changes, whatever the TTL. */
static void
test_ethernet_alone(void)
{
	static const uint8_t versions[] = { 4, 6 }, protocols[] = { SHUNT_TCP, SHUNT_UDP };
	static const uint8_t ttls[] = { 1, 2, 64, 255 };
	const struct gen_server server = server_on_port(2);
	uint8_t before[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < 16; k++) {
		struct frame_spec s = frame_default(versions[k & 1], protocols[k >> 1 & 1]);
		struct pkt p;

		s.ttl = ttls[k >> 2];
		s.payload = (const uint8_t *)"payload";
		s.payload_bytes = 7;
		p = parsed(&s);
		memcpy(before, p.data, p.bytes);
		direct_to_server(&p, &server, port_macs, port_mtus);
		CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_EQUAL(p.out_port, 2);
		CU_ASSERT_EQUAL(memcmp(p.data, server.link.mac.bytes, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 6, port_macs[2].bytes, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 12, before + 12, p.bytes - 12), 0);
		free(p.data);
	}
}

static void
test_dropped(void)
{
	static const uint8_t payload[FRAME_MAX_BYTES];
	struct gen_server server = server_on_port(2);
	struct frame_spec s = frame_default(4, SHUNT_UDP);
	uint8_t before[FRAME_MAX_BYTES];

	for (size_t bytes = 1470; bytes < 1475; bytes++) { /* 28 bytes of headers */
		struct pkt p;

		s.payload = payload;
		s.payload_bytes = bytes;
		p = parsed(&s);
		memcpy(before, p.data, p.bytes);
		direct_to_server(&p, &server, port_macs, port_mtus);
		CU_ASSERT_EQUAL(p.drop, bytes + 28 > 1500 ? SHUNT_DROP_TOO_BIG : SHUNT_DROP_NONE);
		if (p.drop) {
			CU_ASSERT_EQUAL(p.fit_bytes, 1500);
			CU_ASSERT_EQUAL(memcmp(p.data, before, p.bytes), 0);
		}
		server.link.known = 0;
		p.drop = 0;
		memcpy(before, p.data, p.bytes);
		direct_to_server(&p, &server, port_macs, port_mtus);
		CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NO_NEIGHBOR);
		CU_ASSERT_EQUAL(memcmp(p.data, before, p.bytes), 0);
		server.link.known = 1;
		free(p.data);
	}
}

/* A TCP header with these options, as a packet with a right checksum. */
static struct pkt
with_options(uint8_t version, uint8_t flags, const uint8_t *options, size_t bytes)
{
	struct frame_spec s = frame_default(version, SHUNT_TCP);
	struct pkt p;
	uint8_t *tcp;

	s.flags = flags;
	s.payload = options;
	s.payload_bytes = bytes;
	p = parsed(&s);
	tcp = p.data + p.l4_offset;
	tcp[12] = (uint8_t)((20 + bytes) / 4 << 4);
	frame_put16(tcp + 16,
		frame_l4_checksum(p.data + p.l3_offset, tcp, SHUNT_TCP, p.bytes - p.l4_offset));
	return p;
}

/* Clamps to 1400 and says what the option at `at` holds then; nothing else may have changed. */
static unsigned int
clamped(uint8_t version, uint8_t flags, const uint8_t *options, size_t bytes, size_t at)
{
	struct pkt p = with_options(version, flags, options, bytes);
	uint8_t *ip = p.data + p.l3_offset, *tcp = p.data + p.l4_offset;
	uint8_t before[FRAME_MAX_BYTES];
	unsigned int mss;

	memcpy(before, p.data, p.bytes);
	mss_clamp(&p, 1400);
	mss = frame_get16(tcp + 20 + at);
	CU_ASSERT_EQUAL(frame_get16(tcp + 16),
		frame_l4_checksum(ip, tcp, SHUNT_TCP, p.bytes - p.l4_offset));
	memcpy(before + p.l4_offset + 20 + at, tcp + 20 + at, 2);
	memcpy(before + p.l4_offset + 16, tcp + 16, 2);
	CU_ASSERT_EQUAL(memcmp(p.data, before, p.bytes), 0);
	free(p.data);
	return mss;
}

static void
test_mss(void)
{
	static const uint8_t first[] = { 2, 4, 0x05, 0xb4, 1, 3, 3, 7 };
	static const uint8_t odd[] = { 1, 2, 4, 0x23, 0x28, 1, 1, 0 };
	static const uint8_t behind[] = { 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 0xff, 0xff };
	static const uint8_t low[] = { 2, 4, 0x05, 0x78 };
	static const uint8_t ended[] = { 0, 2, 4, 0x05, 0xb4, 0, 0, 0 };
	static const uint8_t wrong_length[] = { 2, 3, 0xff, 1 };
	static const uint8_t no_end[] = { 3, 9, 0xff, 2 };
	static const uint8_t no_length[] = { 1, 1, 1, 2 };
	static const uint8_t zero_length[] = { 9, 0, 2, 4, 0xff, 0xff, 0, 0 };

	for (uint8_t version = 4; version <= 6; version += 2) {
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, first, 8, 2), 1400);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN | PKT_ACK, first, 8, 2), 1400);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, odd, 8, 3), 1400);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, behind, 16, 14), 1400);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, low, 4, 2), 1400);
		CU_ASSERT_EQUAL(clamped(version, PKT_ACK, first, 8, 2), 0x5b4);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, ended, 8, 3), 0x5b4);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, wrong_length, 4, 2), 0xff01);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, no_end, 4, 2), 0xff02);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, no_length, 4, 2), 0x0102);
		CU_ASSERT_EQUAL(clamped(version, PKT_SYN, zero_length, 8, 4), 0xffff);
	}
}

/* Random options: no byte outside them is touched (the sanitizers look), a checksum stays right. */
static void
test_mss_random(void)
{
	uint64_t state = 7;

	for (unsigned int round = 0; round < 50000; round++) {
		uint8_t options[40];
		size_t bytes = frame_random(&state) % 11 * 4;
		struct pkt p;
		uint8_t *tcp;

		for (size_t i = 0; i < bytes; i++)
			options[i] = (uint8_t)(frame_random(&state) >> 40) %
				(frame_random(&state) % 3 ? 6 : 255);
		p = with_options(4, PKT_SYN, options, bytes);
		tcp = p.data + p.l4_offset;
		mss_clamp(&p, 536);
		CU_ASSERT_EQUAL_FATAL(frame_get16(tcp + 16),
			frame_l4_checksum(p.data + 14, tcp, SHUNT_TCP, p.bytes - p.l4_offset));
		free(p.data);
	}
}

/* A wrong checksum stays as wrong as it was; a datagram has no MSS. */
static void
test_mss_elsewhere(void)
{
	static const uint8_t options[] = { 2, 4, 0x05, 0xb4 };
	struct pkt p = with_options(4, PKT_SYN, options, 4);
	struct frame_spec s = frame_default(4, SHUNT_UDP);
	uint8_t *tcp = p.data + p.l4_offset, before[FRAME_MAX_BYTES];

	tcp[17] ^= 1;
	mss_clamp(&p, 1400);
	CU_ASSERT_NOT_EQUAL(frame_get16(tcp + 16),
		frame_l4_checksum(p.data + 14, tcp, SHUNT_TCP, p.bytes - p.l4_offset));
	free(p.data);
	s.payload = options;
	s.payload_bytes = 4;
	p = parsed(&s);
	memcpy(before, p.data, p.bytes);
	mss_clamp(&p, 1400);
	CU_ASSERT_EQUAL(memcmp(before, p.data, p.bytes), 0);
	free(p.data);
}

static const struct unit_test tests[] = {
	{ "Ethernet addresses alone", test_ethernet_alone },
	{ "too big, no neighbour", test_dropped },
	{ "MSS", test_mss },
	{ "MSS among random options", test_mss_random },
	{ "no MSS to lower", test_mss_elsewhere },
};

UNIT_MAIN("direct", tests)
