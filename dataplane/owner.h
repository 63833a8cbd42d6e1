/* SPDX-License-Identifier: BSD-3-Clause */
/* Which worker a hash names. */
#ifndef DATAPLANE_OWNER_H
#define DATAPLANE_OWNER_H

#include "mix.h"

/*
 * The same for both directions of a flow, for it covers the client alone; its high bits are good,
 * for they name the worker. Keyed, so that nobody outside can put all flows on one worker. address:
 * the words of a struct shunt_addr. Any thread.
 */
static inline uint32_t
owner_hash(const uint64_t address[2], uint16_t port_be, uint64_t seed)
{
	uint64_t h = mix_fold(address[0] ^ seed ^ 0xa0761d6478bd642full,
		address[1] ^ (seed << 32 | seed >> 32) ^ 0x9e3779b97f4a7c15ull);

	return mix_fold(h ^ port_be, 0xe7037ed1a0b428dbull) >> 32;
}

/* Any thread. */
static inline uint32_t
worker_owner(uint32_t owner_hash, uint32_t worker_count)
{
	return ((uint64_t)owner_hash * worker_count) >> 32;
}

#endif
