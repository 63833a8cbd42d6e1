/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_answer.h"

#include <arpa/inet.h>

#include "fields.h"
#include "seq.h"
#include "shunt/selection.h"

enum {
	ETHERNET_SOURCE = 6,
	ETHERNET_GROUP = 1, /* in the first byte of an address */

	IP4_DONT_FRAGMENT = 0x40,
	TTL = 64,

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

struct ends
tcp_answer_ends(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;

	return (struct ends){
		.source = ip + field_destination(p->version),
		.destination = ip + field_source(p->version),
		.sport_be = p->dport_be,
		.dport_be = p->sport_be,
		.version = p->version,
	};
}

/* The nonce is the lower half; the upper one is where the sequence numbers begin. */
static uint64_t
nonce_hash(const uint8_t *key, const struct ends *ends)
{
	size_t bytes = field_address_bytes(ends->version);
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
write_ip4(uint8_t *ip, const struct ends *ends, unsigned int tcp_bytes)
{
	memset(ip, 0, IP4_BYTES);
	ip[0] = 0x45;
	field_store_be16(ip + 2, IP4_BYTES + tcp_bytes);
	ip[6] = IP4_DONT_FRAGMENT;
	ip[8] = TTL;
	ip[9] = SHUNT_TCP;
	memcpy(ip + 12, ends->source, 4);
	memcpy(ip + 16, ends->destination, 4);
	field_store_checksum(ip + IP4_CHECKSUM, checksum_sum(ip, IP4_BYTES));
}

static void
write_ip6(uint8_t *ip, const struct ends *ends, unsigned int tcp_bytes)
{
	memset(ip, 0, IP6_BYTES);
	ip[0] = 0x60;
	field_store_be16(ip + 4, tcp_bytes);
	ip[6] = SHUNT_TCP;
	ip[7] = TTL;
	memcpy(ip + 8, ends->source, 16);
	memcpy(ip + 24, ends->destination, 16);
}

/* The whole segment. The ends must not point into it. */
static unsigned int
write_segment(uint8_t *ip, const struct ends *ends, const struct tcp_segment *segment)
{
	unsigned int bytes = TCP_BYTES + segment->option_bytes;
	const uint8_t pseudo[4] = { 0, SHUNT_TCP, 0, (uint8_t)bytes };
	bool v4 = ends->version == 4;
	uint8_t *tcp = ip + (v4 ? IP4_BYTES : IP6_BYTES);
	uint64_t sum;

	if (v4)
		write_ip4(ip, ends, bytes);
	else
		write_ip6(ip, ends, bytes);
	memset(tcp, 0, TCP_BYTES);
	memcpy(tcp, &ends->sport_be, 2);
	memcpy(tcp + 2, &ends->dport_be, 2);
	seq_store(tcp + TCP_SEQ_NUMBER, segment->seq);
	seq_store(tcp + TCP_ACK_NUMBER, segment->ack);
	tcp[TCP_DATA_OFFSET] = (uint8_t)(bytes / 4 << 4);
	tcp[TCP_FLAGS] = segment->flags;
	field_store_be16(tcp + TCP_WINDOW, segment->window);
	if (segment->option_bytes)
		memcpy(tcp + TCP_BYTES, segment->options, segment->option_bytes);
	/* RFC 9293 section 3.1: pseudo header and segment. */
	sum = (uint64_t)checksum_sum(pseudo, sizeof(pseudo)) + checksum_sum(tcp, bytes);
	sum += checksum_sum(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32);
	field_store_checksum(tcp + TCP_CHECKSUM, checksum_fold(sum));
	return (v4 ? IP4_BYTES : IP6_BYTES) + bytes;
}

unsigned int
tcp_answer_write(uint8_t *ip, const struct ends *ends, const struct tcp_segment *segment)
{
	return write_segment(ip, ends, segment);
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
	struct tcp_segment segment = {
		.window = WINDOW,
		.seq = (uint32_t)(hash >> 32) + (uint32_t)round * 0x40000000u,
		.ack = (uint32_t)hash,
		.flags = PKT_ACK,
	};

	return write_segment(ip, ends, &segment);
}

bool
tcp_answer_is_proof(const struct pkt *p, const uint8_t key[TCP_ANSWER_KEY_BYTES])
{
	struct ends ends = tcp_answer_ends(p);

	return seq_load(p->data + p->l4_offset + TCP_SEQ_NUMBER) == tcp_answer_nonce(key, &ends);
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
	uint32_t header =
		p->l4_offset + (uint32_t)(p->data[p->l4_offset + TCP_DATA_OFFSET] >> 4) * 4;

	return (p->bytes > header ? p->bytes - header : 0) + !!(p->tcp_flags & PKT_SYN) +
		!!(p->tcp_flags & PKT_FIN);
}

void
tcp_answer_turn_link(uint8_t *frame, const struct shunt_mac *port_mac)
{
	memcpy(frame, frame + ETHERNET_SOURCE, sizeof(port_mac->bytes));
	memcpy(frame + ETHERNET_SOURCE, port_mac->bytes, sizeof(port_mac->bytes));
}

void
tcp_answer_turn(struct pkt *p, const struct tcp_segment *segment, const struct shunt_mac *port_mac)
{
	struct ends ends = tcp_answer_ends(p);
	uint8_t source[16], destination[16];
	size_t bytes = field_address_bytes(p->version);

	memcpy(source, ends.source, bytes);
	memcpy(destination, ends.destination, bytes);
	ends.source = source;
	ends.destination = destination;
	tcp_answer_turn_link(p->data, port_mac);
	p->bytes = p->l3_offset + write_segment(p->data + p->l3_offset, &ends, segment);
	p->out_port = p->in_port;
	p->drop = SHUNT_DROP_NONE;
}

/* RFC 9293 section 3.10.7.1. */
void
tcp_answer_reset(struct pkt *p, const struct shunt_mac *port_mac)
{
	const uint8_t *tcp = p->data + p->l4_offset;
	struct tcp_segment segment = { .flags = PKT_RST };

	if (p->tcp_flags & PKT_ACK) {
		segment.seq = seq_load(tcp + TCP_ACK_NUMBER);
	} else {
		segment.ack = seq_load(tcp + TCP_SEQ_NUMBER) + segment_length(p);
		segment.flags |= PKT_ACK;
	}
	tcp_answer_turn(p, &segment, port_mac);
}
