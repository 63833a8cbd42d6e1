/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Echo requests of ICMP (RFC 792) and ICMPv6 (RFC 4443, 4.1). An echo reply has all that the
 * request has, but for the type and the checksum; so it is ours if the rest is the same, data that
 * nobody can foresee included.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define REQUEST4 8
#define REPLY4	 0
#define REQUEST6 128
#define REPLY6	 129

#define HEADER	      8 /* type, code, checksum; identifier, sequence number */
#define CHECKSUM_AT   2
#define IDENTIFIER_AT 4
#define DATA	      48 /* the salt, and a word for who looks at packets */
#define IP4_HEADER    20

static const char word[] = "shunt health check";

char *
check_icmp_request(const struct check_talk *talk, const char *host, size_t *length)
{
	char *request = calloc(1, HEADER + DATA);

	(void)talk;
	if (!request)
		return NULL;
	request[0] = (char)(host[0] == '[' ? REQUEST6 : REQUEST4);
	memcpy(request + HEADER + CHECK_SALT_SIZE, word, sizeof(word));
	*length = HEADER + DATA;
	return request;
}

/* RFC 1071. Of an even number of bytes; as it stands in the packet. */
static void
checksum(const char *bytes, size_t length, char *out)
{
	const unsigned char *in = (const unsigned char *)bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)in[i] << 8 | in[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	out[0] = (char)(sum >> 8);
	out[1] = (char)sum;
}

/* Identifier and sequence number are random too: raw sockets see the replies to everybody. */
void
check_icmp_salt(const uint8_t random[CHECK_SALT_SIZE], char *request, size_t length)
{
	memcpy(request + HEADER, random, CHECK_SALT_SIZE);
	memcpy(request + IDENTIFIER_AT, random, HEADER - IDENTIFIER_AT);
	/* ICMPv6's, which covers addresses too, is the kernel's to make (RFC 3542, 3.1). */
	if ((unsigned char)request[0] == REQUEST4)
		checksum(request, length, request + CHECKSUM_AT);
}

static bool
is_reply(const char *bytes, size_t length, const char *request, size_t request_length)
{
	bool six = (unsigned char)request[0] == REQUEST6;

	/* Of a raw socket; no type of ICMP is 0x40 to 0x4f. */
	if (!six && length >= IP4_HEADER && (unsigned char)bytes[0] >> 4 == 4) {
		size_t header = ((unsigned char)bytes[0] & 15u) * 4;

		if (header < IP4_HEADER || header > length)
			return false;
		bytes += header;
		length -= header;
	}
	return length == request_length && (unsigned char)bytes[0] == (six ? REPLY6 : REPLY4) &&
		bytes[1] == 0 &&
		memcmp(bytes + IDENTIFIER_AT, request + IDENTIFIER_AT, length - IDENTIFIER_AT) == 0;
}

bool
check_icmp_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	(void)talk;
	if (answer->bytes &&
		is_reply(answer->bytes, answer->length, answer->request, answer->request_length)) {
		report->status = CHECK_L4OK;
		return true;
	}
	/* Replies to others are no answer. */
	return answer->ended && check_silent(report);
}
