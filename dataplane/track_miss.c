/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that hit no flow: new ones get a server, replies are looked for wherever they may be. */
#include <stddef.h>

#include "track_impl.h"

/* No room, or nothing worth an entry: the hash alone, so that every packet goes the same way. */
static void
forward_untracked(struct tracker *t, struct pkt *p, const struct gen_backend *backend)
{
	t->stats->untracked++;
	p->server = select_by_hash(t->generation, backend, p);
	*track_untracked_place(t, p) = (struct track_untracked){
		.owner_hash = p->owner_hash,
		.server = p->server,
		.service = p->service,
		.hop = p->hop,
	};
}

/* Nothing has come of the entry: it neither counts, nor takes room of others. */
static void
take_back(struct tracker *t, struct pkt *p, const struct flow_key *key)
{
	flow_remove(t->flows, key);
	p->flow = NULL;
}

/* flow: an entry that is closed. */
static void
new_flow(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, uint64_t *flow, uint16_t tick)
{
	uint64_t value;

	if (!track_choose(t, p, backend)) {
		take_back(t, p, key);
		return;
	}
	value = track_first_value(t, p, p->hop, tick);
	if (gen_server_is_shared(&t->generation->servers[p->server], p->protocol)) {
		value = track_claim(t, p, key, value, false, tick);
		flow = flow_lookup(t->flows, key, tick);
	}
	if (p->drop || !flow) {
		take_back(t, p, key);
		return;
	}
	p->flow = flow;
	flow_set(flow, value);
	t->stats->flows_created++;
	track_state_changes(t, FLOW_FREE, flow_state(value));
	track_session_begins(t, p);
}

static inline uint64_t *
begun_word(struct tracker *t, const struct pkt *p)
{
	return &t->begun[p->owner_hash / 64 % TRACK_BEGUN_WORDS];
}

/* May a packet before this one have made its flow? */
static inline bool
has_begun(struct tracker *t, const struct pkt *p)
{
	return *begun_word(t, p) >> (p->owner_hash % 64) & 1;
}

static inline void
begin(struct tracker *t, const struct pkt *p)
{
	*begun_word(t, p) |= 1ull << (p->owner_hash % 64);
}

/* A client's packet that begins a flow, or goes on without one. flow: the entry that its key has.
 */
static void
let_in(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, uint64_t *flow, uint16_t tick)
{
	const struct link back = link_back(p);

	backend = track_admit(t, p, backend);
	if (!backend)
		return;
	/* Rewriting would drop it: a packet that goes no further begins nothing. */
	if ((backend->forward == SHUNT_NAT || backend->forward == SHUNT_FULLNAT) &&
		field_ttl_is_used_up(p)) {
		p->drop = SHUNT_DROP_TTL;
		return;
	}
	p->hop = hop_learn(t->hops, &back);
	begin(t, p);
	if (backend->forward == SHUNT_FULLNAT) {
		track_new_fullnat(t, p, backend, key, flow, tick);
		return;
	}
	if (flow) {
		track_flow_gone(t, key, *flow);
		/* Not the old flow any more: it is not to be counted off twice, and its claim is
		 * free. */
		flow_set(flow, flow_value(0, FLOW_CLOSED, 0, tick));
	} else if (!(p->tcp_flags & (PKT_RST | PKT_FIN)) && track_may_half_open(t, p)) {
		/* The server follows once there is room: choosing has side effects. */
		flow = flow_insert(t->flows, key, flow_value(0, FLOW_CLOSED, 0, tick), tick);
	}
	if (!flow) {
		forward_untracked(t, p, backend);
		return;
	}
	new_flow(t, p, backend, key, flow, tick);
}

/* The same for one that brings a cookie back: a SYN, for all that decides what becomes of it. */
static void
let_in_by_cookie(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, const struct cookie_syn *syn, uint16_t tick)
{
	uint8_t flags = p->tcp_flags;

	p->tcp_flags = PKT_SYN;
	t->proved = true;
	let_in(t, p, backend, key, NULL, tick);
	t->proved = false;
	track_cookie_begins(t, p, key, syn);
	if (p->drop)
		p->tcp_flags = flags;
}

static void
miss_to_server(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct generation *generation = t->generation;
	const struct gen_backend *backend =
		generation->backends[generation->services[p->service].backend];
	struct cookie_syn syn;
	struct flow_key key;
	uint64_t *flow;

	flow_key_of(p, p->service, &key);
	if (p->flow || has_begun(t, p))
		p->flow = flow_lookup(t->flows, &key, tick);
	flow = p->flow;
	if (flow && track_wants_claim(t, p)) {
		uint64_t value = track_claim(t, p, &key, *flow, true, tick);

		flow = p->flow = flow_lookup(t->flows, &key, tick);
		if (flow)
			flow_set(flow, value);
	}
	if (flow && track_hit_to_server(t, p, tick))
		return;
	if (backend && backend->answers && !generation->services[p->service].rules &&
		track_stateless_miss(t, p, backend, &key, flow, tick))
		return;
	if (!flow && track_cookie_answers(t, p, backend))
		return;
	if (!flow && track_cookie_is(t, p, backend, &syn))
		let_in_by_cookie(t, p, backend, &key, &syn, tick);
	else
		let_in(t, p, backend, &key, flow, tick);
	select_release(&t->select);
}

/* Is this a reply to the client remembered there? A client may use one port for TCP and UDP. */
static bool
untracked_is(const struct tracker *t, const struct track_untracked *u, struct pkt *p)
{
	const struct gen_service *service = &t->generation->services[u->service];

	if (u->server == 0 || u->owner_hash != p->owner_hash || service->version != p->version ||
		service->protocol != p->protocol)
		return false;
	p->service = u->service;
	return track_comes_from(t, p, track_server(t->generation, u->server), 0);
}

/* The flow of a reply to a source address has perhaps come about since track_sources(). */
static void
miss_to_source(struct tracker *t, struct pkt *p, uint16_t tick)
{
	struct flow_key key;

	p->flow = NULL;
	if (track_find_source(t, p, track_source_address(p), p->sport_be)) {
		flow_key_of(p, p->service, &key);
		p->flow = flow_lookup(t->flows, &key, tick);
	}
	if (!p->flow || !track_hit_to_client(t, p, tick))
		p->drop = SHUNT_DROP_NO_FLOW;
}

/* A reply to a client whose port is claimed at the server. */
static bool
find_claimed(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct gen_server *server;

	p->flow = track_claim_find(t, p, tick);
	server = p->flow ? track_server(t->generation, flow_server(*p->flow)) : NULL;
	if (!track_comes_from(t, p, server, 0))
		return false;
	track_update(t, p, server, p->hop, tick);
	return true;
}

/* A reply whose flow stands under any of the services that lead to the server. */
static bool
find_unclaimed(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct gen_server *server;
	uint16_t first = p->service;
	struct flow_key key;

	for (unsigned int i = 0; i <= p->other_service_count; i++) {
		uint16_t service = i == 0
			? first
			: classify_other_service(t->generation->classifier, p, i - 1);

		track_set_service(t->generation, p, service);
		flow_key_of(p, service, &key);
		p->flow = flow_lookup(t->flows, &key, tick);
		server = p->flow ? track_server(t->generation, flow_server(*p->flow)) : NULL;
		if (track_comes_from(t, p, server, 0) && !track_port_is_changed(*p->flow)) {
			track_update(t, p, server, flow_hop(*p->flow), tick);
			return true;
		}
	}
	p->flow = NULL;
	return false;
}

static void
miss_to_client(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct track_untracked *u = track_untracked_place(t, p);
	uint16_t first = p->service;

	if (find_claimed(t, p, tick))
		return;
	p->service = first;
	p->other_port_be = 0;
	if (find_unclaimed(t, p, tick))
		return;
	if (!untracked_is(t, u, p)) {
		p->drop = SHUNT_DROP_NO_FLOW;
		return;
	}
	t->stats->untracked++;
	p->server = u->server;
	p->hop = u->hop;
}

void
track_misses(struct tracker *t, struct pkt *const *pkts, unsigned int n, uint16_t tick)
{
	memset(t->begun, 0, sizeof(t->begun));
	for (unsigned int i = 0; i < n; i++) {
		if (pkts[i]->direction == PKT_TO_SERVER) {
			miss_to_server(t, pkts[i], tick);
			track_limit_settle(t);
		} else if (pkts[i]->source) {
			miss_to_source(t, pkts[i], tick);
		} else {
			miss_to_client(t, pkts[i], tick);
		}
	}
}
