/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "jsonfile.h"
#include "probe_talk.h"
#include "state.h"

/*
 * A server that sends byte by byte must not have us search the same bytes again for each: after so
 * many looks what has come is looked at once more, at the end.
 */
#define LOOKS 16

struct probe_talk {
	char *request;
	size_t request_length;
	size_t sent;
	unsigned int looks;
	size_t heard;
	char answer[CHECK_ANSWER_MAX];
};

struct probe_talk *
probe_talk_create(const struct server *server, const struct check_config *check)
{
	const struct server_config *config = &server->config;
	struct probe_talk *talk = malloc(sizeof(*talk));
	char host[JSON_ENDPOINT_TEXT_SIZE];

	if (!talk)
		return NULL;
	json_endpoint_text(
		config_probe_address(config, check), config_probe_port(config, check), host);
	talk->request = check_request(check->talk, host, &talk->request_length);
	if (!talk->request) {
		free(talk);
		return NULL;
	}
	talk->sent = talk->heard = 0;
	talk->looks = 0;
	return talk;
}

void
probe_talk_destroy(struct probe_talk *talk)
{
	if (!talk)
		return;
	free(talk->request);
	free(talk);
}

static bool
judge(struct probe_talk *talk, const struct check_talk *check, bool ended,
	struct check_report *report)
{
	const struct check_answer answer = { talk->answer, talk->heard, ended };

	if (!ended && talk->heard < CHECK_ANSWER_MAX && ++talk->looks > LOOKS)
		return false;
	return check_judge(check, &answer, report);
}

static void
broke(int error, const char *what, struct check_report *report)
{
	report->status = CHECK_L7RSP;
	snprintf(report->text, sizeof(report->text), "%s while %s", strerror(error), what);
	report->text[0] = (char)tolower((unsigned char)report->text[0]);
}

enum probe_talk_step
probe_talk_step(struct probe_talk *talk, int fd, const struct check_talk *check,
	struct check_report *report)
{
	ssize_t bytes = 0;
	bool said;
	int error;

	while (talk->sent < talk->request_length && bytes >= 0) {
		bytes = send(fd, talk->request + talk->sent, talk->request_length - talk->sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (bytes > 0)
			talk->sent += (size_t)bytes;
	}
	/* What it said before it hung up counts, so errors of writing are left to reading. */
	bytes = recv(
		fd, talk->answer + talk->heard, sizeof(talk->answer) - talk->heard, MSG_DONTWAIT);
	if (bytes > 0)
		talk->heard += (size_t)bytes;
	error = bytes < 0 ? errno : 0;
	if (error && error != EAGAIN && error != EINTR) {
		if (!judge(talk, check, true, report) || report->status == CHECK_L7RSP)
			broke(error, talk->heard ? "it answered" : "waiting for an answer", report);
		return PROBE_TALK_DONE;
	}
	/* A check that expects nothing is over when all is said, whatever it hears before. */
	said = talk->sent == talk->request_length;
	if ((said || bytes == 0 || (bytes > 0 && check_expects(check))) &&
		judge(talk, check, bytes == 0, report))
		return PROBE_TALK_DONE;
	return said ? PROBE_TALK_READ : PROBE_TALK_WRITE;
}

void
probe_talk_timeout(struct probe_talk *talk, const struct check_talk *check, uint32_t timeout_ms,
	struct check_report *report)
{
	char heard[41];

	if (judge(talk, check, true, report) && check_passed(report))
		return;
	check_excerpt(talk->answer, talk->heard, heard, sizeof(heard));
	report->status = CHECK_L7TOUT;
	report->code = 0;
	report->soft = false;
	if (talk->heard)
		snprintf(report->text, sizeof(report->text),
			"nothing as expected within %u ms, but \"%s\"", timeout_ms, heard);
	else
		snprintf(report->text, sizeof(report->text),
			"connected, but no answer within %u ms", timeout_ms);
}
