/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fast_hash() with AVX-512: SipHash of eight packets at a time. What comes of a slot is looked at
 * one by one: gathers of slots and servers take as long.
 */
#include "fast_hash.h"

#if defined(__x86_64__)
#include "fast_avx512.h"

/* The services of eight packets; as in struct fast_hash_service. */
struct group {
	words address;
	words count;
	words slots;
	words client_mask;
	words port_mask;
	words end;
	words tail;
	lanes by_slot;
	bool connection; /* as most are */
	lanes others;	 /* that are not as these */
};

WIDE_INLINE void
find_alike(const struct fast_hash_service *s, lanes which, struct group *g)
{
	g->by_slot = s->by_slot ? which : 0;
	if (!s->by_slot)
		return;
	g->connection = s->connection;
	g->others = 0;
	g->tail = all(s->tail);
	g->address = all(s->address);
	g->count = all(s->count);
	g->slots = all((uintptr_t)s->slots);
	g->client_mask = all(s->client_mask);
	g->port_mask = all(s->port_mask);
	g->end = all(s->end);
}

WIDE_INLINE void
find_each(struct fast_hash *h, const uint64_t *key, lanes which, struct group *g)
{
	uint64_t address[FAST_GROUP] = { 0 }, count[FAST_GROUP] = { 0 }, slots[FAST_GROUP] = { 0 },
		 tail[FAST_GROUP] = { 0 }, client_mask[FAST_GROUP] = { 0 },
		 port_mask[FAST_GROUP] = { 0 }, end[FAST_GROUP] = { 0 };
	const struct fast_hash_service *s = &h->service;

	lanes connection = 0;

	g->by_slot = 0;
	for (unsigned int left = which; left; left &= left - 1) {
		unsigned int k = (unsigned int)__builtin_ctz(left);

		if (key[k] >> 48 != s->id)
			fast_hash_find(h, key[k] >> 48);
		if (!s->by_slot)
			continue;
		g->by_slot |= (lanes)(1u << k);
		connection |= (lanes)((unsigned int)s->connection << k);
		tail[k] = s->tail;
		address[k] = s->address;
		count[k] = s->count;
		slots[k] = (uintptr_t)s->slots;
		client_mask[k] = s->client_mask;
		port_mask[k] = s->port_mask;
		end[k] = s->end;
	}
	g->address = load8(address);
	g->count = load8(count);
	g->slots = load8(slots);
	g->connection = connection == g->by_slot;
	g->others = g->connection ? 0 : connection;
	g->tail = load8(tail);
	g->client_mask = load8(client_mask);
	g->port_mask = load8(port_mask);
	g->end = load8(end);
}

/* Those of which the hash decides, but for parse: as is_fine(). */
WIDE_INLINE lanes
are_fine(const struct group *g, words key, __m128i kind)
{
	words first = field(key, 0, 8);
	lanes fine = (lanes)_mm_testn_epi8_mask(kind, _mm_set1_epi8((char)~FAST_SPECIAL));

	fine &= _mm512_cmplt_epu64_mask(_mm512_sub_epi64(first, all(1)), all(223));
	fine &= _mm512_cmpneq_epi64_mask(first, all(127));
	return fine & _mm512_cmpneq_epi64_mask(field(key, 0, 32), g->address);
}

/* SHUNT_SIP_ROUND() */
WIDE_INLINE void
sip_round(words v[4])
{
	v[0] = _mm512_add_epi64(v[0], v[1]);
	v[2] = _mm512_add_epi64(v[2], v[3]);
	v[1] = _mm512_xor_si512(_mm512_rol_epi64(v[1], 13), v[0]);
	v[3] = _mm512_xor_si512(_mm512_rol_epi64(v[3], 16), v[2]);
	v[0] = _mm512_rol_epi64(v[0], 32);
	v[2] = _mm512_add_epi64(v[2], v[1]);
	v[0] = _mm512_add_epi64(v[0], v[3]);
	v[1] = _mm512_xor_si512(_mm512_rol_epi64(v[1], 17), v[2]);
	v[3] = _mm512_xor_si512(_mm512_rol_epi64(v[3], 21), v[0]);
	v[2] = _mm512_rol_epi64(v[2], 32);
}

WIDE_INLINE void
sip_word(words v[4], words word)
{
	v[3] = _mm512_xor_si512(v[3], word);
	sip_round(v);
	sip_round(v);
	v[0] = _mm512_xor_si512(v[0], word);
}

/* Only the lower half counts. */
WIDE_INLINE words
sip_end(words v[4])
{
	v[2] = _mm512_xor_si512(v[2], all(0xff));
	sip_round(v);
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return _mm512_xor_si512(_mm512_xor_si512(v[0], v[1]), _mm512_xor_si512(v[2], v[3]));
}

/* As hash_of(), of eight clients, all of them by connection or none. */
WIDE_INLINE words
hashes_of(const struct fast_sip *sip, const struct group *g, words key)
{
	words v[4] = { all(sip->v[0]), all(sip->v[1]), all(sip->v[2]), all(sip->v[3]) };
	words mapped = all(FAST_HASH_MAPPED), port = _mm512_srli_epi64(key, 32);

	sip_word(v,
		_mm512_or_si512(
			mapped, _mm512_slli_epi64(_mm512_and_si512(key, g->client_mask), 32)));
	if (!g->connection) {
		sip_word(v, _mm512_or_si512(g->end, _mm512_and_si512(port, g->port_mask)));
		return sip_end(v);
	}
	sip_word(v, _mm512_or_si512(_mm512_and_si512(port, all(UINT16_MAX)), g->tail));
	sip_word(v, all(0));
	sip_word(v, _mm512_or_si512(mapped, _mm512_slli_epi64(g->address, 32)));
	sip_word(v, g->end);
	return sip_end(v);
}

WIDE_INLINE void
prefetch_slots(const struct fast_burst *f, unsigned int i, unsigned int which)
{
	for (; which; which &= which - 1)
		__builtin_prefetch(f->slot[i + (unsigned int)__builtin_ctz(which)]);
}

WIDE_INLINE void
prefetch_buckets(const struct fast_burst *f, unsigned int i, unsigned int which)
{
	for (; which; which &= which - 1)
		__builtin_prefetch(f->bucket[i + (unsigned int)__builtin_ctz(which)]);
}

/* As fast_hash_aim(), of a group from packet i on: those with a slot. */
WIDE_INLINE lanes
aim_group(struct fast_hash *h, struct fast_burst *f, unsigned int i, lanes which)
{
	words key = load8(&f->key[i]), service = field(key, 48, 16), hash, index;
	uint64_t first = lowest(which, service);
	struct group g;
	lanes by_slot;

	if (are_all(which, service, first)) {
		if (first != h->service.id)
			fast_hash_find(h, first);
		find_alike(&h->service, which, &g);
	} else {
		find_each(h, &f->key[i], which, &g);
	}
	by_slot = g.by_slot;
	if (by_slot)
		by_slot &= are_fine(&g, key, _mm_loadl_epi64((const __m128i *)&f->kind[i]));
	if (by_slot) {
		hash = hashes_of(&h->sip, &g, key);
		index = _mm512_srli_epi64(_mm512_mul_epu32(hash, g.count), 32);
		store8(&f->slot[i], _mm512_add_epi64(g.slots, _mm512_slli_epi64(index, 2)));
		for (unsigned int c = by_slot & g.others; c; c &= c - 1)
			fast_hash_aim(h, f, i + (unsigned int)__builtin_ctz(c));
		prefetch_slots(f, i, by_slot);
	}
	if (which & ~by_slot) {
		aim8(h->view, f, i, key);
		prefetch_buckets(f, i, which & (unsigned int)~by_slot);
	}
	return by_slot;
}

WIDE uint64_t
fast_hash_avx512(const struct fast_view *v, struct fast_burst *f, uint64_t among)
{
	struct fast_hash h;
	uint64_t by_slot = 0;

	fast_hash_begin(&h, v);
	for (unsigned int i = 0; i < f->count; i += FAST_GROUP) {
		lanes which = (lanes)(among >> i);

		if (which)
			by_slot |= (uint64_t)aim_group(&h, f, i, which) << i;
	}
	return fast_hash_send(&h, f, by_slot);
}
#endif
