/* SPDX-License-Identifier: BSD-3-Clause */
/* The servers of a generation, and when their flows were last to be reset. */
#include <errno.h>

#include "generation_impl.h"

static_assert(sizeof(struct gen_server) == SHUNT_CACHE_LINE, "one line a server");

/*
 * The source of a tunnel's packets. Without one, or with one of the other family (a route through a
 * gateway of that family may have it), the server cannot be reached.
 */
static bool
set_source(struct gen_server *server, const struct shunt_addr *source)
{
	static const struct shunt_addr none;
	bool v4 = shunt_addr_is_v4(source);

	if (shunt_addr_equal(source, &none) || v4 != (server->version == 4))
		return false;
	memcpy(server->source, v4 ? &source->bytes[12] : source->bytes, v4 ? 4 : 16);
	return true;
}

/* By rules, which stand already; the service may be wrong. */
static bool
rules_lead(const struct acl *acl, const struct shunt_service *service, uint32_t backend)
{
	return service->rules && service->rules <= acl_row_count(acl) &&
		acl_leads(acl, service->rules, (uint16_t)backend);
}

/* Probes go through a service if the service's packets reach the server as they are. */
static int
check_probe(struct gen_builder *b, uint32_t id, const struct shunt_server *s, uint8_t forward)
{
	const struct shunt_service *service = gen_bytes_of(b, SHUNT_KIND_SERVICE, s->probe_service);

	if (s->probe_service == 0)
		return 0;
	if (!service ||
		(service->backend != s->backend &&
			!rules_lead(b->generation->acl, service, s->backend)))
		return gen_refuse(b, SHUNT_KIND_SERVER, id,
			"the service that its probes go through does not exist, or has another "
			"backend");
	if (forward != SHUNT_DR && forward != SHUNT_TUNNEL)
		return gen_refuse(b, SHUNT_KIND_SERVER, id,
			"probes go through a service only if servers answer directly");
	if (shunt_addr_is_v4(&service->address) != shunt_addr_is_v4(&s->address))
		return gen_refuse(b, SHUNT_KIND_SERVER, id,
			"the service that its probes go through is of the other address family");
	return 0;
}

static int
build_server(struct gen_builder *b, uint32_t id, const struct shunt_server *s)
{
	const struct shunt_backend *backend = gen_bytes_of(b, SHUNT_KIND_BACKEND, s->backend);
	struct gen_server *out = &b->generation->servers[id];
	const struct shunt_nexthop *n;

	if (!backend)
		return gen_refuse(b, SHUNT_KIND_SERVER, id, "its backend does not exist");
	out->port_be = s->port_be;
	out->state = s->state;
	out->backend = s->backend;
	out->forward = backend->forward;
	out->encap = backend->encap;
	out->encap_port_be = backend->encap_port_be;
	out->mss_clamp = backend->mss_clamp;
	out->shutdown_sessions = backend->shutdown_sessions;
	out->removed = s->removed;
	b->families[s->backend] |= gen_set_address(
		&s->address, s->port_be, out->address, &out->version, &out->l3_sum, &out->l4_sum);
	if (s->port_be)
		b->families[s->backend] |= GEN_HAS_PORT;
	if (check_probe(b, id, s, out->forward) < 0)
		return -EINVAL;
	if (s->nexthop == 0)
		return 0;
	n = gen_bytes_of(b, SHUNT_KIND_NEXTHOP, s->nexthop);
	if (!n)
		return gen_refuse(b, SHUNT_KIND_SERVER, id, "its next hop does not exist");
	out->link = (struct link){
		.mac = n->mac,
		.port = n->port,
		.known = out->forward != SHUNT_TUNNEL || set_source(out, &n->source),
		.vlan = { n->vlan[0], n->vlan[1] },
	};
	return 0;
}

/*
 * A server that has just gone down resets its flows if its backend wants it so, whatever took it
 * down: health or maintenance, as with HAProxy's on-marked-down. Numbers of generations say when,
 * since a worker may pass over a generation.
 */
void
gen_build_reset(struct gen_builder *b, uint32_t id, const struct shunt_server *s)
{
	const struct generation *before = b->before;
	struct generation *g = b->generation;
	const struct gen_server *is = &g->servers[id], *was;
	struct gen_reset *reset = &g->resets[id];

	reset->mark = s->reset_mark;
	if (!before || id >= before->server_count || !before->servers[id].version)
		return;
	was = &before->servers[id];
	reset->at = before->resets[id].at;
	if (is->state == SHUNT_SERVER_DOWN && is->shutdown_sessions &&
		!(was->state == SHUNT_SERVER_DOWN && was->shutdown_sessions))
		reset->at = g->number;
	if (reset->mark != before->resets[id].mark)
		reset->at = g->number;
	if (g->last_reset < reset->at)
		g->last_reset = reset->at;
}

int
gen_build_servers(struct gen_builder *b)
{
	for (uint32_t id = 1; id < b->generation->server_count; id++) {
		const struct shunt_server *s = gen_bytes_of(b, SHUNT_KIND_SERVER, id);
		int rc = s ? build_server(b, id, s) : 0;

		if (rc < 0)
			return rc;
		if (s)
			gen_build_reset(b, id, s);
	}
	return 0;
}
