/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the packet core gets its memory: hugepages in shunt-dataplane (mem_dpdk.c), the C library
 * in tests and tools (mem_libc.c), chosen at link time. Never called per packet.
 */
#ifndef DATAPLANE_MEM_H
#define DATAPLANE_MEM_H

#include <stddef.h>

#define MEM_ANY_NODE (-1)

/*
 * Zeroed memory on a 64-byte border, on the node that mem_set_node() has named if there is room,
 * else on any. NULL: none left.
 */
void *mem_alloc(size_t bytes);
void mem_free(void *memory);

/*
 * Where the memory from now on is to be: near the CPU that is going to use it (MEM_ANY_NODE: near
 * the one that asks). Agent only, as all that allocates.
 */
void mem_set_node(int node);

#endif
