/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of a port that are about its kernel twin. A part of settings.c. */
#ifndef DATAPLANE_SETTINGS_TWIN_H
#define DATAPLANE_SETTINGS_TWIN_H

#include "jsonfile.h"
#include "settings.h"

/* at: the port, of which name, interface and device are read. */
void settings_read_twin(struct json_at at, struct settings_port *port);
/* No two ports may have one kernel interface. at: the port of this index. */
void settings_check_twin(struct json_at at, const struct settings *settings, size_t index);
/* Whether the kernel can have an interface of this name; of at most 15 characters. */
bool settings_is_interface_name(const char *text);

#endif
