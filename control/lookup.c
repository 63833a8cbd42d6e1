/* SPDX-License-Identifier: BSD-3-Clause */
#include "lookup.h"

#include <arpa/inet.h>

#include "shunt/selection.h"
#include "shunt/stats.h"
#include "image.h"
#include "judge.h"
#include "publish.h"
#include "state.h"

/* What rules may ask for, and only who asks can know. */
static bool
parse_more(struct lookup *lookup, struct json_at args)
{
	struct json_at interface = json_at_member(&args, "interface");
	struct json_at payload = json_at_member(&args, "payload");
	const char *digits;
	bool right = true;

	lookup->interface[0] = '\0';
	lookup->payload_bytes = 0;
	if (json_at_present(interface))
		right = json_get_name(interface, lookup->interface);
	if (!json_at_present(payload))
		return right;
	if (lookup->protocol != SHUNT_UDP) {
		json_at_error(payload, "is for udp only: rules look into first packets of UDP");
		return false;
	}
	if (!json_get_string(payload, 2 * sizeof(lookup->payload), &digits))
		return false;
	lookup->payload_bytes = strlen(digits) / 2;
	return json_get_hex(payload, lookup->payload, lookup->payload_bytes) && right;
}

bool
lookup_parse(struct lookup *lookup, struct json_at args)
{
	static const struct json_word protocols[] = {
		{ "tcp", SHUNT_TCP },
		{ "udp", SHUNT_UDP },
		{ NULL, 0 },
	};
	struct json_at protocol_at = json_at_member(&args, "protocol");
	struct json_at client_at = json_at_member(&args, "client");
	struct json_at address_at = json_at_member(&args, "address");
	int protocol = 0;
	bool right;

	right = json_get_word(protocol_at, protocols, &protocol);
	right &= json_get_endpoint(client_at, &lookup->client, &lookup->client_port_be);
	right &= json_get_endpoint(address_at, &lookup->address, &lookup->port_be);
	if (right && shunt_addr_is_v4(&lookup->client) != shunt_addr_is_v4(&lookup->address)) {
		json_at_error(client_at,
			"the client and the address are of different families; both IPv4 or both "
			"IPv6");
		right = false;
	}
	lookup->protocol = (uint8_t)protocol;
	return right && parse_more(lookup, args);
}

/* Of two that have a port, is it the first one's? As the workers see it: see table.h. */
static bool
has_before(const struct service *a, const struct service *b)
{
	int first_a = ntohs(a->port_be), first_b = ntohs(b->port_be);
	int more_a = ntohs(a->last_port_be) - first_a, more_b = ntohs(b->last_port_be) - first_b;

	return more_a != more_b ? more_a < more_b : first_a < first_b;
}

const struct service *
lookup_service(const struct control *control, const struct lookup *lookup)
{
	const struct service *found = NULL;
	uint16_t port = ntohs(lookup->port_be);

	for (size_t i = 0; i < control->service_count; i++) {
		const struct service *service = &control->services[i];

		if (service->protocol == lookup->protocol && ntohs(service->port_be) <= port &&
			ntohs(service->last_port_be) >= port &&
			shunt_addr_equal(&service->address, &lookup->address) &&
			(!found || has_before(service, found)))
			found = service;
	}
	return found;
}

static const struct server *
find_id(const struct control *control, uint32_t id)
{
	for (size_t i = 0; i < control->backend_count; i++) {
		const struct backend *backend = control->backends[i];

		for (size_t j = 0; j < backend_all_count(backend); j++) {
			if (backend_any(backend, j)->id == id)
				return backend_any(backend, j);
		}
	}
	return NULL;
}

static json_t *
answer(const char *action, const struct service *service, const struct backend *backend,
	const char *server, const char *reason)
{
	return json_pack("{s:s, s:s?, s:s?, s:s?, s:s}", "action", action, "frontend",
		service ? service->frontend : NULL, "backend",
		backend ? backend->config.name : NULL, "server", server, "reason", reason);
}

/* The backend as the workers have it, checked to be whole; NULL: they do not have it yet. */
static const struct shunt_backend *
running_backend(const struct image *image, const struct backend *backend)
{
	const struct shunt_backend *running = NULL;
	size_t length;

	if (image && backend->id)
		running = image_get(image, SHUNT_KIND_BACKEND, backend->id, &length);
	if (running && (length < sizeof(*running) || length != shunt_backend_bytes(running)))
		return NULL;
	return running;
}

static const struct shunt_member *
backend_members(const struct shunt_backend *backend)
{
	return (const struct shunt_member *)(backend + 1);
}

/* The id of the server the consistent hash gives; 0: none. What dataplane/select_source.c does. */
static uint32_t
pick_by_hash(
	const struct image *image, const struct shunt_backend *backend, const struct lookup *lookup)
{
	const struct shunt_member *members = backend_members(backend);
	const uint16_t *slots = (const uint16_t *)(members + backend->member_count);
	struct shunt_selection_key key = {
		.client = lookup->client,
		.client_port_be = lookup->client_port_be,
		.service_port_be = lookup->port_be,
		.protocol = lookup->protocol,
		.service = lookup->address,
	};
	const struct shunt_settings *settings;
	uint32_t hash, slot;
	size_t length;

	shunt_selection_network(
		&key.client, backend->ignored_bits4 % 33, backend->ignored_bits6 % 129);
	settings = image_get(image, SHUNT_KIND_SETTINGS, 1, &length);
	if (!settings || length != sizeof(*settings) || !backend->slot_count)
		return 0;
	hash = shunt_selection_hash(settings->hash_secret, backend->hash_on, &key);
	slot = slots[shunt_selection_slot(hash, backend->slot_count)];
	return slot < backend->member_count ? members[slot].server : 0;
}

/* "forward" to a server, unless the way to it is not known. */
static json_t *
answer_server(const struct control *control, const struct service *service,
	const struct backend *backend, uint32_t id, const char *reason)
{
	const struct server *server = find_id(control, id);
	const struct image *image = publish_image(control->publish);
	const struct shunt_server *running = NULL;
	char text[200];
	size_t length;

	if (!server) {
		snprintf(text, sizeof(text), "%s, to a server that has been removed", reason);
		return answer("forward", service, backend, NULL, text);
	}
	if (image)
		running = image_get(image, SHUNT_KIND_SERVER, id, &length);
	if (running && length == sizeof(*running) && !running->nexthop) {
		snprintf(text, sizeof(text), "%s, but no-neighbor: %s", reason,
			shunt_drop_explanation(SHUNT_DROP_NO_NEIGHBOR));
		return answer("drop", service, backend, server->config.name, text);
	}
	if (server->removed) {
		snprintf(text, sizeof(text), "%s, to a server that has been removed from the file",
			reason);
		return answer("forward", service, backend, server->config.name, text);
	}
	return answer("forward", service, backend, server->config.name, reason);
}

/* What becomes of a packet of a flow that the workers have: `id` is its server's. */
static json_t *
answer_flow(const struct control *control, const struct service *service, uint32_t id)
{
	const struct server *server = find_id(control, id);
	/* By its rules the service may lead to others than its own. */
	const struct backend *backend = server ? server->backend : service->backend;
	char text[200];

	if (!server || !backend->config.shutdown_sessions ||
		server_state(server) != SHUNT_SERVER_DOWN)
		return answer_server(control, service, backend, id,
			service->stateless ? "flow from before a change, or stored"
					   : "established flow");
	snprintf(text, sizeof(text),
		"reset: %s; the server is down, and its backend has "
		"\"on-marked-down\": \"shutdown-sessions\"",
		shunt_drop_explanation(SHUNT_DROP_RESET));
	return answer("drop", service, backend, server->config.name, text);
}

static const char *const reasons[SHUNT_ALGORITHM_COUNT] = {
	[SHUNT_ROUNDROBIN] = "next in round robin: the server depends on the moment",
	[SHUNT_LEASTCONN] = "least connections: the server depends on the moment",
	[SHUNT_RANDOM] = "the better of two that chance names",
	[SHUNT_FIRST] = "the first that has room",
};

/* Which server is next depends on chance, or on every worker's moment. */
static json_t *
answer_candidates(const struct control *control, const struct service *service,
	const struct backend *lead, const struct shunt_backend *backend)
{
	const struct shunt_member *members = backend_members(backend);
	json_t *data, *candidates = json_array();

	data = answer("forward", service, lead, NULL, reasons[backend->algorithm]);
	for (uint32_t i = 0; i < backend->member_count; i++) {
		const struct server *server = find_id(control, members[i].server);

		if (server)
			json_array_append_new(candidates, json_string(server->config.name));
	}
	if (json_object_set_new(data, "candidates", candidates) == 0)
		return data;
	json_decref(data);
	return NULL;
}

/* A limit refuses what begins now; in a moment it may be let in. */
static json_t *
answer_refusal(const struct service *service, const struct backend *backend, uint32_t refusal)
{
	char text[200];

	snprintf(text, sizeof(text), "%s, at this moment: %s", shunt_drop_name(refusal),
		shunt_drop_explanation(refusal));
	return answer(service->limit.drop ? "drop" : "reject", service, backend, NULL, text);
}

static const char *
hash_reason(uint8_t hash_on, bool stateless)
{
	switch (hash_on) {
	case SHUNT_HASH_SOURCE_PORT:
		return stateless ? "source-port hash, stateless" : "source-port hash";
	case SHUNT_HASH_CONNECTION:
		return stateless ? "connection hash, stateless" : "connection hash";
	default:
		return stateless ? "source hash, stateless" : "source hash";
	}
}

/* Adds where packets to the servers come from, if it is not the client. Takes `data` over. */
static json_t *
with_sources(json_t *data, const struct backend *lead)
{
	const struct backend_config *backend = &lead->config;
	json_t *sources;

	if (!data || backend->source_count == 0)
		return data;
	sources = json_array();
	for (size_t i = 0; i < backend->source_count; i++) {
		char text[JSON_ADDRESS_TEXT_SIZE];

		json_address_text(&backend->sources[i], text);
		json_array_append_new(sources, json_string(text));
	}
	if (json_object_set_new(data, "source-addresses", sources) == 0)
		return data;
	json_decref(data);
	return NULL;
}

/* Adds a reason why it may yet be otherwise. Takes `data` over. */
static json_t *
with_unless(json_t *data, bool applies, const char *text)
{
	json_t *unless = data ? json_object_get(data, "unless") : NULL;

	if (!data || !applies)
		return data;
	if (!unless) {
		unless = json_array();
		if (json_object_set_new(data, "unless", unless) < 0) {
			json_decref(data);
			return NULL;
		}
	}
	json_array_append_new(unless, json_string(text));
	return data;
}

static bool
has_maxconn(const struct shunt_backend *backend)
{
	for (uint32_t i = 0; i < backend->member_count; i++) {
		if (backend_members(backend)[i].maxconn)
			return true;
	}
	return false;
}

/* What the workers look at beside the algorithm, and only they know. */
static json_t *
with_choice(json_t *data, const struct shunt_backend *backend)
{
	data = with_unless(data, backend->persist_ms,
		"the client's network has another server, by persistence");
	data = with_unless(data, backend->balance_factor,
		"the server has more than its part, by hash-balance-factor");
	return with_unless(data, has_maxconn(backend),
		backend->reject_full ? "the server has maxconn sessions: then it is refused"
				     : "the server has maxconn sessions: then it is another's");
}

/* Where a new flow goes that the rules let in. */
static json_t *
answer_new(const struct control *control, const struct service *service, const struct backend *lead,
	const struct lookup *lookup, uint32_t refusal)
{
	const struct image *image = control->publish ? publish_image(control->publish) : NULL;
	const struct shunt_backend *backend = running_backend(image, lead);
	json_t *data;

	if (!backend)
		return answer("none", service, lead, NULL,
			"the dataplane has not been told of this service yet");
	if (!backend->member_count)
		return answer(
			"drop", service, lead, NULL, "no-server: the backend has no server up");
	if (refusal)
		return answer_refusal(service, lead, refusal);
	if (backend->algorithm != SHUNT_SOURCE)
		data = answer_candidates(control, service, lead, backend);
	else
		data = answer_server(control, service, lead, pick_by_hash(image, backend, lookup),
			hash_reason(backend->hash_on, service->stateless));
	return with_sources(with_choice(data, backend), lead);
}

/* Says by which rule, and what had to be assumed. Takes `data` over. */
static json_t *
with_rule(json_t *data, const char *rule, bool assumed)
{
	static const char note[] =
		"an ACL asks for what is not known here, and counts as not holding: interface or "
		"payload (add \"interface NAME\" or \"payload HEX\"), conn-rate or conn-count";
	int failed = !data;

	if (data && rule)
		failed |= json_object_set_new(data, "rule", json_string(rule));
	if (data && assumed)
		failed |= json_object_set_new(data, "note", json_string(note));
	if (!failed)
		return data;
	json_decref(data);
	return NULL;
}

/* refusal: of the limits, for who is let in; 0: none. */
static json_t *
answer_by_rules(const struct control *control, const struct service *service,
	const struct lookup *lookup, uint32_t refusal)
{
	const struct judge_packet packet = {
		.source = lookup->client,
		.destination = lookup->address,
		.source_port = ntohs(lookup->client_port_be),
		.destination_port = ntohs(lookup->port_be),
		.protocol = lookup->protocol,
		.interface = lookup->interface[0] ? lookup->interface : NULL,
		.payload = lookup->payload_bytes ? lookup->payload : NULL,
		.payload_bytes = lookup->payload_bytes,
	};
	const struct rule_config *rule;
	const struct backend *lead = service->backend;
	char rule_text[1024], text[1200];
	bool assumed;
	size_t index = judge(control, service, &packet, &assumed);

	if (index == SIZE_MAX)
		return with_rule(
			answer_new(control, service, lead, lookup, refusal), NULL, assumed);
	rule = &service->config->rules[index];
	judge_rule_text(control->config, rule, rule_text, sizeof(rule_text));
	snprintf(text, sizeof(text), "rule %zu of frontend %s: %s", index + 1, service->frontend,
		rule_text);
	if (rule->action == SHUNT_RULE_DROP || rule->action == SHUNT_RULE_REJECT)
		return with_rule(answer(judge_action_name(rule->action), service, NULL, NULL, text),
			text, assumed);
	if (rule->action == SHUNT_RULE_USE_BACKEND)
		lead = control->backends[rule->backend];
	return with_rule(
		with_unless(answer_new(control, service, lead, lookup, refusal),
			rule->action == SHUNT_RULE_RATE_LIMIT, "the rule's rate is used up"),
		text, assumed);
}

json_t *
lookup_answer(
	const struct control *control, const struct lookup *lookup, uint32_t flow, uint32_t refusal)
{
	const struct service *service = lookup_service(control, lookup);
	const struct server *server;

	if (!service)
		return answer("none", NULL, NULL, NULL,
			"no frontend has this address, port and protocol");
	if (flow) {
		server = find_id(control, flow);
		/* The workers select anew for the UDP flows of a server that is down. */
		if (lookup->protocol != SHUNT_UDP ||
			(server && server_state(server) != SHUNT_SERVER_DOWN))
			return with_sources(answer_flow(control, service, flow),
				server ? server->backend : service->backend);
	}
	/* What has been let in once is not asked about again. */
	return answer_by_rules(control, service, lookup, flow ? SHUNT_DROP_NONE : refusal);
}
