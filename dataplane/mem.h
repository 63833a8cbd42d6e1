/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the packet core gets its memory: hugepages in shunt-dataplane (mem_dpdk.c), the C library
 * in tests and tools (mem_libc.c), chosen at link time. Never called per packet.
 */
#ifndef DATAPLANE_MEM_H
#define DATAPLANE_MEM_H

#include <stddef.h>

/* Zeroed memory on a 64-byte border, on the calling core's memory node if there is room. NULL: none
 * left. */
void *mem_alloc(size_t bytes);
void mem_free(void *memory);

#endif
