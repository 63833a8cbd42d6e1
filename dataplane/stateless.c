/* SPDX-License-Identifier: BSD-3-Clause */
#include "stateless.h"

#include <stddef.h>

struct stateless_step
stateless_next(struct stateless_step before, uint32_t server, uint32_t now, uint32_t window)
{
	const uint32_t is = stateless_server(before.slot), former = stateless_former(before.slot);
	const bool open = stateless_is_open(before.slot, before.until, now);
	const uint32_t without = open ? former : is; /* whose flows without entry are */

	if (server == is)
		return before;
	/* No server, so no flow without entry. */
	if (without == 0)
		return (struct stateless_step){ stateless_slot(server, former ? server : 0), 0 };
	/* It is back: all that have begun with another one meanwhile have entries. */
	if (server == without)
		return (struct stateless_step){ stateless_slot(server, server), 0 };
	/*
	 * While the slot is open, those that have begun since it opened have entries, so its time
	 * is still that of the oldest. Else flows without entry have begun up to this moment.
	 */
	return (struct stateless_step){
		.slot = stateless_slot(server, without),
		.until = open ? before.until : now + window,
	};
}

static uint32_t
slot_index(
	const struct generation *generation, const struct gen_backend *backend, const struct pkt *p)
{
	return shunt_selection_slot(select_hash(generation, backend, p), backend->answers->count);
}

struct stateless_answer
stateless_answer(const struct generation *generation, const struct gen_backend *backend,
	const struct pkt *p, uint32_t now)
{
	const struct gen_answers *answers = backend->answers;
	uint32_t i = slot_index(generation, backend, p), slot = answers->slots[i];

	return (struct stateless_answer){
		.server = stateless_server(slot),
		.former = stateless_former(slot),
		.open = stateless_is_open(slot, answers->until[i], now),
	};
}

bool
stateless_may_serve(const struct generation *generation, uint32_t server, const struct pkt *p)
{
	const struct gen_server *s = &generation->servers[server];

	if (server == 0 || server >= generation->server_count || !s->version ||
		s->backend != generation->services[p->service].backend ||
		!gen_server_is_direct(s) || !gen_server_takes(s, p->version))
		return false;
	return s->state != SHUNT_SERVER_DOWN || (p->protocol == SHUNT_TCP && !s->shutdown_sessions);
}

uint32_t
stateless_former_of(const struct generation *generation, const struct flow_key *key, uint32_t now)
{
	const struct gen_service *service = &generation->services[key->service];
	struct stateless_answer answer;
	const struct pkt p = {
		.version = key->version,
		.protocol = SHUNT_UDP,
		.service = key->service,
		.client = key->address,
		.client_port_be = key->port_be,
		.range_port_be = (uint16_t)key->extra,
	};

	if (!service->stateless || service->protocol != SHUNT_UDP)
		return 0;
	answer = stateless_answer(generation, generation->backends[service->backend], &p, now);
	return answer.open && stateless_may_serve(generation, answer.former, &p) ? answer.former
										 : 0;
}

static void
settle(struct pkt *p, uint32_t slot)
{
	p->server = stateless_server(slot);
	p->hop = 0;
}

/* A slot that is not plain: has the flow table nothing to say? */
static bool
is_settled(const struct generation *generation, const struct flow_table *flows, uint32_t now,
	const struct pkt *p, const uint32_t *slot)
{
	uint16_t backend = generation->services[p->service].backend;
	const struct gen_answers *answers = generation->backends[backend]->answers;

	return stateless_server(*slot) && flow_entries(flows, p->service) == 0 &&
		!stateless_is_open(*slot, answers->until[slot - answers->slots], now);
}

unsigned int
stateless_burst(const struct generation *generation, const struct flow_table *flows, uint32_t now,
	struct pkt *const *pkts, unsigned int n, struct pkt **rest)
{
	const uint32_t *slots[PKT_BURST];
	struct pkt *by_slot[PKT_BURST];
	unsigned int count = 0, left = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = pkts[i];
		const struct gen_service *service = &generation->services[p->service];
		const struct gen_backend *backend;

		if (p->direction != PKT_TO_SERVER ||
			!stateless_is_by_slot(generation, flows, p->service)) {
			rest[left++] = p;
			continue;
		}
		backend = generation->backends[service->backend];
		slots[count] = &backend->answers->slots[slot_index(generation, backend, p)];
		__builtin_prefetch(slots[count]);
		by_slot[count++] = p;
	}
	for (unsigned int i = 0; i < count; i++) {
		struct pkt *p = by_slot[i];

		if (stateless_is_plain(*slots[i]) ||
			is_settled(generation, flows, now, p, slots[i]))
			settle(p, *slots[i]);
		else
			rest[left++] = p;
	}
	return left;
}
