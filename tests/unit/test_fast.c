/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path against the stages: see fast_trial.h. */
#include "fast_trial.h"
#include "unit.h"

static void
test_as_the_stages(void)
{
	check_trial(1, 1, SCENE_WITH_NONE, SCENE_IP4);
	check_trial(2, 1, SCENE_WITH_FULLNAT, SCENE_IP4);
	check_trial(3, 1, SCENE_WITH_RANGE, SCENE_IP4);
	check_trial(6, 1, SCENE_WITH_SHARED, SCENE_IP4);
	check_trial(7, 1, SCENE_WITH_RULES, SCENE_IP4);
}

static void
test_as_the_stages_with_owners(void)
{
	check_trial(4, 2, SCENE_WITH_PORTLESS, SCENE_IP4);
	check_trial(5, 3, SCENE_WITH_FULLNAT, SCENE_IP4);
}

/* Each byte of a good frame's headers, with each value that it can have. */
static bool
walk_each_byte(struct trial *t, const struct kept *k, uint8_t port)
{
	struct scene_frame other;
	bool good = true;

	for (unsigned int at = 12; at < FAST_MIN_BYTES; at++) {
		for (unsigned int value = 0; value < 256 && good; value++) {
			other = k->frames[0];
			other.bytes[at] = (uint8_t)value;
			good = walk_kept(t, k, &other, port);
			if (at < 14 || at >= 34)
				continue;
			scene_fix_ip4(&other);
			good &= walk_kept(t, k, &other, port);
		}
	}
	for (other = k->frames[0]; good && other.length; other.length--)
		good = walk_kept(t, k, &other, port);
	return good;
}

static void
test_each_byte(void)
{
	static struct kept k;
	struct trial t;

	trial_open(&t, 9, 1, SCENE_WITH_NONE, SCENE_IP4);
	/* TCP and UDP by NAT, and DR. */
	for (uint8_t service = 1; service <= 3; service++) {
		for (unsigned int to_server = service == 3; to_server < 2; to_server++) {
			CU_ASSERT_TRUE_FATAL(keep_flows(&t, &k, service, to_server));
			CU_ASSERT_TRUE(walk_kept(&t, &k, &k.frames[0], 0));
			CU_ASSERT_EQUAL(
				t.worlds[1]->judged[0].fit | t.worlds[1]->judged[1].fit, 0xff);
			CU_ASSERT_TRUE(walk_each_byte(&t, &k, 0));
		}
	}
	trial_close(&t);
}

/* Flows that rules have led to another backend are as fast as those of the service's own. */
static void
test_rules(void)
{
	static struct kept k;
	struct trial t;
	unsigned int led = 0;

	trial_open(&t, 9, 1, SCENE_WITH_RULES, SCENE_IP4);
	CU_ASSERT_TRUE_FATAL(keep_flows(&t, &k, 1, true));
	for (unsigned int i = 0; i < KEPT; i++)
		led += t.scene->generation->servers[flow_server(k.value[1][i])].backend != 1;
	CU_ASSERT_TRUE(walk_kept(&t, &k, &k.frames[0], 0));
	CU_ASSERT_EQUAL(t.worlds[1]->judged[0].fit | t.worlds[1]->judged[1].fit, 0xff);
	CU_ASSERT(led > 0 && led < KEPT);
	trial_close(&t);
}

static const struct unit_test tests[] = {
	{ "each byte", test_each_byte },
	{ "rules", test_rules },
	{ "as the stages", test_as_the_stages },
	{ "as the stages, with several owners", test_as_the_stages_with_owners },
};

UNIT_MAIN("fast", tests)
