/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which servers of a backend take new flows: its own ones that are up, in an emergency those that
 * are down too (`panic-threshold`), or, if too few are left (`quorum`), the backup ones.
 */
#ifndef CONTROL_POOL_H
#define CONTROL_POOL_H

#include "state.h"

/* Is it up by its probes (or not probed), and not taken out by anybody? Panic is no reason. */
bool pool_is_up(const struct server *server);

/* Is it the last of the backend's own servers that is up and has a weight? Panic is no reason. */
bool pool_is_last(const struct server *server);

/*
 * Finds out anew what follows from the servers' states, and logs what has changed. True: servers
 * mean something else to the dataplane than before, though their own states are the same.
 */
bool pool_update(struct backend *backend);

/* Does this server take new flows? After pool_update(). */
bool pool_takes(const struct backend *backend, const struct server *server);

/* Do the backend's flows go to backup servers? Then to no other. After pool_update(). */
bool pool_is_backup(const struct backend *backend);

#endif
