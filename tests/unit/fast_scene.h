/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scene for the worlds of fast_bed.h: servers and services of every kind that the fast path may
 * take, or has to leave, whose states change; and connections to them.
 */
#ifndef TESTS_FAST_SCENE_H
#define TESTS_FAST_SCENE_H

#include "fast_bed.h"
#include "rules_helper.h"

enum {
	SCENE_NEXTHOPS = 4,
	SCENE_BACKENDS = 10,
	SCENE_SERVERS = 20,
	SCENE_SHARED = 7, /* id of a server */
	SCENE_CONNECTIONS = 240,
	SCENE_CLIENTS = 64,
};

/* Of which connections are. */
enum scene_family {
	SCENE_IP4,
	SCENE_IP6,
	SCENE_BOTH,
};

/* What makes a difference for all that servers send. */
enum scene_extra {
	SCENE_WITH_NONE,
	SCENE_WITH_FULLNAT,
	SCENE_WITH_PORTLESS,
	SCENE_WITH_RANGE,
	SCENE_WITH_RULES,
	SCENE_WITH_SHARED, /* all connections are of services that share servers' endpoints */
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
	{ "10.0.0.2", 9082, 1, 2 },
	/* Not always there. */
	{ "10.0.0.20", 8081, 1, 1 },
};

/*
 * By id - 1. The last two are not always there. All of this is there once more with IPv6, whose ids
 * go on where these end: see scene_wide().
 */
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
	uint8_t client[16]; /* IPv4: the first four bytes */
	uint16_t port;
	uint8_t service; /* id, of the client's version */
	uint8_t version; /* 4 or 6 */
	uint8_t mac;	 /* the client's router */
};

struct scene {
	struct object_store *objects;
	struct generation *generation;
	uint64_t number;
	uint64_t random;
	enum scene_family family;
	bool with_fullnat;
	bool with_portless; /* a server has any port */
	bool with_range;    /* and a service several */
	bool with_shared;
	bool with_rules; /* of the first service, which lead to other backends */
	bool ruled;	 /* it has them now */
	uint8_t state[2 * SCENE_SERVERS + 1];
	bool alone[2 * SCENE_SERVERS + 1]; /* without a neighbour */
	bool moved;			   /* the first service has another backend */
	bool gone;			   /* the last server is */
	bool apart;			   /* the endpoint that two backends share has become two */
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

static inline const struct scene_service *
scene_service_of(const struct scene_connection *c)
{
	return &scene_services[(c->service - 1) % SCENE_SERVICES];
}

/* Where in a frame without tags and options TCP or UDP begins. */
static inline unsigned int
scene_l4(const struct scene_connection *c)
{
	return c->version == 4 ? FAST_L4 : FAST6_L4;
}

/*
 * An address of IPv6 for one of IPv4: one for each, and with the same last byte. Of those that no
 * packet may come from, or that the fast path leaves, some are such ones again.
 */
static inline struct shunt_addr
scene_wide(struct shunt_addr from)
{
	static const uint8_t prefix[] = { 0x20, 0x01, 0x0d, 0xb8 };
	const uint8_t *v4 = from.bytes + 12;
	struct shunt_addr to = { .bytes = { [15] = v4[3] } };

	if (!shunt_addr_is_v4(&from)) {
		from.bytes[6] = 1;
		return from;
	}
	if (v4[0] == 127)
		return helper_addr("::1");
	if (v4[0] >= 224)
		return to;
	memcpy(to.bytes, prefix, sizeof(prefix));
	memcpy(to.bytes + 6, v4, 3);
	return to;
}

static inline struct shunt_addr
scene_address(const char *text, bool wide)
{
	struct shunt_addr address = helper_addr(text);

	return wide ? scene_wide(address) : address;
}

/* id: of IPv4's, in the tables; wide: of its like of IPv6. */
static inline void
scene_put_backend(struct scene *s, uint32_t id, bool wide)
{
	struct shunt_member members[SCENE_SERVERS];
	struct shunt_backend *backend;
	uint32_t count = 0;

	for (uint32_t i = 1; i <= SCENE_SERVERS; i++) {
		uint32_t server = i + wide * SCENE_SERVERS;

		if (scene_servers[i - 1].backend == id && s->state[server] == SHUNT_SERVER_UP &&
			!(i == SCENE_SERVERS && s->gone))
			members[count++] = (struct shunt_member){ .server = server, .weight = 1 };
	}
	backend = helper_backend(SHUNT_SOURCE, members, count, 64);
	backend->hash_on = SHUNT_HASH_SOURCE_PORT;
	backend->forward = scene_modes[id];
	backend->mss_clamp = id == 6 ? 1000 : 0;
	if (scene_modes[id] == SHUNT_FULLNAT)
		backend->sources[0] = 1 + wide;
	helper_put(s->objects, SHUNT_KIND_BACKEND, id + wide * SCENE_BACKENDS, backend,
		shunt_backend_bytes(backend));
	free(backend);
}

static inline void
scene_put_server(struct scene *s, uint32_t id, bool wide)
{
	const struct scene_server *from = &scene_servers[id - 1];
	struct shunt_server server =
		helper_server(from->address, from->port, from->backend + wide * SCENE_BACKENDS);
	uint32_t own_id = id + wide * SCENE_SERVERS;

	if (scene_modes[from->backend] == SHUNT_FULLNAT && !s->with_fullnat)
		return;
	if (id == SCENE_SERVERS && s->gone) {
		object_store_delete(s->objects, SHUNT_KIND_SERVER, own_id);
		return;
	}
	server.address = scene_address(from->address, wide);
	if (!from->port && !s->with_portless)
		server.port_be = htons(8080);
	if (scene_modes[from->backend] == SHUNT_DR && s->with_portless)
		server.port_be = 0;
	if (id == SCENE_SHARED && s->apart)
		server.port_be = htons(8089);
	server.nexthop = s->alone[own_id] ? 0 : from->nexthop;
	server.state = s->state[own_id];
	helper_put(s->objects, SHUNT_KIND_SERVER, own_id, &server, sizeof(server));
}

static inline void
scene_put_service(struct scene *s, uint32_t id, bool wide)
{
	const struct scene_service *from = &scene_services[id - 1];
	struct shunt_service service = helper_service(from->address, from->port, from->protocol,
		(id == 1 && s->moved ? 9 : from->backend) + wide * SCENE_BACKENDS);

	if ((id == SCENE_FULLNAT && !s->with_fullnat) || (id == SCENE_RANGE && !s->with_range))
		return;
	service.address = scene_address(from->address, wide);
	if (id == 1 && s->ruled)
		service.rules = 1 + wide;
	if (id == SCENE_RANGE)
		service.last_port_be = htons(SCENE_RANGE_LAST);
	helper_put(s->objects, SHUNT_KIND_SERVICE, id + wide * SCENE_SERVICES, &service,
		sizeof(service));
}

/* All of one family. */
static inline void
scene_put_family(struct scene *s, bool wide)
{
	const struct shunt_source source = { .address = scene_address("10.0.0.240", wide) };
	const struct shunt_local local = { .address = scene_address("192.0.2.77", wide) };

	helper_put(s->objects, SHUNT_KIND_LOCAL, 1 + wide, &local, sizeof(local));
	if (s->with_fullnat)
		helper_put(s->objects, SHUNT_KIND_SOURCE, 1 + wide, &source, sizeof(source));
	for (uint32_t id = 1; id <= SCENE_SERVERS; id++)
		scene_put_server(s, id, wide);
	for (uint32_t id = 1; id <= SCENE_BACKENDS; id++) {
		if (scene_modes[id] != SHUNT_FULLNAT || s->with_fullnat)
			scene_put_backend(s, id, wide);
	}
	for (uint32_t id = 1; id <= SCENE_SERVICES; id++)
		scene_put_service(s, id, wide);
}

/* By clients' ports: to NAT, to DR, nowhere. Row 1 is for IPv4, row 2 for IPv6. */
static inline void
scene_put_rules(struct scene *s)
{
	static const uint8_t backends[] = { 9, 2 };
	struct rules_acl acls[3] = { 0 };
	struct rules_rule rules[6] = { 0 };
	struct rules_model m = { .acls = acls,
		.acl_count = 3,
		.rules = rules,
		.rule_count = 6,
		.row_ends = { 3, 6 },
		.row_count = s->family == SCENE_IP4 ? 1 : 2 };

	for (uint32_t i = 0; i < 3; i++) {
		acls[i].acl.kinds = SHUNT_ACL_SRC_PORT;
		acls[i].acl.src_port_count = 1;
		acls[i].ranges[0] = (struct shunt_port_range){ (uint16_t)(40000 + 2 * i),
			(uint16_t)(40000 + 2 * i + (i < 2)) };
	}
	for (uint32_t i = 0; i < 6; i++) {
		rules[i] = (struct rules_rule){
			.action = SHUNT_RULE_DROP, .literal_count = 1, .literals = { i % 3 }
		};
		if (i % 3 < 2) {
			rules[i].action = SHUNT_RULE_USE_BACKEND;
			rules[i].backend = backends[i % 3] + (i >= 3 ? SCENE_BACKENDS : 0);
		}
	}
	rules_put(s->objects, &m, 2);
}

static inline void
scene_put_objects(struct scene *s)
{
	if (s->with_rules)
		scene_put_rules(s);
	for (uint32_t id = 1; id <= SCENE_NEXTHOPS; id++) {
		struct shunt_nexthop nexthop = { .port = id < 3 ? 1 : 2,
			.mac = { { 2, 0, 0, 0, s->nexthop_mac, (uint8_t)id } },
			.vlan = { id == 3 ? 100 : 0 } };

		helper_put(s->objects, SHUNT_KIND_NEXTHOP, id, &nexthop, sizeof(nexthop));
	}
	scene_put_family(s, false);
	if (s->family != SCENE_IP4)
		scene_put_family(s, true);
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

/* Makes a connection one of IPv6. */
static inline void
scene_widen(struct scene_connection *c)
{
	struct shunt_addr client = scene_wide(shunt_addr_from_v4(c->client));

	memcpy(c->client, client.bytes, 16);
	c->service += SCENE_SERVICES;
	c->version = 6;
}

/* Few clients, each of which has the same port at several services. */
static inline void
scene_draw_shared(struct scene *s, struct scene_connection *c)
{
	static const uint8_t services[] = { 5, 6, 10, 11 };

	memcpy(c->client, (const uint8_t[]){ 192, 0, 2, (uint8_t)(1 + scene_random(s, 8)) }, 4);
	c->port = (uint16_t)(40000 + scene_random(s, 8));
	c->service = services[scene_random(s, sizeof(services))];
}

/* Few clients and ports, so that some meet: one client at several services, from one port. */
static inline void
scene_draw_connections(struct scene *s)
{
	/*
	 * Servers', the balancer's, one whose last byte is that one's, of class E, full NAT's, a
	 * service's.
	 */
	static const uint8_t special[][4] = {
		{ 10, 0, 0, 1 },
		{ 10, 0, 0, 2 },
		{ 10, 0, 0, 3 },
		{ 192, 0, 2, 77 },
		{ 203, 0, 113, 77 },
		{ 240, 0, 0, 1 },
		{ 10, 0, 0, 240 },
		{ 198, 51, 100, 10 },
	};
	const uint32_t specials = sizeof(special) / sizeof(special[0]), servers = 3;

	for (unsigned int i = 0; i < SCENE_CONNECTIONS; i++) {
		struct scene_connection *c = &s->connections[i];
		uint32_t who = scene_random(s, SCENE_CLIENTS);

		*c = (struct scene_connection){
			.client = { 192, 0, 2, (uint8_t)(1 + who) },
			.version = 4,
		};
		if (who < specials)
			memcpy(c->client, special[who], 4);
		c->port = (uint16_t)(40000 + scene_random(s, 8));
		if (who < servers)
			c->port = (uint16_t)(8081 + who);
		else if (who == specials - 1 && scene_chance(s, 50))
			c->port = 1001; /* of the service with several */
		c->mac = (uint8_t)(1 + who % 3);
		do {
			c->service = (uint8_t)(1 + scene_random(s, SCENE_SERVICES));
		} while (c->service == 13); /* IPv6 */
		/* Most are of the most usual kind. */
		if (scene_chance(s, 60))
			c->service = (uint8_t)(1 + scene_random(s, 4));
		else if (who < servers && scene_chance(s, 40))
			c->service = SCENE_RANGE;
		if (s->with_shared)
			scene_draw_shared(s, c);
		if (s->family == SCENE_IP6 || (s->family == SCENE_BOTH && scene_chance(s, 50)))
			scene_widen(c);
	}
}

static inline struct scene *
scene_open(uint64_t seed, enum scene_extra extra, enum scene_family family,
	struct bed_world *const *worlds, unsigned int count)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->random = seed;
	s->family = family;
	s->with_fullnat = extra == SCENE_WITH_FULLNAT;
	s->with_range = extra == SCENE_WITH_RANGE;
	s->with_shared = extra == SCENE_WITH_SHARED;
	s->with_rules = s->ruled = extra == SCENE_WITH_RULES;
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
	uint32_t id = 1 + scene_random(s, (s->family == SCENE_IP4 ? 1 : 2) * SCENE_SERVERS);

	if (s->with_rules && scene_chance(s, 10))
		s->ruled = !s->ruled;
	switch (scene_random(s, 7)) {
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
	case 5:
		s->gone = !s->gone;
		break;
	default:
		/* All is well again. */
		memset(s->state, 0, sizeof(s->state));
		memset(s->alone, 0, sizeof(s->alone));
	}
}

#endif
