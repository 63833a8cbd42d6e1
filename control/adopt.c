/* SPDX-License-Identifier: BSD-3-Clause */
/* What the process before has left running: its ids, ways and states are taken over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "compile_impl.h"
#include "ids.h"
#include "probe.h"
#include "removed.h"
#include "rules.h"
#include "state.h"
#include "trackers.h"

struct adoption {
	struct compiler *compiler;
	struct control *control;
	const struct image *running;
};

/* The image is another process's: a name may lack its NUL. */
static bool
name_is_good(const char name[SHUNT_NAME_SIZE])
{
	return name[0] != '\0' && memchr(name, '\0', SHUNT_NAME_SIZE);
}

static void
adopt_way(const struct adoption *a, uint32_t id, const struct shunt_server *server)
{
	const struct shunt_nexthop *nexthop =
		image_get(a->running, SHUNT_KIND_NEXTHOP, server->nexthop, NULL);
	struct way *way = &a->compiler->last[id];

	if (!nexthop)
		return;
	way->known = true;
	way->adopted = true;
	way->nexthop.port = nexthop->port;
	way->nexthop.mac = nexthop->mac;
	memcpy(way->nexthop.vlan, nexthop->vlan, sizeof(nexthop->vlan));
	way->nexthop.source = nexthop->source;
}

static void
adopt_server(const struct adoption *a, uint32_t id, const struct shunt_server *object)
{
	const struct shunt_backend *backend =
		image_get(a->running, SHUNT_KIND_BACKEND, object->backend, NULL);
	struct server_key key = { .address = object->address, .port_be = object->port_be };
	char path[2 * SHUNT_NAME_SIZE];
	struct server *server;

	if (!backend || !name_is_good(backend->name) || !name_is_good(object->name))
		return;
	compile_copy_name(key.backend, backend->name);
	compile_copy_name(key.name, object->name);
	if (ids_adopt(a->compiler->servers, &key, id) < 0)
		return;
	adopt_way(a, id, object);
	snprintf(path, sizeof(path), "%s/%s", key.backend, key.name);
	server = state_find_server(a->control, path);
	if (server && server->config.port_be == object->port_be &&
		shunt_addr_equal(&server->config.address, &object->address))
		server_adopt(server, object);
	else
		removed_adopt(a->control, key.backend, id, object);
}

static void
adopt_service(const struct adoption *a, uint32_t id, const struct shunt_service *object)
{
	struct service_key key = {
		.address = object->address,
		.port_be = object->port_be,
		.last_port_be = object->last_port_be,
		.protocol = object->protocol,
	};

	ids_adopt(a->compiler->services, &key, id);
}

static void
adopt_backend(const struct adoption *a, uint32_t id, const struct shunt_backend *object)
{
	struct backend_key key = { 0 };
	struct backend *backend;

	if (!name_is_good(object->name))
		return;
	compile_copy_name(key.name, object->name);
	ids_adopt(a->compiler->backends, &key, id);
	backend = state_find_backend(a->control, object->name);
	if (backend && backend->config.quorum)
		backend->quorum_lost = object->quorum_lost;
}

static void
adopt_limit(const struct adoption *a, uint32_t id, const struct shunt_limit *object)
{
	struct limit_key key = { 0 };

	if (!name_is_good(object->frontend))
		return;
	compile_copy_name(key.frontend, object->frontend);
	ids_adopt(a->compiler->limits, &key, id);
}

/*
 * What cannot be adopted (a name that is none, an identity that is there twice) is left out: it
 * gets an id of its own, and the next transaction deletes what nobody owns.
 */
static int
adopt_object(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	const struct adoption *a = context;
	struct shunt_nexthop nexthop = { 0 };

	(void)length; /* image_parse() has checked it */
	switch (kind) {
	case SHUNT_KIND_NEXTHOP:
		nexthop.port = ((const struct shunt_nexthop *)bytes)->port;
		nexthop.mac = ((const struct shunt_nexthop *)bytes)->mac;
		memcpy(nexthop.vlan, ((const struct shunt_nexthop *)bytes)->vlan,
			sizeof(nexthop.vlan));
		nexthop.source = ((const struct shunt_nexthop *)bytes)->source;
		ids_adopt(a->compiler->nexthops, &nexthop, id);
		break;
	case SHUNT_KIND_SERVER:
		adopt_server(a, id, bytes);
		break;
	case SHUNT_KIND_BACKEND:
		adopt_backend(a, id, bytes);
		break;
	case SHUNT_KIND_SERVICE:
		adopt_service(a, id, bytes);
		break;
	case SHUNT_KIND_LIMIT:
		adopt_limit(a, id, bytes);
		break;
	case SHUNT_KIND_LOCAL:
		ids_adopt(a->compiler->locals, bytes, id);
		break;
	case SHUNT_KIND_RULES:
		return rules_adopt(a->control, bytes);
	case SHUNT_KIND_SOURCE:
		ids_adopt(a->compiler->sources, bytes, id);
		break;
	default: /* the settings have no identity: compiler_adopt() */
		break;
	}
	return 0;
}

int
compiler_adopt(struct compiler *c, struct control *control, const struct image *running)
{
	struct adoption adoption = { .compiler = c, .control = control, .running = running };
	const struct shunt_settings *settings = image_get(running, SHUNT_KIND_SETTINGS, 1, NULL);
	int rc;

	if (!c->last)
		c->last = calloc(SHUNT_MAX_SERVERS, sizeof(*c->last));
	if (!c->last)
		return -ENOMEM;
	rc = image_diff(NULL, running, adopt_object, &adoption);
	trackers_adopted(control);
	probe_share(control); /* whoever is new is not to wait for those that are known now */
	if (settings) {
		ids_continue(c->servers, settings->last_server);
		ids_continue(c->services, settings->last_service);
	}
	return rc;
}
