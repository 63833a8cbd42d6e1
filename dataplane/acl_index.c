/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * By what is each rule found? By the smallest set of prefixes that one of its ACLs asks for, so
 * that the fewest packets come to look at it; if none does, by its number alone.
 */
#include <errno.h>
#include <stdlib.h>

#include "acl_impl.h"

/* Where a rule is to be found. */
struct place {
	uint8_t role; /* enum acl_role; ACL_ROLES: under others */
	uint32_t set;
};

static void
consider(struct place *place, const uint32_t *set_sizes, enum acl_role role, uint32_t set)
{
	if (place->role != ACL_ROLES && set_sizes[place->set] <= set_sizes[set])
		return;
	*place = (struct place){ (uint8_t)role, set };
}

static struct place
place_of(const struct acl *acl, const struct acl_rule *rule, const uint32_t *set_sizes)
{
	struct place place = { ACL_ROLES, 0 };

	for (uint32_t i = 0; i < rule->literal_count; i++) {
		uint32_t literal = acl->literals[rule->literals + i];
		const struct shunt_acl *a = &acl->acls[literal & ~SHUNT_LITERAL_NOT];

		if (literal & SHUNT_LITERAL_NOT)
			continue;
		if (a->kinds & SHUNT_ACL_SRC)
			consider(&place, set_sizes, ACL_BY_SOURCE, a->src_set);
		if (a->kinds & SHUNT_ACL_DST)
			consider(&place, set_sizes, ACL_BY_DESTINATION, a->dst_set);
	}
	return place;
}

static int
lists_init(struct acl *acl, struct acl_lists *lists, uint32_t count)
{
	lists->count = count;
	lists->starts = acl_alloc(acl, count + 2ull, sizeof(*lists->starts));
	return lists->starts ? 0 : -ENOMEM;
}

/* Counts (in starts[i + 1]) become the lists' places, which are then filled from starts[i + 1]. */
static int
lists_allocate(struct acl *acl, struct acl_lists *lists)
{
	for (uint32_t i = 0; i < lists->count; i++) {
		uint32_t length = lists->starts[i + 1];

		lists->starts[i + 1] = lists->total;
		lists->total += length;
	}
	lists->values = acl_alloc(acl, lists->total, sizeof(*lists->values));
	return lists->values ? 0 : -ENOMEM;
}

static void
lists_add(struct acl_lists *lists, uint32_t list, uint32_t value)
{
	lists->values[lists->starts[list + 1]++] = value;
}

static struct acl_lists *
lists_of(struct acl *acl, const struct place *place, uint32_t row, uint32_t *list)
{
	*list = place->role == ACL_ROLES ? row : place->set;
	return place->role == ACL_ROLES ? &acl->others : &acl->rules[place->role];
}

/* With fill, the lists are filled; else counted. */
static void
each_rule(struct acl *acl, const uint32_t *set_sizes, bool fill)
{
	for (uint32_t row = 1; row <= acl->row_count; row++) {
		for (uint32_t r = acl->rows[row]; r < acl->rows[row + 1]; r++) {
			struct place place = place_of(acl, &acl->rule[r], set_sizes);
			uint32_t list;
			struct acl_lists *lists = lists_of(acl, &place, row, &list);

			if (fill)
				lists_add(lists, list, r);
			else
				lists->starts[list + 1]++;
		}
	}
}

static int
compare_backends(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* As many as rules at most; then each row's are sorted, and repetitions taken out. */
static int
build_backends(struct acl *acl)
{
	uint32_t total = 0;

	acl->backend_starts = acl_alloc(acl, acl->row_count + 2ull, sizeof(uint32_t));
	acl->backends = acl_alloc(acl, acl->rule_count, sizeof(uint16_t));
	if (!acl->backend_starts || !acl->backends)
		return -ENOMEM;
	for (uint32_t row = 1; row <= acl->row_count; row++) {
		uint16_t *own = &acl->backends[total];
		uint32_t count = 0, kept = 0;

		acl->backend_starts[row] = total;
		for (uint32_t r = acl->rows[row]; r < acl->rows[row + 1]; r++) {
			if (acl->rule[r].action == SHUNT_RULE_USE_BACKEND)
				own[count++] = (uint16_t)acl->result[r].target;
		}
		if (count > 1)
			qsort(own, count, sizeof(*own), compare_backends);
		for (uint32_t i = 0; i < count; i++) {
			if (kept == 0 || own[kept - 1] != own[i])
				own[kept++] = own[i];
		}
		total += kept;
	}
	acl->backend_starts[acl->row_count + 1] = total;
	return 0;
}

int
acl_index_build(struct acl *acl, const uint32_t *set_sizes, uint32_t set_end)
{
	if (lists_init(acl, &acl->others, acl->row_count + 1) < 0 ||
		lists_init(acl, &acl->rules[ACL_BY_SOURCE], set_end) < 0 ||
		lists_init(acl, &acl->rules[ACL_BY_DESTINATION], set_end) < 0)
		return -ENOMEM;
	each_rule(acl, set_sizes, false);
	if (lists_allocate(acl, &acl->others) < 0 ||
		lists_allocate(acl, &acl->rules[ACL_BY_SOURCE]) < 0 ||
		lists_allocate(acl, &acl->rules[ACL_BY_DESTINATION]) < 0)
		return -ENOMEM;
	each_rule(acl, set_sizes, true);
	return build_backends(acl);
}
