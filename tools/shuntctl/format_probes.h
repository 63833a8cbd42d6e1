/* SPDX-License-Identifier: BSD-3-Clause */
/* What `show probes` looks like to people, and the lines of `show info` about the event loop. */
#ifndef SHUNTCTL_FORMAT_PROBES_H
#define SHUNTCTL_FORMAT_PROBES_H

#include <jansson.h>
#include <stdio.h>

#include "table.h"

/* 0 or -ENOMEM. */
int format_probes(const json_t *data, FILE *out);

/* Rows of a table of two columns; what is absent is left out. */
void format_loop(struct table *table, const json_t *loop);

#endif
