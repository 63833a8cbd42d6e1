/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data of the show commands as JSON, read from the state and from the counters' memory;
 * workers are never interrupted. Names of fields are a contract with users' scripts. Counters are
 * zero while there is no dataplane. Each returns a new reference; NULL: out of memory.
 */
#ifndef CONTROL_SHOW_H
#define CONTROL_SHOW_H

#include <jansson.h>

struct control;
struct shunt_source_row; /* shunt/session.h */

json_t *show_info(const struct control *control);
json_t *show_stat(const struct control *control);
json_t *show_servers(const struct control *control);
json_t *show_drops(const struct control *control);
json_t *show_workers(const struct control *control);
/* show_sources.c: rows that the dataplane has told. */
json_t *
show_sources(const struct control *control, const struct shunt_source_row *rows, size_t count);
/* show_probes.c */
json_t *show_probes(const struct control *control);
/* How late timers ran, in ms, and how long turns of the loop took, in us. */
json_t *show_loop(const struct control *control);
/* Every rule of every frontend, in order. */
json_t *show_rules(const struct control *control);

#endif
