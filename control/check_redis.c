/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Redis, by its protocol (RESP): PING, behind AUTH if there is a password. Both are said at once;
 * the answers come in that order, one line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define REPLY_SIZE 97

char *
check_redis_request(const struct check_talk *talk, const char *host, size_t *length)
{
	static const char ping[] = "*1\r\n$4\r\nPING\r\n";
	char *request;
	int n;

	(void)host;
	/* With lengths, so that a password may hold anything. */
	if (talk->password && talk->user)
		n = asprintf(&request, "*3\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n%s",
			strlen(talk->user), talk->user, strlen(talk->password), talk->password,
			ping);
	else if (talk->password)
		n = asprintf(&request, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n%s",
			strlen(talk->password), talk->password, ping);
	else
		n = asprintf(&request, "%s", ping);
	if (n < 0)
		return NULL;
	*length = (size_t)n;
	return request;
}

static bool
begins(const char *line, size_t length, const char *word)
{
	return length >= strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

/* An error that a server gives while it loads, waits for its master, or has too much to do. */
static bool
passes(const char *line, size_t length)
{
	static const char *const words[] = { "-LOADING", "-MASTERDOWN", "-BUSY ",
		"-ERR max number of clients" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (begins(line, length, words[i]))
			return true;
	}
	return false;
}

static bool
refused(const char *line, size_t length, const char *command, struct check_report *report)
{
	char text[REPLY_SIZE];

	check_excerpt(line + 1, length - 1, text, sizeof(text));
	report->status = CHECK_L7STS;
	report->soft = passes(line, length);
	snprintf(report->text, sizeof(report->text), "%s: %s", command, text);
	return true;
}

bool
check_redis_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	const char *line = answer->bytes, *end = answer->bytes + answer->length, *stop;
	bool login = talk->password != NULL;

	/* Of each command; the last is PING's. */
	for (;; login = false, line = stop + 1) {
		size_t left = (size_t)(end - line);

		if (left > 0 && *line != '+' && *line != '-')
			return check_foreign("a Redis server's", answer, report);
		stop = left ? memchr(line, '\n', left) : NULL;
		if (!stop)
			return answer->ended ? check_foreign("a Redis server's", answer, report)
					     : false;
		if (*line == '-')
			return refused(
				line, (size_t)(stop - line), login ? "AUTH" : "PING", report);
		if (!begins(line, left, login ? "+OK\r\n" : "+PONG\r\n"))
			return check_foreign("a Redis server's", answer, report);
		if (!login)
			break;
	}
	report->status = CHECK_L7OK;
	return true;
}
