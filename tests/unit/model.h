/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A control process's state for tests, without a file: model_apply() makes a configuration of a
 * short text and applies it. Servers are not probed.
 *
 *   "app:roundrobin s1=10.0.0.1*10 s2=10.0.0.2 b=10.0.0.9! | api s1=10.0.1.1"
 *
 * Backends are separated by "|"; a server is name=address, then *weight, then ! for a backup. The
 * port is 8080. Each backend has one TCP frontend of its name, at 198.51.100.N:80, N from 1.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "state.h"

static inline struct shunt_addr
model_address(const char *text)
{
	uint8_t v4[4] = { 0 };

	inet_pton(AF_INET, text, v4);
	return shunt_addr_from_v4(v4);
}

static inline void
model_server(struct server_config *server, char *text)
{
	char *address = strchr(text, '='), *mark;

	*address++ = '\0';
	snprintf(server->name, sizeof(server->name), "%s", text);
	server->weight = 1;
	server->port_be = htons(8080);
	mark = strchr(address, '!');
	server->backup = mark != NULL;
	if (mark)
		*mark = '\0';
	mark = strchr(address, '*');
	if (mark) {
		*mark = '\0';
		server->weight = (uint16_t)atoi(mark + 1);
	}
	server->address = model_address(address);
}

static inline void
model_backend(struct backend_config *backend, char *text)
{
	char *save = NULL, *word = strtok_r(text, " ", &save), *algorithm = strchr(word, ':');

	if (algorithm) {
		*algorithm++ = '\0';
		backend->algorithm = strcmp(algorithm, "roundrobin") == 0 ? SHUNT_ROUNDROBIN
			: strcmp(algorithm, "leastconn") == 0		  ? SHUNT_LEASTCONN
									  : SHUNT_SOURCE;
	}
	snprintf(backend->name, sizeof(backend->name), "%s", word);
	backend->servers = calloc(64, sizeof(*backend->servers));
	while ((word = strtok_r(NULL, " ", &save)))
		model_server(&backend->servers[backend->server_count++], word);
}

static inline void
model_frontend(struct config *config, size_t index)
{
	struct frontend_config *frontend = &config->frontends[index];

	snprintf(frontend->name, sizeof(frontend->name), "%s", config->backends[index].name);
	frontend->protocol = SHUNT_TCP;
	frontend->timeout = (struct timeout_config){ 30000, 900000, 30000, 120000 };
	frontend->binds = calloc(1, sizeof(*frontend->binds));
	frontend->bind_count = 1;
	frontend->binds[0].address = model_address("198.51.100.0");
	frontend->binds[0].address.bytes[15] = (uint8_t)(index + 1);
	frontend->binds[0].port_be = htons(80);
	frontend->binds[0].last_port_be = htons(80);
	frontend->backend = index;
}

static inline struct config *
model_config(const char *text)
{
	struct config *config = calloc(1, sizeof(*config));
	char *copy = strdup(text), *save = NULL;

	memset(config->hash_secret, 0x5a, sizeof(config->hash_secret));
	config->backends = calloc(8, sizeof(*config->backends));
	config->frontends = calloc(8, sizeof(*config->frontends));
	for (char *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save))
		model_backend(&config->backends[config->backend_count++], part);
	config->frontend_count = config->backend_count;
	for (size_t i = 0; i < config->frontend_count; i++)
		model_frontend(config, i);
	free(copy);
	return config;
}

static inline int
model_apply(struct control *control, const char *text)
{
	return state_apply(control, model_config(text));
}

#endif
