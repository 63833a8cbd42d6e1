/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PostgreSQL's protocol 3.0 (its manual: "Message Formats"), up to what a server that takes
 * connections says first: how a client is to prove who it is. The probe does not: it says FIN, of
 * which the server makes no line in its log. A Terminate in place of a password would make one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define PROTOCOL       196608u /* 3.0 */
#define HEADER	       5       /* a type, and the length of itself and what follows */
#define AUTHENTICATION 8       /* the least length of 'R' */
#define SQLSTATE       5
#define MESSAGE_SIZE   97

static uint32_t
get_be32(const char *bytes)
{
	const unsigned char *b = (const unsigned char *)bytes;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void
put_be32(char *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (char)(value >> (24 - 8 * i));
}

static char *
put_text(char *out, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(out, text, size);
	return out + size;
}

char *
check_postgres_request(const struct check_talk *talk, const char *host, size_t *length)
{
	static const char user[] = "user", database[] = "database";
	size_t size = 8 + sizeof(user) + strlen(talk->user) + 1 + 1;
	char *request, *out;

	(void)host;
	if (talk->database)
		size += sizeof(database) + strlen(talk->database) + 1;
	request = malloc(size);
	if (!request)
		return NULL;
	put_be32(request, (uint32_t)size);
	put_be32(request + 4, PROTOCOL);
	out = put_text(put_text(request + 8, user), talk->user);
	if (talk->database)
		out = put_text(put_text(out, database), talk->database);
	*out = '\0';
	*length = size;
	return request;
}

/* The field of an ErrorResponse; NULL: it has none such, or is not as it should be. */
static const char *
field_of(const char *fields, const char *end, char type)
{
	while (fields < end && *fields) {
		const char *stop = memchr(fields, '\0', (size_t)(end - fields));

		if (!stop)
			return NULL;
		if (*fields == type)
			return fields + 1;
		fields = stop + 1;
	}
	return NULL;
}

static bool
is_sqlstate(const char *text)
{
	return strlen(text) == SQLSTATE &&
		strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == SQLSTATE;
}

static bool
one_of(const char *state, const char *const *states)
{
	for (; *states; states++) {
		if (strcmp(state, *states) == 0)
			return true;
	}
	return false;
}

static bool
judge_error(const char *fields, const char *end, const struct check_answer *answer,
	struct check_report *report)
{
	/* Starting, stopping or recovering; more connections than it takes. */
	static const char *const soft[] = { "57P03", "53300", NULL };
	/* It knows neither us nor our database, which only a server that is up can tell. */
	static const char *const good[] = { "28000", "28P01", "3D000", NULL };
	const char *state = field_of(fields, end, 'C'), *message = field_of(fields, end, 'M');
	char text[MESSAGE_SIZE] = "no message";

	if (!state || !is_sqlstate(state))
		return check_foreign("a PostgreSQL server's", answer, report);
	if (one_of(state, good)) {
		report->status = CHECK_L7OK;
		return true;
	}
	if (message)
		check_excerpt(message, strlen(message), text, sizeof(text));
	report->status = CHECK_L7STS;
	report->soft = one_of(state, soft);
	snprintf(report->text, sizeof(report->text), "SQLSTATE %s: %s", state, text);
	return true;
}

bool
check_postgres_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	const char *bytes = answer->bytes, *end = bytes + answer->length;
	uint32_t length;
	bool known = false;

	(void)talk;
	/* Who may come in at once can still hear that there is no room: 'E' behind that 'R'. */
	while (end - bytes >= HEADER) {
		length = get_be32(bytes + 1);
		if (*bytes != 'R' && *bytes != 'E' && known)
			break;
		if ((*bytes != 'R' && *bytes != 'E') || length > CHECK_ANSWER_MAX - 1 ||
			length < (*bytes == 'R' ? AUTHENTICATION : 4))
			return check_foreign("a PostgreSQL server's", answer, report);
		if ((size_t)(end - bytes) < length + 1)
			return answer->ended
				? check_foreign("a PostgreSQL server's", answer, report)
				: false;
		if (*bytes == 'E')
			return judge_error(bytes + HEADER, bytes + 1 + length, answer, report);
		known = true;
		if (get_be32(bytes + HEADER) != 0)
			break;
		bytes += 1 + length;
	}
	if (end - bytes < HEADER && !answer->ended &&
		(bytes == end || *bytes == 'R' || *bytes == 'E'))
		return false;
	if (!known)
		return check_foreign("a PostgreSQL server's", answer, report);
	report->status = CHECK_L7OK;
	return true;
}
