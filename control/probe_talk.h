/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The conversation of one probe, over its connected socket: what is said, and what was heard. The
 * socket is of the transport of the talk (check_transport()).
 */
#ifndef CONTROL_PROBE_TALK_H
#define CONTROL_PROBE_TALK_H

#include "check.h"

struct probe_talk;
struct server;
struct check_config;

enum probe_talk_step {
	PROBE_TALK_READ,  /* go on when there is something to read */
	PROBE_TALK_WRITE, /* or when there is room to write */
	PROBE_TALK_DONE,
	PROBE_TALK_LOCAL, /* it cannot be done from here: errno says why */
};

/* The conversation of check->talk, which is there; `check` is the server's. NULL: out of memory. */
struct probe_talk *probe_talk_create(const struct server *server, const struct check_config *check);
void probe_talk_destroy(struct probe_talk *talk);

/* Writes and reads what can be without waiting; when it is done *report says what came of it. */
enum probe_talk_step probe_talk_step(struct probe_talk *talk, int fd,
	const struct check_talk *check, struct check_report *report);

/* The time is over: the verdict by what was heard so far. */
void probe_talk_timeout(struct probe_talk *talk, const struct check_talk *check,
	uint32_t timeout_ms, struct check_report *report);

#endif
