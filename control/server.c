/* SPDX-License-Identifier: BSD-3-Clause */
/* One server: what it is from admin state, health and agent, and what commands make of it. */
#include <string.h>

#include "probe.h"
#include "state.h"

#define LOG_SUBSYSTEM "servers"
#include "shunt/log.h"

enum shunt_server_state
server_state(const struct server *server)
{
	bool believed = !server->backend->panic || server->config.backup || server->removed ||
		server->health.fresh;

	uint8_t admin = server_admin(server);

	if (admin == SHUNT_ADMIN_MAINT || server_agent_is_down(server) ||
		(server->health.verdict == SHUNT_HEALTH_DOWN && believed))
		return SHUNT_SERVER_DOWN;
	return admin == SHUNT_ADMIN_DRAIN || server->removed ? SHUNT_SERVER_DRAIN : SHUNT_SERVER_UP;
}

const char *
server_state_name(const struct server *server)
{
	if (server->removed)
		return "removed";
	if (server_admin(server) == SHUNT_ADMIN_MAINT)
		return "maint";
	if (server->health.verdict == SHUNT_HEALTH_DOWN || server_agent_is_down(server))
		return "down";
	if (server_admin(server) == SHUNT_ADMIN_DRAIN)
		return "drain";
	return server->health.verdict == SHUNT_HEALTH_NO_CHECK ? "no-check" : "up";
}

void
server_set_admin(struct server *server, enum shunt_admin_state admin)
{
	static const char *const names[SHUNT_ADMIN_COUNT] = { "ready", "drain", "maint" };
	const char *was = server_state_name(server);

	server->admin_set = true;
	if (server->admin == admin)
		return;
	server->admin = admin;
	if (strcmp(was, server_state_name(server)) != 0)
		server->changed_ms = state_wall_ms();
	log_info("%s/%s is set to %s: it was %s and is %s", server->backend->config.name,
		server->config.name, names[admin], was, server_state_name(server));
}

void
server_set_weight(struct server *server, uint16_t weight)
{
	if (server->weight != weight)
		log_info("%s/%s is set to weight %u (was %u, in the file %u)",
			server->backend->config.name, server->config.name, weight, server->weight,
			server->config.weight);
	server->weight = weight;
	server->weight_set = true;
	server->file_weight = server->config.weight;
}

void
server_shutdown_sessions(struct server *server)
{
	server->reset_mark++;
	log_info("the sessions of %s/%s are reset, as commanded", server->backend->config.name,
		server->config.name);
}

void
server_adopt(struct server *server, const struct shunt_server *image)
{
	/* Down since never: the process before did not come to probe it, so it is still fresh. */
	bool verdict_known = image->health != SHUNT_HEALTH_DOWN || image->changed_ms != 0;

	/*
	 * The image is another process's memory; a value out of range is as if it said nothing.
	 * What this process's own probes have found and what it was commanded before it reached
	 * the dataplane is newer than the image.
	 */
	if (image->admin < SHUNT_ADMIN_COUNT && !server->admin_set)
		server->admin = image->admin;
	server->was_up = image->state == SHUNT_SERVER_UP;
	server->up_since_ms = image->up_since_ms;
	/* Counted from the image's, so that a command given meanwhile still makes a difference. */
	server->reset_mark = (uint8_t)(server->reset_mark + image->reset_mark);
	if (image->file_weight == server->config.weight && image->weight <= SHUNT_MAX_WEIGHT &&
		!server->weight_set)
		server->weight = image->weight;
	if (server->health.fresh && image->health < SHUNT_HEALTH_COUNT && verdict_known) {
		server->health = (struct health){
			.verdict = image->health == SHUNT_HEALTH_DOWN ? SHUNT_HEALTH_DOWN
								      : SHUNT_HEALTH_UP,
		};
		if (server->probe)
			probe_update(server->probe);
	}
	if (server->agent && server->agent->report.status == CHECK_INI)
		server->agent->down = image->state == SHUNT_SERVER_DOWN &&
			image->health != SHUNT_HEALTH_DOWN && image->admin != SHUNT_ADMIN_MAINT;
	if (server->health.verdict == image->health && server->admin == image->admin)
		server->changed_ms = image->changed_ms;
}
