/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "state.h"

static void
add(struct events *events, const struct server *server, const char *from, const char *to,
	const char *why)
{
	struct event *event = &events->ring[events->count++ % EVENTS_MAX];

	event->wall_ms = state_wall_ms();
	memcpy(event->backend, server->backend->config.name, sizeof(event->backend));
	memcpy(event->server, server->config.name, sizeof(event->server));
	event->from = from;
	event->to = to;
	snprintf(event->why, sizeof(event->why), "%s", why);
}

void
events_add(struct events *events, const struct server *server, const char *from, const char *why)
{
	const char *to = server_state_name(server);

	if (strcmp(from, to) != 0)
		add(events, server, from, to, why);
}

/* Those that come, and those that stay and are something else. */
static void
note_next(struct events *events, const struct backend *old, const struct backend *next)
{
	for (size_t i = 0; i < next->server_count; i++) {
		const struct server *server = next->servers[i];
		const struct server *was = old ? backend_find_same(old, &server->config) : NULL;

		events_add(events, server, was ? server_state_name(was) : "none", "reload");
	}
}

static void
note_gone(struct events *events, const struct backend *old, const struct backend *next)
{
	for (size_t i = 0; i < old->server_count; i++) {
		const struct server *was = old->servers[i];

		if (!next || !backend_find_same(next, &was->config))
			add(events, was, server_state_name(was), "removed", "reload");
	}
}

void
events_reload(struct control *control, const struct control *next)
{
	if (!control->config)
		return; /* a start: everything would be new */
	for (size_t i = 0; i < control->backend_count; i++) {
		const struct backend *old = control->backends[i];

		note_gone(&control->events, old, state_find_backend(next, old->config.name));
	}
	for (size_t i = 0; i < next->backend_count; i++) {
		const struct backend *backend = next->backends[i];

		note_next(&control->events, state_find_backend(control, backend->config.name),
			backend);
	}
}

/* "2026-01-31T23:59:59.999Z" */
static void
time_text(uint64_t wall_ms, char *out, size_t size)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	size_t used;

	gmtime_r(&seconds, &tm);
	used = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + used, size - used, ".%03uZ", (unsigned int)(wall_ms % 1000));
}

json_t *
events_show(const struct events *events, size_t count)
{
	size_t kept = events->count < EVENTS_MAX ? (size_t)events->count : EVENTS_MAX;
	json_t *rows = json_array();
	char when[48];

	for (uint64_t i = events->count - (count < kept ? count : kept); i < events->count; i++) {
		const struct event *e = &events->ring[i % EVENTS_MAX];

		time_text(e->wall_ms, when, sizeof(when));
		if (json_array_append_new(rows,
			    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "time", when, "backend",
				    e->backend, "server", e->server, "from", e->from, "to", e->to,
				    "why", e->why)) != 0) {
			json_decref(rows);
			return NULL;
		}
	}
	return rows;
}
