/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rise/fall machine: pure, the clock is passed in. It counts results in a row, so that a
 * success among failures starts the count again.
 */
#ifndef CONTROL_HEALTH_H
#define CONTROL_HEALTH_H

#include "shunt/types.h"

struct check_config;

struct health {
	uint8_t verdict; /* enum shunt_health */
	bool fresh; /* no probe has been answered yet: the first success is enough to come up */
	uint16_t streak; /* results in a row against the verdict */
};

void health_init(struct health *health, const struct check_config *check);

/* The check's settings have changed: the verdict stays, unless checking was switched on or off. */
void health_update(struct health *health, const struct check_config *check);

/* Takes a probe's result. Returns true if the verdict changed. */
bool health_result(struct health *health, const struct check_config *check, bool success);

/* How long to wait for the next probe: inter, fastinter (streak > 0) or downinter. */
uint32_t health_interval_ms(const struct health *health, const struct check_config *check);

#endif
