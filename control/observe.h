/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passive observation (`observe`): what the dataplane counts of a server's new connections says
 * when it is to be probed at once, and at `fastinter` while that lasts. It is never a verdict.
 *
 * The counters are looked at once in a window. A window shows failure if at least `least` of the
 * new connections have failed, and at least `share` per cent of them. What was refused began in
 * this very window. What was not answered is known a second or more later, so it may belong to the
 * window before: where there is more of that, the larger window counts.
 *
 * Pure: counters and the clock, monotonic milliseconds, are passed in.
 */
#ifndef CONTROL_OBSERVE_H
#define CONTROL_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

/* An observation is over when so many windows in a row have shown no failure. */
#define OBSERVE_QUIET_WINDOWS 2

struct observe_config {
	uint8_t share; /* per cent; 0: nothing is observed */
	uint32_t within_ms;
	uint32_t least;
};

/* Where counters come from: what another process or another id has counted says nothing. */
struct observe_source {
	uint64_t started_ms; /* of the dataplane, wall clock */
	uint32_t pid;
	uint32_t id; /* the server's; 0: nobody counts */
};

/* Of all workers, since the source began. */
struct observe_counts {
	uint64_t begun; /* sessions */
	uint64_t unanswered;
	uint64_t refused;
};

struct observe {
	struct observe_source source;
	struct observe_counts last;
	uint64_t since_ms;     /* the window began */
	uint64_t begun_before; /* in the one before */
	bool failing;
	uint8_t quiet; /* windows since one has shown failure */
	/* Of the last window: */
	uint64_t failed;
	uint64_t among;
	uint32_t lasted_ms;
};

/*
 * How long until the window is over. Windows end at multiples of `within`, all servers' together,
 * so that a turn over all of them is made once for each; the first one is shorter.
 */
uint64_t
observe_due_ms(const struct observe *observe, const struct observe_config *config, uint64_t now_ms);

/*
 * Ends the window, whenever it is called, and begins the next one; after a change of the source, or
 * when a counter has gone back, all begins anew. True: it has shown failure, and `failing` begins.
 */
bool observe_look(struct observe *observe, const struct observe_config *config,
	const struct observe_source *source, const struct observe_counts *counts, uint64_t now_ms);

/* Nothing is known any more. */
void observe_forget(struct observe *observe, uint64_t now_ms);

struct control;
struct shunt_stats;

/*
 * observe_watch.c: looks at the servers whose window is over. stats: NULL: nobody counts now.
 * Returns how long until the next one is; 0: no server is observed.
 */
uint64_t observe_turn(struct control *control, const struct shunt_stats *stats, uint64_t now_ms);

/*
 * Begins to look, if a server has `observe`; that ends by itself when none has any
 * more. To be called when the configuration has changed. 0, -ENOMEM.
 */
int observe_watch(struct control *control);

#endif
