/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Pure, any thread.
 *
 * A "sum" here is the folded 16-bit ones' complement sum, not inverted, of 16-bit words as they lie
 * in memory: RFC 1071 section 2(B) shows that the byte order does not matter as long as the sum is
 * stored the way the words were loaded, so nothing is swapped anywhere. Zero has two
 * representations in ones' complement; a sum is 0x0000 only if all its words are, and 0xffff
 * otherwise.
 *
 * Rewriting an address or a port takes the old one's sum out of a checksum and puts the new one's
 * in; the difference of the two is known before the packet comes. What the packet's checksum was
 * off by before, it is off by afterwards: a bad one is never repaired.
 */
#ifndef DATAPLANE_CHECKSUM_H
#define DATAPLANE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t
checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

/* The same of the sum of some 65,000 words at most: its halves meet in the upper one, with the
 * carry. */
static inline uint16_t
checksum_fold32(uint32_t sum)
{
	return (uint16_t)((sum + (sum << 16 | sum >> 16)) >> 16);
}

/* The sum of bytes; an odd one at the end counts as if a zero byte followed (RFC 1071). */
static inline uint16_t
checksum_sum(const void *data, size_t bytes)
{
	const uint8_t *in = data;
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half = 0;

	for (; bytes >= 4; in += 4, bytes -= 4) {
		memcpy(&word, in, 4);
		sum += word;
	}
	if (bytes >= 2) {
		memcpy(&half, in, 2);
		sum += half;
		in += 2;
		bytes -= 2;
	}
	if (bytes) {
		half = 0;
		memcpy(&half, in, 1);
		sum += half;
	}
	return checksum_fold(sum);
}

static inline uint16_t
checksum_add(uint16_t a, uint16_t b)
{
	return checksum_fold32((uint32_t)a + b);
}

/*
 * The sums of an endpoint: l3_sum of its address (4 or 16 bytes), which an IPv4 header's checksum
 * covers, and l4_sum of address and port, which TCP's and UDP's cover (by the pseudo header).
 */
static inline uint16_t
checksum_l3_sum(const void *address, size_t bytes)
{
	return checksum_sum(address, bytes);
}

static inline uint16_t
checksum_l4_sum(uint16_t l3_sum, uint16_t port_be)
{
	return checksum_add(l3_sum, port_be);
}

/* What to add when words with the sum `before` are replaced by words with the sum `after`. */
static inline uint16_t
checksum_delta(uint16_t before, uint16_t after)
{
	return checksum_fold32((uint32_t)(uint16_t)~before + after);
}

/*
 * Equation 3 of RFC 1624: HC' = ~(~HC + ~m + m'). The simpler equation of RFC 1141 would give
 * 0xffff where full computation gives 0x0000. If the new words are not all zero, the result is what
 * full computation gives, bit for bit.
 */
static inline uint16_t
checksum_update(uint16_t checksum, uint16_t delta)
{
	return (uint16_t)~checksum_fold32((uint32_t)(uint16_t)~checksum + delta);
}

/*
 * The same for UDP, where 0 says that there is no checksum (RFC 768). None stays none; it is not
 * allowed over IPv6 (RFC 8200 section 8.1), and there too it is left for the server to judge. A
 * checksum that comes out as 0 is sent as 0xffff, its other representation.
 */
static inline uint16_t
checksum_update_udp(uint16_t checksum, uint16_t delta)
{
	uint16_t updated = checksum_update(checksum, delta);

	if (checksum == 0)
		return 0;
	return updated ? updated : 0xffff;
}

#endif
