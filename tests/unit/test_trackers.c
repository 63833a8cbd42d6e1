/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers that track others. */
#include "servers_setup.h"
#include "trackers.h"

/* app: s1 s2; db: s1, which tracks app/s1; web: s1, which tracks db/s1 */
static struct config *
tracking_config(void)
{
	struct config *config = config_new();
	struct backend_config *backend = add_backend(config, "app");
	struct server_config *server;

	add_server(backend, "s1", "192.0.2.1", 10);
	add_server(backend, "s2", "192.0.2.2", 10);
	for (unsigned int i = 0; i < 2; i++) {
		backend = add_backend(config, i ? "web" : "db");
		server = add_server(backend, "s1", "192.0.2.1", 10);
		server->tracks = true;
		server->track_backend = i;
		server->check.enabled = false;
	}
	return config;
}

static void
begin(void)
{
	memset(&control, 0, sizeof(control));
	memset(&fake, 0, sizeof(fake));
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, tracking_config()), 0);
}

static const char *
state_of(const char *path)
{
	return server_state_name(find(path));
}

/* How many servers are to be published, since this was last asked. */
static unsigned int
published(void)
{
	static const char *const paths[] = { "app/s1", "app/s2", "db/s1", "web/s1" };
	unsigned int count = 0;

	for (unsigned int i = 0; i < 4; i++) {
		count += find(paths[i])->changed;
		find(paths[i])->changed = false;
	}
	return count;
}

static void
probed(const char *path, const struct check_report *report)
{
	if (server_probed(find(path), report, 1))
		trackers_changed(&control, find(path));
}

static void
health_follows(void)
{
	begin();
	CU_ASSERT_EQUAL(fake.alive, 2); /* trackers are not probed */
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "down");
	CU_ASSERT_EQUAL(find("db/s1")->changed_ms, 0);
	probed("app/s2", &passed);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "down");
	CU_ASSERT_EQUAL(published(), 0);
	probed("app/s1", &passed);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "up");
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "up");
	CU_ASSERT_EQUAL(server_state(find("web/s1")), SHUNT_SERVER_UP);
	CU_ASSERT_TRUE(find("web/s1")->changed_ms > 0);
	CU_ASSERT_EQUAL(published(), 2);
	for (unsigned int i = 0; i < 2; i++)
		probed("app/s1", &failed);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "up");
	probed("app/s1", &failed);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "down");
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "down");
	CU_ASSERT_EQUAL(published(), 2);
	CU_ASSERT_EQUAL(control.events.count, 4); /* those of trackers: the probe notes its own */
	CU_ASSERT_STRING_EQUAL(control.events.ring[3].from, "up");
	CU_ASSERT_STRING_EQUAL(control.events.ring[3].to, "down");
	teardown();
}

static void
set_admin(const char *path, enum shunt_admin_state admin)
{
	server_set_admin(find(path), admin);
	trackers_changed(&control, find(path));
}

static void
admin_state_follows(void)
{
	begin();
	probed("app/s1", &passed);
	set_admin("app/s1", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "drain");
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "drain");
	CU_ASSERT_EQUAL(server_state(find("web/s1")), SHUNT_SERVER_DRAIN);
	set_admin("app/s1", SHUNT_ADMIN_READY);
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "up");
	/* Not to the one that it tracks itself. */
	set_admin("db/s1", SHUNT_ADMIN_MAINT);
	CU_ASSERT_STRING_EQUAL(state_of("app/s1"), "up");
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "maint");
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "maint");
	/* Its own command stands while what it tracks is well. */
	set_admin("db/s1", SHUNT_ADMIN_READY);
	set_admin("web/s1", SHUNT_ADMIN_MAINT);
	set_admin("app/s1", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "maint");
	set_admin("app/s1", SHUNT_ADMIN_READY);
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "maint");
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "up");
	teardown();
}

static void
reloads(void)
{
	struct config *config;
	uint64_t changed_ms;

	begin();
	probed("app/s1", &passed);
	changed_ms = find("db/s1")->changed_ms = find("db/s1")->changed_ms - 5000;
	CU_ASSERT_EQUAL(state_apply(&control, tracking_config()), 0);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "up");
	CU_ASSERT_EQUAL(find("db/s1")->changed_ms, changed_ms);
	/* Also when it is as it is by the other one's admin state. */
	set_admin("app/s1", SHUNT_ADMIN_MAINT);
	find("db/s1")->changed_ms = changed_ms;
	CU_ASSERT_EQUAL(state_apply(&control, tracking_config()), 0);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "maint");
	CU_ASSERT_EQUAL(find("db/s1")->changed_ms, changed_ms);
	set_admin("app/s1", SHUNT_ADMIN_READY);
	/* Whoever tracked is probed now, and takes along what was known. */
	config = tracking_config();
	config->backends[1].servers[0].tracks = false;
	config->backends[1].servers[0].check.enabled = true;
	CU_ASSERT_EQUAL(state_apply(&control, config), 0);
	CU_ASSERT_EQUAL(fake.alive, 3);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "up");
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "up");
	for (unsigned int i = 0; i < 3; i++)
		probed("app/s1", &failed);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "up");
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "up");
	for (unsigned int i = 0; i < 3; i++)
		probed("db/s1", &failed);
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "down");
	/* And back: it is what the other one is. */
	probed("app/s1", &passed);
	probed("app/s1", &passed);
	CU_ASSERT_EQUAL(state_apply(&control, tracking_config()), 0);
	CU_ASSERT_EQUAL(fake.alive, 2);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "up");
	teardown();
}

/* What the dataplane is told may differ where the state's name does not: in a panic, for one. */
static void
all_is_published(void)
{
	begin();
	probed("app/s1", &failed);
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "down");
	CU_ASSERT_FALSE(find("web/s1")->health.fresh);
	CU_ASSERT_TRUE(find("web/s1")->changed_ms > 0);
	CU_ASSERT_EQUAL(published(), 2);
	find("web/s1")->backend->panic = true;
	CU_ASSERT_EQUAL(server_state(find("web/s1")), SHUNT_SERVER_UP);
	set_admin("app/s1", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "down");
	CU_ASSERT_EQUAL(server_state(find("web/s1")), SHUNT_SERVER_DRAIN);
	CU_ASSERT_EQUAL(published(), 2);
	CU_ASSERT_EQUAL(control.events.count, 0);
	teardown();
}

/* A restart: the trackers are found as they were, and as what they track is. */
static void
adoption(void)
{
	const struct shunt_server up = { .health = SHUNT_HEALTH_UP,
		.state = SHUNT_SERVER_UP,
		.changed_ms = 77,
		.admin = SHUNT_ADMIN_READY,
		.weight = 10,
		.file_weight = 10 };

	begin();
	server_adopt(find("db/s1"), &up);
	server_adopt(find("app/s1"), &up);
	trackers_adopted(&control);
	CU_ASSERT_STRING_EQUAL(state_of("db/s1"), "up");
	CU_ASSERT_EQUAL(find("db/s1")->changed_ms, 77);
	CU_ASSERT_STRING_EQUAL(state_of("web/s1"), "up"); /* which is new */
	CU_ASSERT_EQUAL(control.events.count, 0);
	probed("app/s1", &failed);
	CU_ASSERT_EQUAL(published(), 0);
	teardown();
}

static const struct unit_test tests[] = {
	{ "health follows", health_follows },
	{ "admin state follows", admin_state_follows },
	{ "reloads", reloads },
	{ "all is published", all_is_published },
	{ "a restart", adoption },
};

UNIT_MAIN("trackers", tests)
