/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes to the kernel, and how urgently; and the allowance of each class. */
#include "punt.h"

#include "frames.h"
#include "generation.h"
#include "icmp_limit.h"
#include "objects_helper.h"
#include "parse.h"

struct frame {
	uint8_t bytes[FRAME_MAX_BYTES];
	size_t length;
};

/* An Ethernet frame with this payload, and tags before it. */
static struct frame
ethernet(uint16_t ethertype, unsigned int tags, size_t payload)
{
	struct frame f = { .bytes = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 } };
	size_t at = 12;

	for (unsigned int i = 0; i < tags; i++, at += 4) {
		frame_put16(f.bytes + at, i == 0 && tags > 1 ? 0x88a8 : 0x8100);
		frame_put16(f.bytes + at + 2, 100 + i);
	}
	frame_put16(f.bytes + at, ethertype);
	f.length = at + 2 + payload;
	return f;
}

/* An IP packet of a protocol, whose upper part begins with these bytes. */
static struct frame
ip(uint8_t version, uint8_t protocol, uint8_t ttl, const uint8_t *upper, size_t upper_bytes)
{
	static const uint8_t zeros[32];
	struct frame_spec s = frame_default(version, protocol);
	struct frame f;

	s.ttl = ttl;
	s.payload = zeros;
	s.payload_bytes = sizeof(zeros);
	f.length = frame_build(f.bytes, &s);
	memcpy(f.bytes + 14 + (version == 4 ? 20 : 40), upper, upper_bytes);
	return f;
}

static struct frame
ports(uint8_t version, uint8_t protocol, uint8_t ttl, uint16_t source, uint16_t destination)
{
	struct frame_spec s = frame_default(version, protocol);
	struct frame f;

	s.ttl = ttl;
	s.sport = source;
	s.dport = destination;
	f.length = frame_build(f.bytes, &s);
	return f;
}

/* From memory of exactly the frame's size, so that a sanitizer sees a step beyond. */
static enum punt_class
classify(const struct frame *f, size_t length, enum shunt_drop reason)
{
	uint8_t *copy = malloc(length ? length : 1);
	enum punt_class class;

	if (!copy)
		abort();
	memcpy(copy, f->bytes, length);
	class = punt_classify(copy, (uint32_t)length, reason);
	free(copy);
	return class;
}

/* The class of a whole frame, by the reason for which parse leaves it, or else as no service's. */
static enum punt_class
class_of(struct frame f)
{
	struct pkt p = { .data = f.bytes, .bytes = (uint32_t)f.length };

	parse_pkt(&p);
	return classify(&f, p.bytes, p.drop ? p.drop : SHUNT_DROP_NO_SERVICE);
}

static void
test_link(void)
{
	static const uint8_t lacp[6] = { 0x01, 0x80, 0xc2, 0, 0, 2 };
	struct frame f = ethernet(0x8809, 0, 100);

	for (unsigned int tags = 0; tags <= 2; tags++)
		CU_ASSERT_EQUAL(class_of(ethernet(0x0806, tags, 28)), PUNT_LINK);
	CU_ASSERT_EQUAL(class_of(ethernet(0x0806, 0, 46)), PUNT_LINK);
	CU_ASSERT_EQUAL(class_of(ethernet(0x0806, 0, 27)), PUNT_NONE);
	CU_ASSERT_EQUAL(class_of(ethernet(0x88cc, 0, 50)), PUNT_LINK);
	CU_ASSERT_EQUAL(class_of(ethernet(0x888e, 0, 50)), PUNT_LINK);
	CU_ASSERT_EQUAL(class_of(f), PUNT_OTHER);
	memcpy(f.bytes, lacp, sizeof(lacp));
	CU_ASSERT_EQUAL(class_of(f), PUNT_LINK);
	f.bytes[5] = 0x10;
	CU_ASSERT_EQUAL(class_of(f), PUNT_OTHER);
	CU_ASSERT_EQUAL(class_of(ethernet(0x88f7, 0, 50)), PUNT_OTHER);
	CU_ASSERT_EQUAL(class_of(ethernet(0x0026, 0, 38)), PUNT_OTHER); /* a length: IEEE 802.3 */
}

static void
test_ip(void)
{
	static const uint8_t zeros[8];

	for (uint8_t v = 4; v <= 6; v += 2) {
		CU_ASSERT_EQUAL(class_of(ip(v, 112, 255, zeros, 8)), PUNT_LINK);
		CU_ASSERT_EQUAL(class_of(ip(v, 112, 254, zeros, 8)), PUNT_OTHER);
		CU_ASSERT_EQUAL(class_of(ip(v, 89, 1, zeros, 8)), PUNT_ROUTING);
		CU_ASSERT_EQUAL(class_of(ip(v, 2, 1, zeros, 8)), PUNT_ROUTING);
		CU_ASSERT_EQUAL(class_of(ip(v, 47, 64, zeros, 8)), PUNT_OTHER);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_TCP, 64, 179, 40000)), PUNT_ROUTING);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_TCP, 1, 40000, 179)), PUNT_ROUTING);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_TCP, 64, 22, 40000)), PUNT_OTHER);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_TCP, 255, 40000, 3784)), PUNT_OTHER);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_UDP, 255, 49152, 3784)), PUNT_LINK);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_UDP, 255, 49152, 3785)), PUNT_LINK);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_UDP, 254, 49152, 3784)), PUNT_OTHER);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_UDP, 64, 49152, 4784)), PUNT_ROUTING);
		CU_ASSERT_EQUAL(class_of(ports(v, SHUNT_UDP, 64, 179, 179)), PUNT_OTHER);
	}
	CU_ASSERT_EQUAL(class_of(ip(4, 1, 64, (const uint8_t *)"\x08", 1)), PUNT_OTHER);
}

static void
test_icmp6(void)
{
	for (unsigned int type = 0; type < 256; type++) {
		const uint8_t t = (uint8_t)type;
		bool discovery = type >= 133 && type <= 137;
		bool listener = (type >= 130 && type <= 132) || type == 143;
		struct frame near = ip(6, 58, 255, &t, 1), far = ip(6, 58, 254, &t, 1);

		CU_ASSERT_EQUAL(classify(&near, near.length, SHUNT_DROP_PROTOCOL),
			discovery	   ? PUNT_LINK
				: listener ? PUNT_ROUTING
					   : PUNT_OTHER);
		CU_ASSERT_EQUAL(classify(&far, far.length, SHUNT_DROP_PROTOCOL),
			listener ? PUNT_ROUTING : PUNT_OTHER);
	}
}

/* A report of multicast listeners has a hop-by-hop option, and is often from "::". */
static void
test_unspecified(void)
{
	static const uint8_t report[] = { 58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0 };
	static const uint8_t solicitation = 135, echo = 128;
	struct frame f = ip(6, 0, 1, report, sizeof(report));

	CU_ASSERT_EQUAL(class_of(f), PUNT_ROUTING);
	memset(f.bytes + 14 + 8, 0, 16);
	CU_ASSERT_EQUAL(class_of(f), PUNT_ROUTING);
	f = ip(6, 58, 255, &solicitation, 1);
	memset(f.bytes + 14 + 8, 0, 16);
	CU_ASSERT_EQUAL(class_of(f), PUNT_LINK);
	f.bytes[14 + 7] = 254;
	CU_ASSERT_EQUAL(class_of(f), PUNT_NONE);
	f = ip(6, 58, 255, &echo, 1);
	memset(f.bytes + 14 + 8, 0, 16);
	CU_ASSERT_EQUAL(class_of(f), PUNT_NONE);
	f = ip(6, 58, 255, &solicitation, 1);
	f.bytes[14 + 8] = 0xff; /* from a group */
	CU_ASSERT_EQUAL(class_of(f), PUNT_NONE);
	f = ip(4, 2, 1, &echo, 1);
	memset(f.bytes + 14 + 12, 0, 4);
	CU_ASSERT_EQUAL(classify(&f, f.length, SHUNT_DROP_IP_SOURCE), PUNT_NONE);
}

/* Only what is not ours is the kernel's: what is malformed, or a service's, is not. */
static void
test_reasons(void)
{
	struct frame f = ports(4, SHUNT_TCP, 64, 40000, 22);

	for (unsigned int reason = 0; reason < SHUNT_DROP_COUNT; reason++) {
		enum punt_class expected = PUNT_NONE;

		if (reason == SHUNT_DROP_NOT_IP || reason == SHUNT_DROP_VLAN ||
			reason == SHUNT_DROP_PROTOCOL || reason == SHUNT_DROP_NO_SERVICE)
			expected = PUNT_OTHER;
		if (reason == SHUNT_DROP_LOCAL)
			expected = PUNT_ANSWER;
		CU_ASSERT_EQUAL(classify(&f, f.length, reason), expected);
	}
}

/* Later fragments have no ports, whatever their bytes look like. */
static void
test_fragments(void)
{
	struct frame f = ports(4, SHUNT_TCP, 64, 40000, 179);

	CU_ASSERT_EQUAL(classify(&f, f.length, SHUNT_DROP_NO_SERVICE), PUNT_ROUTING);
	f.bytes[14 + 7] = 100;
	CU_ASSERT_EQUAL(classify(&f, f.length, SHUNT_DROP_NO_SERVICE), PUNT_OTHER);
	f.bytes[14 + 7] = 0;
	f.bytes[14 + 6] = 0x20; /* the first */
	CU_ASSERT_EQUAL(classify(&f, f.length, SHUNT_DROP_NO_SERVICE), PUNT_ROUTING);
}

/*
 * From a server to the balancer itself, whatever port: a probe may go to another than the server's,
 * and to a server that answers clients directly. What is more urgent stays so.
 */
static void
test_answers(void)
{
	static const struct {
		const char *source, *destination;
		enum punt_class expected;
	} cases[] = {
		{ "10.0.0.11", "10.0.0.1", PUNT_ANSWER },
		{ "10.0.0.12", "10.0.0.1", PUNT_OTHER },
		{ "10.0.0.11", "10.0.0.2", PUNT_OTHER },
		{ "10.0.0.1", "10.0.0.11", PUNT_OTHER },
	};
	const struct shunt_local local = { .address = helper_addr("10.0.0.1") };
	struct object_store *store = object_store_create();
	struct generation_error error;
	struct generation *g;
	int result;

	helper_put(store, SHUNT_KIND_LOCAL, 1, &local, sizeof(local));
	helper_put_server(store, 1, "10.0.0.11", 8080, 1);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	g = generation_create(store, 1, NULL, 1, &error, &result);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct shunt_addr source = helper_addr(cases[i].source);
		const struct shunt_addr destination = helper_addr(cases[i].destination);
		struct frame_spec s = frame_default(4, SHUNT_TCP);
		struct frame f;
		struct pkt p = { .data = f.bytes };

		memcpy(s.src, source.bytes + 12, 4);
		memcpy(s.dst, destination.bytes + 12, 4);
		for (unsigned int bgp = 0; bgp < 2; bgp++) {
			s.sport = bgp ? 179 : 9000;
			p.bytes = (uint32_t)frame_build(f.bytes, &s);
			parse_pkt(&p);
			CU_ASSERT_EQUAL_FATAL(p.drop, SHUNT_DROP_NONE);
			p.drop = SHUNT_DROP_NO_SERVICE;
			CU_ASSERT_EQUAL(punt_classify_pkt(g->known, &p),
				bgp ? PUNT_ROUTING : cases[i].expected);
		}
	}
	generation_destroy(g);
	object_store_destroy(store);
}

/* Each length of each kind of frame, and bytes that nobody meant. */
static void
test_hostile(void)
{
	static const uint8_t report[] = { 58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0 };
	struct frame frames[] = { ethernet(0x0806, 2, 28), ports(4, SHUNT_TCP, 255, 179, 179),
		ports(6, SHUNT_UDP, 255, 3784, 3784), ip(6, 0, 255, report, sizeof(report)),
		ethernet(0x8100, 2, 4) };
	uint64_t state = 11;

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		for (size_t length = 0; length <= frames[i].length; length++) {
			for (unsigned int reason = 0; reason < SHUNT_DROP_COUNT; reason++)
				CU_ASSERT(classify(&frames[i], length, reason) <= PUNT_NONE);
		}
		CU_ASSERT_EQUAL(classify(&frames[i], 13, SHUNT_DROP_NOT_IP), PUNT_NONE);
	}
	for (int round = 0; round < 100000; round++) {
		struct frame f = frames[helper_random(&state) % 5];

		for (int flips = 0; flips < 4; flips++)
			f.bytes[helper_random(&state) % f.length] = (uint8_t)helper_random(&state);
		f.length = helper_random(&state) % (f.length + 1);
		CU_ASSERT(classify(&f, f.length,
				  (enum shunt_drop)(helper_random(&state) % SHUNT_DROP_COUNT)) <=
			PUNT_NONE);
		CU_ASSERT(class_of(f) <= PUNT_NONE);
	}
}

/* A flood gets what a period allows and no more; a class that was quiet has its burst. */
static void
test_allowance(void)
{
	struct icmp_limit flooded = { .period = 1000, .burst = 64 }, quiet = flooded;
	unsigned int taken = 0;
	uint64_t now = 1u << 20;

	for (; now < (1u << 20) + 1000 * 1000; now += 10)
		taken += icmp_limit_take(&flooded, now);
	CU_ASSERT(taken >= 1000 && taken <= 1000 + 64);
	for (int i = 0; i < 64; i++)
		CU_ASSERT_TRUE(icmp_limit_take(&quiet, now));
	CU_ASSERT_FALSE(icmp_limit_take(&quiet, now));
	CU_ASSERT_TRUE(icmp_limit_take(&quiet, now + 1000));
}

static const struct unit_test tests[] = {
	{ "what the link needs", test_link },
	{ "protocols and ports", test_ip },
	{ "ICMPv6, each type", test_icmp6 },
	{ "from nobody", test_unspecified },
	{ "each reason", test_reasons },
	{ "fragments", test_fragments },
	{ "answers to probes", test_answers },
	{ "hostile bytes", test_hostile },
	{ "allowance", test_allowance },
};

UNIT_MAIN("punt", tests)
