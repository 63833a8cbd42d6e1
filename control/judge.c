/* SPDX-License-Identifier: BSD-3-Clause */
#include "judge.h"

#include "rules.h"
#include "state.h"

static bool
any_port(const struct shunt_port_range *ranges, size_t count, uint16_t port)
{
	for (size_t i = 0; i < count; i++) {
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	}
	return false;
}

static bool
any_interface(const struct acl_config *acl, const char *name)
{
	for (size_t i = 0; i < acl->interface_count; i++) {
		if (strcmp(acl->interfaces[i], name) == 0)
			return true;
	}
	return false;
}

static bool
has_bytes(const struct shunt_match *m, const struct judge_packet *p)
{
	for (unsigned int i = 0; i < m->length; i++) {
		if ((size_t)m->offset + i >= p->payload_bytes ||
			(p->payload[m->offset + i] & m->mask[i]) != m->bytes[i])
			return false;
	}
	return true;
}

static bool
any_match(const struct acl_config *acl, const struct judge_packet *p)
{
	for (size_t i = 0; i < acl->match_count; i++) {
		if (has_bytes(&acl->matches[i], p))
			return true;
	}
	return false;
}

static bool
acl_holds(const struct control *control, const struct acl_config *acl, const struct judge_packet *p,
	bool *assumed)
{
	unsigned int protocol = p->protocol == SHUNT_TCP ? SHUNT_ACL_TCP : SHUNT_ACL_UDP;
	bool has_payload = p->protocol == SHUNT_UDP;

	if ((acl->kinds & SHUNT_ACL_TRUTH) &&
		!shunt_truth_bit(rules_truth(control)->words, acl->truth))
		return false;
	if ((acl->kinds & SHUNT_ACL_PROTOCOL) && !(acl->protocols & protocol))
		return false;
	if ((acl->kinds & SHUNT_ACL_SRC_PORT) &&
		!any_port(acl->src_ports, acl->src_port_count, p->source_port))
		return false;
	if ((acl->kinds & SHUNT_ACL_DST_PORT) &&
		!any_port(acl->dst_ports, acl->dst_port_count, p->destination_port))
		return false;
	if ((acl->kinds & SHUNT_ACL_SRC) && !prefix_set_has(acl->src, &p->source))
		return false;
	if ((acl->kinds & SHUNT_ACL_DST) && !prefix_set_has(acl->dst, &p->destination))
		return false;
	/* Last what may not be known, so that it is asked for only where it decides. */
	if (acl->kinds & SHUNT_ACL_INTERFACE) {
		*assumed |= !p->interface;
		if (!p->interface || !any_interface(acl, p->interface))
			return false;
	}
	if (acl->kinds & CONFIG_ACL_SOURCE) {
		*assumed = true;
		return false;
	}
	if (acl->kinds & SHUNT_ACL_PAYLOAD) {
		*assumed |= has_payload && !p->payload;
		return has_payload && p->payload && any_match(acl, p);
	}
	return true;
}

size_t
judge(const struct control *control, const struct service *service,
	const struct judge_packet *packet, bool *assumed)
{
	const struct frontend_config *frontend = service->config;

	*assumed = false;
	for (size_t i = 0; frontend && i < frontend->rule_count; i++) {
		const struct rule_config *rule = &frontend->rules[i];
		bool all = true;

		for (size_t k = 0; all && k < rule->literal_count; k++) {
			uint32_t literal = rule->literals[k];
			const struct acl_config *acl =
				&control->config->acls[literal & ~SHUNT_LITERAL_NOT];

			all = acl_holds(control, acl, packet, assumed) !=
				((literal & SHUNT_LITERAL_NOT) != 0);
		}
		if (all)
			return i;
	}
	return SIZE_MAX;
}

const char *
judge_action_name(uint8_t action)
{
	static const char *const names[SHUNT_RULE_ACTION_COUNT] = {
		[SHUNT_RULE_ACCEPT] = "accept",
		[SHUNT_RULE_DROP] = "drop",
		[SHUNT_RULE_REJECT] = "reject",
		[SHUNT_RULE_USE_BACKEND] = "use-backend",
		[SHUNT_RULE_RATE_LIMIT] = "rate-limit",
	};

	return action < SHUNT_RULE_ACTION_COUNT ? names[action] : "";
}

void
judge_rule_text(
	const struct config *config, const struct rule_config *rule, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "%s", judge_action_name(rule->action));

	if (rule->backend != SIZE_MAX && used < size)
		used += (size_t)snprintf(
			text + used, size - used, " %s", config->backends[rule->backend].name);
	if (rule->rate && used < size)
		used += (size_t)snprintf(text + used, size - used, " %u/s", rule->rate);
	for (size_t i = 0; i < rule->literal_count && used < size; i++) {
		uint32_t literal = rule->literals[i];

		used += (size_t)snprintf(text + used, size - used, "%s%s%s", i ? " " : " if ",
			literal & SHUNT_LITERAL_NOT ? "!" : "",
			config->acls[literal & ~SHUNT_LITERAL_NOT].name);
	}
}
