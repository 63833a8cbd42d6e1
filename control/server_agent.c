/* SPDX-License-Identifier: BSD-3-Clause */
#include "server_agent.h"

#include <errno.h>
#include <stdlib.h>

#include "flow_mode.h"
#include "probe.h"
#include "publish.h"
#include "state.h"
#include "trackers.h"

#define LOG_SUBSYSTEM "servers"
#include "shunt/log.h"

int
server_agent_start(struct control *control, struct server *server, const struct server *old)
{
	if (!server->config.agent)
		return 0;
	server->agent = calloc(1, sizeof(*server->agent));
	if (!server->agent)
		return -ENOMEM;
	if (old && old->agent) {
		server->agent->down = old->agent->down;
		server->agent->report = old->agent->report;
	}
	server->agent->probe = probe_start_agent(control, server);
	if (server->agent->probe)
		return 0;
	server_agent_stop(server);
	return -ENOMEM;
}

void
server_agent_stop(struct server *server)
{
	if (!server->agent)
		return;
	if (server->agent->probe)
		probe_stop(server->agent->probe);
	free(server->agent);
	server->agent = NULL;
}

bool
server_agent_is_down(const struct server *server)
{
	for (; server; server = server->tracked) {
		if (server->agent && server->agent->down)
			return true;
	}
	return false;
}

/* Per cent of the file's: a server that shall have some of it has at least 1. */
static bool
apply_weight(struct server *server, uint16_t percent)
{
	uint32_t weight = (uint32_t)server->config.weight * percent / 100;

	if (weight == 0 && percent > 0 && server->config.weight > 0)
		weight = 1;
	if (weight > SHUNT_MAX_WEIGHT)
		weight = SHUNT_MAX_WEIGHT;
	if (weight == server->weight)
		return false;
	server_set_weight(server, (uint16_t)weight);
	return true;
}

/* Stateless flows are not counted, and so cannot be limited. */
static bool
apply_maxconn(struct control *control, struct server *server, uint32_t maxconn)
{
	if (server->maxconn == maxconn ||
		flow_mode_of(control, server->backend) != FLOW_MODE_STATEFUL)
		return false;
	log_info("%s/%s is set to maxconn %u by its agent (was %u, in the file %u)",
		server->backend->config.name, server->config.name, maxconn, server->maxconn,
		server->config.maxconn);
	server->maxconn = maxconn;
	return true;
}

/* Of several words the strictest. */
static bool
apply_admin(struct server *server, uint16_t words)
{
	uint8_t admin = words & CHECK_AGENT_MAINT ? SHUNT_ADMIN_MAINT
		: words & CHECK_AGENT_DRAIN	  ? SHUNT_ADMIN_DRAIN
						  : SHUNT_ADMIN_READY;

	if (!(words & (CHECK_AGENT_MAINT | CHECK_AGENT_DRAIN | CHECK_AGENT_READY)) ||
		server->admin == admin)
		return false;
	server_set_admin(server, admin);
	return true;
}

static void
changed(struct control *control, struct server *server, const char *was, const char *why)
{
	if (strcmp(was, server_state_name(server)) != 0)
		server->changed_ms = state_wall_ms();
	events_add(&control->events, server, was, why);
	publish_schedule_server(control->publish, server);
	trackers_changed(control, server);
}

void
server_agent_apply(struct control *control, struct server *server, const struct check_agent *said)
{
	const char *was = server_state_name(server);
	bool any = false;

	if (said->words & CHECK_AGENT_WEIGHT)
		any |= apply_weight(server, said->percent);
	if (said->words & CHECK_AGENT_MAXCONN)
		any |= apply_maxconn(control, server, said->maxconn);
	any |= apply_admin(server, said->words);
	if (any)
		changed(control, server, was, "its agent says so");
}

void
server_agent_probed(
	struct control *control, struct server *server, const struct check_report *report)
{
	struct server_agent *agent = server->agent;
	uint16_t words = report->agent.words;
	const char *was = server_state_name(server);
	char why[CHECK_TEXT_SIZE + 64];
	bool down = agent->down;

	agent->report = *report;
	if (words & CHECK_AGENT_DOWN)
		down = true;
	else if (words & CHECK_AGENT_UP)
		down = false;
	server_agent_apply(control, server, &report->agent);
	if (down == agent->down)
		return;
	agent->down = down;
	check_report_text(report, why, sizeof(why));
	log_info("%s/%s was %s and is %s: its agent: %s", server->backend->config.name,
		server->config.name, was, server_state_name(server), why);
	changed(control, server, was, why);
}
