/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "judge.h"
#include "publish.h"
#include "rules.h"
#include "show.h"
#include "state.h"

static json_t *
conditions_of(const struct config *config, const struct rule_config *rule)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rule->literal_count; i++) {
		uint32_t literal = rule->literals[i];

		json_array_append_new(list,
			json_sprintf("%s%s", literal & SHUNT_LITERAL_NOT ? "!" : "",
				config->acls[literal & ~SHUNT_LITERAL_NOT].name));
	}
	return list;
}

/* number: counted over all frontends. */
static json_t *
show_rule(const struct control *control, const struct frontend_config *frontend, size_t index,
	size_t number)
{
	const struct rule_config *rule = &frontend->rules[index];
	const struct shunt_stats *stats = control->publish ? publish_stats(control->publish) : NULL;

	return json_pack("{s:s, s:I, s:s, s:s, s:o, s:I}", "frontend", frontend->name, "rule",
		(json_int_t)index + 1, "action", judge_action_name(rule->action), "backend",
		rule->backend == SIZE_MAX ? "" : control->config->backends[rule->backend].name,
		"if", conditions_of(control->config, rule), "hits",
		(json_int_t)rules_hits(control, number, stats));
}

json_t *
show_rules(const struct control *control)
{
	const struct config *config = control->config;
	json_t *rows = json_array();
	size_t number = 0;

	for (size_t i = 0; rows && config && i < config->frontend_count; i++) {
		for (size_t k = 0; k < config->frontends[i].rule_count; k++, number++) {
			if (json_array_append_new(rows,
				    show_rule(control, &config->frontends[i], k, number)) == 0)
				continue;
			json_decref(rows);
			return NULL;
		}
	}
	return rows;
}
