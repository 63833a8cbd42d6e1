/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check makes of an answer. */
#ifndef TESTS_CHECK_BED_H
#define TESTS_CHECK_BED_H

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "unit.h"

#define UNDECIDED CHECK_INI

/* answer: its bytes are NULL if no datagram has come. */
static inline struct check_report
judge_answer(const struct check_talk *talk, struct check_answer answer)
{
	/* Of exactly that size, so that a sanitizer sees what reads on. */
	char *copy = answer.bytes ? malloc(answer.length ? answer.length : 1) : NULL;
	struct check_report report = { 0 };
	bool decided;

	if (copy)
		memcpy(copy, answer.bytes, answer.length);
	answer.bytes = copy;
	decided = check_judge(talk, &answer, &report);
	CU_ASSERT_EQUAL(decided, report.status != UNDECIDED);
	CU_ASSERT_PTR_NOT_NULL(memchr(report.text, '\0', sizeof(report.text)));
	free(copy);
	return report;
}

static inline struct check_report
judge_bytes(const struct check_talk *talk, const char *bytes, size_t length, bool ended)
{
	return judge_answer(talk, (struct check_answer){ bytes, length, ended, NULL, 0 });
}

#endif
