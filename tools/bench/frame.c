/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include "shunt/types.h"

enum {
	ETHERTYPE_TAG = 0x8100,
	IP6_HOP_BY_HOP = 0,
	IP6_FRAGMENT = 44,
	IP6_DESTINATION_OPTIONS = 60,
};

static void
layout_ip6(const struct frame *f, struct frame_layout *l)
{
	uint8_t next = f->bytes[l->l3 + 6];
	uint32_t at = l->l3 + 40;

	while (next == IP6_HOP_BY_HOP || next == IP6_DESTINATION_OPTIONS || next == IP6_FRAGMENT) {
		uint32_t bytes = next == IP6_FRAGMENT ? 8 : (f->bytes[at + 1] + 1u) * 8;

		if (next == IP6_FRAGMENT)
			l->later = frame_be16(f, at + 2) & 0xfff8;
		next = f->bytes[at];
		at += bytes;
	}
	l->protocol = next;
	l->l4 = at;
	l->end = l->l3 + 40 + frame_be16(f, l->l3 + 4);
	l->source = l->l3 + 8;
	l->address_bytes = 16;
	l->ttl = l->l3 + 7;
}

void
frame_layout(const struct frame *f, struct frame_layout *l)
{
	*l = (struct frame_layout){ .l3 = frame_be16(f, 12) == ETHERTYPE_TAG ? 18 : 14 };
	l->version = f->bytes[l->l3] >> 4;
	if (l->version == 4) {
		l->protocol = f->bytes[l->l3 + 9];
		l->later = frame_be16(f, l->l3 + 6) & 0x1fff;
		l->l4 = l->l3 + (f->bytes[l->l3] & 0xf) * 4u;
		l->end = l->l3 + frame_be16(f, l->l3 + 2);
		l->source = l->l3 + 12;
		l->address_bytes = 4;
		l->ttl = l->l3 + 8;
	} else {
		layout_ip6(f, l);
	}
	l->destination = l->source + l->address_bytes;
	l->l4_checksum = l->l4 + (l->protocol == SHUNT_TCP ? 16 : 6);
}

/* 16 bits at a time. */
static uint32_t
plain_sum(const struct frame *f, uint32_t at, uint32_t end, uint32_t sum)
{
	for (; at < end; at += 2)
		sum += (uint32_t)f->bytes[at] << 8 | (at + 1 < end ? f->bytes[at + 1] : 0);
	return sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* UDP has a length of its own: bytes may follow it in the IP packet. */
static uint32_t
l4_end(const struct frame *f, const struct frame_layout *l)
{
	uint32_t end;

	if (l->protocol == SHUNT_TCP)
		return l->end;
	end = l->l4 + frame_be16(f, l->l4 + 4);
	return end < l->end ? end : l->end;
}

uint16_t
frame_l4_sum(const struct frame *f, const struct frame_layout *l)
{
	uint32_t end = l4_end(f, l);
	uint32_t sum = plain_sum(
		f, l->source, l->source + 2 * l->address_bytes, l->protocol + end - l->l4);

	return fold(plain_sum(f, l->l4, end, sum));
}

void
frame_put_ip_checksum(struct frame *f, const struct frame_layout *l)
{
	uint32_t header_end = l->l3 + (f->bytes[l->l3] & 0xf) * 4u;

	if (l->version != 4)
		return;
	frame_put_be16(f, l->l3 + 10, 0);
	frame_put_be16(f, l->l3 + 10, (uint16_t)~fold(plain_sum(f, l->l3, header_end, 0)));
}

void
frame_put_l4_checksum(struct frame *f, const struct frame_layout *l, uint16_t sum)
{
	uint16_t checksum;

	if (l->later || (l->protocol == SHUNT_UDP && frame_be16(f, l->l4_checksum) == 0))
		return;
	frame_put_be16(f, l->l4_checksum, 0);
	checksum = (uint16_t)~fold((uint32_t)(uint16_t)~sum + frame_l4_sum(f, l));
	if (checksum == 0 && l->protocol == SHUNT_UDP)
		checksum = 0xffff;
	frame_put_be16(f, l->l4_checksum, checksum);
}
