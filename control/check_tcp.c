/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

bool
check_tcp_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	if (!check_expects(talk)) {
		report->status = CHECK_L4OK;
		return true;
	}
	if (check_matches(talk, answer->bytes, answer->length)) {
		report->status = CHECK_L7OK;
		return true;
	}
	if (!answer->ended)
		return false;
	check_mismatch(talk, answer->bytes, answer->length, report);
	return true;
}
