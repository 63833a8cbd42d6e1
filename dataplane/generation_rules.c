/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of a generation, and the backends that services lead to by them. */
#include <errno.h>
#include <stddef.h>

#include "generation_impl.h"
#include "objects.h"

static const uint32_t kinds[] = { SHUNT_KIND_PREFIXES, SHUNT_KIND_ACLS, SHUNT_KIND_RULES };

bool
gen_rules_are_same(const struct gen_builder *b)
{
	for (size_t i = 0; b->before && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (object_store_next_change(b->before->objects, b->objects, kinds[i], 0) !=
			UINT32_MAX)
			return false;
	}
	return b->before != NULL;
}

void
gen_set_truth(struct gen_builder *b)
{
	const struct shunt_truth *truth = gen_bytes_of(b, SHUNT_KIND_TRUTH, 1);

	if (truth)
		memcpy(b->generation->truth, truth->words, sizeof(b->generation->truth));
}

/* What takes a while, if there are many: so it is not done again for what has not changed. */
int
gen_build_rules(struct gen_builder *b)
{
	struct generation *g = b->generation;
	struct acl_error error;
	int rc;

	gen_set_truth(b);
	if (gen_rules_are_same(b)) {
		g->acl = acl_hold(b->before->acl);
		return 0;
	}
	rc = acl_create(b->objects, &g->acl, &error);
	if (rc == -ENOMEM)
		return gen_out_of_memory(b);
	if (rc < 0)
		return gen_refuse(b, error.kind, error.id, error.text);
	acl_set_clock(g->acl, b->moment->clock_hz ? b->moment->clock_hz : GEN_CLOCK_HZ);
	return 0;
}

const uint16_t *
generation_targets(const struct generation *g, uint32_t service, uint32_t *count)
{
	uint32_t row = g->services[service].rules;

	*count = 0;
	return row ? acl_row_backends(g->acl, row, count) : NULL;
}

uint32_t
generation_ways(const struct generation *g, uint32_t service, struct gen_way *ways)
{
	uint16_t own = g->services[service].backend;
	uint32_t count, n = 0;
	const uint16_t *targets = generation_targets(g, service, &count);

	ways[n++] = (struct gen_way){ (uint16_t)service, own };
	for (uint32_t i = 0; i < count; i++) {
		if (targets[i] != own)
			ways[n++] = (struct gen_way){ (uint16_t)service, targets[i] };
	}
	return n;
}

bool
generation_same_ways(const struct generation *a, const struct generation *b)
{
	if (a->acl == b->acl)
		return true;
	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		uint32_t count, other;
		const uint16_t *targets = generation_targets(a, id, &count);
		const uint16_t *others = generation_targets(b, id, &other);

		if (count != other || (count && memcmp(targets, others, count * sizeof(*targets))))
			return false;
	}
	return true;
}
