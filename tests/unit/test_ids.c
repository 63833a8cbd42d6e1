/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "ids.h"
#include "unit.h"

static void
ids_in_turn(void)
{
	struct ids *ids = ids_create(5, sizeof(uint32_t)); /* 1 to 4 */
	uint32_t key[10];

	for (uint32_t i = 0; i < 10; i++)
		key[i] = i;
	ids_begin(ids);
	CU_ASSERT_EQUAL(ids_find(ids, &key[0]), 0);
	CU_ASSERT_EQUAL(ids_get(ids, &key[0]), 1);
	CU_ASSERT_EQUAL(ids_get(ids, &key[0]), 1);
	CU_ASSERT_EQUAL(ids_get(ids, &key[1]), 2);
	ids_begin(ids); /* 0 has gone */
	CU_ASSERT_EQUAL(ids_find(ids, &key[1]), 2);
	CU_ASSERT_EQUAL(ids_get(ids, &key[2]), 3);
	CU_ASSERT_EQUAL(ids_get(ids, &key[3]), 4);
	ids_begin(ids);
	CU_ASSERT_EQUAL(ids_find(ids, &key[0]), 1); /* it comes back before its id was needed */
	CU_ASSERT_EQUAL(ids_find(ids, &key[3]), 4);
	CU_ASSERT_EQUAL(ids_get(ids, &key[4]), 2); /* all others were used: the first free one */
	CU_ASSERT_EQUAL(ids_find(ids, &key[1]), 0);
	CU_ASSERT_EQUAL(ids_get(ids, &key[5]), 3);
	CU_ASSERT_EQUAL(ids_get(ids, &key[6]), 0); /* no more */
	ids_destroy(ids);
}

static void
ids_adopted(void)
{
	struct ids *ids = ids_create(6, sizeof(uint32_t));
	uint32_t key[4] = { 10, 11, 12, 13 };

	CU_ASSERT_EQUAL(ids_adopt(ids, &key[0], 3), 0);
	CU_ASSERT_EQUAL(ids_adopt(ids, &key[1], 3), -EEXIST);
	CU_ASSERT_EQUAL(ids_adopt(ids, &key[0], 2), -EEXIST);
	CU_ASSERT_EQUAL(ids_adopt(ids, &key[1], 0), -EEXIST);
	CU_ASSERT_EQUAL(ids_adopt(ids, &key[1], 6), -EEXIST);
	CU_ASSERT_EQUAL(ids_adopt(ids, &key[1], 1), 0);
	ids_begin(ids);
	CU_ASSERT_EQUAL(ids_get(ids, &key[0]), 3);
	CU_ASSERT_EQUAL(ids_get(ids, &key[1]), 1);
	CU_ASSERT_EQUAL(ids_get(ids, &key[2]), 4); /* behind the greatest one that was adopted */
	ids_destroy(ids);
}

/* Another process goes on where the first was, not where its ids in use end. */
static void
ids_continued(void)
{
	struct ids *ids = ids_create(6, sizeof(uint32_t)); /* 1 to 5 */
	uint32_t key[5] = { 10, 11, 12, 13, 14 };

	CU_ASSERT_EQUAL(ids_last(ids), 0);
	CU_ASSERT_EQUAL(ids_adopt(ids, &key[0], 2), 0);
	CU_ASSERT_EQUAL(ids_last(ids), 2);
	ids_continue(ids, 4); /* 3 and 4 were freed a moment ago */
	ids_continue(ids, 0); /* no ids, both */
	ids_continue(ids, 6);
	CU_ASSERT_EQUAL(ids_last(ids), 4);
	ids_begin(ids);
	CU_ASSERT_EQUAL(ids_find(ids, &key[0]), 2);
	CU_ASSERT_EQUAL(ids_get(ids, &key[1]), 5);
	CU_ASSERT_EQUAL(ids_get(ids, &key[2]), 1);
	CU_ASSERT_EQUAL(ids_get(ids, &key[3]), 3); /* now it has been long enough */
	CU_ASSERT_EQUAL(ids_last(ids), 3);
	ids_destroy(ids);
}

/* A thousand random steps against a plain list. */
static void
ids_random(void)
{
	enum {
		END = 40,
		KEYS = 80,
	};
	struct ids *ids = ids_create(END, sizeof(uint32_t));
	uint32_t given[KEYS] = { 0 };

	srand(3);
	for (int step = 0; step < 1000; step++) {
		uint32_t id_of[KEYS] = { 0 };
		bool taken[END] = { false }, wanted[KEYS];

		ids_begin(ids);
		for (uint32_t key = 0; key < KEYS; key++) {
			wanted[key] = rand() % 3 == 0 && key % 2 == (uint32_t)step / 10 % 2;
			if (wanted[key])
				id_of[key] = ids_find(ids, &key);
			if (id_of[key])
				CU_ASSERT_EQUAL(id_of[key], given[key]);
		}
		for (uint32_t key = 0; key < KEYS; key++) {
			uint32_t id = wanted[key] ? ids_get(ids, &key) : 0;

			if (!wanted[key])
				continue;
			if (id == 0 || id >= END || taken[id] || (id_of[key] && id != id_of[key]))
				CU_FAIL_FATAL("id given twice, or not the one it had");
			taken[id] = true;
			given[key] = id;
		}
	}
	ids_destroy(ids);
}

static const struct unit_test tests[] = {
	{ "in turn", ids_in_turn },
	{ "adopted", ids_adopted },
	{ "continued", ids_continued },
	{ "random", ids_random },
};

UNIT_MAIN("ids", tests)
