/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What belongs together: names and addresses that must be unique, references that must lead
 * somewhere, families that must match, totals that must fit.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "config_read.h"
#include "settings.h"

/* What one pass over the file has seen. jansson's objects serve as hash tables, key to index. */
struct seen {
	json_t *frontends;
	json_t *backends;
	json_t *binds;	      /* "tcp ADDRESS:PORT" */
	json_t *vips;	      /* balanced addresses, without port */
	json_t *tunnels;      /* addresses of servers behind tunnels */
	bool *used;	      /* per backend: a frontend sends to it */
	bool backends_unread; /* the section was refused as a whole */
	bool no_memory;
};

/* Enters a key. True if it was there already; then *first is the index of that time. */
static bool
seen_before(struct seen *seen, json_t *table, const char *key, size_t index, size_t *first)
{
	const json_t *found = json_object_get(table, key);

	if (found) {
		*first = json_integer_value(found);
		return true;
	}
	if (json_object_set_new(table, key, json_integer(index)) != 0)
		seen->no_memory = true;
	return false;
}

static const char *
family(const struct shunt_addr *address)
{
	return shunt_addr_is_v4(address) ? "IPv4" : "IPv6";
}

static void
check_names(const struct json_at *backends, const struct json_at *frontends, struct config *config,
	struct seen *seen)
{
	size_t first;

	for (size_t i = 0; i < config->frontend_count; i++) {
		struct json_at at = json_at_element(frontends, i);
		const char *name = config->frontends[i].name;

		if (*name && seen_before(seen, seen->frontends, name, i, &first))
			json_at_error(json_at_member(&at, "name"),
				"\"%s\" is already the name of frontends[%zu]", name, first);
	}
	for (size_t i = 0; i < config->backend_count; i++) {
		struct json_at at = json_at_element(backends, i);
		const char *name = config->backends[i].name;

		if (*name && seen_before(seen, seen->backends, name, i, &first))
			json_at_error(json_at_member(&at, "name"),
				"\"%s\" is already the name of backends[%zu]", name, first);
	}
}

/* Sets frontend->backend. */
static void
resolve_backend(struct json_at frontend_at, struct frontend_config *frontend, struct seen *seen)
{
	struct json_at at = json_at_member(&frontend_at, "default-backend");
	char name[SHUNT_NAME_SIZE];
	const json_t *found;

	if (!json_is_object(frontend_at.value) || !json_at_require(at) || !json_get_name(at, name))
		return;
	found = json_object_get(seen->backends, name);
	if (!found) {
		if (!seen->backends_unread)
			json_at_error(at, "there is no backend \"%s\"", name);
		return;
	}
	frontend->backend = json_integer_value(found);
	seen->used[frontend->backend] = true;
}

/* A frontend's bind may be one string. */
static struct json_at
bind_at(const struct json_at *binds, size_t index)
{
	return json_is_string(binds->value) ? *binds : json_at_element(binds, index);
}

static void
check_bind(struct json_at at, const struct config *config, size_t frontend_index, size_t bind_index,
	struct seen *seen)
{
	const struct frontend_config *frontend = &config->frontends[frontend_index];
	const struct bind_config *bind = &frontend->binds[bind_index];
	char text[JSON_ENDPOINT_TEXT_SIZE], vip[JSON_ADDRESS_TEXT_SIZE];
	char key[JSON_ENDPOINT_TEXT_SIZE + 4];
	size_t first;

	if (!bind->port_be)
		return;
	json_endpoints_text(&bind->address, bind->port_be, bind->last_port_be, text);
	snprintf(key, sizeof(key), "%s %s", frontend->protocol == SHUNT_UDP ? "udp" : "tcp", text);
	if (seen_before(seen, seen->binds, key, frontend_index, &first))
		json_at_error(at, "%s is already bound by frontend \"%s\" (frontends[%zu])", key,
			config->frontends[first].name, first);
	json_address_text(&bind->address, vip);
	seen_before(seen, seen->vips, vip, frontend_index, &first);
}

static void
check_frontends(const struct json_at *frontends, struct config *config, struct seen *seen)
{
	size_t services = 0;

	for (size_t i = 0; i < config->frontend_count; i++) {
		struct frontend_config *frontend = &config->frontends[i];
		struct json_at at = json_at_element(frontends, i);
		struct json_at binds = json_at_member(&at, "bind");

		frontend->backend = SIZE_MAX;
		resolve_backend(at, frontend, seen);
		services += frontend->bind_count;
		for (size_t j = 0; j < frontend->bind_count; j++)
			check_bind(bind_at(&binds, j), config, i, j, seen);
	}
	if (services >= SHUNT_MAX_SERVICES)
		json_at_error(*frontends, "have %zu bind addresses in all, the limit is %d",
			services, SHUNT_MAX_SERVICES - 1);
}

static void
check_server(struct json_at at, const struct config *config, const struct backend_config *backend,
	size_t index, struct seen *seen, json_t *names, json_t *endpoints)
{
	const struct server_config *server = &backend->servers[index];
	char text[JSON_ENDPOINT_TEXT_SIZE], address[JSON_ADDRESS_TEXT_SIZE];
	struct json_at address_at = json_at_member(&at, "address");
	const json_t *vip;
	size_t first;

	if (server->name[0] && seen_before(seen, names, server->name, index, &first))
		json_at_error(json_at_member(&at, "name"),
			"\"%s\" is already the name of servers[%zu] of this backend", server->name,
			first);
	if (!config_server_is_read(server))
		return;
	json_server_endpoint_text(&server->address, server->port_be, text);
	if (seen_before(seen, endpoints, text, index, &first))
		json_at_error(address_at,
			"%s is already the address of servers[%zu] of this "
			"backend; give that one more weight instead",
			text, first);
	json_address_text(&server->address, address);
	if (backend->forward == SHUNT_TUNNEL)
		seen_before(seen, seen->tunnels, address, index, &first);
	vip = json_object_get(seen->vips, address);
	if (vip)
		json_at_error(address_at,
			"%s is a balanced address, bound by frontend \"%s\"; a "
			"server needs an address of its own",
			address, config->frontends[json_integer_value(vip)].name);
}

static void
check_servers(const struct json_at *backend_at, const struct config *config,
	const struct backend_config *backend, struct seen *seen)
{
	struct json_at servers = json_at_member(backend_at, "servers");
	json_t *names = json_object(), *endpoints = json_object();

	if (!names || !endpoints)
		seen->no_memory = true;
	for (size_t i = 0; i < backend->server_count; i++)
		check_server(
			json_at_element(&servers, i), config, backend, i, seen, names, endpoints);
	json_decref(names);
	json_decref(endpoints);
}

static void
check_backends(const struct json_at *backends, const struct config *config, struct seen *seen)
{
	size_t servers = 0;

	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *backend = &config->backends[i];
		struct json_at at = json_at_element(backends, i);

		servers += backend->server_count;
		check_servers(&at, config, backend, seen);
		if (backend->name[0] && !seen->used[i])
			json_at_warning(at, "no frontend uses the backend \"%s\"", backend->name);
	}
	if (servers >= SHUNT_MAX_SERVERS)
		json_at_error(*backends, "have %zu servers in all, the limit is %d", servers,
			SHUNT_MAX_SERVERS - 1);
}

/* Of each backend the first server of each family. */
struct members {
	const struct server_config *v4;
	const struct server_config *v6;
};

static void
find_members(const struct backend_config *backend, struct members *m)
{
	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server_config *server = &backend->servers[i];
		const struct server_config **member = &m->v6;

		if (!config_server_is_read(server))
			continue;
		if (shunt_addr_is_v4(&server->address))
			member = &m->v4;
		if (!*member)
			*member = server;
	}
}

static const char *
forward_name(uint8_t forward)
{
	static const char *const names[SHUNT_FORWARD_COUNT] = {
		[SHUNT_NAT] = "nat",
		[SHUNT_DR] = "dr",
		[SHUNT_TUNNEL] = "tunnel",
		[SHUNT_FULLNAT] = "fullnat",
	};

	return names[forward];
}

/* What a backend has that goes by its flows; NULL: nothing. */
static const char *
counted_key(const struct backend_config *backend)
{
	if (backend->balance_factor)
		return "hash-balance-factor";
	if (backend->persist_ms)
		return "persistence";
	for (size_t i = 0; i < backend->server_count; i++) {
		if (backend->servers[i].maxconn)
			return "maxconn";
		if (backend->servers[i].slowstart_ms)
			return "slowstart";
	}
	return NULL;
}

/* Without a flow's entry a packet has nothing to go by but the hash, and replies have nothing. */
static void
check_flow_mode(struct json_at frontend_at, const struct frontend_config *frontend,
	const struct backend_config *backend)
{
	static const char *const balances[SHUNT_ALGORITHM_COUNT] = {
		[SHUNT_SOURCE] = "source",
		[SHUNT_ROUNDROBIN] = "roundrobin",
		[SHUNT_LEASTCONN] = "leastconn",
		[SHUNT_RANDOM] = "random",
		[SHUNT_FIRST] = "first",
	};
	struct json_at at = json_at_member(&frontend_at, "flow-mode");

	if (!frontend->stateless)
		return;
	if (frontend->rule_count > 0)
		json_at_error(at,
			"\"stateless\" and \"rules\" do not go together: a verdict is taken once "
			"for "
			"a flow, and this mode stores none");
	if (backend->forward != SHUNT_DR && backend->forward != SHUNT_TUNNEL)
		json_at_error(at,
			"\"stateless\" needs \"forward\": \"dr\" or \"tunnel\", but backend \"%s\" "
			"has \"%s\"",
			backend->name, forward_name(backend->forward));
	if (backend->algorithm != SHUNT_SOURCE)
		json_at_error(at,
			"\"stateless\" needs \"balance\": \"source\", but backend \"%s\" has "
			"\"%s\"",
			backend->name, balances[backend->algorithm]);
	else if (counted_key(backend))
		json_at_error(at,
			"\"stateless\" does not go with \"%s\", which backend \"%s\" has: it "
			"needs flows to be known",
			counted_key(backend), backend->name);
}

/* Who does not see what servers answer cannot go on in their name. */
static void
check_cookies(struct json_at frontend_at, const struct frontend_config *frontend,
	const struct backend_config *backend)
{
	const char *key = frontend->syn_flood_rate ? "syn-flood-rate" : "syn-cookies";

	if (backend->forward != SHUNT_DR && backend->forward != SHUNT_TUNNEL)
		return;
	if (frontend->syn_flood_rate || (frontend->has_syn_cookies && frontend->syn_cookies))
		json_at_error(json_at_member(&frontend_at, key),
			"needs \"forward\": \"nat\" or \"fullnat\", but backend \"%s\" has \"%s\": "
			"there a flood of SYNs is forwarded by the hash",
			backend->name, forward_name(backend->forward));
}

/* A packet keeps its family, unless it goes inside another one or is translated as a whole. */
static void
check_bind_family(struct json_at at, const struct bind_config *bind,
	const struct backend_config *backend, const struct members *m)
{
	const struct server_config *other = shunt_addr_is_v4(&bind->address) ? m->v6 : m->v4;

	if (!other || backend->forward == SHUNT_TUNNEL || backend->forward == SHUNT_FULLNAT)
		return;
	json_at_error(at,
		"is %s, but server \"%s\" of backend \"%s\" is %s, and \"%s\" keeps the family: "
		"make one frontend and one backend for each, or let \"forward\" be \"fullnat\" or "
		"\"tunnel\"",
		family(&bind->address), other->name, backend->name, family(&other->address),
		forward_name(backend->forward));
}

static void
check_families(struct json_at at, const struct frontend_config *frontend,
	const struct backend_config *backend, const struct members *m)
{
	struct json_at binds = json_at_member(&at, "bind");

	for (size_t i = 0; i < frontend->bind_count; i++) {
		if (frontend->binds[i].port_be)
			check_bind_family(bind_at(&binds, i), &frontend->binds[i], backend, m);
	}
}

/* What a frontend's packets look like must be what its servers take. */
static void
check_ways(const struct json_at *frontends, const struct config *config, struct seen *seen)
{
	struct members *members = calloc(config->backend_count + 1, sizeof(*members));

	if (!members) {
		seen->no_memory = true;
		return;
	}
	for (size_t i = 0; i < config->backend_count; i++)
		find_members(&config->backends[i], &members[i]);
	for (size_t i = 0; i < config->frontend_count; i++) {
		const struct frontend_config *frontend = &config->frontends[i];
		struct json_at at = json_at_element(frontends, i);

		if (frontend->backend != SIZE_MAX) {
			check_flow_mode(at, frontend, &config->backends[frontend->backend]);
			check_cookies(at, frontend, &config->backends[frontend->backend]);
		}
		for (size_t k = 0; k < frontend_lead_count(frontend); k++) {
			size_t backend = frontend_lead(frontend, k);

			if (backend != SIZE_MAX)
				check_families(at, frontend, &config->backends[backend],
					&members[backend]);
		}
	}
	free(members);
}

/* The source of a tunnel's packets, which the kernel says where it knows the way. */
static void
check_neighbor_source(struct json_at at, const struct neighbor_config *neighbor,
	const char *address, const struct seen *seen)
{
	static const struct shunt_addr none;
	bool given = json_at_present(at);

	if (!given && json_object_get(seen->tunnels, address))
		json_at_error(at,
			"is required: %s is the address of a server behind a tunnel, and this is "
			"the balancer's own address for the tunnel's packets",
			address);
	if (given && !shunt_addr_equal(&neighbor->source, &none) &&
		shunt_addr_is_v4(&neighbor->source) != shunt_addr_is_v4(&neighbor->address))
		json_at_error(
			at, "must be %s, as the neighbor's address is", family(&neighbor->address));
}

/* The neighbor's VLAN is that of a port that serves one alone. */
static void
check_neighbor_vlan(
	struct json_at at, struct neighbor_config *neighbor, const struct settings_port *port)
{
	if (!json_at_present(at))
		memcpy(neighbor->vlan, port->vlan, sizeof(neighbor->vlan));
	else if (port->vlan[0] && memcmp(neighbor->vlan, port->vlan, sizeof(neighbor->vlan)) != 0)
		json_at_error(at,
			"is not the \"vlan\" of port \"%s\", which drops what comes in any other",
			port->name);
}

static void
check_neighbor_port(
	struct json_at at, struct neighbor_config *neighbor, const struct settings *settings)
{
	if (!settings || !neighbor->port[0])
		return;
	for (size_t i = 0; i < settings->port_count; i++) {
		if (strcmp(settings->ports[i].name, neighbor->port) == 0) {
			check_neighbor_vlan(
				json_at_member(&at, "vlan"), neighbor, &settings->ports[i]);
			return;
		}
	}
	json_at_error(json_at_member(&at, "port"), "there is no port \"%s\" in $.dataplane.ports",
		neighbor->port);
}

static void
check_neighbors(const struct json_at *neighbors, const struct config *config,
	const struct settings *settings, struct seen *seen)
{
	static const struct shunt_addr none;
	json_t *addresses = json_object();
	char text[JSON_ADDRESS_TEXT_SIZE];
	size_t first;

	if (!addresses)
		seen->no_memory = true;
	for (size_t i = 0; i < config->neighbor_count; i++) {
		struct neighbor_config *neighbor = &config->neighbors[i];
		struct json_at at = json_at_element(neighbors, i);

		check_neighbor_port(at, neighbor, settings);
		if (shunt_addr_equal(&neighbor->address, &none))
			continue;
		json_address_text(&neighbor->address, text);
		check_neighbor_source(json_at_member(&at, "source"), neighbor, text, seen);
		if (seen_before(seen, addresses, text, i, &first))
			json_at_error(json_at_member(&at, "address"),
				"%s is already the address of neighbors[%zu]", text, first);
	}
	json_decref(addresses);
}

static bool
empty(struct json_at array)
{
	return !json_at_present(array) ||
		(json_is_array(array.value) && json_array_size(array.value) == 0);
}

void
config_cross_check(struct json_at *root, const struct settings *settings, struct config *config)
{
	struct json_at frontends = json_at_member(root, "frontends");
	struct json_at backends = json_at_member(root, "backends");
	struct json_at neighbors = json_at_member(root, "neighbors");
	struct seen seen = {
		.frontends = json_object(),
		.backends = json_object(),
		.binds = json_object(),
		.vips = json_object(),
		.tunnels = json_object(),
		.used = calloc(config->backend_count + 1, sizeof(bool)),
		.backends_unread = config->backend_count == 0 && !empty(backends),
	};

	if (seen.frontends && seen.backends && seen.binds && seen.vips && seen.tunnels &&
		seen.used) {
		check_names(&backends, &frontends, config, &seen);
		check_frontends(&frontends, config, &seen);
		config_check_acls(json_at_member(root, "acls"), settings, seen.backends,
			seen.backends_unread, config);
		seen.no_memory |= !config_check_rules(root, seen.backends, seen.used, config);
		check_backends(&backends, config, &seen);
		if (!config_check_sources(&backends, settings, config))
			seen.no_memory = true;
		check_ways(&frontends, config, &seen);
		seen.no_memory |= !config_check_probes(&backends, seen.vips, config);
		seen.no_memory |= !config_check_observe(&backends, config);
		config_check_ports(root, config);
		seen.no_memory |= !config_check_via(&backends, config);
		check_neighbors(&neighbors, config, settings, &seen);
	} else {
		seen.no_memory = true;
	}
	if (seen.no_memory)
		json_at_error(*root, "out of memory");
	json_decref(seen.frontends);
	json_decref(seen.backends);
	json_decref(seen.binds);
	json_decref(seen.vips);
	json_decref(seen.tunnels);
	free(seen.used);
}
