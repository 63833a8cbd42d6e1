/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers that track another one (HAProxy's word) are not probed: their health is that of the
 * server where the tracking ends, and they are in drain or maint while one that they track is.
 */
#ifndef CONTROL_TRACKERS_H
#define CONTROL_TRACKERS_H

#include <stddef.h>

struct control;
struct server;

/* Of a state just built: finds who tracks whom. Trackers have their health from here on. */
void trackers_link(struct control *control);

/* After a restart's adoption: health as it was found. */
void trackers_adopted(struct control *control);

/*
 * Health or admin state of a server has changed: so do those that track it, which is logged, noted
 * and published.
 */
void trackers_changed(struct control *control, struct server *server);

/* "BACKEND/SERVER" */
void trackers_path(const struct server *server, char *out, size_t size);

#endif
