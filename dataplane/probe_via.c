/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define LOG_SUBSYSTEM "probe-via"
#include "objects.h"
#include "probe_via.h"
#include "probe_via_map.h"
#include "settings.h"
#include "shunt/log.h"

#define OBJECT_NAME "probe_via.bpf.o"

/* Where the programs stand at the hooks; behind the guard (xdp_guard.c), if that is there. */
#define VIA_HANDLE   0x53687670
#define VIA_PRIORITY 2

struct via_interface {
	int ifindex;
	bool made_hook;
};

enum via_state {
	VIA_LEFT, /* at the start: what a killed process has left may be attached */
	VIA_UNUSED,
	VIA_ATTACHED,
	VIA_FAILED, /* and no further attempt is made */
};

struct probe_via {
	enum via_state state;
	char path[SETTINGS_PATH_SIZE + sizeof(OBJECT_NAME)];
	struct via_interface interfaces[SHUNT_MAX_PORTS];
	unsigned int interface_count;
	struct bpf_object *object;
	int targets;			    /* descriptor of the map */
	struct probe_via_target *installed; /* [SHUNT_MAX_SERVERS] in the map; version 0: not */
	uint32_t installed_end;
};

/* The hooks, each with the program that belongs there. */
static const struct {
	enum bpf_tc_attach_point point;
	const char *program;
} hooks[] = {
	{ BPF_TC_EGRESS, PROBE_VIA_OUT },
	{ BPF_TC_INGRESS, PROBE_VIA_IN },
};

#define HOOKS (sizeof(hooks) / sizeof(hooks[0]))

struct probe_via *
probe_via_create(const struct settings *settings, const char *filter)
{
	const char *slash = strrchr(filter, '/');
	struct probe_via *via = calloc(1, sizeof(*via));

	if (!via)
		return NULL;
	via->targets = -1;
	snprintf(via->path, sizeof(via->path), "%.*s" OBJECT_NAME,
		slash ? (int)(slash + 1 - filter) : 0, filter);
	for (size_t i = 0; i < settings->port_count; i++) {
		const char *name = settings->ports[i].interface;

		if (name[0] && if_nametoindex(name))
			via->interfaces[via->interface_count++].ifindex = (int)if_nametoindex(name);
	}
	return via;
}

static bool
is_program(uint32_t id, const char *name)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool same;

	if (fd < 0)
		return false;
	same = bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0 && strcmp(info.name, name) == 0;
	close(fd);
	return same;
}

static struct bpf_tc_hook
hook_of(const struct via_interface *interface, enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = interface->ifindex,
		.attach_point = point,
	};
}

static struct bpf_tc_opts
place(void)
{
	return (struct bpf_tc_opts){
		.sz = sizeof(struct bpf_tc_opts),
		.handle = VIA_HANDLE,
		.priority = VIA_PRIORITY,
	};
}

/* Ours only, of this process or of one before; that there are none, or no qdisc, is no error. */
static void
detach(const struct via_interface *interface)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	struct bpf_tc_hook both = hook_of(interface, BPF_TC_INGRESS | BPF_TC_EGRESS);

	for (size_t i = 0; i < HOOKS; i++) {
		struct bpf_tc_hook hook = hook_of(interface, hooks[i].point);
		struct bpf_tc_opts found = place(), gone = place();

		if (bpf_tc_query(&hook, &found) == 0 && is_program(found.prog_id, hooks[i].program))
			bpf_tc_detach(&hook, &gone);
	}
	if (interface->made_hook)
		bpf_tc_hook_destroy(&both);
	libbpf_set_print(print);
}

/* Replaces what a killed process has left. 0 or -errno. */
static int
attach(struct probe_via *via, struct via_interface *interface)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL); /* -EEXIST is no error here */
	struct bpf_tc_hook both = hook_of(interface, BPF_TC_INGRESS | BPF_TC_EGRESS);
	int result = bpf_tc_hook_create(&both);

	libbpf_set_print(print);
	interface->made_hook = result == 0;
	if (result == -EEXIST)
		result = 0;
	for (size_t i = 0; result == 0 && i < HOOKS; i++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(via->object, hooks[i].program);
		struct bpf_tc_hook hook = hook_of(interface, hooks[i].point);
		struct bpf_tc_opts opts = place();

		if (!program)
			return -ENOENT;
		opts.prog_fd = bpf_program__fd(program);
		opts.flags = BPF_TC_F_REPLACE;
		result = bpf_tc_attach(&hook, &opts);
	}
	return result;
}

static int
load(struct probe_via *via)
{
	int result;

	via->installed = calloc(SHUNT_MAX_SERVERS, sizeof(*via->installed));
	if (!via->installed)
		return -ENOMEM;
	via->object = bpf_object__open_file(via->path, NULL);
	result = via->object ? bpf_object__load(via->object) : -errno;
	if (result == 0)
		via->targets = bpf_object__find_map_fd_by_name(via->object, PROBE_VIA_TARGETS);
	return result == 0 && via->targets < 0 ? via->targets : result;
}

static void
detach_all(struct probe_via *via)
{
	for (unsigned int i = 0; i < via->interface_count; i++) {
		detach(&via->interfaces[i]);
		via->interfaces[i].made_hook = false;
	}
}

static void
unload(struct probe_via *via)
{
	bpf_object__close(via->object);
	free(via->installed);
	via->object = NULL;
	via->installed = NULL;
}

void
probe_via_destroy(struct probe_via *via)
{
	if (!via)
		return;
	detach_all(via);
	unload(via);
	free(via);
}

static const void *
bytes_of(const struct object_store *objects, uint32_t kind, uint32_t id)
{
	const struct object *o = object_store_get(objects, kind, id);

	return o ? o->bytes : NULL;
}

/*
 * What is to be done with this server's probes; version 0: nothing, or what cannot be done. The
 * objects have been checked when the generation was made of them.
 */
static struct probe_via_target
target_of(const struct object_store *objects, uint32_t id)
{
	const struct shunt_server *server = bytes_of(objects, SHUNT_KIND_SERVER, id);
	struct probe_via_target t = { 0 }, none = { 0 };
	const struct shunt_backend *backend;
	const struct shunt_service *service;
	const struct shunt_nexthop *nexthop;

	if (!server || server->probe_service == 0)
		return none;
	service = bytes_of(objects, SHUNT_KIND_SERVICE, server->probe_service);
	backend = bytes_of(objects, SHUNT_KIND_BACKEND, server->backend);
	nexthop = bytes_of(objects, SHUNT_KIND_NEXTHOP, server->nexthop);
	if (!service || !backend)
		return none;
	memcpy(t.server, &server->address, sizeof(t.server));
	memcpy(t.service, &service->address, sizeof(t.service));
	/* The kernel's socket needs a port, also of a server that has none of its own. */
	t.server_port_be = server->port_be ? server->port_be : service->port_be;
	t.service_port_be = service->port_be;
	t.version = shunt_addr_is_v4(&server->address) ? 4 : 6;
	t.encap = backend->encap;
	t.encap_port_be = backend->encap_port_be;
	if (backend->forward != SHUNT_TUNNEL)
		return t;
	/* Without a source of its own family there is no tunnel for clients either. */
	if (!nexthop || shunt_addr_is_v4(&nexthop->source) != shunt_addr_is_v4(&server->address))
		return none;
	memcpy(t.source, &nexthop->source, sizeof(t.source));
	return t;
}

static bool
any_asked_for(const struct object_store *objects)
{
	for (uint32_t id = 1; id < object_store_end(objects, SHUNT_KIND_SERVER); id++) {
		const struct shunt_server *server = bytes_of(objects, SHUNT_KIND_SERVER, id);

		if (server && server->probe_service)
			return true;
	}
	return false;
}

/* 0 or the first -errno. */
static int
update_targets(struct probe_via *via, const struct object_store *objects)
{
	uint32_t end = object_store_end(objects, SHUNT_KIND_SERVER);
	int result = 0;

	for (uint32_t id = 1; id < end || id < via->installed_end; id++) {
		struct probe_via_target target = target_of(objects, id);
		int r = 0;

		if (memcmp(&target, &via->installed[id], sizeof(target)) == 0)
			continue;
		if (target.version)
			r = bpf_map_update_elem(via->targets, &id, &target, BPF_ANY);
		else if (bpf_map_delete_elem(via->targets, &id) < 0 && errno != ENOENT)
			r = -errno;
		if (r == 0)
			via->installed[id] = target;
		else if (result == 0)
			result = r;
	}
	via->installed_end = end;
	return result;
}

/* Filled before it is attached: no probe on its way meets an empty map. */
static bool
start(struct probe_via *via, const struct object_store *objects)
{
	int result = via->interface_count ? load(via) : -ENODEV;

	if (result == 0)
		result = update_targets(via, objects);
	for (unsigned int i = 0; result == 0 && i < via->interface_count; i++)
		result = attach(via, &via->interfaces[i]);
	if (result == 0) {
		via->state = VIA_ATTACHED;
		return true;
	}
	log_error("no server can be probed through its service: %s: %s",
		via->interface_count ? via->path : "no port is a kernel interface",
		strerror(-result));
	detach_all(via);
	unload(via);
	via->state = VIA_FAILED;
	return false;
}

bool
probe_via_sync(struct probe_via *via, const struct object_store *objects)
{
	int result;

	if (via->state == VIA_FAILED)
		return false;
	if (via->state != VIA_ATTACHED) {
		if (any_asked_for(objects))
			return start(via, objects);
		if (via->state == VIA_LEFT)
			detach_all(via);
		via->state = VIA_UNUSED;
		return true;
	}
	result = update_targets(via, objects);
	if (result < 0)
		log_error("some servers cannot be probed through their service: %s",
			strerror(-result));
	return result == 0;
}
