/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What shunt-control evaluates of ACLs: time of day, weekday, and how many servers or sessions
 * there are. Workers get it as bits.
 */
#ifndef CONTROL_CONDITIONS_H
#define CONTROL_CONDITIONS_H

#include <time.h>

#include "shunt/stats.h"
#include "config.h"

struct control;

/*
 * Fills in a bit for each ACL that has one. now: local time. stats: NULL if nobody counts sessions;
 * then there are none.
 */
void conditions_evaluate(const struct control *control, const struct tm *now,
	const struct shunt_stats *stats, struct shunt_truth *truth);

#endif
