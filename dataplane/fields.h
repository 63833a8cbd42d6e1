/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the fields stand that more than one file reads or writes (RFC 791 section 3.1, RFC 8200
 * section 3, RFC 9293 section 3.1, RFC 768, RFC 792, RFC 4443), and how. What is read here parse
 * has seen to be there. Pure, any thread.
 */
#ifndef DATAPLANE_FIELDS_H
#define DATAPLANE_FIELDS_H

#include "checksum.h"
#include "pkt.h"

enum {
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_IP6 = 0x86dd,
	ETHERTYPE_C_TAG = 0x8100,   /* IEEE 802.1Q */
	ETHERTYPE_S_TAG = 0x88a8,   /* IEEE 802.1ad */
	ETHERTYPE_OLD_TAG = 0x9100, /* before 802.1ad */

	IP4_BYTES = 20, /* without options */
	IP4_TTL = 8,
	IP4_CHECKSUM = 10,
	IP4_SOURCE = 12,
	IP4_DESTINATION = 16,

	IP6_BYTES = 40,
	IP6_HOP_LIMIT = 7,
	IP6_SOURCE = 8,
	IP6_DESTINATION = 24,

	L4_SPORT = 0,
	L4_DPORT = 2,
	TCP_CHECKSUM = 16,
	UDP_BYTES = 8,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
	ICMP_BYTES = 8, /* of an error, in front of what it quotes */
	ICMP_CHECKSUM = 2,

	PROTOCOL_ICMP4 = 1,
	PROTOCOL_IP4 = 4, /* RFC 2003 */
	PROTOCOL_UDP = 17,
	PROTOCOL_IP6 = 41, /* RFC 2473, RFC 4213 */
	PROTOCOL_GRE = 47,
	PROTOCOL_ICMP6 = 58,
};

static inline uint16_t
field_load_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void
field_store_be16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* sum: of all that the checksum covers, as checksum.h has sums. */
static inline void
field_store_checksum(uint8_t *at, uint16_t sum)
{
	uint16_t checksum = (uint16_t)~sum;

	memcpy(at, &checksum, sizeof(checksum));
}

/* Of an IP header of this version: where its source address is, the other one, and their length. */
static inline unsigned int
field_source(uint8_t version)
{
	return version == 4 ? IP4_SOURCE : IP6_SOURCE;
}

static inline unsigned int
field_destination(uint8_t version)
{
	return version == 4 ? IP4_DESTINATION : IP6_DESTINATION;
}

static inline unsigned int
field_address_bytes(uint8_t version)
{
	return version == 4 ? 4 : 16;
}

/* A router forwards no packet whose TTL it has used up (RFC 1812 section 5.3.1, RFC 8200). */
static inline bool
field_ttl_is_used_up(const struct pkt *p)
{
	return p->data[p->l3_offset + (p->version == 4 ? IP4_TTL : IP6_HOP_LIMIT)] <= 1;
}

/* protocol: SHUNT_TCP or SHUNT_UDP. */
static inline unsigned int
field_l4_checksum(uint8_t protocol)
{
	return protocol == SHUNT_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
}

/* at: the checksum, of TCP or UDP. */
static inline void
field_update_l4_checksum(uint8_t *at, uint8_t protocol, uint16_t delta)
{
	uint16_t checksum;

	memcpy(&checksum, at, sizeof(checksum));
	checksum = protocol == SHUNT_TCP ? checksum_update(checksum, delta)
					 : checksum_update_udp(checksum, delta);
	memcpy(at, &checksum, sizeof(checksum));
}

/* at: the checksum of an IPv4 header, or of ICMP. */
static inline void
field_update_checksum(uint8_t *at, uint16_t delta)
{
	uint16_t checksum;

	memcpy(&checksum, at, sizeof(checksum));
	checksum = checksum_update(checksum, delta);
	memcpy(at, &checksum, sizeof(checksum));
}

#endif
