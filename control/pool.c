/* SPDX-License-Identifier: BSD-3-Clause */
#include "pool.h"

#include <time.h>

#define LOG_SUBSYSTEM "pool"
#include "shunt/log.h"

/* Nobody has said that it shall not take flows: neither an operator nor its agent. */
static bool
is_wanted(const struct server *server)
{
	return server_admin(server) == SHUNT_ADMIN_READY && !server_agent_is_down(server) &&
		!server->removed;
}

bool
pool_is_up(const struct server *server)
{
	return is_wanted(server) && server->health.verdict != SHUNT_HEALTH_DOWN;
}

static uint64_t
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Would it take flows if health did not matter? One that is not probed yet is not known to be ill.
 */
static bool
is_probed(const struct server *server)
{
	return is_wanted(server) &&
		!(server->health.fresh && server->health.verdict == SHUNT_HEALTH_DOWN);
}

/* One of the backend's own that flows go to. */
static bool
carries(const struct server *server)
{
	return !server->config.backup && server->weight > 0 && pool_is_up(server);
}

bool
pool_is_last(const struct server *server)
{
	const struct backend *backend = server->backend;

	if (!carries(server))
		return false;
	for (size_t i = 0; i < backend->server_count; i++) {
		if (backend->servers[i] != server && carries(backend->servers[i]))
			return false;
	}
	return true;
}

/*
 * As in HAProxy, a server that was there at the start is not warmed up when it is found up for the
 * first time: with all of them it has to carry what comes.
 */
static void
note_start(struct server *server)
{
	bool up = pool_is_up(server);

	if (up && !server->was_up)
		server->up_since_ms = server->cold ? 0 : monotonic_ms();
	if (up || !server->health.fresh)
		server->cold = false;
	server->was_up = up;
}

/* Of the servers that are no backup ones: of all that are probed and not taken out, and those up.
 */
struct weights {
	uint32_t all;
	uint32_t up;
	bool backup; /* one of those is up */
};

static struct weights
sum_weights(struct backend *backend)
{
	struct weights sum = { 0 };

	for (size_t i = 0; i < backend->server_count; i++) {
		struct server *server = backend->servers[i];

		note_start(server);
		if (server->config.backup) {
			sum.backup |= pool_is_up(server) && server->weight > 0;
			continue;
		}
		sum.all += is_probed(server) ? server->weight : 0;
		sum.up += pool_is_up(server) ? server->weight : 0;
	}
	return sum;
}

/* Is so little left that health itself is in doubt? A backup server that is up is worth more. */
static bool
wants_panic(const struct backend *backend, const struct weights *sum)
{
	if (sum->up == 0 && sum->backup)
		return false;
	return sum->up < sum->all &&
		(uint64_t)sum->up * 100 < (uint64_t)backend->config.panic_threshold * sum->all;
}

/* keepalived's: `hysteresis` less than the quorum loses it, as much more brings it back. */
static bool
has_quorum(const struct backend *backend, uint32_t weight)
{
	uint32_t quorum = backend->config.quorum, slack = backend->config.hysteresis;

	return backend->quorum_lost ? weight >= quorum + slack : weight + slack >= quorum;
}

bool
pool_update(struct backend *backend)
{
	const char *name = backend->config.name;
	struct weights sum = sum_weights(backend);
	bool panic = wants_panic(backend, &sum), changed = panic != backend->panic;
	uint32_t weight = panic ? sum.all : sum.up;
	bool lost = !has_quorum(backend, weight);

	if (panic && changed)
		log_warn("%s: panic: servers with a weight of %u of %u are up, less than %u %%: "
			 "all take flows, whatever their health",
			name, sum.up, sum.all, backend->config.panic_threshold);
	else if (changed)
		log_info("%s: no panic any more: servers with a weight of %u of %u are up", name,
			sum.up, sum.all);
	if (lost != backend->quorum_lost)
		log_info("%s has %s: a weight of %u of %u", name,
			lost ? "lost its quorum" : "its quorum again", weight,
			backend->config.quorum);
	backend->panic = panic;
	backend->quorum_lost = lost;
	return changed;
}

bool
pool_is_backup(const struct backend *backend)
{
	bool any = false;

	if (backend->quorum_lost)
		return true;
	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server *server = backend->servers[i];

		any |= !server->config.backup && server->weight > 0 &&
			(backend->panic ? is_probed(server) : pool_is_up(server));
	}
	return !any;
}

bool
pool_takes(const struct backend *backend, const struct server *server)
{
	if (server->weight == 0)
		return false;
	return backend->panic && !server->config.backup ? is_probed(server) : pool_is_up(server);
}
