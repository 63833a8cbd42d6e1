/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of a frontend: how many sessions, and how many new ones a second. */
#include "config_read.h"

#define PREFIX_DEFAULT	  32
#define PREFIX_V6_DEFAULT 64

static void
read_number(struct json_at at, uint32_t max, uint32_t *out)
{
	int64_t value;

	if (json_get_int(at, 1, max, &value))
		*out = (uint32_t)value;
}

/* A bucket holds as many as come in a second, if nobody says otherwise. */
static void
read_rate(struct json_at rate, struct json_at burst, uint32_t *out, uint32_t *burst_out)
{
	read_number(rate, SHUNT_MAX_RATE, out);
	*burst_out = *out;
	if (json_at_present(burst) && !json_at_present(rate))
		json_at_error(burst, "is how much may come at once of a rate, which is missing");
	else if (*out)
		read_number(burst, SHUNT_MAX_BURST, burst_out);
}

static void
read_rate_limit(struct json_at at, struct shunt_limit *limit)
{
	static const char *const keys[] = { "sessions", "burst", NULL };
	struct json_at sessions = json_at_member(&at, "sessions");

	if (!json_at_present(at))
		return;
	if (!json_is_object(at.value)) {
		if (json_is_integer(at.value))
			read_rate(at, (struct json_at){ 0 }, &limit->rate, &limit->burst);
		else
			json_at_mismatch(at, "a number of sessions a second, or an object");
		return;
	}
	if (json_get_object(at, keys) && json_at_require(sessions))
		read_rate(sessions, json_at_member(&at, "burst"), &limit->rate, &limit->burst);
}

static void
read_source_limit(struct json_at at, struct shunt_limit *limit)
{
	static const char *const keys[] = { "prefix", "prefix6", "rate", "burst", "maxconn", NULL };
	struct json_at rate = json_at_member(&at, "rate"), maxconn = json_at_member(&at, "maxconn");
	int64_t prefix = PREFIX_DEFAULT, prefix_v6 = PREFIX_V6_DEFAULT;

	if (!json_get_object(at, keys))
		return;
	read_rate(rate, json_at_member(&at, "burst"), &limit->source_rate, &limit->source_burst);
	read_number(maxconn, SHUNT_MAX_MAXCONN, &limit->source_maxconn);
	json_get_int(json_at_member(&at, "prefix"), SHUNT_MIN_PREFIX, 32, &prefix);
	json_get_int(json_at_member(&at, "prefix6"), SHUNT_MIN_PREFIX_V6, 128, &prefix_v6);
	limit->source_prefix = (uint8_t)prefix;
	limit->source_prefix_v6 = (uint8_t)prefix_v6;
}

void
config_read_limits(struct json_at at, struct frontend_config *frontend)
{
	static const char *const limits[] = { "maxconn", "rate-limit", "source-limit" };
	static const struct json_word on_limits[] = {
		{ "reject", false },
		{ "drop", true },
		{ NULL, 0 },
	};
	struct json_at on_limit = json_at_member(&at, "on-limit");
	struct shunt_limit *limit = &frontend->limit;
	int drop = false;
	bool any = false;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct json_at key = json_at_member(&at, limits[i]);

		any |= json_at_present(key);
		if (frontend->stateless && json_at_present(key))
			json_at_error(key,
				"needs \"flow-mode\": \"stateful\": of stateless flows nobody "
				"knows "
				"which packet is a session's first");
	}
	read_number(json_at_member(&at, "maxconn"), SHUNT_MAX_MAXCONN, &limit->maxconn);
	read_rate_limit(json_at_member(&at, "rate-limit"), limit);
	read_source_limit(json_at_member(&at, "source-limit"), limit);
	json_get_word(on_limit, on_limits, &drop);
	limit->drop = (uint8_t)drop;
	if (json_at_present(on_limit) && !any)
		json_at_warning(on_limit, "has no effect: the frontend has no limits");
}
