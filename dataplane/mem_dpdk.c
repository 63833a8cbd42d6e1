/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>

#include <rte_malloc.h>
#include <rte_memory.h>

#include "mem.h"

static int wanted_node = MEM_ANY_NODE;

static_assert(MEM_ANY_NODE == SOCKET_ID_ANY, "DPDK's own");

void
mem_set_node(int node)
{
	wanted_node = node;
}

void *
mem_alloc(size_t bytes)
{
	size_t wanted = bytes ? bytes : 1;
	void *memory = rte_zmalloc_socket(NULL, wanted, RTE_CACHE_LINE_SIZE, wanted_node);

	/* Memory far away is slow, none at all is worse. */
	if (!memory && wanted_node != MEM_ANY_NODE)
		memory = rte_zmalloc_socket(NULL, wanted, RTE_CACHE_LINE_SIZE, SOCKET_ID_ANY);
	return memory;
}

void
mem_free(void *memory)
{
	rte_free(memory);
}
