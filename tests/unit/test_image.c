/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "image.h"
#include "unit.h"

/* What image_diff() said, as text would be: one entry a call. */
struct seen {
	struct {
		uint32_t kind;
		uint32_t id;
		const void *bytes;
		size_t length;
	} entries[16];
	size_t count;
	size_t stop_at; /* returns -42 at this call */
};

static int
record(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	struct seen *seen = context;

	CU_ASSERT_FATAL(seen->count < 16);
	seen->entries[seen->count].kind = kind;
	seen->entries[seen->count].id = id;
	seen->entries[seen->count].bytes = bytes;
	seen->entries[seen->count].length = length;
	seen->count++;
	return seen->count == seen->stop_at ? -42 : 0;
}

static bool
saw(const struct seen *seen, size_t i, uint32_t kind, uint32_t id, bool put)
{
	return i < seen->count && seen->entries[i].kind == kind && seen->entries[i].id == id &&
		(seen->entries[i].bytes != NULL) == put;
}

static void
put_get_replace(void)
{
	struct image *image = image_create();
	size_t length = 0;
	const char *bytes;

	CU_ASSERT_PTR_NULL(image_get(image, SHUNT_KIND_LOCAL, 1, &length));
	CU_ASSERT_EQUAL(image_put(image, SHUNT_KIND_LOCAL, 1, "0123456789abcdef", 16), 0);
	bytes = image_get(image, SHUNT_KIND_LOCAL, 1, &length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	CU_ASSERT_EQUAL(length, 16);
	CU_ASSERT_EQUAL(memcmp(bytes, "0123456789abcdef", 16), 0);
	CU_ASSERT_EQUAL((uintptr_t)bytes % 8, 0);
	CU_ASSERT_EQUAL(image_put(image, SHUNT_KIND_LOCAL, 1, "xy", 2), 0);
	bytes = image_get(image, SHUNT_KIND_LOCAL, 1, &length);
	CU_ASSERT_EQUAL(length, 2);
	CU_ASSERT_EQUAL(memcmp(bytes, "xy", 2), 0);
	/* Neighbours in number and kind are other objects. */
	CU_ASSERT_PTR_NULL(image_get(image, SHUNT_KIND_LOCAL, 2, NULL));
	CU_ASSERT_PTR_NULL(image_get(image, SHUNT_KIND_SERVER, 1, NULL));
	CU_ASSERT_PTR_NULL(image_get(image, SHUNT_KIND_END, 1, NULL));
	CU_ASSERT_PTR_NULL(image_get(image, UINT32_MAX, UINT32_MAX, NULL));
	CU_ASSERT_PTR_NULL(image_get(NULL, SHUNT_KIND_LOCAL, 1, NULL));
	image_destroy(image);
	image_destroy(NULL);
}

static void
impossible_names(void)
{
	struct image *image = image_create();

	CU_ASSERT_EQUAL(image_put(image, 0, 1, "x", 1), -EINVAL);
	CU_ASSERT_EQUAL(image_put(image, SHUNT_KIND_END, 1, "x", 1), -EINVAL);
	CU_ASSERT_EQUAL(image_put(image, SHUNT_KIND_SETTINGS, 2, "x", 1), -EINVAL);
	CU_ASSERT_EQUAL(image_put(image, SHUNT_KIND_SERVER, 0, "x", 1), -EINVAL);
	CU_ASSERT_EQUAL(image_put(image, SHUNT_KIND_SERVER, SHUNT_MAX_SERVERS, "x", 1), -EINVAL);
	CU_ASSERT_EQUAL(image_put(image, SHUNT_KIND_SERVER, 1, "x", SIZE_MAX), -EINVAL);
	CU_ASSERT_EQUAL(image_put(image, SHUNT_KIND_SERVER, SHUNT_MAX_SERVERS - 1, "x", 1), 0);
	CU_ASSERT_PTR_NOT_NULL(image_get(image, SHUNT_KIND_SERVER, SHUNT_MAX_SERVERS - 1, NULL));
	image_destroy(image);
}

static void
differences(void)
{
	struct image *from = image_create(), *to = image_create();
	struct seen seen = { 0 };

	image_put(from, SHUNT_KIND_SERVER, 1, "same", 4);
	image_put(to, SHUNT_KIND_SERVER, 1, "same", 4);
	CU_ASSERT_EQUAL(image_diff(from, to, record, &seen), 0);
	CU_ASSERT_EQUAL(seen.count, 0);
	CU_ASSERT_TRUE(image_equal(from, to));

	image_put(from, SHUNT_KIND_SERVER, 2, "gone", 4);
	image_put(from, SHUNT_KIND_SERVER, 3, "other", 5);
	image_put(to, SHUNT_KIND_SERVER, 3, "OTHER", 5);
	image_put(from, SHUNT_KIND_BACKEND, 100, "longer", 6);
	image_put(to, SHUNT_KIND_BACKEND, 100, "long", 4);
	image_put(to, SHUNT_KIND_NEXTHOP, 5000, "new", 3);
	image_put(to, SHUNT_KIND_SETTINGS, 1, "first", 5);
	image_put(from, SHUNT_KIND_LOCAL, 4000, "last", 4);
	CU_ASSERT_FALSE(image_equal(from, to));
	CU_ASSERT_EQUAL(image_diff(from, to, record, &seen), 0);
	CU_ASSERT_EQUAL_FATAL(seen.count, 6);
	CU_ASSERT_TRUE(saw(&seen, 0, SHUNT_KIND_SETTINGS, 1, true));
	CU_ASSERT_TRUE(saw(&seen, 1, SHUNT_KIND_NEXTHOP, 5000, true));
	CU_ASSERT_TRUE(saw(&seen, 2, SHUNT_KIND_SERVER, 2, false));
	CU_ASSERT_TRUE(saw(&seen, 3, SHUNT_KIND_SERVER, 3, true));
	CU_ASSERT_TRUE(saw(&seen, 4, SHUNT_KIND_BACKEND, 100, true));
	CU_ASSERT_EQUAL(seen.entries[4].length, 4);
	CU_ASSERT_TRUE(saw(&seen, 5, SHUNT_KIND_LOCAL, 4000, false));

	seen = (struct seen){ .stop_at = 2 };
	CU_ASSERT_EQUAL(image_diff(from, to, record, &seen), -42);
	CU_ASSERT_EQUAL(seen.count, 2);
	image_destroy(from);
	image_destroy(to);
}

static void
difference_to_nothing(void)
{
	struct image *image = image_create(), *empty = image_create();
	struct seen seen = { 0 };

	image_put(image, SHUNT_KIND_LOCAL, 7, "x", 1);
	CU_ASSERT_EQUAL(image_diff(NULL, image, record, &seen), 0);
	CU_ASSERT_TRUE(saw(&seen, 0, SHUNT_KIND_LOCAL, 7, true));
	CU_ASSERT_EQUAL(image_diff(image, NULL, record, &seen), 0);
	CU_ASSERT_TRUE(saw(&seen, 1, SHUNT_KIND_LOCAL, 7, false));
	CU_ASSERT_EQUAL(seen.count, 2);
	CU_ASSERT_TRUE(image_equal(NULL, empty));
	CU_ASSERT_TRUE(image_equal(image, image));
	image_destroy(image);
	image_destroy(empty);
}

/* A row of objects as a session has it, made by hand. */
struct row {
	uint8_t bytes[4096];
	size_t length;
};

static void
row_add(struct row *row, uint32_t kind, uint32_t id, const void *bytes, uint64_t length)
{
	struct shunt_object_header header = { .kind = kind, .id = id, .length = length };

	memcpy(row->bytes + row->length, &header, sizeof(header));
	row->length += sizeof(header);
	memcpy(row->bytes + row->length, bytes, length);
	row->length += (length + 7) & ~7ull;
}

static struct row
row_good(void)
{
	struct shunt_settings settings = { .hash_secret = { 1, 2, 3 } };
	struct shunt_nexthop nexthop = { .port = 1, .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct shunt_server server = { .backend = 9, .name = "s1" };
	struct {
		struct shunt_backend head;
		struct shunt_member member;
		uint16_t slots[2];
	} backend = { { .member_count = 1, .slot_count = 2, .name = "app" }, { 1, 1 }, { 0, 0 } };
	struct row row = { 0 };

	row_add(&row, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	row_add(&row, SHUNT_KIND_NEXTHOP, 3, &nexthop, sizeof(nexthop)); /* 28 bytes, padded */
	row_add(&row, SHUNT_KIND_SERVER, 1, &server, sizeof(server));
	row_add(&row, SHUNT_KIND_BACKEND, 9, &backend,
		sizeof(backend.head) + sizeof(backend.member) + sizeof(backend.slots));
	return row;
}

/* Parses from an allocation of the exact size, so that a sanitizer sees a byte too far. */
static int
parse(const void *bytes, size_t length)
{
	struct image *image = image_create();
	void *exact = malloc(length ? length : 1);
	int rc;

	memcpy(exact, bytes, length);
	rc = image_parse(image, exact, length);
	free(exact);
	image_destroy(image);
	return rc;
}

static void
parse_good(void)
{
	struct image *image = image_create();
	struct row row = row_good();
	const struct shunt_backend *backend;
	size_t length;

	CU_ASSERT_EQUAL(image_parse(image, row.bytes, row.length), 0);
	CU_ASSERT_PTR_NOT_NULL(image_get(image, SHUNT_KIND_SETTINGS, 1, NULL));
	CU_ASSERT_PTR_NOT_NULL(image_get(image, SHUNT_KIND_NEXTHOP, 3, &length));
	CU_ASSERT_EQUAL(length, sizeof(struct shunt_nexthop));
	CU_ASSERT_PTR_NOT_NULL(image_get(image, SHUNT_KIND_SERVER, 1, NULL));
	backend = image_get(image, SHUNT_KIND_BACKEND, 9, &length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(backend);
	CU_ASSERT_STRING_EQUAL(backend->name, "app");
	image_destroy(image);
	CU_ASSERT_EQUAL(parse("", 0), 0);
}

/* Cut off anywhere but between objects it is bad. */
static void
parse_truncated(void)
{
	struct row row = row_good();

	for (size_t length = 0; length < row.length; length++) {
		bool between = length == 0 || length == 40 || length == 88 || length == 232;

		if (parse(row.bytes, length) != (between ? 0 : -EBADMSG))
			CU_FAIL("cut off");
	}
}

static void
parse_hostile(void)
{
	static const struct shunt_object_header bad[] = {
		{ 0, 1, 16 },
		{ SHUNT_KIND_END, 1, 16 },
		{ UINT32_MAX, 1, 16 },
		{ SHUNT_KIND_LOCAL, 0, 16 },
		{ SHUNT_KIND_LOCAL, SHUNT_MAX_LOCALS, 16 },
		{ SHUNT_KIND_LOCAL, 1, 15 },
		{ SHUNT_KIND_LOCAL, 1, 0 },
		{ SHUNT_KIND_LOCAL, 1, 24 },
		{ SHUNT_KIND_LOCAL, 1, UINT64_MAX },
		{ SHUNT_KIND_LOCAL, 1, UINT64_MAX - 7 },
		{ SHUNT_KIND_LOCAL, 1, 1ull << 63 },
		{ SHUNT_KIND_SETTINGS, 2, 16 },
		{ SHUNT_KIND_SERVER, 1, 16 },
		{ SHUNT_KIND_SERVER, 1, 120 },
		{ SHUNT_KIND_BACKEND, 1, 16 },
		{ SHUNT_KIND_BACKEND, 1, sizeof(struct shunt_backend) - 1 },
		{ SHUNT_KIND_BACKEND, 1, sizeof(struct shunt_backend) + 8 },
	};
	uint8_t bytes[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, &bad[i], sizeof(bad[i]));
		CU_ASSERT_EQUAL(parse(bytes, sizeof(bytes)), -EBADMSG);
	}
	memset(bytes, 0xff, sizeof(bytes));
	CU_ASSERT_EQUAL(parse(bytes, sizeof(bytes)), -EBADMSG);
}

static void
parse_hostile_counts(void)
{
	static const uint32_t counts[][3] = {
		{ 1, 0, 0 },
		{ 0, 1, 0 },
		{ 0, 0, 1 },
		{ UINT32_MAX, 0, 0 },
		{ 0, UINT32_MAX, UINT32_MAX },
		{ 0x20000000, 0, 0 }, /* times 8 wraps in 32 bits */
		{ 0, 0x80000000, 0x80000000 },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct shunt_backend backend = {
			.member_count = counts[i][0],
			.slot_count = counts[i][1],
			.schedule_count = counts[i][2],
		};
		struct row row = { 0 };

		row_add(&row, SHUNT_KIND_BACKEND, 1, &backend, sizeof(backend));
		CU_ASSERT_EQUAL(parse(row.bytes, row.length), -EBADMSG);
	}
}

static void
parse_twice_the_same(void)
{
	struct shunt_local local = { 0 };
	struct row row = { 0 };

	row_add(&row, SHUNT_KIND_LOCAL, 5, &local, sizeof(local));
	CU_ASSERT_EQUAL(parse(row.bytes, row.length), 0);
	row_add(&row, SHUNT_KIND_LOCAL, 5, &local, sizeof(local));
	CU_ASSERT_EQUAL(parse(row.bytes, row.length), -EBADMSG);
}

static void
clones(void)
{
	struct image *image = image_create(), *clone;
	struct seen seen = { 0 };

	for (uint32_t id = 1; id < 1000; id++)
		image_put(image, SHUNT_KIND_LOCAL, id, "abc", 3);
	clone = image_clone(image);
	CU_ASSERT_PTR_NOT_NULL_FATAL(clone);
	CU_ASSERT_TRUE(image_equal(image, clone));
	CU_ASSERT_PTR_EQUAL(image_get(image, SHUNT_KIND_LOCAL, 700, NULL),
		image_get(clone, SHUNT_KIND_LOCAL, 700, NULL));
	image_put(clone, SHUNT_KIND_LOCAL, 700, "abd", 3);
	image_put(clone, SHUNT_KIND_LOCAL, 701, "abc", 3); /* again the same bytes */
	image_put(clone, SHUNT_KIND_SOURCE, 3, "x", 1);
	CU_ASSERT_EQUAL(memcmp(image_get(image, SHUNT_KIND_LOCAL, 700, NULL), "abc", 3), 0);
	CU_ASSERT_EQUAL(image_diff(image, clone, record, &seen), 0);
	CU_ASSERT_EQUAL(seen.count, 2);
	CU_ASSERT_TRUE(saw(&seen, 0, SHUNT_KIND_LOCAL, 700, true));
	CU_ASSERT_TRUE(saw(&seen, 1, SHUNT_KIND_SOURCE, 3, true));
	image_destroy(image);
	CU_ASSERT_EQUAL(memcmp(image_get(clone, SHUNT_KIND_LOCAL, 999, NULL), "abc", 3), 0);
	image_destroy(clone);
}

static const struct unit_test tests[] = {
	{ "put, get, replace", put_get_replace },
	{ "impossible names", impossible_names },
	{ "differences", differences },
	{ "difference to nothing", difference_to_nothing },
	{ "clones", clones },
	{ "parse: good", parse_good },
	{ "parse: cut off at every byte", parse_truncated },
	{ "parse: hostile headers", parse_hostile },
	{ "parse: hostile counts", parse_hostile_counts },
	{ "parse: an object twice", parse_twice_the_same },
};

UNIT_MAIN("image", tests)
