/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>

#include "mem.h"
#include "track_impl.h"

void
track_session_begins(struct tracker *t, struct pkt *p)
{
	t->services[p->service].sessions++;
	t->services[p->service].sessions_total++;
	/* One that was reserved is counted already. */
	if (t->select.reserved == p->server)
		t->select.reserved = 0;
	else
		t->servers[p->server].sessions++;
	t->servers[p->server].sessions_total++;
	track_limit_begins(t, p);
}

void
track_flow_gone(void *context, const struct flow_key *key, uint64_t value)
{
	struct tracker *t = context;

	track_claim_release(t, key, value);
	if (flow_flags(value) & FLOW_ASKED)
		track_asked_gone(t, key, value);
	t->stats->flows_expired++;
	track_state_changes(t, flow_state(value), FLOW_FREE);
	if (track_is_session(flow_state(value)))
		track_session_ends(t, key, value);
	if (track_source_id(value))
		track_release_source(t, key, value);
	if (flow_flags(value) & FLOW_TRANSLATED)
		track_cookie_gone(t, key);
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
	t->limits = mem_alloc(sizeof(*t->limits));
	if (!t->flows || !t->hops || !t->untracked || !t->limits) {
		tracker_destroy(t);
		return NULL;
	}
	flow_table_judge(t->flows, track_claim_lives);
	t->hops->seed = flow_seed[0] ^ flow_seed[1];
	t->seed[0] = flow_seed[0];
	t->seed[1] = flow_seed[1];
	t->flow_capacity = flow_capacity;
	t->half_open_max = flow_capacity / TRACK_HALF_OPEN_SHARE;
	memcpy(t->reset_key, flow_seed, sizeof(t->reset_key));
	t->stats = shunt_stats_worker(stats, worker);
	t->services = shunt_stats_services(stats, worker);
	t->servers = shunt_stats_servers(stats, worker);
	t->hits = shunt_stats_hits(stats, worker);
	t->select.worker = worker;
	t->select.worker_count = stats->worker_count;
	t->select.stats = stats;
	t->select.random = flow_seed[0] | 1;
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
	track_cookies_destroy(t);
	mem_free(t->hops);
	mem_free(t->untracked);
	mem_free(t->limits);
	mem_free(t);
}

int
tracker_prepare(struct tracker *t, const struct generation *generation)
{
	if (track_cookies_create(t, generation) < 0)
		return -ENOMEM;
	if (!generation->has_fullnat || t->ports_made)
		return 0;
	t->ports_made = source_ports_create(
		t->flow_capacity, t->select.worker, t->select.worker_count, t->seed);
	return t->ports_made ? 0 : -ENOMEM;
}

void
tracker_set_generation(struct tracker *t, const struct generation *generation)
{
	const struct generation *before = t->generation;

	/* It was made before the message that brings the generation, and changes no more. */
	if (generation->has_fullnat)
		t->ports = t->ports_made;
	t->stats->source_port_bytes = t->ports ? source_ports_bytes(t->flow_capacity) : 0;
	track_cookies_bind(t, generation);
	t->generation = generation;
	flow_table_bind(t->flows, generation->timeouts, track_flow_gone, t);
	track_resets_due(t);
	track_limits_due(t, before);
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
void
track_update(struct tracker *t, struct pkt *p, const struct gen_server *server, uint16_t hop,
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
	if ((p->tcp_flags & (PKT_RST | PKT_SYN)) | (flags & FLOW_RESETTING)) {
		next = track_reset(t, p, next, &flags);
		if (flags & FLOW_ASKED)
			track_asked(t, p, next, &flags, tick);
	}
	if (flags & FLOW_TRANSLATED)
		next = track_cookie_packet(t, p, state, next, &flags, tick);
	/*
	 * What trails behind a closed flow must not keep it from expiring, and no RST any flow; nor
	 * a client one whose server does not answer, though it has proved that it is there.
	 */
	if (state == FLOW_CLOSED || (next == state && (p->tcp_flags & PKT_RST)) ||
		(next == FLOW_SYN && (flags & FLOW_TRANSLATED)))
		tick = flow_last_seen(value);
	if (!flow_source(value))
		value = flow_value_with_hop(value, hop);
	flags = next_flags(p, flags, state, next);
	updated = flow_value_update(value, next, flags, tick);
	if (updated != *p->flow)
		flow_set(p->flow, updated);
	if (next != state)
		track_state_changes(t, state, next);
	if (track_is_session(state) && !track_is_session(next)) {
		struct flow_key key;

		flow_key_of(p, p->service, &key);
		track_session_ends(t, &key, value);
	}
	p->server = flow_server(value);
	p->hop = hop;
	if (server->forward == SHUNT_FULLNAT)
		track_set_source(p, value);
}

bool
track_hit_to_server(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct gen_server *server = track_server(t->generation, flow_server(*p->flow));
	const struct link back = link_back(p);
	uint16_t hop = flow_hop(*p->flow);

	if (!server || !gen_server_takes(server, p->version) ||
		!generation_leads(t->generation, p->service, server->backend) ||
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
	track_update(t, p, server, hop, tick);
	return true;
}

bool
track_comes_from(const struct tracker *t, const struct pkt *p, const struct gen_server *server,
	uint64_t value)
{
	if (!server || gen_server_is_direct(server) || server->version != p->version ||
		!track_port_is(t->generation, p, server, p->sport_be) ||
		memcmp(server->address, track_source_address(p), field_address_bytes(p->version)) !=
			0)
		return false;
	if (server->forward != SHUNT_FULLNAT)
		return p->source == 0;
	return p->source && flow_source(value) == p->source &&
		flow_source_port(value) == p->source_port;
}

bool
track_hit_to_client(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const struct gen_server *server = track_server(t->generation, flow_server(*p->flow));

	if (!track_comes_from(t, p, server, *p->flow) || track_port_is_changed(*p->flow))
		return false;
	if (p->other_service_count && !track_claim_agrees(t, p))
		return false;
	track_update(t, p, server, p->source ? p->hop : flow_hop(*p->flow), tick);
	return true;
}

bool
track_wants_claim(const struct tracker *t, const struct pkt *p)
{
	const struct gen_server *server = track_server(t->generation, flow_server(*p->flow));

	return server && gen_server_is_shared(server, p->protocol) &&
		!(flow_flags(*p->flow) & FLOW_CLAIMED);
}

static bool
hit(struct tracker *t, struct pkt *p, uint16_t tick)
{
	if (p->direction == PKT_TO_CLIENT)
		return track_hit_to_client(t, p, tick);
	return !track_wants_claim(t, p) && track_hit_to_server(t, p, tick);
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
