/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors (RFC 792, RFC 4443). They are about the packet that they quote, and come to where
 * that one came from. Routers need not quote more than the IP header and 8 bytes (RFC 792), in
 * which the ports stand.
 *
 * The TCP sequence number in those 8 bytes would tell the errors of a stranger who guesses ports
 * from true ones (RFC 5927), but only the end of the connection knows what it has sent: that check
 * is left to it, and an error changes nothing in the balancer.
 */
#include "checksum.h"
#include "parse.h"

enum {
	ICMP_HEADER_BYTES = 8,
	QUOTED_L4_BYTES = 8,

	ICMP4_UNREACHABLE = 3,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
	ICMP6_UNREACHABLE = 1, /* and up to parameter problem: the errors of RFC 4443 */
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_PROTOCOL = 58,
	IP4_IN_IP_PROTOCOL = 4, /* what Shunt's tunnels have, beside UDP: tunnel.c */
	IP6_IN_IP_PROTOCOL = 41,
	GRE_PROTOCOL = 47,

	IP4_MIN_BYTES = 20,
	IP4_OFFSET_MASK = 0x1fff,
	IP6_BYTES = 40,
	IP6_HOP_BY_HOP = 0,
	IP6_ROUTING = 43,
	IP6_FRAGMENT = 44,
	IP6_DESTINATION_OPTIONS = 60,
	IP6_MAX_EXTENSIONS = 8,
};

static uint16_t
load_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/*
 * Redirects are for the neighbour that gets them and are not forwarded, source quench is no longer
 * used (RFC 6633), and what is no error is not about a flow.
 */
static bool
parse_icmp_is_error(uint8_t version, uint8_t type)
{
	if (version == 4)
		return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED ||
			type == ICMP4_PARAMETER_PROBLEM;
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
}

/* ICMPv6 counts a pseudo header too (RFC 8200 section 8.1), ICMP for IPv4 does not. */
static bool
parse_icmp_checksum_is_right(const struct pkt *p)
{
	uint32_t bytes = p->bytes - p->l4_offset;
	uint64_t sum = checksum_sum(p->data + p->l4_offset, bytes);

	if (p->version == 6) {
		const uint8_t pseudo[8] = { 0, 0, (uint8_t)(bytes >> 8), (uint8_t)bytes, 0, 0, 0,
			ICMP6_PROTOCOL };

		sum += checksum_sum(p->data + p->l3_offset + 8, 32);
		sum += checksum_sum(pseudo, sizeof(pseudo));
	}
	return checksum_fold(sum) == 0xffff;
}

/* at: the quoted header, with `bytes` behind. Sets inner_l4_offset and protocol. */
static bool
parse_inner_ip4(struct pkt *p, const uint8_t *at, uint32_t bytes)
{
	unsigned int header_bytes;

	if (bytes < IP4_MIN_BYTES || at[0] >> 4 != 4)
		return false;
	header_bytes = (at[0] & 0xf) * 4u;
	if (header_bytes < IP4_MIN_BYTES || header_bytes > bytes)
		return false;
	if (load_be16(at + 6) & IP4_OFFSET_MASK)
		return false;
	p->inner_l4_offset = (uint16_t)(p->inner_l3_offset + header_bytes);
	p->protocol = at[9];
	return true;
}

/* The first fragment of a packet has its ports, so the error can be matched. */
static bool
parse_inner_ip6(struct pkt *p, const uint8_t *at, uint32_t bytes)
{
	unsigned int walked = IP6_BYTES, extension;
	uint8_t next;

	if (bytes < IP6_BYTES || at[0] >> 4 != 6)
		return false;
	next = at[6];
	for (unsigned int i = 0; i < IP6_MAX_EXTENSIONS; i++) {
		if (next != IP6_HOP_BY_HOP && next != IP6_ROUTING && next != IP6_FRAGMENT &&
			next != IP6_DESTINATION_OPTIONS)
			break;
		if (bytes - walked < 8)
			return false;
		if (next == IP6_FRAGMENT && load_be16(at + walked + 2) & 0xfff8)
			return false;
		extension = next == IP6_FRAGMENT ? 8 : (at[walked + 1] + 1u) * 8;
		if (extension > bytes - walked)
			return false;
		next = at[walked];
		walked += extension;
	}
	p->inner_l4_offset = (uint16_t)(p->inner_l3_offset + walked);
	p->protocol = next;
	return true;
}

/*
 * An error goes to the sender of the packet it is about, so that packet's source must be the
 * error's destination: anything else is forged, or was altered by a translator that forgot a half.
 */
static bool
parse_inner_is_its_receivers(const struct pkt *p)
{
	const uint8_t *outer = p->data + p->l3_offset, *inner = p->data + p->inner_l3_offset;

	return p->version == 4 ? memcmp(outer + 16, inner + 12, 4) == 0
			       : memcmp(outer + 24, inner + 8, 16) == 0;
}

static bool
parse_icmp_sends_to_itself(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;

	return p->version == 4 ? memcmp(ip + 12, ip + 16, 4) == 0
			       : memcmp(ip + 8, ip + 24, 16) == 0;
}

static bool
parse_inner_is_known(uint8_t protocol)
{
	return protocol == SHUNT_TCP || protocol == SHUNT_UDP || protocol == IP4_IN_IP_PROTOCOL ||
		protocol == IP6_IN_IP_PROTOCOL || protocol == GRE_PROTOCOL;
}

enum shunt_drop
parse_icmp_error(struct pkt *p)
{
	const uint8_t *icmp = p->data + p->l4_offset;
	uint32_t bytes = p->bytes - p->l4_offset;
	bool good;

	/* An error in fragments could not be checked before all of them are there. */
	if (p->kind != PKT_PLAIN || bytes == 0 || !parse_icmp_is_error(p->version, icmp[0]))
		return SHUNT_DROP_PROTOCOL;
	if (bytes < ICMP_HEADER_BYTES)
		return SHUNT_DROP_ICMP_INNER;
	if (!parse_icmp_checksum_is_right(p))
		return SHUNT_DROP_ICMP_CHECKSUM;
	if (parse_icmp_sends_to_itself(p))
		return SHUNT_DROP_LAND;
	p->inner_l3_offset = (uint16_t)(p->l4_offset + ICMP_HEADER_BYTES);
	good = p->version == 4
		? parse_inner_ip4(p, icmp + ICMP_HEADER_BYTES, bytes - ICMP_HEADER_BYTES)
		: parse_inner_ip6(p, icmp + ICMP_HEADER_BYTES, bytes - ICMP_HEADER_BYTES);
	if (!good || !parse_inner_is_its_receivers(p))
		return SHUNT_DROP_ICMP_INNER;
	if (!parse_inner_is_known(p->protocol))
		return SHUNT_DROP_PROTOCOL;
	if (p->inner_l4_offset + (uint32_t)QUOTED_L4_BYTES > p->bytes)
		return SHUNT_DROP_ICMP_INNER;
	p->kind = PKT_ICMP_ERROR;
	memcpy(&p->sport_be, p->data + p->inner_l4_offset, 2);
	memcpy(&p->dport_be, p->data + p->inner_l4_offset + 2, 2);
	return SHUNT_DROP_NONE;
}
