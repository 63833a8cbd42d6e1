/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes as a server's answer to checks of every kind, whole and cut at any
 * place. A verdict must have its status, code and a printable text, what has ended must have one,
 * and an HTTP status must not depend on what follows it. The same bytes as a datagram that comes
 * back, as they are and with a beginning that makes them an answer. A broken invariant aborts.
 *
 *   build-clang/tests/fuzz/fuzz_check -max_total_time=60 CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char word[] = "ready", pattern[] = "re.*d+y$", root[] = "/", get[] = "GET",
	    version[] = "1.1";
static char user[] = "probe", password[] = "secret", name[] = "www.example.org", dot[] = ".";
static struct check_regex *regex;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
must_be_right(const struct check_talk *talk, const struct check_report *report)
{
	bool http = talk->type == CHECK_HTTP, tcp = talk->type == CHECK_TCP;
	const char *end = memchr(report->text, '\0', sizeof(report->text));

	must(end != NULL);
	for (const char *c = report->text; c < end; c++)
		must(*c >= 0x20 && *c < 0x7f);
	/* An agent's words are told in any case. */
	must(talk->type == CHECK_AGENT || check_passed(report) == !report->text[0]);
	must(talk->type == CHECK_AGENT || !report->agent.words);
	must(report->status == CHECK_L7OK || report->status == CHECK_L7RSP ||
		report->status ==
			(!tcp			    ? CHECK_L7STS
					: talk->tls ? CHECK_L6OK
						    : CHECK_L4OK));
	/* What passes by itself is an answer that says no; which of HTTP's do is not said here. */
	must(!report->soft || report->status == CHECK_L7STS);
	if (talk->type == CHECK_MYSQL)
		must(report->code == 0 || report->status == CHECK_L7STS);
	else if (!http)
		must(report->code == 0);
	else if (report->status != CHECK_L7RSP)
		must(report->code >= 100 && report->code <= 999);
	if (report->status == CHECK_L7OK && http)
		must(report->code >= 200 && report->code <= 399);
}

static bool
has(const struct check_answer *answer, const char *bytes, size_t length)
{
	return memmem(answer->bytes, answer->length, bytes, length) != NULL;
}
#define HAS(answer, text) has(answer, text, sizeof(text) - 1)

/* Who is taken for one that takes writes has said so. */
static void
must_have_said_so(const struct check_talk *talk, const struct check_answer *answer,
	const struct check_report *report)
{
	if (!talk->writable || !check_passed(report))
		return;
	if (talk->type == CHECK_POSTGRES)
		must(HAS(answer, "in_hot_standby\0off\0") &&
			HAS(answer, "default_transaction_read_only\0off\0") &&
			HAS(answer, "R\0\0\0\x08\0\0\0\0") && HAS(answer, "Z\0\0\0\5I"));
	else
		must(HAS(answer,
			     "\2\0\0\4\1"
			     "0\5\0\0\5\xfe") ||
			HAS(answer, "\4\0\0\4\3"));
}

static void
judge(const struct check_talk *talk, const uint8_t *data, size_t bytes)
{
	char *copy = malloc(bytes ? bytes : 1);
	struct check_answer answer = { .bytes = copy };

	must(copy != NULL);
	memcpy(copy, data, bytes);
	for (int ended = 0; ended < 2; ended++) {
		struct check_report report = { 0 }, half = { 0 };

		answer.ended = ended;
		answer.length = bytes;
		if (check_judge(talk, &answer, &report)) {
			must_be_right(talk, &report);
			must_have_said_so(talk, &answer, &report);
		} else {
			must(!ended && bytes < CHECK_ANSWER_MAX);
		}
		answer.length = bytes / 2;
		answer.ended = false;
		if (check_judge(talk, &answer, &half)) {
			must_be_right(talk, &half);
			must_have_said_so(talk, &answer, &half);
			must(half.code == report.code);
		}
	}
	free(copy);
}

/* By datagrams: which verdicts there are for each type. */
static void
must_be_right_of_datagram(const struct check_talk *talk, const struct check_answer *answer,
	const struct check_report *report)
{
	const char *end = memchr(report->text, '\0', sizeof(report->text));
	bool passed = check_passed(report);

	must(end != NULL && !report->soft);
	for (const char *c = report->text; c < end; c++)
		must(*c >= 0x20 && *c < 0x7f);
	must(passed || report->text[0]);
	must(talk->type == CHECK_DNS || report->code == 0);
	must(report->code <= CHECK_DNS_RCODE_MAX);
	if (!answer->bytes) {
		must(answer->ended);
		must(report->status == (check_expects(talk) ? CHECK_L4TOUT : CHECK_L4OK));
		return;
	}
	if (talk->type == CHECK_ICMP) {
		must(report->status == (passed ? CHECK_L4OK : CHECK_L4TOUT));
		must(!passed || answer->length >= answer->request_length);
	} else if (talk->type == CHECK_DNS) {
		must(report->status == CHECK_L7OK || report->status == CHECK_L7STS ||
			report->status == CHECK_L7RSP);
		must(report->status != CHECK_L7OK || answer->length >= answer->request_length);
		must(report->status != CHECK_L7RSP || report->code == 0);
	} else {
		must(report->status ==
			(!check_expects(talk)	 ? CHECK_L4OK
					: passed ? CHECK_L7OK
						 : CHECK_L7RSP));
	}
}

static void
judge_datagram(const struct check_talk *talk, struct check_answer answer)
{
	char *copy = malloc(answer.length ? answer.length : 1);

	must(copy != NULL);
	if (answer.bytes) {
		memcpy(copy, answer.bytes, answer.length);
		answer.bytes = copy;
	}
	for (int ended = 0; ended < 2; ended++) {
		struct check_report report = { 0 };

		answer.ended = ended;
		if (check_judge(talk, &answer, &report))
			must_be_right_of_datagram(talk, &answer, &report);
		else
			must(!ended && answer.length < CHECK_ANSWER_MAX);
	}
	free(copy);
}

static void
try_datagrams(const struct check_talk *talk, const char *host, const uint8_t *data, size_t bytes)
{
	static const uint8_t salt[CHECK_SALT_SIZE] = { 0x12, 0x34, 0x56 };
	struct check_answer answer = { 0 };
	size_t length, size;
	char *request = check_request(talk, host, &length), *mixed;

	must(request != NULL);
	check_salt(talk, salt, request, length);
	answer.request = request;
	answer.request_length = length;
	judge_datagram(talk, answer);
	answer.bytes = (const char *)data;
	answer.length = bytes;
	judge_datagram(talk, answer);
	/* The request itself, with all the bytes there are at places that they say. */
	size = length + bytes;
	mixed = malloc(size ? size : 1);
	must(mixed != NULL);
	memcpy(mixed, request, length);
	for (size_t i = 0; length > 0 && i + 1 < bytes && i < 8; i += 2)
		mixed[data[i] % length] = (char)data[i + 1];
	if (bytes > 8)
		memcpy(mixed + length, data + 8, bytes - 8);
	answer.bytes = mixed;
	answer.length = bytes > 8 ? size - 8 : length;
	if (answer.length >= CHECK_ANSWER_MAX)
		answer.length = CHECK_ANSWER_MAX - 1;
	judge_datagram(talk, answer);
	free(mixed);
	free(request);
}

static void
datagrams(const uint8_t *data, size_t bytes)
{
	struct check_talk talk = { .type = CHECK_ICMP };

	try_datagrams(&talk, "10.0.0.1:0", data, bytes);
	try_datagrams(&talk, "[::1]:0", data, bytes);
	for (int i = 0; i < 4; i++) {
		talk = (struct check_talk){ .type = CHECK_UDP };
		talk.expect = i & 1 ? word : NULL;
		talk.regex = i & 2 ? regex : NULL;
		try_datagrams(&talk, "10.0.0.1:53", data, bytes);
	}
	talk = (struct check_talk){ .type = CHECK_DNS, .query = name, .query_type = 255 };
	talk.status_count = 2;
	talk.statuses[1].first = 3;
	try_datagrams(&talk, "10.0.0.1:53", data, bytes);
	talk.query = dot;
	try_datagrams(&talk, "10.0.0.1:53", data, bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct check_tls tls = { 0 };
	struct check_talk talk = { 0 };
	char error[64];

	if (!regex)
		regex = check_regex_create(pattern, error, sizeof(error));
	must(regex != NULL);
	if (bytes > CHECK_ANSWER_MAX)
		bytes = CHECK_ANSWER_MAX;
	for (int i = 0; i < 16; i++) {
		talk.tls = i & 8 ? &tls : NULL;
		talk.type = i & 1 ? CHECK_HTTP : CHECK_TCP;
		talk.method = i & 1 ? get : NULL;
		talk.path = i & 1 ? root : NULL;
		talk.version = i & 1 ? version : NULL;
		talk.status_count = i & 1;
		talk.statuses[0] = (struct check_statuses){ 200, 399 };
		talk.expect = i & 2 ? word : NULL;
		talk.regex = i & 4 ? regex : NULL;
		judge(&talk, data, bytes);
	}
	for (int i = 0; i < 9; i++) {
		talk = (struct check_talk){ .type = (uint8_t)(CHECK_REDIS + i % 3) };
		talk.user = i >= 3 ? user : NULL;
		talk.password = i >= 3 ? password : NULL;
		talk.writable = i >= 6 && talk.type != CHECK_REDIS;
		judge(&talk, data, bytes);
	}
	talk = (struct check_talk){ .type = CHECK_AGENT };
	judge(&talk, data, bytes);
	datagrams(data, bytes);
	return 0;
}
