/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first half of the fast path: is this a whole packet of TCP or UDP over IPv4, without VLAN
 * tags and IP options, and of which flow? What parse.c checks one after the other is checked here
 * on words and summed up.
 *
 * Source addresses that no packet may have, and those that are the destination too, are not looked
 * for: no such packet has ever begun a flow. fast_leave() does, for packets that may begin one.
 */
#ifndef DATAPLANE_FAST_TAKE_H
#define DATAPLANE_FAST_TAKE_H

#include "fast.h"
#include "fields.h"
#include "owner.h"

/*
 * Is the ones' complement sum of the header 0xffff? As a number it is a multiple of 65535 then,
 * since 2^16 is 1 modulo that. An odd number divides another if its inverse modulo 2^64 times that
 * is small (Warren, Hacker's Delight, section 10-17). at12, at20, at26: the frame's words there.
 */
static inline bool
fast_ip_checksum_is_wrong(uint64_t at12, uint64_t at20, uint64_t at26)
{
	const uint64_t inverse = 0xfffefffefffeffffull;
	uint64_t rest = (at12 >> 16) + (at26 >> 16), sum = at20 + rest;

	sum += sum < rest;
	return sum * inverse > UINT64_MAX / 65535;
}

/* Not 0: the frame is none for the fast path. Sets *kind. bytes: at least FAST_MIN_BYTES. */
static inline uint64_t
fast_wrong(const uint8_t *frame, unsigned int bytes, unsigned int *kind)
{
	uint64_t at12 = fast_load64(frame + 12), at20 = fast_load64(frame + 20);
	int total = __builtin_bswap16(fast_load16(frame + 16));
	int l4_bytes = total - IP4_BYTES;
	/* type, version and header length; more fragments, and their offset */
	uint64_t wrong = ((uint32_t)at12 ^ 0x450008u) << 8 | (at20 & 0xff3f);
	int negative = (int)bytes - FAST_L3 - total;
	unsigned int special = frame[FAST_L3 + IP4_TTL] <= 1;

	wrong |= fast_ip_checksum_is_wrong(at12, at20, fast_load64(frame + 26));
	if (frame[FAST_L3 + 9] == SHUNT_TCP) {
		int header_bytes = (frame[FAST_L4 + 12] & 0xf0) >> 2;
		unsigned int flags = frame[FAST_L4 + 13] & FAST_TCP_DECIDING;

		negative |= (header_bytes - 20) | (l4_bytes - header_bytes);
		wrong |= !(FAST_TCP_FLAGS >> flags & 1);
		special |= flags != PKT_ACK;
	} else {
		int udp_bytes = __builtin_bswap16(fast_load16(frame + FAST_L4 + UDP_LENGTH));

		negative |= (udp_bytes - UDP_BYTES) | (l4_bytes - udp_bytes);
		wrong |= frame[FAST_L3 + 9] ^ SHUNT_UDP;
	}
	*kind = special * FAST_SPECIAL;
	return wrong | (unsigned int)negative >> 31;
}

/*
 * What a server sends to the balancer itself is no reply of a flow's (known_mark_local()), nor what
 * it sends to one of full NAT's sources, or to another service.
 */
static inline bool
fast_may_be_none(const uint64_t filter[4], uint32_t address)
{
	unsigned int last = address >> 24;

	return filter[last / 64] >> (last % 64) & 1;
}

/* Adds the direction to *kind, returns the flow's key. 0: what it is is for classify_burst() to
 * say. */
static inline uint64_t
fast_classify(const struct fast_view *v, const uint8_t *frame, unsigned int *kind)
{
	const uint8_t *ip = frame + FAST_L3, *l4 = frame + FAST_L4;
	uint32_t source = fast_load32(ip + IP4_SOURCE);
	uint32_t destination = fast_load32(ip + IP4_DESTINATION);
	uint64_t endpoint = classify_plain_key(destination, fast_load16(l4 + L4_DPORT), ip[9]);
	uint64_t service = classify_plain_service(&v->plain, endpoint);

	if (__builtin_expect(service != 0, 1))
		return source | (uint64_t)fast_load16(l4 + L4_SPORT) << 32 | service << 48;
	endpoint = classify_plain_key(source, fast_load16(l4 + L4_SPORT), ip[9]);
	service = classify_plain_service(&v->plain, endpoint | CLASSIFY_PLAIN_SERVER);
	if (!service || fast_may_be_none(v->no_reply, destination))
		return 0;
	*kind |= PKT_TO_CLIENT;
	return destination | (uint64_t)fast_load16(l4 + L4_DPORT) << 32 | service << 48;
}

/* An address as one of 64 bits. */
static inline uint64_t
fast_mark(uint32_t address)
{
	return 1ull << (address * 0x9e3779b1u >> 26);
}

/*
 * Behind a strange packet its whole flow is strange, for the rest of the burst: what is sent back,
 * too, for that goes the way that the client's packet may have changed. Which end of it is the
 * client is not known, so both are marked.
 */
static inline bool
fast_is_behind(const struct fast_view *v, uint64_t key)
{
	return __builtin_expect(v->strange_marks != 0, 0) &&
		(v->strange_marks & fast_mark((uint32_t)key));
}

static inline uint32_t
fast_owner_hash(const struct fast_view *v, uint64_t key)
{
	const uint64_t address[2] = { 0, 0xffff0000u | key << 32 };

	return owner_hash(address, (uint16_t)(key >> 32), v->owner_seed);
}

/* Asks for the first bucket of packet i's flow. */
static inline void
fast_aim(const struct fast_view *v, struct fast_burst *f, unsigned int i)
{
	const struct flow_words words = { .word[0] = f->key[i] };
	uint64_t hash = flow_hash(v->secret, FLOW_SLOTS_V4, &words);

	f->hash[i] = hash;
	f->bucket[i] = &v->buckets[(hash >> 32) * v->bucket_count >> 32];
	__builtin_prefetch(f->bucket[i]);
}

/* The pass, for one packet after the other. */
void fast_take(struct fast_view *v, struct fast_burst *f);

/* The pass for eight at a time, if the CPU has what it takes. */
void fast_take_avx512(struct fast_view *v, struct fast_burst *f);

/* Its beginning, and its part from packet `from` to before packet `to`. */
void fast_take_begin(struct fast_burst *f);
void fast_take_some(struct fast_view *v, struct fast_burst *f, unsigned int from, unsigned int to);

#endif
