/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of servers.c share: a usual configuration in a state of its own. Probes are played
 * by this file: they only count, and can be told to run out of memory. It defines what probe.c
 * and config.c would, so it is for one file of a program.
 */
#ifndef TESTS_SERVERS_SETUP_H
#define TESTS_SERVERS_SETUP_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "probe.h"
#include "state.h"
#include "unit.h"

static const struct check_report passed = { .status = CHECK_L4OK };
static const struct check_report failed = { .status = CHECK_L4CON, .text = "connection refused" };

struct probe {
	struct server *server;
	unsigned int updates;
};

static struct {
	int alive;
	int started;
	int fail_at; /* the so many-th start fails; 0: none */
	int configs; /* alive */
} fake;

struct probe *
probe_start(struct control *control, struct server *server)
{
	struct probe *probe;

	(void)control;
	fake.started++;
	if (fake.started == fake.fail_at)
		return NULL;
	probe = calloc(1, sizeof(*probe));
	probe->server = server;
	fake.alive++;
	return probe;
}

struct probe *
probe_start_agent(struct control *control, struct server *server)
{
	return probe_start(control, server);
}

void
probe_stop(struct probe *probe)
{
	fake.alive--;
	free(probe);
}

void
probe_update(struct probe *probe)
{
	probe->updates++;
}

void
probe_move(struct probe *probe, struct server *server)
{
	probe->server = server;
}

/* test_prober_share.c is about it. */
void
probe_share(struct control *control)
{
	(void)control;
}

void
config_destroy(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->backend_count; i++)
		free(config->backends[i].servers);
	for (size_t i = 0; i < config->frontend_count; i++)
		free(config->frontends[i].binds);
	free(config->backends);
	free(config->frontends);
	free(config);
	fake.configs--;
}

static inline struct config *
config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	fake.configs++;
	return config;
}

static inline struct backend_config *
add_backend(struct config *config, const char *name)
{
	struct backend_config *backend;

	config->backends =
		realloc(config->backends, (config->backend_count + 1) * sizeof(*config->backends));
	backend = &config->backends[config->backend_count++];
	*backend = (struct backend_config){ .algorithm = SHUNT_SOURCE };
	snprintf(backend->name, sizeof(backend->name), "%s", name);
	return backend;
}

static inline struct server_config *
add_server(struct backend_config *backend, const char *name, const char *v4, uint16_t weight)
{
	struct server_config *server;
	struct in_addr address;

	inet_pton(AF_INET, v4, &address);
	if ((backend->server_count & (backend->server_count - 1)) == 0) /* full: double it */
		backend->servers = realloc(backend->servers,
			(backend->server_count * 2 + 1) * sizeof(*backend->servers));
	server = &backend->servers[backend->server_count++];
	*server = (struct server_config){
		.address = shunt_addr_from_v4(&address),
		.port_be = htons(80),
		.weight = weight,
		.check = { .enabled = true,
			.inter_ms = 2000,
			.fastinter_ms = 2000,
			.downinter_ms = 2000,
			.timeout_ms = 1000,
			.rise = 2,
			.fall = 3 },
	};
	snprintf(server->name, sizeof(server->name), "%s", name);
	return server;
}

static inline void
add_bind(struct config *config, const char *frontend_name, const char *v4, uint16_t port,
	size_t backend)
{
	struct frontend_config *frontend;
	struct in_addr address;

	inet_pton(AF_INET, v4, &address);
	config->frontends = realloc(
		config->frontends, (config->frontend_count + 1) * sizeof(*config->frontends));
	frontend = &config->frontends[config->frontend_count++];
	*frontend = (struct frontend_config){ .protocol = SHUNT_TCP,
		.announce = true,
		.backend = backend,
		.bind_count = 1,
		.binds = calloc(1, sizeof(*frontend->binds)) };
	snprintf(frontend->name, sizeof(frontend->name), "%s", frontend_name);
	frontend->binds[0].address = shunt_addr_from_v4(&address);
	frontend->binds[0].port_be = htons(port);
}

/* app: s1 s2 (weight 10); db: s1 */
static inline struct config *
usual_config(void)
{
	struct config *config = config_new();
	struct backend_config *backend;

	backend = add_backend(config, "app");
	add_server(backend, "s2", "192.0.2.2", 10);
	add_server(backend, "s1", "192.0.2.1", 10);
	backend = add_backend(config, "db");
	add_server(backend, "s1", "192.0.2.1", 1);
	add_bind(config, "web", "198.51.100.1", 80, 0);
	add_bind(config, "sql", "198.51.100.1", 5432, 1);
	return config;
}

static struct control control;

static inline struct server *
find(const char *path)
{
	struct server *server = state_find_server(&control, path);

	CU_ASSERT_PTR_NOT_NULL_FATAL(server);
	return server;
}

static inline void
setup(void)
{
	memset(&control, 0, sizeof(control));
	memset(&fake, 0, sizeof(fake));
	CU_ASSERT_EQUAL_FATAL(state_apply(&control, usual_config()), 0);
}

static inline void
teardown(void)
{
	state_destroy(&control);
	CU_ASSERT_EQUAL(fake.alive, 0);
	CU_ASSERT_EQUAL(fake.configs, 0);
	CU_ASSERT_EQUAL(control.backend_count, 0);
	state_destroy(&control); /* once more does nothing */
}

#endif
