/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes of what an agent says. */
#include <unistd.h>

#include "servers_setup.h"
#include "server_agent.h"
#include "trackers.h"

static const struct check_config agent_check = { .enabled = true,
	.inter_ms = 2000,
	.fastinter_ms = 2000,
	.downinter_ms = 2000,
	.timeout_ms = 1000,
	.rise = 1,
	.fall = 1 };

/* The usual one, where app/s1 has an agent, weight 10 and maxconn 100, and db/s1 tracks it. */
static struct config *
agent_config(void)
{
	struct config *config = usual_config();
	struct server_config *server = &config->backends[0].servers[1];

	server->agent = &agent_check;
	server->maxconn = 100;
	config->backends[1].servers[0].tracks = true;
	config->backends[1].servers[0].track_server = 1;
	config->backends[1].servers[0].check.enabled = false;
	return config;
}

static void
begin(void)
{
	memset(&control, 0, sizeof(control));
	memset(&fake, 0, sizeof(fake));
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, agent_config()), 0);
	CU_ASSERT_EQUAL(fake.alive, 3);
	server_probed(find("app/s1"), &passed, 1);
	trackers_changed(&control, find("app/s1"));
}

/* Answers, as one line. */
static void
says(const char *line)
{
	static const struct check_talk talk = { .type = CHECK_AGENT };
	const struct check_answer answer = { line, strlen(line), true };
	struct check_report report = { 0 };

	CU_ASSERT_TRUE(check_judge(&talk, &answer, &report));
	server_agent_probed(&control, find("app/s1"), &report);
}

static void
expect(const char *state, uint16_t weight, uint32_t maxconn)
{
	const struct server *server = find("app/s1");

	CU_ASSERT_STRING_EQUAL(server_state_name(server), state);
	CU_ASSERT_EQUAL(server->weight, weight);
	CU_ASSERT_EQUAL(server->maxconn, maxconn);
}

static void
weight_and_maxconn(void)
{
	begin();
	says("75%");
	expect("up", 7, 100);
	says("1%");
	expect("up", 1, 100);
	says("up");
	expect("up", 1, 100);
	says("200% maxconn:5");
	expect("up", 20, 5);
	says("25600%");
	expect("up", SHUNT_MAX_WEIGHT, 5);
	says("0%");
	expect("up", 0, 5);
	says("100% maxconn:0");
	expect("up", 10, 0);
	says("nonsense");
	expect("up", 10, 0);
	CU_ASSERT_EQUAL(find("app/s1")->agent->report.status, CHECK_L7RSP);
	teardown();
}

static void
down_until_it_says_up(void)
{
	uint64_t events;

	begin();
	events = control.events.count;
	says("down # full");
	expect("down", 10, 100);
	CU_ASSERT_EQUAL(server_state(find("app/s1")), SHUNT_SERVER_DOWN);
	CU_ASSERT_STRING_EQUAL(server_state_name(find("db/s1")), "down");
	says("50%");
	expect("down", 5, 100);
	server_agent_probed(&control, find("app/s1"), &failed); /* nobody there */
	expect("down", 5, 100);
	/* The check has its own say: both must agree that it is up. */
	for (unsigned int i = 0; i < 3; i++)
		server_probed(find("app/s1"), &failed, 1);
	says("up");
	expect("down", 5, 100);
	for (unsigned int i = 0; i < 2; i++)
		server_probed(find("app/s1"), &passed, 1);
	trackers_changed(&control, find("app/s1"));
	expect("up", 5, 100);
	CU_ASSERT_STRING_EQUAL(server_state_name(find("db/s1")), "up");
	CU_ASSERT_EQUAL(control.events.count, events + 3); /* it; its tracker, twice */
	teardown();
}

/* Nobody shall read in the log that it is up while its agent keeps it down. */
static void
log_tells_both(void)
{
	FILE *log = tmpfile();
	int standard_error = dup(STDERR_FILENO);
	char text[1024];
	size_t length;

	CU_ASSERT_PTR_NOT_NULL_FATAL(log);
	begin();
	says("down");
	for (unsigned int i = 0; i < 3; i++)
		server_probed(find("app/s1"), &failed, 1);
	dup2(fileno(log), STDERR_FILENO);
	for (unsigned int i = 0; i < 2; i++)
		server_probed(find("app/s1"), &passed, 1);
	dup2(standard_error, STDERR_FILENO);
	close(standard_error);
	expect("down", 10, 100);
	rewind(log);
	length = fread(text, 1, sizeof(text) - 1, log);
	text[length] = '\0';
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "app/s1 is up (but its agent has it down): 2 probes"));
	fclose(log);
	teardown();
}

static void
admin_states(void)
{
	begin();
	says("drain");
	expect("drain", 10, 100);
	CU_ASSERT_STRING_EQUAL(server_state_name(find("db/s1")), "drain");
	says("up");
	expect("drain", 10, 100);
	says("maint ready");
	expect("maint", 10, 100);
	says("ready up");
	expect("up", 10, 100);
	/* An operator's, too. */
	server_set_admin(find("app/s1"), SHUNT_ADMIN_MAINT);
	says("ready");
	expect("up", 10, 100);
	teardown();
}

static void
reloads(void)
{
	struct config *config;

	begin();
	config = agent_config();
	says("50% maxconn:7 down");
	find("app/s1")->changed_ms = 77;
	CU_ASSERT_EQUAL(state_apply(&control, config), 0);
	expect("down", 5, 7);
	CU_ASSERT_EQUAL(find("app/s1")->changed_ms, 77);
	CU_ASSERT_EQUAL(fake.alive, 3);
	/* The file's own changes are newer. */
	config = agent_config();
	config->backends[0].servers[1].weight = 20;
	config->backends[0].servers[1].maxconn = 200;
	CU_ASSERT_EQUAL(state_apply(&control, config), 0);
	expect("down", 20, 200);
	/* Without an agent nobody says that it is down. */
	CU_ASSERT_EQUAL(state_apply(&control, usual_config()), 0);
	expect("up", 10, 0);
	CU_ASSERT_EQUAL(fake.alive, 3);
	teardown();
}

/* Of a server that was down though its check is fine, it was the agent who said so. */
static void
adoption(void)
{
	struct shunt_server image = { .health = SHUNT_HEALTH_UP,
		.state = SHUNT_SERVER_DOWN,
		.changed_ms = 77,
		.weight = 10,
		.file_weight = 10 };

	begin();
	server_adopt(find("app/s1"), &image);
	expect("down", 10, 100);
	says("up");
	expect("up", 10, 100);
	server_adopt(find("app/s1"), &image);
	expect("up", 10, 100);
	teardown();
}

/* One that tracks another may have been down for that one's sake, and its agent be content. */
static void
adoption_of_trackers(void)
{
	struct shunt_server image = { .health = SHUNT_HEALTH_UP,
		.state = SHUNT_SERVER_DOWN,
		.changed_ms = 77,
		.weight = 10,
		.file_weight = 10 };
	struct config *config;

	for (unsigned int maint = 0; maint < 2; maint++) {
		memset(&control, 0, sizeof(control));
		memset(&fake, 0, sizeof(fake));
		config = agent_config();
		config->backends[1].servers[0].agent = &agent_check;
		CU_ASSERT_EQUAL_FATAL(state_apply(&control, config), 0);
		server_adopt(find("db/s1"), &image);
		image.admin = maint ? SHUNT_ADMIN_MAINT : SHUNT_ADMIN_READY;
		server_adopt(find("app/s1"), &image);
		image.admin = SHUNT_ADMIN_READY;
		trackers_adopted(&control);
		CU_ASSERT_EQUAL(find("app/s1")->agent->down, !maint);
		CU_ASSERT_FALSE(find("db/s1")->agent->down);
		says("ready up");
		CU_ASSERT_STRING_EQUAL(server_state_name(find("db/s1")), "up");
		teardown();
	}
	/* But what it has said since stands, and what nobody else is the cause of. */
	config = agent_config();
	config->backends[1].servers[0].agent = &agent_check;
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, config), 0);
	server_adopt(find("db/s1"), &image);
	image.state = SHUNT_SERVER_UP;
	server_adopt(find("app/s1"), &image);
	trackers_adopted(&control);
	CU_ASSERT_TRUE(find("db/s1")->agent->down);
	find("db/s1")->agent->report.status = CHECK_L7STS;
	says("down");
	trackers_adopted(&control);
	CU_ASSERT_TRUE(find("db/s1")->agent->down);
	teardown();
}

/* Stateless flows are not counted: what the agent has said of them must not outlive a reload. */
static void
stateless_from_now_on(void)
{
	struct config *config;

	begin();
	says("maxconn:7");
	expect("up", 10, 7);
	config = agent_config();
	config->frontends[0].stateless = true;
	CU_ASSERT_EQUAL(state_apply(&control, config), 0);
	expect("up", 10, 100);
	teardown();
}

/* A server that cannot be begun whole is not begun. */
static void
out_of_memory(void)
{
	struct config *config;

	begin();
	for (int k = 1; k <= 2; k++) {
		config = agent_config();
		snprintf(config->backends[0].servers[1].name, SHUNT_NAME_SIZE, "new");
		fake.fail_at = fake.started + k;
		CU_ASSERT_EQUAL(state_apply(&control, config), -ENOMEM);
		CU_ASSERT_EQUAL(fake.alive, 3);
		config_destroy(config);
	}
	expect("up", 10, 100);
	teardown();
}

static const struct unit_test tests[] = {
	{ "weight and maxconn", weight_and_maxconn },
	{ "down until it says up", down_until_it_says_up },
	{ "the log tells both", log_tells_both },
	{ "admin states", admin_states },
	{ "reloads", reloads },
	{ "a restart", adoption },
	{ "a restart with trackers", adoption_of_trackers },
	{ "stateless from now on", stateless_from_now_on },
	{ "out of memory", out_of_memory },
};

UNIT_MAIN("server_agent", tests)
