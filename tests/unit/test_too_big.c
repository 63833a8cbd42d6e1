/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <arpa/inet.h>

#include "frames.h"
#include "parse.h"
#include "too_big.h"

static const struct shunt_mac port_macs[2] = { { { 2, 1, 1, 1, 1, 0 } }, { { 2, 1, 1, 1, 1, 1 } } };

/* A parsed packet that is said not to fit, in memory of exactly its size. */
static struct pkt
too_big(uint8_t version, size_t payload_bytes, uint16_t fit_bytes)
{
	static uint8_t payload[FRAME_MAX_BYTES];
	struct frame_spec s = frame_default(version, SHUNT_TCP);
	uint8_t frame[FRAME_MAX_BYTES];
	struct pkt p = { .in_port = 1 };

	for (size_t i = 0; i < payload_bytes; i++)
		payload[i] = (uint8_t)(i * 7 + 1);
	s.payload = payload;
	s.payload_bytes = payload_bytes;
	p.bytes = (uint32_t)frame_build(frame, &s);
	p.data = frame_exact(frame, p.bytes);
	parse_pkt(&p);
	CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
	p.drop = SHUNT_DROP_TOO_BIG;
	p.fit_bytes = fit_bytes;
	return p;
}

static void
test_ip4(void)
{
	for (size_t payload = 57; payload < 1460; payload += 50) {
		struct pkt p = too_big(4, payload, 70);
		uint8_t before[FRAME_MAX_BYTES], *ip = p.data + 14, *icmp = ip + 20;
		unsigned int bytes;

		memcpy(before, p.data, p.bytes);
		CU_ASSERT_TRUE_FATAL(too_big_wants_answer(&p));
		too_big_answer(&p, port_macs);
		bytes = p.bytes - 14;
		CU_ASSERT_EQUAL(bytes, 40 + payload < 576 ? 40 + payload : 576);
		CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NONE);
		CU_ASSERT_EQUAL(p.out_port, 1);
		CU_ASSERT_EQUAL(memcmp(p.data, before + 6, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p.data + 6, port_macs[1].bytes, 6), 0);
		CU_ASSERT_EQUAL(frame_get16(p.data + 12), 0x0800);
		CU_ASSERT_EQUAL(ip[0], 0x45);
		CU_ASSERT_EQUAL(frame_get16(ip + 2), bytes);
		CU_ASSERT_EQUAL(ip[9], 1);
		CU_ASSERT_EQUAL(frame_get16(ip + 10), frame_ip4_checksum(ip));
		CU_ASSERT_EQUAL(memcmp(ip + 12, before + 14 + 16, 4), 0); /* from the service */
		CU_ASSERT_EQUAL(memcmp(ip + 16, before + 14 + 12, 4), 0); /* to the client */
		CU_ASSERT_EQUAL(frame_get16(icmp), 0x0304);
		CU_ASSERT_EQUAL(frame_get16(icmp + 4), 0);
		CU_ASSERT_EQUAL(frame_get16(icmp + 6), 70);
		CU_ASSERT_EQUAL(frame_sum(0, icmp, bytes - 20), 0xffff);
		CU_ASSERT_EQUAL(memcmp(icmp + 8, before + 14, bytes - 28), 0);
		free(p.data);
	}
}

static void
test_ip6(void)
{
	for (size_t payload = 1230; payload < 1500; payload += 13) {
		struct pkt p = too_big(6, payload, payload > 1400 ? 1400 : 1000);
		uint8_t before[FRAME_MAX_BYTES], *ip = p.data + 14, *icmp = ip + 40;
		uint8_t pseudo[4] = { 0, 58 };
		unsigned int bytes;

		memcpy(before, p.data, p.bytes);
		CU_ASSERT_TRUE_FATAL(too_big_wants_answer(&p));
		too_big_answer(&p, port_macs);
		bytes = p.bytes - 14;
		CU_ASSERT_EQUAL(bytes, 60 + payload < 1280 ? 60 + payload : 1280);
		CU_ASSERT_EQUAL(frame_get16(p.data + 12), 0x86dd);
		CU_ASSERT_EQUAL(ip[0], 0x60);
		CU_ASSERT_EQUAL(frame_get16(ip + 4), bytes - 40);
		CU_ASSERT_EQUAL(ip[6], 58);
		CU_ASSERT_EQUAL(memcmp(ip + 8, before + 14 + 24, 16), 0);
		CU_ASSERT_EQUAL(memcmp(ip + 24, before + 14 + 8, 16), 0);
		CU_ASSERT_EQUAL(frame_get16(icmp), 0x0200);
		CU_ASSERT_EQUAL(frame_get16(icmp + 4), 0);
		CU_ASSERT_EQUAL(frame_get16(icmp + 6), payload > 1400 ? 1400 : 1280);
		frame_put16(pseudo + 2, bytes - 40);
		CU_ASSERT_EQUAL(
			frame_sum(frame_sum(frame_sum(0, ip + 8, 32), pseudo, 4), icmp, bytes - 40),
			0xffff);
		CU_ASSERT_EQUAL(memcmp(icmp + 8, before + 14, bytes - 48), 0);
		free(p.data);
	}
}

static void
test_nobody_to_tell(void)
{
	struct pkt p = too_big(4, 1400, 1300);

	CU_ASSERT_TRUE(too_big_wants_answer(&p));
	p.data[20] = 0; /* others may fragment it */
	CU_ASSERT_FALSE(too_big_wants_answer(&p));
	p.data[20] = 0x40;
	p.data[0] = 0xff;
	CU_ASSERT_FALSE(too_big_wants_answer(&p));
	free(p.data);
	/* No IPv6 sender goes below 1280. */
	p = too_big(6, 1220, 1200);
	CU_ASSERT_FALSE(too_big_wants_answer(&p));
	free(p.data);
	/* An answer would be no shorter than what it is about. */
	p = too_big(4, 50, 40);
	CU_ASSERT_FALSE(too_big_wants_answer(&p));
	free(p.data);
}

static const struct unit_test tests[] = {
	{ "IPv4", test_ip4 },
	{ "IPv6", test_ip6 },
	{ "nobody to tell", test_nobody_to_tell },
};

UNIT_MAIN("too_big", tests)
