/* SPDX-License-Identifier: BSD-3-Clause */
#define LOG_SUBSYSTEM "netlink"

#include "announce.h"

#include <errno.h>
#include <stdlib.h>

#include "nexthops.h"
#include "state.h"
#include "shunt/log.h"

/*
 * An address that cannot be added or removed, or that something else keeps taking off, is tried
 * again after this time: not to fight with another manager of addresses at full speed.
 */
#define RETRY_MS 5000

/* What the state asks for. */
struct announced {
	struct shunt_addr address;
	struct shunt_addr server; /* that sends to it; all zero: a balanced address */
};

struct wanted {
	struct shunt_addr address;
	struct shunt_addr server; /* as in struct announced */
	uint32_t home;		  /* interface; of the last reconciliation */
	bool present;		  /* on its home already */
	bool others;		  /* the operator has it */
	bool warned;		  /* the log says that it cannot be added */
	uint64_t retry_at_ms;	  /* not to be added before */
};

struct announce {
	struct rtnl *rtnl;
	struct interfaces *interfaces;
	const struct nexthops *nexthops;
	struct wanted *wanted; /* sorted by address, which comes first in the struct */
	size_t count;
	bool warned_permission;
	bool warned_removal;
};

struct announce *
announce_create(struct rtnl *rtnl, struct interfaces *interfaces, const struct nexthops *nexthops)
{
	struct announce *announce = calloc(1, sizeof(*announce));

	if (!announce)
		return NULL;
	announce->rtnl = rtnl;
	announce->interfaces = interfaces;
	announce->nexthops = nexthops;
	return announce;
}

void
announce_destroy(struct announce *announce)
{
	if (!announce)
		return;
	free(announce->wanted);
	free(announce);
}

static struct wanted *
find_wanted(const struct announce *announce, const struct shunt_addr *address)
{
	if (announce->count == 0)
		return NULL;
	return bsearch(address, announce->wanted, announce->count, sizeof(*announce->wanted),
		interfaces_compare_addresses);
}

/* By address; of a repeated one, that of the least server, whatever the order was before. */
static int
compare_announced(const void *a, const void *b)
{
	const struct announced *x = a, *y = b;
	int order = interfaces_compare_addresses(&x->address, &y->address);

	return order ? order : interfaces_compare_addresses(&x->server, &y->server);
}

/* Sorts by address, and takes repetitions out; returns how many are left. */
static size_t
sort_announced(struct announced *addresses, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(addresses, count, sizeof(*addresses), compare_announced);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 ||
			!shunt_addr_equal(&addresses[kept - 1].address, &addresses[i].address))
			addresses[kept++] = addresses[i];
	}
	return kept;
}

/* A server that sends to the source address, to ask the way to; all zero: there is none. */
static struct shunt_addr
server_of(const struct backend *backend, const struct shunt_addr *source)
{
	for (size_t i = 0; i < backend->server_count; i++) {
		const struct shunt_addr *address = &backend->servers[i]->config.address;

		if (shunt_addr_is_v4(address) == shunt_addr_is_v4(source))
			return *address;
	}
	return (struct shunt_addr){ 0 };
}

static size_t
list_sources(const struct backend *backend, struct announced *out)
{
	const struct backend_config *config = &backend->config;

	for (size_t i = 0; out && i < config->source_count; i++)
		out[i] = (struct announced){
			.address = config->sources[i],
			.server = server_of(backend, &config->sources[i]),
		};
	return config->source_count;
}

/* Returns how many addresses there are, and writes them, or only counts without `out`. */
static size_t
list_announced(const struct control *control, struct announced *out)
{
	size_t count = 0;

	for (size_t i = 0; i < control->service_count; i++) {
		const struct service *service = &control->services[i];
		struct backend *lead;

		if (!service->announce)
			continue;
		if (out)
			out[count] = (struct announced){ .address = service->address };
		count++;
		for (size_t k = 0; (lead = state_lead(control, service, k)); k++)
			count += list_sources(lead, out ? &out[count] : NULL);
	}
	return count;
}

static int
replace_wanted(struct announce *announce, const struct announced *addresses, size_t count)
{
	struct wanted *wanted = calloc(count + 1, sizeof(*wanted));

	if (!wanted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct wanted *known = find_wanted(announce, &addresses[i].address);

		if (known)
			wanted[i] = *known;
		wanted[i].address = addresses[i].address;
		wanted[i].server = addresses[i].server;
	}
	free(announce->wanted);
	announce->wanted = wanted;
	announce->count = count;
	return 0;
}

int
announce_follow(struct announce *announce, const struct control *control)
{
	size_t count = list_announced(control, NULL);
	struct announced *announced = calloc(count + 1, sizeof(*announced));
	int error;

	if (!announced)
		return -ENOMEM;
	list_announced(control, announced);
	count = sort_announced(announced, count);
	error = replace_wanted(announce, announced, count);
	free(announced);
	return error;
}

static const char *
interface_name(const struct announce *announce, uint32_t index)
{
	const struct rtnl_link *link = interfaces_link(announce->interfaces, index);

	return link ? link->name : "?";
}

static void
add(struct announce *announce, struct wanted *wanted, uint64_t now_ms)
{
	const struct rtnl_address added = {
		.proto = RTNL_PROTO_SHUNT,
		.bits = shunt_addr_is_v4(&wanted->address) ? 32 : 128,
		.index = wanted->home,
		.address = wanted->address,
	};
	int error = rtnl_add_address(announce->rtnl, wanted->home, &wanted->address);
	const char *name = interface_name(announce, wanted->home);
	char text[RTNL_ADDRESS_TEXT];

	rtnl_address_text(&wanted->address, text, sizeof(text));
	wanted->retry_at_ms = now_ms + RETRY_MS;
	if (error == -EPERM) {
		/* One line, not one an address: the cause is the same for all. */
		if (!announce->warned_permission)
			log_warn("cannot add %s to %s: run shunt-control with CAP_NET_ADMIN, or "
				 "set \"announce\": \"none\" and add the addresses yourself",
				text, name);
		announce->warned_permission = true;
		return;
	}
	if (error && error != -EEXIST) {
		if (!wanted->warned)
			log_warn("cannot add %s to %s: %s", text, name, strerror(-error));
		wanted->warned = true;
		return;
	}
	wanted->warned = false;
	/* Without waiting for the event, so that the next look does not add it again. */
	if (error == 0 && interfaces_take_address(announce->interfaces, &added) >= 0)
		log_info("added %s to %s", text, name);
}

/* The array shrinks: the caller looks at the same place again. False: nothing was removed. */
static bool
remove_at(struct announce *announce, size_t i)
{
	struct rtnl_address gone = announce->interfaces->addresses[i];
	int error = rtnl_remove_address(announce->rtnl, &gone);
	char text[RTNL_ADDRESS_TEXT];

	rtnl_address_text(&gone.address, text, sizeof(text));
	if (error && error != -EADDRNOTAVAIL && error != -ENODEV) {
		/* One line, not one an address and attempt. */
		if (!announce->warned_removal)
			log_warn("cannot remove %s from %s: %s; as long as it is there, the kernel "
				 "answers for it",
				text, interface_name(announce, gone.index), strerror(-error));
		announce->warned_removal = true;
		return false;
	}
	announce->warned_removal = false;
	if (!error)
		log_info("removed %s from %s", text, interface_name(announce, gone.index));
	gone.removed = true;
	return interfaces_take_address(announce->interfaces, &gone) > 0;
}

static uint32_t
find_home(const struct announce *announce, const struct wanted *wanted)
{
	static const struct shunt_addr none;
	uint32_t home = interfaces_subnet(announce->interfaces, &wanted->address);

	if (home || shunt_addr_equal(&wanted->server, &none))
		return interfaces_home(announce->interfaces, &wanted->address);
	home = nexthops_interface(announce->nexthops, &wanted->server);
	if (home && interfaces_port(announce->interfaces, home) >= 0)
		return home;
	/* A route that is gone for a moment moves nothing. */
	if (wanted->home && interfaces_port(announce->interfaces, wanted->home) >= 0)
		return wanted->home;
	return interfaces_home(announce->interfaces, &wanted->address);
}

/* Notes which addresses are there, and whose. */
static void
look(struct announce *announce)
{
	const struct interfaces *interfaces = announce->interfaces;

	for (size_t i = 0; i < announce->count; i++) {
		struct wanted *wanted = &announce->wanted[i];

		uint32_t home = find_home(announce, wanted);

		/* A kernel twin comes back as another interface of the same name. */
		if (home != wanted->home)
			wanted->retry_at_ms = 0;
		wanted->home = home;
		wanted->present = false;
		wanted->others = false;
	}
	for (size_t i = 0; i < interfaces->address_count; i++) {
		struct wanted *wanted = find_wanted(announce, &interfaces->addresses[i].address);

		if (!wanted)
			continue;
		if (interfaces->addresses[i].proto != RTNL_PROTO_SHUNT)
			wanted->others = true;
		else if (interfaces->addresses[i].index == wanted->home)
			wanted->present = true;
	}
}

/* False: not all could be removed. */
static bool
remove_unwanted(struct announce *announce)
{
	bool all = true;
	size_t i = 0;

	while (i < announce->interfaces->address_count) {
		const struct rtnl_address *address = &announce->interfaces->addresses[i];
		const struct wanted *wanted = find_wanted(announce, &address->address);
		bool ours = address->proto == RTNL_PROTO_SHUNT;

		if (ours && !(wanted && !wanted->others && wanted->home == address->index)) {
			if (remove_at(announce, i))
				continue;
			all = false;
		}
		i++;
	}
	return all;
}

void
announce_withdraw(struct announce *announce)
{
	announce->count = 0;
	remove_unwanted(announce);
}

void
announce_link_changed(struct announce *announce, uint32_t index)
{
	for (size_t i = 0; i < announce->count; i++) {
		if (announce->wanted[i].home == index)
			announce->wanted[i].retry_at_ms = 0;
	}
}

uint64_t
announce_reconcile(struct announce *announce, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;

	/* A restarted control waits for the dataplane before it judges what it finds. */
	if (announce->interfaces->port_count == 0)
		return next_ms;
	look(announce);
	for (size_t j = 0; j < announce->count; j++) {
		struct wanted *wanted = &announce->wanted[j];
		const struct rtnl_link *link = interfaces_link(announce->interfaces, wanted->home);

		/* IPv6 addresses vanish when an interface goes down: added when it comes up. */
		if (wanted->present || wanted->others || !link || !(link->flags & IFF_UP))
			continue;
		if (wanted->retry_at_ms <= now_ms)
			add(announce, wanted, now_ms);
		if (wanted->retry_at_ms < next_ms)
			next_ms = wanted->retry_at_ms;
	}
	if (!remove_unwanted(announce) && now_ms + RETRY_MS < next_ms)
		next_ms = now_ms + RETRY_MS;
	return next_ms;
}
