/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "classify.h"
#include "objects_helper.h"

#define SEED 0x0123456789abcdefull

/* A packet as parse leaves it, with its frame in memory of exactly its size. */
struct test_pkt {
	struct pkt p;
	uint8_t *frame;
};

static void
make_pkt(struct test_pkt *t, const struct shunt_addr *src, uint16_t sport,
	const struct shunt_addr *dst, uint16_t dport, uint8_t protocol)
{
	bool v4 = shunt_addr_is_v4(src);
	size_t l3 = 14, l4 = l3 + (v4 ? 20 : 40);

	t->frame = malloc(l4);
	if (!t->frame)
		abort();
	memset(t->frame, 0xa5, l4);
	if (v4) {
		memcpy(t->frame + l3 + 12, &src->bytes[12], 4);
		memcpy(t->frame + l3 + 16, &dst->bytes[12], 4);
	} else {
		memcpy(t->frame + l3 + 8, src->bytes, 16);
		memcpy(t->frame + l3 + 24, dst->bytes, 16);
	}
	t->p = (struct pkt){
		.data = t->frame,
		.bytes = l4,
		.version = v4 ? 4 : 6,
		.protocol = protocol,
		.l3_offset = l3,
		.l4_offset = l4,
		.sport_be = htons(sport),
		.dport_be = htons(dport),
	};
}

/* Classifies one packet; the caller frees its frame by done(). */
static struct test_pkt
classified(const struct classifier *c, const char *src, uint16_t sport, const char *dst,
	uint16_t dport, uint8_t protocol)
{
	struct shunt_addr s = helper_addr(src), d = helper_addr(dst);
	struct test_pkt t;
	struct pkt *p = &t.p;

	make_pkt(&t, &s, sport, &d, dport, protocol);
	classify_burst(c, &p, 1, SEED);
	return t;
}

static void
done(struct test_pkt *t)
{
	free(t->frame);
}

static struct generation *
build(const struct object_store *store)
{
	struct generation_error error;
	int result;
	struct generation *g = generation_create(store, 1, NULL, 1, &error, &result);

	if (!g)
		printf("\nrefused: kind %u id %u: %s\n", error.kind, error.id, error.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	return g;
}

static void
test_directions(void)
{
	struct object_store *store = object_store_create();
	struct generation *g;
	struct test_pkt t, u;

	helper_put_settings(store);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_backend(store, 2, SHUNT_SOURCE, NULL, 0, 0);
	/* No members at all: servers that drain still send replies. */
	helper_put_server(store, 1, "10.0.0.1", 8080, 1);
	helper_put_server(store, 2, "fd00::1", 8080, 2);
	helper_put_service(store, 5, "198.51.100.10", 80, SHUNT_TCP, 1);
	helper_put_service(store, 6, "2001:db8::10", 80, SHUNT_UDP, 2);
	g = build(store);

	t = classified(g->classifier, "192.0.2.1", 1234, "198.51.100.10", 80, SHUNT_TCP);
	CU_ASSERT_EQUAL(t.p.drop, 0);
	CU_ASSERT_EQUAL(t.p.direction, PKT_TO_SERVER);
	CU_ASSERT_EQUAL(t.p.service, 5);
	CU_ASSERT_EQUAL(t.p.other_service_count, 0);
	CU_ASSERT_EQUAL(t.p.client_port_be, htons(1234));
	CU_ASSERT_PTR_EQUAL(t.p.client, t.frame + 14 + 12);
	u = classified(g->classifier, "10.0.0.1", 8080, "192.0.2.1", 1234, SHUNT_TCP);
	CU_ASSERT_EQUAL(u.p.drop, 0);
	CU_ASSERT_EQUAL(u.p.direction, PKT_TO_CLIENT);
	CU_ASSERT_EQUAL(u.p.service, 5);
	CU_ASSERT_EQUAL(u.p.other_service_count, 0);
	CU_ASSERT_EQUAL(u.p.client_port_be, htons(1234));
	CU_ASSERT_PTR_EQUAL(u.p.client, u.frame + 14 + 16);
	CU_ASSERT_EQUAL(t.p.owner_hash, u.p.owner_hash);
	CU_ASSERT_EQUAL(t.p.owner_hash,
		classify_owner_hash(t.p.client, t.p.version, t.p.client_port_be, SEED));
	done(&t);
	done(&u);

	t = classified(g->classifier, "2001:db8::99", 999, "2001:db8::10", 80, SHUNT_UDP);
	CU_ASSERT_EQUAL(t.p.direction, PKT_TO_SERVER);
	CU_ASSERT_EQUAL(t.p.service, 6);
	CU_ASSERT_PTR_EQUAL(t.p.client, t.frame + 14 + 8);
	u = classified(g->classifier, "fd00::1", 8080, "2001:db8::99", 999, SHUNT_UDP);
	CU_ASSERT_EQUAL(u.p.direction, PKT_TO_CLIENT);
	CU_ASSERT_EQUAL(u.p.service, 6);
	CU_ASSERT_PTR_EQUAL(u.p.client, u.frame + 14 + 24);
	CU_ASSERT_EQUAL(t.p.owner_hash, u.p.owner_hash);
	CU_ASSERT_EQUAL(t.p.owner_hash,
		classify_owner_hash(t.p.client, t.p.version, t.p.client_port_be, SEED));
	done(&t);
	done(&u);
	generation_destroy(g);
	object_store_destroy(store);
}

static void
test_not_ours(void)
{
	struct object_store *store = object_store_create();
	struct generation *g, *empty = build(store);
	struct test_pkt t;

#define NOT_OURS(classifier, ...)                                 \
	do {                                                      \
		t = classified(classifier, __VA_ARGS__);          \
		CU_ASSERT_EQUAL(t.p.drop, SHUNT_DROP_NO_SERVICE); \
		done(&t);                                         \
	} while (0)
	NOT_OURS(empty->classifier, "192.0.2.1", 1, "198.51.100.10", 80, SHUNT_TCP);
	NOT_OURS(empty->classifier, "192.0.2.1", 0, "198.51.100.10", 0, SHUNT_UDP);
	helper_put_settings(store);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_backend(store, 2, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_server(store, 1, "10.0.0.1", 8080, 1);
	helper_put_server(store, 2, "10.0.0.2", 8080, 2);
	helper_put_service(store, 1, "198.51.100.10", 80, SHUNT_TCP, 1);
	g = build(store);
	NOT_OURS(g->classifier, "192.0.2.1", 1, "198.51.100.10", 81, SHUNT_TCP);
	NOT_OURS(g->classifier, "192.0.2.1", 1, "198.51.100.11", 80, SHUNT_TCP);
	NOT_OURS(g->classifier, "192.0.2.1", 1, "198.51.100.10", 80, SHUNT_UDP);
	NOT_OURS(g->classifier, "10.0.0.1", 8081, "192.0.2.1", 1, SHUNT_TCP);
	NOT_OURS(g->classifier, "10.0.0.1", 8080, "192.0.2.1", 1, SHUNT_UDP);
	/* To a server, from a service, and from a server whose backend has no service. */
	NOT_OURS(g->classifier, "192.0.2.1", 1, "10.0.0.1", 8080, SHUNT_TCP);
	NOT_OURS(g->classifier, "198.51.100.10", 80, "192.0.2.1", 1, SHUNT_TCP);
	NOT_OURS(g->classifier, "10.0.0.2", 8080, "192.0.2.1", 1, SHUNT_TCP);
	/* The mapped form's bytes in an IPv6 packet are another matter (refused at parsing). */
	NOT_OURS(g->classifier, "2001:db8::1", 1, "::198.51.100.10", 80, SHUNT_TCP);
	generation_destroy(g);
	generation_destroy(empty);
	object_store_destroy(store);
}

/* One address and port that is a service and a server of another service. */
static void
test_chained(void)
{
	struct object_store *store = object_store_create();
	struct generation *g;
	struct test_pkt t;

	helper_put_settings(store);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_backend(store, 2, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_server(store, 1, "198.51.100.20", 80, 1);
	helper_put_server(store, 2, "10.0.0.1", 80, 2);
	helper_put_service(store, 1, "198.51.100.10", 80, SHUNT_TCP, 1);
	helper_put_service(store, 2, "198.51.100.20", 80, SHUNT_TCP, 2);
	g = build(store);
	t = classified(g->classifier, "192.0.2.1", 5, "198.51.100.20", 80, SHUNT_TCP);
	CU_ASSERT_EQUAL(t.p.direction, PKT_TO_SERVER);
	CU_ASSERT_EQUAL(t.p.service, 2);
	done(&t);
	t = classified(g->classifier, "198.51.100.20", 80, "192.0.2.1", 5, SHUNT_TCP);
	CU_ASSERT_EQUAL(t.p.direction, PKT_TO_CLIENT);
	CU_ASSERT_EQUAL(t.p.service, 1);
	done(&t);
	generation_destroy(g);
	object_store_destroy(store);
}

/* A packet that has a drop reason is not looked at: its fields may be anything. */
static void
test_dropped_are_left(void)
{
	struct object_store *store = object_store_create();
	struct generation *g = build(store);
	struct pkt dropped = { .drop = SHUNT_DROP_SHORT_FRAME, .l3_offset = 60000 };
	struct pkt *burst[PKT_BURST];

	for (unsigned int i = 0; i < PKT_BURST; i++)
		burst[i] = &dropped;
	classify_burst(g->classifier, burst, PKT_BURST, SEED);
	classify_burst(g->classifier, burst, 0, SEED);
	CU_ASSERT_EQUAL(dropped.drop, SHUNT_DROP_SHORT_FRAME);
	generation_destroy(g);
	object_store_destroy(store);
}

/* The service ids a reply may belong to, the slow way; returns how many. */
static unsigned int
reference_services(const struct generation *g, const uint8_t *address, uint8_t version,
	uint16_t port_be, uint8_t protocol, bool found[SHUNT_MAX_SERVICES])
{
	unsigned int count = 0;

	memset(found, 0, SHUNT_MAX_SERVICES * sizeof(found[0]));
	for (uint32_t id = 1; id < g->server_count; id++) {
		const struct gen_server *s = &g->servers[id];

		if (s->version != version || s->port_be != port_be ||
			memcmp(s->address, address, version == 4 ? 4 : 16) != 0)
			continue;
		for (uint32_t i = 1; i < SHUNT_MAX_SERVICES; i++) {
			if (g->services[i].version && g->services[i].backend == s->backend &&
				g->services[i].protocol == protocol && !found[i]) {
				found[i] = true;
				count++;
			}
		}
	}
	return count;
}

static uint32_t
reference_service(const struct generation *g, const uint8_t *address, uint8_t version,
	uint16_t port_be, uint8_t protocol)
{
	for (uint32_t i = 1; i < SHUNT_MAX_SERVICES; i++) {
		const struct gen_service *s = &g->services[i];

		if (s->version == version && s->port_be == port_be && s->protocol == protocol &&
			memcmp(s->address, address, version == 4 ? 4 : 16) == 0)
			return i;
	}
	return 0;
}

static void
check_against_reference(const struct generation *g, const struct pkt *p)
{
	const uint8_t *l3 = p->data + p->l3_offset;
	const uint8_t *src = l3 + (p->version == 4 ? 12 : 8);
	const uint8_t *dst = l3 + (p->version == 4 ? 16 : 24);
	uint32_t service = reference_service(g, dst, p->version, p->dport_be, p->protocol);
	bool found[SHUNT_MAX_SERVICES];
	unsigned int count;

	if (service) {
		CU_ASSERT_EQUAL(p->drop, 0);
		CU_ASSERT_EQUAL(p->direction, PKT_TO_SERVER);
		CU_ASSERT_EQUAL(p->service, service);
		CU_ASSERT_EQUAL(p->other_service_count, 0);
		CU_ASSERT_PTR_EQUAL(p->client, src);
		CU_ASSERT_EQUAL(p->client_port_be, p->sport_be);
		return;
	}
	count = reference_services(g, src, p->version, p->sport_be, p->protocol, found);
	if (count == 0) {
		CU_ASSERT_EQUAL(p->drop, SHUNT_DROP_NO_SERVICE);
		return;
	}
	CU_ASSERT_EQUAL(p->drop, 0);
	CU_ASSERT_EQUAL(p->direction, PKT_TO_CLIENT);
	CU_ASSERT_PTR_EQUAL(p->client, dst);
	CU_ASSERT_EQUAL(p->client_port_be, p->dport_be);
	CU_ASSERT_EQUAL(p->other_service_count, count - 1);
	CU_ASSERT(found[p->service]);
	found[p->service] = false;
	for (unsigned int i = 0; i < p->other_service_count; i++) {
		uint16_t other = classify_other_service(g->classifier, p, i);

		CU_ASSERT_FATAL(other < SHUNT_MAX_SERVICES);
		CU_ASSERT(found[other]);
		found[other] = false;
	}
}

/* Few addresses and ports, so that everything is shared with everything. */
static struct shunt_addr
small_address(uint64_t *seed, bool v4, unsigned int net)
{
	char text[64];

	snprintf(text, sizeof(text), v4 ? "10.0.%u.%u" : "fd00::%u:%u", net,
		(unsigned int)(1 + helper_random(seed) % 6));
	return helper_addr(text);
}

static struct object_store *
random_store(uint64_t *seed)
{
	struct object_store *store = object_store_create();
	uint32_t services = helper_random(seed) % 40, servers = helper_random(seed) % 60;
	const char *why;

	helper_put_settings(store);
	for (uint32_t id = 1; id <= 8; id++)
		helper_put_backend(store, id, SHUNT_SOURCE, NULL, 0, 0);
	/* Backends 1..4 are IPv4. Duplicates are made too, and left out again by their key. */
	for (uint32_t n = 0; n < services; n++) {
		uint32_t backend = 1 + helper_random(seed) % 8;
		struct shunt_service s = helper_service("10.0.0.1", 80 + helper_random(seed) % 2,
			helper_random(seed) & 1 ? SHUNT_TCP : SHUNT_UDP, backend);
		struct shunt_addr a = small_address(seed, backend <= 4, helper_random(seed) % 2);
		uint32_t id = 1;

		s.address = a;
		id += (a.bytes[13] + a.bytes[14] + a.bytes[15]) * 16 + a.bytes[0];
		id = 1 +
			(id * 4 + (s.port_be == htons(80)) * 2 + (s.protocol == SHUNT_TCP)) %
				(SHUNT_MAX_SERVICES - 1);
		if (!object_store_get(store, SHUNT_KIND_SERVICE, id))
			CU_ASSERT_EQUAL(object_store_put(
						store, SHUNT_KIND_SERVICE, id, &s, sizeof(s), &why),
				0);
	}
	for (uint32_t n = 0; n < servers; n++) {
		uint32_t backend = 1 + helper_random(seed) % 8;
		struct shunt_server s =
			helper_server("10.0.0.1", 80 + helper_random(seed) % 2, backend);

		s.address = small_address(seed, backend <= 4, 1 + helper_random(seed) % 2);
		s.state = helper_random(seed) % SHUNT_SERVER_STATE_COUNT;
		helper_put(store, SHUNT_KIND_SERVER, 1 + helper_random(seed) % 200, &s, sizeof(s));
	}
	return store;
}

static void
test_against_reference(void)
{
	uint64_t seed = 0xc1a551f1;
	unsigned int built = 0, shared_endpoints = 0;

	for (unsigned int round = 0; round < 300; round++) {
		struct object_store *store = random_store(&seed);
		struct generation_error error;
		int result;
		struct generation *g = generation_create(store, 1, NULL, 1, &error, &result);
		struct test_pkt t[PKT_BURST];
		struct pkt *burst[PKT_BURST];

		object_store_destroy(store);
		if (!g)
			continue; /* two ids got the same address */
		built++;
		for (unsigned int i = 0; i < PKT_BURST; i++) {
			bool v4 = helper_random(&seed) & 1;
			struct shunt_addr src = small_address(&seed, v4, helper_random(&seed) % 4);
			struct shunt_addr dst = small_address(&seed, v4, helper_random(&seed) % 4);

			make_pkt(&t[i], &src, 80 + helper_random(&seed) % 3, &dst,
				80 + helper_random(&seed) % 3,
				helper_random(&seed) & 1 ? SHUNT_TCP : SHUNT_UDP);
			burst[i] = &t[i].p;
		}
		classify_burst(g->classifier, burst, PKT_BURST, SEED);
		for (unsigned int i = 0; i < PKT_BURST; i++) {
			check_against_reference(g, burst[i]);
			shared_endpoints += burst[i]->drop == 0 && burst[i]->other_service_count;
			done(&t[i]);
		}
		generation_destroy(g);
	}
	CU_ASSERT(built > 200);
	CU_ASSERT(shared_endpoints > 500);
}

/* 65,535 servers and 4,095 services, many of them on the same backend. */
static void
test_greatest(void)
{
	struct object_store *store = object_store_create();
	struct generation *g;
	uint64_t seed = 77;
	char text[64];

	helper_put_settings(store);
	for (uint32_t id = 1; id <= 16; id++)
		helper_put_backend(store, id, SHUNT_SOURCE, NULL, 0, 0);
	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		snprintf(text, sizeof(text), "198.51.%u.%u", id >> 8, id & 0xff);
		helper_put_service(
			store, id, text, 80, id & 32 ? SHUNT_UDP : SHUNT_TCP, 1 + id % 16);
	}
	for (uint32_t id = 1; id < SHUNT_MAX_SERVERS; id++) {
		/* The first 64 endpoints are in each of the 16 backends. */
		uint32_t endpoint = id < 1024 ? id % 64 : id;

		snprintf(text, sizeof(text), "10.0.%u.%u", endpoint >> 8, endpoint & 0xff);
		helper_put_server(store, id, text, 8080, 1 + (id < 1024 ? id / 64 : id % 16));
	}
	g = build(store);
	for (unsigned int round = 0; round < 200; round++) {
		struct shunt_addr client = helper_addr("192.0.2.1"), server;
		uint32_t id = round < 64 ? round : helper_random(&seed) % 65536;
		struct test_pkt t;
		struct pkt *p = &t.p;

		snprintf(text, sizeof(text), "10.0.%u.%u", id >> 8, id & 0xff);
		server = helper_addr(text);
		make_pkt(&t, &server, 8080, &client, 1,
			helper_random(&seed) & 1 ? SHUNT_TCP : SHUNT_UDP);
		classify_burst(g->classifier, &p, 1, SEED);
		check_against_reference(g, p);
		if (round > 0 && round < 64)
			CU_ASSERT(p->other_service_count > 1000);
		done(&t);
	}
	generation_destroy(g);
	object_store_destroy(store);
}

struct each_context {
	const struct generation *generation;
	unsigned int services;
	unsigned int servers;
};

static void
count_each(void *context, const struct shunt_addr *address, uint16_t port_be, uint16_t last_port_be,
	uint8_t protocol, bool is_service)
{
	struct each_context *e = context;
	bool v4 = shunt_addr_is_v4(address), found[SHUNT_MAX_SERVICES];
	const uint8_t *bytes = v4 ? &address->bytes[12] : address->bytes;

	CU_ASSERT_EQUAL(port_be, last_port_be);
	if (is_service) {
		e->services++;
		CU_ASSERT(reference_service(e->generation, bytes, v4 ? 4 : 6, port_be, protocol));
	} else {
		e->servers++;
		CU_ASSERT(reference_services(
			e->generation, bytes, v4 ? 4 : 6, port_be, protocol, found));
	}
}

static void
test_each(void)
{
	struct object_store *store = object_store_create();
	struct each_context e = { 0 };
	struct generation *g;

	helper_put_settings(store);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_backend(store, 2, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_backend(store, 3, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_server(store, 1, "10.0.0.1", 80, 1);
	helper_put_server(store, 2, "10.0.0.1", 80, 1); /* the same endpoint twice */
	helper_put_server(store, 3, "fd00::1", 80, 2);
	helper_put_server(store, 4, "10.0.0.4", 80, 3); /* of no service */
	helper_put_service(store, 1, "198.51.100.10", 80, SHUNT_TCP, 1);
	helper_put_service(store, 2, "198.51.100.10", 80, SHUNT_UDP, 1);
	helper_put_service(store, 3, "2001:db8::10", 80, SHUNT_TCP, 2);
	g = build(store);
	e.generation = g;
	classifier_each(g->classifier, count_each, &e);
	CU_ASSERT_EQUAL(e.services, 3);
	CU_ASSERT_EQUAL(e.servers, 3);
	generation_destroy(g);
	object_store_destroy(store);
}

/*
 * Flows spread evenly over workers, whatever counts up: ports of one client, or clients. The bound
 * is chi-square's mean plus five standard deviations.
 */
static void
check_owner_spread(
	const struct classifier *c, unsigned int workers, bool v4, bool vary_port, uint64_t seed)
{
	unsigned int counts[SHUNT_MAX_WORKERS] = { 0 }, flows = 20000;
	struct shunt_addr service = helper_addr(v4 ? "198.51.100.10" : "2001:db8::10");
	double expected = (double)flows / workers, chi = 0, free_degrees = workers - 1;

	for (unsigned int i = 0; i < flows; i++) {
		struct shunt_addr client = helper_addr(v4 ? "10.1.0.0" : "2001:db8:1::");
		struct test_pkt t;
		struct pkt *p = &t.p;

		if (!vary_port) {
			client.bytes[14] = i >> 8;
			client.bytes[15] = i & 0xff;
		}
		make_pkt(&t, &client, vary_port ? 1024 + i : 40000, &service, 80, SHUNT_TCP);
		classify_burst(c, &p, 1, seed);
		CU_ASSERT_EQUAL_FATAL(p->drop, 0);
		counts[((uint64_t)p->owner_hash * workers) >> 32]++;
		done(&t);
	}
	for (unsigned int w = 0; w < workers; w++)
		chi += (counts[w] - expected) * (counts[w] - expected) / expected;
	CU_ASSERT((chi - free_degrees) * (chi - free_degrees) < 25 * 2 * free_degrees ||
		chi < free_degrees);
}

static void
test_owner_hash(void)
{
	static const uint64_t seeds[] = { 0, 1, SEED, UINT64_MAX, 0xdeadbeefcafef00d };
	static const unsigned int workers[] = { 2, 3, 8, 64 };
	struct object_store *store = object_store_create();
	struct generation *g;
	struct test_pkt a, b;

	helper_put_settings(store);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_service(store, 1, "198.51.100.10", 80, SHUNT_TCP, 1);
	helper_put_service(store, 2, "2001:db8::10", 80, SHUNT_TCP, 1);
	g = build(store);
	for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
		for (size_t w = 0; w < sizeof(workers) / sizeof(workers[0]); w++) {
			for (unsigned int mode = 0; mode < 4; mode++)
				check_owner_spread(
					g->classifier, workers[w], mode & 1, mode & 2, seeds[s]);
		}
	}
	/* It covers client address and port, and the seed. */
	a = classified(g->classifier, "192.0.2.1", 1, "198.51.100.10", 80, SHUNT_TCP);
	b = classified(g->classifier, "192.0.2.1", 2, "198.51.100.10", 80, SHUNT_TCP);
	CU_ASSERT_NOT_EQUAL(a.p.owner_hash, b.p.owner_hash);
	done(&b);
	b = classified(g->classifier, "192.0.2.2", 1, "198.51.100.10", 80, SHUNT_TCP);
	CU_ASSERT_NOT_EQUAL(a.p.owner_hash, b.p.owner_hash);
	{
		uint32_t hash = a.p.owner_hash;
		struct pkt *p = &a.p;

		classify_burst(g->classifier, &p, 1, SEED);
		CU_ASSERT_EQUAL(p->owner_hash, hash);
		classify_burst(g->classifier, &p, 1, SEED + 1);
		CU_ASSERT_NOT_EQUAL(p->owner_hash, hash);
	}
	done(&a);
	done(&b);
	generation_destroy(g);
	object_store_destroy(store);
}

static const struct unit_test tests[] = {
	{ "directions", test_directions },
	{ "not ours", test_not_ours },
	{ "a service that is a server", test_chained },
	{ "dropped packets are left alone", test_dropped_are_left },
	{ "against a reference", test_against_reference },
	{ "the greatest", test_greatest },
	{ "each", test_each },
	{ "owner hash", test_owner_hash },
};

UNIT_MAIN("classify", tests)
