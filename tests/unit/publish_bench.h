/* SPDX-License-Identifier: BSD-3-Clause */
/* A control process with its loop, beside a fake dataplane: what the tests of publish.c share. */
#ifndef TESTS_PUBLISH_BENCH_H
#define TESTS_PUBLISH_BENCH_H

#include <CUnit/CUnit.h>

#include "fake_dataplane.h"
#include "model.h"
#include "publish.h"

#define LIMIT_MS 5000 /* for anything to happen; it happens within a few */
#define MODEL	 "app s1=10.0.0.1 s2=10.0.0.2 | api s1=10.0.1.1"

struct bench {
	struct control control;
	struct fake fake;
	struct loop_timer poll;
	bool (*reached)(struct bench *b);
	uint64_t until_ms;
	bool in_time;
	/* what the waiter and the question were told */
	struct publish_waiter waiter;
	int woken;
	int result;
	int worker;
	int answers;
	int server;
};

static inline void
on_poll(struct loop_timer *timer, uint64_t now_ms)
{
	struct bench *b = loop_container(timer, struct bench, poll);

	b->in_time = !b->reached || b->reached(b);
	if ((b->reached && b->in_time) || now_ms >= b->until_ms)
		loop_stop(b->control.loop);
	else
		loop_timer_set(b->control.loop, timer, 1);
}

/* Runs the loop until something is reached. False: it was not, in time. */
static inline bool
run_until(struct bench *b, bool (*reached)(struct bench *b))
{
	b->poll.on_timer = on_poll;
	b->reached = reached;
	b->in_time = false;
	loop_timer_set(b->control.loop, &b->poll, 0);
	b->until_ms = b->poll.at_ms + LIMIT_MS;
	CU_ASSERT_EQUAL(loop_run(b->control.loop), 0);
	loop_timer_cancel(b->control.loop, &b->poll);
	return b->in_time;
}

/* Runs the loop for a while, to see that something does not happen. */
static inline void
run_for(struct bench *b, uint64_t ms)
{
	b->poll.on_timer = on_poll;
	b->reached = NULL;
	loop_timer_set(b->control.loop, &b->poll, 0);
	b->until_ms = b->poll.at_ms + ms;
	CU_ASSERT_EQUAL(loop_run(b->control.loop), 0);
	loop_timer_cancel(b->control.loop, &b->poll);
}

static inline bool
is_woken(struct bench *b)
{
	return b->woken > 0;
}

static inline bool
is_connected(struct bench *b)
{
	return publish_connected(b->control.publish);
}

static inline bool
is_disconnected(struct bench *b)
{
	return !publish_connected(b->control.publish);
}

static inline bool
has_second_session(struct bench *b)
{
	bool has;

	fake_lock(&b->fake);
	has = b->fake.sessions == 2;
	fake_unlock(&b->fake);
	return has && is_connected(b);
}

static inline bool
has_tried_to_commit(struct bench *b)
{
	bool has;

	fake_lock(&b->fake);
	has = b->fake.commits > 0;
	fake_unlock(&b->fake);
	return has;
}

static inline bool
is_answered(struct bench *b)
{
	return b->answers > 0;
}

static inline void
control_start(struct bench *b, const char *model)
{
	b->control = (struct control){ .loop = loop_create(), .run_dir = b->fake.dir };
	CU_ASSERT_PTR_NOT_NULL_FATAL(b->control.loop);
	CU_ASSERT_EQUAL_FATAL(model_apply(&b->control, model), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(publish_create(&b->control));
}

static inline void
control_stop(struct bench *b)
{
	publish_destroy(b->control.publish);
	state_destroy(&b->control);
	loop_destroy(b->control.loop);
}

static inline void
bench_create(struct bench *b, const char *model)
{
	*b = (struct bench){ 0 };
	fake_create(&b->fake);
	fake_start(&b->fake);
	control_start(b, model);
}

static inline void
bench_destroy(struct bench *b)
{
	control_stop(b);
	fake_destroy(&b->fake);
}

static inline void
on_done(struct publish_waiter *waiter, int result, int worker)
{
	struct bench *b = loop_container(waiter, struct bench, waiter);

	b->woken++;
	b->result = result;
	b->worker = worker;
}

static inline void
wait_begin(struct bench *b, uint32_t timeout_ms)
{
	b->woken = 0;
	b->result = 1;
	b->waiter = (struct publish_waiter){ .done = on_done };
	CU_ASSERT_EQUAL(publish_wait(b->control.publish, &b->waiter, timeout_ms), 0);
}

/* Waits for all that was changed so far. */
static inline int
settle(struct bench *b)
{
	wait_begin(b, LIMIT_MS);
	CU_ASSERT_TRUE(b->woken || run_until(b, is_woken));
	CU_ASSERT_EQUAL(b->woken, 1);
	return b->result;
}

static inline void
set_admin(struct bench *b, const char *path, enum shunt_admin_state admin)
{
	struct server *server = state_find_server(&b->control, path);

	server->admin = (uint8_t)admin;
	publish_schedule_server(b->control.publish, server);
}

#endif
