/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends, their servers and the servers' checks. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "config_read.h"

/* Results in a row; more would hide a dead server for hours. */
#define STREAK_MAX 1000

/* `slowstart` with leastconn: no server gets ten thousand sessions at once, and nobody waits long.
 */
#define LEASTCONN_SLOWSTART_MS 10000

/* IANA's for GUE. */
#define GUE_PORT 6080

void
config_read_forward(struct json_at at, uint8_t *forward)
{
	static const struct json_word words[] = {
		{ "nat", SHUNT_NAT },
		{ "dr", SHUNT_DR },
		{ "tunnel", SHUNT_TUNNEL },
		{ "fullnat", SHUNT_FULLNAT },
		{ NULL, 0 },
	};
	int value;

	if (json_get_word(at, words, &value))
		*forward = value;
}

static void
read_streak(struct json_at at, uint16_t *out)
{
	int64_t value;

	if (json_get_int(at, 1, STREAK_MAX, &value))
		*out = value;
}

static void
read_init_state(struct json_at at, uint8_t *out)
{
	static const struct json_word words[] = {
		{ "down", INIT_DOWN },
		{ "up", INIT_UP },
		{ "fully-down", INIT_FULLY_DOWN },
		{ "fully-up", INIT_FULLY_UP },
		{ NULL, 0 },
	};
	int value;

	if (json_get_word(at, words, &value))
		*out = (uint8_t)value;
}

bool
config_get_object_or_false(struct json_at at, const char *const *keys, bool *off)
{
	*off = json_is_false(at.value);
	if (!json_at_present(at) || *off)
		return false;
	if (!json_is_object(at.value))
		return json_at_mismatch(at, "false or an object");
	json_get_object(at, keys);
	return true;
}

/* An object turns it on, also where the level before said false, and changes the keys it names. */
static void
read_flap(struct json_at at, struct flap_config *flap)
{
	static const char *const keys[] = { "after", "within", "hold", "max", NULL };
	static const struct flap_config usual = { 3, 60000, 10000, 300000 };
	int64_t after;
	bool off;

	if (!config_get_object_or_false(at, keys, &off)) {
		if (off)
			*flap = (struct flap_config){ 0 };
		return;
	}
	if (!flap->after)
		*flap = usual;
	if (json_get_int(json_at_member(&at, "after"), 1, FLAP_AFTER_MAX, &after))
		flap->after = (uint8_t)after;
	json_get_time_ms(
		json_at_member(&at, "within"), 1000, SHUNT_MAX_TIMEOUT_MS, &flap->within_ms);
	json_get_time_ms(json_at_member(&at, "hold"), 100, SHUNT_MAX_TIMEOUT_MS, &flap->hold_ms);
	json_get_time_ms(json_at_member(&at, "max"), 100, SHUNT_MAX_TIMEOUT_MS, &flap->max_ms);
	if (flap->max_ms < flap->hold_ms)
		json_at_error(at, "\"max\" is less than \"hold\"");
}

void
config_read_probe_address(struct json_at at, struct shunt_addr *out)
{
	struct shunt_addr address;

	if (json_get_address(at, &address) && config_check_usable(at, &address))
		*out = address;
}

void
config_read_check(struct json_at at, struct config *config, struct check_config *check)
{
	static const char *const keys[] = { "type", "inter", "fastinter", "downinter", "timeout",
		"rise", "fall", "soft-fall", "keep-last", "init-state", "flap-hold", "observe",
		"port", "via", "address", "source-address", "send", "send-hex", "expect",
		"expect-regex", "method", "path", "version", "host", "headers", "status",
		"soft-status", "user", "password", "database", "writable", "query", "query-type",
		"rcode", "tls", "sni", "verify", "ca-file", "verify-host", "alpn", NULL };
	static const struct json_word vias[] = {
		{ "server", 0 },
		{ "service", 1 },
		{ NULL, 0 },
	};
	struct json_at port_at = json_at_member(&at, "port");
	int64_t port;
	int via;

	if (!json_at_present(at) || json_is_boolean(at.value)) {
		json_get_bool(at, &check->enabled);
		return;
	}
	if (!json_is_object(at.value)) {
		json_at_mismatch(at, "true, false or an object");
		return;
	}
	check->enabled = true;
	json_get_object(at, keys);
	check->typed |= json_at_present(json_at_member(&at, "type"));
	config_read_talk(at, config, &check->talk);
	json_get_time_ms(json_at_member(&at, "inter"), CONFIG_INTER_MIN_MS, SHUNT_MAX_TIMEOUT_MS,
		&check->inter_ms);
	json_get_time_ms(json_at_member(&at, "fastinter"), CONFIG_INTER_MIN_MS,
		SHUNT_MAX_TIMEOUT_MS, &check->fastinter_ms);
	json_get_time_ms(json_at_member(&at, "downinter"), CONFIG_INTER_MIN_MS,
		SHUNT_MAX_TIMEOUT_MS, &check->downinter_ms);
	json_get_time_ms(
		json_at_member(&at, "timeout"), 1, SHUNT_MAX_TIMEOUT_MS, &check->timeout_ms);
	read_streak(json_at_member(&at, "rise"), &check->rise);
	read_streak(json_at_member(&at, "fall"), &check->fall);
	read_streak(json_at_member(&at, "soft-fall"), &check->soft_fall);
	json_get_bool(json_at_member(&at, "keep-last"), &check->keep_last);
	read_init_state(json_at_member(&at, "init-state"), &check->init_state);
	read_flap(json_at_member(&at, "flap-hold"), &check->flap);
	config_read_observe(json_at_member(&at, "observe"), &check->observe);
	if (json_get_int(port_at, 1, 65535, &port))
		check->port_be = htons(port);
	if (json_at_present(port_at) && check_transport(check->talk) == CHECK_ECHO)
		json_at_error(
			port_at, "is not for \"type\": \"icmp\": an echo request has no port");
	if (json_get_word(json_at_member(&at, "via"), vias, &via))
		check->via_service = via;
	config_read_probe_address(json_at_member(&at, "address"), &check->address);
	config_read_probe_address(json_at_member(&at, "source-address"), &check->source);
}

/* Fills in what no level said, from what the levels did say. */
static void
finish_check(const struct config_defaults *defaults, struct check_config *check)
{
	if (!check->fastinter_ms)
		check->fastinter_ms = check->inter_ms;
	if (!check->downinter_ms)
		check->downinter_ms = check->inter_ms;
	if (!check->timeout_ms)
		check->timeout_ms = defaults->check_timeout_ms;
}

/* What a server can do, which `default-server` may say for all. */
static void
read_capacity(const struct json_at *at, uint32_t timeout_ms, struct config *config,
	struct server_config *server)
{
	int64_t value;

	config_read_agent(json_at_member(at, "agent-check"), timeout_ms, config, &server->agent);
	if (json_get_int(json_at_member(at, "weight"), 0, SHUNT_MAX_WEIGHT, &value))
		server->weight = value;
	if (json_get_int(json_at_member(at, "maxconn"), 0, UINT32_MAX, &value))
		server->maxconn = value;
	json_get_time_ms(
		json_at_member(at, "slowstart"), 0, SHUNT_MAX_TIMEOUT_MS, &server->slowstart_ms);
}

void
config_read_default_server(
	struct json_at at, struct config *config, struct config_defaults *defaults)
{
	static const char *const keys[] = { "weight", "maxconn", "slowstart", "agent-check", NULL };

	if (json_get_object(at, keys))
		read_capacity(&at, defaults->check_timeout_ms, config, &defaults->server);
}

static void
read_server(struct json_at at, const struct config_defaults *defaults, struct config *config,
	struct server_config *server)
{
	static const char *const keys[] = { "name", "address", "weight", "backup", "check",
		"maxconn", "slowstart", "track", "agent-check", NULL };
	struct json_at name = json_at_member(&at, "name");
	struct json_at address = json_at_member(&at, "address");

	*server = defaults->server;
	server->check = defaults->check;
	if (!json_get_object(at, keys))
		return;
	if (json_at_require(name))
		json_get_name(name, server->name);
	if (json_at_require(address) &&
		json_get_server_endpoint(address, &server->address, &server->port_be)) {
		server->keeps_port = !server->port_be;
		if (!config_check_unicast(address, &server->address)) {
			server->port_be = 0;
			server->keeps_port = false;
		}
	}
	read_capacity(&at, defaults->check_timeout_ms, config, server);
	json_get_bool(json_at_member(&at, "backup"), &server->backup);
	config_read_check(json_at_member(&at, "check"), config, &server->check);
	config_read_track(at, server);
	finish_check(defaults, &server->check);
}

static void
read_servers(struct json_at at, const struct config_defaults *defaults, struct config *config,
	struct backend_config *backend)
{
	size_t count = 0;

	if (!json_get_array(at, SHUNT_MAX_SERVERS - 1, &count) && json_at_present(at))
		return;
	if (count == 0) {
		json_at_warning(at, "no servers: what is sent to this backend is dropped");
		return;
	}
	backend->servers = calloc(count, sizeof(*backend->servers));
	if (!backend->servers) {
		json_at_error(at, "out of memory");
		return;
	}
	backend->server_count = count;
	for (size_t i = 0; i < count; i++)
		read_server(json_at_element(&at, i), defaults, config, &backend->servers[i]);
}

/*
 * By the fewest sessions a server that comes back is the choice of every client at once, so there
 * it warms up unless the file says otherwise.
 */
static void
finish_slowstarts(struct backend_config *backend)
{
	bool herds = backend->algorithm == SHUNT_LEASTCONN;

	for (size_t i = 0; i < backend->server_count; i++) {
		struct server_config *server = &backend->servers[i];

		if (server->slowstart_ms == CONFIG_SLOWSTART_UNSET)
			server->slowstart_ms = herds ? LEASTCONN_SLOWSTART_MS : 0;
	}
}

bool
config_key_is_for(struct json_at at, bool right, const char *what)
{
	if (!right && json_at_present(at))
		json_at_error(at, "is for %s only", what);
	return right;
}

static void
read_encap(struct json_at at, struct backend_config *backend)
{
	static const struct json_word words[] = {
		{ "ipip", SHUNT_IPIP },
		{ "gue", SHUNT_GUE },
		{ "gre", SHUNT_GRE },
		{ NULL, 0 },
	};
	struct json_at encap = json_at_member(&at, "encap");
	struct json_at port = json_at_member(&at, "encap-port");
	int64_t number = GUE_PORT;
	int value;

	if (config_key_is_for(encap, backend->forward == SHUNT_TUNNEL, "\"forward\": \"tunnel\"") &&
		json_at_require(encap) && json_get_word(encap, words, &value))
		backend->encap = value;
	if (!config_key_is_for(port, backend->encap == SHUNT_GUE, "\"encap\": \"gue\""))
		return;
	json_get_int(port, 1, 65535, &number);
	backend->encap_port_be = htons(number);
}

static void
read_mss_clamp(struct json_at at, struct backend_config *backend)
{
	bool direct = backend->forward == SHUNT_DR || backend->forward == SHUNT_TUNNEL;
	int64_t value;

	if (!config_key_is_for(at, direct, "\"forward\": \"dr\" and \"tunnel\"") ||
		(json_is_integer(at.value) && json_integer_value(at.value) == 0))
		return;
	if (json_get_int(at, SHUNT_MIN_MSS, SHUNT_MAX_MSS, &value))
		backend->mss_clamp = value;
}

/* HAProxy's words, but for "keep", which is what it does when the option is not set. */
static void
read_on_marked_down(struct json_at at, struct backend_config *backend)
{
	static const struct json_word words[] = {
		{ "keep", false },
		{ "shutdown-sessions", true },
		{ NULL, 0 },
	};
	int value;

	if (json_get_word(at, words, &value))
		backend->shutdown_sessions = value;
}

static void
read_backend(struct json_at at, const struct config_defaults *defaults, struct config *config,
	struct backend_config *backend)
{
	static const char *const keys[] = { "name", "balance", "hash-on", "forward", "check",
		"servers", "source-addresses", "encap", "encap-port", "mss-clamp", "on-marked-down",
		"default-server", "source-prefix", "source-prefix6", "hash-balance-factor",
		"on-maxconn", "allbackups", "quorum", "hysteresis", "panic-threshold",
		"persistence", NULL };
	struct config_defaults inner = *defaults;

	backend->algorithm = defaults->algorithm;
	backend->forward = defaults->forward;
	if (!json_get_object(at, keys))
		return;
	if (json_at_require(json_at_member(&at, "name")))
		json_get_name(json_at_member(&at, "name"), backend->name);
	config_read_balance(json_at_member(&at, "balance"), &backend->algorithm);
	config_read_forward(json_at_member(&at, "forward"), &backend->forward);
	if (config_key_is_for(json_at_member(&at, "source-addresses"),
		    backend->forward == SHUNT_FULLNAT, "\"forward\": \"fullnat\""))
		config_read_sources(json_at_member(&at, "source-addresses"), backend);
	read_encap(at, backend);
	read_mss_clamp(json_at_member(&at, "mss-clamp"), backend);
	read_on_marked_down(json_at_member(&at, "on-marked-down"), backend);
	config_read_check(json_at_member(&at, "check"), config, &inner.check);
	config_read_default_server(json_at_member(&at, "default-server"), config, &inner);
	read_servers(json_at_member(&at, "servers"), &inner, config, backend);
	finish_slowstarts(backend);
	config_read_choice(at, backend);
}

void
config_read_backends(
	struct json_at at, const struct config_defaults *defaults, struct config *config)
{
	size_t count = 0;

	if (!json_get_array(at, SHUNT_MAX_BACKENDS - 1, &count) || count == 0)
		return;
	config->backends = calloc(count, sizeof(*config->backends));
	if (!config->backends) {
		json_at_error(at, "out of memory");
		return;
	}
	config->backend_count = count;
	for (size_t i = 0; i < count; i++)
		read_backend(json_at_element(&at, i), defaults, config, &config->backends[i]);
}
