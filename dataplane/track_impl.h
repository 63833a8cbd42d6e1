/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a tracker, for track.c and track_*.c alone. Worker. */
#ifndef DATAPLANE_TRACK_IMPL_H
#define DATAPLANE_TRACK_IMPL_H

#include <arpa/inet.h>

#include "classify.h"
#include "fields.h"
#include "tcp_state.h"
#include "track.h"

/* track_reset.c */
enum flow_state
track_reset(struct tracker *t, struct pkt *p, enum flow_state next, unsigned int *flags);
void track_resets_due(struct tracker *t);
/* flow_sweep(), with what has to be done about flows that go, and about those being reset. */
void track_sweep_flows(struct tracker *t, unsigned int buckets, uint16_t tick);

static inline const struct gen_server *
track_server(const struct generation *generation, uint32_t id)
{
	return id < generation->server_count && generation->servers[id].version
		? &generation->servers[id]
		: NULL;
}

static inline const uint8_t *
track_source_address(const struct pkt *p)
{
	return p->data + p->l3_offset + field_source(p->version);
}

/* The id of a flow's source address; 0: it has none of Shunt's. */
static inline unsigned int
track_source_id(uint64_t value)
{
	unsigned int id = flow_source(value);

	return id < SHUNT_MAX_SOURCES ? id : 0;
}

/* A packet that begins something: it may be given another server than the one before. */
static inline bool
track_is_first(const struct pkt *p)
{
	return p->protocol == SHUNT_UDP || tcp_state_opens(p->tcp_flags);
}

/* A closed flow lingers in the table, but is no session any more. */
static inline bool
track_is_session(enum flow_state state)
{
	return state != FLOW_FREE && state != FLOW_CLOSED;
}

/* track_limit.c */
/* A packet that begins a session: SHUNT_DROP_NONE, or why not, with p->silent. */
enum shunt_drop track_limit(struct tracker *t, struct pkt *p);
/* The session of p->flow begins, judged or not; or one ends. */
void track_limit_begins(struct tracker *t, struct pkt *p);
void track_limit_ends(struct tracker *t, const struct flow_key *key, uint64_t value);
/* Called when there is a new generation. before: NULL: it is the first. */
void track_limits_due(struct tracker *t, const struct generation *before);
bool track_limit_pass(struct tracker *t, unsigned int buckets);

/* What was admitted and has come to nothing. */
static inline void
track_limit_settle(struct tracker *t)
{
	if (t->limits->hold.limit)
		limit_release(t->limiter, &t->limits->hold);
}

/* value: the flow's, before it. */
static inline void
track_session_ends(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	uint32_t server = flow_server(value);

	t->services[key->service].sessions--;
	t->servers[server].sessions--;
	track_limit_ends(t, key, value);
}

/*
 * A flow's state changes; FLOW_FREE: there was none, or there is none any more. Half-open flows are
 * counted, because their number is bounded apart from that of all: see track_half_open.c.
 */
static inline void
track_state_changes(struct tracker *t, enum flow_state before, enum flow_state after)
{
	t->half_open += tcp_state_half_open(after);
	t->half_open -= tcp_state_half_open(before);
	t->stats->half_open = t->half_open;
}

static inline struct track_untracked *
track_untracked_place(const struct tracker *t, const struct pkt *p)
{
	return &t->untracked[p->owner_hash & (TRACK_UNTRACKED_COUNT - 1)];
}

/* track.c: */

/* That of p->flow. */
void track_session_begins(struct tracker *t, struct pkt *p);
/* What is to be done when a flow goes, or gives its entry to another one. */
void track_flow_gone(void *context, const struct flow_key *key, uint64_t value);

/* The packet is one of p->flow: state, age and way back go on, and p gets server and hop. */
void track_update(struct tracker *t, struct pkt *p, const struct gen_server *server, uint16_t hop,
	uint16_t tick);

/*
 * False: the packet needs a (new) server. A server of a backend that the service does not lead to
 * (any more, since a reload has changed it, say) is as good as gone: classify knows replies by the
 * servers that a service may lead to, so those of any other would not find the flow.
 */
bool track_hit_to_server(struct tracker *t, struct pkt *p, uint16_t tick);

/* False: not a packet of this flow, whose server is another. */
bool track_hit_to_client(struct tracker *t, struct pkt *p, uint16_t tick);

/*
 * Is this a reply of the flow with this value? A server that answers directly sends none through
 * here: the same address and port may serve another backend by NAT, or by full NAT, which is told
 * by whom the reply is addressed to.
 */
bool track_comes_from(const struct tracker *t, const struct pkt *p, const struct gen_server *server,
	uint64_t value);

/*
 * Where several services lead to the server's endpoint, a flow has asked for its claim; one that
 * began before it was so has not, and does when its client sends again. That is no hit, because
 * claiming may move entries that other packets of the burst have found.
 */
bool track_wants_claim(const struct tracker *t, const struct pkt *p);

/* track_admit.c: */

/*
 * May this client's packet begin a flow, or go on without one? The backend that it goes to, which
 * has a server that takes it; NULL: none, and drop is set. What is decided here is decided once for
 * a flow.
 */
const struct gen_backend *
track_admit(struct tracker *t, struct pkt *p, const struct gen_backend *backend);

/*
 * Gives a new flow's packet its server. False: none has room, and drop is set. Either the session
 * begins (track_session_begins()), or select_release() is called.
 */
bool track_choose(struct tracker *t, struct pkt *p, const struct gen_backend *backend);
/* track_limit.c: what is counted of the network of a client's packet; nothing, without a limit. */
struct source_facts track_limit_facts(const struct tracker *t, const struct pkt *p);

/* track_rules.c: */

/*
 * What do the service's rules say? The backend: the service's own, which is given, or another one.
 * NULL: none, and drop is set. Counts the rule's hit.
 */
const struct gen_backend *
track_rules(struct tracker *t, struct pkt *p, const struct gen_backend *backend);
/*
 * The same of a packet that is not let in now, but answered: nothing is used up, and a hit is
 * counted only for who is refused.
 */
const struct gen_backend *
track_rules_ask(struct tracker *t, struct pkt *p, const struct gen_backend *backend);
/* track_half_open.c: */

/*
 * May a client's packet for which there is no entry have a new one that is half open? If not, it
 * goes on as if the table was full.
 */
bool track_may_half_open(struct tracker *t, const struct pkt *p);

/* track_asked.c: */

/*
 * A segment with SYN or RST of a flow that has FLOW_ASKED, and is in state `next` behind it: counts
 * what has come of its SYN for its server, if that is known now, and takes the flag away.
 */
void track_asked(struct tracker *t, const struct pkt *p, enum flow_state next, unsigned int *flags,
	uint16_t tick);
/* The same of a flow that begins with a SYN cookie, where the SYN to the server is Shunt's. */
void track_asked_again(struct tracker *t, uint64_t value, unsigned int *flags, uint16_t tick);
void track_asked_refused(struct tracker *t, uint64_t value, unsigned int *flags);
/* A flow with this value goes, and nobody has ever answered. */
void track_asked_gone(struct tracker *t, const struct flow_key *key, uint64_t value);

/* The value of a flow that p begins: of a client's packet with a server. */
static inline uint64_t
track_first_value(const struct tracker *t, const struct pkt *p, uint16_t hop, uint16_t tick)
{
	enum flow_state state = p->protocol == SHUNT_UDP ? FLOW_UDP : FLOW_SYN;
	uint64_t value = flow_value(p->server, state, hop, tick);

	return state == FLOW_SYN && tcp_state_opens(p->tcp_flags)
		? flow_value_asked(value, t->second_half)
		: value;
}

/* track_cookie.c: */

int track_cookies_create(struct tracker *t, const struct generation *generation);
void track_cookies_destroy(struct tracker *t);
void track_cookies_bind(struct tracker *t, const struct generation *generation);

/* A client's packet without an entry: is it a SYN to be answered with a cookie? Then it sets drop.
 */
bool track_cookie_answers(struct tracker *t, struct pkt *p, const struct gen_backend *backend);
/* Or does it bring a cookie back? Then the flow is to begin as by a SYN. */
bool track_cookie_is(struct tracker *t, const struct pkt *p, const struct gen_backend *backend,
	struct cookie_syn *syn);
/* It has begun, if drop is not set: makes of the packet its SYN. */
void track_cookie_begins(
	struct tracker *t, struct pkt *p, const struct flow_key *key, const struct cookie_syn *syn);
/*
 * A packet of a flow with FLOW_TRANSLATED: translates it, or sets drop. next: the flow's next state
 * if it was any flow's. Returns what it is.
 */
enum flow_state track_cookie_packet(struct tracker *t, struct pkt *p, enum flow_state state,
	enum flow_state next, unsigned int *flags, uint16_t tick);
/* An ICMP error about a flow with this value. */
void track_cookie_quoted(struct tracker *t, struct pkt *p, uint64_t value);
/* The flow has gone. */
void track_cookie_gone(struct tracker *t, const struct flow_key *key);

/* track_fullnat.c: */

/* Is this the value of a flow as this server's mode has them? */
bool track_mode_fits(const struct tracker *t, const struct gen_server *server, uint64_t value);
/* Tells the packet what its flow's source is. */
void track_set_source(struct pkt *p, uint64_t value);
/*
 * A packet of the client has hit: keeps its way back up to date. False: its port is not the flow's
 * any more, as the server's endpoint is another now or the sweep has found the flow expired.
 */
bool track_keep_source(struct tracker *t, const struct pkt *p, const struct gen_server *server);
/* The client of a reply to a source address, for which the server's endpoint is given. */
bool track_find_source(struct tracker *t, struct pkt *p, const uint8_t *address, uint16_t port_be);
/*
 * A client's packet that needs a new server: sets drop if it cannot be had. flow: its entry, if it
 * has one.
 */
void track_new_fullnat(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, uint64_t *flow, uint16_t tick);
/* The way back of a flow with a source address; 0: not known. */
uint16_t track_source_hop(struct tracker *t, const struct flow_key *key, uint64_t value);
/* The flow has gone, and its port is free. */
void track_release_source(struct tracker *t, const struct flow_key *key, uint64_t value);

/* track_stateless.c: */

/*
 * A client's packet without a flow that goes on, to a backend with answers. flow: the entry that
 * the key has. Sets server, hop, flow or drop. False: the service is stateful, and it is for
 * whoever begins flows.
 */
bool track_stateless_miss(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, uint64_t *flow, uint16_t tick);
/* Sets server and hop of an ICMP error about no flow in the table. False: it is about none at all.
 */
bool track_stateless_icmp(struct tracker *t, struct pkt *p);

/* The server's port of a packet to the client, or of an error about one that went to the server. */
static inline uint16_t
track_server_port_be(const struct pkt *p)
{
	return p->kind == PKT_ICMP_ERROR ? p->dport_be : p->sport_be;
}

/* Makes p one of this service, whose flow is looked for. Only for packets to the client. */
static inline void
track_set_service(const struct generation *generation, struct pkt *p, uint16_t service)
{
	p->service = service;
	p->range_port_be =
		gen_service_is_range(&generation->services[service]) ? track_server_port_be(p) : 0;
}

/* Is this the server's port for p's service? */
static inline bool
track_port_is(const struct generation *generation, const struct pkt *p,
	const struct gen_server *server, uint16_t port_be)
{
	const struct gen_service *service = &generation->services[p->service];

	if (server->port_be)
		return server->port_be == port_be;
	return ntohs(port_be) >= ntohs(service->port_be) &&
		ntohs(port_be) <= ntohs(service->last_port_be);
}

/* The port that a flow's server is reached at; extra: as in the flow's key. */
static inline uint16_t
track_flow_port_be(const struct generation *generation, const struct gen_server *server,
	uint16_t service, uint32_t extra)
{
	if (server->port_be)
		return server->port_be;
	return extra ? (uint16_t)extra : generation->services[service].port_be;
}

/* Has the client been given another port than its own at the server? */
static inline bool
track_port_is_changed(uint64_t flow)
{
	return flow_source(flow) == FLOW_SOURCE_CLIENT;
}

/*
 * track_claim.c: when several services lead to one endpoint of a server, a client may use one port
 * for two of them, and the server must not see one connection twice. So there each flow claims the
 * client's port at the endpoint; who comes second is given another port.
 */

/*
 * Claims the client's port at the flow's server, or another. Returns the value with what has become
 * of that, and sets p->other_port_be and p->drop (CLIENT_PORT). May move the table's entries. With
 * no room for a claim the flow goes without. keep_port: no other port, for it is in use already.
 */
uint64_t track_claim(struct tracker *t, struct pkt *p, const struct flow_key *key, uint64_t value,
	bool keep_port, uint16_t tick);

/* The flow goes, or gets another server: its claim goes. */
void track_claim_release(struct tracker *t, const struct flow_key *key, uint64_t value);

/*
 * By the claim of its client's port: the flow of a packet to the client, or of an error about what
 * went to the server; NULL: there is no claim. Sets service, hop, other_port_be.
 */
uint64_t *track_claim_find(struct tracker *t, struct pkt *p, uint16_t tick);

/* False: the claim says that a packet to the client is another flow's than p->flow. */
bool track_claim_agrees(struct tracker *t, const struct pkt *p);

/* The way back of a flow whose port is changed, learned anew from a packet of its client. */
uint16_t track_claim_hop(struct tracker *t, struct pkt *p, uint64_t value);

/* The way back of a flow whose port is changed; 0: not known. */
uint16_t track_claimed_hop(struct tracker *t, const struct flow_key *key, uint64_t value);

/* A flow_claim_fn. */
bool track_claim_lives(void *context, const struct flow_key *claim, uint64_t value, uint16_t tick);

#endif
