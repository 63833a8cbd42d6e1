/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is probed, and from where to where: servers that track others, addresses of probes that are
 * not the servers' own.
 */
#include <stdlib.h>

#include "config_read.h"

void
config_read_track(struct json_at server_at, struct server_config *server)
{
	struct json_at check = json_at_member(&server_at, "check");

	if (!json_at_present(json_at_member(&server_at, "track")))
		return;
	server->tracks = true;
	server->check.enabled = false;
	if (json_at_present(check) && !json_is_false(check.value))
		json_at_error(check, "does not go with \"track\": such a server is not probed");
}

/* A circle is longer than that, too. */
#define TRACK_MAX 16

/* What is looked at of all servers, one by one. */
struct look {
	struct config *config;
	const json_t *vips;
	json_t *names; /* see names_create() */
	const struct backend_config *backend;
};

static void
each_server(const struct json_at *backends, struct look *look,
	void (*visit)(const struct look *look, struct json_at at, struct server_config *server))
{
	for (size_t i = 0; i < look->config->backend_count; i++) {
		struct json_at backend_at = json_at_element(backends, i);
		struct json_at servers = json_at_member(&backend_at, "servers");

		look->backend = &look->config->backends[i];
		for (size_t j = 0; j < look->backend->server_count; j++)
			visit(look, json_at_element(&servers, j), &look->backend->servers[j]);
	}
}

/* All servers by "BACKEND/SERVER": the backend's index and the server's in one number. */
static json_t *
names_create(const struct config *config)
{
	json_t *names = json_object();
	char path[2 * SHUNT_NAME_SIZE];

	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *backend = &config->backends[i];

		for (size_t j = 0; j < backend->server_count; j++) {
			snprintf(path, sizeof(path), "%s/%s", backend->name,
				backend->servers[j].name);
			if (json_object_set_new(
				    names, path, json_integer((json_int_t)(i << 32 | j))) != 0) {
				json_decref(names);
				return NULL;
			}
		}
	}
	return names;
}

/* Finds whom a server tracks; if that is nobody, it tracks no more. */
static void
resolve(const struct look *look, struct json_at server_at, struct server_config *server)
{
	struct json_at at = json_at_member(&server_at, "track");
	char path[3 * SHUNT_NAME_SIZE];
	const json_t *found;
	const char *text;
	bool here;

	if (!server->tracks)
		return;
	server->tracks = false;
	if (!json_get_string(at, (size_t)2 * SHUNT_NAME_SIZE, &text))
		return;
	here = !strchr(text, '/');
	snprintf(path, sizeof(path), "%s%s%s", here ? look->backend->name : "", here ? "/" : "",
		text);
	found = json_object_get(look->names, path);
	if (!found) {
		json_at_error(at,
			"there is no server \"%s\": write BACKEND/SERVER, or SERVER if it is of "
			"this backend",
			path);
		return;
	}
	server->tracks = true;
	server->track_backend = (uint32_t)(json_integer_value(found) >> 32);
	server->track_server = (uint32_t)json_integer_value(found);
}

/* Does it lead to one that is probed? */
static void
check_end(const struct look *look, struct json_at server_at, struct server_config *server)
{
	struct json_at at = json_at_member(&server_at, "track");
	const struct server_config *end = server;
	const char *backend = "";

	for (unsigned int i = 0; end->tracks && i <= TRACK_MAX; i++) {
		backend = look->config->backends[end->track_backend].name;
		end = &look->config->backends[end->track_backend].servers[end->track_server];
	}
	if (end->tracks)
		json_at_error(
			at, "leads round in a circle, or through more than %d servers", TRACK_MAX);
	else if (!end->check.enabled && end != server)
		json_at_error(at, "leads to %s/%s, which is not probed: there is nothing to follow",
			backend, end->name);
}

/* A check's addresses may be said where the server does not stand: for all of them. */
static void
check_addresses(const struct look *look, struct json_at at, const struct server_config *server,
	const struct check_config *check)
{
	static const struct shunt_addr none;
	const struct shunt_addr *address = config_probe_address(server, check);
	bool any = shunt_addr_equal(&check->source, &none);
	char text[JSON_ADDRESS_TEXT_SIZE];

	json_address_text(address, text);
	if (address == &check->address && json_object_get(look->vips, text))
		json_at_error(at, "server \"%s\" is probed at %s, which is a balanced address%s",
			server->name, text,
			check == server->agent
				? ""
				: ": a probe through the service is \"via\": \"service\"");
	json_address_text(&check->source, text);
	if (!any && shunt_addr_is_v4(&check->source) != shunt_addr_is_v4(address))
		json_at_error(at,
			"server \"%s\" is probed from \"source-address\" %s, but at an address of "
			"the other family",
			server->name, text);
	if (check->via_service && (address == &check->address || !any))
		json_at_error(at,
			"server \"%s\" has a check with \"via\": \"service\" and an address of "
			"its own: a probe through the service goes where clients' packets go",
			server->name);
}

static void
check_both(const struct look *look, struct json_at at, struct server_config *server)
{
	if (!config_server_is_read(server))
		return;
	if (server->check.enabled)
		check_addresses(look, at, server, &server->check);
	if (server->agent)
		check_addresses(look, json_at_member(&at, "agent-check"), server, server->agent);
}

static bool
any_tracks(const struct config *config)
{
	for (size_t i = 0; i < config->backend_count; i++) {
		for (size_t j = 0; j < config->backends[i].server_count; j++) {
			if (config->backends[i].servers[j].tracks)
				return true;
		}
	}
	return false;
}

bool
config_check_probes(const struct json_at *backends, const json_t *vips, struct config *config)
{
	struct look look = { .config = config, .vips = vips };

	each_server(backends, &look, check_both);
	if (!any_tracks(config))
		return true;
	look.names = names_create(config);
	if (!look.names)
		return false;
	each_server(backends, &look, resolve);
	each_server(backends, &look, check_end);
	json_decref(look.names);
	return true;
}
