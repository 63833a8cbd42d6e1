/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The workers of shunt-dataplane without lcores of their own: one thread gives each a turn. Port 0
 * ("wan") and port 1 ("lan") are rings with a queue for each worker. A frame that goes in stands in
 * an allocation of its own that ends with its last byte; in front is the room that a driver leaves.
 */
#ifndef TESTS_ORACLE_BED_H
#define TESTS_ORACLE_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "oracle_stream.h"
#include "shunt/stats.h"

struct bed;

struct bed_frame {
	uint8_t *data; /* the receiver's to free */
	uint32_t bytes;
};

/* simple_passes: see struct worker_settings. Ends the process if it cannot. */
struct bed *bed_create(const struct oracle_service *services, uint32_t count, uint32_t workers,
	bool simple_passes);
void bed_destroy(struct bed *bed);

/* Puts a copy of a frame in a receive queue of a port: any number names one. */
void
bed_send(struct bed *bed, unsigned int port, uint64_t queue, const uint8_t *frame, uint32_t bytes);
/* Turns for all workers, as many as it takes until nothing is on its way between them. */
void bed_turn(struct bed *bed);
/* What has come out of a port: at most room. */
unsigned int
bed_collect(struct bed *bed, unsigned int port, struct bed_frame *frames, unsigned int room);
/* Waits until no fragment can wait any longer. */
void bed_settle(struct bed *bed);

/* Drops by reason, of all workers. */
void bed_drops(const struct bed *bed, uint64_t drops[SHUNT_DROP_COUNT]);
/* Have the workers counted so many packets, and has every buffer come back? */
bool bed_adds_up(const struct bed *bed, uint64_t rx, uint64_t tx, uint64_t icmp_sent);

#endif
