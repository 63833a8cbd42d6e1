/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands between a client's packet and a new flow. */
#include "persist.h"
#include "track_impl.h"

/* Does it still take flows of this backend? One that drains does: they are its clients. */
static bool
is_still_good(const struct tracker *t, const struct gen_backend *backend, uint32_t id)
{
	const struct gen_server *server = track_server(t->generation, id);

	return server && server->backend == backend->id && server->state != SHUNT_SERVER_DOWN &&
		!server->removed;
}

/* By the client network's last flow, or by the algorithm, which is remembered. */
static uint32_t
choose_persistent(struct tracker *t, const struct pkt *p, const struct gen_backend *backend)
{
	struct persist_table *table = t->generation->persist;
	uint64_t hash = persist_hash(table, backend, p->client, p->version);
	uint32_t server = persist_find(table, hash, t->now);

	if (!server || !is_still_good(t, backend, server) ||
		!select_reserve_server(&t->select, backend, server))
		server = select_server(&t->select, t->generation, backend, p);
	if (server)
		persist_put(table, hash, server, t->now, backend->persist_ticks);
	return server;
}

bool
track_choose(struct tracker *t, struct pkt *p, const struct gen_backend *backend)
{
	/*
	 * A TCP flow seen from its middle on (the dataplane was restarted, say) goes where the
	 * hash sends it: if that was the rule at its beginning too, it lives on.
	 */
	if (!track_is_first(p))
		p->server = select_by_hash(t->generation, backend, p);
	else if (backend->persist_ticks)
		p->server = choose_persistent(t, p, backend);
	else
		p->server = select_server(&t->select, t->generation, backend, p);
	if (!p->server)
		p->drop = SHUNT_DROP_MAXCONN;
	return p->server != 0;
}

/* The backend of a UDP flow that lives and only needs another server; NULL: it is none. */
static const struct gen_backend *
goes_on(const struct tracker *t, const struct pkt *p)
{
	const struct generation *g = t->generation;
	const struct gen_server *server;

	if (p->protocol != SHUNT_UDP || !p->flow || !track_is_session(flow_state(*p->flow)))
		return NULL;
	server = track_server(g, flow_server(*p->flow));
	return server && generation_leads(g, p->service, server->backend)
		? g->backends[server->backend]
		: NULL;
}

const struct gen_backend *
track_admit(struct tracker *t, struct pkt *p, const struct gen_backend *backend)
{
	const struct gen_backend *its = NULL;

	if (t->generation->services[p->service].rules) {
		/* Their verdict was taken when the flow began. */
		its = goes_on(t, p);
		backend = its ? its : track_rules(t, p, backend);
		if (p->drop)
			return NULL;
	}
	if (!backend || backend->member_count == 0) {
		p->drop = SHUNT_DROP_NO_SERVER;
		return NULL;
	}
	p->drop = (uint8_t)track_limit(t, p);
	return p->drop ? NULL : backend;
}
