/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "check.h"

char *
check_tcp_request(const struct check_talk *talk, const char *host, size_t *length)
{
	char *request = malloc(talk->send_length + 1);

	(void)host;
	if (!request)
		return NULL;
	if (talk->send_length)
		memcpy(request, talk->send, talk->send_length);
	*length = talk->send_length;
	return request;
}

bool
check_tcp_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	if (!check_expects(talk)) {
		report->status = talk->tls ? CHECK_L6OK : CHECK_L4OK;
		return true;
	}
	return check_expected(talk, answer, report);
}
