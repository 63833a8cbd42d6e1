/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the files that make a struct config out of the JSON document; nobody else needs it.
 *
 * Reading goes in two passes. The readers (config_backend.c, config_frontend.c, config.c) look at
 * one value at a time and keep every element in its place, also a wrong one: frontends[i] of the
 * result is $.frontends[i]. What is wrong in a kept element is left zero (an empty name, port 0),
 * which no right element has. Then config_cross_check() looks at what belongs together, and
 * passes over what is zero, so that one mistake gives one error.
 */
#ifndef CONTROL_CONFIG_READ_H
#define CONTROL_CONFIG_READ_H

#include "jsonfile.h"
#include "config.h"

struct settings;

/* `slowstart`, as long as nobody has said anything: it goes by the backend's `balance` then. */
#define CONFIG_SLOWSTART_UNSET UINT32_MAX

/* What a frontend, backend or server has if it does not say otherwise. */
struct config_defaults {
	struct timeout_config timeout;
	uint32_t check_timeout_ms;
	struct check_config check; /* times of 0: derived from others when all is read */
	uint8_t algorithm;
	uint8_t forward;
	struct server_config server; /* default-server: weight, maxconn, slowstart; agent-check */
};

/* config_backend.c */
/* Probing more often than this is an attack on the server rather than a check. */
#define CONFIG_INTER_MIN_MS 10
/*
 * True if it is an object, whose unknown keys are errors; *off: it is false. Anything else that is
 * there is an error.
 */
bool config_get_object_or_false(struct json_at at, const char *const *keys, bool *off);
void config_read_probe_address(struct json_at at, struct shunt_addr *out);
void config_read_forward(struct json_at at, uint8_t *forward);
/* `check` holds what is inherited and takes what is said here. */
void config_read_check(struct json_at at, struct config *config, struct check_config *check);
/* config_talk.c: the same of what is said; `*talk` is NULL where a connection is enough. */
void config_read_talk(struct json_at at, struct config *config, const struct check_talk **talk);
/* Replaces *out by a text of at most `max` bytes that good() says yes to; else it is to be WANTED.
 */
void config_read_text(struct json_at at, size_t max, bool (*good)(const char *text),
	const char *wanted, char **out);
/* config_tls.c: does the level say anything of TLS? Then it is read, if it is for the talk's type.
 */
bool config_says_tls(const struct json_at *at);
void config_read_tls(const struct json_at *at, struct config *config, struct check_talk *talk);
/* NULL, and an error: out of memory. It is the configuration's. */
struct check_talk *config_add_talk(
	struct json_at at, struct config *config, uint8_t type, const struct check_talk *from);
void config_read_send(const struct json_at *at, struct check_talk *talk);
void config_set_text(struct json_at at, char **out, const char *text, size_t length);
/*
 * One or an array of what `read_one` reads, of which an answer's code must be one; it replaces what
 * the level before has said.
 */
typedef bool config_status_reader(struct json_at at, struct check_statuses *out);
void config_read_statuses(struct json_at at, config_status_reader *read_one,
	struct check_statuses *out, unsigned int *count);
/* An error if it is an empty array. */
void config_refuse_empty(struct json_at at);
/* config_dns.c: the keys of "type": "dns". */
void config_read_dns(const struct json_at *at, struct check_talk *talk);
/* config_agent.c: the same of "agent-check". *agent: NULL where there is none. */
void config_read_agent(struct json_at at, uint32_t timeout_ms, struct config *config,
	const struct check_config **agent);
void config_read_default_server(
	struct json_at at, struct config *config, struct config_defaults *defaults);
/* config_choice.c: how a backend chooses among its servers, of which there are some already. */
void config_read_balance(struct json_at at, uint8_t *algorithm);
void config_read_choice(struct json_at backend_at, struct backend_config *backend);
/* False, and an error if it is there, where the key means nothing. */
bool config_key_is_for(struct json_at at, bool right, const char *what);
void config_read_backends(
	struct json_at at, const struct config_defaults *defaults, struct config *config);

/* config_frontend.c */
/* check_ms: NULL where "check" is no key. */
void config_read_timeout(struct json_at at, struct timeout_config *timeout, uint32_t *check_ms);
void config_read_frontends(
	struct json_at at, const struct config_defaults *defaults, struct config *config);
/* False, and an error, unless it is the address of one machine. */
bool config_check_usable(struct json_at at, const struct shunt_addr *address);
/* The same; a loopback address is no error, but no packet of a port has one, and it is said. */
bool config_check_unicast(struct json_at at, const struct shunt_addr *address);

/* config_limit.c: after all else of the frontend. */
void config_read_limits(struct json_at at, struct frontend_config *frontend);

/* config_ports.c: what the ports of frontends and servers must have in common. */
void config_check_ports(struct json_at *root, struct config *config);
/* Has a server's address been read? */
static inline bool
config_server_is_read(const struct server_config *server)
{
	return server->port_be || server->keeps_port;
}
/* config_source.c */
/* Of a backend with full NAT, which needs some. */
void config_read_sources(struct json_at at, struct backend_config *backend);
/*
 * Those of all backends: they must be of their servers' families, and nobody else's addresses.
 * settings: NULL if they had errors of their own. False: out of memory.
 */
bool config_check_sources(const struct json_at *backends, const struct settings *settings,
	const struct config *config);

/* config_acl.c */
void config_read_acls(struct json_at at, struct config *config);
/* A file's name, which begins at config->directory if not with a slash. False: none, or an error.
 */
#define CONFIG_PATH_SIZE 4096
bool config_read_path(struct json_at at, const struct config *config, char path[CONFIG_PATH_SIZE]);
/* config_conditions.c: names of backends and servers, and of ports. */
void config_check_acls(struct json_at acls, const struct settings *settings, json_t *backend_names,
	bool unread, struct config *config);

/* config_rules.c */
void config_read_rules(struct json_at at, struct frontend_config *frontend);
/* Names of ACLs and backends; marks backends that are used. False: out of memory. */
bool config_check_rules(
	const struct json_at *root, json_t *backend_names, bool *used, struct config *config);

/* config_check.c: resolves references too. settings: NULL if they had errors of their own. */
void
config_cross_check(struct json_at *root, const struct settings *settings, struct config *config);

/* config_probe.c: whether a server follows another one, which is found when all are read. */
void config_read_track(struct json_at server_at, struct server_config *server);
/* Where probes go and come from. vips: the balanced addresses. False: out of memory. */
bool config_check_probes(const struct json_at *backends, const json_t *vips, struct config *config);

/*
 * config_via.c: checks through services. Says at which port those of servers without a port arrive.
 * False: out of memory.
 */
bool config_check_via(const struct json_at *backends, struct config *config);

/* config_observe.c */
/* `observe` holds what is inherited and takes what is said here. */
void config_read_observe(struct json_at at, struct observe_config *observe);
/*
 * Warns where it does nothing; and where servers of UDP alone are probed by TCP, though nobody has
 * said so: before config_check_ports(). False: out of memory.
 */
bool config_check_observe(const struct json_at *backends, const struct config *config);

#endif
