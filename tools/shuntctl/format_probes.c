/* SPDX-License-Identifier: BSD-3-Clause */
#include "format_probes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "format.h"

#define LINE_SIZE 256

/* What is no number is 0. */
static double
number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static json_int_t
whole(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "20 us", "1.5 ms", "20 ms", "2.5 s" */
static void
duration_text(double us, char text[FORMAT_TEXT_SIZE])
{
	if (us < 999.5)
		snprintf(text, FORMAT_TEXT_SIZE, "%.0f us", us);
	else if (us < 999500)
		snprintf(text, FORMAT_TEXT_SIZE, us < 9950 ? "%.1f ms" : "%.0f ms", us / 1000);
	else
		snprintf(text, FORMAT_TEXT_SIZE, "%.1f s", us / 1000000);
}

static void
add_row(struct table *table, const char *name, const char *text)
{
	table_cell(table, name);
	table_cell(table, text);
}

static void
add_count(struct table *table, const char *name, json_int_t count)
{
	char text[FORMAT_TEXT_SIZE];

	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, count);
	add_row(table, name, text);
}

/* "5: L4TOUT 3, L7STS 2": every status that is not said elsewhere. */
static void
add_failed(struct table *table, const json_t *data)
{
	/* Iteration takes a pointer that may be written through, but writes nothing. */
	json_t *statuses = (json_t *)(uintptr_t)json_object_get(data, "by_status");
	char text[LINE_SIZE];
	const char *status;
	json_t *count;
	size_t used = (size_t)snprintf(
		text, sizeof(text), "%" JSON_INTEGER_FORMAT, whole(data, "failed"));
	bool any = false;

	json_object_foreach (statuses, status, count) {
		size_t length = strlen(status);

		if (json_integer_value(count) == 0 || !strcmp(status, "SOCKERR") ||
			(length > 2 && !strcmp(status + length - 2, "OK")) || used >= sizeof(text))
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used,
			"%s %s %" JSON_INTEGER_FORMAT, any ? "," : ":", status,
			json_integer_value(count));
		any = true;
	}
	add_row(table, "failed", text);
}

static void
add_open(struct table *table, const json_t *open)
{
	char text[LINE_SIZE];

	snprintf(text, sizeof(text),
		"%" JSON_INTEGER_FORMAT " now, %" JSON_INTEGER_FORMAT
		" at most, limit %" JSON_INTEGER_FORMAT,
		whole(open, "now"), whole(open, "most"), whole(open, "limit"));
	add_row(table, "open", text);
}

static void
add_queued(struct table *table, const json_t *queued)
{
	char text[LINE_SIZE], mean[FORMAT_TEXT_SIZE], max[FORMAT_TEXT_SIZE];
	size_t used = (size_t)snprintf(text, sizeof(text),
		"%" JSON_INTEGER_FORMAT " now, %" JSON_INTEGER_FORMAT " at most",
		whole(queued, "now"), whole(queued, "most"));

	duration_text(number(queued, "wait_mean_ms") * 1000, mean);
	duration_text(number(queued, "wait_max_ms") * 1000, max);
	if (whole(queued, "waited"))
		snprintf(text + used, sizeof(text) - used,
			"; %" JSON_INTEGER_FORMAT " had to wait, %s on average, %s at most",
			whole(queued, "waited"), mean, max);
	add_row(table, "queued", text);
}

static void
add_duration(struct table *table, const json_t *duration)
{
	static const char *const keys[] = { "mean", "p50", "p90", "p99", "max" };
	char text[LINE_SIZE] = "", value[FORMAT_TEXT_SIZE];
	size_t used = 0;

	if (!whole(duration, "count"))
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		duration_text(number(duration, keys[i]), value);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s",
			used ? ", " : "", keys[i], value);
	}
	add_row(table, "took", text);
}

/* From the first bucket with something in it to the last. */
static int
print_histogram(const json_t *list, double total, FILE *out)
{
	struct table *table = table_create(3);
	size_t first = SIZE_MAX, last = 0, index;
	char text[FORMAT_TEXT_SIZE];
	const json_t *bucket;
	int result;

	if (!table)
		return -ENOMEM;
	for (size_t column = 0; column < 3; column++)
		table_align_right(table, column);
	add_row(table, "took less than", "successes");
	table_cell(table, "");
	json_array_foreach (list, index, bucket) {
		if (whole(bucket, "count") == 0)
			continue;
		first = index < first ? index : first;
		last = index;
	}
	for (index = first; index <= last; index++) {
		bucket = json_array_get(list, index);
		duration_text(number(bucket, "below_us"), text);
		table_cell(table,
			json_is_integer(json_object_get(bucket, "below_us")) ? text : "longer");
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, whole(bucket, "count"));
		table_cell(table, text);
		snprintf(text, sizeof(text), "%.1f %%", 100 * number(bucket, "count") / total);
		table_cell(table, text);
	}
	result = table_print(table, 0, out);
	table_destroy(table);
	return result;
}

/* Those of agents are among them. */
static void
add_checks(struct table *table, const json_t *data)
{
	char text[LINE_SIZE];

	snprintf(text, sizeof(text),
		"%" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
		" of them by another one's probes",
		whole(data, "checks"), whole(data, "shared"));
	add_row(table, "checks", text);
}

int
format_probes(const json_t *data, FILE *out)
{
	const json_t *duration = json_object_get(data, "duration_us");
	struct table *table = table_create(2);
	double total = number(duration, "count");
	int result;

	if (!table)
		return -ENOMEM;
	add_checks(table, data);
	add_count(table, "probes made", whole(data, "made"));
	add_count(table, "succeeded", whole(data, "succeeded"));
	add_failed(table, data);
	add_count(table, "local errors", whole(data, "local_errors"));
	add_open(table, json_object_get(data, "open"));
	add_queued(table, json_object_get(data, "queued"));
	add_duration(table, duration);
	result = table_print(table, 0, out);
	table_destroy(table);
	if (result == 0 && total > 0) {
		fputc('\n', out);
		result = print_histogram(json_object_get(data, "histogram"), total, out);
	}
	return result;
}

/* `unit_us`: what the sums are in. */
static void
add_lag(struct table *table, const char *name, const json_t *lag, double unit_us)
{
	const json_t *last = json_object_get(lag, "last_10s");
	const json_t *all = json_object_get(lag, "since_start");
	char mean[FORMAT_TEXT_SIZE], max[FORMAT_TEXT_SIZE], ever[FORMAT_TEXT_SIZE];
	char text[LINE_SIZE];

	if (!last || !all)
		return;
	duration_text(number(last, "mean") * unit_us, mean);
	duration_text(number(last, "max") * unit_us, max);
	duration_text(number(all, "max") * unit_us, ever);
	snprintf(text, sizeof(text),
		"%s on average, %s at most in the last 10 s; %s at most since the start", mean, max,
		ever);
	add_row(table, name, text);
}

void
format_loop(struct table *table, const json_t *loop)
{
	add_lag(table, "timers late", json_object_get(loop, "timers_late_ms"), 1000);
	add_lag(table, "turns took", json_object_get(loop, "turns_us"), 1);
}
