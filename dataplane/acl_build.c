/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the objects' pieces to struct acl. What a piece says by itself objects_rules.c has checked;
 * here is checked what they say of each other.
 */
#include <errno.h>
#include <stdlib.h>

#include "acl_impl.h"
#include "mem.h"
#include "objects.h"

#define SOURCE_KINDS (SHUNT_ACL_CONN_RATE | SHUNT_ACL_CONN_COUNT)

/* All pieces, and what is only needed while they are put together. */
struct acl_builder {
	struct acl *acl;
	const struct object_store *objects;
	struct acl_error *error;
	struct acl_prefix *prefixes[2]; /* by family */
	uint32_t prefix_counts[2];
	uint32_t rate_count; /* rules with a rate */
	uint32_t *set_sizes; /* prefixes, by set */
	uint32_t set_end;    /* one past the greatest that an ACL or a prefix names */
};

void *
acl_alloc(struct acl *acl, uint64_t count, size_t size)
{
	uint64_t bytes = (count ? count : 1) * size;

	acl->bytes += bytes;
	return mem_alloc(bytes);
}

static int
refuse(struct acl_builder *b, uint32_t kind, uint32_t id, const char *text)
{
	*b->error = (struct acl_error){ kind, id, text };
	return -EINVAL;
}

/* What is wrong is none of them in particular: the last one stands for all. */
static int
refuse_all(struct acl_builder *b, uint32_t kind, const char *text)
{
	return refuse(b, kind, object_store_end(b->objects, kind) - 1, text);
}

/* NULL: there is no such piece. */
static const void *
piece(const struct acl_builder *b, uint32_t kind, uint32_t id)
{
	const struct object *o = object_store_get(b->objects, kind, id);

	return o ? o->bytes : NULL;
}

static uint32_t
count_rates(const struct shunt_rules *r)
{
	const struct shunt_rule *rules = (const void *)(r + 1);
	uint32_t count = 0;

	for (uint32_t i = 0; i < r->rule_count; i++)
		count += rules[i].action == SHUNT_RULE_RATE_LIMIT;
	return count;
}

/* Counts what there is of each, so that arrays can be made. */
static int
count_all(struct acl_builder *b)
{
	struct acl *acl = b->acl;
	uint64_t prefixes = 0;

	for (uint32_t id = 1; id < object_store_end(b->objects, SHUNT_KIND_PREFIXES); id++) {
		const struct shunt_prefixes *p = piece(b, SHUNT_KIND_PREFIXES, id);

		if (!p)
			continue;
		b->prefix_counts[p->version == 4 ? 0 : 1] += p->count;
		prefixes += p->count;
	}
	if (prefixes > SHUNT_MAX_PREFIXES)
		return refuse_all(b, SHUNT_KIND_PREFIXES, "too many prefixes in all");
	for (uint32_t id = 1; id < object_store_end(b->objects, SHUNT_KIND_ACLS); id++) {
		const struct shunt_acls *a = piece(b, SHUNT_KIND_ACLS, id);

		if (!a)
			return refuse_all(b, SHUNT_KIND_ACLS, "a piece of the ACLs is missing");
		if (acl->acl_count != (id - 1) * SHUNT_ACLS_A_PIECE)
			return refuse(b, SHUNT_KIND_ACLS, id - 1,
				"a piece of the ACLs that is not the last is not full");
		acl->acl_count += a->acl_count;
		acl->port_count += a->port_count;
		acl->match_count += a->match_count;
	}
	for (uint32_t id = 1; id < object_store_end(b->objects, SHUNT_KIND_RULES); id++) {
		const struct shunt_rules *r = piece(b, SHUNT_KIND_RULES, id);

		if (!r)
			return refuse_all(b, SHUNT_KIND_RULES, "a piece of the rules is missing");
		acl->rule_count += r->rule_count;
		acl->literal_count += r->literal_count;
		b->rate_count += count_rates(r);
		if (r->row > acl->row_count)
			acl->row_count = r->row;
	}
	if (acl->acl_count > SHUNT_MAX_ACLS)
		return refuse_all(b, SHUNT_KIND_ACLS, "too many ACLs in all");
	if (acl->rule_count > SHUNT_MAX_RULES)
		return refuse_all(b, SHUNT_KIND_RULES, "too many rules in all");
	return 0;
}

static int
allocate_all(struct acl_builder *b)
{
	struct acl *acl = b->acl;
	uint64_t prefixes = (uint64_t)b->prefix_counts[0] + b->prefix_counts[1];

	for (int family = 0; family < 2; family++) {
		b->prefixes[family] =
			calloc(b->prefix_counts[family] + 1ull, sizeof(*b->prefixes[family]));
		if (!b->prefixes[family])
			return -ENOMEM;
	}
	b->set_sizes = calloc(SHUNT_MAX_SETS, sizeof(*b->set_sizes));
	acl->acls = acl_alloc(acl, acl->acl_count, sizeof(*acl->acls));
	acl->ports = acl_alloc(acl, acl->port_count, sizeof(*acl->ports));
	acl->matches = acl_alloc(acl, acl->match_count, sizeof(*acl->matches));
	acl->rule = acl_alloc(acl, acl->rule_count, sizeof(*acl->rule));
	acl->result = acl_alloc(acl, acl->rule_count, sizeof(*acl->result));
	acl->rates = acl_alloc(acl, b->rate_count, sizeof(*acl->rates));
	acl->literals = acl_alloc(acl, acl->literal_count, sizeof(*acl->literals));
	acl->rows = acl_alloc(acl, acl->row_count + 2ull, sizeof(*acl->rows));
	acl->groups.starts = acl_alloc(acl, prefixes + 2, sizeof(uint32_t));
	acl->groups.values = acl_alloc(acl, prefixes, sizeof(uint32_t));
	return b->set_sizes && acl->acls && acl->ports && acl->matches && acl->rule &&
			acl->result && acl->rates && acl->literals && acl->rows &&
			acl->groups.starts && acl->groups.values
		? 0
		: -ENOMEM;
}

static uint64_t
be64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return __builtin_bswap64(value);
}

static void
take_prefix(struct acl_builder *b, int family, uint32_t *n, struct acl_prefix prefix)
{
	b->prefixes[family][(*n)++] = prefix;
	b->set_sizes[prefix.set]++;
	if (prefix.set >= b->set_end)
		b->set_end = prefix.set + 1;
}

static void
take_prefixes(struct acl_builder *b)
{
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_PREFIXES), n4 = 0, n6 = 0;

	for (uint32_t id = 1; id < end; id++) {
		const struct shunt_prefixes *p = piece(b, SHUNT_KIND_PREFIXES, id);
		const struct shunt_prefix4 *in4;
		const struct shunt_prefix6 *in6;

		if (!p)
			continue;
		in4 = (const void *)(p + 1);
		in6 = (const void *)(p + 1);
		for (uint32_t i = 0; p->version == 4 && i < p->count; i++)
			take_prefix(b, 0, &n4,
				(struct acl_prefix){
					{ 0, in4[i].address }, in4[i].set, in4[i].bits });
		for (uint32_t i = 0; p->version == 6 && i < p->count; i++)
			take_prefix(b, 1, &n6,
				(struct acl_prefix){
					{ be64(in6[i].address), be64(in6[i].address + 8) },
					in6[i].set, in6[i].bits });
	}
}

static void
take_acls(struct acl_builder *b)
{
	struct acl *acl = b->acl;
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_ACLS);
	uint32_t acls = 0, ports = 0, matches = 0;

	for (uint32_t id = 1; id < end; id++) {
		const struct shunt_acls *a = piece(b, SHUNT_KIND_ACLS, id);
		const struct shunt_match *in_matches = (const void *)(a + 1);
		const struct shunt_acl *in = (const void *)(in_matches + a->match_count);
		const struct shunt_port_range *in_ports = (const void *)(in + a->acl_count);

		for (uint32_t i = 0; i < a->acl_count; i++) {
			struct shunt_acl *out = &acl->acls[acls++];

			*out = in[i];
			acl->asks_source |= (out->kinds & SOURCE_KINDS) != 0;
			out->ports += ports;
			out->matches += matches;
			acl->asks[ACL_BY_SOURCE] |= (out->kinds & SHUNT_ACL_SRC) != 0;
			acl->asks[ACL_BY_DESTINATION] |= (out->kinds & SHUNT_ACL_DST) != 0;
			if (out->src_set >= b->set_end)
				b->set_end = out->src_set + 1;
			if (out->dst_set >= b->set_end)
				b->set_end = out->dst_set + 1;
		}
		memcpy(&acl->matches[matches], in_matches, a->match_count * sizeof(*in_matches));
		memcpy(&acl->ports[ports], in_ports, a->port_count * sizeof(*in_ports));
		matches += a->match_count;
		ports += a->port_count;
	}
}

/* Does this piece go on where the one before it ends? */
static bool
follows(const struct shunt_rules *before, const struct shunt_rules *r)
{
	if (!before || r->row == before->row + 1)
		return r->first == 0 && (before || r->row == 1);
	return r->row == before->row && r->first == before->first + before->rule_count;
}

/* Two rules with one counter would count each other's flows. */
static bool
take_counter(uint64_t *taken, uint32_t counter)
{
	uint64_t bit = 1ull << (counter % 64), *word = &taken[counter / 64];
	bool free = !(*word & bit);

	*word |= bit;
	return free;
}

static void
take_rate(struct acl *acl, struct acl_result *result, const struct shunt_rule *in)
{
	result->target = acl->rate_count++;
	acl->rates[result->target] = (struct acl_rate){ .rate = in->rate, .burst = in->burst };
}

static int
take_rules(struct acl_builder *b)
{
	struct acl *acl = b->acl;
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_RULES), rules = 0, literals = 0;
	const struct shunt_rules *before = NULL;
	uint64_t counters[SHUNT_MAX_RULES / 64] = { 0 };

	for (uint32_t id = 1; id < end; id++) {
		const struct shunt_rules *r = piece(b, SHUNT_KIND_RULES, id);
		const struct shunt_rule *in = (const void *)(r + 1);
		const uint32_t *in_literals = (const void *)(in + r->rule_count);

		if (!follows(before, r))
			return refuse(b, SHUNT_KIND_RULES, id,
				"it does not go on where the piece of rules before it ends");
		if (r->first == 0)
			acl->rows[r->row] = rules;
		for (uint32_t i = 0; i < r->rule_count; i++) {
			if (!take_counter(counters, in[i].counter))
				return refuse(
					b, SHUNT_KIND_RULES, id, "two rules have one counter");
			acl->result[rules] = (struct acl_result){
				.counter = in[i].counter,
				.target = in[i].backend,
			};
			acl->rule[rules++] = (struct acl_rule){
				.literals = literals + in[i].literals,
				.first = in[i].literal_count ? in_literals[in[i].literals] : 0,
				.literal_count = in[i].literal_count,
				.action = in[i].action,
				.drop = in[i].drop,
			};
			if (in[i].action == SHUNT_RULE_RATE_LIMIT)
				take_rate(acl, &acl->result[rules - 1], &in[i]);
		}
		for (uint32_t i = 0; i < r->literal_count; i++) {
			if ((in_literals[i] & ~SHUNT_LITERAL_NOT) >= acl->acl_count)
				return refuse(b, SHUNT_KIND_RULES, id,
					"a rule names an ACL that does not exist");
			acl->literals[literals++] = in_literals[i];
		}
		before = r;
	}
	acl->rows[acl->row_count + 1] = rules;
	return 0;
}

static int
build(struct acl_builder *b)
{
	struct acl *acl = b->acl;
	int rc = count_all(b);

	if (rc < 0 || acl->rule_count == 0)
		return rc;
	if (allocate_all(b) < 0)
		return -ENOMEM;
	take_prefixes(b);
	take_acls(b);
	rc = take_rules(b);
	if (rc < 0)
		return rc;
	acl->groups.count = 1; /* the empty one */
	for (unsigned int family = 0; family < 2 && rc == 0; family++)
		rc = acl_tree_build(acl, family, b->prefixes[family], b->prefix_counts[family]);
	return rc < 0 ? rc : acl_index_build(acl, b->set_sizes, b->set_end ? b->set_end : 1);
}

int
acl_create(const struct object_store *objects, struct acl **out, struct acl_error *error)
{
	struct acl_builder b = { .objects = objects, .error = error };
	int rc = -ENOMEM;

	*out = NULL;
	*error = (struct acl_error){ .text = "out of memory" };
	b.acl = mem_alloc(sizeof(*b.acl));
	if (b.acl) {
		b.acl->references = 1;
		rc = build(&b);
	}
	free(b.prefixes[0]);
	free(b.prefixes[1]);
	free(b.set_sizes);
	if (rc < 0 || b.acl->rule_count == 0)
		acl_destroy(b.acl);
	else
		*out = b.acl;
	return rc;
}

struct acl *
acl_hold(struct acl *acl)
{
	if (acl)
		acl->references++;
	return acl;
}

static void
tree_free(struct acl_tree *tree)
{
	mem_free(tree->starts4);
	mem_free(tree->starts6);
	mem_free(tree->interval_nodes);
	mem_free(tree->by_block);
	mem_free(tree->nodes);
}

static void
lists_free(struct acl_lists *lists)
{
	mem_free(lists->starts);
	mem_free(lists->values);
}

void
acl_destroy(struct acl *acl)
{
	if (!acl || --acl->references > 0)
		return;
	tree_free(&acl->trees[0]);
	tree_free(&acl->trees[1]);
	lists_free(&acl->groups);
	lists_free(&acl->rules[ACL_BY_SOURCE]);
	lists_free(&acl->rules[ACL_BY_DESTINATION]);
	lists_free(&acl->others);
	mem_free(acl->backend_starts);
	mem_free(acl->backends);
	mem_free(acl->rows);
	mem_free(acl->rule);
	mem_free(acl->result);
	mem_free(acl->rates);
	mem_free(acl->literals);
	mem_free(acl->acls);
	mem_free(acl->ports);
	mem_free(acl->matches);
	mem_free(acl);
}

uint64_t
acl_bytes(const struct acl *acl)
{
	return acl ? sizeof(*acl) + acl->bytes : 0;
}
