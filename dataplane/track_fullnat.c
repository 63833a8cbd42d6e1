/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows of full NAT: their source addresses and ports, and the way from a reply to its client. Two
 * entries make such a flow: the one in the flow table, by which the client's packets find server,
 * source address and port, and the one in the table of source ports, by which a reply finds the
 * client and then the former. Each names the other, so that either tells if the other is not its
 * own.
 */
#include "track_impl.h"

/*
 * Each turn of the flow table's sweep is 64 buckets. At two of these a turn, a port whose flow went
 * unseen is found within 90 s, or with tables of more than a million flows in as much longer as the
 * sweep takes.
 */
#define SWEEP_PORTS_SHARE 32

bool
track_mode_fits(const struct tracker *t, const struct gen_server *server, uint64_t value)
{
	unsigned int source = track_source_id(value);

	if (server->forward != SHUNT_FULLNAT)
		return source == 0;
	return source && t->generation->sources[source].version == server->version;
}

void
track_set_source(struct pkt *p, uint64_t value)
{
	p->source = flow_source(value);
	p->source_port = flow_source_port(value);
}

/* As a flow's key has it. */
static uint16_t
range_port_be(const struct tracker *t, const struct source_port *entry)
{
	const struct gen_service *services = t->generation->services;

	return gen_service_is_range(&services[entry->service]) ? entry->service_port_be : 0;
}

/* Fills in what the reply's entry says of its client. */
static void
set_client(const struct tracker *t, struct pkt *p, const struct source_port *entry)
{
	struct shunt_addr client;
	bool v4;

	memcpy(client.bytes, entry->client, sizeof(client.bytes));
	v4 = shunt_addr_is_v4(&client);
	/* A copy: a miss in this burst may give the entry to another flow. */
	memcpy(p->client_address, entry->client, sizeof(p->client_address));
	p->client = p->client_address + (v4 ? 12 : 0);
	p->client_version = v4 ? 4 : 6;
	p->client_port_be = entry->client_port_be;
	p->service_port_be = entry->service_port_be;
	p->service = entry->service;
	p->range_port_be = range_port_be(t, entry);
	p->hop = entry->hop;
}

static uint64_t
tag_of_reply(const struct tracker *t, const struct pkt *p, const uint8_t *address, uint16_t port_be)
{
	return source_ports_tag(t->ports, address, p->version, port_be, p->protocol);
}

static uint64_t
tag_of_flow(const struct tracker *t, const struct gen_server *server, uint16_t service,
	uint32_t extra, uint8_t protocol)
{
	return source_ports_tag(t->ports, server->address, server->version,
		track_flow_port_be(t->generation, server, service, extra), protocol);
}

bool
track_find_source(struct tracker *t, struct pkt *p, const uint8_t *address, uint16_t port_be)
{
	const struct source_port *entry = NULL;

	if (t->ports)
		entry = source_ports_find(
			t->ports, tag_of_reply(t, p, address, port_be), p->source, p->source_port);
	if (entry)
		set_client(t, p, entry);
	return entry != NULL;
}

void
track_sources(struct tracker *t, struct pkt *const *pkts, unsigned int n)
{
	uint64_t tags[PKT_BURST];
	struct pkt *replies[PKT_BURST];
	const struct source_port *entry;
	unsigned int count = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = pkts[i];

		if (!p->source || p->drop || !t->ports)
			continue;
		tags[count] = tag_of_reply(t, p, track_source_address(p), p->sport_be);
		__builtin_prefetch(
			source_ports_place(t->ports, tags[count], p->source, p->source_port));
		replies[count++] = p;
	}
	for (unsigned int i = 0; i < count; i++) {
		struct pkt *p = replies[i];

		entry = source_ports_find(t->ports, tags[i], p->source, p->source_port);
		if (entry)
			set_client(t, p, entry);
	}
}

static bool
entry_is_of(const struct source_port *entry, const struct flow_key *key)
{
	struct shunt_addr client;

	if (key->version == 4)
		client = shunt_addr_from_v4(key->address);
	else
		memcpy(client.bytes, key->address, sizeof(client.bytes));
	return entry->service == key->service && entry->client_port_be == key->port_be &&
		(!key->extra || entry->service_port_be == key->extra) &&
		memcmp(entry->client, client.bytes, sizeof(entry->client)) == 0;
}

bool
track_keep_source(struct tracker *t, const struct pkt *p, const struct gen_server *server)
{
	const struct link back = link_back(p);
	struct source_port *entry;
	struct flow_key key;
	uint64_t tag;

	if (!t->ports)
		return false;
	tag = tag_of_flow(t, server, p->service, p->range_port_be, p->protocol);
	entry = source_ports_find(t->ports, tag, p->source, p->source_port);
	flow_key_of(p, p->service, &key);
	if (!entry || !entry_is_of(entry, &key))
		return false;
	if (!hop_is(t->hops, entry->hop, &back))
		entry->hop = hop_learn(t->hops, &back);
	return true;
}

/* The entry of a new flow, but for its key. */
static struct source_port
entry_of(const struct pkt *p)
{
	struct source_port entry = {
		.client_port_be = p->client_port_be,
		.service = p->service,
		.hop = p->hop,
		.service_port_be = p->dport_be,
	};
	struct shunt_addr client;

	if (p->client_version == 4)
		client = shunt_addr_from_v4(p->client);
	else
		memcpy(client.bytes, p->client, sizeof(client.bytes));
	memcpy(entry.client, client.bytes, sizeof(entry.client));
	return entry;
}

static struct source_port *
take_port(struct tracker *t, const struct pkt *p, const struct gen_backend *backend, uint16_t tick)
{
	const struct gen_server *server = &t->generation->servers[p->server];
	enum gen_family family = server->version == 4 ? GEN_V4 : GEN_V6;
	const struct source_port flow = entry_of(p);
	uint64_t tag;

	if (!t->ports)
		return NULL;
	tag = tag_of_flow(t, server, p->service, p->range_port_be, p->protocol);
	return source_ports_take(t->ports, tag, p->server, backend->sources[family],
		backend->source_count[family], &flow, tick);
}

/*
 * There is no forwarding by the hash alone here: without an entry a packet has no port, and its
 * reply no client. So the end of a connection that is not known ends here, and a flow for which
 * there is no room is refused.
 */
void
track_new_fullnat(struct tracker *t, struct pkt *p, const struct gen_backend *backend,
	const struct flow_key *key, uint64_t *flow, uint16_t tick)
{
	struct source_port *port;
	uint64_t value;

	if (p->tcp_flags & (PKT_RST | PKT_FIN)) {
		p->drop = SHUNT_DROP_NO_FLOW;
		return;
	}
	if (!flow && !track_may_half_open(t, p)) {
		p->drop = SHUNT_DROP_HALF_OPEN;
		return;
	}
	if (!track_choose(t, p, backend))
		return;
	port = take_port(t, p, backend, tick);
	if (!port) {
		p->drop = SHUNT_DROP_NO_SOURCE_PORT;
		return;
	}
	value = flow_value_with_source(track_first_value(t, p, 0, tick), source_port_source(port),
		source_port_number(port));
	if (flow) {
		track_flow_gone(t, key, *flow);
		flow_set(flow, value);
	} else {
		flow = flow_insert(t->flows, key, value, tick);
	}
	if (!flow) {
		source_ports_release(t->ports, port, false, tick);
		p->drop = SHUNT_DROP_FLOW_TABLE_FULL;
		return;
	}
	p->flow = flow;
	track_set_source(p, value);
	t->stats->flows_created++;
	track_state_changes(t, FLOW_FREE, flow_state(value));
	track_session_begins(t, p);
}

/* The entry of a flow; NULL: it is not there, or not to be found, for the server is not. */
static struct source_port *
entry_of_flow(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	const struct gen_server *server = track_server(t->generation, flow_server(value));
	uint8_t protocol = flow_state(value) == FLOW_UDP ? SHUNT_UDP : SHUNT_TCP;
	struct source_port *entry;
	uint64_t tag;

	if (!t->ports || !server)
		return NULL;
	tag = tag_of_flow(t, server, key->service, key->extra, protocol);
	entry = source_ports_find(t->ports, tag, flow_source(value), flow_source_port(value));
	return entry && entry_is_of(entry, key) ? entry : NULL;
}

uint16_t
track_source_hop(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	const struct source_port *entry = entry_of_flow(t, key, value);

	return entry ? entry->hop : 0;
}

/*
 * What is not found here, because the server is not there any more or another has its id, is found
 * by the sweep.
 */
void
track_release_source(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	struct source_port *entry = entry_of_flow(t, key, value);

	if (entry)
		source_ports_release(t->ports, entry, flow_flags(value) & FLOW_SERVER_CLOSED_FIRST,
			flow_last_seen(value));
}

/* Is there the flow that an entry stands for? */
static bool
entry_lives(void *context, const struct source_port *entry, uint16_t tick)
{
	struct tracker *t = context;
	struct flow_key key = {
		.port_be = entry->client_port_be,
		.service = entry->service,
		.extra = range_port_be(t, entry),
	};
	struct shunt_addr client;
	const uint64_t *flow;
	bool v4;

	memcpy(client.bytes, entry->client, sizeof(client.bytes));
	v4 = shunt_addr_is_v4(&client);
	key.version = v4 ? 4 : 6;
	memcpy(key.address, client.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
	flow = flow_lookup(t->flows, &key, tick);
	return flow && flow_source(*flow) == source_port_source(entry) &&
		flow_source_port(*flow) == source_port_number(entry);
}

void
track_sweep(struct tracker *t, unsigned int buckets, uint16_t tick)
{
	track_sweep_flows(t, buckets, tick);
	if (!t->ports)
		return;
	source_ports_sweep(t->ports, (buckets + SWEEP_PORTS_SHARE - 1) / SWEEP_PORTS_SHARE,
		entry_lives, t, tick);
	t->stats->source_ports = source_ports_live(t->ports);
}

/* A later fragment of a reply: its first one's flow, if it is the same still. */
static void
recall_client(struct tracker *t, struct pkt *p, const struct gen_server *server)
{
	uint16_t service = p->service, port_be = p->client_port_be;
	uint16_t server_port_be =
		track_flow_port_be(t->generation, server, service, p->service_port_be);

	if (!track_find_source(t, p, server->address, server_port_be) || p->service != service ||
		p->client_port_be != port_be)
		p->drop = SHUNT_DROP_NO_FLOW;
}

void
track_recall(struct tracker *t, struct pkt *p)
{
	const struct gen_server *server = track_server(t->generation, p->server);
	bool full = server && server->forward == SHUNT_FULLNAT, good;

	if (p->direction == PKT_TO_SERVER) {
		good = server && gen_server_takes(server, p->version) &&
			t->generation->services[p->service].version == p->version;
		if (good)
			good = track_mode_fits(t, server, flow_value_with_source(0, p->source, 0));
		if (!good)
			p->drop = SHUNT_DROP_NO_SERVER;
		return;
	}
	good = server && gen_server_takes(server, p->version) && full == (p->source != 0);
	if (good && full)
		recall_client(t, p, server);
	if (!good || t->generation->services[p->service].version != p->client_version)
		p->drop = SHUNT_DROP_NO_FLOW;
}
