/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each server's k-th turn has a window, from floor(k * length / weight) up to
 * ceil((k + 1) * length / weight), and each place of the schedule goes to the server whose open
 * window ends first. Then every turn falls into its window, so that at no place a server is ahead
 * of or behind its share by a whole turn (Tijdeman, "The chairman assignment problem", 1980; the
 * windows are those of Baruah et al., "Proportionate progress", 1996). The smooth weighted round
 * robin of nginx and HAProxy has the same aim, but costs servers x length.
 */
#include <errno.h>
#include <stdlib.h>

#include "roundrobin.h"

#define NOBODY UINT32_MAX

struct turn_heap {
	uint64_t *keys; /* end of the window << 16 | server; a binary heap from index 1 on */
	uint32_t count;
};

struct scheduler {
	uint32_t *weights;
	uint32_t *turns;  /* taken so far */
	uint32_t *opens;  /* by place: the first server whose window opens there, or NOBODY */
	uint32_t *behind; /* by server: the next one in the same list */
	struct turn_heap heap;
	uint32_t length;
};

static uint32_t
divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Reduces the weights as far as they keep their ratios, and further if they must. Their sum. */
static uint32_t
reduce_weights(uint32_t *reduced, const uint32_t *weights, size_t count)
{
	uint32_t common = 0;
	uint64_t sum = 0, scaled = 0;

	for (size_t i = 0; i < count; i++)
		common = divisor(common, weights[i]);
	for (size_t i = 0; i < count; i++) {
		reduced[i] = weights[i] / common;
		sum += reduced[i];
	}
	if (sum <= SHUNT_MAX_SCHEDULE)
		return (uint32_t)sum;
	/* Room for every server's 1 is set aside, so that rounding up to 1 cannot overrun. */
	for (size_t i = 0; i < count; i++) {
		reduced[i] = (uint32_t)(reduced[i] * (SHUNT_MAX_SCHEDULE - count) / sum);
		if (reduced[i] == 0)
			reduced[i] = 1;
		scaled += reduced[i];
	}
	return (uint32_t)scaled;
}

static void
heap_push(struct turn_heap *heap, uint64_t key)
{
	uint32_t at = ++heap->count;

	for (; at > 1 && heap->keys[at / 2] > key; at /= 2)
		heap->keys[at] = heap->keys[at / 2];
	heap->keys[at] = key;
}

static uint64_t
heap_pop(struct turn_heap *heap)
{
	uint64_t first = heap->keys[1], last = heap->keys[heap->count--];
	uint32_t at = 1, child;

	while ((child = at * 2) <= heap->count) {
		if (child < heap->count && heap->keys[child + 1] < heap->keys[child])
			child++;
		if (heap->keys[child] >= last)
			break;
		heap->keys[at] = heap->keys[child];
		at = child;
	}
	heap->keys[at] = last;
	return first;
}

/*
 * Opens the window of a server's next turn at the place where it begins. Windows in a row share a
 * place if the length is no multiple of the weight; one that was just used is not to be had again.
 */
static void
open_next(struct scheduler *s, uint32_t server, uint32_t earliest)
{
	uint64_t place = (uint64_t)s->turns[server] * s->length / s->weights[server];

	if (place < earliest)
		place = earliest;
	if (s->turns[server] == s->weights[server] || place >= s->length)
		return;
	s->behind[server] = s->opens[place];
	s->opens[place] = server;
}

static void
fill(struct scheduler *s, size_t count, uint16_t *schedule)
{
	for (uint32_t place = 0; place < s->length; place++)
		s->opens[place] = NOBODY;
	for (uint32_t i = 0; i < count; i++)
		open_next(s, i, 0);
	for (uint32_t place = 0; place < s->length; place++) {
		uint32_t server;

		for (server = s->opens[place]; server != NOBODY; server = s->behind[server]) {
			uint32_t weight = s->weights[server];
			uint64_t end = (s->turns[server] + 1ull) * s->length + weight - 1;

			heap_push(&s->heap, end / weight << 16 | server);
		}
		server = (uint32_t)(heap_pop(&s->heap) & 0xffff);
		schedule[place] = (uint16_t)server;
		s->turns[server]++;
		open_next(s, server, place + 1);
	}
}

int
roundrobin_build(const uint32_t *weights, size_t count, uint16_t **schedule, uint32_t *length)
{
	struct scheduler s = { 0 };
	int rc = -ENOMEM;

	*schedule = NULL;
	*length = 0;
	if (count == 0)
		return 0;
	s.weights = calloc(count, sizeof(*s.weights));
	s.turns = calloc(count, sizeof(*s.turns));
	s.behind = calloc(count, sizeof(*s.behind));
	s.heap.keys = calloc(count + 1, sizeof(*s.heap.keys));
	if (!s.weights || !s.turns || !s.behind || !s.heap.keys)
		goto out;
	s.length = reduce_weights(s.weights, weights, count);
	s.opens = calloc(s.length, sizeof(*s.opens));
	*schedule = calloc(s.length, sizeof(**schedule));
	if (!s.opens || !*schedule) {
		free(*schedule);
		*schedule = NULL;
		goto out;
	}
	fill(&s, count, *schedule);
	*length = s.length;
	rc = 0;
out:
	free(s.weights);
	free(s.turns);
	free(s.behind);
	free(s.opens);
	free(s.heap.keys);
	return rc;
}
