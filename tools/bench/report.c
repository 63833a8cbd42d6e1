/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include <jansson.h>

#include "report.h"

void
report_head(void)
{
	printf("%-66s %-20s %-20s %s\n", "", "ratio to macswap", "added cycles", "Mpps");
	printf("%-66s %-20s %-20s %s\n", "scenario", "median  min  max", "median  min  max",
		"median  (macswap)");
}

void
report_measurement(const struct measurement *m)
{
	char name[96];

	scenario_describe(&m->scenario, name, sizeof(name));
	printf("%-66s %5.2f  %4.2f %4.2f     %5.1f %5.1f %5.1f    %6.2f  (%.1f)\n", name,
		m->ratio.median, m->ratio.min, m->ratio.max, m->added_cycles.median,
		m->added_cycles.min, m->added_cycles.max, m->mpps.median, m->macswap_mpps.median);
	fflush(stdout);
}

void
report_verify(const struct scenario *scenario, const struct verify_result *result)
{
	char name[96];

	scenario_describe(scenario, name, sizeof(name));
	printf("%-66s %lu packets compared, %lu wrong, %lu missing\n", name,
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
measurement_json(const struct measurement *m)
{
	const struct scenario *s = &m->scenario;

	return json_pack("{s:{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:s}, s:o, s:o, s:o, s:o}",
		"scenario", "mode", scenario_mode(s), "family", scenario_family(s), "flows",
		(int)s->flows, "new_percent", (int)s->new_percent, "services", (int)s->services,
		"servers", (int)s->servers, "burst", (int)s->burst, "distribution",
		scenario_distribution(s), "ratio", spread_json(&m->ratio), "added_cycles",
		spread_json(&m->added_cycles), "mpps", spread_json(&m->mpps), "macswap_mpps",
		spread_json(&m->macswap_mpps));
}

int
report_json(const struct measurement *measurements, size_t count)
{
	json_t *array = json_array();
	int result = array ? 0 : -ENOMEM;

	for (size_t i = 0; result == 0 && i < count; i++) {
		if (json_array_append_new(array, measurement_json(&measurements[i])) < 0)
			result = -ENOMEM;
	}
	if (result == 0 && json_dumpf(array, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) < 0)
		result = -EIO;
	printf("\n");
	json_decref(array);
	return result;
}
