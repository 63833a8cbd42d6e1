/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check makes of an answer. */
#ifndef TESTS_CHECK_BED_H
#define TESTS_CHECK_BED_H

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "unit.h"

#define UNDECIDED CHECK_INI

static inline struct check_report
judge_bytes(const struct check_talk *talk, const char *bytes, size_t length, bool ended)
{
	/* Of exactly that size, so that a sanitizer sees what reads on. */
	char *copy = malloc(length ? length : 1);
	const struct check_answer answer = { copy, length, ended };
	struct check_report report = { 0 };
	bool decided;

	memcpy(copy, bytes, length);
	decided = check_judge(talk, &answer, &report);
	CU_ASSERT_EQUAL(decided, report.status != UNDECIDED);
	CU_ASSERT_PTR_NOT_NULL(memchr(report.text, '\0', sizeof(report.text)));
	free(copy);
	return report;
}

#endif
