/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of frames between one producer and one consumer thread, by copy: the frames that pass
 * between workers and the twin's thread are few, and with copies that thread never touches a packet
 * buffer. (If it was preempted while it gave one back to the pool, workers would spin until it ran
 * again.) Neither side waits, and neither uses an atomic read-modify-write.
 */
#ifndef DATAPLANE_FRAME_RING_H
#define DATAPLANE_FRAME_RING_H

#include "shunt/types.h"

/* Longest frame. A multiple of a cache line less the header of a slot. */
#define FRAME_RING_BYTES 2040

struct frame_slot {
	uint32_t bytes;
	uint32_t port;
	uint8_t data[FRAME_RING_BYTES];
};

struct frame_ring;

/* count: a power of two. NULL: no memory. */
struct frame_ring *frame_ring_create(uint32_t count);
void frame_ring_destroy(struct frame_ring *ring); /* NULL is fine */

/* The slot to fill next, or NULL: the ring is full. Producer. */
struct frame_slot *frame_ring_free_slot(struct frame_ring *ring);
/* Gives it to the consumer. Producer, after frame_ring_free_slot() gave it one. */
void frame_ring_push(struct frame_ring *ring);

/* The oldest frame, or NULL: there is none. Consumer. */
const struct frame_slot *frame_ring_peek(struct frame_ring *ring);
/* Gives the slot back. Consumer, after frame_ring_peek() gave it one. */
void frame_ring_pop(struct frame_ring *ring);

#endif
