/* SPDX-License-Identifier: BSD-3-Clause */
/* The source addresses of backends with full NAT. */
#include "config_read.h"
#include "settings.h"

#define STRINGS_(x)  #x
#define STRING_OF(x) STRINGS_(x)

static const char too_many[] = "more than " STRING_OF(
	SHUNT_MAX_BACKEND_SOURCES) " addresses, which is the limit of a backend";

/* False, and an error, if it is one too many. */
static bool
take_source(struct json_at at, const struct shunt_addr *address, struct backend_config *backend)
{
	char text[JSON_ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < backend->source_count; i++) {
		if (!shunt_addr_equal(&backend->sources[i], address))
			continue;
		json_address_text(address, text);
		json_at_error(at, "%s is already in source-addresses[%u]", text,
			backend->source_elements[i]);
		return true;
	}
	if (backend->source_count == SHUNT_MAX_BACKEND_SOURCES) {
		json_at_error(at, "%s", too_many);
		return false;
	}
	/* At most as many elements are read as there may be addresses. */
	backend->source_elements[backend->source_count] = (uint8_t)at.index;
	backend->sources[backend->source_count++] = *address;
	return true;
}

/* An address, or all of a prefix: its first and last are addresses like others here. */
static bool
read_element(struct json_at at, struct backend_config *backend)
{
	struct shunt_addr address;
	unsigned int spare;
	uint8_t bits;

	if (!json_at_present(at) || !json_get_prefix(at, &address, &bits) ||
		!config_check_unicast(at, &address))
		return true;
	spare = (shunt_addr_is_v4(&address) ? 32 : 128) - bits;
	/* Before it is expanded: a /1 has more addresses than there is time for. */
	if (spare >= 8 || (1u << spare) > SHUNT_MAX_BACKEND_SOURCES) {
		json_at_error(at, "%s", too_many);
		return false;
	}
	for (unsigned int i = 0; i < 1u << spare; i++) {
		if (!take_source(at, &address, backend))
			return false;
		address.bytes[15]++; /* the spare bits are zero, and all in this byte */
	}
	return true;
}

void
config_read_sources(struct json_at at, struct backend_config *backend)
{
	size_t count = 0;

	if (!json_at_require(at) || !json_get_array(at, SHUNT_MAX_BACKEND_SOURCES, &count))
		return;
	if (count == 0)
		json_at_error(at, "needs one address at least");
	for (size_t i = 0; i < count; i++) {
		struct json_at element = json_at_element(&at, i);

		/* After one too many the others would all say the same. */
		if (!read_element(element, backend))
			return;
	}
}

/* jansson's objects serve as sets and as tables from address to index. */
struct taken {
	json_t *binds;	 /* frontend */
	json_t *servers; /* backend */
	json_t *sources;
	json_t *twins; /* name of the port */
};

static bool
enter(json_t *table, const struct shunt_addr *address, size_t index)
{
	char text[JSON_ADDRESS_TEXT_SIZE];

	json_address_text(address, text);
	return json_object_get(table, text) ||
		json_object_set_new(table, text, json_integer((json_int_t)index)) == 0;
}

/* False: out of memory. */
static bool
find_taken(struct taken *taken, const struct config *config)
{
	for (size_t i = 0; i < config->frontend_count; i++) {
		const struct frontend_config *frontend = &config->frontends[i];

		for (size_t j = 0; j < frontend->bind_count; j++) {
			if (frontend->binds[j].port_be &&
				!enter(taken->binds, &frontend->binds[j].address, i))
				return false;
		}
	}
	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *backend = &config->backends[i];

		for (size_t j = 0; j < backend->server_count; j++) {
			if (config_server_is_read(&backend->servers[j]) &&
				!enter(taken->servers, &backend->servers[j].address, i))
				return false;
		}
	}
	return true;
}

/* The addresses that the dataplane puts on kernel twins. False: out of memory. */
static bool
find_twins(struct taken *taken, const struct settings *settings)
{
	char text[JSON_ADDRESS_TEXT_SIZE];

	for (size_t i = 0; settings && i < settings->port_count; i++) {
		const struct settings_port *port = &settings->ports[i];

		for (size_t j = 0; j < port->address_count; j++) {
			json_address_text(&port->addresses[j].address, text);
			if (json_object_set_new(taken->twins, text, json_string(port->name)) < 0)
				return false;
		}
	}
	return true;
}

static bool
check_source(struct json_at at, const struct shunt_addr *source, const struct config *config,
	struct taken *taken)
{
	const json_t *found;
	char text[JSON_ADDRESS_TEXT_SIZE];

	json_address_text(source, text);
	found = json_object_get(taken->binds, text);
	if (found)
		json_at_error(at,
			"%s is a balanced address, bound by frontend \"%s\"; full NAT needs "
			"source addresses of its own",
			text, config->frontends[json_integer_value(found)].name);
	found = json_object_get(taken->servers, text);
	if (found)
		json_at_error(at,
			"%s is the address of a server of backend \"%s\"; full NAT needs source "
			"addresses of its own",
			text, config->backends[json_integer_value(found)].name);
	found = json_object_get(taken->twins, text);
	if (found)
		json_at_error(at,
			"%s is the address of the kernel twin of port \"%s\"; full NAT needs "
			"source addresses of its own",
			text, json_string_value(found));
	return enter(taken->sources, source, 0);
}

/* The first server of a family that no source is of. */
static void
check_families(struct json_at at, const struct backend_config *backend)
{
	bool have[2] = { false, false };

	for (size_t i = 0; i < backend->source_count; i++)
		have[shunt_addr_is_v4(&backend->sources[i])] = true;
	/* What could not be read has its error already. */
	if (backend->source_count == 0)
		return;
	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server_config *server = &backend->servers[i];
		bool v4 = shunt_addr_is_v4(&server->address);
		char text[JSON_ADDRESS_TEXT_SIZE];

		if (!config_server_is_read(server) || have[v4])
			continue;
		have[v4] = true;
		json_address_text(&server->address, text);
		json_at_error(at,
			"has no %s address, which server \"%s\" (%s) needs: clients' packets reach "
			"a server from a source address of its own family",
			v4 ? "IPv4" : "IPv6", server->name, text);
	}
}

static bool
check_all(const struct json_at *backends, const struct settings *settings,
	const struct config *config, struct taken *taken)
{
	if (!find_taken(taken, config) || !find_twins(taken, settings))
		return false;
	for (size_t i = 0; i < config->backend_count; i++) {
		const struct backend_config *backend = &config->backends[i];
		struct json_at backend_at = json_at_element(backends, i);
		struct json_at at = json_at_member(&backend_at, "source-addresses");

		check_families(at, backend);
		for (size_t j = 0; j < backend->source_count; j++) {
			struct json_at element = json_at_element(&at, backend->source_elements[j]);

			if (!check_source(element, &backend->sources[j], config, taken))
				return false;
		}
	}
	if (json_object_size(taken->sources) >= SHUNT_MAX_SOURCES)
		json_at_error(*backends, "have %zu source addresses in all, the limit is %d",
			json_object_size(taken->sources), SHUNT_MAX_SOURCES - 1);
	return true;
}

bool
config_check_sources(const struct json_at *backends, const struct settings *settings,
	const struct config *config)
{
	struct taken taken = {
		.binds = json_object(),
		.servers = json_object(),
		.sources = json_object(),
		.twins = json_object(),
	};
	bool any = false, right = true;

	for (size_t i = 0; i < config->backend_count; i++)
		any = any || config->backends[i].source_count > 0;
	if (any)
		right = taken.binds && taken.servers && taken.sources && taken.twins &&
			check_all(backends, settings, config, &taken);
	json_decref(taken.binds);
	json_decref(taken.servers);
	json_decref(taken.sources);
	json_decref(taken.twins);
	return right;
}
