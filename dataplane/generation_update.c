/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generation after a change of health, weights or admin states: a copy of the one before, but
 * for the servers and backends whose objects are others. What it checks of references was checked
 * before, and cannot have changed; only who is a member of a backend can.
 */
#include <stddef.h>

#include "generation_impl.h"
#include "objects.h"

/* The same server at the same place, in whatever state? */
static bool
is_same_server(const struct object *before, const struct object *after)
{
	struct shunt_server a, b;

	if (!before || !after)
		return false;
	memcpy(&a, before->bytes, sizeof(a));
	memcpy(&b, after->bytes, sizeof(b));
	a.state = b.state;
	a.reset_mark = b.reset_mark;
	a.admin = b.admin;
	a.health = b.health;
	a.weight = b.weight;
	a.file_weight = b.file_weight;
	a.changed_ms = b.changed_ms;
	a.up_since_ms = b.up_since_ms;
	a.slowstart_ms = b.slowstart_ms;
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* The same backend, whoever takes its flows? */
static bool
is_same_backend(const struct object *before, const struct object *after)
{
	struct shunt_backend a, b;

	if (!before || !after)
		return false;
	memcpy(&a, before->bytes, sizeof(a));
	memcpy(&b, after->bytes, sizeof(b));
	a.member_count = b.member_count;
	a.slot_count = b.slot_count;
	a.schedule_count = b.schedule_count;
	a.quorum_lost = b.quorum_lost;
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static bool
all_same(const struct gen_builder *b, uint32_t kind,
	bool (*is_same)(const struct object *before, const struct object *after))
{
	const struct object_store *before = b->before->objects;

	for (uint32_t id = object_store_next_change(before, b->objects, kind, 0); id != UINT32_MAX;
		id = object_store_next_change(before, b->objects, kind, id + 1)) {
		if (!is_same ||
			!is_same(object_store_get(before, kind, id),
				object_store_get(b->objects, kind, id)))
			return false;
	}
	return true;
}

bool
gen_is_update(const struct gen_builder *b)
{
	return b->before && b->before->server_count == b->generation->server_count &&
		all_same(b, SHUNT_KIND_SETTINGS, NULL) && all_same(b, SHUNT_KIND_NEXTHOP, NULL) &&
		gen_services_are_same(b) && gen_rules_are_same(b) &&
		all_same(b, SHUNT_KIND_LOCAL, NULL) && all_same(b, SHUNT_KIND_SOURCE, NULL) &&
		all_same(b, SHUNT_KIND_LIMIT, NULL) &&
		all_same(b, SHUNT_KIND_SERVER, is_same_server) &&
		all_same(b, SHUNT_KIND_BACKEND, is_same_backend);
}

static void
update_servers(struct gen_builder *b)
{
	const struct generation *before = b->before;
	struct generation *g = b->generation;

	memcpy(g->servers, before->servers, g->server_count * sizeof(*g->servers));
	memcpy(g->resets, before->resets, g->server_count * sizeof(*g->resets));
	g->last_reset = before->last_reset;
	for (uint32_t id =
			object_store_next_change(before->objects, b->objects, SHUNT_KIND_SERVER, 0);
		id != UINT32_MAX; id = object_store_next_change(
					  before->objects, b->objects, SHUNT_KIND_SERVER, id + 1)) {
		const struct shunt_server *s = gen_bytes_of(b, SHUNT_KIND_SERVER, id);

		g->servers[id].state = s->state;
		gen_build_reset(b, id, s);
	}
}

static int
update_backends(struct gen_builder *b)
{
	const struct generation *before = b->before;
	struct generation *g = b->generation;
	int rc = 0;

	g->has_fullnat = before->has_fullnat;
	g->has_persist = before->has_persist;
	g->has_cookies = before->has_cookies;
	for (uint32_t id = 0; id < SHUNT_MAX_BACKENDS; id++) {
		if (before->backends[id] &&
			object_store_get(before->objects, SHUNT_KIND_BACKEND, id) ==
				object_store_get(b->objects, SHUNT_KIND_BACKEND, id)) {
			g->backends[id] = before->backends[id];
			g->backends[id]->references++;
		} else if (before->backends[id] && rc == 0) {
			rc = gen_build_backend(b, id);
		}
	}
	return rc;
}

int
gen_update(struct gen_builder *b)
{
	const struct generation *before = b->before;
	struct generation *g = b->generation;

	g->same_ways = true;
	memcpy(g->hash_secret, before->hash_secret, sizeof(g->hash_secret));
	memcpy(g->sources, before->sources, sizeof(g->sources));
	gen_share_services(b);
	g->limits = before->limits;
	g->limits->references++;
	g->acl = acl_hold(before->acl);
	gen_set_truth(b);
	update_servers(b);
	return update_backends(b);
}
