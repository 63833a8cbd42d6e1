/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_answer.h"

#include <arpa/inet.h>

#include "checksum.h"
#include "shunt/selection.h"

enum {
	ETHERNET_SOURCE = 6,
	ETHERNET_GROUP = 1, /* in the first byte of an address */

	IP4_BYTES = 20,
	IP4_DONT_FRAGMENT = 0x40,
	IP6_BYTES = 40,
	TTL = 64,

	TCP_BYTES = 20,
	TCP_SEQ = 4,
	TCP_ACK = 8,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
	TCP_CHECKSUM = 16,

	/* Any will do: nobody takes a segment that is out of the window for an update of it. */
	WINDOW = 8192,
};

static_assert(TCP_ANSWER_MAX_BYTES == IP6_BYTES + TCP_BYTES, "the greater of the two");

/* What the nonce covers. */
struct nonce_input {
	uint8_t source[16];
	uint8_t destination[16];
	uint16_t sport_be;
	uint16_t dport_be;
	uint32_t version;
};

/* The numbers of a segment. */
struct numbers {
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
};

static uint32_t
load_be32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

static void
store_be32(uint8_t *at, uint32_t value)
{
	uint32_t be = htonl(value);

	memcpy(at, &be, sizeof(be));
}

static void
store_be16(uint8_t *at, uint16_t value)
{
	uint16_t be = htons(value);

	memcpy(at, &be, sizeof(be));
}

static void
store_checksum(uint8_t *at, uint16_t sum)
{
	uint16_t checksum = (uint16_t)~sum;

	memcpy(at, &checksum, sizeof(checksum));
}

struct ends
tcp_answer_ends(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;
	bool v4 = p->version == 4;

	return (struct ends){
		.source = ip + (v4 ? 16 : 24),
		.destination = ip + (v4 ? 12 : 8),
		.sport_be = p->dport_be,
		.dport_be = p->sport_be,
		.version = p->version,
	};
}

/* The nonce is the lower half; the upper one is where the sequence numbers begin. */
static uint64_t
nonce_hash(const uint8_t *key, const struct ends *ends)
{
	size_t bytes = ends->version == 4 ? 4 : 16;
	struct nonce_input input = {
		.sport_be = ends->sport_be,
		.dport_be = ends->dport_be,
		.version = ends->version,
	};

	static_assert(sizeof(input) == 40, "hashed as bytes");
	memcpy(input.source, ends->source, bytes);
	memcpy(input.destination, ends->destination, bytes);
	return shunt_siphash(key, &input, sizeof(input));
}

uint32_t
tcp_answer_nonce(const uint8_t key[TCP_ANSWER_KEY_BYTES], const struct ends *ends)
{
	return (uint32_t)nonce_hash(key, ends);
}

/* DF is set, so the id may be 0 (RFC 6864). */
static void
write_ip4(uint8_t *ip, const struct ends *ends)
{
	memset(ip, 0, IP4_BYTES);
	ip[0] = 0x45;
	store_be16(ip + 2, IP4_BYTES + TCP_BYTES);
	ip[6] = IP4_DONT_FRAGMENT;
	ip[8] = TTL;
	ip[9] = SHUNT_TCP;
	memcpy(ip + 12, ends->source, 4);
	memcpy(ip + 16, ends->destination, 4);
	store_checksum(ip + 10, checksum_sum(ip, IP4_BYTES));
}

static void
write_ip6(uint8_t *ip, const struct ends *ends)
{
	memset(ip, 0, IP6_BYTES);
	ip[0] = 0x60;
	store_be16(ip + 4, TCP_BYTES);
	ip[6] = SHUNT_TCP;
	ip[7] = TTL;
	memcpy(ip + 8, ends->source, 16);
	memcpy(ip + 24, ends->destination, 16);
}

/* The whole segment. The ends must not point into it. */
static unsigned int
write_segment(uint8_t *ip, const struct ends *ends, const struct numbers *numbers)
{
	const uint8_t pseudo[4] = { 0, SHUNT_TCP, 0, TCP_BYTES };
	bool v4 = ends->version == 4;
	uint8_t *tcp = ip + (v4 ? IP4_BYTES : IP6_BYTES);
	uint64_t sum;

	if (v4)
		write_ip4(ip, ends);
	else
		write_ip6(ip, ends);
	memset(tcp, 0, TCP_BYTES);
	memcpy(tcp, &ends->sport_be, 2);
	memcpy(tcp + 2, &ends->dport_be, 2);
	store_be32(tcp + TCP_SEQ, numbers->seq);
	store_be32(tcp + TCP_ACK, numbers->ack);
	tcp[TCP_OFFSET] = TCP_BYTES / 4 << 4;
	tcp[TCP_FLAGS] = numbers->flags;
	store_be16(tcp + TCP_WINDOW, numbers->flags & PKT_RST ? 0 : WINDOW);
	/* RFC 9293 section 3.1: pseudo header and segment. */
	sum = (uint64_t)checksum_sum(pseudo, sizeof(pseudo)) + checksum_sum(tcp, TCP_BYTES);
	sum += checksum_sum(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32);
	store_checksum(tcp + TCP_CHECKSUM, checksum_fold(sum));
	return (v4 ? IP4_BYTES : IP6_BYTES) + TCP_BYTES;
}

/*
 * From round to round the sequence number goes on by a quarter of its circle: the largest window
 * (RFC 7323 section 2.3) is not as wide.
 */
unsigned int
tcp_answer_challenge(uint8_t *ip, const uint8_t key[TCP_ANSWER_KEY_BYTES], const struct ends *ends,
	unsigned int round)
{
	uint64_t hash = nonce_hash(key, ends);
	struct numbers numbers = {
		.seq = (uint32_t)(hash >> 32) + (uint32_t)round * 0x40000000u,
		.ack = (uint32_t)hash,
		.flags = PKT_ACK,
	};

	return write_segment(ip, ends, &numbers);
}

bool
tcp_answer_is_proof(const struct pkt *p, const uint8_t key[TCP_ANSWER_KEY_BYTES])
{
	struct ends ends = tcp_answer_ends(p);

	return load_be32(p->data + p->l4_offset + TCP_SEQ) == tcp_answer_nonce(key, &ends);
}

bool
tcp_answer_allowed(const struct pkt *p)
{
	return p->kind != PKT_ICMP_ERROR && p->protocol == SHUNT_TCP && p->l4_offset &&
		!(p->tcp_flags & PKT_RST) && !(p->data[0] & ETHERNET_GROUP);
}

/* Sequence numbers that the segment takes up. */
static uint32_t
segment_length(const struct pkt *p)
{
	uint32_t header = p->l4_offset + (uint32_t)(p->data[p->l4_offset + TCP_OFFSET] >> 4) * 4;

	return (p->bytes > header ? p->bytes - header : 0) + !!(p->tcp_flags & PKT_SYN) +
		!!(p->tcp_flags & PKT_FIN);
}

void
tcp_answer_turn_link(uint8_t *frame, const struct shunt_mac *port_mac)
{
	memcpy(frame, frame + ETHERNET_SOURCE, sizeof(port_mac->bytes));
	memcpy(frame + ETHERNET_SOURCE, port_mac->bytes, sizeof(port_mac->bytes));
}

/* RFC 9293 section 3.10.7.1. */
void
tcp_answer_reset(struct pkt *p, const struct shunt_mac *port_mac)
{
	const uint8_t *tcp = p->data + p->l4_offset;
	struct ends ends = tcp_answer_ends(p);
	uint8_t source[16], destination[16];
	size_t bytes = p->version == 4 ? 4 : 16;
	struct numbers numbers = { .flags = PKT_RST };

	if (p->tcp_flags & PKT_ACK) {
		numbers.seq = load_be32(tcp + TCP_ACK);
	} else {
		numbers.ack = load_be32(tcp + TCP_SEQ) + segment_length(p);
		numbers.flags |= PKT_ACK;
	}
	memcpy(source, ends.source, bytes);
	memcpy(destination, ends.destination, bytes);
	ends.source = source;
	ends.destination = destination;
	tcp_answer_turn_link(p->data, port_mac);
	p->bytes = p->l3_offset + write_segment(p->data + p->l3_offset, &ends, &numbers);
	p->out_port = p->in_port;
	p->drop = SHUNT_DROP_NONE;
}
