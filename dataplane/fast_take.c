/* SPDX-License-Identifier: BSD-3-Clause */
#include "fast_take.h"

const uint8_t *
fast_ip_behind_tags(
	const uint8_t *frame, unsigned int bytes, unsigned int ethertype, unsigned int header_bytes)
{
	unsigned int l3 = FAST_L3, type;

	for (; bytes >= l3 + header_bytes; l3 += LINK_TAG_BYTES) {
		type = field_load_be16(frame + l3 - 2);
		if (type == ethertype)
			return frame + l3;
		if (type != ETHERTYPE_C_TAG && type != ETHERTYPE_S_TAG)
			break;
	}
	return NULL;
}

/* fast_mark() of the strange frame's addresses; 0: none of its flow can come. */
static uint64_t
mark_strange(const uint8_t *frame, unsigned int bytes)
{
	const uint8_t *ip = fast_ip_behind_tags(frame, bytes, ETHERTYPE_IP4, IP4_BYTES);

	return ip ? fast_mark(fast_load32(ip + IP4_SOURCE)) |
			fast_mark(fast_load32(ip + IP4_DESTINATION))
		  : 0;
}

/* The flow's key; 0: the packet is none for the fast path. */
static inline uint64_t
key_of(const struct fast_view *v, const uint8_t *frame, unsigned int bytes, unsigned int *kind)
{
	uint64_t key;

	if (__builtin_expect(bytes < FAST_MIN_BYTES, 0))
		return 0;
	if (fast_wrong(frame, bytes, kind))
		return 0;
	key = fast_classify(v, frame, kind);
	return fast_is_behind(v, key) ? 0 : key;
}

static inline void
put(const struct fast_view *v, struct fast_burst *f, unsigned int i, uint64_t key,
	unsigned int kind, bool aims)
{
	uint8_t *frame = f->in_frame[i], *l4 = frame + FAST_L4;
	unsigned int at = f->count++, check = field_l4_checksum(frame[FAST_L3 + 9]);

	f->frame[at] = frame;
	f->mbuf[at] = f->in_mbuf[i];
	f->key[at] = key;
	f->from[at] = fast_load64(frame + 6) & FAST_LINK_MAC;
	f->endpoint[at] = fast_load32(frame + FAST_L3 + IP4_SOURCE) |
		(uint64_t)fast_load16(l4 + L4_SPORT) << 32;
	f->checksums[at] = fast_load16(frame + FAST_L3 + IP4_CHECKSUM) |
		(uint32_t)fast_load16(l4 + check) << 16;
	f->ip_bytes[at] = __builtin_bswap16(fast_load16(frame + FAST_L3 + 2));
	f->kind[at] = (uint8_t)kind;
	if (aims)
		fast_aim(v, f, at);
}

static inline void
put_strange(struct fast_view *v, struct fast_burst *f, unsigned int i)
{
	v->strange_marks |= mark_strange(f->in_frame[i], f->in_bytes[i]);
	f->strange[f->strange_count++] = f->in_mbuf[i];
}

/* Another worker's? Then it is put there; behind strange packets, for the stages to hand over. */
static inline bool
is_foreign(struct fast_view *v, struct fast_burst *f, unsigned int i, uint64_t key)
{
	uint32_t owner = worker_owner(fast_owner_hash(v, key), v->worker_count);

	if (owner == v->worker)
		return false;
	if (v->strange_marks)
		put_strange(v, f, i);
	else
		f->foreign[f->foreign_count++] = (struct fast_foreign){ f->in_mbuf[i], owner };
	return true;
}

/* aims: the flows' buckets are asked for. */
static inline __attribute__((always_inline)) void
take_some(struct fast_view *v, struct fast_burst *f, unsigned int from, unsigned int to, bool aims)
{
	for (unsigned int i = from; i < to; i++) {
		unsigned int kind;
		uint64_t key = key_of(v, f->in_frame[i], f->in_bytes[i], &kind);

		if (__builtin_expect(!key, 0))
			put_strange(v, f, i);
		else if (v->worker_count == 1 || !is_foreign(v, f, i, key))
			put(v, f, i, key, kind, aims);
	}
}

void
fast_take_some(struct fast_view *v, struct fast_burst *f, unsigned int from, unsigned int to)
{
	if (v->stateless)
		take_some(v, f, from, to, false);
	else
		take_some(v, f, from, to, true);
}

void
fast_take_begin(struct fast_burst *f)
{
	f->strange_count = 0;
	f->foreign_count = 0;
	f->count = 0;
}

void
fast_take(struct fast_view *v, struct fast_burst *f)
{
	fast_take_begin(f);
	fast_take_some(v, f, 0, f->in_count);
}
