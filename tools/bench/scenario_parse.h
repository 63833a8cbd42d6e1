/* SPDX-License-Identifier: BSD-3-Clause */
/* Scenarios by name, as --scenario has them. */
#ifndef BENCH_SCENARIO_PARSE_H
#define BENCH_SCENARIO_PARSE_H

#include "scenario.h"

/*
 * "mode=nat,flows=64k,...": what is not named is as in scenario_base(). 0 or -EINVAL, said on
 * standard error.
 */
int scenario_parse(const char *text, struct scenario *scenario);

/* Lines for people: each word and its values. */
const char *scenario_words(void);

#endif
