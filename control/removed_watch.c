/* SPDX-License-Identifier: BSD-3-Clause */
#include "netlink.h"
#include "publish.h"
#include "removed.h"
#include "state.h"

#define SWEEP_MS 1000

static void
on_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct control *control = loop_container(timer, struct control, removed_timer);

	/* It has just been taken from the loop, so that setting it anew needs no memory. */
	loop_timer_set(control->loop, timer, SWEEP_MS);
	if (!removed_sweep(control, publish_stats(control->publish), now_ms))
		return;
	netlink_update(control->netlink);
	publish_schedule(control->publish);
}

int
removed_watch(struct control *control)
{
	control->removed_timer.on_timer = on_timer;
	return loop_timer_set(control->loop, &control->removed_timer, SWEEP_MS);
}
