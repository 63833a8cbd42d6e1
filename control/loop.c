/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A turn of the loop: wait for descriptors no longer than until the first timer, run what they
 * brought, then the timers that are due. Descriptors come first, so that an answer that arrived in
 * time counts even if this process was stopped for a while and its timeout has passed as well. A
 * turn runs at most LOOP_BATCH of either, so that after a pause neither waits long for the other.
 *
 * How late timers ran and how long turns took is kept, by the two looks at the clock that a turn
 * takes anyway. A timer's lateness is that of the turn it ran in; what came before it in the turn
 * is the turn's length.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

#define LOG_SUBSYSTEM "loop"
#include "shunt/log.h"

#define LOOP_BATCH	256
#define LOOP_LATE_MS	100   /* later or longer than this is logged, */
#define LOOP_LOG_MS	10000 /* so often at most */
#define LOOP_FIRST_ROOM 64

struct loop {
	int epoll_fd;
	bool stopped;
	uint64_t now_ms;
	/* What epoll_wait() returned; [event_next, event_count) is still to be run. */
	struct epoll_event events[LOOP_BATCH];
	int event_next;
	int event_count;
	/* Binary heap by at_ms, from index 1 on: index 0 in a timer means "not set". */
	struct loop_timer **heap;
	uint32_t timer_count;
	uint32_t room;	  /* heap[0 .. room-1] exists */
	uint64_t turn_us; /* CLOCK_MONOTONIC at the turn's start, and at the end of the last one */
	uint64_t end_us;
	struct lag late_ms; /* of timers */
	struct lag took_us; /* turns */
	struct {
		uint64_t at_ms;	  /* 0: never yet */
		uint64_t late_ms; /* the most since then */
		uint64_t took_ms;
	} logged;
};

static uint64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

struct loop *
loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int error;

	if (!loop)
		return NULL;
	loop->heap = calloc(LOOP_FIRST_ROOM, sizeof(*loop->heap));
	loop->room = LOOP_FIRST_ROOM;
	loop->epoll_fd = loop->heap ? epoll_create1(EPOLL_CLOEXEC) : -1;
	if (loop->epoll_fd < 0) {
		error = loop->heap ? errno : ENOMEM;
		free(loop->heap);
		free(loop);
		errno = error;
		return NULL;
	}
	loop->now_ms = clock_ms();
	return loop;
}

void
loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	for (uint32_t i = 1; i <= loop->timer_count; i++)
		loop->heap[i]->heap_index = 0;
	close(loop->epoll_fd);
	free(loop->heap);
	free(loop);
}

int
loop_watch(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	watch->fd = fd;
	watch->events = events;
	return 0;
}

int
loop_watch_events(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (watch->events == events)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
		return -errno;
	watch->events = events;
	return 0;
}

void
loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	loop_forget(loop, watch);
}

void
loop_forget(struct loop *loop, struct loop_watch *watch)
{
	watch->fd = -1;
	/* Events of this turn that were not run yet may name a watch that is freed right after. */
	for (int i = loop->event_next; i < loop->event_count; i++) {
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
	}
}

/* Puts a timer at a place of the heap. */
static void
heap_place(struct loop *loop, uint32_t index, struct loop_timer *timer)
{
	loop->heap[index] = timer;
	timer->heap_index = index;
}

static void
heap_up(struct loop *loop, uint32_t index)
{
	struct loop_timer *timer = loop->heap[index];

	for (; index > 1 && loop->heap[index / 2]->at_ms > timer->at_ms; index /= 2)
		heap_place(loop, index, loop->heap[index / 2]);
	heap_place(loop, index, timer);
}

static void
heap_down(struct loop *loop, uint32_t index)
{
	struct loop_timer *timer = loop->heap[index];
	uint32_t child;

	while ((child = index * 2) <= loop->timer_count) {
		if (child < loop->timer_count &&
			loop->heap[child + 1]->at_ms < loop->heap[child]->at_ms)
			child++;
		if (loop->heap[child]->at_ms >= timer->at_ms)
			break;
		heap_place(loop, index, loop->heap[child]);
		index = child;
	}
	heap_place(loop, index, timer);
}

int
loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
	/* From the clock, not from the turn's start: a long turn must not shorten a timeout. */
	uint64_t now_ms = clock_ms();
	struct loop_timer **heap;

	if (timer->heap_index == 0) {
		if (loop->timer_count + 1 == loop->room) {
			heap = reallocarray(loop->heap, (size_t)loop->room * 2, sizeof(*heap));
			if (!heap)
				return -ENOMEM;
			loop->heap = heap;
			loop->room *= 2;
		}
		heap_place(loop, ++loop->timer_count, timer);
	}
	timer->at_ms = delay_ms < UINT64_MAX - now_ms ? now_ms + delay_ms : UINT64_MAX;
	heap_up(loop, timer->heap_index);
	heap_down(loop, timer->heap_index);
	return 0;
}

void
loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	uint32_t index = timer->heap_index;
	struct loop_timer *last;

	if (index == 0)
		return;
	timer->heap_index = 0;
	last = loop->heap[loop->timer_count--];
	if (last == timer)
		return;
	heap_place(loop, index, last);
	heap_up(loop, index);
	heap_down(loop, last->heap_index);
}

uint64_t
loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
}

/* For epoll_wait(): until the first timer, -1 if there is none. */
static int
wait_ms(const struct loop *loop)
{
	uint64_t now_ms = loop->end_us / 1000;
	uint64_t at_ms;

	if (loop->timer_count == 0)
		return -1;
	at_ms = loop->heap[1]->at_ms;
	if (at_ms <= now_ms)
		return 0;
	return at_ms - now_ms < INT_MAX ? (int)(at_ms - now_ms) : INT_MAX;
}

static void
run_events(struct loop *loop)
{
	struct loop_watch *watch;
	uint32_t events;

	while (loop->event_next < loop->event_count && !loop->stopped) {
		watch = loop->events[loop->event_next].data.ptr;
		events = loop->events[loop->event_next].events;
		loop->event_next++;
		if (!watch)
			continue;
		/* What was asked for may have changed earlier in this turn. */
		events &= watch->events | EPOLLERR | EPOLLHUP;
		if (events)
			watch->on_event(watch, events);
	}
	loop->event_next = loop->event_count = 0;
}

/*
 * The turn's clock stands still here while timers are set from the running clock, so a timer that
 * sets itself to zero again cannot hold the loop for more than a millisecond.
 */
static void
run_timers(struct loop *loop)
{
	struct loop_timer *timer;
	uint64_t late_ms;

	for (int i = 0; i < LOOP_BATCH && loop->timer_count > 0 && !loop->stopped; i++) {
		timer = loop->heap[1];
		if (timer->at_ms > loop->now_ms)
			break;
		loop_timer_cancel(loop, timer);
		late_ms = loop->now_ms - timer->at_ms;
		lag_note(&loop->late_ms, loop->now_ms, late_ms);
		if (late_ms > loop->logged.late_ms)
			loop->logged.late_ms = late_ms;
		timer->on_timer(timer, loop->now_ms);
	}
}

static void
log_lag(struct loop *loop)
{
	bool busy = loop->logged.took_ms * 2 >= loop->logged.late_ms;

	log_warn("late: a timer ran %lu ms after its time, the longest turn took %lu ms: %s; what "
		 "probes found is known later, and their times are told too long",
		(unsigned long)loop->logged.late_ms, (unsigned long)loop->logged.took_ms,
		busy ? "there was much to do at once, or this process got no processor meanwhile"
		     : "this process got no processor, or was stopped");
}

/* The turn is over: how long it took, and a word if it, or a timer in it, was late. */
static void
end_turn(struct loop *loop)
{
	uint64_t took_ms, now_ms;

	loop->end_us = clock_us();
	lag_note(&loop->took_us, loop->now_ms, loop->end_us - loop->turn_us);
	took_ms = (loop->end_us - loop->turn_us) / 1000;
	now_ms = loop->end_us / 1000;
	if (took_ms > loop->logged.took_ms)
		loop->logged.took_ms = took_ms;
	if (loop->logged.took_ms < LOOP_LATE_MS && loop->logged.late_ms < LOOP_LATE_MS)
		return;
	if (loop->logged.at_ms && now_ms - loop->logged.at_ms < LOOP_LOG_MS)
		return;
	log_lag(loop);
	loop->logged.at_ms = now_ms;
	loop->logged.took_ms = loop->logged.late_ms = 0;
}

void
loop_lag(const struct loop *loop, uint64_t ms, struct lag_sum *late_ms, struct lag_sum *took_us)
{
	*late_ms = lag_over(&loop->late_ms, loop->now_ms, ms);
	*took_us = lag_over(&loop->took_us, loop->now_ms, ms);
}

int
loop_run(struct loop *loop)
{
	int count;

	loop->stopped = false;
	loop->end_us = clock_us();
	while (!loop->stopped) {
		count = epoll_wait(loop->epoll_fd, loop->events, LOOP_BATCH, wait_ms(loop));
		if (count < 0 && errno != EINTR)
			return -errno;
		loop->event_next = 0;
		loop->event_count = count > 0 ? count : 0;
		loop->turn_us = clock_us();
		loop->now_ms = loop->turn_us / 1000;
		run_events(loop);
		run_timers(loop);
		end_turn(loop);
	}
	return 0;
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
