/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which counter has a rule's hits? The one that the same rule of the same frontend had before, else
 * one that nobody has. Counters only grow, so a rule remembers what its own had at the beginning.
 */
#include <errno.h>
#include <stdlib.h>

#include "shunt/selection.h"
#include "publish.h"
#include "rules_impl.h"

static uint64_t
raw_hits(const struct shunt_stats *stats, uint32_t counter)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; stats && i < stats->worker_count && i < SHUNT_MAX_WORKERS; i++)
		sum += shunt_stats_hits(stats, i)[counter];
	return sum;
}

/* What a rule says, by names: a hash of the frontend's, the backend's and the ACLs' hashes. */
static uint64_t
identity_of(const struct config *config, const struct frontend_config *frontend,
	const struct rule_config *rule)
{
	static const uint8_t no_secret[16];
	char text[2 * SHUNT_NAME_SIZE + 1] = { 0 };
	uint64_t chain[3];

	memcpy(text, frontend->name, SHUNT_NAME_SIZE);
	if (rule->backend != SIZE_MAX)
		memcpy(text + SHUNT_NAME_SIZE, config->backends[rule->backend].name,
			SHUNT_NAME_SIZE);
	text[2 * SHUNT_NAME_SIZE] = (char)rule->action;
	chain[0] = shunt_siphash(no_secret, text, sizeof(text));
	for (size_t i = 0; i < rule->literal_count; i++) {
		uint32_t literal = rule->literals[i];

		chain[1] = shunt_siphash(no_secret, config->acls[literal & ~SHUNT_LITERAL_NOT].name,
			SHUNT_NAME_SIZE);
		chain[2] = literal & SHUNT_LITERAL_NOT;
		chain[0] = shunt_siphash(no_secret, chain, sizeof(chain));
	}
	return chain[0];
}

static int
compare_identities(const void *a, const void *b)
{
	const struct rule_counter *x = a, *y = b;

	if (x->identity != y->identity)
		return x->identity < y->identity ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int
compare_numbers(const void *a, const void *b)
{
	const struct rule_counter *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* The rules of the configuration by identity, each with one of its own. NULL: out of memory. */
static struct rule_counter *
list_rules(const struct config *config)
{
	struct rule_counter *list = calloc(config->rule_count + 1, sizeof(*list));
	uint32_t n = 0;

	for (size_t i = 0; list && i < config->frontend_count; i++) {
		const struct frontend_config *frontend = &config->frontends[i];

		for (size_t k = 0; k < frontend->rule_count; k++, n++)
			list[n] = (struct rule_counter){
				.identity = identity_of(config, frontend, &frontend->rules[k]),
				.number = n,
			};
	}
	if (!list || n == 0)
		return list;
	qsort(list, n, sizeof(*list), compare_identities);
	/* Of rules that say the same only the first is ever hit, but each has its line. */
	for (uint32_t i = 1; i < n; i++) {
		if (list[i].identity <= list[i - 1].identity)
			list[i].identity = list[i - 1].identity + 1;
	}
	return list;
}

static bool
take(uint64_t *taken, uint32_t counter)
{
	uint64_t bit = 1ull << (counter % 64), *word = &taken[counter / 64];
	bool was_free = !(*word & bit);

	*word |= bit;
	return was_free;
}

/* Those that the rules of before have; both lists are sorted by identity. */
static void
keep_known(
	const struct rules *r, struct rule_counter *list, size_t count, bool *has, uint64_t *taken)
{
	size_t k = 0;

	for (size_t i = 0; i < count; i++) {
		while (k < r->known_count && r->known[k].identity < list[i].identity)
			k++;
		if (k == r->known_count || r->known[k].identity != list[i].identity ||
			!take(taken, r->known[k].counter))
			continue;
		list[i].counter = r->known[k].counter;
		list[i].base = r->known[k].base;
		has[i] = true;
	}
}

/* Behind the one given last, so that what is still counted for a rule that goes is nobody's. */
static void
give_free(struct rules *r, struct rule_counter *list, size_t count, const bool *has,
	uint64_t *taken, const struct shunt_stats *stats)
{
	for (size_t i = 0; i < count; i++) {
		if (has[i])
			continue;
		do
			r->last_counter = (r->last_counter + 1) % SHUNT_MAX_RULES;
		while (!take(taken, r->last_counter));
		list[i].counter = r->last_counter;
		list[i].base = raw_hits(stats, r->last_counter);
	}
}

/* Forgets the rules of before, and has these in their place. */
static int
remember(struct rules *r, struct rule_counter *list, size_t count)
{
	struct rule_counter *known = calloc(count + 1, sizeof(*known));

	if (!known)
		return -ENOMEM;
	memcpy(known, list, count * sizeof(*known));
	free(r->known);
	r->known = known;
	r->known_count = count;
	r->known_room = count + 1;
	if (count > 0)
		qsort(list, count, sizeof(*list), compare_numbers);
	free(r->counters);
	r->counters = list;
	r->counter_count = count;
	return 0;
}

int
rules_give_counters(struct control *control)
{
	const struct shunt_stats *stats = control->publish ? publish_stats(control->publish) : NULL;
	struct rules *r = control->rules;
	size_t count = control->config->rule_count;
	struct rule_counter *list = list_rules(control->config);
	uint64_t *taken = calloc(SHUNT_MAX_RULES / 64, sizeof(*taken));
	bool *has = calloc(count + 1, sizeof(*has));
	int rc = list && taken && has ? 0 : -ENOMEM;

	if (rc == 0) {
		if (r->known_count > 0)
			qsort(r->known, r->known_count, sizeof(*r->known), compare_identities);
		keep_known(r, list, count, has, taken);
		give_free(r, list, count, has, taken, stats);
		rc = remember(r, list, count);
	}
	if (rc < 0)
		free(list);
	free(taken);
	free(has);
	return rc;
}

int
rules_adopt(struct control *control, const struct shunt_rules *piece)
{
	const struct shunt_rule *rule = (const void *)(piece + 1);
	struct rules *r = rules_of(control);

	if (!r)
		return -ENOMEM;
	if (r->known_count + piece->rule_count > r->known_room) {
		size_t room = 2 * (r->known_count + piece->rule_count);
		struct rule_counter *known = reallocarray(r->known, room, sizeof(*known));

		if (!known)
			return -ENOMEM;
		r->known = known;
		r->known_room = room;
	}
	for (uint32_t i = 0; i < piece->rule_count; i++, rule++) {
		if (rule->counter >= SHUNT_MAX_RULES)
			continue;
		r->known[r->known_count++] = (struct rule_counter){
			.identity = rule->identity, .base = rule->base, .counter = rule->counter
		};
		if (rule->counter > r->last_counter)
			r->last_counter = rule->counter;
	}
	return 0;
}

void
rules_restart(struct control *control)
{
	struct rules *r = control->rules;

	if (!r)
		return;
	free(r->known);
	r->known = NULL;
	r->known_count = r->known_room = 0;
	image_destroy(r->image);
	r->image = NULL;
}

uint64_t
rules_hits(const struct control *control, size_t number, const struct shunt_stats *stats)
{
	const struct rules *r = control->rules;
	uint64_t raw;

	if (!r || number >= r->counter_count)
		return 0;
	raw = raw_hits(stats, r->counters[number].counter);
	return raw > r->counters[number].base ? raw - r->counters[number].base : 0;
}
