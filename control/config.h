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
#include "shunt/rules.h"
#include "check.h"
#include "flap.h"
#include "observe.h"
#include "prefixes.h"

struct json_errors; /* config/jsonfile.h */

/* What a server is before its first probe, by HAProxy's names. */
enum init_state {
	INIT_DOWN,	 /* until the first success */
	INIT_UP,	 /* until the first failure */
	INIT_FULLY_DOWN, /* until `rise` successes */
	INIT_FULLY_UP,	 /* until `fall` failures */
};

struct check_config {
	bool enabled;
	bool typed;	       /* some level has said of what type it is */
	uint32_t inter_ms;     /* between probes of a server that is up */
	uint32_t fastinter_ms; /* while its state is in doubt; default: inter */
	uint32_t downinter_ms; /* while it is down; default: inter */
	uint32_t timeout_ms;
	uint16_t rise;	    /* successes in a row that bring it up */
	uint16_t fall;	    /* failures in a row that take it down */
	uint16_t soft_fall; /* the same of soft failures; 0: as fall */
	bool keep_last;	    /* soft failures do not take the backend's last server down */
	struct flap_config flap;
	struct observe_config observe;
	uint8_t init_state;	       /* enum init_state */
	uint16_t port_be;	       /* 0: the server's own, which there is then */
	struct shunt_addr address;     /* all zero: the server's own */
	struct shunt_addr source;      /* all zero: as the kernel chooses */
	const struct check_talk *talk; /* NULL: a connection is enough */
	bool via_service;	       /* to the balanced address, as clients' packets go */
};

/* An agent-check. */
struct agent_config {
	struct check_config check;
	struct agent_config *next;
};

/* Without probes there is nothing to observe for. */
static inline bool
check_is_observed(const struct check_config *check)
{
	return check->enabled && check->observe.share;
}

struct server_config {
	char name[SHUNT_NAME_SIZE];
	struct shunt_addr address;
	uint16_t port_be; /* 0: keeps_port, or it is wrong */
	bool keeps_port;  /* has none: takes the one that the client has sent to */
	uint16_t weight;
	bool backup;		/* used when no other server can be */
	uint32_t maxconn;	/* sessions at a time; 0: any number */
	uint32_t slowstart_ms;	/* to its whole share, when it has come up; 0: at once */
	bool tracks;		/* is not probed: follows another one, which leads to one that is */
	uint32_t track_backend; /* index into backends, */
	uint32_t track_server;	/* and into its servers */
	struct check_config check;
	const struct check_config *agent; /* agent-check; NULL: none. The configuration's */
};

/*
 * What probes of a server go to; `check` is one of its two. The port is 0 if there
 * is none (ICMP), and as long as config_check_ports() has not run.
 */
static inline const struct shunt_addr *
config_probe_address(const struct server_config *server, const struct check_config *check)
{
	static const struct shunt_addr none;

	return shunt_addr_equal(&check->address, &none) ? &server->address : &check->address;
}

static inline uint16_t
config_probe_port(const struct server_config *server, const struct check_config *check)
{
	if (check_transport(check->talk) == CHECK_ECHO)
		return 0;
	return check->port_be ? check->port_be : server->port_be;
}

struct backend_config {
	char name[SHUNT_NAME_SIZE];
	uint8_t algorithm;     /* enum shunt_algorithm */
	uint8_t hash_on;       /* enum shunt_hash_on */
	uint8_t ignored_bits4; /* of clients' addresses, by the hash: 32 and 128 less the prefix */
	uint8_t ignored_bits6;
	uint16_t balance_factor; /* hash-balance-factor; 0: none */
	bool reject_full;	 /* on-maxconn */
	bool all_backups;
	uint32_t quorum; /* weight; 0: none */
	uint32_t hysteresis;
	uint8_t panic_threshold; /* per cent of the weight; 0: none */
	uint32_t persist_ms;	 /* persistence; 0: none */
	uint8_t persist_prefix4;
	uint8_t persist_prefix6;
	uint8_t forward; /* enum shunt_forward */
	uint8_t encap;	 /* enum shunt_encap: of a tunnel */
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

/* A number of servers or sessions that an ACL asks for. */
struct acl_count_config {
	uint8_t what;		  /* enum acl_count */
	size_t backend;		  /* index into backends; SIZE_MAX: wrong */
	size_t server;		  /* index into its servers; SIZE_MAX: all of them */
	uint32_t least, greatest; /* both are fine */
};

enum acl_count {
	ACL_SERVER_COUNT, /* servers that take new flows */
	ACL_HEALTHY,	  /* the same, but one is enough */
	ACL_SESSIONS,
	ACL_COUNTS,
};

/* Minutes of the day; to: not within; if it is not after the first, the next day's. */
struct acl_time_config {
	uint16_t from;
	uint16_t to;
};

struct acl_config {
	char name[SHUNT_NAME_SIZE];
	uint16_t kinds;	   /* SHUNT_ACL_ bits: what is there; 0: what it says is wrong */
	uint8_t protocols; /* SHUNT_ACL_TCP, SHUNT_ACL_UDP */
	uint8_t weekdays;  /* bits, Sunday is the lowest; 0: any */
	const struct prefix_set *src, *dst; /* of the configuration's */
	struct shunt_port_range *src_ports, *dst_ports;
	struct shunt_match *matches;
	char (*interfaces)[SHUNT_NAME_SIZE];
	struct acl_time_config *times;
	struct acl_count_config *counts;
	uint16_t src_port_count, dst_port_count, match_count, interface_count, time_count;
	uint16_t count_count;
	uint32_t truth; /* number of the bit for what control evaluates; 0: there is nothing */
	/* Of the client's network, both ends are fine: new sessions a second, sessions. */
	uint32_t rate_least, rate_greatest;
	uint32_t conns_least, conns_greatest;
};

/* What ACLs ask that frontends have to count. */
#define CONFIG_ACL_SOURCE (SHUNT_ACL_CONN_RATE | SHUNT_ACL_CONN_COUNT)

struct rule_config {
	uint8_t action;	    /* enum shunt_rule_action */
	size_t backend;	    /* index into backends, of use-backend; SIZE_MAX: wrong, or none */
	uint32_t *literals; /* indices into acls, and SHUNT_LITERAL_NOT */
	size_t literal_count;
	uint32_t rate; /* of rate-limit: a second */
	uint32_t burst;
	bool drop; /* who is beyond is not told */
};

struct frontend_config {
	char name[SHUNT_NAME_SIZE];
	uint8_t protocol; /* enum shunt_protocol */
	bool announce;	  /* put the addresses on the kernel interface */
	struct timeout_config timeout;
	bool reset_idle;     /* on-timeout */
	bool stateless;	     /* flow-mode */
	uint8_t syn_cookies; /* enum shunt_cookies, if has_syn_cookies; else the file says nothing
			      */
	bool has_syn_cookies;
	uint32_t syn_flood_rate;  /* SYNs a second; 0: measured */
	struct shunt_limit limit; /* without its name; see config_has_limit() */
	struct bind_config *binds;
	size_t bind_count;
	size_t backend; /* index into backends */
	struct rule_config *rules;
	size_t rule_count;
	size_t *targets; /* indices of the backends that the rules lead to, each once */
	size_t target_count;
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
	struct acl_config *acls;
	size_t acl_count;
	struct check_talk *talks;    /* all that checks name */
	struct agent_config *agents; /* all that servers name */
	struct tls_context *tls_contexts;
	const char *directory; /* while it is read: where names of files begin; "": the process's */
	struct prefix_sets sets;
	size_t rule_count;  /* of all frontends */
	size_t truth_count; /* of all ACLs */
	uint64_t serial;    /* no other one of this process has it */
};

/* The backends that a frontend's flows may go to: its own is number 0. SIZE_MAX: wrong. */
static inline size_t
frontend_lead_count(const struct frontend_config *frontend)
{
	return 1 + frontend->target_count;
}

static inline size_t
frontend_lead(const struct frontend_config *frontend, size_t number)
{
	return number == 0 ? frontend->backend : frontend->targets[number - 1];
}

/*
 * Reads and checks the whole file, the dataplane section too. Returns NULL and at least one error
 * in `errors`, or the configuration; then `errors` may still hold warnings.
 */
struct config *config_load(const char *path, struct json_errors *errors);
/* The same for a text in memory. */
struct config *config_load_text(const char *text, size_t length, struct json_errors *errors);
void config_destroy(struct config *config);

#endif
