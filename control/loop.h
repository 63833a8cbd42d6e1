/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop of shunt-control: one thread, epoll, a heap of timers on CLOCK_MONOTONIC. All
 * callbacks run in loop_run(). A watch or timer may be closed from any callback, its own included.
 */
#ifndef CONTROL_LOOP_H
#define CONTROL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lag.h"

struct loop;

/*
 * A watched descriptor; embed it in what it belongs to. events: EPOLLIN, EPOLLOUT; with EPOLLET
 * they are told when they come about, and not again while they last.
 */
struct loop_watch {
	int fd; /* -1: not watched */
	uint32_t events;
	void (*on_event)(struct loop_watch *watch, uint32_t events);
};

/* A one-shot timer; embed it, zeroed. */
struct loop_timer {
	uint64_t at_ms;
	uint32_t heap_index; /* 0: not set */
	void (*on_timer)(struct loop_timer *timer, uint64_t now_ms);
};

#define loop_container(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct loop *loop_create(void);
void loop_destroy(struct loop *loop);

/* 0 or -errno. The watch's fd stays the caller's to close, after loop_unwatch(). */
int loop_watch(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events);
int loop_watch_events(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_unwatch(struct loop *loop, struct loop_watch *watch);
/*
 * The same without a system call, for a descriptor that has no copies and is closed right after:
 * with that the kernel watches it no longer. Does nothing if it is not watched.
 */
void loop_forget(struct loop *loop, struct loop_watch *watch);

/* Sets (or sets anew) a timer to run after delay_ms. 0 or -ENOMEM. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);
static inline bool
loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->heap_index != 0;
}

uint64_t loop_now_ms(const struct loop *loop); /* CLOCK_MONOTONIC at the turn's start */

/*
 * How late timers ran, and how long turns took, over the last `ms` (1 to 10,000; 0: since the
 * start). That is how long everything here had to wait: see lag.h.
 */
void
loop_lag(const struct loop *loop, uint64_t ms, struct lag_sum *late_ms, struct lag_sum *took_us);

/* Runs until loop_stop(). 0 or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
