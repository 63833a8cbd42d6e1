/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_ring.h"

#include <stdlib.h>

static_assert(sizeof(struct frame_slot) % SHUNT_CACHE_LINE == 0, "slots share no cache line");

/*
 * `pushed` and `popped` only grow, and wrap; each is written by one side. Each side looks at the
 * other's counter only when its last view of it says that there is nothing to do.
 */
struct frame_ring {
	uint32_t mask;
	/* producer: wo, consumer: ro */
	uint32_t pushed __attribute__((aligned(SHUNT_CACHE_LINE)));
	uint32_t seen_popped; /* producer alone */
	/* consumer: wo, producer: ro */
	uint32_t popped __attribute__((aligned(SHUNT_CACHE_LINE)));
	uint32_t seen_pushed; /* consumer alone */
	struct frame_slot slots[] __attribute__((aligned(SHUNT_CACHE_LINE)));
};

struct frame_ring *
frame_ring_create(uint32_t count)
{
	size_t bytes = sizeof(struct frame_ring) + count * sizeof(struct frame_slot);
	struct frame_ring *ring = aligned_alloc(SHUNT_CACHE_LINE, bytes);

	if (!ring)
		return NULL;
	memset(ring, 0, bytes);
	ring->mask = count - 1;
	return ring;
}

void
frame_ring_destroy(struct frame_ring *ring)
{
	free(ring);
}

struct frame_slot *
frame_ring_free_slot(struct frame_ring *ring)
{
	if (ring->pushed - ring->seen_popped > ring->mask)
		ring->seen_popped = __atomic_load_n(&ring->popped, __ATOMIC_ACQUIRE);
	if (ring->pushed - ring->seen_popped > ring->mask)
		return NULL;
	return &ring->slots[ring->pushed & ring->mask];
}

void
frame_ring_push(struct frame_ring *ring)
{
	__atomic_store_n(&ring->pushed, ring->pushed + 1, __ATOMIC_RELEASE);
}

const struct frame_slot *
frame_ring_peek(struct frame_ring *ring)
{
	if (ring->popped == ring->seen_pushed)
		ring->seen_pushed = __atomic_load_n(&ring->pushed, __ATOMIC_ACQUIRE);
	if (ring->popped == ring->seen_pushed)
		return NULL;
	return &ring->slots[ring->popped & ring->mask];
}

void
frame_ring_pop(struct frame_ring *ring)
{
	__atomic_store_n(&ring->popped, ring->popped + 1, __ATOMIC_RELEASE);
}
