/* SPDX-License-Identifier: BSD-3-Clause */
/* Hugepages for the time of a run: without them the figures would be those of TLB misses. */
#ifndef BENCH_HUGEPAGES_H
#define BENCH_HUGEPAGES_H

#include <stdint.h>

struct hugepages {
	unsigned long before; /* pages there were; given back to by hugepages_release() */
	unsigned long during;
};

/* Makes sure that so many megabytes of 2 MB pages are free. 0 or -errno, said on standard error. */
int hugepages_reserve(struct hugepages *hugepages, uint32_t megabytes);
void hugepages_release(const struct hugepages *hugepages);

#endif
