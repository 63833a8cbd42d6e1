/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors: which flow one is about. */
#include "track_impl.h"

/* Is the quoted packet one between this server and the client of a flow with this value? */
static bool
is_about(const struct tracker *t, const struct pkt *p, const struct gen_server *server,
	uint64_t value)
{
	const uint8_t *ip = p->data + p->inner_l3_offset;

	if (!server || !track_mode_fits(t, server, value))
		return false;
	if (p->direction == PKT_TO_SERVER)
		return gen_server_takes(
			server, p->version); /* it names the service, and the flow the server */
	if (p->source != track_source_id(value) ||
		(p->source && p->source_port != flow_source_port(value)))
		return false;
	return server->version == p->version &&
		track_port_is(t->generation, p, server, p->dport_be) &&
		memcmp(server->address, ip + field_destination(p->version),
			field_address_bytes(p->version)) == 0;
}

static bool
find_untracked_icmp(struct tracker *t, struct pkt *p)
{
	const struct track_untracked *u = track_untracked_place(t, p);

	if (u->server == 0 || u->owner_hash != p->owner_hash ||
		!t->generation->services[u->service].version)
		return false;
	if (p->direction == PKT_TO_SERVER && u->service != p->service)
		return false;
	p->service = u->service;
	if (!is_about(t, p, track_server(t->generation, u->server), 0))
		return false;
	t->stats->untracked++;
	p->server = u->server;
	p->hop = u->hop;
	return true;
}

/* About what went to a server where its client's port is claimed. */
static bool
find_claimed_icmp(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const uint64_t *flow = track_claim_find(t, p, tick);

	if (!flow || !is_about(t, p, track_server(t->generation, flow_server(*flow)), *flow))
		return false;
	p->server = flow_server(*flow);
	return true;
}

void
track_icmp_error(struct tracker *t, struct pkt *p, uint16_t tick)
{
	const uint8_t *quoted = p->data + p->inner_l3_offset + field_destination(p->version);
	const struct gen_server *server;
	struct flow_key key;
	uint16_t first;

	/* About what a client has sent: to the server, from one of our ports. */
	if (p->source && !track_find_source(t, p, quoted, p->dport_be)) {
		p->drop = SHUNT_DROP_NO_FLOW;
		return;
	}
	first = p->service;
	if (!p->source && p->direction == PKT_TO_CLIENT && find_claimed_icmp(t, p, tick))
		return;
	p->service = first;
	p->other_port_be = 0;
	for (unsigned int i = 0; i <= p->other_service_count; i++) {
		uint16_t service = i == 0
			? first
			: classify_other_service(t->generation->classifier, p, i - 1);
		const uint64_t *flow;

		if (p->direction == PKT_TO_CLIENT && !p->source)
			track_set_service(t->generation, p, service);
		flow_key_of(p, service, &key);
		flow = flow_lookup(t->flows, &key, tick);
		server = flow ? track_server(t->generation, flow_server(*flow)) : NULL;
		if (!flow || !is_about(t, p, server, *flow))
			continue;
		if (track_port_is_changed(*flow)) {
			/* Then what has the client's own port at the server is no packet of it. */
			if (p->direction == PKT_TO_CLIENT)
				continue;
			p->other_port_be = htons(flow_source_port(*flow));
		}
		p->server = flow_server(*flow);
		track_cookie_quoted(t, p, *flow);
		if (server->forward == SHUNT_FULLNAT)
			track_set_source(p, *flow);
		else
			p->hop = flow_hop(*flow);
		return;
	}
	if (track_stateless_icmp(t, p))
		return;
	if (!find_untracked_icmp(t, p))
		p->drop = SHUNT_DROP_NO_FLOW;
}
