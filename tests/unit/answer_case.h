/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers of databases, byte by byte, and what checks are to make of them. */
#ifndef TESTS_ANSWER_CASE_H
#define TESTS_ANSWER_CASE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_bed.h"

/* Bytes with their number, zeros included. */
#define BYTES(text) text, sizeof(text) - 1

struct answer_case {
	const char *bytes;
	size_t length;
	bool ended;
	uint8_t status;
	bool soft;
	const char *text; /* NULL: whatever */
};

/* What is good needs no words, and all else has some. */
static inline struct check_report
judge(const struct check_talk *talk, const char *bytes, size_t length, bool ended)
{
	struct check_report report = judge_bytes(talk, bytes, length, ended);

	if (report.status != UNDECIDED)
		CU_ASSERT_EQUAL(check_passed(&report), !report.text[0]);
	return report;
}

/* Each whole, and cut anywhere: then it is undecided, or decided as the whole is. */
static inline void
judge_all(const struct check_talk *talk, const struct answer_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct answer_case *c = &cases[i];
		struct check_report report = judge(talk, c->bytes, c->length, c->ended);

		CU_ASSERT_EQUAL(report.status, c->status);
		CU_ASSERT_EQUAL(report.soft, c->soft);
		if (c->text)
			CU_ASSERT_STRING_EQUAL(report.text, c->text);
		if (report.status != c->status || (c->text && strcmp(c->text, report.text) != 0))
			printf("case %zu: %s \"%s\"\n", i, check_status_name(report.status),
				report.text);
		for (size_t n = 0; n < c->length; n++) {
			struct check_report half = judge(talk, c->bytes, n, false);

			CU_ASSERT_TRUE(half.status == UNDECIDED || half.status == c->status);
		}
	}
}
#define JUDGE_ALL(talk, cases) judge_all(talk, cases, sizeof(cases) / sizeof((cases)[0]))

static inline void
expect_request(const struct check_talk *talk, const char *wanted, size_t wanted_length)
{
	size_t length = 0;
	char *request = check_request(talk, "10.0.0.1:1", &length);

	CU_ASSERT_PTR_NOT_NULL_FATAL(request);
	CU_ASSERT_EQUAL_FATAL(length, wanted_length);
	CU_ASSERT_EQUAL(memcmp(request, wanted, length), 0);
	free(request);
}

/* PostgreSQL */
#define R_MD5 "R\0\0\0\x0c\0\0\0\5salt"
#define R_OK  "R\0\0\0\x08\0\0\0\0"
/* 4, three fields of 7 bytes, and the end. */
#define FATAL(state) "E\0\0\0\x1aSFATAL\0C" state "\0Moh no\0\0"

/* MySQL */
#define GREETING  "\x0b\0\0\0\n10.11.6\0xy"
#define LOGGED_IN "\7\0\0\2\0\0\0\2\0\0\0"
#define TOO_MANY  "\x17\0\0\0\xff\x10\x04Too many connections"
#define DENIED	  "\x0f\0\0\2\xff\x15\x04#28000denied"
#define USER_FULL "\x0d\0\0\2\xff\xb3\x04#42000many"
#define OTHER_LOGIN      \
	"\x17\0\0\2\xfe" \
	"caching_sha2_password\0"

#endif
