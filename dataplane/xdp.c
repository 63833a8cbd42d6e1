/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define LOG_SUBSYSTEM "xdp"
#include "classify.h"
#include "objects.h"
#include "shunt/log.h"
#include "xdp.h"
#include "xdp_filter.h"
#include "xdp_guard.h"

#define MAX_MAPS 16 /* the filter has seven */

enum {
	MAP_SERVICES,
	MAP_SERVERS,
	MAP_SERVICE_RANGES,
	MAP_SERVER_RANGES,
	MAP_LOCALS,
	MAP_SOURCES,
	MAP_COUNT,
};

static const char *const map_names[MAP_COUNT] = {
	[MAP_SERVICES] = XDP_FILTER_SERVICES,
	[MAP_SERVERS] = XDP_FILTER_SERVERS,
	[MAP_SERVICE_RANGES] = XDP_FILTER_SERVICE_RANGES,
	[MAP_SERVER_RANGES] = XDP_FILTER_SERVER_RANGES,
	[MAP_LOCALS] = XDP_FILTER_LOCALS,
	[MAP_SOURCES] = XDP_FILTER_SOURCES,
};

/* The keys of one map, sorted, each once. Those of maps without prefixes have all bits. */
struct key_set {
	struct xdp_filter_prefix *keys;
	size_t count;
	size_t room;
};

struct xdp_interface {
	int ifindex;
	int map_fds[MAP_COUNT];
};

struct xdp {
	struct xdp_interface interfaces[SHUNT_MAX_PORTS];
	unsigned int interface_count;
	struct key_set installed[MAP_COUNT]; /* in the maps of every interface */
	struct xdp_guard *guard; /* from xdp_clear_stale() to xdp_add(), of one interface */
	bool incomplete;	 /* an update has failed: some of those keys may be missing */
};

static int
key_set_add_prefix(struct key_set *set, const struct shunt_addr *address, uint16_t port_be,
	uint8_t protocol, uint32_t bits)
{
	struct xdp_filter_prefix *prefix;

	if (set->count == set->room) {
		size_t room = set->room ? 2 * set->room : 64;

		prefix = realloc(set->keys, room * sizeof(*prefix));
		if (!prefix)
			return -ENOMEM;
		set->keys = prefix;
		set->room = room;
	}
	prefix = &set->keys[set->count++];
	memset(prefix, 0, sizeof(*prefix));
	memcpy(prefix->key.address, address->bytes, sizeof(prefix->key.address));
	prefix->key.port_be = port_be;
	prefix->key.protocol = protocol;
	prefix->bits = bits;
	return 0;
}

static int
key_set_add(
	struct key_set *set, const struct shunt_addr *address, uint16_t port_be, uint8_t protocol)
{
	return key_set_add_prefix(set, address, port_be, protocol, XDP_FILTER_PREFIX_BITS);
}

static int
key_set_add_tunnel(
	struct key_set *set, const struct shunt_addr *address, uint16_t port_be, uint8_t protocol)
{
	int result = key_set_add(set, address, port_be, protocol);

	if (result == 0)
		set->keys[set->count - 1].key.tunnel = 1;
	return result;
}

/*
 * The fewest prefixes that cover the ports: each as wide as where it begins and the end allow. Port
 * 0, which nobody uses, goes with 1, so that all ports are one prefix.
 */
static int
key_set_add_range(struct key_set *set, const struct shunt_addr *address, uint16_t first_port_be,
	uint16_t last_port_be, uint8_t protocol)
{
	uint32_t port = ntohs(first_port_be), last = ntohs(last_port_be);
	int result = 0;

	if (port == 1)
		port = 0;
	while (port <= last && result == 0) {
		uint32_t cut = 0;

		while (cut < 16 && !(port & (1u << cut)) && port + (2u << cut) - 1 <= last)
			cut++;
		result = key_set_add_prefix(set, address, htons((uint16_t)port), protocol,
			XDP_FILTER_PREFIX_BITS - cut);
		port += 1u << cut;
	}
	return result;
}

static int
compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xdp_filter_prefix));
}

static void
key_set_sort(struct key_set *set)
{
	size_t kept = 0;

	if (set->count == 0)
		return;
	qsort(set->keys, set->count, sizeof(*set->keys), compare_keys);
	for (size_t i = 1; i < set->count; i++) {
		if (compare_keys(&set->keys[kept], &set->keys[i]) != 0)
			set->keys[++kept] = set->keys[i];
	}
	set->count = kept + 1;
}

static int
program_info(unsigned int ifindex, struct bpf_prog_info *info, uint32_t *map_ids)
{
	uint32_t id = 0, bytes = sizeof(*info);
	int fd, result;

	result = bpf_xdp_query_id((int)ifindex, 0, &id);
	if (result < 0)
		return result;
	if (id == 0)
		return -ENOENT;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	memset(info, 0, sizeof(*info));
	if (map_ids) {
		info->nr_map_ids = MAX_MAPS;
		info->map_ids = (uintptr_t)map_ids;
	}
	result = bpf_obj_get_info_by_fd(fd, info, &bytes) < 0 ? -errno : 0;
	close(fd);
	return result;
}

static int
open_map(struct xdp_interface *interface, uint32_t id)
{
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);

	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &bytes) < 0) {
		int result = -errno;

		close(fd);
		return result;
	}
	for (int m = 0; m < MAP_COUNT; m++) {
		if (strcmp(info.name, map_names[m]) == 0 && interface->map_fds[m] < 0) {
			interface->map_fds[m] = fd;
			return 0;
		}
	}
	close(fd);
	return 0;
}

static void
close_maps(struct xdp_interface *interface)
{
	for (int m = 0; m < MAP_COUNT; m++) {
		if (interface->map_fds[m] >= 0)
			close(interface->map_fds[m]);
	}
}

struct xdp *
xdp_create(void)
{
	return calloc(1, sizeof(struct xdp));
}

void
xdp_destroy(struct xdp *xdp)
{
	struct bpf_prog_info info;

	if (!xdp)
		return;
	for (unsigned int i = 0; i < xdp->interface_count; i++) {
		struct xdp_interface *interface = &xdp->interfaces[i];

		/* The driver detaches it on close; this is for where it could not. */
		if (program_info((unsigned int)interface->ifindex, &info, NULL) == 0 &&
			strcmp(info.name, XDP_FILTER_PROGRAM) == 0)
			bpf_xdp_detach(interface->ifindex, 0, NULL);
		close_maps(interface);
	}
	xdp_guard_destroy(xdp->guard);
	for (int m = 0; m < MAP_COUNT; m++)
		free(xdp->installed[m].keys);
	free(xdp);
}

/* The maps of the filter that is attached to an interface. 0 or -errno, then none is open. */
static int
open_filter(struct xdp_interface *interface, const char *name)
{
	uint32_t map_ids[MAX_MAPS];
	struct bpf_prog_info info;
	int result;

	interface->ifindex = (int)if_nametoindex(name);
	if (interface->ifindex == 0)
		return -errno;
	for (int m = 0; m < MAP_COUNT; m++)
		interface->map_fds[m] = -1;
	result = program_info((unsigned int)interface->ifindex, &info, map_ids);
	if (result == 0 && strcmp(info.name, XDP_FILTER_PROGRAM) != 0)
		result = -ENOENT;
	for (uint32_t i = 0; result == 0 && i < info.nr_map_ids && i < MAX_MAPS; i++)
		result = open_map(interface, map_ids[i]);
	for (int m = 0; result == 0 && m < MAP_COUNT; m++) {
		if (interface->map_fds[m] < 0)
			result = -ENOENT;
	}
	if (result < 0)
		close_maps(interface);
	return result;
}

/* The key as the map has it. */
static void *
key_in_map(struct xdp_filter_prefix *key, int map)
{
	return map == MAP_SERVICE_RANGES || map == MAP_SERVER_RANGES ? (void *)key
								     : (void *)&key->key;
}

static int
read_keys(struct key_set *set, int fd, int map)
{
	struct xdp_filter_prefix key = { .bits = XDP_FILTER_PREFIX_BITS };
	struct shunt_addr address;
	void *in_map = key_in_map(&key, map), *previous = NULL;
	int result = 0;

	/* Nobody else writes the map, so that no key is met twice. */
	while (result == 0 && bpf_map_get_next_key(fd, previous, in_map) == 0) {
		memcpy(&address, key.key.address, sizeof(address));
		result = key_set_add_prefix(
			set, &address, key.key.port_be, key.key.protocol, key.bits);
		if (result == 0)
			set->keys[set->count - 1].key.tunnel = key.key.tunnel;
		previous = in_map;
	}
	return result;
}

int
xdp_inherit(struct xdp *xdp, const char *name)
{
	struct xdp_interface interface;
	int result = 0;

	if (open_filter(&interface, name) < 0)
		return 0;
	for (int m = 0; m < MAP_COUNT; m++) {
		if (result == 0)
			result = read_keys(&xdp->installed[m], interface.map_fds[m], m);
		key_set_sort(&xdp->installed[m]);
	}
	close_maps(&interface);
	return result;
}

/* Without a guard connections may be reset, which is no reason not to start. */
static void
raise_guard(struct xdp *xdp, const char *name, const char *filter)
{
	struct xdp_guard_map maps[MAP_COUNT];
	struct xdp_interface stale;
	int result = open_filter(&stale, name);

	if (result == 0) {
		for (int m = 0; m < MAP_COUNT; m++)
			maps[m] = (struct xdp_guard_map){ map_names[m], stale.map_fds[m] };
		xdp->guard = xdp_guard_create(stale.ifindex, filter, maps, MAP_COUNT);
		if (!xdp->guard)
			result = -errno;
		close_maps(&stale);
	}
	if (result == 0)
		log_info("%s: replacing the XDP filter of a killed process; what it took is "
			 "dropped until the new one is ready",
			name);
	else
		log_warn("%s: no guard (xdp_guard.bpf.o, beside the filter) at tc ingress: %s; "
			 "connections may be reset while a killed process's XDP filter is replaced",
			name, strerror(-result));
}

int
xdp_clear_stale(
	struct xdp *xdp, const char *interface, const char *filter, char *other, size_t other_size)
{
	unsigned int ifindex = if_nametoindex(interface);
	struct bpf_prog_info info;
	int result;

	if (ifindex == 0)
		return -errno;
	xdp_guard_clear_stale((int)ifindex);
	result = program_info(ifindex, &info, NULL);
	if (result == -ENOENT)
		return 0;
	if (result < 0)
		return result;
	if (strcmp(info.name, XDP_FILTER_PROGRAM) != 0) {
		strncpy(other, info.name, other_size - 1);
		other[other_size - 1] = '\0';
		return -EBUSY;
	}
	raise_guard(xdp, interface, filter);
	return bpf_xdp_detach((int)ifindex, 0, NULL);
}

int
xdp_add(struct xdp *xdp, const char *name)
{
	struct xdp_interface *interface = &xdp->interfaces[xdp->interface_count];
	uint8_t one = 1;
	int result;

	if (xdp->interface_count == SHUNT_MAX_PORTS)
		return -ENOSPC;
	result = open_filter(interface, name);
	if (result < 0)
		return result;
	xdp->interface_count++;
	for (int m = MAP_COUNT - 1; m >= 0; m--) {
		const struct key_set *set = &xdp->installed[m];

		for (size_t i = 0; i < set->count && result == 0; i++) {
			if (bpf_map_update_elem(interface->map_fds[m], key_in_map(&set->keys[i], m),
				    &one, BPF_ANY) < 0)
				result = -errno;
		}
	}
	xdp_guard_destroy(xdp->guard);
	xdp->guard = NULL;
	return result;
}

struct collector {
	struct key_set *sets;
	int result;
};

static void
collect_endpoint(void *context, const struct shunt_addr *address, uint16_t first_port_be,
	uint16_t last_port_be, uint8_t protocol, bool is_service)
{
	struct collector *c = context;
	struct key_set *set = &c->sets[is_service ? MAP_SERVICES : MAP_SERVERS];
	struct key_set *ranges = &c->sets[is_service ? MAP_SERVICE_RANGES : MAP_SERVER_RANGES];

	if (c->result == 0 && first_port_be == last_port_be)
		c->result = key_set_add(set, address, first_port_be, protocol);
	else if (c->result == 0)
		c->result =
			key_set_add_range(ranges, address, first_port_be, last_port_be, protocol);
	if (c->result == 0)
		c->result = key_set_add(set, address, 0, 0); /* its fragments */
}

/* For ICMP errors about tunnels' packets, which quote these. */
static void
collect_tunnels(struct collector *c, const struct generation *generation)
{
	static const uint8_t protocols[SHUNT_ENCAP_COUNT][2] = {
		[SHUNT_IPIP] = { IPPROTO_IPIP, IPPROTO_IPV6 },
		[SHUNT_GUE] = { IPPROTO_UDP },
		[SHUNT_GRE] = { IPPROTO_GRE },
	};

	for (uint32_t id = 1; id < generation->server_count; id++) {
		const struct gen_server *s = &generation->servers[id];
		struct shunt_addr address;

		if (s->version == 0 || s->forward != SHUNT_TUNNEL)
			continue;
		if (s->version == 4)
			address = shunt_addr_from_v4(s->address);
		else
			memcpy(&address, s->address, sizeof(address));
		for (int i = 0; i < 2 && c->result == 0 && protocols[s->encap][i]; i++)
			c->result = key_set_add_tunnel(&c->sets[MAP_SERVERS], &address,
				s->encap == SHUNT_GUE ? s->encap_port_be : 0,
				protocols[s->encap][i]);
	}
}

static int
collect_sources(struct key_set *set, const struct generation *generation)
{
	int result = 0;

	for (uint32_t id = 1; id < SHUNT_MAX_SOURCES && result == 0; id++) {
		const struct gen_source *s = &generation->sources[id];
		struct shunt_addr address;

		if (s->version == 0)
			continue;
		if (s->version == 4)
			address = shunt_addr_from_v4(s->address);
		else
			memcpy(address.bytes, s->address, sizeof(address.bytes));
		result = key_set_add(set, &address, 0, 0);
	}
	return result;
}

static int
collect(struct key_set *sets, const struct generation *generation,
	const struct object_store *objects)
{
	struct collector c = { .sets = sets };

	classifier_each(generation->classifier, collect_endpoint, &c);
	collect_tunnels(&c, generation);
	for (uint32_t id = 1; id < object_store_end(objects, SHUNT_KIND_LOCAL); id++) {
		const struct object *o = object_store_get(objects, SHUNT_KIND_LOCAL, id);

		if (o && c.result == 0)
			c.result = key_set_add(&sets[MAP_LOCALS],
				&((const struct shunt_local *)(const void *)o->bytes)->address, 0,
				0);
	}
	if (c.result == 0)
		c.result = collect_sources(&sets[MAP_SOURCES], generation);
	for (int m = 0; m < MAP_COUNT; m++)
		key_set_sort(&sets[m]);
	return c.result;
}

static int
update_maps(const struct xdp *xdp, int map, struct xdp_filter_prefix *prefix, bool wanted)
{
	const void *key = key_in_map(prefix, map);
	int result = 0;

	for (unsigned int i = 0; i < xdp->interface_count; i++) {
		int fd = xdp->interfaces[i].map_fds[map];
		uint8_t one = 1;
		int r = wanted ? bpf_map_update_elem(fd, key, &one, BPF_ANY)
			       : bpf_map_delete_elem(fd, key);

		if (r < 0 && result == 0 && (wanted || errno != ENOENT))
			result = -errno;
	}
	return result;
}

/* Walks both sorted sets: new keys in, then old keys out, so that no wanted key is ever missing. */
static int
apply_difference(const struct xdp *xdp, int map, const struct key_set *have,
	const struct key_set *want, bool add)
{
	const struct key_set *all = add ? want : have, *other = add ? have : want;
	size_t j = 0;
	int result = 0;

	for (size_t i = 0; i < all->count; i++) {
		int order = 1;

		while (j < other->count &&
			(order = compare_keys(&other->keys[j], &all->keys[i])) < 0)
			j++;
		if (j == other->count || order > 0) {
			int r = update_maps(xdp, map, &all->keys[i], add);

			if (result == 0)
				result = r;
		}
	}
	return result;
}

int
xdp_sync(struct xdp *xdp, const struct generation *generation, const struct object_store *objects)
{
	static const struct key_set none;
	struct key_set wanted[MAP_COUNT] = { 0 };
	int result;

	if (xdp->interface_count == 0)
		return 0;
	result = collect(wanted, generation, objects);
	if (result < 0) {
		for (int m = 0; m < MAP_COUNT; m++)
			free(wanted[m].keys);
		return result;
	}
	/* Locals before servers: the answer to a probe must not be taken for a reply. */
	for (int m = MAP_COUNT - 1; m >= 0; m--) {
		const struct key_set *have = xdp->incomplete ? &none : &xdp->installed[m];
		int r = apply_difference(xdp, m, have, &wanted[m], true);

		result = result ? result : r;
	}
	for (int m = 0; m < MAP_COUNT; m++) {
		int r = apply_difference(xdp, m, &xdp->installed[m], &wanted[m], false);

		result = result ? result : r;
		free(xdp->installed[m].keys);
		xdp->installed[m] = wanted[m];
	}
	xdp->incomplete = result < 0;
	return result;
}
