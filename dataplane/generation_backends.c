/* SPDX-License-Identifier: BSD-3-Clause */
/* The backends of a generation, and what they refer to. */
#include <errno.h>
#include <stddef.h>

#include "generation_impl.h"
#include "mem.h"
#include "objects.h"
#include "select_loads.h"

/* A backend and the object whose bytes its arrays are; shared between generations by count. */
struct shared_backend {
	struct gen_backend backend; /* first: generations point here */
	struct object *object;
};

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

/* Of one that began to take flows in the future, or long ago, nothing is said. */
static struct gen_ramp
ramp_of(const struct gen_moment *now, const struct shunt_server *server)
{
	uint64_t age_ms = now->monotonic_ms - server->up_since_ms;

	if (!server->up_since_ms || server->up_since_ms > now->monotonic_ms ||
		age_ms >= server->slowstart_ms)
		return (struct gen_ramp){ 0 };
	return (struct gen_ramp){
		.begins = now->clock - age_ms * (now->clock_hz / 1000),
		.per_cycle = 1000 / ((float)server->slowstart_ms * (float)now->clock_hz),
	};
}

/* How far the members are with their slow start. */
static int
set_ramps(struct gen_builder *b, struct gen_backend *out)
{
	const struct gen_moment *now = b->moment;
	struct gen_ramp *ramps = NULL;

	for (uint32_t i = 0; i < out->member_count; i++) {
		const struct shunt_server *server =
			gen_bytes_of(b, SHUNT_KIND_SERVER, out->members[i].server);
		struct gen_ramp ramp = { 0 };
		uint64_t end;

		if (server && server->slowstart_ms && now->clock_hz)
			ramp = ramp_of(now, server);
		if (ramp.per_cycle <= 0)
			continue;
		if (!ramps) {
			ramps = mem_alloc(out->member_count * sizeof(*ramps));
			out->ramps = ramps;
		}
		if (!ramps)
			return gen_out_of_memory(b);
		ramps[i] = ramp;
		end = ramp.begins + server->slowstart_ms * (now->clock_hz / 1000);
		out->ramped = end > out->ramped ? end : out->ramped;
	}
	return 0;
}

/* What select_limit.c goes by. */
static int
set_limits(struct gen_builder *b, const struct shunt_backend *image, struct gen_backend *out)
{
	bool tree = image->algorithm == SHUNT_LEASTCONN;

	out->reject_full = image->reject_full;
	out->balance_factor = image->balance_factor;
	for (uint32_t i = 0; i < out->member_count; i++) {
		out->has_maxconn |= out->members[i].maxconn > 0;
		out->weight += out->members[i].weight;
	}
	out->worker_count = b->moment->worker_count ? b->moment->worker_count : 1;
	if (out->member_count && (tree || out->has_maxconn || out->balance_factor)) {
		out->loads = select_loads_create(out, out->worker_count, tree);
		if (!out->loads)
			return gen_out_of_memory(b);
	}
	if (set_ramps(b, out) < 0)
		return -ENOMEM;
	out->is_simple = !out->has_maxconn && !out->balance_factor && !out->ramps;
	return 0;
}

static void
shared_destroy(struct shared_backend *shared)
{
	select_loads_destroy(shared->backend.loads);
	mem_free((void *)(uintptr_t)shared->backend.ramps);
	mem_free(shared->backend.answers);
	mem_free(shared);
}

static struct gen_backend *
backend_create(struct gen_builder *b, struct object *object)
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
	out->ignored_bits4 = image->ignored_bits4;
	out->ignored_bits6 = image->ignored_bits6;
	out->persist_ticks = (image->persist_ms + SHUNT_FLOW_TICK_MS - 1) / SHUNT_FLOW_TICK_MS;
	out->persist_prefix4 = image->persist_prefix4;
	out->persist_prefix6 = image->persist_prefix6;
	set_sources(b->generation, image, out);
	if (set_limits(b, image, out) < 0) {
		shared_destroy(shared);
		return NULL;
	}
	return out;
}

uint64_t
gen_backend_bytes(const struct gen_backend *backend)
{
	const struct shared_backend *shared = (const struct shared_backend *)backend;

	if (!shared)
		return 0;
	return sizeof(*shared) + sizeof(*shared->object) + shared->object->length +
		select_loads_bytes(backend);
}

void
gen_backend_release(struct gen_backend *backend)
{
	struct shared_backend *shared = (struct shared_backend *)backend;

	if (!backend || --backend->references > 0)
		return;
	object_release(shared->object);
	shared_destroy(shared);
}

int
gen_backend_set_answers(struct gen_builder *b, uint32_t id, struct gen_answers *answers)
{
	struct gen_backend *backend = b->generation->backends[id];

	if (backend->references > 1) {
		struct object *object = object_store_hold(b->objects, SHUNT_KIND_BACKEND, id);
		struct gen_backend *own = backend_create(b, object);

		if (!own) {
			object_release(object);
			return gen_out_of_memory(b);
		}
		gen_backend_release(backend);
		b->generation->backends[id] = backend = own;
	}
	mem_free(backend->answers);
	backend->answers = answers;
	return 0;
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
		((!(families & GEN_HAS_V4) || backend->source_count[GEN_V4]) &&
			(!(families & GEN_HAS_V6) || backend->source_count[GEN_V6]));
}

/* For a shared backend too: servers and sources may have changed under it. */
static int
check_backend_refers(struct gen_builder *b, const struct gen_backend *backend)
{
	const struct generation *g = b->generation;

	if (!sources_are_good(g, backend))
		return gen_refuse(b, SHUNT_KIND_BACKEND, backend->id,
			"one of its source addresses does not exist, or is of another family now");
	if (!sources_suffice(backend, b->families[backend->id]))
		return gen_refuse(b, SHUNT_KIND_BACKEND, backend->id,
			"it has a server of an address family of which it has no source address");
	for (uint32_t i = 0; i < backend->member_count; i++) {
		uint32_t server = backend->members[i].server;

		if (server >= g->server_count || g->servers[server].version == 0)
			return gen_refuse(b, SHUNT_KIND_BACKEND, backend->id,
				"one of its members does not exist");
		if (g->servers[server].backend != backend->id)
			return gen_refuse(b, SHUNT_KIND_BACKEND, backend->id,
				"one of its members belongs to another backend");
	}
	return 0;
}

int
gen_build_backend(struct gen_builder *b, uint32_t id)
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
		backend = backend_create(b, object);
		if (!backend) {
			object_release(object);
			return gen_out_of_memory(b);
		}
	}
	b->generation->backends[id] = backend;
	b->generation->has_fullnat |= backend->forward == SHUNT_FULLNAT;
	b->generation->has_persist |= backend->persist_ticks > 0;
	return check_backend_refers(b, backend);
}

int
gen_build_backends(struct gen_builder *b)
{
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_BACKEND);
	int rc = 0;

	for (uint32_t id = 1; id < end && rc == 0; id++)
		rc = gen_build_backend(b, id);
	return rc;
}
