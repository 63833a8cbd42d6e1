/* SPDX-License-Identifier: BSD-3-Clause */
/* Trackers with limits, for the tests of track_limit.c: both services have the limit with id LIMIT.
 */
#ifndef TESTS_LIMIT_BED_H
#define TESTS_LIMIT_BED_H

#include "path.h"

#define LIMIT 1
#define HZ    GEN_CLOCK_HZ

static inline struct limiter *
make_limiter(struct path *a, struct path *b)
{
	static const uint64_t seed[2] = { 5, 6 };
	struct limiter *limiter = limiter_create(HZ, 1024, seed);

	if (!limiter)
		abort();
	for (struct path *path = a; path; path = path == a ? b : NULL) {
		path->tracker->limiter = limiter;
		path->tracker->select.clock = 1000 * HZ;
	}
	return limiter;
}

static const struct shunt_limit by_source = {
	.source_maxconn = 2,
	.source_prefix = 32,
	.source_prefix_v6 = 128,
	.frontend = "web",
};

/* A reload: both services have these limits now, or none. */
static inline void
set_limits(struct path *path, const struct shunt_limit *limits)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct shunt_service s = helper_service(
			service_address(path), 80, i == 0 ? SHUNT_TCP : SHUNT_UDP, BACKEND);

		s.limit = limits ? LIMIT : 0;
		helper_put(path->objects, SHUNT_KIND_SERVICE, SERVICE + i, &s, sizeof(s));
	}
	if (limits)
		helper_put(path->objects, SHUNT_KIND_LIMIT, LIMIT, limits, sizeof(*limits));
	else
		CU_ASSERT_EQUAL(object_store_delete(path->objects, SHUNT_KIND_LIMIT, LIMIT), 0);
	path_commit(path);
	while (tracker_pass(path->tracker, 64, path->tick))
		;
}

static inline uint64_t
frontend_sessions(const struct path *path)
{
	return path->tracker->limiter->frontends[LIMIT].sessions;
}

static inline struct source_facts
facts(const struct path *path, uint32_t client)
{
	struct shunt_addr address;
	uint8_t bytes[16];

	client_address(path, client, bytes);
	address = select_address(bytes, path->version);
	return limit_source_facts(path->tracker->limiter, path->generation->limits, LIMIT, &address,
		path->tracker->select.clock);
}

static inline uint8_t
opens(struct path *path, uint32_t client, uint16_t port)
{
	return request(path, SHUNT_TCP, client, port, PKT_SYN).p.drop;
}

static inline void
ends(struct path *path, uint32_t client, uint16_t port)
{
	uint32_t server = request(path, SHUNT_TCP, client, port, PKT_FIN | PKT_ACK).p.server;

	CU_ASSERT_EQUAL(reply(path, SHUNT_TCP, server, client, port, PKT_FIN | PKT_ACK).p.drop, 0);
}

#endif
