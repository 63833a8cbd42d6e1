/* SPDX-License-Identifier: BSD-3-Clause */
/* The limits of a generation, out of the objects. */
#include <stddef.h>

#include "generation_impl.h"
#include "mem.h"
#include "objects.h"

#define V4_BITS_BEFORE 96 /* of an IPv4 address in struct shunt_addr */

/* Does it count the networks that the limit of the generation before does, under the same id? */
static uint32_t
number_before(const struct gen_builder *b, uint32_t id, const struct gen_limit *limit)
{
	const struct gen_limits *before = b->before ? b->before->limits : NULL;

	if (!before || id >= before->end ||
		memcmp(before->limit[id].source_bits, limit->source_bits,
			sizeof(limit->source_bits)) != 0)
		return 0;
	return before->limit[id].source_number;
}

static void
build_sources(const struct gen_builder *b, struct gen_limits *limits, uint32_t id,
	const struct shunt_limit *s)
{
	struct gen_limit *limit = &limits->limit[id];
	const struct gcra *rate = &limit->source_rate;

	limits->has_sources = true;
	limit->source_maxconn = s->source_maxconn;
	limit->source_bits[0] = (uint8_t)(V4_BITS_BEFORE + s->source_prefix);
	limit->source_bits[1] = s->source_prefix_v6;
	limit->source_number = number_before(b, id, limit);
	if (limit->source_number == 0)
		limit->source_number = ++limits->last_number;
	limit->session_weight = s->source_maxconn ? GEN_LIMIT_FULL / s->source_maxconn : 1;
	if (limit->session_weight == 0)
		limit->session_weight = 1;
	if (rate->period)
		limit->clock_weight =
			((uint64_t)GEN_LIMIT_FULL << 32) / (rate->tolerance + rate->period);
}

static bool
are_same(const struct gen_builder *b)
{
	return object_store_next_change(b->before->objects, b->objects, SHUNT_KIND_LIMIT, 0) ==
		UINT32_MAX;
}

static struct gen_limits *
limits_create(const struct gen_builder *b)
{
	const uint64_t hz = b->moment->clock_hz ? b->moment->clock_hz : GEN_CLOCK_HZ;
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_LIMIT);
	struct gen_limits *limits = mem_alloc(sizeof(*limits) + end * sizeof(limits->limit[0]));

	if (!limits)
		return NULL;
	limits->references = 1;
	limits->end = end;
	limits->last_number = b->before ? b->before->limits->last_number : 0;
	for (uint32_t id = 1; id < end; id++) {
		const struct shunt_limit *s = gen_bytes_of(b, SHUNT_KIND_LIMIT, id);
		struct gen_limit *limit = &limits->limit[id];

		if (!s)
			continue;
		limit->exists = true;
		limit->drop = s->drop;
		limit->maxconn = s->maxconn;
		limit->rate = gcra_make(hz, s->rate, s->burst);
		limit->source_rate = gcra_make(hz, s->source_rate, s->source_burst);
		if (s->source_prefix)
			build_sources(b, limits, id, s);
	}
	return limits;
}

int
gen_build_limits(struct gen_builder *b)
{
	struct generation *g = b->generation;

	if (b->before && are_same(b)) {
		g->limits = b->before->limits;
		g->limits->references++;
		return 0;
	}
	g->limits = limits_create(b);
	return g->limits ? 0 : gen_out_of_memory(b);
}

bool
gen_limit_exists(const struct generation *g, uint32_t id)
{
	return id < g->limits->end && g->limits->limit[id].exists;
}

void
gen_limits_release(struct gen_limits *limits)
{
	if (limits && --limits->references == 0)
		mem_free(limits);
}
