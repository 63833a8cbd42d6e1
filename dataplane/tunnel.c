/* SPDX-License-Identifier: BSD-3-Clause */
#include "tunnel.h"

#include <arpa/inet.h>

#include "fields.h"
#include "mss.h"

enum {
	IP4_DF = 0x4000,
	GRE_BYTES = 4,
	OUTER_TTL = 64,
};

static unsigned int
shim_bytes(const struct gen_server *server)
{
	static const uint8_t bytes[SHUNT_ENCAP_COUNT] = {
		[SHUNT_GUE] = UDP_BYTES,
		[SHUNT_GRE] = GRE_BYTES,
	};

	return bytes[server->encap];
}

unsigned int
tunnel_overhead(const struct gen_server *server)
{
	return (server->version == 4 ? IP4_BYTES : IP6_BYTES) + shim_bytes(server);
}

/* What the outer header says of the next one. */
static uint8_t
outer_protocol(const struct pkt *p, const struct gen_server *server)
{
	if (server->encap == SHUNT_GUE)
		return PROTOCOL_UDP;
	if (server->encap == SHUNT_GRE)
		return PROTOCOL_GRE;
	return p->version == 4 ? PROTOCOL_IP4 : PROTOCOL_IP6;
}

/* DSCP and ECN, copied into the outer header: RFC 2983 section 3.1, RFC 6040 normal mode. */
static uint8_t
traffic_class(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;

	return p->version == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

/*
 * The same for all packets of a flow and another for other flows, for routers and network cards on
 * the way to share the load by. owner_hash alone would not do: its top bits are the same for all
 * flows of this worker, so they are mixed with the rest (multiplication carries upwards).
 */
static uint32_t
flow_entropy(const struct pkt *p)
{
	return p->owner_hash * 0x9e3779b1u;
}

/*
 * RFC 2003 section 3.1. DF is set whatever the inner header says: a fragmented tunnel costs the
 * server more than a sender that is told the right size (RFC 4459 section 3.2), and a datagram that
 * is never fragmented needs no identification (RFC 6864 section 4.1).
 */
static void
put_ip4(uint8_t *ip, const struct pkt *p, const struct gen_server *server, unsigned int bytes)
{
	ip[0] = 0x45;
	ip[1] = traffic_class(p);
	field_store_be16(ip + 2, bytes);
	field_store_be16(ip + 4, 0);
	field_store_be16(ip + 6, IP4_DF);
	ip[8] = OUTER_TTL;
	ip[9] = outer_protocol(p, server);
	field_store_be16(ip + IP4_CHECKSUM, 0);
	memcpy(ip + 12, server->source, 4);
	memcpy(ip + 16, server->address, 4);
	field_store_checksum(ip + IP4_CHECKSUM, checksum_sum(ip, IP4_BYTES));
}

/* RFC 2473 section 5; the flow label as in RFC 6438. */
static void
put_ip6(uint8_t *ip, const struct pkt *p, const struct gen_server *server, unsigned int bytes)
{
	uint8_t class = traffic_class(p);
	uint32_t label = flow_entropy(p) >> 12;

	ip[0] = (uint8_t)(0x60 | class >> 4);
	ip[1] = (uint8_t)(class << 4 | label >> 16);
	field_store_be16(ip + 2, label & 0xffff);
	field_store_be16(ip + 4, bytes - IP6_BYTES);
	ip[6] = outer_protocol(p, server);
	ip[7] = OUTER_TTL;
	memcpy(ip + 8, server->source, 16);
	memcpy(ip + 24, server->address, 16);
}

/*
 * Over IPv6 a UDP checksum is wanted: RFC 6935 lets tunnels do without, but Linux drops such
 * packets unless told otherwise. It is computed over everything. To derive it from the inner
 * checksum would be faster, but for datagrams that have none, and a packet damaged on its way to
 * Shunt would be lost here instead of at its receiver. Over IPv4 it is 0 (RFC 768).
 */
static void
put_gue(uint8_t *udp, const struct pkt *p, const struct gen_server *server, unsigned int bytes)
{
	const uint16_t length_and_protocol =
		checksum_add(htons((uint16_t)bytes), htons(PROTOCOL_UDP));
	uint16_t checksum;

	field_store_be16(udp, 0xc000 | flow_entropy(p) >> 18); /* 49152-65535, the dynamic ports */
	memcpy(udp + 2, &server->encap_port_be, sizeof(server->encap_port_be));
	field_store_be16(udp + 4, bytes);
	field_store_be16(udp + 6, 0);
	if (server->version == 4)
		return;
	checksum = checksum_add(length_and_protocol, checksum_sum(udp, bytes));
	checksum = checksum_add(checksum, checksum_sum(server->source, 16));
	checksum = checksum_add(checksum, checksum_sum(server->address, 16));
	checksum = checksum == 0xffff ? checksum : (uint16_t)~checksum;
	memcpy(udp + 6, &checksum, sizeof(checksum));
}

static void
put_shim(uint8_t *shim, const struct pkt *p, const struct gen_server *server, unsigned int bytes)
{
	if (server->encap == SHUNT_GUE) {
		put_gue(shim, p, server, bytes);
	} else if (server->encap == SHUNT_GRE) {
		field_store_be16(shim, 0); /* no options, version 0 */
		field_store_be16(shim + 2, p->version == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
	}
}

static void
put_ethernet(uint8_t *frame, const struct gen_server *server, const struct shunt_mac *source,
	uint32_t priorities)
{
	memcpy(frame, server->link.mac.bytes, sizeof(server->link.mac.bytes));
	memcpy(frame + 6, source->bytes, sizeof(source->bytes));
	link_put_tags(frame, &server->link, priorities,
		server->version == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
}

static void
encapsulate(struct pkt *p, const struct gen_server *server, unsigned int overhead)
{
	unsigned int shim = shim_bytes(server), bytes = overhead + pkt_ip_bytes(p);
	uint8_t *ip = p->data + p->l3_offset - overhead;

	put_shim(ip + overhead - shim, p, server, bytes - overhead + shim);
	if (server->version == 4)
		put_ip4(ip, p, server, bytes);
	else
		put_ip6(ip, p, server, bytes);
}

void
tunnel_to_server(struct pkt *p, const struct gen_server *server, const struct shunt_mac *port_macs,
	const uint16_t *port_mtus)
{
	unsigned int overhead = tunnel_overhead(server), mtu = port_mtus[server->link.port];
	/* Normally the overhead; the tags that came may be fewer or more than those that go. */
	unsigned int grow = overhead + link_header_bytes(&server->link) - p->l3_offset;
	uint32_t priorities = link_priorities(p);

	if (!server->link.known) {
		p->drop = SHUNT_DROP_NO_NEIGHBOR;
		return;
	}
	if (overhead + pkt_ip_bytes(p) > mtu || grow > p->headroom) {
		p->drop = SHUNT_DROP_TOO_BIG;
		p->fit_bytes = (uint16_t)(mtu > overhead ? mtu - overhead : 0);
		return;
	}
	if (server->mss_clamp)
		mss_clamp(p, server->mss_clamp);
	encapsulate(p, server, overhead);
	p->data -= grow;
	p->bytes += grow;
	p->headroom -= grow;
	p->l3_offset += grow;
	if (p->l4_offset) /* a later fragment has no such header */
		p->l4_offset += grow;
	put_ethernet(p->data, server, &port_macs[server->link.port], priorities);
	p->out_port = server->link.port;
}
