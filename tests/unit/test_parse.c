/* SPDX-License-Identifier: BSD-3-Clause */
/* parse, but for IPv6's own affairs (test_parse_ip6.c) and fragments (test_parse_fragments.c). */
#include "parse_unit.h"

#include <arpa/inet.h>

/* A record-route option, padded; hop-by-hop and destination options with padding in them. */
static const uint8_t some_options[8] = { 7, 7, 4, 0, 0, 0, 0, 0 };
static const uint8_t some_extensions[24] = { 60, 0, 1, 4, 0, 0, 0, 0, 6, 1, 1, 12 };

static void
fix_ip4(uint8_t *frame)
{
	frame_put16(frame + 14 + 10, frame_ip4_checksum(frame + 14));
}

static size_t
build_default(uint8_t *frame, unsigned int kind)
{
	struct frame_spec s = frame_default(kinds[kind].version, kinds[kind].protocol);

	return frame_build(frame, &s);
}

/* Offsets, ports and lengths, with every amount of Ethernet padding. */
static void
test_accepted(void)
{
	static const uint8_t payload[64];
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k++) {
		for (size_t n = 0; n <= sizeof(payload); n++) {
			struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);
			size_t l4 = 14 + (s.version == 4 ? 20 : 40), bytes;
			struct pkt p;

			s.flags = PKT_ACK | PKT_PSH;
			s.payload = payload;
			s.payload_bytes = n;
			bytes = frame_build(frame, &s);
			memset(frame + bytes, 0x77, 64);
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes + (n * 7) % 65, &p), 0);
			CU_ASSERT_EQUAL(p.version, s.version);
			CU_ASSERT_EQUAL(p.protocol, s.protocol);
			CU_ASSERT_EQUAL(p.tcp_flags, s.protocol == SHUNT_TCP ? s.flags : 0);
			CU_ASSERT_EQUAL(p.l3_offset, 14);
			CU_ASSERT_EQUAL(p.l4_offset, l4);
			CU_ASSERT_EQUAL(p.sport_be, htons(40000));
			CU_ASSERT_EQUAL(p.dport_be, htons(80));
			CU_ASSERT_EQUAL(p.bytes, bytes);
		}
	}
}

/* With options and extension headers in the way. */
static void
test_accepted_behind_options(void)
{
	struct pkt p;

	for (unsigned int k = 0; k < KINDS; k++) {
		uint8_t extensions[24];
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);

		memcpy(extensions, some_extensions, sizeof(extensions));
		extensions[8] = s.protocol;
		s.options = some_options;
		s.options_bytes = sizeof(some_options);
		s.extensions = extensions;
		s.extensions_bytes = sizeof(extensions);
		CU_ASSERT_EQUAL(parse_spec(&s, &p), 0);
		CU_ASSERT_EQUAL(p.l4_offset, 14 + (s.version == 4 ? 28 : 64));
		CU_ASSERT_EQUAL(p.protocol, s.protocol);
		CU_ASSERT_EQUAL(p.sport_be, htons(40000));
	}
}

/* A frame cut at every length, in memory of exactly that length. */
static void
test_truncated_frame(void)
{
	static const uint8_t payload[24];
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);
		size_t fixed = 14 + (s.version == 4 ? 20 : 40), bytes;

		s.options = some_options;
		s.options_bytes = sizeof(some_options);
		s.extensions = some_extensions;
		s.extensions_bytes = sizeof(some_extensions);
		s.payload = payload;
		s.payload_bytes = sizeof(payload);
		bytes = frame_build(frame, &s);
		for (size_t n = 0; n < bytes; n++) {
			unsigned int want = SHUNT_DROP_IP_LENGTH;

			if (n < fixed)
				want = SHUNT_DROP_SHORT_FRAME;
			else if (s.version == 4 && n < fixed + sizeof(some_options))
				want = SHUNT_DROP_IP_HEADER;
			CU_ASSERT_EQUAL(parse_bytes(frame, n, NULL), want);
		}
	}
}

/* The frame is whole, and cut exactly at the end of a packet that says it is shorter. */
static void
test_truncated_packet(void)
{
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);
		size_t start = s.version == 4 ? 0 : 40, header = s.version == 4 ? 28 : 64, bytes;

		s.options = some_options;
		s.options_bytes = sizeof(some_options);
		s.extensions = some_extensions;
		s.extensions_bytes = sizeof(some_extensions);
		bytes = frame_build(frame, &s);
		for (size_t n = start; n < bytes - 14; n++) {
			unsigned int want =
				n < header ? SHUNT_DROP_IP_LENGTH : SHUNT_DROP_L4_HEADER;
			/* An IPv4 header that is not all there is another test's. */
			size_t frame_bytes = 14 + (s.version == 4 && n < header ? header : n);

			frame_put16(frame + 14 + (s.version == 4 ? 2 : 4), n - start);
			if (s.version == 4)
				fix_ip4(frame);
			CU_ASSERT_EQUAL(parse_bytes(frame, frame_bytes, NULL), want);
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), want);
		}
	}
}

static void
test_ethertypes(void)
{
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = build_default(frame, 0);

	for (unsigned int type = 0; type <= 0xffff; type++) {
		unsigned int want = SHUNT_DROP_NOT_IP;

		if (type == 0x0800)
			want = SHUNT_DROP_NONE;
		else if (type == 0x86dd)
			want = SHUNT_DROP_IP_VERSION;
		else if (type == 0x9100)
			want = SHUNT_DROP_VLAN_TAGS;
		frame_put16(frame + 12, type);
		CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), want);
	}
	frame_put16(frame + 12, 0x0806);
	CU_ASSERT_EQUAL(parse_bytes(frame, 14, NULL), SHUNT_DROP_NOT_IP);
}

static void
test_ip_version(void)
{
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k++) {
		size_t bytes = build_default(frame, k);
		uint8_t low = frame[14] & 0xf;

		for (unsigned int version = 0; version < 16; version++) {
			frame[14] = (uint8_t)(version << 4 | low);
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL),
				version == kinds[k].version ? 0 : SHUNT_DROP_IP_VERSION);
		}
	}
}

static void
test_ip4_header_length(void)
{
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = build_default(frame, 1);

	for (unsigned int words = 0; words < 16; words++) {
		unsigned int want = SHUNT_DROP_IP_CHECKSUM;

		frame[14] = (uint8_t)(0x40 | words);
		if (words < 5 || words * 4 > bytes - 14)
			want = SHUNT_DROP_IP_HEADER;
		else if (words == 5)
			want = SHUNT_DROP_NONE;
		CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), want);
	}
	/* The header fits the frame, but not the packet. */
	frame[14] = 0x46;
	frame_put16(frame + 16, 20);
	CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), SHUNT_DROP_IP_LENGTH);
}

static void
test_ip_total_length(void)
{
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k++) {
		bool v4 = kinds[k].version == 4;
		size_t bytes = build_default(frame, k);
		size_t right = bytes - 14 - (v4 ? 0 : 40), least = v4 ? 20 : 0;
		unsigned int want;

		for (size_t n = 0; n <= 0xffff; n++) {
			frame_put16(frame + 14 + (v4 ? 2 : 4), n);
			if (v4)
				fix_ip4(frame);
			if (n < least || n > right)
				want = SHUNT_DROP_IP_LENGTH;
			else
				want = n < right ? SHUNT_DROP_L4_HEADER : SHUNT_DROP_NONE;
			CU_ASSERT_EQUAL_FATAL(parse_bytes(frame, bytes, NULL), want);
		}
	}
}

static void
test_ip4_checksum(void)
{
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes = build_default(frame, 0);
	unsigned int right = frame_get16(frame + 24);

	CU_ASSERT_NOT_EQUAL_FATAL(right, 0);
	for (unsigned int sum = 0; sum <= 0xffff; sum++) {
		frame_put16(frame + 24, sum);
		CU_ASSERT_EQUAL_FATAL(parse_bytes(frame, bytes, NULL),
			sum == right ? SHUNT_DROP_NONE : SHUNT_DROP_IP_CHECKSUM);
	}
	frame_put16(frame + 24, right);
	for (size_t bit = 0; bit < 160; bit++) {
		frame[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		CU_ASSERT_NOT_EQUAL(parse_bytes(frame, bytes, NULL), SHUNT_DROP_NONE);
		frame[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), SHUNT_DROP_NONE);
}

static unsigned int
parse_options(const uint8_t *options, size_t bytes)
{
	struct frame_spec s = frame_default(4, SHUNT_TCP);

	s.options = options;
	s.options_bytes = bytes;
	return parse_spec(&s, NULL);
}

static void
test_ip4_options(void)
{
	static const uint8_t nop_lsrr[8] = { 1, 131, 7, 4, 10, 0, 0, 1 };
	static const uint8_t rr_ssrr[12] = { 7, 4, 4, 0, 137, 7, 4, 10, 0, 0, 1, 0 };
	static const uint8_t end_lsrr[8] = { 0, 131, 7, 4, 10, 0, 0, 1 };
	static const uint8_t alert[4] = { 148, 4, 0, 0 };
	static const uint8_t nops[40] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

	CU_ASSERT_EQUAL(parse_options(nop_lsrr, 8), SHUNT_DROP_IP_OPTIONS);
	CU_ASSERT_EQUAL(parse_options(rr_ssrr, 12), SHUNT_DROP_IP_OPTIONS);
	CU_ASSERT_EQUAL(parse_options(end_lsrr, 8), SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(parse_options(alert, 4), SHUNT_DROP_NONE);
	CU_ASSERT_EQUAL(parse_options(nops, 40), SHUNT_DROP_NONE);
	/* Every kind, with every length. */
	for (unsigned int kind = 0; kind < 256; kind++) {
		for (unsigned int length = 0; length < 256; length++) {
			uint8_t options[8] = { (uint8_t)kind, (uint8_t)length };
			unsigned int want = SHUNT_DROP_NONE;

			if (kind == 131 || kind == 137 || (kind > 1 && (length < 2 || length > 8)))
				want = SHUNT_DROP_IP_OPTIONS;
			if (kind == 1) /* what follows is an option then, of one byte or of none */
				want = length > 1 ? SHUNT_DROP_IP_OPTIONS : SHUNT_DROP_NONE;
			CU_ASSERT_EQUAL(parse_options(options, 8), want);
		}
	}
	/* An option that begins in the last byte has no length, even if the frame ends there. */
	for (unsigned int kind = 0; kind < 256; kind++) {
		uint8_t options[4] = { 1, 1, 1, (uint8_t)kind };
		struct frame_spec s = frame_default(4, SHUNT_TCP);
		uint8_t frame[FRAME_MAX_BYTES];

		CU_ASSERT_EQUAL(parse_options(options, 4),
			kind <= 1 ? SHUNT_DROP_NONE : SHUNT_DROP_IP_OPTIONS);
		s.options = options;
		s.options_bytes = 4;
		frame_build(frame, &s);
		frame_put16(frame + 16, 24);
		fix_ip4(frame);
		CU_ASSERT_EQUAL(parse_bytes(frame, 14 + 24, NULL),
			kind <= 1 ? SHUNT_DROP_L4_HEADER : SHUNT_DROP_IP_OPTIONS);
	}
}

static void
test_ip4_source(void)
{
	static const struct {
		uint8_t address[4];
		bool fine;
	} sources[] = { { { 0, 0, 0, 0 }, false }, { { 0, 1, 2, 3 }, false },
		{ { 127, 0, 0, 1 }, false }, { { 127, 255, 255, 255 }, false },
		{ { 224, 0, 0, 1 }, false }, { { 239, 255, 255, 255 }, false },
		{ { 255, 255, 255, 255 }, false }, { { 255, 255, 255, 254 }, true },
		{ { 1, 0, 0, 0 }, true }, { { 126, 255, 255, 255 }, true },
		{ { 128, 0, 0, 0 }, true }, { { 223, 255, 255, 255 }, true },
		{ { 10, 0, 0, 1 }, true }, { { 240, 0, 0, 1 }, true } };

	for (unsigned int k = 0; k < 2; k++) {
		for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
			struct frame_spec s = frame_default(4, kinds[k].protocol);

			memcpy(s.src, sources[i].address, 4);
			CU_ASSERT_EQUAL(parse_spec(&s, NULL),
				sources[i].fine ? SHUNT_DROP_NONE : SHUNT_DROP_IP_SOURCE);
		}
	}
}

static void
test_land(void)
{
	for (unsigned int k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);

		s.sport = s.dport;
		CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_NONE);
		memcpy(s.src, s.dst, 16);
		CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_LAND);
		s.sport ^= 1;
		CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_NONE);
		s.sport ^= 1;
		for (size_t i = 0; i < (s.version == 4 ? 4 : 16); i++) {
			s.src[i] ^= 2;
			CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_NONE);
			s.src[i] ^= 2;
		}
	}
}

static void
test_protocols(void)
{
	uint8_t frame[FRAME_MAX_BYTES];
	size_t bytes;

	for (unsigned int protocol = 0; protocol < 256; protocol++) {
		unsigned int want = SHUNT_DROP_PROTOCOL;

		if (protocol == SHUNT_TCP)
			want = SHUNT_DROP_NONE;
		else if (protocol == SHUNT_UDP)
			want = SHUNT_DROP_L4_HEADER; /* the TCP header's bytes, read as UDP's */
		bytes = build_default(frame, 0);
		frame[23] = (uint8_t)protocol;
		fix_ip4(frame);
		CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), want);
		bytes = build_default(frame, 2);
		frame[20] = (uint8_t)protocol;
		if (protocol != 0 && protocol != 44 && protocol != 43 && protocol != 60)
			CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL), want);
	}
}

static void
test_tcp_header_length(void)
{
	static const uint8_t payload[20];
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 0; k < KINDS; k += 2) {
		for (size_t n = 0; n <= sizeof(payload); n++) {
			struct frame_spec s = frame_default(kinds[k].version, SHUNT_TCP);
			size_t bytes, l4;

			s.payload = payload;
			s.payload_bytes = n;
			bytes = frame_build(frame, &s);
			l4 = bytes - n - 20;
			for (unsigned int words = 0; words < 16; words++) {
				bool fine = words >= 5 && words * 4 <= 20 + n;

				frame[l4 + 12] = (uint8_t)(words << 4 | 0xf);
				CU_ASSERT_EQUAL(parse_bytes(frame, bytes, NULL),
					fine ? SHUNT_DROP_NONE : SHUNT_DROP_L4_HEADER);
			}
		}
	}
}

/* All 256; PSH, URG, ECE and CWR do not matter. */
static void
test_tcp_flags(void)
{
	static const uint8_t possible[] = { PKT_SYN, PKT_SYN | PKT_ACK, PKT_ACK, PKT_FIN | PKT_ACK,
		PKT_RST, PKT_RST | PKT_ACK };

	for (unsigned int k = 0; k < KINDS; k += 2) {
		for (unsigned int flags = 0; flags < 256; flags++) {
			struct frame_spec s = frame_default(kinds[k].version, SHUNT_TCP);
			unsigned int want = SHUNT_DROP_TCP_FLAGS;
			struct pkt p;

			for (size_t i = 0; i < sizeof(possible); i++) {
				if ((flags & 0x17) == possible[i])
					want = SHUNT_DROP_NONE;
			}
			s.flags = (uint8_t)flags;
			CU_ASSERT_EQUAL(parse_spec(&s, &p), want);
			if (!want)
				CU_ASSERT_EQUAL(p.tcp_flags, flags);
		}
	}
}

static void
test_udp_length(void)
{
	static const uint8_t payload[16];
	uint8_t frame[FRAME_MAX_BYTES];

	for (unsigned int k = 1; k < KINDS; k += 2) {
		struct frame_spec s = frame_default(kinds[k].version, SHUNT_UDP);
		size_t bytes, l4;
		struct pkt p;

		s.payload = payload;
		s.payload_bytes = sizeof(payload);
		bytes = frame_build(frame, &s);
		l4 = bytes - 24;
		for (size_t n = 0; n <= 0xffff; n++) {
			frame_put16(frame + l4 + 4, n);
			CU_ASSERT_EQUAL_FATAL(parse_bytes(frame, bytes, &p),
				n >= 8 && n <= 24 ? SHUNT_DROP_NONE : SHUNT_DROP_L4_HEADER);
			/* What follows a short datagram still belongs to the packet. */
			CU_ASSERT_EQUAL_FATAL(p.bytes, bytes);
		}
	}
}

/* TTL is for those who forward to judge, port 0 for classify. */
static void
test_not_parses_business(void)
{
	for (unsigned int k = 0; k < KINDS; k++) {
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);

		s.ttl = 0;
		CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_NONE);
		s.sport = 0;
		CU_ASSERT_EQUAL(parse_spec(&s, NULL), SHUNT_DROP_NONE);
	}
}

static void
test_burst(void)
{
	static uint8_t frames[PKT_BURST][FRAME_MAX_BYTES];
	static struct pkt storage[PKT_BURST];
	struct pkt *pkts[PKT_BURST];

	for (unsigned int i = 0; i < PKT_BURST; i++) {
		pkts[i] = &storage[i];
		storage[i].data = frames[i];
		storage[i].bytes = (uint32_t)build_default(frames[i], i % KINDS);
		if (i % 5 == 0)
			frames[i][12] ^= 0xff;
	}
	parse_burst(pkts, 0);
	CU_ASSERT_EQUAL(storage[1].version, 0);
	parse_burst(pkts, PKT_BURST);
	for (unsigned int i = 0; i < PKT_BURST; i++) {
		CU_ASSERT_EQUAL(storage[i].drop, i % 5 ? 0 : SHUNT_DROP_NOT_IP);
		if (i % 5)
			CU_ASSERT_EQUAL(storage[i].version, kinds[i % KINDS].version);
	}
}

/* Good frames with a few bytes changed and a random cut, the IPv4 checksum right half the time. */
static void
test_mutations(void)
{
	uint8_t frame[FRAME_MAX_BYTES];
	uint64_t state = 77;

	for (unsigned int i = 0; i < 300000; i++) {
		unsigned int k = i % KINDS;
		struct frame_spec s = frame_default(kinds[k].version, kinds[k].protocol);
		unsigned int changes = 1 + (unsigned int)(frame_random(&state) >> 62);
		size_t bytes;

		s.options = some_options;
		s.options_bytes = i & 4 ? sizeof(some_options) : 0;
		s.extensions = some_extensions;
		s.extensions_bytes = i & 4 ? sizeof(some_extensions) : 0;
		bytes = frame_build(frame, &s);
		while (changes--)
			frame[12 + frame_random(&state) % (bytes - 12)] =
				(uint8_t)(frame_random(&state) >> 56);
		if (s.version == 4 && i & 8 && (frame[14] & 0xf) * 4u >= 12)
			fix_ip4(frame);
		if (i & 16)
			bytes = frame_random(&state) % (bytes + 1);
		parse_bytes(frame, bytes, NULL);
	}
}

static void
test_all_reasons_met(void)
{
	static const uint8_t reasons[] = { SHUNT_DROP_NONE, SHUNT_DROP_SHORT_FRAME,
		SHUNT_DROP_NOT_IP, SHUNT_DROP_VLAN_TAGS, SHUNT_DROP_IP_VERSION,
		SHUNT_DROP_IP_HEADER, SHUNT_DROP_IP_LENGTH, SHUNT_DROP_IP_CHECKSUM,
		SHUNT_DROP_IP_OPTIONS, SHUNT_DROP_IP_SOURCE, SHUNT_DROP_LAND,
		SHUNT_DROP_IP6_EXTENSIONS, SHUNT_DROP_FRAGMENT, SHUNT_DROP_FRAGMENT_OVERLAP,
		SHUNT_DROP_PROTOCOL, SHUNT_DROP_L4_HEADER, SHUNT_DROP_TCP_FLAGS };

	parse_check_seen(reasons, sizeof(reasons));
}

static const struct unit_test tests[] = {
	{ "accepted, with padding", test_accepted },
	{ "accepted behind options and extensions", test_accepted_behind_options },
	{ "frames cut at every length", test_truncated_frame },
	{ "packets that end at every length", test_truncated_packet },
	{ "every EtherType", test_ethertypes },
	{ "every IP version", test_ip_version },
	{ "every IPv4 header length", test_ip4_header_length },
	{ "every IP length", test_ip_total_length },
	{ "every IPv4 checksum", test_ip4_checksum },
	{ "IPv4 options", test_ip4_options },
	{ "IPv4 sources", test_ip4_source },
	{ "land", test_land },
	{ "every protocol", test_protocols },
	{ "every TCP header length", test_tcp_header_length },
	{ "every set of TCP flags", test_tcp_flags },
	{ "every UDP length", test_udp_length },
	{ "left to later stages", test_not_parses_business },
	{ "a burst", test_burst },
	{ "random mutations", test_mutations },
	{ "every drop reason was met", test_all_reasons_met },
};

UNIT_MAIN("parse", tests)
