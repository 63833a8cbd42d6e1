/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_ring.h"

#include <pthread.h>
#include <sched.h>

#include "unit.h"

#define COUNT 8

static void
push(struct frame_ring *ring, uint32_t number)
{
	struct frame_slot *slot = frame_ring_free_slot(ring);

	CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
	slot->bytes = number;
	slot->port = ~number;
	frame_ring_push(ring);
}

static void
pop(struct frame_ring *ring, uint32_t number)
{
	const struct frame_slot *slot = frame_ring_peek(ring);

	CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
	CU_ASSERT_EQUAL(slot->bytes, number);
	CU_ASSERT_EQUAL(slot->port, ~number);
	frame_ring_pop(ring);
}

/* Filled to every level, emptied to every level, and over the end. */
static void
test_order(void)
{
	struct frame_ring *ring = frame_ring_create(COUNT);
	uint32_t in = 0, out = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(ring);
	CU_ASSERT_PTR_NULL(frame_ring_peek(ring));
	for (unsigned int fill = 1; fill <= COUNT; fill++) {
		for (unsigned int leave = 0; leave <= fill; leave++) {
			while (in - out < fill)
				push(ring, in++);
			CU_ASSERT_EQUAL(frame_ring_free_slot(ring) == NULL, in - out == COUNT);
			while (in - out > leave)
				pop(ring, out++);
			CU_ASSERT_EQUAL(frame_ring_peek(ring) == NULL, in == out);
		}
		while (in != out)
			pop(ring, out++);
	}
	frame_ring_destroy(ring);
	frame_ring_destroy(NULL);
}

/* What is not pushed is not seen, what is not popped is not given away. */
static void
test_nothing_early(void)
{
	struct frame_ring *ring = frame_ring_create(COUNT);

	CU_ASSERT_PTR_NOT_NULL_FATAL(frame_ring_free_slot(ring));
	CU_ASSERT_PTR_NULL(frame_ring_peek(ring));
	for (uint32_t i = 0; i < COUNT; i++)
		push(ring, i);
	CU_ASSERT_PTR_NOT_NULL(frame_ring_peek(ring));
	CU_ASSERT_PTR_NULL(frame_ring_free_slot(ring));
	pop(ring, 0);
	CU_ASSERT_PTR_NOT_NULL(frame_ring_free_slot(ring));
	frame_ring_destroy(ring);
}

#define THREAD_FRAMES 20000

static void *
produce(void *argument)
{
	struct frame_ring *ring = argument;

	for (uint32_t i = 0; i < THREAD_FRAMES;) {
		struct frame_slot *slot = frame_ring_free_slot(ring);

		if (!slot) {
			sched_yield();
			continue;
		}
		slot->bytes = i++;
		memset(slot->data, (int)i, 64);
		frame_ring_push(ring);
	}
	return NULL;
}

/* Between two threads: every frame, once, in order, and whole. */
static void
test_threads(void)
{
	struct frame_ring *ring = frame_ring_create(COUNT);
	unsigned int wrong = 0;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, produce, ring), 0);
	for (uint32_t i = 0; i < THREAD_FRAMES;) {
		const struct frame_slot *slot = frame_ring_peek(ring);

		if (!slot) {
			sched_yield();
			continue;
		}
		wrong += slot->bytes != i++;
		wrong += slot->data[0] != (uint8_t)i || slot->data[63] != (uint8_t)i;
		frame_ring_pop(ring);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	pthread_join(thread, NULL);
	CU_ASSERT_PTR_NULL(frame_ring_peek(ring));
	frame_ring_destroy(ring);
}

static const struct unit_test tests[] = {
	{ "order, full and empty", test_order },
	{ "nothing too early", test_nothing_early },
	{ "two threads", test_threads },
};

UNIT_MAIN("frame_ring", tests)
