/* SPDX-License-Identifier: BSD-3-Clause */
#include "publish.h"
#include "rules.h"
#include "state.h"

/* Counts of sessions are so old at most; a time of day need not be watched so closely. */
#define COUNTS_MS 100

static void
on_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct control *control = loop_container(timer, struct control, rules_timer);

	(void)now_ms;
	/* It has just been taken from the loop, so that setting it anew needs no memory. */
	loop_timer_set(control->loop, timer, COUNTS_MS);
	if (rules_truth_has_changed(control))
		publish_schedule_truth(control->publish);
}

int
rules_watch(struct control *control)
{
	control->rules_timer.on_timer = on_timer;
	return loop_timer_set(control->loop, &control->rules_timer, COUNTS_MS);
}
