/* SPDX-License-Identifier: BSD-3-Clause */
/* Results as a table for people, as JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "change.h"
#include "lookups.h"
#include "verify.h"

void report_head(void);
void report_measurement(const struct measurement *m);
void report_verify(const struct scenario *scenario, const struct verify_result *result);
void report_lookups(const struct lookups *l, bool first);
void report_change(const struct change *c);

/* All as one array, to standard output. 0 or -errno. */
int report_json(const struct measurement *measurements, size_t count);
/* That array and the rest as an object. */
int report_all_json(const struct measurement *measurements, size_t count,
	const struct lookups *lookups, size_t lookup_count, const struct change *change);

#endif
