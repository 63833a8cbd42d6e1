/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "check": {"observe": ...}: what it says, and whether there is anything to observe. Only TCP flows
 * that are stored are: see dataplane/track_asked.c. And whether servers of UDP are asked by TCP.
 */
#include <stdlib.h>

#include "config_read.h"

#define WITHIN_MIN_MS 100
#define WITHIN_MAX_MS 60000
#define LEAST_MAX     1000000

void
config_read_observe(struct json_at at, struct observe_config *observe)
{
	static const char *const keys[] = { "share", "within", "least", NULL };
	static const struct observe_config usual = { .share = 50, .within_ms = 1000, .least = 10 };
	int64_t value;

	if (!json_at_present(at))
		return;
	if (json_is_false(at.value)) {
		*observe = (struct observe_config){ 0 };
		return;
	}
	if (!json_is_true(at.value) && !json_is_object(at.value)) {
		json_at_mismatch(at, "true, false or an object");
		return;
	}
	/* Both turn it on, also where the level before said false. */
	if (!observe->share)
		*observe = usual;
	if (json_is_true(at.value))
		return;
	json_get_object(at, keys);
	if (json_get_int(json_at_member(&at, "share"), 1, 100, &value))
		observe->share = (uint8_t)value;
	json_get_time_ms(
		json_at_member(&at, "within"), WITHIN_MIN_MS, WITHIN_MAX_MS, &observe->within_ms);
	if (json_get_int(json_at_member(&at, "least"), 1, LEAST_MAX, &value))
		observe->least = (uint32_t)value;
}

/* The kinds of frontends that lead to a backend. */
enum {
	LEADS_COUNTED = 1, /* TCP, with a flow table */
	LEADS_STATELESS = 2,
	LEADS_UDP = 4,
};

static void
find_leads(const struct config *config, uint8_t *leads)
{
	for (size_t i = 0; i < config->frontend_count; i++) {
		const struct frontend_config *frontend = &config->frontends[i];
		uint8_t kind = frontend->protocol == SHUNT_UDP ? LEADS_UDP
			: frontend->stateless		       ? LEADS_STATELESS
							       : LEADS_COUNTED;

		for (size_t k = 0; k < frontend_lead_count(frontend); k++) {
			if (frontend_lead(frontend, k) != SIZE_MAX)
				leads[frontend_lead(frontend, k)] |= kind;
		}
	}
}

static const char *
what_leads(uint8_t leads)
{
	if (leads == LEADS_UDP)
		return "are of UDP";
	return leads == LEADS_STATELESS ? "are stateless" : "are of UDP or stateless";
}

/* One line a backend of each kind: its servers mostly have one check. */
static void
check_backend(struct json_at at, const struct backend_config *backend, uint8_t leads)
{
	struct json_at servers = json_at_member(&at, "servers");
	bool unchecked = false, observed = false;

	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server_config *server = &backend->servers[i];

		if (!server->check.observe.share)
			continue;
		if (server->check.enabled) {
			observed = true;
		} else if (!unchecked) {
			json_at_warning(json_at_element(&servers, i),
				"server \"%s\" has \"observe\" and \"check\": false: it is not "
				"observed, as all that would follow is probes",
				server->name);
			unchecked = true;
		}
	}
	if (observed && leads && !(leads & LEADS_COUNTED))
		json_at_warning(at,
			"has \"observe\", which does nothing here: all frontends that lead to "
			"\"%s\" %s, and only stored TCP flows are counted",
			backend->name, what_leads(leads));
}

/* What nobody has said is a TCP connection to the server's port. */
static void
warn_tcp(struct json_at at, const struct backend_config *backend, uint8_t leads)
{
	if (leads != LEADS_UDP)
		return;
	for (size_t i = 0; i < backend->server_count; i++) {
		const struct check_config *check = &backend->servers[i].check;

		if (!check->enabled || check->typed || check->talk || check->port_be ||
			check->via_service)
			continue;
		json_at_warning(at,
			"only frontends of UDP lead to \"%s\", but its servers are probed by TCP: "
			"one that takes no connections at its port is down; say of what \"type\" "
			"\"check\" is, such as \"udp\", \"dns\", \"icmp\", or \"tcp\" if it "
			"shall be that",
			backend->name);
		return;
	}
}

bool
config_check_observe(const struct json_at *backends, const struct config *config)
{
	uint8_t *leads = calloc(config->backend_count + 1, sizeof(*leads));

	if (!leads)
		return false;
	find_leads(config, leads);
	for (size_t i = 0; i < config->backend_count; i++) {
		check_backend(json_at_element(backends, i), &config->backends[i], leads[i]);
		warn_tcp(json_at_element(backends, i), &config->backends[i], leads[i]);
	}
	free(leads);
	return true;
}
