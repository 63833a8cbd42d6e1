/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS over UDP (RFC 1035, 4): one query, and the response code of what answers it. An answer is
 * ours if it has the query's id and question; all else that comes to the port is passed over, so
 * that who cannot see the query has an id and a port to guess (RFC 5452). The records are not
 * looked at, so an answer that was too long for a datagram (TC) is one as any other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define HEADER	  12
#define FLAGS_AT  2
#define COUNTS_AT 4
#define QR	  0x80
#define OPCODE	  0x78
#define RD	  0x01
#define RCODE	  0x0f
#define CLASS_IN  1
#define LABEL_MAX 63

/* What is wrong with an answer, in words. */
#define TOO_SHORT   "it is shorter than a DNS header"
#define NO_RESPONSE "it is no response to a query"
#define OTHER_ID    "it has another id than the query"
#define NO_QUESTION "it does not repeat the question"
#define OTHER_ASKED "it answers another question"

const char *
check_dns_rcode_name(unsigned int rcode)
{
	/* IANA's names; RFC 1035, 2136, 8490. */
	static const char *const names[CHECK_DNS_RCODE_MAX + 1] = { "NOERROR", "FORMERR",
		"SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
		"NOTAUTH", "NOTZONE", "DSOTYPENI" };

	return rcode <= CHECK_DNS_RCODE_MAX ? names[rcode] : NULL;
}

size_t
check_dns_name(const char *text, uint8_t out[CHECK_DNS_NAME_SIZE])
{
	size_t length = 0, label;

	if (strcmp(text, ".") == 0)
		text = "";
	while (*text) {
		label = strcspn(text, ".");
		/* The label, its length before and the root's behind it. */
		if (label == 0 || label > LABEL_MAX || length + label + 2 > CHECK_DNS_NAME_SIZE)
			return 0;
		out[length++] = (uint8_t)label;
		for (; label > 0; label--, text++) {
			if (*text < '!' || *text > '~' || *text == '\\')
				return 0;
			out[length++] = (uint8_t)*text;
		}
		text += *text == '.';
	}
	out[length] = 0;
	return length + 1;
}

char *
check_dns_request(const struct check_talk *talk, const char *host, size_t *length)
{
	uint8_t name[CHECK_DNS_NAME_SIZE];
	size_t name_length = check_dns_name(talk->query, name);
	char *request = calloc(1, HEADER + name_length + 4), *end;

	(void)host;
	if (!request)
		return NULL;
	/* Resolvers may refuse who does not ask for recursion; others ignore it. */
	request[FLAGS_AT] = RD;
	request[COUNTS_AT + 1] = 1;
	memcpy(request + HEADER, name, name_length);
	end = request + HEADER + name_length;
	end[0] = (char)(talk->query_type >> 8);
	end[1] = (char)talk->query_type;
	end[3] = CLASS_IN;
	*length = HEADER + name_length + 4;
	return request;
}

void
check_dns_salt(const uint8_t random[CHECK_SALT_SIZE], char *request, size_t length)
{
	(void)length;
	memcpy(request, random, 2);
}

static unsigned char
lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* Names may come back in other letters (RFC 4343); lengths of labels are less than any of these. */
static bool
same_question(const char *a, const char *b, size_t length)
{
	size_t name = length - 4;

	for (size_t i = 0; i < name; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return memcmp(a + name, b + name, 4) == 0;
}

/* NULL: the answer is one to our query; else why not. */
static const char *
foreign(const struct check_answer *answer)
{
	const unsigned char *header = (const unsigned char *)answer->bytes;
	const char *request = answer->request;
	unsigned int questions;

	if (answer->length < HEADER)
		return TOO_SHORT;
	if (!(header[FLAGS_AT] & QR) || header[FLAGS_AT] & OPCODE)
		return NO_RESPONSE;
	if (memcmp(answer->bytes, request, 2) != 0)
		return OTHER_ID;
	questions = (unsigned int)header[COUNTS_AT] << 8 | header[COUNTS_AT + 1];
	/* Servers that will not read a query may say so without it. */
	if (questions == 0 && header[FLAGS_AT + 1] & RCODE)
		return NULL;
	if (questions != 1 || answer->length < answer->request_length)
		return NO_QUESTION;
	return same_question(
		       answer->bytes + HEADER, request + HEADER, answer->request_length - HEADER)
		? NULL
		: OTHER_ASKED;
}

static void
add_rcode(unsigned int rcode, char *out, size_t size)
{
	const char *name = check_dns_rcode_name(rcode);
	size_t used = strlen(out);

	if (name)
		snprintf(out + used, size - used, "%s", name);
	else
		snprintf(out + used, size - used, "rcode %u", rcode);
}

bool
check_dns_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	const char *why = answer->bytes ? foreign(answer) : NULL;
	size_t size = sizeof(report->text), used;

	if (why || !answer->bytes) {
		if (!answer->ended)
			return false;
		if (!answer->bytes)
			return check_silent(report);
		report->status = CHECK_L7RSP;
		snprintf(report->text, size, "not the answer: %s", why);
		return true;
	}
	report->code = (unsigned char)answer->bytes[FLAGS_AT + 1] & RCODE;
	for (unsigned int i = 0; i < talk->status_count; i++) {
		if (report->code == talk->statuses[i].first) {
			report->status = CHECK_L7OK;
			return true;
		}
	}
	report->status = CHECK_L7STS;
	report->text[0] = '\0';
	add_rcode(report->code, report->text, size);
	for (unsigned int i = 0; i < talk->status_count; i++) {
		used = strlen(report->text);
		snprintf(report->text + used, size - used, i == 0 ? ", expected " : ", ");
		add_rcode(talk->statuses[i].first, report->text, size);
	}
	return true;
}
