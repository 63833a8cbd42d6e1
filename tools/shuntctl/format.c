/* SPDX-License-Identifier: BSD-3-Clause */
#include "format.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "shunt/api.h"
#include "shunt/stats.h"
#include "format_probes.h"
#include "table.h"

enum column_kind {
	COLUMN_TEXT,
	COLUMN_COUNT,
	COLUMN_BYTES,
	COLUMN_AGE,
	COLUMN_SHARE,	 /* 0 to 1, shown as per cent */
	COLUMN_SESSIONS, /* a count, where flows are counted */
	COLUMN_HELD,	 /* milliseconds to go; none: nothing */
	COLUMN_WORDS,	 /* an array of them */
};

struct column {
	const char *key;
	const char *header;
	enum column_kind kind;
};

#define COLUMNS(list) list, sizeof(list) / sizeof((list)[0])

static const struct column info_workers[] = {
	{ "lcore", "lcore", COLUMN_COUNT },
	{ "generation", "generation", COLUMN_COUNT },
	{ "rx_packets", "rx packets", COLUMN_COUNT },
	{ "tx_packets", "tx packets", COLUMN_COUNT },
	{ "drops", "drops", COLUMN_COUNT },
	{ "flows", "flows", COLUMN_COUNT },
	{ "flows_max", "flows max", COLUMN_COUNT },
};

static const struct column workers[] = {
	{ "lcore", "lcore", COLUMN_COUNT },
	{ "generation", "generation", COLUMN_COUNT },
	{ "rx_packets", "rx packets", COLUMN_COUNT },
	{ "rx_bytes", "rx bytes", COLUMN_BYTES },
	{ "tx_packets", "tx packets", COLUMN_COUNT },
	{ "tx_bytes", "tx bytes", COLUMN_BYTES },
	{ "drops", "drops", COLUMN_COUNT },
	{ "flows", "flows", COLUMN_COUNT },
	{ "flows_max", "flows max", COLUMN_COUNT },
	{ "handed_over", "handed over", COLUMN_COUNT },
	{ "handed_over_share", "of rx", COLUMN_SHARE },
	{ "tx_handed_over", "tx by others", COLUMN_COUNT },
	{ "half_open", "half open", COLUMN_COUNT },
	{ "syn_cookies_sent", "cookies", COLUMN_COUNT },
	{ "untracked", "untracked", COLUMN_COUNT },
	{ "exceptions", "exceptions", COLUMN_COUNT },
	{ "punted", "punted", COLUMN_COUNT },
	{ "injected", "injected", COLUMN_COUNT },
	{ "idle", "idle", COLUMN_SHARE },
};

static const struct column servers[] = {
	{ "backend", "backend", COLUMN_TEXT }, { "server", "server", COLUMN_TEXT },
	{ "address", "address", COLUMN_TEXT }, { "state", "state", COLUMN_TEXT },
	{ "admin", "admin", COLUMN_TEXT }, { "health", "health", COLUMN_TEXT },
	{ "last_change_s", "since", COLUMN_AGE }, { "hold_ms", "held", COLUMN_HELD },
	{ "weight", "weight", COLUMN_COUNT }, { "sessions", "sessions", COLUMN_SESSIONS },
	{ "sessions_total", "total", COLUMN_SESSIONS }, { "in_bytes", "in", COLUMN_BYTES },
	{ "out_bytes", "out", COLUMN_BYTES }, { "syn_refused", "refused", COLUMN_COUNT },
	{ "syn_unanswered", "unanswered", COLUMN_COUNT }, { "check_fail", "fails", COLUMN_COUNT },
	{ "check_down", "downs", COLUMN_COUNT }, { "check_error", "errors", COLUMN_COUNT },
	{ "last_check", "last check", COLUMN_TEXT },
	{ "last_agent", "last agent", COLUMN_TEXT }, /* the last one: see print_servers() */
};

static const struct column events[] = {
	{ "time", "time", COLUMN_TEXT },
	{ "backend", "backend", COLUMN_TEXT },
	{ "server", "server", COLUMN_TEXT },
	{ "from", "from", COLUMN_TEXT },
	{ "to", "to", COLUMN_TEXT },
	{ "why", "why", COLUMN_TEXT },
};

static const struct column rules[] = {
	{ "frontend", "frontend", COLUMN_TEXT },
	{ "rule", "rule", COLUMN_COUNT },
	{ "action", "action", COLUMN_TEXT },
	{ "backend", "backend", COLUMN_TEXT },
	{ "if", "if", COLUMN_WORDS },
	{ "hits", "hits", COLUMN_COUNT },
};

static const struct column stat[] = {
	{ "proxy", "proxy", COLUMN_TEXT },
	{ "name", "name", COLUMN_TEXT },
	{ "status", "status", COLUMN_TEXT },
	{ "weight", "weight", COLUMN_COUNT },
	{ "sessions", "sessions", COLUMN_SESSIONS },
	{ "sessions_total", "total", COLUMN_SESSIONS },
	{ "in_packets", "in packets", COLUMN_COUNT },
	{ "in_bytes", "in", COLUMN_BYTES },
	{ "out_packets", "out packets", COLUMN_COUNT },
	{ "out_bytes", "out", COLUMN_BYTES },
	{ "maxconn", "maxconn", COLUMN_COUNT },
	{ "refused", "refused", COLUMN_COUNT },
};

static const struct column sources[] = {
	{ "network", "network", COLUMN_TEXT },
	{ "frontend", "frontend", COLUMN_TEXT },
	{ "sessions", "sessions", COLUMN_COUNT },
	{ "maxconn", "maxconn", COLUMN_COUNT },
	{ "rate", "new a second", COLUMN_COUNT },
	{ "rate_limit", "rate limit", COLUMN_COUNT },
	{ "refused", "refused", COLUMN_COUNT },
};

static const struct column help[] = {
	{ "command", "command", COLUMN_TEXT },
	{ "syntax", "arguments", COLUMN_TEXT },
	{ "help", "", COLUMN_TEXT },
};

void
format_bytes(uint64_t bytes, char text[FORMAT_TEXT_SIZE])
{
	static const char *const units[] = { "KB", "MB", "GB", "TB", "PB", "EB" };
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(text, FORMAT_TEXT_SIZE, "%" PRIu64 " B", bytes);
		return;
	}
	/* 999.95 would be rounded up to "1000.0". */
	for (value /= 1000; value >= 999.5 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
		value /= 1000;
	snprintf(text, FORMAT_TEXT_SIZE, value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void
format_age(uint64_t seconds, char text[FORMAT_TEXT_SIZE])
{
	uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (days)
		snprintf(text, FORMAT_TEXT_SIZE, "%" PRIu64 "d%" PRIu64 "h", days, hours % 24);
	else if (hours)
		snprintf(text, FORMAT_TEXT_SIZE, "%" PRIu64 "h%02" PRIu64 "m", hours, minutes % 60);
	else if (minutes)
		snprintf(text, FORMAT_TEXT_SIZE, "%" PRIu64 "m%02" PRIu64 "s", minutes,
			seconds % 60);
	else
		snprintf(text, FORMAT_TEXT_SIZE, "%" PRIu64 "s", seconds);
}

static void
add_words(struct table *table, const json_t *words)
{
	char text[1024] = "";
	const json_t *word;
	size_t index, used = 0;

	json_array_foreach (words, index, word) {
		if (used < sizeof(text) && json_is_string(word))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
				used ? " " : "", json_string_value(word));
	}
	table_cell(table, text);
}

static void
add_cell(struct table *table, enum column_kind kind, const json_t *value)
{
	char text[FORMAT_TEXT_SIZE] = "-";
	json_int_t number = json_integer_value(value);

	if (json_is_string(value)) {
		table_cell(table, json_string_value(value));
		return;
	}
	if (kind == COLUMN_WORDS) {
		add_words(table, value);
		return;
	}
	if (kind == COLUMN_SHARE && json_is_number(value))
		snprintf(text, sizeof(text), "%.1f %%", 100 * json_number_value(value));
	else if (json_is_boolean(value))
		snprintf(text, sizeof(text), "%s", json_is_true(value) ? "yes" : "no");
	else if (json_is_integer(value) && number >= 0 && kind == COLUMN_BYTES)
		format_bytes((uint64_t)number, text);
	else if (json_is_integer(value) && number >= 0 && kind == COLUMN_AGE)
		format_age((uint64_t)number, text);
	else if (json_is_integer(value) && number > 0 && kind == COLUMN_HELD)
		format_age((uint64_t)(number + 999) / 1000, text);
	else if (json_is_integer(value) && kind != COLUMN_HELD)
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, number);
	table_cell(table, text);
}

/* Sessions of stateless flows are not counted, so what is there is not their number. */
static const json_t *
value_of(const struct column *column, const json_t *row)
{
	const char *mode = json_string_value(json_object_get(row, "flow_mode"));

	if (column->kind == COLUMN_SESSIONS && mode && strcmp(mode, "stateless") == 0)
		return NULL;
	return json_object_get(row, column->key);
}

/* An array of objects as a table; an empty one is said in words. */
static int
print_rows(const struct column *columns, size_t count, const json_t *rows, const char *empty,
	FILE *out)
{
	struct table *table;
	const json_t *row;
	size_t index;
	int result;

	if (!json_array_size(rows)) {
		fprintf(out, "%s\n", empty);
		return 0;
	}
	table = table_create(count);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (columns[i].kind != COLUMN_TEXT && columns[i].kind != COLUMN_WORDS)
			table_align_right(table, i);
		table_cell(table, columns[i].header);
	}
	json_array_foreach (rows, index, row) {
		for (size_t i = 0; i < count; i++)
			add_cell(table, columns[i].kind, value_of(&columns[i], row));
	}
	result = table_print(table, 0, out);
	table_destroy(table);
	return result;
}

/* Few servers have agents: where none has, nothing is said of them. */
static int
print_servers(const json_t *rows, FILE *out)
{
	size_t count = sizeof(servers) / sizeof(servers[0]), index;
	bool any = false;
	const json_t *row;

	json_array_foreach (rows, index, row)
		any |= json_string_length(json_object_get(row, "last_agent")) > 0;
	return print_rows(servers, any ? count : count - 1, rows, "no servers", out);
}

/* A row: its name, then bytes with a word before each but the first; what is absent is left out. */
static void
add_memory(struct table *table, const char *name, const json_t *memory, const char *const *keys)
{
	char text[4 * FORMAT_TEXT_SIZE] = "", bytes[FORMAT_TEXT_SIZE];
	size_t used = 0;

	for (; *keys; keys += 2) {
		const json_t *value = json_object_get(memory, keys[1]);

		if (!json_is_integer(value) || json_integer_value(value) < 0)
			continue;
		format_bytes((uint64_t)json_integer_value(value), bytes);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s",
			used ? ", " : "", keys[0], bytes);
	}
	if (!used)
		return;
	table_cell(table, name);
	table_cell(table, text);
}

static void
add_all_memory(struct table *table, const json_t *memory)
{
	static const char *const flows[] = { "", "flow_table_bytes", "IPv4 ",
		"flow_table_ipv4_bytes", "IPv6 ", "flow_table_ipv6_bytes", NULL };
	static const char *const ports[] = { "", "source_port_bytes", NULL };
	static const char *const generation[] = { "", "generation_bytes", "tables ",
		"generation_table_bytes", "services ", "generation_service_bytes", "servers ",
		"generation_server_bytes", "rules ", "generation_rule_bytes", NULL };
	static const char *const control[] = { "", "control_rss_bytes", "tables ",
		"control_table_bytes", NULL };

	add_memory(table, "flow tables", memory, flows);
	add_memory(table, "source ports", memory, ports);
	add_memory(table, "generation memory", memory, generation);
	add_memory(table, "control memory", memory, control);
}

static int
print_info(const json_t *data, FILE *out)
{
	struct table *table = table_create(2);
	int result;

	if (!table)
		return -ENOMEM;
	table_cell(table, "version");
	add_cell(table, COLUMN_TEXT, json_object_get(data, "version"));
	table_cell(table, "generation");
	add_cell(table, COLUMN_COUNT, json_object_get(data, "generation"));
	table_cell(table, "uptime");
	add_cell(table, COLUMN_AGE, json_object_get(data, "uptime_s"));
	table_cell(table, "dataplane");
	table_cell(table,
		json_is_true(json_object_get(data, "dataplane_connected")) ? "connected"
									   : "not connected");
	format_loop(table, json_object_get(data, "loop"));
	add_all_memory(table, json_object_get(data, "memory"));
	result = table_print(table, 0, out);
	table_destroy(table);
	if (result == 0 && json_array_size(json_object_get(data, "workers"))) {
		fputc('\n', out);
		result = print_rows(
			COLUMNS(info_workers), json_object_get(data, "workers"), "", out);
	}
	return result;
}

static const char *
drop_explanation(const char *reason)
{
	for (unsigned int i = 1; i < SHUNT_DROP_COUNT; i++) {
		if (!strcmp(shunt_drop_name(i), reason))
			return shunt_drop_explanation(i);
	}
	return "";
}

/* Only what has happened: a list of zeros hides the one line that matters. */
static int
print_drops(const json_t *data, FILE *out)
{
	/* Iteration takes a pointer that may be written through, but writes nothing. */
	json_t *object = (json_t *)(uintptr_t)data;
	struct table *table = table_create(3);
	const char *reason;
	json_t *count;
	bool any = false;
	int result = 0;

	if (!table)
		return -ENOMEM;
	table_align_right(table, 1);
	table_cell(table, "reason");
	table_cell(table, "packets");
	table_cell(table, "");
	json_object_foreach (object, reason, count) {
		if (json_is_integer(count) && json_integer_value(count) == 0)
			continue;
		any = true;
		table_cell(table, reason);
		add_cell(table, COLUMN_COUNT, count);
		table_cell(table, drop_explanation(reason));
	}
	if (any)
		result = table_print(table, 0, out);
	else
		fputs("no packet has been dropped\n", out);
	table_destroy(table);
	return result;
}

/* One row an element; the key stands at the first. */
static void
add_rows(struct table *table, const json_t *data, const char *key)
{
	const json_t *element;
	size_t index;

	json_array_foreach (json_object_get(data, key), index, element) {
		table_cell(table, index == 0 ? key : "");
		add_cell(table, COLUMN_TEXT, element);
	}
}

static int
print_lookup(const json_t *data, FILE *out)
{
	static const char *const keys[] = { "action", "frontend", "backend", "server", "reason" };
	struct table *table = table_create(2);
	int result;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		table_cell(table, keys[i]);
		add_cell(table, COLUMN_TEXT, json_object_get(data, keys[i]));
	}
	if (json_object_get(data, "rule")) {
		table_cell(table, "rule");
		add_cell(table, COLUMN_TEXT, json_object_get(data, "rule"));
	}
	if (json_object_get(data, "note")) {
		table_cell(table, "note");
		add_cell(table, COLUMN_TEXT, json_object_get(data, "note"));
	}
	add_rows(table, data, "unless");
	add_rows(table, data, "candidates");
	add_rows(table, data, "source-addresses");
	result = table_print(table, 0, out);
	table_destroy(table);
	return result;
}

int
format_json(const json_t *data, FILE *out)
{
	if (json_dumpf(data, out, JSON_INDENT(2) | JSON_ENCODE_ANY) < 0)
		return -ENOMEM;
	fputc('\n', out);
	return 0;
}

int
format_data(unsigned int command, const json_t *data, FILE *out)
{
	switch (command) {
	case SHUNT_CMD_SHOW_INFO:
		return print_info(data, out);
	case SHUNT_CMD_SHOW_STAT:
		return print_rows(COLUMNS(stat), data, "no frontends, no backends", out);
	case SHUNT_CMD_SHOW_SERVERS:
		return print_servers(data, out);
	case SHUNT_CMD_SHOW_EVENTS:
	case SHUNT_CMD_SHOW_EVENTS_N:
		return print_rows(COLUMNS(events), data, "no changes since the start", out);
	case SHUNT_CMD_SHOW_PROBES:
		return format_probes(data, out);
	case SHUNT_CMD_SHOW_DROPS:
		return print_drops(data, out);
	case SHUNT_CMD_SHOW_RULES:
		return print_rows(COLUMNS(rules), data, "no rules", out);
	case SHUNT_CMD_SHOW_WORKERS:
		return print_rows(
			COLUMNS(workers), data, "no workers: the dataplane is not connected", out);
	case SHUNT_CMD_SHOW_TOP_SOURCES:
	case SHUNT_CMD_SHOW_TOP_SOURCES_N:
		return print_rows(COLUMNS(sources), data, "no client networks are counted", out);
	case SHUNT_CMD_LOOKUP:
	case SHUNT_CMD_LOOKUP_INTERFACE:
	case SHUNT_CMD_LOOKUP_PAYLOAD:
	case SHUNT_CMD_LOOKUP_BOTH:
		return print_lookup(data, out);
	case SHUNT_CMD_HELP:
		return print_rows(COLUMNS(help), data, "no commands", out);
	default:
		return format_json(data, out);
	}
}
