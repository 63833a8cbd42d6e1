/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that Shunt makes, byte by byte; checksums are computed the long way of frames.h. */
#include "unit.h"

#include "frames.h"
#include "parse.h"
#include "tcp_answer.h"

#define SEQ 0xfffffff0u
#define ACK 0x89abcdefu

static const uint8_t key[TCP_ANSWER_KEY_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static const struct shunt_mac port_mac = { { 2, 1, 1, 1, 1, 7 } };

static uint32_t
get32(const uint8_t *at)
{
	return (uint32_t)frame_get16(at) << 16 | frame_get16(at + 2);
}

static void
put32(uint8_t *at, uint32_t value)
{
	frame_put16(at, value >> 16);
	frame_put16(at + 2, value & 0xffff);
}

/* A parsed segment in memory of exactly its size. */
static struct pkt
segment(uint8_t version, uint8_t flags, size_t payload_bytes)
{
	static const uint8_t payload[1000];
	struct frame_spec s = frame_default(version, SHUNT_TCP);
	uint8_t frame[FRAME_MAX_BYTES];
	struct pkt p = { .in_port = 3, .out_port = 9 };
	uint8_t *tcp = frame + (version == 4 ? 34 : 54);

	s.flags = flags;
	s.payload = payload;
	s.payload_bytes = payload_bytes;
	p.bytes = (uint32_t)frame_build(frame, &s);
	put32(tcp + 4, SEQ);
	put32(tcp + 8, ACK);
	p.data = frame_exact(frame, p.bytes);
	parse_pkt(&p);
	CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
	return p;
}

/* What every segment has to have; ip: of `bytes`. */
static void
check_headers(const uint8_t *ip, unsigned int bytes, uint8_t version, uint8_t flags)
{
	const uint8_t *tcp = ip + (version == 4 ? 20 : 40);

	CU_ASSERT_EQUAL(bytes, version == 4 ? 40 : 60);
	if (version == 4) {
		CU_ASSERT_EQUAL(ip[0], 0x45);
		CU_ASSERT_EQUAL(frame_get16(ip + 2), 40);
		CU_ASSERT_EQUAL(frame_get16(ip + 6), 0x4000);
		CU_ASSERT_EQUAL(ip[8], 64);
		CU_ASSERT_EQUAL(ip[9], 6);
		CU_ASSERT_EQUAL(frame_get16(ip + 10), frame_ip4_checksum(ip));
	} else {
		CU_ASSERT_EQUAL(get32(ip), 0x60000000);
		CU_ASSERT_EQUAL(frame_get16(ip + 4), 20);
		CU_ASSERT_EQUAL(ip[6], 6);
		CU_ASSERT_EQUAL(ip[7], 64);
	}
	CU_ASSERT_EQUAL(tcp[12], 0x50);
	CU_ASSERT_EQUAL(tcp[13], flags);
	CU_ASSERT_EQUAL(frame_get16(tcp + 16), frame_l4_checksum(ip, tcp, SHUNT_TCP, 20));
	CU_ASSERT_EQUAL(frame_get16(tcp + 18), 0);
}

/* The segment goes back to where that one came from. */
static void
check_back(const uint8_t *ip, const uint8_t *cause, uint8_t version)
{
	size_t at = version == 4 ? 12 : 8, n = version == 4 ? 4 : 16;
	const uint8_t *tcp = ip + (version == 4 ? 20 : 40);
	const uint8_t *cause_tcp = cause + (version == 4 ? 20 : 40);

	CU_ASSERT_EQUAL(memcmp(ip + at, cause + at + n, n), 0);
	CU_ASSERT_EQUAL(memcmp(ip + at + n, cause + at, n), 0);
	CU_ASSERT_EQUAL(frame_get16(tcp), frame_get16(cause_tcp + 2));
	CU_ASSERT_EQUAL(frame_get16(tcp + 2), frame_get16(cause_tcp));
}

/* RFC 9293 section 3.10.7.1: SEQ is the ACK, or without one ACK is behind all that was sent. */
static void
test_reset(void)
{
	static const struct {
		uint8_t flags;
		size_t payload;
		uint8_t answer;
		uint32_t seq;
		uint32_t ack;
	} cases[] = {
		{ PKT_ACK, 0, PKT_RST, ACK, 0 },
		{ PKT_ACK | PKT_PSH, 999, PKT_RST, ACK, 0 },
		{ PKT_ACK | PKT_FIN, 1, PKT_RST, ACK, 0 },
		{ PKT_ACK | PKT_SYN, 0, PKT_RST, ACK, 0 },
		{ PKT_SYN, 0, PKT_RST | PKT_ACK, 0, SEQ + 1 },
		{ PKT_SYN, 100, PKT_RST | PKT_ACK, 0, SEQ + 101 },
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t version = i % 2 ? 6 : 4;
		struct pkt p = segment(version, cases[i / 2].flags, cases[i / 2].payload);
		uint8_t before[FRAME_MAX_BYTES], *tcp = p.data + p.l4_offset;
		uint32_t bytes = p.bytes;

		memcpy(before, p.data, bytes);
		p.drop = SHUNT_DROP_RESET;
		CU_ASSERT_TRUE(tcp_answer_allowed(&p));
		tcp_answer_reset(&p, &port_mac);
		CU_ASSERT_TRUE(p.bytes <= bytes);
		CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_EQUAL(p.out_port, 3);
		CU_ASSERT_EQUAL(memcmp(p.data, before + 6, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 6, port_mac.bytes, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 12, before + 12, 2), 0);
		check_headers(p.data + 14, p.bytes - 14, version, cases[i / 2].answer);
		check_back(p.data + 14, before + 14, version);
		CU_ASSERT_EQUAL(get32(tcp + 4), cases[i / 2].seq);
		CU_ASSERT_EQUAL(get32(tcp + 8), cases[i / 2].ack);
		CU_ASSERT_EQUAL(frame_get16(tcp + 14), 0);
		free(p.data);
	}
}

/* Behind IPv4 options, or IPv6 extension headers, there is as much room, and none is repeated. */
static void
test_options(void)
{
	static const uint8_t options[8] = { 1, 1, 1, 1, 1, 1, 1, 0 };
	static const uint8_t hop_by_hop[8] = { SHUNT_TCP, 0, 1, 4 };
	struct frame_spec s = frame_default(4, SHUNT_TCP);
	uint8_t frame[FRAME_MAX_BYTES], *data;

	for (unsigned int i = 0; i < 2; i++) {
		struct pkt p = { 0 };

		s = frame_default(i ? 6 : 4, SHUNT_TCP);
		s.options = options;
		s.options_bytes = sizeof(options);
		s.extensions = hop_by_hop;
		s.extensions_bytes = sizeof(hop_by_hop);
		p.bytes = (uint32_t)frame_build(frame, &s);
		data = p.data = frame_exact(frame, p.bytes);
		parse_pkt(&p);
		CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
		tcp_answer_reset(&p, &port_mac);
		check_headers(p.data + 14, p.bytes - 14, i ? 6 : 4, PKT_RST);
		free(data);
	}
}

static void
test_not_answered(void)
{
	struct pkt p = segment(4, PKT_RST | PKT_ACK, 0);

	CU_ASSERT_FALSE(tcp_answer_allowed(&p));
	free(p.data);
	p = segment(6, PKT_ACK, 0);
	p.data[0] |= 1;
	CU_ASSERT_FALSE(tcp_answer_allowed(&p));
	p.data[0] &= 0xfe;
	CU_ASSERT_TRUE(tcp_answer_allowed(&p));
	p.l4_offset = 0; /* a later fragment */
	CU_ASSERT_FALSE(tcp_answer_allowed(&p));
	free(p.data);
	p = segment(4, PKT_ACK, 0);
	p.protocol = SHUNT_UDP;
	CU_ASSERT_FALSE(tcp_answer_allowed(&p));
	p.protocol = SHUNT_TCP;
	p.kind = PKT_ICMP_ERROR;
	CU_ASSERT_FALSE(tcp_answer_allowed(&p));
	free(p.data);
}

/* A host without the connection proves it with the acknowledgment for its sequence number. */
static void
test_challenge_and_proof(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct pkt p = segment(version, PKT_RST, 0);
		struct ends ends = tcp_answer_ends(&p);
		uint8_t ip[TCP_ANSWER_MAX_BYTES], other[TCP_ANSWER_MAX_BYTES], key2[16];
		uint8_t *seq = p.data + p.l4_offset + 4, *tcp = ip + (version == 4 ? 20 : 40);
		unsigned int bytes = tcp_answer_challenge(ip, key, &ends, 0);

		check_headers(ip, bytes, version, PKT_ACK);
		check_back(ip, p.data + 14, version);
		CU_ASSERT_EQUAL(get32(tcp + 8), tcp_answer_nonce(key, &ends));
		CU_ASSERT_FALSE(tcp_answer_is_proof(&p, key));
		put32(seq, get32(tcp + 8));
		CU_ASSERT_TRUE(tcp_answer_is_proof(&p, key));
		for (unsigned int bit = 0; bit < 32; bit++) {
			put32(seq, get32(tcp + 8) ^ 1u << bit);
			CU_ASSERT_FALSE(tcp_answer_is_proof(&p, key));
		}
		/* Another key, port or address has another nonce. */
		put32(seq, get32(tcp + 8));
		memcpy(key2, key, sizeof(key2));
		key2[15] ^= 1;
		CU_ASSERT_FALSE(tcp_answer_is_proof(&p, key2));
		p.sport_be ^= 1;
		CU_ASSERT_FALSE(tcp_answer_is_proof(&p, key));
		p.sport_be ^= 1;
		p.data[14 + (version == 4 ? 15 : 23)] ^= 1;
		CU_ASSERT_FALSE(tcp_answer_is_proof(&p, key));
		p.data[14 + (version == 4 ? 15 : 23)] ^= 1;
		CU_ASSERT_TRUE(tcp_answer_is_proof(&p, key));
		/* The next round's: the same nonce, a sequence number in no common window. */
		for (unsigned int round = 0; round < 10; round++) {
			uint32_t apart;

			tcp_answer_challenge(ip, key, &ends, round);
			tcp_answer_challenge(other, key, &ends, round + 1);
			CU_ASSERT_EQUAL(memcmp(tcp + 8, other + (tcp - ip) + 8, 4), 0);
			apart = get32(other + (tcp - ip) + 4) - get32(tcp + 4);
			CU_ASSERT_TRUE(apart >= 1u << 30 && apart <= 3u << 30);
			check_headers(other, bytes, version, PKT_ACK);
		}
		free(p.data);
	}
}

static const struct unit_test tests[] = {
	{ "resets", test_reset },
	{ "options and extension headers", test_options },
	{ "what is not answered", test_not_answered },
	{ "challenges and proofs", test_challenge_and_proof },
};

UNIT_MAIN("tcp_answer", tests)
