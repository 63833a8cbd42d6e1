/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "unit.h"

#define TIMERS 20000
#define PAIRS  40

static uint64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The loop under test, and what its callbacks saw; made anew for each test. */
static struct {
	struct loop *loop;
	unsigned int runs;
	unsigned int out_of_order;
	unsigned int early;
	uint64_t last_at_ms;
	uint32_t last_events;
} seen;

/* Ends a test that would else hang. */
static void
on_deadline(struct loop_timer *timer, uint64_t now_ms)
{
	(void)timer;
	(void)now_ms;
	CU_FAIL("the loop did not come to its end");
	loop_stop(seen.loop);
}

static struct loop_timer deadline;

static void
setup(void)
{
	memset(&seen, 0, sizeof(seen));
	seen.loop = loop_create();
	CU_ASSERT_PTR_NOT_NULL_FATAL(seen.loop);
	deadline = (struct loop_timer){ .on_timer = on_deadline };
	CU_ASSERT_EQUAL_FATAL(loop_timer_set(seen.loop, &deadline, 4000), 0);
}

static void
on_stop(struct loop_timer *timer, uint64_t now_ms)
{
	(void)timer;
	(void)now_ms;
	loop_stop(seen.loop);
}

static void
run_for(uint64_t ms)
{
	struct loop_timer stop = { .on_timer = on_stop };

	CU_ASSERT_EQUAL(loop_timer_set(seen.loop, &stop, ms), 0);
	CU_ASSERT_EQUAL(loop_run(seen.loop), 0);
	loop_timer_cancel(seen.loop, &stop);
}

static void
on_count(struct loop_timer *timer, uint64_t now_ms)
{
	seen.runs++;
	seen.out_of_order += timer->at_ms < seen.last_at_ms;
	seen.early += now_ms < timer->at_ms || clock_ms() < timer->at_ms;
	seen.last_at_ms = timer->at_ms;
	if (loop_timer_is_set(timer))
		CU_FAIL("a running timer is not set");
}

static void
thousands_of_timers(void)
{
	struct loop_timer *timers = calloc(TIMERS, sizeof(*timers));
	unsigned int cancelled = 0;

	setup();
	srandom(7);
	for (int i = 0; i < TIMERS; i++) {
		timers[i].on_timer = on_count;
		CU_ASSERT_EQUAL(loop_timer_set(seen.loop, &timers[i], (uint64_t)random() % 200), 0);
	}
	for (int i = 0; i < TIMERS; i++) { /* set anew, both ways, and cancel */
		if (i % 3 == 0)
			loop_timer_set(seen.loop, &timers[i], (uint64_t)random() % 300);
		if (i % 7 == 0) {
			loop_timer_cancel(seen.loop, &timers[i]);
			loop_timer_cancel(seen.loop, &timers[i]);
			CU_ASSERT_FALSE(loop_timer_is_set(&timers[i]));
			cancelled++;
		}
	}
	run_for(320);
	CU_ASSERT_EQUAL(seen.runs, TIMERS - cancelled);
	CU_ASSERT_EQUAL(seen.out_of_order, 0);
	CU_ASSERT_EQUAL(seen.early, 0);
	loop_destroy(seen.loop);
	free(timers);
}

/* The heap as a whole against the plain truth: cancel all but some, in random order. */
static void
random_cancels(void)
{
	static struct loop_timer timers[500];

	srandom(11);
	for (int round = 0; round < 20; round++) {
		unsigned int left = 500;

		setup();
		memset(timers, 0, sizeof(timers));
		for (int i = 0; i < 500; i++) {
			timers[i].on_timer = on_count;
			loop_timer_set(seen.loop, &timers[i], (uint64_t)random() % 10);
		}
		for (int i = 0; i < 400; i++) {
			struct loop_timer *timer = &timers[random() % 500];

			left -= loop_timer_is_set(timer);
			loop_timer_cancel(seen.loop, timer);
		}
		run_for(12);
		CU_ASSERT_EQUAL(seen.runs, left);
		CU_ASSERT_EQUAL(seen.out_of_order, 0);
		loop_destroy(seen.loop);
	}
}

static void
on_again(struct loop_timer *timer, uint64_t now_ms)
{
	on_count(timer, now_ms);
	loop_timer_set(seen.loop, timer, 0);
}

/* Neither starves the other timers nor descriptors. */
static void
timer_that_sets_itself(void)
{
	struct loop_timer again = { .on_timer = on_again };

	setup();
	loop_timer_set(seen.loop, &again, 0);
	run_for(20);
	CU_ASSERT_TRUE(seen.runs > 1);
	CU_ASSERT_TRUE(loop_timer_is_set(&again));
	loop_destroy(seen.loop);
	CU_ASSERT_FALSE(loop_timer_is_set(&again)); /* forgotten with the loop */
}

static void
far_timers(void)
{
	struct loop_timer never = { .on_timer = on_count };
	struct loop_timer months = { .on_timer = on_count };

	setup();
	CU_ASSERT_EQUAL(loop_timer_set(seen.loop, &never, UINT64_MAX), 0);
	CU_ASSERT_EQUAL(loop_timer_set(seen.loop, &months, 100ull * 24 * 3600 * 1000), 0);
	loop_timer_cancel(seen.loop, &deadline);
	run_for(5);
	CU_ASSERT_EQUAL(seen.runs, 0);
	loop_destroy(seen.loop);
}

static struct {
	struct loop_timer first;
	struct loop_timer second;
} mates;

static void
on_cancel_mate(struct loop_timer *timer, uint64_t now_ms)
{
	on_count(timer, now_ms);
	loop_timer_cancel(seen.loop, timer == &mates.first ? &mates.second : &mates.first);
}

static void
cancel_from_a_timer(void)
{
	setup();
	mates.first = mates.second = (struct loop_timer){ .on_timer = on_cancel_mate };
	loop_timer_set(seen.loop, &mates.first, 1);
	loop_timer_set(seen.loop, &mates.second, 1);
	run_for(5);
	CU_ASSERT_EQUAL(seen.runs, 1);
	loop_destroy(seen.loop);
}

/* Socket pairs whose watches are on the heap, so that a stale event is a use after free. */
struct pair {
	struct loop_watch watch;
	int far;
};

static struct pair *pairs[PAIRS];

static struct pair *
pair_open(void (*on_event)(struct loop_watch *, uint32_t), uint32_t events)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	pair->watch.on_event = on_event;
	pair->far = fds[1];
	CU_ASSERT_EQUAL(loop_watch(seen.loop, &pair->watch, fds[0], events), 0);
	return pair;
}

static void
pair_close(struct pair *pair)
{
	int fd = pair->watch.fd;

	loop_unwatch(seen.loop, &pair->watch);
	CU_ASSERT_EQUAL(pair->watch.fd, -1);
	loop_unwatch(seen.loop, &pair->watch); /* once more does nothing */
	close(fd);
	close(pair->far);
	free(pair);
}

static void
on_read(struct loop_watch *watch, uint32_t events)
{
	char byte;

	seen.runs++;
	seen.last_events = events;
	if (read(watch->fd, &byte, 1) <= 0)
		loop_stop(seen.loop);
}

static void
events_arrive(void)
{
	struct pair *pair;

	setup();
	pair = pair_open(on_read, EPOLLIN);
	run_for(5);
	CU_ASSERT_EQUAL(seen.runs, 0);
	CU_ASSERT_EQUAL(write(pair->far, "abc", 3), 3);
	run_for(5);
	CU_ASSERT_EQUAL(seen.runs, 3);
	CU_ASSERT_EQUAL(seen.last_events, EPOLLIN);
	shutdown(pair->far, SHUT_RDWR);
	CU_ASSERT_EQUAL(loop_run(seen.loop), 0); /* on_read() stops it at the end of file */
	CU_ASSERT_TRUE(seen.last_events & EPOLLHUP);
	pair_close(pair);
	loop_destroy(seen.loop);
}

/* Nothing asked for, and yet a hang-up is told. */
static void
hangup_without_asking(void)
{
	struct pair *pair;

	setup();
	pair = pair_open(on_read, 0);
	shutdown(pair->far, SHUT_RDWR);
	CU_ASSERT_EQUAL(loop_run(seen.loop), 0);
	CU_ASSERT_EQUAL(seen.last_events, EPOLLHUP);
	pair_close(pair);
	loop_destroy(seen.loop);
}

static void
on_writable(struct loop_watch *watch, uint32_t events)
{
	seen.runs++;
	seen.last_events = events;
	CU_ASSERT_EQUAL(loop_watch_events(seen.loop, watch, EPOLLIN), 0);
	CU_ASSERT_EQUAL(loop_watch_events(seen.loop, watch, EPOLLIN), 0);
}

static void
events_change(void)
{
	struct pair *pair;

	setup();
	pair = pair_open(on_writable, EPOLLOUT);
	run_for(5);
	CU_ASSERT_EQUAL(seen.runs, 1);
	CU_ASSERT_EQUAL(seen.last_events, EPOLLOUT);
	pair_close(pair);
	loop_destroy(seen.loop);
}

/* The first to run closes all, itself included: no other may run. */
static void
on_close_all(struct loop_watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	seen.runs++;
	for (int i = 0; i < PAIRS; i++)
		pair_close(pairs[i]);
	loop_stop(seen.loop);
}

static void
close_all_from_a_callback(void)
{
	setup();
	for (int i = 0; i < PAIRS; i++) {
		pairs[i] = pair_open(on_close_all, EPOLLIN);
		CU_ASSERT_EQUAL(write(pairs[i]->far, "x", 1), 1);
	}
	CU_ASSERT_EQUAL(loop_run(seen.loop), 0);
	CU_ASSERT_EQUAL(seen.runs, 1);
	loop_destroy(seen.loop);
}

/* The same, but new watches, likely at the same addresses and numbers, take their places. */
static void
on_never(struct loop_watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	CU_FAIL("an event of a watch that is gone");
}

static void
on_replace_all(struct loop_watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	seen.runs++;
	for (int i = 0; i < PAIRS; i++)
		pair_close(pairs[i]);
	for (int i = 0; i < PAIRS; i++)
		pairs[i] = pair_open(on_never, EPOLLIN);
}

static void
replaced_from_a_callback(void)
{
	setup();
	for (int i = 0; i < PAIRS; i++) {
		pairs[i] = pair_open(on_replace_all, EPOLLIN);
		CU_ASSERT_EQUAL(write(pairs[i]->far, "x", 1), 1);
	}
	run_for(10);
	CU_ASSERT_EQUAL(seen.runs, 1);
	for (int i = 0; i < PAIRS; i++)
		pair_close(pairs[i]);
	loop_destroy(seen.loop);
}

static void
on_mute_others(struct loop_watch *watch, uint32_t events)
{
	(void)events;
	seen.runs++;
	for (int i = 0; i < PAIRS; i++)
		loop_watch_events(seen.loop, &pairs[i]->watch, 0);
	(void)watch;
}

static void
muted_from_a_callback(void)
{
	setup();
	for (int i = 0; i < PAIRS; i++) {
		pairs[i] = pair_open(on_mute_others, EPOLLIN);
		CU_ASSERT_EQUAL(write(pairs[i]->far, "x", 1), 1);
	}
	run_for(10);
	CU_ASSERT_EQUAL(seen.runs, 1);
	for (int i = 0; i < PAIRS; i++)
		pair_close(pairs[i]);
	loop_destroy(seen.loop);
}

/* A descriptor and a timer are ready together: the descriptor's answer comes first. */
static void
on_timer_after(struct loop_timer *timer, uint64_t now_ms)
{
	(void)timer;
	(void)now_ms;
	CU_ASSERT_EQUAL(seen.runs, 1);
	loop_stop(seen.loop);
}

static void
descriptors_before_timers(void)
{
	struct loop_timer timer = { .on_timer = on_timer_after };
	struct pair *pair;

	setup();
	pair = pair_open(on_read, EPOLLIN);
	CU_ASSERT_EQUAL(write(pair->far, "x", 1), 1);
	loop_timer_set(seen.loop, &timer, 0);
	CU_ASSERT_EQUAL(loop_run(seen.loop), 0);
	pair_close(pair);
	loop_destroy(seen.loop);
}

static void
on_busy(struct loop_timer *timer, uint64_t now_ms)
{
	uint64_t end_ms = clock_ms() + 120;

	(void)timer;
	(void)now_ms;
	while (clock_ms() < end_ms)
		;
}

/* What had to wait for a busy turn was late, and the turn was long; no clock is waited for. */
static void
lag_is_measured(void)
{
	struct loop_timer busy = { .on_timer = on_busy }, waits = { .on_timer = on_count };
	struct lag_sum late_ms, took_us;

	setup();
	loop_lag(seen.loop, 0, &late_ms, &took_us);
	CU_ASSERT_EQUAL(late_ms.count + took_us.count, 0);
	loop_timer_set(seen.loop, &busy, 5);
	loop_timer_set(seen.loop, &waits, 60);
	run_for(70);
	CU_ASSERT_EQUAL(seen.runs, 1);
	for (uint64_t ms = 0; ms <= 10000; ms += 5000) {
		loop_lag(seen.loop, ms, &late_ms, &took_us);
		CU_ASSERT_EQUAL(late_ms.count, 3); /* busy, waits, run_for()'s own */
		CU_ASSERT_TRUE(late_ms.max >= 50);
		CU_ASSERT_TRUE(took_us.max >= 115000);
		CU_ASSERT_TRUE(took_us.count >= 2);
	}
	loop_destroy(seen.loop);
}

static struct pair *nudged;
static unsigned int runs_at_read;

static void
on_nudge(struct loop_timer *timer, uint64_t now_ms)
{
	(void)timer;
	(void)now_ms;
	if (seen.runs++ == 0)
		CU_ASSERT_EQUAL(write(nudged->far, "x", 1), 1);
}

static void
on_nudged(struct loop_watch *watch, uint32_t events)
{
	char byte;

	(void)events;
	runs_at_read = seen.runs;
	CU_ASSERT_EQUAL(read(watch->fd, &byte, 1), 1);
}

/* What becomes ready while many timers are due, as after a pause, does not wait for all of them. */
static void
turns_are_short(void)
{
	struct loop_timer *timers = calloc(TIMERS, sizeof(*timers));

	setup();
	nudged = pair_open(on_nudged, EPOLLIN);
	for (int i = 0; i < TIMERS; i++) {
		timers[i].on_timer = on_nudge;
		loop_timer_set(seen.loop, &timers[i], 0);
	}
	run_for(1);
	CU_ASSERT_EQUAL(seen.runs, TIMERS);
	CU_ASSERT_TRUE(runs_at_read > 0);
	CU_ASSERT_TRUE(runs_at_read <= 1000);
	pair_close(nudged);
	loop_destroy(seen.loop);
	free(timers);
}

/* A descriptor that is closed without a word to epoll brings no more events, nor does its number.
 */
static void
forgotten(void)
{
	struct pair *pair;
	int fd;

	setup();
	pair = pair_open(on_never, EPOLLIN);
	CU_ASSERT_EQUAL(write(pair->far, "x", 1), 1);
	fd = pair->watch.fd;
	loop_forget(seen.loop, &pair->watch);
	CU_ASSERT_EQUAL(pair->watch.fd, -1);
	loop_forget(seen.loop, &pair->watch);
	close(fd);
	close(pair->far);
	free(pair);
	pair = pair_open(on_read, EPOLLIN);
	CU_ASSERT_EQUAL(write(pair->far, "x", 1), 1);
	run_for(5);
	CU_ASSERT_EQUAL(seen.runs, 1);
	pair_close(pair);
	loop_destroy(seen.loop);
}

static void
errors(void)
{
	struct loop_watch watch = { .fd = -1, .on_event = on_never };

	setup();
	CU_ASSERT_EQUAL(loop_watch(seen.loop, &watch, 999999, EPOLLIN), -EBADF);
	CU_ASSERT_EQUAL(watch.fd, -1);
	loop_unwatch(seen.loop, &watch);
	loop_destroy(seen.loop);
	loop_destroy(NULL);
}

static const struct unit_test tests[] = {
	{ "thousands of timers run in order, none early", thousands_of_timers },
	{ "random cancels leave the heap whole", random_cancels },
	{ "a timer that sets itself to 0 starves nobody", timer_that_sets_itself },
	{ "timers months away and for ever", far_timers },
	{ "a timer cancels another that is due", cancel_from_a_timer },
	{ "events arrive, hang-up included", events_arrive },
	{ "hang-up comes without being asked for", hangup_without_asking },
	{ "the events asked for change", events_change },
	{ "a callback closes all watches", close_all_from_a_callback },
	{ "a callback replaces all watches", replaced_from_a_callback },
	{ "a callback mutes all watches", muted_from_a_callback },
	{ "descriptors come before timers", descriptors_before_timers },
	{ "lag is measured", lag_is_measured },
	{ "turns are short", turns_are_short },
	{ "a watch is forgotten", forgotten },
	{ "bad descriptors and double calls", errors },
};

UNIT_MAIN("loop", tests)
