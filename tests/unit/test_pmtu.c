/* SPDX-License-Identifier: BSD-3-Clause */
/* What errors about tunnels' packets do to the table, and what the table does to packets. */
#include "pmtu.h"

#include <arpa/inet.h>

#include "frames.h"
#include "parse.h"
#include "tunnel.h"
#include "unit.h"

#define SERVER 3
#define MTU    1500

static struct gen_server servers[SERVER + 1];
static struct generation generation = { .servers = servers, .server_count = SERVER + 1 };
static const uint16_t port_mtus[SHUNT_MAX_PORTS] = { MTU };
static const uint8_t source[16] = { 10, 0, 0, 1 }, address[16] = { 10, 7, 0, 2 };
static const uint8_t router[16] = { 10, 0, 0, 250 }, stranger[16] = { 10, 0, 0, 99 };

static void
open_table(uint8_t version, enum shunt_encap encap)
{
	memset(servers, 0, sizeof(servers));
	servers[SERVER] = (struct gen_server){ .version = version,
		.forward = SHUNT_TUNNEL,
		.encap = encap,
		.encap_port_be = encap == SHUNT_GUE ? htons(6080) : 0 };
	memcpy(servers[SERVER].source, source, 16);
	memcpy(servers[SERVER].address, address, 16);
	generation.pmtu = pmtu_create();
	CU_ASSERT_PTR_NOT_NULL_FATAL(generation.pmtu);
}

/* An error that says mtu, about a tunnel's packet of so many bytes; its drop reason. */
static enum shunt_drop
tell(uint8_t protocol, uint16_t port, unsigned int mtu, unsigned int bytes, const uint8_t *from)
{
	uint8_t version = servers[SERVER].version, frame[FRAME_MAX_BYTES] = { 0 };
	uint8_t quoted[FRAME_MAX_BYTES] = { 0 };
	struct frame_spec s = frame_default(version, SHUNT_UDP);
	static const uint8_t payload[40];
	struct pkt p = { .data = frame };
	unsigned int icmp = version == 4 ? 34 : 54;

	memcpy(s.src, from, 16);
	memcpy(s.dst, address, 16);
	s.dport = port;
	s.payload = payload;
	s.payload_bytes = sizeof(payload);
	frame_build(quoted, &s);
	quoted[version == 4 ? 14 + 9 : 14 + 6] = protocol;
	frame_put16(quoted + (version == 4 ? 16 : 18), version == 4 ? bytes : bytes - 40);
	p.bytes = (uint32_t)frame_build_icmp(frame, version == 4 ? 3 : 2, router, quoted + 14, 68);
	if (version == 4)
		frame[icmp + 1] = 4;
	frame_put16(frame + icmp + 6, mtu);
	frame_put16(
		frame + icmp + 2, frame_icmp_checksum(frame + 14, frame + icmp, p.bytes - icmp));
	parse_pkt(&p);
	CU_ASSERT_EQUAL_FATAL(p.drop, 0);
	pmtu_icmp_error(&generation, &p, port_mtus);
	return p.drop;
}

static void
test_learns_every_encapsulation(void)
{
	static const struct {
		uint8_t version, encap, protocol;
		uint16_t port;
	} cases[] = { { 4, SHUNT_IPIP, 4, 1 }, { 4, SHUNT_IPIP, 41, 1 }, { 4, SHUNT_GRE, 47, 1 },
		{ 4, SHUNT_GUE, 17, 6080 }, { 6, SHUNT_IPIP, 4, 1 }, { 6, SHUNT_IPIP, 41, 1 },
		{ 6, SHUNT_GRE, 47, 1 }, { 6, SHUNT_GUE, 17, 6080 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_table(cases[i].version, cases[i].encap);
		CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 0);
		CU_ASSERT_EQUAL(tell(cases[i].protocol, cases[i].port, 1400, 1500, source),
			SHUNT_DROP_ICMP_TUNNEL);
		CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 1400);
		CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER - 1), 0);
		pmtu_destroy(generation.pmtu);
	}
}

static void
test_what_is_not_about_a_tunnel(void)
{
	open_table(4, SHUNT_GUE);
	CU_ASSERT_EQUAL(tell(17, 6081, 1400, 1500, source), 0);
	CU_ASSERT_EQUAL(tell(47, 6080, 1400, 1500, source), 0);
	CU_ASSERT_EQUAL(tell(17, 6080, 1400, 1500, stranger), 0); /* not our own packet */
	servers[SERVER].forward = SHUNT_NAT;
	CU_ASSERT_EQUAL(tell(17, 6080, 1400, 1500, source), 0);
	CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 0);
	pmtu_destroy(generation.pmtu);
}

static void
test_what_cannot_be(void)
{
	static const uint16_t mtus4[] = { 0, 68, 575, 1500, 1501, 9000, 65535 };
	static const uint16_t mtus6[] = { 0, 576, 1279, 1500, 9000 };

	open_table(4, SHUNT_IPIP);
	for (size_t i = 0; i < sizeof(mtus4) / sizeof(mtus4[0]); i++) {
		CU_ASSERT_EQUAL(tell(4, 0, mtus4[i], 1500, source), SHUNT_DROP_ICMP_TUNNEL);
		CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 0);
	}
	/* The quoted packet would have fitted. */
	CU_ASSERT_EQUAL(tell(4, 0, 1400, 1400, source), SHUNT_DROP_ICMP_TUNNEL);
	CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 0);
	pmtu_destroy(generation.pmtu);
	open_table(6, SHUNT_IPIP);
	for (size_t i = 0; i < sizeof(mtus6) / sizeof(mtus6[0]); i++) {
		tell(41, 0, mtus6[i], 1500, source);
		CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 0);
	}
	pmtu_destroy(generation.pmtu);
}

static void
test_only_lowers_and_ages(void)
{
	open_table(4, SHUNT_IPIP);
	pmtu_tick(generation.pmtu, 65500); /* the clock's end is near */
	tell(4, 0, 1400, 1500, source);
	tell(4, 0, 1450, 1500, source);
	CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 1400);
	tell(4, 0, 1300, 1500, source);
	CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 1300);
	pmtu_tick(generation.pmtu, (uint16_t)(65500 + PMTU_TICKS - 1));
	CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 1300);
	pmtu_tick(generation.pmtu, (uint16_t)(65500 + PMTU_TICKS));
	CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 0);
	tell(4, 0, 1450, 1500, source);
	CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 1450);
	pmtu_forget(generation.pmtu, SERVER);
	CU_ASSERT_EQUAL(pmtu_get(generation.pmtu, SERVER), 0);
	pmtu_destroy(generation.pmtu);
}

static void
test_packets_that_exceed(void)
{
	struct pkt p = { .version = 4, .l3_offset = 14, .server = SERVER };

	open_table(4, SHUNT_GRE);
	p.bytes = 14 + 1476;
	CU_ASSERT_FALSE(pmtu_exceeds(&generation, &p));
	tell(47, 0, 1400, 1500, source);
	CU_ASSERT_TRUE(pmtu_exceeds(&generation, &p));
	CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_TOO_BIG);
	CU_ASSERT_EQUAL(p.fit_bytes, 1376);
	p.drop = SHUNT_DROP_NONE;
	p.bytes = 14 + 1376;
	CU_ASSERT_FALSE(pmtu_exceeds(&generation, &p));
	CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NONE);
	pmtu_destroy(generation.pmtu);
}

static const struct unit_test tests[] = {
	{ "every encapsulation", test_learns_every_encapsulation },
	{ "what is not about a tunnel", test_what_is_not_about_a_tunnel },
	{ "what cannot be", test_what_cannot_be },
	{ "only lowers, and is forgotten", test_only_lowers_and_ages },
	{ "packets that exceed", test_packets_that_exceed },
};

UNIT_MAIN("pmtu", tests)
