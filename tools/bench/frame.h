/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames as the verification sees them: bytes, where the headers begin, and checksums worked out
 * the plain way, so that nothing is shared with what is being checked.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_BYTES 1700

struct frame {
	uint8_t bytes[FRAME_BYTES];
	uint32_t length;
};

struct frame_layout {
	uint8_t version;
	uint8_t protocol;
	bool later; /* a fragment that is not the first: no header of TCP or UDP */
	uint32_t l3;
	uint32_t l4;
	uint32_t end; /* of the IP packet; padding may follow */
	/* Of the addresses and of what changes on the way; all from the beginning of the frame. */
	uint32_t source;
	uint32_t destination;
	uint32_t address_bytes;
	uint32_t ttl;
	uint32_t l4_checksum;
};

/* The frame is Ethernet, with at most one tag, and TCP or UDP over IPv4 or IPv6. */
void frame_layout(const struct frame *f, struct frame_layout *layout);

/*
 * The sum over the segment or datagram and its pseudo header, the checksum among it: 0xffff if it
 * is right.
 */
uint16_t frame_l4_sum(const struct frame *f, const struct frame_layout *layout);

/* Sets the checksum of the IPv4 header, if there is one. */
void frame_put_ip_checksum(struct frame *f, const struct frame_layout *layout);

/*
 * Sets the checksum of TCP or UDP so that frame_l4_sum() is `sum` again: 0xffff makes it right, and
 * any other value keeps what it was wrong by. A UDP checksum of 0 (there is none) stays.
 */
void frame_put_l4_checksum(struct frame *f, const struct frame_layout *layout, uint16_t sum);

static inline uint16_t
frame_be16(const struct frame *f, uint32_t at)
{
	return (uint16_t)(f->bytes[at] << 8 | f->bytes[at + 1]);
}

static inline void
frame_put_be16(struct frame *f, uint32_t at, uint32_t value)
{
	f->bytes[at] = (uint8_t)(value >> 8);
	f->bytes[at + 1] = (uint8_t)value;
}

#endif
