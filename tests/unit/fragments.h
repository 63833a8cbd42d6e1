/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments for tests: pieces of a frame that frame_build() has made, of either family. */
#ifndef TESTS_FRAGMENTS_H
#define TESTS_FRAGMENTS_H

#include "frames.h"

/* A piece of a datagram: bytes offset .. offset + bytes of what is behind the IP header. */
struct fragment_spec {
	size_t offset; /* a multiple of 8 */
	size_t bytes;
	bool more;
	uint32_t id;
};

/*
 * Writes the piece to out; returns the frame's length. What is behind the end of the whole
 * datagram is zero. The whole has no options and no extension headers.
 */
static inline size_t
fragment_build(uint8_t *out, const uint8_t *whole, size_t whole_bytes, struct fragment_spec f)
{
	bool v4 = whole[14] >> 4 == 4;
	size_t header = v4 ? 20 : 40, l4 = 14 + header, extension = v4 ? 0 : 8;
	uint8_t *ip = out + 14, *to = out + l4 + extension;
	size_t there = whole_bytes - l4 > f.offset ? whole_bytes - l4 - f.offset : 0;

	memcpy(out, whole, l4);
	memset(to, 0, f.bytes);
	memcpy(to, whole + l4 + f.offset, there < f.bytes ? there : f.bytes);
	if (v4) {
		frame_put16(ip + 2, header + f.bytes);
		frame_put16(ip + 4, f.id & 0xffff);
		frame_put16(ip + 6, f.offset / 8 | (f.more ? 0x2000 : 0));
		frame_put16(ip + 10, frame_ip4_checksum(ip));
	} else {
		frame_put16(ip + 4, extension + f.bytes);
		ip[40] = ip[6];
		ip[41] = 0;
		ip[6] = 44;
		frame_put16(ip + 42, f.offset | f.more);
		frame_put16(ip + 44, f.id >> 16);
		frame_put16(ip + 46, f.id & 0xffff);
	}
	return l4 + extension + f.bytes;
}

#endif
