/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "check": {"via": "service"}: a probe through the service needs a service, which leaves packets as
 * they are and is of the server's family. The address is that of the first bind of this family, in
 * the file's order; compile.c finds the same one.
 */
#include <stdlib.h>

#include "config_read.h"

/* The first ports of the first binds of each family that lead to a backend; 0: there is none. */
struct leads {
	uint16_t v4_port_be;
	uint16_t v6_port_be;
};

static void
add_leads(const struct frontend_config *frontend, struct leads *leads)
{
	for (size_t i = 0; i < frontend->bind_count; i++) {
		const struct bind_config *bind = &frontend->binds[i];
		uint16_t *port_be =
			shunt_addr_is_v4(&bind->address) ? &leads->v4_port_be : &leads->v6_port_be;

		if (!*port_be)
			*port_be = bind->port_be;
	}
}

static void
find_leads(const struct config *config, struct leads *leads)
{
	for (size_t i = 0; i < config->frontend_count; i++) {
		const struct frontend_config *frontend = &config->frontends[i];

		for (size_t k = 0; k < frontend_lead_count(frontend); k++) {
			if (frontend_lead(frontend, k) != SIZE_MAX)
				add_leads(frontend, &leads[frontend_lead(frontend, k)]);
		}
	}
}

static uint16_t
port_of(const struct leads *leads, const struct server_config *server)
{
	return shunt_addr_is_v4(&server->address) ? leads->v4_port_be : leads->v6_port_be;
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
	if (check_transport(server->check.talk) != CHECK_STREAM) {
		json_at_error(at,
			"server \"%s\" has a check with \"via\": \"service\", whose probes are TCP "
			"connections, and \"type\": \"udp\", \"dns\" or \"icmp\", which makes none",
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
	if (!leads->v4_port_be && !leads->v6_port_be) {
		json_at_error(at,
			"server \"%s\" has a check with \"via\": \"service\", but no frontend "
			"leads "
			"to this backend",
			server->name);
		return false;
	}
	if (port_of(leads, server))
		return true;
	json_at_error(at,
		"server \"%s\" has a check with \"via\": \"service\" and is %s, but no bind that "
		"leads to this backend is: probes cannot be made from one family to the other",
		server->name, v4 ? "IPv4" : "IPv6");
	return false;
}

bool
config_check_via(const struct json_at *backends, struct config *config)
{
	struct leads *leads = calloc(config->backend_count + 1, sizeof(*leads));

	if (!leads)
		return false;
	find_leads(config, leads);
	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *backend = &config->backends[i];
		struct json_at backend_at = json_at_element(backends, i);
		struct json_at servers = json_at_member(&backend_at, "servers");
		bool good = true;

		/* One line a backend: its servers mostly have one check. */
		for (size_t j = 0; good && j < backend->server_count; j++) {
			struct server_config *server = &backend->servers[j];

			if (!config_server_is_read(server) || !server->check.enabled ||
				!server->check.via_service)
				continue;
			good = check_server(
				json_at_element(&servers, j), backend, server, &leads[i]);
			/* The kernel's socket needs a port too; the dataplane takes this one. */
			if (good && server->keeps_port)
				server->check.port_be = port_of(&leads[i], server);
		}
	}
	free(leads);
	return true;
}
