/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <arpa/inet.h>

#include "checksum.h"
#include "frames.h"

#define ROUNDS 20000

/* RFC 1071 section 3 works this example out by hand: the sum is ddf2. */
static void
test_rfc1071_example(void)
{
	static const uint8_t data[8] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	CU_ASSERT_EQUAL(checksum_sum(data, sizeof(data)), htons(0xddf2));
}

/* RFC 1624 section 4: equation 3 gives 0x0000 where RFC 1141's would give 0xffff. */
static void
test_rfc1624_example(void)
{
	uint16_t delta = checksum_delta(htons(0x5555), htons(0x3285));

	CU_ASSERT_EQUAL(checksum_update(htons(0xdd2f), delta), 0x0000);
}

static void
test_fold(void)
{
	static const uint64_t values[] = { 0, 1, 0xfffe, 0xffff, 0x10000, 0x1ffff, 0xffffffff,
		0x100000000, 0x1fffffffe, 0x1ffffffff, 0xffff0000ffffffff, UINT64_MAX - 1,
		UINT64_MAX };
	uint64_t state = 1, value;

	for (size_t i = 0; i < ROUNDS; i++) {
		value = i < sizeof(values) / sizeof(values[0]) ? values[i] : frame_random(&state);
		/* Folding keeps the value modulo 0xffff, and makes 0 of nothing but 0. */
		CU_ASSERT_EQUAL_FATAL(checksum_fold(value) % 0xffff, value % 0xffff);
		CU_ASSERT_EQUAL_FATAL(checksum_fold(value) == 0, value == 0);
	}
}

/* Every length, at every alignment, against the sum byte by byte. */
static void
test_sum_lengths(void)
{
	uint8_t data[160];
	uint8_t *exact;
	uint64_t state = 2;

	frame_random_bytes(&state, data, sizeof(data));
	for (size_t start = 0; start < 8; start++) {
		for (size_t bytes = 0; bytes <= sizeof(data) - start; bytes++) {
			exact = frame_exact(data + start, bytes);
			CU_ASSERT_EQUAL_FATAL(checksum_sum(exact, bytes),
				htons((uint16_t)frame_sum(0, data + start, bytes)));
			CU_ASSERT_EQUAL_FATAL(
				checksum_sum(data + start, bytes), checksum_sum(exact, bytes));
			free(exact);
		}
	}
}

static void
test_sum_extremes(void)
{
	static const uint8_t zeros[64];
	uint8_t ones[64], big[65535];

	memset(ones, 0xff, sizeof(ones));
	memset(big, 0xff, sizeof(big));
	for (size_t bytes = 0; bytes <= 64; bytes++)
		CU_ASSERT_EQUAL(checksum_sum(zeros, bytes), 0);
	for (size_t bytes = 2; bytes <= 64; bytes += 2)
		CU_ASSERT_EQUAL(checksum_sum(ones, bytes), 0xffff);
	CU_ASSERT_EQUAL(checksum_sum(ones, 1), htons(0xff00));
	CU_ASSERT_EQUAL(checksum_sum(big, sizeof(big)), htons(0xff00));
}

static void
test_endpoint_sums(void)
{
	static const uint8_t v4[6] = { 192, 0, 2, 1, 0x1f, 0x90 };
	uint8_t v6[18];
	uint64_t state = 3;
	uint16_t port_be;

	memcpy(&port_be, v4 + 4, 2);
	CU_ASSERT_EQUAL(checksum_l3_sum(v4, 4), htons(0xc000 + 0x0201));
	CU_ASSERT_EQUAL(
		checksum_l4_sum(checksum_l3_sum(v4, 4), port_be), checksum_sum(v4, sizeof(v4)));
	for (int i = 0; i < 1000; i++) {
		frame_random_bytes(&state, v6, sizeof(v6));
		memcpy(&port_be, v6 + 16, 2);
		CU_ASSERT_EQUAL_FATAL(checksum_l4_sum(checksum_l3_sum(v6, 16), port_be),
			checksum_sum(v6, sizeof(v6)));
	}
}

/* Random data, with words of all ones and zeros strewn in, of odd and even lengths. */
static size_t
random_data(uint64_t *state, uint8_t *data, size_t max)
{
	size_t bytes = 24 + frame_random(state) % (max - 24);

	frame_random_bytes(state, data, bytes);
	for (size_t i = 0; i + 1 < bytes; i += 2) {
		unsigned int kind = (unsigned int)(frame_random(state) >> 60);

		if (kind < 4)
			memset(data + i, kind < 2 ? 0x00 : 0xff, 2);
	}
	return bytes;
}

/* The field stands in the first word; 4 or 16 bytes from byte 4 on are replaced. */
static void
test_update_is_recomputation(void)
{
	uint8_t data[128], other[16];
	uint64_t state = 4;
	uint16_t checksum, updated, delta;
	size_t bytes, changed;

	for (int i = 0; i < ROUNDS; i++) {
		bytes = random_data(&state, data, sizeof(data));
		changed = i % 2 ? 4 : 16;
		random_data(&state, data + 24, sizeof(data) - 24);
		memset(data, 0, 2);
		data[20] = 0x45; /* no packet is all zeros */
		frame_random_bytes(&state, other, sizeof(other));
		checksum = (uint16_t)~checksum_sum(data, bytes);
		delta = checksum_delta(
			checksum_sum(data + 4, changed), checksum_sum(other, changed));
		updated = checksum_update(checksum, delta);
		memcpy(data + 4, other, changed);
		CU_ASSERT_EQUAL_FATAL(updated, (uint16_t)~checksum_sum(data, bytes));
		memcpy(data, &updated, 2);
		CU_ASSERT_EQUAL_FATAL(checksum_sum(data, bytes), 0xffff);
	}
}

/* All 2^16 checksums: there and back again is identity, but for 0xffff, which becomes 0x0000. */
static void
test_update_all_checksums(void)
{
	static const uint16_t sums[][2] = { { 1, 0xffff }, { 0xffff, 0x1234 }, { 0x8000, 0x7fff },
		{ 0xffff, 0xffff }, { 0x1234, 0x1234 }, { 0xfffe, 1 } };
	uint16_t there, back;

	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		for (uint32_t c = 0; c <= 0xffff; c++) {
			there = checksum_update(
				(uint16_t)c, checksum_delta(sums[i][0], sums[i][1]));
			back = checksum_update(there, checksum_delta(sums[i][1], sums[i][0]));
			CU_ASSERT_EQUAL_FATAL(back, c == 0xffff ? 0 : c);
			there = checksum_update_udp(
				(uint16_t)c, checksum_delta(sums[i][0], sums[i][1]));
			back = checksum_update_udp(there, checksum_delta(sums[i][1], sums[i][0]));
			CU_ASSERT_EQUAL_FATAL(back, c);
			CU_ASSERT_EQUAL_FATAL(there == 0, c == 0);
		}
	}
}

/* How far a checksum is from the right one does not change (modulo 0xffff). */
static void
test_bad_stays_bad(void)
{
	uint64_t state = 5;
	uint16_t right, wrong, delta, right_after, wrong_after;

	for (int i = 0; i < ROUNDS; i++) {
		right = (uint16_t)frame_random(&state);
		wrong = (uint16_t)frame_random(&state);
		delta = checksum_delta(
			(uint16_t)frame_random(&state), (uint16_t)frame_random(&state));
		right_after = checksum_update(right, delta);
		wrong_after = checksum_update(wrong, delta);
		CU_ASSERT_EQUAL_FATAL((wrong + 0xffffu - right) % 0xffff,
			(wrong_after + 0xffffu - right_after) % 0xffff);
	}
}

static void
test_udp_zero(void)
{
	/* None stays none whatever changes. */
	for (uint32_t delta = 0; delta <= 0xffff; delta++)
		CU_ASSERT_EQUAL_FATAL(checksum_update_udp(0, (uint16_t)delta), 0);
	/* 0x1111 with 0x1111 added to the sum comes out as 0, and is sent as 0xffff. */
	CU_ASSERT_EQUAL(checksum_update(0x1111, 0x1111), 0);
	CU_ASSERT_EQUAL(checksum_update_udp(0x1111, 0x1111), 0xffff);
	/* A received 0xffff is a zero that was sent so: it counts as one. */
	CU_ASSERT_EQUAL(checksum_update_udp(0xffff, 0x1111), (uint16_t)~0x1111);
	CU_ASSERT_EQUAL(checksum_update_udp(0xffff, 0xffff), 0xffff);
}

static const struct unit_test tests[] = {
	{ "sum of RFC 1071's example", test_rfc1071_example },
	{ "update of RFC 1624's example", test_rfc1624_example },
	{ "fold keeps the value", test_fold },
	{ "sum of every length and alignment", test_sum_lengths },
	{ "sum of all zeros and all ones", test_sum_extremes },
	{ "sums of endpoints", test_endpoint_sums },
	{ "update equals recomputation", test_update_is_recomputation },
	{ "update there and back, all checksums", test_update_all_checksums },
	{ "a bad checksum stays bad", test_bad_stays_bad },
	{ "UDP checksum zero", test_udp_zero },
};

UNIT_MAIN("checksum", tests)
