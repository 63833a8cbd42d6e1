/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "image.h"
#include "image_rules.h"
#include "maglev.h"
#include "traffic.h"

#define BACKEND_ID 1
#define NEXTHOP_ID 1
#define SOURCE_ID  1	 /* of the first */
#define PORTS_USED 51200 /* of a source's 64512 to one server: hashing fills them unevenly */

struct shunt_addr
image_address(const struct scenario *s, const struct traffic_end *end)
{
	struct shunt_addr address;

	if (s->version == 4)
		return shunt_addr_from_v4(end->address);
	memcpy(address.bytes, end->address, sizeof(address.bytes));
	return address;
}

int
image_put(
	struct object_store *objects, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	const char *why = "no memory";
	int result = object_store_put(objects, kind, id, bytes, length, &why);

	if (result < 0)
		fprintf(stderr, "shunt-bench: image: %s\n", why);
	return result;
}

struct shunt_server
image_server(const struct scenario *s, uint32_t i, uint8_t state)
{
	struct traffic_end end;
	struct shunt_server server = {
		.state = state,
		.nexthop = NEXTHOP_ID,
		.backend = BACKEND_ID,
		.weight = 1,
		.file_weight = 1,
	};

	traffic_server(s, i, &end);
	server.address = image_address(s, &end);
	/* As configurations have them: where the port stays as it is, servers are given none. */
	if (s->forward == SHUNT_NAT || s->forward == SHUNT_FULLNAT)
		server.port_be = end.port_be;
	snprintf(server.name, sizeof(server.name), "s%u", i);
	return server;
}

/* Those of UDP, if there are any, come after those of TCP. */
static struct shunt_service
image_service(const struct scenario *s, uint32_t i)
{
	struct traffic_end end;
	struct shunt_service service = {
		.protocol = i < s->services ? SHUNT_TCP : SHUNT_UDP,
		.backend = BACKEND_ID,
		.timeout_syn_ms = 30000,
		.timeout_established_ms = 900000,
		.timeout_fin_ms = 30000,
		.timeout_udp_ms = 120000,
		.frontend = "bench",
		.stateless = s->stateless,
		.rules = s->rules ? 1 : 0,
		.syn_cookies = s->flood ? SHUNT_COOKIES_AUTO : SHUNT_COOKIES_NEVER,
	};

	traffic_service(s, i % s->services, &end);
	service.address = image_address(s, &end);
	service.port_be = service.last_port_be = end.port_be;
	return service;
}

/* The row of who takes new flows, Maglev's table over them, and turns if they are taken in turn. */
static int
fill_backend(struct shunt_backend *b, const struct maglev_member *members, const uint32_t *ids)
{
	struct shunt_member *out = (struct shunt_member *)(b + 1);
	uint16_t *slots = (uint16_t *)(out + b->member_count);

	for (uint32_t i = 0; i < b->member_count; i++)
		out[i] = (struct shunt_member){ .server = ids[i], .weight = 1 };
	for (uint32_t i = 0; i < b->schedule_count; i++)
		slots[b->slot_count + i] = (uint16_t)i;
	return maglev_build(members, b->member_count, slots, b->slot_count);
}

enum shunt_hash_on
image_hash_on(const struct scenario *s)
{
	return s->by_connection ? SHUNT_HASH_CONNECTION : SHUNT_HASH_SOURCE_PORT;
}

int
image_put_backend(struct object_store *objects, const struct scenario *s, uint32_t without)
{
	struct maglev_member *members = calloc(s->servers, sizeof(*members));
	uint32_t *ids = calloc(s->servers, sizeof(*ids));
	struct shunt_backend head = {
		.algorithm = s->balance,
		.hash_on = image_hash_on(s),
		.forward = s->forward,
		.encap = s->forward == SHUNT_TUNNEL ? SHUNT_IPIP : SHUNT_ENCAP_NONE,
		.name = "bench",
	};
	struct shunt_backend *b = NULL;
	int result = -ENOMEM;

	for (uint32_t i = 0; s->forward == SHUNT_FULLNAT && i < image_source_count(s); i++)
		head.sources[i] = (uint8_t)(SOURCE_ID + i);
	for (uint32_t i = 0; members && ids && i < s->servers; i++) {
		struct shunt_server server = image_server(s, i, SHUNT_SERVER_UP);

		if (i == without)
			continue;
		ids[head.member_count] = i + 1;
		members[head.member_count++] = (struct maglev_member){
			.identity = maglev_identity(&server.address, server.port_be),
			.weight = 1,
		};
	}
	if (members && ids) {
		head.slot_count = maglev_slot_count(members, head.member_count);
		head.schedule_count = s->balance == SHUNT_ROUNDROBIN ? head.member_count : 0;
		b = calloc(1, shunt_backend_bytes(&head));
	}
	if (b) {
		*b = head;
		result = fill_backend(b, members, ids);
	}
	if (result == 0)
		result = image_put(
			objects, SHUNT_KIND_BACKEND, BACKEND_ID, b, shunt_backend_bytes(b));
	free(members);
	free(ids);
	free(b);
	return result;
}

uint32_t
image_source_count(const struct scenario *s)
{
	uint64_t of_one = (uint64_t)s->servers * PORTS_USED, flows = s->flows;

	if (s->forward != SHUNT_FULLNAT)
		return 1;
	if (s->new_percent)
		flows += SCENARIO_NEW_ROOM;
	return (uint32_t)((flows + of_one - 1) / of_one);
}

bool
image_has_ports(const struct scenario *s)
{
	return image_source_count(s) <= SHUNT_MAX_BACKEND_SOURCES;
}

void
image_source(const struct scenario *s, uint32_t i, struct traffic_end *end)
{
	*end = s->version == 4
		? (struct traffic_end){ .address = { 10, 255, 255, (uint8_t)(1 + i) } }
		: (struct traffic_end){ .address = { 0xfd, 3, [15] = (uint8_t)(1 + i) } };
}

static int
put_sources(struct object_store *objects, const struct scenario *s)
{
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < image_source_count(s); i++) {
		struct traffic_end end;
		struct shunt_source source;

		image_source(s, i, &end);
		source.address = image_address(s, &end);
		result = image_put(
			objects, SHUNT_KIND_SOURCE, SOURCE_ID + i, &source, sizeof(source));
	}
	return result;
}

static int
put_ways(struct object_store *objects, const struct scenario *s)
{
	static const struct shunt_settings settings = { .hash_secret = "shunt-bench" };
	struct shunt_nexthop nexthop = { .mac = { { 2, 0, 0, 0, 0, 5 } } };
	struct traffic_end end;

	image_source(s, 0, &end);
	nexthop.source = image_address(s, &end);
	if (image_put(objects, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings)) < 0 ||
		image_put(objects, SHUNT_KIND_NEXTHOP, NEXTHOP_ID, &nexthop, sizeof(nexthop)) < 0)
		return -EINVAL;
	return s->forward == SHUNT_FULLNAT ? put_sources(objects, s) : 0;
}

struct object_store *
image_create(const struct scenario *s)
{
	struct object_store *objects = object_store_create();
	int result = objects ? put_ways(objects, s) : -ENOMEM;

	for (uint32_t i = 0; result == 0 && i < s->servers; i++) {
		struct shunt_server server = image_server(s, i, SHUNT_SERVER_UP);

		result = image_put(objects, SHUNT_KIND_SERVER, i + 1, &server, sizeof(server));
	}
	if (result == 0)
		result = image_put_backend(objects, s, UINT32_MAX);
	if (result == 0 && s->rules)
		result = image_put_rules(objects, s);
	for (uint32_t i = 0; result == 0 && i < (s->udp ? 2 : 1) * s->services; i++) {
		struct shunt_service service = image_service(s, i);

		result = image_put(objects, SHUNT_KIND_SERVICE, i + 1, &service, sizeof(service));
	}
	if (result < 0 && objects) {
		object_store_destroy(objects);
		objects = NULL;
	}
	return objects;
}

struct generation *
image_generation(
	const struct object_store *objects, uint64_t number, const struct generation *before)
{
	struct generation_error error;
	int result;
	struct generation *g = generation_create(objects, number, before, 1, &error, &result);

	if (!g)
		fprintf(stderr, "shunt-bench: generation: %s\n", error.text);
	return g;
}
