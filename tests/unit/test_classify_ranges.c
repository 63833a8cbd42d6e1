/* SPDX-License-Identifier: BSD-3-Clause */
/* Services with several ports and servers that take any, against a search of all of them. */
#include <errno.h>

#include "classify.h"
#include "frames.h"
#include "objects_helper.h"
#include "parse.h"

#define SEED	   7
#define MAX_TESTED 40

static const char *const vips[] = { "198.51.100.1", "198.51.100.2", "198.51.100.3" };
static const char *const hosts[] = { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4" };

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
put_range(struct object_store *store, uint32_t id, const char *address, uint16_t first,
	uint16_t last, uint8_t protocol, uint32_t backend)
{
	struct shunt_service s = helper_service(address, first, protocol, backend);

	s.last_port_be = htons(last);
	helper_put(store, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
}

static struct pkt
classified(const struct classifier *c, const char *src, uint16_t sport, const char *dst,
	uint16_t dport, uint8_t protocol)
{
	static uint8_t frame[FRAME_MAX_BYTES];
	struct frame_spec spec = frame_default(4, protocol);
	struct shunt_addr from = helper_addr(src), to = helper_addr(dst);
	struct pkt pkt = { .data = frame, .range_port_be = 1, .other_port_be = 1 }, *p = &pkt;

	memcpy(spec.src, from.bytes + 12, 4);
	memcpy(spec.dst, to.bytes + 12, 4);
	spec.sport = sport;
	spec.dport = dport;
	pkt.bytes = (uint32_t)frame_build(frame, &spec);
	parse_burst(&p, 1);
	classify_burst(c, &p, 1, SEED);
	return pkt;
}

/* Which service has the port: the one with the fewest, then the one that begins lowest. */
static uint32_t
reference_service(const struct generation *g, const char *vip, uint16_t port, uint8_t protocol)
{
	struct shunt_addr address = helper_addr(vip);
	uint32_t best = 0, best_width = UINT32_MAX, best_first = 0;

	for (uint32_t id = 1; id <= MAX_TESTED; id++) {
		const struct gen_service *s = &g->services[id];
		uint32_t first = ntohs(s->port_be), last = ntohs(s->last_port_be);

		if (!s->version || s->protocol != protocol || port < first || port > last ||
			memcmp(s->address, address.bytes + 12, 4) != 0)
			continue;
		if (last - first < best_width ||
			(last - first == best_width && first < best_first)) {
			best = id;
			best_width = last - first;
			best_first = first;
		}
	}
	return best;
}

/* May a reply from there be the service's? Only if the service has that port to begin with. */
static bool
reference_reply(const struct generation *g, uint32_t service, const char *host, uint16_t port)
{
	const struct gen_service *s = &g->services[service];
	struct shunt_addr address = helper_addr(host);

	for (uint32_t id = 1; id < g->server_count; id++) {
		const struct gen_server *server = &g->servers[id];

		if (!server->version || server->backend != s->backend ||
			memcmp(server->address, address.bytes + 12, 4) != 0)
			continue;
		if (server->port_be ? server->port_be == htons(port)
				    : port >= ntohs(s->port_be) && port <= ntohs(s->last_port_be))
			return true;
	}
	return false;
}

static bool
is_candidate(const struct generation *g, const struct pkt *p, uint32_t service)
{
	bool found = p->service == service;

	for (unsigned int i = 0; i < p->other_service_count; i++)
		found |= classify_other_service(g->classifier, p, i) == service;
	return found;
}

static void
check_request(const struct generation *g, const char *vip, uint16_t port, uint8_t protocol)
{
	struct pkt p = classified(g->classifier, "192.0.2.1", 1234, vip, port, protocol);
	uint32_t want = reference_service(g, vip, port, protocol);

	if (!want) {
		CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NO_SERVICE);
		return;
	}
	CU_ASSERT_EQUAL(p.drop, 0);
	CU_ASSERT_EQUAL(p.direction, PKT_TO_SERVER);
	CU_ASSERT_EQUAL(p.service, want);
	CU_ASSERT_EQUAL(
		p.range_port_be, gen_service_is_range(&g->services[want]) ? htons(port) : 0);
	CU_ASSERT_EQUAL(p.other_port_be, 0);
	CU_ASSERT_EQUAL(p.client_port_be, htons(1234));
}

/* Every service whose flows may lead there is a candidate, and no other is. */
static void
check_reply(const struct generation *g, const char *host, uint16_t port, uint8_t protocol)
{
	struct pkt p = classified(g->classifier, host, port, "192.0.2.1", 1234, protocol);
	bool any = false;

	for (uint32_t id = 1; id <= MAX_TESTED; id++) {
		const struct gen_service *s = &g->services[id];
		bool may =
			s->version && s->protocol == protocol && reference_reply(g, id, host, port);

		any |= may;
		if (!may) {
			CU_ASSERT_FALSE(!p.drop && is_candidate(g, &p, id));
			continue;
		}
		/* A narrower service of the same backend may hide it, if the port is kept. */
		if (!p.drop && !is_candidate(g, &p, id)) {
			char vip[INET_ADDRSTRLEN];

			inet_ntop(AF_INET, s->address, vip, sizeof(vip));
			CU_ASSERT_NOT_EQUAL(reference_service(g, vip, port, protocol), id);
		}
	}
	CU_ASSERT_EQUAL(p.drop, any ? 0 : SHUNT_DROP_NO_SERVICE);
	if (any) {
		CU_ASSERT_EQUAL(p.direction, PKT_TO_CLIENT);
		CU_ASSERT_EQUAL(p.range_port_be,
			gen_service_is_range(&g->services[p.service]) ? htons(port) : 0);
	}
}

/* Ports small enough that everything overlaps with something, now and then all ports. */
static void
put_random(struct object_store *store, uint64_t *state)
{
	bool taken[4][64][64] = { 0 };

	for (uint32_t b = 1; b <= 4; b++)
		helper_put_backend(store, b, SHUNT_SOURCE, NULL, 0, 0);
	/* Backends 1 and 2 keep the port, 3 translates, 4 has either. */
	for (uint32_t id = 1; id <= 8; id++) {
		uint32_t backend = 1 + (id - 1) / 2;
		bool own = backend == 3 || (backend == 4 && id % 2);

		helper_put_server(store, id, hosts[helper_random(state) % 4],
			own ? (uint16_t)(1 + helper_random(state) % 60) : 0, backend);
	}
	for (uint32_t id = 1; id <= MAX_TESTED; id++) {
		unsigned int vip = helper_random(state) % 3;
		uint16_t first = (uint16_t)(1 + helper_random(state) % 60), last = first;
		uint32_t backend = 1 + (uint32_t)(helper_random(state) % 4);
		uint8_t protocol = helper_random(state) % 4 ? SHUNT_TCP : SHUNT_UDP;

		if (backend <= 2 && helper_random(state) % 2)
			last = (uint16_t)(first + helper_random(state) % (61 - first));
		if (protocol == SHUNT_UDP || taken[vip][first][last])
			vip = 0;
		if (taken[vip][first][last])
			continue;
		taken[vip][first][last] = true;
		put_range(store, id, vips[vip], first, last, protocol, backend);
	}
	put_range(store, MAX_TESTED, vips[2], 1, 65535, SHUNT_TCP, 1);
}

static void
test_random(void)
{
	uint64_t state = 99;

	for (unsigned int round = 0; round < 60; round++) {
		struct object_store *store = object_store_create();
		struct generation *g;

		helper_put_settings(store);
		put_random(store, &state);
		g = build(store);
		for (unsigned int port = 0; port <= 70; port++) {
			uint16_t tried = (uint16_t)(port == 70 ? 65535 : port);
			uint8_t protocol = round % 2 ? SHUNT_UDP : SHUNT_TCP;

			for (unsigned int i = 0; i < 3; i++)
				check_request(g, vips[i], tried, protocol);
			for (unsigned int i = 0; i < 4; i++)
				check_reply(g, hosts[i], tried, protocol);
		}
		generation_destroy(g);
		object_store_destroy(store);
	}
}

/* Whose servers' endpoints belong to several services. */
static void
test_shared(void)
{
	struct object_store *store = object_store_create();
	struct generation *g;

	helper_put_settings(store);
	for (uint32_t b = 1; b <= 4; b++)
		helper_put_backend(store, b, SHUNT_SOURCE, NULL, 0, 0);
	/* Two ports of one server, two services: nothing in common. */
	helper_put_server(store, 1, hosts[0], 0, 1);
	helper_put_service(store, 1, vips[0], 80, SHUNT_TCP, 1);
	helper_put_service(store, 2, vips[0], 443, SHUNT_TCP, 1);
	helper_put_service(store, 3, vips[0], 443, SHUNT_UDP, 1);
	/* A port that is kept, and the same by translation. */
	helper_put_server(store, 2, hosts[1], 0, 2);
	helper_put_server(store, 3, hosts[1], 8080, 3);
	put_range(store, 4, vips[1], 8000, 8099, SHUNT_TCP, 2);
	helper_put_service(store, 5, vips[2], 80, SHUNT_TCP, 3);
	/* A narrower service hides the wider one, at the same address. */
	helper_put_server(store, 4, hosts[2], 0, 4);
	helper_put_service(store, 6, vips[2], 53, SHUNT_UDP, 4);
	put_range(store, 7, vips[2], 50, 60, SHUNT_UDP, 4);
	g = build(store);
	CU_ASSERT_EQUAL(g->servers[1].shared, 0);
	CU_ASSERT_EQUAL(g->servers[2].shared, GEN_SHARED_TCP);
	CU_ASSERT_EQUAL(g->servers[3].shared, GEN_SHARED_TCP);
	CU_ASSERT_EQUAL(g->servers[4].shared, 0);
	generation_destroy(g);
	object_store_destroy(store);
}

struct ports_seen {
	uint32_t count;
	uint32_t services;
	uint32_t servers;
};

static void
count_ports(void *context, const struct shunt_addr *address, uint16_t first_port_be,
	uint16_t last_port_be, uint8_t protocol, bool is_service)
{
	struct ports_seen *seen = context;

	(void)address;
	CU_ASSERT_EQUAL(protocol, SHUNT_TCP);
	seen->count++;
	*(is_service ? &seen->services : &seen->servers) +=
		1u + ntohs(last_port_be) - ntohs(first_port_be);
}

static void
test_each(void)
{
	struct object_store *store = object_store_create();
	struct ports_seen seen = { 0 };
	struct generation *g;

	helper_put_settings(store);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_server(store, 1, hosts[0], 0, 1);
	helper_put_server(store, 2, hosts[1], 0, 1);
	put_range(store, 1, vips[0], 8000, 8099, SHUNT_TCP, 1);
	helper_put_service(store, 2, vips[0], 80, SHUNT_TCP, 1);
	g = build(store);
	classifier_each(g->classifier, count_ports, &seen);
	CU_ASSERT_EQUAL(seen.services, 101);
	CU_ASSERT_EQUAL(seen.servers, 2 * 101);
	generation_destroy(g);
	object_store_destroy(store);
}

/* What control would never send. */
static void
test_refused(void)
{
	struct object_store *store = object_store_create();
	struct generation_error error;
	int result;

	helper_put_settings(store);
	helper_put_backend(store, 1, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_server(store, 1, hosts[0], 80, 1);
	put_range(store, 1, vips[0], 8000, 8099, SHUNT_TCP, 1);
	CU_ASSERT_PTR_NULL(generation_create(store, 1, NULL, 1, &error, &result));
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "several ports"));
	helper_put_server(store, 1, hosts[0], 0, 1);
	put_range(store, 2, vips[0], 8000, 8099, SHUNT_TCP, 1);
	CU_ASSERT_PTR_NULL(generation_create(store, 1, NULL, 1, &error, &result));
	CU_ASSERT_EQUAL(result, -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "same address, ports"));
	object_store_destroy(store);
}

static const struct unit_test tests[] = {
	{ "random ranges", test_random },
	{ "shared endpoints", test_shared },
	{ "each", test_each },
	{ "refused", test_refused },
};

UNIT_MAIN("classify_ranges", tests)
