/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of frontends, and what they name. */
#include <stdlib.h>

#include "config_read.h"

/* Of one rule. Times 4096 they are what a piece of the image holds. */
#define MAX_LITERALS 64

static_assert(MAX_LITERALS * SHUNT_RULES_A_PIECE <= SHUNT_MAX_PIECE_PARTS, "they fit a piece");

/* So many new sessions a second, and as many at once as a second's worth, if nothing else is said.
 */
static void
read_rate(const struct json_at *at, struct rule_config *rule)
{
	static const char *const keys[] = { "rate", "burst", "over" };
	static const struct json_word overs[] = {
		{ "reject", false },
		{ "drop", true },
		{ NULL, 0 },
	};
	struct json_at rate = json_at_member(at, "rate"), burst = json_at_member(at, "burst");
	int64_t value;
	int drop = false;

	if (rule->action != SHUNT_RULE_RATE_LIMIT) {
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			config_key_is_for(
				json_at_member(at, keys[i]), false, "\"action\": \"rate-limit\"");
		return;
	}
	if (json_at_require(rate) && json_get_int(rate, 1, SHUNT_MAX_RATE, &value))
		rule->rate = rule->burst = (uint32_t)value;
	if (json_get_int(burst, 1, SHUNT_MAX_BURST, &value))
		rule->burst = (uint32_t)value;
	json_get_word(json_at_member(at, "over"), overs, &drop);
	rule->drop = drop;
}

static void
read_rule(struct json_at at, struct rule_config *rule)
{
	static const char *const keys[] = { "if", "action", "backend", "rate", "burst", "over",
		NULL };
	static const struct json_word actions[] = {
		{ "accept", SHUNT_RULE_ACCEPT },
		{ "drop", SHUNT_RULE_DROP },
		{ "reject", SHUNT_RULE_REJECT },
		{ "use-backend", SHUNT_RULE_USE_BACKEND },
		{ "rate-limit", SHUNT_RULE_RATE_LIMIT },
		{ NULL, 0 },
	};
	struct json_at action = json_at_member(&at, "action");
	struct json_at backend = json_at_member(&at, "backend");
	int value;

	rule->backend = SIZE_MAX;
	if (!json_get_object(at, keys) || !json_at_require(action) ||
		!json_get_word(action, actions, &value))
		return;
	rule->action = (uint8_t)value;
	if (value == SHUNT_RULE_USE_BACKEND)
		json_at_require(backend);
	else if (json_at_present(backend))
		json_at_error(backend, "is for \"action\": \"use-backend\" only");
	read_rate(&at, rule);
}

void
config_read_rules(struct json_at at, struct frontend_config *frontend)
{
	size_t count = 0;

	if (!json_get_array(at, SHUNT_MAX_RULES - 1, &count) || count == 0)
		return;
	frontend->rules = calloc(count, sizeof(*frontend->rules));
	if (!frontend->rules) {
		json_at_error(at, "out of memory");
		return;
	}
	frontend->rule_count = count;
	for (size_t i = 0; i < count; i++)
		read_rule(json_at_element(&at, i), &frontend->rules[i]);
}

/* What one pass over the rules has seen. */
struct rule_checker {
	struct config *config;
	json_t *acl_names; /* to index */
	json_t *backend_names;
	bool *used_acls;
	bool *used_backends;
	size_t ways; /* services times the backends that they may lead to */
	bool no_memory;
};

/* "office" or "!office". */
static void
resolve_literal(struct json_at at, struct rule_checker *c, uint32_t *literal)
{
	const char *text;
	const json_t *found;
	bool negated;

	if (!json_get_string(at, SHUNT_NAME_SIZE, &text))
		return;
	negated = text[0] == '!';
	found = json_object_get(c->acl_names, text + negated);
	if (!found) {
		json_at_error(at, "there is no ACL \"%s\" in $.acls", text + negated);
		return;
	}
	*literal = (uint32_t)json_integer_value(found);
	c->used_acls[*literal] = true;
	*literal |= negated ? SHUNT_LITERAL_NOT : 0;
}

static void
resolve_if(struct json_at at, struct rule_checker *c, struct rule_config *rule)
{
	size_t count = 1;

	if (!json_at_present(at))
		return;
	if (!json_is_string(at.value) && !json_is_array(at.value)) {
		json_at_mismatch(at, "the name of an ACL, or an array of them");
		return;
	}
	if (json_is_array(at.value) && !json_get_array(at, MAX_LITERALS, &count))
		return;
	if (count == 0)
		json_at_error(at, "names no ACL: leave \"if\" out where a rule is always to hold");
	rule->literals = calloc(count + 1, sizeof(*rule->literals));
	if (!rule->literals) {
		c->no_memory = true;
		return;
	}
	rule->literal_count = count;
	for (size_t i = 0; i < count; i++)
		resolve_literal(json_is_array(at.value) ? json_at_element(&at, i) : at, c,
			&rule->literals[i]);
}

/* Does the rule ask how many sessions clients have? It can only where they are counted. */
static bool
check_counted(struct json_at at, const struct rule_checker *c,
	const struct frontend_config *frontend, const struct rule_config *rule)
{
	bool counted = frontend->limit.source_prefix;
	bool asks = false;

	/* Without any ACL what a rule names has been complained of. */
	for (size_t i = 0; i < rule->literal_count && c->config->acl_count > 0; i++) {
		const struct acl_config *acl =
			&c->config->acls[rule->literals[i] & ~SHUNT_LITERAL_NOT];

		if (!(acl->kinds & CONFIG_ACL_SOURCE))
			continue;
		asks = true;
		if (counted)
			continue;
		json_at_error(json_is_array(at.value) ? json_at_element(&at, i) : at,
			"the ACL asks for \"conn-rate\" or \"conn-count\", so the frontend needs "
			"\"source-limit\", which says what networks are counted");
	}
	return asks;
}

static void
resolve_backend(struct json_at at, struct rule_checker *c, struct rule_config *rule)
{
	char name[SHUNT_NAME_SIZE];
	const json_t *found;

	if (rule->action != SHUNT_RULE_USE_BACKEND || !json_get_name(at, name))
		return;
	found = json_object_get(c->backend_names, name);
	if (!found && json_object_size(c->backend_names) > 0)
		json_at_error(at, "there is no backend \"%s\"", name);
	if (!found)
		return;
	rule->backend = (size_t)json_integer_value(found);
	c->used_backends[rule->backend] = true;
}

static int
compare_indices(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Each backend that the rules lead to once, without the frontend's own. */
static void
find_targets(struct rule_checker *c, struct frontend_config *frontend)
{
	size_t count = 0, kept = 0;

	frontend->targets = calloc(frontend->rule_count + 1, sizeof(*frontend->targets));
	if (!frontend->targets) {
		c->no_memory = true;
		return;
	}
	for (size_t i = 0; i < frontend->rule_count; i++) {
		if (frontend->rules[i].backend != SIZE_MAX &&
			frontend->rules[i].backend != frontend->backend)
			frontend->targets[count++] = frontend->rules[i].backend;
	}
	qsort(frontend->targets, count, sizeof(*frontend->targets), compare_indices);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || frontend->targets[kept - 1] != frontend->targets[i])
			frontend->targets[kept++] = frontend->targets[i];
	}
	frontend->target_count = kept;
}

static void
check_frontend(struct json_at at, struct rule_checker *c, struct frontend_config *frontend)
{
	struct json_at rules = json_at_member(&at, "rules");
	struct json_at sources = json_at_member(&at, "source-limit");
	bool asks = false;

	for (size_t i = 0; i < frontend->rule_count; i++) {
		struct json_at rule = json_at_element(&rules, i);
		struct json_at ifs = json_at_member(&rule, "if");
		struct json_at backend = json_at_member(&rule, "backend");

		if (!json_is_object(rule.value))
			continue;
		resolve_if(ifs, c, &frontend->rules[i]);
		asks |= check_counted(ifs, c, frontend, &frontend->rules[i]);
		resolve_backend(backend, c, &frontend->rules[i]);
		/* What comes behind a rule that always holds is never reached. */
		if (frontend->rules[i].literal_count == 0 && !json_at_present(ifs) &&
			i + 1 < frontend->rule_count)
			json_at_warning(json_at_element(&rules, i + 1),
				"is never reached, and none behind it: rule %zu has no \"if\", so "
				"it always holds",
				i + 1);
	}
	if (frontend->limit.source_prefix && !asks &&
		!json_at_present(json_at_member(&sources, "rate")) &&
		!json_at_present(json_at_member(&sources, "maxconn")))
		json_at_error(sources,
			"limits nothing: it needs \"rate\", \"maxconn\" or both, or a rule with an "
			"ACL that asks for \"conn-rate\" or \"conn-count\"");
	if (frontend->rule_count > 0)
		find_targets(c, frontend);
	c->config->rule_count += frontend->rule_count;
	/* As the dataplane counts: the frontend's own backend again, if a rule names it. */
	c->ways += frontend->bind_count * (frontend->target_count + 2);
}

static void
check_totals(struct json_at frontends, const struct rule_checker *c)
{
	if (c->config->rule_count >= SHUNT_MAX_RULES)
		json_at_error(frontends, "have %zu rules in all, the limit is %u",
			c->config->rule_count, SHUNT_MAX_RULES - 1);
	if (c->ways >= SHUNT_MAX_WAYS)
		json_at_error(frontends,
			"lead by their rules from %zu binds to backends in all, the limit is %d",
			c->ways, SHUNT_MAX_WAYS - 1);
}

static void
warn_unused(struct json_at acls, const struct rule_checker *c)
{
	for (size_t i = 0; i < c->config->acl_count; i++) {
		if (!c->used_acls[i] && c->config->acls[i].name[0])
			json_at_warning(json_at_member(&acls, c->config->acls[i].name),
				"no rule uses this ACL");
	}
}

static bool
name_acls(struct rule_checker *c)
{
	for (size_t i = 0; i < c->config->acl_count; i++) {
		if (json_object_set_new(
			    c->acl_names, c->config->acls[i].name, json_integer((json_int_t)i)) < 0)
			return false;
	}
	return true;
}

bool
config_check_rules(
	const struct json_at *root, json_t *backend_names, bool *used, struct config *config)
{
	struct json_at frontends = json_at_member(root, "frontends");
	struct rule_checker c = {
		.config = config,
		.acl_names = json_object(),
		.backend_names = backend_names,
		.used_acls = calloc(config->acl_count + 1, sizeof(bool)),
		.used_backends = used,
	};

	c.no_memory = !c.acl_names || !c.used_acls || !name_acls(&c);
	for (size_t i = 0; !c.no_memory && i < config->frontend_count; i++)
		check_frontend(json_at_element(&frontends, i), &c, &config->frontends[i]);
	if (!c.no_memory) {
		check_totals(frontends, &c);
		warn_unused(json_at_member(root, "acls"), &c);
	}
	json_decref(c.acl_names);
	free(c.used_acls);
	return !c.no_memory;
}
