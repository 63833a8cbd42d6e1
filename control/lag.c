/* SPDX-License-Identifier: BSD-3-Clause */
#include "lag.h"

static void
add(struct lag_sum *sum, uint64_t value)
{
	sum->count++;
	sum->sum += value;
	if (value > sum->max)
		sum->max = value;
}

void
lag_note(struct lag *lag, uint64_t now_ms, uint64_t value)
{
	uint64_t number = now_ms / LAG_SLOT_MS + 1, slot = number % LAG_SLOTS;

	if (lag->slots[slot].number != number) {
		lag->slots[slot].number = number;
		lag->slots[slot].sum = (struct lag_sum){ 0 };
	}
	add(&lag->slots[slot].sum, value);
	add(&lag->all, value);
}

struct lag_sum
lag_over(const struct lag *lag, uint64_t now_ms, uint64_t ms)
{
	uint64_t last = now_ms / LAG_SLOT_MS + 1, slots = ms / LAG_SLOT_MS;
	struct lag_sum over = { 0 };

	if (ms == 0)
		return lag->all;
	for (int i = 0; i < LAG_SLOTS; i++) {
		const struct lag_sum *sum = &lag->slots[i].sum;

		if (lag->slots[i].number == 0 || lag->slots[i].number + slots < last)
			continue;
		over.count += sum->count;
		over.sum += sum->sum;
		if (sum->max > over.max)
			over.max = sum->max;
	}
	return over;
}
