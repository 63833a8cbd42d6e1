/* SPDX-License-Identifier: BSD-3-Clause */
/* SYN cookies: what goes in comes out, and nothing else does; and the segments made of others. */
#include "cookie.h"

#include <arpa/inet.h>

#include "frames.h"
#include "parse.h"
#include "seq.h"
#include "unit.h"

#define ROOM 64

static const uint8_t KEY[COOKIE_KEY_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16 };
static const struct shunt_mac MAC = { { 2, 0, 0, 0, 9, 9 } };

struct segment {
	struct pkt p;
	uint8_t room[ROOM];
	uint8_t frame[FRAME_MAX_BYTES];
};

/* options: a multiple of four bytes, which frame_build() takes for payload. */
static void
make(struct segment *s, uint8_t version, uint8_t flags, const uint8_t *options, size_t bytes)
{
	struct frame_spec spec = frame_default(version, SHUNT_TCP);
	size_t length;

	memset(s, 0, sizeof(*s));
	spec.flags = flags;
	spec.payload = options;
	spec.payload_bytes = bytes;
	length = frame_build(s->frame, &spec);
	s->p = (struct pkt){ .data = s->frame, .bytes = (uint32_t)length, .headroom = ROOM };
	s->frame[14 + (version == 4 ? 20 : 40) + 12] = (uint8_t)((20 + bytes) / 4 << 4);
	parse_pkt(&s->p);
	CU_ASSERT_EQUAL_FATAL(s->p.drop, 0);
	s->p.client = s->p.data + s->p.l3_offset + (version == 4 ? 12 : 8);
	s->p.client_version = version;
	frame_renew_tcp_sum(&s->p);
}

static uint8_t *
tcp_of(const struct segment *s)
{
	return s->p.data + s->p.l4_offset;
}

/* The client's ACK for a cookie. */
static void
acknowledge(struct segment *s, uint8_t version, uint32_t seq, uint32_t cookie)
{
	make(s, version, PKT_ACK, NULL, 0);
	seq_store(tcp_of(s) + TCP_SEQ_NUMBER, seq);
	seq_store(tcp_of(s) + TCP_ACK_NUMBER, cookie + 1);
	frame_put16(tcp_of(s) + TCP_WINDOW, 1000);
	frame_renew_tcp_sum(&s->p);
}

/* Whole, as somebody else would see it. */
static void
expect_sound(struct segment *s)
{
	struct pkt seen = { .data = s->p.data, .bytes = s->p.bytes };

	CU_ASSERT_TRUE(cookie_checksum_is_good(&s->p));
	parse_pkt(&seen);
	CU_ASSERT_EQUAL(seen.drop, 0);
	CU_ASSERT_EQUAL(seen.bytes, s->p.bytes);
	CU_ASSERT_EQUAL(seen.l4_offset, s->p.l4_offset);
}

static void
test_round_trips(void)
{
	struct cookie_syn syn;
	struct segment s;

	for (uint8_t version = 4; version <= 6; version += 2) {
		for (unsigned int all = 0; all < 256; all++) {
			const struct cookie_options o = { .has_mss = true,
				.mss = (uint8_t)(all >> 5),
				.sack = all >> 4 & 1,
				.scale = all & 15 };
			uint32_t isn = all * 0x01234567u - 3, cookie;

			make(&s, version, PKT_SYN, NULL, 0);
			cookie = cookie_make(KEY, &s.p, isn, all, &o);
			for (uint32_t back = 0; back < 2; back++) {
				acknowledge(&s, version, isn + back, cookie);
				for (uint32_t age = 0; age < 2; age++) {
					CU_ASSERT_TRUE_FATAL(
						cookie_check(KEY, &s.p, all + age, &syn));
					CU_ASSERT_EQUAL(syn.isn, isn);
					CU_ASSERT_EQUAL(syn.cookie, cookie);
					CU_ASSERT_EQUAL(syn.window, 1000);
					CU_ASSERT_EQUAL(syn.options.mss, o.mss);
					CU_ASSERT_EQUAL(syn.options.sack, o.sack);
					CU_ASSERT_EQUAL(syn.options.scale, o.scale);
				}
			}
		}
	}
}

/* Another minute, key, number, port, address, or any bit of it changed. */
static void
test_wrong_ones(void)
{
	const struct cookie_options o = { .mss = 6, .sack = true, .scale = 7 };
	uint8_t other[COOKIE_KEY_BYTES];
	uint32_t isn = 77, cookie;
	struct cookie_syn syn;
	struct segment s;

	make(&s, 4, PKT_SYN, NULL, 0);
	cookie = cookie_make(KEY, &s.p, isn, 10, &o);
	memcpy(other, KEY, sizeof(other));
	other[15] ^= 1;
	acknowledge(&s, 4, isn + 1, cookie);
	CU_ASSERT_TRUE(cookie_check(KEY, &s.p, 11, &syn));
	for (uint32_t minute = 12; minute < 40; minute++)
		CU_ASSERT_FALSE(cookie_check(KEY, &s.p, minute, &syn));
	CU_ASSERT_FALSE(cookie_check(KEY, &s.p, 9, &syn));
	CU_ASSERT_FALSE(cookie_check(other, &s.p, 10, &syn));
	for (unsigned int bit = 0; bit < 32; bit++) {
		acknowledge(&s, 4, isn + 1, cookie ^ 1u << bit);
		CU_ASSERT_FALSE(cookie_check(KEY, &s.p, 10, &syn));
	}
	acknowledge(&s, 4, isn + 2, cookie);
	CU_ASSERT_FALSE(cookie_check(KEY, &s.p, 10, &syn));
	acknowledge(&s, 4, isn - 1, cookie);
	CU_ASSERT_FALSE(cookie_check(KEY, &s.p, 10, &syn));
	for (unsigned int at = 0; at < 12; at++) { /* addresses and ports */
		acknowledge(&s, 4, isn + 1, cookie);
		s.frame[14 + 12 + at] ^= 1;
		parse_pkt(&s.p);
		s.p.sport_be = (uint16_t)(s.frame[34] | s.frame[35] << 8);
		s.p.dport_be = (uint16_t)(s.frame[36] | s.frame[37] << 8);
		s.p.drop = 0;
		frame_renew_tcp_sum(&s.p);
		CU_ASSERT_FALSE(cookie_check(KEY, &s.p, 10, &syn));
	}
	acknowledge(&s, 4, isn + 1, cookie);
	tcp_of(&s)[16] ^= 1;
	CU_ASSERT_FALSE(cookie_check(KEY, &s.p, 10, &syn));
}

static void
test_guesses(void)
{
	struct cookie_syn syn;
	struct segment s;
	unsigned int right = 0;

	for (uint32_t i = 0; i < 200000; i++) {
		if (i == 0)
			acknowledge(&s, 4, 5, 0);
		seq_store(tcp_of(&s) + TCP_ACK_NUMBER, i * 0x9e3779b1u);
		right += cookie_check(KEY, &s.p, 3, &syn);
	}
	CU_ASSERT_TRUE(right < 4);
}

static void
test_mss(void)
{
	for (unsigned int mss = 1; mss < 10000; mss++) {
		for (uint8_t version = 4; version <= 6; version += 2) {
			const uint8_t option[4] = { 2, 4, (uint8_t)(mss >> 8), (uint8_t)mss };
			struct cookie_options o;
			struct segment s;

			make(&s, version, PKT_SYN, option, 4);
			o = cookie_options_of(&s.p);
			CU_ASSERT_TRUE(cookie_mss(version, o.mss) <= (mss < 88 ? 88 : mss));
			if (o.mss + 1 < COOKIE_MSS_COUNT)
				CU_ASSERT_TRUE(cookie_mss(version, o.mss + 1) > mss);
		}
	}
}

static void
test_options(void)
{
	static const struct {
		uint8_t bytes[20];
		size_t count;
		struct cookie_options expected;
		uint8_t answer[12];
		size_t answer_count;
	} cases[] = {
		{ { 0 }, 0, { false, false, 1, 15 }, { 0 }, 0 },
		{ { 2, 4, 5, 180 }, 4, { true, false, 6, 15 }, { 2, 4, 4, 0 }, 4 },
		{ { 4, 2, 1, 1 }, 4, { false, true, 1, 15 }, { 1, 1, 4, 2 }, 4 },
		{ { 3, 3, 9, 0 }, 4, { false, false, 1, 9 }, { 1, 3, 3, 7 }, 4 },
		{ { 3, 3, 255, 0 }, 4, { false, false, 1, 14 }, { 1, 3, 3, 7 }, 4 },
		{ { 2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7 }, 20,
			{ true, true, 6, 7 }, { 2, 4, 4, 0, 1, 1, 4, 2, 1, 3, 3, 7 }, 12 },
		/* of wrong lengths, and cut off */
		{ { 2, 3, 5, 4, 3, 1, 1, 1 }, 8, { false, false, 1, 15 }, { 0 }, 0 },
		{ { 1, 1, 1, 2 }, 4, { false, false, 1, 15 }, { 0 }, 0 },
		{ { 2, 4, 5, 180, 3, 40, 7, 7 }, 8, { true, false, 6, 15 }, { 2, 4, 4, 0 }, 4 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cookie_options o;
		struct segment s;
		uint32_t before;

		make(&s, 4, PKT_SYN, cases[i].bytes, cases[i].count);
		o = cookie_options_of(&s.p);
		CU_ASSERT_EQUAL(o.has_mss, cases[i].expected.has_mss);
		CU_ASSERT_EQUAL(o.sack, cases[i].expected.sack);
		CU_ASSERT_EQUAL(o.mss, cases[i].expected.mss);
		CU_ASSERT_EQUAL(o.scale, cases[i].expected.scale);
		before = s.p.bytes;
		cookie_answer(&s.p, KEY, 5, 1024, &MAC);
		CU_ASSERT_TRUE(s.p.bytes <= before);
		CU_ASSERT_EQUAL(s.p.bytes, 54 + cases[i].answer_count);
		CU_ASSERT_EQUAL(memcmp(tcp_of(&s) + 20, cases[i].answer, cases[i].answer_count), 0);
		expect_sound(&s);
	}
}

static void
test_answer(void)
{
	static const uint8_t options[4] = { 2, 4, 5, 180 };
	struct segment s, before;
	struct cookie_syn syn;

	for (uint8_t version = 4; version <= 6; version += 2) {
		unsigned int bytes = version == 4 ? 4 : 16, at = version == 4 ? 26 : 22;
		uint32_t isn;

		make(&s, version, PKT_SYN, options, 4);
		seq_store(tcp_of(&s) + TCP_SEQ_NUMBER, 0xfffffffe);
		s.p.drop = SHUNT_DROP_SYN_COOKIE;
		before = s;
		cookie_answer(&s.p, KEY, 9, 1400, &MAC);
		CU_ASSERT_EQUAL(s.p.drop, 0);
		CU_ASSERT_EQUAL(memcmp(s.frame, before.frame + 6, 6), 0);
		CU_ASSERT_EQUAL(memcmp(s.frame + 6, MAC.bytes, 6), 0);
		CU_ASSERT_EQUAL(memcmp(s.frame + at, before.frame + at + bytes, bytes), 0);
		CU_ASSERT_EQUAL(memcmp(s.frame + at + bytes, before.frame + at, bytes), 0);
		CU_ASSERT_EQUAL(tcp_of(&s)[TCP_FLAGS], PKT_SYN | PKT_ACK);
		CU_ASSERT_EQUAL(frame_get16(tcp_of(&s) + TCP_WINDOW), 0);
		CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + TCP_ACK_NUMBER), 0xffffffff);
		expect_sound(&s);
		isn = seq_load(tcp_of(&s) + TCP_SEQ_NUMBER);
		acknowledge(&s, version, 0xffffffff, isn);
		CU_ASSERT_TRUE(cookie_check(KEY, &s.p, 9, &syn));
		CU_ASSERT_EQUAL(cookie_mss(version, syn.options.mss), version == 4 ? 1460 : 1440);
	}
}

/* An ACK with or without options and data becomes the SYN, in the room that there is. */
static void
test_to_syn(void)
{
	static const uint8_t payload[40] = { [0] = 1, [1] = 1, [30] = 7 };
	struct cookie_syn syn = { .isn = 0xffffffff, .cookie = 5, .window = 700 };

	for (unsigned int i = 0; i < 4 * 256; i++) {
		uint8_t version = i & 1 ? 6 : 4;
		size_t extra = i & 2 ? 12 : 0; /* of options */
		const uint8_t *client;
		struct segment s;
		struct cookie_options o;

		syn.options = (struct cookie_options){ true, i >> 2 & 1, (uint8_t)(i >> 3 & 7),
			(uint8_t)(i >> 6) };
		make(&s, version, PKT_ACK, payload, extra);
		client = s.p.client;
		cookie_to_syn(&s.p, &syn);
		CU_ASSERT_EQUAL_FATAL(s.p.drop, 0);
		CU_ASSERT_TRUE(s.p.data >= s.room && s.p.data <= s.frame);
		CU_ASSERT_EQUAL(s.p.headroom, ROOM - (s.frame - s.p.data));
		CU_ASSERT_EQUAL(client - s.p.client, s.frame - s.p.data);
		CU_ASSERT_EQUAL(s.p.tcp_flags, PKT_SYN);
		CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + TCP_SEQ_NUMBER), 0xffffffff);
		CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + TCP_ACK_NUMBER), 0);
		CU_ASSERT_EQUAL(frame_get16(tcp_of(&s)), 40000);
		expect_sound(&s);
		o = cookie_options_of(&s.p);
		CU_ASSERT_EQUAL(o.mss, syn.options.mss);
		CU_ASSERT_EQUAL(o.sack, syn.options.sack);
		CU_ASSERT_EQUAL(o.scale,
			syn.options.scale > 14 && syn.options.scale != 15 ? 14 : syn.options.scale);
	}
}

static void
test_no_headroom(void)
{
	const struct cookie_syn syn = { .options = { true, true, 6, 7 } };
	struct segment s, before;

	make(&s, 4, PKT_ACK, NULL, 0);
	s.p.headroom = 11;
	before = s;
	cookie_to_syn(&s.p, &syn);
	CU_ASSERT_EQUAL(s.p.drop, SHUNT_DROP_HEADROOM);
	CU_ASSERT_EQUAL(memcmp(s.frame, before.frame, sizeof(s.frame)), 0);
}

static void
test_to_ack(void)
{
	static const uint8_t options[12] = { 2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7 };
	struct segment s;

	for (uint8_t version = 4; version <= 6; version += 2) {
		make(&s, version, PKT_SYN | PKT_ACK, options, sizeof(options));
		cookie_to_ack(&s.p, 7, 8, 9);
		CU_ASSERT_EQUAL(s.p.bytes, s.p.l4_offset + 20u);
		CU_ASSERT_EQUAL(s.p.tcp_flags, PKT_ACK);
		CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + TCP_SEQ_NUMBER), 7);
		CU_ASSERT_EQUAL(seq_load(tcp_of(&s) + TCP_ACK_NUMBER), 8);
		CU_ASSERT_EQUAL(frame_get16(tcp_of(&s) + TCP_WINDOW), 9);
		expect_sound(&s);
	}
}

static const struct unit_test tests[] = {
	{ "round trips", test_round_trips },
	{ "wrong ones", test_wrong_ones },
	{ "guesses", test_guesses },
	{ "MSS", test_mss },
	{ "options", test_options },
	{ "answer", test_answer },
	{ "to a SYN", test_to_syn },
	{ "no headroom", test_no_headroom },
	{ "to an ACK", test_to_ack },
};

UNIT_MAIN("cookie", tests)
