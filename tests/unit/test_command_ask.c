/* SPDX-License-Identifier: BSD-3-Clause */
/* What limits count and would do, as the dataplane is asked for it. */
#include <arpa/inet.h>

#include "api_fixture.h"

#define TOP(count) "{\"command\": \"show top sources\", \"args\": {\"count\": " #count "}}"
#define LOOKUP                                                                     \
	"{\"command\": \"lookup\", \"args\": {\"protocol\": \"tcp\", \"client\": " \
	"\"192.0.2.1:1000\", \"address\": \"198.51.100.10:80\"}}"

static const struct shunt_limit limit = { .source_maxconn = 7, .source_prefix = 24 };

static void
test_top(void)
{
	struct shunt_source_row rows[3] = {
		{ .limit = 1, .sessions = 5, .rate = 2, .bits = 24, .refused = 1ull << 40 },
		{ .limit = 1, .sessions = 1, .bits = 64 },
		{ .limit = 9 }, /* of a frontend that has gone */
	};
	const json_t *row;
	struct fixture f;
	json_t *data;

	fixture_start(&f);
	inet_pton(AF_INET6, "::ffff:192.0.2.0", &rows[0].network);
	inet_pton(AF_INET6, "2001:db8:7::", &rows[1].network);
	f.control.services[0].limit = limit;
	f.control.services[0].limit_id = 1;
	f.publish.rows = rows;
	f.publish.answers = true;
	f.publish.flow_answer = 3;
	data = ask_data(&f, "{\"command\": \"show top sources\"}");
	CU_ASSERT_EQUAL(f.publish.rows_asked, 10);
	CU_ASSERT_EQUAL_FATAL(json_array_size(data), 2);
	row = json_array_get(data, 0);
	CU_ASSERT_STRING_EQUAL(
		keys_of(row), "network frontend sessions maxconn rate rate_limit refused");
	CU_ASSERT_STRING_EQUAL(string(row, "network"), "192.0.2.0/24");
	CU_ASSERT_STRING_EQUAL(string(row, "frontend"), f.control.services[0].frontend);
	CU_ASSERT_EQUAL(number(row, "sessions"), 5);
	CU_ASSERT_EQUAL(number(row, "maxconn"), 7);
	CU_ASSERT_EQUAL(number(row, "rate"), 2);
	CU_ASSERT_TRUE(json_is_null(json_object_get(row, "rate_limit")));
	CU_ASSERT_EQUAL(number(row, "refused"), 1ll << 40);
	CU_ASSERT_STRING_EQUAL(string(json_array_get(data, 1), "network"), "2001:db8:7::/64");
	json_decref(data);
	json_decref(ask_data(&f, TOP(1000)));
	CU_ASSERT_EQUAL(f.publish.rows_asked, 1000);
	f.publish.flow_answer = -22; /* it could not say */
	data = ask_data(&f, TOP(5));
	CU_ASSERT_EQUAL(json_array_size(data), 0);
	json_decref(data);
	fixture_close(&f);
}

static void
test_top_refused(void)
{
	struct fixture f;

	fixture_start(&f);
	f.publish.answers = true;
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(ask(&f, TOP(0))), "from 1 to 1000"));
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(ask(&f, TOP(1001))), "from 1 to 1000"));
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(ask(&f, TOP("x"))), "count"));
	CU_ASSERT_EQUAL(f.publish.queries, 0);
	fixture_close(&f);
}

/* A limit's answer stands in for the server's, unless the flow is there already. */
static void
test_lookup(void)
{
	struct {
		struct shunt_backend backend;
		struct shunt_member members[2];
		uint16_t slots[2];
	} app = {
		.backend = { .member_count = 2, .slot_count = 2 },
		.members = { { 1, 10 }, { 2, 10 } },
		.slots = { 0, 1 },
	};
	const struct shunt_settings settings = { .last_server = 2 };
	const struct shunt_server server = { .nexthop = 1 };
	struct fixture f;
	json_t *data;

	fixture_start(&f);
	image_put(f.publish.image, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	image_put(f.publish.image, SHUNT_KIND_SERVER, 1, &server, sizeof(server));
	image_put(f.publish.image, SHUNT_KIND_SERVER, 2, &server, sizeof(server));
	image_put(f.publish.image, SHUNT_KIND_BACKEND, 1, &app, sizeof(app));
	f.publish.answers = true;
	f.publish.refusal = SHUNT_DROP_SOURCE_RATE;
	data = ask_data(&f, LOOKUP);
	CU_ASSERT_STRING_EQUAL(string(data, "action"), "reject");
	CU_ASSERT_PTR_NOT_NULL(strstr(string(data, "reason"), "source-rate, at this moment: "));
	json_decref(data);
	for (size_t i = 0; i < f.control.service_count; i++)
		f.control.services[i].limit.drop = 1;
	data = ask_data(&f, LOOKUP);
	CU_ASSERT_STRING_EQUAL(string(data, "action"), "drop");
	json_decref(data);
	f.publish.flow_answer = 1;
	data = ask_data(&f, LOOKUP);
	CU_ASSERT_STRING_EQUAL(string(data, "action"), "forward");
	json_decref(data);
	f.publish.flow_answer = 0;
	f.publish.refusal = 0;
	data = ask_data(&f, LOOKUP);
	CU_ASSERT_STRING_EQUAL(string(data, "action"), "forward");
	json_decref(data);
	fixture_close(&f);
}

static const struct unit_test tests[] = {
	{ "top sources", test_top },
	{ "top sources, wrong numbers", test_top_refused },
	{ "lookup of what a limit refuses", test_lookup },
};

UNIT_MAIN("command_ask", tests)
