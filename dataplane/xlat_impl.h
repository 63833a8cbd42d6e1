/* SPDX-License-Identifier: BSD-3-Clause */
/* IP headers between the families: what xlat.c and xlat_icmp.c share; nobody else needs it. */
#ifndef DATAPLANE_XLAT_IMPL_H
#define DATAPLANE_XLAT_IMPL_H

#include "checksum.h"
#include "xlat.h"

enum {
	XLAT_IP4_BYTES = 20,
	XLAT_IP6_BYTES = 40,
	XLAT_FRAGMENT_BYTES = 8,

	XLAT_ICMP4 = 1,
	XLAT_ICMP6 = 58,
	XLAT_IP6_FRAGMENT = 44,

	XLAT_TCP_CHECKSUM = 16,
	XLAT_UDP_LENGTH = 4,
	XLAT_UDP_CHECKSUM = 6,
};

/* What both families' headers say. */
struct xlat_ip {
	uint8_t class;	  /* TOS or traffic class */
	uint8_t ttl;	  /* or hop limit */
	uint8_t protocol; /* of what stands behind all headers */
	bool fragment;	  /* the next three mean something */
	bool more;
	uint16_t offset; /* bytes */
	uint32_t id;
	uint32_t payload_bytes; /* behind all headers, in the packet as it was sent */
};

/* The new ends, copied from wherever they are. */
struct xlat_ends {
	uint8_t addresses[32]; /* source and destination, without a gap */
	uint16_t ports_be[2];
	uint16_t sum; /* of addresses and ports */
	uint8_t version;
};

static inline uint16_t
xlat_load_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void
xlat_store_be16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void
xlat_copy_ends(struct xlat_ends *out, const struct ends *ends)
{
	size_t n = ends->version == 4 ? 4 : 16;

	memset(out, 0, sizeof(*out));
	memcpy(out->addresses, ends->source, n);
	memcpy(out->addresses + n, ends->destination, n);
	out->ports_be[0] = ends->sport_be;
	out->ports_be[1] = ends->dport_be;
	out->version = ends->version;
	out->sum =
		checksum_add(checksum_sum(out->addresses, 2 * n), checksum_sum(out->ports_be, 4));
}

/* The sum of the addresses in an IP header. */
static inline uint16_t
xlat_address_sum(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? checksum_sum(ip + 12, 8) : checksum_sum(ip + 8, 32);
}

/* Sets class and ttl. */
static inline void
xlat_read_common(const uint8_t *ip, struct xlat_ip *h)
{
	bool v4 = ip[0] >> 4 == 4;

	h->class = v4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	h->ttl = v4 ? ip[8] : ip[7];
}

/* Bytes of the header that xlat_put_ip() makes. */
static inline unsigned int
xlat_header_bytes(uint8_t version, bool fragment)
{
	if (version == 4)
		return XLAT_IP4_BYTES;
	return XLAT_IP6_BYTES + (fragment ? XLAT_FRAGMENT_BYTES : 0);
}

/* Writes an IP header between the ends. id: of an IPv4 packet that is no fragment. */
void xlat_put_ip(uint8_t *ip, const struct xlat_ip *h, const struct xlat_ends *ends, uint16_t id);

/*
 * Gives what was at `start`, with `header_bytes` new ones in front of it and Ethernet's before
 * these, room for that: moves the Ethernet header, sets its EtherType, and data, bytes, headroom,
 * version. The caller has seen that it fits. Returns where the IP header goes.
 */
uint8_t *xlat_move(struct pkt *p, unsigned int start, unsigned int header_bytes, uint8_t version);

/*
 * Rewrites ports and checksum of TCP or UDP, if the latter is among the `bytes` there are.
 * before: the sum of the old addresses.
 */
void xlat_l4(uint8_t *l4, uint32_t bytes, uint8_t protocol, uint16_t before,
	const struct xlat_ends *ends);

/* A UDP checksum where there is none, of a whole datagram. ends_sum: of addresses and ports. */
void xlat_compute_udp_checksum(uint8_t *udp, uint16_t ends_sum);

#endif
