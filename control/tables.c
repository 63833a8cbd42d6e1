/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "maglev.h"
#include "pool.h"
#include "roundrobin.h"
#include "shunt/selection.h"
#include "state.h"
#include "tables.h"

#define BASE_BUCKETS 1024

/* Of a server with weight: it is in the backend's table, whether it is up or not. */
struct recipe_member {
	struct shunt_member member;
	uint32_t up; /* it takes new flows: 0, 1 */
	uint64_t identity;
};

/* All that a backend's object depends on; compared as bytes. */
struct recipe {
	struct shunt_backend head; /* schedule_count: 0, it follows from the rest */
	struct recipe_member members[];
};

/* A table of all servers, shared by the backends that have the same. */
struct base {
	struct base *next; /* in the same bucket */
	uint64_t hash;	   /* of its members */
	uint32_t users;
	struct maglev *maglev;
};

struct made {
	struct recipe *recipe; /* NULL: nothing made */
	size_t recipe_bytes;
	struct shunt_backend *object; /* with its arrays */
	struct base *base;	      /* NULL: not needed */
	uint32_t round;
};

struct tables {
	uint32_t round;
	uint64_t bytes;
	struct base *bases[BASE_BUCKETS];
	struct made made[SHUNT_MAX_BACKENDS]; /* by the backend's id */
};

static_assert(sizeof(struct recipe_member) == 24, "no padding: compared as bytes");
static_assert(sizeof(struct recipe) == sizeof(struct shunt_backend), "no padding");

/* What cooking needs for a while. */
struct scratch {
	struct maglev_member *members; /* of all servers */
	bool *up;
};

struct tables *
tables_create(void)
{
	return calloc(1, sizeof(struct tables));
}

static void
base_release(struct tables *tables, struct base *base)
{
	struct base **link;

	if (!base || --base->users > 0)
		return;
	link = &tables->bases[base->hash % BASE_BUCKETS];
	while (*link != base)
		link = &(*link)->next;
	*link = base->next;
	tables->bytes -= maglev_bytes(base->maglev);
	maglev_destroy(base->maglev);
	free(base);
}

/* The base of these members, with one user more. NULL: out of memory. */
static struct base *
base_get(struct tables *tables, const struct maglev_member *members, size_t count,
	uint32_t slot_count)
{
	static const uint8_t no_secret[16];
	uint64_t hash = shunt_siphash(no_secret, members, count * sizeof(*members));
	struct base **bucket = &tables->bases[hash % BASE_BUCKETS], *base;

	for (base = *bucket; base; base = base->next) {
		if (base->hash == hash && maglev_is_of(base->maglev, members, count, slot_count)) {
			base->users++;
			return base;
		}
	}
	base = calloc(1, sizeof(*base));
	if (!base)
		return NULL;
	base->maglev = maglev_create(members, count, slot_count);
	if (!base->maglev) {
		free(base);
		return NULL;
	}
	base->hash = hash;
	base->users = 1;
	base->next = *bucket;
	*bucket = base;
	tables->bytes += maglev_bytes(base->maglev);
	return base;
}

static void
made_clear(struct tables *tables, struct made *made)
{
	if (made->object)
		tables->bytes -= shunt_backend_bytes(made->object) + made->recipe_bytes;
	free(made->recipe);
	free(made->object);
	base_release(tables, made->base);
	*made = (struct made){ 0 };
}

void
tables_destroy(struct tables *tables)
{
	if (!tables)
		return;
	for (uint32_t id = 0; id < SHUNT_MAX_BACKENDS; id++)
		made_clear(tables, &tables->made[id]);
	free(tables);
}

uint64_t
tables_bytes(const struct tables *tables)
{
	return tables->bytes;
}

void
tables_begin(struct tables *tables)
{
	tables->round++;
}

void
tables_end(struct tables *tables)
{
	for (uint32_t id = 0; id < SHUNT_MAX_BACKENDS; id++) {
		if (tables->made[id].round != tables->round)
			made_clear(tables, &tables->made[id]);
	}
}

/* One that a command has set to no weight keeps its place, to come back to, with the file's. */
static uint16_t
place_weight(const struct server *server)
{
	return server->weight ? server->weight : server->config.weight;
}

static struct recipe_member
recipe_member(const struct server *server, bool up)
{
	return (struct recipe_member){
		.member = {
			.server = server->id,
			.weight = place_weight(server),
			.maxconn = server->maxconn,
		},
		.identity = maglev_identity(&server->config.address, server->config.port_be),
		.up = up,
	};
}

/* As in HAProxy: the first backup server that can takes all, or with `allbackups` each its part. */
static uint32_t
choose_backups(const struct backend *backend, struct recipe_member *members)
{
	uint32_t count = 0;

	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server *server = backend->servers[i];

		if (server->config.backup && pool_takes(backend, server) &&
			(count == 0 || backend->config.all_backups))
			members[count++] = recipe_member(server, true);
	}
	return count;
}

/*
 * The servers that have a place in the table; *up: those that take flows. With backup servers none
 * else has one; if there is nobody at all, all keep theirs, and none takes flows.
 */
static uint32_t
choose_members(const struct backend *backend, struct recipe_member *members, uint32_t *up)
{
	bool backup = pool_is_backup(backend);
	uint32_t count = backup ? choose_backups(backend, members) : 0;

	*up = count;
	if (count > 0)
		return count;
	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server *server = backend->servers[i];
		bool takes = !backup && pool_takes(backend, server);

		if (server->config.backup || place_weight(server) == 0)
			continue;
		members[count++] = recipe_member(server, takes);
		*up += takes;
	}
	return count;
}

/*
 * The size follows from the file and not from who is up or what weights are in force: a table of
 * another size sends nearly every client elsewhere, and a server that goes down or is given another
 * weight shall move no client but its own. `scratch` has room for all servers.
 */
static uint32_t
choose_slot_count(
	const struct backend *backend, uint32_t place_count, struct maglev_member *scratch)
{
	uint32_t by_file, by_places;
	size_t count = 0;

	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server_config *config = &backend->servers[i]->config;

		if (config->weight > 0 && !config->backup)
			scratch[count++] = (struct maglev_member){ .weight = config->weight };
	}
	by_file = maglev_slot_count(scratch, count);
	/* Servers that have no weight in the file, and may have been given one, need slots too. */
	for (uint32_t i = 0; i < place_count; i++)
		scratch[i] = (struct maglev_member){ .weight = 1 };
	by_places = maglev_slot_count(scratch, place_count);
	return by_file > by_places ? by_file : by_places;
}

static struct recipe *
recipe_create(const struct backend *backend, struct maglev_member *scratch, size_t *bytes)
{
	struct recipe *recipe = calloc(
		1, sizeof(*recipe) + (backend->server_count + 1) * sizeof(recipe->members[0]));
	struct shunt_backend *head;
	uint32_t places;

	if (!recipe)
		return NULL;
	head = &recipe->head;
	head->algorithm = backend->config.algorithm;
	head->hash_on = backend->config.hash_on;
	head->forward = backend->config.forward;
	head->encap = backend->config.encap;
	head->encap_port_be = backend->config.encap_port_be;
	head->mss_clamp = backend->config.mss_clamp;
	head->balance_factor = backend->config.balance_factor;
	head->ignored_bits4 = backend->config.ignored_bits4;
	head->ignored_bits6 = backend->config.ignored_bits6;
	head->reject_full = backend->config.reject_full;
	head->persist_ms = backend->config.persist_ms;
	head->persist_prefix4 = backend->config.persist_prefix4;
	head->persist_prefix6 = backend->config.persist_prefix6;
	memcpy(head->sources, backend->source_ids, sizeof(head->sources));
	head->shutdown_sessions = backend->config.shutdown_sessions;
	head->quorum_lost = backend->quorum_lost;
	places = choose_members(backend, recipe->members, &head->member_count);
	if (head->member_count > 0)
		head->slot_count = choose_slot_count(backend, places, scratch);
	memcpy(head->name, backend->config.name,
		strnlen(backend->config.name, sizeof(head->name) - 1));
	*bytes = sizeof(*recipe) + places * sizeof(recipe->members[0]);
	return recipe;
}

static size_t
place_count(const struct recipe *recipe, size_t recipe_bytes)
{
	return (recipe_bytes - sizeof(*recipe)) / sizeof(recipe->members[0]);
}

/* `members`: those that are up. */
static int
make_schedule(const struct shunt_backend *head, const struct shunt_member *members,
	uint16_t **schedule, uint32_t *length)
{
	uint32_t *weights;
	int rc;

	*schedule = NULL;
	*length = 0;
	if (head->algorithm != SHUNT_ROUNDROBIN || head->member_count == 0)
		return 0;
	weights = calloc(head->member_count, sizeof(*weights));
	if (!weights)
		return -ENOMEM;
	for (uint32_t i = 0; i < head->member_count; i++)
		weights[i] = members[i].weight;
	rc = roundrobin_build(weights, head->member_count, schedule, length);
	free(weights);
	return rc;
}

/* The selection table. A single member needs no base: every slot is its own. */
static int
make_slots(struct tables *tables, struct made *made, const struct scratch *scratch, uint16_t *slots)
{
	const struct recipe *recipe = made->recipe;
	size_t count = place_count(recipe, made->recipe_bytes);
	uint32_t slot_count = recipe->head.slot_count;

	if (recipe->head.member_count <= 1) {
		memset(slots, 0, slot_count * sizeof(*slots));
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		scratch->members[i] = (struct maglev_member){
			.identity = recipe->members[i].identity,
			.weight = recipe->members[i].member.weight,
		};
		scratch->up[i] = recipe->members[i].up;
	}
	if (!made->base || !maglev_is_of(made->base->maglev, scratch->members, count, slot_count)) {
		struct base *base = base_get(tables, scratch->members, count, slot_count);

		if (!base)
			return -ENOMEM;
		base_release(tables, made->base);
		made->base = base;
	}
	maglev_select(made->base->maglev, scratch->up, slots);
	return 0;
}

/* Makes made->object as made->recipe says. */
static int
cook(struct tables *tables, struct made *made, const struct scratch *scratch)
{
	const struct recipe *recipe = made->recipe;
	size_t count = place_count(recipe, made->recipe_bytes);
	struct shunt_backend head = recipe->head, *object;
	struct shunt_member *members = calloc(head.member_count + 1, sizeof(*members));
	uint16_t *schedule = NULL, *slots;
	int rc = -ENOMEM;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0, n = 0; i < count; i++) {
		if (recipe->members[i].up)
			members[n++] = recipe->members[i].member;
	}
	if (make_schedule(&head, members, &schedule, &head.schedule_count) < 0)
		goto out;
	object = malloc(shunt_backend_bytes(&head));
	if (!object)
		goto out;
	*object = head;
	memcpy(object + 1, members, head.member_count * sizeof(*members));
	slots = (void *)((struct shunt_member *)(object + 1) + head.member_count);
	rc = make_slots(tables, made, scratch, slots);
	if (rc < 0) {
		free(object);
		goto out;
	}
	if (schedule)
		memcpy(slots + head.slot_count, schedule, head.schedule_count * sizeof(*schedule));
	made->object = object;
out:
	free(schedule);
	free(members);
	return rc;
}

/* Takes the recipe over. */
static int
remake(struct tables *tables, struct made *made, struct recipe *recipe, size_t recipe_bytes,
	const struct scratch *scratch)
{
	struct made next = { .recipe = recipe, .recipe_bytes = recipe_bytes, .base = made->base };
	int rc;

	made->base = NULL; /* most likely it is the same: not to be thrown away before */
	made_clear(tables, made);
	rc = cook(tables, &next, scratch);
	if (rc == 0)
		tables->bytes += shunt_backend_bytes(next.object) + recipe_bytes;
	*made = next;
	if (rc < 0)
		made_clear(tables, made);
	return rc;
}

int
tables_backend(
	struct tables *tables, const struct backend *backend, const void **bytes, size_t *length)
{
	struct made *made = &tables->made[backend->id];
	struct scratch scratch = {
		.members = calloc(backend->server_count + 1, sizeof(*scratch.members)),
		.up = calloc(backend->server_count + 1, sizeof(*scratch.up)),
	};
	struct recipe *recipe = NULL;
	size_t recipe_bytes;
	int rc = -ENOMEM;

	if (!scratch.members || !scratch.up)
		goto out;
	recipe = recipe_create(backend, scratch.members, &recipe_bytes);
	if (!recipe)
		goto out;
	rc = 0;
	if (!made->recipe || made->recipe_bytes != recipe_bytes ||
		memcmp(made->recipe, recipe, recipe_bytes) != 0) {
		rc = remake(tables, made, recipe, recipe_bytes, &scratch);
		recipe = NULL;
	}
	if (rc == 0) {
		made->round = tables->round;
		*bytes = made->object;
		*length = shunt_backend_bytes(made->object);
	}
out:
	free(recipe);
	free(scratch.members);
	free(scratch.up);
	return rc;
}
