/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends' ways of choosing a server: what the dataplane takes of them, and what it refuses. */
#include <errno.h>
#include <string.h>

#include "objects_helper.h"

static const struct shunt_member three[] = { { 1, 1, 0 }, { 2, 1, 7 }, { 3, 1, UINT32_MAX } };

struct change {
	uint32_t persist_ms;
	uint16_t balance_factor;
	uint8_t persist_prefix4;
	uint8_t persist_prefix6;
	uint8_t ignored_bits4;
	uint8_t ignored_bits6;
	uint8_t reject_full;
	uint8_t quorum_lost;
	uint8_t pad;
};

/* text: of the refusal; NULL: it is taken. */
static void
put(enum shunt_algorithm algorithm, struct change change, const char *text)
{
	struct object_store *store = object_store_create();
	struct shunt_backend *b = helper_backend(algorithm, three, 3, 16);
	const char *why = NULL;
	int rc;

	b->persist_ms = change.persist_ms;
	b->balance_factor = change.balance_factor;
	b->persist_prefix4 = change.persist_prefix4;
	b->persist_prefix6 = change.persist_prefix6;
	b->ignored_bits4 = change.ignored_bits4;
	b->ignored_bits6 = change.ignored_bits6;
	b->reject_full = change.reject_full;
	b->quorum_lost = change.quorum_lost;
	b->pad[6] = change.pad;
	rc = object_store_put(store, SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b), &why);
	CU_ASSERT_EQUAL(rc, text ? -EINVAL : 0);
	if (text) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(why);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, text));
	}
	free(b);
	object_store_destroy(store);
}

static void
test_taken(void)
{
	for (enum shunt_algorithm a = 0; a < SHUNT_ALGORITHM_COUNT; a++)
		put(a,
			(struct change){ .persist_ms = SHUNT_MAX_TIMEOUT_MS,
				.persist_prefix4 = 32,
				.persist_prefix6 = 128,
				.ignored_bits4 = 32,
				.ignored_bits6 = 128,
				.reject_full = 1 },
			NULL);
	put(SHUNT_SOURCE, (struct change){ .balance_factor = 101 }, NULL);
	put(SHUNT_SOURCE, (struct change){ .balance_factor = UINT16_MAX }, NULL);
}

static void
test_refused(void)
{
	put(SHUNT_SOURCE, (struct change){ .reject_full = 2 }, "without room");
	put(SHUNT_SOURCE, (struct change){ .quorum_lost = 1 }, NULL);
	put(SHUNT_SOURCE, (struct change){ .quorum_lost = 2 }, "quorum");
	put(SHUNT_SOURCE, (struct change){ .pad = 1 }, "padding");
	put(SHUNT_SOURCE, (struct change){ .ignored_bits4 = 33 }, "bits");
	put(SHUNT_SOURCE, (struct change){ .ignored_bits6 = 129 }, "bits");
	put(SHUNT_SOURCE, (struct change){ .balance_factor = 100 }, "balance factor");
	put(SHUNT_SOURCE, (struct change){ .balance_factor = 1 }, "balance factor");
	put(SHUNT_LEASTCONN, (struct change){ .balance_factor = 150 }, "balance factor");
	put(SHUNT_SOURCE, (struct change){ .persist_ms = SHUNT_MAX_TIMEOUT_MS + 1 }, "persistence");
	put(SHUNT_SOURCE, (struct change){ .persist_prefix4 = 24 }, "client networks");
	put(SHUNT_SOURCE, (struct change){ .persist_prefix6 = 56 }, "client networks");
	put(SHUNT_SOURCE, (struct change){ .persist_ms = 1, .persist_prefix4 = 33 }, "bits");
	put(SHUNT_SOURCE, (struct change){ .persist_ms = 1, .persist_prefix6 = 129 }, "bits");
}

static void
test_slowstart(void)
{
	static const struct {
		uint32_t ms;
		uint8_t pad;
		const char *text;
	} rows[] = {
		{ 0, 0, NULL },
		{ SHUNT_MAX_TIMEOUT_MS, 0, NULL },
		{ SHUNT_MAX_TIMEOUT_MS + 1, 0, "slow start" },
		{ 1, 1, "padding" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object_store *store = object_store_create();
		struct shunt_server s = helper_server("10.0.0.1", 80, 1);
		const char *why = "";

		s.slowstart_ms = rows[i].ms;
		s.up_since_ms = UINT64_MAX;
		s.pad3[3] = rows[i].pad;
		CU_ASSERT_EQUAL(object_store_put(store, SHUNT_KIND_SERVER, 1, &s, sizeof(s), &why),
			rows[i].text ? -EINVAL : 0);
		CU_ASSERT(!rows[i].text || (why && strstr(why, rows[i].text)));
		object_store_destroy(store);
	}
}

static const struct unit_test tests[] = {
	{ "taken", test_taken },
	{ "refused", test_refused },
	{ "slow start", test_slowstart },
};

UNIT_MAIN("objects_choice", tests)
