/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fast_find() and fast_judge() with AVX-512: the same questions and the same answers, for eight
 * packets at a time. Where one of a group cannot go on, the group goes through fast_judge(), which
 * minds who must not overtake whom.
 */
#include <arpa/inet.h>

#include "fast_judge.h"

#if defined(__x86_64__)
#include "fast_avx512.h"

/* So few of a group are sooner judged one by one. */
#define GROUP_WORTH 4

WIDE uint64_t
fast_find_avx512(struct fast_burst *f, uint64_t among)
{
	uint64_t found = 0;

	for (; among; among &= among - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(among);
		union flow_bucket *bucket = f->bucket[i];
		unsigned int mask =
			_mm256_cmpeq_epi64_mask(_mm256_load_si256((const __m256i *)bucket->v4.key),
				_mm256_set1_epi64x((long long)f->key[i]));

		f->flow[i] = &bucket->v4.value[__builtin_ctz(mask | 1u << (FLOW_SLOTS_V4 - 1))];
		f->value[i] = *f->flow[i];
		found |= (uint64_t)(mask != 0) << i;
	}
	return found;
}

/* Eight packets that are being judged. */
struct group {
	lanes which; /* the others are none */
	words value;
	words key;
	words server;  /* the word from its backend on: see struct gen_server */
	words service; /* the same of struct gen_service */
	words state;
	words limit; /* ticks after which the flow expires */
	words age;
};

/* Words of struct gen_server and struct gen_service */
#define BACKEND(w) field(w, 0, 16)
#define L3_SUM(w)  field(w, 16, 16)
#define L4_SUM(w)  field(w, 32, 16)
#define PLAIN(w)   field(w, 48, 8)

WIDE_INLINE lanes
equal(words a, uint64_t b)
{
	return _mm512_cmpeq_epi64_mask(a, all(b));
}

/* Established, seen in this tick, and nothing special. */
WIDE_INLINE lanes
are_usual(const struct fast_view *v, words value)
{
	const uint64_t mask = FAST_VALUE_SPECIAL | 0x7ull << 20 | 0xffffull << 48;
	uint64_t usual = (uint64_t)FLOW_ESTABLISHED << 20 | (uint64_t)v->tick << 48;

	return _mm512_cmpeq_epi64_mask(and64(value, mask), all(usual));
}

/* As is_steady() and keep(), but for moving ages on: which flows are as they should be. */
WIDE_INLINE lanes
are_steady(const struct fast_view *v, struct group *g)
{
	words ticks, shift;
	lanes good;

	g->state = field(g->value, 20, 3);
	g->age = _mm512_setzero_si512();
	g->limit = all(UINT16_MAX);
	if (!(g->which & ~are_usual(v, g->value)))
		return ALL_LANES;
	good = _mm512_test_epi64_mask(_mm512_srlv_epi64(all(FAST_STEADY), g->state), all(1));
	good &= _mm512_testn_epi64_mask(g->value, all(FAST_VALUE_SPECIAL));
	g->age = and64(_mm512_sub_epi64(all(v->tick), field(g->value, 48, 16)), 0xffff);
	/* Four states' ticks in a word. */
	ticks = _mm512_add_epi64(_mm512_slli_epi64(field(g->key, 48, 16), 4),
		_mm512_slli_epi64(field(g->state, 2, 1), 3));
	ticks = gather(g->which, at(v->timeouts, ticks, 0));
	shift = _mm512_slli_epi64(field(g->state, 0, 2), 4);
	g->limit = and64(_mm512_srlv_epi64(ticks, shift), 0xffff);
	return good & _mm512_cmple_epi64_mask(g->age, g->limit);
}

/* The hops' first words; *good: those that are known and have no VLANs. */
WIDE_INLINE words
hops_of(const struct fast_view *v, const struct group *g, lanes *good)
{
	words index = field(g->value, 24, 16), place, hop, rest;
	uint64_t first = lowest(g->which, index);

	if (are_all(g->which, index, first)) {
		const struct link *link = &v->hops[first];

		*good = link->known && !link_vlans(link->vlan) ? ALL_LANES : 0;
		return all(fast_load64(link));
	}
	place = at(v->hops, _mm512_add_epi64(_mm512_slli_epi64(index, 1), index), 2);
	hop = gather(g->which, place);
	rest = gather(g->which, _mm512_add_epi64(place, all(4)));
	*good = _mm512_testn_epi64_mask(rest, all(0xffffffffull << 32)) &
		_mm512_test_epi64_mask(hop, all(FAST_LINK_KNOWN));
	return hop;
}

/* As fits_to_server(). */
WIDE_INLINE lanes
fit_to_server(const struct fast_view *v, const struct fast_burst *f, unsigned int i,
	const struct group *g)
{
	words plain = PLAIN(g->server), bytes;
	lanes good, shared, dr;
	words hop = hops_of(v, g, &good);

	good &= _mm512_cmpeq_epi64_mask(hop, _mm512_or_si512(load8(&f->from[i]), all(v->back)));
	good &= _mm512_cmpeq_epi64_mask(BACKEND(g->server), BACKEND(g->service));
	shared = equal(plain, GEN_PLAIN_NAT_SHARED);
	dr = equal(plain, GEN_PLAIN_DR);
	bytes = _mm512_cvtepu16_epi64(_mm_loadu_si128((const __m128i *)&f->ip_bytes[i]));
	shared &= _mm512_test_epi64_mask(g->value, all((uint64_t)FLOW_CLAIMED << 16));
	dr &= _mm512_cmple_epi64_mask(bytes, all(v->least_mtu));
	return good & (equal(plain, GEN_PLAIN_NAT) | shared | dr);
}

/* As fits_to_client(). servers: their places. */
WIDE_INLINE lanes
fit_to_client(const struct fast_view *v, const struct fast_burst *f, unsigned int i,
	const struct group *g, words servers)
{
	words plain = PLAIN(g->server), address, port;
	lanes good;

	hops_of(v, g, &good);
	address = field(gather(g->which, servers), 0, 32);
	port = field(gather(g->which,
			     _mm512_add_epi64(servers, all(offsetof(struct gen_server, port_be)))),
		0, 16);
	good &= _mm512_cmpeq_epi64_mask(
		load8(&f->endpoint[i]), _mm512_or_si512(address, _mm512_slli_epi64(port, 32)));
	good &= _mm512_cmpneq_epi64_mask(address, field(g->key, 0, 32));
	return good & (equal(plain, GEN_PLAIN_NAT) | equal(plain, GEN_PLAIN_NAT_SHARED));
}

/* As checksums_after(), of one of the two. plus: what is added to their complements. */
WIDE_INLINE words
checksum_after(words checksum, words before, words after, uint64_t plus)
{
	words sum = _mm512_add_epi64(
		_mm512_xor_si512(checksum, all(0xffff)), _mm512_xor_si512(before, all(0xffff)));

	sum = _mm512_add_epi64(sum, _mm512_add_epi64(after, all(plus)));
	sum = _mm512_add_epi64(field(sum, 0, 16), _mm512_srli_epi64(sum, 16));
	sum = _mm512_add_epi64(field(sum, 0, 16), _mm512_srli_epi64(sum, 16));
	return _mm512_xor_si512(sum, all(0xffff));
}

WIDE_INLINE void
update_checksums(struct fast_burst *f, unsigned int i, const struct group *g, words from, words to)
{
	__m256i row = _mm256_loadu_si256((const __m256i *)&f->checksums[i]);
	words both = _mm512_cvtepu32_epi64(row);
	words l3 = field(both, 0, 16), l4 = field(both, 16, 16), l4_after;
	lanes udp = equal(g->state, FLOW_UDP);

	l3 = checksum_after(l3, L3_SUM(from), L3_SUM(to), (uint16_t)~htons(0x0100));
	l4_after = checksum_after(l4, L4_SUM(from), L4_SUM(to), 0);
	if (udp) {
		lanes zero = udp & _mm512_testn_epi64_mask(l4_after, l4_after);

		l4_after = _mm512_mask_mov_epi64(l4_after, zero, all(0xffff));
		zero = udp & _mm512_testn_epi64_mask(l4, l4);
		l4_after = _mm512_mask_mov_epi64(l4_after, zero, all(0));
	}
	both = _mm512_or_si512(l3, _mm512_slli_epi64(l4_after, 16));
	_mm256_storeu_si256((__m256i *)&f->new_checksums[i], _mm512_cvtepi64_epi32(both));
}

WIDE_INLINE void
move_ages_on(const struct fast_view *v, struct fast_burst *f, unsigned int i, const struct group *g)
{
	unsigned int stale = g->which &
		_mm512_cmpgt_epi64_mask(g->age, _mm512_srli_epi64(g->limit, FLOW_STALE_SHIFT));

	for (; stale; stale &= stale - 1) {
		unsigned int k = i + (unsigned int)__builtin_ctz(stale);
		uint64_t value = f->value[k];

		flow_set(f->flow[k], flow_value_seen(value, v->tick));
	}
}

/*
 * False: not all of them, which are of one direction, can go on. Rows are written whole, since what
 * is written under a mask cannot be read before it has reached the cache.
 */
WIDE_INLINE bool
judge_group(const struct fast_view *v, struct fast_burst *f, unsigned int i, lanes which,
	bool to_server)
{
	struct group g = { .which = which, .key = load8(&f->key[i]) };
	words id, servers, way;
	lanes fit, dr;

	g.value = load8(&f->value[i]);
	id = field(g.value, 0, 16);
	fit = _mm512_cmplt_epi64_mask(id, all(v->server_count)) & are_steady(v, &g);
	if (which & ~fit)
		return false;
	servers = at(v->servers, id, 6);
	g.server =
		gather(which, _mm512_add_epi64(servers, all(offsetof(struct gen_server, backend))));
	g.service = gather_alike(which,
		at((const char *)v->services + offsetof(struct gen_service, backend),
			field(g.key, 48, 16), 6));
	fit = to_server ? fit_to_server(v, f, i, &g) : fit_to_client(v, f, i, &g, servers);
	if (which & ~fit)
		return false;
	way = all(to_server ? FAST_NAT_TO_SERVER : FAST_NAT_TO_CLIENT);
	dr = equal(PLAIN(g.server), GEN_PLAIN_DR);
	way = _mm512_mask_mov_epi64(way, dr, all(FAST_DR));
	_mm_storel_epi64((__m128i *)&f->way[i], _mm512_cvtepi64_epi8(way));
	if (!to_server)
		update_checksums(f, i, &g, g.server, g.service);
	else if (which & ~dr)
		update_checksums(f, i, &g, g.service, g.server);
	move_ages_on(v, f, i, &g);
	return true;
}

WIDE uint64_t
fast_judge_avx512(struct fast_view *v, struct fast_burst *f, uint64_t found)
{
	uint64_t fit = 0;

	for (unsigned int i = 0; i < f->count; i += FAST_GROUP) {
		lanes which = (lanes)(found >> i), kinds;
		__m128i kind = _mm_loadl_epi64((const __m128i *)&f->kind[i]);
		bool good;

		if (!which)
			continue;
		if (__builtin_popcount(which) < GROUP_WORTH) {
			fit |= fast_judge(v, f, (uint64_t)which << i);
			continue;
		}
		/* Those that are of a kind */
		kinds = (lanes)_mm_cmpeq_epi8_mask(kind, _mm_set1_epi8(PKT_TO_SERVER));
		if (!(which & ~kinds) && !v->kept_back) {
			good = judge_group(v, f, i, which, true);
		} else {
			kinds = (lanes)_mm_cmpeq_epi8_mask(kind, _mm_set1_epi8(PKT_TO_CLIENT));
			good = !(which & ~kinds) && !v->kept_back &&
				judge_group(v, f, i, which, false);
		}
		fit |= good ? (uint64_t)which << i : fast_judge(v, f, (uint64_t)which << i);
	}
	return fit;
}
#endif
