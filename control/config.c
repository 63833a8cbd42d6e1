/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "config_read.h"
#include "settings.h"
#include "tls_context.h"

/*
 * Used if the file names no secret. It is public, so an outsider could choose client addresses
 * that all fall on one server; it is fixed, because a random one would send every client to
 * another server after each restart and differ between the nodes of a cluster.
 */
static const uint8_t default_secret[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

static const struct config_defaults built_in = {
	.timeout = {
		.syn_ms = 30 * 1000,
		.established_ms = 15 * 60 * 1000,
		.fin_ms = 30 * 1000,
		.udp_ms = 2 * 60 * 1000,
	},
	.check_timeout_ms = 1000,
	.check = {
		.enabled = true,
		.inter_ms = 2000,
		.rise = 2,
		.fall = 3,
	},
	.algorithm = SHUNT_SOURCE,
	.forward = SHUNT_NAT,
	.server = { .weight = 1, .slowstart_ms = CONFIG_SLOWSTART_UNSET },
};

static void
read_global(struct json_at at, struct config *config)
{
	static const char *const keys[] = { "hash-secret", "http", NULL };
	struct json_at secret = json_at_member(&at, "hash-secret");
	struct json_at http = json_at_member(&at, "http");
	struct shunt_addr address;
	uint16_t port_be;

	memcpy(config->hash_secret, default_secret, sizeof(default_secret));
	if (!json_get_object(at, keys) && json_at_present(at))
		return;
	if (!json_at_present(secret))
		json_at_warning(secret,
			"not set, so a public default is used; set it to 32 "
			"hexadecimal digits, the same on all nodes of a cluster "
			"(openssl rand -hex 16)");
	json_get_hex(secret, config->hash_secret, sizeof(config->hash_secret));
	if (json_get_endpoint(http, &address, &port_be))
		json_at_warning(http, "has no effect: this version has no HTTP server");
}

static void
read_defaults(struct json_at at, struct config *config, struct config_defaults *defaults)
{
	static const char *const keys[] = { "timeout", "check", "balance", "forward",
		"default-server", NULL };

	if (!json_get_object(at, keys))
		return;
	config_read_timeout(
		json_at_member(&at, "timeout"), &defaults->timeout, &defaults->check_timeout_ms);
	config_read_check(json_at_member(&at, "check"), config, &defaults->check);
	config_read_balance(json_at_member(&at, "balance"), &defaults->algorithm);
	config_read_forward(json_at_member(&at, "forward"), &defaults->forward);
	config_read_default_server(json_at_member(&at, "default-server"), config, defaults);
}

static void
read_neighbor(struct json_at at, struct neighbor_config *neighbor)
{
	static const char *const keys[] = { "address", "mac", "port", "source", "vlan", NULL };
	struct json_at address = json_at_member(&at, "address");
	struct json_at mac = json_at_member(&at, "mac");
	struct json_at port = json_at_member(&at, "port");
	struct json_at source = json_at_member(&at, "source");

	if (!json_get_object(at, keys))
		return;
	if (json_at_require(address) && json_get_address(address, &neighbor->address))
		config_check_unicast(address, &neighbor->address);
	if (json_at_require(mac))
		json_get_mac(mac, &neighbor->mac);
	if (json_at_require(port))
		json_get_name(port, neighbor->port);
	settings_get_vlan(json_at_member(&at, "vlan"), neighbor->vlan);
	if (json_get_address(source, &neighbor->source))
		config_check_unicast(source, &neighbor->source);
}

static void
read_neighbors(struct json_at at, struct config *config)
{
	size_t count = 0;

	if (!json_get_array(at, SHUNT_MAX_NEXTHOPS - 1, &count) || count == 0)
		return;
	config->neighbors = calloc(count, sizeof(*config->neighbors));
	if (!config->neighbors) {
		json_at_error(at, "out of memory");
		return;
	}
	config->neighbor_count = count;
	for (size_t i = 0; i < count; i++)
		read_neighbor(json_at_element(&at, i), &config->neighbors[i]);
}

/* All sections, in the order in which people write them, so that errors come in that order. */
static void
read_document(struct json_at *root, struct config *config)
{
	static const char *const keys[] = { "dataplane", "global", "defaults", "acls", "frontends",
		"backends", "neighbors", NULL };
	struct config_defaults defaults = built_in;
	struct json_at dataplane = json_at_member(root, "dataplane");
	struct settings *settings;

	json_get_object(*root, keys);
	settings = settings_parse(&dataplane);
	read_global(json_at_member(root, "global"), config);
	read_defaults(json_at_member(root, "defaults"), config, &defaults);
	config_read_acls(json_at_member(root, "acls"), config);
	config_read_frontends(json_at_member(root, "frontends"), &defaults, config);
	config_read_backends(json_at_member(root, "backends"), &defaults, config);
	read_neighbors(json_at_member(root, "neighbors"), config);
	config_cross_check(root, settings, config);
	settings_destroy(settings);
}

/* Takes the document over. */
static struct config *
config_from_document(json_t *document, const char *directory, struct json_errors *errors)
{
	static uint64_t serial;

	struct json_at root = json_at_root(document, errors);
	size_t errors_before = json_errors_count(errors);
	struct config *config;

	if (!document)
		return NULL;
	config = calloc(1, sizeof(*config));
	if (config) {
		config->serial = ++serial;
		config->directory = directory;
		read_document(&root, config);
		config->directory = NULL;
	} else {
		json_at_error(root, "out of memory");
	}
	json_decref(document);
	if (json_errors_count(errors) > errors_before) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

struct config *
config_load(const char *path, struct json_errors *errors)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
	struct config *config = NULL;

	if (directory)
		config = config_from_document(json_file_load(path, errors), directory, errors);
	else
		json_errors_add(errors, false, "$", "out of memory");
	free(directory);
	return config;
}

struct config *
config_load_text(const char *text, size_t length, struct json_errors *errors)
{
	return config_from_document(json_text_load(text, length, errors), "", errors);
}

void
config_destroy(struct config *config)
{
	struct check_talk *talk;
	struct agent_config *agent;

	if (!config)
		return;
	for (size_t i = 0; i < config->frontend_count; i++) {
		struct frontend_config *frontend = &config->frontends[i];

		for (size_t j = 0; j < frontend->rule_count; j++)
			free(frontend->rules[j].literals);
		free(frontend->rules);
		free(frontend->targets);
		free(frontend->binds);
	}
	for (size_t i = 0; i < config->acl_count; i++) {
		struct acl_config *acl = &config->acls[i];

		free(acl->src_ports);
		free(acl->dst_ports);
		free(acl->matches);
		free(acl->interfaces);
		free(acl->times);
		free(acl->counts);
	}
	free(config->acls);
	prefix_sets_clear(&config->sets);
	for (size_t i = 0; i < config->backend_count; i++)
		free(config->backends[i].servers);
	while ((talk = config->talks)) {
		config->talks = talk->next;
		check_talk_destroy(talk);
	}
	tls_contexts_destroy(config->tls_contexts);
	while ((agent = config->agents)) {
		config->agents = agent->next;
		free(agent);
	}
	free(config->frontends);
	free(config->backends);
	free(config->neighbors);
	free(config);
}
