/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters' memory (shunt/stats.h): made here, written by the workers, sent to every session.
 */
#ifndef DATAPLANE_STATS_H
#define DATAPLANE_STATS_H

#include "shunt/session.h"
#include "shunt/stats.h"

/*
 * Makes the memory for a number of workers, sealed so that nobody else can map it for writing.
 * *fd is the caller's to close. NULL with errno set.
 */
struct shunt_stats *stats_create(uint32_t workers, int *fd);
void stats_destroy(struct shunt_stats *stats);

#endif
