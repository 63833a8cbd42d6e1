/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rise/fall machine: pure. It counts results in a row, so that a success among failures starts
 * the count again.
 *
 * A row of failures takes a server down when it is whole: a hard failure is one `fall`-th of it, a
 * soft one (it passes by itself: the server is starting, or too busy) one `soft-fall`-th. So `fall`
 * hard ones do, or `soft-fall` soft ones, or a mixture. What is counted is the failures, never
 * their sum, so that nothing is lost to rounding and a reload may change both weights.
 */
#ifndef CONTROL_HEALTH_H
#define CONTROL_HEALTH_H

#include "shunt/types.h"

struct check_config;

/* What came of a probe, and whether it may count. */
enum health_probe {
	HEALTH_FAILED,
	HEALTH_PASSED,
	HEALTH_SOFT, /* failed, softly */
	/* The same where soft failures shall not take the server down: they do not count now. */
	HEALTH_KEPT_FAILED,
	HEALTH_KEPT,
	HEALTH_HELD, /* passed, but the server shall not come up yet */
};

struct health {
	uint8_t verdict; /* enum shunt_health */
	bool fresh;	 /* no probe has been answered yet: see init-state */
	uint16_t streak; /* results in a row against the verdict */
	uint16_t soft;	 /* of these: soft failures */
};

/* As the check's init-state says. */
void health_init(struct health *health, const struct check_config *check);

/* The check's settings have changed: the verdict stays, unless checking was switched on or off. */
void health_update(struct health *health, const struct check_config *check);

/* Takes a probe's result. Returns true if the verdict changed. */
bool
health_result(struct health *health, const struct check_config *check, enum health_probe probe);

/* Would the row of failures take the server down, if soft failures count? */
bool health_is_kept(const struct health *health, const struct check_config *check);

/* How long to wait for the next probe: inter, fastinter (streak > 0) or downinter. */
uint32_t health_interval_ms(const struct health *health, const struct check_config *check);

#endif
