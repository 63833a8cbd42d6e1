/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Those who wait for their change to be acknowledged. Changes are numbered as they come; a waiter
 * holds the number of the last one it wants to see settled. For publish.c alone.
 */
#ifndef CONTROL_PUBLISH_WAIT_H
#define CONTROL_PUBLISH_WAIT_H

#include "publish.h"

struct waiters {
	struct loop *loop;
	struct publish_waiter *first;
	int late_worker; /* told with -ETIMEDOUT; -1: none is known to be late */
};

/* Waits for change number `ticket`. 0 or -ENOMEM. */
int waiters_add(struct waiters *waiters, struct publish_waiter *waiter, uint64_t ticket,
	uint32_t timeout_ms);
/* Forgets one, if it is there. */
void waiters_remove(struct waiters *waiters, struct publish_waiter *waiter);
void waiters_remove_all(struct waiters *waiters);

/* Runs done() for all that wait for changes up to number `ticket`; it may add and remove others. */
void waiters_wake(struct waiters *waiters, uint64_t ticket, int result);

#endif
