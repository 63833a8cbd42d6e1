/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Schedules for weighted round robin: a sequence in which every server stands as often as its
 * weight says, as evenly spread as can be.
 */
#ifndef CONTROL_ROUNDROBIN_H
#define CONTROL_ROUNDROBIN_H

#include <stddef.h>

#include "shunt/types.h"

/*
 * Makes the schedule of `count` servers (below SHUNT_MAX_SERVERS) with weights 1..SHUNT_MAX_WEIGHT:
 * *length indices into weights, sum of weights / their greatest common divisor. If that were more
 * than SHUNT_MAX_SCHEDULE the weights are scaled down, none below 1. *schedule is the caller's to
 * free(); NULL, with length 0, for no servers. 0 or -ENOMEM.
 */
int roundrobin_build(const uint32_t *weights, size_t count, uint16_t **schedule, uint32_t *length);

#endif
