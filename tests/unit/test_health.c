/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"
#include "health.h"
#include "unit.h"

static const struct check_config settings = {
	.enabled = true,
	.inter_ms = 2000,
	.fastinter_ms = 500,
	.downinter_ms = 5000,
	.timeout_ms = 1000,
	.rise = 2,
	.fall = 3,
};

static struct health
health_as(enum shunt_health verdict)
{
	return (struct health){ .verdict = verdict };
}

/* Feeds '+', '-', 's' (soft), 'F' and 'k' (the same, kept) and 'h' (good, held); returns the
 * verdicts after each, as 'U', 'D' or 'N'. */
static const char *
feed(struct health *health, const struct check_config *check, const char *results)
{
	static const char letters[] = "UDN";
	static const char probes[] = "-+sFkh"; /* enum health_probe */
	static char verdicts[64];
	size_t i;

	for (i = 0; results[i]; i++) {
		char before = letters[health->verdict];
		bool changed = health_result(
			health, check, (enum health_probe)(strchr(probes, results[i]) - probes));

		verdicts[i] = letters[health->verdict];
		CU_ASSERT_EQUAL(changed, verdicts[i] != before);
	}
	verdicts[i] = '\0';
	return verdicts;
}

static void
starts_down_and_fresh(void)
{
	struct health health;

	health_init(&health, &settings);
	CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_DOWN);
	CU_ASSERT_TRUE(health.fresh);
	CU_ASSERT_EQUAL(health.streak, 0);
}

static void
first_success_is_enough(void)
{
	struct health health;

	health_init(&health, &settings);
	CU_ASSERT_STRING_EQUAL(feed(&health, &settings, "+"), "U");
	CU_ASSERT_FALSE(health.fresh);
	/* And then it is a server like any other. */
	CU_ASSERT_STRING_EQUAL(feed(&health, &settings, "---"), "UUD");
}

static void
first_failure_costs_the_privilege(void)
{
	struct health health;

	health_init(&health, &settings);
	CU_ASSERT_STRING_EQUAL(feed(&health, &settings, "-++"), "DDU");
	CU_ASSERT_FALSE(health.fresh);
}

static void
counts_in_a_row_only(void)
{
	struct health health = health_as(SHUNT_HEALTH_UP);

	CU_ASSERT_STRING_EQUAL(feed(&health, &settings, "--+--+--+---"), "UUUUUUUUUUUD");
	CU_ASSERT_STRING_EQUAL(feed(&health, &settings, "+-+-+-++"), "DDDDDDDU");
	CU_ASSERT_EQUAL(health.streak, 0);
}

static void
every_rise_and_fall(void)
{
	for (uint16_t rise = 1; rise <= 12; rise++) {
		for (uint16_t fall = 1; fall <= 12; fall++) {
			struct check_config check = settings;
			struct health health = health_as(SHUNT_HEALTH_UP);
			unsigned int failures = 1;
			unsigned int successes = 1;

			check.rise = rise;
			check.fall = fall;
			while (!health_result(&health, &check, HEALTH_FAILED) && failures < 100)
				failures++;
			CU_ASSERT_EQUAL(failures, fall);
			while (!health_result(&health, &check, HEALTH_PASSED) && successes < 100)
				successes++;
			CU_ASSERT_EQUAL(successes, rise);
			CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_UP);
		}
	}
}

static void
greatest_counts_do_not_wrap(void)
{
	struct check_config check = settings;
	struct health health = health_as(SHUNT_HEALTH_UP);

	check.rise = check.fall = UINT16_MAX;
	for (unsigned int i = 1; i < UINT16_MAX; i++) {
		if (health_result(&health, &check, HEALTH_FAILED))
			CU_FAIL_FATAL("down too early");
	}
	CU_ASSERT_TRUE(health_result(&health, &check, HEALTH_FAILED));
	CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_DOWN);
}

/* A reload may lower `fall` under what has been counted: the next failure is then the last. */
static void
lowered_fall(void)
{
	struct check_config check = settings;
	struct health health = health_as(SHUNT_HEALTH_UP);

	check.fall = 10;
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "-----"), "UUUUU");
	check.fall = 2;
	health_update(&health, &check);
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "-"), "D");
}

static void
unchecked_takes_no_results(void)
{
	struct check_config check = settings;
	struct health health;

	check.enabled = false;
	health_init(&health, &check);
	CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_NO_CHECK);
	CU_ASSERT_FALSE(health.fresh);
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "-----+"), "NNNNNN");
}

static void
update_keeps_the_verdict(void)
{
	struct check_config off = settings;
	struct health health;

	off.enabled = false;
	health_init(&health, &settings);
	health_update(&health, &settings);
	CU_ASSERT_TRUE(health.fresh);
	CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_DOWN);

	health = (struct health){ .verdict = SHUNT_HEALTH_DOWN, .streak = 1 };
	health_update(&health, &settings);
	CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_DOWN);
	CU_ASSERT_EQUAL(health.streak, 1);

	health_update(&health, &off);
	CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_NO_CHECK);
	CU_ASSERT_EQUAL(health.streak, 0);

	/* Checking is switched on for a server that takes traffic: it goes on doing so. */
	health_update(&health, &settings);
	CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_UP);
	CU_ASSERT_FALSE(health.fresh);
	CU_ASSERT_STRING_EQUAL(feed(&health, &settings, "---"), "UUD");
}

static void
intervals(void)
{
	struct health health;

	health_init(&health, &settings);
	CU_ASSERT_EQUAL(health_interval_ms(&health, &settings), 500);
	feed(&health, &settings, "+");
	CU_ASSERT_EQUAL(health_interval_ms(&health, &settings), 2000);
	feed(&health, &settings, "-");
	CU_ASSERT_EQUAL(health_interval_ms(&health, &settings), 500);
	feed(&health, &settings, "--");
	CU_ASSERT_EQUAL(health_interval_ms(&health, &settings), 5000);
	feed(&health, &settings, "+");
	CU_ASSERT_EQUAL(health_interval_ms(&health, &settings), 500);
	feed(&health, &settings, "+");
	CU_ASSERT_EQUAL(health_interval_ms(&health, &settings), 2000);
}

static void
soft_failures_weigh_less(void)
{
	struct check_config check = settings;
	struct health health = health_as(SHUNT_HEALTH_UP);

	/* Where nothing is said they weigh the same. */
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "s-s"), "UUD");
	check.soft_fall = 6; /* fall 3: two soft ones are a hard one */
	health = health_as(SHUNT_HEALTH_UP);
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "ssssss"), "UUUUUD");
	health = health_as(SHUNT_HEALTH_UP);
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "ss-s-"), "UUUUD");
	health = health_as(SHUNT_HEALTH_UP);
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "sssss+---"), "UUUUUUUUD");
	CU_ASSERT_EQUAL(health.soft, 0);
	/* Of what is down every failure says the same. */
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "ss+s++"), "DDDDDU");
}

/* Every mixture, in every order of two runs: down with the failure that makes the row whole. */
static void
soft_failures_do_not_drift(void)
{
	struct check_config check = settings;

	for (uint16_t fall = 1; fall <= 8; fall++) {
		for (uint16_t soft_fall = 1; soft_fall <= 12; soft_fall++) {
			check.fall = fall;
			check.soft_fall = soft_fall;
			for (unsigned int soft = 0; soft < soft_fall; soft++) {
				struct health health = health_as(SHUNT_HEALTH_UP);
				unsigned int hard = 0;

				for (unsigned int i = 0; i < soft; i++)
					CU_ASSERT_FALSE(
						health_result(&health, &check, HEALTH_SOFT));
				do
					hard++;
				while (!health_result(&health, &check, HEALTH_FAILED));
				/* The least number with hard/fall + soft/soft_fall >= 1. */
				CU_ASSERT_EQUAL(hard,
					(fall * (soft_fall - soft) + soft_fall - 1) / soft_fall);
			}
		}
	}
}

static void
kept_by_soft_failures_alone(void)
{
	struct check_config check = settings;
	struct health health = health_as(SHUNT_HEALTH_UP);

	check.soft_fall = 4;
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "kkk"), "UUU");
	CU_ASSERT_FALSE(health_is_kept(&health, &check));
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "kkkkk"), "UUUUU");
	CU_ASSERT_TRUE(health_is_kept(&health, &check));
	/* Another one is up: the row is long enough. */
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "s"), "D");
	CU_ASSERT_FALSE(health_is_kept(&health, &check));

	/* Hard ones count as ever, however many soft ones there were. */
	health = health_as(SHUNT_HEALTH_UP);
	for (unsigned int i = 0; i < 2 * UINT16_MAX; i++)
		CU_ASSERT_FALSE(health_result(&health, &check, HEALTH_KEPT));
	CU_ASSERT_EQUAL(health.streak, UINT16_MAX);
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "kFkFkF"), "UUUUUD");
	health = health_as(SHUNT_HEALTH_UP);
	CU_ASSERT_STRING_EQUAL(feed(&health, &check, "kkkkkk+"), "UUUUUUU");
	CU_ASSERT_FALSE(health_is_kept(&health, &check));
}

static void
held_until_it_may(void)
{
	struct health health = health_as(SHUNT_HEALTH_DOWN);

	CU_ASSERT_STRING_EQUAL(feed(&health, &settings, "hhhh+"), "DDDDU");
	CU_ASSERT_STRING_EQUAL(feed(&health, &settings, "---h-+h+"), "UUDDDDDU");
}

static void
init_states(void)
{
	static const struct {
		enum init_state state;
		const char *results;
		const char *verdicts;
	} rows[] = {
		{ INIT_DOWN, "+---", "UUUD" },
		{ INIT_DOWN, "-++", "DDU" },
		{ INIT_FULLY_DOWN, "++---", "DUUUD" },
		{ INIT_FULLY_DOWN, "-+-++", "DDDDU" },
		{ INIT_UP, "-++", "DDU" },
		{ INIT_UP, "s", "D" },
		{ INIT_UP, "k+---", "UUUUD" },
		{ INIT_UP, "F", "D" },
		{ INIT_UP, "+---", "UUUD" },
		{ INIT_FULLY_UP, "---++", "UUDDU" },
		{ INIT_FULLY_UP, "+---", "UUUD" },
	};
	struct check_config check = settings;
	struct health health;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check.init_state = rows[i].state;
		health_init(&health, &check);
		CU_ASSERT_TRUE(health.fresh);
		CU_ASSERT_STRING_EQUAL(feed(&health, &check, rows[i].results), rows[i].verdicts);
		CU_ASSERT_FALSE(health.fresh);
	}
	check.init_state = INIT_UP;
	check.enabled = false;
	health_init(&health, &check);
	CU_ASSERT_EQUAL(health.verdict, SHUNT_HEALTH_NO_CHECK);
}

static const struct unit_test tests[] = {
	{ "a checked server starts down and fresh", starts_down_and_fresh },
	{ "the first success brings a fresh server up", first_success_is_enough },
	{ "after a first failure it takes rise successes", first_failure_costs_the_privilege },
	{ "only results in a row count", counts_in_a_row_only },
	{ "every rise and fall from 1 to 12", every_rise_and_fall },
	{ "the greatest counts do not wrap", greatest_counts_do_not_wrap },
	{ "fall lowered below the streak", lowered_fall },
	{ "an unchecked server takes no results", unchecked_takes_no_results },
	{ "changed settings keep the verdict", update_keeps_the_verdict },
	{ "soft failures weigh less", soft_failures_weigh_less },
	{ "soft and hard failures add up exactly", soft_failures_do_not_drift },
	{ "soft failures that keep a server", kept_by_soft_failures_alone },
	{ "a held server comes up later", held_until_it_may },
	{ "what a server is before the first probe", init_states },
	{ "inter, fastinter, downinter", intervals },
};

UNIT_MAIN("health", tests)
