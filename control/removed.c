/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "shunt/stats.h"
#include "server_agent.h"
#include "flow_mode.h"
#include "probe.h"
#include "removed.h"
#include "state.h"

#define LOG_SUBSYSTEM "servers"
#include "shunt/log.h"

/*
 * A flow that both sides have closed is no session, but the dataplane keeps it for up to 14 s, so
 * that a last acknowledgment or a repeated FIN finds the server. After that no flow names it.
 */
#define LINGER_MS 16000

#define NOT_COUNTED UINT64_MAX

struct server *
removed_find(const struct backend *backend, const struct server_config *config)
{
	for (size_t i = 0; backend && i < backend->removed_count; i++) {
		const struct server_config *own = &backend->removed[i]->config;

		if (own->port_be == config->port_be && strcmp(own->name, config->name) == 0 &&
			shunt_addr_equal(&own->address, &config->address))
			return backend->removed[i];
	}
	return NULL;
}

struct server *
removed_next(const struct control *control, const char *path, const struct server *after)
{
	const char *slash = strchr(path, '/');
	const struct backend *backend;
	char name[SHUNT_NAME_SIZE];

	if (!slash || (size_t)(slash - path) >= sizeof(name))
		return NULL;
	memcpy(name, path, (size_t)(slash - path));
	name[slash - path] = '\0';
	backend = state_find_backend(control, name);
	for (size_t i = 0; backend && i < backend->removed_count; i++) {
		struct server *server = backend->removed[i];

		if (!after && strcmp(server->config.name, slash + 1) == 0)
			return server;
		if (server == after)
			after = NULL;
	}
	return NULL;
}

void
removed_take_back(struct server *server, const struct server *removed)
{
	server->id = removed->id;
	/* Another mark would reset the sessions that it comes back to. */
	server->reset_mark = removed->reset_mark;
	server->health = removed->health;
	server->flap = removed->flap;
	health_update(&server->health, &server->config.check);
	if (server->health.fresh)
		server->changed_ms = 0;
}

int
removed_reserve(struct backend *backend, const struct backend *old)
{
	size_t room = old ? backend_all_count(old) : 0;

	backend->removed = calloc(room + 1, sizeof(struct server *));
	return backend->removed ? 0 : -ENOMEM;
}

void
removed_destroy(struct backend *backend)
{
	for (size_t i = 0; i < backend->removed_count; i++)
		free(backend->removed[i]);
	free(backend->removed);
	backend->removed = NULL;
	backend->removed_count = 0;
}

/* What an operator or the probes have said of it ends here, but for its being dead. */
static void
retire(struct server *server)
{
	if (server->probe)
		probe_stop(server->probe);
	server->probe = NULL;
	server->config.check.talk = NULL; /* the configuration's, which goes */
	server->tracked = server->trackers = NULL;
	server_agent_stop(server);
	server->removed = true;
	server->sessions = NOT_COUNTED;
	server->idle_since_ms = 0;
	server->hold_ms = 0;
	server->held_since_ms = 0;
	server->admin = SHUNT_ADMIN_READY;
	server->weight = server->config.weight;
	server->file_weight = server->config.weight;
	server->maxconn = server->config.maxconn;
	server->changed_ms = state_wall_ms();
}

/* From where a backend's servers are reached. */
struct reach {
	bool v4, v6; /* by a service of the family */
	bool range;  /* by one with several ports */
	bool source_v4, source_v6;
};

static struct reach
reach_of(const struct control *control, const struct backend *backend)
{
	struct reach reach = { 0 };

	for (size_t i = 0; i < control->service_count; i++) {
		const struct service *service = &control->services[i];

		if (!state_leads(control, service, backend))
			continue;
		reach.v4 |= shunt_addr_is_v4(&service->address);
		reach.v6 |= !shunt_addr_is_v4(&service->address);
		reach.range |= service->port_be != service->last_port_be;
	}
	for (size_t i = 0; i < backend->config.source_count; i++) {
		reach.source_v4 |= shunt_addr_is_v4(&backend->config.sources[i]);
		reach.source_v6 |= !shunt_addr_is_v4(&backend->config.sources[i]);
	}
	return reach;
}

/*
 * One that does not fit would make the dataplane refuse the image, or its flows cannot be alive:
 * its address is balanced or a source address now, the services that lead to its backend are of the
 * other family or have several ports now (in the modes that keep these), or full NAT has lost the
 * source that it was reached from.
 */
static bool
fits(const struct control *control, const struct backend *backend, const struct reach *reach,
	const struct server *server)
{
	bool v4 = shunt_addr_is_v4(&server->config.address);

	if (state_owns_address(control, &server->config.address))
		return false;
	switch (backend->config.forward) {
	case SHUNT_NAT:
		return !(v4 ? reach->v6 : reach->v4) && !(reach->range && server->config.port_be);
	case SHUNT_DR:
		return !(v4 ? reach->v6 : reach->v4);
	case SHUNT_FULLNAT:
		return v4 ? reach->source_v4 : reach->source_v6;
	default:
		return true;
	}
}

/*
 * Takes it out of the old model's array if it is to stay. hold_ms: for how long stateless flows to
 * its backend may be silent; when that time is over, those that live are counted as sessions.
 */
static void
carry(const struct control *next, struct backend *backend, const struct reach *reach,
	struct server **slot, uint32_t hold_ms)
{
	struct server *server = *slot;

	if (!server->id || backend_find_same(backend, &server->config) ||
		!fits(next, backend, reach, server))
		return;
	*slot = NULL;
	if (!server->removed) {
		retire(server);
		server->hold_ms = hold_ms;
	}
	server->backend = backend;
	backend->removed[backend->removed_count++] = server;
}

static void
let_go(struct backend *backend, size_t index)
{
	free(backend->removed[index]);
	backend->removed[index] = backend->removed[--backend->removed_count];
}

static size_t
count_all(const struct control *control)
{
	size_t count = 0;

	for (size_t i = 0; i < control->backend_count; i++)
		count += backend_all_count(control->backends[i]);
	return count;
}

static int
compare_sessions(const void *a, const void *b)
{
	const struct server *const *left = a;
	const struct server *const *right = b;

	return ((*left)->sessions > (*right)->sessions) - ((*left)->sessions < (*right)->sessions);
}

/* The configured ones alone never are too many: the configuration is checked for that. */
static void
limit(struct control *control)
{
	size_t all = count_all(control), count = 0, excess;
	struct server **removed;

	if (all < SHUNT_MAX_SERVERS)
		return;
	excess = all - (SHUNT_MAX_SERVERS - 1);
	removed = calloc(all, sizeof(struct server *));
	for (size_t i = 0; removed && i < control->backend_count; i++) {
		for (size_t j = 0; j < control->backends[i]->removed_count; j++)
			removed[count++] = control->backends[i]->removed[j];
	}
	log_warn("%zu removed servers lose their connections: there are ids for %u servers", excess,
		SHUNT_MAX_SERVERS - 1);
	if (removed)
		qsort(removed, count, sizeof(struct server *), compare_sessions);
	for (size_t i = 0; removed && i < count && i < excess; i++)
		removed[i]->idle_since_ms = UINT64_MAX; /* marks it, for the loop below */
	for (size_t i = 0; i < control->backend_count; i++) {
		struct backend *backend = control->backends[i];

		/* Without memory to choose with, all of them. */
		for (size_t j = backend->removed_count; j-- > 0;) {
			if (!removed || backend->removed[j]->idle_since_ms == UINT64_MAX)
				let_go(backend, j);
		}
	}
	free(removed);
}

void
removed_carry(struct control *control, struct control *next)
{
	size_t count = 0;

	for (size_t i = 0; i < next->backend_count; i++) {
		struct backend *backend = next->backends[i];
		struct backend *old = state_find_backend(control, backend->config.name);
		struct reach reach = reach_of(next, backend);
		uint32_t hold_ms = old ? flow_mode_silence_ms(control, old) : 0;

		for (size_t j = 0; old && j < old->server_count; j++)
			carry(next, backend, &reach, &old->servers[j], hold_ms);
		count += backend->removed_count;
		for (size_t j = 0; old && j < old->removed_count; j++)
			carry(next, backend, &reach, &old->removed[j], hold_ms);
	}
	if (count > 0)
		log_info("servers removed, which keep the connections they have: %zu", count);
	limit(next);
}

void
removed_adopt(
	struct control *control, const char *name, uint32_t id, const struct shunt_server *image)
{
	struct backend *backend = state_find_backend(control, name);
	struct server *server, **removed;
	struct reach reach;

	if (!backend || image->health >= SHUNT_HEALTH_COUNT ||
		image->file_weight > SHUNT_MAX_WEIGHT ||
		count_all(control) >= SHUNT_MAX_SERVERS - 1)
		return;
	removed = realloc(backend->removed, (backend->removed_count + 1) * sizeof(struct server *));
	if (removed)
		backend->removed = removed;
	server = removed ? calloc(1, sizeof(*server)) : NULL;
	if (!server) {
		log_error("out of memory: a removed server loses its connections");
		return;
	}
	server->id = id;
	memcpy(server->config.name, image->name, sizeof(server->config.name));
	server->config.address = image->address;
	server->config.port_be = image->port_be;
	server->config.keeps_port = !image->port_be;
	server->reset_mark = image->reset_mark;
	server->config.weight = image->file_weight;
	server->config.check.enabled = image->health != SHUNT_HEALTH_NO_CHECK;
	server->health.verdict = image->health;
	retire(server);
	server->changed_ms = image->changed_ms;
	server->hold_ms = flow_mode_silence_ms(control, backend);
	server->backend = backend;
	reach = reach_of(control, backend);
	if (fits(control, backend, &reach, server))
		backend->removed[backend->removed_count++] = server;
	else
		free(server);
}

static uint64_t
count_sessions(const struct shunt_stats *stats, uint32_t id)
{
	uint64_t sessions = 0;

	for (uint32_t i = 0; i < stats->worker_count && i < SHUNT_MAX_WORKERS; i++)
		sessions += shunt_stats_servers(stats, i)[id].sessions;
	return sessions;
}

/* Has it been without sessions for so long that no flow names it? */
static bool
has_ended(struct server *server, const struct shunt_stats *stats, uint64_t now_ms)
{
	server->sessions = stats ? count_sessions(stats, server->id) : NOT_COUNTED;
	if (server->held_since_ms == 0)
		server->held_since_ms = now_ms;
	if (server->hold_ms && now_ms - server->held_since_ms >= server->hold_ms + LINGER_MS)
		server->hold_ms = 0;
	if (server->sessions > 0 || server->hold_ms > 0) {
		server->idle_since_ms = 0;
		return false;
	}
	if (server->idle_since_ms == 0)
		server->idle_since_ms = now_ms;
	return now_ms - server->idle_since_ms >= LINGER_MS;
}

bool
removed_sweep(struct control *control, const struct shunt_stats *stats, uint64_t now_ms)
{
	size_t gone = 0;

	for (size_t i = 0; i < control->backend_count; i++) {
		struct backend *backend = control->backends[i];

		for (size_t j = backend->removed_count; j-- > 0;) {
			if (!has_ended(backend->removed[j], stats, now_ms))
				continue;
			let_go(backend, j);
			gone++;
		}
	}
	if (gone > 0)
		log_info("removed servers whose last connection has ended: %zu", gone);
	return gone > 0;
}
