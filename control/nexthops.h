/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way to each server: destination -> route (interface, gateway) -> neighbour's MAC.
 *
 * Routes are asked of the kernel one destination at a time (RTM_GETROUTE) and asked again when an
 * event says that the answer may differ. The alternative, a mirror of the routing tables with a
 * lookup of our own, would have to repeat what the kernel does with metrics, rules, several tables,
 * multipath and nexthop objects. Neighbours are asked one at a time too (RTM_GETNEIGH), then
 * followed by events: a balancer has few next hops, its network may have many neighbours.
 *
 * The balanced traffic does not pass the kernel, so the kernel would never look for a neighbour,
 * nor notice that one has moved: nexthops_tick() makes it do so.
 */
#ifndef CONTROL_NEXTHOPS_H
#define CONTROL_NEXTHOPS_H

#include "shunt/table.h"
#include "interfaces.h"

struct nexthops;

struct nexthops *nexthops_create(struct rtnl *rtnl, const struct interfaces *interfaces);
void nexthops_destroy(struct nexthops *nexthops);

/* The destinations wanted from now on: sorted, without repetition. 0 or -ENOMEM. */
int nexthops_follow(struct nexthops *nexthops, const struct shunt_addr *addresses, size_t count);

/* What may have changed: routes within a prefix, or all; they are asked for at the next refresh. */
void nexthops_prefix_changed(struct nexthops *nexthops, const struct rtnl_prefix *prefix);
void nexthops_all_changed(struct nexthops *nexthops);
/* Takes events. */
void nexthops_take_neighbor(
	struct nexthops *nexthops, const struct rtnl_neighbor *neighbor, uint64_t now_ms);
void nexthops_link_changed(struct nexthops *nexthops, uint32_t index, uint64_t now_ms);
/* Events were lost: neighbours are asked for anew, with the routes at the next refresh. */
void nexthops_events_lost(struct nexthops *nexthops, uint64_t now_ms);

/* Whether nexthops_refresh() has anything to do. */
bool nexthops_is_stale(const struct nexthops *nexthops);
/* 0, or -errno if something has to be asked for again later. */
int nexthops_refresh(struct nexthops *nexthops, uint64_t now_ms);

/* Asks the kernel to resolve what is due. Returns when to call it again (now or later). */
uint64_t nexthops_tick(struct nexthops *nexthops, uint64_t now_ms);

bool nexthops_find(const struct nexthops *nexthops, const struct shunt_addr *address,
	struct shunt_nexthop *nexthop);

/* The interface by which packets to a destination leave; 0: not known, or none. */
uint32_t nexthops_interface(const struct nexthops *nexthops, const struct shunt_addr *address);

/* Whether an answer of nexthops_find() has changed since this was last called. */
bool nexthops_take_changed(struct nexthops *nexthops);

#endif
