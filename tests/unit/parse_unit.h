/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of parse share. */
#ifndef TESTS_PARSE_UNIT_H
#define TESTS_PARSE_UNIT_H

#include "unit.h"

#include "fragments.h"
#include "parse.h"

/* Every reason an executable's tests have met, for its last test to look at. */
static bool parse_seen[SHUNT_DROP_COUNT];

static const struct {
	uint8_t version;
	uint8_t protocol;
} kinds[] = { { 4, SHUNT_TCP }, { 4, SHUNT_UDP }, { 6, SHUNT_TCP }, { 6, SHUNT_UDP } };

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/*
 * Parses a copy of exactly these bytes, from a pkt full of rubbish; returns the reason. What the
 * packet said is in *out, but for its data, which is gone.
 */
static inline unsigned int
parse_bytes(const uint8_t *frame, size_t bytes, struct pkt *out)
{
	uint8_t *copy = frame_exact(frame, bytes);
	struct pkt p;

	memset(&p, 0xa5, sizeof(p));
	p.data = copy;
	p.bytes = (uint32_t)bytes;
	parse_pkt(&p);
	CU_ASSERT_TRUE_FATAL(frame_parsed_is_sound(&p, bytes));
	CU_ASSERT_TRUE_FATAL(bytes == 0 || memcmp(copy, frame, bytes) == 0);
	free(copy);
	p.data = NULL;
	parse_seen[p.drop] = true;
	if (out)
		*out = p;
	return p.drop;
}

static inline unsigned int
parse_spec(const struct frame_spec *s, struct pkt *out)
{
	uint8_t frame[FRAME_MAX_BYTES];

	return parse_bytes(frame, frame_build(frame, s), out);
}

/* Exactly these reasons, and no others. */
static inline void
parse_check_seen(const uint8_t *reasons, size_t n)
{
	unsigned int count = 0;

	for (size_t i = 0; i < n; i++)
		CU_ASSERT_TRUE(parse_seen[reasons[i]]);
	for (unsigned int i = 0; i < SHUNT_DROP_COUNT; i++)
		count += parse_seen[i];
	CU_ASSERT_EQUAL(count, n);
}

#endif
