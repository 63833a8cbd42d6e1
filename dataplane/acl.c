/* SPDX-License-Identifier: BSD-3-Clause */
#include "acl.h"

#include "acl_impl.h"

/* A packet, with the lists of sets that its addresses are in, the innermost prefix first. */
struct subject {
	const struct acl *acl;
	const uint64_t *truth;
	const struct acl_packet *packet;
	unsigned int depth[ACL_ROLES];
	uint32_t groups[ACL_ROLES][ACL_MAX_DEPTH]; /* as in struct acl_node */
	uint32_t ones[ACL_ROLES][ACL_MAX_DEPTH];   /* without ACL_ONE */
};

static void
find_groups(struct subject *s, enum acl_role role, const uint8_t *address)
{
	uint8_t version = s->packet->version;
	const struct acl_tree *tree = &s->acl->trees[version == 4 ? 0 : 1];
	uint32_t node = s->acl->asks[role] ? acl_tree_find(tree, address, version) : 0;
	unsigned int depth = 0;

	for (; node; node = tree->nodes[node].parent) {
		s->groups[role][depth] = tree->nodes[node].group;
		s->ones[role][depth++] = tree->nodes[node].group & ~ACL_ONE;
	}
	s->depth[role] = depth;
}

/* The sets of the packet's i-th prefix; *count of them. */
static inline const uint32_t *
sets_of(const struct subject *s, enum acl_role role, unsigned int i, uint32_t *count)
{
	const struct acl_lists *groups = &s->acl->groups;
	uint32_t group = s->groups[role][i];

	if (group & ACL_ONE) {
		*count = 1;
		return &s->ones[role][i];
	}
	*count = groups->starts[group + 1] - groups->starts[group];
	return &groups->values[groups->starts[group]];
}

/* The first of the ascending values from `low` on, and before `high`, that is not below this. */
static inline uint32_t
first_from(const uint32_t *values, uint32_t low, uint32_t high, uint32_t value)
{
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (values[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_in_set(const struct subject *s, enum acl_role role, uint32_t set)
{
	for (unsigned int i = 0; i < s->depth[role]; i++) {
		uint32_t count;
		const uint32_t *sets = sets_of(s, role, i, &count);
		uint32_t at = first_from(sets, 0, count, set);

		if (at < count && sets[at] == set)
			return true;
	}
	return false;
}

static bool
is_in_ranges(const struct shunt_port_range *ranges, uint32_t count, uint16_t port)
{
	for (uint32_t i = 0; i < count; i++) {
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	}
	return false;
}

static bool
has_bytes(const struct acl_packet *p, const struct shunt_match *m)
{
	uint8_t different = 0;

	if (!p->payload || (uint32_t)m->offset + m->length > p->payload_bytes)
		return false;
	for (unsigned int i = 0; i < m->length; i++)
		different |= (p->payload[m->offset + i] & m->mask[i]) ^ m->bytes[i];
	return different == 0;
}

static bool
has_match(const struct acl_packet *p, const struct shunt_match *matches, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (has_bytes(p, &matches[i]))
			return true;
	}
	return false;
}

/* The cheap ones first. */
static bool
holds(const struct subject *s, const struct shunt_acl *a)
{
	const struct acl_packet *p = s->packet;
	const struct shunt_port_range *ports = &s->acl->ports[a->ports];

	if ((a->kinds & SHUNT_ACL_TRUTH) && !shunt_truth_bit(s->truth, a->truth))
		return false;
	if ((a->kinds & SHUNT_ACL_PROTOCOL) &&
		!(a->protocols & (p->protocol == SHUNT_TCP ? SHUNT_ACL_TCP : SHUNT_ACL_UDP)))
		return false;
	if ((a->kinds & SHUNT_ACL_INTERFACE) && !(a->interfaces >> p->port & 1))
		return false;
	if ((a->kinds & SHUNT_ACL_SRC_PORT) &&
		!is_in_ranges(ports, a->src_port_count, p->source_port))
		return false;
	if ((a->kinds & SHUNT_ACL_DST_PORT) &&
		!is_in_ranges(ports + a->src_port_count, a->dst_port_count, p->destination_port))
		return false;
	if ((a->kinds & SHUNT_ACL_SRC) && !is_in_set(s, ACL_BY_SOURCE, a->src_set))
		return false;
	if ((a->kinds & SHUNT_ACL_DST) && !is_in_set(s, ACL_BY_DESTINATION, a->dst_set))
		return false;
	if ((a->kinds & SHUNT_ACL_CONN_RATE) &&
		(p->conn_rate < a->rate_least || p->conn_rate > a->rate_greatest))
		return false;
	if ((a->kinds & SHUNT_ACL_CONN_COUNT) &&
		(p->conn_count < a->count_least || p->conn_count > a->count_greatest))
		return false;
	return !(a->kinds & SHUNT_ACL_PAYLOAD) ||
		has_match(p, &s->acl->matches[a->matches], a->match_count);
}

static bool
rule_holds(const struct subject *s, const struct acl_rule *rule)
{
	for (unsigned int i = 0; i < rule->literal_count; i++) {
		uint32_t literal = i == 0 ? rule->first : s->acl->literals[rule->literals + i];
		const struct shunt_acl *a = &s->acl->acls[literal & ~SHUNT_LITERAL_NOT];

		if (holds(s, a) == ((literal & SHUNT_LITERAL_NOT) != 0))
			return false;
	}
	return true;
}

/* The first of a list's rules, from `from` on and before `end`, that holds; or end. */
static uint32_t
first_of(const struct subject *s, const struct acl_lists *lists, uint32_t list, uint32_t from,
	uint32_t end)
{
	uint32_t last = lists->starts[list + 1];
	uint32_t i = first_from(lists->values, lists->starts[list], last, from);

	for (; i < last && lists->values[i] < end; i++) {
		if (rule_holds(s, &s->acl->rule[lists->values[i]]))
			return lists->values[i];
	}
	return end;
}

/* The same of the rules that are found by an address. */
static uint32_t
first_by_address(const struct subject *s, enum acl_role role, uint32_t from, uint32_t end)
{
	const struct acl_lists *rules = &s->acl->rules[role];

	if (rules->total == 0)
		return end;
	for (unsigned int i = 0; i < s->depth[role]; i++) {
		uint32_t count;
		const uint32_t *sets = sets_of(s, role, i, &count);

		for (uint32_t k = 0; k < count; k++)
			end = first_of(s, rules, sets[k], from, end);
	}
	return end;
}

static struct acl_verdict
verdict_of(const struct acl *acl, uint32_t number)
{
	const struct acl_rule *rule = &acl->rule[number];
	const struct acl_result *result = &acl->result[number];
	struct acl_verdict verdict = {
		.action = rule->action,
		.counter = result->counter,
		.drop = rule->drop,
	};

	if (rule->action == SHUNT_RULE_USE_BACKEND)
		verdict.backend = (uint16_t)result->target;
	else if (rule->action == SHUNT_RULE_RATE_LIMIT)
		verdict.rate = &acl->rates[result->target].gcra;
	return verdict;
}

struct acl_verdict
acl_judge(
	const struct acl *acl, const uint64_t *truth, uint32_t row, const struct acl_packet *packet)
{
	uint32_t from = acl->rows[row], end = acl->rows[row + 1], found = end;
	struct subject s;

	s.acl = acl;
	s.truth = truth;
	s.packet = packet;
	find_groups(&s, ACL_BY_SOURCE, packet->source);
	find_groups(&s, ACL_BY_DESTINATION, packet->destination);
	found = first_by_address(&s, ACL_BY_SOURCE, from, found);
	found = first_by_address(&s, ACL_BY_DESTINATION, from, found);
	found = first_of(&s, &acl->others, row, from, found);
	if (found == end)
		return (struct acl_verdict){ .action = SHUNT_RULE_ACCEPT, .counter = ACL_NO_RULE };
	return verdict_of(acl, found);
}

bool
acl_asks_source(const struct acl *acl)
{
	return acl && acl->asks_source;
}

bool
acl_has_rates(const struct acl *acl)
{
	return acl && acl->rate_count > 0;
}

void
acl_set_clock(struct acl *acl, uint64_t hz)
{
	for (uint32_t i = 0; acl && i < acl->rate_count; i++)
		acl->rates[i].gcra = gcra_make(hz, acl->rates[i].rate, acl->rates[i].burst);
}

uint32_t
acl_row_count(const struct acl *acl)
{
	return acl ? acl->row_count : 0;
}

const uint16_t *
acl_row_backends(const struct acl *acl, uint32_t row, uint32_t *count)
{
	uint32_t start = acl->backend_starts[row];

	*count = acl->backend_starts[row + 1] - start;
	return &acl->backends[start];
}

bool
acl_leads(const struct acl *acl, uint32_t row, uint16_t backend)
{
	uint32_t count;
	const uint16_t *backends = acl_row_backends(acl, row, &count);

	while (count > 0) {
		uint32_t half = count / 2;

		if (backends[half] == backend)
			return true;
		if (backends[half] < backend) {
			backends += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return false;
}
