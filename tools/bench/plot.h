/* SPDX-License-Identifier: BSD-3-Clause */
/* The ratios as a picture: an SVG with a bar for each scenario, and what is aimed at. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "measure.h"

/* 0 or -errno, said on standard error. */
int plot_write(const char *path, const struct measurement *measurements, size_t count);

#endif
