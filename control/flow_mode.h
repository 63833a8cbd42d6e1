/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which flows the dataplane does not store, and so does not count: those of frontends with
 * "flow-mode": "stateless". All here reads the model alone, and goes through all of its services.
 */
#ifndef CONTROL_FLOW_MODE_H
#define CONTROL_FLOW_MODE_H

#include <stdint.h>

struct backend;
struct control;

enum flow_mode {
	FLOW_MODE_STATEFUL,
	FLOW_MODE_STATELESS,
	FLOW_MODE_MIXED, /* some services that lead to it are of the one kind, some of the other */
};

enum flow_mode flow_mode_of(const struct control *control, const struct backend *backend);
const char *flow_mode_name(enum flow_mode mode);

/* How long a stateless flow to the backend may be silent and still live; 0: there are none. */
uint32_t flow_mode_silence_ms(const struct control *control, const struct backend *backend);

#endif
