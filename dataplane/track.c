/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>

#include "mem.h"
#include "track_impl.h"

static bool
ttl_used_up(const struct pkt *p)
{
	return p->data[p->l3_offset + (p->version == 4 ? 8 : 7)] <= 1;
}

void
track_session_begins(struct tracker *t, uint16_t service, uint32_t server)
{
	t->services[service].sessions++;
	t->services[service].sessions_total++;
	t->servers[server].sessions++;
	t->servers[server].sessions_total++;
}

void
track_flow_gone(void *context, const struct flow_key *key, uint64_t value)
{
	struct tracker *t = context;

	track_claim_release(t, key, value);
	t->stats->flows_expired++;
	if (track_is_session(flow_state(value)))
		track_session_ends(t, key->service, flow_server(value));
	if (track_source_id(value))
		track_release_source(t, key, value);
}

struct tracker *
tracker_create(const struct shunt_stats *stats, uint32_t worker, uint32_t flow_capacity,
	const uint64_t flow_seed[2])
{
	struct tracker *t = mem_alloc(sizeof(*t));

	if (!t)
		return NULL;
	t->flows = flow_table_create(flow_capacity, flow_seed);
	t->hops = mem_alloc(sizeof(*t->hops));
	t->untracked = mem_alloc(TRACK_UNTRACKED_COUNT * sizeof(*t->untracked));
	if (!t->flows || !t->hops || !t->untracked) {
		tracker_destroy(t);
		return NULL;
	}
	flow_table_judge(t->flows, track_claim_lives);
	t->hops->seed = flow_seed[0] ^ flow_seed[1];
	t->seed[0] = flow_seed[0];
	t->seed[1] = flow_seed[1];
	t->flow_capacity = flow_capacity;
	memcpy(t->reset_key, flow_seed, sizeof(t->reset_key));
	t->stats = shunt_stats_worker(stats, worker);
	t->services = shunt_stats_services(stats, worker);
	t->servers = shunt_stats_servers(stats, worker);
	t->select.worker = worker;
	t->select.worker_count = stats->worker_count;
	t->select.stats = stats;
	return t;
}

void
tracker_destroy(struct tracker *t)
{
	if (!t)
		return;
	if (t->flows)
		flow_table_destroy(t->flows);
	source_ports_destroy(t->ports_made);
	mem_free(t->hops);
	mem_free(t->untracked);
	mem_free(t);
}

int
tracker_prepare(struct tracker *t, const struct generation *generation)
{
	if (!generation->has_fullnat || t->ports_made)
		return 0;
	t->ports_made = source_ports_create(
		t->flow_capacity, t->select.worker, t->select.worker_count, t->seed);
	return t->ports_made ? 0 : -ENOMEM;
}

void
tracker_set_generation(struct tracker *t, const struct generation *generation)
{
	/* It was made before the message that brings the generation, and changes no more. */
	if (generation->has_fullnat)
		t->ports = t->ports_made;
	t->generation = generation;
	flow_table_bind(t->flows, generation->timeouts, track_flow_gone, t);
	track_resets_due(t);
}

/* Who closes first waits in TIME_WAIT (RFC 9293 section 3.6), unless a reset ends it. */
static unsigned int
next_flags(const struct pkt *p, unsigned int flags, enum flow_state state, enum flow_state next)
{
	if (next == FLOW_FIN_SERVER && state < FLOW_FIN_CLIENT)
		return flags | FLOW_SERVER_CLOSED_FIRST;
	if (next == FLOW_CLOSED && (p->tcp_flags & PKT_RST))
		return flags & ~(unsigned int)FLOW_SERVER_CLOSED_FIRST;
	return flags;
}

/* Writes the entry only if something in it is new: most packets leave its cache line clean. */
static void
update_flow(struct tracker *t, struct pkt *p, const struct gen_server *server, uint16_t hop,
	uint16_t tick)
{
	uint64_t value = *p->flow;
	enum flow_state state = flow_state(value), next = state;
	unsigned int flags = flow_flags(value);
	uint64_t updated;

	if (p->protocol == SHUNT_TCP)
		next = gen_server_is_direct(server)
			? tcp_state_next_one_way(state, p->tcp_flags)
			: tcp_state_next(state, p->direction, p->tcp_flags);
	if ((p->tcp_flags & (PKT_RST | PKT_SYN)) | (flags & FLOW_RESETTING))
		next = track_reset(t, p, next, &flags);
	/* What trails behind a closed flow must not keep it from expiring, and no RST any flow. */
	if (state == FLOW_CLOSED || (next == state && (p->tcp_flags & PKT_RST)))
		tick = flow_last_seen(value);
	if (!flow_source(value))
		value = flow_value_with_hop(value, hop);
	flags = next_flags(p, flags, state, next);
	updated = flow_value_update(value, next, flags, tick);
	if (updated != *p->flow)
		flow_set(p->flow, updated);
	if (track_is_session(state) && !track_is_session(next))
		track_session_ends(t, p->service, flow_server(value));
	p->server = flow_server(value);
	p->hop = hop;
	if (server->forward == SHUNT_FULLNAT)
		track_set_source(p, value);
}

/*
 * False: the packet needs a (new) server. A server of another backend than the service's (which a
 * reload has changed, say) is as good as gone: classify knows replies by the service's own servers,
 * so those of any other would not find the flow.
 */
static bool
hit_to_server(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct gen_server *server = track_server(t->generation, flow_server(*p->flow));
	const struct link back = link_back(p);
	uint16_t hop = flow_hop(*p->flow);

	if (!server || !gen_server_takes(server, p->version) ||
		server->backend != t->generation->services[p->service].backend ||
		!track_mode_fits(t, server, *p->flow))
		return false;
	if (track_is_first(p) && server->state == SHUNT_SERVER_DOWN)
		return false;
	if (tcp_state_opens(p->tcp_flags) && tcp_state_reusable(flow_state(*p->flow)))
		return false; /* closing, or being reset */
	if (server->forward == SHUNT_FULLNAT) {
		/* A change is found when the flow is next seen in a new tick. */
		track_set_source(p, *p->flow);
		if (flow_last_seen(*p->flow) != tick && !track_keep_source(t, p, server))
			return false;
	} else if (track_port_is_changed(*p->flow)) {
		hop = track_claim_hop(t, p, *p->flow);
	} else if (!hop_is(t->hops, hop, &back)) {
		hop = hop_learn(t->hops, &back);
	}
	update_flow(t, p, server, hop, tick);
	return true;
}

/*
 * Is this a reply of the flow with this value? A server that answers directly sends none through
 * here: the same address and port may serve another backend by NAT, or by full NAT, which is told
 * by whom the reply is addressed to.
 */
static bool
comes_from(const struct tracker *t, const struct pkt *p, const struct gen_server *server,
	uint64_t value)
{
	if (!server || gen_server_is_direct(server) || server->version != p->version ||
		!track_port_is(t->generation, p, server, p->sport_be) ||
		memcmp(server->address, track_source_address(p), track_address_bytes(p)) != 0)
		return false;
	if (server->forward != SHUNT_FULLNAT)
		return p->source == 0;
	return p->source && flow_source(value) == p->source &&
		flow_source_port(value) == p->source_port;
}

/* False: not a packet of this flow, whose server is another. */
static bool
hit_to_client(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct gen_server *server = track_server(t->generation, flow_server(*p->flow));

	if (!comes_from(t, p, server, *p->flow) || track_port_is_changed(*p->flow))
		return false;
	if (p->other_service_count && !track_claim_agrees(t, p))
		return false;
	update_flow(t, p, server, p->source ? p->hop : flow_hop(*p->flow), tick);
	return true;
}

/*
 * Where several services lead to the server's endpoint, a flow has asked for its claim; one that
 * began before it was so has not, and does when its client sends again. That is no hit, because
 * claiming may move entries that other packets of the burst have found.
 */
static bool
wants_claim(const struct tracker *t, const struct pkt *p)
{
	const struct gen_server *server = track_server(t->generation, flow_server(*p->flow));

	return server && gen_server_is_shared(server, p->protocol) &&
		!(flow_flags(*p->flow) & FLOW_CLAIMED);
}

static bool
hit(struct tracker *t, struct pkt *p, uint16_t tick)
{
	if (p->direction == PKT_TO_CLIENT)
		return hit_to_client(t, p, tick);
	return !wants_claim(t, p) && hit_to_server(t, p, tick);
}

static bool
same_client_in(const struct pkt *p, struct pkt *const *pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (pkts[i]->owner_hash == p->owner_hash)
			return true;
	}
	return false;
}

/*
 * All hits are dealt with before the first miss. A miss that may change an entry which is there
 * already (a new connection from the port of a closed one; a reply whose flow stands under another
 * service) must not be overtaken by what comes behind it in its flow, so that waits with it.
 */
unsigned int
track_hits(struct tracker *t, struct pkt *const *pkts, unsigned int n, uint16_t tick,
	struct pkt **misses)
{
	unsigned int count = 0;
	bool waiting = false;

	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = pkts[i];

		if (p->drop)
			continue;
		if (p->flow && !(waiting && same_client_in(p, misses, count)) && hit(t, p, tick))
			continue;
		waiting |= p->flow || p->direction == PKT_TO_CLIENT;
		misses[count++] = p;
	}
	return count;
}

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

static void
new_flow(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, uint64_t *flow, uint16_t tick)
{
	uint64_t value;
	enum flow_state state = p->protocol == SHUNT_UDP ? FLOW_UDP : FLOW_SYN;

	/*
	 * A TCP flow seen from its middle on (the dataplane was restarted, say) goes where the
	 * hash sends it: if that was the rule at its beginning too, it lives on.
	 */
	p->server = track_is_first(p) ? select_server(&t->select, t->generation, backend, p)
				      : select_by_hash(t->generation, backend, p);
	value = flow_value(p->server, state, p->hop, tick);
	if (gen_server_is_shared(&t->generation->servers[p->server], p->protocol)) {
		/* Not the old flow any more, if there was one: its claim is free. */
		flow_set(flow, flow_value(0, FLOW_CLOSED, 0, tick));
		value = track_claim(t, p, key, value, false, tick);
		flow = flow_lookup(t->flows, key, tick);
	}
	if (p->drop || !flow)
		return;
	p->flow = flow;
	flow_set(flow, value);
	track_session_begins(t, p->service, p->server);
}

static void
miss_to_server(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct generation *generation = t->generation;
	const struct gen_backend *backend =
		generation->backends[generation->services[p->service].backend];
	const struct link back = link_back(p);
	struct flow_key key;
	uint64_t *flow;

	flow_key_of(p, p->service, &key);
	flow = p->flow = flow_lookup(t->flows, &key, tick);
	if (flow && wants_claim(t, p)) {
		uint64_t value = track_claim(t, p, &key, *flow, true, tick);

		flow = p->flow = flow_lookup(t->flows, &key, tick);
		if (flow)
			flow_set(flow, value);
	}
	if (flow && hit_to_server(t, p, tick))
		return;
	if (!backend || backend->member_count == 0) {
		p->drop = SHUNT_DROP_NO_SERVER;
		return;
	}
	/* Rewriting would drop it: a packet that goes no further begins nothing. */
	if ((backend->forward == SHUNT_NAT || backend->forward == SHUNT_FULLNAT) &&
		ttl_used_up(p)) {
		p->drop = SHUNT_DROP_TTL;
		return;
	}
	p->hop = hop_learn(t->hops, &back);
	if (backend->forward == SHUNT_FULLNAT) {
		track_new_fullnat(t, p, backend, &key, flow, tick);
		return;
	}
	if (flow) {
		track_flow_gone(t, &key, *flow);
	} else if (!(p->tcp_flags & (PKT_RST | PKT_FIN))) {
		/* The server follows once there is room: choosing has side effects. */
		flow = flow_insert(t->flows, &key, flow_value(0, FLOW_CLOSED, 0, tick), tick);
	}
	if (!flow) {
		forward_untracked(t, p, backend);
		return;
	}
	t->stats->flows_created++;
	new_flow(t, p, backend, &key, flow, tick);
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
	return comes_from(t, p, track_server(t->generation, u->server), 0);
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
	if (!p->flow || !hit_to_client(t, p, tick))
		p->drop = SHUNT_DROP_NO_FLOW;
}

/* A reply to a client whose port is claimed at the server. */
static bool
find_claimed(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct gen_server *server;

	p->flow = track_claim_find(t, p, tick);
	server = p->flow ? track_server(t->generation, flow_server(*p->flow)) : NULL;
	if (!comes_from(t, p, server, 0))
		return false;
	update_flow(t, p, server, p->hop, tick);
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
		if (comes_from(t, p, server, 0) && !track_port_is_changed(*p->flow)) {
			update_flow(t, p, server, flow_hop(*p->flow), tick);
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
	for (unsigned int i = 0; i < n; i++) {
		if (pkts[i]->direction == PKT_TO_SERVER)
			miss_to_server(t, pkts[i], tick);
		else if (pkts[i]->source)
			miss_to_source(t, pkts[i], tick);
		else
			miss_to_client(t, pkts[i], tick);
	}
}

void
track_count(struct tracker *t, struct pkt *const *pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct pkt *p = pkts[i];
		struct shunt_service_stats *service;
		struct shunt_server_stats *server;
		uint32_t bytes;

		if (p->drop)
			continue;
		service = &t->services[p->service];
		server = &t->servers[p->server];
		bytes = pkt_ip_bytes(p);
		if (p->direction == PKT_TO_SERVER) {
			service->in_packets++;
			service->in_bytes += bytes;
			server->in_packets++;
			server->in_bytes += bytes;
		} else {
			service->out_packets++;
			service->out_bytes += bytes;
			server->out_packets++;
			server->out_bytes += bytes;
		}
	}
}
