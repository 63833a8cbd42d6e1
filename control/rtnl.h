/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnetlink (libmnl) in plain structs: parsers for what the kernel says, and requests. Requests go
 * over a blocking socket of their own: the kernel answers them before sendmsg() returns, so that
 * nothing is ever waited for. Keeps no view of the network; interfaces.h and nexthops.h do.
 */
#ifndef CONTROL_RTNL_H
#define CONTROL_RTNL_H

#include <net/if.h>
#include <stddef.h>

#include "shunt/types.h"

struct nlmsghdr;
struct rtnl;

/*
 * Marks the addresses that Shunt put on an interface (IFA_PROTO, Linux 5.18), so that a restarted
 * shunt-control tells them from those of the operator.
 */
#define RTNL_PROTO_SHUNT 0x53

struct rtnl_link {
	bool removed;
	uint32_t index;
	uint32_t flags; /* IFF_ */
	char name[IFNAMSIZ];
	uint16_t vlan;	 /* of a VLAN interface: its id, perhaps SHUNT_VLAN_S_TAG; else 0 */
	uint32_t parent; /* and the interface below */
};

struct rtnl_address {
	bool removed;
	uint8_t proto; /* IFA_PROTO, 0 if the kernel does not say */
	uint8_t bits;  /* of the subnet, 0..32 or 0..128 */
	uint32_t index;
	struct shunt_addr address;
};

struct rtnl_neighbor {
	bool removed;
	bool has_mac;
	uint16_t state; /* NUD_ */
	uint32_t index;
	struct shunt_addr address;
	struct shunt_mac mac;
};

struct rtnl_prefix {
	struct shunt_addr address;
	uint8_t bits; /* of the 128 of a struct shunt_addr, so 96..128 for IPv4 */
};

struct rtnl_route {
	uint32_t index;		  /* of the interface; 0: the address cannot be reached */
	bool local;		  /* because it is an address of this machine */
	struct shunt_addr via;	  /* the gateway, or the address itself */
	struct shunt_addr source; /* the kernel's own for what it sends there; all zero: none */
};

struct rtnl *rtnl_create(void); /* NULL with errno set */
void rtnl_destroy(struct rtnl *rtnl);

/* False: not such a message, or one of no interest (a bridge's, a cached route, ...). */
bool rtnl_parse_link(const struct nlmsghdr *nlh, struct rtnl_link *link);
bool rtnl_parse_address(const struct nlmsghdr *nlh, struct rtnl_address *address);
bool rtnl_parse_neighbor(const struct nlmsghdr *nlh, struct rtnl_neighbor *neighbor);
bool rtnl_parse_route(const struct nlmsghdr *nlh, struct rtnl_prefix *prefix);

bool rtnl_prefix_contains(const struct rtnl_prefix *prefix, const struct shunt_addr *address);

/*
 * Requests: 0 or -errno; -ETIMEDOUT, -ENOBUFS and -ENOMEM are this machine's trouble of the moment.
 */

/* type: RTM_GETLINK or RTM_GETADDR. Calls each() for every message. */
int rtnl_dump(struct rtnl *rtnl, uint16_t type,
	void (*each)(void *context, const struct nlmsghdr *nlh), void *context);
/* "No route" is an answer, not an error. */
int rtnl_get_route(struct rtnl *rtnl, const struct shunt_addr *address, struct rtnl_route *route);
/* -ENOENT: the kernel has no such entry. */
int rtnl_get_neighbor(struct rtnl *rtnl, uint32_t index, const struct shunt_addr *address,
	struct rtnl_neighbor *neighbor);
/* Makes the kernel look for the neighbour as if it had a packet for it. */
int rtnl_use_neighbor(struct rtnl *rtnl, uint32_t index, const struct shunt_addr *address);
/* As /32 or /128, marked with RTNL_PROTO_SHUNT. */
int rtnl_add_address(struct rtnl *rtnl, uint32_t index, const struct shunt_addr *address);
int rtnl_remove_address(struct rtnl *rtnl, const struct rtnl_address *address);

/* For messages to people. */
const char *rtnl_address_text(const struct shunt_addr *address, char *text, size_t size);
#define RTNL_ADDRESS_TEXT 48

#endif
