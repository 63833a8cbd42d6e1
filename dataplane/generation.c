/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>

#include "checksum.h"
#include "classify.h"
#include "generation.h"
#include "known.h"
#include "mem.h"
#include "objects.h"
#include "pmtu.h"

/*
 * How long a flow that both sides have closed is kept: long enough for a last acknowledgment or a
 * repeated FIN to find the server, short enough that short connections do not fill the table.
 */
#define CLOSED_TICKS_MAX 6

static_assert(FLOW_STATE_COUNT <= sizeof(((struct flow_timeouts *)0)->ticks) / sizeof(uint16_t),
	"every state has a timeout");
/* Ages are counted modulo 2^16: the sweep has the rest of the circle to find what is too old. */
static_assert(SHUNT_MAX_TIMEOUT_MS / SHUNT_FLOW_TICK_MS + 2 < 3 * (UINT16_MAX / 4),
	"a timeout leaves room for the sweep");
static_assert(sizeof(struct gen_server) == SHUNT_CACHE_LINE, "one line a server");
static_assert(sizeof(struct gen_service) == SHUNT_CACHE_LINE, "one line a service");

/* A backend and the object whose bytes its arrays are; shared between generations by count. */
struct shared_backend {
	struct gen_backend backend; /* first: generations point here */
	struct object *object;
};

/* All services, with the objects they were made from; shared between generations by count. */
struct shared_services {
	struct gen_service services[SHUNT_MAX_SERVICES];
	struct flow_timeouts timeouts[SHUNT_MAX_SERVICES];
	uint32_t references;
	uint32_t end;		  /* one past the greatest id */
	struct object *objects[]; /* [end], by id; NULL: none */
};

/* What is needed while a generation is built. */
struct builder {
	struct generation *generation;
	const struct object_store *objects;
	const struct generation *before;
	uint32_t port_count;
	struct generation_error *error;
	uint8_t families[SHUNT_MAX_BACKENDS]; /* what a backend's servers have: the bits below */
};

#define FAMILY_V4 1
#define FAMILY_V6 2
#define OWN_PORT  4 /* beside the families: a server has a port of its own */

static int
refuse(struct builder *b, uint32_t kind, uint32_t id, const char *text)
{
	*b->error = (struct generation_error){ .kind = kind, .id = id, .text = text };
	return -EINVAL;
}

static int
out_of_memory(struct builder *b)
{
	*b->error = (struct generation_error){ .text = "out of memory" };
	return -ENOMEM;
}

static const void *
bytes_of(const struct builder *b, uint32_t kind, uint32_t id)
{
	const struct object *o = object_store_get(b->objects, kind, id);

	return o ? o->bytes : NULL;
}

/* Sets address, version and the sums for the checksum deltas; returns the family's bit. */
static uint8_t
set_address(const struct shunt_addr *address, uint16_t port_be, uint8_t out[16], uint8_t *version,
	uint16_t *l3_sum, uint16_t *l4_sum)
{
	bool v4 = shunt_addr_is_v4(address);

	*version = v4 ? 4 : 6;
	memcpy(out, v4 ? &address->bytes[12] : address->bytes, v4 ? 4 : 16);
	*l3_sum = checksum_l3_sum(out, v4 ? 4 : 16);
	*l4_sum = checksum_l4_sum(*l3_sum, port_be);
	return v4 ? FAMILY_V4 : FAMILY_V6;
}

/*
 * Ticks after which an entry that was last seen in tick 0 may go. One more than the timeout fills:
 * the entry may have been seen at the very end of its tick, and must not go early.
 */
static uint16_t
ticks_of(uint32_t ms)
{
	return (ms + SHUNT_FLOW_TICK_MS - 1) / SHUNT_FLOW_TICK_MS + 1;
}

static void
set_timeouts(struct flow_timeouts *t, const struct shunt_service *s)
{
	uint16_t fin = ticks_of(s->timeout_fin_ms);

	t->ticks[FLOW_SYN] = ticks_of(s->timeout_syn_ms);
	t->ticks[FLOW_SYN_ACK] = ticks_of(s->timeout_syn_ms);
	t->ticks[FLOW_ESTABLISHED] = ticks_of(s->timeout_established_ms);
	t->ticks[FLOW_FIN_CLIENT] = fin;
	t->ticks[FLOW_FIN_SERVER] = fin;
	t->ticks[FLOW_CLOSED] = fin < CLOSED_TICKS_MAX ? fin : CLOSED_TICKS_MAX;
	t->ticks[FLOW_UDP] = ticks_of(s->timeout_udp_ms);
}

static int
check_nexthops(struct builder *b)
{
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_NEXTHOP);

	for (uint32_t id = 1; id < end; id++) {
		const struct shunt_nexthop *n = bytes_of(b, SHUNT_KIND_NEXTHOP, id);

		if (n && n->port >= b->port_count)
			return refuse(b, SHUNT_KIND_NEXTHOP, id,
				"it names a port that the dataplane does not have");
	}
	return 0;
}

/*
 * The source of a tunnel's packets. Without one, or with one of the other family (a route through a
 * gateway of that family may have it), the server cannot be reached.
 */
static bool
set_source(struct gen_server *server, const struct shunt_addr *source)
{
	static const struct shunt_addr none;
	bool v4 = shunt_addr_is_v4(source);

	if (shunt_addr_equal(source, &none) || v4 != (server->version == 4))
		return false;
	memcpy(server->source, v4 ? &source->bytes[12] : source->bytes, v4 ? 4 : 16);
	return true;
}

static int
build_sources(struct builder *b)
{
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_SOURCE);

	for (uint32_t id = 1; id < end; id++) {
		const struct shunt_source *s = bytes_of(b, SHUNT_KIND_SOURCE, id);
		struct gen_source *out = &b->generation->sources[id];
		uint16_t l4_sum;

		if (s)
			set_address(
				&s->address, 0, out->address, &out->version, &out->l3_sum, &l4_sum);
	}
	return 0;
}

/* Probes go through a service if the service's packets reach the server as they are. */
static int
check_probe(struct builder *b, uint32_t id, const struct shunt_server *s, uint8_t forward)
{
	const struct shunt_service *service = bytes_of(b, SHUNT_KIND_SERVICE, s->probe_service);

	if (s->probe_service == 0)
		return 0;
	if (!service || service->backend != s->backend)
		return refuse(b, SHUNT_KIND_SERVER, id,
			"the service that its probes go through does not exist, or has another "
			"backend");
	if (forward != SHUNT_DR && forward != SHUNT_TUNNEL)
		return refuse(b, SHUNT_KIND_SERVER, id,
			"probes go through a service only if servers answer directly");
	if (shunt_addr_is_v4(&service->address) != shunt_addr_is_v4(&s->address))
		return refuse(b, SHUNT_KIND_SERVER, id,
			"the service that its probes go through is of the other address family");
	return 0;
}

static int
build_server(struct builder *b, uint32_t id, const struct shunt_server *s)
{
	const struct shunt_backend *backend = bytes_of(b, SHUNT_KIND_BACKEND, s->backend);
	struct gen_server *out = &b->generation->servers[id];
	const struct shunt_nexthop *n;

	if (!backend)
		return refuse(b, SHUNT_KIND_SERVER, id, "its backend does not exist");
	out->port_be = s->port_be;
	out->state = s->state;
	out->backend = s->backend;
	out->forward = backend->forward;
	out->encap = backend->encap;
	out->encap_port_be = backend->encap_port_be;
	out->mss_clamp = backend->mss_clamp;
	out->shutdown_sessions = backend->shutdown_sessions;
	b->families[s->backend] |= set_address(
		&s->address, s->port_be, out->address, &out->version, &out->l3_sum, &out->l4_sum);
	if (s->port_be)
		b->families[s->backend] |= OWN_PORT;
	if (check_probe(b, id, s, out->forward) < 0)
		return -EINVAL;
	if (s->nexthop == 0)
		return 0;
	n = bytes_of(b, SHUNT_KIND_NEXTHOP, s->nexthop);
	if (!n)
		return refuse(b, SHUNT_KIND_SERVER, id, "its next hop does not exist");
	out->link = (struct link){
		.mac = n->mac,
		.port = n->port,
		.known = out->forward != SHUNT_TUNNEL || set_source(out, &n->source),
		.vlan = { n->vlan[0], n->vlan[1] },
	};
	return 0;
}

/*
 * A server that has just gone down resets its flows if its backend wants it so, whatever took it
 * down: health or maintenance, as with HAProxy's on-marked-down. Numbers of generations say when,
 * since a worker may pass over a generation.
 */
static void
build_reset(struct builder *b, uint32_t id, const struct shunt_server *s)
{
	const struct generation *before = b->before;
	struct generation *g = b->generation;
	const struct gen_server *is = &g->servers[id], *was;
	struct gen_reset *reset = &g->resets[id];

	reset->mark = s->reset_mark;
	if (!before || id >= before->server_count || !before->servers[id].version)
		return;
	was = &before->servers[id];
	reset->at = before->resets[id].at;
	if (is->state == SHUNT_SERVER_DOWN && is->shutdown_sessions &&
		!(was->state == SHUNT_SERVER_DOWN && was->shutdown_sessions))
		reset->at = g->number;
	if (reset->mark != before->resets[id].mark)
		reset->at = g->number;
	if (g->last_reset < reset->at)
		g->last_reset = reset->at;
}

static int
build_servers(struct builder *b)
{
	for (uint32_t id = 1; id < b->generation->server_count; id++) {
		const struct shunt_server *s = bytes_of(b, SHUNT_KIND_SERVER, id);
		int rc = s ? build_server(b, id, s) : 0;

		if (rc < 0)
			return rc;
		if (s)
			build_reset(b, id, s);
	}
	return 0;
}

/* Sorts a backend's sources by family; an id that there is none of counts as one of IPv6. */
static void
set_sources(const struct generation *g, const struct shunt_backend *image, struct gen_backend *out)
{
	for (unsigned int i = 0; i < SHUNT_MAX_BACKEND_SOURCES && image->sources[i]; i++) {
		bool v4 = g->sources[image->sources[i]].version == 4;
		enum gen_family family = v4 ? GEN_V4 : GEN_V6;

		out->sources[family][out->source_count[family]++] = image->sources[i];
	}
}

static struct gen_backend *
backend_create(const struct generation *g, struct object *object)
{
	struct shared_backend *shared = mem_alloc(sizeof(*shared));
	const struct shunt_backend *image = (const void *)object->bytes;
	struct gen_backend *out;

	if (!shared)
		return NULL;
	shared->object = object;
	out = &shared->backend;
	out->references = 1;
	out->algorithm = image->algorithm;
	out->hash_on = image->hash_on;
	out->forward = image->forward;
	out->id = object->id;
	out->member_count = image->member_count;
	out->slot_count = image->slot_count;
	out->schedule_count = image->schedule_count;
	out->members = (const void *)(image + 1);
	out->slots = (const void *)(out->members + out->member_count);
	out->schedule = out->slots + out->slot_count;
	set_sources(g, image, out);
	return out;
}

static void
backend_release(struct gen_backend *backend)
{
	struct shared_backend *shared = (struct shared_backend *)backend;

	if (!backend || --backend->references > 0)
		return;
	object_release(shared->object);
	mem_free(shared);
}

/* Are they there, and still of the families that they were sorted by? */
static bool
sources_are_good(const struct generation *g, const struct gen_backend *backend)
{
	for (enum gen_family f = GEN_V4; f < GEN_FAMILIES; f++) {
		for (unsigned int i = 0; i < backend->source_count[f]; i++) {
			if (g->sources[backend->sources[f][i]].version != (f == GEN_V4 ? 4 : 6))
				return false;
		}
	}
	return true;
}

/* Full NAT needs a source of the family of each server. */
static bool
sources_suffice(const struct gen_backend *backend, uint8_t families)
{
	return backend->forward != SHUNT_FULLNAT ||
		((!(families & FAMILY_V4) || backend->source_count[GEN_V4]) &&
			(!(families & FAMILY_V6) || backend->source_count[GEN_V6]));
}

/* For a shared backend too: servers and sources may have changed under it. */
static int
check_backend_refers(struct builder *b, const struct gen_backend *backend)
{
	const struct generation *g = b->generation;

	if (!sources_are_good(g, backend))
		return refuse(b, SHUNT_KIND_BACKEND, backend->id,
			"one of its source addresses does not exist, or is of another family now");
	if (!sources_suffice(backend, b->families[backend->id]))
		return refuse(b, SHUNT_KIND_BACKEND, backend->id,
			"it has a server of an address family of which it has no source address");
	for (uint32_t i = 0; i < backend->member_count; i++) {
		uint32_t server = backend->members[i].server;

		if (server >= g->server_count || g->servers[server].version == 0)
			return refuse(b, SHUNT_KIND_BACKEND, backend->id,
				"one of its members does not exist");
		if (g->servers[server].backend != backend->id)
			return refuse(b, SHUNT_KIND_BACKEND, backend->id,
				"one of its members belongs to another backend");
	}
	return 0;
}

static int
build_backend(struct builder *b, uint32_t id)
{
	struct gen_backend *old = b->before ? b->before->backends[id] : NULL;
	struct object *object = object_store_hold(b->objects, SHUNT_KIND_BACKEND, id);
	struct gen_backend *backend;

	if (!object)
		return 0;
	if (old && ((struct shared_backend *)old)->object == object) {
		object_release(object); /* the old one's reference is enough */
		old->references++;
		backend = old;
	} else {
		backend = backend_create(b->generation, object);
		if (!backend) {
			object_release(object);
			return out_of_memory(b);
		}
	}
	b->generation->backends[id] = backend;
	b->generation->has_fullnat |= backend->forward == SHUNT_FULLNAT;
	return check_backend_refers(b, backend);
}

static int
build_backends(struct builder *b)
{
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_BACKEND);
	int rc = 0;

	for (uint32_t id = 1; id < end && rc == 0; id++)
		rc = build_backend(b, id);
	return rc;
}

static struct shared_services *
services_create(const struct object_store *objects)
{
	uint32_t end = object_store_end(objects, SHUNT_KIND_SERVICE);
	struct shared_services *shared =
		mem_alloc(sizeof(*shared) + end * sizeof(shared->objects[0]));

	if (!shared)
		return NULL;
	shared->references = 1;
	shared->end = end;
	/* No service has id 0: it is claims that have, and they go with their flows. */
	shared->timeouts[0].ticks[FLOW_ESTABLISHED] = UINT16_MAX;
	for (uint32_t id = 1; id < end; id++) {
		struct object *object = object_store_hold(objects, SHUNT_KIND_SERVICE, id);
		struct gen_service *out = &shared->services[id];
		const struct shunt_service *s;

		if (!object)
			continue;
		shared->objects[id] = object;
		s = (const void *)object->bytes;
		out->port_be = s->port_be;
		out->last_port_be = s->last_port_be;
		out->protocol = s->protocol;
		out->reset_idle = s->reset_idle;
		out->backend = s->backend;
		set_address(&s->address, s->port_be, out->address, &out->version, &out->l3_sum,
			&out->l4_sum);
		set_timeouts(&shared->timeouts[id], s);
	}
	return shared;
}

static void
services_release(struct shared_services *shared)
{
	if (!shared || --shared->references > 0)
		return;
	for (uint32_t id = 1; id < shared->end; id++)
		object_release(shared->objects[id]);
	mem_free(shared);
}

/* Objects are immutable: the same object says the same. */
static bool
services_are_same(const struct shared_services *shared, const struct object_store *objects)
{
	if (shared->end != object_store_end(objects, SHUNT_KIND_SERVICE))
		return false;
	for (uint32_t id = 1; id < shared->end; id++) {
		if (shared->objects[id] != object_store_get(objects, SHUNT_KIND_SERVICE, id))
			return false;
	}
	return true;
}

/* Checked for shared services too: backends and servers may have changed under them. */
static int
check_service(struct builder *b, uint32_t id, const struct gen_service *s)
{
	uint8_t other = s->version == 4 ? FAMILY_V6 : FAMILY_V4;

	if (!b->generation->backends[s->backend])
		return refuse(b, SHUNT_KIND_SERVICE, id, "its backend does not exist");
	/* Source addresses of each server's family are what check_backend_refers() sees to. */
	if (b->generation->backends[s->backend]->forward != SHUNT_TUNNEL &&
		b->generation->backends[s->backend]->forward != SHUNT_FULLNAT &&
		(b->families[s->backend] & other))
		return refuse(b, SHUNT_KIND_SERVICE, id,
			"its backend has servers of the other address family (only a tunnel "
			"and full NAT lead from one to the other)");
	/* Two of a client's connections would look alike there. */
	if (b->generation->backends[s->backend]->forward == SHUNT_NAT && gen_service_is_range(s) &&
		(b->families[s->backend] & OWN_PORT))
		return refuse(b, SHUNT_KIND_SERVICE, id,
			"it has several ports, and a server of its backend translates them to one");
	return 0;
}

static bool
same_endpoint(const struct gen_service *a, const struct gen_service *b)
{
	return a->port_be == b->port_be && a->last_port_be == b->last_port_be &&
		a->protocol == b->protocol && a->version == b->version &&
		memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* Finds two services with the same address, ports and protocol; a set of ids by their sums. */
static int
check_duplicates(struct builder *b)
{
	const struct gen_service *services = b->generation->services;
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_SERVICE);
	uint16_t ids[2 * SHUNT_MAX_SERVICES] = { 0 };

	for (uint32_t id = 1; id < end; id++) {
		uint32_t i, at;

		if (services[id].version == 0)
			continue;
		/* Configuration is nobody's attack: a plain mix of the sum and the port will do. */
		at = (services[id].l3_sum * 0x9e3779b1u) ^ (services[id].port_be * 0x85ebca6bu) ^
			(services[id].protocol * 0xc2b2ae35u);
		for (i = (at >> 16) % (2 * SHUNT_MAX_SERVICES); ids[i];
			i = (i + 1) % (2 * SHUNT_MAX_SERVICES)) {
			if (same_endpoint(&services[ids[i]], &services[id]))
				return refuse(b, SHUNT_KIND_SERVICE, id,
					"another service has the same address, ports and protocol");
		}
		ids[i] = id;
	}
	return 0;
}

static int
build_services(struct builder *b)
{
	const struct shunt_settings *settings = bytes_of(b, SHUNT_KIND_SETTINGS, 1);
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_SERVICE);
	struct generation *g = b->generation;

	/* Hashing under a secret of zeros would work, and be anyone's to predict. */
	if (!settings && end > 0)
		return refuse(b, SHUNT_KIND_SETTINGS, 1, "services need settings: the hash secret");
	if (settings)
		memcpy(g->hash_secret, settings->hash_secret, sizeof(g->hash_secret));
	if (b->before && services_are_same(b->before->shared, b->objects)) {
		g->shared = b->before->shared;
		g->shared->references++;
	} else {
		g->shared = services_create(b->objects);
		if (!g->shared)
			return out_of_memory(b);
	}
	g->services = g->shared->services;
	g->timeouts = g->shared->timeouts;
	for (uint32_t id = 1; id < end; id++) {
		const struct gen_service *s = &g->services[id];
		int rc = s->version ? check_service(b, id, s) : 0;

		if (rc < 0)
			return rc;
	}
	/* What is shared was free of them. */
	return g->shared->references > 1 ? 0 : check_duplicates(b);
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
build_classifier(struct builder *b)
{
	struct generation *g = b->generation;
	bool same;

	if (b->before)
		g->classifier = classifier_share(b->before, g);
	same = g->classifier != NULL;
	if (!same)
		g->classifier = classifier_create(g);
	if (!g->classifier)
		return out_of_memory(b);
	for (uint32_t id = 1; id < g->server_count; id++)
		g->servers[id].shared = same ? b->before->servers[id].shared
					     : shared_bits(g->classifier, &g->servers[id]);
	return 0;
}

static int
build_known(struct builder *b)
{
	struct generation *g = b->generation;
	/* With the classifier the servers are the same. */
	bool same = b->before && b->before->classifier == g->classifier;

	g->known = known_create(b->objects, g, same ? b->before->known : NULL);
	return g->known ? 0 : out_of_memory(b);
}

/* The same table as before, without what it says of ids that mean another server now. */
static int
share_pmtu(struct builder *b)
{
	const struct generation *before = b->before;
	struct generation *g = b->generation;

	if (!before) {
		g->pmtu = pmtu_create();
		return g->pmtu ? 0 : out_of_memory(b);
	}
	g->pmtu = before->pmtu;
	g->pmtu->references++;
	for (uint32_t id = 0; id < before->server_count; id++) {
		if (id >= g->server_count ||
			memcmp(g->servers[id].address, before->servers[id].address,
				sizeof(g->servers[id].address)) != 0)
			pmtu_forget(g->pmtu, id);
	}
	return 0;
}

static struct generation *
generation_alloc(uint64_t number, uint32_t server_count)
{
	struct generation *g = mem_alloc(sizeof(*g));

	if (!g)
		return NULL;
	g->number = number;
	g->server_count = server_count;
	g->servers = mem_alloc(server_count * sizeof(*g->servers));
	g->resets = mem_alloc(server_count * sizeof(*g->resets));
	g->backends = mem_alloc(SHUNT_MAX_BACKENDS * sizeof(struct gen_backend *));
	if (!g->servers || !g->resets || !g->backends) {
		generation_destroy(g);
		return NULL;
	}
	return g;
}

struct generation *
generation_create(const struct object_store *objects, uint64_t number,
	const struct generation *before, uint32_t port_count, struct generation_error *error,
	int *result)
{
	static int (*const steps[])(struct builder *) = {
		check_nexthops,
		build_sources,
		build_servers,
		build_backends,
		build_services,
		build_classifier,
		build_known,
		share_pmtu,
	};
	uint32_t servers = object_store_end(objects, SHUNT_KIND_SERVER);
	struct builder b = {
		.objects = objects,
		.before = before,
		.port_count = port_count,
		.error = error,
	};
	int rc = 0;

	*error = (struct generation_error){ 0 };
	/* Id 0 is no server, but it may be looked at: there is always that one. */
	b.generation = generation_alloc(number, servers ? servers : 1);
	if (!b.generation)
		rc = out_of_memory(&b);
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
	for (uint32_t id = 0; generation->backends && id < SHUNT_MAX_BACKENDS; id++)
		backend_release(generation->backends[id]);
	mem_free(generation->backends);
	services_release(generation->shared);
	mem_free(generation->resets);
	mem_free(generation->servers);
	mem_free(generation);
}
