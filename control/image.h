/* SPDX-License-Identifier: BSD-3-Clause */
/* A set of objects of shunt/table.h, each named by (kind, id), as bytes. */
#ifndef CONTROL_IMAGE_H
#define CONTROL_IMAGE_H

#include <stddef.h>

#include "shunt/session.h"

struct image;

struct image *image_create(void); /* NULL: out of memory */
/* The same objects, not copied; from then on each has its own. NULL: out of memory. */
struct image *image_clone(const struct image *image);
void image_destroy(struct image *image);

/*
 * Copies the bytes in; an object already there is replaced. 0, -ENOMEM, or -EINVAL for a name or a
 * length that no object can have.
 */
int image_put(struct image *image, uint32_t kind, uint32_t id, const void *bytes, size_t length);
/*
 * Gives an image the objects of a kind that another one has, not copied, in place of its own. 0 or
 * -ENOMEM: then it has none.
 */
int image_share(struct image *image, const struct image *from, uint32_t kind);
/* NULL: there is none. The bytes are 8-byte aligned; `length` may be NULL. */
const void *image_get(const struct image *image, uint32_t kind, uint32_t id, size_t *length);

/*
 * Calls changed() for every object of `to` that `from` lacks or has with other bytes (bytes and
 * length of `to`), and for every object that only `from` has (bytes NULL); kinds in the order of
 * enum shunt_kind, ids ascending. Stops at, and returns, the first non-zero return. A NULL image is
 * an empty one.
 */
int image_diff(const struct image *from, const struct image *to,
	int (*changed)(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length),
	void *context);

/* The same objects with the same bytes? */
bool image_equal(const struct image *a, const struct image *b);

/*
 * Parses the running objects of a session (session.h) into an empty image: names, and lengths
 * against what each kind can have; no other field. 0, -EBADMSG or -ENOMEM; then the image is only
 * good for image_destroy().
 */
int image_parse(struct image *image, const void *bytes, size_t length);

#endif
