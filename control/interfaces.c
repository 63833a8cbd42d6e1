/* SPDX-License-Identifier: BSD-3-Clause */
#include "interfaces.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

/* A dump that the kernel says was overtaken by a change is asked for again, but not for ever. */
#define DUMP_TRIES 8

void
interfaces_init(struct interfaces *interfaces)
{
	memset(interfaces, 0, sizeof(*interfaces));
}

void
interfaces_fini(struct interfaces *interfaces)
{
	free(interfaces->links);
	free(interfaces->addresses);
	interfaces_init(interfaces);
}

/* Makes room for one more element. 0 or -ENOMEM. */
static int
grow(void **elements, size_t *room, size_t count, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *grown;

	if (count < *room)
		return 0;
	grown = reallocarray(*elements, more, size);
	if (!grown)
		return -ENOMEM;
	*elements = grown;
	*room = more;
	return 0;
}

int
interfaces_take_link(struct interfaces *interfaces, const struct rtnl_link *link)
{
	void *links = interfaces->links;
	size_t i;

	for (i = 0; i < interfaces->link_count; i++) {
		if (interfaces->links[i].index == link->index)
			break;
	}
	if (i < interfaces->link_count) {
		if (link->removed) {
			interfaces->links[i] = interfaces->links[--interfaces->link_count];
			return 1;
		}
		if (interfaces->links[i].flags == link->flags &&
			interfaces->links[i].vlan == link->vlan &&
			interfaces->links[i].parent == link->parent &&
			strcmp(interfaces->links[i].name, link->name) == 0)
			return 0;
		interfaces->links[i] = *link;
		return 1;
	}
	if (link->removed)
		return 0;
	if (grow(&links, &interfaces->link_room, i, sizeof(*link)) < 0)
		return -ENOMEM;
	interfaces->links = links;
	interfaces->links[interfaces->link_count++] = *link;
	return 1;
}

static bool
same_address(const struct rtnl_address *a, const struct rtnl_address *b)
{
	return a->index == b->index && a->bits == b->bits &&
		shunt_addr_equal(&a->address, &b->address);
}

int
interfaces_take_address(struct interfaces *interfaces, const struct rtnl_address *address)
{
	void *addresses = interfaces->addresses;
	size_t i;

	for (i = 0; i < interfaces->address_count; i++) {
		if (same_address(&interfaces->addresses[i], address))
			break;
	}
	if (i < interfaces->address_count) {
		if (address->removed) {
			interfaces->addresses[i] =
				interfaces->addresses[--interfaces->address_count];
			return 1;
		}
		if (interfaces->addresses[i].proto == address->proto)
			return 0;
		interfaces->addresses[i] = *address;
		return 1;
	}
	if (address->removed)
		return 0;
	if (grow(&addresses, &interfaces->address_room, i, sizeof(*address)) < 0)
		return -ENOMEM;
	interfaces->addresses = addresses;
	interfaces->addresses[interfaces->address_count++] = *address;
	return 1;
}

struct load {
	struct interfaces *interfaces;
	int error;
};

static void
load_message(void *context, const struct nlmsghdr *nlh)
{
	struct load *load = context;
	struct rtnl_address address;
	struct rtnl_link link;
	int result = 0;

	if (rtnl_parse_link(nlh, &link))
		result = interfaces_take_link(load->interfaces, &link);
	else if (rtnl_parse_address(nlh, &address))
		result = interfaces_take_address(load->interfaces, &address);
	if (result < 0)
		load->error = result;
}

static int
load_all(struct interfaces *interfaces, struct rtnl *rtnl, uint16_t type)
{
	struct load load = { .interfaces = interfaces };
	int error = -EINTR;

	for (int tries = 0; error == -EINTR && tries < DUMP_TRIES; tries++)
		error = rtnl_dump(rtnl, type, load_message, &load);
	return error ? error : load.error;
}

int
interfaces_load(struct interfaces *interfaces, struct rtnl *rtnl)
{
	int error;

	interfaces->link_count = 0;
	interfaces->address_count = 0;
	error = load_all(interfaces, rtnl, RTM_GETLINK);
	if (!error)
		error = load_all(interfaces, rtnl, RTM_GETADDR);
	return error;
}

bool
interfaces_set_ports(
	struct interfaces *interfaces, const struct shunt_port_info *ports, uint32_t count)
{
	if (count > SHUNT_MAX_PORTS)
		count = SHUNT_MAX_PORTS;
	if (count == interfaces->port_count &&
		(count == 0 || memcmp(interfaces->ports, ports, count * sizeof(*ports)) == 0))
		return false;
	if (count > 0)
		memcpy(interfaces->ports, ports, count * sizeof(*ports));
	interfaces->port_count = count;
	for (uint32_t i = 0; i < count; i++) {
		interfaces->ports[i].name[SHUNT_NAME_SIZE - 1] = '\0';
		interfaces->ports[i].interface[sizeof(ports->interface) - 1] = '\0';
	}
	return true;
}

const struct rtnl_link *
interfaces_link(const struct interfaces *interfaces, uint32_t index)
{
	for (size_t i = 0; i < interfaces->link_count; i++) {
		if (interfaces->links[i].index == index)
			return &interfaces->links[i];
	}
	return NULL;
}

static int
port_of_link(const struct interfaces *interfaces, const struct rtnl_link *link)
{
	for (uint32_t i = 0; link->name[0] != '\0' && i < interfaces->port_count; i++) {
		if (strcmp(interfaces->ports[i].interface, link->name) == 0)
			return (int)i;
	}
	return -1;
}

int
interfaces_port_vlan(const struct interfaces *interfaces, uint32_t index, uint16_t vlan[2])
{
	const struct rtnl_link *link = interfaces_link(interfaces, index);
	int port = link ? port_of_link(interfaces, link) : -1;

	vlan[0] = vlan[1] = 0;
	/* Each VLAN interface puts its tag before those of the ones above it. */
	while (port < 0 && link && link->vlan && !vlan[1]) {
		vlan[1] = vlan[0];
		vlan[0] = link->vlan;
		link = interfaces_link(interfaces, link->parent);
		port = link ? port_of_link(interfaces, link) : -1;
	}
	/* The dataplane has no place for an inner service tag. */
	return vlan[1] & SHUNT_VLAN_S_TAG ? -1 : port;
}

int
interfaces_port(const struct interfaces *interfaces, uint32_t index)
{
	uint16_t vlan[2];

	return interfaces_port_vlan(interfaces, index, vlan);
}

bool
interfaces_link_up(const struct rtnl_link *link)
{
	return (link->flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

bool
interfaces_up(const struct interfaces *interfaces, uint32_t index)
{
	const struct rtnl_link *link = interfaces_link(interfaces, index);

	return link && interfaces_link_up(link);
}

static uint32_t
index_by_name(const struct interfaces *interfaces, const char *name)
{
	for (size_t i = 0; name[0] != '\0' && i < interfaces->link_count; i++) {
		if (strcmp(interfaces->links[i].name, name) == 0)
			return interfaces->links[i].index;
	}
	return 0;
}

uint32_t
interfaces_subnet(const struct interfaces *interfaces, const struct shunt_addr *address)
{
	uint8_t narrowest = 0;
	uint32_t home = 0;

	for (size_t i = 0; i < interfaces->address_count; i++) {
		const struct rtnl_address *a = &interfaces->addresses[i];
		bool v4 = shunt_addr_is_v4(&a->address);
		struct rtnl_prefix subnet = { .address = a->address };

		subnet.bits = (uint8_t)(a->bits + (v4 ? 96 : 0));
		if (subnet.bits == 128 || subnet.bits <= narrowest ||
			v4 != shunt_addr_is_v4(address) || a->proto == RTNL_PROTO_SHUNT)
			continue;
		if (rtnl_prefix_contains(&subnet, address) &&
			interfaces_port(interfaces, a->index) >= 0) {
			narrowest = subnet.bits;
			home = a->index;
		}
	}
	return home;
}

uint32_t
interfaces_home(const struct interfaces *interfaces, const struct shunt_addr *address)
{
	uint32_t home = interfaces_subnet(interfaces, address);

	for (uint32_t i = 0; home == 0 && i < interfaces->port_count; i++)
		home = index_by_name(interfaces, interfaces->ports[i].interface);
	return home;
}

int
interfaces_compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct shunt_addr));
}

size_t
interfaces_sort_addresses(struct shunt_addr *addresses, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(addresses, count, sizeof(*addresses), interfaces_compare_addresses);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || !shunt_addr_equal(&addresses[kept - 1], &addresses[i]))
			addresses[kept++] = addresses[i];
	}
	return kept;
}
