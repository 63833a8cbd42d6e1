/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plain values shared by all processes. Integers are in host byte order unless the name ends in
 * _be (network order). No type here holds a pointer: they cross process borders.
 */
#ifndef SHUNT_TYPES_H
#define SHUNT_TYPES_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "limits.h"

#define SHUNT_CACHE_LINE 64

/*
 * An address of either family: IPv6 as it is on the wire, IPv4 as its IPv4-mapped form
 * ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). A mapped address in an IPv6 packet is refused at
 * parsing, so the two families cannot be confused.
 */
struct shunt_addr {
	uint8_t bytes[16];
};

static inline bool
shunt_addr_is_v4(const struct shunt_addr *a)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

/* v4: four bytes in network order. */
static inline struct shunt_addr
shunt_addr_from_v4(const void *v4)
{
	struct shunt_addr a = { .bytes = { [10] = 0xff, [11] = 0xff } };

	memcpy(&a.bytes[12], v4, 4);
	return a;
}

static inline bool
shunt_addr_equal(const struct shunt_addr *a, const struct shunt_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct shunt_mac {
	uint8_t bytes[6];
};

/* Layer-4 protocols, by their IANA numbers. */
enum shunt_protocol {
	SHUNT_TCP = 6,
	SHUNT_UDP = 17,
};

/* How a backend picks a server for a new flow. */
enum shunt_algorithm {
	SHUNT_SOURCE = 0,     /* consistent hash */
	SHUNT_ROUNDROBIN = 1, /* smooth weighted */
	SHUNT_LEASTCONN = 2,  /* fewest flows for its weight */
	SHUNT_RANDOM = 3,     /* of two at random, the one with fewer flows for its weight */
	SHUNT_FIRST = 4,      /* the first in the file that has room */
	SHUNT_ALGORITHM_COUNT,
};

/* What the consistent hash covers. */
enum shunt_hash_on {
	SHUNT_HASH_SOURCE = 0,	    /* client address */
	SHUNT_HASH_SOURCE_PORT = 1, /* client address and port */
	SHUNT_HASH_CONNECTION = 2, /* client address and port, service address, port and protocol */
	SHUNT_HASH_ON_COUNT,
};

/* How packets reach a server. */
enum shunt_forward {
	SHUNT_NAT = 0,	   /* destination rewritten; replies come back through Shunt */
	SHUNT_DR = 1,	   /* Ethernet addresses only; servers answer clients directly */
	SHUNT_TUNNEL = 2,  /* whole packets in packets to the server; answers as with DR */
	SHUNT_FULLNAT = 3, /* as NAT, and the source is one of Shunt's; of either family */
	SHUNT_FORWARD_COUNT,
};

/* Whether a service's SYNs are answered with SYN cookies. */
enum shunt_cookies {
	SHUNT_COOKIES_NEVER = 0,
	SHUNT_COOKIES_AUTO = 1, /* in a flood of SYNs */
	SHUNT_COOKIES_ALWAYS = 2,
	SHUNT_COOKIES_COUNT,
};

/* What a tunnel puts around a packet. */
enum shunt_encap {
	SHUNT_ENCAP_NONE = 0, /* no tunnel */
	SHUNT_IPIP = 1,	      /* an IP header: RFC 2003, RFC 2473, RFC 4213 */
	SHUNT_GUE = 2,	      /* and UDP: draft-ietf-intarea-gue, variant 1 */
	SHUNT_GRE = 3,	      /* and GRE: RFC 2784, without options */
	SHUNT_ENCAP_COUNT,
};

/* What the dataplane does with a server. */
enum shunt_server_state {
	SHUNT_SERVER_UP = 0,	/* takes new flows if its weight is not 0 */
	SHUNT_SERVER_DRAIN = 1, /* keeps its flows, takes no new ones */
	SHUNT_SERVER_DOWN = 2,	/* as DRAIN, and a flow's first packet or UDP packet selects anew */
	SHUNT_SERVER_STATE_COUNT,
};

/* What the operator wants of a server. */
enum shunt_admin_state {
	SHUNT_ADMIN_READY = 0,
	SHUNT_ADMIN_DRAIN = 1,
	SHUNT_ADMIN_MAINT = 2,
	SHUNT_ADMIN_COUNT,
};

/* What the probes say of a server. */
enum shunt_health {
	SHUNT_HEALTH_UP = 0,
	SHUNT_HEALTH_DOWN = 1,
	SHUNT_HEALTH_NO_CHECK = 2,
	SHUNT_HEALTH_COUNT,
};

static_assert(sizeof(struct shunt_addr) == 16, "wire size");
static_assert(sizeof(struct shunt_mac) == 6, "wire size");

#endif
