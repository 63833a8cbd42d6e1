/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>

#include "publish_wait.h"

static void
on_timeout(struct loop_timer *timer, uint64_t now_ms)
{
	struct publish_waiter *waiter = loop_container(timer, struct publish_waiter, timer);
	struct waiters *waiters = waiter->waiters;

	(void)now_ms;
	waiters_remove(waiters, waiter);
	waiter->done(waiter, -ETIMEDOUT, waiters->late_worker);
}

int
waiters_add(struct waiters *waiters, struct publish_waiter *waiter, uint64_t ticket,
	uint32_t timeout_ms)
{
	waiter->waiters = waiters;
	waiter->ticket = ticket;
	waiter->timer = (struct loop_timer){ .on_timer = on_timeout };
	if (loop_timer_set(waiters->loop, &waiter->timer, timeout_ms) < 0)
		return -ENOMEM;
	waiter->next = waiters->first;
	waiters->first = waiter;
	return 0;
}

void
waiters_remove(struct waiters *waiters, struct publish_waiter *waiter)
{
	for (struct publish_waiter **link = &waiters->first; *link; link = &(*link)->next) {
		if (*link != waiter)
			continue;
		*link = waiter->next;
		loop_timer_cancel(waiters->loop, &waiter->timer);
		return;
	}
}

void
waiters_remove_all(struct waiters *waiters)
{
	while (waiters->first)
		waiters_remove(waiters, waiters->first);
}

void
waiters_wake(struct waiters *waiters, uint64_t ticket, int result)
{
	struct publish_waiter *waiter = waiters->first;

	while (waiter) {
		if (waiter->ticket > ticket) {
			waiter = waiter->next;
			continue;
		}
		waiters_remove(waiters, waiter);
		waiter->done(waiter, result, -1);
		waiter = waiters->first; /* the list may be another by now */
	}
}
