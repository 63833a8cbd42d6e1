/* SPDX-License-Identifier: BSD-3-Clause */
#include "parse.h"

#include "fields.h"
#include "shunt/table.h"

enum {
	ETHERNET_BYTES = 14,
	TAG_BYTES = 4,
	MAX_TAGS = 2,

	IP4_FRAGMENT_MASK = 0x3fff, /* more fragments, and the offset; not "don't fragment" */
	IP4_FRAGMENT_MORE = 0x2000,
	IP4_FRAGMENT_OFFSET = 0x1fff, /* in units of 8 bytes */
	IP_MAX_BYTES = 65535,	      /* IPv4: with its header; IPv6: the payload */
	IP4_OPTION_END = 0,
	IP4_OPTION_NOP = 1,
	IP4_OPTION_LSRR = 131, /* RFC 791 section 3.1 */
	IP4_OPTION_SSRR = 137,

	IP6_HOP_BY_HOP = 0, /* as next header: RFC 8200 section 4 */
	IP6_ROUTING = 43,
	IP6_FRAGMENT = 44,
	IP6_DESTINATION_OPTIONS = 60,
	IP6_MAX_EXTENSIONS = 8,
	IP6_MAX_EXTENSION_BYTES = 256,
	IP6_FRAGMENT_BYTES = 8,
	IP6_FRAGMENT_MORE = 1,
	IP6_FRAGMENT_OFFSET = 0xfff8, /* in bytes, as the field stands */

	TCP_MIN_BYTES = 20,
};

/*
 * A source route lets the sender choose the way past filters, and the destination field is then not
 * the one the checksum counts (RFC 7126 sections 4.3 and 4.4). A list of options that cannot be
 * walked could hide one. Everything else is carried along.
 */
static bool
parse_ip4_options_are_fine(const uint8_t *options, unsigned int bytes)
{
	unsigned int i = 0, length;

	while (i < bytes && options[i] != IP4_OPTION_END) {
		if (options[i] == IP4_OPTION_NOP) {
			i++;
			continue;
		}
		if (options[i] == IP4_OPTION_LSRR || options[i] == IP4_OPTION_SSRR)
			return false;
		if (bytes - i < 2)
			return false;
		length = options[i + 1];
		if (length < 2 || length > bytes - i)
			return false;
		i += length;
	}
	return true;
}

/* May a packet come from here? RFC 1122 section 3.2.1.3, RFC 1812 section 5.3.7. */
static bool
parse_ip4_source_is_fine(const uint8_t *source)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	return source[0] != 0 && source[0] != 127 && (source[0] & 0xf0) != 0xe0 &&
		memcmp(source, broadcast, 4) != 0;
}

/*
 * RFC 4291 sections 2.5.2, 2.5.3 and 2.7. A mapped address on the wire would look like an IPv4
 * address to every later stage (types.h), as source and as destination.
 */
static bool
parse_ip6_addresses_are_fine(const uint8_t *source, const uint8_t *destination)
{
	static const uint8_t zeros[16];
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (source[0] == 0xff || memcmp(source, mapped, 12) == 0)
		return false;
	if (memcmp(source, zeros, 15) == 0 && source[15] <= 1)
		return false;
	return memcmp(destination, mapped, 12) != 0;
}

/*
 * Is this a fragment that a datagram can have, and harmless to look at alone? `before`: bytes of
 * the datagram that stand before what is fragmented and count for its length. protocol: what the
 * fragment says it belongs to. RFC 791 section 3.2 and RFC 8200 section 4.5.
 */
static enum shunt_drop
parse_fragment(struct pkt *p, uint32_t bytes, uint32_t before, uint8_t protocol)
{
	p->kind = PKT_FRAGMENT;
	if (bytes == 0 || (p->fragment_more && bytes % 8 != 0))
		return SHUNT_DROP_FRAGMENT;
	if (before + p->fragment_offset + bytes > IP_MAX_BYTES)
		return SHUNT_DROP_FRAGMENT_TOO_LONG;
	/* RFC 1858 section 4: nothing but an attack begins within the TCP header. */
	if (protocol == SHUNT_TCP && p->fragment_offset > 0 && p->fragment_offset < TCP_MIN_BYTES)
		return SHUNT_DROP_FRAGMENT_OVERLAP;
	p->fragment_bytes = (uint16_t)bytes;
	return SHUNT_DROP_NONE;
}

/* A later fragment has no upper-layer header: all there is to know is in the IP header. */
static bool
parse_is_later_fragment(const struct pkt *p)
{
	return p->kind == PKT_FRAGMENT && p->fragment_offset > 0;
}

static enum shunt_drop
parse_ip4_fragment(struct pkt *p, const uint8_t *ip, unsigned int header_bytes)
{
	unsigned int field = field_load_be16(ip + 6);

	p->fragment_more = (field & IP4_FRAGMENT_MORE) != 0;
	p->fragment_offset = (uint16_t)((field & IP4_FRAGMENT_OFFSET) * 8);
	p->fragment_id = field_load_be16(ip + 4);
	return parse_fragment(p, p->bytes - p->l3_offset - header_bytes, header_bytes, ip[9]);
}

/* Sets l4_offset, protocol and bytes from the IPv4 header. */
static enum shunt_drop
parse_ip4(struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;
	uint32_t bytes = p->bytes - p->l3_offset;
	unsigned int header_bytes, total_bytes;

	if (bytes < IP4_BYTES)
		return SHUNT_DROP_SHORT_FRAME;
	if (ip[0] >> 4 != 4)
		return SHUNT_DROP_IP_VERSION;
	header_bytes = (ip[0] & 0xf) * 4u;
	if (header_bytes < IP4_BYTES || header_bytes > bytes)
		return SHUNT_DROP_IP_HEADER;
	total_bytes = field_load_be16(ip + 2);
	if (total_bytes < header_bytes || total_bytes > bytes)
		return SHUNT_DROP_IP_LENGTH;
	if (checksum_sum(ip, header_bytes) != 0xffff)
		return SHUNT_DROP_IP_CHECKSUM;
	if (header_bytes > IP4_BYTES &&
		!parse_ip4_options_are_fine(ip + IP4_BYTES, header_bytes - IP4_BYTES))
		return SHUNT_DROP_IP_OPTIONS;
	if (!parse_ip4_source_is_fine(ip + 12))
		return SHUNT_DROP_IP_SOURCE;

	p->version = 4;
	p->protocol = ip[9];
	p->l4_offset = (uint16_t)(p->l3_offset + header_bytes);
	p->bytes = p->l3_offset + total_bytes;
	if (field_load_be16(ip + 6) & IP4_FRAGMENT_MASK)
		return parse_ip4_fragment(p, ip, header_bytes);
	return SHUNT_DROP_NONE;
}

/*
 * The fragment header at `at`; walked: bytes of extension headers before it. One that says it is
 * the whole datagram is taken for what it says, and forwarded as it is (RFC 6946 section 4).
 */
static enum shunt_drop
parse_ip6_fragment(struct pkt *p, const uint8_t *at, uint32_t left, unsigned int walked)
{
	unsigned int field = field_load_be16(at + 2);

	p->fragment_more = field & IP6_FRAGMENT_MORE;
	p->fragment_offset = field & IP6_FRAGMENT_OFFSET;
	if (!p->fragment_more && p->fragment_offset == 0)
		return SHUNT_DROP_NONE;
	p->fragment_id = (uint32_t)field_load_be16(at + 4) << 16 | field_load_be16(at + 6);
	return parse_fragment(p, left - IP6_FRAGMENT_BYTES, walked, at[0]);
}

static bool
parse_ip6_is_extension(uint8_t next)
{
	return next == IP6_HOP_BY_HOP || next == IP6_ROUTING || next == IP6_DESTINATION_OPTIONS ||
		next == IP6_FRAGMENT;
}

/*
 * Walks the extension headers to the one that is none (RFC 8200 section 4), or to the end of what a
 * later fragment has. Hop-by-hop options stand first or nowhere. A routing header with segments
 * left is a source route: the packet is on its way to somewhere else, and its TCP checksum counts
 * that address. A first fragment must have the whole chain (RFC 7112 section 5).
 */
static enum shunt_drop
parse_ip6_extensions(struct pkt *p, uint8_t next)
{
	const uint8_t *at = p->data + p->l3_offset + IP6_BYTES;
	uint32_t left = p->bytes - p->l3_offset - IP6_BYTES;
	unsigned int count = 0, walked = 0, bytes;
	enum shunt_drop cut = SHUNT_DROP_IP_LENGTH, drop;
	bool fragmented = false;

	while (parse_ip6_is_extension(next) && !parse_is_later_fragment(p)) {
		if (++count > IP6_MAX_EXTENSIONS || (next == IP6_HOP_BY_HOP && count > 1))
			return SHUNT_DROP_IP6_EXTENSIONS;
		if (left < 8)
			return cut;
		bytes = next == IP6_FRAGMENT ? IP6_FRAGMENT_BYTES : (at[1] + 1u) * 8;
		walked += bytes;
		if (walked > IP6_MAX_EXTENSION_BYTES || (next == IP6_FRAGMENT && fragmented))
			return SHUNT_DROP_IP6_EXTENSIONS;
		if (bytes > left)
			return cut;
		if (next == IP6_ROUTING && at[3] != 0)
			return SHUNT_DROP_IP6_EXTENSIONS;
		if (next == IP6_FRAGMENT) {
			drop = parse_ip6_fragment(p, at, left, walked - bytes);
			if (drop)
				return drop;
			fragmented = true;
			if (p->kind == PKT_FRAGMENT)
				cut = SHUNT_DROP_FRAGMENT_TINY;
		}
		next = at[0];
		at += bytes;
		left -= bytes;
	}

	p->version = 6;
	p->protocol = next;
	p->l4_offset = (uint16_t)(p->l3_offset + IP6_BYTES + walked);
	return SHUNT_DROP_NONE;
}

static enum shunt_drop
parse_ip6(struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;
	uint32_t bytes = p->bytes - p->l3_offset;
	unsigned int payload_bytes;

	if (bytes < IP6_BYTES)
		return SHUNT_DROP_SHORT_FRAME;
	if (ip[0] >> 4 != 6)
		return SHUNT_DROP_IP_VERSION;
	payload_bytes = field_load_be16(ip + 4);
	if (payload_bytes > bytes - IP6_BYTES)
		return SHUNT_DROP_IP_LENGTH;
	if (!parse_ip6_addresses_are_fine(ip + 8, ip + 24))
		return SHUNT_DROP_IP_SOURCE;
	p->bytes = p->l3_offset + IP6_BYTES + payload_bytes;
	return parse_ip6_extensions(p, ip[6]);
}

/*
 * Once a connection is being opened every segment carries ACK, but for a reset that answers a
 * segment without one; SYN, FIN and RST exclude each other (RFC 9293 sections 3.5.2 and 3.10.7).
 * PSH, URG and the ECN bits go with anything: a SYN with data may have PSH.
 */
static bool
parse_tcp_flags_are_possible(uint8_t flags)
{
	switch (flags & (PKT_FIN | PKT_SYN | PKT_RST | PKT_ACK)) {
	case PKT_SYN:
	case PKT_SYN | PKT_ACK:
	case PKT_ACK:
	case PKT_FIN | PKT_ACK:
	case PKT_RST:
	case PKT_RST | PKT_ACK:
		return true;
	default:
		return false;
	}
}

/*
 * A first fragment without the whole header would have us decide by what a later one may change
 * (RFC 1858 section 3, RFC 3128).
 */
static enum shunt_drop
parse_short_l4(const struct pkt *p)
{
	return p->kind == PKT_FRAGMENT ? SHUNT_DROP_FRAGMENT_TINY : SHUNT_DROP_L4_HEADER;
}

static enum shunt_drop
parse_tcp(struct pkt *p, const uint8_t *l4, uint32_t bytes)
{
	unsigned int header_bytes;

	if (bytes < TCP_MIN_BYTES)
		return parse_short_l4(p);
	header_bytes = (l4[12] >> 4) * 4u;
	if (header_bytes < TCP_MIN_BYTES)
		return SHUNT_DROP_L4_HEADER;
	if (header_bytes > bytes)
		return parse_short_l4(p);
	if (!parse_tcp_flags_are_possible(l4[13]))
		return SHUNT_DROP_TCP_FLAGS;
	p->tcp_flags = l4[13];
	return SHUNT_DROP_NONE;
}

/*
 * A datagram may end before the IP packet does (RFC 768: the length is UDP's own), but not behind
 * it, unless this is only its first fragment.
 */
static enum shunt_drop
parse_udp(const struct pkt *p, const uint8_t *l4, uint32_t bytes)
{
	unsigned int udp_bytes;

	if (bytes < UDP_BYTES)
		return parse_short_l4(p);
	udp_bytes = field_load_be16(l4 + 4);
	if (udp_bytes < UDP_BYTES || (udp_bytes > bytes && p->kind != PKT_FRAGMENT))
		return SHUNT_DROP_L4_HEADER;
	return SHUNT_DROP_NONE;
}

/* From and to the same address and port: some old stacks answered themselves for ever. */
static bool
parse_is_land(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;

	if (p->sport_be != p->dport_be)
		return false;
	return p->version == 4 ? memcmp(ip + 12, ip + 16, 4) == 0
			       : memcmp(ip + 8, ip + 24, 16) == 0;
}

static enum shunt_drop
parse_l4(struct pkt *p)
{
	const uint8_t *l4 = p->data + p->l4_offset;
	uint32_t bytes = p->bytes - p->l4_offset;
	enum shunt_drop drop;

	if (p->protocol == SHUNT_TCP)
		drop = parse_tcp(p, l4, bytes);
	else if (p->protocol == SHUNT_UDP)
		drop = parse_udp(p, l4, bytes);
	else if (p->protocol == (p->version == 4 ? PROTOCOL_ICMP4 : PROTOCOL_ICMP6))
		return parse_icmp_error(p);
	else
		return SHUNT_DROP_PROTOCOL;
	if (drop)
		return drop;
	memcpy(&p->sport_be, l4, 2);
	memcpy(&p->dport_be, l4 + 2, 2);
	return parse_is_land(p) ? SHUNT_DROP_LAND : SHUNT_DROP_NONE;
}

/*
 * The next header of a later IPv6 fragment is that of the first one, where options may stand
 * before TCP or UDP: then the protocol is not known yet (0).
 */
static enum shunt_drop
parse_later_fragment(struct pkt *p)
{
	p->l4_offset = 0;
	if (p->protocol == SHUNT_TCP || p->protocol == SHUNT_UDP)
		return SHUNT_DROP_NONE;
	if (p->version == 4 || !parse_ip6_is_extension(p->protocol))
		return SHUNT_DROP_PROTOCOL;
	p->protocol = 0;
	return SHUNT_DROP_NONE;
}

/*
 * Takes the VLAN tags off, in any order of their kinds: switches stack two of 802.1Q as well. One
 * of id 0 has a priority and no VLAN (IEEE 802.1Q section 9.6).
 */
static enum shunt_drop
parse_tagged(struct pkt *p)
{
	unsigned int type = field_load_be16(p->data + p->l3_offset - 2), id, ids = 0;

	while (type == ETHERTYPE_C_TAG || type == ETHERTYPE_S_TAG) {
		if (p->l3_offset == ETHERNET_BYTES + MAX_TAGS * TAG_BYTES)
			return SHUNT_DROP_VLAN_TAGS;
		if (p->bytes < p->l3_offset + (uint32_t)TAG_BYTES)
			return SHUNT_DROP_SHORT_FRAME;
		id = field_load_be16(p->data + p->l3_offset) & SHUNT_VLAN_ID;
		if (id == SHUNT_VLAN_END)
			return SHUNT_DROP_VLAN_TAGS;
		if (id)
			p->vlan[ids++] =
				(uint16_t)(id | (type == ETHERTYPE_S_TAG ? SHUNT_VLAN_S_TAG : 0));
		p->l3_offset += TAG_BYTES;
		type = field_load_be16(p->data + p->l3_offset - 2);
	}
	if (type == ETHERTYPE_IP4)
		return parse_ip4(p);
	if (type == ETHERTYPE_IP6)
		return parse_ip6(p);
	return type == ETHERTYPE_OLD_TAG ? SHUNT_DROP_VLAN_TAGS : SHUNT_DROP_NOT_IP;
}

static enum shunt_drop
parse_l3(struct pkt *p)
{
	if (p->bytes < ETHERNET_BYTES)
		return SHUNT_DROP_SHORT_FRAME;
	p->l3_offset = ETHERNET_BYTES;
	switch (field_load_be16(p->data + 12)) {
	case ETHERTYPE_IP4:
		return parse_ip4(p);
	case ETHERTYPE_IP6:
		return parse_ip6(p);
	case ETHERTYPE_C_TAG:
	case ETHERTYPE_S_TAG:
	case ETHERTYPE_OLD_TAG:
		return parse_tagged(p);
	default:
		return SHUNT_DROP_NOT_IP;
	}
}

void
parse_pkt(struct pkt *p)
{
	p->version = 0;
	p->kind = PKT_PLAIN;
	p->protocol = 0;
	p->tcp_flags = 0;
	p->l3_offset = 0;
	p->vlan[0] = 0;
	p->vlan[1] = 0;
	p->l4_offset = 0;
	p->sport_be = 0;
	p->dport_be = 0;
	p->kind = PKT_PLAIN;
	p->fragment_offset = 0;
	p->drop = parse_l3(p);
	if (!p->drop)
		p->drop = parse_is_later_fragment(p) ? parse_later_fragment(p) : parse_l4(p);
}

void
parse_burst(struct pkt *const *pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		parse_pkt(pkts[i]);
}
