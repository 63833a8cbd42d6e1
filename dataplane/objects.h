/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service image as the agent keeps it: private, checked copies of the objects that control
 * has put, by kind and id. A copy is immutable and shared (by count) between the running set, the
 * one a transaction is preparing and the generations built of them (shunt/row.h). Agent only.
 */
#ifndef DATAPLANE_OBJECTS_H
#define DATAPLANE_OBJECTS_H

#include <stddef.h>

#include "shunt/session.h"

struct object {
	uint32_t references; /* first: shunt/row.h */
	uint32_t kind;
	uint32_t id;
	size_t length;
	uint8_t bytes[]; /* 8-byte aligned */
};

struct object_store;

struct object_store *object_store_create(void); /* NULL: out of memory */
/* A second set with the same objects, which takes a moment however many there are. */
struct object_store *object_store_clone(const struct object_store *store);
void object_store_destroy(struct object_store *store);

/*
 * Copies an object in and checks the copy: kind, id, length against the limits and its own
 * counts, every field against its range, every index within the object. References to other
 * objects are generation_create()'s to check. 0, -EINVAL (then *why says it), -ENOMEM.
 */
int object_store_put(struct object_store *store, uint32_t kind, uint32_t id, const void *bytes,
	uint64_t length, const char **why);
/* 0, -ENOENT, -ENOMEM. */
int object_store_delete(struct object_store *store, uint32_t kind, uint32_t id);

/* NULL: none. */
const struct object *object_store_get(const struct object_store *store, uint32_t kind, uint32_t id);
/* The same with a reference of the caller's own, so that it outlives the store. NULL: none. */
struct object *object_store_hold(const struct object_store *store, uint32_t kind, uint32_t id);
void object_release(struct object *object); /* drops one reference; NULL is fine */
/*
 * The next id from `id` on that has not the same object in both, as one that was put again with
 * the same bytes has; UINT32_MAX: there is none.
 */
uint32_t object_store_next_change(const struct object_store *before,
	const struct object_store *after, uint32_t kind, uint32_t id);
/* One past the greatest id of this kind, or 0. */
uint32_t object_store_end(const struct object_store *store, uint32_t kind);

/* The store as a row of struct shunt_object_header and bytes, as in session.h. */
uint64_t object_store_dump_bytes(const struct object_store *store);
void object_store_dump(const struct object_store *store, void *out);

#endif
