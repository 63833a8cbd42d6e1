/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_GAP 2

struct table {
	size_t columns;
	size_t count; /* cells */
	size_t room;
	char **cells;
	size_t *widths;
	bool *right;
	bool failed;
};

struct table *
table_create(size_t columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->widths = calloc(columns, sizeof(*table->widths));
	table->right = calloc(columns, sizeof(*table->right));
	if (!table->widths || !table->right) {
		table_destroy(table);
		return NULL;
	}
	return table;
}

void
table_destroy(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->widths);
	free(table->right);
	free(table);
}

void
table_align_right(struct table *table, size_t column)
{
	table->right[column] = true;
}

/*
 * Control characters could move the cursor or worse: C0, DEL, and C1, which UTF-8 writes as
 * 0xc2 0x80..0x9f.
 */
static void
make_safe(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
			c[0] = c[1] = '?';
	}
}

/* Characters, not bytes: what follows a UTF-8 lead byte takes no room. */
static size_t
text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

void
table_cell(struct table *table, const char *text)
{
	size_t column = table->count % table->columns;
	char *copy = strdup(text);
	char **cells;
	size_t width;

	if (copy && table->count == table->room) {
		size_t room = table->room ? table->room * 2 : 64;

		cells = reallocarray(table->cells, room, sizeof(*cells));
		if (cells) {
			table->cells = cells;
			table->room = room;
		}
	}
	if (!copy || table->count == table->room) {
		free(copy);
		table->failed = true;
		return;
	}
	make_safe(copy);
	width = text_width(copy);
	if (width > table->widths[column])
		table->widths[column] = width;
	table->cells[table->count++] = copy;
}

static void
print_spaces(size_t count, FILE *out)
{
	while (count--)
		fputc(' ', out);
}

int
table_print(const struct table *table, unsigned int indent, FILE *out)
{
	size_t pending = 0; /* spaces held back, so that no line ends in them */

	if (table->failed)
		return -ENOMEM;
	for (size_t i = 0; i < table->count; i++) {
		const char *cell = table->cells[i];
		size_t column = i % table->columns;
		size_t padding = table->widths[column] - text_width(cell);

		if (column == 0)
			pending = indent;
		if (table->right[column])
			pending += padding;
		if (*cell) {
			print_spaces(pending, out);
			fputs(cell, out);
			pending = 0;
		}
		pending += COLUMN_GAP + (table->right[column] ? 0 : padding);
		if (column + 1 == table->columns)
			fputc('\n', out);
	}
	return 0;
}

void
print_safe(const char *text, FILE *out)
{
	char *copy = strdup(text);

	if (!copy)
		return;
	make_safe(copy);
	fputs(copy, out);
	free(copy);
}
