/* SPDX-License-Identifier: BSD-3-Clause */
/* What the others of this process ask about the session and what runs. */
#include <errno.h>

#include "compile.h"
#include "publish_impl.h"

bool
publish_fenced(const struct publish *p)
{
	return p && p->fenced;
}

bool
publish_connected(const struct publish *p)
{
	return p && p->connected;
}

uint64_t
publish_generation(const struct publish *p)
{
	return p ? p->generation : 0;
}

const struct shunt_stats *
publish_stats(const struct publish *p)
{
	return publish_connected(p) ? session_client_stats(p->client) : NULL;
}

const struct image *
publish_image(const struct publish *p)
{
	return p && p->generation > 0 ? p->running : NULL;
}

uint64_t
publish_table_bytes(const struct publish *p)
{
	return p ? compiler_table_bytes(p->compiler) : 0;
}

uint32_t
publish_ports(const struct publish *p, const struct shunt_port_info **ports)
{
	*ports = p ? p->ports : NULL;
	return p ? p->port_count : 0;
}

int
publish_wait(struct publish *p, struct publish_waiter *waiter, uint32_t timeout_ms)
{
	if (!publish_connected(p))
		waiter->done(waiter, -ENOTCONN, -1);
	else if (p->settled == p->changes)
		waiter->done(waiter, p->settled_result, -1);
	else
		return waiters_add(&p->waiters, waiter, p->changes, timeout_ms);
	return 0;
}

void
publish_wait_cancel(struct publish *p, struct publish_waiter *waiter)
{
	if (p)
		waiters_remove(&p->waiters, waiter);
}

/* There is one question at a time. */
static int
ask(struct publish *p, const struct query *query)
{
	if (!publish_connected(p))
		return -ENOTCONN;
	if (p->query.busy)
		return -EBUSY;
	p->query = *query;
	p->query.busy = true;
	publish_pump(p);
	return 0;
}

int
publish_flow_query(struct publish *p, const struct shunt_flow_query *query,
	void (*done)(void *context, int server), void *context)
{
	return ask(p, &(struct query){ .query = *query, .done = done, .context = context });
}

uint32_t
publish_flow_refusal(const struct publish *p)
{
	return p->refusal;
}

int
publish_sources_query(
	struct publish *p, uint32_t max, void (*done)(void *context, int count), void *context)
{
	return ask(p, &(struct query){ .rows = max, .done = done, .context = context });
}

const struct shunt_source_row *
publish_sources(const struct publish *p)
{
	return session_client_sources(p->client);
}

void
publish_flow_query_cancel(struct publish *p, void *context)
{
	if (p && p->query.busy && p->query.context == context)
		p->query.done = NULL;
}
