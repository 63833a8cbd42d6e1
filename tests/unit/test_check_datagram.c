/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks by datagrams, and what they make of answers, right and hostile: UDP, DNS, ICMP. */
#include <stdio.h>

#include "check_bed.h"

#define ANSWER_SIZE 600

static const uint8_t salt[CHECK_SALT_SIZE] = { 0xab, 0xcd, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16 };

/* The request of a talk with that salt. */
struct asked {
	struct check_talk talk;
	char *request;
	size_t length;
};

static void
ask(struct asked *asked, const char *host)
{
	asked->request = check_request(&asked->talk, host, &asked->length);
	CU_ASSERT_PTR_NOT_NULL_FATAL(asked->request);
	check_salt(&asked->talk, salt, asked->request, asked->length);
}

static struct check_report
hear(const struct asked *asked, const char *bytes, size_t length, bool ended)
{
	return judge_answer(&asked->talk,
		(struct check_answer){ bytes, length, ended, asked->request, asked->length });
}

static void
must_come_to(struct check_report report, uint8_t status, uint16_t code, const char *text)
{
	CU_ASSERT_EQUAL(report.status, status);
	CU_ASSERT_EQUAL(report.code, code);
	CU_ASSERT_STRING_EQUAL(report.text, text);
}

static void
udp_answers(void)
{
	static char ping[] = "ping", pong[] = "pong", pattern[] = "^po.g$";
	struct asked asked = {
		.talk = { .type = CHECK_UDP, .send = ping, .send_length = 4, .expect = pong },
	};
	char error[64];

	ask(&asked, "10.0.0.1:53");
	CU_ASSERT_EQUAL(asked.length, 4);
	CU_ASSERT_EQUAL(memcmp(asked.request, "ping", 4), 0);
	must_come_to(hear(&asked, "a pong.", 7, false), CHECK_L7OK, 0, "");
	must_come_to(hear(&asked, "a pin", 5, false), UNDECIDED, 0, "");
	must_come_to(
		hear(&asked, "a pin", 5, true), CHECK_L7RSP, 0, "expected \"pong\", got \"a pin\"");
	must_come_to(hear(&asked, "", 0, true), CHECK_L7RSP, 0, "expected \"pong\", got nothing");
	must_come_to(hear(&asked, NULL, 0, false), UNDECIDED, 0, "");
	must_come_to(hear(&asked, NULL, 0, true), CHECK_L4TOUT, 0, "no answer");
	asked.talk.regex = check_regex_create(pattern, error, sizeof(error));
	must_come_to(hear(&asked, "a pong.", 7, false), UNDECIDED, 0, "");
	must_come_to(hear(&asked, "pong", 4, false), CHECK_L7OK, 0, "");
	check_regex_destroy(asked.talk.regex);
	free(asked.request);
}

static void
udp_without_expectation(void)
{
	struct asked asked = { .talk = { .type = CHECK_UDP } };

	ask(&asked, "10.0.0.1:53");
	CU_ASSERT_EQUAL(asked.length, 0);
	must_come_to(hear(&asked, NULL, 0, false), UNDECIDED, 0, "");
	must_come_to(hear(&asked, "\xff", 1, false), CHECK_L4OK, 0, "");
	must_come_to(hear(&asked, "", 0, false), CHECK_L4OK, 0, "");
	must_come_to(hear(&asked, NULL, 0, true), CHECK_L4OK, 0,
		"no answer, and no refusal: nothing was expected");
	free(asked.request);
}

static char name[] = "www.Example.org";

static struct asked
dns(void)
{
	struct asked asked = {
		.talk = { .type = CHECK_DNS, .query = name, .query_type = 28, .status_count = 1 },
	};

	ask(&asked, "10.0.0.1:53");
	return asked;
}

static void
dns_names(void)
{
	char text[300] = "";
	uint8_t out[CHECK_DNS_NAME_SIZE];

	CU_ASSERT_EQUAL(check_dns_name(".", out), 1);
	CU_ASSERT_EQUAL(out[0], 0);
	CU_ASSERT_EQUAL(check_dns_name("a.bc", out), 6);
	CU_ASSERT_EQUAL(memcmp(out, "\1a\2bc\0", 6), 0);
	CU_ASSERT_EQUAL(check_dns_name("a.bc.", out), 6);
	CU_ASSERT_EQUAL(check_dns_name("_sip._udp.example.org", out), 23);
	CU_ASSERT_EQUAL(check_dns_name("..", out), 0);
	CU_ASSERT_EQUAL(check_dns_name("a..", out), 0);
	CU_ASSERT_EQUAL(check_dns_name("a..b", out), 0);
	CU_ASSERT_EQUAL(check_dns_name("a\\.b", out), 0);
	CU_ASSERT_EQUAL(check_dns_name("a\x7f", out), 0);
	CU_ASSERT_EQUAL(check_dns_name("\xc3\xa4", out), 0);
	/* 63 bytes are a label, 255 a name: its lengths and the root's included. */
	memset(text, 'x', 64);
	CU_ASSERT_EQUAL(check_dns_name(text, out), 0);
	text[63] = '\0';
	CU_ASSERT_EQUAL(check_dns_name(text, out), 65);
	memset(text, 'x', sizeof(text) - 1);
	text[63] = text[127] = text[191] = '.';
	text[253] = '\0';
	CU_ASSERT_EQUAL(check_dns_name(text, out), CHECK_DNS_NAME_SIZE);
	text[253] = 'x';
	text[254] = '\0';
	CU_ASSERT_EQUAL(check_dns_name(text, out), 0);
}

static void
dns_request(void)
{
	struct asked asked = dns();
	static const uint8_t other[CHECK_SALT_SIZE] = { 0x12, 0x34 };

	CU_ASSERT_EQUAL(asked.length, 12 + 17 + 4);
	CU_ASSERT_EQUAL(
		memcmp(asked.request, "\xab\xcd\1\0\0\1\0\0\0\0\0\0\3www\7Example\3org\0\0\34\0\1",
			asked.length),
		0);
	/* Another id for another probe, and nothing else. */
	check_salt(&asked.talk, other, asked.request, asked.length);
	CU_ASSERT_EQUAL(memcmp(asked.request, "\x12\x34\1\0", 4), 0);
	free(asked.request);
}

/* An answer to the request: its question, and `more` bytes of records. */
static size_t
answer_to(const struct asked *asked, unsigned int rcode, size_t more, char out[ANSWER_SIZE])
{
	memcpy(out, asked->request, asked->length);
	out[2] = (char)0x81;
	out[3] = (char)(0x80 | rcode);
	memset(out + asked->length, 'r', more);
	return asked->length + more;
}

static void
dns_rcodes(void)
{
	struct asked asked = dns();
	char answer[ANSWER_SIZE];
	size_t length = answer_to(&asked, 0, 20, answer);

	must_come_to(hear(&asked, answer, length, false), CHECK_L7OK, 0, "");
	must_come_to(hear(&asked, answer, asked.length, false), CHECK_L7OK, 0, "");
	/* Cut (TC), of authority (AA), and in other letters. */
	answer[2] |= 0x06;
	answer[13] = 'W';
	answer[17] = 'e';
	must_come_to(hear(&asked, answer, length, false), CHECK_L7OK, 0, "");
	answer_to(&asked, 2, 0, answer);
	must_come_to(hear(&asked, answer, asked.length, false), CHECK_L7STS, 2,
		"SERVFAIL, expected NOERROR");
	asked.talk.status_count = 2;
	asked.talk.statuses[0].first = 3;
	asked.talk.statuses[1].first = 13;
	must_come_to(hear(&asked, answer, asked.length, false), CHECK_L7STS, 2,
		"SERVFAIL, expected NXDOMAIN, rcode 13");
	answer_to(&asked, 13, 0, answer);
	must_come_to(hear(&asked, answer, asked.length, false), CHECK_L7OK, 13, "");
	answer_to(&asked, 0, 0, answer);
	must_come_to(hear(&asked, answer, asked.length, false), CHECK_L7STS, 0,
		"NOERROR, expected NXDOMAIN, rcode 13");
	/* All that there are: cut, but ended. */
	asked.talk.status_count = CHECK_MAX_STATUSES;
	for (uint16_t i = 0; i < CHECK_MAX_STATUSES; i++)
		asked.talk.statuses[i].first = 6;
	CU_ASSERT_EQUAL(hear(&asked, answer, asked.length, true).status, CHECK_L7STS);
	free(asked.request);
}

static void
must_be_foreign(const struct asked *asked, const char *bytes, size_t length, const char *why)
{
	char text[CHECK_TEXT_SIZE];

	snprintf(text, sizeof(text), "not the answer: %s", why);
	must_come_to(hear(asked, bytes, length, false), UNDECIDED, 0, "");
	must_come_to(hear(asked, bytes, length, true), CHECK_L7RSP, 0, text);
}

static void
dns_foreign(void)
{
	struct asked asked = dns();
	char answer[ANSWER_SIZE];
	size_t length = answer_to(&asked, 0, 20, answer);

	/* Every length that is too short. */
	for (size_t i = 0; i < asked.length; i++)
		must_be_foreign(&asked, answer, i,
			i < 12 ? "it is shorter than a DNS header"
			       : "it does not repeat the question");
	must_be_foreign(&asked, asked.request, asked.length, "it is no response to a query");
	answer[2] |= 0x10;
	must_be_foreign(&asked, answer, length, "it is no response to a query");
	length = answer_to(&asked, 0, 20, answer);
	answer[1] ^= 1;
	must_be_foreign(&asked, answer, length, "it has another id than the query");
	/* Every bit of the question, but for those that make other letters of letters. */
	for (size_t i = 12; i < asked.length; i++) {
		length = answer_to(&asked, 0, 20, answer);
		answer[i] ^= 0x01;
		must_be_foreign(&asked, answer, length, "it answers another question");
	}
	length = answer_to(&asked, 0, 20, answer);
	answer[5] = 2;
	must_be_foreign(&asked, answer, length, "it does not repeat the question");
	answer[4] = 1;
	answer[5] = 1;
	must_be_foreign(&asked, answer, length, "it does not repeat the question");
	/* Without question it may only say no. */
	answer[4] = answer[5] = 0;
	must_be_foreign(&asked, answer, 12, "it does not repeat the question");
	answer[3] |= 1;
	must_come_to(hear(&asked, answer, 12, false), CHECK_L7STS, 1, "FORMERR, expected NOERROR");
	must_come_to(hear(&asked, NULL, 0, true), CHECK_L4TOUT, 0, "no answer");
	must_come_to(hear(&asked, NULL, 0, false), UNDECIDED, 0, "");
	free(asked.request);
}

/* Of all bytes of a packet; 0 if its checksum is right. */
static unsigned int
checksum(const char *bytes, size_t length)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += (unsigned int)(unsigned char)bytes[i] << 8 | (unsigned char)bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum ^ 0xffff;
}

static void
run_echo(const char *host, uint8_t request, uint8_t reply)
{
	struct asked asked = { .talk = { .type = CHECK_ICMP } };
	char bytes[200];

	ask(&asked, host);
	CU_ASSERT_EQUAL((uint8_t)asked.request[0], request);
	CU_ASSERT_EQUAL(asked.request[1], 0);
	CU_ASSERT_EQUAL(memcmp(asked.request + 8, salt, sizeof(salt)), 0);
	/* The reflection of the request is no reply. */
	must_come_to(hear(&asked, asked.request, asked.length, false), UNDECIDED, 0, "");
	memcpy(bytes, asked.request, asked.length);
	bytes[0] = (char)reply;
	bytes[2] = 0x55;
	must_come_to(hear(&asked, bytes, asked.length, false), CHECK_L4OK, 0, "");
	for (size_t i = 0; i < asked.length; i++)
		must_come_to(hear(&asked, bytes, i, false), UNDECIDED, 0, "");
	bytes[asked.length] = 0;
	must_come_to(hear(&asked, bytes, asked.length + 1, false), UNDECIDED, 0, "");
	/* All but the checksum must be right. */
	for (size_t i = 0; i < asked.length; i++) {
		bytes[i] ^= 0x20;
		must_come_to(hear(&asked, bytes, asked.length, false),
			i == 2 || i == 3 ? CHECK_L4OK : UNDECIDED, 0, "");
		bytes[i] ^= 0x20;
	}
	must_come_to(hear(&asked, "", 0, true), CHECK_L4TOUT, 0, "no answer");
	must_come_to(hear(&asked, NULL, 0, true), CHECK_L4TOUT, 0, "no answer");
	must_come_to(hear(&asked, NULL, 0, false), UNDECIDED, 0, "");
	free(asked.request);
}

static void
icmp_echo(void)
{
	struct asked asked = { .talk = { .type = CHECK_ICMP } };

	run_echo("10.0.0.1:0", 8, 0);
	run_echo("[2001:db8::1]:0", 128, 129);
	ask(&asked, "10.0.0.1:0");
	CU_ASSERT_EQUAL(checksum(asked.request, asked.length), 0);
	free(asked.request);
}

/* What a raw socket hears has the IPv4 header before it. */
static void
icmp_raw(void)
{
	struct asked asked = { .talk = { .type = CHECK_ICMP } };
	char bytes[200] = { 0 };

	ask(&asked, "10.0.0.1:0");
	for (unsigned int words = 0; words <= 15; words++) {
		size_t header = words * 4u;

		memset(bytes, 0, sizeof(bytes));
		bytes[0] = (char)(0x40 | words);
		if (words > 0) {
			memcpy(bytes + header, asked.request, asked.length);
			bytes[header] = 0;
		}
		must_come_to(hear(&asked, bytes, header + asked.length, false),
			words >= 5 ? CHECK_L4OK : UNDECIDED, 0, "");
		/* It claims more than there is. */
		must_come_to(hear(&asked, bytes, header < 20 ? 20 : header - 1, false), UNDECIDED,
			0, "");
		must_come_to(
			hear(&asked, bytes, header < 20 ? 20 : header, false), UNDECIDED, 0, "");
	}
	free(asked.request);
	/* In IPv6 there is none. */
	ask(&asked, "[::1]:0");
	memset(bytes, 0, 20);
	bytes[0] = 0x45;
	memcpy(bytes + 20, asked.request, asked.length);
	bytes[20] = (char)129;
	must_come_to(hear(&asked, bytes, 20 + asked.length, false), UNDECIDED, 0, "");
	free(asked.request);
}

static void
transports(void)
{
	struct check_talk talk = { .type = CHECK_TCP };

	CU_ASSERT_EQUAL(check_transport(NULL), CHECK_STREAM);
	CU_ASSERT_EQUAL(check_transport(&talk), CHECK_STREAM);
	talk.type = CHECK_MYSQL;
	CU_ASSERT_EQUAL(check_transport(&talk), CHECK_STREAM);
	talk.type = CHECK_UDP;
	CU_ASSERT_EQUAL(check_transport(&talk), CHECK_DATAGRAM);
	talk.type = CHECK_DNS;
	CU_ASSERT_EQUAL(check_transport(&talk), CHECK_DATAGRAM);
	talk.type = CHECK_ICMP;
	CU_ASSERT_EQUAL(check_transport(&talk), CHECK_ECHO);
}

static const struct unit_test tests[] = {
	{ "udp: answers", udp_answers },
	{ "udp: nothing is expected", udp_without_expectation },
	{ "dns: names", dns_names },
	{ "dns: the query", dns_request },
	{ "dns: response codes", dns_rcodes },
	{ "dns: what is not the answer", dns_foreign },
	{ "icmp: request and reply", icmp_echo },
	{ "icmp: raw sockets", icmp_raw },
	{ "transports", transports },
};

UNIT_MAIN("check_datagram", tests)
