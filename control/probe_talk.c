/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "jsonfile.h"
#include "probe_datagram.h"
#include "probe_talk.h"
#include "probe_tls.h"
#include "state.h"

#define LOG_SUBSYSTEM "probe"
#include "shunt/log.h"

/*
 * A server that sends byte by byte must not have us search the same bytes again for each: after so
 * many looks what has come is looked at once more, at the end.
 */
#define LOOKS 16

/* A request that is too long for the way is sent again; each time the kernel knows a link more. */
#define SENT_MAX 4

/* Most answers are no longer, and thousands may be under way: it is doubled where one is. */
#define FIRST_ROOM 1024

struct probe_talk {
	struct probe_tls *tls; /* NULL: none */
	char *request;
	size_t request_length;
	size_t sent;
	unsigned int looks;
	size_t heard;
	/* Of datagrams, where nothing is something too: */
	unsigned int said; /* how often the request was sent */
	bool due;	   /* it is to be sent, or sent again */
	bool answered;	   /* `answer` is the last one */
	size_t room;	   /* answer[0 .. room-1] exists; CHECK_ANSWER_MAX at most */
	char *answer;
};

struct probe_talk *
probe_talk_create(const struct server *server, const struct check_config *check)
{
	const struct server_config *config = &server->config;
	struct probe_talk *talk = calloc(1, sizeof(*talk));
	const struct check_talk *said = check->talk;
	char host[JSON_ENDPOINT_TEXT_SIZE];
	uint8_t salt[CHECK_SALT_SIZE] = { 0 };

	if (!talk)
		return NULL;
	json_endpoint_text(
		config_probe_address(config, check), config_probe_port(config, check), host);
	/* A datagram cannot be read on; no answer of the other kinds is as long as FIRST_ROOM. */
	talk->room = said->type == CHECK_UDP ? CHECK_ANSWER_MAX : FIRST_ROOM;
	talk->answer = malloc(talk->room);
	/* Where TLS has asked for a name, HTTP asks for the same. */
	talk->request = check_request(
		said, said->tls && said->tls->sni ? said->tls->sni : host, &talk->request_length);
	if (talk->request && said->tls) {
		json_address_text(config_probe_address(config, check), host);
		talk->tls = probe_tls_create(said, host);
	}
	if (!talk->request || !talk->answer || !talk->tls != !said->tls) {
		probe_talk_destroy(talk);
		return NULL;
	}
	if (check_transport(said) != CHECK_STREAM) {
		/* This never waits, and never fails for so few bytes. */
		if (getrandom(salt, sizeof(salt), GRND_INSECURE) < 0)
			log_warn("no random numbers: %s", strerror(errno));
		check_salt(said, salt, talk->request, talk->request_length);
	}
	talk->due = true;
	return talk;
}

void
probe_talk_destroy(struct probe_talk *talk)
{
	if (!talk)
		return;
	probe_tls_destroy(talk->tls);
	free(talk->request);
	free(talk->answer);
	free(talk);
}

/* There is room to read, or as much has been read as is looked at; else there is no memory for it.
 */
static bool
make_room(struct probe_talk *talk)
{
	char *answer;

	if (talk->heard < talk->room || talk->room == CHECK_ANSWER_MAX)
		return true;
	answer = realloc(talk->answer, talk->room * 2);
	if (!answer)
		return false;
	talk->answer = answer;
	talk->room *= 2;
	return true;
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

static bool
judge_datagram(struct probe_talk *talk, const struct check_talk *check, bool ended,
	struct check_report *report)
{
	const struct check_answer answer = { talk->answered ? talk->answer : NULL, talk->heard,
		ended, talk->request, talk->request_length };

	return check_judge(check, &answer, report);
}

static const char *
network_error_text(int error)
{
	if (error == ECONNREFUSED)
		return "port unreachable";
	if (error == EACCES)
		return "administratively prohibited"; /* as ICMPv6 has it */
	return error == ETIME ? "time to live exceeded on the way" : strerror(error);
}

/* L4CON: what the network says of the server. */
static enum probe_talk_step
unreachable(int error, struct check_report *report)
{
	if (error == ENOBUFS || error == ENOMEM || error == ENETDOWN) {
		errno = error;
		return PROBE_TALK_LOCAL;
	}
	report->status = CHECK_L4CON;
	snprintf(report->text, sizeof(report->text), "%s", network_error_text(error));
	report->text[0] = (char)tolower((unsigned char)report->text[0]);
	return PROBE_TALK_DONE;
}

/* Each datagram is an answer by itself. Of those that are searched no more than LOOKS are. */
static enum probe_talk_step
datagram_step(struct probe_talk *talk, int fd, const struct check_talk *check,
	struct check_report *report)
{
	enum check_transport transport = check_transport(check);
	ssize_t bytes;
	int status;

	if (talk->due) {
		status = probe_datagram_send(fd, transport, talk->request, talk->request_length);
		if (status == -EAGAIN)
			return PROBE_TALK_WRITE;
		/* Of what was sent before an error may come now. */
		if (status < 0 && talk->said > 0)
			return unreachable(-status, report);
		if (status < 0) {
			errno = -status;
			return PROBE_TALK_LOCAL;
		}
		talk->due = false;
		talk->said++;
	}
	/* Not for ever: there are other probes. */
	for (unsigned int i = 0; i < LOOKS; i++) {
		/* A byte less than what would be full, which the judges take for the end. */
		bytes = probe_datagram_receive(
			fd, transport, talk->request, talk->answer, talk->room - 1);
		if (bytes == -EAGAIN)
			return PROBE_TALK_READ;
		if (bytes == -EMSGSIZE && talk->said < SENT_MAX) {
			talk->due = true;
			return PROBE_TALK_WRITE;
		}
		if (bytes < 0)
			return unreachable((int)-bytes, report);
		talk->answered = true;
		talk->heard = (size_t)bytes;
		if (check_searches(check) && talk->looks++ >= LOOKS)
			continue;
		if (judge_datagram(talk, check, false, report))
			return PROBE_TALK_DONE;
	}
	return PROBE_TALK_READ;
}

static void
broke(int error, const char *what, struct check_report *report)
{
	report->status = CHECK_L7RSP;
	snprintf(report->text, sizeof(report->text), "%s while %s", strerror(error), what);
	report->text[0] = (char)tolower((unsigned char)report->text[0]);
}

/* A handshake or what is beneath the conversation has failed. */
static enum probe_talk_step
tls_failed(const struct probe_talk *talk, int error, struct check_report *report)
{
	errno = error;
	if (error == ENOMEM)
		return PROBE_TALK_LOCAL;
	report->status = CHECK_L6RSP;
	report->code = 0;
	report->soft = false;
	snprintf(report->text, sizeof(report->text), "%s", probe_tls_why(talk->tls));
	return PROBE_TALK_DONE;
}

static void
speak(struct probe_talk *talk, int fd)
{
	ssize_t bytes = 0;

	while (talk->sent < talk->request_length && bytes >= 0) {
		const char *from = talk->request + talk->sent;
		size_t length = talk->request_length - talk->sent;

		bytes = talk->tls ? probe_tls_send(talk->tls, fd, from, length)
				  : send(fd, from, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (bytes > 0)
			talk->sent += (size_t)bytes;
	}
}

/* All that there is and has room. 0 or an error's number; *ended: nothing more comes. */
static int
hear(struct probe_talk *talk, int fd, bool *came, bool *ended)
{
	ssize_t bytes = 1;

	*came = *ended = false;
	while (bytes > 0 && talk->heard < CHECK_ANSWER_MAX) {
		char *to;
		size_t room;

		if (!make_room(talk))
			return ENOMEM;
		to = talk->answer + talk->heard;
		room = talk->room - talk->heard;
		if (talk->tls) {
			bytes = probe_tls_recv(talk->tls, fd, to, room);
		} else {
			bytes = recv(fd, to, room, MSG_DONTWAIT);
			bytes = bytes < 0 ? -errno : bytes;
		}
		if (bytes > 0)
			talk->heard += (size_t)bytes;
		*came |= bytes > 0;
	}
	*ended = bytes == 0 || talk->heard == CHECK_ANSWER_MAX;
	return bytes >= 0 || bytes == -EAGAIN || bytes == -EINTR ? 0 : (int)-bytes;
}

static enum probe_talk_step
converse(struct probe_talk *talk, int fd, const struct check_talk *check,
	struct check_report *report)
{
	bool said, came, ended;
	int error;

	speak(talk, fd);
	/* What it said before it hung up counts, so errors of writing are left to reading. */
	error = hear(talk, fd, &came, &ended);
	if (error == ENOMEM) {
		errno = error;
		return PROBE_TALK_LOCAL;
	}
	if (error) {
		if (judge(talk, check, true, report) && report->status != CHECK_L7RSP)
			return PROBE_TALK_DONE;
		if (error == EPROTO && talk->tls)
			return tls_failed(talk, error, report);
		broke(error, talk->heard ? "it answered" : "waiting for an answer", report);
		return PROBE_TALK_DONE;
	}
	/* A check that expects nothing is over when all is said, whatever it hears before. */
	said = talk->sent == talk->request_length;
	if ((said || ended || (came && check_expects(check))) && judge(talk, check, ended, report))
		return PROBE_TALK_DONE;
	return said ? PROBE_TALK_READ : PROBE_TALK_WRITE;
}

enum probe_talk_step
probe_talk_step(struct probe_talk *talk, int fd, const struct check_talk *check,
	struct check_report *report)
{
	enum probe_talk_step step;
	int status;

	if (check_transport(check) != CHECK_STREAM)
		return datagram_step(talk, fd, check, report);
	status = talk->tls ? probe_tls_handshake(talk->tls, fd) : 0;
	if (status == -EAGAIN)
		return probe_tls_wants_write(talk->tls) ? PROBE_TALK_WRITE : PROBE_TALK_READ;
	if (status < 0)
		return tls_failed(talk, -status, report);
	step = converse(talk, fd, check, report);
	if (talk->tls && step == PROBE_TALK_DONE)
		probe_tls_bye(talk->tls);
	return step;
}

void
probe_talk_timeout(struct probe_talk *talk, const struct check_talk *check, uint32_t timeout_ms,
	struct check_report *report)
{
	char heard[41];

	if (check_transport(check) != CHECK_STREAM) {
		judge_datagram(talk, check, true, report);
		if (report->status == CHECK_L4TOUT)
			snprintf(report->text, sizeof(report->text), "no answer within %u ms",
				timeout_ms);
		return;
	}
	if (talk->tls && !probe_tls_is_done(talk->tls)) {
		report->status = CHECK_L6TOUT;
		snprintf(report->text, sizeof(report->text), "timeout after %u ms in TLS handshake",
			timeout_ms);
		return;
	}
	if (talk->tls)
		probe_tls_bye(talk->tls);
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
