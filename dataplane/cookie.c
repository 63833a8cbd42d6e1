/* SPDX-License-Identifier: BSD-3-Clause */
#include "cookie.h"

#include <arpa/inet.h>

#include "ends.h"
#include "fields.h"
#include "seq.h"
#include "shunt/selection.h"
#include "tcp_answer.h"
#include "tcp_option.h"

enum {
	PARITY = 1 << 8,
	DATA_MASK = 0xff,
	HASH_SHIFT = 9,

	MAX_OPTION_BYTES = 12,
	MAX_SCALE = 14, /* RFC 7323 section 2.3: what is above counts as this */
};

/*
 * What paths mostly allow: of no options and bare IP, of common tunnels, of PPPoE, of Ethernet and
 * of jumbo frames. The first is the least that Linux believes; below it nobody can work.
 */
static const uint16_t mss_table[2][COOKIE_MSS_COUNT] = {
	{ 88, 536, 1220, 1360, 1400, 1440, 1460, 8960 },
	{ 88, 1220, 1280, 1340, 1380, 1420, 1440, 8940 },
};

/* What the hash covers. */
struct cookie_input {
	uint8_t client[16];
	uint8_t service[16];
	uint16_t client_port_be;
	uint16_t service_port_be;
	uint32_t isn;
	uint32_t minute;
	uint32_t data;
};

uint16_t
cookie_mss(uint8_t version, uint8_t index)
{
	return mss_table[version == 6][index % COOKIE_MSS_COUNT];
}

/* Without the option: RFC 9293 section 3.7.1. */
static uint8_t
mss_index(uint8_t version, bool has_mss, uint16_t mss)
{
	uint8_t index = COOKIE_MSS_COUNT - 1;

	if (!has_mss)
		mss = version == 4 ? 536 : 1220;
	while (index > 0 && cookie_mss(version, index) > mss)
		index--;
	return index;
}

struct cookie_options
cookie_options_of(const struct pkt *p)
{
	uint8_t *tcp = p->data + p->l4_offset;
	const uint8_t *mss = tcp_option_find(tcp, TCP_OPTION_MSS);
	const uint8_t *scale = tcp_option_find(tcp, TCP_OPTION_SCALE);
	const uint8_t *sack = tcp_option_find(tcp, TCP_OPTION_SACK_PERMITTED);
	struct cookie_options options = { .scale = COOKIE_NO_SCALE };

	options.has_mss = mss && mss[1] == TCP_OPTION_MSS_BYTES;
	options.mss = mss_index(
		p->version, options.has_mss, options.has_mss ? field_load_be16(mss + 2) : 0);
	options.sack = sack && sack[1] == TCP_OPTION_SACK_PERMITTED_BYTES;
	if (scale && scale[1] == TCP_OPTION_SCALE_BYTES)
		options.scale = scale[2] > MAX_SCALE ? MAX_SCALE : scale[2];
	return options;
}

/* Padded with NOPs in front, so that all is in whole words. */
static unsigned int
write_options(uint8_t *at, bool with_mss, uint16_t mss, bool sack, uint8_t scale)
{
	unsigned int n = 0;

	if (with_mss) {
		at[n] = TCP_OPTION_MSS;
		at[n + 1] = TCP_OPTION_MSS_BYTES;
		field_store_be16(at + n + 2, mss);
		n += 4;
	}
	if (sack) {
		at[n] = at[n + 1] = TCP_OPTION_NOP;
		at[n + 2] = TCP_OPTION_SACK_PERMITTED;
		at[n + 3] = TCP_OPTION_SACK_PERMITTED_BYTES;
		n += 4;
	}
	if (scale != COOKIE_NO_SCALE) {
		at[n] = TCP_OPTION_NOP;
		at[n + 1] = TCP_OPTION_SCALE;
		at[n + 2] = TCP_OPTION_SCALE_BYTES;
		at[n + 3] = scale;
		n += 4;
	}
	return n;
}

static uint32_t
hash(const uint8_t *key, const struct pkt *p, uint32_t isn, uint32_t minute, uint32_t data)
{
	const uint8_t *ip = p->data + p->l3_offset;
	size_t bytes = field_address_bytes(p->version);
	struct cookie_input input = {
		.client_port_be = p->sport_be,
		.service_port_be = p->dport_be,
		.isn = isn,
		.minute = minute,
		.data = data | (uint32_t)p->version << 16,
	};

	static_assert(sizeof(input) == 48, "hashed as bytes");
	memcpy(input.client, ip + field_source(p->version), bytes);
	memcpy(input.service, ip + field_destination(p->version), bytes);
	return (uint32_t)shunt_siphash(key, &input, sizeof(input)) << HASH_SHIFT;
}

uint32_t
cookie_make(const uint8_t key[COOKIE_KEY_BYTES], const struct pkt *p, uint32_t isn, uint32_t minute,
	const struct cookie_options *options)
{
	uint32_t data = (uint32_t)options->mss << 5 | (uint32_t)options->sack << 4 | options->scale;

	return hash(key, p, isn, minute, data) | (minute & 1 ? PARITY : 0) | data;
}

/*
 * The client's first segments begin behind its SYN. A probe of the window of 0 may have the number
 * before (as Linux' has, tcp_xmit_probe_skb()), which is the SYN's own.
 */
bool
cookie_check(const uint8_t key[COOKIE_KEY_BYTES], const struct pkt *p, uint32_t minute,
	struct cookie_syn *syn)
{
	const uint8_t *tcp = p->data + p->l4_offset;
	uint32_t cookie = seq_load(tcp + TCP_ACK_NUMBER) - 1, data = cookie & DATA_MASK;
	uint32_t seq = seq_load(tcp + TCP_SEQ_NUMBER);

	if ((minute & 1) != !!(cookie & PARITY))
		minute--;
	for (uint32_t isn = seq - 1; isn != seq + 1; isn++) {
		if ((cookie >> HASH_SHIFT << HASH_SHIFT) != hash(key, p, isn, minute, data))
			continue;
		*syn = (struct cookie_syn){
			.isn = isn,
			.cookie = cookie,
			.window = field_load_be16(tcp + TCP_WINDOW),
			.options = { .has_mss = true,
				.mss = (uint8_t)(data >> 5),
				.sack = data >> 4 & 1,
				.scale = data & 0xf },
		};
		return cookie_checksum_is_good(p);
	}
	return false;
}

void
cookie_answer(struct pkt *p, const uint8_t key[COOKIE_KEY_BYTES], uint32_t minute, uint16_t mss,
	const struct shunt_mac *port_mac)
{
	const struct cookie_options options = cookie_options_of(p);
	uint32_t isn = seq_load(p->data + p->l4_offset + TCP_SEQ_NUMBER);
	uint8_t scale = options.scale == COOKIE_NO_SCALE ? COOKIE_NO_SCALE : COOKIE_SCALE;
	uint8_t bytes[MAX_OPTION_BYTES];
	struct tcp_segment segment = {
		.seq = cookie_make(key, p, isn, minute, &options),
		.ack = isn + 1,
		.flags = PKT_SYN | PKT_ACK,
		.options = bytes,
	};

	segment.option_bytes = write_options(bytes, options.has_mss, mss, options.sack, scale);
	tcp_answer_turn(p, &segment, port_mac);
}

/* Sums the whole segment and its pseudo header (RFC 9293 section 3.1). */
static uint16_t
segment_sum(const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;
	uint32_t bytes = p->bytes - p->l4_offset;
	uint8_t pseudo[4] = { 0, SHUNT_TCP, (uint8_t)(bytes >> 8), (uint8_t)bytes };
	uint64_t sum = (uint64_t)checksum_sum(pseudo, sizeof(pseudo)) +
		checksum_sum(ip + field_source(p->version),
			2 * (size_t)field_address_bytes(p->version)) +
		checksum_sum(p->data + p->l4_offset, bytes);

	return checksum_fold(sum);
}

bool
cookie_checksum_is_good(const struct pkt *p)
{
	return segment_sum(p) == 0xffff;
}

/* Lengths and checksums of what has got another TCP header and no data. */
static void
finish(struct pkt *p, unsigned int header_bytes)
{
	uint8_t *ip = p->data + p->l3_offset, *tcp = p->data + p->l4_offset;
	unsigned int ip_header = (ip[0] & 0xfu) * 4;

	p->bytes = p->l4_offset + header_bytes;
	tcp[TCP_DATA_OFFSET] = (uint8_t)(header_bytes / 4 << 4);
	memset(tcp + TCP_CHECKSUM, 0, 4); /* and the urgent pointer */
	if (p->version == 4) {
		field_store_be16(ip + 2, p->bytes - p->l3_offset);
		memset(ip + IP4_CHECKSUM, 0, 2);
		field_store_checksum(ip + IP4_CHECKSUM, checksum_sum(ip, ip_header));
	} else {
		field_store_be16(ip + 4, p->bytes - p->l3_offset - IP6_BYTES);
	}
	field_store_checksum(tcp + TCP_CHECKSUM, segment_sum(p));
}

static uint16_t
scaled(uint16_t window, uint8_t scale)
{
	uint32_t bytes = (uint32_t)window << (scale == COOKIE_NO_SCALE ? 0 : scale);

	return bytes > UINT16_MAX ? UINT16_MAX : (uint16_t)bytes;
}

void
cookie_to_syn(struct pkt *p, const struct cookie_syn *syn)
{
	const struct cookie_options *o = &syn->options;
	uint8_t options[MAX_OPTION_BYTES], *tcp;
	unsigned int n =
		write_options(options, true, cookie_mss(p->version, o->mss), o->sack, o->scale);
	unsigned int before = (p->data[p->l4_offset + TCP_DATA_OFFSET] >> 4) * 4u;

	/* What is longer begins further in front: behind the frame nothing is ours. */
	if (TCP_BYTES + n > before) {
		unsigned int grow = TCP_BYTES + n - before;

		if (p->headroom < grow) {
			p->drop = SHUNT_DROP_HEADROOM;
			return;
		}
		memmove(p->data - grow, p->data, p->l4_offset + 4u);
		p->data -= grow;
		p->headroom = (uint16_t)(p->headroom - grow);
		p->client -= grow;
	}
	tcp = p->data + p->l4_offset;
	seq_store(tcp + TCP_SEQ_NUMBER, syn->isn);
	seq_store(tcp + TCP_ACK_NUMBER, 0);
	tcp[TCP_FLAGS] = p->tcp_flags = PKT_SYN;
	field_store_be16(tcp + TCP_WINDOW, scaled(syn->window, o->scale));
	memcpy(tcp + TCP_BYTES, options, n);
	finish(p, TCP_BYTES + n);
}

void
cookie_to_ack(struct pkt *p, uint32_t seq, uint32_t ack, uint16_t window)
{
	uint8_t *tcp = p->data + p->l4_offset;

	seq_store(tcp + TCP_SEQ_NUMBER, seq);
	seq_store(tcp + TCP_ACK_NUMBER, ack);
	tcp[TCP_FLAGS] = p->tcp_flags = PKT_ACK;
	field_store_be16(tcp + TCP_WINDOW, window);
	finish(p, TCP_BYTES);
}
