/* SPDX-License-Identifier: BSD-3-Clause */
#include "xlat.h"

#include <arpa/inet.h>

#include "xlat_impl.h"

enum {
	ETHERTYPE_BYTES = 2,

	IP4_DF = 0x4000,
	IP4_MORE = 0x2000,
	/*
	 * An IPv6 sender sends no less than 1280 bytes whatever it is told, so that routers of IPv4
	 * must be free to fragment what comes of them: RFC 7915 section 5.1.
	 */
	IP4_MAY_FRAGMENT_BYTES = 1260,
};

static void
put_ip4(uint8_t *ip, const struct xlat_ip *h, const struct xlat_ends *ends, uint16_t id)
{
	unsigned int bytes = IP4_BYTES + h->payload_bytes, field = 0;

	if (h->fragment) {
		id = (uint16_t)h->id;
		field = h->offset / 8u | (h->more ? IP4_MORE : 0);
	} else if (bytes > IP4_MAY_FRAGMENT_BYTES) {
		id = 0; /* not used: RFC 6864 section 4.1 */
		field = IP4_DF;
	}
	ip[0] = 0x45;
	ip[1] = h->class;
	field_store_be16(ip + 2, bytes);
	field_store_be16(ip + 4, id);
	field_store_be16(ip + 6, field);
	ip[8] = h->ttl;
	ip[9] = h->protocol;
	field_store_be16(ip + 10, 0);
	memcpy(ip + 12, ends->addresses, 8);
	field_store_checksum(ip + IP4_CHECKSUM, checksum_sum(ip, IP4_BYTES));
}

static void
put_ip6(uint8_t *ip, const struct xlat_ip *h, const struct xlat_ends *ends)
{
	uint8_t *fragment = ip + IP6_BYTES;

	ip[0] = (uint8_t)(0x60 | h->class >> 4);
	ip[1] = (uint8_t)(h->class << 4);
	field_store_be16(ip + 2, 0);
	field_store_be16(ip + 4, h->payload_bytes + (h->fragment ? XLAT_FRAGMENT_BYTES : 0));
	ip[6] = h->fragment ? XLAT_IP6_FRAGMENT : h->protocol;
	ip[7] = h->ttl;
	memcpy(ip + 8, ends->addresses, 32);
	if (!h->fragment)
		return;
	fragment[0] = h->protocol;
	fragment[1] = 0;
	field_store_be16(fragment + 2, h->offset | h->more);
	field_store_be16(fragment + 4, h->id >> 16);
	field_store_be16(fragment + 6, h->id & 0xffff);
}

void
xlat_put_ip(uint8_t *ip, const struct xlat_ip *h, const struct xlat_ends *ends, uint16_t id)
{
	if (ends->version == 4)
		put_ip4(ip, h, ends, id);
	else
		put_ip6(ip, h, ends);
}

uint8_t *
xlat_move(struct pkt *p, unsigned int start, unsigned int header_bytes, uint8_t version)
{
	uint8_t *ip = p->data + start - header_bytes, *frame = ip - p->l3_offset;
	ptrdiff_t shift = frame - p->data;

	memmove(frame, p->data, p->l3_offset);
	field_store_be16(ip - ETHERTYPE_BYTES, version == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
	p->data = frame;
	p->bytes = (uint32_t)(p->bytes - shift);
	p->headroom = (uint16_t)(p->headroom + shift);
	p->version = version;
	return ip;
}

void
xlat_l4(uint8_t *l4, uint32_t bytes, uint8_t protocol, uint16_t before,
	const struct xlat_ends *ends)
{
	unsigned int at = field_l4_checksum(protocol);
	uint16_t delta = checksum_delta(checksum_add(before, checksum_sum(l4, 4)), ends->sum);

	memcpy(l4, ends->ports_be, 4);
	if (at + sizeof(uint16_t) <= bytes)
		field_update_l4_checksum(l4 + at, protocol, delta);
}

void
xlat_compute_udp_checksum(uint8_t *udp, uint16_t ends_sum)
{
	unsigned int bytes = field_load_be16(udp + UDP_LENGTH);
	uint64_t sum = (uint64_t)ends_sum + checksum_sum(udp + 4, bytes - 4);
	uint16_t checksum;

	sum += htons((uint16_t)bytes);
	sum += htons(SHUNT_UDP);
	checksum = (uint16_t)~checksum_fold(sum);
	if (checksum == 0)
		checksum = 0xffff;
	memcpy(udp + UDP_CHECKSUM, &checksum, sizeof(checksum));
}

static bool
has_no_udp_checksum(const struct pkt *p)
{
	const uint8_t *at = p->data + p->l4_offset + UDP_CHECKSUM;

	return p->protocol == SHUNT_UDP && p->l4_offset && !(at[0] | at[1]);
}

/* Can it be translated? start: of what is behind all headers. */
static enum shunt_drop
check(const struct pkt *p, unsigned int start)
{
	/*
	 * With an IPv6 packet's lack of a checksum it would be a good IPv4 packet: a receiver of
	 * IPv6 does not take it (RFC 8200 section 8.1). Of a fragment the sum cannot be computed:
	 * RFC 7915 section 4.5.
	 */
	if (has_no_udp_checksum(p) && (p->version == 6 || p->kind == PKT_FRAGMENT))
		return SHUNT_DROP_UDP_CHECKSUM;
	/* IPv4 counts its header for a datagram's length, IPv6 does not. */
	if (p->version == 6 && p->kind == PKT_FRAGMENT &&
		IP4_BYTES + p->fragment_offset + p->fragment_bytes > UINT16_MAX)
		return SHUNT_DROP_FRAGMENT_TOO_LONG;
	/* Without options in the first fragment the offsets of the others would be wrong. */
	if (p->version == 6 && p->kind == PKT_FRAGMENT &&
		p->data[start - XLAT_FRAGMENT_BYTES] != p->protocol)
		return SHUNT_DROP_IP6_EXTENSIONS;
	return SHUNT_DROP_NONE;
}

static bool
fits(struct pkt *p, unsigned int start, unsigned int header_bytes, uint16_t mtu)
{
	/* Bytes more than it has now; fewer: negative. */
	int grow = (int)(p->l3_offset + header_bytes) - (int)start;

	if (header_bytes + p->bytes - start <= mtu && grow <= (int)p->headroom)
		return true;
	p->drop = SHUNT_DROP_TOO_BIG;
	p->fit_bytes = (uint16_t)(mtu > grow ? mtu - grow : 0);
	return false;
}

void
xlat_pkt(struct pkt *p, const struct ends *ends, uint16_t mtu, uint16_t id)
{
	bool fragment = p->kind == PKT_FRAGMENT;
	unsigned int start = fragment ? p->bytes - p->fragment_bytes : p->l4_offset;
	unsigned int header_bytes = xlat_header_bytes(ends->version, fragment);
	bool compute = has_no_udp_checksum(p);
	uint8_t *ip = p->data + p->l3_offset, *l4 = p->data + start;
	uint16_t before = xlat_address_sum(ip);
	struct xlat_ends new_ends;
	struct xlat_ip h = {
		.protocol = p->protocol,
		.fragment = fragment,
		.more = p->fragment_more,
		.offset = p->fragment_offset,
		.id = p->fragment_id,
		.payload_bytes = p->bytes - start,
	};

	p->drop = check(p, start);
	if (p->drop || !fits(p, start, header_bytes, mtu))
		return;
	xlat_copy_ends(&new_ends, ends);
	xlat_read_common(ip, &h);
	h.ttl--;
	if (p->l4_offset)
		xlat_l4(l4, h.payload_bytes, p->protocol, before, &new_ends);
	if (compute)
		xlat_compute_udp_checksum(l4, new_ends.sum);
	ip = xlat_move(p, start, header_bytes, ends->version);
	xlat_put_ip(ip, &h, &new_ends, id);
	if (p->l4_offset)
		p->l4_offset = (uint16_t)(p->l3_offset + header_bytes);
	if (fragment && p->version == 4)
		p->fragment_id &= 0xffff;
}
