/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HAProxy's agent protocol (its configuration manual, "agent-check"): the server says one line of
 * words, separated by blanks, tabs or commas, in any order. What is not said stays as it is, and
 * words that mean nothing are passed over as long as there is one that does.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define LINE_MAX_BYTES 1024
#define SEPARATORS     " \t,"
#define PERCENT_MAX    25600 /* of a weight of 1 */

static const struct {
	const char *word;
	uint16_t means;
} words[] = {
	{ "ready", CHECK_AGENT_READY },
	{ "drain", CHECK_AGENT_DRAIN },
	{ "maint", CHECK_AGENT_MAINT },
	{ "up", CHECK_AGENT_UP },
	{ "down", CHECK_AGENT_DOWN },
	{ "failed", CHECK_AGENT_DOWN },
	{ "stopped", CHECK_AGENT_DOWN },
};

/* Digits and nothing else up to `end`: false if it is none, or more than `max`. */
static bool
read_number(const char *text, const char *end, uint32_t max, uint32_t *out)
{
	uint64_t value = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > max)
			return false;
	}
	*out = (uint32_t)value;
	return true;
}

static void
take_word(const char *word, size_t length, struct check_agent *agent)
{
	static const char maxconn[] = "maxconn:";
	size_t prefix = sizeof(maxconn) - 1;
	uint32_t number;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(word, words[i].word) == 0)
			agent->words |= words[i].means;
	}
	if (word[length - 1] == '%' && read_number(word, word + length - 1, PERCENT_MAX, &number)) {
		agent->words |= CHECK_AGENT_WEIGHT;
		agent->percent = (uint16_t)number;
	} else if (strncasecmp(word, maxconn, prefix) == 0 &&
		read_number(word + prefix, word + length, UINT32_MAX, &number)) {
		agent->words |= CHECK_AGENT_MAXCONN;
		agent->maxconn = number;
	}
}

/* Behind a '#' stands why, for people. */
static void
say(const char *line, const char *why, struct check_report *report)
{
	char text[CHECK_TEXT_SIZE - 16];

	check_excerpt(why ? why : line, strlen(why ? why : line), text, sizeof(text));
	snprintf(report->text, sizeof(report->text), "%s%s", why ? "" : "it says ", text);
}

bool
check_agent_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	char line[LINE_MAX_BYTES + 1], copy[sizeof(line)];
	size_t length = 0;
	char *why, *next = NULL;

	(void)talk;
	while (length < answer->length && length < LINE_MAX_BYTES &&
		answer->bytes[length] != '\r' && answer->bytes[length] != '\n')
		length++;
	if (length == answer->length && !answer->ended)
		return false;
	memcpy(line, answer->bytes, length);
	line[length] = '\0';
	length = strlen(line); /* a NUL ends it, too */
	why = strchr(line, '#');
	if (why)
		*why++ = '\0';
	while (why && isspace((unsigned char)*why))
		why++;
	memcpy(copy, line, strlen(line) + 1);
	report->agent = (struct check_agent){ 0 };
	for (char *word = strtok_r(copy, SEPARATORS, &next); word;
		word = strtok_r(NULL, SEPARATORS, &next))
		take_word(word, strlen(word), &report->agent);
	if (!report->agent.words)
		return check_foreign("an agent's", answer, report);
	report->status = report->agent.words & CHECK_AGENT_DOWN ? CHECK_L7STS : CHECK_L7OK;
	say(line, why && *why ? why : NULL, report);
	return true;
}
