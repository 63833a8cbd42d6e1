/* SPDX-License-Identifier: BSD-3-Clause */
/* A generation after a change of servers' states, made out of the one before: as if built anew. */
#include <errno.h>
#include <stdlib.h>

#include "generation.h"
#include "known.h"
#include "objects_helper.h"

#define SERVERS	 600u
#define BACKENDS 3u
#define ROUNDS	 60

/* The objects of a small world, and who of the servers is up. */
struct world {
	struct object_store *objects;
	bool up[SERVERS + 1];
	uint8_t marks[SERVERS + 1];
};

static uint32_t
backend_of(uint32_t server)
{
	return server % BACKENDS + 1;
}

static struct shunt_server
server_at(const struct world *w, uint32_t id)
{
	char address[32];
	struct shunt_server server;

	snprintf(address, sizeof(address), "10.0.%u.%u", id / 250, id % 250 + 1);
	server = helper_server(address, 8080, backend_of(id));
	server.state = w->up[id] ? SHUNT_SERVER_UP : SHUNT_SERVER_DOWN;
	server.health = w->up[id] ? SHUNT_HEALTH_UP : SHUNT_HEALTH_DOWN;
	server.reset_mark = w->marks[id];
	server.nexthop = 1;
	return server;
}

static void
put_server(const struct world *w, uint32_t id)
{
	struct shunt_server server = server_at(w, id);

	helper_put(w->objects, SHUNT_KIND_SERVER, id, &server, sizeof(server));
}

static void
put_backend(const struct world *w, uint32_t id)
{
	struct shunt_member members[SERVERS];
	struct shunt_backend *b;
	uint32_t count = 0;

	for (uint32_t i = 1; i <= SERVERS; i++) {
		if (backend_of(i) == id && w->up[i])
			members[count++] = (struct shunt_member){ .server = i, .weight = 1 };
	}
	b = helper_backend(id == 1 ? SHUNT_SOURCE : SHUNT_ROUNDROBIN, members, count, 1024);
	b->shutdown_sessions = id == 2;
	helper_put(w->objects, SHUNT_KIND_BACKEND, id, b, shunt_backend_bytes(b));
	free(b);
}

static struct world
world_create(void)
{
	struct world w = { .objects = object_store_create() };
	struct shunt_nexthop nexthop = { .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct shunt_local local = { .address = helper_addr("192.0.2.1") };

	helper_put_settings(w.objects);
	helper_put(w.objects, SHUNT_KIND_NEXTHOP, 1, &nexthop, sizeof(nexthop));
	helper_put(w.objects, SHUNT_KIND_LOCAL, 1, &local, sizeof(local));
	for (uint32_t i = 1; i <= SERVERS; i++) {
		w.up[i] = true;
		put_server(&w, i);
	}
	for (uint32_t id = 1; id <= BACKENDS; id++) {
		put_backend(&w, id);
		helper_put_service(
			w.objects, id, "198.51.100.10", (uint16_t)(80 + id), SHUNT_TCP, id);
	}
	return w;
}

static struct generation *
build(const struct object_store *objects, uint64_t number, const struct generation *before)
{
	struct generation_error error;
	int result;
	struct generation *g = generation_create(objects, number, before, 1, &error, &result);

	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	CU_ASSERT_EQUAL(result, 0);
	return g;
}

static void
check_backend(const struct gen_backend *a, const struct gen_backend *b)
{
	CU_ASSERT_EQUAL(a == NULL, b == NULL);
	if (!a || !b)
		return;
	CU_ASSERT_EQUAL(a->id, b->id);
	CU_ASSERT_EQUAL(a->algorithm, b->algorithm);
	CU_ASSERT_EQUAL_FATAL(a->member_count, b->member_count);
	CU_ASSERT_EQUAL_FATAL(a->slot_count, b->slot_count);
	CU_ASSERT_EQUAL_FATAL(a->schedule_count, b->schedule_count);
	CU_ASSERT_EQUAL(memcmp(a->members, b->members, a->member_count * sizeof(*a->members)), 0);
	CU_ASSERT_EQUAL(memcmp(a->slots, b->slots, a->slot_count * sizeof(*a->slots)), 0);
	CU_ASSERT_EQUAL(
		memcmp(a->schedule, b->schedule, a->schedule_count * sizeof(*a->schedule)), 0);
}

static void
check_same(const struct generation *a, const struct generation *b)
{
	CU_ASSERT_EQUAL(a->number, b->number);
	CU_ASSERT_EQUAL_FATAL(a->server_count, b->server_count);
	CU_ASSERT_EQUAL(memcmp(a->servers, b->servers, a->server_count * sizeof(*a->servers)), 0);
	CU_ASSERT_EQUAL(a->last_reset, b->last_reset);
	for (uint32_t id = 0; id < a->server_count; id++) {
		if (a->resets[id].at != b->resets[id].at ||
			a->resets[id].mark != b->resets[id].mark)
			CU_FAIL("another reset");
	}
	for (uint32_t id = 0; id < SHUNT_MAX_BACKENDS; id++)
		check_backend(a->backends[id], b->backends[id]);
	CU_ASSERT_EQUAL(memcmp(a->hash_secret, b->hash_secret, sizeof(a->hash_secret)), 0);
	CU_ASSERT_EQUAL(memcmp(a->sources, b->sources, sizeof(a->sources)), 0);
	CU_ASSERT_EQUAL(a->has_fullnat, b->has_fullnat);
	CU_ASSERT_PTR_EQUAL(a->services, b->services);
	CU_ASSERT_PTR_EQUAL(a->classifier, b->classifier);
	CU_ASSERT_PTR_EQUAL(a->pmtu, b->pmtu);
}

/* At least what the arrays are, and the same whichever way it was made. */
static void
check_memory(const struct generation *a, const struct generation *b)
{
	struct generation_bytes x = generation_bytes(a), y = generation_bytes(b);
	uint64_t tables = 0;

	for (uint32_t id = 1; id <= BACKENDS; id++)
		tables += a->backends[id]->member_count * sizeof(struct shunt_member) +
			(a->backends[id]->slot_count + a->backends[id]->schedule_count) *
				sizeof(uint16_t);
	CU_ASSERT(x.tables > tables && x.tables < 2 * tables);
	CU_ASSERT(x.services > SHUNT_MAX_SERVICES * sizeof(struct gen_service));
	CU_ASSERT(x.servers > SERVERS * sizeof(struct gen_server));
	CU_ASSERT_EQUAL(x.tables, y.tables);
	CU_ASSERT_EQUAL(x.services, y.services);
	CU_ASSERT_EQUAL(x.servers, y.servers);
}

/* Some servers go down or come up, or have their sessions shut down; some backends are put anew. */
static void
change_some(struct world *w, uint64_t *seed)
{
	uint32_t count = helper_random(seed) % 5 + 1;

	while (count-- > 0) {
		uint32_t id = helper_random(seed) % SERVERS + 1;

		if (helper_random(seed) % 4 == 0)
			w->marks[id]++;
		else
			w->up[id] = !w->up[id];
		put_server(w, id);
		put_backend(w, backend_of(id));
	}
}

static void
as_if_built_anew(void)
{
	static const uint8_t local[4] = { 192, 0, 2, 2 };
	struct shunt_local another = { .address = shunt_addr_from_v4(local) };
	struct world w = world_create();
	struct generation *before = build(w.objects, 1, NULL);
	uint64_t seed = 11;

	CU_ASSERT_FALSE(before->same_ways);
	for (uint64_t number = 2; number < ROUNDS; number++) {
		struct object_store *objects;
		struct generation *updated, *built;

		change_some(&w, &seed);
		updated = build(w.objects, number, before);
		CU_ASSERT_TRUE(updated->same_ways);
		/* One address more of the balancer's own, and it has to be built. */
		objects = object_store_clone(w.objects);
		helper_put(objects, SHUNT_KIND_LOCAL, 2, &another, sizeof(another));
		built = build(objects, number, before);
		CU_ASSERT_FALSE(built->same_ways);
		CU_ASSERT_TRUE(known_is_local(built->known, local, 4));
		CU_ASSERT_FALSE(known_is_local(updated->known, local, 4));
		check_same(updated, built);
		check_memory(updated, built);
		generation_destroy(built);
		object_store_destroy(objects);
		generation_destroy(before);
		before = updated;
	}
	object_store_destroy(w.objects);
	/* It holds what it points to. */
	CU_ASSERT_EQUAL(before->backends[1]->id, 1);
	generation_destroy(before);
}

/* What makes it more than an update. */
static void
other_changes(void)
{
	struct world w = world_create();
	struct generation *before = build(w.objects, 1, NULL), *g;
	struct object_store *next;
	struct shunt_server server = server_at(&w, 7);
	struct shunt_service service = helper_service("198.51.100.10", 81, SHUNT_TCP, 1);
	struct shunt_nexthop nexthop = { .mac = { { 2, 0, 0, 0, 0, 2 } } };
	struct shunt_settings settings = { .hash_secret = "another" };
	struct shunt_backend *b;

#define AFTER(change, is_update)                          \
	do {                                              \
		next = object_store_clone(w.objects);     \
		change;                                   \
		g = build(next, 2, before);               \
		CU_ASSERT_EQUAL(g->same_ways, is_update); \
		generation_destroy(g);                    \
		object_store_destroy(next);               \
		server = server_at(&w, 7);                \
	} while (0)
#define PUT_SERVER(change) (change, helper_put(next, SHUNT_KIND_SERVER, 7, &server, sizeof(server)))
	AFTER((void)0, true);
	AFTER(PUT_SERVER(server.state = SHUNT_SERVER_DRAIN), true);
	AFTER(PUT_SERVER(server.weight = 7), true);
	AFTER(PUT_SERVER(server.admin = SHUNT_ADMIN_MAINT), true);
	AFTER(PUT_SERVER(server.changed_ms = 99), true);
	AFTER(PUT_SERVER(server.nexthop = 0), false);
	AFTER(PUT_SERVER(server.port_be = htons(81)), false);
	AFTER(PUT_SERVER(server.address.bytes[15] = 251), false);
	AFTER(PUT_SERVER(server.name[0] = 't'), false);
	AFTER(helper_put_server(next, SERVERS + 1, "10.9.9.9", 80, 1), false);
	AFTER(helper_put(next, SHUNT_KIND_NEXTHOP, 1, &nexthop, sizeof(nexthop)), false);
	AFTER(helper_put(next, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings)), false);
	service.timeout_fin_ms = 1;
	AFTER(helper_put(next, SHUNT_KIND_SERVICE, 1, &service, sizeof(service)), false);
	AFTER(object_store_delete(next, SHUNT_KIND_LOCAL, 1), false);
	AFTER(helper_put_backend(next, BACKENDS + 1, SHUNT_SOURCE, NULL, 0, 0), false);
	b = helper_backend(SHUNT_SOURCE, NULL, 0, 0);
	AFTER(helper_put(next, SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b)), true);
	b->forward = SHUNT_DR;
	AFTER(helper_put(next, SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b)), false);
	free(b);
	generation_destroy(before);
	object_store_destroy(w.objects);
}

/* Who is a member is looked at here too. */
static void
bad_members(void)
{
	static const struct shunt_member stranger = { .server = 1, .weight = 1 },
					 nobody = { .server = SERVERS + 1, .weight = 1 };
	struct world w = world_create();
	struct generation *before = build(w.objects, 1, NULL);
	struct generation_error error;
	int result = 0;

	helper_put_backend(w.objects, 1, SHUNT_SOURCE, &stranger, 1, 128);
	CU_ASSERT_PTR_NULL(generation_create(w.objects, 2, before, 1, &error, &result));
	CU_ASSERT_EQUAL(result, -EINVAL);
	CU_ASSERT_EQUAL(error.kind, SHUNT_KIND_BACKEND);
	CU_ASSERT_EQUAL(error.id, 1);
	helper_put_backend(w.objects, 1, SHUNT_SOURCE, &nobody, 1, 128);
	CU_ASSERT_PTR_NULL(generation_create(w.objects, 2, before, 1, &error, &result));
	CU_ASSERT_EQUAL(result, -EINVAL);
	generation_destroy(before);
	object_store_destroy(w.objects);
}

static const struct unit_test tests[] = {
	{ "as if built anew", as_if_built_anew },
	{ "other changes", other_changes },
	{ "bad members", bad_members },
};

UNIT_MAIN("generation_update", tests)
