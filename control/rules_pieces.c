/* SPDX-License-Identifier: BSD-3-Clause */
/* The pieces of shunt/rules.h, as the configuration has them. */
#include <errno.h>
#include <stdlib.h>

#include "rules_impl.h"

/* A piece of prefixes of one family that is being filled. */
struct prefix_piece {
	struct image *image;
	struct shunt_prefixes *bytes;
	uint32_t *next_id;
};

static int
flush(struct prefix_piece *p)
{
	int rc = 0;

	if (p->bytes->count > 0)
		rc = image_put(p->image, SHUNT_KIND_PREFIXES, (*p->next_id)++, p->bytes,
			shunt_prefixes_bytes(p->bytes));
	p->bytes->count = 0;
	return rc;
}

static int
put_v4(struct prefix_piece *p, const struct prefix_set *set)
{
	struct shunt_prefix4 *out = (void *)(p->bytes + 1);
	int rc = 0;

	for (size_t i = 0; i < set->v4_count && rc == 0; i++) {
		out[p->bytes->count++] = (struct shunt_prefix4){
			.set = set->number,
			.address = (uint32_t)(set->v4[i] >> 8),
			.bits = (uint8_t)set->v4[i],
		};
		if (p->bytes->count == SHUNT_PREFIXES_A_PIECE)
			rc = flush(p);
	}
	return rc;
}

static int
put_v6(struct prefix_piece *p, const struct prefix_set *set)
{
	struct shunt_prefix6 *out = (void *)(p->bytes + 1);
	int rc = 0;

	for (size_t i = 0; i < set->v6_count && rc == 0; i++) {
		struct shunt_prefix6 *one = &out[p->bytes->count++];

		*one = (struct shunt_prefix6){ .set = set->number, .bits = set->v6[i].bits };
		memcpy(one->address, set->v6[i].address, sizeof(one->address));
		if (p->bytes->count == SHUNT_PREFIXES_A_PIECE)
			rc = flush(p);
	}
	return rc;
}

int
rules_make_prefixes(const struct config *config, struct image *image)
{
	uint32_t next_id = 1;
	struct prefix_piece v4 = { image, NULL, &next_id }, v6 = v4;
	int rc = -ENOMEM;

	v4.bytes =
		malloc(sizeof(*v4.bytes) + SHUNT_PREFIXES_A_PIECE * sizeof(struct shunt_prefix4));
	v6.bytes =
		malloc(sizeof(*v6.bytes) + SHUNT_PREFIXES_A_PIECE * sizeof(struct shunt_prefix6));
	if (v4.bytes && v6.bytes) {
		*v4.bytes = (struct shunt_prefixes){ .version = 4 };
		*v6.bytes = (struct shunt_prefixes){ .version = 6 };
		rc = 0;
	}
	for (size_t i = 0; i < config->sets.count && rc == 0; i++) {
		rc = put_v4(&v4, config->sets.sets[i]);
		if (rc == 0)
			rc = put_v6(&v6, config->sets.sets[i]);
	}
	if (rc == 0)
		rc = flush(&v4);
	if (rc == 0)
		rc = flush(&v6);
	free(v4.bytes);
	free(v6.bytes);
	return rc;
}

/* The ports of the dataplane that have the names. */
static uint16_t
interfaces_of(const struct acl_config *acl, const struct rules *rules)
{
	uint16_t bits = 0;

	for (size_t i = 0; i < acl->interface_count; i++) {
		for (uint32_t k = 0; k < rules->port_count; k++) {
			if (strcmp(acl->interfaces[i], rules->ports[k]) == 0)
				bits |= (uint16_t)(1u << k);
		}
	}
	return bits;
}

/* Where the next ACL's parts go. */
struct parts {
	struct shunt_match *matches;
	struct shunt_port_range *ports;
	uint32_t match;
	uint32_t port;
};

static void
fill_acl(const struct acl_config *acl, const struct rules *rules, struct shunt_acl *out,
	struct parts *parts)
{
	*out = (struct shunt_acl){
		.src_set = acl->src ? acl->src->number : 0,
		.dst_set = acl->dst ? acl->dst->number : 0,
		.truth = acl->truth,
		.ports = parts->port,
		.matches = parts->match,
		.kinds = acl->kinds,
		.interfaces = interfaces_of(acl, rules),
		.src_port_count = acl->src_port_count,
		.dst_port_count = acl->dst_port_count,
		.match_count = acl->match_count,
		.protocols = acl->protocols,
		.rate_least = acl->rate_least,
		.rate_greatest = acl->rate_greatest,
		.count_least = acl->conns_least,
		.count_greatest = acl->conns_greatest,
	};
	for (size_t i = 0; i < acl->src_port_count; i++)
		parts->ports[parts->port++] = acl->src_ports[i];
	for (size_t i = 0; i < acl->dst_port_count; i++)
		parts->ports[parts->port++] = acl->dst_ports[i];
	for (size_t i = 0; i < acl->match_count; i++)
		parts->matches[parts->match++] = acl->matches[i];
}

int
rules_make_acls(const struct config *config, const struct rules *rules, struct image *image)
{
	int rc = 0;

	for (size_t first = 0, id = 1; rc == 0 && first < config->acl_count;
		first += SHUNT_ACLS_A_PIECE, id++) {
		const struct acl_config *acls = &config->acls[first];
		size_t left = config->acl_count - first;
		struct shunt_acls head = {
			.acl_count =
				(uint32_t)(left < SHUNT_ACLS_A_PIECE ? left : SHUNT_ACLS_A_PIECE),
		};
		struct parts parts = { 0 };
		struct shunt_acls *bytes;
		struct shunt_acl *out;

		for (uint32_t i = 0; i < head.acl_count; i++) {
			head.port_count += acls[i].src_port_count + acls[i].dst_port_count;
			head.match_count += acls[i].match_count;
		}
		bytes = malloc(shunt_acls_bytes(&head));
		if (!bytes)
			return -ENOMEM;
		*bytes = head;
		parts.matches = (void *)(bytes + 1);
		out = (void *)(parts.matches + head.match_count);
		parts.ports = (void *)(out + head.acl_count);
		for (uint32_t i = 0; i < head.acl_count; i++)
			fill_acl(&acls[i], rules, &out[i], &parts);
		rc = image_put(
			image, SHUNT_KIND_ACLS, (uint32_t)id, bytes, shunt_acls_bytes(bytes));
		free(bytes);
	}
	return rc;
}

static void
fill_rule(const struct control *control, const struct rule_config *rule,
	const struct rule_counter *counter, struct shunt_rule *out)
{
	*out = (struct shunt_rule){
		.identity = counter->identity,
		.base = counter->base,
		.counter = counter->counter,
		.backend = rule->backend == SIZE_MAX ? 0 : control->backends[rule->backend]->id,
		.literal_count = (uint16_t)rule->literal_count,
		.action = rule->action,
		.rate = rule->rate,
		.burst = rule->burst,
		.drop = rule->drop,
	};
}

/* number: of the first of these rules, counted over all frontends. */
static int
put_piece(const struct control *control, const struct rule_config *rules, struct shunt_rules head,
	size_t number, uint32_t id, struct image *image)
{
	struct shunt_rules *bytes;
	struct shunt_rule *out;
	uint32_t *literals;
	int rc;

	for (uint32_t i = 0; i < head.rule_count; i++)
		head.literal_count += (uint32_t)rules[i].literal_count;
	bytes = malloc(shunt_rules_bytes(&head));
	if (!bytes)
		return -ENOMEM;
	*bytes = head;
	out = (void *)(bytes + 1);
	literals = (void *)(out + head.rule_count);
	for (uint32_t i = 0, next = 0; i < head.rule_count; i++) {
		fill_rule(control, &rules[i], &control->rules->counters[number + i], &out[i]);
		out[i].literals = next;
		for (size_t k = 0; k < rules[i].literal_count; k++)
			literals[next++] = rules[i].literals[k];
	}
	rc = image_put(image, SHUNT_KIND_RULES, id, bytes, shunt_rules_bytes(bytes));
	free(bytes);
	return rc;
}

int
rules_make_rules(const struct control *control, struct image *image)
{
	const struct config *config = control->config;
	uint32_t row = 0, id = 1;
	size_t number = 0;
	int rc = 0;

	for (size_t i = 0; i < config->frontend_count; i++) {
		const struct frontend_config *frontend = &config->frontends[i];

		row += frontend->rule_count > 0;
		for (size_t first = 0; rc == 0 && first < frontend->rule_count;
			first += SHUNT_RULES_A_PIECE) {
			size_t left = frontend->rule_count - first;
			struct shunt_rules head = {
				.row = row,
				.first = (uint32_t)first,
				.rule_count = (uint32_t)(left < SHUNT_RULES_A_PIECE
						? left
						: SHUNT_RULES_A_PIECE),
			};

			rc = put_piece(control, &frontend->rules[first], head, number + first, id++,
				image);
		}
		number += frontend->rule_count;
	}
	return rc;
}
