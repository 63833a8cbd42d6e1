/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"
#include "health.h"

void
health_init(struct health *health, const struct check_config *check)
{
	*health = (struct health){
		.verdict = check->enabled ? SHUNT_HEALTH_DOWN : SHUNT_HEALTH_NO_CHECK,
		.fresh = check->enabled,
	};
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

bool
health_result(struct health *health, const struct check_config *check, bool success)
{
	bool up = health->verdict == SHUNT_HEALTH_UP;

	if (health->verdict == SHUNT_HEALTH_NO_CHECK)
		return false;
	if (health->fresh) {
		/*
		 * A server that answers the first probe ever is running and comes up at once. One
		 * that does not is down for a reason, probably still starting, and has to prove
		 * itself with `rise` successes like any other that comes back.
		 */
		health->fresh = false;
		health->streak = 0;
		if (success)
			health->verdict = SHUNT_HEALTH_UP;
		return success;
	}
	if (success == up) {
		health->streak = 0;
		return false;
	}
	if (++health->streak < (up ? check->fall : check->rise))
		return false;
	health->verdict = up ? SHUNT_HEALTH_DOWN : SHUNT_HEALTH_UP;
	health->streak = 0;
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
