/* SPDX-License-Identifier: BSD-3-Clause */
/* A path whose services are stateless, with servers that answer directly, and what clients see of
 * it. */
#ifndef TESTS_STATELESS_SETUP_H
#define TESTS_STATELESS_SETUP_H

#include "path.h"
#include "shunt/selection.h"

#define CLIENTS	  4000
#define SILENCE	  450 /* ticks: the 900 s of objects_helper.h */
#define MORE	  60  /* ticks that a window is longer than that, at most */
#define SWEEP_ALL 1000000

static inline void
put_services(struct path *path, bool tcp, bool udp)
{
	for (uint32_t id = SERVICE; id <= SERVICE + 1; id++) {
		struct shunt_service s = helper_service(
			service_address(path), 80, id == SERVICE ? SHUNT_TCP : SHUNT_UDP, BACKEND);

		s.stateless = id == SERVICE ? tcp : udp;
		helper_put(path->objects, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
	}
}

static inline void
open_stateless(struct path *path, uint8_t version, uint32_t capacity)
{
	path_open(path, version, SHUNT_SOURCE, capacity);
	path->forward = SHUNT_DR;
	path_publish(path);
	put_services(path, true, true);
	path_publish(path);
	/* The services were stateful for a moment, but nothing came: that is known by now. */
	CU_ASSERT_FALSE(path->generation->services[SERVICE].leftover &&
		flow_entries(path->tracker->flows, SERVICE));
}

static inline void
set_state(struct path *path, uint32_t server, uint8_t state)
{
	path->state[server] = state;
	path_publish(path);
}

static inline void
wait_ticks(struct path *path, uint16_t ticks)
{
	path->tick += ticks;
	path->tracker->now += ticks;
	track_sweep(path->tracker, SWEEP_ALL, path->tick);
}

/* What the hash says of a client; 0: no server. */
static inline uint32_t
answer_of(const struct path *path, uint32_t client)
{
	const struct gen_backend *backend = path->generation->backends[BACKEND];
	struct shunt_selection_key key = { 0 };
	uint8_t address[16];
	uint32_t hash;

	client_address(path, client, address);
	if (path->version == 4)
		key.client = shunt_addr_from_v4(address);
	else
		memcpy(&key.client, address, sizeof(address));
	hash = shunt_selection_hash(path->generation->hash_secret, SHUNT_HASH_SOURCE, &key);
	if (backend->member_count == 0)
		return 0;
	return backend->members[backend->slots[shunt_selection_slot(hash, backend->slot_count)]]
		.server;
}

/* The next client behind this one that the hash gives the server. */
static inline uint32_t
client_of(const struct path *path, uint32_t server, uint32_t after)
{
	for (uint32_t c = after + 1; c < CLIENTS; c++) {
		if (answer_of(path, c) == server)
			return c;
	}
	abort();
}

static inline uint32_t
sent_to(struct path *path, uint8_t protocol, uint32_t client, uint8_t flags)
{
	struct result r = request(path, protocol, client, 1000, flags);

	return r.p.drop ? 0 : r.p.server;
}

static inline uint64_t
stored(const struct path *path)
{
	return flow_count(path->tracker->flows);
}

#endif
