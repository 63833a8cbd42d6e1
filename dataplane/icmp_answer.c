/* SPDX-License-Identifier: BSD-3-Clause */
#include "icmp_answer.h"

#include "fields.h"

enum {
	ETHERNET_SOURCE = 6,
	ETHERNET_GROUP = 1, /* in the first byte of an address */

	IP4_MAX_BYTES = 576, /* of an error: RFC 1812 section 4.3.2.3 */
	IP4_CONTROL = 0xc0,  /* precedence 6: RFC 1812 section 4.3.2.5 */
	IP4_DONT_FRAGMENT = 0x40,
	IP6_MAX_BYTES = 1280, /* the least MTU of IPv6: RFC 4443 section 2.4(c) */

	ANSWER_TTL = 64,
};

static_assert(ICMP_ANSWER_ROOM == IP6_BYTES + ICMP_BYTES, "the greater of the two");

/* Type and code, by enum icmp_answer. */
static const uint8_t types4[][2] = {
	[ICMP_ANSWER_TIME_EXCEEDED] = { 11, 0 }, /* in transit */
	[ICMP_ANSWER_PORT_UNREACHABLE] = { 3, 3 },
};
static const uint8_t types6[][2] = {
	[ICMP_ANSWER_TIME_EXCEEDED] = { 3, 0 },
	[ICMP_ANSWER_PORT_UNREACHABLE] = { 1, 4 },
};

bool
icmp_answer_allowed(const struct pkt *p)
{
	return p->kind != PKT_ICMP_ERROR && !(p->data[0] & ETHERNET_GROUP) && p->l4_offset;
}

/* bytes: of ICMP. The quoted packet stands behind already. */
static void
answer_ip4(uint8_t *ip, uint32_t bytes, const uint8_t type[2], const struct gen_service *service)
{
	uint8_t *icmp = ip + IP4_BYTES;

	memset(ip, 0, IP4_BYTES + ICMP_BYTES);
	ip[0] = 0x45;
	ip[1] = IP4_CONTROL;
	field_store_be16(ip + 2, IP4_BYTES + bytes);
	ip[6] = IP4_DONT_FRAGMENT; /* so that the id may be 0: RFC 6864 */
	ip[8] = ANSWER_TTL;
	ip[9] = PROTOCOL_ICMP4;
	memcpy(ip + 12, service->address, 4);
	memcpy(ip + 16, icmp + ICMP_BYTES + 12, 4);
	field_store_checksum(ip + IP4_CHECKSUM, checksum_sum(ip, IP4_BYTES));
	memcpy(icmp, type, 2);
	field_store_checksum(icmp + ICMP_CHECKSUM, checksum_sum(icmp, bytes));
}

static void
answer_ip6(uint8_t *ip, uint32_t bytes, const uint8_t type[2], const struct gen_service *service)
{
	const uint8_t pseudo[2] = { 0, PROTOCOL_ICMP6 };
	uint8_t *icmp = ip + IP6_BYTES;
	uint64_t sum;

	memset(ip, 0, IP6_BYTES + ICMP_BYTES);
	ip[0] = 0x60;
	field_store_be16(ip + 4, bytes);
	ip[6] = PROTOCOL_ICMP6;
	ip[7] = ANSWER_TTL;
	memcpy(ip + 8, service->address, 16);
	memcpy(ip + 24, icmp + ICMP_BYTES + 8, 16);
	memcpy(icmp, type, 2);
	/* The pseudo header's length is the IP header's: there are no extension headers. */
	sum = (uint64_t)checksum_sum(ip + 8, 32) + checksum_sum(ip + 4, 2);
	sum += checksum_sum(pseudo, sizeof(pseudo));
	field_store_checksum(icmp + ICMP_CHECKSUM, checksum_fold(sum + checksum_sum(icmp, bytes)));
}

void
icmp_answer(struct pkt *p, enum icmp_answer answer, const struct gen_service *service,
	const struct shunt_mac *port_mac)
{
	unsigned int headers = (p->version == 4 ? IP4_BYTES : IP6_BYTES) + ICMP_BYTES;
	uint32_t most = (p->version == 4 ? IP4_MAX_BYTES : IP6_MAX_BYTES) - headers;
	uint32_t quoted = pkt_ip_bytes(p) < most ? pkt_ip_bytes(p) : most;
	uint8_t *start = p->data - headers;

	/* What is in front of the IP header but the addresses stays as it came. */
	memmove(start, p->data, p->l3_offset);
	memcpy(start, start + ETHERNET_SOURCE, sizeof(port_mac->bytes));
	memcpy(start + ETHERNET_SOURCE, port_mac->bytes, sizeof(port_mac->bytes));
	if (p->version == 4)
		answer_ip4(start + p->l3_offset, ICMP_BYTES + quoted, types4[answer], service);
	else
		answer_ip6(start + p->l3_offset, ICMP_BYTES + quoted, types6[answer], service);
	p->data = start;
	p->bytes = p->l3_offset + headers + quoted;
	p->out_port = p->in_port;
	p->drop = SHUNT_DROP_NONE;
}
