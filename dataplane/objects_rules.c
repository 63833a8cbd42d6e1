/* SPDX-License-Identifier: BSD-3-Clause */
#include "objects_rules.h"

const char *
objects_rules_check_length(uint32_t kind, uint64_t length)
{
	static const size_t least[SHUNT_KIND_END] = {
		[SHUNT_KIND_PREFIXES] = sizeof(struct shunt_prefixes),
		[SHUNT_KIND_ACLS] = sizeof(struct shunt_acls),
		[SHUNT_KIND_RULES] = sizeof(struct shunt_rules),
		[SHUNT_KIND_TRUTH] = sizeof(struct shunt_truth),
	};

	if (length < least[kind])
		return "rules: shorter than its fixed part";
	return length > SHUNT_MAX_OBJECT_BYTES ? "rules: too long" : NULL;
}

static bool
set_is_good(uint32_t set)
{
	return set >= 1 && set < SHUNT_MAX_SETS;
}

/* Nothing but zeros behind the prefix's length: one prefix has one image. */
static bool
prefix4_is_good(const struct shunt_prefix4 *p)
{
	return set_is_good(p->set) && p->bits <= 32 && !(p->pad[0] | p->pad[1] | p->pad[2]) &&
		(p->bits == 32 || !(p->address & (UINT32_MAX >> p->bits)));
}

static bool
prefix6_is_good(const struct shunt_prefix6 *p)
{
	uint8_t rest = 0;

	if (!set_is_good(p->set) || p->bits > 128 || (p->pad[0] | p->pad[1] | p->pad[2]))
		return false;
	for (unsigned int i = p->bits / 8; i < sizeof(p->address); i++)
		rest |= i == p->bits / 8 ? p->address[i] & (0xff >> p->bits % 8) : p->address[i];
	return rest == 0;
}

static const char *
check_prefixes(const struct shunt_prefixes *p, size_t length)
{
	const struct shunt_prefix4 *in4 = (const void *)(p + 1);
	const struct shunt_prefix6 *in6 = (const void *)(p + 1);
	bool good = true;

	if (!shunt_prefixes_count_is_good(p))
		return "prefixes: of no family, or too many or none";
	if (length != shunt_prefixes_bytes(p))
		return "prefixes: length does not match its count";
	for (uint32_t i = 0; i < p->count; i++)
		good &= p->version == 4 ? prefix4_is_good(&in4[i]) : prefix6_is_good(&in6[i]);
	return good ? NULL : "prefixes: one has no set, or bits where it has none";
}

static bool
match_is_good(const struct shunt_match *m)
{
	if (m->length < 1 || m->length > SHUNT_MAX_MATCH_BYTES || m->pad)
		return false;
	for (unsigned int i = 0; i < SHUNT_MAX_MATCH_BYTES; i++) {
		if ((m->bytes[i] & ~m->mask[i]) || (i >= m->length && m->mask[i]))
			return false;
	}
	return true;
}

/* Does it have what its kinds say, and nothing else? */
static bool
fields_are_good(const struct shunt_acl *a)
{
	return !(a->kinds & ~SHUNT_ACL_KINDS) && a->pad == 0 &&
		(a->kinds & SHUNT_ACL_SRC ? set_is_good(a->src_set) : a->src_set == 0) &&
		(a->kinds & SHUNT_ACL_DST ? set_is_good(a->dst_set) : a->dst_set == 0) &&
		(a->kinds & SHUNT_ACL_TRUTH ? a->truth >= 1 && a->truth < SHUNT_MAX_TRUTHS
					    : a->truth == 0) &&
		!(a->kinds & SHUNT_ACL_SRC_PORT) == !a->src_port_count &&
		!(a->kinds & SHUNT_ACL_DST_PORT) == !a->dst_port_count &&
		!(a->kinds & SHUNT_ACL_PAYLOAD) == !a->match_count &&
		!(a->kinds & SHUNT_ACL_PROTOCOL) == !a->protocols && a->protocols <= 3 &&
		(a->kinds & SHUNT_ACL_INTERFACE || !a->interfaces) &&
		(a->kinds & SHUNT_ACL_CONN_RATE ? a->rate_least <= a->rate_greatest
						: !(a->rate_least | a->rate_greatest)) &&
		(a->kinds & SHUNT_ACL_CONN_COUNT ? a->count_least <= a->count_greatest
						 : !(a->count_least | a->count_greatest));
}

static bool
acl_is_good(const struct shunt_acl *a, const struct shunt_acls *piece)
{
	return fields_are_good(a) && a->ports <= piece->port_count &&
		(uint32_t)a->src_port_count + a->dst_port_count <= piece->port_count - a->ports &&
		a->matches <= piece->match_count &&
		a->match_count <= piece->match_count - a->matches;
}

static const char *
check_acls(const struct shunt_acls *piece, size_t length)
{
	const struct shunt_match *matches = (const void *)(piece + 1);
	const struct shunt_acl *acls;
	const struct shunt_port_range *ports;

	if (!shunt_acls_counts_are_good(piece) || piece->pad)
		return "ACLs: too many or none, or padding is not zero";
	if (length != shunt_acls_bytes(piece))
		return "ACLs: length does not match its counts";
	acls = (const void *)(matches + piece->match_count);
	ports = (const void *)(acls + piece->acl_count);
	for (uint32_t i = 0; i < piece->match_count; i++) {
		if (!match_is_good(&matches[i]))
			return "ACLs: bytes to compare that no mask covers, or too many";
	}
	for (uint32_t i = 0; i < piece->acl_count; i++) {
		if (!acl_is_good(&acls[i], piece))
			return "ACLs: one's fields are not those of its kinds";
	}
	for (uint32_t i = 0; i < piece->port_count; i++) {
		if (ports[i].first > ports[i].last)
			return "ACLs: a range of ports ends before it begins";
	}
	return NULL;
}

static bool
rate_is_good(const struct shunt_rule *r)
{
	if (r->action != SHUNT_RULE_RATE_LIMIT)
		return !(r->rate | r->burst | r->drop);
	return r->rate >= 1 && r->rate <= SHUNT_MAX_RATE && r->burst >= 1 &&
		r->burst <= SHUNT_MAX_BURST && r->drop <= 1;
}

static bool
rule_is_good(const struct shunt_rule *r, const struct shunt_rules *piece)
{
	return r->action < SHUNT_RULE_ACTION_COUNT && rate_is_good(r) &&
		r->counter < SHUNT_MAX_RULES && r->literals <= piece->literal_count &&
		r->literal_count <= piece->literal_count - r->literals &&
		(r->action == SHUNT_RULE_USE_BACKEND
				? r->backend >= 1 && r->backend < SHUNT_MAX_BACKENDS
				: r->backend == 0);
}

static const char *
check_rules(const struct shunt_rules *piece, size_t length)
{
	const struct shunt_rule *rules = (const void *)(piece + 1);

	if (!shunt_rules_counts_are_good(piece))
		return "rules: too many or none";
	if (piece->row < 1 || piece->row >= SHUNT_MAX_ROWS || piece->first >= SHUNT_MAX_RULES)
		return "rules: row or first number out of range";
	if (length != shunt_rules_bytes(piece))
		return "rules: length does not match its counts";
	for (uint32_t i = 0; i < piece->rule_count; i++) {
		if (!rule_is_good(&rules[i], piece))
			return "rules: one's action, backend, counter or ACLs out of range";
	}
	return NULL;
}

const char *
objects_rules_check(uint32_t kind, const void *bytes, size_t length)
{
	switch (kind) {
	case SHUNT_KIND_PREFIXES:
		return check_prefixes(bytes, length);
	case SHUNT_KIND_ACLS:
		return check_acls(bytes, length);
	case SHUNT_KIND_RULES:
		return check_rules(bytes, length);
	case SHUNT_KIND_TRUTH:
		return length == sizeof(struct shunt_truth) ? NULL : "truth: wrong length";
	default:
		return "unknown kind of object";
	}
}
