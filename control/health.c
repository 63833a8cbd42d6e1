/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"
#include "health.h"

static bool
starts_up(const struct check_config *check)
{
	return check->init_state == INIT_UP || check->init_state == INIT_FULLY_UP;
}

void
health_init(struct health *health, const struct check_config *check)
{
	*health = (struct health){
		.verdict = check->enabled ? SHUNT_HEALTH_DOWN : SHUNT_HEALTH_NO_CHECK,
		.fresh = check->enabled,
	};
	if (check->enabled && starts_up(check))
		health->verdict = SHUNT_HEALTH_UP;
}

void
health_update(struct health *health, const struct check_config *check)
{
	if (!check->enabled) {
		health_init(health, check);
	} else if (health->verdict == SHUNT_HEALTH_NO_CHECK) {
		/* It has been taking flows; only failed probes shall end that. */
		*health = (struct health){ .verdict = SHUNT_HEALTH_UP };
	}
}

/* Is the row of failures whole, with soft ones or without? */
static bool
is_whole(const struct health *health, const struct check_config *check, bool with_soft)
{
	uint64_t fall = check->fall, soft_fall = check->soft_fall ? check->soft_fall : fall;
	uint64_t hard = health->streak - health->soft;

	return hard * soft_fall + (with_soft ? health->soft * fall : 0) >= fall * soft_fall;
}

bool
health_is_kept(const struct health *health, const struct check_config *check)
{
	return health->verdict == SHUNT_HEALTH_UP && health->streak > 0 &&
		is_whole(health, check, true);
}

static void
turn(struct health *health, uint8_t verdict)
{
	health->verdict = verdict;
	health->streak = 0;
	health->soft = 0;
}

/*
 * The first result ever. A server that answers is running and comes up at once. One that does not
 * is down for a reason, probably still starting, and has to prove itself with `rise` successes like
 * any other that comes back. The other way round for one that is up on trust. False: the result
 * has decided nothing, and is to be counted.
 */
static bool
first_result(struct health *health, const struct check_config *check, enum health_probe probe)
{
	bool up = health->verdict == SHUNT_HEALTH_UP;

	if (check->init_state == INIT_FULLY_UP || check->init_state == INIT_FULLY_DOWN)
		return false;
	if (up && probe != HEALTH_PASSED && probe != HEALTH_HELD && probe != HEALTH_KEPT)
		turn(health, SHUNT_HEALTH_DOWN);
	else if (!up && probe == HEALTH_PASSED)
		turn(health, SHUNT_HEALTH_UP);
	else
		return false;
	return true;
}

static void
count(struct health *health, bool soft)
{
	/* A server that is kept, or held, goes on; the soft ones are those that make it long. */
	if (health->streak < UINT16_MAX) {
		health->streak++;
		health->soft = (uint16_t)(health->soft + soft);
	} else if (!soft && health->soft > 0) {
		health->soft--;
	}
}

bool
health_result(struct health *health, const struct check_config *check, enum health_probe probe)
{
	bool up = health->verdict == SHUNT_HEALTH_UP, fresh = health->fresh;
	bool success = probe == HEALTH_PASSED || probe == HEALTH_HELD;
	bool with_soft = probe != HEALTH_KEPT && probe != HEALTH_KEPT_FAILED;

	if (health->verdict == SHUNT_HEALTH_NO_CHECK)
		return false;
	health->fresh = false;
	if (fresh && first_result(health, check, probe))
		return true;
	if (success == up) {
		health->streak = 0;
		health->soft = 0;
		return false;
	}
	count(health, probe == HEALTH_SOFT || probe == HEALTH_KEPT);
	if (probe == HEALTH_HELD || (up && !is_whole(health, check, with_soft)) ||
		(!up && health->streak < check->rise))
		return false;
	turn(health, up ? SHUNT_HEALTH_DOWN : SHUNT_HEALTH_UP);
	return true;
}

uint32_t
health_interval_ms(const struct health *health, const struct check_config *check)
{
	/* Fresh: the first probe could not even be made, so nothing is more in doubt. */
	if (health->streak > 0 || health->fresh)
		return check->fastinter_ms;
	return health->verdict == SHUNT_HEALTH_DOWN ? check->downinter_ms : check->inter_ms;
}
