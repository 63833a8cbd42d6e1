/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports of frontends and of the servers behind them: which go together, and where servers without
 * a port of their own are probed.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "config_read.h"

/* What the ports of a backend's servers, and of the frontends that send to it, have in common. */
struct backend_ports {
	const struct server_config *first; /* that has a port of its own */
	const struct server_config *other; /* that has another one than the first */
	uint16_t bound_be;		   /* the one port of all binds; 0: none yet, or several */
	bool bound;			   /* there is a bind */
	bool unread;			   /* of one it is not known, because it is wrong */
};

static void
find_servers(const struct backend_config *backend, struct backend_ports *ports)
{
	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server_config *server = &backend->servers[i];

		if (!server->port_be)
			continue;
		if (!ports->first)
			ports->first = server;
		if (!ports->other && server->port_be != ports->first->port_be)
			ports->other = server;
	}
}

static void
add_bind(struct backend_ports *ports, const struct bind_config *bind)
{
	bool single = bind->port_be == bind->last_port_be;

	if (!bind->port_be)
		ports->unread = true;
	if (!ports->bound)
		ports->bound_be = single ? bind->port_be : 0;
	else if (!single || ports->bound_be != bind->port_be)
		ports->bound_be = 0;
	ports->bound = true;
}

/* What is not translated keeps its port: a server listens where the frontend does. */
static void
check_kept(struct json_at at, const struct bind_config *bind, const struct backend_config *backend,
	const struct backend_ports *ports)
{
	const struct server_config *other = ports->other;

	/* Then the servers' ports are for probes alone. */
	if (bind->port_be != bind->last_port_be)
		return;
	if (ports->first && ports->first->port_be != bind->port_be)
		other = ports->first;
	if (!other)
		return;
	json_at_error(at,
		"has port %d, but server \"%s\" of backend \"%s\" has %d, and \"%s\" keeps the "
		"port: both must have the same, or the server none",
		ntohs(bind->port_be), other->name, backend->name, ntohs(other->port_be),
		backend->forward == SHUNT_DR ? "dr" : "tunnel");
}

/*
 * Two connections of a client, from one port to two ports of a range, would be the same connection
 * at a server's one port. In full NAT each has a source port of its own there.
 */
static void
check_translated(struct json_at at, const struct bind_config *bind,
	const struct backend_config *backend, const struct backend_ports *ports)
{
	if (bind->port_be == bind->last_port_be || !ports->first)
		return;
	json_at_error(at,
		"has several ports, but server \"%s\" of backend \"%s\" has the one port %d, where "
		"a "
		"client's connections to two of them could not be told apart: write the server's "
		"address without a port, and each port is kept",
		ports->first->name, backend->name, ntohs(ports->first->port_be));
}

static void
check_frontend(const struct json_at *at, const struct frontend_config *frontend,
	const struct backend_config *backend, const struct backend_ports *ports)
{
	struct json_at binds = json_at_member(at, "bind");

	for (size_t i = 0; i < frontend->bind_count; i++) {
		struct json_at bind =
			json_is_string(binds.value) ? binds : json_at_element(&binds, i);

		if (!frontend->binds[i].port_be)
			continue;
		if (backend->forward == SHUNT_DR || backend->forward == SHUNT_TUNNEL)
			check_kept(bind, &frontend->binds[i], backend, ports);
		else if (backend->forward == SHUNT_NAT)
			check_translated(bind, &frontend->binds[i], backend, ports);
	}
}

/* A server without a port is probed where clients are served, if that is one port. */
static void
set_probe_ports(
	const struct json_at *at, struct backend_config *backend, const struct backend_ports *ports)
{
	struct json_at servers = json_at_member(at, "servers");

	for (size_t i = 0; i < backend->server_count; i++) {
		struct server_config *server = &backend->servers[i];
		struct json_at server_at = json_at_element(&servers, i);

		/* Through the service a probe goes to the service's port: config_via.c. */
		if (!server->keeps_port || !server->check.enabled || server->check.port_be ||
			server->check.via_service ||
			check_transport(server->check.talk) == CHECK_ECHO)
			continue;
		server->check.port_be = ports->bound_be;
		if (!ports->bound_be && !ports->unread)
			json_at_error(json_at_member(&server_at, "address"),
				"has no port, and %s: say which one is probed, "
				"\"check\": { \"port\": PORT }, or \"check\": false",
				ports->bound ? "its frontends have several"
					     : "no frontend that has one leads to it");
	}
}

void
config_check_ports(struct json_at *root, struct config *config)
{
	struct json_at frontends = json_at_member(root, "frontends");
	struct json_at backends = json_at_member(root, "backends");
	struct backend_ports *ports = calloc(config->backend_count + 1, sizeof(*ports));

	if (!ports) {
		json_at_error(*root, "out of memory");
		return;
	}
	for (size_t i = 0; i < config->backend_count; i++)
		find_servers(&config->backends[i], &ports[i]);
	for (size_t i = 0; i < config->frontend_count; i++) {
		const struct frontend_config *frontend = &config->frontends[i];
		struct json_at at = json_at_element(&frontends, i);

		for (size_t k = 0; k < frontend_lead_count(frontend); k++) {
			size_t lead = frontend_lead(frontend, k);

			if (lead == SIZE_MAX)
				continue;
			for (size_t j = 0; j < frontend->bind_count; j++)
				add_bind(&ports[lead], &frontend->binds[j]);
			check_frontend(&at, frontend, &config->backends[lead], &ports[lead]);
		}
	}
	for (size_t i = 0; i < config->backend_count; i++) {
		struct json_at at = json_at_element(&backends, i);

		set_probe_ports(&at, &config->backends[i], &ports[i]);
	}
	free(ports);
}
