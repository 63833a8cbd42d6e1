/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring of changes: on servers' states as they are. */
#include "events.h"
#include "servers_setup.h"

static struct events events;

static const char *
text(const json_t *rows, size_t index, const char *key)
{
	const char *value = json_string_value(json_object_get(json_array_get(rows, index), key));

	return value ? value : "(none)";
}

static void
only_changes(void)
{
	struct server *server;
	json_t *rows;

	setup();
	memset(&events, 0, sizeof(events));
	rows = events_show(&events, EVENTS_MAX);
	CU_ASSERT_EQUAL(json_array_size(rows), 0);
	json_decref(rows);
	server = find("app/s1");
	events_add(&events, server, "down", "nothing");
	server->health.verdict = SHUNT_HEALTH_UP;
	events_add(&events, server, "down", "L4OK in 1.0 ms");
	server->admin = SHUNT_ADMIN_DRAIN;
	events_add(&events, server, "up", "set by command");
	events.ring[0].wall_ms = 1769903999007;
	rows = events_show(&events, EVENTS_MAX);
	CU_ASSERT_EQUAL_FATAL(json_array_size(rows), 2);
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "time"), "2026-01-31T23:59:59.007Z");
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "backend"), "app");
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "server"), "s1");
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "from"), "down");
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "to"), "up");
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "why"), "L4OK in 1.0 ms");
	CU_ASSERT_STRING_EQUAL(text(rows, 1, "to"), "drain");
	CU_ASSERT_STRING_EQUAL(text(rows, 1, "why"), "set by command");
	json_decref(rows);
	teardown();
}

static void
the_last_ones(void)
{
	static const size_t counts[] = { 1, 10, EVENTS_MAX - 1, EVENTS_MAX };
	char why[16];
	json_t *rows;

	setup();
	memset(&events, 0, sizeof(events));
	for (unsigned int i = 0; i < EVENTS_MAX + 44; i++) {
		snprintf(why, sizeof(why), "%u", i);
		events_add(&events, find("app/s1"), "up", why);
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		rows = events_show(&events, counts[i]);
		CU_ASSERT_EQUAL_FATAL(json_array_size(rows), counts[i]);
		snprintf(why, sizeof(why), "%zu", EVENTS_MAX + 44 - counts[i]);
		CU_ASSERT_STRING_EQUAL(text(rows, 0, "why"), why);
		CU_ASSERT_STRING_EQUAL(text(rows, counts[i] - 1, "why"), "299");
		json_decref(rows);
	}
	teardown();
}

static void
reloads(void)
{
	struct config *config;
	json_t *rows;

	setup();
	CU_ASSERT_EQUAL(control.events.count, 0); /* a start is no change */
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, usual_config()), 0);
	CU_ASSERT_EQUAL(control.events.count, 0);
	config = usual_config();
	snprintf(config->backends[0].servers[0].name, SHUNT_NAME_SIZE, "other");
	config->backends[0].servers[1].check.enabled = false;
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, config), 0);
	rows = events_show(&control.events, EVENTS_MAX);
	CU_ASSERT_EQUAL_FATAL(json_array_size(rows), 3);
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "server"), "s2");
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "from"), "down");
	CU_ASSERT_STRING_EQUAL(text(rows, 0, "to"), "removed");
	CU_ASSERT_STRING_EQUAL(text(rows, 1, "server"), "other");
	CU_ASSERT_STRING_EQUAL(text(rows, 1, "from"), "none");
	CU_ASSERT_STRING_EQUAL(text(rows, 1, "to"), "down");
	CU_ASSERT_STRING_EQUAL(text(rows, 2, "server"), "s1");
	CU_ASSERT_STRING_EQUAL(text(rows, 2, "to"), "no-check");
	CU_ASSERT_STRING_EQUAL(text(rows, 2, "why"), "reload");
	json_decref(rows);
	teardown();
}

static const struct unit_test tests[] = {
	{ "only what is a change", only_changes },
	{ "the last ones, newest last", the_last_ones },
	{ "what a reload changes", reloads },
};

UNIT_MAIN("events", tests)
