/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>

#include "xlat.h"
#include "xlat_impl.h"

enum {
	IP4_DF = 0x40, /* in byte 6 */
	/* Of a piece: less would be nobody's MTU, and a first one must have TCP's whole header. */
	PIECE_MIN_BYTES = 64,
};

/*
 * How much of the payload p may keep. fit_bytes is for the header that p would get as it is: one
 * that becomes a fragment by this needs room for a fragment header too.
 */
static unsigned int
kept_bytes(const struct pkt *p, unsigned int header_bytes)
{
	unsigned int other = header_bytes + (p->kind == PKT_FRAGMENT ? 0 : XLAT_FRAGMENT_BYTES);

	return p->fit_bytes > other ? (p->fit_bytes - other) & ~7u : 0;
}

/* The pieces could not be given one, while the whole can: see check() in xlat.c. */
static void
complete_udp_checksum(struct pkt *p)
{
	uint8_t *udp = p->data + p->l4_offset;
	uint16_t sum;

	if (p->kind == PKT_FRAGMENT || p->protocol != SHUNT_UDP ||
		udp[XLAT_UDP_CHECKSUM] | udp[XLAT_UDP_CHECKSUM + 1])
		return;
	sum = checksum_add(xlat_address_sum(p->data + p->l3_offset), checksum_sum(udp, 4));
	xlat_compute_udp_checksum(udp, sum);
}

bool
xlat_split(struct pkt *p, struct pkt *rest, uint8_t *room, uint32_t room_bytes)
{
	const uint8_t *ip = p->data + p->l3_offset;
	unsigned int header_bytes, header_end, keep, payload_bytes;

	if (p->version != 4 || p->kind == PKT_ICMP_ERROR || ip[6] & IP4_DF)
		return false;
	header_bytes = (ip[0] & 0xf) * 4u;
	header_end = p->l3_offset + header_bytes;
	payload_bytes = p->bytes - header_end;
	keep = kept_bytes(p, header_bytes);
	if (keep < PIECE_MIN_BYTES || keep >= payload_bytes ||
		header_end + payload_bytes - keep > room_bytes)
		return false;
	complete_udp_checksum(p);
	if (p->kind != PKT_FRAGMENT) {
		p->kind = PKT_FRAGMENT;
		p->fragment_more = 0;
		p->fragment_offset = 0;
		p->fragment_id = xlat_load_be16(ip + 4);
	}
	*rest = *p;
	rest->data = room;
	rest->bytes = header_end + payload_bytes - keep;
	rest->fragment_offset = (uint16_t)(p->fragment_offset + keep);
	rest->fragment_bytes = (uint16_t)(payload_bytes - keep);
	rest->l4_offset = 0;
	rest->tcp_flags = 0;
	rest->drop = SHUNT_DROP_NONE;
	memcpy(room, p->data, header_end);
	memcpy(room + header_end, p->data + header_end + keep, payload_bytes - keep);
	p->bytes = header_end + keep;
	p->fragment_bytes = (uint16_t)keep;
	p->fragment_more = 1;
	p->drop = SHUNT_DROP_NONE;
	return true;
}
