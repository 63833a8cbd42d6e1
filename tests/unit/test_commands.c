/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands do to the state and answer, through the socket as a client sees them. */
#include "api_fixture.h"

static void
test_table(void)
{
	struct fixture f;
	json_t *list, *row;
	size_t index = 0;

	fixture_start(&f);
	list = ask_data(&f, "{\"command\": \"help\"}");
	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		const struct shunt_command *command = shunt_command(i);
		json_t *request = json_pack("{s:s}", "command", command->name);
		char *text = json_dumps(request, 0);
		json_t *answer = ask(&f, text);
		const char *error = json_string_value(json_object_get(answer, "error"));
		bool unknown = error && strstr(error, "unknown command");

		/* Every command of the table is there, but for those shuntctl carries out. */
		CU_ASSERT_EQUAL(unknown, command->kind == SHUNT_COMMAND_LOCAL);
		json_decref(answer);
		free(text);
		json_decref(request);
		if (command->kind == SHUNT_COMMAND_LOCAL)
			continue;
		row = json_array_get(list, index++);
		CU_ASSERT_STRING_EQUAL(string(row, "command"), command->name);
		CU_ASSERT_STRING_EQUAL(string(row, "syntax"), command->syntax);
		CU_ASSERT_EQUAL(json_is_true(json_object_get(row, "mutates")),
			command->kind == SHUNT_COMMAND_CHANGE);
	}
	CU_ASSERT_EQUAL(json_array_size(list), index);
	json_decref(list);
	CU_ASSERT_PTR_NULL(shunt_command(SHUNT_CMD_COUNT));
	fixture_close(&f);
}

#define SET(args) "{\"command\": \"set server\", \"args\": {" args "}}"

static void
test_set_server(void)
{
	static const uint8_t states[] = { SHUNT_ADMIN_DRAIN, SHUNT_ADMIN_MAINT, SHUNT_ADMIN_READY };
	static const char *const names[] = { "drain", "maint", "ready" };
	struct fixture f;
	json_t *answer;
	char request[128];

	fixture_start(&f);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(request, sizeof(request), SET("\"server\": \"app/s2\", \"state\": \"%s\""),
			names[i]);
		answer = ask(&f, request);
		CU_ASSERT_EQUAL(number(answer, "generation"), (json_int_t)i + 1);
		CU_ASSERT_PTR_NULL(json_object_get(answer, "warning"));
		CU_ASSERT_TRUE(fixture_ok(answer));
		CU_ASSERT_EQUAL(f.servers[1]->admin, states[i]);
		CU_ASSERT_EQUAL(f.servers[0]->admin, SHUNT_ADMIN_READY);
		CU_ASSERT_EQUAL(f.publish.scheduled, i + 1);
	}
	CU_ASSERT_TRUE(fixture_ok(ask(&f, SET("\"server\": \"names/n1\", \"weight\": 0"))));
	CU_ASSERT_EQUAL(f.servers[2]->weight, 0);
	CU_ASSERT_TRUE(fixture_ok(ask(&f, SET("\"weight\": 256, \"server\": \"names/n1\""))));
	CU_ASSERT_EQUAL(f.servers[2]->weight, 256);
	fixture_close(&f);
}

static void
test_set_server_refused(void)
{
	static const struct {
		const char *request;
		const char *error;
	} cases[] = {
		{ SET("\"server\": \"app/s9\", \"state\": \"drain\""), "app/s9" },
		{ SET("\"server\": \"app\", \"state\": \"drain\""), "BACKEND/SERVER" },
		{ SET("\"server\": \"/\", \"state\": \"drain\""), "server" },
		{ SET("\"server\": \"\", \"state\": \"drain\""), "server" },
		{ SET("\"server\": 1, \"state\": \"drain\""), "server" },
		{ SET("\"server\": \"app/s1\", \"state\": \"gone\""), "state" },
		{ SET("\"server\": \"app/s1\", \"state\": 1"), "state" },
		{ SET("\"server\": \"app/s1\", \"weight\": 257"), "256" },
		{ SET("\"server\": \"app/s1\", \"weight\": -1"), "weight" },
		{ SET("\"server\": \"app/s1\", \"weight\": 1.5"), "weight" },
		{ SET("\"server\": \"app/s1\", \"weight\": \"5\""), "weight" },
		{ SET("\"server\": \"app/s1\""), "arguments" },
		{ SET(""), "arguments" },
		{ SET("\"server\": \"app/s1\", \"weight\": 5, \"state\": \"drain\""), "arguments" },
	};
	struct fixture f;

	fixture_start(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *error = fixture_error(ask(&f, cases[i].request));

		CU_ASSERT_PTR_NOT_NULL(strstr(error, cases[i].error));
	}
	CU_ASSERT_EQUAL(f.publish.scheduled, 0);
	CU_ASSERT_EQUAL(f.servers[0]->admin, SHUNT_ADMIN_READY);
	CU_ASSERT_EQUAL(f.servers[0]->weight, 10);
	fixture_close(&f);
}

#define SHUTDOWN(args) "{\"command\": \"shutdown sessions\", \"args\": {" args "}}"

static void
test_shutdown_sessions(void)
{
	static const char *const wrong[] = { SHUTDOWN("\"server\": \"app/s9\""),
		SHUTDOWN("\"server\": \"app\""), SHUTDOWN(""),
		SHUTDOWN("\"server\": \"app/s1\", \"state\": \"drain\"") };
	struct fixture f;
	json_t *answer;

	fixture_start(&f);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		CU_ASSERT_TRUE(fixture_error(ask(&f, wrong[i]))[0] != '\0');
	CU_ASSERT_EQUAL(f.publish.scheduled, 0);
	for (unsigned int i = 1; i <= 2; i++) {
		answer = ask(&f, SHUTDOWN("\"server\": \"app/s2\""));
		CU_ASSERT_EQUAL(number(answer, "generation"), (json_int_t)i);
		CU_ASSERT_TRUE(fixture_ok(answer));
		CU_ASSERT_EQUAL(f.servers[1]->reset_mark, i);
		CU_ASSERT_EQUAL(f.servers[0]->reset_mark, 0);
		CU_ASSERT_EQUAL(f.publish.scheduled, i);
	}
	/* Nobody knows the sessions of services that are all stateless. */
	f.control.services[0].stateless = f.control.services[1].stateless = true;
	CU_ASSERT_PTR_NOT_NULL(
		strstr(fixture_error(ask(&f, SHUTDOWN("\"server\": \"app/s2\""))), "stateless"));
	CU_ASSERT_EQUAL(f.publish.scheduled, 2);
	fixture_close(&f);
}

/* What a reload has removed can be got rid of, and nothing else be done with it. */
static void
test_removed(void)
{
	static const char *const refused[] = {
		"{\"command\": \"set server\", \"args\": {\"server\": \"app/s2\", \"state\": "
		"\"maint\"}}",
		"{\"command\": \"set server\", \"args\": {\"server\": \"app/s2\", \"weight\": 5}}"
	};
	struct fixture f;

	fixture_start(&f);
	fixture_remove_s2(&f);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(ask(&f, refused[i])), "removed"));
	CU_ASSERT_EQUAL(f.publish.scheduled, 0);
	CU_ASSERT_TRUE(fixture_ok(ask(&f, SHUTDOWN("\"server\": \"app/s2\""))));
	CU_ASSERT_EQUAL(f.servers[1]->reset_mark, 1);
	CU_ASSERT_EQUAL(f.servers[0]->reset_mark, 0);
	CU_ASSERT_EQUAL(f.publish.scheduled, 1);
	fixture_close(&f);
}

static json_t *
ask_and_end(struct fixture *f, const char *request, int result, int worker)
{
	int fd = fixture_connect(f);
	json_t *answer;

	fixture_send_text(f, fd, request);
	fixture_send_text(f, fd, "\n");
	fixture_turns(f, 3);
	fixture_acknowledge(&f->publish, result, worker);
	answer = fixture_receive(f, fd);
	close(fd);
	fixture_turn(f);
	return answer;
}

static void
test_change_outcomes(void)
{
	static const char drain[] = SET("\"server\": \"app/s1\", \"state\": \"drain\"");
	struct fixture f;
	json_t *answer;
	const char *error;

	fixture_start(&f);
	f.publish.holds = true;
	error = fixture_error(ask_and_end(&f, drain, -ETIMEDOUT, 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "worker 1 (lcore 5)"));
	error = fixture_error(ask_and_end(&f, drain, -ETIMEDOUT, -1));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "not acknowledged"));
	error = fixture_error(ask_and_end(&f, drain, -ETIMEDOUT, 99));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "not acknowledged"));
	error = fixture_error(ask_and_end(&f, drain, -ENOSPC, -1));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, strerror(ENOSPC)));
	answer = ask_and_end(&f, drain, -ENOTCONN, -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(string(answer, "warning"), "not connected"));
	CU_ASSERT_TRUE(fixture_ok(answer));
	CU_ASSERT_TRUE(fixture_ok(ask_and_end(&f, drain, 0, -1)));

	f.publish.holds = false;
	f.publish.wait_result = -ENOMEM;
	CU_ASSERT_TRUE(strlen(fixture_error(ask(&f, drain))) > 0);
	f.publish.wait_result = 0;
	f.control.publish = NULL;
	answer = ask(&f, drain);
	CU_ASSERT_PTR_NOT_NULL(strstr(string(answer, "warning"), "not connected"));
	CU_ASSERT_TRUE(fixture_ok(answer));
	fixture_close(&f);
}

static void
test_reload(void)
{
	static const char request[] = "{\"command\": \"reload\"}";
	struct fixture f;
	json_t *answer, *errors;

	fixture_start(&f);
	answer = ask(&f, request);
	CU_ASSERT_EQUAL(number(answer, "generation"), 1);
	CU_ASSERT_TRUE(fixture_ok(answer));
	reload_result = -EINVAL;
	answer = ask(&f, request);
	errors = json_object_get(answer, "errors");
	CU_ASSERT_EQUAL(json_array_size(errors), 2); /* without the warning */
	CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(errors, 0)),
		"$.backends[0].balance: unknown word \"mad\"");
	CU_ASSERT_STRING_EQUAL(string(answer, "file"), f.control.config_path);
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(answer), "2 errors"));
	f.control.config_path = "/tmp/\xff\xfe.json";
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(ask(&f, request)), "2 errors"));
	reload_result = -ENOMEM;
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(ask(&f, request)), strerror(ENOMEM)));
	CU_ASSERT_EQUAL(reload_count, 4);
	fixture_close(&f);
}

/* Different figures at both workers, so that a sum cannot be a worker's own. */
static void
fill_stats(struct shunt_stats *stats)
{
	stats->table_bytes = 100;
	stats->service_bytes = 200;
	stats->server_bytes = 300;
	for (uint32_t i = 0; i < FIXTURE_WORKERS; i++) {
		struct shunt_worker_stats *worker = shunt_stats_worker(stats, i);
		struct shunt_server_stats *server = &shunt_stats_servers(stats, i)[2];
		uint64_t factor = i ? 100 : 1;

		worker->generation = 7;
		worker->flows_max = 1000;
		worker->flow_v4_bytes = i ? 20 : 10;
		worker->flow_v6_bytes = i ? 40 : 20;
		worker->source_port_bytes = i ? 80 : 40;
		worker->rx_packets = 3 * factor;
		worker->handed_over = i ? 75 : 9; /* the other's, of what it took over */
		worker->tx_handed_over = 2;
		worker->tx_packets = 2 * factor;
		worker->loops = 200;
		worker->idle_loops = 50;
		worker->drops[SHUNT_DROP_TTL] = 4 * factor;
		worker->drops[SHUNT_DROP_TX_FULL] = 5 * factor;
		*server = (struct shunt_server_stats){ 1 * factor, 2 * factor, 3 * factor,
			4 * factor, 5 * factor, 6 * factor, 7 * factor, 8 * factor };
		shunt_stats_services(stats, i)[1].sessions_total = 7 * factor;
		shunt_stats_services(stats, i)[2].sessions_total = 8 * factor;
	}
}

static void
test_show_info(void)
{
	struct fixture f;
	json_t *info, *worker, *memory;

	fixture_start(&f);
	fill_stats(f.publish.stats);
	f.publish.generation = 7;
	clock_skip_ms += 65000;
	info = ask_data(&f, "{\"command\": \"show info\"}");
	CU_ASSERT_STRING_EQUAL(keys_of(info),
		"version generation uptime_s dataplane_connected memory loop workers");
	CU_ASSERT_STRING_EQUAL(string(info, "version"), SHUNT_VERSION);
	CU_ASSERT_EQUAL(number(info, "generation"), 7);
	CU_ASSERT_EQUAL(number(info, "uptime_s"), 65);
	CU_ASSERT_TRUE(json_is_true(json_object_get(info, "dataplane_connected")));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(info, "workers")), 2);
	worker = json_array_get(json_object_get(info, "workers"), 1);
	CU_ASSERT_STRING_EQUAL(keys_of(worker),
		"lcore generation rx_packets tx_packets drops flows flows_max half_open "
		"half_open_max flow_table_ipv4_bytes flow_table_ipv6_bytes source_port_bytes "
		"cookie_flow_bytes");
	CU_ASSERT_EQUAL(number(worker, "lcore"), 5);
	CU_ASSERT_EQUAL(number(worker, "rx_packets"), 300);
	CU_ASSERT_EQUAL(number(worker, "drops"), 900);
	CU_ASSERT_EQUAL(number(worker, "flows_max"), 1000);
	CU_ASSERT_EQUAL(number(worker, "flow_table_ipv4_bytes"), 20);
	memory = json_object_get(info, "memory");
	CU_ASSERT_EQUAL(number(memory, "flow_table_ipv4_bytes"), 30);
	CU_ASSERT_EQUAL(number(memory, "flow_table_ipv6_bytes"), 60);
	CU_ASSERT_EQUAL(number(memory, "flow_table_bytes"), 90);
	CU_ASSERT_EQUAL(number(memory, "source_port_bytes"), 120);
	CU_ASSERT_EQUAL(number(memory, "generation_bytes"), 600);
	CU_ASSERT_EQUAL(number(memory, "generation_table_bytes"), 100);
	CU_ASSERT_EQUAL(number(memory, "generation_service_bytes"), 200);
	CU_ASSERT_EQUAL(number(memory, "generation_server_bytes"), 300);
	CU_ASSERT_EQUAL(number(memory, "control_table_bytes"), 12345);
	CU_ASSERT(number(memory, "control_rss_bytes") > 100000);
	json_decref(info);
	f.publish.connected = false;
	info = ask_data(&f, "{\"command\": \"show info\"}");
	CU_ASSERT_TRUE(json_is_false(json_object_get(info, "dataplane_connected")));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(info, "workers")), 0);
	CU_ASSERT_STRING_EQUAL(
		keys_of(json_object_get(info, "memory")), "control_rss_bytes control_table_bytes");
	json_decref(info);
	fixture_close(&f);
}

/* What the last check found; nothing where a reload has switched checks off. */
static void
test_show_checks(void)
{
	static const struct check_report report = { .status = CHECK_L7STS,
		.code = 503,
		.duration_us = 1234,
		.text = "HTTP 503, expected 200-399" };
	struct fixture f;
	json_t *servers, *server;

	fixture_start(&f);
	f.servers[0]->config.check.enabled = f.servers[1]->config.check.enabled = true;
	f.servers[1]->report = f.servers[2]->report = report;
	servers = ask_data(&f, "{\"command\": \"show servers\"}");
	server = json_array_get(servers, 0);
	CU_ASSERT_STRING_EQUAL(string(server, "check_status"), "INI");
	CU_ASSERT_STRING_EQUAL(string(server, "last_check"), "INI");
	server = json_array_get(servers, 1);
	CU_ASSERT_STRING_EQUAL(string(server, "check_status"), "L7STS");
	CU_ASSERT_EQUAL(number(server, "check_code"), 503);
	CU_ASSERT_EQUAL(number(server, "check_duration_us"), 1234);
	CU_ASSERT_STRING_EQUAL(
		string(server, "last_check"), "L7STS 503 in 1.2 ms: HTTP 503, expected 200-399");
	server = json_array_get(servers, 2);
	CU_ASSERT_STRING_EQUAL(string(server, "check_status"), "");
	CU_ASSERT_EQUAL(number(server, "check_code"), 0);
	CU_ASSERT_EQUAL(number(server, "check_duration_us"), 0);
	CU_ASSERT_STRING_EQUAL(string(server, "last_check"), "");
	json_decref(servers);
	fixture_close(&f);
}

/* Of the server that fill_stats() and the test have given some. */
static void
expect_numbers(const json_t *server)
{
	static const struct {
		const char *key;
		json_int_t value;
	} numbers[] = {
		{ "weight", 9 },
		{ "sessions", 101 },
		{ "sessions_total", 202 },
		{ "in_packets", 303 },
		{ "in_bytes", 404 },
		{ "out_packets", 505 },
		{ "out_bytes", 606 },
		{ "syn_unanswered", 707 },
		{ "syn_refused", 808 },
		{ "check_fail", 11 },
		{ "check_down", 12 },
		{ "check_error", 13 },
		{ "check_hurried", 14 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		CU_ASSERT_EQUAL(number(server, numbers[i].key), numbers[i].value);
}

static void
test_show_servers(void)
{
	struct fixture f;
	json_t *servers, *server;

	fixture_start(&f);
	fill_stats(f.publish.stats);
	f.servers[1]->check_fail = 11;
	f.servers[1]->check_down = 12;
	f.servers[1]->check_error = 13;
	f.servers[1]->check_hurried = 14;
	f.servers[1]->changed_ms = ((uint64_t)time(NULL) - 90) * 1000;
	f.servers[1]->weight = 9;
	servers = ask_data(&f, "{\"command\": \"show servers\"}");
	CU_ASSERT_EQUAL(json_array_size(servers), 3);
	server = json_array_get(servers, 1);
	CU_ASSERT_STRING_EQUAL(keys_of(server),
		"backend server address weight state admin health sessions sessions_total "
		"in_packets in_bytes out_packets out_bytes flow_mode syn_unanswered "
		"syn_refused check_fail check_down check_error check_hurried last_change_s "
		"check_status check_code check_duration_us last_check "
		"hold_ms tracks agent_status last_agent");
	CU_ASSERT_STRING_EQUAL(string(server, "backend"), "app");
	CU_ASSERT_STRING_EQUAL(string(server, "server"), "s2");
	CU_ASSERT_STRING_EQUAL(string(server, "address"), "10.0.0.12:8080");
	CU_ASSERT_STRING_EQUAL(string(server, "state"), "no-check");
	CU_ASSERT_STRING_EQUAL(string(server, "admin"), "ready");
	CU_ASSERT_STRING_EQUAL(string(server, "health"), "no-check");
	expect_numbers(server);
	CU_ASSERT_TRUE(number(server, "last_change_s") >= 90);
	CU_ASSERT_TRUE(number(server, "last_change_s") < 95);
	CU_ASSERT_STRING_EQUAL(string(json_array_get(servers, 2), "address"), "[2001:db8::53]:53");
	CU_ASSERT_EQUAL(number(json_array_get(servers, 0), "sessions"), 0);
	CU_ASSERT_STRING_EQUAL(string(server, "flow_mode"), "stateful");
	json_decref(servers);
	f.control.services[0].stateless = true; /* one of app's two */
	servers = ask_data(&f, "{\"command\": \"show servers\"}");
	CU_ASSERT_STRING_EQUAL(string(json_array_get(servers, 1), "flow_mode"), "mixed");
	CU_ASSERT_STRING_EQUAL(string(json_array_get(servers, 2), "flow_mode"), "stateful");
	json_decref(servers);

	f.servers[0]->id = 0; /* not in the dataplane yet; and an id that cannot be */
	f.servers[1]->id = SHUNT_MAX_SERVERS;
	f.servers[1]->changed_ms = UINT64_MAX;
	server_set_admin(f.servers[0], SHUNT_ADMIN_MAINT);
	servers = ask_data(&f, "{\"command\": \"show servers\"}");
	CU_ASSERT_EQUAL(number(json_array_get(servers, 1), "sessions"), 0);
	CU_ASSERT_EQUAL(number(json_array_get(servers, 1), "last_change_s"), 0);
	CU_ASSERT_STRING_EQUAL(string(json_array_get(servers, 0), "state"), "maint");
	CU_ASSERT_STRING_EQUAL(string(json_array_get(servers, 0), "admin"), "maint");
	json_decref(servers);
	fixture_close(&f);
}

static void
test_show_drops_and_workers(void)
{
	struct fixture f;
	json_t *drops, *workers, *worker;

	fixture_start(&f);
	fill_stats(f.publish.stats);
	drops = ask_data(&f, "{\"command\": \"show drops\"}");
	CU_ASSERT_EQUAL(json_object_size(drops), SHUNT_DROP_COUNT - 1);
	CU_ASSERT_EQUAL(number(drops, "ttl"), 404);
	CU_ASSERT_EQUAL(number(drops, "tx-full"), 505);
	CU_ASSERT_EQUAL(number(drops, "land"), 0);
	json_decref(drops);
	workers = ask_data(&f, "{\"command\": \"show workers\"}");
	CU_ASSERT_EQUAL(json_array_size(workers), 2);
	worker = json_array_get(workers, 0);
	CU_ASSERT_EQUAL(number(worker, "lcore"), 4);
	CU_ASSERT_EQUAL(number(worker, "tx_packets"), 2);
	CU_ASSERT_EQUAL(number(worker, "untracked"), 0);
	CU_ASSERT_EQUAL(json_real_value(json_object_get(worker, "idle")), 0.25);
	CU_ASSERT_EQUAL(number(worker, "handed_over"), 9);
	CU_ASSERT_EQUAL(number(worker, "tx_handed_over"), 2);
	CU_ASSERT_EQUAL(json_real_value(json_object_get(worker, "handed_over_share")), 1);
	worker = json_array_get(workers, 1);
	CU_ASSERT_EQUAL(json_real_value(json_object_get(worker, "handed_over_share")), 0.25);
	json_decref(workers);
	/* No workers, and no dataplane at all. */
	f.publish.stats->worker_count = 0;
	workers = ask_data(&f, "{\"command\": \"show workers\"}");
	CU_ASSERT_EQUAL(json_array_size(workers), 0);
	json_decref(workers);
	f.publish.connected = false;
	drops = ask(&f, "{\"command\": \"show drops\"}");
	CU_ASSERT_EQUAL(number(json_object_get(drops, "data"), "ttl"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(string(drops, "warning"), "not connected"));
	json_decref(drops);
	fixture_close(&f);
}

static void
check_stat(json_t *rows, size_t index, const char *type, const char *proxy, const char *name,
	const char *status, json_int_t weight, json_int_t total)
{
	const json_t *row = json_array_get(rows, index);

	CU_ASSERT_STRING_EQUAL(string(row, "type"), type);
	CU_ASSERT_STRING_EQUAL(string(row, "proxy"), proxy);
	CU_ASSERT_STRING_EQUAL(string(row, "name"), name);
	CU_ASSERT_STRING_EQUAL(string(row, "status"), status);
	CU_ASSERT_EQUAL(number(row, "weight"), weight);
	CU_ASSERT_EQUAL(number(row, "sessions_total"), total);
}

static void
test_show_stat(void)
{
	struct fixture f;
	json_t *rows;

	fixture_start(&f);
	fill_stats(f.publish.stats);
	server_set_admin(f.servers[2], SHUNT_ADMIN_DRAIN);
	rows = ask_data(&f, "{\"command\": \"show stat\"}");
	CU_ASSERT_EQUAL(json_array_size(rows), 7);
	check_stat(rows, 0, "frontend", "web", "FRONTEND", "open", 0, 1515);
	check_stat(rows, 1, "frontend", "dns", "FRONTEND", "open", 0, 0);
	check_stat(rows, 2, "server", "app", "s1", "no-check", 10, 0);
	check_stat(rows, 3, "server", "app", "s2", "no-check", 10, 202);
	check_stat(rows, 4, "backend", "app", "BACKEND", "up", 20, 202);
	check_stat(rows, 5, "server", "names", "n1", "drain", 10, 0);
	check_stat(rows, 6, "backend", "names", "BACKEND", "down", 0, 0);
	json_decref(rows);
	fixture_close(&f);
}

static void
test_events(void)
{
	struct fixture f;
	json_t *data;

	fixture_start(&f);
	json_decref(ask_data(&f,
		"{\"command\": \"set server\", \"args\": {\"server\": \"app/s2\", \"state\": "
		"\"drain\"}}"));
	json_decref(ask_data(&f,
		"{\"command\": \"set server\", \"args\": {\"server\": \"app/s2\", \"state\": "
		"\"maint\"}}"));
	data = ask_data(&f, "{\"command\": \"show events\"}");
	CU_ASSERT_EQUAL_FATAL(json_array_size(data), 2);
	CU_ASSERT_STRING_EQUAL(keys_of(json_array_get(data, 0)), "time backend server from to why");
	CU_ASSERT_STRING_EQUAL(string(json_array_get(data, 0), "to"), "drain");
	CU_ASSERT_STRING_EQUAL(string(json_array_get(data, 0), "why"), "set by command");
	json_decref(data);
	data = ask_data(&f, "{\"command\": \"show events\", \"args\": {\"count\": 1}}");
	CU_ASSERT_EQUAL_FATAL(json_array_size(data), 1);
	CU_ASSERT_STRING_EQUAL(string(json_array_get(data, 0), "from"), "drain");
	json_decref(data);
	fixture_close(&f);
}

static const struct unit_test tests[] = {
	{ "show events", test_events },
	{ "the table", test_table },
	{ "set server", test_set_server },
	{ "set server refused", test_set_server_refused },
	{ "shutdown sessions", test_shutdown_sessions },
	{ "a removed server", test_removed },
	{ "how a change can end", test_change_outcomes },
	{ "reload", test_reload },
	{ "show info", test_show_info },
	{ "show servers", test_show_servers },
	{ "show servers: checks", test_show_checks },
	{ "show drops, show workers", test_show_drops_and_workers },
	{ "show stat", test_show_stat },
};

UNIT_MAIN("commands", tests)
