/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "mem.h"

void *
mem_alloc(size_t bytes)
{
	size_t rounded = (bytes + 63) & ~(size_t)63;
	void *memory = rounded < bytes ? NULL : aligned_alloc(64, rounded ? rounded : 64);

	return memory ? memset(memory, 0, rounded) : NULL;
}

void
mem_free(void *memory)
{
	free(memory);
}

void
mem_set_node(int node)
{
	(void)node;
}
