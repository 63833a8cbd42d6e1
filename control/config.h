/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration file as read: plain values, every default filled in, every reference resolved
 * and every rule checked. A struct config never changes after config_load(); what changes at run
 * time (health, admin state, weight) is in state.h.
 */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <stdio.h>

#include "shunt/table.h"

struct json_errors; /* config/jsonfile.h */

struct check_config {
	bool enabled;
	uint32_t inter_ms;     /* between probes of a server that is up */
	uint32_t fastinter_ms; /* while its state is in doubt; default: inter */
	uint32_t downinter_ms; /* while it is down; default: inter */
	uint32_t timeout_ms;
	uint16_t rise;	  /* successes in a row that bring it up */
	uint16_t fall;	  /* failures in a row that take it down */
	uint16_t port_be; /* 0: the server's own, which there is then */
	bool via_service; /* to the balanced address, as clients' packets go */
};

struct server_config {
	char name[SHUNT_NAME_SIZE];
	struct shunt_addr address;
	uint16_t port_be; /* 0: keeps_port, or it is wrong */
	bool keeps_port;  /* has none: takes the one that the client has sent to */
	uint16_t weight;
	bool backup; /* used when no other server can be */
	struct check_config check;
};

struct backend_config {
	char name[SHUNT_NAME_SIZE];
	uint8_t algorithm; /* enum shunt_algorithm */
	uint8_t hash_on;   /* enum shunt_hash_on */
	uint8_t forward;   /* enum shunt_forward */
	uint8_t encap;	   /* enum shunt_encap: of a tunnel */
	uint16_t encap_port_be;
	uint16_t mss_clamp;				      /* 0: none */
	struct shunt_addr sources[SHUNT_MAX_BACKEND_SOURCES]; /* of full NAT */
	uint8_t source_elements[SHUNT_MAX_BACKEND_SOURCES];   /* of the file's array */
	size_t source_count;
	bool shutdown_sessions; /* on-marked-down */
	struct server_config *servers;
	size_t server_count;
};

struct bind_config {
	struct shunt_addr address;
	uint16_t port_be;
	uint16_t last_port_be; /* the same, but for a range */
};

struct timeout_config {
	uint32_t syn_ms;
	uint32_t established_ms;
	uint32_t fin_ms;
	uint32_t udp_ms;
};

struct frontend_config {
	char name[SHUNT_NAME_SIZE];
	uint8_t protocol; /* enum shunt_protocol */
	bool announce;	  /* put the addresses on the kernel interface */
	struct timeout_config timeout;
	bool reset_idle;	  /* on-timeout */
	bool stateless;		  /* flow-mode */
	struct shunt_limit limit; /* without its name; see config_has_limit() */
	struct bind_config *binds;
	size_t bind_count;
	size_t backend; /* index into backends */
};

/* Does it limit anything? */
static inline bool
config_has_limit(const struct shunt_limit *limit)
{
	return limit->maxconn || limit->rate || limit->source_prefix;
}

struct neighbor_config {
	struct shunt_addr address;
	struct shunt_mac mac;
	struct shunt_addr source; /* all zero: not given */
	char port[SHUNT_NAME_SIZE];
	uint16_t vlan[2]; /* as in struct shunt_nexthop; the port's, if it has none of its own */
};

struct config {
	uint8_t hash_secret[16];
	struct frontend_config *frontends;
	size_t frontend_count;
	struct backend_config *backends;
	size_t backend_count;
	struct neighbor_config *neighbors;
	size_t neighbor_count;
};

/*
 * Reads and checks the whole file, the dataplane section too. Returns NULL and at least one error
 * in `errors`, or the configuration; then `errors` may still hold warnings.
 */
struct config *config_load(const char *path, struct json_errors *errors);
/* The same for a text in memory. */
struct config *config_load_text(const char *text, size_t length, struct json_errors *errors);
void config_destroy(struct config *config);

#endif
