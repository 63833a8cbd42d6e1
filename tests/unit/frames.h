/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames for tests: Ethernet, IPv4 or IPv6, TCP or UDP, with checksums computed the long way, byte
 * by byte and over everything, so that they are a reference for the short ways of the code.
 */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pkt.h"

#define FRAME_MAX_BYTES 2048

struct frame_spec {
	uint8_t version;  /* 4 or 6 */
	uint8_t protocol; /* of the upper layer; TCP's and UDP's headers are filled in */
	uint8_t flags;	  /* TCP */
	uint8_t ttl;
	uint16_t sport;
	uint16_t dport;
	uint8_t src[16]; /* IPv4: the first four */
	uint8_t dst[16];
	const uint8_t *options; /* IPv4, a multiple of 4 bytes */
	size_t options_bytes;
	uint8_t next; /* IPv6: kind of the first extension header, if there are any */
	const uint8_t *extensions;
	size_t extensions_bytes;
	const uint8_t *payload;
	size_t payload_bytes;
};

/* A spec that parses; the caller changes what the test is about. Documentation addresses. */
static inline struct frame_spec
frame_default(uint8_t version, uint8_t protocol)
{
	static const uint8_t src4[4] = { 198, 51, 100, 7 }, dst4[4] = { 203, 0, 113, 9 };
	static const uint8_t src6[16] = { 0x20, 0x01, 0x0d, 0xb8, 1, [15] = 7 };
	static const uint8_t dst6[16] = { 0x20, 0x01, 0x0d, 0xb8, 2, [15] = 9 };
	struct frame_spec s = { .version = version, .protocol = protocol };

	s.flags = PKT_ACK;
	s.ttl = 64;
	s.sport = 40000;
	s.dport = 80;
	memcpy(s.src, version == 4 ? src4 : src6, version == 4 ? 4 : 16);
	memcpy(s.dst, version == 4 ? dst4 : dst6, version == 4 ? 4 : 16);
	return s;
}

static inline void
frame_put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline unsigned int
frame_get16(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

/* Ones' complement sum, one byte at a time, on top of sum. */
static inline uint32_t
frame_sum(uint32_t sum, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		while (sum > 0xffff)
			sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The checksum of an IPv4 header as it should be, whatever the field holds. */
static inline unsigned int
frame_ip4_checksum(const uint8_t *ip)
{
	uint32_t sum = frame_sum(0, ip, 10);

	return 0xffff ^ frame_sum(sum, ip + 12, (ip[0] & 0xf) * 4u - 12);
}

static inline size_t
frame_checksum_offset(uint8_t protocol)
{
	return protocol == SHUNT_TCP ? 16 : 6;
}

/* The checksum of TCP or UDP as it should be, with 0 for UDP sent as 0xffff. */
static inline unsigned int
frame_l4_checksum(const uint8_t *ip, const uint8_t *l4, uint8_t protocol, size_t bytes)
{
	size_t at = frame_checksum_offset(protocol);
	uint8_t trailer[4] = { 0, protocol, (uint8_t)(bytes >> 8), (uint8_t)bytes };
	uint32_t sum = ip[0] >> 4 == 4 ? frame_sum(0, ip + 12, 8) : frame_sum(0, ip + 8, 32);
	unsigned int checksum;

	sum = frame_sum(sum, trailer, 4);
	sum = frame_sum(sum, l4, at);
	checksum = 0xffff ^ frame_sum(sum, l4 + at + 2, bytes - at - 2);
	return protocol == SHUNT_UDP && checksum == 0 ? 0xffff : checksum;
}

/* Writes a frame to out (FRAME_MAX_BYTES); returns its length. */
static inline size_t
frame_build(uint8_t *out, const struct frame_spec *s)
{
	static const uint8_t ethernet[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	size_t l4_header = s->protocol == SHUNT_TCP ? 20 : 8;
	size_t middle = s->version == 4 ? s->options_bytes : s->extensions_bytes;
	size_t header = (s->version == 4 ? 20 : 40) + middle;
	size_t l4_bytes = l4_header + s->payload_bytes;
	uint8_t *ip = out + 14, *l4 = ip + header;

	memset(out, 0, 14 + header + l4_header);
	memcpy(out, ethernet, sizeof(ethernet));
	if (s->version == 4) {
		frame_put16(out + 12, 0x0800);
		ip[0] = (uint8_t)(0x40 | header / 4);
		frame_put16(ip + 2, header + l4_bytes);
		frame_put16(ip + 4, 0x1234);
		frame_put16(ip + 6, 0x4000);
		ip[8] = s->ttl;
		ip[9] = s->protocol;
		memcpy(ip + 12, s->src, 4);
		memcpy(ip + 16, s->dst, 4);
		if (middle)
			memcpy(ip + 20, s->options, middle);
		frame_put16(ip + 10, frame_ip4_checksum(ip));
	} else {
		frame_put16(out + 12, 0x86dd);
		ip[0] = 0x60;
		frame_put16(ip + 4, middle + l4_bytes);
		ip[6] = middle ? s->next : s->protocol;
		ip[7] = s->ttl;
		memcpy(ip + 8, s->src, 16);
		memcpy(ip + 24, s->dst, 16);
		if (middle)
			memcpy(ip + 40, s->extensions, middle);
	}
	frame_put16(l4, s->sport);
	frame_put16(l4 + 2, s->dport);
	if (s->protocol == SHUNT_TCP) {
		l4[12] = 0x50;
		l4[13] = s->flags;
		frame_put16(l4 + 14, 8192);
	} else {
		frame_put16(l4 + 4, l4_bytes);
	}
	if (s->payload_bytes)
		memcpy(l4 + l4_header, s->payload, s->payload_bytes);
	if (s->protocol == SHUNT_TCP || s->protocol == SHUNT_UDP)
		frame_put16(l4 + frame_checksum_offset(s->protocol),
			frame_l4_checksum(ip, l4, s->protocol, l4_bytes));
	return 14 + header + l4_bytes;
}

/* The checksum of ICMP or ICMPv6 as it should be. */
static inline unsigned int
frame_icmp_checksum(const uint8_t *ip, const uint8_t *icmp, size_t bytes)
{
	uint8_t trailer[4] = { 0, 58, (uint8_t)(bytes >> 8), (uint8_t)bytes };
	uint32_t sum = 0;

	if (ip[0] >> 4 == 6)
		sum = frame_sum(frame_sum(sum, ip + 8, 32), trailer, sizeof(trailer));
	sum = frame_sum(sum, icmp, 2);
	return 0xffff ^ frame_sum(sum, icmp + 4, bytes - 4);
}

/*
 * Writes an ICMP error of this type about the first bytes of an IP packet, to that packet's sender;
 * returns its length. source: 4 or 16 bytes.
 */
static inline size_t
frame_build_icmp(uint8_t *out, uint8_t type, const uint8_t *source, const uint8_t *quoted,
	size_t quoted_bytes)
{
	static const uint8_t ethernet[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	bool v4 = quoted[0] >> 4 == 4;
	size_t header = v4 ? 20 : 40;
	uint8_t *ip = out + 14, *icmp = ip + header;

	memset(out, 0, 14 + header + 8);
	memcpy(out, ethernet, sizeof(ethernet));
	frame_put16(out + 12, v4 ? 0x0800 : 0x86dd);
	memcpy(icmp + 8, quoted, quoted_bytes);
	if (v4) {
		ip[0] = 0x45;
		frame_put16(ip + 2, header + 8 + quoted_bytes);
		ip[8] = 61;
		ip[9] = 1;
		memcpy(ip + 12, source, 4);
		memcpy(ip + 16, quoted + 12, 4);
		frame_put16(ip + 10, frame_ip4_checksum(ip));
	} else {
		ip[0] = 0x60;
		frame_put16(ip + 4, 8 + quoted_bytes);
		ip[6] = 58;
		ip[7] = 61;
		memcpy(ip + 8, source, 16);
		memcpy(ip + 24, quoted + 8, 16);
	}
	icmp[0] = type;
	icmp[7] = 0x14;
	frame_put16(icmp + 2, frame_icmp_checksum(ip, icmp, 8 + quoted_bytes));
	return 14 + header + 8 + quoted_bytes;
}

/* A copy in memory of exactly this size, so that a sanitizer sees any access past its end. */
static inline uint8_t *
frame_exact(const uint8_t *frame, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	if (!copy)
		abort();
	if (bytes)
		memcpy(copy, frame, bytes);
	return copy;
}

/* The same as frame_parsed_is_sound() for what an ICMP error quotes. */
static inline bool
frame_quoted_is_sound(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset, *inner = p->data + p->inner_l3_offset;
	const uint8_t *l4 = p->data + p->inner_l4_offset;
	size_t size = p->version == 4 ? 4 : 16, source = p->version == 4 ? 12 : 8;

	if (p->inner_l3_offset != p->l4_offset + 8 || inner[0] >> 4 != p->version ||
		p->inner_l4_offset < p->inner_l3_offset + (p->version == 4 ? 20 : 40) ||
		p->inner_l4_offset + 8u > p->bytes || p->tcp_flags != 0)
		return false;
	return memcmp(&p->sport_be, l4, 2) == 0 && memcmp(&p->dport_be, l4 + 2, 2) == 0 &&
		memcmp(ip + source + size, inner + source, size) == 0;
}

/* Of a fragment that parse has let through. */
static inline bool
frame_fragment_is_sound(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;
	bool tcp_or_udp = p->protocol == SHUNT_TCP || p->protocol == SHUNT_UDP;

	if (p->fragment_bytes == 0 || (p->fragment_more && p->fragment_bytes % 8))
		return false;
	if (p->fragment_offset % 8 || p->fragment_offset + p->fragment_bytes > 65535)
		return false;
	if (p->version == 4 &&
		frame_get16(ip + 6) % 0x4000 !=
			p->fragment_offset / 8u + (p->fragment_more ? 0x2000u : 0u))
		return false;
	if (p->fragment_offset == 0)
		return p->fragment_more && tcp_or_udp && p->l4_offset;
	if (p->protocol == SHUNT_TCP && p->fragment_offset < 20)
		return false;
	return p->l4_offset == 0 && p->sport_be == 0 && p->dport_be == 0 && p->tcp_flags == 0 &&
		(tcp_or_udp || (p->version == 6 && p->protocol == 0));
}

/*
 * What every later stage takes for granted of a packet that parse has let through; received: the
 * bytes it was given.
 */
static inline bool
frame_parsed_is_sound(const struct pkt *p, size_t received)
{
	const uint8_t *ip = p->data + p->l3_offset;
	size_t header = p->protocol == SHUNT_TCP ? 20 : 8;
	size_t ip_header = p->version == 4 ? 20 : 40;

	if (p->drop)
		return p->drop < SHUNT_DROP_COUNT && p->bytes <= received;
	if ((p->version != 4 && p->version != 6) ||
		(p->l3_offset != 14 && p->l3_offset != 18 && p->l3_offset != 22))
		return false;
	if (p->kind == PKT_FRAGMENT && !frame_fragment_is_sound(p))
		return false;
	if (p->kind == PKT_FRAGMENT && p->fragment_offset)
		return p->bytes <= received && p->bytes > p->l3_offset + ip_header;
	/* An error may be about a tunnel's packet: IP in IP, or GRE. */
	if (!(p->kind == PKT_ICMP_ERROR &&
		    (p->protocol == 4 || p->protocol == 41 || p->protocol == 47)) &&
		p->protocol != SHUNT_TCP && (p->protocol != SHUNT_UDP || p->tcp_flags != 0))
		return false;
	if (p->kind == PKT_ICMP_ERROR)
		header = 8;
	if (p->bytes > received || p->l4_offset < p->l3_offset + ip_header ||
		p->l4_offset > p->l3_offset + (p->version == 4 ? 60u : 40u + 256u) ||
		p->l4_offset + header > p->bytes)
		return false;
	if (p->kind == PKT_ICMP_ERROR) {
		if (!frame_quoted_is_sound(p))
			return false;
	} else if (memcmp(&p->sport_be, p->data + p->l4_offset, 2) ||
		memcmp(&p->dport_be, p->data + p->l4_offset + 2, 2))
		return false;
	if (p->version == 4)
		return pkt_ip_bytes(p) == frame_get16(ip + 2) &&
			(p->kind == PKT_FRAGMENT || !(frame_get16(ip + 6) & 0x3fff)) &&
			frame_sum(0, ip, (ip[0] & 0xf) * 4u) == 0xffff;
	return pkt_ip_bytes(p) == frame_get16(ip + 4) + 40 && ip[0] >> 4 == 6;
}

/* Of a TCP segment whose headers are known. */
static inline void
frame_renew_tcp_sum(const struct pkt *p)
{
	uint8_t *tcp = p->data + p->l4_offset;
	const uint8_t *ip = p->data + p->l3_offset;
	size_t bytes = p->bytes - p->l4_offset;
	uint32_t sum = frame_sum((uint32_t)(SHUNT_TCP + bytes), ip + (p->version == 4 ? 12 : 8),
		p->version == 4 ? 8 : 32);

	memset(tcp + 16, 0, 2);
	sum = frame_sum(sum, tcp, bytes);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame_put16(tcp + 16, (uint16_t)~sum);
}

/* xorshift64*: the same numbers in every run. */
static inline uint64_t
frame_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

static inline void
frame_random_bytes(uint64_t *state, uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(frame_random(state) >> 56);
}

#endif
