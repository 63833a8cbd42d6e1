/* SPDX-License-Identifier: BSD-3-Clause */
#include "mss.h"

#include <arpa/inet.h>

#include "checksum.h"
#include "tcp_option.h"

enum {
	TCP_CHECKSUM = 16,
};

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
	at = tcp_option_find(tcp, TCP_OPTION_MSS);
	if (!at || at[1] != TCP_OPTION_MSS_BYTES)
		return;
	at += 2;
	memcpy(&mss_be, at, sizeof(mss_be));
	if (ntohs(mss_be) <= limit)
		return;
	memcpy(&checksum, tcp + TCP_CHECKSUM, sizeof(checksum));
	checksum = checksum_update(checksum, mss_delta(mss_be, limit_be, (at - tcp) % 2));
	memcpy(tcp + TCP_CHECKSUM, &checksum, sizeof(checksum));
	memcpy(at, &limit_be, sizeof(limit_be));
}
