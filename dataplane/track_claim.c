/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Claims: whose is a client's port at a server's endpoint that several services lead to? A claim is
 * an entry of the flow table under the client's address, its port as the server sees it, and the
 * endpoint. It names the flow: service and the client's own port. Where a live flow has claimed the
 * port already, a new one gets another of which this worker is the owner too, so that replies come
 * here.
 *
 * The flow itself says whether a claim is good: one whose flow is over, or has gone to another
 * server, is as good as none. Worker.
 */
#include "owner.h"
#include "track_impl.h"

/* Other ports looked at for one flow, and those of them that are looked up as this worker's own. */
#define CLAIM_PORTS 2048
#define CLAIM_TRIES 32

enum claimed {
	CLAIM_MINE,
	CLAIM_TAKEN,
	CLAIM_NO_ROOM,
};

static uint32_t
endpoint_tag(const struct tracker *t, const struct gen_server *server, const struct flow_key *flow)
{
	return flow_endpoint_tag(t->flows, server->address,
		track_flow_port_be(t->generation, server, flow->service, flow->extra),
		t->generation->services[flow->service].protocol);
}

/* The client's port as its flow's server sees it. */
static uint16_t
seen_port_be(const struct flow_key *key, uint64_t value)
{
	return track_port_is_changed(value) ? htons(flow_source_port(value)) : key->port_be;
}

/* The claim's key for a flow, at this port of the client. */
static struct flow_key
claim_key(const struct flow_key *flow, uint16_t port_be, uint32_t tag)
{
	struct flow_key key = *flow;

	key.port_be = port_be;
	key.service = FLOW_CLAIM;
	key.extra = tag;
	return key;
}

/* The flow that a claim names. */
static uint64_t *
claimed_flow(struct tracker *t, const struct flow_key *claim, uint64_t value, uint16_t tick,
	struct flow_key *key)
{
	*key = *claim;
	key->port_be = flow_claim_port_be(value);
	key->service = flow_claim_service(value);
	key->extra = gen_service_is_range(&t->generation->services[key->service])
		? flow_tag_port_be(claim->extra)
		: 0;
	return flow_lookup(t->flows, key, tick);
}

/* The flow, if it holds the claim; NULL: nobody does. */
static uint64_t *
claim_holder(struct tracker *t, const struct flow_key *claim, uint64_t value, uint16_t tick)
{
	const struct gen_server *server;
	struct flow_key key;
	uint64_t *flow = claimed_flow(t, claim, value, tick, &key);

	if (!flow || seen_port_be(&key, *flow) != claim->port_be)
		return NULL;
	server = track_server(t->generation, flow_server(*flow));
	return server && endpoint_tag(t, server, &key) == claim->extra ? flow : NULL;
}

bool
track_claim_lives(void *context, const struct flow_key *claim, uint64_t value, uint16_t tick)
{
	return claim_holder(context, claim, value, tick) != NULL;
}

/* Is the claim somebody else's? That of a closed flow can be taken over at once. */
static bool
is_taken(struct tracker *t, const struct flow_key *claim, uint64_t value, uint64_t mine,
	uint16_t tick)
{
	const uint64_t *flow;

	if (flow_claim_service(value) == flow_claim_service(mine) &&
		flow_claim_port_be(value) == flow_claim_port_be(mine))
		return false;
	flow = claim_holder(t, claim, value, tick);
	return flow && flow_state(*flow) != FLOW_CLOSED;
}

static enum claimed
take(struct tracker *t, const struct flow_key *claim, uint64_t mine, uint16_t tick)
{
	uint64_t *there = flow_lookup(t->flows, claim, tick);

	if (!there)
		return flow_insert(t->flows, claim, mine, tick) ? CLAIM_MINE : CLAIM_NO_ROOM;
	if (is_taken(t, claim, *there, mine, tick))
		return CLAIM_TAKEN;
	flow_set(there, mine);
	return CLAIM_MINE;
}

/* Looks for another port, from a place that the keyed tag and the client choose. */
static enum claimed
take_other(struct tracker *t, const struct pkt *p, struct flow_key *claim, uint64_t mine,
	uint16_t tick)
{
	const uint32_t count = 65536 - SHUNT_MIN_SOURCE_PORT;
	uint32_t port = SHUNT_MIN_SOURCE_PORT + ((claim->extra >> 16) ^ p->owner_hash) % count;
	enum claimed claimed = CLAIM_TAKEN;
	unsigned int tries = 0;

	for (unsigned int i = 0; i < CLAIM_PORTS && tries < CLAIM_TRIES; i++) {
		uint32_t hash;

		port = port == 65535 ? SHUNT_MIN_SOURCE_PORT : port + 1;
		claim->port_be = htons((uint16_t)port);
		hash = classify_owner_hash(p->client, p->version, claim->port_be, t->owner_seed);
		if (worker_owner(hash, t->select.worker_count) != t->select.worker)
			continue;
		claimed = take(t, claim, mine, tick);
		if (claimed != CLAIM_TAKEN)
			break;
		tries++;
	}
	return claimed;
}

/* A claim without which a port that is changed would be of no use. */
uint64_t
track_claim(struct tracker *t, struct pkt *p, const struct flow_key *key, uint64_t value,
	bool keep_port, uint16_t tick)
{
	const struct gen_server *server = &t->generation->servers[flow_server(value)];
	struct flow_key claim = claim_key(key, key->port_be, endpoint_tag(t, server, key));
	uint64_t mine = flow_claim_value(key->service, key->port_be, flow_hop(value));

	value = flow_value_update(
		value, flow_state(value), flow_flags(value) | FLOW_CLAIMED, flow_last_seen(value));
	if (take(t, &claim, mine, tick) != CLAIM_TAKEN || keep_port)
		return value;
	if (take_other(t, p, &claim, mine, tick) != CLAIM_MINE) {
		p->drop = SHUNT_DROP_CLIENT_PORT;
		return value;
	}
	p->other_port_be = claim.port_be;
	return flow_value_with_source(value, FLOW_SOURCE_CLIENT, ntohs(claim.port_be));
}

void
track_claim_release(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	const struct gen_server *server = track_server(t->generation, flow_server(value));
	struct flow_key claim;
	const uint64_t *there;

	/* Without the server the endpoint is not known: the sweep finds the claim. */
	if (!(flow_flags(value) & FLOW_CLAIMED) || !server)
		return;
	claim = claim_key(key, seen_port_be(key, value), endpoint_tag(t, server, key));
	there = flow_lookup(t->flows, &claim, 0);
	if (there && flow_claim_service(*there) == key->service &&
		flow_claim_port_be(*there) == key->port_be)
		flow_remove(t->flows, &claim);
}

/* The claim that a packet to the client, or an error about one to the server, would come under. */
static uint64_t *
find_claim(struct tracker *t, const struct pkt *p, struct flow_key *claim)
{
	const uint8_t *ip =
		p->data + (p->kind == PKT_ICMP_ERROR ? p->inner_l3_offset : p->l3_offset);
	uint8_t address[16] = { 0 };

	if (!flow_claims(t->flows))
		return NULL;
	if (p->kind == PKT_ICMP_ERROR)
		memcpy(address, ip + field_destination(p->version),
			field_address_bytes(p->version));
	else
		memcpy(address, ip + field_source(p->version), field_address_bytes(p->version));
	flow_key_of(p, FLOW_CLAIM, claim);
	claim->extra = flow_endpoint_tag(t->flows, address, track_server_port_be(p), p->protocol);
	return flow_lookup(t->flows, claim, 0);
}

uint64_t *
track_claim_find(struct tracker *t, struct pkt *p, uint16_t tick)
{
	struct flow_key claim, key;
	const uint64_t *there = find_claim(t, p, &claim);
	uint64_t *flow;

	if (!there)
		return NULL;
	flow = claimed_flow(t, &claim, *there, tick, &key);
	if (!flow || seen_port_be(&key, *flow) != claim.port_be)
		return NULL;
	track_set_service(t->generation, p, key.service);
	p->hop = flow_hop(*flow);
	if (track_port_is_changed(*flow)) {
		p->hop = flow_hop(*there);
		p->other_port_be = key.port_be;
	}
	return flow;
}

bool
track_claim_agrees(struct tracker *t, const struct pkt *p)
{
	struct flow_key claim;
	const uint64_t *there = find_claim(t, p, &claim);

	return !there ||
		(flow_claim_service(*there) == p->service &&
			flow_claim_port_be(*there) == p->client_port_be);
}

uint16_t
track_claimed_hop(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	const struct gen_server *server = track_server(t->generation, flow_server(value));
	struct flow_key claim;
	const uint64_t *there;

	if (!server)
		return 0;
	claim = claim_key(key, seen_port_be(key, value), endpoint_tag(t, server, key));
	there = flow_lookup(t->flows, &claim, 0);
	return there ? flow_hop(*there) : 0;
}

uint16_t
track_claim_hop(struct tracker *t, struct pkt *p, uint64_t value)
{
	const struct gen_server *server = &t->generation->servers[flow_server(value)];
	const struct link back = link_back(p);
	struct flow_key key, claim;
	uint64_t *there;
	uint16_t hop;

	flow_key_of(p, p->service, &key);
	claim = claim_key(&key, seen_port_be(&key, value), endpoint_tag(t, server, &key));
	p->other_port_be = claim.port_be;
	there = flow_lookup(t->flows, &claim, 0);
	hop = there ? flow_hop(*there) : 0;
	if (!hop_is(t->hops, hop, &back))
		hop = hop_learn(t->hops, &back);
	if (there && hop != flow_hop(*there))
		flow_set(there, flow_value_with_hop(*there, hop));
	return hop;
}
