/* SPDX-License-Identifier: BSD-3-Clause */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/*
 * A pattern may need time that grows without bounds with what a server says: it gets some
 * milliseconds, and what has not matched then does not match. PCRE2's own limit counts anew at each
 * byte where a match could begin, which leaves "a.*[xy]" more than a second; so the steps are
 * counted here too, at the callouts that PCRE2 sets before each item of a pattern.
 */
#define MATCH_LIMIT 100000
#define HEAP_LIMIT  1024 /* KiB */
#define STEPS_MAX   200000

#define EXCERPT_SIZE 41

struct check_regex {
	char *pattern;
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	unsigned int steps; /* of the search under way */
};

static int
on_step(pcre2_callout_block *block, void *data)
{
	struct check_regex *regex = data;

	(void)block;
	return ++regex->steps > STEPS_MAX ? PCRE2_ERROR_MATCHLIMIT : 0;
}

struct check_regex *
check_regex_create(const char *pattern, char *error, size_t size)
{
	struct check_regex *regex = calloc(1, sizeof(*regex));
	PCRE2_UCHAR message[128] = "out of memory";
	PCRE2_SIZE at = 0;
	int code = 0;

	if (regex) {
		regex->pattern = strdup(pattern);
		regex->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
			PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT, &code, &at,
			NULL);
		regex->context = pcre2_match_context_create(NULL);
	}
	if (regex && regex->code)
		regex->data = pcre2_match_data_create_from_pattern(regex->code, NULL);
	if (regex && regex->pattern && regex->data && regex->context) {
		pcre2_set_match_limit(regex->context, MATCH_LIMIT);
		pcre2_set_heap_limit(regex->context, HEAP_LIMIT);
		pcre2_set_callout(regex->context, on_step, regex);
		return regex;
	}
	if (regex && !regex->code)
		pcre2_get_error_message(code, message, sizeof(message) / sizeof(message[0]));
	snprintf(error, size, "%s (at character %zu)", (const char *)message, (size_t)at);
	check_regex_destroy(regex);
	return NULL;
}

void
check_regex_destroy(struct check_regex *regex)
{
	if (!regex)
		return;
	pcre2_match_data_free(regex->data);
	pcre2_match_context_free(regex->context);
	pcre2_code_free(regex->code);
	free(regex->pattern);
	free(regex);
}

const char *
check_regex_pattern(const struct check_regex *regex)
{
	return regex->pattern;
}

bool
check_matches(const struct check_talk *talk, const char *bytes, size_t length)
{
	struct check_regex *regex = talk->regex;

	if (talk->expect && !memmem(bytes, length, talk->expect, strlen(talk->expect)))
		return false;
	if (!regex)
		return true;
	regex->steps = 0;
	return pcre2_match(regex->code, (PCRE2_SPTR)bytes, length, 0, 0, regex->data,
		       regex->context) >= 0;
}

void
check_excerpt(const char *bytes, size_t length, char *out, size_t size)
{
	size_t n = length < size - 1 ? length : size - 1;

	/* A line's end at the end says nothing. */
	while (n > 0 && (bytes[n - 1] == '\r' || bytes[n - 1] == '\n'))
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.';
	out[n] = '\0';
}

bool
check_foreign(const char *kind, const struct check_answer *answer, struct check_report *report)
{
	char found[EXCERPT_SIZE];

	check_excerpt(answer->bytes, answer->length, found, sizeof(found));
	report->status = CHECK_L7RSP;
	if (answer->length == 0)
		snprintf(report->text, sizeof(report->text), "the connection ended without answer");
	else
		snprintf(report->text, sizeof(report->text), "not %s answer: \"%s\"", kind, found);
	return true;
}

void
check_mismatch(const struct check_talk *talk, const char *bytes, size_t length,
	struct check_report *report)
{
	char wanted[EXCERPT_SIZE], found[EXCERPT_SIZE];
	bool text_missing =
		talk->expect && !memmem(bytes, length, talk->expect, strlen(talk->expect));
	const char *expected = text_missing ? talk->expect : check_regex_pattern(talk->regex);

	check_excerpt(expected, strlen(expected), wanted, sizeof(wanted));
	check_excerpt(bytes, length, found, sizeof(found));
	report->status = CHECK_L7RSP;
	if (length == 0)
		snprintf(
			report->text, sizeof(report->text), "expected \"%s\", got nothing", wanted);
	else
		snprintf(report->text, sizeof(report->text), "expected \"%s\", got \"%s\"", wanted,
			found);
}

bool
check_expected(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	if (check_matches(talk, answer->bytes, answer->length)) {
		report->status = CHECK_L7OK;
		return true;
	}
	if (!answer->ended)
		return false;
	check_mismatch(talk, answer->bytes, answer->length, report);
	return true;
}
