/* SPDX-License-Identifier: BSD-3-Clause */
/* What both files with AVX-512 are written in: vectors of a 64-bit word of each of eight packets.
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

#endif
