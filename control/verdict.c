/* SPDX-License-Identifier: BSD-3-Clause */
/* What a probe's result makes of a server. */
#include "state.h"

#define LOG_SUBSYSTEM "servers"
#include "shunt/log.h"

/* The line an operator looks for in the log. */
static void
log_verdict(const struct server *server, unsigned int streak)
{
	static const char *const beside[SHUNT_ADMIN_COUNT] = { "", " (set to drain)",
		" (set to maint)" };
	const char *backend = server->backend->config.name;
	const char *name = server->config.name;
	bool up = check_passed(&server->report);
	char last[CHECK_TEXT_SIZE + 64];

	check_report_text(&server->report, last, sizeof(last));
	log_info("%s/%s is %s%s: %u probe%s %s, last: %s", backend, name, up ? "up" : "down",
		beside[server->admin], streak, streak == 1 ? "" : "s", up ? "succeeded" : "failed",
		last);
}

bool
server_probed(struct server *server, const struct check_report *report)
{
	const char *was = server_state_name(server);
	unsigned int streak = server->health.streak + 1u;
	bool fresh = server->health.fresh, passed = check_passed(report);
	bool changed = health_result(&server->health, &server->config.check, passed);
	char text[CHECK_TEXT_SIZE + 64];

	server->report = *report;
	server->check_fail += !passed;
	server->check_down += changed && !passed;
	if (server->changed_ms == 0 || strcmp(was, server_state_name(server)) != 0)
		server->changed_ms = state_wall_ms();
	if (changed) {
		log_verdict(server, streak);
	} else if (fresh && !passed) {
		check_report_text(report, text, sizeof(text));
		log_info("%s/%s stays down: first probe failed: %s", server->backend->config.name,
			server->config.name, text);
	}
	return changed || fresh;
}
