/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a service's rules say of a packet that needs a server: asked once a flow, since the packets
 * behind find its entry. Those that go on without one (the table is full, or the dataplane was
 * restarted in the middle of a connection) ask each time, and so find the same backend.
 */
#include "track_impl.h"

static struct acl_packet
describe(const struct tracker *t, const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;
	struct acl_packet described = {
		.source = ip + field_source(p->version),
		.destination = ip + field_destination(p->version),
		.source_port = ntohs(p->sport_be),
		.destination_port = ntohs(p->dport_be),
		.version = p->version,
		.protocol = p->protocol,
		.port = p->in_port,
	};
	const uint8_t *l4 = p->data + p->l4_offset;
	uint32_t behind = (uint32_t)p->l4_offset + UDP_BYTES, length;
	struct source_facts facts;

	if (p->protocol == SHUNT_UDP && p->l4_offset && p->bytes >= behind) {
		length = field_load_be16(l4 + UDP_LENGTH);
		length = length > UDP_BYTES ? length - UDP_BYTES : 0;
		described.payload = l4 + UDP_BYTES;
		/* IP may be longer; and of a fragmented datagram this is the first part. */
		described.payload_bytes = length < p->bytes - behind ? length : p->bytes - behind;
	}
	if (acl_asks_source(t->generation->acl)) {
		facts = track_limit_facts(t, p);
		described.conn_rate = facts.rate;
		described.conn_count = facts.sessions;
	}
	return described;
}

static struct acl_verdict
judge(const struct tracker *t, const struct pkt *p)
{
	const struct generation *g = t->generation;
	const struct acl_packet described = describe(t, p);

	return acl_judge(g->acl, g->truth, g->services[p->service].rules, &described);
}

static bool
is_refused(struct pkt *p, const struct acl_verdict *verdict)
{
	if (verdict->action == SHUNT_RULE_DROP)
		p->drop = SHUNT_DROP_RULE;
	else if (verdict->action == SHUNT_RULE_REJECT)
		p->drop = SHUNT_DROP_REFUSED;
	return p->drop != SHUNT_DROP_NONE;
}

const struct gen_backend *
track_rules_ask(struct tracker *t, struct pkt *p, const struct gen_backend *backend)
{
	const struct acl_verdict verdict = judge(t, p);

	if (is_refused(p, &verdict)) {
		t->hits[verdict.counter]++;
		return NULL;
	}
	return verdict.action == SHUNT_RULE_USE_BACKEND ? t->generation->backends[verdict.backend]
							: backend;
}

const struct gen_backend *
track_rules(struct tracker *t, struct pkt *p, const struct gen_backend *backend)
{
	const struct generation *g = t->generation;
	const struct acl_verdict verdict = judge(t, p);

	if (verdict.counter != ACL_NO_RULE)
		t->hits[verdict.counter]++;
	if (is_refused(p, &verdict))
		return NULL;
	switch (verdict.action) {
	case SHUNT_RULE_RATE_LIMIT:
		/* What is in the middle of a connection has had its token. */
		if (!t->limiter || !track_is_first(p) ||
			gcra_take(
				verdict.rate, &t->limiter->rules[verdict.counter], t->select.clock))
			return backend;
		p->drop = SHUNT_DROP_RATE_LIMIT;
		p->silent = verdict.drop;
		return NULL;
	case SHUNT_RULE_USE_BACKEND:
		return g->backends[verdict.backend];
	default:
		return backend;
	}
}
