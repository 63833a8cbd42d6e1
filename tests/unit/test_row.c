/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of counted elements: every version keeps what it had, and nothing is lost or left. */
#include <stdlib.h>

#include "shunt/row.h"
#include "unit.h"

#define IDS	 2000u
#define VERSIONS 5

struct element {
	uint32_t references;
	uint32_t number;
};

static uint32_t alive, last_number;

static struct element *
element_create(void)
{
	struct element *e = calloc(1, sizeof(*e));

	e->references = 1;
	e->number = ++last_number;
	alive++;
	return e;
}

static void
element_release(void *element)
{
	struct element *e = element;

	CU_ASSERT_FATAL(e->references > 0);
	if (--e->references > 0)
		return;
	alive--;
	free(e);
}

static void
few(void)
{
	struct shunt_row row = { 0 }, copy = { 0 };
	struct element *a = element_create(), *b = element_create();

	CU_ASSERT_PTR_NULL(shunt_row_get(&row, 0));
	CU_ASSERT_EQUAL(shunt_row_end(&row), 0);
	CU_ASSERT_EQUAL(shunt_row_copy(&copy, &row), 0);
	CU_ASSERT_EQUAL(shunt_row_set(&row, 70000, NULL, element_release), 0);
	CU_ASSERT_EQUAL(row.chunk_count, 0);
	CU_ASSERT_EQUAL(shunt_row_set(&row, 1, a, element_release), 0);
	CU_ASSERT_EQUAL(shunt_row_set(&row, 65535, b, element_release), 0);
	CU_ASSERT_PTR_EQUAL(shunt_row_get(&row, 1), a);
	CU_ASSERT_PTR_EQUAL(shunt_row_get(&row, 65535), b);
	CU_ASSERT_PTR_NULL(shunt_row_get(&row, 65536));
	CU_ASSERT_PTR_NULL(shunt_row_get(&row, 3000));
	CU_ASSERT_EQUAL(shunt_row_end(&row), 65536);
	CU_ASSERT_EQUAL(shunt_row_next_difference(&row, &copy, 0), 1);
	CU_ASSERT_EQUAL(shunt_row_next_difference(&copy, &row, 2), 65535);
	CU_ASSERT_EQUAL(shunt_row_next_difference(&row, &copy, 65536), UINT32_MAX);
	CU_ASSERT_EQUAL(shunt_row_next_difference(&row, &row, 0), UINT32_MAX);
	CU_ASSERT_EQUAL(shunt_row_set(&row, 65535, NULL, element_release), 0);
	CU_ASSERT_EQUAL(shunt_row_end(&row), 2);
	CU_ASSERT_EQUAL(alive, 1);
	shunt_row_clear(&row, element_release);
	shunt_row_clear(&copy, element_release);
	CU_ASSERT_EQUAL(alive, 0);
}

/* What a row says, id by id, beside an array that has the numbers it should say. */
static void
check(const struct shunt_row *row, const uint32_t *expected)
{
	uint32_t end = 0;

	for (uint32_t id = 0; id < IDS; id++) {
		const struct element *e = shunt_row_get(row, id);

		if ((e ? e->number : 0) != expected[id])
			CU_FAIL("an element is another one");
		if (expected[id])
			end = id + 1;
	}
	CU_ASSERT_EQUAL(shunt_row_end(row), end);
}

static void
check_differences(const struct shunt_row *a, const uint32_t *in_a, const struct shunt_row *b,
	const uint32_t *in_b)
{
	uint32_t id = shunt_row_next_difference(a, b, 0);

	for (uint32_t i = 0; i < IDS; i++) {
		if (in_a[i] == in_b[i])
			continue;
		CU_ASSERT_EQUAL_FATAL(id, i);
		id = shunt_row_next_difference(a, b, i + 1);
	}
	CU_ASSERT_EQUAL(id, UINT32_MAX);
}

/* Versions are made from one another and changed, in any order. */
static void
versions(void)
{
	static uint32_t expected[VERSIONS][IDS];
	struct shunt_row rows[VERSIONS] = { 0 };

	srand(5);
	for (int step = 0; step < 3000; step++) {
		uint32_t v = (uint32_t)rand() % VERSIONS, id = (uint32_t)rand() % IDS;

		if (rand() % 50 == 0) {
			uint32_t from = (v + 1) % VERSIONS;

			shunt_row_clear(&rows[v], element_release);
			CU_ASSERT_EQUAL(shunt_row_copy(&rows[v], &rows[from]), 0);
			memcpy(expected[v], expected[from], sizeof(expected[v]));
		} else if (rand() % 3 == 0) {
			CU_ASSERT_EQUAL(shunt_row_set(&rows[v], id, NULL, element_release), 0);
			expected[v][id] = 0;
		} else {
			struct element *e = element_create();

			CU_ASSERT_EQUAL(shunt_row_set(&rows[v], id, e, element_release), 0);
			expected[v][id] = e->number;
		}
		if (step % 100 == 0)
			check_differences(&rows[0], expected[0], &rows[1], expected[1]);
	}
	for (uint32_t v = 0; v < VERSIONS; v++) {
		check(&rows[v], expected[v]);
		shunt_row_clear(&rows[v], element_release);
	}
	CU_ASSERT_EQUAL(alive, 0);
}

static const struct unit_test tests[] = {
	{ "few", few },
	{ "versions", versions },
};

UNIT_MAIN("row", tests)
