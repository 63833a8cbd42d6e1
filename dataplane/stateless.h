/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows that are not stored: a stateless service's packets go where the consistent hash says, and
 * only those have an entry in the flow table whose server it no longer says.
 *
 * For that a backend keeps what each slot of its selection table was before (struct gen_answers).
 * A slot is
 *
 *   clean	it has no former server. Packets go to its server; the flow table is not looked at.
 *   open	its server is another than the former one, and some flow may have been silent since
 *		the change. A packet that opens a flow goes to the server, and the flow is stored.
 *Any other of a flow without entry belongs to one from before: it goes to the former server, and is
 *stored too. So who lives has an entry when the slot closes. closed	that time is over, or the
 *server is the former one again. Flows with an entry go by it, those without to the server, and
 *nothing is stored.
 *
 * In short: a flow without an entry is the former server's while the slot is open, else the
 * server's. Each step of stateless_next() keeps that true of every flow that may live. A closed
 *slot becomes clean when no worker has an entry of its services any more; a worker that has none
 *itself does not look.
 *
 * Pure. Slots are made by the agent with a generation, and read by workers.
 */
#ifndef DATAPLANE_STATELESS_H
#define DATAPLANE_STATELESS_H

#include "generation.h"
#include "select.h"

/* A slot: its server's id, and the former one's above it; 0: none. */
static inline uint32_t
stateless_slot(uint32_t server, uint32_t former)
{
	return server | former << 16;
}

static inline uint32_t
stateless_server(uint32_t slot)
{
	return slot & 0xffff;
}

static inline uint32_t
stateless_former(uint32_t slot)
{
	return slot >> 16;
}

/* Clean, and with a server: nothing but the slot is to be looked at. */
static inline bool
stateless_is_plain(uint32_t slot)
{
	return slot - 1 < 0xffff;
}

/* now, until: ticks since the start. */
static inline bool
stateless_is_open(uint32_t slot, uint32_t until, uint32_t now)
{
	return stateless_former(slot) != 0 && stateless_former(slot) != stateless_server(slot) &&
		now < until;
}

struct stateless_step {
	uint32_t slot;
	uint32_t until; /* when it closes; counts only where the former server is another */
};

/*
 * The slot of the next generation, in which the hash says `server` (0: none). window: ticks that a
 * flow may be silent for. Agent.
 */
struct stateless_step
stateless_next(struct stateless_step before, uint32_t server, uint32_t now, uint32_t window);

/* What a packet's slot says. */
struct stateless_answer {
	uint32_t server; /* ids; 0: none */
	uint32_t former;
	bool open;
};

/* p: a client's packet to a service whose backend this is, or an error about one to it. Worker. */
struct stateless_answer stateless_answer(const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p, uint32_t now);

/*
 * May the server go on with flows of p's service that have no entry? UDP flows leave a server that
 * is down, and TCP ones if their backend resets them.
 */
bool stateless_may_serve(const struct generation *generation, uint32_t server, const struct pkt *p);

/*
 * Where something goes that belongs to a flow without entry, and does not open one: by the answer,
 * the former server while the slot is open and that may serve, else the server. 0: none.
 */
static inline uint32_t
stateless_midway(const struct generation *generation, const struct stateless_answer *answer,
	const struct pkt *p)
{
	return answer->open && stateless_may_serve(generation, answer->former, p) ? answer->former
										  : answer->server;
}

/*
 * The server of a UDP flow that has no entry, if that is its slot's former one, else 0. A TCP flow
 * may be a new one, which goes by the hash. Any thread that has the generation.
 */
uint32_t
stateless_former_of(const struct generation *generation, const struct flow_key *key, uint32_t now);

/*
 * Do the service's packets go by their slot, unless that says otherwise? Else, or if it does, the
 * flow table has to be asked. Worker.
 */
static inline bool
stateless_is_by_slot(
	const struct generation *generation, const struct flow_table *flows, uint32_t service)
{
	const struct gen_service *s = &generation->services[service];

	return s->stateless && !(s->leftover && flow_entries(flows, service));
}

/*
 * Sets server and hop (of which servers that answer directly need none) of the packets that go by
 * their slot alone. Leaves the others to the flow table: puts them into rest[], in their order as
 * far as they are of one flow, and returns their number. n: at most PKT_BURST. Worker.
 */
unsigned int stateless_burst(const struct generation *generation, const struct flow_table *flows,
	uint32_t now, struct pkt *const *pkts, unsigned int n, struct pkt **rest);

#endif
