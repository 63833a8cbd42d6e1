/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "compile_impl.h"
#include "ids.h"
#include "netlink.h"
#include "pool.h"
#include "removed.h"
#include "rules.h"
#include "state.h"
#include "tables.h"

#define LOG_SUBSYSTEM "compile"
#include "shunt/log.h"

struct compiler *
compiler_create(void)
{
	struct compiler *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->nexthops = ids_create(SHUNT_MAX_NEXTHOPS, sizeof(struct shunt_nexthop));
	c->servers = ids_create(SHUNT_MAX_SERVERS, sizeof(struct server_key));
	c->backends = ids_create(SHUNT_MAX_BACKENDS, sizeof(struct backend_key));
	c->services = ids_create(SHUNT_MAX_SERVICES, sizeof(struct service_key));
	c->locals = ids_create(SHUNT_MAX_LOCALS, sizeof(struct shunt_addr));
	c->sources = ids_create(SHUNT_MAX_SOURCES, sizeof(struct shunt_addr));
	c->limits = ids_create(SHUNT_MAX_LIMITS, sizeof(struct limit_key));
	c->tables = tables_create();
	c->local_addresses = calloc(SHUNT_MAX_LOCALS, sizeof(*c->local_addresses));
	if (!c->nexthops || !c->servers || !c->backends || !c->services || !c->locals ||
		!c->sources || !c->limits || !c->tables || !c->local_addresses) {
		compiler_destroy(c);
		return NULL;
	}
	return c;
}

void
compiler_destroy(struct compiler *c)
{
	if (!c)
		return;
	ids_destroy(c->nexthops);
	ids_destroy(c->servers);
	ids_destroy(c->backends);
	ids_destroy(c->services);
	ids_destroy(c->locals);
	ids_destroy(c->sources);
	ids_destroy(c->limits);
	tables_destroy(c->tables);
	free(c->local_addresses);
	free(c->last);
	free(c);
}

void
compiler_forget_ways(struct compiler *c)
{
	free(c->last);
	c->last = NULL;
}

static struct server_key
server_key(const struct server *server)
{
	struct server_key key = {
		.address = server->config.address,
		.port_be = server->config.port_be,
	};

	compile_copy_name(key.backend, server->backend->config.name);
	compile_copy_name(key.name, server->config.name);
	return key;
}

static struct service_key
service_key(const struct service *service)
{
	return (struct service_key){
		.address = service->address,
		.port_be = service->port_be,
		.last_port_be = service->last_port_be,
		.protocol = service->protocol,
	};
}

static int
compare_source_ids(const void *a, const void *b)
{
	return *(const uint8_t *)a - *(const uint8_t *)b;
}

static void
give_source_ids(struct compiler *c, struct backend *backend,
	uint32_t (*give)(struct ids *ids, const void *key))
{
	size_t count = backend->config.source_count;

	for (size_t i = 0; i < count; i++)
		backend->source_ids[i] = (uint8_t)give(c->sources, &backend->config.sources[i]);
	if (count > 1)
		qsort(backend->source_ids, count, 1, compare_source_ids);
}

static void
give_limit_id(struct compiler *c, struct service *service,
	uint32_t (*give)(struct ids *ids, const void *key))
{
	struct limit_key key = { 0 };

	compile_copy_name(key.frontend, service->frontend);
	service->limit_id = config_has_limit(&service->limit) ? give(c->limits, &key) : 0;
}

/*
 * Ids are given in two passes: first everyone who has one is found, so that none of those can be
 * given away in the second.
 */
static void
give_ids(struct compiler *c, struct control *control,
	uint32_t (*give)(struct ids *ids, const void *key))
{
	for (size_t i = 0; i < control->backend_count; i++) {
		struct backend *backend = control->backends[i];
		struct backend_key key = { 0 };

		compile_copy_name(key.name, backend->config.name);
		backend->id = give(c->backends, &key);
		give_source_ids(c, backend, give);
		for (size_t j = 0; j < backend_all_count(backend); j++) {
			struct server_key server = server_key(backend_any(backend, j));

			backend_any(backend, j)->id = give(c->servers, &server);
		}
	}
	for (size_t i = 0; i < control->service_count; i++) {
		struct service_key key = service_key(&control->services[i]);

		control->services[i].id = give(c->services, &key);
		give_limit_id(c, &control->services[i], give);
	}
}

static int
no_more_ids(const char *what, uint32_t end)
{
	log_error("too many %s: there may be %u at a time; the dataplane keeps what it has", what,
		end - 1);
	return -ENOSPC;
}

static int
check_ids(const struct control *control)
{
	for (size_t i = 0; i < control->backend_count; i++) {
		const struct backend *backend = control->backends[i];

		if (!backend->id)
			return no_more_ids("backends", SHUNT_MAX_BACKENDS);
		/* They ascend: if one has none, it is the first. */
		if (backend->config.source_count > 0 && !backend->source_ids[0])
			return no_more_ids("source addresses", SHUNT_MAX_SOURCES);
		for (size_t j = 0; j < backend_all_count(backend); j++) {
			if (!backend_any(backend, j)->id)
				return no_more_ids("servers", SHUNT_MAX_SERVERS);
		}
	}
	for (size_t i = 0; i < control->service_count; i++) {
		if (!control->services[i].id)
			return no_more_ids("services", SHUNT_MAX_SERVICES);
		if (config_has_limit(&control->services[i].limit) && !control->services[i].limit_id)
			return no_more_ids("limits", SHUNT_MAX_LIMITS);
	}
	return 0;
}

static size_t
count_servers(const struct control *control)
{
	size_t count = 0;

	for (size_t i = 0; i < control->backend_count; i++)
		count += backend_all_count(control->backends[i]);
	return count;
}

/*
 * Of a removed server the last way holds on: if its neighbour was named in the file, that has gone
 * from there together with the server.
 */
static struct way
find_way(struct compiler *c, const struct control *control, const struct server *server)
{
	struct way way = { 0 }, *last = &c->last[server->id];
	struct shunt_nexthop found;

	if (control->netlink &&
		netlink_nexthop(control->netlink, &server->config.address, &found)) {
		way.known = true;
		way.nexthop.port = found.port;
		way.nexthop.mac = found.mac;
		memcpy(way.nexthop.vlan, found.vlan, sizeof(found.vlan));
		way.nexthop.source = found.source;
		*last = way; /* from now on the kernel has the say */
	} else if (last->known && (last->adopted || server->removed)) {
		way = *last;
	}
	return way;
}

/* The ways to all servers, in the state's order, with their ids found. NULL: out of memory. */
static struct way *
find_ways(struct compiler *c, const struct control *control)
{
	struct way *ways = calloc(count_servers(control) + 1, sizeof(*ways)), *way = ways;

	if (ways && !c->last)
		c->last = calloc(SHUNT_MAX_SERVERS, sizeof(*c->last));
	if (!ways || !c->last) {
		free(ways);
		return NULL;
	}
	for (size_t i = 0; i < control->backend_count; i++) {
		const struct backend *backend = control->backends[i];

		for (size_t j = 0; j < backend_all_count(backend); j++, way++) {
			*way = find_way(c, control, backend_any(backend, j));
			if (way->known)
				ids_find(c->nexthops, &way->nexthop);
		}
	}
	return ways;
}

static void
find_probe_services(struct control *control)
{
	for (size_t i = 0; i < control->backend_count; i++)
		memset(control->backends[i]->probe_service, 0,
			sizeof(control->backends[i]->probe_service));
	for (size_t i = 0; i < control->service_count; i++) {
		const struct service *service = &control->services[i];
		struct backend *lead;

		for (size_t k = 0; (lead = state_lead(control, service, k)); k++) {
			uint32_t *id = &lead->probe_service[!shunt_addr_is_v4(&service->address)];

			*id = *id ? *id : service->id;
		}
	}
}

/* What changes of a server while the file stays the same. */
static void
set_server_state(struct shunt_server *object, const struct server *server)
{
	object->state = (uint8_t)server_state(server);
	object->reset_mark = server->reset_mark;
	object->admin = server->admin;
	object->health = server->health.verdict;
	object->removed = server->removed;
	object->weight = server->weight;
	object->file_weight = server->file_weight;
	object->changed_ms = server->changed_ms;
	object->slowstart_ms = server->config.slowstart_ms;
	object->up_since_ms = server->config.slowstart_ms ? server->up_since_ms : 0;
}

static int
put_server(
	struct compiler *c, struct image *image, const struct server *server, const struct way *way)
{
	struct shunt_server object = {
		.address = server->config.address,
		.port_be = server->config.port_be,
		.backend = server->backend->id,
	};
	int rc = 0;

	set_server_state(&object, server);
	compile_copy_name(object.name, server->config.name);
	if (server->config.check.enabled && server->config.check.via_service && !server->removed)
		object.probe_service =
			server->backend->probe_service[!shunt_addr_is_v4(&object.address)];
	if (way->known) {
		object.nexthop = ids_get(c->nexthops, &way->nexthop);
		if (!object.nexthop)
			return no_more_ids("next hops", SHUNT_MAX_NEXTHOPS);
		if (!image_get(image, SHUNT_KIND_NEXTHOP, object.nexthop, NULL))
			rc = image_put(image, SHUNT_KIND_NEXTHOP, object.nexthop, &way->nexthop,
				sizeof(way->nexthop));
	}
	if (rc == 0)
		rc = image_put(image, SHUNT_KIND_SERVER, server->id, &object, sizeof(object));
	return rc;
}

static int
put_servers(struct compiler *c, const struct control *control, struct image *image)
{
	struct way *ways = find_ways(c, control);
	const struct way *way = ways;
	int rc = ways ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < control->backend_count; i++) {
		const struct backend *backend = control->backends[i];

		for (size_t j = 0; rc == 0 && j < backend_all_count(backend); j++)
			rc = put_server(c, image, backend_any(backend, j), way++);
	}
	free(ways);
	return rc;
}

static int
put_backend(struct compiler *c, const struct backend *backend, struct image *image)
{
	const void *bytes;
	size_t length;
	int rc = tables_backend(c->tables, backend, &bytes, &length);

	return rc < 0 ? rc : image_put(image, SHUNT_KIND_BACKEND, backend->id, bytes, length);
}

static int
put_backends(struct compiler *c, const struct control *control, struct image *image)
{
	int rc = 0;

	tables_begin(c->tables);
	for (size_t i = 0; rc == 0 && i < control->backend_count; i++)
		rc = put_backend(c, control->backends[i], image);
	tables_end(c->tables);
	return rc;
}

/* Of the services of a frontend, which have one together, the first puts it. */
static int
put_limit(const struct service *service, struct image *image)
{
	struct shunt_limit object = service->limit;

	if (!service->limit_id || image_get(image, SHUNT_KIND_LIMIT, service->limit_id, NULL))
		return 0;
	compile_copy_name(object.frontend, service->frontend);
	return image_put(image, SHUNT_KIND_LIMIT, service->limit_id, &object, sizeof(object));
}

/* Where it says nothing the image has nothing. */
static uint8_t
service_cookies(const struct service *service)
{
	uint8_t forward = service->backend->config.forward;

	return service->protocol == SHUNT_TCP && (forward == SHUNT_NAT || forward == SHUNT_FULLNAT)
		? service->syn_cookies
		: SHUNT_COOKIES_NEVER;
}

static int
put_services(const struct control *control, struct image *image)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < control->service_count; i++) {
		const struct service *service = &control->services[i];
		struct shunt_service object = {
			.address = service->address,
			.port_be = service->port_be,
			.last_port_be = service->last_port_be,
			.protocol = service->protocol,
			.backend = service->backend->id,
			.rules = service->rules,
			.timeout_syn_ms = service->timeout.syn_ms,
			.timeout_established_ms = service->timeout.established_ms,
			.timeout_fin_ms = service->timeout.fin_ms,
			.timeout_udp_ms = service->timeout.udp_ms,
			.reset_idle = service->reset_idle,
			.stateless = service->stateless,
			.limit = service->limit_id,
			.syn_cookies = service_cookies(service),
			.syn_flood_rate = service->syn_flood_rate,
		};

		compile_copy_name(object.frontend, service->frontend);
		rc = image_put(image, SHUNT_KIND_SERVICE, service->id, &object, sizeof(object));
		if (rc == 0)
			rc = put_limit(service, image);
	}
	return rc;
}

static int
put_locals(struct compiler *c, const struct control *control, struct image *image)
{
	size_t count = 0;
	int rc = 0;

	if (control->netlink)
		count = netlink_locals(control->netlink, c->local_addresses, SHUNT_MAX_LOCALS - 1);
	for (size_t i = 0; i < count; i++)
		ids_find(c->locals, &c->local_addresses[i]);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct shunt_local object = { .address = c->local_addresses[i] };
		uint32_t id = ids_get(c->locals, &object.address);

		if (!id)
			return no_more_ids("local addresses", SHUNT_MAX_LOCALS);
		rc = image_put(image, SHUNT_KIND_LOCAL, id, &object, sizeof(object));
	}
	return rc;
}

static int
put_source(const struct compiler *c, struct image *image, const struct shunt_addr *address)
{
	const struct shunt_source object = { .address = *address };
	uint32_t id = ids_find(c->sources, address);

	/* Backends may share one. */
	if (image_get(image, SHUNT_KIND_SOURCE, id, NULL))
		return 0;
	return image_put(image, SHUNT_KIND_SOURCE, id, &object, sizeof(object));
}

static int
put_sources(const struct compiler *c, const struct control *control, struct image *image)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < control->backend_count; i++) {
		const struct backend_config *backend = &control->backends[i]->config;

		for (size_t j = 0; rc == 0 && j < backend->source_count; j++)
			rc = put_source(c, image, &backend->sources[j]);
	}
	return rc;
}

static int
put_settings(const struct compiler *c, const struct control *control, struct image *image)
{
	struct shunt_settings settings = {
		.last_server = ids_last(c->servers),
		.last_service = ids_last(c->services),
	};

	if (control->config)
		memcpy(settings.hash_secret, control->config->hash_secret,
			sizeof(settings.hash_secret));
	return image_put(image, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
}

int
compiler_compile(struct compiler *c, struct control *control, struct image *image)
{
	int rc;

	for (size_t i = 0; i < control->backend_count; i++)
		pool_update(control->backends[i]);
	ids_begin(c->nexthops);
	ids_begin(c->servers);
	ids_begin(c->backends);
	ids_begin(c->services);
	ids_begin(c->locals);
	ids_begin(c->sources);
	ids_begin(c->limits);
	give_ids(c, control, ids_find);
	give_ids(c, control, ids_get);
	rc = check_ids(control);
	find_probe_services(control);
	if (rc == 0)
		rc = put_settings(c, control, image);
	if (rc == 0)
		rc = put_servers(c, control, image);
	if (rc == 0)
		rc = put_backends(c, control, image);
	if (rc == 0)
		rc = put_services(control, image);
	if (rc == 0)
		rc = put_locals(c, control, image);
	if (rc == 0)
		rc = put_sources(c, control, image);
	if (rc == 0)
		rc = rules_put(control, image);
	if (rc == 0)
		rc = rules_put_truth(control, image);
	return rc;
}

static int
update_server(const struct server *server, struct image *image)
{
	size_t length = 0;
	const struct shunt_server *before =
		image_get(image, SHUNT_KIND_SERVER, server->id, &length);
	struct shunt_server object;

	if (!before || length != sizeof(*before))
		return -ENOENT;
	object = *before;
	set_server_state(&object, server);
	return image_put(image, SHUNT_KIND_SERVER, server->id, &object, sizeof(object));
}

int
compiler_update(struct compiler *c, struct control *control, struct image *image)
{
	int rc = rules_put_truth(control, image);

	for (size_t i = 0; rc == 0 && i < control->backend_count; i++) {
		struct backend *backend = control->backends[i];
		bool all;

		if (!backend->changed)
			continue;
		all = pool_update(backend);
		for (size_t j = 0; rc == 0 && j < backend_all_count(backend); j++) {
			if (all || backend_any(backend, j)->changed)
				rc = update_server(backend_any(backend, j), image);
		}
		if (rc == 0 && !image_get(image, SHUNT_KIND_BACKEND, backend->id, NULL))
			rc = -ENOENT;
		if (rc == 0)
			rc = put_backend(c, backend, image);
	}
	return rc;
}

void
compiler_unmark(struct control *control)
{
	for (size_t i = 0; i < control->backend_count; i++) {
		struct backend *backend = control->backends[i];

		for (size_t j = 0; backend->changed && j < backend_all_count(backend); j++)
			backend_any(backend, j)->changed = false;
		backend->changed = false;
	}
}

uint64_t
compiler_table_bytes(const struct compiler *c)
{
	return tables_bytes(c->tables);
}
