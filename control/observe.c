/* SPDX-License-Identifier: BSD-3-Clause */
#include "observe.h"

static bool
is_same_source(const struct observe_source *a, const struct observe_source *b)
{
	return a->started_ms == b->started_ms && a->pid == b->pid && a->id == b->id;
}

/* A counter that has gone back is another one, whatever the source says. */
static bool
goes_on(const struct observe *o, const struct observe_source *source,
	const struct observe_counts *counts)
{
	return source->id != 0 && is_same_source(&o->source, source) &&
		counts->begun >= o->last.begun && counts->unanswered >= o->last.unanswered &&
		counts->refused >= o->last.refused;
}

/* Sums up the window that ends now. Has it shown failure? */
static bool
shows_failure(struct observe *o, const struct observe_config *config,
	const struct observe_counts *counts, uint64_t now_ms)
{
	uint64_t begun = counts->begun - o->last.begun;
	uint64_t unanswered = counts->unanswered - o->last.unanswered;
	uint64_t refused = counts->refused - o->last.refused;

	o->failed = unanswered + refused;
	o->among = begun;
	if (unanswered > refused && o->begun_before > o->among)
		o->among = o->begun_before;
	if (o->failed > o->among)
		o->among = o->failed;
	o->lasted_ms = (uint32_t)(now_ms - o->since_ms);
	o->begun_before = begun;
	return o->failed >= config->least && o->failed * 100 >= o->among * config->share;
}

uint64_t
observe_due_ms(const struct observe *o, const struct observe_config *config, uint64_t now_ms)
{
	uint64_t end_ms = (o->since_ms / config->within_ms + 1) * config->within_ms;

	return end_ms > now_ms ? end_ms - now_ms : 0;
}

void
observe_forget(struct observe *o, uint64_t now_ms)
{
	*o = (struct observe){ .since_ms = now_ms };
}

bool
observe_look(struct observe *o, const struct observe_config *config,
	const struct observe_source *source, const struct observe_counts *counts, uint64_t now_ms)
{
	bool was = o->failing, shown;

	if (!config->share || !goes_on(o, source, counts)) {
		*o = (struct observe){ .source = *source, .last = *counts, .since_ms = now_ms };
		return false;
	}
	shown = shows_failure(o, config, counts, now_ms);
	o->last = *counts;
	o->since_ms = now_ms;
	o->quiet = shown ? 0 : (uint8_t)(o->quiet + o->failing);
	o->failing = shown || (o->failing && o->quiet < OBSERVE_QUIET_WINDOWS);
	return o->failing && !was;
}
