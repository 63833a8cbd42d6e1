/* SPDX-License-Identifier: BSD-3-Clause */
/* What the probes have come to, and whether this process was there in time to see it. */
#include "probe_impl.h"
#include "show.h"
#include "state.h"

/* NULL, and the value released, if it was not put there. */
static json_t *
put(json_t *object, const char *key, json_t *value)
{
	if (object && json_object_set_new(object, key, value) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *
sum_json(const struct lag_sum *sum)
{
	return json_pack("{s:I, s:f}", "max", (json_int_t)sum->max, "mean", lag_mean(sum));
}

json_t *
show_loop(const struct control *control)
{
	static const struct {
		const char *key;
		uint64_t ms;
	} windows[] = { { "last_1s", 1000 }, { "last_10s", 10000 }, { "since_start", 0 } };
	json_t *late = json_object(), *took = json_object();

	for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		struct lag_sum late_ms, took_us;

		loop_lag(control->loop, windows[i].ms, &late_ms, &took_us);
		late = put(late, windows[i].key, sum_json(&late_ms));
		took = put(took, windows[i].key, sum_json(&took_us));
	}
	return json_pack("{s:o, s:o}", "timers_late_ms", late, "turns_us", took);
}

static json_t *
by_status(const struct probe_stats *stats)
{
	json_t *object = json_object();

	for (uint8_t status = CHECK_SOCKERR; status < CHECK_STATUS_COUNT; status++)
		object = put(object, check_status_name(status),
			json_integer((json_int_t)stats->by_status[status]));
	return object;
}

static json_t *
durations(const struct probe_stats *stats)
{
	uint64_t count = probe_stats_succeeded(stats);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)count, "mean",
		(json_int_t)(count ? stats->sum_us / count : 0), "p50",
		(json_int_t)probe_stats_quantile_us(stats, 500), "p90",
		(json_int_t)probe_stats_quantile_us(stats, 900), "p99",
		(json_int_t)probe_stats_quantile_us(stats, 990), "max", (json_int_t)stats->max_us);
}

/* below_us is null of the last one, which has no end. */
static json_t *
histogram(const struct probe_stats *stats)
{
	json_t *list = json_array();

	for (unsigned int i = 0; list && i < PROBE_BUCKETS; i++) {
		uint32_t end_us = probe_stats_bucket_us(i);

		if (json_array_append_new(list,
			    json_pack("{s:o, s:I}", "below_us",
				    end_us ? json_integer(end_us) : json_null(), "count",
				    (json_int_t)stats->buckets[i])) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

json_t *
show_probes(const struct control *control)
{
	const struct probe_stats *stats = &control->probes;
	const struct prober *prober = control->prober;
	json_int_t open = prober ? prober->open : 0, limit = prober ? prober->open_max : 0;
	double wait_ms = stats->waited ? (double)stats->wait_sum_ms / (double)stats->waited : 0;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:{s:I, s:I, s:I}, "
			 "s:{s:I, s:I, s:I, s:f, s:I}, s:o, s:o}",
		"checks", (json_int_t)(prober ? prober->probe_count : 0), "shared",
		(json_int_t)(prober ? prober->led_count : 0), "made", (json_int_t)stats->made,
		"succeeded", (json_int_t)probe_stats_succeeded(stats), "failed",
		(json_int_t)probe_stats_failed(stats), "local_errors",
		(json_int_t)stats->by_status[CHECK_SOCKERR], "by_status", by_status(stats), "open",
		"now", open, "most", (json_int_t)stats->open_most, "limit", limit, "queued", "now",
		(json_int_t)stats->queued, "most", (json_int_t)stats->queued_most, "waited",
		(json_int_t)stats->waited, "wait_mean_ms", wait_ms, "wait_max_ms",
		(json_int_t)stats->wait_max_ms, "duration_us", durations(stats), "histogram",
		histogram(stats));
}
