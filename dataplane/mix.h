/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tables' hashes are made of. Pure, any thread. */
#ifndef DATAPLANE_MIX_H
#define DATAPLANE_MIX_H

#include <stdint.h>

/*
 * Folds the 128-bit product, as wyhash does (Wang Yi, 2019): every bit of either factor reaches all
 * bits of the result, and not linearly, as with CRC32C, where keys that collide under one seed
 * collide under all.
 */
static inline uint64_t
mix_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* SplitMix64 (Steele, Lea and Flood, 2014): spreads a seed over several words, even a poor one. */
static inline uint64_t
mix_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

#endif
