/* SPDX-License-Identifier: BSD-3-Clause */
/* The state and its edits. */
#include "servers_setup.h"

static void
first_configuration(void)
{
	struct server *server;

	setup();
	CU_ASSERT_EQUAL(control.backend_count, 2);
	CU_ASSERT_EQUAL(control.service_count, 2);
	CU_ASSERT_EQUAL(fake.alive, 3);
	CU_ASSERT_STRING_EQUAL(control.backends[0]->servers[0]->config.name, "s2");
	CU_ASSERT_STRING_EQUAL(control.services[1].frontend, "sql");
	CU_ASSERT_PTR_EQUAL(control.services[1].backend, control.backends[1]);
	server = find("app/s1");
	CU_ASSERT_PTR_EQUAL(server->backend, control.backends[0]);
	CU_ASSERT_PTR_EQUAL(server->probe->server, server);
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "down");
	CU_ASSERT_EQUAL(server_state(server), SHUNT_SERVER_DOWN);
	CU_ASSERT_EQUAL(server->weight, 10);
	CU_ASSERT_EQUAL(server->changed_ms, 0);
	CU_ASSERT_TRUE(server_probed(server, &passed, 0));
	CU_ASSERT_TRUE(server->changed_ms > 0);
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "up");
	CU_ASSERT_EQUAL(server_state(server), SHUNT_SERVER_UP);
	teardown();
}

static void
find_by_path(void)
{
	static const char *const none[] = { "", "/", "app", "app/", "/s1", "app/s3", "ap/s1",
		"appp/s1", "app/s1/", "app/s1x", "db/s2",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/s1" };

	setup();
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CU_ASSERT_PTR_NULL(state_find_server(&control, none[i]));
	CU_ASSERT_PTR_EQUAL(find("db/s1"), control.backends[1]->servers[0]);
	CU_ASSERT_PTR_EQUAL(find("app/s2"), control.backends[0]->servers[0]);
	CU_ASSERT_PTR_EQUAL(state_find_backend(&control, "db"), control.backends[1]);
	CU_ASSERT_PTR_NULL(state_find_backend(&control, "dbs"));
	teardown();
	CU_ASSERT_PTR_NULL(state_find_server(&control, "app/s1"));
}

static void
states(void)
{
	static const struct {
		uint8_t admin, verdict, state;
		const char *name;
	} rows[] = {
		{ SHUNT_ADMIN_READY, SHUNT_HEALTH_UP, SHUNT_SERVER_UP, "up" },
		{ SHUNT_ADMIN_READY, SHUNT_HEALTH_DOWN, SHUNT_SERVER_DOWN, "down" },
		{ SHUNT_ADMIN_READY, SHUNT_HEALTH_NO_CHECK, SHUNT_SERVER_UP, "no-check" },
		{ SHUNT_ADMIN_DRAIN, SHUNT_HEALTH_UP, SHUNT_SERVER_DRAIN, "drain" },
		{ SHUNT_ADMIN_DRAIN, SHUNT_HEALTH_DOWN, SHUNT_SERVER_DOWN, "down" },
		{ SHUNT_ADMIN_DRAIN, SHUNT_HEALTH_NO_CHECK, SHUNT_SERVER_DRAIN, "drain" },
		{ SHUNT_ADMIN_MAINT, SHUNT_HEALTH_UP, SHUNT_SERVER_DOWN, "maint" },
		{ SHUNT_ADMIN_MAINT, SHUNT_HEALTH_DOWN, SHUNT_SERVER_DOWN, "maint" },
		{ SHUNT_ADMIN_MAINT, SHUNT_HEALTH_NO_CHECK, SHUNT_SERVER_DOWN, "maint" },
	};

	setup();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server *server = find("app/s1");

		server->admin = rows[i].admin;
		server->health.verdict = rows[i].verdict;
		CU_ASSERT_EQUAL(server_state(server), rows[i].state);
		CU_ASSERT_STRING_EQUAL(server_state_name(server), rows[i].name);
	}
	teardown();
}

static void
edits(void)
{
	struct server *server;

	setup();
	server = find("app/s1");
	server_probed(server, &passed, 0);
	server->changed_ms = 1;
	server_set_admin(server, SHUNT_ADMIN_READY);
	CU_ASSERT_EQUAL(server->changed_ms, 1);
	server_set_admin(server, SHUNT_ADMIN_DRAIN);
	CU_ASSERT_TRUE(server->changed_ms > 1);
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "drain");
	server->changed_ms = 1;
	server_set_weight(server, 0);
	CU_ASSERT_EQUAL(server->weight, 0);
	CU_ASSERT_EQUAL(server->file_weight, 10);
	CU_ASSERT_EQUAL(server->changed_ms, 1);
	teardown();
}

static void
probe_results(void)
{
	struct server *server;

	setup();
	server = find("app/s1");
	CU_ASSERT_TRUE(server_probed(server, &failed, 0)); /* no longer fresh */
	CU_ASSERT_TRUE(server->changed_ms > 0);
	CU_ASSERT_EQUAL(server->check_fail, 1);
	CU_ASSERT_EQUAL(server->check_down, 0);
	CU_ASSERT_FALSE(server_probed(server, &passed, 0));
	CU_ASSERT_TRUE(server_probed(server, &passed, 0));
	server->changed_ms = 1;
	CU_ASSERT_FALSE(server_probed(server, &passed, 0));
	CU_ASSERT_FALSE(server_probed(server, &failed, 0));
	CU_ASSERT_FALSE(server_probed(server, &failed, 0));
	CU_ASSERT_EQUAL(server->changed_ms, 1);
	CU_ASSERT_TRUE(server_probed(server, &failed, 0));
	CU_ASSERT_TRUE(server->changed_ms > 1);
	CU_ASSERT_EQUAL(server->check_fail, 4);
	CU_ASSERT_EQUAL(server->check_down, 1);
	/* In maintenance the verdict may change, the state does not. */
	server_set_admin(server, SHUNT_ADMIN_MAINT);
	server->changed_ms = 1;
	server_probed(server, &passed, 0);
	CU_ASSERT_TRUE(server_probed(server, &passed, 0));
	CU_ASSERT_EQUAL(server->changed_ms, 1);
	teardown();
}

/* The file's app has two servers of its own. */
static void
last_one_is_kept(void)
{
	static const struct check_report soft = { .status = CHECK_L7STS, .soft = true };
	struct server *s1, *s2;

	setup();
	s1 = find("app/s1");
	s2 = find("app/s2");
	s1->config.check.keep_last = s2->config.check.keep_last = true;
	server_probed(s1, &passed, 0);
	server_probed(s2, &passed, 0);
	for (unsigned int i = 1; i <= 3; i++)
		CU_ASSERT_EQUAL(server_probed(s1, &soft, 0), i == 3);
	CU_ASSERT_STRING_EQUAL(server_state_name(s1), "down");
	for (unsigned int i = 1; i <= 20; i++) {
		CU_ASSERT_FALSE(server_probed(s2, &soft, 0));
		CU_ASSERT_EQUAL(s2->kept, i >= 3);
	}
	CU_ASSERT_EQUAL(s2->check_fail, 20);
	CU_ASSERT_FALSE(server_probed(s2, &failed, 0));
	CU_ASSERT_FALSE(server_probed(s2, &passed, 0));
	CU_ASSERT_FALSE(s2->kept);
	/* What an operator has taken out is no help, and what refuses connections is none. */
	s1->health.verdict = SHUNT_HEALTH_UP;
	server_set_admin(s1, SHUNT_ADMIN_DRAIN);
	for (unsigned int i = 1; i <= 20; i++)
		CU_ASSERT_FALSE(server_probed(s2, &soft, 0));
	server_set_admin(s1, SHUNT_ADMIN_READY);
	CU_ASSERT_TRUE(server_probed(s2, &soft, 0));
	server_probed(s2, &passed, 0);
	server_probed(s2, &passed, 0);
	s1->health.verdict = SHUNT_HEALTH_DOWN;
	for (unsigned int i = 1; i <= 3; i++)
		CU_ASSERT_EQUAL(server_probed(s2, &failed, 0), i == 3);
	teardown();
}

/* Twice in a second is too often: then a success counts only after the hold. */
static void
flapping_is_held(void)
{
	static const struct flap_config config = { 2, 1000, 5000, 9000 };
	struct server *server;

	setup();
	server = find("app/s1");
	server->config.check.flap = config;
	server->config.check.rise = server->config.check.fall = 1;
	server_probed(server, &passed, 1);
	CU_ASSERT_TRUE(server_probed(server, &failed, 2));
	CU_ASSERT_TRUE(server_probed(server, &passed, 3));
	CU_ASSERT_TRUE(server_probed(server, &failed, 4));
	CU_ASSERT_EQUAL(server->check_down, 2);
	CU_ASSERT_FALSE(server_probed(server, &passed, 5));
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "down");
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, usual_config()), 0);
	server = find("app/s1");
	server->config.check.flap = config;
	server->config.check.rise = server->config.check.fall = 1;
	CU_ASSERT_FALSE(server_probed(server, &passed, 5003));
	CU_ASSERT_TRUE(server_probed(server, &passed, 5004));
	CU_ASSERT_TRUE(server_probed(server, &failed, 5005));
	CU_ASSERT_EQUAL(flap_held_ms(&server->flap, &config, 5005), 9000);
	teardown();
}

static void
reload_keeps_what_stays(void)
{
	struct server *server;
	struct probe *probe;

	setup();
	server = find("app/s1");
	server_probed(server, &passed, 0);
	server_probed(server, &failed, 0);
	server_set_admin(server, SHUNT_ADMIN_DRAIN);
	server_set_weight(server, 77);
	server->id = 5;
	server->changed_ms = 42;
	server->check_down = 9;
	server->check_error = 8;
	server->check_hurried = 7;
	control.backends[0]->id = 3;
	control.services[1].id = 4;
	probe = server->probe;
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, usual_config()), 0);
	server = find("app/s1");
	CU_ASSERT_EQUAL(fake.started, 3);
	CU_ASSERT_EQUAL(fake.alive, 3);
	CU_ASSERT_EQUAL(fake.configs, 1);
	CU_ASSERT_PTR_EQUAL(server->probe, probe);
	CU_ASSERT_PTR_EQUAL(probe->server, server);
	CU_ASSERT_EQUAL(probe->updates, 0); /* ten reloads a second shall not put probes off */
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "drain");
	CU_ASSERT_EQUAL(server->health.streak, 1);
	CU_ASSERT_EQUAL(server->weight, 77);
	CU_ASSERT_EQUAL(server->file_weight, 10);
	CU_ASSERT_EQUAL(server->id, 5);
	CU_ASSERT_EQUAL(server->changed_ms, 42);
	CU_ASSERT_EQUAL(server->check_fail, 1);
	CU_ASSERT_EQUAL(server->check_down, 9);
	CU_ASSERT_EQUAL(server->check_error, 8);
	CU_ASSERT_EQUAL(server->check_hurried, 7);
	CU_ASSERT_EQUAL(control.backends[0]->id, 3);
	CU_ASSERT_EQUAL(control.services[1].id, 4);
	CU_ASSERT_EQUAL(control.services[0].id, 0);
	CU_ASSERT_TRUE(find("app/s2")->health.fresh);
	teardown();
}

/* An observation goes on, as long as there is one to be made. */
static void
reload_and_observations(void)
{
	static const struct {
		bool observed, enabled, kept;
	} cases[] = { { true, true, true }, { false, true, false }, { true, false, false } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config;
		struct server_config *s1;

		setup();
		find("app/s1")->config.check.observe.share = 50;
		find("app/s1")->observe.failing = true;
		config = usual_config();
		s1 = config->backends[0].servers;
		while (strcmp(s1->name, "s1") != 0)
			s1++;
		s1->check.observe.share = cases[i].observed ? 50 : 0;
		s1->check.enabled = cases[i].enabled;
		CU_ASSERT_EQUAL_FATAL(state_apply(&control, config), 0);
		CU_ASSERT_EQUAL(find("app/s1")->observe.failing, cases[i].kept);
		teardown();
	}
}

static void
reload_moves_and_removes(void)
{
	struct config *config = config_new();
	struct backend_config *backend;

	setup();
	fake.configs++;
	server_probed(find("app/s1"), &passed, 0);
	server_probed(find("db/s1"), &passed, 0);
	find("db/s1")->id = 6;
	control.services[1].id = 4;
	/* db comes first now, app/s1 has another address, app/s2 is gone, app/s0 is new. */
	backend = add_backend(config, "db");
	add_server(backend, "s1", "192.0.2.1", 1);
	backend = add_backend(config, "app");
	add_server(backend, "s1", "192.0.2.9", 10);
	add_server(backend, "s0", "192.0.2.1", 10);
	add_bind(config, "renamed", "198.51.100.1", 5432, 0);
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, config), 0);
	CU_ASSERT_EQUAL(fake.alive, 3);
	CU_ASSERT_EQUAL(fake.started, 5);
	CU_ASSERT_STRING_EQUAL(server_state_name(find("db/s1")), "up");
	CU_ASSERT_EQUAL(find("db/s1")->id, 6);
	CU_ASSERT_STRING_EQUAL(server_state_name(find("app/s1")), "down");
	CU_ASSERT_TRUE(find("app/s1")->health.fresh);
	CU_ASSERT_TRUE(find("app/s0")->health.fresh);
	CU_ASSERT_PTR_NULL(state_find_server(&control, "app/s2"));
	CU_ASSERT_EQUAL(control.service_count, 1);
	CU_ASSERT_EQUAL(control.services[0].id, 4);
	CU_ASSERT_PTR_EQUAL(control.services[0].backend, state_find_backend(&control, "db"));
	/* And everything away. */
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, config_new()), 0);
	CU_ASSERT_EQUAL(control.backend_count, 0);
	CU_ASSERT_EQUAL(fake.alive, 0);
	teardown();
}

static void
reload_weights(void)
{
	struct config *config;

	setup();
	server_set_weight(find("app/s1"), 77);
	server_set_weight(find("app/s2"), 78);
	config = usual_config();
	config->backends[0].servers[1].weight = 20; /* app/s1 */
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, config), 0);
	CU_ASSERT_EQUAL(find("app/s1")->weight, 20);
	CU_ASSERT_EQUAL(find("app/s1")->file_weight, 20);
	CU_ASSERT_EQUAL(find("app/s2")->weight, 78);
	teardown();
}

static void
reload_check_settings(void)
{
	struct config *config;
	struct server *server;

	setup();
	server_probed(find("app/s1"), &passed, 0);
	server_probed(find("db/s1"), &failed, 0);
	config = usual_config();
	config->backends[0].servers[1].check.fall = 1;
	config->backends[1].servers[0].check.enabled = false;
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, config), 0);
	server = find("app/s1");
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "up");
	CU_ASSERT_EQUAL(server->probe->updates, 1);
	CU_ASSERT_TRUE(server_probed(server, &failed, 0));
	CU_ASSERT_STRING_EQUAL(server_state_name(find("db/s1")), "no-check");
	CU_ASSERT_PTR_NULL(find("db/s1")->probe);
	CU_ASSERT_EQUAL(fake.alive, 2);
	/* Switched on again: it was taking traffic, so it goes on until probes fail. */
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, usual_config()), 0);
	CU_ASSERT_STRING_EQUAL(server_state_name(find("db/s1")), "up");
	CU_ASSERT_PTR_NOT_NULL(find("db/s1")->probe);
	CU_ASSERT_EQUAL(fake.alive, 3);
	teardown();
}

static void
out_of_memory(void)
{
	struct backend **backends;
	struct config *config;

	setup();
	server_probed(find("app/s1"), &passed, 0);
	backends = control.backends;
	for (int fail_at = 1; fail_at <= 3; fail_at++) {
		config = usual_config();
		for (size_t i = 0; i < 2; i++) { /* other ports: all servers are new */
			for (size_t j = 0; j < config->backends[i].server_count; j++)
				config->backends[i].servers[j].port_be = htons(81);
		}
		fake.started = 0;
		fake.fail_at = fail_at;
		CU_ASSERT_EQUAL(state_apply(&control, config), -ENOMEM);
		CU_ASSERT_EQUAL(fake.alive, 3);
		CU_ASSERT_PTR_EQUAL(control.backends, backends);
		CU_ASSERT_STRING_EQUAL(server_state_name(find("app/s1")), "up");
		CU_ASSERT_PTR_EQUAL(find("app/s1")->probe->server, find("app/s1"));
		CU_ASSERT_EQUAL(fake.configs, 2); /* still the caller's */
		config_destroy(config);
	}
	teardown();
}

/* As large as it gets, and turned round: finding what stays must not be quadratic. */
static void
large_configurations(void)
{
	char name[16], address[32];

	memset(&control, 0, sizeof(control));
	memset(&fake, 0, sizeof(fake));
	for (int round = 0; round < 2; round++) {
		struct config *config = config_new();
		struct backend_config *backend = add_backend(config, "app");
		int count = SHUNT_MAX_SERVERS - 1;

		for (int i = 0; i < count; i++) {
			int n = round ? count - 1 - i : i;

			snprintf(name, sizeof(name), "s%d", n);
			snprintf(address, sizeof(address), "10.%d.%d.1", n / 256, n % 256);
			add_server(backend, name, address, 1);
		}
		CU_ASSERT_EQUAL_FATAL(state_apply(&control, config), 0);
		CU_ASSERT_EQUAL(fake.started, count);
		CU_ASSERT_EQUAL(fake.alive, count);
	}
	teardown();
}

static const struct unit_test tests[] = {
	{ "a first configuration", first_configuration },
	{ "servers and backends are found by path", find_by_path },
	{ "what flaps is held down", flapping_is_held },
	{ "soft failures do not take the last one down", last_one_is_kept },
	{ "admin state and health give the state", states },
	{ "edits", edits },
	{ "results of probes", probe_results },
	{ "a reload keeps what stays", reload_keeps_what_stays },
	{ "a reload and observations", reload_and_observations },
	{ "a reload moves, changes and removes", reload_moves_and_removes },
	{ "a reload and weights set by command", reload_weights },
	{ "a reload and changed checks", reload_check_settings },
	{ "out of memory leaves all as it was", out_of_memory },
	{ "65535 servers, turned round", large_configurations },
};

UNIT_MAIN("servers", tests)
