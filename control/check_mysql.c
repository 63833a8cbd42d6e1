/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MySQL's and MariaDB's protocol ("Client/Server Protocol: Connection Phase"). The server speaks
 * first. With a user the probe logs in with an empty password and quits, since servers count who
 * leaves before that as an error and may block the host in the end. What it says then does not
 * depend on the greeting, because an empty password needs no scramble, so it is said at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define HEADER	     4 /* length, little endian, 3 bytes; sequence number */
#define GREETING     10
#define OK	     0x00
#define SWITCH	     0xfe
#define ERR	     0xff
#define MESSAGE_SIZE 97

/* LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH */
#define CAPABILITIES (1u | 1u << 9 | 1u << 15 | 1u << 19)
#define CHARSET_UTF8 33
#define PLUGIN	     "mysql_native_password"

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
	static const char quit[] = { 1, 0, 0, 0, 1 };
	size_t name = talk->user ? strlen(talk->user) + 1 : 0, size;
	char *request, *out;

	(void)host;
	/* Capabilities, largest packet, character set, 23 of zero; name, no password, plugin. */
	size = 4 + 4 + 1 + 23 + name + 1 + sizeof(PLUGIN);
	request = calloc(1, HEADER + size + sizeof(quit));
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
	memcpy(out + sizeof(PLUGIN), quit, sizeof(quit));
	*length = HEADER + size + sizeof(quit);
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

/* The answer to the login. */
static bool
judge_login(const char *payload, size_t length, const struct check_answer *answer,
	struct check_report *report)
{
	char plugin[32];

	switch ((unsigned char)payload[0]) {
	case OK:
		report->status = CHECK_L7OK;
		return true;
	case ERR:
		return judge_error(payload, length, answer, report);
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

bool
check_mysql_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	const char *bytes = answer->bytes, *end = bytes + answer->length;

	for (int packet = 0; end - bytes >= HEADER; packet++) {
		const unsigned char *header = (const unsigned char *)bytes;
		size_t length = header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
		const char *payload = bytes + HEADER;

		/* Sequence numbers: the greeting's is 0, the login's 1, its answer's 2. */
		if (length == 0 || length > CHECK_ANSWER_MAX - HEADER ||
			header[3] != (packet ? 2 : 0))
			return check_foreign("a MySQL server's", answer, report);
		if ((size_t)(end - payload) < length)
			break;
		if (packet)
			return judge_login(payload, length, answer, report);
		if ((unsigned char)*payload == ERR)
			return judge_error(payload, length, answer, report);
		if (*payload != GREETING || !memchr(payload, '\0', length))
			return check_foreign("a MySQL server's", answer, report);
		if (!talk->user) {
			report->status = CHECK_L7OK;
			return true;
		}
		bytes = payload + length;
	}
	return answer->ended ? check_foreign("a MySQL server's", answer, report) : false;
}
