/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's interfaces and their addresses, and which of the dataplane's ports they are. */
#ifndef CONTROL_INTERFACES_H
#define CONTROL_INTERFACES_H

#include "shunt/session.h"
#include "rtnl.h"

struct interfaces {
	struct rtnl_link *links;
	size_t link_count, link_room;
	struct rtnl_address *addresses;
	size_t address_count, address_room;
	struct shunt_port_info ports[SHUNT_MAX_PORTS];
	uint32_t port_count;
};

void interfaces_init(struct interfaces *interfaces);
void interfaces_fini(struct interfaces *interfaces);

/* Forgets everything and asks the kernel anew. 0 or -errno; then what is known is incomplete. */
int interfaces_load(struct interfaces *interfaces, struct rtnl *rtnl);

/* Take an event. Return 1 if it changed anything, 0, or -ENOMEM. */
int interfaces_take_link(struct interfaces *interfaces, const struct rtnl_link *link);
int interfaces_take_address(struct interfaces *interfaces, const struct rtnl_address *address);

/* Copies the dataplane's ports. True if they are not the same as before. */
bool interfaces_set_ports(
	struct interfaces *interfaces, const struct shunt_port_info *ports, uint32_t count);

/* NULL: no such interface. */
const struct rtnl_link *interfaces_link(const struct interfaces *interfaces, uint32_t index);
/* The port that has this interface, or one below its VLANs, as its kernel twin; or -1. */
int interfaces_port(const struct interfaces *interfaces, uint32_t index);
/* The same, and the VLANs on the way there, as in struct shunt_nexthop. */
int interfaces_port_vlan(const struct interfaces *interfaces, uint32_t index, uint16_t vlan[2]);
/* Whether packets can leave by it: switched on, with a carrier. */
bool interfaces_up(const struct interfaces *interfaces, uint32_t index);
bool interfaces_link_up(const struct rtnl_link *link);

/* The port's interface with the narrowest subnet around an address; 0: there is none. */
uint32_t interfaces_subnet(const struct interfaces *interfaces, const struct shunt_addr *address);
/*
 * The interface on which to answer for an address: the port's with the narrowest subnet around
 * it, else that of the first port that has one. 0: no port has one.
 */
uint32_t interfaces_home(const struct interfaces *interfaces, const struct shunt_addr *address);

int interfaces_compare_addresses(const void *a, const void *b); /* struct shunt_addr, for qsort */
/* Sorts, and takes repetitions out; returns how many are left. */
size_t interfaces_sort_addresses(struct shunt_addr *addresses, size_t count);

#endif
