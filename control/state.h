/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What shunt-control knows while it runs: the file's model joined with what changes (admin state,
 * health, weights, next hops). One thread; everything here belongs to the loop.
 *
 * Every change takes the same path: the module that learns something edits the state, calls
 * publish_schedule() (publish.h), and at once, or within 20 ms, the state is compiled (compile.h),
 * compared with what the dataplane runs, and the difference sent as one transaction.
 */
#ifndef CONTROL_STATE_H
#define CONTROL_STATE_H

#include "shunt/table.h"
#include "config.h"
#include "events.h"
#include "health.h"
#include "loop.h"
#include "probe_stats.h"

struct control;
struct probe;	/* probe.h */
struct prober;	/* what the probes share */
struct netlink; /* netlink.h */
struct publish; /* publish.h */
struct api_server;
struct rules; /* rules.h */
struct json_errors;

/* What a server's agent has said beside its check: server_agent.c. */
struct server_agent {
	struct probe *probe;
	bool down;		    /* until it says "up" */
	struct check_report report; /* of the last probe */
};

/* A server of a backend. It keeps its identity (backend and server name) through reloads. */
struct server {
	struct server_config config;
	struct backend *backend;
	uint8_t admin;	      /* enum shunt_admin_state */
	uint16_t weight;      /* in force: the file's, or the one set by command */
	uint16_t file_weight; /* the file's when `weight` was taken from it or set */
	uint32_t maxconn;     /* in force: the file's, or its agent's */
	bool admin_set;	      /* by command, to this process: newer than what an image says */
	bool weight_set;
	uint8_t reset_mark;	/* counted up, modulo 2^8, when its sessions are to be reset */
	struct health health;	/* verdict and streak */
	bool kept;		/* by keep-last, which the log has said of this row of failures */
	struct flap flap;	/* by the loop's clock */
	struct observe observe; /* the same */
	struct probe *probe;	/* NULL: not checked */
	struct server_agent *agent; /* NULL: none is asked beside the check */
	uint64_t changed_ms; /* wall clock of the last change of state, ms since 1970; 0: none */
	/* pool.c: */
	bool was_up;	      /* it can take flows, as last seen; since when, by CLOCK_MONOTONIC: */
	uint64_t up_since_ms; /* 0: since ever */
	bool cold;	      /* it was there at the start, and has not been found down */
	uint64_t check_fail;  /* failed probes */
	uint64_t check_down;  /* changes from up to down */
	struct check_report report; /* of the last probe */
	uint64_t check_hurried;	    /* probes made sooner than `inter`, for what was observed */
	uint64_t check_error; /* probes that could not be made here and say nothing of the server */
	/* trackers.c: */
	struct server *tracked;	 /* the one that it tracks; NULL: none */
	struct server *trackers; /* all whose tracking ends here, */
	struct server *next_tracker;
	const char *seen; /* a tracker's state, as last noted */
	uint32_t id;	  /* in the image; 0: not yet given (compile.c) */
	bool changed;	  /* since it was compiled, as publish_schedule_server() knows */
	/* A reload has removed it, but not its connections: the rest is removed.h's. */
	bool removed;
	uint64_t sessions;	/* as last counted; UINT64_MAX: not yet */
	uint64_t idle_since_ms; /* the loop's clock; 0: it has sessions, or nobody counts them */
	uint32_t hold_ms;	/* it may have stateless flows for so long; 0: it has none */
	uint64_t held_since_ms; /* the loop's clock; 0: not yet */
};

struct backend {
	struct backend_config config; /* its servers[] is not used: see servers below */
	struct server **servers;      /* in the file's order */
	struct server **by_name;      /* the same, sorted */
	size_t server_count;
	struct server **removed; /* those that a reload has removed: removed.h */
	size_t removed_count;
	uint32_t id;	  /* in the image; 0: not yet given */
	bool changed;	  /* a server of it */
	bool panic;	  /* pool.c: too few servers are up, health is not believed */
	bool quorum_lost; /* the servers that are up have too little weight together */
	/* Ids of config.sources, ascending, as the image has them. */
	uint8_t source_ids[SHUNT_MAX_BACKEND_SOURCES];
	/* Ids of the first service that leads here, of IPv4 and IPv6: where probes may go through.
	 */
	uint32_t probe_service[2];
};

/* All servers that flows may have: those of the file, then those removed. */
static inline size_t
backend_all_count(const struct backend *backend)
{
	return backend->server_count + backend->removed_count;
}

static inline struct server *
backend_any(const struct backend *backend, size_t index)
{
	return index < backend->server_count ? backend->servers[index]
					     : backend->removed[index - backend->server_count];
}

/* One bind line of a frontend. */
struct service {
	char frontend[SHUNT_NAME_SIZE];
	struct shunt_addr address;
	uint16_t port_be;
	uint16_t last_port_be; /* the same, but for a range */
	uint8_t protocol;
	bool announce;
	struct timeout_config timeout;
	bool reset_idle;
	uint8_t syn_cookies; /* enum shunt_cookies */
	uint32_t syn_flood_rate;
	bool stateless;
	struct shunt_limit limit; /* the frontend's; see config_has_limit() */
	struct backend *backend;
	const struct frontend_config *config; /* of control->config; NULL: no rules */
	uint32_t rules;			      /* row of its rules in the image; 0: none */
	uint32_t id;			      /* in the image; 0: not yet given */
	uint32_t limit_id;		      /* the same of its limit; 0: it has none */
};

struct control {
	struct loop *loop;
	const char *config_path;
	const char *run_dir;
	struct config *config;		   /* as last loaded */
	struct backend **backends;	   /* in the file's order */
	struct backend **backends_by_name; /* the same, sorted */
	size_t backend_count;
	struct service *services;
	size_t service_count;
	struct shunt_addr *own_addresses; /* balanced ones and full NAT's sources, sorted */
	size_t own_address_count;
	struct prober *prober; /* NULL while no server is checked */
	struct netlink *netlink;
	struct publish *publish;
	struct api_server *api;
	struct loop_timer removed_timer; /* removed_watch.c */
	struct loop_timer rules_timer;	 /* rules_watch.c */
	struct loop_timer observe_timer; /* observe_watch.c; not set while nothing is observed */
	struct rules *rules;		 /* NULL: none compiled yet */
	struct events events;
	struct probe_stats probes;
	uint64_t started_ms; /* CLOCK_MONOTONIC */
};

/*
 * servers.c, server.c: the state and its edits. None of these publishes; the caller does.
 */

/*
 * Makes the state follow a newly loaded configuration, which it takes over: servers that stay
 * (same backend and server name, same address and port) keep health, admin state, runtime weight
 * and counters; the others start afresh; probes are started and stopped. Servers that go leave
 * their connections behind: removed.h. 0, or -ENOMEM with the state untouched and `config` still
 * the caller's.
 */
int state_apply(struct control *control, struct config *config);
void state_destroy(struct control *control);

struct backend *state_find_backend(const struct control *control, const char *name);
/* path: "backend/server". NULL: none. */
struct server *state_find_server(const struct control *control, const char *path);
/* Is it a balanced address, or a source address of full NAT? */
bool state_owns_address(const struct control *control, const struct shunt_addr *address);
/* The server of this identity: the same name, address and port. NULL: none. */
struct server *backend_find_same(const struct backend *backend, const struct server_config *config);

/*
 * The backends that a service's flows may go to: its own is number 0, the others are those that its
 * rules lead to. NULL behind the last.
 */
static inline struct backend *
state_lead(const struct control *control, const struct service *service, size_t number)
{
	const struct frontend_config *config = service->config;

	if (number == 0)
		return service->backend;
	if (!config || number > config->target_count)
		return NULL;
	return control->backends[config->targets[number - 1]];
}

static inline bool
state_leads(
	const struct control *control, const struct service *service, const struct backend *backend)
{
	const struct backend *lead;

	for (size_t i = 0; (lead = state_lead(control, service, i)); i++) {
		if (lead == backend)
			return true;
	}
	return false;
}

/* Has its agent said so, or that of a server that it tracks? */
bool server_agent_is_down(const struct server *server);
/* What the dataplane shall do with it, from admin state and health. */
enum shunt_server_state server_state(const struct server *server);
/* "up", "down", "drain", "maint", "no-check", "removed": as `show servers` says it. */
const char *server_state_name(const struct server *server);

/* Its own, or that of one that it tracks, if that is less. */
uint8_t server_admin(const struct server *server);

void server_set_admin(struct server *server, enum shunt_admin_state admin);
void server_set_weight(struct server *server, uint16_t weight);
/* The sessions that it has now shall be reset. */
void server_shutdown_sessions(struct server *server);
/* Takes over what an image says of the server with this identity, at a restart of control. */
void server_adopt(struct server *server, const struct shunt_server *image);

/* Milliseconds since 1970, as changed_ms of servers is. */
uint64_t state_wall_ms(void);

/*
 * verdict.c: takes a probe's result, keeps and counts it. Logs if the verdict changed or is the
 * first. True: what the image says of the server has changed. `now_ms`: the loop's clock.
 */
bool server_probed(struct server *server, const struct check_report *report, uint64_t now_ms);

/*
 * reload.c: reads control->config_path anew and, if it is right, makes everything follow it. 0, or
 * -ENOMEM or -EINVAL with everything as it was; with -EINVAL what is wrong has been logged and is
 * in *errors, which the caller destroys; else *errors is NULL.
 */
int control_reload(struct control *control, struct json_errors **errors);

#endif
