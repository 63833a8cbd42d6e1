/* SPDX-License-Identifier: BSD-3-Clause */
/* The pieces of ACLs and rules (shunt/rules.h), as objects.c's part for these kinds. Agent. */
#ifndef DATAPLANE_OBJECTS_RULES_H
#define DATAPLANE_OBJECTS_RULES_H

#include <stddef.h>

#include "shunt/table.h"

static inline bool
objects_rules_is(uint32_t kind)
{
	return kind >= SHUNT_KIND_PREFIXES && kind <= SHUNT_KIND_TRUTH;
}

/* NULL: a piece of this kind may have this length. Else why not; static. */
const char *objects_rules_check_length(uint32_t kind, uint64_t length);

/*
 * NULL: the piece is good, as far as it can be told without the others: acl_create() sees to those.
 * Else why not; static.
 */
const char *objects_rules_check(uint32_t kind, const void *bytes, size_t length);

#endif
