/* SPDX-License-Identifier: BSD-3-Clause */
#include "punt.h"

#include "fields.h"

enum {
	ETHERNET_BYTES = 14,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_EAPOL = 0x888e, /* IEEE 802.1X */
	ETHERTYPE_LLDP = 0x88cc,  /* IEEE 802.1AB */
	VLAN_BYTES = 4,
	VLAN_TAGS = 2,
	ARP_BYTES = 28,

	IP6_HOP_BY_HOP = 0,
	FROM_NEIGHBOR = 255, /* a TTL that no packet from behind a router has: RFC 5082 */

	ICMP6_ROUTER_SOLICITATION = 133, /* and up to redirect: RFC 4861 */
	ICMP6_REDIRECT = 137,
	ICMP6_MLD_QUERY = 130, /* RFC 2710, RFC 3810 */
	ICMP6_MLD_DONE = 132,
	ICMP6_MLD2_REPORT = 143,

	PROTOCOL_IGMP = 2,
	PROTOCOL_OSPF = 89,
	PROTOCOL_VRRP = 112,

	PORT_BGP = 179,
	PORT_BFD = 3784, /* RFC 5881 */
	PORT_BFD_ECHO = 3785,
	PORT_BFD_MULTIHOP = 4784, /* RFC 5883 */
};

/* What stands behind the IP header: nothing is known of what is not there. */
struct upper {
	uint8_t protocol;
	uint8_t ttl;
	const uint8_t *at;
	uint32_t bytes;
};

static enum punt_class
classify_ports(const struct upper *u)
{
	uint16_t source, destination;

	if (u->bytes < 4)
		return PUNT_OTHER;
	source = field_load_be16(u->at);
	destination = field_load_be16(u->at + 2);
	if (u->protocol == SHUNT_TCP)
		return source == PORT_BGP || destination == PORT_BGP ? PUNT_ROUTING : PUNT_OTHER;
	if (destination == PORT_BFD || destination == PORT_BFD_ECHO)
		return u->ttl == FROM_NEIGHBOR ? PUNT_LINK : PUNT_OTHER;
	return destination == PORT_BFD_MULTIHOP ? PUNT_ROUTING : PUNT_OTHER;
}

static bool
is_multicast_listener(uint8_t type)
{
	return (type >= ICMP6_MLD_QUERY && type <= ICMP6_MLD_DONE) || type == ICMP6_MLD2_REPORT;
}

/*
 * Neighbour discovery and VRRP are heard only with this TTL (RFC 4861 section 7.1, RFC 9568 section
 * 5.1.1.3), so that what has another one need not be hurried.
 */
static enum punt_class
classify_icmp6(const struct upper *u)
{
	if (u->bytes < 1)
		return PUNT_OTHER;
	if (u->at[0] >= ICMP6_ROUTER_SOLICITATION && u->at[0] <= ICMP6_REDIRECT)
		return u->ttl == FROM_NEIGHBOR ? PUNT_LINK : PUNT_OTHER;
	return is_multicast_listener(u->at[0]) ? PUNT_ROUTING : PUNT_OTHER;
}

static enum punt_class
classify_upper(const struct upper *u)
{
	switch (u->protocol) {
	case SHUNT_TCP:
	case SHUNT_UDP:
		return classify_ports(u);
	case PROTOCOL_VRRP:
		return u->ttl == FROM_NEIGHBOR ? PUNT_LINK : PUNT_OTHER;
	case PROTOCOL_OSPF:
	case PROTOCOL_IGMP:
		return PUNT_ROUTING;
	default:
		return PUNT_OTHER;
	}
}

static enum punt_class
classify_ip4(const uint8_t *ip, uint32_t bytes, enum shunt_drop reason)
{
	struct upper u;
	uint32_t header_bytes;

	if (bytes < IP4_BYTES || reason == SHUNT_DROP_IP_SOURCE)
		return PUNT_NONE;
	header_bytes = (ip[0] & 0xf) * 4u;
	if (header_bytes < IP4_BYTES || header_bytes > bytes)
		return PUNT_NONE;
	u.protocol = ip[9];
	u.ttl = ip[8];
	u.at = ip + header_bytes;
	/* A later fragment has no ports. */
	u.bytes = field_load_be16(ip + 6) & 0x1fff ? 0 : bytes - header_bytes;
	return classify_upper(&u);
}

/* Multicast listener reports come behind a router alert option. Other extension headers do not make
 * anything urgent. */
static enum punt_class
classify_ip6(const uint8_t *ip, uint32_t bytes, enum shunt_drop reason)
{
	static const uint8_t unspecified[16];
	struct upper u;
	uint32_t options;

	if (bytes < IP6_BYTES)
		return PUNT_NONE;
	u.protocol = ip[6];
	u.ttl = ip[7];
	u.at = ip + IP6_BYTES;
	u.bytes = bytes - IP6_BYTES;
	if (u.protocol == IP6_HOP_BY_HOP) {
		options = u.bytes >= 8 ? (u.at[1] + 1u) * 8 : 0;
		if (options == 0 || options > u.bytes)
			return PUNT_NONE;
		u.protocol = u.at[0];
		u.at += options;
		u.bytes -= options;
	}
	/* A host that has no address yet asks whether it may have one: RFC 4862 section 5.4. */
	if (reason == SHUNT_DROP_IP_SOURCE &&
		(u.protocol != PROTOCOL_ICMP6 || memcmp(ip + 8, unspecified, 16) != 0 ||
			classify_icmp6(&u) == PUNT_OTHER))
		return PUNT_NONE;
	return u.protocol == PROTOCOL_ICMP6 ? classify_icmp6(&u) : classify_upper(&u);
}

/* Addresses that no bridge forwards (IEEE 802.1Q table 8-1): LACP, LLDP, spanning tree, PAUSE. */
static bool
is_link_local_group(const uint8_t *frame)
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return memcmp(frame, prefix, sizeof(prefix)) == 0 && frame[5] < 0x10;
}

static bool
is_tag(uint16_t ethertype)
{
	return ethertype == ETHERTYPE_C_TAG || ethertype == ETHERTYPE_S_TAG ||
		ethertype == ETHERTYPE_OLD_TAG;
}

static bool
is_for_kernel(enum shunt_drop reason)
{
	return reason == SHUNT_DROP_NOT_IP || reason == SHUNT_DROP_VLAN ||
		reason == SHUNT_DROP_PROTOCOL || reason == SHUNT_DROP_NO_SERVICE ||
		reason == SHUNT_DROP_LOCAL || reason == SHUNT_DROP_IP_SOURCE;
}

enum punt_class
punt_classify(const uint8_t *frame, uint32_t bytes, enum shunt_drop reason)
{
	uint32_t offset = ETHERNET_BYTES;
	uint16_t ethertype;

	if (!is_for_kernel(reason) || bytes < ETHERNET_BYTES)
		return PUNT_NONE;
	ethertype = field_load_be16(frame + offset - 2);
	for (int i = 0; i < VLAN_TAGS && is_tag(ethertype); i++) {
		if (bytes < offset + VLAN_BYTES)
			return PUNT_NONE;
		offset += VLAN_BYTES;
		ethertype = field_load_be16(frame + offset - 2);
	}
	if (reason == SHUNT_DROP_LOCAL)
		return PUNT_ANSWER;
	switch (ethertype) {
	case ETHERTYPE_IP4:
		return classify_ip4(frame + offset, bytes - offset, reason);
	case ETHERTYPE_IP6:
		return classify_ip6(frame + offset, bytes - offset, reason);
	case ETHERTYPE_ARP:
		return bytes - offset < ARP_BYTES ? PUNT_NONE : PUNT_LINK;
	case ETHERTYPE_LLDP:
	case ETHERTYPE_EAPOL:
		return PUNT_LINK;
	default:
		return is_link_local_group(frame) ? PUNT_LINK : PUNT_OTHER;
	}
}

enum punt_class
punt_classify_pkt(const struct known *known, const struct pkt *p)
{
	enum punt_class class = punt_classify(p->data, p->bytes, (enum shunt_drop)p->drop);
	const uint8_t *ip = p->data + p->l3_offset;

	/* parse has seen the whole IP header of what has a version. */
	if (class != PUNT_OTHER || p->version == 0)
		return class;
	return known_is_local(known, ip + field_destination(p->version), p->version) &&
			known_is_server(known, ip + field_source(p->version), p->version)
		? PUNT_ANSWER
		: class;
}
