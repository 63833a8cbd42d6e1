/* SPDX-License-Identifier: BSD-3-Clause */
/* One request to shunt-control and its answer (shunt/api.h), with a deadline. */
#ifndef SHUNTCTL_CLIENT_H
#define SHUNTCTL_CLIENT_H

#include <jansson.h>
#include <stddef.h>

/* Longer than shunt-control takes at most for a change (SHUNT_API_CHANGE_TIMEOUT_MS). */
#define CLIENT_TIMEOUT_MS 10000
/* The greatest configuration's `show stat` fits several times. */
#define CLIENT_MAX_ANSWER (256u << 20)

/*
 * Sends the request to the control process of a run directory. Returns its answer, an object that
 * is the caller's to release; or NULL, and what is wrong in `error`.
 */
json_t *client_ask(const char *run_dir, const json_t *request, unsigned int timeout_ms, char *error,
	size_t error_size);

#endif
