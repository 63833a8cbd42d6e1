/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state: made anew from each configuration, with what is known of the servers that stay
 * carried over. The new state is built whole beside the old one, so that running out of memory
 * half way leaves the old one as it was; only then the probes move over and the old one goes.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "server_agent.h"
#include "flow_mode.h"
#include "probe.h"
#include "removed.h"
#include "rules.h"
#include "state.h"
#include "trackers.h"

#define LOG_SUBSYSTEM "servers"
#include "shunt/log.h"

/* For the one line that says what a configuration changed. */
struct apply_counts {
	size_t servers;
	size_t kept;
};

uint64_t
state_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int
compare_backends(const void *a, const void *b)
{
	const struct backend *const *left = a;
	const struct backend *const *right = b;

	return strcmp((*left)->config.name, (*right)->config.name);
}

static int
compare_servers(const void *a, const void *b)
{
	const struct server *const *left = a;
	const struct server *const *right = b;

	return strcmp((*left)->config.name, (*right)->config.name);
}

static int
compare_backend_name(const void *name, const void *element)
{
	const struct backend *const *backend = element;

	return strcmp(name, (*backend)->config.name);
}

static int
compare_server_name(const void *name, const void *element)
{
	const struct server *const *server = element;

	return strcmp(name, (*server)->config.name);
}

struct backend *
state_find_backend(const struct control *control, const char *name)
{
	struct backend **found;

	if (control->backend_count == 0)
		return NULL;
	found = bsearch(name, control->backends_by_name, control->backend_count,
		sizeof(struct backend *), compare_backend_name);
	return found ? *found : NULL;
}

static struct server *
find_in_backend(const struct backend *backend, const char *name)
{
	struct server **found;

	if (!backend || backend->server_count == 0)
		return NULL;
	found = bsearch(name, backend->by_name, backend->server_count, sizeof(struct server *),
		compare_server_name);
	return found ? *found : NULL;
}

struct server *
state_find_server(const struct control *control, const char *path)
{
	const char *slash = strchr(path, '/');
	char name[SHUNT_NAME_SIZE];

	if (!slash || (size_t)(slash - path) >= sizeof(name))
		return NULL;
	memcpy(name, path, (size_t)(slash - path));
	name[slash - path] = '\0';
	return find_in_backend(state_find_backend(control, name), slash + 1);
}

struct server *
backend_find_same(const struct backend *backend, const struct server_config *config)
{
	struct server *server = find_in_backend(backend, config->name);

	if (!server || server->config.port_be != config->port_be ||
		!shunt_addr_equal(&server->config.address, &config->address))
		return NULL;
	return server;
}

static bool
same_check(const struct check_config *a, const struct check_config *b)
{
	return a->enabled == b->enabled && a->inter_ms == b->inter_ms &&
		a->fastinter_ms == b->fastinter_ms && a->downinter_ms == b->downinter_ms &&
		a->timeout_ms == b->timeout_ms && a->rise == b->rise && a->fall == b->fall &&
		a->soft_fall == b->soft_fall && a->keep_last == b->keep_last &&
		a->port_be == b->port_be && a->via_service == b->via_service &&
		shunt_addr_equal(&a->address, &b->address) &&
		shunt_addr_equal(&a->source, &b->source) && check_talk_equal(a->talk, b->talk);
}

/* Everything of a server that stays, except its probe: that one moves when all is built. */
static void
server_inherit(struct server *server, const struct server *old)
{
	server->id = old->id;
	server->admin = old->admin;
	server->admin_set = old->admin_set;
	server->weight_set = old->weight_set;
	server->reset_mark = old->reset_mark;
	/* The file has the last word when it changes; until then a command's weight stands. */
	if (server->config.weight == old->file_weight)
		server->weight = old->weight;
	if (server->config.maxconn == old->config.maxconn)
		server->maxconn = old->maxconn;
	server->health = old->health;
	if (!server->config.tracks) /* else it is another's: trackers_link() */
		health_update(&server->health, &server->config.check);
	server->kept = old->kept;
	server->flap = old->flap;
	/* Nobody ends what is not observed any more, and counts from a while ago say nothing. */
	if (check_is_observed(&server->config.check) && check_is_observed(&old->config.check))
		server->observe = old->observe;
	server->check_fail = old->check_fail;
	server->check_down = old->check_down;
	server->check_error = old->check_error;
	server->check_hurried = old->check_hurried;
	server->report = old->report;
	server->was_up = old->was_up;
	server->up_since_ms = old->up_since_ms;
	server->cold = old->cold;
}

static void
server_destroy(struct server *server)
{
	if (!server)
		return;
	if (server->probe)
		probe_stop(server->probe);
	server_agent_stop(server);
	free(server);
}

static struct server *
server_create(struct control *control, const struct server_config *config, struct backend *backend,
	const struct server *old)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->config = *config;
	server->backend = backend;
	server->admin = SHUNT_ADMIN_READY;
	server->weight = config->weight;
	server->file_weight = config->weight;
	server->maxconn = config->maxconn;
	server->cold = !control->config;
	health_init(&server->health, &config->check);
	/* Never probed is what a restart of control shall see, too: see server_adopt(). */
	server->changed_ms = server->health.fresh && !old ? 0 : state_wall_ms();
	if (old && old->removed)
		removed_take_back(server, old);
	else if (old)
		server_inherit(server, old);
	if (config->check.enabled && !(old && old->probe)) {
		server->probe = probe_start(control, server);
		if (!server->probe) {
			free(server);
			return NULL;
		}
	}
	if (server_agent_start(control, server, old) < 0) {
		server_destroy(server);
		return NULL;
	}
	return server;
}

static void
backend_destroy(struct backend *backend)
{
	if (!backend)
		return;
	for (size_t i = 0; i < backend->server_count; i++)
		server_destroy(backend->servers[i]);
	free(backend->servers);
	free(backend->by_name);
	removed_destroy(backend);
	free(backend);
}

static struct backend *
backend_create(
	struct control *control, const struct backend_config *config, struct apply_counts *counts)
{
	const struct backend *old = state_find_backend(control, config->name);
	struct backend *backend = calloc(1, sizeof(*backend));
	const struct server *old_server;
	struct server *server;

	if (!backend)
		return NULL;
	backend->config = *config;
	backend->config.servers = NULL;
	backend->config.server_count = 0;
	backend->id = old ? old->id : 0;
	backend->panic = old && old->panic;
	backend->quorum_lost = old && old->quorum_lost;
	backend->servers = calloc(config->server_count + 1, sizeof(struct server *));
	backend->by_name = calloc(config->server_count + 1, sizeof(struct server *));
	if (!backend->servers || !backend->by_name)
		goto fail;
	for (size_t i = 0; i < config->server_count; i++) {
		old_server = backend_find_same(old, &config->servers[i]);
		if (!old_server)
			old_server = removed_find(old, &config->servers[i]);
		server = server_create(control, &config->servers[i], backend, old_server);
		if (!server)
			goto fail;
		backend->servers[i] = backend->by_name[i] = server;
		backend->server_count++;
		counts->servers++;
		counts->kept += old_server && !old_server->removed;
	}
	qsort(backend->by_name, backend->server_count, sizeof(struct server *), compare_servers);
	if (removed_reserve(backend, old) < 0)
		goto fail;
	return backend;

fail:
	backend_destroy(backend);
	return NULL;
}

/* `hint`: where it stands if the file's order has not changed. */
static uint32_t
old_service_id(const struct control *control, const struct service *service, size_t hint)
{
	const struct service *old;

	for (size_t i = 0; i < control->service_count; i++) {
		old = &control->services[(hint + i) % control->service_count];
		if (old->port_be == service->port_be &&
			old->last_port_be == service->last_port_be &&
			old->protocol == service->protocol &&
			shunt_addr_equal(&old->address, &service->address))
			return old->id;
	}
	return 0;
}

/* Fills next->services; next->backends stand already. */
static int
services_create(const struct control *control, struct control *next, const struct config *config)
{
	const struct frontend_config *frontend;
	struct service *service;
	size_t count = 0;

	for (size_t i = 0; i < config->frontend_count; i++)
		count += config->frontends[i].bind_count;
	next->services = calloc(count + 1, sizeof(*next->services));
	if (!next->services)
		return -ENOMEM;
	for (size_t i = 0; i < config->frontend_count; i++) {
		frontend = &config->frontends[i];
		for (size_t j = 0; j < frontend->bind_count; j++) {
			service = &next->services[next->service_count];
			*service = (struct service){
				.address = frontend->binds[j].address,
				.port_be = frontend->binds[j].port_be,
				.last_port_be = frontend->binds[j].last_port_be,
				.protocol = frontend->protocol,
				.announce = frontend->announce,
				.timeout = frontend->timeout,
				.reset_idle = frontend->reset_idle,
				.stateless = frontend->stateless,
				.limit = frontend->limit,
				.syn_cookies = frontend->syn_cookies,
				.syn_flood_rate = frontend->syn_flood_rate,
				.backend = next->backends[frontend->backend],
				.config = frontend,
				.rules = rules_row(config, i),
			};
			memcpy(service->frontend, frontend->name, sizeof(service->frontend));
			service->id = old_service_id(control, service, next->service_count);
			next->service_count++;
		}
	}
	return 0;
}

static int
compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct shunt_addr));
}

/* Of the services and backends that stand already. */
static int
own_addresses_create(struct control *next)
{
	size_t count = next->service_count;

	for (size_t i = 0; i < next->backend_count; i++)
		count += next->backends[i]->config.source_count;
	next->own_addresses = calloc(count + 1, sizeof(*next->own_addresses));
	if (!next->own_addresses)
		return -ENOMEM;
	for (size_t i = 0; i < next->service_count; i++)
		next->own_addresses[next->own_address_count++] = next->services[i].address;
	for (size_t i = 0; i < next->backend_count; i++) {
		const struct backend_config *backend = &next->backends[i]->config;

		for (size_t j = 0; j < backend->source_count; j++)
			next->own_addresses[next->own_address_count++] = backend->sources[j];
	}
	qsort(next->own_addresses, count, sizeof(*next->own_addresses), compare_addresses);
	return 0;
}

bool
state_owns_address(const struct control *control, const struct shunt_addr *address)
{
	return control->own_address_count > 0 &&
		bsearch(address, control->own_addresses, control->own_address_count,
			sizeof(*address), compare_addresses);
}

/* Frees the model's part of a control, and stops its probes. */
static void
model_destroy(struct control *control)
{
	for (size_t i = 0; i < control->backend_count; i++)
		backend_destroy(control->backends[i]);
	free(control->backends);
	free(control->backends_by_name);
	free(control->services);
	free(control->own_addresses);
	control->own_addresses = NULL;
	control->own_address_count = 0;
	control->backends = NULL;
	control->backends_by_name = NULL;
	control->backend_count = 0;
	control->services = NULL;
	control->service_count = 0;
}

/* What agents have said of maxconn ends where flows are stateless now, and so not counted. */
static void
forget_maxconn(const struct control *next)
{
	for (size_t i = 0; i < next->backend_count; i++) {
		const struct backend *backend = next->backends[i];
		bool counted = true, asked = false;

		for (size_t j = 0; j < backend->server_count; j++) {
			struct server *server = backend->servers[j];

			if (server->maxconn == server->config.maxconn)
				continue;
			if (!asked)
				counted = flow_mode_of(next, backend) == FLOW_MODE_STATEFUL;
			asked = true;
			if (!counted)
				server->maxconn = server->config.maxconn;
		}
	}
}

/* `next` gets the new model; `control` has the old one. */
static int
model_create(struct control *control, struct control *next, const struct config *config,
	struct apply_counts *counts)
{
	struct backend *backend;

	next->backends = calloc(config->backend_count + 1, sizeof(struct backend *));
	next->backends_by_name = calloc(config->backend_count + 1, sizeof(struct backend *));
	if (!next->backends || !next->backends_by_name)
		goto fail;
	for (size_t i = 0; i < config->backend_count; i++) {
		backend = backend_create(control, &config->backends[i], counts);
		if (!backend)
			goto fail;
		next->backends[i] = next->backends_by_name[i] = backend;
		next->backend_count++;
	}
	qsort(next->backends_by_name, next->backend_count, sizeof(struct backend *),
		compare_backends);
	if (services_create(control, next, config) < 0 || own_addresses_create(next) < 0)
		goto fail;
	forget_maxconn(next);
	trackers_link(next);
	return 0;

fail:
	model_destroy(next);
	return -ENOMEM;
}

/* Hands what the servers that stay have to their successors, when these stand. Cannot fail. */
static void
hand_over(struct control *control, struct control *next)
{
	const struct backend *old_backend;
	struct backend *backend;
	struct server *server;
	struct server *old;

	for (size_t i = 0; i < next->backend_count; i++) {
		backend = next->backends[i];
		old_backend = state_find_backend(control, backend->config.name);
		for (size_t j = 0; j < backend->server_count; j++) {
			server = backend->servers[j];
			old = backend_find_same(old_backend, &server->config);
			/* Agents and those that are tracked have a part in what a state is. */
			if (old && strcmp(server_state_name(server), server_state_name(old)) == 0)
				server->changed_ms = old->changed_ms;
			if (server->probe || !old || !old->probe || !server->config.check.enabled)
				continue;
			server->probe = old->probe;
			old->probe = NULL;
			probe_move(server->probe, server);
			if (!same_check(&server->config.check, &old->config.check))
				probe_update(server->probe);
		}
	}
}

static size_t
count_servers(const struct control *control)
{
	size_t count = 0;

	for (size_t i = 0; i < control->backend_count; i++)
		count += control->backends[i]->server_count;
	return count;
}

int
state_apply(struct control *control, struct config *config)
{
	struct apply_counts counts = { 0 };
	size_t before = count_servers(control);
	struct control next = { 0 };
	int status;

	status = model_create(control, &next, config, &counts);
	if (status < 0)
		return status;
	events_reload(control, &next);
	hand_over(control, &next);
	removed_carry(control, &next);
	model_destroy(control);
	config_destroy(control->config);
	control->config = config;
	control->backends = next.backends;
	control->backends_by_name = next.backends_by_name;
	control->backend_count = next.backend_count;
	control->services = next.services;
	control->service_count = next.service_count;
	control->own_addresses = next.own_addresses;
	control->own_address_count = next.own_address_count;
	probe_share(control);
	log_info("configuration in force: services %zu, backends %zu, servers %zu "
		 "(%zu kept, %zu new, %zu gone)",
		control->service_count, control->backend_count, counts.servers, counts.kept,
		counts.servers - counts.kept, before - counts.kept);
	return 0;
}

void
state_destroy(struct control *control)
{
	model_destroy(control);
	rules_destroy(control);
	config_destroy(control->config);
	control->config = NULL;
}
