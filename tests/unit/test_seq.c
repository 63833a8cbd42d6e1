/* SPDX-License-Identifier: BSD-3-Clause */
/* Sequence numbers there and back, and checksums against computing them anew. */
#include "seq.h"

#include <stdlib.h>

#include "cookie.h"
#include "checksum.h"
#include "frames.h"
#include "parse.h"
#include "unit.h"

#define TRIALS 20000

struct segment {
	struct pkt p;
	uint8_t frame[FRAME_MAX_BYTES];
};

static uint32_t
any(void)
{
	return (uint32_t)random() << 16 ^ (uint32_t)random();
}

/* Numbers near the wrap as often as others. */
static uint32_t
number(void)
{
	return any() % 3 ? any() : any() % 2 - any() % 4;
}

static void
make(struct segment *s, uint8_t version, uint8_t flags, const uint8_t *options, size_t bytes,
	const uint8_t *payload, size_t payload_bytes)
{
	struct frame_spec spec = frame_default(version, SHUNT_TCP);
	uint8_t both[100];
	uint8_t *tcp;

	memset(s, 0, sizeof(*s));
	if (bytes)
		memcpy(both, options, bytes);
	if (payload_bytes)
		memcpy(both + bytes, payload, payload_bytes);
	spec.flags = flags;
	spec.payload = both;
	spec.payload_bytes = bytes + payload_bytes;
	s->p = (struct pkt){ .data = s->frame, .bytes = (uint32_t)frame_build(s->frame, &spec) };
	tcp = s->frame + 14 + (version == 4 ? 20 : 40);
	tcp[12] = (uint8_t)((20 + bytes) / 4 << 4);
	seq_store(tcp + TCP_SEQ_NUMBER, number());
	seq_store(tcp + TCP_ACK_NUMBER, number());
	frame_put16(tcp + TCP_WINDOW, any() & 0xffff);
	parse_pkt(&s->p);
	CU_ASSERT_EQUAL_FATAL(s->p.drop, 0);
	frame_renew_tcp_sum(&s->p);
}

static uint8_t *
tcp_of(struct segment *s)
{
	return s->frame + s->p.l4_offset;
}

static void
test_to_client(void)
{
	for (unsigned int i = 0; i < TRIALS; i++) {
		uint8_t payload[31] = { (uint8_t)any(), (uint8_t)any() };
		struct segment s, before;
		uint32_t delta = number();
		int shift = (int)(any() % 22) - 7;

		make(&s, i & 1 ? 6 : 4, PKT_ACK, NULL, 0, payload, any() % 32);
		before = s;
		seq_to_client(&s.p, delta, shift);
		CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + TCP_SEQ_NUMBER),
			seq_load(tcp_of(&before) + TCP_SEQ_NUMBER) + delta);
		CU_ASSERT_EQUAL(frame_get16(tcp_of(&s) + TCP_WINDOW),
			seq_shift_window(
				(uint16_t)frame_get16(tcp_of(&before) + TCP_WINDOW), shift));
		CU_ASSERT_TRUE(cookie_checksum_is_good(&s.p));
		/* Back: only what was shifted out is lost. */
		seq_to_client(&s.p, -delta, 0);
		memcpy(tcp_of(&s) + TCP_WINDOW, before.frame + s.p.l4_offset + TCP_WINDOW, 2);
		frame_renew_tcp_sum(&s.p);
		CU_ASSERT_EQUAL(memcmp(s.frame, before.frame, s.p.bytes), 0);
	}
}

/* SACK blocks behind any number of NOPs, so at odd places too; up to four. */
static void
test_to_server(void)
{
	for (unsigned int i = 0; i < TRIALS; i++) {
		unsigned int nops = any() % 6, blocks = any() % 5, n = nops;
		uint8_t options[40];
		struct segment s, before;
		uint32_t delta = number();

		if (nops + 2 + 8 * blocks > sizeof(options))
			blocks = 3;
		memset(options, 1, nops);
		options[n] = 5;
		options[n + 1] = (uint8_t)(2 + 8 * blocks);
		n += 2;
		for (unsigned int k = 0; k < 2 * blocks; k++, n += 4)
			seq_store(options + n, number());
		while (n % 4)
			options[n++] = any() & 1 ? 1 : 0;
		make(&s, i & 1 ? 6 : 4, PKT_ACK, options, n, options, any() % 20);
		before = s;
		seq_to_server(&s.p, delta, 0);
		CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + TCP_ACK_NUMBER),
			seq_load(tcp_of(&before) + TCP_ACK_NUMBER) - delta);
		CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + TCP_SEQ_NUMBER),
			seq_load(tcp_of(&before) + TCP_SEQ_NUMBER));
		for (unsigned int k = 0; k < 2 * blocks; k++)
			CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + 22 + nops + 4 * k),
				seq_load(tcp_of(&before) + 22 + nops + 4 * k) - delta);
		CU_ASSERT_TRUE(cookie_checksum_is_good(&s.p));
		seq_to_server(&s.p, -delta, 0);
		CU_ASSERT_EQUAL(memcmp(s.frame, before.frame, s.p.bytes), 0);
	}
}

/* Options of odd lengths that are none, and a list that cannot be walked. */
static void
test_hostile_options(void)
{
	for (unsigned int i = 0; i < TRIALS; i++) {
		uint8_t options[40];
		struct segment s, before;
		size_t n = any() % 11 * 4;

		for (unsigned int k = 0; k < n; k++)
			options[k] = (uint8_t)(any() % 3 ? any() % 12 : any());
		make(&s, 4, PKT_ACK, options, n, NULL, 0);
		before = s;
		seq_to_server(&s.p, 12345, 3);
		CU_ASSERT_TRUE(cookie_checksum_is_good(&s.p));
		seq_to_server(&s.p, -12345u, 0);
		memcpy(tcp_of(&s) + TCP_WINDOW, before.frame + s.p.l4_offset + TCP_WINDOW, 2);
		frame_renew_tcp_sum(&s.p);
		CU_ASSERT_EQUAL(memcmp(s.frame, before.frame, s.p.bytes), 0);
	}
}

static void
test_bad_checksum_stays(void)
{
	struct segment s;

	make(&s, 4, PKT_ACK, NULL, 0, NULL, 0);
	tcp_of(&s)[17] ^= 1;
	seq_to_client(&s.p, 99, 0);
	seq_to_server(&s.p, 99, 2);
	CU_ASSERT_FALSE(cookie_checksum_is_good(&s.p));
}

static void
test_flags(void)
{
	struct segment s, before;

	/* A reset without ACK acknowledges nothing, and a SYN's window is not scaled. */
	make(&s, 4, PKT_RST, NULL, 0, NULL, 0);
	before = s;
	seq_to_server(&s.p, 99, 0);
	CU_ASSERT_EQUAL(memcmp(s.frame, before.frame, s.p.bytes), 0);
	make(&s, 4, PKT_SYN | PKT_ACK, NULL, 0, NULL, 0);
	before = s;
	seq_to_client(&s.p, 0, -7);
	CU_ASSERT_EQUAL(memcmp(s.frame, before.frame, s.p.bytes), 0);
}

static void
test_windows(void)
{
	CU_ASSERT_EQUAL(seq_shift_window(1000, 0), 1000);
	CU_ASSERT_EQUAL(seq_shift_window(1000, 2), 4000);
	CU_ASSERT_EQUAL(seq_shift_window(1000, 14), 65535);
	CU_ASSERT_EQUAL(seq_shift_window(0, 14), 0);
	CU_ASSERT_EQUAL(seq_shift_window(65535, -7), 511);
	CU_ASSERT_EQUAL(seq_shift_window(100, -7), 0);
}

/* Quoted with 8 bytes of TCP, and with all of the header. */
static void
test_quoted(void)
{
	for (unsigned int i = 0; i < 2000; i++) {
		uint8_t version = i & 1 ? 6 : 4;
		unsigned int ip = version == 4 ? 20 : 40, quoted = i & 2 ? 8 : 20;
		struct frame_spec spec = frame_default(version, version == 4 ? 1 : 58);
		uint8_t frame[FRAME_MAX_BYTES], before[FRAME_MAX_BYTES], error[100];
		struct segment s;
		struct pkt p;
		uint16_t sum;
		size_t bytes;

		make(&s, version, PKT_ACK, NULL, 0, NULL, 0);
		memset(error, 0, sizeof(error));
		error[0] = version == 4 ? 3 : 1;
		error[1] = version == 4 ? 1 : 0;
		memcpy(error + 8, s.frame + 14, ip + quoted);
		spec.payload = error;
		spec.payload_bytes = 8 + ip + quoted;
		bytes = frame_build(frame, &spec);
		/* What frame_build() puts in front of a payload that it does not know. */
		p = (struct pkt){ .data = frame,
			.bytes = (uint32_t)bytes,
			.version = version,
			.l3_offset = 14,
			.l4_offset = (uint16_t)(bytes - spec.payload_bytes) };
		p.inner_l3_offset = (uint16_t)(p.l4_offset + 8);
		p.inner_l4_offset = (uint16_t)(p.inner_l3_offset + ip);
		sum = checksum_sum(frame + p.l4_offset, spec.payload_bytes);
		memcpy(before, frame, sizeof(before));
		seq_quoted(&p, 4711);
		CU_ASSERT_EQUAL(seq_load(frame + p.inner_l4_offset + 4),
			seq_load(before + p.inner_l4_offset + 4) - 4711);
		CU_ASSERT_EQUAL(checksum_sum(frame + p.l4_offset, spec.payload_bytes), sum);
		if (quoted == 20) {
			memcpy(s.frame + 14, frame + p.inner_l3_offset, ip + 20);
			CU_ASSERT_TRUE(cookie_checksum_is_good(&s.p));
		}
		seq_quoted(&p, -4711u);
		CU_ASSERT_EQUAL(memcmp(frame, before, bytes), 0);
	}
}

static const struct unit_test tests[] = {
	{ "to the client", test_to_client },
	{ "to the server", test_to_server },
	{ "hostile options", test_hostile_options },
	{ "a bad checksum stays bad", test_bad_checksum_stays },
	{ "flags", test_flags },
	{ "windows", test_windows },
	{ "quoted", test_quoted },
};

UNIT_MAIN("seq", tests)
