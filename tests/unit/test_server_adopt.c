/* SPDX-License-Identifier: BSD-3-Clause */
/* What a server takes over from the image of a running dataplane. */
#include "servers_setup.h"

static struct shunt_server
image_of(uint8_t health, uint8_t admin, uint16_t weight, uint16_t file_weight)
{
	return (struct shunt_server){ .health = health,
		.admin = admin,
		.weight = weight,
		.file_weight = file_weight,
		.changed_ms = 1234 };
}

static void
adoption(void)
{
	struct shunt_server up = image_of(SHUNT_HEALTH_UP, SHUNT_ADMIN_DRAIN, 0, 10);
	struct shunt_server down = image_of(SHUNT_HEALTH_DOWN, SHUNT_ADMIN_READY, 5, 9);
	struct server *server;

	setup();
	server = find("app/s1");
	server_adopt(server, &up);
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "drain");
	CU_ASSERT_FALSE(server->health.fresh);
	CU_ASSERT_EQUAL(server->weight, 0);
	CU_ASSERT_EQUAL(server->file_weight, 10);
	CU_ASSERT_EQUAL(server->changed_ms, 1234);
	CU_ASSERT_EQUAL(server->probe->updates, 1);
	CU_ASSERT_FALSE(server_probed(server, &passed, 0)); /* no change of health */
	CU_ASSERT_FALSE(server_probed(server, &failed, 0));

	server = find("app/s2");
	server_adopt(server, &down);
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "down");
	CU_ASSERT_FALSE(server->health.fresh);
	CU_ASSERT_EQUAL(server->weight, 10); /* the file has changed since */
	CU_ASSERT_EQUAL(server->file_weight, 10);
	CU_ASSERT_FALSE(server_probed(server, &failed, 0));
	CU_ASSERT_FALSE(server_probed(server, &passed, 0));
	CU_ASSERT_TRUE(server_probed(server, &passed, 0));

	/* Checking was off when the image was made: it took traffic. */
	server = find("db/s1");
	up = image_of(SHUNT_HEALTH_NO_CHECK, SHUNT_ADMIN_READY, 1, 1);
	server_adopt(server, &up);
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "up");
	CU_ASSERT_NOT_EQUAL(server->changed_ms, 1234);
	teardown();
}

static void
adoption_is_older_than_own_probes(void)
{
	struct shunt_server image = image_of(SHUNT_HEALTH_DOWN, SHUNT_ADMIN_MAINT, 10, 10);
	struct server *server;

	setup();
	server = find("app/s1");
	server_probed(server, &passed, 0);
	server_adopt(server, &image);
	CU_ASSERT_EQUAL(server->health.verdict, SHUNT_HEALTH_UP);
	CU_ASSERT_EQUAL(server->admin, SHUNT_ADMIN_MAINT);
	teardown();
}

/* It was killed between its first generation and its first probe: as if it had never been. */
static void
adoption_before_the_first_probe(void)
{
	struct shunt_server image = image_of(SHUNT_HEALTH_DOWN, SHUNT_ADMIN_READY, 10, 10);
	struct server *server;

	setup();
	server = find("app/s1");
	image.changed_ms = server->changed_ms;
	server_adopt(server, &image);
	CU_ASSERT_TRUE(server->health.fresh);
	CU_ASSERT_EQUAL(server->probe->updates, 0); /* the first probe is made at once */
	CU_ASSERT_EQUAL(server->changed_ms, 0);	    /* and nothing is to be published */
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, usual_config()), 0);
	server = find("app/s1");
	CU_ASSERT_EQUAL(server->changed_ms, 0);
	CU_ASSERT_TRUE(server_probed(server, &passed, 0));
	CU_ASSERT_EQUAL(server->health.verdict, SHUNT_HEALTH_UP);
	teardown();
}

/* Commanded while the dataplane did not answer; a reload in between forgets nothing. */
static void
adoption_is_older_than_commands(void)
{
	struct shunt_server image = image_of(SHUNT_HEALTH_UP, SHUNT_ADMIN_READY, 10, 10);
	struct server *server;

	setup();
	server_set_admin(find("app/s1"), SHUNT_ADMIN_DRAIN);
	server_set_weight(find("app/s1"), 3);
	server_set_admin(find("app/s2"), SHUNT_ADMIN_READY);
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, usual_config()), 0);
	server = find("app/s1");
	server_adopt(server, &image);
	CU_ASSERT_EQUAL(server->admin, SHUNT_ADMIN_DRAIN);
	CU_ASSERT_NOT_EQUAL(server->changed_ms, 1234);
	CU_ASSERT_EQUAL(server->weight, 3);
	CU_ASSERT_EQUAL(server->health.verdict, SHUNT_HEALTH_UP);
	image = image_of(SHUNT_HEALTH_UP, SHUNT_ADMIN_MAINT, 4, 10);
	server = find("app/s2");
	server_adopt(server, &image);
	CU_ASSERT_EQUAL(server->admin, SHUNT_ADMIN_READY);
	CU_ASSERT_EQUAL(server->weight, 4);
	teardown();
}

/*
 * A restart resets nobody's sessions, nor does a reload; a command does, also one that was given
 * before the dataplane could be reached.
 */
static void
adoption_of_resets(void)
{
	struct shunt_server image = image_of(SHUNT_HEALTH_UP, SHUNT_ADMIN_READY, 10, 10);

	setup();
	image.reset_mark = 255;
	server_adopt(find("app/s1"), &image);
	CU_ASSERT_EQUAL(find("app/s1")->reset_mark, 255);
	server_shutdown_sessions(find("app/s2"));
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, usual_config()), 0);
	CU_ASSERT_EQUAL(find("app/s1")->reset_mark, 255);
	server_adopt(find("app/s2"), &image);
	CU_ASSERT_EQUAL(find("app/s2")->reset_mark, 0);
	server_shutdown_sessions(find("app/s1"));
	CU_ASSERT_EQUAL(find("app/s1")->reset_mark, 0);
	teardown();
}

static void
adoption_of_nonsense(void)
{
	struct shunt_server image =
		image_of(SHUNT_HEALTH_COUNT, SHUNT_ADMIN_COUNT, SHUNT_MAX_WEIGHT + 1, 10);
	struct server *server;

	setup();
	server = find("app/s1");
	server_adopt(server, &image);
	CU_ASSERT_EQUAL(server->admin, SHUNT_ADMIN_READY);
	CU_ASSERT_EQUAL(server->weight, 10);
	CU_ASSERT_EQUAL(server->health.verdict, SHUNT_HEALTH_DOWN);
	CU_ASSERT_TRUE(server->health.fresh);
	teardown();
}

static const struct unit_test tests[] = {
	{ "adoption of a running image", adoption },
	{ "own probes are newer than an image", adoption_is_older_than_own_probes },
	{ "an image from before the first probe", adoption_before_the_first_probe },
	{ "commands are newer than an image", adoption_is_older_than_commands },
	{ "sessions reset by command", adoption_of_resets },
	{ "an image with values out of range", adoption_of_nonsense },
};

UNIT_MAIN("server_adopt", tests)
