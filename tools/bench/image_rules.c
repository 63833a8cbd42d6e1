/* SPDX-License-Identifier: BSD-3-Clause */
#include "image_rules.h"

#include <errno.h>
#include <stdlib.h>

#include "image.h"

#define CLIENT_BITS 4		/* all clients are in 16.0.0.0/4, or the same behind 96 bits */
#define CLIENT_NET  0x10000000u /* see traffic.c */
#define OTHER_PORT  1		/* no service has it */

/* The network of rule i: the clients' are divided into the greatest power of two of them. */
static void
network_of(uint32_t i, uint32_t rules, uint32_t *address, uint8_t *bits)
{
	unsigned int more = rules > 1 ? 31u - (unsigned int)__builtin_clz(rules - 1) : 0;

	if (i == rules - 1)
		more = 0;
	*bits = (uint8_t)(CLIENT_BITS + more);
	*address = CLIENT_NET | (more ? (i & ((1u << more) - 1)) << (32 - *bits) : 0);
}

static void
set_prefix6(struct shunt_prefix6 *out, uint32_t set, uint32_t address, uint8_t bits)
{
	static const uint8_t begin[6] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0x0c };
	uint32_t address_be = __builtin_bswap32(address);

	*out = (struct shunt_prefix6){ .set = set, .bits = (uint8_t)(96 + bits) };
	memcpy(out->address, begin, sizeof(begin));
	memcpy(&out->address[12], &address_be, 4);
}

static int
put_prefixes(struct object_store *objects, const struct scenario *s, uint32_t first, uint32_t count)
{
	struct shunt_prefixes *piece =
		malloc(sizeof(*piece) + count * sizeof(struct shunt_prefix6));
	int result;

	if (!piece)
		return -ENOMEM;
	*piece = (struct shunt_prefixes){ .version = s->version, .count = count };
	for (uint32_t i = 0; i < count; i++) {
		uint32_t address;
		uint8_t bits;

		network_of(first + i, s->rules, &address, &bits);
		if (s->version == 4)
			((struct shunt_prefix4 *)(piece + 1))[i] = (struct shunt_prefix4){
				.set = first + i + 1, .address = address, .bits = bits
			};
		else
			set_prefix6(&((struct shunt_prefix6 *)(piece + 1))[i], first + i + 1,
				address, bits);
	}
	result = image_put(objects, SHUNT_KIND_PREFIXES, first / SHUNT_ACLS_A_PIECE + 1, piece,
		shunt_prefixes_bytes(piece));
	free(piece);
	return result;
}

static int
put_acls(struct object_store *objects, const struct scenario *s, uint32_t first, uint32_t count)
{
	struct shunt_acls head = { .acl_count = count, .port_count = 1 };
	struct shunt_acls *piece = malloc(shunt_acls_bytes(&head));
	struct shunt_acl *acls;
	int result;

	if (!piece)
		return -ENOMEM;
	*piece = head;
	acls = (void *)(piece + 1);
	for (uint32_t i = 0; i < count; i++) {
		bool last = first + i == s->rules - 1;

		acls[i] = (struct shunt_acl){
			.kinds = SHUNT_ACL_SRC | (last ? 0 : SHUNT_ACL_DST_PORT),
			.src_set = first + i + 1,
			.dst_port_count = !last,
		};
	}
	*(struct shunt_port_range *)(acls + count) =
		(struct shunt_port_range){ OTHER_PORT, OTHER_PORT };
	result = image_put(objects, SHUNT_KIND_ACLS, first / SHUNT_ACLS_A_PIECE + 1, piece,
		shunt_acls_bytes(piece));
	free(piece);
	return result;
}

static int
put_rules(struct object_store *objects, const struct scenario *s, uint32_t first, uint32_t count)
{
	struct shunt_rules head = {
		.row = 1, .first = first, .rule_count = count, .literal_count = count
	};
	struct shunt_rules *piece = malloc(shunt_rules_bytes(&head));
	struct shunt_rule *rules;
	int result;

	if (!piece)
		return -ENOMEM;
	*piece = head;
	rules = (void *)(piece + 1);
	for (uint32_t i = 0; i < count; i++) {
		bool last = first + i == s->rules - 1;

		rules[i] = (struct shunt_rule){
			.counter = first + i,
			.literals = i,
			.literal_count = 1,
			.action = last ? SHUNT_RULE_ACCEPT : SHUNT_RULE_DROP,
		};
		((uint32_t *)(rules + count))[i] = first + i;
	}
	result = image_put(objects, SHUNT_KIND_RULES, first / SHUNT_RULES_A_PIECE + 1, piece,
		shunt_rules_bytes(piece));
	free(piece);
	return result;
}

static_assert(SHUNT_ACLS_A_PIECE == SHUNT_RULES_A_PIECE, "one loop for all");

int
image_put_rules(struct object_store *objects, const struct scenario *s)
{
	int result = 0;

	for (uint32_t first = 0; result == 0 && first < s->rules; first += SHUNT_ACLS_A_PIECE) {
		uint32_t left = s->rules - first;
		uint32_t count = left < SHUNT_ACLS_A_PIECE ? left : SHUNT_ACLS_A_PIECE;

		result = put_prefixes(objects, s, first, count);
		if (result == 0)
			result = put_acls(objects, s, first, count);
		if (result == 0)
			result = put_rules(objects, s, first, count);
	}
	return result;
}
