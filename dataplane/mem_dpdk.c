/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_malloc.h>

#include "mem.h"

void *
mem_alloc(size_t bytes)
{
	return rte_zmalloc_socket(NULL, bytes ? bytes : 1, RTE_CACHE_LINE_SIZE, SOCKET_ID_ANY);
}

void
mem_free(void *memory)
{
	rte_free(memory);
}
