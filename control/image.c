/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "image.h"
#include "shunt/row.h"

struct image_object {
	uint32_t references; /* first: shunt/row.h */
	size_t length;
	uint64_t bytes[]; /* 64-bit words, so that every struct of table.h is aligned */
};

struct image {
	struct shunt_row rows[SHUNT_KIND_END]; /* of struct image_object */
};

static void
object_release(void *element)
{
	struct image_object *object = element;

	if (--object->references == 0)
		free(object);
}

struct image *
image_create(void)
{
	return calloc(1, sizeof(struct image));
}

struct image *
image_clone(const struct image *image)
{
	struct image *copy = image_create();

	for (uint32_t kind = 0; copy && kind < SHUNT_KIND_END; kind++) {
		if (shunt_row_copy(&copy->rows[kind], &image->rows[kind]) < 0) {
			image_destroy(copy);
			return NULL;
		}
	}
	return copy;
}

void
image_destroy(struct image *image)
{
	if (!image)
		return;
	for (uint32_t kind = 0; kind < SHUNT_KIND_END; kind++)
		shunt_row_clear(&image->rows[kind], object_release);
	free(image);
}

static bool
name_is_possible(uint32_t kind, uint32_t id)
{
	return id > 0 && id < shunt_kind_max(kind);
}

int
image_put(struct image *image, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	struct image_object *object;

	if (!name_is_possible(kind, id) || length > SHUNT_MAX_OBJECT_BYTES)
		return -EINVAL;
	object = malloc(sizeof(*object) + length);
	if (!object)
		return -ENOMEM;
	object->references = 1;
	object->length = length;
	memcpy(object->bytes, bytes, length);
	if (shunt_row_set(&image->rows[kind], id, object, object_release) < 0) {
		free(object);
		return -ENOMEM;
	}
	return 0;
}

int
image_share(struct image *image, const struct image *from, uint32_t kind)
{
	shunt_row_clear(&image->rows[kind], object_release);
	return shunt_row_copy(&image->rows[kind], &from->rows[kind]);
}

static const struct image_object *
object_get(const struct image *image, uint32_t kind, uint32_t id)
{
	return image && kind < SHUNT_KIND_END ? shunt_row_get(&image->rows[kind], id) : NULL;
}

const void *
image_get(const struct image *image, uint32_t kind, uint32_t id, size_t *length)
{
	const struct image_object *object = object_get(image, kind, id);

	if (!object)
		return NULL;
	if (length)
		*length = object->length;
	return object->bytes;
}

int
image_diff(const struct image *from, const struct image *to,
	int (*changed)(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length),
	void *context)
{
	static const struct image empty;

	from = from ? from : &empty;
	to = to ? to : &empty;
	for (uint32_t kind = 1; kind < SHUNT_KIND_END; kind++) {
		const struct shunt_row *a = &from->rows[kind], *b = &to->rows[kind];

		for (uint32_t id = shunt_row_next_difference(a, b, 1); id != UINT32_MAX;
			id = shunt_row_next_difference(a, b, id + 1)) {
			const struct image_object *was = shunt_row_get(a, id);
			const struct image_object *is = shunt_row_get(b, id);
			int rc;

			if (was && is && was->length == is->length &&
				memcmp(was->bytes, is->bytes, was->length) == 0)
				continue;
			rc = changed(context, kind, id, is ? is->bytes : NULL, is ? is->length : 0);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static int
is_different(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	(void)context;
	(void)kind;
	(void)id;
	(void)bytes;
	(void)length;
	return 1;
}

bool
image_equal(const struct image *a, const struct image *b)
{
	return image_diff(a, b, is_different, NULL) == 0;
}

/* Of the pieces of shunt/rules.h. */
static bool
rules_length_is_good(uint32_t kind, const struct image_object *object)
{
	const void *bytes = object->bytes;

	switch (kind) {
	case SHUNT_KIND_PREFIXES:
		return object->length >= sizeof(struct shunt_prefixes) &&
			shunt_prefixes_count_is_good(bytes) &&
			object->length == shunt_prefixes_bytes(bytes);
	case SHUNT_KIND_ACLS:
		return object->length >= sizeof(struct shunt_acls) &&
			shunt_acls_counts_are_good(bytes) &&
			object->length == shunt_acls_bytes(bytes);
	case SHUNT_KIND_RULES:
		return object->length >= sizeof(struct shunt_rules) &&
			shunt_rules_counts_are_good(bytes) &&
			object->length == shunt_rules_bytes(bytes);
	default:
		return object->length == sizeof(struct shunt_truth);
	}
}

/* Is this a length an object of this kind can have, going by its own counts? */
static bool
length_is_good(uint32_t kind, const struct image_object *object)
{
	static const size_t sizes[SHUNT_KIND_END] = {
		[SHUNT_KIND_SETTINGS] = sizeof(struct shunt_settings),
		[SHUNT_KIND_NEXTHOP] = sizeof(struct shunt_nexthop),
		[SHUNT_KIND_SERVER] = sizeof(struct shunt_server),
		[SHUNT_KIND_SERVICE] = sizeof(struct shunt_service),
		[SHUNT_KIND_LOCAL] = sizeof(struct shunt_local),
		[SHUNT_KIND_SOURCE] = sizeof(struct shunt_source),
		[SHUNT_KIND_LIMIT] = sizeof(struct shunt_limit),
	};
	const struct shunt_backend *backend = (const void *)object->bytes;

	if (kind >= SHUNT_KIND_PREFIXES)
		return rules_length_is_good(kind, object);
	if (kind != SHUNT_KIND_BACKEND)
		return object->length == sizes[kind];
	return object->length >= sizeof(*backend) && backend->member_count < SHUNT_MAX_SERVERS &&
		backend->slot_count <= SHUNT_MAX_SLOTS &&
		backend->schedule_count <= SHUNT_MAX_SCHEDULE &&
		object->length == shunt_backend_bytes(backend);
}

int
image_parse(struct image *image, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	size_t left = length;

	while (left > 0) {
		struct shunt_object_header header;
		size_t padded;
		int rc;

		if (left < sizeof(header))
			return -EBADMSG;
		memcpy(&header, at, sizeof(header));
		at += sizeof(header);
		left -= sizeof(header);
		if (!name_is_possible(header.kind, header.id) ||
			header.length > SHUNT_MAX_OBJECT_BYTES ||
			object_get(image, header.kind, header.id))
			return -EBADMSG;
		padded = (header.length + 7) & ~(size_t)7;
		if (padded > left)
			return -EBADMSG;
		rc = image_put(image, header.kind, header.id, at, header.length);
		if (rc < 0)
			return rc;
		/* The copy is looked at, not the memory that is shared with another process. */
		if (!length_is_good(header.kind, object_get(image, header.kind, header.id)))
			return -EBADMSG;
		at += padded;
		left -= padded;
	}
	return 0;
}
