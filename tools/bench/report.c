/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include <jansson.h>

#include "report.h"

void
report_head(void)
{
	printf("%-72s %-20s %-23s %s\n", "", "ratio to macswap", "added cycles", "Mpps");
	printf("%-72s %-20s %-23s %s\n", "scenario", "median   min   max", "median    min    max",
		"median    min    max  (macswap)");
}

void
report_measurement(const struct measurement *m)
{
	struct scenario_aim aim = scenario_aim(&m->scenario);
	char name[96];

	scenario_describe(&m->scenario, name, sizeof(name));
	printf("%-72s %5.2f %5.2f %5.2f    %6.1f %6.1f %6.1f    %6.2f %6.2f %6.2f  (%.1f)", name,
		m->ratio.median, m->ratio.min, m->ratio.max, m->added_cycles.median,
		m->added_cycles.min, m->added_cycles.max, m->mpps.median, m->mpps.min, m->mpps.max,
		m->macswap_mpps.median);
	if (aim.ratio > 0)
		printf("  aim: %.2f", aim.ratio);
	if (aim.mpps > 0)
		printf("  aim: %.0f Mpps", aim.mpps);
	printf("\n");
	if (m->scenario.kind == SCENARIO_CONNECTIONS)
		printf("%72s %.2f million connections a second (%.2f to %.2f)\n", "",
			m->connections_per_second.median / 1e6, m->connections_per_second.min / 1e6,
			m->connections_per_second.max / 1e6);
	fflush(stdout);
}

void
report_verify(const struct scenario *scenario, const struct verify_result *result)
{
	char name[96];

	scenario_describe(scenario, name, sizeof(name));
	printf("%-72s %lu packets compared, %lu wrong, %lu missing\n", name,
		(unsigned long)result->packets, (unsigned long)result->wrong,
		(unsigned long)result->missing);
}

void
report_lookups(const struct lookups *l, bool first)
{
	if (first)
		printf("\n%-12s %-24s %-24s %s\n", "IPv4 flows", "flow table, cycles",
			"rte_hash, cycles", "bytes a flow: table (IPv6), rte_hash with state");
	printf("%-12u %5.1f (%.1f-%.1f)%10s %5.1f (%.1f-%.1f)%8s %.1f (%.1f), %.1f\n", l->flows,
		l->flow_cycles.median, l->flow_cycles.min, l->flow_cycles.max, "",
		l->hash_cycles.median, l->hash_cycles.min, l->hash_cycles.max, "", l->flow_bytes,
		l->flow6_bytes, l->hash_bytes);
}

void
report_change(const struct change *c)
{
	printf("\none server of 1000 changes: selection table %.3f ms, generation %.3f ms, "
	       "acknowledged %.3f ms later\n",
		c->table_ms.median, c->agent_ms.median, c->ack_ms.median);
	printf("a worker's turn, p99: %.2f us without changes, %.2f us with 100 a second\n",
		c->quiet_p99_us.median, c->busy_p99_us.median);
}

static json_t *
spread_json(const struct spread *s)
{
	return json_pack("{s:f, s:f, s:f}", "median", s->median, "min", s->min, "max", s->max);
}

static json_t *
scenario_json(const struct scenario *s)
{
	json_t *object = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:s}", "mode",
		scenario_mode(s), "family", scenario_family(s), "flows", (int)s->flows,
		"new_percent", (int)s->new_percent, "services", (int)s->services, "servers",
		(int)s->servers, "burst", (int)s->burst, "distribution", scenario_distribution(s));

	if (object && s->kind == SCENARIO_CONNECTIONS)
		json_object_set_new(object, "kind", json_string("connections"));
	if (object && s->stateless)
		json_object_set_new(object, "flow_mode", json_string("stateless"));
	if (object && s->balance)
		json_object_set_new(object, "balance", json_string(scenario_balance(s)));
	if (object && s->rules)
		json_object_set_new(object, "rules", json_integer(s->rules));
	if (object && s->flood)
		json_object_set_new(object, "new_are", json_string("flood"));
	if (object && s->by_connection)
		json_object_set_new(object, "hash_on", json_string("connection"));
	return object;
}

static json_t *
measurement_json(const struct measurement *m)
{
	json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:f}", "scenario",
		scenario_json(&m->scenario), "ratio", spread_json(&m->ratio), "added_cycles",
		spread_json(&m->added_cycles), "mpps", spread_json(&m->mpps), "macswap_mpps",
		spread_json(&m->macswap_mpps), "lost_percent", m->lost_percent);

	if (object && m->scenario.kind == SCENARIO_CONNECTIONS)
		json_object_set_new(
			object, "connections_per_second", spread_json(&m->connections_per_second));
	return object;
}

/* NULL: no memory. */
static json_t *
measurements_json(const struct measurement *measurements, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++) {
		if (json_array_append_new(array, measurement_json(&measurements[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *
lookups_json(const struct lookups *lookups, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++) {
		const struct lookups *l = &lookups[i];
		json_t *object = json_pack("{s:i, s:o, s:o, s:f, s:f, s:f}", "flows", (int)l->flows,
			"flow_table_cycles", spread_json(&l->flow_cycles), "rte_hash_cycles",
			spread_json(&l->hash_cycles), "flow_table_bytes_ipv4", l->flow_bytes,
			"flow_table_bytes_ipv6", l->flow6_bytes, "rte_hash_bytes_ipv4",
			l->hash_bytes);

		if (json_array_append_new(array, object) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *
change_json(const struct change *c)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "selection_table_ms",
		spread_json(&c->table_ms), "generation_ms", spread_json(&c->agent_ms),
		"acknowledged_ms", spread_json(&c->ack_ms), "turn_p99_us_quiet",
		spread_json(&c->quiet_p99_us), "turn_p99_us_100_changes_per_second",
		spread_json(&c->busy_p99_us));
}

/* Takes the value, which is NULL if there was no memory for it. */
static int
print_json(json_t *value)
{
	int result = 0;

	if (!value)
		return -ENOMEM;
	if (json_dumpf(value, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) < 0)
		result = -EIO;
	printf("\n");
	json_decref(value);
	return result;
}

int
report_json(const struct measurement *measurements, size_t count)
{
	return print_json(measurements_json(measurements, count));
}

int
report_all_json(const struct measurement *measurements, size_t count, const struct lookups *lookups,
	size_t lookup_count, const struct change *change)
{
	return print_json(json_pack("{s:o, s:o, s:o}", "scenarios",
		measurements_json(measurements, count), "lookups",
		lookups_json(lookups, lookup_count), "change", change_json(change)));
}
