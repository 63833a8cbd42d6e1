/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.x answers (RFC 9112): of the head the status counts, and whether the body is chunked. A
 * server that is asked once and with "Connection: close" ends its body with the connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "check.h"

#define VERSION	    "HTTP/1."
#define STATUS_AT   (sizeof(VERSION) + 1) /* behind a digit and a space */
#define STATUS_ENDS (STATUS_AT + 3)
#define EXCERPT	    41

char *
check_http_request(const struct check_talk *talk, const char *host, size_t *length)
{
	char *request;
	int n = asprintf(&request,
		"%s %s HTTP/%s\r\nHost: %s\r\nUser-Agent: shunt\r\n%sConnection: close\r\n\r\n",
		talk->method, talk->path, talk->version, talk->host ? talk->host : host,
		talk->headers ? talk->headers : "");

	if (n < 0)
		return NULL;
	*length = (size_t)n;
	return request;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
no_http(const struct check_answer *answer, struct check_report *report)
{
	char text[EXCERPT];

	check_excerpt(answer->bytes, answer->length, text, sizeof(text));
	report->status = CHECK_L7RSP;
	if (answer->length == 0)
		snprintf(report->text, sizeof(report->text), "the connection ended without answer");
	else
		snprintf(report->text, sizeof(report->text), "not an HTTP/1 answer: \"%s\"", text);
	return true;
}

/* The status; 0: not all of it is there yet; -1: it is not HTTP. */
static int
status_of(const char *bytes, size_t length)
{
	size_t seen = length < strlen(VERSION) ? length : strlen(VERSION);

	if (memcmp(bytes, VERSION, seen) != 0)
		return -1;
	if (length < STATUS_ENDS + 1)
		return 0;
	bytes += STATUS_AT - 2;
	if (!is_digit(bytes[0]) || bytes[1] != ' ' || !is_digit(bytes[2]) || !is_digit(bytes[3]) ||
		!is_digit(bytes[4]) || !memchr(" \r\n", bytes[5], 3) || bytes[2] < '1')
		return -1;
	return (bytes[2] - '0') * 100 + (bytes[3] - '0') * 10 + (bytes[4] - '0');
}

static bool
is_among(const struct check_statuses *statuses, unsigned int count, int status)
{
	for (unsigned int i = 0; i < count; i++) {
		if (status >= statuses[i].first && status <= statuses[i].last)
			return true;
	}
	return false;
}

static void
say_status(const struct check_talk *talk, int status, struct check_report *report)
{
	size_t used =
		(size_t)snprintf(report->text, sizeof(report->text), "HTTP %d, expected ", status);

	for (unsigned int i = 0; i < talk->status_count && used < sizeof(report->text); i++) {
		const struct check_statuses *s = &talk->statuses[i];

		used += (size_t)snprintf(report->text + used, sizeof(report->text) - used,
			s->first == s->last ? "%s%u" : "%s%u-%u", i ? ", " : "", s->first, s->last);
	}
	report->status = CHECK_L7STS;
}

/* Behind the empty line; NULL: there is none yet. Lines may end without CR (RFC 9112, 2.2). */
static const char *
body_of(const char *bytes, size_t length)
{
	const char *end = bytes + length, *line = bytes;

	while ((line = memchr(line, '\n', (size_t)(end - line)))) {
		line++;
		if (end - line >= 1 && line[0] == '\n')
			return line + 1;
		if (end - line >= 2 && line[0] == '\r' && line[1] == '\n')
			return line + 2;
	}
	return NULL;
}

static bool
is_chunked(const char *head, const char *body)
{
	static const char name[] = "transfer-encoding:";
	static const char chunked[] = "chunked";
	const char *line = head;

	while (line < body && (line = memchr(line, '\n', (size_t)(body - line)))) {
		const char *end;

		line++;
		end = memchr(line, '\n', (size_t)(body - line));
		if (!end || (size_t)(end - line) < sizeof(name) - 1 ||
			strncasecmp(line, name, sizeof(name) - 1) != 0)
			continue;
		for (const char *c = line + sizeof(name) - 1; c + sizeof(chunked) - 1 <= end; c++) {
			if (strncasecmp(c, chunked, sizeof(chunked) - 1) == 0)
				return true;
		}
	}
	return false;
}

/* A chunk's size in hexadecimal digits, as far as it can matter; -1: no digit. */
static long
chunk_size(const char *line, const char *end)
{
	long size = -1;

	for (; line < end; line++) {
		const char *digits = "0123456789abcdef", *d;

		d = *line ? strchr(digits, *line | 0x20) : NULL;
		if (!d || (*line < '0' || (*line > '9' && *line < 'A')))
			break;
		size = (size < 0 ? 0 : size) * 16 + (d - digits);
		if (size > CHECK_ANSWER_MAX)
			return CHECK_ANSWER_MAX;
	}
	return size;
}

/* Takes the chunks' frames out (RFC 9112, 7.1), up to what is not one. Returns the bytes. */
static size_t
dechunk(const char *bytes, size_t length, char *out)
{
	const char *end = bytes + length, *line_end;
	size_t used = 0;
	long size;

	while ((line_end = memchr(bytes, '\n', (size_t)(end - bytes))) &&
		(size = chunk_size(bytes, line_end)) > 0) {
		bytes = line_end + 1;
		if (size > end - bytes)
			size = end - bytes;
		memcpy(out + used, bytes, (size_t)size);
		used += (size_t)size;
		bytes += size;
		if (bytes < end && *bytes == '\r')
			bytes++;
		if (bytes < end && *bytes == '\n')
			bytes++;
	}
	return used;
}

static bool
judge_body(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	const char *body = body_of(answer->bytes, answer->length);
	char whole[CHECK_ANSWER_MAX];
	size_t length;

	if (!body)
		return answer->ended ? no_http(answer, report) : false;
	length = (size_t)(answer->bytes + answer->length - body);
	if (is_chunked(answer->bytes, body)) {
		length = dechunk(body, length, whole);
		body = whole;
	}
	if (check_matches(talk, body, length)) {
		report->status = CHECK_L7OK;
		return true;
	}
	if (!answer->ended)
		return false;
	check_mismatch(talk, body, length, report);
	return true;
}

/* Interim answers (RFC 9110, 15.2) precede the one that counts, unless they are what is wanted. */
static bool
is_interim(const struct check_talk *talk, int status)
{
	return status >= 100 && status <= 199 && status != 101 &&
		!is_among(talk->statuses, talk->status_count, status);
}

bool
check_http_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	struct check_answer rest = *answer;
	const char *next;
	int status;

	while (is_interim(talk, status = status_of(rest.bytes, rest.length)) &&
		(next = body_of(rest.bytes, rest.length))) {
		rest.length -= (size_t)(next - rest.bytes);
		rest.bytes = next;
	}
	if (status < 0 || (status == 0 && rest.ended))
		return no_http(&rest, report);
	if (status == 0 || (is_interim(talk, status) && !rest.ended))
		return false;
	report->code = (uint16_t)status;
	if (!is_among(talk->statuses, talk->status_count, status)) {
		say_status(talk, status, report);
		report->soft = is_among(talk->soft_statuses, talk->soft_count, status);
		return true;
	}
	if (talk->expect || talk->regex)
		return judge_body(talk, &rest, report);
	report->status = CHECK_L7OK;
	return true;
}
