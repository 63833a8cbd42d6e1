/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PostgreSQL's protocol 3.0 (its manual: "Message Formats"), up to what a server that takes
 * connections says first: how a client is to prove who it is. The probe does not: it says FIN, of
 * which the server makes no line in its log. A Terminate in place of a password would make one.
 *
 * Whether the server is read-only it says to those only who are let in, before it is ready for
 * queries ("Asynchronous Operations"): "writable" is for users who need no password. The Terminate
 * is said at once then, and read behind all that. Leaving by FIN would make no line either, but the
 * server would count the session as abandoned (pg_stat_database).
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

enum {
	NOT_REPORTED,
	REPORTED_OFF,
	REPORTED_ON
};

/* What a server has said of itself so far; of a parameter that comes twice the last counts. */
struct session {
	bool open; /* AuthenticationOk has come */
	uint8_t in_hot_standby;
	uint8_t default_read_only;
};

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
	static const char terminate[] = { 'X', 0, 0, 0, 4 };
	size_t size = 8 + sizeof(user) + strlen(talk->user) + 1 + 1;
	char *request, *out;

	(void)host;
	if (talk->database)
		size += sizeof(database) + strlen(talk->database) + 1;
	request = malloc(size + sizeof(terminate));
	if (!request)
		return NULL;
	put_be32(request, (uint32_t)size);
	put_be32(request + 4, PROTOCOL);
	out = put_text(put_text(request + 8, user), talk->user);
	if (talk->database)
		out = put_text(put_text(out, database), talk->database);
	*out = '\0';
	*length = size;
	if (talk->writable) {
		memcpy(request + size, terminate, sizeof(terminate));
		*length += sizeof(terminate);
	}
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
judge_error(const struct check_talk *talk, const char *fields, const char *end,
	const struct check_answer *answer, struct check_report *report)
{
	/* Starting, stopping or recovering; more connections than it takes. */
	static const char *const soft[] = { "57P03", "53300", NULL };
	/* It knows neither us nor our database, which only a server that is up can tell. */
	static const char *const good[] = { "28000", "28P01", "3D000", NULL };
	const char *state = field_of(fields, end, 'C'), *message = field_of(fields, end, 'M');
	char text[MESSAGE_SIZE] = "no message";

	if (!state || !is_sqlstate(state))
		return check_foreign("a PostgreSQL server's", answer, report);
	if (!talk->writable && one_of(state, good)) {
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

static bool
says_no(struct check_report *report, const char *why)
{
	report->status = CHECK_L7STS;
	snprintf(report->text, sizeof(report->text), "%s", why);
	return true;
}

/* A ParameterStatus: a name and a value, each with its zero. */
static bool
take_parameter(struct session *session, const char *body, const char *end)
{
	const char *value = memchr(body, '\0', (size_t)(end - body));
	uint8_t *out = NULL;

	if (!value || ++value == end || memchr(value, '\0', (size_t)(end - value)) != end - 1)
		return false;
	if (strcmp(body, "in_hot_standby") == 0)
		out = &session->in_hot_standby;
	else if (strcmp(body, "default_transaction_read_only") == 0)
		out = &session->default_read_only;
	if (!out)
		return true;
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return false;
	*out = value[1] == 'n' ? REPORTED_ON : REPORTED_OFF;
	return true;
}

static bool
judge_session(const struct session *session, struct check_report *report)
{
	if (session->in_hot_standby == REPORTED_ON)
		return says_no(report, "read-only: in_hot_standby is on");
	if (session->default_read_only == REPORTED_ON)
		return says_no(report, "read-only: default_transaction_read_only is on");
	if (!session->in_hot_standby || !session->default_read_only)
		return says_no(report,
			"does not say if it is read-only: \"writable\" needs PostgreSQL 14 or "
			"later");
	report->status = CHECK_L7OK;
	return true;
}

/* A message that is there whole. False: it decides nothing. */
static bool
judge_message(const struct check_talk *talk, struct session *session, const char *message,
	const char *end, const struct check_answer *answer, struct check_report *report)
{
	static const char closed[] = "wants a password: \"writable\" needs a user that is let in "
				     "without one (trust)";
	const char *body = message + HEADER;
	size_t length = (size_t)(end - body);

	switch (*message) {
	case 'E':
		return judge_error(talk, body, end, answer, report);
	case 'R':
		if (length >= AUTHENTICATION - 4 && get_be32(body) != 0)
			return says_no(report, closed);
		if (length != AUTHENTICATION - 4)
			break;
		session->open = true;
		return false;
	case 'S':
		if (!take_parameter(session, body, end))
			break;
		return false;
	case 'Z':
		if (length != 1 || *body != 'I')
			break;
		return judge_session(session, report);
	default: /* a notice, or the key to cancel queries with */
		return false;
	}
	return check_foreign("a PostgreSQL server's", answer, report);
}

/* All that a server says to whom it lets in, up to ReadyForQuery. */
static bool
judge_writable(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	const char *bytes = answer->bytes, *end = bytes + answer->length;
	struct session session = { 0 };
	uint32_t length;

	for (; bytes < end; bytes += 1 + length) {
		if (!*bytes || !strchr(session.open ? "SKNEZ" : "RE", *bytes))
			return check_foreign("a PostgreSQL server's", answer, report);
		if (end - bytes < HEADER)
			break;
		length = get_be32(bytes + 1);
		if (length < 4 || length > CHECK_ANSWER_MAX - 1)
			return check_foreign("a PostgreSQL server's", answer, report);
		if ((size_t)(end - bytes) < length + 1)
			break;
		if (judge_message(talk, &session, bytes, bytes + 1 + length, answer, report))
			return true;
	}
	return answer->ended ? check_foreign("a PostgreSQL server's", answer, report) : false;
}

/* What it says first. */
static bool
judge_login(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	const char *bytes = answer->bytes, *end = bytes + answer->length;
	uint32_t length;
	bool known = false;

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
			return judge_error(
				talk, bytes + HEADER, bytes + 1 + length, answer, report);
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

bool
check_postgres_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	return talk->writable ? judge_writable(talk, answer, report)
			      : judge_login(talk, answer, report);
}
