/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_random.h>

#include "classify.h"
#include "limit.h"
#include "stateless.h"

static uint64_t
count_entries(void *context, uint32_t service)
{
	const struct agent_settings *settings = context;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < settings->worker_count; i++)
		sum += worker_entries(settings->workers[i], service);
	return sum;
}

static uint64_t
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct gen_moment
agent_moment(const struct agent_settings *settings)
{
	struct gen_moment moment = {
		.first = UINT32_MAX,
		.clock = rte_rdtsc(),
		.monotonic_ms = monotonic_ms(),
		.worker_count = settings->worker_count,
		.seed = rte_rand(),
		.entries = count_entries,
		/* It is only read. */
		.context = (void *)(uintptr_t)settings,
		.clock_hz = rte_get_tsc_hz(),
	};

	for (uint32_t i = 0; i < settings->worker_count; i++) {
		uint32_t now = worker_now(settings->workers[i]);

		moment.first = now < moment.first ? now : moment.first;
		moment.last = now > moment.last ? now : moment.last;
	}
	return moment;
}

int
agent_find_flow(const struct agent_settings *settings, const struct generation *generation,
	const struct shunt_flow_query *query)
{
	bool v4 = shunt_addr_is_v4(&query->client);
	struct flow_key key = {
		.port_be = query->client_port_be,
		.service = (uint16_t)query->service,
		.version = v4 ? 4 : 6,
		.extra = query->range_port_be,
	};
	const uint8_t *address = query->client.bytes + (v4 ? 12 : 0);
	const struct worker *worker;
	uint32_t owner, server;

	if (query->service == 0 || query->service >= SHUNT_MAX_SERVICES)
		return -EINVAL;
	memcpy(key.address, address, v4 ? 4 : 16);
	owner = worker_owner(
		classify_owner_hash(address, key.version, key.port_be, settings->owner_seed),
		settings->worker_count);
	worker = settings->workers[owner];
	server = flow_server(worker_peek(worker, &key));
	if (!server && generation)
		server = stateless_former_of(generation, &key, worker_now(worker));
	return (int)server;
}

enum shunt_drop
agent_ask_limit(const struct agent_settings *settings, const struct generation *generation,
	const struct shunt_flow_query *query)
{
	uint32_t limit;

	if (!generation || query->service >= SHUNT_MAX_SERVICES)
		return SHUNT_DROP_NONE;
	limit = generation->services[query->service].limit;
	if (!limit)
		return SHUNT_DROP_NONE;
	return limit_ask(settings->limiter, generation->limits, limit, &query->client, rte_rdtsc());
}

/* Rows are put together here, for the peer may write to the room at any moment. */
int
agent_top_sources(const struct agent_settings *settings, const struct generation *generation,
	void *room, uint64_t bytes)
{
	uint64_t max = bytes / sizeof(struct shunt_source_row);
	struct shunt_source_row *rows;
	uint32_t count;

	if (!generation || !settings->limiter->sources || max == 0)
		return 0;
	if (max > SHUNT_MAX_SOURCE_ROWS)
		max = SHUNT_MAX_SOURCE_ROWS;
	rows = calloc(max, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	count = source_table_top(
		settings->limiter->sources, generation->limits, rte_rdtsc(), rows, (uint32_t)max);
	memcpy(room, rows, count * sizeof(*rows));
	free(rows);
	return (int)count;
}
