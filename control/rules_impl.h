/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of control->rules, for rules.c, rules_counters.c and rules_pieces.c alone. */
#ifndef CONTROL_RULES_IMPL_H
#define CONTROL_RULES_IMPL_H

#include "rules.h"
#include "state.h"

/* Whose is a counter? */
struct rule_counter {
	uint64_t identity;
	uint64_t base; /* what it had when the rule got it */
	uint32_t counter;
	uint32_t number; /* of the rule, while they are being given */
};

struct rules {
	struct image *image;   /* the pieces; NULL: none made yet */
	uint64_t serial;       /* of the configuration that they were made of */
	uint32_t *backend_ids; /* as they were then, in the file's order */
	size_t backend_count;
	uint32_t port_count;
	char ports[SHUNT_MAX_PORTS][SHUNT_NAME_SIZE];
	struct rule_counter *counters; /* by the rules' numbers */
	size_t counter_count;
	struct rule_counter *known; /* of the rules before these, or of those adopted */
	size_t known_count;
	size_t known_room;
	uint32_t last_counter;
	struct shunt_truth truth;
};

/* Made when it is first asked for. NULL: out of memory. */
struct rules *rules_of(struct control *control);

/*
 * rules_counters.c: fills in rules->counters for the rules of control->config. 0, -ENOMEM.
 */
int rules_give_counters(struct control *control);

/* rules_pieces.c: the pieces of these kinds. 0, -ENOMEM. */
int rules_make_prefixes(const struct config *config, struct image *image);
int rules_make_acls(const struct config *config, const struct rules *rules, struct image *image);
int rules_make_rules(const struct control *control, struct image *image);

#endif
