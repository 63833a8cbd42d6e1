/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table for people: a header line, aligned columns, nothing else. Cells are filled from left to
 * right, row by row. Text from outside is made harmless for a terminal.
 */
#ifndef SHUNTCTL_TABLE_H
#define SHUNTCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

struct table *table_create(size_t columns); /* NULL: out of memory */
void table_destroy(struct table *table);

/* Numbers stand to the right, header included. */
void table_align_right(struct table *table, size_t column);

/* A cell that could not be kept for want of memory makes table_print() fail. */
void table_cell(struct table *table, const char *text);

/* Indents each line by as many spaces. 0 or -ENOMEM. */
int table_print(const struct table *table, unsigned int indent, FILE *out);

/* Writes text with control characters shown as '?'. */
void print_safe(const char *text, FILE *out);

#endif
