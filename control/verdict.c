/* SPDX-License-Identifier: BSD-3-Clause */
/* What a probe's result makes of a server. */
#include "pool.h"

#define LOG_SUBSYSTEM "servers"
#include "shunt/log.h"

/* Why the verdict may not be what it is. */
static const char *
beside(const struct server *server, bool up)
{
	static const char *const set_to[SHUNT_ADMIN_COUNT] = { "", " (set to drain)",
		" (set to maint)" };

	return up && server_agent_is_down(server) ? " (but its agent has it down)"
						  : set_to[server->admin];
}

/* The line an operator looks for in the log. */
static void
log_verdict(const struct server *server, unsigned int streak)
{
	const char *backend = server->backend->config.name;
	const char *name = server->config.name;
	bool up = check_passed(&server->report);
	char last[CHECK_TEXT_SIZE + 64];

	check_report_text(&server->report, last, sizeof(last));
	log_info("%s/%s is %s%s: %u probe%s %s, last: %s", backend, name, up ? "up" : "down",
		beside(server, up), streak, streak == 1 ? "" : "s", up ? "succeeded" : "failed",
		last);
}

/* What the result counts for: see control/health.h. */
static enum health_probe
weigh(const struct server *server, const struct check_report *report, uint64_t now_ms)
{
	if (check_passed(report))
		return flap_held_ms(&server->flap, &server->config.check.flap, now_ms)
			? HEALTH_HELD
			: HEALTH_PASSED;
	if (server->config.check.keep_last && pool_is_last(server))
		return report->soft ? HEALTH_KEPT : HEALTH_KEPT_FAILED;
	return report->soft ? HEALTH_SOFT : HEALTH_FAILED;
}

/* Said once in a row: it may go on for hours. */
static void
note_kept(struct server *server, enum health_probe probe)
{
	bool kept = probe == HEALTH_KEPT && health_is_kept(&server->health, &server->config.check);
	char last[CHECK_TEXT_SIZE + 64];

	if (kept && !server->kept) {
		check_report_text(&server->report, last, sizeof(last));
		log_warn("%s/%s is kept up: it is the last, and its failures are soft, last: %s",
			server->backend->config.name, server->config.name, last);
	}
	if (kept || server->health.streak == 0)
		server->kept = kept;
}

static void
note_change(struct server *server, unsigned int streak, uint64_t now_ms)
{
	const struct flap_config *config = &server->config.check.flap;

	log_verdict(server, streak);
	if (server->health.verdict == SHUNT_HEALTH_UP) {
		flap_up(&server->flap, now_ms);
		return;
	}
	flap_down(&server->flap, config, now_ms);
	if (flap_held_ms(&server->flap, config, now_ms))
		log_warn("%s/%s goes down again and again: it is held down for %.1f s at least",
			server->backend->config.name, server->config.name,
			flap_held_ms(&server->flap, config, now_ms) / 1000.0);
}

static void
log_fresh(const struct server *server)
{
	char text[CHECK_TEXT_SIZE + 64];

	check_report_text(&server->report, text, sizeof(text));
	log_info("%s/%s stays %s: first probe failed: %s", server->backend->config.name,
		server->config.name, server->health.verdict == SHUNT_HEALTH_UP ? "up" : "down",
		text);
}

bool
server_probed(struct server *server, const struct check_report *report, uint64_t now_ms)
{
	const char *was = server_state_name(server);
	unsigned int streak = server->health.streak + 1u;
	bool fresh = server->health.fresh, passed = check_passed(report);
	enum health_probe probe = weigh(server, report, now_ms);
	bool changed = health_result(&server->health, &server->config.check, probe);

	server->report = *report;
	server->check_fail += !passed;
	server->check_down += changed && !passed;
	if (server->changed_ms == 0 || strcmp(was, server_state_name(server)) != 0)
		server->changed_ms = state_wall_ms();
	note_kept(server, probe);
	if (changed)
		note_change(server, streak, now_ms);
	else if (fresh && !passed)
		log_fresh(server);
	return changed || fresh;
}
