/* SPDX-License-Identifier: BSD-3-Clause */
/* Who of a backend takes new flows, as the dataplane is told. */
#include "compile_setup.h"
#include "pool.h"

#define TEN                                                                                 \
	"app s0=10.0.0.10 s1=10.0.0.11 s2=10.0.0.12 s3=10.0.0.13 s4=10.0.0.14 s5=10.0.0.15" \
	" s6=10.0.0.16 s7=10.0.0.17 s8=10.0.0.18 s9=10.0.0.19"

static struct server *
server(struct setup *s, const char *name)
{
	char path[SHUNT_NAME_SIZE + 8];
	struct server *found;

	snprintf(path, sizeof(path), "app/%s", name);
	found = state_find_server(&s->control, path);
	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	return found;
}

static void
set_health(struct setup *s, const char *name, bool up)
{
	server(s, name)->health.verdict = up ? SHUNT_HEALTH_UP : SHUNT_HEALTH_DOWN;
	server(s, name)->health.fresh = false;
}

static struct backend_config *
config(struct setup *s)
{
	return &s->control.backends[0]->config;
}

/* The names of those that take flows, in order. */
static void
expect(struct setup *s, const char *names)
{
	struct image *image = compile(s);
	const struct shunt_backend *backend = get_backend(s, image, "app");
	char found[256] = "";
	size_t length = 0;

	for (uint32_t i = 0; i < backend->member_count; i++) {
		const struct shunt_server *member =
			get(image, SHUNT_KIND_SERVER, members(backend)[i].server, sizeof(*member));

		CU_ASSERT_EQUAL(member->state, SHUNT_SERVER_UP);
		length += (size_t)snprintf(
			found + length, sizeof(found) - length, "%s%s", i ? " " : "", member->name);
	}
	CU_ASSERT_STRING_EQUAL(found, names);
	if (strcmp(found, names) != 0)
		printf("\nexpected: %s\nfound: %s\n", names, found);
	image_destroy(image);
}

/* Whom keep-last keeps, and that one that is up on trust is up. */
static void
the_last_one(void)
{
	struct setup s;

	setup_create(&s, TEN);
	for (unsigned int i = 2; i < 10; i++) {
		char name[] = { 's', (char)('0' + i), '\0' };

		set_health(&s, name, false);
	}
	set_health(&s, "s0", true);
	set_health(&s, "s1", true);
	CU_ASSERT_FALSE(pool_is_last(server(&s, "s0")));
	server(&s, "s1")->weight = 0;
	CU_ASSERT_TRUE(pool_is_last(server(&s, "s0")));
	CU_ASSERT_FALSE(pool_is_last(server(&s, "s1")));
	server(&s, "s1")->weight = 1;
	server(&s, "s1")->config.backup = true;
	CU_ASSERT_TRUE(pool_is_last(server(&s, "s0")));
	CU_ASSERT_FALSE(pool_is_last(server(&s, "s1")));
	server(&s, "s0")->admin = SHUNT_ADMIN_DRAIN;
	CU_ASSERT_FALSE(pool_is_last(server(&s, "s0")));
	server(&s, "s0")->admin = SHUNT_ADMIN_READY;
	set_health(&s, "s5", true);
	server(&s, "s5")->health.fresh = true;
	CU_ASSERT_FALSE(pool_is_last(server(&s, "s0")));
	config(&s)->panic_threshold = 50;
	/* Panic: the one on trust takes flows, as the others do. */
	server(&s, "s1")->config.backup = false;
	set_health(&s, "s1", false);
	expect(&s, "s0 s1 s2 s3 s4 s5 s6 s7 s8 s9");
	setup_destroy(&s);
}

static void
all_backups(void)
{
	struct setup s;

	setup_create(&s, SERVERS);
	config(&s)->all_backups = true;
	expect(&s, "s1 s2");
	set_health(&s, "s1", false);
	expect(&s, "s2");
	set_health(&s, "s2", false);
	expect(&s, "b1 b2");
	server(&s, "b1")->admin = SHUNT_ADMIN_DRAIN;
	expect(&s, "b2");
	server(&s, "b1")->admin = SHUNT_ADMIN_READY;
	config(&s)->all_backups = false;
	expect(&s, "b1");
	set_health(&s, "s2", true);
	expect(&s, "s2");
	setup_destroy(&s);
}

/* keepalived's: with a hysteresis it is lost later, and comes back later. */
static void
quorum(void)
{
	struct setup s;

	setup_create(&s, SERVERS); /* weights 10 and 20, two backups */
	config(&s)->quorum = 15;
	expect(&s, "s1 s2");
	set_health(&s, "s1", false);
	expect(&s, "s2");
	set_health(&s, "s1", true);
	set_health(&s, "s2", false);
	expect(&s, "b1");
	CU_ASSERT_TRUE(s.control.backends[0]->quorum_lost);
	set_health(&s, "s2", true);
	expect(&s, "s1 s2");

	config(&s)->hysteresis = 6;
	set_health(&s, "s2", false);
	expect(&s, "s1"); /* 10 is not less than 15 - 6 */
	server(&s, "s1")->weight = 8;
	expect(&s, "b1");
	set_health(&s, "s2", true);
	server(&s, "s2")->weight = 12;
	expect(&s, "b1"); /* 20 is not 15 + 6 */
	server(&s, "s2")->weight = 13;
	expect(&s, "s1 s2");
	/* Without backup servers there is nobody. */
	server(&s, "b1")->admin = server(&s, "b2")->admin = SHUNT_ADMIN_MAINT;
	set_health(&s, "s2", false);
	expect(&s, "");
	setup_destroy(&s);
}

static void
panic(void)
{
	struct setup s;
	struct image *image;

	setup_create(&s, TEN);
	config(&s)->panic_threshold = 50;
	for (char name[] = "s0"; name[1] < '5'; name[1]++)
		set_health(&s, name, false);
	expect(&s, "s5 s6 s7 s8 s9"); /* half is not less than half */
	server(&s, "s0")->admin = SHUNT_ADMIN_MAINT;
	set_health(&s, "s5", false);
	/* Five and four: all but the one that an operator has taken out. */
	expect(&s, "s1 s2 s3 s4 s5 s6 s7 s8 s9");
	CU_ASSERT_STRING_EQUAL(server_state_name(server(&s, "s1")), "down");
	image = compile(&s);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s0")->state, SHUNT_SERVER_DOWN);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s1")->state, SHUNT_SERVER_UP);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s1")->health, SHUNT_HEALTH_DOWN);
	image_destroy(image);
	set_health(&s, "s1", true);
	expect(&s, "s1 s6 s7 s8 s9");
	image = compile(&s);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s2")->state, SHUNT_SERVER_DOWN);
	image_destroy(image);
	for (char name[] = "s0"; name[1] <= '9'; name[1]++)
		set_health(&s, name, false);
	expect(&s, "s1 s2 s3 s4 s5 s6 s7 s8 s9");
	config(&s)->panic_threshold = 0;
	expect(&s, "");
	setup_destroy(&s);
}

/* At a cold start nobody is ill, but not probed yet: that is no reason to send flows there. */
static void
no_panic_at_start(void)
{
	struct setup s;

	setup_create(&s, TEN);
	config(&s)->panic_threshold = 50;
	for (char name[] = "s0"; name[1] <= '9'; name[1]++) {
		set_health(&s, name, false);
		server(&s, name)->health.fresh = true;
	}
	expect(&s, "");
	CU_ASSERT_FALSE(s.control.backends[0]->panic);
	set_health(&s, "s3", true);
	expect(&s, "s3");
	set_health(&s, "s4", false);
	set_health(&s, "s5", false);
	/* One of three that are known is up: but flows go to no one who is not. */
	expect(&s, "s3 s4 s5");
	setup_destroy(&s);
}

/* A backup server that is up is worth more than servers that are all down; some up are not. */
static void
panic_with_backups(void)
{
	struct setup s;

	setup_create(&s, SERVERS);
	config(&s)->panic_threshold = 90;
	set_health(&s, "s1", false);
	expect(&s, "s1 s2");
	set_health(&s, "s2", false);
	expect(&s, "b1");
	set_health(&s, "b1", false);
	expect(&s, "b2");
	set_health(&s, "b2", false);
	expect(&s, "s1 s2");
	setup_destroy(&s);
}

/* The short way after a probe: servers that mean something else now are sent though unchanged. */
static void
panic_by_update(void)
{
	struct setup s;
	struct image *image;

	setup_create(&s, TEN);
	config(&s)->panic_threshold = 95;
	image = compile(&s);
	compiler_unmark(&s.control);
	for (char name[] = "s1"; name[1] < '4'; name[1]++) {
		set_health(&s, name, false);
		server(&s, name)->changed = s.control.backends[0]->changed = true;
		CU_ASSERT_EQUAL(compiler_update(s.compiler, &s.control, image), 0);
		compiler_unmark(&s.control);
		CU_ASSERT_EQUAL(get_server(&s, image, "app/s1")->state, SHUNT_SERVER_UP);
		CU_ASSERT_EQUAL(get_backend(&s, image, "app")->member_count, 10);
	}
	config(&s)->panic_threshold = 60;
	set_health(&s, "s9", false);
	server(&s, "s9")->changed = s.control.backends[0]->changed = true;
	CU_ASSERT_EQUAL(compiler_update(s.compiler, &s.control, image), 0);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s1")->state, SHUNT_SERVER_DOWN);
	CU_ASSERT_EQUAL(get_backend(&s, image, "app")->member_count, 6);
	image_destroy(image);
	setup_destroy(&s);
}

static uint64_t
since(struct setup *s, const char *path)
{
	struct image *image = compile(s);
	uint64_t ms = get_server(s, image, path)->up_since_ms;

	image_destroy(image);
	return ms;
}

static void
slow_start(void)
{
	struct setup s;
	struct image *image;
	uint64_t first;

	setup_create(&s, SERVERS);
	server(&s, "s1")->config.slowstart_ms = 5000;
	/* There at the start: no slow start, as in HAProxy. */
	CU_ASSERT_EQUAL(since(&s, "app/s1"), 0);
	set_health(&s, "s1", false);
	CU_ASSERT_EQUAL(since(&s, "app/s1"), 0);
	set_health(&s, "s1", true);
	set_health(&s, "s2", true);
	first = since(&s, "app/s1");
	CU_ASSERT_NOT_EQUAL(first, 0);
	CU_ASSERT_EQUAL(since(&s, "app/s1"), first);
	CU_ASSERT_EQUAL(since(&s, "app/s2"), 0); /* has none */
	image = compile(&s);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s1")->slowstart_ms, 5000);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s2")->slowstart_ms, 0);
	image_destroy(image);
	/* A reload that leaves it alone leaves this alone; another control process adopts it. */
	CU_ASSERT_EQUAL_FATAL(model_apply(&s.control, SERVERS), 0);
	server(&s, "s1")->config.slowstart_ms = 5000;
	CU_ASSERT_EQUAL(since(&s, "app/s1"), first);
	image = compile(&s);
	server(&s, "s1")->up_since_ms = 0;
	server(&s, "s1")->was_up = false;
	server_adopt(server(&s, "s1"), get_server(&s, image, "app/s1"));
	image_destroy(image);
	CU_ASSERT_EQUAL(since(&s, "app/s1"), first);
	setup_destroy(&s);
}

/* One that a reload adds is warmed up; and so is one that was in maintenance. */
static void
slow_start_of_new(void)
{
	struct setup s;

	setup_create(&s, SERVERS);
	CU_ASSERT_EQUAL(since(&s, "app/s2"), 0);
	CU_ASSERT_EQUAL_FATAL(model_apply(&s.control, SERVERS " s2=10.0.1.2"), 0);
	state_find_server(&s.control, "api/s2")->config.slowstart_ms = 1;
	state_find_server(&s.control, "api/s1")->config.slowstart_ms = 1;
	CU_ASSERT_NOT_EQUAL(since(&s, "api/s2"), 0);
	CU_ASSERT_EQUAL(since(&s, "api/s1"), 0);
	server_set_admin(state_find_server(&s.control, "api/s1"), SHUNT_ADMIN_MAINT);
	CU_ASSERT_EQUAL(since(&s, "api/s1"), 0);
	server_set_admin(state_find_server(&s.control, "api/s1"), SHUNT_ADMIN_READY);
	CU_ASSERT_NOT_EQUAL(since(&s, "api/s1"), 0);
	setup_destroy(&s);
}

/* What the file says of choosing, as the dataplane gets it. */
static void
carried(void)
{
	const struct shunt_backend *backend;
	struct image *image;
	struct setup s;

	setup_create(&s, SERVERS);
	server(&s, "s2")->maxconn = 77;
	config(&s)->reject_full = true;
	config(&s)->balance_factor = 125;
	config(&s)->ignored_bits4 = 8;
	config(&s)->ignored_bits6 = 72;
	config(&s)->persist_ms = 60000;
	config(&s)->persist_prefix4 = 24;
	config(&s)->persist_prefix6 = 56;
	image = compile(&s);
	backend = get_backend(&s, image, "app");
	CU_ASSERT_EQUAL(members(backend)[0].maxconn, 0);
	CU_ASSERT_EQUAL(members(backend)[1].maxconn, 77);
	CU_ASSERT_EQUAL(backend->reject_full, 1);
	CU_ASSERT_EQUAL(backend->balance_factor, 125);
	CU_ASSERT_EQUAL(backend->ignored_bits4, 8);
	CU_ASSERT_EQUAL(backend->ignored_bits6, 72);
	CU_ASSERT_EQUAL(backend->persist_ms, 60000);
	CU_ASSERT_EQUAL(backend->persist_prefix4, 24);
	CU_ASSERT_EQUAL(backend->persist_prefix6, 56);
	image_destroy(image);
	setup_destroy(&s);
}

static const struct unit_test tests[] = {
	{ "the last of a backend's own", the_last_one },
	{ "allbackups", all_backups },
	{ "quorum and hysteresis", quorum },
	{ "panic", panic },
	{ "no panic at a cold start", no_panic_at_start },
	{ "panic with backup servers", panic_with_backups },
	{ "panic after a probe", panic_by_update },
	{ "slow start", slow_start },
	{ "slow start of new servers", slow_start_of_new },
	{ "carried into the image", carried },
};

UNIT_MAIN("pool", tests)
