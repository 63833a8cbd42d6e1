/* SPDX-License-Identifier: BSD-3-Clause */
#include "select.h"

static const struct select_algorithm *const algorithms[SHUNT_ALGORITHM_COUNT] = {
	[SHUNT_SOURCE] = &select_source,
	[SHUNT_ROUNDROBIN] = &select_roundrobin,
	[SHUNT_LEASTCONN] = &select_leastconn,
	[SHUNT_RANDOM] = &select_random,
	[SHUNT_FIRST] = &select_first,
};

uint32_t
select_server(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p)
{
	const struct select_algorithm *algorithm = algorithms[backend->algorithm];

	if (backend->member_count == 0)
		return 0;
	if (!backend->is_simple)
		return select_within_limits(state, generation, backend, algorithm, p);
	return backend->members[algorithm->pick(state, generation, backend, p, 0)].server;
}

uint32_t
select_by_hash(
	const struct generation *generation, const struct gen_backend *backend, const struct pkt *p)
{
	if (backend->member_count == 0)
		return 0;
	/* The hash has no state. */
	return backend->members[select_source.pick(NULL, generation, backend, p, 0)].server;
}
