/* SPDX-License-Identifier: BSD-3-Clause */
/* `show probes`, and the event loop's part of `show info`: from the counts to what people read. */
#include <stddef.h>
#include <stdlib.h>

#include "shunt/api.h"
#include "capture.h"
#include "format.h"
#include "show.h"
#include "state.h"
#include "unit.h"

static struct control control;

static void
setup(void)
{
	memset(&control, 0, sizeof(control));
	control.loop = loop_create();
	CU_ASSERT_PTR_NOT_NULL_FATAL(control.loop);
}

static void
result(uint8_t status, uint32_t duration_us)
{
	const struct check_report report = { .status = status, .duration_us = duration_us };

	control.probes.made++;
	probe_stats_result(&control.probes, &report);
}

static void
check_text(unsigned int command, const json_t *data, const char *wanted)
{
	struct capture out;

	capture_open(&out);
	CU_ASSERT_EQUAL(format_data(command, data, out.stream), 0);
	CU_ASSERT_STRING_EQUAL(capture_text(&out), wanted);
	if (strcmp(out.text, wanted) != 0)
		fprintf(stderr, "wanted:\n%s\ngot:\n%s\n", wanted, out.text);
	capture_close(&out);
}

static json_int_t
number(const json_t *data, const char *outer, const char *inner)
{
	return json_integer_value(json_object_get(json_object_get(data, outer), inner));
}

static void
none_yet(void)
{
	json_t *data;

	setup();
	data = show_probes(&control);
	check_text(SHUNT_CMD_SHOW_PROBES, data,
		"checks        0, 0 of them by another one's probes\n"
		"probes made   0\n"
		"succeeded     0\n"
		"failed        0\n"
		"local errors  0\n"
		"open          0 now, 0 at most, limit 0\n"
		"queued        0 now, 0 at most\n");
	json_decref(data);
	loop_destroy(control.loop);
}

static void
all_of_it(void)
{
	json_t *data;

	setup();
	for (int i = 0; i < 98; i++)
		result(CHECK_L4OK, 150);
	result(CHECK_L7OK, 40000);
	result(CHECK_L7OK, 60000000);
	result(CHECK_L4TOUT, 1000000);
	result(CHECK_L4TOUT, 1000000);
	result(CHECK_L7STS, 300);
	result(CHECK_SOCKERR, 1);
	probe_stats_queued(&control.probes);
	probe_stats_queued(&control.probes);
	probe_stats_unqueued(&control.probes, 25);
	control.probes.open_most = 12;
	data = show_probes(&control);
	CU_ASSERT_EQUAL(number(data, "by_status", "L4TOUT"), 2);
	CU_ASSERT_EQUAL(number(data, "by_status", "L7OK"), 2);
	CU_ASSERT_EQUAL(number(data, "by_status", "SOCKERR"), 1);
	CU_ASSERT_PTR_NULL(json_object_get(json_object_get(data, "by_status"), "INI"));
	CU_ASSERT_EQUAL(number(data, "duration_us", "count"), 100);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(data, "histogram")), PROBE_BUCKETS);
	CU_ASSERT_EQUAL(number(data, "queued", "wait_max_ms"), 25);
	check_text(SHUNT_CMD_SHOW_PROBES, data,
		"checks        0, 0 of them by another one's probes\n"
		"probes made   104\n"
		"succeeded     100\n"
		"failed        3: L4TOUT 2, L7STS 1\n"
		"local errors  1\n"
		"open          0 now, 12 at most, limit 0\n"
		"queued        1 now, 2 at most; 1 had to wait, 25 ms on average, 25 ms at "
		"most\n"
		"took          mean 601 ms, p50 151 us, p90 191 us, p99 50 ms, max 60.0 s\n"
		"\n"
		"took less than  successes\n"
		"        200 us         98  98.0 %\n"
		"        500 us          0   0.0 %\n"
		"        1.0 ms          0   0.0 %\n"
		"        2.0 ms          0   0.0 %\n"
		"        5.0 ms          0   0.0 %\n"
		"         10 ms          0   0.0 %\n"
		"         20 ms          0   0.0 %\n"
		"         50 ms          1   1.0 %\n"
		"        100 ms          0   0.0 %\n"
		"        200 ms          0   0.0 %\n"
		"        500 ms          0   0.0 %\n"
		"         1.0 s          0   0.0 %\n"
		"         2.0 s          0   0.0 %\n"
		"         5.0 s          0   0.0 %\n"
		"        10.0 s          0   0.0 %\n"
		"        20.0 s          0   0.0 %\n"
		"        50.0 s          0   0.0 %\n"
		"        longer          1   1.0 %\n");
	json_decref(data);
	loop_destroy(control.loop);
}

static void
on_stop(struct loop_timer *timer, uint64_t now_ms)
{
	(void)timer;
	(void)now_ms;
	loop_stop(control.loop);
}

static void
the_loop(void)
{
	struct loop_timer stop = { .on_timer = on_stop };
	json_t *data, *late, *took;
	const char *text;
	struct capture out;

	setup();
	loop_timer_set(control.loop, &stop, 1);
	CU_ASSERT_EQUAL(loop_run(control.loop), 0);
	data = show_info(&control);
	late = json_object_get(json_object_get(data, "loop"), "timers_late_ms");
	took = json_object_get(json_object_get(data, "loop"), "turns_us");
	for (int i = 0; i < 3; i++) {
		static const char *const windows[] = { "last_1s", "last_10s", "since_start" };
		const json_t *sum = json_object_get(late, windows[i]);

		CU_ASSERT_TRUE(json_is_integer(json_object_get(sum, "max")));
		CU_ASSERT_TRUE(json_is_real(json_object_get(sum, "mean")));
		CU_ASSERT_TRUE(number(took, windows[i], "max") >= 0);
	}
	capture_open(&out);
	CU_ASSERT_EQUAL(format_data(SHUNT_CMD_SHOW_INFO, data, out.stream), 0);
	text = capture_text(&out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\ntimers late "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " at most in the last 10 s; "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nturns took "));
	capture_close(&out);
	json_decref(data);
	loop_destroy(control.loop);
}

/* Of another version, or something else behind the socket. */
static void
weird(void)
{
	static const char *const texts[] = {
		"{\"duration_us\": {\"count\": 5}, \"histogram\": [{\"count\": 1}, 3, null]}",
		"{\"duration_us\": {\"count\": 5}, \"histogram\": 3}",
		"{\"by_status\": [1], \"queued\": {\"waited\": 3, \"wait_mean_ms\": \"x\"}}",
		"{\"by_status\": {\"X\": 3, \"\\u001b[2J\": -4, \"a\": \"b\"}}",
	};
	struct capture out;

	capture_open(&out);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		json_t *data = json_loads(texts[i], 0, NULL);

		CU_ASSERT_EQUAL(format_data(SHUNT_CMD_SHOW_PROBES, data, out.stream), 0);
		json_decref(data);
	}
	CU_ASSERT_PTR_NULL(strchr(capture_text(&out), '\033'));
	capture_close(&out);
}

static const struct unit_test tests[] = {
	{ "show probes: none yet", none_yet },
	{ "show probes: all of it", all_of_it },
	{ "show info: the loop", the_loop },
	{ "answers that are none", weird },
};

UNIT_MAIN("show_probes", tests)
