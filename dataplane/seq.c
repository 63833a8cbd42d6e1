/* SPDX-License-Identifier: BSD-3-Clause */
#include "seq.h"

#include "fields.h"
#include "tcp_option.h"

/*
 * What a checksum changes by when a number does. The number may stand at an odd offset, and its
 * bytes then belong to other halves of words: RFC 1071 section 2(B).
 */
static uint16_t
replace(uint8_t *at, uint32_t value, bool odd)
{
	uint16_t before = checksum_sum(at, sizeof(value)), delta;

	seq_store(at, value);
	delta = checksum_delta(before, checksum_sum(at, sizeof(value)));
	return odd ? (uint16_t)(delta << 8 | delta >> 8) : delta;
}

uint16_t
seq_shift_window(uint16_t window, int shift)
{
	uint64_t shifted = window;

	shifted = shift < 0 ? shifted >> -shift : shifted << shift;

	return shifted > UINT16_MAX ? UINT16_MAX : (uint16_t)shifted;
}

/* A SYN's window is not scaled (RFC 7323 section 2.2). */
static uint16_t
shift_window(const struct pkt *p, uint8_t *tcp, int shift)
{
	uint8_t *at = tcp + TCP_WINDOW;
	uint16_t before, after;

	if (shift == 0 || (p->tcp_flags & PKT_SYN))
		return 0;
	memcpy(&before, at, sizeof(before));
	field_store_be16(at, seq_shift_window(field_load_be16(at), shift));
	memcpy(&after, at, sizeof(after));
	return checksum_delta(before, after);
}

/* The edges of all blocks. */
static uint32_t
sack_blocks(uint8_t *tcp, uint32_t delta)
{
	uint8_t *option = tcp_option_find(tcp, TCP_OPTION_SACK), *at;
	uint32_t sum = 0;

	if (!option)
		return 0;
	for (at = option + 2; at + 8 <= option + option[1]; at += 8) {
		bool odd = (at - tcp) % 2;

		sum += replace(at, seq_load(at) - delta, odd);
		sum += replace(at + 4, seq_load(at + 4) - delta, odd);
	}
	return sum;
}

void
seq_to_client(struct pkt *p, uint32_t delta, int shift)
{
	uint8_t *tcp = p->data + p->l4_offset;
	uint32_t sum = replace(tcp + TCP_SEQ_NUMBER, seq_load(tcp + TCP_SEQ_NUMBER) + delta, false);

	sum += shift_window(p, tcp, shift);
	field_update_checksum(tcp + TCP_CHECKSUM, checksum_fold(sum));
}

/* Without ACK there is nothing acknowledged, whatever the field says (RFC 9293 section 3.1). */
void
seq_to_server(struct pkt *p, uint32_t delta, int shift)
{
	uint8_t *tcp = p->data + p->l4_offset;
	uint32_t sum = shift_window(p, tcp, shift);

	if (p->tcp_flags & PKT_ACK) {
		sum += replace(tcp + TCP_ACK_NUMBER, seq_load(tcp + TCP_ACK_NUMBER) - delta, false);
		sum += sack_blocks(tcp, delta);
	}
	field_update_checksum(tcp + TCP_CHECKSUM, checksum_fold(sum));
}

/* The quoted checksum changes with the number, and ICMP's own with both. */
void
seq_quoted(struct pkt *p, uint32_t delta)
{
	uint8_t *l4 = p->data + p->inner_l4_offset, *at = l4 + TCP_CHECKSUM;
	uint16_t changed =
		replace(l4 + TCP_SEQ_NUMBER, seq_load(l4 + TCP_SEQ_NUMBER) - delta, false);
	uint32_t sum = changed;

	if (p->inner_l4_offset + TCP_CHECKSUM + sizeof(uint16_t) <= p->bytes) {
		uint16_t before, after;

		memcpy(&before, at, sizeof(before));
		field_update_checksum(at, changed);
		memcpy(&after, at, sizeof(after));
		sum += checksum_delta(before, after);
	}
	/* All headers are of whole words. */
	field_update_checksum(p->data + p->l4_offset + ICMP_CHECKSUM, checksum_fold(sum));
}
