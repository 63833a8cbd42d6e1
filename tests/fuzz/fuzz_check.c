/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes as a server's answer to checks of every kind, whole and cut at any
 * place. A verdict must have its status, code and a printable text, what has ended must have one,
 * and an HTTP status must not depend on what follows it. A broken invariant aborts.
 *
 *   build-clang/tests/fuzz/fuzz_check -max_total_time=60 CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char word[] = "ready", pattern[] = "re.*d+y$", root[] = "/", get[] = "GET",
	    version[] = "1.1";
static char user[] = "probe", password[] = "secret";
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
		report->status == (tcp ? CHECK_L4OK : CHECK_L7STS));
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
		if (check_judge(talk, &answer, &report))
			must_be_right(talk, &report);
		else
			must(!ended && bytes < CHECK_ANSWER_MAX);
		answer.length = bytes / 2;
		answer.ended = false;
		if (check_judge(talk, &answer, &half)) {
			must_be_right(talk, &half);
			must(half.code == report.code);
		}
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct check_talk talk = { 0 };
	char error[64];

	if (!regex)
		regex = check_regex_create(pattern, error, sizeof(error));
	must(regex != NULL);
	if (bytes > CHECK_ANSWER_MAX)
		bytes = CHECK_ANSWER_MAX;
	for (int i = 0; i < 8; i++) {
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
	for (int i = 0; i < 6; i++) {
		talk = (struct check_talk){ .type = (uint8_t)(CHECK_REDIS + i % 3) };
		talk.user = i >= 3 ? user : NULL;
		talk.password = i >= 3 ? password : NULL;
		judge(&talk, data, bytes);
	}
	talk = (struct check_talk){ .type = CHECK_AGENT };
	judge(&talk, data, bytes);
	return 0;
}
