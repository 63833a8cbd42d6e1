/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's view of the network, mirrored by rtnetlink (libmnl): interfaces, addresses, routes
 * and neighbours. Answers "which port and MAC lead to this server", tells the kernel to find
 * neighbours that nobody has talked to yet, and keeps the balanced addresses on the interfaces.
 * Calls publish_schedule() when an answer changes.
 */
#ifndef CONTROL_NETLINK_H
#define CONTROL_NETLINK_H

#include "shunt/table.h"

struct control;
struct netlink;

/* NULL with errno set. Registers itself with control->loop. */
struct netlink *netlink_create(struct control *control);
/* Takes the announced addresses off the interfaces, unless `keep_addresses`. */
void netlink_destroy(struct netlink *netlink, bool keep_addresses);

/*
 * Called when the state (servers, services) or the dataplane's ports have changed: follows the
 * servers' neighbours, announces and withdraws addresses.
 */
void netlink_update(struct netlink *netlink);

/* The way to a server's address. False: not known (yet). */
bool netlink_nexthop(const struct netlink *netlink, const struct shunt_addr *address,
	struct shunt_nexthop *nexthop);

/* Copies the kernel's own addresses, balanced ones left out, sorted; returns how many. */
size_t netlink_locals(const struct netlink *netlink, struct shunt_addr *locals, size_t max);

#endif
