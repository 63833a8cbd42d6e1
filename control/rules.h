/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules on their way into the image (shunt/rules.h): made once of a configuration, and then shared
 * by every image, since there may be many. Rules are known by what they say: one that a reload
 * leaves as it was keeps the counter of its hits, also over a restart of this process.
 */
#ifndef CONTROL_RULES_H
#define CONTROL_RULES_H

#include "shunt/stats.h"
#include "image.h"
#include "config.h"

struct control;

/* The row of a frontend's rules, from 1; 0: it has none. */
uint32_t rules_row(const struct config *config, size_t frontend);

/*
 * Puts the rules of control->config and what they need, but for the truth, into the image. Ids of
 * backends must have been given. 0, -ENOMEM.
 */
int rules_put(struct control *control, struct image *image);
/* Puts what holds now of the conditions that are evaluated here; if there are none, nothing. */
int rules_put_truth(struct control *control, struct image *image);
/* Would that be something else than what was put last? */
bool rules_truth_has_changed(const struct control *control);
/* What was put last. */
const struct shunt_truth *rules_truth(const struct control *control);

/* A piece of rules that a running dataplane has: counters are those of the same rules here. */
int rules_adopt(struct control *control, const struct shunt_rules *piece);
/* Another dataplane than before: its counters begin at zero. */
void rules_restart(struct control *control);

/* Flows that a rule has decided; number: counted over all frontends. */
uint64_t rules_hits(const struct control *control, size_t number, const struct shunt_stats *stats);

void rules_destroy(struct control *control);

/*
 * rules_watch.c: looks ten times a second whether conditions hold still, and publishes it if not.
 * 0, -ENOMEM.
 */
int rules_watch(struct control *control);

#endif
