/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers that a reload has removed while clients are still connected to them. Such a server takes
 * no new connections, is not probed and takes no commands but `shutdown sessions`, and it stays in
 * the image, with its id and an up-to-date next hop, until its last session has ended; `show
 * servers` has it as "removed" till then. A reload that brings it back (the same backend, name,
 * address and port) finds its connections alive.
 *
 * It stays as long as its backend does: when a frontend is given another backend, or is removed,
 * the dataplane cannot tell its replies from other packets any more, and its connections end.
 *
 * In the image it is a server that no table names. So a restarted control process knows it again
 * without any mark: it is what runs and the file does not have.
 */
#ifndef CONTROL_REMOVED_H
#define CONTROL_REMOVED_H

#include <stdbool.h>
#include <stdint.h>

struct backend;
struct control;
struct server;
struct server_config;
struct shunt_server;
struct shunt_stats;

/* The removed server of this identity, or NULL. backend may be NULL. */
struct server *removed_find(const struct backend *backend, const struct server_config *config);

/*
 * The first removed server of this name, "backend/server", or the one behind `after`; NULL: none,
 * or no more. Several may have one name, with different addresses.
 */
struct server *
removed_next(const struct control *control, const char *path, const struct server *after);

/* A new server is this one come back: it gets its id and, until it is probed, its health. */
void removed_take_back(struct server *server, const struct server *removed);

/* Room for all that may be carried over from `old` (may be NULL). 0 or -ENOMEM. */
int removed_reserve(struct backend *backend, const struct backend *old);

/*
 * Moves what the old model has and the new one has not, removed ones included, to the new one's
 * backends. Cannot fail, once room is reserved. More than there are ids for are let go, those with
 * the fewest sessions first.
 */
void removed_carry(struct control *control, struct control *next);
void removed_destroy(struct backend *backend);

/* A server that runs and the file does not have. What cannot be kept is left out. */
void removed_adopt(struct control *control, const char *backend, uint32_t id,
	const struct shunt_server *image);

/*
 * Counts sessions, and lets those go that have had none for a while. NULL: nobody counts. True:
 * some have gone, so that the image is another one.
 */
bool removed_sweep(struct control *control, const struct shunt_stats *stats, uint64_t now_ms);

/* removed_watch.c: sweeps every second from now on. 0 or -ENOMEM. */
int removed_watch(struct control *control);

#endif
