/* SPDX-License-Identifier: BSD-3-Clause */
#include "mss.h"

#include <arpa/inet.h>

#include "checksum.h"

enum {
	TCP_DATA_OFFSET = 12,
	TCP_CHECKSUM = 16,
	TCP_OPTIONS = 20,
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_MSS_BYTES = 4,
};

/* The MSS option's value in a TCP header of this length, or NULL. */
static uint8_t *
mss_find(uint8_t *tcp, unsigned int bytes)
{
	unsigned int i = TCP_OPTIONS, length;

	while (i < bytes && tcp[i] != OPTION_END) {
		if (tcp[i] == OPTION_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= bytes)
			return NULL;
		length = tcp[i + 1];
		if (length < 2 || length > bytes - i)
			return NULL;
		if (tcp[i] == OPTION_MSS)
			return length == OPTION_MSS_BYTES ? tcp + i + 2 : NULL;
		i += length;
	}
	return NULL;
}

/*
 * What the checksum loses and gains with the new value. The option may stand at an odd offset, and
 * its bytes then belong to two words: the sum of the shifted bytes is the byte-swapped sum of the
 * bytes (RFC 1071 section 2(B)).
 */
static uint16_t
mss_delta(uint16_t before_be, uint16_t after_be, bool odd)
{
	uint16_t delta = checksum_delta(before_be, after_be);

	return odd ? (uint16_t)(delta << 8 | delta >> 8) : delta;
}

void
mss_clamp(struct pkt *p, uint16_t limit)
{
	uint8_t *tcp = p->data + p->l4_offset, *at;
	uint16_t limit_be = htons(limit), mss_be, checksum;

	if (!(p->tcp_flags & PKT_SYN))
		return;
	at = mss_find(tcp, (tcp[TCP_DATA_OFFSET] >> 4) * 4u);
	if (!at)
		return;
	memcpy(&mss_be, at, sizeof(mss_be));
	if (ntohs(mss_be) <= limit)
		return;
	memcpy(&checksum, tcp + TCP_CHECKSUM, sizeof(checksum));
	checksum = checksum_update(checksum, mss_delta(mss_be, limit_be, (at - tcp) % 2));
	memcpy(tcp + TCP_CHECKSUM, &checksum, sizeof(checksum));
	memcpy(at, &limit_be, sizeof(limit_be));
}
