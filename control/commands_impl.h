/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands.c and command_ask.c share; nobody else needs it. */
#ifndef CONTROL_COMMANDS_IMPL_H
#define CONTROL_COMMANDS_IMPL_H

#include "commands.h"

/* The answer, taken over; NULL: out of memory. */
void command_finish(struct command_request *request, json_t *answer);
/* The same around its data; with counters in it, a warning if nobody counts. */
void command_finish_data(struct command_request *request, json_t *data);
void command_finish_counters(struct command_request *request, json_t *data);
/* The first of the errors, which is about the arguments. */
void command_finish_refused(struct command_request *request, const struct json_errors *errors);

/* command_ask.c */
void command_lookup(struct command_request *request, struct json_at args);
void command_show_top_sources(struct command_request *request, struct json_at args);

#endif
