/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP: one datagram, and those that come back. Nobody says that a datagram has arrived, only that
 * it has not: by an ICMP error, which the probe hears of before it asks here.
 */
#include <stdio.h>

#include "check.h"

bool
check_udp_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	if (!answer->bytes && !answer->ended)
		return false;
	if (!check_expects(talk)) {
		report->status = CHECK_L4OK;
		if (!answer->bytes)
			snprintf(report->text, sizeof(report->text),
				"no answer, and no refusal: nothing was expected");
		return true;
	}
	if (!answer->bytes)
		return check_silent(report);
	return check_expected(talk, answer, report); /* a server may say something else before */
}
