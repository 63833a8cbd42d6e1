/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path for IPv6 against the stages: see fast_trial.h. */
#include "fast_trial.h"
#include "unit.h"

static void
test_as_the_stages(void)
{
	check_trial(11, 1, SCENE_WITH_NONE, SCENE_IP6);
	check_trial(12, 1, SCENE_WITH_FULLNAT, SCENE_IP6);
	check_trial(13, 1, SCENE_WITH_RANGE, SCENE_BOTH);
}

static void
test_as_the_stages_with_owners(void)
{
	check_trial(14, 2, SCENE_WITH_PORTLESS, SCENE_BOTH);
	check_trial(15, 3, SCENE_WITH_FULLNAT, SCENE_IP6);
}

static const struct unit_test tests[] = {
	{ "as the stages", test_as_the_stages },
	{ "as the stages, with several owners", test_as_the_stages_with_owners },
};

UNIT_MAIN("fast6", tests)
