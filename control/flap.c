/* SPDX-License-Identifier: BSD-3-Clause */
#include "flap.h"

/* Doubled once more, any hold of a millisecond is longer than the longest that there may be. */
#define LEVEL_MAX 32

/* Notes the time. Have there been `after` of them within `within`? */
static bool
too_often(struct flap *flap, const struct flap_config *config, uint64_t now_ms)
{
	uint64_t first_ms;

	flap->downs_ms[flap->next] = now_ms;
	flap->next = (uint8_t)((flap->next + 1) % FLAP_AFTER_MAX);
	if (flap->down_count < FLAP_AFTER_MAX)
		flap->down_count++;
	if (flap->down_count < config->after)
		return false;
	first_ms = flap->downs_ms[(flap->next + FLAP_AFTER_MAX - config->after) % FLAP_AFTER_MAX];
	return now_ms - first_ms <= config->within_ms;
}

static void
forget(struct flap *flap, const struct flap_config *config, uint64_t now_ms)
{
	uint64_t quiet = (now_ms - flap->up_ms) / config->within_ms;

	if (quiet < flap->level) {
		flap->level = (uint8_t)(flap->level - quiet);
		return;
	}
	flap->level = 0;
	flap->down_count = 0;
}

void
flap_down(struct flap *flap, const struct flap_config *config, uint64_t now_ms)
{
	uint64_t hold_ms;

	flap->until_ms = 0;
	if (!config->after)
		return;
	if (flap->level)
		forget(flap, config, now_ms);
	if (flap->level && flap->level < LEVEL_MAX)
		flap->level++;
	else if (!flap->level && too_often(flap, config, now_ms))
		flap->level = 1;
	if (!flap->level)
		return;
	hold_ms = (uint64_t)config->hold_ms << (flap->level - 1);
	if (hold_ms >= config->max_ms) {
		hold_ms = config->max_ms;
		/* What is longer than the longest would take the longer to be forgotten. */
		while (flap->level > 1 &&
			(uint64_t)config->hold_ms << (flap->level - 2) >= config->max_ms)
			flap->level--;
	}
	flap->until_ms = now_ms + hold_ms;
}

void
flap_up(struct flap *flap, uint64_t now_ms)
{
	flap->up_ms = now_ms;
	flap->until_ms = 0;
}

uint32_t
flap_held_ms(const struct flap *flap, const struct flap_config *config, uint64_t now_ms)
{
	return config->after && flap->until_ms > now_ms ? (uint32_t)(flap->until_ms - now_ms) : 0;
}
