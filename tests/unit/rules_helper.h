/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules as a test writes them down, put as the pieces of shunt/rules.h, and judged in the plainest
 * way: all that a worker may find is to be what this finds.
 */
#ifndef TESTS_RULES_HELPER_H
#define TESTS_RULES_HELPER_H

#include "acl.h"
#include "objects_helper.h"

#define RULES_MAX_PREFIXES 8
#define RULES_MAX_LITERALS 4
#define RULES_MAX_RANGES   3

struct rules_prefix {
	struct shunt_addr address;
	uint8_t bits; /* of 128: IPv4's count from 96 on */
};

struct rules_acl {
	struct shunt_acl acl; /* sets, ports and matches: those below count */
	struct rules_prefix src[RULES_MAX_PREFIXES];
	struct rules_prefix dst[RULES_MAX_PREFIXES];
	uint32_t src_count, dst_count;
	struct shunt_port_range ranges[2 * RULES_MAX_RANGES];
	struct shunt_match match;
};

struct rules_rule {
	uint8_t action;
	bool drop;
	uint32_t backend;
	uint32_t rate; /* and burst */
	uint32_t literals[RULES_MAX_LITERALS];
	uint32_t literal_count;
};

struct rules_model {
	struct rules_acl *acls;
	uint32_t acl_count;
	struct rules_rule *rules; /* of all rows, in order */
	uint32_t rule_count;
	uint32_t row_ends[8]; /* of row 1, 2, ...: the number of rules up to its end */
	uint32_t row_count;
	uint64_t truth[SHUNT_MAX_TRUTHS / 64];
};

/* "192.0.2.0/24" or "2001:db8::/32". */
static inline struct rules_prefix
rules_prefix(const char *text)
{
	char copy[64], *slash;
	struct rules_prefix p;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	p.address = helper_addr(copy);
	p.bits = 128;
	if (slash)
		p.bits = (uint8_t)(atoi(slash + 1) + (shunt_addr_is_v4(&p.address) ? 96 : 0));
	return p;
}

static inline bool
rules_prefix_has(const struct rules_prefix *p, const struct shunt_addr *a)
{
	/* A prefix of IPv6 that is shorter than the mapped ones' is none of IPv4's. */
	if (shunt_addr_is_v4(&p->address) != shunt_addr_is_v4(a))
		return false;
	for (unsigned int i = 0; i < p->bits; i++) {
		if ((p->address.bytes[i / 8] ^ a->bytes[i / 8]) >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

/* Room for one piece of prefixes of a family, which is put when it is full. */
struct rules_piece {
	struct object_store *objects;
	struct shunt_prefixes *piece;
	uint32_t *id;
};

static inline void
rules_flush(struct rules_piece *p)
{
	if (p->piece->count)
		helper_put(p->objects, SHUNT_KIND_PREFIXES, (*p->id)++, p->piece,
			shunt_prefixes_bytes(p->piece));
	p->piece->count = 0;
}

static inline void
rules_add_prefix(struct rules_piece pieces[2], uint32_t set, const struct rules_prefix *p)
{
	bool v4 = shunt_addr_is_v4(&p->address);
	struct rules_piece *to = &pieces[!v4];

	if (v4) {
		struct shunt_prefix4 *out =
			(struct shunt_prefix4 *)(to->piece + 1) + to->piece->count++;
		uint32_t address_be;

		memcpy(&address_be, &p->address.bytes[12], 4);
		*out = (struct shunt_prefix4){
			.set = set, .address = ntohl(address_be), .bits = (uint8_t)(p->bits - 96)
		};
	} else {
		struct shunt_prefix6 *out =
			(struct shunt_prefix6 *)(to->piece + 1) + to->piece->count++;

		*out = (struct shunt_prefix6){ .set = set, .bits = p->bits };
		memcpy(out->address, p->address.bytes, 16);
	}
	if (to->piece->count == SHUNT_PREFIXES_A_PIECE)
		rules_flush(to);
}

static inline void
rules_pieces_open(struct rules_piece pieces[2], struct object_store *objects, uint32_t *id)
{
	for (int i = 0; i < 2; i++) {
		pieces[i] = (struct rules_piece){ objects, calloc(1, 1u << 20), id };
		pieces[i].piece->version = i ? 6 : 4;
	}
	*id = 1;
}

static inline void
rules_pieces_close(struct rules_piece pieces[2])
{
	for (int i = 0; i < 2; i++) {
		rules_flush(&pieces[i]);
		free(pieces[i].piece);
	}
}

/* An ACL's sets are 2 * number + 1 and + 2. */
static inline void
rules_put_prefixes(struct object_store *objects, const struct rules_model *m)
{
	struct rules_piece pieces[2];
	uint32_t id;

	rules_pieces_open(pieces, objects, &id);
	for (uint32_t i = 0; i < m->acl_count; i++) {
		const struct rules_acl *a = &m->acls[i];

		for (uint32_t k = 0; k < a->src_count; k++)
			rules_add_prefix(pieces, 2 * i + 1, &a->src[k]);
		for (uint32_t k = 0; k < a->dst_count; k++)
			rules_add_prefix(pieces, 2 * i + 2, &a->dst[k]);
	}
	rules_pieces_close(pieces);
}

static inline void
rules_put_acls(struct object_store *objects, const struct rules_model *m)
{
	for (uint32_t first = 0, id = 1; first < m->acl_count; first += SHUNT_ACLS_A_PIECE, id++) {
		uint32_t count = m->acl_count - first;
		struct shunt_acls head = { 0 }, *piece;
		struct shunt_match *matches;
		struct shunt_acl *acls;
		struct shunt_port_range *ports;
		uint32_t port = 0, match = 0;

		count = count < SHUNT_ACLS_A_PIECE ? count : SHUNT_ACLS_A_PIECE;
		head.acl_count = count;
		for (uint32_t i = 0; i < count; i++) {
			const struct shunt_acl *a = &m->acls[first + i].acl;

			head.port_count += a->src_port_count + a->dst_port_count;
			head.match_count += a->match_count;
		}
		piece = calloc(1, shunt_acls_bytes(&head));
		*piece = head;
		matches = (struct shunt_match *)(piece + 1);
		acls = (struct shunt_acl *)(matches + head.match_count);
		ports = (struct shunt_port_range *)(acls + count);
		for (uint32_t i = 0; i < count; i++) {
			const struct rules_acl *a = &m->acls[first + i];

			acls[i] = a->acl;
			acls[i].src_set = a->acl.kinds & SHUNT_ACL_SRC ? 2 * (first + i) + 1 : 0;
			acls[i].dst_set = a->acl.kinds & SHUNT_ACL_DST ? 2 * (first + i) + 2 : 0;
			acls[i].ports = port;
			acls[i].matches = match;
			for (uint32_t k = 0; k < a->acl.src_port_count; k++)
				ports[port++] = a->ranges[k];
			for (uint32_t k = 0; k < a->acl.dst_port_count; k++)
				ports[port++] = a->ranges[RULES_MAX_RANGES + k];
			if (a->acl.match_count)
				matches[match++] = a->match;
		}
		helper_put(objects, SHUNT_KIND_ACLS, id, piece, shunt_acls_bytes(piece));
		free(piece);
	}
}

/* a_piece: rules in one; counters are the rules' numbers, backwards. */
static inline void
rules_put_rules(struct object_store *objects, const struct rules_model *m, uint32_t a_piece)
{
	uint32_t id = 1, at = 0;

	for (uint32_t row = 1; row <= m->row_count; row++) {
		uint32_t begin = at;

		while (at < m->row_ends[row - 1]) {
			uint32_t count = m->row_ends[row - 1] - at, literal = 0;
			struct shunt_rules head = { .row = row, .first = at - begin }, *piece;
			struct shunt_rule *rules;
			uint32_t *literals;

			count = count < a_piece ? count : a_piece;
			head.rule_count = count;
			for (uint32_t i = 0; i < count; i++)
				head.literal_count += m->rules[at + i].literal_count;
			piece = calloc(1, shunt_rules_bytes(&head));
			*piece = head;
			rules = (struct shunt_rule *)(piece + 1);
			literals = (uint32_t *)(rules + count);
			for (uint32_t i = 0; i < count; i++) {
				const struct rules_rule *r = &m->rules[at + i];

				rules[i] = (struct shunt_rule){
					.counter = SHUNT_MAX_RULES - 1 - (at + i),
					.action = r->action,
					.backend = r->backend,
					.rate = r->rate,
					.burst = r->rate,
					.drop = r->drop,
					.literals = literal,
					.literal_count = (uint16_t)r->literal_count,
				};
				for (uint32_t k = 0; k < r->literal_count; k++)
					literals[literal++] = r->literals[k];
			}
			helper_put(
				objects, SHUNT_KIND_RULES, id++, piece, shunt_rules_bytes(piece));
			free(piece);
			at += count;
		}
	}
}

static inline void
rules_put(struct object_store *objects, const struct rules_model *m, uint32_t a_piece)
{
	struct shunt_truth truth;

	memcpy(truth.words, m->truth, sizeof(truth.words));
	rules_put_prefixes(objects, m);
	rules_put_acls(objects, m);
	rules_put_rules(objects, m, a_piece);
	helper_put(objects, SHUNT_KIND_TRUTH, 1, &truth, sizeof(truth));
}

static inline bool
rules_any_prefix(
	const struct rules_prefix *prefixes, uint32_t count, const uint8_t *bytes, uint8_t version)
{
	struct shunt_addr a;

	if (version == 4)
		a = shunt_addr_from_v4(bytes);
	else
		memcpy(a.bytes, bytes, 16);
	for (uint32_t i = 0; i < count; i++) {
		if (rules_prefix_has(&prefixes[i], &a))
			return true;
	}
	return false;
}

static inline bool
rules_any_port(const struct shunt_port_range *ranges, uint32_t count, uint16_t port)
{
	for (uint32_t i = 0; i < count; i++) {
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	}
	return false;
}

static inline bool
rules_has_match(const struct shunt_match *m, const struct acl_packet *p)
{
	for (unsigned int i = 0; i < m->length; i++) {
		if (!p->payload || m->offset + i >= p->payload_bytes ||
			(p->payload[m->offset + i] & m->mask[i]) != m->bytes[i])
			return false;
	}
	return true;
}

static inline bool
rules_acl_holds(const struct rules_model *m, uint32_t number, const struct acl_packet *p)
{
	const struct rules_acl *a = &m->acls[number];
	unsigned int kinds = a->acl.kinds;
	unsigned int protocol = p->protocol == SHUNT_TCP ? SHUNT_ACL_TCP : SHUNT_ACL_UDP;

	return (!(kinds & SHUNT_ACL_SRC) ||
		       rules_any_prefix(a->src, a->src_count, p->source, p->version)) &&
		(!(kinds & SHUNT_ACL_DST) ||
			rules_any_prefix(a->dst, a->dst_count, p->destination, p->version)) &&
		(!(kinds & SHUNT_ACL_SRC_PORT) ||
			rules_any_port(a->ranges, a->acl.src_port_count, p->source_port)) &&
		(!(kinds & SHUNT_ACL_DST_PORT) ||
			rules_any_port(a->ranges + RULES_MAX_RANGES, a->acl.dst_port_count,
				p->destination_port)) &&
		(!(kinds & SHUNT_ACL_PROTOCOL) || (a->acl.protocols & protocol)) &&
		(!(kinds & SHUNT_ACL_CONN_RATE) ||
			(p->conn_rate >= a->acl.rate_least &&
				p->conn_rate <= a->acl.rate_greatest)) &&
		(!(kinds & SHUNT_ACL_CONN_COUNT) ||
			(p->conn_count >= a->acl.count_least &&
				p->conn_count <= a->acl.count_greatest)) &&
		(!(kinds & SHUNT_ACL_INTERFACE) || (a->acl.interfaces >> p->port & 1)) &&
		(!(kinds & SHUNT_ACL_TRUTH) || shunt_truth_bit(m->truth, a->acl.truth)) &&
		(!(kinds & SHUNT_ACL_PAYLOAD) || rules_has_match(&a->match, p));
}

/* The number of the first rule of the row that holds, counted over all rows; or UINT32_MAX. */
static inline uint32_t
rules_first(const struct rules_model *m, uint32_t row, const struct acl_packet *p)
{
	for (uint32_t r = row > 1 ? m->row_ends[row - 2] : 0; r < m->row_ends[row - 1]; r++) {
		const struct rules_rule *rule = &m->rules[r];
		bool all = true;

		for (uint32_t i = 0; i < rule->literal_count && all; i++)
			all = rules_acl_holds(m, rule->literals[i] & ~SHUNT_LITERAL_NOT, p) !=
				((rule->literals[i] & SHUNT_LITERAL_NOT) != 0);
		if (all)
			return r;
	}
	return UINT32_MAX;
}

#endif
