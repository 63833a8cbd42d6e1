/* SPDX-License-Identifier: BSD-3-Clause */
#include "too_big.h"

#include <arpa/inet.h>

#include "checksum.h"

enum {
	ICMP_BYTES = 8,
	IP4_BYTES = 20,
	IP4_DF = 0x40,	     /* in byte 6 */
	IP4_MAX_BYTES = 576, /* of an ICMP error: RFC 1812 section 4.3.2.3 */
	IP6_BYTES = 40,
	IP6_MAX_BYTES = 1280, /* RFC 4443 section 2.4(c) */
	IP6_MIN_MTU = 1280,   /* no sender believes in less: RFC 8201 section 4 */
	PROTOCOL_ICMP = 1,
	PROTOCOL_ICMP6 = 58,
	TTL = 64,
	INTERNETWORK_CONTROL = 0xc0, /* precedence of errors: RFC 1812 section 4.3.2.5 */
};

static void
put_be16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned int
told_mtu(const struct pkt *p)
{
	return p->version == 6 && p->fit_bytes < IP6_MIN_MTU ? IP6_MIN_MTU : p->fit_bytes;
}

bool
too_big_wants_answer(const struct pkt *p)
{
	if (p->kind == PKT_ICMP_ERROR || p->data[0] & 1 || !p->l4_offset)
		return false;
	if (p->version == 4 && !(p->data[p->l3_offset + 6] & IP4_DF))
		return false;
	/* A packet that is small enough by what can be told: more of it would come. */
	return pkt_ip_bytes(p) > told_mtu(p) && pkt_ip_bytes(p) > 2 * (IP6_BYTES + ICMP_BYTES);
}

/* Quotes as much as fits the greatest answer, and p itself. Returns the answer's IP bytes. */
static unsigned int
quote(struct pkt *p, unsigned int ip_header, unsigned int max_bytes)
{
	unsigned int bytes = pkt_ip_bytes(p) < max_bytes ? pkt_ip_bytes(p) : max_bytes;

	memmove(p->data + p->l3_offset + ip_header + ICMP_BYTES, p->data + p->l3_offset,
		bytes - ip_header - ICMP_BYTES);
	return bytes;
}

static unsigned int
answer_ip4(struct pkt *p)
{
	uint8_t *ip = p->data + p->l3_offset, *icmp = ip + IP4_BYTES;
	uint8_t ends[8];
	uint16_t checksum;
	unsigned int bytes;

	memcpy(ends, ip + 12, sizeof(ends));
	bytes = quote(p, IP4_BYTES, IP4_MAX_BYTES);
	icmp[0] = 3; /* destination unreachable */
	icmp[1] = 4; /* fragmentation needed and DF set */
	memset(icmp + 2, 0, 4);
	put_be16(icmp + 6, told_mtu(p));
	checksum = (uint16_t)~checksum_sum(icmp, bytes - IP4_BYTES);
	memcpy(icmp + 2, &checksum, sizeof(checksum));
	memset(ip, 0, IP4_BYTES);
	ip[0] = 0x45;
	ip[1] = INTERNETWORK_CONTROL;
	put_be16(ip + 2, bytes);
	ip[6] = IP4_DF;
	ip[8] = TTL;
	ip[9] = PROTOCOL_ICMP;
	memcpy(ip + 12, ends + 4, 4);
	memcpy(ip + 16, ends, 4);
	checksum = (uint16_t)~checksum_sum(ip, IP4_BYTES);
	memcpy(ip + 10, &checksum, sizeof(checksum));
	return bytes;
}

static unsigned int
answer_ip6(struct pkt *p)
{
	uint8_t *ip = p->data + p->l3_offset, *icmp = ip + IP6_BYTES;
	uint8_t ends[32];
	uint16_t checksum;
	unsigned int bytes;

	memcpy(ends, ip + 8, sizeof(ends));
	bytes = quote(p, IP6_BYTES, IP6_MAX_BYTES);
	icmp[0] = 2; /* packet too big */
	memset(icmp + 1, 0, 5);
	put_be16(icmp + 6, told_mtu(p));
	memset(ip, 0, 8);
	ip[0] = 0x60;
	put_be16(ip + 4, bytes - IP6_BYTES);
	ip[6] = PROTOCOL_ICMP6;
	ip[7] = TTL;
	memcpy(ip + 8, ends + 16, 16);
	memcpy(ip + 24, ends, 16);
	/* With the pseudo header of RFC 8200 section 8.1. */
	checksum = checksum_add(checksum_sum(ends, sizeof(ends)),
		checksum_add(htons((uint16_t)(bytes - IP6_BYTES)), htons(PROTOCOL_ICMP6)));
	checksum = (uint16_t)~checksum_add(checksum, checksum_sum(icmp, bytes - IP6_BYTES));
	memcpy(icmp + 2, &checksum, sizeof(checksum));
	return bytes;
}

void
too_big_answer(struct pkt *p, const struct shunt_mac *port_macs)
{
	unsigned int bytes = p->version == 4 ? answer_ip4(p) : answer_ip6(p);

	/* Its tags and its EtherType are the answer's. */
	memcpy(p->data, p->data + 6, 6);
	memcpy(p->data + 6, port_macs[p->in_port].bytes, sizeof(port_macs[0].bytes));
	p->bytes = p->l3_offset + bytes;
	p->out_port = p->in_port;
	p->drop = SHUNT_DROP_NONE;
}
