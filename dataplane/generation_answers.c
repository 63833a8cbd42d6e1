/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What backends of stateless services know of their slots' former servers: carried on from one
 * generation to the next, slot by slot and by the servers' ids, for members have other indices in
 * each. stateless.h says what it is for.
 *
 * Workers may do as the generation before says until they have this one. So `first` and `last` of
 * the moment stand on the safe side of both: a slot counts as closed from `last` on, and its
 * entries as all made from `first` on.
 */
#include <errno.h>
#include <stddef.h>

#include "generation_impl.h"
#include "mem.h"
#include "objects.h"
#include "stateless.h"

/* Who uses a backend. */
struct use {
	uint32_t window; /* the longest that a flow of its services may be silent for, in ticks */
	bool stateless;	 /* one of the services is */
	bool idle;	 /* and no worker has an entry of those that are */
};

static_assert(SHUNT_MAX_SERVERS <= 1 << 16, "two ids fit a slot");

/* A flow may be silent for as long as an entry that was last seen in the last tick would stay. */
static uint32_t
silence(const struct gen_service *service, const struct flow_timeouts *timeouts)
{
	uint16_t established = timeouts->ticks[FLOW_ESTABLISHED];
	uint16_t fin = timeouts->ticks[FLOW_FIN_CLIENT];

	if (service->protocol == SHUNT_UDP)
		return timeouts->ticks[FLOW_UDP] + 1u;
	return (established > fin ? established : fin) + 1u;
}

static void
find_uses(const struct gen_builder *b, struct use *uses)
{
	const struct generation *g = b->generation;
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_SERVICE);

	for (uint32_t id = 0; id < SHUNT_MAX_BACKENDS; id++)
		uses[id] = (struct use){ .idle = true };
	for (uint32_t id = 1; id < end; id++) {
		const struct gen_service *service = &g->services[id];
		struct use *use = &uses[service->backend];
		uint32_t ticks = silence(service, &g->timeouts[id]);

		if (!service->version)
			continue;
		use->window = ticks > use->window ? ticks : use->window;
		use->stateless |= service->stateless;
		if (service->stateless && use->idle)
			use->idle = gen_service_is_idle(b, id);
	}
}

static struct gen_answers *
answers_create(uint32_t count)
{
	struct gen_answers *a = mem_alloc(sizeof(*a) + 2ull * count * sizeof(uint32_t));

	if (!a)
		return NULL;
	a->count = count;
	a->until = &a->slots[count];
	return a;
}

/* The slot as it was, with what has become of it since. */
static struct stateless_step
slot_before(const struct gen_builder *b, const struct gen_answers *past, const struct use *use,
	uint32_t i)
{
	struct stateless_step step = { past->slots[i], past->until[i] };

	if (stateless_is_open(step.slot, step.until, b->moment->first)) {
		/* The flows live longer now. */
		if (use->window > past->window)
			step.until += use->window - past->window;
	} else if (use->idle) {
		step.slot = stateless_slot(stateless_server(step.slot), 0);
	}
	return step;
}

/* How far to shift an index among the one number for one among the other, both powers of two. */
static unsigned int
shift_of(uint32_t more, uint32_t fewer)
{
	return (unsigned int)(__builtin_ctz(more) - __builtin_ctz(fewer));
}

/*
 * lost: the hash is another one, so slots are no longer what they were, and flows go where it says
 * now, but for those that have an entry. count: at least as many as the backend has slots and
 * `past` has.
 */
static void
fill(const struct gen_builder *b, const struct gen_backend *backend, const struct gen_answers *past,
	bool lost, const struct use *use, struct gen_answers *a)
{
	unsigned int shift = backend->slot_count ? shift_of(a->count, backend->slot_count) : 0;
	unsigned int past_shift = past ? shift_of(a->count, past->count) : 0;
	uint32_t *until = &a->slots[a->count];

	a->marked = 0;
	a->last_until = 0;
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t server = backend->slot_count
			? backend->members[backend->slots[i >> shift]].server
			: 0;
		struct stateless_step step = { .slot = stateless_slot(server, 0) };

		if (past && !lost) {
			step = stateless_next(slot_before(b, past, use, i >> past_shift), server,
				b->moment->last, use->window);
		} else if (past && !use->idle) {
			step.slot = stateless_slot(server, server);
		}
		a->slots[i] = step.slot;
		until[i] = step.until;
		if (stateless_former(step.slot) == 0)
			continue;
		a->marked++;
		if (step.until > a->last_until)
			a->last_until = step.until;
	}
}

static struct gen_answers *
answers_build(const struct gen_builder *b, const struct gen_backend *backend,
	const struct gen_answers *past, bool lost, const struct use *use)
{
	uint32_t own = backend->slot_count ? backend->slot_count : 1;
	struct gen_answers *a, *small;

	a = answers_create(past && past->count > own ? past->count : own);
	if (!a)
		return NULL;
	fill(b, backend, past, lost, use, a);
	if (a->count == own || a->marked)
		return a;
	/* Nothing is left that needs more slots than the backend has. */
	small = answers_create(own);
	if (small)
		fill(b, backend, NULL, true, use, small);
	mem_free(a);
	return small;
}

/* Until when answers are of use; 0: for as long as there is a stateless service. */
static uint32_t
kept_until(const struct gen_builder *b, const struct gen_answers *past, const struct use *use)
{
	uint32_t window = past->window > use->window ? past->window : use->window;

	return past->keep_until ? past->keep_until : b->moment->last + window;
}

/* Would they be made the same? */
static bool
are_good(const struct gen_builder *b, const struct gen_answers *past, const struct use *use,
	uint32_t keep_until)
{
	return past->window >= use->window && past->keep_until == keep_until &&
		!(past->marked && use->idle && past->last_until <= b->moment->first);
}

static bool
hash_is_same(const struct generation *before, const struct gen_backend *old,
	const struct generation *g, const struct gen_backend *backend)
{
	return old->hash_on == backend->hash_on &&
		memcmp(before->hash_secret, g->hash_secret, sizeof(g->hash_secret)) == 0;
}

static int
build_answers(struct gen_builder *b, uint32_t id, struct use *use)
{
	struct gen_backend *backend = b->generation->backends[id];
	struct gen_backend *old = b->before ? b->before->backends[id] : NULL;
	struct gen_answers *past = old ? old->answers : NULL, *made;
	bool direct = backend->forward == SHUNT_DR || backend->forward == SHUNT_TUNNEL;
	uint32_t keep_until = 0;
	bool same_hash;

	if (!use->stateless && past)
		keep_until = kept_until(b, past, use);
	/* Flows that servers answer directly cannot go on by another mode. */
	if (!direct || (!use->stateless && (!past || keep_until <= b->moment->first)))
		return past ? gen_backend_set_answers(b, id, NULL) : 0;
	b->generation->has_answers = true;
	same_hash = past && hash_is_same(b->before, old, b->generation, backend);
	if (backend == old && same_hash && are_good(b, past, use, keep_until))
		return 0;
	if (past && past->window > use->window && past->marked)
		use->window = past->window; /* some flows have been promised as much */
	made = answers_build(b, backend, past, !same_hash, use);
	if (!made)
		return gen_out_of_memory(b);
	made->window = use->window;
	made->keep_until = keep_until;
	if (gen_backend_set_answers(b, id, made) == 0)
		return 0;
	mem_free(made);
	return -ENOMEM;
}

int
gen_build_answers(struct gen_builder *b)
{
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_BACKEND);
	struct use *uses = mem_alloc(SHUNT_MAX_BACKENDS * sizeof(*uses));
	int rc = 0;

	if (!uses)
		return gen_out_of_memory(b);
	find_uses(b, uses);
	for (uint32_t id = 1; id < end && rc == 0; id++) {
		if (b->generation->backends[id])
			rc = build_answers(b, id, &uses[id]);
	}
	mem_free(uses);
	return rc;
}
