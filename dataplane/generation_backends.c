/* SPDX-License-Identifier: BSD-3-Clause */
/* The backends of a generation, and what they refer to. */
#include <stddef.h>

#include "generation_impl.h"
#include "mem.h"
#include "objects.h"

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

uint64_t
gen_backend_bytes(const struct gen_backend *backend)
{
	const struct shared_backend *shared = (const struct shared_backend *)backend;

	return shared ? sizeof(*shared) + sizeof(*shared->object) + shared->object->length : 0;
}

void
gen_backend_release(struct gen_backend *backend)
{
	struct shared_backend *shared = (struct shared_backend *)backend;

	if (!backend || --backend->references > 0)
		return;
	object_release(shared->object);
	mem_free(backend->answers);
	mem_free(shared);
}

int
gen_backend_set_answers(struct gen_builder *b, uint32_t id, struct gen_answers *answers)
{
	struct gen_backend *backend = b->generation->backends[id];

	if (backend->references > 1) {
		struct object *object = object_store_hold(b->objects, SHUNT_KIND_BACKEND, id);
		struct gen_backend *own = backend_create(b->generation, object);

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
		backend = backend_create(b->generation, object);
		if (!backend) {
			object_release(object);
			return gen_out_of_memory(b);
		}
	}
	b->generation->backends[id] = backend;
	b->generation->has_fullnat |= backend->forward == SHUNT_FULLNAT;
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
