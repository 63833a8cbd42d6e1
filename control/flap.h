/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flap damping: a server that has gone down `after` times within `within` comes up only after a
 * hold, which doubles with each further time, up to a greatest one. For each whole `within` that
 * the server has been up since, one doubling is forgotten, and the hold itself behind the last.
 * Pure: the clock, monotonic milliseconds, is passed in.
 */
#ifndef CONTROL_FLAP_H
#define CONTROL_FLAP_H

#include <stdbool.h>
#include <stdint.h>

#define FLAP_AFTER_MAX 10

struct flap_config {
	uint8_t after; /* times; 0: no damping */
	uint32_t within_ms;
	uint32_t hold_ms;
	uint32_t max_ms;
};

struct flap {
	uint64_t downs_ms[FLAP_AFTER_MAX]; /* the last times it went down, a ring */
	uint8_t down_count;		   /* of these that count, at most all */
	uint8_t next;			   /* the ring's oldest */
	uint8_t level;	   /* 0: not held; else the hold is doubled level - 1 times */
	uint64_t up_ms;	   /* it came up again */
	uint64_t until_ms; /* it is held; 0: it is not */
};

/* The server has gone down, has come up. */
void flap_down(struct flap *flap, const struct flap_config *config, uint64_t now_ms);
void flap_up(struct flap *flap, uint64_t now_ms);

/* How long it is still to be held; 0: it may come up. */
uint32_t flap_held_ms(const struct flap *flap, const struct flap_config *config, uint64_t now_ms);

#endif
