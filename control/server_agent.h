/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What servers' agents say (HAProxy's agent-check), and what comes of it: weight, maxconn, admin
 * state, and whether the server is down. An agent that does not answer changes nothing: whether
 * the server lives is the check's business.
 */
#ifndef CONTROL_SERVER_AGENT_H
#define CONTROL_SERVER_AGENT_H

#include "check.h"

struct control;
struct server;

/* Of a new server whose configuration has an agent-check; `old`: as it was before, NULL: new. */
int server_agent_start(struct control *control, struct server *server, const struct server *old);
/* Does nothing if there is none. */
void server_agent_stop(struct server *server);

/* A probe of server->agent has ended. */
void server_agent_probed(
	struct control *control, struct server *server, const struct check_report *report);

/* The words of an answer but "up" and "down"; also of a check of type agent. */
void
server_agent_apply(struct control *control, struct server *server, const struct check_agent *said);

#endif
