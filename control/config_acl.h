/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by config_acl.c and config_conditions.c; nobody else needs it. */
#ifndef CONTROL_CONFIG_ACL_H
#define CONTROL_CONFIG_ACL_H

#include "config_read.h"

/*
 * One value, or an array of them: calls read() for each, with room in a new array of elements.
 * Returns the array, and how many there are; NULL: none, or an error.
 */
void *config_read_values(struct json_at at, size_t max, size_t element_bytes, uint16_t *count,
	bool (*read)(struct json_at at, void *out));
/* The same for values of one byte, which are put together. */
uint8_t config_read_bits(struct json_at at, size_t max, bool (*read)(struct json_at at, void *out));

/*
 * Digits, with the pattern's other characters between them; without a pattern, "8000-8099": digits
 * around one dash. What sscanf() takes is more than that.
 */
bool config_looks_like(const char *text, const char *pattern);

/* config_conditions.c: what control evaluates of an ACL; gives it a number if there is anything. */
void config_read_conditions(struct json_at at, struct config *config, struct acl_config *acl);

#endif
