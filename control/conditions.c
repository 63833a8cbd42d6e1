/* SPDX-License-Identifier: BSD-3-Clause */
#include "conditions.h"

#include "pool.h"

static bool
is_time(const struct acl_config *acl, const struct tm *now)
{
	unsigned int minute = (unsigned int)(now->tm_hour * 60 + now->tm_min);

	if (acl->weekdays && !(acl->weekdays >> now->tm_wday & 1))
		return false;
	for (size_t i = 0; i < acl->time_count; i++) {
		const struct acl_time_config *t = &acl->times[i];

		if (t->from < t->to ? minute >= t->from && minute < t->to
				    : minute >= t->from || minute < t->to)
			return true;
	}
	return acl->time_count == 0;
}

static bool
takes_flows(const struct server *server)
{
	return pool_is_up(server) && server->weight > 0;
}

static uint64_t
sessions_of(const struct server *server, const struct shunt_stats *stats)
{
	uint64_t sum = 0;

	if (!stats || !server->id)
		return 0;
	for (uint32_t i = 0; i < stats->worker_count && i < SHUNT_MAX_WORKERS; i++)
		sum += shunt_stats_servers(stats, i)[server->id].sessions;
	return sum;
}

/* What is counted; backends and servers stand in the state as in the file. */
static uint64_t
count_of(const struct control *control, const struct acl_count_config *count,
	const struct shunt_stats *stats)
{
	const struct backend *backend = control->backends[count->backend];
	uint64_t sum = 0;

	for (size_t i = 0; i < backend->server_count; i++) {
		if (count->what != ACL_SESSIONS)
			sum += takes_flows(backend->servers[i]);
		else if (count->server == SIZE_MAX || count->server == i)
			sum += sessions_of(backend->servers[i], stats);
	}
	for (size_t i = 0; count->what == ACL_SESSIONS && count->server == SIZE_MAX &&
		i < backend->removed_count;
		i++)
		sum += sessions_of(backend->removed[i], stats);
	return sum;
}

/* Of each kind of count one is enough. */
static bool
counts_hold(const struct control *control, const struct acl_config *acl,
	const struct shunt_stats *stats)
{
	bool asked[ACL_COUNTS] = { false }, held[ACL_COUNTS] = { false };

	for (size_t i = 0; i < acl->count_count; i++) {
		const struct acl_count_config *count = &acl->counts[i];
		uint64_t value = count_of(control, count, stats);

		asked[count->what] = true;
		held[count->what] |= value >= count->least && value <= count->greatest;
	}
	for (unsigned int i = 0; i < ACL_COUNTS; i++) {
		if (asked[i] && !held[i])
			return false;
	}
	return true;
}

void
conditions_evaluate(const struct control *control, const struct tm *now,
	const struct shunt_stats *stats, struct shunt_truth *truth)
{
	const struct config *config = control->config;

	*truth = (struct shunt_truth){ 0 };
	for (size_t i = 0; config && config->truth_count && i < config->acl_count; i++) {
		const struct acl_config *acl = &config->acls[i];

		if (acl->truth && is_time(acl, now) && counts_hold(control, acl, stats))
			truth->words[acl->truth / 64] |= 1ull << (acl->truth % 64);
	}
}
