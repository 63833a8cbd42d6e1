/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files with AVX-512 are written in: vectors of a 64-bit word of each of eight packets.
 */
#ifndef DATAPLANE_FAST_AVX512_H
#define DATAPLANE_FAST_AVX512_H

#include <immintrin.h>

#include "fast.h"

#define WIDE	    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define WIDE_INLINE static inline __attribute__((always_inline)) WIDE

typedef __m512i words;
typedef __mmask8 lanes;

#define ALL_LANES ((lanes)0xff)

WIDE_INLINE words
all(uint64_t value)
{
	return _mm512_set1_epi64((long long)value);
}

WIDE_INLINE words
and64(words a, uint64_t b)
{
	return _mm512_and_si512(a, all(b));
}

/* Bits from `low` on, `count` of them. */
WIDE_INLINE words
field(words a, unsigned int low, unsigned int count)
{
	words shifted = _mm512_srli_epi64(a, low);

	return low + count == 64 ? shifted : and64(shifted, (1ull << count) - 1);
}

WIDE_INLINE words
load8(const void *row)
{
	return _mm512_loadu_si512(row);
}

WIDE_INLINE void
store8(void *row, words w)
{
	_mm512_storeu_si512(row, w);
}

/* The words at these addresses, and 0 in other lanes. */
WIDE_INLINE words
gather(lanes which, words addresses)
{
	return _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), which, addresses, NULL, 1);
}

/* The word of the first of these lanes. */
WIDE_INLINE uint64_t
lowest(lanes which, words w)
{
	if (!(which & 1))
		w = _mm512_maskz_compress_epi64(which, w);
	return (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(w));
}

/* Do all of these lanes have this word? */
WIDE_INLINE bool
are_all(lanes which, words w, uint64_t word)
{
	return !_mm512_mask_cmpneq_epi64_mask(which, w, all(word));
}

/*
 * The same, where most of the time all are one word: a gather costs as much as all its loads, and a
 * comparison next to nothing.
 */
WIDE_INLINE words
gather_alike(lanes which, words addresses)
{
	uint64_t first = lowest(which, addresses);

	if (are_all(which, addresses, first))
		return all(fast_load64((const void *)(uintptr_t)first));
	return gather(which, addresses);
}

/* Addresses in a table of entries of this many bytes, 2^shift. */
WIDE_INLINE words
at(const void *table, words index, unsigned int shift)
{
	return _mm512_add_epi64(all((uintptr_t)table), _mm512_slli_epi64(index, shift));
}

/* mix_fold(): the product of 64-bit words by schoolbook from 32-bit halves, b being the same for
 * all. */
WIDE_INLINE words
fold(words a, uint64_t b)
{
	words high_a = _mm512_srli_epi64(a, 32), low_b = all(b), high_b = all(b >> 32);
	words low = _mm512_mul_epu32(a, low_b);
	words cross1 = _mm512_mul_epu32(high_a, low_b), cross2 = _mm512_mul_epu32(a, high_b);
	words high = _mm512_mul_epu32(high_a, high_b);
	words middle = _mm512_add_epi64(cross1, _mm512_srli_epi64(low, 32));
	words other = _mm512_add_epi64(cross2, and64(middle, UINT32_MAX));

	high = _mm512_add_epi64(high, _mm512_srli_epi64(middle, 32));
	high = _mm512_add_epi64(high, _mm512_srli_epi64(other, 32));
	low = _mm512_or_si512(and64(low, UINT32_MAX), _mm512_slli_epi64(other, 32));
	return _mm512_xor_si512(high, low);
}

/* As flow_hash() for IPv4. */
WIDE_INLINE words
hash_of(const uint64_t secret[4], words key)
{
	words once = fold(_mm512_xor_si512(key, all(secret[0])), secret[1]);

	return fold(_mm512_xor_si512(once, all(secret[2])), secret[3]);
}

/* Sets hash and bucket of the eight packets from n on. */
WIDE_INLINE void
aim8(const struct fast_view *v, struct fast_burst *f, unsigned int n, words key)
{
	words hash = hash_of(v->secret, key);
	words index = _mm512_srli_epi64(
		_mm512_mul_epu32(_mm512_srli_epi64(hash, 32), all(v->bucket_count)), 32);

	store8(&f->hash[n], hash);
	store8(&f->bucket[n], at(v->buckets, index, 6));
}

#endif
