/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "classify.h"
#include "generation.h"
#include "objects_helper.h"

#define PORT_COUNT 2

/* 198.51.100.10:80 on backend 1 {10.0.0.1, 10.0.0.2}, [2001:db8::10]:53 udp on 2 {fd00::1}. */
static struct object_store *
small_store(void)
{
	static const struct shunt_member v4[] = { { 1, 10 }, { 2, 5 } }, v6[] = { { 3, 1 } };
	struct object_store *store = object_store_create();
	struct shunt_nexthop hop = { .port = 1, .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct shunt_server server = helper_server("10.0.0.1", 8080, 1);

	helper_put_settings(store);
	helper_put(store, SHUNT_KIND_NEXTHOP, 4, &hop, sizeof(hop));
	server.nexthop = 4;
	helper_put(store, SHUNT_KIND_SERVER, 1, &server, sizeof(server));
	helper_put_server(store, 2, "10.0.0.2", 8080, 1);
	helper_put_server(store, 3, "fd00::1", 5353, 2);
	helper_put_backend(store, 1, SHUNT_ROUNDROBIN, v4, 2, 16);
	helper_put_backend(store, 2, SHUNT_LEASTCONN, v6, 1, 16);
	helper_put_service(store, 1, "198.51.100.10", 80, SHUNT_TCP, 1);
	helper_put_service(store, 9, "2001:db8::10", 53, SHUNT_UDP, 2);
	return store;
}

static struct generation *
build(const struct object_store *store, uint64_t number, const struct generation *before)
{
	struct generation_error error;
	int result = 1;
	struct generation *g =
		generation_create(store, number, before, PORT_COUNT, &error, &result);

	if (!g)
		printf("\nrefused: kind %u id %u: %s\n", error.kind, error.id, error.text);
	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	CU_ASSERT_PTR_NULL(error.text);
	return g;
}

static void
refused(const struct object_store *store, const struct generation *before, uint32_t kind,
	uint32_t id, const char *text)
{
	struct generation_error error;
	int result = 1;

	CU_ASSERT_PTR_NULL_FATAL(generation_create(store, 2, before, PORT_COUNT, &error, &result));
	CU_ASSERT_EQUAL(result, -EINVAL);
	CU_ASSERT_EQUAL(error.kind, kind);
	CU_ASSERT_EQUAL(error.id, id);
	CU_ASSERT_PTR_NOT_NULL_FATAL(error.text);
	if (!strstr(error.text, text)) {
		printf("\nrefused with \"%s\", expected \"%s\"\n", error.text, text);
		CU_FAIL("another reason");
	}
}

static void
test_empty(void)
{
	struct object_store *store = object_store_create();
	struct generation *g = build(store, 1, NULL), *next;

	CU_ASSERT_EQUAL(g->number, 1);
	CU_ASSERT_EQUAL(g->server_count, 1);
	CU_ASSERT_EQUAL(g->servers[0].version, 0);
	CU_ASSERT_PTR_NOT_NULL(g->classifier);
	next = build(store, 2, g);
	generation_destroy(g);
	generation_destroy(next);
	generation_destroy(NULL);
	object_store_destroy(store);
}

static uint16_t
slow_sum(const uint8_t *bytes, size_t count, uint16_t port_be)
{
	uint32_t sum = port_be;

	for (size_t i = 0; i < count; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, 2);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void
test_flat_arrays(void)
{
	static const uint8_t v4[4] = { 10, 0, 0, 1 }, vip[4] = { 198, 51, 100, 10 };
	struct object_store *store = small_store();
	struct generation *g = build(store, 3, NULL);
	struct shunt_addr v6 = helper_addr("fd00::1");

	CU_ASSERT_EQUAL(memcmp(g->hash_secret, "0123456789abcde", 16), 0);
	CU_ASSERT_EQUAL(g->server_count, 4);
	CU_ASSERT_EQUAL(g->servers[0].version, 0);
	CU_ASSERT_EQUAL(g->servers[1].version, 4);
	CU_ASSERT_EQUAL(memcmp(g->servers[1].address, v4, 4), 0);
	CU_ASSERT_EQUAL(g->servers[1].port_be, htons(8080));
	CU_ASSERT_EQUAL(g->servers[1].backend, 1);
	CU_ASSERT_EQUAL(g->servers[1].l3_sum, slow_sum(v4, 4, 0));
	CU_ASSERT_EQUAL(g->servers[1].l4_sum, slow_sum(v4, 4, htons(8080)));
	CU_ASSERT_EQUAL(g->servers[1].link.known, 1);
	CU_ASSERT_EQUAL(g->servers[1].link.port, 1);
	CU_ASSERT_EQUAL(g->servers[1].link.mac.bytes[5], 1);
	CU_ASSERT_EQUAL(g->servers[2].link.known, 0);
	CU_ASSERT_EQUAL(g->servers[3].version, 6);
	CU_ASSERT_EQUAL(memcmp(g->servers[3].address, &v6, 16), 0);
	CU_ASSERT_EQUAL(g->servers[3].l3_sum, slow_sum(v6.bytes, 16, 0));
	CU_ASSERT_EQUAL(g->servers[3].l4_sum, slow_sum(v6.bytes, 16, htons(5353)));

	CU_ASSERT_EQUAL(g->services[1].version, 4);
	CU_ASSERT_EQUAL(memcmp(g->services[1].address, vip, 4), 0);
	CU_ASSERT_EQUAL(g->services[1].protocol, SHUNT_TCP);
	CU_ASSERT_EQUAL(g->services[1].l4_sum, slow_sum(vip, 4, htons(80)));
	CU_ASSERT_EQUAL(g->services[2].version, 0);
	CU_ASSERT_EQUAL(g->services[9].version, 6);
	CU_ASSERT_EQUAL(g->services[9].backend, 2);

	CU_ASSERT_PTR_NULL(g->backends[0]);
	CU_ASSERT_PTR_NULL(g->backends[3]);
	CU_ASSERT_EQUAL(g->backends[1]->id, 1);
	CU_ASSERT_EQUAL(g->backends[1]->algorithm, SHUNT_ROUNDROBIN);
	CU_ASSERT_EQUAL(g->backends[1]->member_count, 2);
	CU_ASSERT_EQUAL(g->backends[1]->members[1].server, 2);
	CU_ASSERT_EQUAL(g->backends[1]->slot_count, 16);
	CU_ASSERT_EQUAL(g->backends[1]->slots[0], 0);
	CU_ASSERT_EQUAL(g->backends[1]->slots[15], 1);
	CU_ASSERT_EQUAL(g->backends[1]->schedule_count, 15);
	CU_ASSERT_EQUAL(g->backends[1]->schedule[9], 0);
	CU_ASSERT_EQUAL(g->backends[1]->schedule[10], 1);

	/* The set may go before the generation does. */
	object_store_destroy(store);
	CU_ASSERT_EQUAL(g->backends[1]->members[0].weight, 10);
	CU_ASSERT_EQUAL(g->backends[1]->schedule[14], 1);
	generation_destroy(g);
}

static void
test_timeouts(void)
{
	static const uint32_t ms[] = { 1, 1999, 2000, 2001, 30000, SHUNT_MAX_TIMEOUT_MS };
	static const uint16_t ticks[] = { 2, 2, 2, 3, 17, 45901 };
	struct object_store *store = small_store();

	for (size_t i = 0; i < sizeof(ms) / sizeof(ms[0]); i++) {
		struct shunt_service s = helper_service("198.51.100.10", 80, SHUNT_TCP, 1);
		struct generation *g;
		const uint16_t *t;

		s.timeout_syn_ms = ms[i];
		s.timeout_established_ms = ms[(i + 1) % 6];
		s.timeout_fin_ms = ms[(i + 2) % 6];
		s.timeout_udp_ms = ms[(i + 3) % 6];
		helper_put(store, SHUNT_KIND_SERVICE, 1, &s, sizeof(s));
		g = build(store, 1, NULL);
		t = g->timeouts[1].ticks;
		CU_ASSERT_EQUAL(t[FLOW_SYN], ticks[i]);
		CU_ASSERT_EQUAL(t[FLOW_SYN_ACK], ticks[i]);
		CU_ASSERT_EQUAL(t[FLOW_ESTABLISHED], ticks[(i + 1) % 6]);
		CU_ASSERT_EQUAL(t[FLOW_FIN_CLIENT], ticks[(i + 2) % 6]);
		CU_ASSERT_EQUAL(t[FLOW_FIN_SERVER], ticks[(i + 2) % 6]);
		CU_ASSERT(t[FLOW_CLOSED] <= t[FLOW_FIN_CLIENT]);
		CU_ASSERT(t[FLOW_CLOSED] >= 2 && t[FLOW_CLOSED] <= 6);
		CU_ASSERT_EQUAL(t[FLOW_UDP], ticks[(i + 3) % 6]);
		/* No service: all zero, so that its flows go at the next sweep. */
		for (int state = 0; state < FLOW_STATE_COUNT; state++)
			CU_ASSERT_EQUAL(g->timeouts[2].ticks[state], 0);
		/* Claims do not expire. */
		CU_ASSERT_EQUAL(g->timeouts[0].ticks[FLOW_ESTABLISHED], UINT16_MAX);
		generation_destroy(g);
	}
	object_store_destroy(store);
}

static void
test_sharing(void)
{
	struct object_store *store = small_store(), *next = object_store_clone(store);
	struct shunt_server server = helper_server("10.0.0.1", 8080, 1);
	static const struct shunt_member only[] = { { 2, 5 } };
	struct generation *a = build(store, 1, NULL), *b, *c, *d;

	/* A server's state and next hop change: backends and classifier are the same ones. */
	server.state = SHUNT_SERVER_DRAIN;
	helper_put(next, SHUNT_KIND_SERVER, 1, &server, sizeof(server));
	b = build(next, 2, a);
	CU_ASSERT_PTR_EQUAL(a->backends[1], b->backends[1]);
	CU_ASSERT_PTR_EQUAL(a->backends[2], b->backends[2]);
	CU_ASSERT_EQUAL(a->backends[1]->references, 2);
	CU_ASSERT_PTR_EQUAL(a->classifier, b->classifier);
	CU_ASSERT_EQUAL(a->servers[1].state, SHUNT_SERVER_UP);
	CU_ASSERT_EQUAL(b->servers[1].state, SHUNT_SERVER_DRAIN);
	CU_ASSERT_EQUAL(b->servers[1].link.known, 0);

	/* A backend changes: it alone is new; servers that left it still answer. */
	helper_put_backend(next, 1, SHUNT_ROUNDROBIN, only, 1, 16);
	c = build(next, 3, b);
	CU_ASSERT_PTR_NOT_EQUAL(c->backends[1], b->backends[1]);
	CU_ASSERT_PTR_EQUAL(c->backends[2], b->backends[2]);
	CU_ASSERT_EQUAL(c->backends[2]->references, 3);
	CU_ASSERT_EQUAL(c->backends[1]->member_count, 1);
	CU_ASSERT_PTR_EQUAL(c->classifier, b->classifier);

	/* An endpoint changes: a new classifier. */
	helper_put_server(next, 1, "10.0.0.1", 8081, 1);
	d = build(next, 4, c);
	CU_ASSERT_PTR_NOT_EQUAL(d->classifier, c->classifier);
	CU_ASSERT_PTR_EQUAL(d->backends[1], c->backends[1]);

	/* Freed out of order; what is shared stays as long as somebody has it. */
	object_store_destroy(next);
	object_store_destroy(store);
	generation_destroy(b);
	CU_ASSERT_EQUAL(a->backends[1]->references, 1);
	CU_ASSERT_EQUAL(a->backends[1]->members[0].server, 1);
	generation_destroy(a);
	CU_ASSERT_EQUAL(c->backends[2]->references, 2);
	generation_destroy(c);
	CU_ASSERT_EQUAL(d->backends[2]->members[0].server, 3);
	CU_ASSERT_EQUAL(d->backends[2]->references, 1);
	generation_destroy(d);
}

/* What does and what does not need a new classifier. */
static void
test_classifier_sharing(void)
{
	struct object_store *store = small_store(), *next;
	struct generation *before, *g;
	struct shunt_service service = helper_service("198.51.100.10", 80, SHUNT_TCP, 1);

	/* A server that is no member, and an empty backend. */
	helper_put_server(store, 5, "10.0.0.5", 8080, 1);
	helper_put_backend(store, 3, SHUNT_SOURCE, NULL, 0, 0);
	before = build(store, 1, NULL);

#define AFTER(change, is_shared)                                                 \
	do {                                                                     \
		next = object_store_clone(store);                                \
		change;                                                          \
		g = build(next, 2, before);                                      \
		CU_ASSERT_EQUAL(g->classifier == before->classifier, is_shared); \
		generation_destroy(g);                                           \
		object_store_destroy(next);                                      \
	} while (0)
	service.timeout_fin_ms = 1000;
	AFTER(helper_put(next, SHUNT_KIND_SERVICE, 1, &service, sizeof(service)), true);
	AFTER(helper_put_service(next, 1, "198.51.100.10", 81, SHUNT_TCP, 1), false);
	AFTER(helper_put_service(next, 1, "198.51.100.11", 80, SHUNT_TCP, 1), false);
	AFTER(helper_put_service(next, 1, "198.51.100.10", 80, SHUNT_UDP, 1), false);
	AFTER(helper_put_service(next, 2, "198.51.100.10", 81, SHUNT_TCP, 1), false);
	AFTER(object_store_delete(next, SHUNT_KIND_SERVICE, 1), false);
	AFTER(helper_put_server(next, 2, "10.0.0.3", 8080, 1), false);
	AFTER(helper_put_server(next, 6, "10.0.0.3", 8080, 1), false);
	AFTER(helper_put_server(next, 5, "10.0.0.5", 8080, 3), false);
	AFTER(object_store_delete(next, SHUNT_KIND_SERVER, 5), false);
	AFTER(helper_put_service(next, 1, "198.51.100.10", 80, SHUNT_TCP, 3), false);
	AFTER(helper_put_server(next, 3, "fd00::2", 5353, 2), false);
	AFTER(helper_put_server(next, 2, "10.0.0.2", 8080, 1), true);
	generation_destroy(before);
	object_store_destroy(store);
}

/* Services are taken over as they are unless one of them has changed, and outlive their maker. */
static void
test_service_sharing(void)
{
	struct object_store *store = small_store();
	struct generation *before = build(store, 1, NULL), *same, *other;
	struct shunt_server server = helper_server("10.0.0.2", 8080, 1);
	struct shunt_service service = helper_service("198.51.100.10", 80, SHUNT_TCP, 1);

	server.state = SHUNT_SERVER_DOWN;
	helper_put(store, SHUNT_KIND_SERVER, 2, &server, sizeof(server));
	helper_put(store, SHUNT_KIND_SERVICE, 1, &service, sizeof(service)); /* nothing new */
	same = build(store, 2, before);
	CU_ASSERT_PTR_EQUAL(same->services, before->services);
	CU_ASSERT_PTR_EQUAL(same->timeouts, before->timeouts);
	service.timeout_fin_ms = 1000;
	helper_put(store, SHUNT_KIND_SERVICE, 1, &service, sizeof(service));
	other = build(store, 3, same);
	CU_ASSERT_PTR_NOT_EQUAL(other->services, same->services);
	CU_ASSERT_NOT_EQUAL(other->timeouts[1].ticks[FLOW_FIN_CLIENT],
		same->timeouts[1].ticks[FLOW_FIN_CLIENT]);
	generation_destroy(before);
	object_store_destroy(store);
	CU_ASSERT_EQUAL(same->services[1].version, 4);
	CU_ASSERT(same->timeouts[1].ticks[FLOW_SYN] > 0);
	generation_destroy(same);
	generation_destroy(other);
}

/* One change to a good set, refused with and without a generation to share with. */
#define REFUSED(change, kind, id, text)                \
	do {                                           \
		next = object_store_clone(store);      \
		change;                                \
		refused(next, NULL, kind, id, text);   \
		refused(next, before, kind, id, text); \
		object_store_destroy(next);            \
	} while (0)

static void
test_reference_errors(void)
{
	struct object_store *store = small_store(), *next;
	struct generation *before = build(store, 1, NULL);
	struct shunt_nexthop hop = { .port = PORT_COUNT, .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct shunt_server far = helper_server("10.0.0.2", 8080, 1);
	static const struct shunt_member missing[] = { { 1, 1 }, { 77, 1 } };
	static const struct shunt_member beyond[] = { { 1, 1 }, { 65535, 1 } };
	static const struct shunt_member strange[] = { { 1, 1 }, { 3, 1 } };

	far.nexthop = 5;
	REFUSED(helper_put(next, SHUNT_KIND_NEXTHOP, 4, &hop, sizeof(hop)), SHUNT_KIND_NEXTHOP, 4,
		"port");
	/* One that no server uses is wrong as well. */
	REFUSED(helper_put(next, SHUNT_KIND_NEXTHOP, 8, &hop, sizeof(hop)), SHUNT_KIND_NEXTHOP, 8,
		"port");
	REFUSED(object_store_delete(next, SHUNT_KIND_NEXTHOP, 4), SHUNT_KIND_SERVER, 1,
		"next hop does not exist");
	REFUSED(helper_put(next, SHUNT_KIND_SERVER, 2, &far, sizeof(far)), SHUNT_KIND_SERVER, 2,
		"next hop does not exist");
	REFUSED(helper_put_server(next, 2, "10.0.0.2", 8080, 7), SHUNT_KIND_SERVER, 2,
		"backend does not exist");
	REFUSED(object_store_delete(next, SHUNT_KIND_BACKEND, 2), SHUNT_KIND_SERVER, 3,
		"backend does not exist");
	REFUSED(object_store_delete(next, SHUNT_KIND_SERVER, 2), SHUNT_KIND_BACKEND, 1,
		"members does not exist");
	REFUSED(helper_put_backend(next, 1, SHUNT_SOURCE, missing, 2, 16), SHUNT_KIND_BACKEND, 1,
		"members does not exist");
	REFUSED(helper_put_backend(next, 1, SHUNT_SOURCE, beyond, 2, 16), SHUNT_KIND_BACKEND, 1,
		"members does not exist");
	REFUSED(helper_put_backend(next, 1, SHUNT_SOURCE, strange, 2, 16), SHUNT_KIND_BACKEND, 1,
		"another backend");
	/* The same backend object, but its server has moved. */
	REFUSED(helper_put_server(next, 1, "10.0.0.1", 8080, 2), SHUNT_KIND_BACKEND, 1,
		"another backend");
	/* Nothing was left behind in what they shared with. */
	CU_ASSERT_EQUAL(before->backends[1]->references, 1);
	generation_destroy(before);
	object_store_destroy(store);
}

static void
test_service_errors(void)
{
	struct object_store *store = small_store(), *next;
	struct generation *before = build(store, 1, NULL);

	REFUSED(helper_put_service(next, 4, "198.51.100.11", 80, SHUNT_TCP, 3), SHUNT_KIND_SERVICE,
		4, "backend does not exist");
	REFUSED(helper_put_service(next, 4, "198.51.100.11", 80, SHUNT_TCP, 4095),
		SHUNT_KIND_SERVICE, 4, "backend does not exist");
	REFUSED(helper_put_service(next, 4, "2001:db8::11", 80, SHUNT_TCP, 1), SHUNT_KIND_SERVICE,
		4, "family");
	REFUSED(helper_put_service(next, 4, "198.51.100.11", 80, SHUNT_TCP, 2), SHUNT_KIND_SERVICE,
		4, "family");
	/* A server that is no member counts too: it may still have flows. */
	REFUSED(helper_put_server(next, 5, "fd00::5", 80, 1), SHUNT_KIND_SERVICE, 1, "family");
	REFUSED(helper_put_service(next, 4, "198.51.100.10", 80, SHUNT_TCP, 1), SHUNT_KIND_SERVICE,
		4, "same address");
	REFUSED(helper_put_service(next, 4095, "2001:db8::10", 53, SHUNT_UDP, 2),
		SHUNT_KIND_SERVICE, 4095, "same address");
	REFUSED(object_store_delete(next, SHUNT_KIND_SETTINGS, 1), SHUNT_KIND_SETTINGS, 1,
		"settings");
	/* Nothing was left behind in what they shared with. */
	CU_ASSERT_EQUAL(before->backends[1]->references, 1);
	generation_destroy(before);
	object_store_destroy(store);
}

/* All services there can be, which differ in one thing each, are no duplicates. */
static void
test_many_services(void)
{
	struct object_store *store = object_store_create();
	struct generation *g;
	char text[64];

	helper_put_settings(store);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		snprintf(text, sizeof(text), "10.1.%u.%u", (id >> 2) >> 8, (id >> 2) & 0xff);
		helper_put_service(
			store, id, text, id & 1 ? 80 : 443, id & 2 ? SHUNT_UDP : SHUNT_TCP, 1);
	}
	g = build(store, 1, NULL);
	generation_destroy(g);
	/* 8191 is 10.1.7.255:80 udp, so is 8189 now. */
	helper_put_service(store, 8189, "10.1.7.255", 80, SHUNT_UDP, 1);
	refused(store, NULL, SHUNT_KIND_SERVICE, 8191, "same address");
	object_store_destroy(store);
}

/* Random sets of changes: a generation that shares says the same as one that does not. */
static void
test_shared_equals_fresh(void)
{
	uint64_t seed = 0x9e4e7a;
	struct object_store *store = small_store();
	struct generation *running = build(store, 1, NULL);

	for (uint32_t round = 2; round < 300; round++) {
		uint64_t r = helper_random(&seed);
		struct shunt_member members[2] = { { 1, 1 + r % 9 }, { 2, 1 + r / 16 % 9 } };
		struct object_store *next = object_store_clone(store);
		struct generation *shared, *fresh;
		char text[32];

		if (r & 1 << 10)
			helper_put_backend(next, 1, r >> 11 & 1, members, 1 + (r >> 12 & 1), 8);
		snprintf(text, sizeof(text), "10.0.0.%u", (unsigned int)(1 + (r >> 16) % 4));
		if (r & 1 << 13)
			helper_put_server(next, 2, text, 8080, 1);
		if (r & 1 << 18)
			helper_put_service(
				next, 1, "198.51.100.10", 80 + (r >> 19 & 1), SHUNT_TCP, 1);
		if (r & 1 << 20 && object_store_delete(next, SHUNT_KIND_SERVICE, 3) < 0)
			helper_put_service(next, 3, "198.51.100.30", 80, SHUNT_TCP, 1);
		shared = build(next, round, running);
		fresh = build(next, round, NULL);
		CU_ASSERT_EQUAL(memcmp(shared->servers, fresh->servers,
					shared->server_count * sizeof(*shared->servers)),
			0);
		CU_ASSERT_EQUAL(memcmp(shared->services, fresh->services,
					SHUNT_MAX_SERVICES * sizeof(*shared->services)),
			0);
		CU_ASSERT_EQUAL(memcmp(shared->timeouts, fresh->timeouts,
					SHUNT_MAX_SERVICES * sizeof(*shared->timeouts)),
			0);
		CU_ASSERT_EQUAL(shared->backends[1]->algorithm, fresh->backends[1]->algorithm);
		CU_ASSERT_PTR_EQUAL(shared->backends[1]->members, fresh->backends[1]->members);
		generation_destroy(fresh);
		generation_destroy(running);
		object_store_destroy(store);
		running = shared;
		store = next;
	}
	generation_destroy(running);
	object_store_destroy(store);
}

/* What goes with a forwarding mode in a backend's image. */
static void
test_backend_forward(void)
{
	static const struct {
		uint8_t forward, encap;
		uint16_t port, mss;
		const char *refused; /* NULL: accepted */
	} cases[] = {
		{ SHUNT_DR, SHUNT_ENCAP_NONE, 0, 0, NULL },
		{ SHUNT_DR, SHUNT_ENCAP_NONE, 0, SHUNT_MIN_MSS, NULL },
		{ SHUNT_TUNNEL, SHUNT_IPIP, 0, SHUNT_MAX_MSS, NULL },
		{ SHUNT_TUNNEL, SHUNT_GRE, 0, 0, NULL },
		{ SHUNT_TUNNEL, SHUNT_GUE, 6080, 0, NULL },
		{ SHUNT_TUNNEL, SHUNT_ENCAP_NONE, 0, 0, "encapsulation" },
		{ SHUNT_TUNNEL, SHUNT_ENCAP_COUNT, 0, 0, "encapsulation" },
		{ SHUNT_DR, SHUNT_IPIP, 0, 0, "encapsulation" },
		{ SHUNT_NAT, SHUNT_GRE, 0, 0, "encapsulation" },
		{ SHUNT_TUNNEL, SHUNT_GUE, 0, 0, "port" },
		{ SHUNT_TUNNEL, SHUNT_GRE, 1, 0, "port" },
		{ SHUNT_NAT, SHUNT_ENCAP_NONE, 1, 0, "port" },
		{ SHUNT_NAT, SHUNT_ENCAP_NONE, 0, 1400, "MSS" },
		{ SHUNT_DR, SHUNT_ENCAP_NONE, 0, SHUNT_MIN_MSS - 1, "MSS" },
		{ SHUNT_DR, SHUNT_ENCAP_NONE, 0, SHUNT_MAX_MSS + 1, "MSS" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_store *store = object_store_create();
		struct shunt_backend *b = helper_backend(SHUNT_SOURCE, NULL, 0, 0);
		const char *why;
		int result;

		b->forward = cases[i].forward;
		b->encap = cases[i].encap;
		b->encap_port_be = htons(cases[i].port);
		b->mss_clamp = cases[i].mss;
		result = object_store_put(
			store, SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b), &why);
		CU_ASSERT_EQUAL(result, cases[i].refused ? -EINVAL : 0);
		if (cases[i].refused)
			CU_ASSERT_PTR_NOT_NULL(strstr(why ? why : "", cases[i].refused));
		free(b);
		object_store_destroy(store);
	}
}

/* Makes backend 1 of small_store() one of this mode. */
static void
put_forward(struct object_store *store, enum shunt_forward forward, enum shunt_encap encap)
{
	static const struct shunt_member members[] = { { 1, 10 }, { 2, 5 } };
	struct shunt_backend *b = helper_backend(SHUNT_SOURCE, members, 2, 16);

	b->forward = forward;
	b->encap = encap;
	b->encap_port_be = encap == SHUNT_GUE ? htons(6080) : 0;
	b->mss_clamp = forward == SHUNT_NAT ? 0 : 1400;
	helper_put(store, SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b));
	free(b);
}

/* A next hop with this source: is server 1 of small_store() reachable then? */
static bool
reachable_from(struct object_store *store, const char *source)
{
	struct shunt_nexthop hop = { .port = 1, .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct generation *g;
	bool reachable;

	if (source)
		hop.source = helper_addr(source);
	helper_put(store, SHUNT_KIND_NEXTHOP, 4, &hop, sizeof(hop));
	g = build(store, 1, NULL);
	reachable = g->servers[1].link.known;
	if (reachable && source)
		CU_ASSERT_EQUAL(memcmp(g->servers[1].source, hop.source.bytes + 12, 4), 0);
	generation_destroy(g);
	return reachable;
}

/* Families, sources and endpoints by forwarding mode. */
static void
test_forwarding_modes(void)
{
	struct object_store *store = small_store();
	struct generation *g = build(store, 1, NULL), *next;

	put_forward(store, SHUNT_DR, SHUNT_ENCAP_NONE);
	next = build(store, 2, g);
	/* The servers of backend 1 are no endpoints of replies any more: another classifier. */
	CU_ASSERT_PTR_NOT_EQUAL(next->classifier, g->classifier);
	CU_ASSERT_EQUAL(next->servers[1].forward, SHUNT_DR);
	CU_ASSERT_EQUAL(next->servers[2].mss_clamp, 1400);
	CU_ASSERT_EQUAL(next->servers[3].forward, SHUNT_NAT);
	generation_destroy(next);
	generation_destroy(g);
	CU_ASSERT_TRUE(reachable_from(store, NULL));
	helper_put_service(store, 2, "2001:db8::10", 80, SHUNT_TCP, 1);
	refused(store, NULL, SHUNT_KIND_SERVICE, 2, "family");
	put_forward(store, SHUNT_TUNNEL, SHUNT_GUE);
	CU_ASSERT_TRUE(reachable_from(store, "10.0.0.254"));
	CU_ASSERT_FALSE(reachable_from(store, "2001:db8::fe"));
	CU_ASSERT_FALSE(reachable_from(store, NULL));
	g = build(store, 1, NULL);
	CU_ASSERT_EQUAL(g->servers[1].encap, SHUNT_GUE);
	CU_ASSERT_EQUAL(g->servers[1].encap_port_be, htons(6080));
	generation_destroy(g);
	object_store_destroy(store);
}

static const struct unit_test tests[] = {
	{ "empty", test_empty },
	{ "flat arrays", test_flat_arrays },
	{ "timeouts", test_timeouts },
	{ "sharing", test_sharing },
	{ "sharing of the classifier", test_classifier_sharing },
	{ "reference errors", test_reference_errors },
	{ "service errors", test_service_errors },
	{ "forwarding in an image", test_backend_forward },
	{ "forwarding modes", test_forwarding_modes },
	{ "many services", test_many_services },
	{ "services shared", test_service_sharing },
	{ "shared equals fresh", test_shared_equals_fresh },
};

UNIT_MAIN("generation", tests)
