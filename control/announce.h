/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps the balanced addresses, and full NAT's source addresses, on the kernel's interfaces, so
 * that the kernel answers ARP, ND and ping for them. Only addresses marked as Shunt's are ever
 * taken off; one that the operator has put on an interface himself is left to him and not added a
 * second time.
 *
 * An address that appears is not made known by gratuitous ARP unless net.ipv4.conf.*.arp_notify
 * is set: taking an address over from another machine is the trade of keepalived.
 */
#ifndef CONTROL_ANNOUNCE_H
#define CONTROL_ANNOUNCE_H

#include "interfaces.h"

struct announce;
struct control;
struct nexthops;

struct announce *
announce_create(struct rtnl *rtnl, struct interfaces *interfaces, const struct nexthops *nexthops);
void announce_destroy(struct announce *announce);

/*
 * The addresses of the state are the wanted ones from now on: those of the services that are
 * announced, and the source addresses of these services' backends. 0 or -ENOMEM.
 *
 * An address goes to the port's interface that has a subnet around it, whose stations ask for it
 * there. One outside of all subnets is routed to this machine: then a balanced address goes to the
 * first port's interface, and a source address to the one that leads to its servers.
 */
int announce_follow(struct announce *announce, const struct control *control);

/*
 * Adds and removes what differs, if the dataplane's ports are known. Returns when to try again
 * what has failed, UINT64_MAX if nothing has.
 */
uint64_t announce_reconcile(struct announce *announce, uint64_t now_ms);
/* An interface has come or gone, up or down: what it lost may be added again at once. */
void announce_link_changed(struct announce *announce, uint32_t index);
/* Takes off whatever is Shunt's. */
void announce_withdraw(struct announce *announce);

#endif
