/* SPDX-License-Identifier: BSD-3-Clause */
/* Which worker a hash names. */
#ifndef DATAPLANE_OWNER_H
#define DATAPLANE_OWNER_H

#include <stdint.h>

/* Any thread. */
static inline uint32_t
worker_owner(uint32_t owner_hash, uint32_t worker_count)
{
	return ((uint64_t)owner_hash * worker_count) >> 32;
}

#endif
