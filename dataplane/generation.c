/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>

#include "checksum.h"
#include "classify.h"
#include "generation_impl.h"
#include "known.h"
#include "mem.h"
#include "objects.h"
#include "persist.h"
#include "pmtu.h"

int
gen_refuse(struct gen_builder *b, uint32_t kind, uint32_t id, const char *text)
{
	*b->error = (struct generation_error){ .kind = kind, .id = id, .text = text };
	return -EINVAL;
}

int
gen_out_of_memory(struct gen_builder *b)
{
	*b->error = (struct generation_error){ .text = "out of memory" };
	return -ENOMEM;
}

const void *
gen_bytes_of(const struct gen_builder *b, uint32_t kind, uint32_t id)
{
	const struct object *o = object_store_get(b->objects, kind, id);

	return o ? o->bytes : NULL;
}

uint8_t
gen_set_address(const struct shunt_addr *address, uint16_t port_be, uint8_t out[16],
	uint8_t *version, uint16_t *l3_sum, uint16_t *l4_sum)
{
	bool v4 = shunt_addr_is_v4(address);

	*version = v4 ? 4 : 6;
	memcpy(out, v4 ? &address->bytes[12] : address->bytes, v4 ? 4 : 16);
	*l3_sum = checksum_l3_sum(out, v4 ? 4 : 16);
	*l4_sum = checksum_l4_sum(*l3_sum, port_be);
	return v4 ? GEN_HAS_V4 : GEN_HAS_V6;
}

static int
check_nexthops(struct gen_builder *b)
{
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_NEXTHOP);

	for (uint32_t id = 1; id < end; id++) {
		const struct shunt_nexthop *n = gen_bytes_of(b, SHUNT_KIND_NEXTHOP, id);

		if (n && n->port >= b->port_count)
			return gen_refuse(b, SHUNT_KIND_NEXTHOP, id,
				"it names a port that the dataplane does not have");
	}
	return 0;
}

static int
build_sources(struct gen_builder *b)
{
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_SOURCE);

	for (uint32_t id = 1; id < end; id++) {
		const struct shunt_source *s = gen_bytes_of(b, SHUNT_KIND_SOURCE, id);
		struct gen_source *out = &b->generation->sources[id];
		uint16_t l4_sum;

		if (s)
			gen_set_address(
				&s->address, 0, out->address, &out->version, &out->l3_sum, &l4_sum);
	}
	return 0;
}

static uint8_t
shared_bits(const struct classifier *classifier, const struct gen_server *server)
{
	if (server->forward != SHUNT_NAT)
		return 0;
	return (classify_is_shared(classifier, server, SHUNT_TCP) ? GEN_SHARED_TCP : 0) |
		(classify_is_shared(classifier, server, SHUNT_UDP) ? GEN_SHARED_UDP : 0);
}

static int
build_classifier(struct gen_builder *b)
{
	struct generation *g = b->generation;
	bool same;

	if (g->same_ways) {
		g->classifier = classifier_hold(b->before->classifier);
		return 0; /* gen_update() has copied the rest */
	}
	if (b->before)
		g->classifier = classifier_share(b->before, g);
	same = g->classifier != NULL;
	if (!same)
		g->classifier = classifier_create(g);
	if (!g->classifier)
		return gen_out_of_memory(b);
	for (uint32_t id = 1; id < g->server_count; id++)
		g->servers[id].shared = same ? b->before->servers[id].shared
					     : shared_bits(g->classifier, &g->servers[id]);
	return 0;
}

/* Would parse let a packet from the server's address pass? */
static bool
may_send(const struct gen_server *s)
{
	static const uint8_t zeros[15];

	if (s->version == 4)
		return s->address[0] != 0 && s->address[0] != 127 && s->address[0] < 224;
	return s->version == 6 && s->address[0] != 0xff && memcmp(s->address, zeros, 15) != 0;
}

static int
mark_plain_servers(struct gen_builder *b)
{
	struct generation *g = b->generation;

	for (uint32_t id = 1; id < g->server_count; id++) {
		struct gen_server *s = &g->servers[id];

		s->plain = GEN_PLAIN_NOT;
		if (!may_send(s) || !s->link.known || link_vlans(s->link.vlan) ||
			s->state == SHUNT_SERVER_DOWN)
			continue;
		if (s->forward == SHUNT_NAT && s->port_be)
			s->plain = s->shared ? GEN_PLAIN_NAT_SHARED : GEN_PLAIN_NAT;
		else if (s->forward == SHUNT_DR)
			s->plain = GEN_PLAIN_DR;
	}
	return 0;
}

static int
build_known(struct gen_builder *b)
{
	struct generation *g = b->generation;
	/* With the classifier the servers are the same. */
	bool same = b->before && b->before->classifier == g->classifier;

	g->known = known_create(b->objects, g, same ? b->before->known : NULL);
	return g->known ? 0 : gen_out_of_memory(b);
}

/* The same table as before, without what it says of ids that mean another server now. */
static int
share_pmtu(struct gen_builder *b)
{
	const struct generation *before = b->before;
	struct generation *g = b->generation;

	if (!before) {
		g->pmtu = pmtu_create();
		return g->pmtu ? 0 : gen_out_of_memory(b);
	}
	g->pmtu = before->pmtu;
	g->pmtu->references++;
	if (g->same_ways)
		return 0;
	for (uint32_t id = 0; id < before->server_count; id++) {
		if (id >= g->server_count ||
			memcmp(g->servers[id].address, before->servers[id].address,
				sizeof(g->servers[id].address)) != 0)
			pmtu_forget(g->pmtu, id);
	}
	return 0;
}

/* Kept as long as a backend wants it, through all generations. */
static int
share_persist(struct gen_builder *b)
{
	struct generation *g = b->generation;

	if (!g->has_persist)
		return 0;
	if (b->before && b->before->persist) {
		g->persist = b->before->persist;
		g->persist->references++;
		return 0;
	}
	g->persist = persist_create(b->moment->seed);
	return g->persist ? 0 : gen_out_of_memory(b);
}

static struct generation *
generation_alloc(uint64_t number, const struct object_store *objects, uint32_t server_count)
{
	struct generation *g = mem_alloc(sizeof(*g));

	if (!g)
		return NULL;
	g->number = number;
	g->objects = object_store_clone(objects);
	g->server_count = server_count;
	g->servers = mem_alloc(server_count * sizeof(*g->servers));
	g->resets = mem_alloc(server_count * sizeof(*g->resets));
	g->backends = mem_alloc(SHUNT_MAX_BACKENDS * sizeof(struct gen_backend *));
	if (!g->objects || !g->servers || !g->resets || !g->backends) {
		generation_destroy(g);
		return NULL;
	}
	return g;
}

/* Of nobody knows what flow tables: there may be entries. */
static uint64_t
some_entries(void *context, uint32_t service)
{
	(void)context;
	(void)service;
	return 1;
}

static int
build_objects(struct gen_builder *b)
{
	static int (*const steps[])(struct gen_builder *) = {
		check_nexthops,
		build_sources,
		gen_build_limits,
		gen_build_rules,
		gen_build_servers,
		gen_build_backends,
		gen_build_services,
	};
	int rc = 0;

	if (gen_is_update(b))
		return gen_update(b);
	for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = steps[i](b);
	return rc;
}

struct generation *
generation_create(const struct object_store *objects, uint64_t number,
	const struct generation *before, uint32_t port_count, struct generation_error *error,
	int *result)
{
	const struct gen_moment start = {
		.entries = some_entries,
		.worker_count = SHUNT_MAX_WORKERS,
	};

	return generation_create_at(objects, number, before, port_count, &start, error, result);
}

struct generation *
generation_create_at(const struct object_store *objects, uint64_t number,
	const struct generation *before, uint32_t port_count, const struct gen_moment *moment,
	struct generation_error *error, int *result)
{
	static int (*const steps[])(struct gen_builder *) = {
		build_objects,
		gen_build_answers,
		build_classifier,
		mark_plain_servers,
		build_known,
		share_pmtu,
		share_persist,
	};
	uint32_t servers = object_store_end(objects, SHUNT_KIND_SERVER);
	struct gen_builder b = {
		.objects = objects,
		.before = before,
		.port_count = port_count,
		.moment = moment,
		.error = error,
	};
	int rc = 0;

	*error = (struct generation_error){ 0 };
	/* Id 0 is no server, but it may be looked at: there is always that one. */
	b.generation = generation_alloc(number, objects, servers ? servers : 1);
	if (!b.generation)
		rc = gen_out_of_memory(&b);
	for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = steps[i](&b);
	if (rc < 0) {
		generation_destroy(b.generation);
		b.generation = NULL;
	}
	*result = rc;
	return b.generation;
}

void
generation_destroy(struct generation *generation)
{
	if (!generation)
		return;
	classifier_destroy(generation->classifier);
	known_destroy(generation->known);
	pmtu_destroy(generation->pmtu);
	persist_destroy(generation->persist);
	acl_destroy(generation->acl);
	for (uint32_t id = 0; generation->backends && id < SHUNT_MAX_BACKENDS; id++)
		gen_backend_release(generation->backends[id]);
	mem_free(generation->backends);
	gen_services_release(generation->shared);
	gen_limits_release(generation->limits);
	mem_free(generation->resets);
	mem_free(generation->servers);
	object_store_destroy(generation->objects);
	mem_free(generation);
}

struct generation_bytes
generation_bytes(const struct generation *g)
{
	struct generation_bytes bytes = {
		.services = gen_services_bytes(g->shared) + sizeof(*g->limits) +
			g->limits->end * sizeof(g->limits->limit[0]) +
			classifier_bytes(g->classifier) + known_bytes(g->known),
		.servers = sizeof(*g) +
			g->server_count * (sizeof(*g->servers) + sizeof(*g->resets)) +
			SHUNT_MAX_BACKENDS * sizeof(struct gen_backend *),
		.rules = acl_bytes(g->acl),
	};

	for (uint32_t id = 0; id < SHUNT_MAX_BACKENDS; id++)
		bytes.tables += gen_backend_bytes(g->backends[id]);
	return bytes;
}
