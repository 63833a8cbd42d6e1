/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of what reads the configuration file: JSON written with ' for ", and all that a
 * reader complains of as one text to compare with.
 */
#ifndef TESTS_JSON_CASE_H
#define TESTS_JSON_CASE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonfile.h"
#include "unit.h"

/* What was complained of, one "$.path: message" a line; to be freed. */
static inline char *
case_complaints(const struct json_errors *errors)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	json_errors_print(errors, "f", out);
	fclose(out);
	return text;
}

/* A formatted text with ' turned into "; to be freed. */
static inline char *__attribute__((format(printf, 1, 2))) case_text(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	for (char *c = text; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	return text;
}

/* Every " becomes ': jansson quotes with ', this project with ", and here both are '. */
static inline void
case_quotes(char *text)
{
	for (; *text; text++) {
		if (*text == '"')
			*text = '\'';
	}
}

/* Compares the complaints with those expected, which are without "f: " and written with '. */
static inline void
case_expect(const struct json_errors *errors, const char *input, const char *expected)
{
	char *found = case_complaints(errors);
	const char *line = expected, *at = found;
	bool same = true;

	case_quotes(found);
	/* Line by line, so that the file's name need not be in every expectation. */
	while (same && *line && *at) {
		size_t length = strcspn(line, "\n"), found_length = strcspn(at, "\n");

		same = strncmp(at, "f: ", 3) == 0 && found_length == length + 3 &&
			strncmp(at + 3, line, length) == 0;
		line += length + (line[length] == '\n');
		at += found_length + (at[found_length] == '\n');
	}
	same = same && !*line && !*at;
	CU_ASSERT_TRUE(same);
	if (!same)
		fprintf(stderr, "\ninput: %.2000s\nexpected:\n%s\nfound:\n%s\n", input, expected,
			found);
	free(found);
}

#endif
