/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "measure.h"

#define OPTIONS_MAX_SCENARIOS 256

struct options {
	bool quick;
	bool json;
	bool all_json;
	bool verify_only;
	const char *only; /* NULL: all */
	const char *plot; /* NULL: none */
	struct measure_settings measure;
	size_t count; /* of scenarios chosen one by one; 0: a set */
	struct scenario scenarios[OPTIONS_MAX_SCENARIOS];
};

/* Returns -1 to go on, or the exit code. */
int options_parse(int argc, char **argv, struct options *options);

#endif
