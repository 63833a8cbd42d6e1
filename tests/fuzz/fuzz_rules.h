/* SPDX-License-Identifier: BSD-3-Clause */
/* Good pieces of rules (shunt/rules.h) for fuzz_objects.c, in memory of exactly their size. */
#ifndef TESTS_FUZZ_RULES_H
#define TESTS_FUZZ_RULES_H

#include <stdlib.h>

#include "objects_helper.h"

static inline void *
fuzz_alloc(size_t length)
{
	void *memory = calloc(1, length);

	if (!memory)
		abort();
	return memory;
}

/* Some that hold others, in sets 1 and 2. */
static inline uint8_t *
fuzz_prefixes(uint32_t shape, size_t *length)
{
	struct shunt_prefixes head = { .version = shape & 1 ? 4 : 6, .count = 3 };
	struct shunt_prefixes *piece = fuzz_alloc(shunt_prefixes_bytes(&head));
	struct shunt_prefix4 *in4 = (void *)(piece + 1);
	struct shunt_prefix6 *in6 = (void *)(piece + 1);

	*piece = head;
	*length = shunt_prefixes_bytes(piece);
	for (uint32_t i = 0; i < 3; i++) {
		if (shape & 1)
			in4[i] = (struct shunt_prefix4){ .set = 1 + i % 2,
				.address = 0x0a000000,
				.bits = (uint8_t)(8 + 8 * i) };
		else
			in6[i] = (struct shunt_prefix6){
				.set = 1 + i % 2, .address = { 0xfd }, .bits = (uint8_t)(8 + 32 * i)
			};
	}
	return (uint8_t *)piece;
}

/* Two, of the kinds that the shape's bits say. */
static inline uint8_t *
fuzz_acls(uint32_t shape, size_t *length)
{
	struct shunt_acls head = { .acl_count = 2, .port_count = 4, .match_count = 1 };
	struct shunt_acls *piece = fuzz_alloc(shunt_acls_bytes(&head));
	struct shunt_match *match = (void *)(piece + 1);
	struct shunt_acl *acls = (void *)(match + 1);
	struct shunt_port_range *ports = (void *)(acls + 2);

	*piece = head;
	*length = shunt_acls_bytes(piece);
	*match = (struct shunt_match){ .length = 2, .bytes = { 1, 2 }, .mask = { 1, 2 } };
	for (uint32_t i = 0; i < 2; i++) {
		uint16_t kinds = (uint16_t)(i ? shape : ~shape) & SHUNT_ACL_KINDS;

		acls[i] = (struct shunt_acl){
			.kinds = kinds,
			.src_set = kinds & SHUNT_ACL_SRC ? 1 : 0,
			.dst_set = kinds & SHUNT_ACL_DST ? 2 : 0,
			.truth = kinds & SHUNT_ACL_TRUTH ? 1 : 0,
			.src_port_count = kinds & SHUNT_ACL_SRC_PORT ? 1 : 0,
			.dst_port_count = kinds & SHUNT_ACL_DST_PORT ? 2 : 0,
			.match_count = kinds & SHUNT_ACL_PAYLOAD ? 1 : 0,
			.protocols = kinds & SHUNT_ACL_PROTOCOL ? 3 : 0,
			.interfaces = kinds & SHUNT_ACL_INTERFACE ? 1 : 0,
		};
	}
	for (uint32_t i = 0; i < 4; i++)
		ports[i] = (struct shunt_port_range){ 80, 81 };
	return (uint8_t *)piece;
}

/* Row 1: three rules, of which the last always holds. */
static inline uint8_t *
fuzz_rules(uint32_t shape, size_t *length)
{
	struct shunt_rules head = { .row = 1, .rule_count = 3, .literal_count = 3 };
	struct shunt_rules *piece = fuzz_alloc(shunt_rules_bytes(&head));
	struct shunt_rule *rules = (void *)(piece + 1);
	uint32_t *literals = (void *)(rules + 3);

	*piece = head;
	*length = shunt_rules_bytes(piece);
	for (uint32_t i = 0; i < 3; i++) {
		uint8_t action = (uint8_t)((shape >> 2 * i) & 3);

		rules[i] = (struct shunt_rule){
			.counter = i,
			.literals = i,
			.literal_count = (uint16_t)(2 - i),
			.action = action,
			.backend = action == SHUNT_RULE_USE_BACKEND ? 1 : 0,
		};
		literals[i] = (i & 1) | (shape & 0x80 ? SHUNT_LITERAL_NOT : 0);
	}
	return (uint8_t *)piece;
}

#endif
