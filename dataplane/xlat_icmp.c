/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors between the families: RFC 7915 sections 4.2, 4.3, 5.2 and 5.3. */
#include <arpa/inet.h>

#include "xlat.h"
#include "xlat_impl.h"

enum {
	ICMP_BYTES = 8,
	ICMP_CHECKSUM = 2,
	ICMP_REST = 4,	  /* what this is depends on the type */
	ICMP4_LENGTH = 5, /* of the quoted packet, in units of 4 bytes: RFC 4884 section 4 */
	ICMP6_LENGTH = 4, /* in units of 8 bytes */
	QUOTED_L4_BYTES = 8,

	ICMP4_UNREACHABLE = 3,
	ICMP4_PROTOCOL_UNREACHABLE = 2,
	ICMP4_FRAGMENTATION_NEEDED = 4,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
	ICMP6_UNREACHABLE = 1,
	ICMP6_PACKET_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_UNRECOGNIZED_NEXT_HEADER = 1,
	IP6_NEXT_HEADER = 6, /* as pointer */

	ICMP4_MAX_BYTES = 576,	/* with the IP header: RFC 1812 section 4.3.2.3 */
	ICMP6_MAX_BYTES = 1280, /* RFC 4443 section 2.4(c) */
	IP4_MIN_MTU = 68,	/* RFC 791 section 3.2 */
	IP6_MIN_MTU = 1280,

	NONE = 255, /* the other family has no such code, or no such field */
};

/* The first 8 bytes of an error, without the checksum. */
struct icmp_head {
	uint8_t type;
	uint8_t code;
	uint32_t rest;
};

/*
 * Of a router that does not say its MTU: the greatest of the usual ones below what did not fit
 * (RFC 1191 section 7).
 */
static uint32_t
guess_mtu(uint32_t bytes)
{
	static const uint16_t plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296 };

	for (size_t i = 0; i < sizeof(plateaus) / sizeof(*plateaus); i++) {
		if (plateaus[i] < bytes)
			return plateaus[i];
	}
	return IP4_MIN_MTU;
}

/* Codes of "destination unreachable" of IPv4 as those of IPv6: RFC 7915 section 4.2. */
static bool
unreachable_to_6(const uint8_t *icmp, uint32_t quoted_bytes, struct icmp_head *out)
{
	static const uint8_t codes[] = { 0, 0, NONE, 4, NONE, 0, 0, 0, 0, 1, 1, 0, 0, 1, NONE, 1 };
	uint32_t mtu = xlat_load_be16(icmp + 6);

	if (icmp[1] == ICMP4_PROTOCOL_UNREACHABLE) {
		*out = (struct icmp_head){ ICMP6_PARAMETER_PROBLEM, ICMP6_UNRECOGNIZED_NEXT_HEADER,
			IP6_NEXT_HEADER };
		return true;
	}
	if (icmp[1] == ICMP4_FRAGMENTATION_NEEDED) {
		mtu = (mtu ? mtu : guess_mtu(quoted_bytes)) + XLAT_IP6_BYTES - XLAT_IP4_BYTES;
		*out = (struct icmp_head){ ICMP6_PACKET_TOO_BIG, 0,
			mtu < IP6_MIN_MTU ? IP6_MIN_MTU : mtu };
		return true;
	}
	if (icmp[1] >= sizeof(codes) || codes[icmp[1]] == NONE)
		return false;
	*out = (struct icmp_head){ ICMP6_UNREACHABLE, codes[icmp[1]], 0 };
	return true;
}

/* quoted_bytes: of the packet it is about. False: there is no such error. */
static bool
head_to_6(const uint8_t *icmp, uint32_t quoted_bytes, struct icmp_head *out)
{
	/* RFC 7915 figure 3: where the field that the pointer is at stands in the other header. */
	static const uint8_t pointers[XLAT_IP4_BYTES] = { 0, 1, 4, 4, NONE, NONE, NONE, NONE, 7, 6,
		NONE, NONE, 8, 8, 8, 8, 24, 24, 24, 24 };
	uint8_t pointer = icmp[ICMP_REST];

	switch (icmp[0]) {
	case ICMP4_UNREACHABLE:
		return unreachable_to_6(icmp, quoted_bytes, out);
	case ICMP4_TIME_EXCEEDED:
		*out = (struct icmp_head){ ICMP6_TIME_EXCEEDED, icmp[1], 0 };
		return true;
	case ICMP4_PARAMETER_PROBLEM: /* code 1, a missing option, means nothing to IPv6 */
		if ((icmp[1] != 0 && icmp[1] != 2) || pointer >= sizeof(pointers) ||
			pointers[pointer] == NONE)
			return false;
		*out = (struct icmp_head){ ICMP6_PARAMETER_PROBLEM, 0, pointers[pointer] };
		return true;
	default:
		return false;
	}
}

static bool
parameter_to_4(const uint8_t *icmp, uint32_t pointer, struct icmp_head *out)
{
	/* RFC 7915 figure 6, up to the addresses. */
	static const uint8_t pointers[8] = { 0, 1, NONE, NONE, 2, 2, 9, 8 };
	uint32_t at = pointer < 8 ? pointers[pointer] : pointer < 24 ? 12 : 16;

	if (icmp[1] == ICMP6_UNRECOGNIZED_NEXT_HEADER) {
		*out = (struct icmp_head){ ICMP4_UNREACHABLE, ICMP4_PROTOCOL_UNREACHABLE, 0 };
		return true;
	}
	if (icmp[1] != 0 || pointer >= XLAT_IP6_BYTES || at == NONE)
		return false;
	*out = (struct icmp_head){ ICMP4_PARAMETER_PROBLEM, 0, at << 24 };
	return true;
}

/* shrink: by how many bytes the quoted packet was longer than the one that it came of. */
static bool
head_to_4(const uint8_t *icmp, uint32_t shrink, struct icmp_head *out)
{
	static const uint8_t codes[] = { 1, 10, 1, 1, 3 }; /* RFC 7915 section 5.2 */
	uint32_t rest, mtu;

	memcpy(&rest, icmp + ICMP_REST, sizeof(rest));
	rest = ntohl(rest);
	switch (icmp[0]) {
	case ICMP6_UNREACHABLE:
		if (icmp[1] >= sizeof(codes))
			return false;
		*out = (struct icmp_head){ ICMP4_UNREACHABLE, codes[icmp[1]], 0 };
		return true;
	case ICMP6_PACKET_TOO_BIG:
		mtu = rest > IP4_MIN_MTU + shrink ? rest - shrink : IP4_MIN_MTU;
		*out = (struct icmp_head){ ICMP4_UNREACHABLE, ICMP4_FRAGMENTATION_NEEDED,
			mtu < UINT16_MAX ? mtu : UINT16_MAX };
		return true;
	case ICMP6_TIME_EXCEEDED:
		*out = (struct icmp_head){ ICMP4_TIME_EXCEEDED, icmp[1], 0 };
		return true;
	case ICMP6_PARAMETER_PROBLEM:
		return parameter_to_4(icmp, rest, out);
	default:
		return false;
	}
}

/* The extension headers of the quoted packet were walked by parse, which has seen their bounds. */
static void
read_quoted_fragment_6(const struct pkt *p, struct xlat_ip *h)
{
	const uint8_t *at = p->data + p->inner_l3_offset + XLAT_IP6_BYTES;
	const uint8_t *end = p->data + p->inner_l4_offset;
	uint8_t next = p->data[p->inner_l3_offset + 6];

	while (at < end && next != XLAT_IP6_FRAGMENT) {
		next = at[0];
		at += (at[1] + 1u) * 8;
	}
	if (at >= end)
		return;
	h->more = at[3] & 1;
	h->fragment = h->more; /* else it is whole: RFC 6946 */
	h->id = xlat_load_be16(at + 6);
}

/* The header of the quoted packet, which is a first fragment or whole. */
static void
read_quoted(const struct pkt *p, struct xlat_ip *h)
{
	const uint8_t *ip = p->data + p->inner_l3_offset;
	uint32_t headers = p->inner_l4_offset - p->inner_l3_offset;
	uint32_t here = p->bytes - p->inner_l4_offset, bytes;

	*h = (struct xlat_ip){ .protocol = p->protocol };
	xlat_read_common(ip, h);
	if (p->version == 4) {
		bytes = xlat_load_be16(ip + 2);
		h->more = ip[6] & 0x20;
		h->fragment = h->more;
		h->id = xlat_load_be16(ip + 4);
	} else {
		bytes = XLAT_IP6_BYTES + xlat_load_be16(ip + 4);
		read_quoted_fragment_6(p, h);
	}
	/* The length is of the packet as it was sent: it may be any, but not less than is here. */
	h->payload_bytes = bytes > headers + here ? bytes - headers : here;
	if (h->payload_bytes > UINT16_MAX - XLAT_GROW) /* with a header it must fit the field */
		h->payload_bytes = UINT16_MAX - XLAT_GROW;
}

/*
 * Cuts off the extensions that stand behind the quoted packet (RFC 4884 section 5), and what is
 * more than an error may have. header_bytes: new ones up to the quoted TCP or UDP.
 */
static void
cut(struct pkt *p, unsigned int header_bytes, uint8_t version)
{
	const uint8_t *icmp = p->data + p->l4_offset;
	uint32_t quoted = 0, end, max = version == 4 ? ICMP4_MAX_BYTES : ICMP6_MAX_BYTES;

	if (p->version == 4)
		quoted = icmp[ICMP4_LENGTH] * 4u;
	else if (icmp[0] == ICMP6_UNREACHABLE || icmp[0] == ICMP6_TIME_EXCEEDED)
		quoted = icmp[ICMP6_LENGTH] * 8u;
	end = p->inner_l3_offset + quoted;
	if (end >= p->inner_l4_offset + (uint32_t)QUOTED_L4_BYTES && end < p->bytes)
		p->bytes = end;
	if (p->bytes - p->inner_l4_offset > max - header_bytes)
		p->bytes = p->inner_l4_offset + max - header_bytes;
}

/* bytes: of the whole error. */
static void
put_icmp(uint8_t *icmp, uint32_t bytes, const struct icmp_head *head, const struct xlat_ends *ends)
{
	uint32_t rest = htonl(head->rest);
	uint64_t sum = 0;
	uint16_t checksum;

	icmp[0] = head->type;
	icmp[1] = head->code;
	memset(icmp + ICMP_CHECKSUM, 0, sizeof(checksum));
	memcpy(icmp + ICMP_REST, &rest, sizeof(rest));
	if (ends->version == 6) /* the pseudo header of RFC 8200 section 8.1 */
		sum = (uint64_t)checksum_sum(ends->addresses, 32) + htons((uint16_t)bytes) +
			htons(XLAT_ICMP6);
	sum += checksum_sum(icmp, bytes);
	checksum = (uint16_t)~checksum_fold(sum);
	memcpy(icmp + ICMP_CHECKSUM, &checksum, sizeof(checksum));
}

/* Writes all that is in front of the quoted TCP or UDP, which has been rewritten. */
static void
put_error(struct pkt *p, struct xlat_ip *h, const struct icmp_head *head,
	const struct xlat_ends *outer, const struct xlat_ends *quoted, uint16_t id)
{
	unsigned int ip_bytes = xlat_header_bytes(outer->version, false);
	unsigned int inner_bytes = xlat_header_bytes(outer->version, h->fragment);
	unsigned int header_bytes = ip_bytes + ICMP_BYTES + inner_bytes;
	struct xlat_ip outer_h = {
		.protocol = outer->version == 4 ? XLAT_ICMP4 : XLAT_ICMP6,
		.payload_bytes = ICMP_BYTES + inner_bytes + p->bytes - p->inner_l4_offset,
	};
	uint8_t *ip;

	xlat_read_common(p->data + p->l3_offset, &outer_h);
	outer_h.ttl--;
	ip = xlat_move(p, p->inner_l4_offset, header_bytes, outer->version);
	xlat_put_ip(ip + ip_bytes + ICMP_BYTES, h, quoted, 0);
	put_icmp(ip + ip_bytes, outer_h.payload_bytes, head, outer);
	xlat_put_ip(ip, &outer_h, outer, id);
	p->l4_offset = (uint16_t)(p->l3_offset + ip_bytes);
	p->inner_l3_offset = (uint16_t)(p->l4_offset + ICMP_BYTES);
	p->inner_l4_offset = (uint16_t)(p->inner_l3_offset + inner_bytes);
}

void
xlat_icmp_error(struct pkt *p, const struct ends *outer, const struct ends *quoted, uint16_t id)
{
	const uint8_t *icmp = p->data + p->l4_offset;
	uint8_t *l4 = p->data + p->inner_l4_offset;
	struct xlat_ends outer_ends, quoted_ends;
	unsigned int header_bytes;
	struct icmp_head head;
	struct xlat_ip h;
	bool known;

	read_quoted(p, &h);
	if (p->version == 4)
		known = head_to_6(icmp, xlat_load_be16(p->data + p->inner_l3_offset + 2), &head);
	else
		known = head_to_4(icmp, xlat_header_bytes(6, h.fragment) - XLAT_IP4_BYTES, &head);
	if (!known) {
		p->drop = SHUNT_DROP_ICMP_TYPE;
		return;
	}
	header_bytes = xlat_header_bytes(outer->version, false) + ICMP_BYTES +
		xlat_header_bytes(outer->version, h.fragment);
	if (p->l3_offset + header_bytes > p->headroom + (unsigned int)p->inner_l4_offset) {
		p->drop = SHUNT_DROP_TOO_BIG;
		p->fit_bytes = 0;
		return;
	}
	xlat_copy_ends(&outer_ends, outer);
	xlat_copy_ends(&quoted_ends, quoted);
	cut(p, header_bytes, outer->version);
	xlat_l4(l4, p->bytes - p->inner_l4_offset, p->protocol,
		xlat_address_sum(p->data + p->inner_l3_offset), &quoted_ends);
	put_error(p, &h, &head, &outer_ends, &quoted_ends, id);
}
