/* SPDX-License-Identifier: BSD-3-Clause */
/* Frontends, their addresses and their flows' timeouts. */
#include <stdlib.h>

#include "config_read.h"

void
config_read_timeout(struct json_at at, struct timeout_config *timeout, uint32_t *check_ms)
{
	static const char *const keys[] = { "syn", "established", "fin", "udp", NULL };
	static const char *const keys_with_check[] = { "syn", "established", "fin", "udp", "check",
		NULL };
	const uint32_t max = SHUNT_MAX_TIMEOUT_MS;

	if (!json_get_object(at, check_ms ? keys_with_check : keys))
		return;
	json_get_time_ms(json_at_member(&at, "syn"), 1, max, &timeout->syn_ms);
	json_get_time_ms(json_at_member(&at, "established"), 1, max, &timeout->established_ms);
	json_get_time_ms(json_at_member(&at, "fin"), 1, max, &timeout->fin_ms);
	json_get_time_ms(json_at_member(&at, "udp"), 1, max, &timeout->udp_ms);
	if (check_ms)
		json_get_time_ms(json_at_member(&at, "check"), 1, max, check_ms);
}

/* The kinds of address of RFC 6890 that are nobody's: nothing can be sent to them. */
static const char *
unusable_v4(const uint8_t *v4)
{
	if (v4[0] == 0)
		return "0.0.0.0/8 names no machine";
	if (v4[0] >= 224 && v4[0] < 240)
		return "a multicast address names no single machine";
	return v4[0] >= 240 ? "240.0.0.0/4 is reserved" : NULL;
}

static const char *
unusable_v6(const uint8_t *v6)
{
	static const uint8_t zero[16];

	if (memcmp(v6, zero, sizeof(zero)) == 0)
		return "the unspecified address names no machine";
	if (v6[0] == 0xff)
		return "a multicast address names no single machine";
	if (v6[0] == 0xfe && (v6[1] & 0xc0) == 0x80)
		return "a link-local address is not unique among the ports";
	return NULL;
}

bool
config_check_usable(struct json_at at, const struct shunt_addr *address)
{
	const char *unusable = shunt_addr_is_v4(address) ? unusable_v4(&address->bytes[12])
							 : unusable_v6(address->bytes);

	if (unusable)
		json_at_error(at, "cannot be used: %s", unusable);
	return !unusable;
}

bool
config_check_unicast(struct json_at at, const struct shunt_addr *address)
{
	static const uint8_t loopback_v6[16] = { [15] = 1 };
	bool v4 = shunt_addr_is_v4(address);

	if (!config_check_usable(at, address))
		return false;
	if (v4 ? address->bytes[12] == 127 : memcmp(address->bytes, loopback_v6, 16) == 0)
		json_at_warning(at,
			"is a loopback address: no packet comes or goes through a port "
			"with it");
	return true;
}

static void
read_bind(struct json_at at, struct bind_config *bind)
{
	if (!json_at_present(at) ||
		!json_get_endpoints(at, &bind->address, &bind->port_be, &bind->last_port_be))
		return;
	if (!config_check_unicast(at, &bind->address))
		bind->port_be = bind->last_port_be = 0;
}

/* One string, or an array of them. */
static void
read_binds(struct json_at at, struct frontend_config *frontend)
{
	bool single = json_is_string(at.value);
	size_t count = 1;

	if (!json_at_require(at))
		return;
	if (!single && !json_is_array(at.value)) {
		json_at_mismatch(at, "a string \"ADDRESS:PORT\" or an array of them");
		return;
	}
	if (!single && !json_get_array(at, SHUNT_MAX_SERVICES - 1, &count))
		return;
	if (count == 0) {
		json_at_error(at, "needs one address at least");
		return;
	}
	frontend->binds = calloc(count, sizeof(*frontend->binds));
	if (!frontend->binds) {
		json_at_error(at, "out of memory");
		return;
	}
	frontend->bind_count = count;
	for (size_t i = 0; i < count; i++)
		read_bind(single ? at : json_at_element(&at, i), &frontend->binds[i]);
}

static void
read_words(struct json_at at, struct frontend_config *frontend)
{
	static const struct json_word protocols[] = {
		{ "tcp", SHUNT_TCP },
		{ "udp", SHUNT_UDP },
		{ NULL, 0 },
	};
	static const struct json_word announces[] = {
		{ "interface", true },
		{ "none", false },
		{ NULL, 0 },
	};
	static const struct json_word on_timeouts[] = {
		{ "forget", false },
		{ "reset", true },
		{ NULL, 0 },
	};
	static const struct json_word flow_modes[] = {
		{ "stateful", false },
		{ "stateless", true },
		{ NULL, 0 },
	};
	struct json_at on_timeout = json_at_member(&at, "on-timeout");
	int protocol = SHUNT_TCP, announce = true, reset_idle = false, stateless = false;

	json_get_word(json_at_member(&at, "protocol"), protocols, &protocol);
	json_get_word(json_at_member(&at, "announce"), announces, &announce);
	frontend->protocol = protocol;
	frontend->announce = announce;
	json_get_word(json_at_member(&at, "flow-mode"), flow_modes, &stateless);
	frontend->stateless = stateless;
	json_get_word(on_timeout, on_timeouts, &reset_idle);
	frontend->reset_idle = reset_idle;
	if (reset_idle && protocol == SHUNT_UDP)
		json_at_error(on_timeout, "\"reset\" is for \"protocol\": \"tcp\" only");
	else if (reset_idle && stateless)
		json_at_error(on_timeout,
			"\"reset\" needs \"flow-mode\": \"stateful\": of a stateless flow nobody "
			"knows when it has been idle");
}

static void
read_cookies(struct json_at at, struct frontend_config *frontend)
{
	static const struct json_word uses[] = {
		{ "auto", SHUNT_COOKIES_AUTO },
		{ "always", SHUNT_COOKIES_ALWAYS },
		{ "never", SHUNT_COOKIES_NEVER },
		{ NULL, 0 },
	};
	struct json_at use_at = json_at_member(&at, "syn-cookies");
	struct json_at rate_at = json_at_member(&at, "syn-flood-rate");
	int use = SHUNT_COOKIES_AUTO;
	int64_t rate = 0;

	frontend->has_syn_cookies = json_get_word(use_at, uses, &use);
	frontend->syn_cookies = (uint8_t)use;
	json_get_int(rate_at, 1, SHUNT_MAX_SYN_FLOOD_RATE, &rate);
	frontend->syn_flood_rate = (uint32_t)rate;
	if (frontend->has_syn_cookies && frontend->protocol == SHUNT_UDP)
		json_at_error(use_at, "is for \"protocol\": \"tcp\" only");
	if (rate && (frontend->protocol == SHUNT_UDP || use != SHUNT_COOKIES_AUTO))
		json_at_error(rate_at,
			"says when \"syn-cookies\": \"auto\" begins, for \"protocol\": \"tcp\" "
			"only");
}

static void
read_frontend(
	struct json_at at, const struct config_defaults *defaults, struct frontend_config *frontend)
{
	static const char *const keys[] = { "name", "bind", "protocol", "timeout",
		"default-backend", "announce", "on-timeout", "flow-mode", "syn-cookies",
		"syn-flood-rate", "maxconn", "rate-limit", "source-limit", "on-limit", "rules",
		NULL };

	frontend->timeout = defaults->timeout;
	if (!json_get_object(at, keys))
		return;
	if (json_at_require(json_at_member(&at, "name")))
		json_get_name(json_at_member(&at, "name"), frontend->name);
	read_binds(json_at_member(&at, "bind"), frontend);
	read_words(at, frontend);
	read_cookies(at, frontend);
	config_read_timeout(json_at_member(&at, "timeout"), &frontend->timeout, NULL);
	config_read_limits(at, frontend);
	config_read_rules(json_at_member(&at, "rules"), frontend);
}

void
config_read_frontends(
	struct json_at at, const struct config_defaults *defaults, struct config *config)
{
	size_t count = 0;

	if (!json_get_array(at, SHUNT_MAX_SERVICES - 1, &count) && json_at_present(at))
		return;
	if (count == 0) {
		json_at_warning(at, "no frontends: nothing is balanced");
		return;
	}
	config->frontends = calloc(count, sizeof(*config->frontends));
	if (!config->frontends) {
		json_at_error(at, "out of memory");
		return;
	}
	config->frontend_count = count;
	for (size_t i = 0; i < count; i++)
		read_frontend(json_at_element(&at, i), defaults, &config->frontends[i]);
}
