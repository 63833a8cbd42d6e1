/* SPDX-License-Identifier: BSD-3-Clause */
/* The services of a generation and their timeouts, and what they refer to. */
#include <stddef.h>

#include "generation_impl.h"
#include "mem.h"
#include "objects.h"

/*
 * How long a flow that both sides have closed is kept: long enough for a last acknowledgment or a
 * repeated FIN to find the server, short enough that short connections do not fill the table.
 */
#define CLOSED_TICKS_MAX 6

static_assert(FLOW_STATE_COUNT <= sizeof(((struct flow_timeouts *)0)->ticks) / sizeof(uint16_t),
	"every state has a timeout");
/* Ages are counted modulo 2^16: the sweep has the rest of the circle to find what is too old. */
static_assert((SHUNT_MAX_TIMEOUT_MS / SHUNT_FLOW_TICK_MS + 2) / 16 * 17 < 3 * (UINT16_MAX / 4) &&
		FLOW_SLACK_SHIFT == 4,
	"a timeout leaves room for the sweep");
static_assert(sizeof(struct gen_service) == SHUNT_CACHE_LINE, "one line a service");

/* All services, with the objects they were made from; shared between generations by count. */
struct shared_services {
	struct gen_service services[SHUNT_MAX_SERVICES];
	struct flow_timeouts timeouts[SHUNT_MAX_SERVICES];
	uint32_t references;
	uint32_t end;		  /* one past the greatest id */
	struct object *objects[]; /* [end], by id; NULL: none */
};

/*
 * Ticks after which an entry that was last seen in tick 0 may go. One more than the timeout fills:
 * the entry may have been seen at the very end of its tick, and must not go early; and the slack,
 * as it may have been seen later than it says.
 */
static uint16_t
ticks_of(uint32_t ms)
{
	uint32_t ticks = (ms + SHUNT_FLOW_TICK_MS - 1) / SHUNT_FLOW_TICK_MS + 1;

	return (uint16_t)(ticks + (ticks >> FLOW_SLACK_SHIFT));
}

static void
set_timeouts(struct flow_timeouts *t, const struct shunt_service *s)
{
	uint16_t fin = ticks_of(s->timeout_fin_ms);

	t->ticks[FLOW_SYN] = ticks_of(s->timeout_syn_ms);
	t->ticks[FLOW_SYN_ACK] = ticks_of(s->timeout_syn_ms);
	t->ticks[FLOW_ESTABLISHED] = ticks_of(s->timeout_established_ms);
	t->ticks[FLOW_FIN_CLIENT] = fin;
	t->ticks[FLOW_FIN_SERVER] = fin;
	t->ticks[FLOW_CLOSED] = fin < CLOSED_TICKS_MAX ? fin : CLOSED_TICKS_MAX;
	t->ticks[FLOW_UDP] = ticks_of(s->timeout_udp_ms);
}

/* Flows that began before the service was stateless have entries, whatever their slots. */
static bool
has_leftover(const struct gen_builder *b, uint32_t id)
{
	const struct gen_service *was = b->before ? &b->before->services[id] : NULL;

	if (!was || !was->version || (was->stateless && !was->leftover))
		return false;
	return !was->leftover || !gen_service_is_idle(b, id);
}

static struct shared_services *
services_create(const struct gen_builder *b)
{
	const struct object_store *objects = b->objects;
	uint32_t end = object_store_end(objects, SHUNT_KIND_SERVICE);
	struct shared_services *shared =
		mem_alloc(sizeof(*shared) + end * sizeof(shared->objects[0]));

	if (!shared)
		return NULL;
	shared->references = 1;
	shared->end = end;
	/* No service has id 0: it is claims that have, and they go with their flows. */
	shared->timeouts[0].ticks[FLOW_ESTABLISHED] = UINT16_MAX;
	for (uint32_t id = 1; id < end; id++) {
		struct object *object = object_store_hold(objects, SHUNT_KIND_SERVICE, id);
		struct gen_service *out = &shared->services[id];
		const struct shunt_service *s;

		if (!object)
			continue;
		shared->objects[id] = object;
		s = (const void *)object->bytes;
		out->port_be = s->port_be;
		out->last_port_be = s->last_port_be;
		out->protocol = s->protocol;
		out->reset_idle = s->reset_idle;
		out->stateless = s->stateless;
		out->limit = (uint16_t)s->limit;
		out->leftover = s->stateless && has_leftover(b, id);
		out->cookies = s->protocol == SHUNT_TCP ? s->syn_cookies : SHUNT_COOKIES_NEVER;
		out->flood_rate = s->syn_flood_rate;
		out->backend = s->backend;
		out->rules = s->rules;
		gen_set_address(&s->address, s->port_be, out->address, &out->version, &out->l3_sum,
			&out->l4_sum);
		set_timeouts(&shared->timeouts[id], s);
	}
	return shared;
}

uint64_t
gen_services_bytes(const struct shared_services *shared)
{
	return shared ? sizeof(*shared) + shared->end * sizeof(shared->objects[0]) : 0;
}

void
gen_services_release(struct shared_services *shared)
{
	if (!shared || --shared->references > 0)
		return;
	for (uint32_t id = 1; id < shared->end; id++)
		object_release(shared->objects[id]);
	mem_free(shared);
}

/* Objects are immutable: the same object says the same. */
bool
gen_services_are_same(const struct gen_builder *b)
{
	const struct shared_services *shared = b->before->shared;

	if (shared->end != object_store_end(b->objects, SHUNT_KIND_SERVICE))
		return false;
	for (uint32_t id = 1; id < shared->end; id++) {
		if (shared->objects[id] != object_store_get(b->objects, SHUNT_KIND_SERVICE, id))
			return false;
		if (shared->services[id].leftover && gen_service_is_idle(b, id))
			return false;
	}
	return true;
}

/* Of a backend that the service may lead to. */
static int
check_way(struct gen_builder *b, uint32_t id, const struct gen_service *s, uint16_t backend_id)
{
	const struct gen_backend *backend = b->generation->backends[backend_id];
	uint8_t other = s->version == 4 ? GEN_HAS_V6 : GEN_HAS_V4;

	if (!backend)
		return gen_refuse(b, SHUNT_KIND_SERVICE, id,
			backend_id == s->backend
				? "its backend does not exist"
				: "a backend that its rules lead to does not exist");
	/* Replies that pass here need their flow, and so do servers that no hash says. */
	if (s->stateless &&
		((backend->forward != SHUNT_DR && backend->forward != SHUNT_TUNNEL) ||
			backend->algorithm != SHUNT_SOURCE))
		return gen_refuse(b, SHUNT_KIND_SERVICE, id,
			"it is stateless, and its backend's servers do not answer directly, or the "
			"source's hash does not pick them");
	/* Source addresses of each server's family are what check_backend_refers() sees to. */
	if (backend->forward != SHUNT_TUNNEL && backend->forward != SHUNT_FULLNAT &&
		(b->families[backend_id] & other))
		return gen_refuse(b, SHUNT_KIND_SERVICE, id,
			"its backend has servers of the other address family (only a tunnel "
			"and full NAT lead from one to the other)");
	if (s->limit && !gen_limit_exists(b->generation, s->limit))
		return gen_refuse(b, SHUNT_KIND_SERVICE, id, "its limit does not exist");
	b->generation->has_cookies |=
		s->cookies && (backend->forward == SHUNT_NAT || backend->forward == SHUNT_FULLNAT);
	/* Two of a client's connections would look alike there. */
	if (backend->forward == SHUNT_NAT && gen_service_is_range(s) &&
		(b->families[backend_id] & GEN_HAS_PORT))
		return gen_refuse(b, SHUNT_KIND_SERVICE, id,
			"it has several ports, and a server of its backend translates them to one");
	return 0;
}

/* Checked for shared services too: backends, servers and rules may have changed under them. */
static int
check_service(struct gen_builder *b, uint32_t id, const struct gen_service *s)
{
	const struct generation *g = b->generation;
	int rc = check_way(b, id, s, s->backend);
	const uint16_t *targets;
	uint32_t count;

	if (s->rules && s->stateless)
		return gen_refuse(b, SHUNT_KIND_SERVICE, id, "it is stateless, and has rules");
	if (s->rules > acl_row_count(g->acl))
		return gen_refuse(b, SHUNT_KIND_SERVICE, id, "its row of rules does not exist");
	targets = generation_targets(g, id, &count);
	b->ways += 1 + count;
	if (b->ways >= SHUNT_MAX_WAYS)
		return gen_refuse(b, SHUNT_KIND_SERVICE, id,
			"rules lead from services to too many backends in all");
	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = check_way(b, id, s, targets[i]);
	return rc;
}

static bool
same_endpoint(const struct gen_service *a, const struct gen_service *b)
{
	return a->port_be == b->port_be && a->last_port_be == b->last_port_be &&
		a->protocol == b->protocol && a->version == b->version &&
		memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* Finds two services with the same address, ports and protocol; a set of ids by their sums. */
static int
check_duplicates(struct gen_builder *b)
{
	const struct gen_service *services = b->generation->services;
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_SERVICE);
	uint16_t ids[2 * SHUNT_MAX_SERVICES] = { 0 };

	for (uint32_t id = 1; id < end; id++) {
		uint32_t i, at;

		if (services[id].version == 0)
			continue;
		/* Configuration is nobody's attack: a plain mix of the sum and the port will do. */
		at = (services[id].l3_sum * 0x9e3779b1u) ^ (services[id].port_be * 0x85ebca6bu) ^
			(services[id].protocol * 0xc2b2ae35u);
		for (i = (at >> 16) % (2 * SHUNT_MAX_SERVICES); ids[i];
			i = (i + 1) % (2 * SHUNT_MAX_SERVICES)) {
			if (same_endpoint(&services[ids[i]], &services[id]))
				return gen_refuse(b, SHUNT_KIND_SERVICE, id,
					"another service has the same address, ports and protocol");
		}
		ids[i] = id;
	}
	return 0;
}

void
gen_share_services(struct gen_builder *b)
{
	struct generation *g = b->generation;

	g->shared = b->before->shared;
	g->shared->references++;
	g->services = g->shared->services;
	g->timeouts = g->shared->timeouts;
}

int
gen_build_services(struct gen_builder *b)
{
	const struct shunt_settings *settings = gen_bytes_of(b, SHUNT_KIND_SETTINGS, 1);
	uint32_t end = object_store_end(b->objects, SHUNT_KIND_SERVICE);
	struct generation *g = b->generation;

	/* Hashing under a secret of zeros would work, and be anyone's to predict. */
	if (!settings && end > 0)
		return gen_refuse(
			b, SHUNT_KIND_SETTINGS, 1, "services need settings: the hash secret");
	if (settings)
		memcpy(g->hash_secret, settings->hash_secret, sizeof(g->hash_secret));
	if (b->before && gen_services_are_same(b)) {
		gen_share_services(b);
	} else {
		g->shared = services_create(b);
		if (!g->shared)
			return gen_out_of_memory(b);
		g->services = g->shared->services;
		g->timeouts = g->shared->timeouts;
	}
	for (uint32_t id = 1; id < end; id++) {
		const struct gen_service *s = &g->services[id];
		int rc = s->version ? check_service(b, id, s) : 0;

		if (rc < 0)
			return rc;
	}
	/* What is shared was free of them. */
	return g->shared->references > 1 ? 0 : check_duplicates(b);
}
