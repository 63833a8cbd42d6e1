/* SPDX-License-Identifier: BSD-3-Clause */
/* What ACLs ask for that is not in packets: times, weekdays, numbers of servers and sessions. */
#include <stdlib.h>

#include "config_acl.h"
#include "settings.h"

#define MAX_VALUES  64 /* of one key of one ACL */
#define DAY_MINUTES (24 * 60)

/* "08:00-18:00" */
static bool
read_time(struct json_at at, void *out)
{
	const char *text = json_string_value(at.value);
	unsigned int h1, m1, h2, m2;
	struct acl_time_config *time = out;
	int end = 0;

	if (!text || !config_looks_like(text, "00:00-00:00") ||
		sscanf(text, "%2u:%2u-%2u:%2u%n", &h1, &m1, &h2, &m2, &end) != 4 || end != 11 ||
		h1 > 23 || m1 > 59 || m2 > 59 || h2 * 60 + m2 > DAY_MINUTES)
		return json_at_mismatch(
			at, "a time of day such as \"08:00-18:00\" or \"22:00-06:00\"");
	*time = (struct acl_time_config){ (uint16_t)(h1 * 60 + m1), (uint16_t)(h2 * 60 + m2) };
	if (time->from == time->to)
		return json_at_mismatch(at, "a time that ends later than it begins");
	return true;
}

static int
weekday(const char *text)
{
	static const char *const names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

	for (int i = 0; i < 7; i++) {
		if (strncmp(text, names[i], 3) == 0)
			return i;
	}
	return -1;
}

/* "mon", or "mon-fri". */
static bool
read_weekday(struct json_at at, void *out)
{
	const char *text = json_string_value(at.value);
	size_t length = text ? strlen(text) : 0;
	int from = length == 3 || (length == 7 && text[3] == '-') ? weekday(text) : -1;
	int to = length == 7 && from >= 0 ? weekday(text + 4) : from;
	uint8_t days = 0;

	if (from < 0 || to < 0)
		return json_at_mismatch(at,
			"one of sun, mon, tue, wed, thu, fri, sat, or days such as \"mon-fri\"");
	for (int day = from;; day = (day + 1) % 7) {
		days |= (uint8_t)(1u << day);
		if (day == to)
			break;
	}
	*(uint8_t *)out = days;
	return true;
}

/* An object with "min", "max" or both. False: it is none. */
static bool
read_bounds(struct json_at at, const char *const *keys, uint32_t *out_least, uint32_t *out_greatest)
{
	struct json_at min = json_at_member(&at, "min"), max = json_at_member(&at, "max");
	int64_t least = 0, greatest = UINT32_MAX;

	if (!json_get_object(at, keys))
		return false;
	json_get_int(min, 0, UINT32_MAX, &least);
	json_get_int(max, 0, UINT32_MAX, &greatest);
	if (!json_at_present(min) && !json_at_present(max))
		json_at_error(at, "needs \"min\" or \"max\"");
	else if (least > greatest)
		json_at_error(at, "\"min\" is greater than \"max\", so it would never hold");
	*out_least = (uint32_t)least;
	*out_greatest = (uint32_t)greatest;
	return true;
}

/* {"backend": "app", "min": 2, "max": 10}; which backend it is config_check_acls() finds. */
static void
read_count(struct json_at at, struct acl_count_config *count, bool of_server)
{
	static const char *const keys[] = { "backend", "min", "max", NULL };
	static const char *const keys_server[] = { "backend", "server", "min", "max", NULL };

	read_bounds(at, of_server ? keys_server : keys, &count->least, &count->greatest);
}

/* What workers find in their table of client networks: HAProxy's src_conn_rate, src_conn_cur. */
static void
read_sources(struct json_at at, struct acl_config *acl)
{
	static const char *const keys[] = { "min", "max", NULL };
	struct json_at rate = json_at_member(&at, "conn-rate");
	struct json_at count = json_at_member(&at, "conn-count");

	if (json_at_present(rate) && read_bounds(rate, keys, &acl->rate_least, &acl->rate_greatest))
		acl->kinds |= SHUNT_ACL_CONN_RATE;
	if (json_at_present(count) &&
		read_bounds(count, keys, &acl->conns_least, &acl->conns_greatest))
		acl->kinds |= SHUNT_ACL_CONN_COUNT;
}

/* Counts that do not read keep their place: config_check_acls() goes by it. */
static bool
read_server_count(struct json_at at, void *out)
{
	struct acl_count_config *count = out;

	*count = (struct acl_count_config){ ACL_SERVER_COUNT, SIZE_MAX, SIZE_MAX, 0, 0 };
	read_count(at, count, false);
	return true;
}

static bool
read_healthy(struct json_at at, void *out)
{
	(void)at;
	*(struct acl_count_config *)out =
		(struct acl_count_config){ ACL_HEALTHY, SIZE_MAX, SIZE_MAX, 1, UINT32_MAX };
	return true;
}

static bool
read_sessions(struct json_at at, void *out)
{
	struct acl_count_config *count = out;

	*count = (struct acl_count_config){ ACL_SESSIONS, SIZE_MAX, SIZE_MAX, 0, 0 };
	read_count(at, count, true);
	return true;
}

static const struct {
	const char *key;
	bool (*read)(struct json_at at, void *out);
} count_keys[ACL_COUNTS] = {
	[ACL_SERVER_COUNT] = { "server-count", read_server_count },
	[ACL_HEALTHY] = { "healthy", read_healthy },
	[ACL_SESSIONS] = { "sessions", read_sessions },
};

void
config_read_conditions(struct json_at at, struct config *config, struct acl_config *acl)
{
	struct json_at time = json_at_member(&at, "time"), day = json_at_member(&at, "weekday");
	bool any = json_at_present(time) || json_at_present(day), counted = false;

	read_sources(at, acl);
	acl->times = config_read_values(
		time, MAX_VALUES, sizeof(*acl->times), &acl->time_count, read_time);
	acl->weekdays = config_read_bits(day, 7, read_weekday);
	/* Most have none, and there may be many. */
	for (unsigned int i = 0; i < ACL_COUNTS; i++)
		counted = counted || json_at_present(json_at_member(&at, count_keys[i].key));
	if (counted) {
		acl->counts = calloc(ACL_COUNTS * MAX_VALUES, sizeof(*acl->counts));
		if (!acl->counts)
			json_at_error(at, "out of memory");
	}
	for (unsigned int i = 0; i < ACL_COUNTS && acl->counts; i++) {
		struct json_at counts = json_at_member(&at, count_keys[i].key);
		struct acl_count_config *values;
		uint16_t count;

		values = config_read_values(
			counts, MAX_VALUES, sizeof(*values), &count, count_keys[i].read);
		if (count)
			memcpy(&acl->counts[acl->count_count], values, count * sizeof(*values));
		acl->count_count = (uint16_t)(acl->count_count + count);
		free(values);
	}
	if (any || counted) {
		acl->kinds |= SHUNT_ACL_TRUTH;
		acl->truth = (uint32_t)++config->truth_count;
	}
}

static size_t
find_server(const struct backend_config *backend, const char *name)
{
	for (size_t i = 0; i < backend->server_count; i++) {
		if (strcmp(backend->servers[i].name, name) == 0)
			return i;
	}
	return SIZE_MAX;
}

/* at: the object that names a backend, and perhaps a server; or the backend's name itself. */
static void
resolve(struct json_at at, json_t *backend_names, bool unread, const struct config *config,
	struct acl_count_config *count)
{
	struct json_at backend_at =
		count->what == ACL_HEALTHY ? at : json_at_member(&at, "backend");
	struct json_at server_at = json_at_member(&at, "server");
	char name[SHUNT_NAME_SIZE];
	const json_t *found;

	if (count->what != ACL_HEALTHY && !json_is_object(at.value))
		return;
	if (!json_at_require(backend_at) || !json_get_name(backend_at, name))
		return;
	found = json_object_get(backend_names, name);
	if (!found && !unread)
		json_at_error(backend_at, "there is no backend \"%s\"", name);
	if (!found)
		return;
	count->backend = (size_t)json_integer_value(found);
	if (count->what != ACL_SESSIONS || !json_get_name(server_at, name))
		return;
	count->server = find_server(&config->backends[count->backend], name);
	if (count->server == SIZE_MAX)
		json_at_error(server_at, "there is no server \"%s\" in backend \"%s\"", name,
			config->backends[count->backend].name);
}

/* In the order in which they were read. */
static void
resolve_counts(struct json_at at, json_t *backend_names, bool unread, const struct config *config,
	struct acl_config *acl)
{
	size_t next = 0;

	for (unsigned int i = 0; i < ACL_COUNTS; i++) {
		struct json_at counts = json_at_member(&at, count_keys[i].key);

		for (size_t k = 0; next < acl->count_count && acl->counts[next].what == i; k++)
			resolve(json_is_array(counts.value) ? json_at_element(&counts, k) : counts,
				backend_names, unread, config, &acl->counts[next++]);
	}
}

static void
check_interfaces(struct json_at at, const struct settings *settings, const struct acl_config *acl)
{
	struct json_at interfaces = json_at_member(&at, "interface");

	for (size_t i = 0; settings && i < acl->interface_count; i++) {
		bool found = false;

		for (size_t k = 0; k < settings->port_count; k++)
			found |= strcmp(settings->ports[k].name, acl->interfaces[i]) == 0;
		if (!found)
			json_at_error(json_is_array(interfaces.value)
					? json_at_element(&interfaces, i)
					: interfaces,
				"there is no port \"%s\" in $.dataplane.ports", acl->interfaces[i]);
	}
}

void
config_check_acls(struct json_at acls, const struct settings *settings, json_t *backend_names,
	bool unread, struct config *config)
{
	for (size_t i = 0; i < config->acl_count; i++) {
		struct acl_config *acl = &config->acls[i];
		struct json_at at;

		if (!acl->name[0] || !(acl->kinds & (SHUNT_ACL_TRUTH | SHUNT_ACL_INTERFACE)))
			continue;
		at = json_at_member(&acls, acl->name);
		resolve_counts(at, backend_names, unread, config, acl);
		check_interfaces(at, settings, acl);
	}
}
