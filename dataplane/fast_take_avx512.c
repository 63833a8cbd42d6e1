/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fast_take() for eight packets at a time, with AVX-512: the same checks and the same results. A
 * group in which something is out of the ordinary goes through fast_take_some(), so here the only
 * question is whether all eight are as usual.
 */
#include "fast_take.h"

#if defined(__x86_64__)
#include "fast_avx512.h"

#define GROUP FAST_GROUP

/* Of eight frames: the words from these bytes on. */
struct columns {
	words at0, at8, at16, at24, at32, at40, at48;
};

/* Transposes the eight frames' first words: pairs, then quarters of vectors, then halves. */
WIDE_INLINE struct columns
load(uint8_t *const frame[GROUP])
{
	const __mmask64 readable = (1ull << FAST_MIN_BYTES) - 1;
	words row[GROUP], even[4], odd[4];
	struct columns c;
	words a, b;

#pragma GCC unroll 8
	for (int i = 0; i < GROUP; i++)
		row[i] = _mm512_maskz_loadu_epi8(readable, frame[i]);
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		even[i] = _mm512_unpacklo_epi64(row[2 * i], row[2 * i + 1]);
		odd[i] = _mm512_unpackhi_epi64(row[2 * i], row[2 * i + 1]);
	}
	a = _mm512_shuffle_i64x2(even[0], even[1], 0xdd);
	b = _mm512_shuffle_i64x2(even[2], even[3], 0xdd);
	c.at16 = _mm512_shuffle_i64x2(a, b, 0x88);
	c.at48 = _mm512_shuffle_i64x2(a, b, 0xdd);
	a = _mm512_shuffle_i64x2(even[0], even[1], 0x88);
	b = _mm512_shuffle_i64x2(even[2], even[3], 0x88);
	c.at0 = _mm512_shuffle_i64x2(a, b, 0x88);
	c.at32 = _mm512_shuffle_i64x2(a, b, 0xdd);
	a = _mm512_shuffle_i64x2(odd[0], odd[1], 0x88);
	b = _mm512_shuffle_i64x2(odd[2], odd[3], 0x88);
	c.at8 = _mm512_shuffle_i64x2(a, b, 0x88);
	c.at40 = _mm512_shuffle_i64x2(a, b, 0xdd);
	a = _mm512_shuffle_i64x2(odd[0], odd[1], 0xdd);
	b = _mm512_shuffle_i64x2(odd[2], odd[3], 0xdd);
	c.at24 = _mm512_shuffle_i64x2(a, b, 0x88);
	return c;
}

/* The 16-bit word at this bit of each word, turned from network order. */
WIDE_INLINE words
big_endian16(words w, unsigned int bit)
{
	return _mm512_or_si512(_mm512_slli_epi64(field(w, bit, 8), 8), field(w, bit + 8, 8));
}

/* Those whose header's ones' complement sum is 0xffff. */
WIDE_INLINE lanes
checksum_is_good(const struct columns *c)
{
	words sum = _mm512_add_epi64(_mm512_srli_epi64(c->at8, 48), and64(c->at32, 0xffff));

	sum = _mm512_add_epi64(sum, and64(c->at16, UINT32_MAX));
	sum = _mm512_add_epi64(sum, _mm512_srli_epi64(c->at16, 32));
	sum = _mm512_add_epi64(sum, and64(c->at24, UINT32_MAX));
	sum = _mm512_add_epi64(sum, _mm512_srli_epi64(c->at24, 32));
	sum = _mm512_add_epi64(and64(sum, 0xffff), _mm512_srli_epi64(sum, 16));
	sum = _mm512_add_epi64(and64(sum, 0xffff), _mm512_srli_epi64(sum, 16));
	sum = _mm512_add_epi64(and64(sum, 0xffff), _mm512_srli_epi64(sum, 16));
	return _mm512_cmpeq_epi64_mask(sum, all(0xffff));
}

/* What is learned of eight packets. */
struct group {
	words kind;
	words ip_bytes;
	words key;
	lanes tcp;
	lanes reply;
};

/* As fast_wrong(): whether all are right. Sets kind, ip_bytes and tcp. */
WIDE_INLINE bool
are_right(const struct columns *c, words bytes, struct group *g)
{
	words total = big_endian16(c->at16, 0), protocol = _mm512_srli_epi64(c->at16, 56);
	words l4_bytes = _mm512_sub_epi64(total, all(IP4_BYTES));
	words header = and64(_mm512_srli_epi64(c->at40, 50), 0x3c);
	words flags = and64(_mm512_srli_epi64(c->at40, 56), FAST_TCP_DECIDING);
	words udp_bytes = big_endian16(c->at32, 48);
	lanes tcp = _mm512_cmpeq_epi64_mask(protocol, all(SHUNT_TCP));
	lanes good = _mm512_testn_epi64_mask(
		_mm512_xor_si512(c->at8, all(0x450008ull << 32)), all(0xffffffull << 32));
	lanes l4_good, special;

	good &= _mm512_testn_epi64_mask(c->at16, all(0xff3full << 32));
	good &= _mm512_cmple_epi64_mask(_mm512_add_epi64(total, all(FAST_L3)), bytes);
	good &= checksum_is_good(c);
	l4_good = _mm512_mask_cmpge_epi64_mask(tcp, header, all(20));
	l4_good &= _mm512_cmple_epi64_mask(header, l4_bytes);
	l4_good &= _mm512_test_epi64_mask(_mm512_srlv_epi64(all(FAST_TCP_FLAGS), flags), all(1));
	if (tcp != 0xff) {
		lanes udp = _mm512_cmpeq_epi64_mask(protocol, all(SHUNT_UDP));

		udp &= _mm512_cmpge_epi64_mask(udp_bytes, all(UDP_BYTES));
		l4_good |= udp & _mm512_cmple_epi64_mask(udp_bytes, l4_bytes);
	}
	special = _mm512_mask_cmpneq_epi64_mask(tcp, flags, all(PKT_ACK));
	special |= _mm512_cmple_epi64_mask(and64(_mm512_srli_epi64(c->at16, 48), 0xff), all(1));
	g->kind = _mm512_maskz_mov_epi64(special, all(FAST_SPECIAL));
	g->ip_bytes = total;
	g->tcp = tcp;
	return (good & l4_good) == 0xff;
}

/*
 * classify_plain_service() of those in `which`. further: whether those are looked for any further
 * in whose place another key is; else they get 0.
 */
WIDE_INLINE words
service_of(const struct classify_plain *plain, words endpoint, lanes which, bool further)
{
	words hash = _mm512_mullo_epi64(endpoint, all(0x9e3779b97f4a7c15ull));
	words at = _mm512_slli_epi64(_mm512_srl_epi64(hash, _mm_cvtsi32_si128(plain->shift)), 1);
	words zero = _mm512_setzero_si512();
	words key = _mm512_mask_i64gather_epi64(zero, which, at, plain->entries, 8);
	lanes found = _mm512_mask_cmpeq_epi64_mask(which, key, endpoint), on;

	while (further && (on = which & ~found & _mm512_test_epi64_mask(key, key))) {
		words next = and64(_mm512_add_epi64(at, all(2)), (uint64_t)plain->mask << 1);

		at = _mm512_mask_mov_epi64(at, on, next);
		key = _mm512_mask_i64gather_epi64(key, on, at, plain->entries, 8);
		found |= _mm512_mask_cmpeq_epi64_mask(on, key, endpoint);
	}
	return and64(
		_mm512_mask_i64gather_epi64(zero, found, at, (const char *)plain->entries + 8, 8),
		0xffff);
}

/* The same, where most of the time all have the endpoint of the group before. */
WIDE_INLINE words
service_alike(struct fast_view *v, words endpoint)
{
	words service;

	if (!_mm512_cmpneq_epi64_mask(endpoint, all(v->last_endpoint)))
		return all(v->last_service);
	/* A displaced one must not be overlooked: then its packet could pass for a reply. */
	service = service_of(&v->plain, endpoint, ALL_LANES, v->plain.displaced);
	v->last_endpoint = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(endpoint));
	v->last_service = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(service));
	return service;
}

WIDE_INLINE lanes
may_be_none(const uint64_t filter[4], words address)
{
	words table = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)filter));
	words last = and64(_mm512_srli_epi64(address, 24), 0xff);
	words bits = _mm512_permutexvar_epi64(_mm512_srli_epi64(last, 6), table);

	return _mm512_test_epi64_mask(_mm512_srlv_epi64(bits, and64(last, 63)), all(1));
}

/* As fast_classify(): sets key, adds directions to kind. False: of one of them it cannot tell. */
WIDE_INLINE bool
classify(struct fast_view *v, const struct columns *c, struct group *g)
{
	words source = and64(_mm512_srli_epi64(c->at24, 16), UINT32_MAX);
	words destination = _mm512_or_si512(
		_mm512_srli_epi64(c->at24, 48), _mm512_slli_epi64(and64(c->at32, 0xffff), 16));
	words protocol = _mm512_slli_epi64(_mm512_srli_epi64(c->at16, 56), 32);
	words sport = and64(_mm512_srli_epi64(c->at32, 16), 0xffff);
	words dport = and64(_mm512_srli_epi64(c->at32, 32), 0xffff);
	words endpoint = _mm512_or_si512(
		_mm512_or_si512(destination, protocol), _mm512_slli_epi64(dport, 48));
	words service = service_alike(v, endpoint);
	lanes reply = _mm512_testn_epi64_mask(service, service);
	words client = source, port = sport;

	g->reply = reply;
	if (reply) {
		if (reply & may_be_none(v->no_reply, destination))
			return false;
		endpoint = _mm512_or_si512(
			_mm512_or_si512(source, protocol), _mm512_slli_epi64(sport, 48));
		endpoint = _mm512_or_si512(endpoint, all(CLASSIFY_PLAIN_SERVER));
		service = _mm512_or_si512(service, service_of(&v->plain, endpoint, reply, true));
		if (_mm512_testn_epi64_mask(service, service))
			return false;
		client = _mm512_mask_mov_epi64(client, reply, destination);
		port = _mm512_mask_mov_epi64(port, reply, dport);
		g->kind = _mm512_mask_or_epi64(g->kind, reply, g->kind, all(PKT_TO_CLIENT));
	}
	g->key = _mm512_or_si512(_mm512_or_si512(client, _mm512_slli_epi64(port, 32)),
		_mm512_slli_epi64(service, 48));
	return true;
}

/* As fast_owner_hash() and worker_owner(). */
WIDE_INLINE words
owner_of(const struct fast_view *v, words key)
{
	uint64_t seed = v->owner_seed;
	words address = _mm512_or_si512(_mm512_slli_epi64(key, 32), all(0xffff0000u));
	words h = _mm512_xor_si512(address, all((seed << 32 | seed >> 32) ^ 0x9e3779b97f4a7c15ull));

	h = fold(h, seed ^ 0xa0761d6478bd642full);
	h = fold(_mm512_xor_si512(h, and64(_mm512_srli_epi64(key, 32), 0xffff)),
		0xe7037ed1a0b428dbull);
	return _mm512_srli_epi64(
		_mm512_mul_epu32(_mm512_srli_epi64(h, 32), all(v->worker_count)), 32);
}

/* What is in these lanes, moved together. */
WIDE_INLINE words
kept(lanes own, words w)
{
	return own == ALL_LANES ? w : _mm512_maskz_compress_epi64(own, w);
}

/* Where packets come from: looked at of replies alone. */
WIDE_INLINE words
endpoint_of(const struct columns *c)
{
	return _mm512_or_si512(
		field(c->at24, 16, 32), _mm512_slli_epi64(field(c->at32, 16, 16), 32));
}

/* Of a group from packet i on: those in `own` are taken, in their order. */
WIDE_INLINE void
put(const struct fast_view *v, struct fast_burst *f, unsigned int i, lanes own,
	const struct columns *c, const struct group *g, bool aims)
{
	words from = _mm512_or_si512(
		_mm512_srli_epi64(c->at0, 48), _mm512_slli_epi64(field(c->at8, 0, 32), 16));
	words l4_checksum =
		_mm512_mask_mov_epi64(field(c->at40, 0, 16), g->tcp, field(c->at48, 16, 16));
	words checksums =
		_mm512_or_si512(field(c->at24, 0, 16), _mm512_slli_epi64(l4_checksum, 16));
	words key = kept(own, g->key);
	unsigned int n = f->count;

	store8(&f->frame[n], kept(own, load8(&f->in_frame[i])));
	store8(&f->mbuf[n], kept(own, load8(&f->in_mbuf[i])));
	store8(&f->key[n], key);
	if (aims)
		aim8(v, f, n, key);
	store8(&f->from[n], kept(own, from));
	if (g->reply)
		store8(&f->endpoint[n], kept(own, endpoint_of(c)));
	_mm256_storeu_si256(
		(__m256i *)&f->checksums[n], _mm512_cvtepi64_epi32(kept(own, checksums)));
	_mm_storeu_si128((__m128i *)&f->ip_bytes[n], _mm512_cvtepi64_epi16(kept(own, g->ip_bytes)));
	_mm_storel_epi64((__m128i *)&f->kind[n], _mm512_cvtepi64_epi8(kept(own, g->kind)));
	f->count += (unsigned int)__builtin_popcount(own);
}

WIDE_INLINE void
put_foreign(struct fast_burst *f, unsigned int i, unsigned int foreign, words owner)
{
	uint64_t owners[GROUP];

	_mm512_storeu_si512(owners, owner);
	for (; foreign; foreign &= foreign - 1) {
		unsigned int k = (unsigned int)__builtin_ctz(foreign);

		f->foreign[f->foreign_count++] =
			(struct fast_foreign){ f->in_mbuf[i + k], (uint32_t)owners[k] };
	}
}

/*
 * False: not all of the group from packet i on are as usual. aims: their flows' buckets are asked
 * for.
 */
WIDE_INLINE bool
take_group(struct fast_view *v, struct fast_burst *f, unsigned int i, bool aims)
{
	words bytes = _mm512_cvtepu16_epi64(_mm_loadu_si128((const __m128i *)&f->in_bytes[i]));
	struct columns c;
	struct group g;
	lanes own = ALL_LANES;

	if (_mm512_cmplt_epi64_mask(bytes, all(FAST_MIN_BYTES)))
		return false;
	c = load(&f->in_frame[i]);
	if (!are_right(&c, bytes, &g) || !classify(v, &c, &g))
		return false;
	if (v->worker_count > 1) {
		words owner = owner_of(v, g.key);

		own = _mm512_cmpeq_epi64_mask(owner, all(v->worker));
		put_foreign(f, i, (lanes)~own, owner);
	}
	put(v, f, i, own, &c, &g, aims);
	return true;
}

/* Asks for the buckets of those taken, from packet `from` on. Returns how many are taken. */
WIDE_INLINE unsigned int
ask(const struct fast_burst *f, unsigned int from)
{
	for (; from < f->count; from++)
		__builtin_prefetch(f->bucket[from]);
	return from;
}

WIDE_INLINE void
take(struct fast_view *v, struct fast_burst *f, bool aims)
{
	unsigned int i = 0, asked = 0;

	fast_take_begin(f);
	for (; i + GROUP <= f->in_count; i += GROUP) {
		/* Of the group before: what it has stored is in the cache by now. */
		asked = aims ? ask(f, asked) : 0;
		if (v->strange_marks || !take_group(v, f, i, aims))
			fast_take_some(v, f, i, i + GROUP);
	}
	if (aims)
		ask(f, asked);
	fast_take_some(v, f, i, f->in_count);
}

WIDE void
fast_take_avx512(struct fast_view *v, struct fast_burst *f)
{
	if (v->stateless)
		take(v, f, false);
	else
		take(v, f, true);
}
#endif
