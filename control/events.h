/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last changes of servers' states, for `show events`: of this process. Reloads keep them, a
 * restart begins anew, and what it adopts is no change.
 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#include "shunt/limits.h"
#include "check.h"

#define EVENTS_MAX 256

struct control;
struct server;

struct event {
	uint64_t wall_ms; /* since 1970 */
	char backend[SHUNT_NAME_SIZE];
	char server[SHUNT_NAME_SIZE];
	const char *from; /* names of states, as `show servers` has them; or "none" */
	const char *to;
	char why[CHECK_TEXT_SIZE + 64];
};

struct events {
	struct event ring[EVENTS_MAX];
	uint64_t count; /* ever: the next goes to count % EVENTS_MAX */
};

/* The server's state was `from` and is what it is now; nothing if that is the same. */
void
events_add(struct events *events, const struct server *server, const char *from, const char *why);

/* What a reload changes: `next` has the backends that are to come, `control` those that were. */
void events_reload(struct control *control, const struct control *next);

/* The last ones, at most `count`, the newest last. NULL: out of memory. */
json_t *events_show(const struct events *events, size_t count);

#endif
