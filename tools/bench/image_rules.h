/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of a scenario, one row for all services: each drops what comes from a network of clients to
 * a port that no service has, and the last one lets all clients in. The networks divide the
 * clients' addresses, so that each new flow is looked for among them, finds one or two rules that
 * do not hold and the last one, which does.
 */
#ifndef BENCH_IMAGE_RULES_H
#define BENCH_IMAGE_RULES_H

#include "objects.h"
#include "scenario.h"

/* 0 or -errno. */
int image_put_rules(struct object_store *objects, const struct scenario *scenario);

#endif
