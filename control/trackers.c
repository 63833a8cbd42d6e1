/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "publish.h"
#include "state.h"
#include "trackers.h"

#define LOG_SUBSYSTEM "servers"
#include "shunt/log.h"

/* Where its tracking ends: at itself, if it tracks nobody. config_probe.c bounds the way. */
static struct server *
end_of(struct server *server)
{
	while (server->tracked)
		server = server->tracked;
	return server;
}

uint8_t
server_admin(const struct server *server)
{
	uint8_t admin = server->admin;

	for (; server; server = server->tracked) {
		if (server->admin > admin)
			admin = server->admin;
	}
	return admin;
}

static void
each_server(struct control *control, void (*visit)(struct control *control, struct server *server))
{
	for (size_t i = 0; i < control->backend_count; i++) {
		for (size_t j = 0; j < control->backends[i]->server_count; j++)
			visit(control, control->backends[i]->servers[j]);
	}
}

static void
link_server(struct control *control, struct server *server)
{
	const struct server_config *config = &server->config;

	if (config->tracks)
		server->tracked =
			control->backends[config->track_backend]->servers[config->track_server];
}

/* Its health is known from here on. */
static void
join(struct control *control, struct server *server)
{
	struct server *end = end_of(server);

	(void)control;
	if (end == server)
		return;
	server->next_tracker = end->trackers;
	end->trackers = server;
	if (server->health.verdict != end->health.verdict)
		server->changed_ms = end->health.fresh ? 0 : state_wall_ms();
	server->health = end->health;
	server->seen = server_state_name(server);
}

void
trackers_link(struct control *control)
{
	each_server(control, link_server);
	each_server(control, join);
}

static void
follow(struct control *control, struct server *server)
{
	(void)control;
	if (!server->tracked)
		return;
	server->health = end_of(server)->health;
	server->seen = server_state_name(server);
}

/*
 * server_adopt() takes a server that was down with good health for one whose agent has said so. But
 * if what it tracks is reason enough, nothing is known of its own agent, which may have no cause to
 * say "up".
 */
static void
doubt_agent(struct control *control, struct server *server)
{
	struct server_agent *agent = server->agent;

	(void)control;
	if (server->tracked && agent && agent->report.status == CHECK_INI &&
		(server_admin(server->tracked) == SHUNT_ADMIN_MAINT ||
			server_agent_is_down(server->tracked)))
		agent->down = false;
}

void
trackers_adopted(struct control *control)
{
	each_server(control, doubt_agent);
	each_server(control, follow);
}

void
trackers_path(const struct server *server, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", server->backend->config.name, server->config.name);
}

void
trackers_changed(struct control *control, struct server *server)
{
	const struct server *end = end_of(server);
	char path[2 * SHUNT_NAME_SIZE], why[sizeof(path) + 8];
	const char *was;

	if (server->tracked)
		server->seen = server_state_name(server); /* whoever changed it has noted it */
	for (struct server *tracker = end->trackers; tracker; tracker = tracker->next_tracker) {
		was = tracker->seen;
		follow(control, tracker);
		/* In a panic it may be another one for the dataplane though its name stays. */
		publish_schedule_server(control->publish, tracker);
		if (tracker->changed_ms == 0 && !tracker->health.fresh)
			tracker->changed_ms = state_wall_ms();
		if (strcmp(was, tracker->seen) == 0)
			continue;
		tracker->changed_ms = state_wall_ms();
		trackers_path(tracker->tracked, path, sizeof(path));
		snprintf(why, sizeof(why), "tracks %s", path);
		log_info("%s/%s was %s and is %s: it %s", tracker->backend->config.name,
			tracker->config.name, was, tracker->seen, why);
		events_add(&control->events, tracker, was, why);
	}
}
