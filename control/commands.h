/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Carries out the requests of the control API (shunt/api.h) on the state. What the commands are
 * called and take stands in shunt/api.h, so that shuntctl prints its help from the same table.
 */
#ifndef CONTROL_COMMANDS_H
#define CONTROL_COMMANDS_H

#include <jansson.h>

#include "lookup.h"
#include "loop.h"
#include "publish.h"

struct control;

enum command_waiting {
	COMMAND_WAITS_NOT,
	COMMAND_WAITS_CHANGE, /* for the workers to acknowledge */
	COMMAND_WAITS_FLOW,   /* for the dataplane to look a flow, or client networks, up */
	COMMAND_WAITS_TURN,   /* for another request's flow to be looked up first */
};

/* A request under way; embed it, zeroed but for the first two. */
struct command_request {
	struct control *control;
	/*
	 * Takes the answer over (NULL: out of memory). Called once, before command_start() returns
	 * or later from the loop. It must not free the request.
	 */
	void (*done)(struct command_request *request, json_t *answer);

	enum command_waiting waiting;
	struct publish_waiter waiter;
	struct loop_timer timer;
	uint64_t deadline_ms;
	struct lookup lookup;
	uint32_t rows; /* not 0: of client networks; else the lookup is what is asked */
};

/* The object is the caller's to release. */
void command_start(struct command_request *request, json_t *object);

/* done() will not be called. What the command has changed stays changed. */
void command_cancel(struct command_request *request);

/* {"ok": false, "error": ...}; NULL: out of memory. */
json_t *command_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
