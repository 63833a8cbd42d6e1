/* SPDX-License-Identifier: BSD-3-Clause */
/* Stateless services where the flow table counts. Hits are those of any flow, and not seen here. */
#include <stddef.h>

#include "stateless.h"
#include "track_impl.h"

/*
 * A segment out of the middle belongs to a connection that lives, so it has the long timeout at
 * once: its next segment may come when the slot is closed. If its server cannot go on, it is as
 * good as gone, and picked up as any.
 */
static enum flow_state
first_state(const struct pkt *p, bool goes_on)
{
	if (p->protocol == SHUNT_UDP)
		return FLOW_UDP;
	if (!goes_on)
		return FLOW_SYN;
	return p->tcp_flags & PKT_FIN ? FLOW_FIN_CLIENT : FLOW_ESTABLISHED;
}

/* flow: the entry that the key has. False: there is no room. */
static bool
store(struct tracker *t, struct pkt *p, const struct flow_key *key, uint64_t *flow, bool goes_on,
	uint16_t tick)
{
	const struct link back = link_back(p);
	uint64_t value;

	p->hop = hop_learn(t->hops, &back);
	value = flow_value(p->server, first_state(p, goes_on), p->hop, tick);
	if (flow) {
		track_flow_gone(t, key, *flow);
		flow_set(flow, value);
	} else {
		flow = flow_insert(t->flows, key, value, tick);
	}
	if (!flow)
		return false;
	p->flow = flow;
	t->stats->flows_created++;
	t->stats->exceptions += t->generation->services[p->service].stateless;
	track_state_changes(t, FLOW_FREE, flow_state(value));
	track_session_begins(t, p);
	return true;
}

/*
 * No room for a new flow in an open slot. Its next packets go to the former server, if that can go
 * on, so the first goes there too, unless it takes no connections at all.
 */
static void
go_without(struct tracker *t, struct pkt *p, const struct stateless_answer *answer)
{
	t->stats->untracked++;
	if (!tcp_state_opens(p->tcp_flags) ||
		!stateless_may_serve(t->generation, answer->former, p))
		return;
	p->server = answer->former;
	if (t->generation->servers[p->server].state == SHUNT_SERVER_DOWN)
		p->drop = SHUNT_DROP_FLOW_TABLE_FULL;
}

/*
 * A stateful service with answers shares the backend with a stateless one, or was one itself a
 * while ago: what is midway may be a flow from then, which has no entry yet. In a closed slot its
 * server is the hash's, whether it gets an entry or not; and if the slot is opened later, that is
 * known as long as the flow may be silent. Not if it has rules:
 * they say where a flow goes that has no entry.
 */
bool
track_stateless_miss(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, uint64_t *flow, uint16_t tick)
{
	bool stateless = t->generation->services[p->service].stateless;
	struct stateless_answer answer = stateless_answer(t->generation, backend, p, t->now);
	/* An entry that is no longer good begins anew. */
	bool opens = flow || tcp_state_opens(p->tcp_flags);
	bool former = answer.open && !opens && stateless_may_serve(t->generation, answer.former, p);
	bool goes_on = former || (!answer.open && !opens);
	/* Which anybody can say of himself: half open, as where nothing is stateless. */
	bool picked_up = !stateless && goes_on && !former;
	bool stored = flow || (!(p->tcp_flags & PKT_RST) && (answer.open || !stateless));

	if (!stateless && !goes_on)
		return false;
	p->hop = 0;
	p->server = former ? answer.former : answer.server;
	if (picked_up)
		stored = !(p->tcp_flags & (PKT_RST | PKT_FIN)) && track_may_half_open(t, p);
	if (p->server == 0)
		p->drop = SHUNT_DROP_NO_SERVER;
	else if (!stored)
		t->stats->untracked += !stateless;
	else if (!store(t, p, key, flow, goes_on && !picked_up, tick))
		go_without(t, p, &answer);
	return true;
}

bool
track_stateless_icmp(struct tracker *t, struct pkt *p)
{
	const struct gen_service *service = &t->generation->services[p->service];
	const struct gen_backend *backend = t->generation->backends[service->backend];
	struct stateless_answer answer;

	if (p->direction != PKT_TO_SERVER || !backend || !backend->answers || service->rules)
		return false;
	answer = stateless_answer(t->generation, backend, p, t->now);
	p->server = stateless_midway(t->generation, &answer, p);
	p->hop = 0;
	return p->server != 0;
}
