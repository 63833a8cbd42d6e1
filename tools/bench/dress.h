/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets that are measured all look the same. For the verification they are dressed up: TCP
 * and UDP, options of IP and TCP, extension headers, flags, data of any length, padding, a
 * priority tag, first fragments, checksums that are wrong and shall stay so; and some are broken.
 * So what has a way of its own in the packet path is seen there, and among packets of the plain
 * kind.
 */
#ifndef BENCH_DRESS_H
#define BENCH_DRESS_H

#include "frame.h"

/* What stays of a packet, whatever it wears. */
struct dress_body {
	uint8_t source[16]; /* IPv4: the first 4 bytes */
	uint8_t destination[16];
	uint16_t sport_be;
	uint16_t dport_be;
	uint8_t version;
	uint8_t protocol;
	uint8_t tcp_flags;
	uint8_t from_mac;   /* last byte of the sender's */
	uint8_t data_bytes; /* of a plain frame */
};

/* What decides how packets look. */
struct dresser {
	uint64_t random; /* not 0 */
	uint16_t fragments;
};

/* Of a plain TCP frame. */
void dress_read(const struct frame *f, struct dress_body *body);

/* The frame of the body as simple as can be. */
void dress_plain(struct frame *f, const struct dress_body *body);

/* And in any of its other forms. */
void dress_fancy(struct dresser *dresser, struct frame *f, const struct dress_body *body);

/* Makes it one that must go no further, in any of many ways. Not for fragments. */
void dress_break(struct dresser *dresser, struct frame *f, bool to_client);

/*
 * Changes the data, if there are 2 bytes of it, so that a checksum which would have become
 * `checksum` on the way becomes zero.
 */
void dress_for_zero(struct frame *f, uint16_t checksum);

#endif
