/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MySQL's and MariaDB's protocol ("Client/Server Protocol: Connection Phase"). The server speaks
 * first. With a user the probe logs in with an empty password and quits, since servers count who
 * leaves before that as an error and may block the host in the end. What it says then does not
 * depend on the greeting, because an empty password needs no scramble, so it is said at once; and
 * so is what the probe may ask behind it, whether the server is read-only.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "check.h"

#define HEADER	     4	/* length, little endian, 3 bytes; sequence number */
#define VERSION	     10 /* of the protocol, in the greeting */
#define OK	     0x00
#define SWITCH	     0xfe
#define EOF_PACKET   0xfe
#define EOF_LENGTH   5
#define ERR	     0xff
#define MESSAGE_SIZE 97
#define TEXT_MAX     250
#define COLUMN_TEXTS 6
#define COLUMN_FIXED 12 /* bytes, a number that stands before them */
#define VALUE_SIZE   32

/* LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH */
#define CAPABILITIES (1u | 1u << 9 | 1u << 15 | 1u << 19)
#define CHARSET_UTF8 33
#define PLUGIN	     "mysql_native_password"

/* The packets that a server says, in their order; those behind the login answer the query. */
enum step {
	GREETING,
	LOGIN,
	COLUMN_COUNT,
	COLUMN,
	COLUMNS_END,
	ROW,
	RESULT_END,
};

enum mysql_error {
	TOO_MANY_CONNECTIONS = 1040,
	TOO_MANY_USER_CONNECTIONS = 1203,
};

static void
put_le(char *out, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (char)(value >> (8 * i));
}

char *
check_mysql_request(const struct check_talk *talk, const char *host, size_t *length)
{
	/* Each with its length and number; super_read_only of MySQL is never on without it. */
	static const char query[] = "\x1a\0\0\0\3SELECT @@global.read_only";
	static const char quit[] = { 1, 0, 0, 0, 1 };
	static_assert(sizeof(query) - 1 == HEADER + 0x1a, "its length is right");
	size_t name = talk->user ? strlen(talk->user) + 1 : 0, size;
	char *request, *out;

	(void)host;
	/* Capabilities, largest packet, character set, 23 of zero; name, no password, plugin. */
	size = 4 + 4 + 1 + 23 + name + 1 + sizeof(PLUGIN);
	request = calloc(1, HEADER + size + sizeof(query) + sizeof(quit));
	if (!request)
		return NULL;
	*length = 0;
	if (!talk->user)
		return request;
	put_le(request, (uint32_t)size, 3);
	request[3] = 1;
	out = request + HEADER;
	put_le(out, CAPABILITIES, 4);
	put_le(out + 4, CHECK_ANSWER_MAX, 4);
	out[8] = CHARSET_UTF8;
	out += 4 + 4 + 1 + 23;
	memcpy(out, talk->user, name);
	out += name + 1;
	memcpy(out, PLUGIN, sizeof(PLUGIN));
	out += sizeof(PLUGIN);
	if (talk->writable) {
		memcpy(out, query, sizeof(query) - 1);
		out += sizeof(query) - 1;
	}
	memcpy(out, quit, sizeof(quit));
	*length = (size_t)(out - request) + sizeof(quit);
	return request;
}

/* What follows the code: "#08004Too many connections", or without a state before the greeting. */
static bool
judge_error(const char *payload, size_t length, const struct check_answer *answer,
	struct check_report *report)
{
	char text[MESSAGE_SIZE];

	if (length < 3)
		return check_foreign("a MySQL server's", answer, report);
	report->code = (uint16_t)((unsigned char)payload[1] | (unsigned char)payload[2] << 8);
	payload += 3;
	length -= 3;
	if (length >= 6 && payload[0] == '#') {
		payload += 6;
		length -= 6;
	}
	check_excerpt(payload, length, text, sizeof(text));
	report->status = CHECK_L7STS;
	report->soft =
		report->code == TOO_MANY_CONNECTIONS || report->code == TOO_MANY_USER_CONNECTIONS;
	snprintf(report->text, sizeof(report->text), "error %u: %s", report->code, text);
	return true;
}

static bool
judge_good(struct check_report *report)
{
	report->status = CHECK_L7OK;
	return true;
}

/* The answer to the login, which is no error. */
static bool
judge_login(const struct check_talk *talk, const char *payload, size_t length,
	const struct check_answer *answer, struct check_report *report)
{
	char plugin[32];

	switch ((unsigned char)payload[0]) {
	case OK:
		return !talk->writable && judge_good(report);
	case SWITCH:
		check_excerpt(
			payload + 1, strnlen(payload + 1, length - 1), plugin, sizeof(plugin));
		report->status = CHECK_L7STS;
		snprintf(report->text, sizeof(report->text),
			"the user has no empty password by %s, but %s", PLUGIN, plugin);
		return true;
	default:
		return check_foreign("a MySQL server's", answer, report);
	}
}

/*
 * The text at *at, behind which *at is then (a "length-encoded string"); NULL: there is none. All
 * that we ask for are shorter than those whose length takes more than a byte.
 */
static const char *
take_text(const char **at, const char *end, size_t *length)
{
	const char *text;

	if (*at == end)
		return NULL;
	text = *at + 1;
	*length = (unsigned char)**at;
	if (*length > TEXT_MAX || *length > (size_t)(end - text))
		return NULL;
	*at = text + *length;
	return text;
}

/* A "Column Definition": where it is from, its name, and its kind, which does not matter. */
static bool
is_column(const char *at, const char *end)
{
	size_t length;

	for (int i = 0; i < COLUMN_TEXTS; i++) {
		if (!take_text(&at, end, &length))
			return false;
	}
	return end - at == 1 + COLUMN_FIXED && *at == COLUMN_FIXED;
}

/* The row: MySQL says 0 or 1, and newer MariaDBs have words, of which only OFF lets all write. */
static bool
take_value(const char *at, const char *end, char value[VALUE_SIZE])
{
	size_t length;
	const char *text = take_text(&at, end, &length);

	if (!text || at != end || length == 0 || length >= VALUE_SIZE)
		return false;
	memcpy(value, text, length);
	value[length] = '\0';
	return strspn(value, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") ==
		length;
}

/* At the end of the result: there was one row with `value`. */
static bool
judge_value(const char *value, struct check_report *report)
{
	if (strcmp(value, "0") == 0 || strcasecmp(value, "OFF") == 0)
		return judge_good(report);
	report->status = CHECK_L7STS;
	snprintf(report->text, sizeof(report->text), "read-only: read_only is %s", value);
	return true;
}

/* Is it this packet of the answer to the query? */
static bool
is_of_result(enum step step, const char *payload, size_t length, char value[VALUE_SIZE])
{
	const char *end = payload + length;

	switch (step) {
	case COLUMN_COUNT:
		return length == 1 && *payload == 1;
	case COLUMN:
		return is_column(payload, end);
	case ROW:
		return take_value(payload, end, value);
	default:
		return length == EOF_LENGTH && (unsigned char)*payload == EOF_PACKET;
	}
}

/* False: the packet decides nothing, the next one follows. */
static bool
judge_packet(const struct check_talk *talk, enum step step, const char *payload, size_t length,
	char value[VALUE_SIZE], const struct check_answer *answer, struct check_report *report)
{
	if ((unsigned char)*payload == ERR)
		return judge_error(payload, length, answer, report);
	switch (step) {
	case GREETING:
		if (*payload != VERSION || !memchr(payload, '\0', length))
			return check_foreign("a MySQL server's", answer, report);
		return !talk->user && judge_good(report);
	case LOGIN:
		return judge_login(talk, payload, length, answer, report);
	default:
		if (!is_of_result(step, payload, length, value))
			return check_foreign("a MySQL server's", answer, report);
		return step == RESULT_END && judge_value(value, report);
	}
}

bool
check_mysql_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	/* Sequence numbers: ours are 1 for the login and 0 for the query. */
	static const uint8_t numbers[] = { [GREETING] = 0,
		[LOGIN] = 2,
		[COLUMN_COUNT] = 1,
		[COLUMN] = 2,
		[COLUMNS_END] = 3,
		[ROW] = 4,
		[RESULT_END] = 5 };
	const char *bytes = answer->bytes, *end = bytes + answer->length;
	char value[VALUE_SIZE] = "";

	for (enum step step = GREETING; end - bytes >= HEADER; step++) {
		const unsigned char *header = (const unsigned char *)bytes;
		size_t length = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
		const char *payload = bytes + HEADER;

		if (length == 0 || length > CHECK_ANSWER_MAX - HEADER || header[3] != numbers[step])
			return check_foreign("a MySQL server's", answer, report);
		if ((size_t)(end - payload) < length)
			break;
		if (judge_packet(talk, step, payload, length, value, answer, report))
			return true;
		bytes = payload + length;
	}
	return answer->ended ? check_foreign("a MySQL server's", answer, report) : false;
}
