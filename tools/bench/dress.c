/* SPDX-License-Identifier: BSD-3-Clause */
#include "dress.h"

#include <string.h>

#include "pkt.h"
#include "zipf.h"

enum {
	DATA_MAX = 1300, /* so that no header put in front makes it too big */
	OPTIONS_MAX = 40,
	SHORTEST_FRAME = 60, /* without its FCS */
	TAG_PRIORITY = 0xa000,
	IP4_MORE = 0x2000,
	IP4_DF = 0x4000,
};

/* Options of IPv4 and TCP: bytes as they lie in the header, a multiple of four. */
struct options {
	uint8_t bytes;
	uint8_t at[OPTIONS_MAX];
};

/* Nothing; NOPs; router alert; a record of the route with room for two, and NOP; a full header. */
static const struct options ip4_options[] = {
	{ 0 },
	{ 4, { 1, 1, 1, 1 } },
	{ 4, { 148, 4, 0, 0 } },
	{ 12, { 7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
	{ 40, { 68, 40, 5, 0 } },
};

/* As next header, from the first on: none; destination options; hop by hop and these. */
static const struct options ip6_extensions[] = {
	{ 0 },
	{ 8, { 60 } },
	{ 24, { 0, 60 } },
};

/* Nothing; MSS; timestamps as Linux has them; at an odd place; all that Linux's SYN has. */
static const struct options tcp_options[] = {
	{ 0 },
	{ 4, { 2, 4, 5, 180 } },
	{ 12, { 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ 12, { 1, 8, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 } },
	{ 20, { 2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7 } },
	{ 40, { 1, 1, 5, 34, 1, 2, 3, 4, 5, 6, 7, 8 } },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How a packet is made. All zero: as simple as can be. */
struct dress {
	uint8_t traffic_class;
	uint8_t ttl;
	uint32_t id; /* IPv4; of IPv6 the flow label */
	uint16_t fragment;
	bool tagged;
	bool damaged;	    /* a bit of the data is another than the checksum says */
	bool without_check; /* UDP without a checksum, over IPv4 */
	uint8_t more_flags;
	uint8_t udp_behind; /* bytes behind the datagram, within the IP packet */
	uint8_t padding;
	uint32_t data_bytes;
	const struct options *ip;
	const struct options *tcp;
};

void
dress_read(const struct frame *f, struct dress_body *body)
{
	struct frame_layout l;

	frame_layout(f, &l);
	*body = (struct dress_body){
		.version = l.version,
		.protocol = l.protocol,
		.tcp_flags = f->bytes[l.l4 + 13],
		.from_mac = f->bytes[11],
	};
	memcpy(body->source, f->bytes + l.source, l.address_bytes);
	memcpy(body->destination, f->bytes + l.destination, l.address_bytes);
	memcpy(&body->sport_be, f->bytes + l.l4, 2);
	memcpy(&body->dport_be, f->bytes + l.l4 + 2, 2);
}

static void
put(struct frame *f, const void *bytes, uint32_t count)
{
	memcpy(f->bytes + f->length, bytes, count);
	f->length += count;
}

static void
put_ethernet(struct frame *f, const struct dress_body *b, const struct dress *d)
{
	const uint8_t head[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, b->from_mac };

	put(f, head, sizeof(head));
	f->length += d->tagged ? 6 : 2;
	if (d->tagged) {
		frame_put_be16(f, 12, 0x8100);
		frame_put_be16(f, 14, TAG_PRIORITY);
	}
	frame_put_be16(f, f->length - 2, b->version == 4 ? 0x0800 : 0x86dd);
}

static void
put_ip4(struct frame *f, const struct dress_body *b, const struct dress *d, uint32_t l4_bytes)
{
	uint8_t header[20] = { [0] = (uint8_t)(0x45 + d->ip->bytes / 4), [1] = d->traffic_class };
	uint32_t at = f->length;

	header[8] = d->ttl;
	header[9] = b->protocol;
	memcpy(header + 12, b->source, 4);
	memcpy(header + 16, b->destination, 4);
	put(f, header, sizeof(header));
	frame_put_be16(f, at + 2, 20 + d->ip->bytes + l4_bytes);
	frame_put_be16(f, at + 4, d->id);
	frame_put_be16(f, at + 6, d->fragment);
	put(f, d->ip->at, d->ip->bytes);
}

/* The first extension header's kind stands first in d->ip; its bytes are padding options. */
static void
put_ip6(struct frame *f, const struct dress_body *b, const struct dress *d, uint32_t l4_bytes)
{
	uint8_t header[8] = { [7] = d->ttl }, extension[24] = { 0 };
	uint32_t at = f->length;

	frame_put_be16(f, at, 0);
	header[0] = (uint8_t)(0x60 | d->traffic_class >> 4);
	header[1] = (uint8_t)(d->traffic_class << 4 | ((d->id >> 16) & 0xf));
	header[6] = d->ip->bytes ? d->ip->at[0] : b->protocol;
	put(f, header, sizeof(header));
	frame_put_be16(f, at + 2, d->id);
	frame_put_be16(f, at + 4, d->ip->bytes + l4_bytes);
	put(f, b->source, 16);
	put(f, b->destination, 16);
	extension[0] = b->protocol;
	extension[2] = 1; /* PadN of six bytes in all */
	extension[3] = 4;
	if (d->ip->bytes == 24) { /* the second one is twice as long */
		extension[0] = d->ip->at[1];
		extension[8] = b->protocol;
		extension[9] = 1;
		extension[10] = 1;
		extension[11] = 12;
	}
	put(f, extension, d->ip->bytes);
}

static void
put_tcp(struct frame *f, const struct dress_body *b, const struct dress *d)
{
	uint8_t header[20] = { [4] = 1, 2, 3, 4, 5, 6, 7, 8, [14] = 0x20 };

	memcpy(header, &b->sport_be, 2);
	memcpy(header + 2, &b->dport_be, 2);
	header[12] = (uint8_t)((5 + d->tcp->bytes / 4) << 4);
	header[13] = b->tcp_flags | d->more_flags;
	header[19] = d->more_flags & PKT_URG ? 1 : 0;
	put(f, header, sizeof(header));
	put(f, d->tcp->at, d->tcp->bytes);
}

static void
put_udp(struct frame *f, const struct dress_body *b, const struct dress *d)
{
	uint32_t at = f->length;

	f->length += 8;
	memcpy(f->bytes + at, &b->sport_be, 2);
	memcpy(f->bytes + at + 2, &b->dport_be, 2);
	/* The length is that of the whole datagram, of which a fragment may have less. */
	frame_put_be16(f, at + 4, 8 + d->data_bytes + (d->fragment & IP4_MORE ? 64 : 0));
	frame_put_be16(f, at + 6, d->without_check ? 0 : 1); /* some; it is put in last */
}

static void
make(struct frame *f, const struct dress_body *b, const struct dress *d)
{
	bool tcp = b->protocol == SHUNT_TCP;
	uint32_t header = tcp ? 20u + d->tcp->bytes : 8u;
	uint32_t behind = d->data_bytes + (tcp ? 0 : d->udp_behind);
	struct frame_layout l;

	memset(f, 0, sizeof(*f));
	put_ethernet(f, b, d);
	if (b->version == 4)
		put_ip4(f, b, d, header + behind);
	else
		put_ip6(f, b, d, header + behind);
	if (tcp)
		put_tcp(f, b, d);
	else
		put_udp(f, b, d);
	for (uint32_t i = 0; i < behind; i++)
		f->bytes[f->length++] = (uint8_t)(i * 7 + d->id);
	frame_layout(f, &l);
	frame_put_ip_checksum(f, &l);
	frame_put_l4_checksum(f, &l, 0xffff);
	if (d->damaged && d->data_bytes)
		f->bytes[l.l4 + header] ^= 0x40;
	for (uint32_t i = 0; i < d->padding; i++)
		f->bytes[f->length++] = 0xee;
	while (f->length < SHORTEST_FRAME)
		f->bytes[f->length++] = 0;
}

void
dress_plain(struct frame *f, const struct dress_body *body)
{
	const struct dress plain = {
		.ttl = 64,
		.data_bytes = body->data_bytes,
		.ip = &ip4_options[0],
		.tcp = &tcp_options[0],
	};

	make(f, body, &plain);
}

/* True once in `times`, a power of two. */
static bool
chance(uint64_t *random, uint32_t times)
{
	return (zipf_random(random) & (times - 1)) == 0;
}

static uint32_t
data_bytes(uint64_t *random)
{
	uint32_t drawn = zipf_random(random);

	switch (drawn % 4) {
	case 0:
		return 0;
	case 1:
		return drawn / 4 % DATA_MAX;
	default:
		return drawn / 4 % 33;
	}
}

/* FIN only where it ends something: after the SYN, and not always. */
static uint8_t
more_flags(const struct dress_body *b, uint64_t *random)
{
	static const uint8_t flags[] = { 0, PKT_PSH, PKT_URG, PKT_PSH | PKT_URG, 0x40, 0xc0 };
	uint8_t more = flags[zipf_random(random) % COUNT(flags)];

	return b->tcp_flags == PKT_ACK && chance(random, 16) ? more | PKT_FIN : more;
}

/*
 * Fragments are for headers of the simple kind: what is cut off is data. They need ids of their
 * own, or one would be taken for another one's datagram.
 */
static void
cut(struct dress *d, const struct dress_body *b, uint16_t id)
{
	d->id = id;
	d->ip = &ip4_options[0];
	d->tcp = &tcp_options[0];
	d->fragment = IP4_MORE;
	d->udp_behind = 0;
	d->without_check = false;
	d->damaged = true; /* for the checksum is that of the whole */
	d->data_bytes = 8 * (d->data_bytes / 8 + 1) + (b->protocol == SHUNT_TCP ? 4 : 0);
}

void
dress_fancy(struct dresser *dresser, struct frame *f, const struct dress_body *body)
{
	uint64_t *random = &dresser->random;
	static const uint8_t ttls[] = { 2, 64, 64, 255 };
	struct dress d = {
		.traffic_class = chance(random, 2) ? 0 : (uint8_t)zipf_random(random),
		.ttl = ttls[zipf_random(random) % COUNT(ttls)],
		.id = chance(random, 2) ? 0 : zipf_random(random),
		.fragment = chance(random, 2) ? 0 : IP4_DF,
		.tagged = chance(random, 8),
		.damaged = chance(random, 16),
		.without_check = body->version == 4 && chance(random, 8),
		.more_flags = more_flags(body, random),
		.udp_behind = chance(random, 8) ? 3 : 0,
		.padding = chance(random, 4) ? (uint8_t)(zipf_random(random) % 20) : 0,
		.data_bytes = data_bytes(random),
		.ip = body->version == 4 ? &ip4_options[0] : &ip6_extensions[0],
		.tcp = &tcp_options[zipf_random(random) % COUNT(tcp_options)],
	};

	if (chance(random, 4))
		d.ip = body->version == 4
			? &ip4_options[zipf_random(random) % COUNT(ip4_options)]
			: &ip6_extensions[zipf_random(random) % COUNT(ip6_extensions)];
	if (body->version == 4 && chance(random, 64))
		cut(&d, body, ++dresser->fragments);
	make(f, body, &d);
}

void
dress_for_zero(struct frame *f, uint16_t checksum)
{
	struct frame_layout l;
	uint32_t data, sum;

	frame_layout(f, &l);
	data = l.l4 + (l.protocol == SHUNT_TCP ? (f->bytes[l.l4 + 12] >> 4) * 4u : 8);
	if (data + 2 > l.end || frame_l4_sum(f, &l) != 0xffff)
		return;
	sum = (uint32_t)frame_be16(f, data) + checksum;
	frame_put_be16(f, data, (sum & 0xffff) + (sum >> 16));
	frame_put_l4_checksum(f, &l, 0xffff);
}

/* Of the Ethernet and IP headers. */
static void
break_ip(struct frame *f, const struct frame_layout *l, uint32_t how)
{
	uint32_t bytes = f->length - l->l3 + 1;

	switch (how) {
	case 0:
		frame_put_be16(f, l->l3 - 2, 0x0806);
		break;
	case 1:
		f->bytes[l->l3] ^= 0x30; /* version 7 or 5 */
		break;
	case 2: /* longer than the frame */
		if (l->version == 4)
			frame_put_be16(f, l->l3 + 2, bytes);
		else
			frame_put_be16(f, l->l3 + 4, bytes - 40);
		frame_put_ip_checksum(f, l);
		break;
	case 3: /* from a multicast address */
		f->bytes[l->source] = l->version == 4 ? 224 : 0xff;
		frame_put_ip_checksum(f, l);
		break;
	default: /* a wrong checksum, or the frame is cut */
		if (l->version == 4)
			f->bytes[l->l3 + 10] ^= 0x10;
		else
			f->length = l->l4 + 4;
		break;
	}
}

static void
break_l4(struct frame *f, const struct frame_layout *l, uint32_t how, bool to_client)
{
	bool tcp = l->protocol == SHUNT_TCP;

	switch (how) {
	case 0: /* impossible flags, or a length below the header's */
		if (tcp)
			f->bytes[l->l4 + 13] = PKT_SYN | PKT_FIN;
		else
			frame_put_be16(f, l->l4 + 4, 7);
		break;
	case 1: /* a header, or a datagram, longer than the packet */
		if (tcp)
			frame_put_be16(
				f, l->l4 + 12, (l->end - l->l4 < 60 ? 0xf000 : 0x4000) | PKT_ACK);
		else
			frame_put_be16(f, l->l4 + 4, l->end - l->l4 + 1);
		break;
	default: /* no service, or no server, has this port */
		f->bytes[l->l4 + (to_client ? 1 : 3)] ^= 0x01;
		break;
	}
}

void
dress_break(struct dresser *dresser, struct frame *f, bool to_client)
{
	uint32_t how = zipf_random(&dresser->random) % 8;
	struct frame_layout l;

	frame_layout(f, &l);
	if (how < 5)
		break_ip(f, &l, how);
	else
		break_l4(f, &l, how - 5, to_client);
}
