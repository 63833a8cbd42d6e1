/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of servers for the tests of selection tables. */
#ifndef TESTS_MAGLEV_MEMBERS_H
#define TESTS_MAGLEV_MEMBERS_H

#include <arpa/inet.h>
#include <stdlib.h>
#include <time.h>

#include "maglev.h"

static inline uint64_t
identity(uint32_t i)
{
	uint8_t v4[4] = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
	struct shunt_addr address = shunt_addr_from_v4(v4);

	return maglev_identity(&address, htons(8080));
}

static inline struct maglev_member *
members_create(uint32_t count, uint32_t (*weight)(uint32_t i))
{
	struct maglev_member *members = calloc(count, sizeof(*members));

	for (uint32_t i = 0; i < count; i++) {
		members[i].identity = identity(i);
		members[i].weight = weight(i);
	}
	return members;
}

static inline uint32_t
weight_one(uint32_t i)
{
	(void)i;
	return 1;
}

static inline uint32_t
weight_mixed(uint32_t i)
{
	static const uint32_t weights[] = { 10, 20, 5, 10, 40 };

	return weights[i % 5];
}

static inline uint32_t
weight_any(uint32_t i)
{
	return i * 2654435761u % SHUNT_MAX_WEIGHT + 1;
}

static inline double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
