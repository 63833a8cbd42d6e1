/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules by acl_judge() and in the plainest way say the same; and what pieces are refused. */
#include <time.h>

#include "rules_helper.h"

/* One for each kind that an ACL may have. */
#define KINDS 10
#define HZ    1000000000ull

static_assert(SHUNT_ACL_KINDS == (1 << KINDS) - 1, "all of them");

static uint64_t seed = 20261129;

static uint32_t
below(uint32_t end)
{
	return (uint32_t)(helper_random(&seed) >> 33) % end;
}

/* Addresses that are near each other, so that prefixes lie in prefixes and packets in them. */
static struct shunt_addr
random_address(bool v4)
{
	struct shunt_addr a = helper_addr(v4 ? "10.0.0.0" : "2001:db8::");
	static const uint8_t bytes[] = { 0, 1, 128, 255 };

	for (int i = v4 ? 12 : 6; i < 16; i++) {
		if (below(3) == 0)
			a.bytes[i] = bytes[below(4)];
	}
	return a;
}

static struct rules_prefix
random_prefix(void)
{
	bool v4 = below(2);
	struct rules_prefix p = { random_address(v4), (uint8_t)(v4 ? 96 + below(33) : below(129)) };

	/* Shorter, an IPv6 prefix would be another one's beginning too. */
	for (unsigned int i = p.bits; i < 128; i++)
		p.address.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return p;
}

static struct rules_acl
random_acl(void)
{
	struct rules_acl a = { 0 };
	struct shunt_acl *acl = &a.acl;

	/* Mostly one or two kinds, as people have them. */
	acl->kinds = (uint16_t)(1u << below(KINDS) | (below(3) ? 0 : 1u << below(KINDS)));
	if (acl->kinds & SHUNT_ACL_SRC)
		a.src_count = 1 + below(RULES_MAX_PREFIXES);
	if (acl->kinds & SHUNT_ACL_DST)
		a.dst_count = 1 + below(RULES_MAX_PREFIXES);
	for (uint32_t i = 0; i < a.src_count; i++)
		a.src[i] = random_prefix();
	for (uint32_t i = 0; i < a.dst_count; i++)
		a.dst[i] = random_prefix();
	if (acl->kinds & SHUNT_ACL_SRC_PORT)
		acl->src_port_count = (uint16_t)(1 + below(RULES_MAX_RANGES));
	if (acl->kinds & SHUNT_ACL_DST_PORT)
		acl->dst_port_count = (uint16_t)(1 + below(RULES_MAX_RANGES));
	for (int i = 0; i < 2 * RULES_MAX_RANGES; i++) {
		a.ranges[i].first = (uint16_t)below(16);
		a.ranges[i].last = (uint16_t)(a.ranges[i].first + below(4));
	}
	if (acl->kinds & SHUNT_ACL_CONN_RATE) {
		acl->rate_least = below(4);
		acl->rate_greatest = acl->rate_least + below(4);
	}
	if (acl->kinds & SHUNT_ACL_CONN_COUNT) {
		acl->count_least = below(4);
		acl->count_greatest = below(2) ? UINT32_MAX : acl->count_least;
	}
	if (acl->kinds & SHUNT_ACL_PROTOCOL)
		acl->protocols = (uint8_t)(1 + below(3));
	if (acl->kinds & SHUNT_ACL_INTERFACE)
		acl->interfaces = (uint16_t)below(8);
	if (acl->kinds & SHUNT_ACL_TRUTH)
		acl->truth = 1 + below(100);
	if (acl->kinds & SHUNT_ACL_PAYLOAD) {
		acl->match_count = 1;
		a.match.offset = (uint16_t)below(4);
		a.match.length = (uint8_t)(1 + below(2));
		for (int i = 0; i < a.match.length; i++) {
			a.match.mask[i] = (uint8_t)(1 + below(3));
			a.match.bytes[i] = (uint8_t)below(4) & a.match.mask[i];
		}
	}
	return a;
}

static void
random_model(struct rules_model *m, uint32_t rules)
{
	*m = (struct rules_model){ .acl_count = 1 + below(rules), .row_count = 1 + below(4) };
	m->acls = calloc(m->acl_count, sizeof(*m->acls));
	m->rules = calloc(rules + m->row_count, sizeof(*m->rules));
	for (uint32_t i = 0; i < m->acl_count; i++)
		m->acls[i] = random_acl();
	for (uint32_t row = 0; row < m->row_count; row++) {
		m->rule_count += 1 + below(rules / m->row_count);
		m->row_ends[row] = m->rule_count;
	}
	for (uint32_t i = 0; i < m->rule_count; i++) {
		struct rules_rule *r = &m->rules[i];

		r->action = (uint8_t)below(SHUNT_RULE_ACTION_COUNT);
		r->backend = r->action == SHUNT_RULE_USE_BACKEND ? 1 + below(100) : 0;
		r->rate = r->action == SHUNT_RULE_RATE_LIMIT ? 1 + below(1000) : 0;
		r->drop = r->rate && below(2);
		/* One without any is the last that counts. */
		r->literal_count = below(rules) ? 1 + below(RULES_MAX_LITERALS) : 0;
		for (uint32_t k = 0; k < r->literal_count; k++)
			r->literals[k] = below(m->acl_count) | (below(3) ? 0 : SHUNT_LITERAL_NOT);
	}
	for (int i = 0; i < 2; i++)
		m->truth[i] = helper_random(&seed);
}

static void
model_free(struct rules_model *m)
{
	free(m->acls);
	free(m->rules);
}

static struct acl *
build(const struct rules_model *m, uint32_t a_piece, struct object_store **objects)
{
	struct acl_error error;
	struct acl *acl = NULL;

	*objects = object_store_create();
	rules_put(*objects, m, a_piece);
	CU_ASSERT_EQUAL_FATAL(acl_create(*objects, &acl, &error), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(acl);
	acl_set_clock(acl, HZ);
	return acl;
}

struct subject {
	struct shunt_addr source, destination;
	uint8_t payload[8];
	struct acl_packet packet;
};

static void
random_packet(struct subject *s, const struct rules_model *m)
{
	bool v4 = below(2);
	const struct rules_acl *a = &m->acls[below(m->acl_count)];

	s->source = random_address(v4);
	/* Often right at a prefix's edge. */
	if (below(2) && a->src_count && shunt_addr_is_v4(&a->src[0].address) == v4) {
		s->source = a->src[0].address;
		s->source.bytes[15] = (uint8_t)(s->source.bytes[15] - below(2));
	}
	s->destination = random_address(v4);
	for (size_t i = 0; i < sizeof(s->payload); i++)
		s->payload[i] = (uint8_t)below(4);
	s->packet = (struct acl_packet){
		.source = s->source.bytes + (v4 ? 12 : 0),
		.destination = s->destination.bytes + (v4 ? 12 : 0),
		.source_port = (uint16_t)below(20),
		.destination_port = (uint16_t)below(20),
		.version = v4 ? 4 : 6,
		.protocol = below(2) ? SHUNT_TCP : SHUNT_UDP,
		.port = (uint8_t)below(4),
		.conn_rate = below(8),
		.conn_count = below(6),
	};
	if (s->packet.protocol == SHUNT_UDP) {
		s->packet.payload = s->payload;
		s->packet.payload_bytes = below(sizeof(s->payload) + 1);
	}
}

static bool
agrees(const struct rules_model *m, const struct acl *acl, uint32_t row, const struct acl_packet *p)
{
	uint32_t first = rules_first(m, row, p);
	struct acl_verdict verdict = acl_judge(acl, m->truth, row, p);

	if (first == UINT32_MAX)
		return verdict.counter == ACL_NO_RULE && verdict.action == SHUNT_RULE_ACCEPT;
	return verdict.counter == SHUNT_MAX_RULES - 1 - first &&
		verdict.action == m->rules[first].action &&
		verdict.backend == m->rules[first].backend &&
		verdict.drop == m->rules[first].drop &&
		(verdict.rate ? verdict.rate->period ==
					gcra_make(HZ, m->rules[first].rate, 1).period
			      : m->rules[first].rate == 0);
}

static void
test_random(void)
{
	static const uint32_t sizes[] = { 1, 2, 5, 20, 100, 1000 };
	uint32_t wrong = 0;

	for (int round = 0; round < 300; round++) {
		struct object_store *objects;
		struct rules_model m;
		struct acl *acl;
		struct subject s;

		random_model(&m, 4 + sizes[below(6)]);
		acl = build(&m, 1 + below(50), &objects);
		for (int i = 0; i < 200; i++) {
			random_packet(&s, &m);
			wrong += !agrees(&m, acl, 1 + below(m.row_count), &s.packet);
		}
		acl_destroy(acl);
		object_store_destroy(objects);
		model_free(&m);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* The backends that a row leads to: each once, in order, and no others. */
static void
test_backends(void)
{
	for (int round = 0; round < 50; round++) {
		struct object_store *objects;
		struct rules_model m;
		struct acl *acl;

		random_model(&m, 100);
		acl = build(&m, 7, &objects);
		CU_ASSERT_EQUAL_FATAL(acl_row_count(acl), m.row_count);
		for (uint32_t row = 1; row <= m.row_count; row++) {
			uint32_t count, leads = 0;
			const uint16_t *backends = acl_row_backends(acl, row, &count);

			for (uint32_t i = 1; i < count; i++)
				CU_ASSERT(backends[i - 1] < backends[i]);
			for (uint16_t id = 1; id <= 100; id++) {
				bool there = false;

				for (uint32_t r = row > 1 ? m.row_ends[row - 2] : 0;
					r < m.row_ends[row - 1]; r++)
					there |= m.rules[r].backend == id;
				CU_ASSERT_EQUAL(acl_leads(acl, row, id), there);
				leads += there;
			}
			CU_ASSERT_EQUAL(leads, count);
		}
		acl_destroy(acl);
		object_store_destroy(objects);
		model_free(&m);
	}
}

/* One ACL of a million prefixes: /32s and /64s here and there, in groups, and a few wide ones. */
#define MANY 1000000u

static struct rules_prefix
one_of_many(uint32_t i)
{
	uint32_t mixed = i * 0x9e3779b1u;
	struct rules_prefix p;

	if (i % 2) {
		uint8_t v4[4] = { (uint8_t)(1 + mixed % 200), (uint8_t)(mixed >> 8),
			(uint8_t)(mixed >> 16), (uint8_t)(mixed >> 24) };

		p = (struct rules_prefix){ shunt_addr_from_v4(v4), 128 };
	} else {
		p = (struct rules_prefix){ helper_addr("2001:db8::"), 64 };
		memcpy(&p.address.bytes[4], &mixed, 4);
	}
	return p;
}

static void
test_million(void)
{
	struct rules_acl a = { .acl = { .kinds = SHUNT_ACL_SRC } };
	struct rules_rule rule = { .action = SHUNT_RULE_DROP, .literal_count = 1 };
	struct rules_model m = { .acls = &a,
		.acl_count = 1,
		.rules = &rule,
		.rule_count = 1,
		.row_ends = { 1 },
		.row_count = 1 };
	struct object_store *objects = object_store_create();
	struct rules_piece pieces[2];
	struct acl_error error;
	struct timespec start, end;
	struct acl *acl;
	uint32_t id, missed = 0, taken = 0;

	rules_put_acls(objects, &m);
	rules_put_rules(objects, &m, 1);
	rules_pieces_open(pieces, objects, &id);
	for (uint32_t i = 0; i < MANY; i++) {
		struct rules_prefix p = one_of_many(i);

		rules_add_prefix(pieces, 1, &p);
	}
	rules_pieces_close(pieces);
	clock_gettime(CLOCK_MONOTONIC, &start);
	CU_ASSERT_EQUAL_FATAL(acl_create(objects, &acl, &error), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("\n    %u prefixes: built in %.0f ms, %.1f MB\n", MANY,
		(double)(end.tv_sec - start.tv_sec) * 1e3 +
			(double)(end.tv_nsec - start.tv_nsec) / 1e6,
		(double)acl_bytes(acl) / 1e6);
	for (uint32_t i = 0; i < MANY; i++) {
		struct rules_prefix in = one_of_many(i);
		bool v4 = shunt_addr_is_v4(&in.address);
		struct acl_packet p = { .source = in.address.bytes + (v4 ? 12 : 0),
			.destination = p.source,
			.version = v4 ? 4 : 6,
			.protocol = SHUNT_TCP };

		if (!v4)
			in.address.bytes[15] = (uint8_t)i;
		missed += acl_judge(acl, m.truth, 1, &p).action != SHUNT_RULE_DROP;
		/* No prefix begins so. */
		in.address.bytes[v4 ? 12 : 3] = 0xfe;
		taken += acl_judge(acl, m.truth, 1, &p).action != SHUNT_RULE_ACCEPT;
	}
	CU_ASSERT_EQUAL(missed, 0);
	CU_ASSERT_EQUAL(taken, 0);
	acl_destroy(acl);
	object_store_destroy(objects);
}

/* The least and the greatest addresses, and prefixes that hold all. */
static void
test_edges(void)
{
	static const char *const prefixes[] = { "0.0.0.0/0", "0.0.0.0/32", "255.255.255.255/32",
		"255.255.255.254/31", "128.0.0.0/1", "::/0", "::/128",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "8000::/1" };
	static const char *const addresses[] = { "0.0.0.0", "0.0.0.1", "127.255.255.255",
		"128.0.0.0", "255.255.255.253", "255.255.255.254", "255.255.255.255", "::", "::1",
		"7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	uint32_t count = sizeof(prefixes) / sizeof(prefixes[0]);

	for (uint32_t chosen = 1; chosen < 1u << count; chosen++) {
		struct rules_acl acls[9] = { 0 };
		struct rules_rule rules[9] = { 0 };
		struct rules_model m = { .acls = acls, .rules = rules, .row_count = 1 };
		struct object_store *objects;
		struct acl *acl;

		for (uint32_t i = 0; i < count; i++) {
			if (!(chosen >> i & 1))
				continue;
			acls[m.acl_count] = (struct rules_acl){ .acl = { .kinds = SHUNT_ACL_SRC },
				.src = { rules_prefix(prefixes[i]) },
				.src_count = 1 };
			/* The narrow ones first, as people write them. */
			rules[m.rule_count++] = (struct rules_rule){ .action = SHUNT_RULE_DROP,
				.literals = { m.acl_count++ },
				.literal_count = 1 };
		}
		m.row_ends[0] = m.rule_count;
		acl = build(&m, 100, &objects);
		for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
			struct shunt_addr a = helper_addr(addresses[i]);
			bool v4 = shunt_addr_is_v4(&a);
			struct acl_packet p = { .source = a.bytes + (v4 ? 12 : 0),
				.destination = a.bytes + (v4 ? 12 : 0),
				.version = v4 ? 4 : 6,
				.protocol = SHUNT_TCP };

			CU_ASSERT(agrees(&m, acl, 1, &p));
		}
		acl_destroy(acl);
		object_store_destroy(objects);
	}
}

/* Every truncation of every piece, and every byte of it changed: refused, or harmless. */
static void
try_object(const struct object_store *good, uint32_t kind, uint32_t id, struct subject *s)
{
	const struct object *o = object_store_get(good, kind, id);
	uint8_t *copy;
	const char *why;

	for (size_t length = 0; length < o->length; length++) {
		struct object_store *objects = object_store_clone(good);

		copy = malloc(length + 1);
		memcpy(copy, o->bytes, length);
		CU_ASSERT_EQUAL(object_store_put(objects, kind, id, copy, length, &why), -EINVAL);
		free(copy);
		object_store_destroy(objects);
	}
	for (size_t i = 0; i < o->length; i++) {
		static const uint8_t changes[] = { 0x01, 0x80, 0xff, 0x42 };

		for (size_t c = 0; c < sizeof(changes); c++) {
			struct object_store *objects = object_store_clone(good);
			struct acl_error error;
			struct acl *acl = NULL;

			copy = malloc(o->length);
			memcpy(copy, o->bytes, o->length);
			copy[i] ^= changes[c];
			if (object_store_put(objects, kind, id, copy, o->length, &why) == 0 &&
				acl_create(objects, &acl, &error) == 0 && acl)
				acl_judge(acl, (const uint64_t[SHUNT_MAX_TRUTHS / 64]){ 0 }, 1,
					&s->packet);
			acl_destroy(acl);
			free(copy);
			object_store_destroy(objects);
		}
	}
}

static void
test_hostile(void)
{
	struct object_store *objects;
	struct rules_model m;
	struct subject s;
	struct acl *acl;

	random_model(&m, 12);
	acl = build(&m, 3, &objects);
	random_packet(&s, &m);
	for (uint32_t kind = SHUNT_KIND_PREFIXES; kind <= SHUNT_KIND_RULES; kind++) {
		for (uint32_t id = 1; id < object_store_end(objects, kind); id++)
			try_object(objects, kind, id, &s);
	}
	acl_destroy(acl);
	object_store_destroy(objects);
	model_free(&m);
}

/* Pieces that are good, but not together. */
static void
test_pieces(void)
{
	struct object_store *objects, *spoilt;
	struct rules_model m;
	struct acl_error error;
	struct acl *acl;

	do {
		random_model(&m, 50);
		if (m.row_count < 2 || m.rule_count < 10)
			model_free(&m);
	} while (m.row_count < 2 || m.rule_count < 10);
	acl = build(&m, 2, &objects);
	acl_destroy(acl);
	for (uint32_t id = 1; id + 1 < object_store_end(objects, SHUNT_KIND_RULES); id++) {
		spoilt = object_store_clone(objects);
		object_store_delete(spoilt, SHUNT_KIND_RULES, id);
		CU_ASSERT_EQUAL(acl_create(spoilt, &acl, &error), -EINVAL);
		CU_ASSERT_EQUAL(error.kind, SHUNT_KIND_RULES);
		CU_ASSERT_PTR_NULL(acl);
		object_store_destroy(spoilt);
	}
	spoilt = object_store_clone(objects);
	object_store_delete(spoilt, SHUNT_KIND_ACLS, 1);
	CU_ASSERT_EQUAL(acl_create(spoilt, &acl, &error), -EINVAL);
	object_store_destroy(spoilt);
	object_store_destroy(objects);
	model_free(&m);
}

/* Without rules there is nothing to judge by. */
static void
test_none(void)
{
	struct object_store *objects = object_store_create();
	struct acl_error error;
	struct acl *acl = NULL;

	CU_ASSERT_EQUAL(acl_create(objects, &acl, &error), 0);
	CU_ASSERT_PTR_NULL(acl);
	CU_ASSERT_EQUAL(acl_row_count(NULL), 0);
	CU_ASSERT_EQUAL(acl_bytes(NULL), 0);
	object_store_destroy(objects);
}

static const struct unit_test tests[] = {
	{ "random rules against the plain way", test_random },
	{ "backends of a row", test_backends },
	{ "a million prefixes", test_million },
	{ "edges", test_edges },
	{ "hostile pieces", test_hostile },
	{ "pieces that do not go together", test_pieces },
	{ "none", test_none },
};

UNIT_MAIN("acl", tests)
