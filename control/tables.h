/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backends as image objects: who may take new flows, with the selection table and the round-robin
 * schedule. What was made for a backend is kept, and made anew only if its members have changed;
 * the table of all its servers, up or not, from which the others follow (maglev.h), is shared by
 * all backends that have the same servers.
 */
#ifndef CONTROL_TABLES_H
#define CONTROL_TABLES_H

#include <stddef.h>

#include "shunt/table.h"

struct backend; /* state.h */
struct tables;

struct tables *tables_create(void); /* NULL: out of memory */
void tables_destroy(struct tables *tables);

/* Around the calls for all backends: what was not asked for in between is forgotten. */
void tables_begin(struct tables *tables);
void tables_end(struct tables *tables);

/*
 * The object of a backend; it and its servers have their ids. *bytes is valid until tables_end().
 * 0 or -ENOMEM.
 */
int tables_backend(
	struct tables *tables, const struct backend *backend, const void **bytes, size_t *length);

uint64_t tables_bytes(const struct tables *tables); /* of memory, for all that is kept */

#endif
