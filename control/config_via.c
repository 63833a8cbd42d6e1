/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "check": {"via": "service"}: a probe through the service needs a service, which leaves packets as
 * they are and is of the server's family. The address is that of the first bind of this family, in
 * the file's order; compile.c finds the same one.
 */
#include <stdlib.h>

#include "config_read.h"

/* Which families the binds that lead to a backend are of. */
struct leads {
	bool v4;
	bool v6;
};

static void
find_leads(const struct config *config, struct leads *leads)
{
	for (size_t i = 0; i < config->frontend_count; i++) {
		const struct frontend_config *frontend = &config->frontends[i];

		for (size_t j = 0; frontend->backend != SIZE_MAX && j < frontend->bind_count; j++) {
			const struct bind_config *bind = &frontend->binds[j];

			if (!bind->port_be)
				continue;
			if (shunt_addr_is_v4(&bind->address))
				leads[frontend->backend].v4 = true;
			else
				leads[frontend->backend].v6 = true;
		}
	}
}

/* False: this server's probes cannot go that way, which has been said. */
static bool
check_server(struct json_at at, const struct backend_config *backend,
	const struct server_config *server, const struct leads *leads)
{
	bool v4 = shunt_addr_is_v4(&server->address);

	if (backend->forward != SHUNT_DR && backend->forward != SHUNT_TUNNEL) {
		json_at_error(at,
			"server \"%s\" has a check with \"via\": \"service\", which is for "
			"\"forward\": \"dr\" and \"tunnel\" only",
			server->name);
		return false;
	}
	if (server->check.port_be) {
		json_at_error(at,
			"server \"%s\" has a check with \"via\": \"service\" and a \"port\": a "
			"probe through the service goes to the service's port",
			server->name);
		return false;
	}
	if (!leads->v4 && !leads->v6) {
		json_at_error(at,
			"server \"%s\" has a check with \"via\": \"service\", but no frontend "
			"leads "
			"to this backend",
			server->name);
		return false;
	}
	if (v4 ? leads->v4 : leads->v6)
		return true;
	json_at_error(at,
		"server \"%s\" has a check with \"via\": \"service\" and is %s, but no bind that "
		"leads to this backend is: probes cannot be made from one family to the other",
		server->name, v4 ? "IPv4" : "IPv6");
	return false;
}

bool
config_check_via(const struct json_at *backends, const struct config *config)
{
	struct leads *leads = calloc(config->backend_count + 1, sizeof(*leads));

	if (!leads)
		return false;
	find_leads(config, leads);
	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *backend = &config->backends[i];
		bool good = true;

		/* One line a backend: its servers mostly have one check. */
		for (size_t j = 0; good && j < backend->server_count; j++) {
			const struct server_config *server = &backend->servers[j];

			if (server->port_be && server->check.enabled && server->check.via_service)
				good = check_server(
					json_at_element(backends, i), backend, server, &leads[i]);
		}
	}
	free(leads);
	return true;
}
