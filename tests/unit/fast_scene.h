/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scene for the worlds of fast_bed.h: servers and services of every kind that the fast path may
 * take, or has to leave, whose states change; and connections to them.
 */
#ifndef TESTS_FAST_SCENE_H
#define TESTS_FAST_SCENE_H

#include "fast_bed.h"

enum {
	SCENE_NEXTHOPS = 4,
	SCENE_BACKENDS = 10,
	SCENE_SERVERS = 18,
	SCENE_SHARED = 7, /* id of a server */
	SCENE_CONNECTIONS = 240,
};

/* What makes a difference for all that servers send. */
enum scene_extra {
	SCENE_WITH_NONE,
	SCENE_WITH_FULLNAT,
	SCENE_WITH_PORTLESS,
	SCENE_WITH_RANGE,
};

struct scene_server {
	const char *address;
	uint16_t port;
	uint8_t backend;
	uint8_t nexthop;
};

struct scene_service {
	const char *address;
	uint16_t port;
	uint8_t protocol;
	uint8_t backend;
};

static const uint8_t scene_modes[SCENE_BACKENDS + 1] = {
	[2] = SHUNT_DR,
	[6] = SHUNT_DR,
	[8] = SHUNT_FULLNAT,
};

/* By id - 1. */
static const struct scene_server scene_servers[SCENE_SERVERS] = {
	{ "10.0.0.1", 8081, 1, 1 },
	{ "10.0.0.2", 8082, 1, 2 },
	{ "10.0.0.3", 8083, 1, 4 },
	{ "10.0.0.4", 80, 2, 1 },
	{ "10.0.0.5", 80, 2, 4 },
	/* One endpoint, two backends. */
	{ "10.0.0.6", 8080, 3, 1 },
	{ "10.0.0.6", 8080, 4, 1 },
	{ "127.0.0.8", 8080, 5, 1 },
	{ "10.0.0.9", 8080, 5, 0 },
	{ "10.0.0.10", 8080, 5, 3 },
	{ "10.0.0.11", 80, 6, 2 },
	{ "10.0.0.12", 0, 7, 1 },
	{ "10.0.0.13", 8080, 8, 1 },
	/* Two services, one backend. */
	{ "10.0.0.14", 8080, 9, 1 },
	{ "10.0.0.15", 8080, 9, 2 },
	{ "2001:db8:a::16", 8080, 10, 1 },
	{ "240.0.0.17", 8080, 5, 1 },
	{ "10.0.0.18", 80, 2, 3 },
};

/* By id - 1. The last two are not always there. */
static const struct scene_service scene_services[] = {
	{ "198.51.100.10", 80, SHUNT_TCP, 1 },
	{ "198.51.100.10", 80, SHUNT_UDP, 1 },
	{ "198.51.100.10", 81, SHUNT_TCP, 2 },
	{ "198.51.100.10", 81, SHUNT_UDP, 2 },
	{ "198.51.100.10", 82, SHUNT_TCP, 3 },
	{ "198.51.100.10", 83, SHUNT_TCP, 4 },
	{ "198.51.100.10", 84, SHUNT_TCP, 5 },
	{ "198.51.100.10", 85, SHUNT_TCP, 6 },
	{ "198.51.100.10", 86, SHUNT_TCP, 7 },
	{ "198.51.100.10", 87, SHUNT_TCP, 9 },
	{ "198.51.100.11", 87, SHUNT_TCP, 9 },
	{ "198.51.100.11", 80, SHUNT_UDP, 5 },
	{ "2001:db8::10", 80, SHUNT_TCP, 10 },
	{ "198.51.100.12", 87, SHUNT_TCP, 8 },
	{ "198.51.100.10", 1000, SHUNT_TCP, 7 },
};

enum {
	SCENE_SERVICES = sizeof(scene_services) / sizeof(scene_services[0]),
	SCENE_FULLNAT = SCENE_SERVICES - 1, /* ids */
	SCENE_RANGE = SCENE_SERVICES,
	SCENE_RANGE_LAST = 1010,
};

struct scene_connection {
	uint8_t client[4];
	uint16_t port;
	uint8_t service; /* id; of IPv4 */
	uint8_t mac;	 /* the client's router */
};

struct scene {
	struct object_store *objects;
	struct generation *generation;
	uint64_t number;
	uint64_t random;
	bool with_fullnat;
	bool with_portless; /* a server has any port */
	bool with_range;    /* and a service several */
	uint8_t state[SCENE_SERVERS + 1];
	bool alone[SCENE_SERVERS + 1]; /* without a neighbour */
	bool moved;		       /* the first service has another backend */
	bool apart;		       /* the endpoint that two backends share has become two */
	uint8_t nexthop_mac;
	struct scene_connection connections[SCENE_CONNECTIONS];
};

static inline uint32_t
scene_random(struct scene *s, uint32_t below)
{
	return (uint32_t)((frame_random(&s->random) >> 32) * below >> 32);
}

static inline bool
scene_chance(struct scene *s, uint32_t percent)
{
	return scene_random(s, 100) < percent;
}

static inline void
scene_put_backend(struct scene *s, uint32_t id)
{
	struct shunt_member members[SCENE_SERVERS];
	struct shunt_backend *backend;
	uint32_t count = 0;

	for (uint32_t i = 1; i <= SCENE_SERVERS; i++) {
		if (scene_servers[i - 1].backend == id && s->state[i] == SHUNT_SERVER_UP)
			members[count++] = (struct shunt_member){ .server = i, .weight = 1 };
	}
	backend = helper_backend(SHUNT_SOURCE, members, count, 64);
	backend->hash_on = SHUNT_HASH_SOURCE_PORT;
	backend->forward = scene_modes[id];
	backend->mss_clamp = id == 6 ? 1000 : 0;
	if (scene_modes[id] == SHUNT_FULLNAT)
		backend->sources[0] = 1;
	helper_put(s->objects, SHUNT_KIND_BACKEND, id, backend, shunt_backend_bytes(backend));
	free(backend);
}

static inline void
scene_put_objects(struct scene *s)
{
	const struct shunt_source source = { .address = helper_addr("10.0.0.240") };
	const struct shunt_local local = { .address = helper_addr("192.0.2.77") };

	for (uint32_t id = 1; id <= SCENE_NEXTHOPS; id++) {
		struct shunt_nexthop nexthop = { .port = id < 3 ? 1 : 2,
			.mac = { { 2, 0, 0, 0, s->nexthop_mac, (uint8_t)id } },
			.vlan = { id == 3 ? 100 : 0 } };

		helper_put(s->objects, SHUNT_KIND_NEXTHOP, id, &nexthop, sizeof(nexthop));
	}
	helper_put(s->objects, SHUNT_KIND_LOCAL, 1, &local, sizeof(local));
	if (s->with_fullnat)
		helper_put(s->objects, SHUNT_KIND_SOURCE, 1, &source, sizeof(source));
	for (uint32_t id = 1; id <= SCENE_SERVERS; id++) {
		const struct scene_server *from = &scene_servers[id - 1];
		struct shunt_server server =
			helper_server(from->address, from->port, from->backend);

		if (scene_modes[from->backend] == SHUNT_FULLNAT && !s->with_fullnat)
			continue;
		if (!from->port && !s->with_portless)
			server.port_be = htons(8080);
		if (id == SCENE_SHARED && s->apart)
			server.port_be = htons(8089);
		server.nexthop = s->alone[id] ? 0 : from->nexthop;
		server.state = s->state[id];
		helper_put(s->objects, SHUNT_KIND_SERVER, id, &server, sizeof(server));
	}
	for (uint32_t id = 1; id <= SCENE_BACKENDS; id++) {
		if (scene_modes[id] != SHUNT_FULLNAT || s->with_fullnat)
			scene_put_backend(s, id);
	}
	for (uint32_t id = 1; id <= SCENE_SERVICES; id++) {
		const struct scene_service *from = &scene_services[id - 1];
		struct shunt_service service =
			helper_service(from->address, from->port, from->protocol, from->backend);

		if ((id == SCENE_FULLNAT && !s->with_fullnat) ||
			(id == SCENE_RANGE && !s->with_range))
			continue;
		if (id == 1 && s->moved)
			service.backend = 9;
		if (id == SCENE_RANGE)
			service.last_port_be = htons(SCENE_RANGE_LAST);
		helper_put(s->objects, SHUNT_KIND_SERVICE, id, &service, sizeof(service));
	}
}

/* A generation of what the scene says now, for these worlds. */
static inline void
scene_publish(struct scene *s, struct bed_world *const *worlds, unsigned int count)
{
	struct generation_error error;
	struct generation *next;
	int result = 0;

	scene_put_objects(s);
	next = generation_create(
		s->objects, ++s->number, s->generation, BED_PORTS, &error, &result);
	if (!next) {
		printf("generation refused: kind %u id %u: %s\n", error.kind, error.id, error.text);
		abort();
	}
	for (unsigned int i = 0; i < count; i++) {
		CU_ASSERT_EQUAL_FATAL(tracker_prepare(worlds[i]->tracker, next), 0);
		tracker_set_generation(worlds[i]->tracker, next);
	}
	generation_destroy(s->generation);
	s->generation = next;
}

/* Few clients and ports, so that some meet: one client at several services, from one port. */
static inline void
scene_draw_connections(struct scene *s)
{
	/* Servers', one whose last byte is the balancer's, of class E, a service's. */
	static const uint8_t special[][4] = {
		{ 10, 0, 0, 1 },
		{ 10, 0, 0, 2 },
		{ 10, 0, 0, 3 },
		{ 203, 0, 113, 77 },
		{ 240, 0, 0, 1 },
		{ 198, 51, 100, 10 },
	};
	const uint32_t specials = sizeof(special) / sizeof(special[0]), servers = 3;

	for (unsigned int i = 0; i < SCENE_CONNECTIONS; i++) {
		struct scene_connection *c = &s->connections[i];
		uint32_t who = scene_random(s, 64);

		*c = (struct scene_connection){ .client = { 192, 0, 2, (uint8_t)(1 + who) } };
		if (who < specials)
			memcpy(c->client, special[who], 4);
		c->port = (uint16_t)(40000 + scene_random(s, 8));
		if (who < servers)
			c->port = (uint16_t)(8081 + who);
		c->mac = (uint8_t)(1 + who % 3);
		do {
			c->service = (uint8_t)(1 + scene_random(s, SCENE_SERVICES));
		} while (c->service == 13); /* IPv6 */
		/* Most are of the most usual kind. */
		if (scene_chance(s, 60))
			c->service = (uint8_t)(1 + scene_random(s, 4));
		else if (who < servers && scene_chance(s, 40))
			c->service = SCENE_RANGE;
	}
}

static inline struct scene *
scene_open(
	uint64_t seed, enum scene_extra extra, struct bed_world *const *worlds, unsigned int count)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->random = seed;
	s->with_fullnat = extra == SCENE_WITH_FULLNAT;
	s->with_range = extra == SCENE_WITH_RANGE;
	s->with_portless = extra == SCENE_WITH_PORTLESS || s->with_range;
	s->objects = object_store_create();
	if (!s->objects)
		abort();
	helper_put_settings(s->objects);
	scene_draw_connections(s);
	scene_publish(s, worlds, count);
	return s;
}

static inline void
scene_close(struct scene *s)
{
	generation_destroy(s->generation);
	object_store_destroy(s->objects);
	free(s);
}

/* Some servers' states and neighbours change. */
static inline void
scene_change(struct scene *s)
{
	uint32_t id = 1 + scene_random(s, SCENE_SERVERS);

	switch (scene_random(s, 6)) {
	case 0:
		s->state[id] = (uint8_t)scene_random(s, SHUNT_SERVER_STATE_COUNT);
		break;
	case 1:
		s->alone[id] = !s->alone[id];
		break;
	case 2:
		s->nexthop_mac++;
		break;
	case 3:
		s->moved = !s->moved;
		break;
	case 4:
		s->apart = !s->apart;
		break;
	default:
		/* All is well again. */
		memset(s->state, 0, sizeof(s->state));
		memset(s->alone, 0, sizeof(s->alone));
	}
}

#endif
