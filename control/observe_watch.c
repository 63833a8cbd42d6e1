/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "probe.h"
#include "publish.h"
#include "state.h"

#define LOG_SUBSYSTEM "observe"
#include "shunt/log.h"

static struct observe_counts
counts_of(const struct shunt_stats *stats, uint32_t id)
{
	struct observe_counts sum = { 0 };

	for (uint32_t i = 0; i < stats->worker_count && i < SHUNT_MAX_WORKERS; i++) {
		const struct shunt_server_stats *s = &shunt_stats_servers(stats, i)[id];

		sum.begun += s->sessions_total;
		sum.unanswered += s->syn_unanswered;
		sum.refused += s->syn_refused;
	}
	return sum;
}

static void
log_failing(const struct server *server)
{
	const struct observe *o = &server->observe;

	log_warn("%s/%s: %lu of %lu new connections in the last %.1f s were refused or "
		 "unanswered: probed at once",
		server->backend->config.name, server->config.name, (unsigned long)o->failed,
		(unsigned long)o->among, o->lasted_ms / 1000.0);
}

static void
look(struct server *server, const struct shunt_stats *stats, uint64_t now_ms)
{
	const struct observe_source source = {
		.started_ms = stats->started_ms,
		.pid = stats->pid,
		.id = server->id < SHUNT_MAX_SERVERS ? server->id : 0,
	};
	const struct observe_counts counts = counts_of(stats, source.id);

	if (!observe_look(
		    &server->observe, &server->config.check.observe, &source, &counts, now_ms))
		return;
	log_failing(server);
	probe_hurry(server->probe);
}

uint64_t
observe_turn(struct control *control, const struct shunt_stats *stats, uint64_t now_ms)
{
	uint64_t wait_ms = 0;

	for (size_t i = 0; i < control->backend_count; i++) {
		const struct backend *backend = control->backends[i];

		for (size_t j = 0; j < backend->server_count; j++) {
			struct server *server = backend->servers[j];
			const struct observe_config *config = &server->config.check.observe;
			uint64_t due_ms;

			if (!check_is_observed(&server->config.check))
				continue;
			/* One that is down has `downinter`; what it comes up with is new. */
			if (!stats || server->health.verdict != SHUNT_HEALTH_UP)
				observe_forget(&server->observe, now_ms);
			else if (observe_due_ms(&server->observe, config, now_ms) == 0)
				look(server, stats, now_ms);
			due_ms = observe_due_ms(&server->observe, config, now_ms);
			if (wait_ms == 0 || due_ms < wait_ms)
				wait_ms = due_ms;
		}
	}
	return wait_ms;
}

static void
on_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct control *control = loop_container(timer, struct control, observe_timer);
	uint64_t wait_ms = observe_turn(
		control, control->publish ? publish_stats(control->publish) : NULL, now_ms);

	/* It has just been taken from the loop, so that setting it anew needs no memory. */
	if (wait_ms)
		loop_timer_set(control->loop, timer, wait_ms);
}

static bool
is_any_observed(const struct control *control)
{
	for (size_t i = 0; i < control->backend_count; i++) {
		const struct backend *backend = control->backends[i];

		for (size_t j = 0; j < backend->server_count; j++) {
			if (check_is_observed(&backend->servers[j]->config.check))
				return true;
		}
	}
	return false;
}

int
observe_watch(struct control *control)
{
	control->observe_timer.on_timer = on_timer;
	if (!is_any_observed(control))
		return 0;
	return loop_timer_set(control->loop, &control->observe_timer, 0);
}
