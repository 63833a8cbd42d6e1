/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "image.h"

#define ROW_MIN_ROOM 16u

struct image_object {
	size_t length;
	uint64_t bytes[]; /* 64-bit words, so that every struct of table.h is aligned */
};

/* The objects of one kind by id, as long as the ids in use need. */
struct image_row {
	struct image_object **objects;
	uint32_t room; /* objects[0 .. room-1] exists, and may hold NULL */
};

struct image {
	struct image_row rows[SHUNT_KIND_END];
};

struct image *
image_create(void)
{
	return calloc(1, sizeof(struct image));
}

void
image_destroy(struct image *image)
{
	if (!image)
		return;
	for (uint32_t kind = 0; kind < SHUNT_KIND_END; kind++) {
		struct image_row *row = &image->rows[kind];

		for (uint32_t id = 0; id < row->room; id++)
			free(row->objects[id]);
		free(row->objects);
	}
	free(image);
}

static bool
name_is_possible(uint32_t kind, uint32_t id)
{
	return id > 0 && id < shunt_kind_max(kind);
}

static int
row_reserve(struct image_row *row, uint32_t id)
{
	uint32_t room = row->room ? row->room : ROW_MIN_ROOM;
	struct image_object **objects;

	if (id < row->room)
		return 0;
	while (room <= id)
		room *= 2;
	objects = reallocarray(row->objects, room, sizeof(*row->objects));
	if (!objects)
		return -ENOMEM;
	memset(objects + row->room, 0, (room - row->room) * sizeof(*row->objects));
	row->objects = objects;
	row->room = room;
	return 0;
}

int
image_put(struct image *image, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	struct image_object *object;
	struct image_row *row;

	if (!name_is_possible(kind, id) || length > SHUNT_MAX_OBJECT_BYTES)
		return -EINVAL;
	row = &image->rows[kind];
	if (row_reserve(row, id) < 0)
		return -ENOMEM;
	object = malloc(sizeof(*object) + length);
	if (!object)
		return -ENOMEM;
	object->length = length;
	memcpy(object->bytes, bytes, length);
	free(row->objects[id]);
	row->objects[id] = object;
	return 0;
}

static const struct image_object *
object_get(const struct image *image, uint32_t kind, uint32_t id)
{
	if (!image || kind >= SHUNT_KIND_END || id >= image->rows[kind].room)
		return NULL;
	return image->rows[kind].objects[id];
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

static uint32_t
row_room(const struct image *image, uint32_t kind)
{
	return image ? image->rows[kind].room : 0;
}

int
image_diff(const struct image *from, const struct image *to,
	int (*changed)(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length),
	void *context)
{
	for (uint32_t kind = 1; kind < SHUNT_KIND_END; kind++) {
		uint32_t room = row_room(from, kind);

		if (room < row_room(to, kind))
			room = row_room(to, kind);
		for (uint32_t id = 1; id < room; id++) {
			const struct image_object *a = object_get(from, kind, id);
			const struct image_object *b = object_get(to, kind, id);
			int rc;

			if (a == b)
				continue; /* neither has it, or it is the same image */
			if (a && b && a->length == b->length &&
				memcmp(a->bytes, b->bytes, a->length) == 0)
				continue;
			rc = changed(context, kind, id, b ? b->bytes : NULL, b ? b->length : 0);
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
	};
	const struct shunt_backend *backend = (const void *)object->bytes;

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
