/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "maglev.h"
#include "roundrobin.h"
#include "state.h"
#include "tables.h"

struct recipe_member {
	struct shunt_member member;
	uint64_t identity;
};

/* All that a backend's object depends on; compared as bytes. */
struct recipe {
	struct shunt_backend head; /* schedule_count: 0, it follows from the rest */
	struct recipe_member members[];
};

struct made {
	struct recipe *recipe; /* NULL: nothing made */
	size_t recipe_bytes;
	struct shunt_backend *object; /* with its arrays */
	uint32_t round;
};

struct tables {
	uint32_t round;
	struct made made[SHUNT_MAX_BACKENDS]; /* by the backend's id */
};

static_assert(sizeof(struct recipe_member) == 16, "no padding: compared as bytes");
static_assert(sizeof(struct recipe) == sizeof(struct shunt_backend), "no padding");

struct tables *
tables_create(void)
{
	return calloc(1, sizeof(struct tables));
}

static void
made_clear(struct made *made)
{
	free(made->recipe);
	free(made->object);
	*made = (struct made){ 0 };
}

void
tables_destroy(struct tables *tables)
{
	if (!tables)
		return;
	for (uint32_t id = 0; id < SHUNT_MAX_BACKENDS; id++)
		made_clear(&tables->made[id]);
	free(tables);
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
			made_clear(&tables->made[id]);
	}
}

static bool
takes_flows(const struct server *server)
{
	return server_state(server) == SHUNT_SERVER_UP && server->weight > 0;
}

/* As in HAProxy without `allbackups`: if no other server can be used, the first backup that can. */
static uint32_t
choose_members(const struct backend *backend, struct recipe_member *members)
{
	const struct server *backup = NULL;
	uint32_t count = 0;

	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server *server = backend->servers[i];

		if (!takes_flows(server))
			continue;
		if (server->config.backup) {
			backup = backup ? backup : server;
			continue;
		}
		members[count++] = (struct recipe_member){
			.member = { .server = server->id, .weight = server->weight },
			.identity =
				maglev_identity(&server->config.address, server->config.port_be),
		};
	}
	if (count > 0 || !backup)
		return count;
	members[0] = (struct recipe_member){
		.member = { .server = backup->id, .weight = backup->weight },
		.identity = maglev_identity(&backup->config.address, backup->config.port_be),
	};
	return 1;
}

/*
 * The size follows from the file and not from who is up or what weights are in force: a table of
 * another size sends nearly every client elsewhere, and a server that goes down or is given another
 * weight shall move no client but its own. `scratch` has room for all servers.
 */
static uint32_t
choose_slot_count(
	const struct backend *backend, uint32_t member_count, struct maglev_member *scratch)
{
	uint32_t by_file, by_members;
	size_t count = 0;

	for (size_t i = 0; i < backend->server_count; i++) {
		const struct server_config *config = &backend->servers[i]->config;

		if (config->weight > 0 && !config->backup)
			scratch[count++] = (struct maglev_member){ .weight = config->weight };
	}
	by_file = maglev_slot_count(scratch, count);
	/* Servers that have no weight in the file, and may have been given one, need slots too. */
	for (uint32_t i = 0; i < member_count; i++)
		scratch[i] = (struct maglev_member){ .weight = 1 };
	by_members = maglev_slot_count(scratch, member_count);
	if (member_count == 0)
		return 0;
	return by_file > by_members ? by_file : by_members;
}

static struct recipe *
recipe_create(const struct backend *backend, struct maglev_member *scratch, size_t *bytes)
{
	struct recipe *recipe = calloc(
		1, sizeof(*recipe) + (backend->server_count + 1) * sizeof(recipe->members[0]));
	struct shunt_backend *head;

	if (!recipe)
		return NULL;
	head = &recipe->head;
	head->algorithm = backend->config.algorithm;
	head->hash_on = backend->config.hash_on;
	head->forward = backend->config.forward;
	head->encap = backend->config.encap;
	head->encap_port_be = backend->config.encap_port_be;
	head->mss_clamp = backend->config.mss_clamp;
	memcpy(head->sources, backend->source_ids, sizeof(head->sources));
	head->shutdown_sessions = backend->config.shutdown_sessions;
	head->member_count = choose_members(backend, recipe->members);
	head->slot_count = choose_slot_count(backend, head->member_count, scratch);
	memcpy(head->name, backend->config.name,
		strnlen(backend->config.name, sizeof(head->name) - 1));
	*bytes = sizeof(*recipe) + head->member_count * sizeof(recipe->members[0]);
	return recipe;
}

static int
make_schedule(const struct recipe *recipe, uint16_t **schedule, uint32_t *length)
{
	uint32_t count = recipe->head.member_count;
	uint32_t *weights;
	int rc;

	*schedule = NULL;
	*length = 0;
	if (recipe->head.algorithm != SHUNT_ROUNDROBIN || count == 0)
		return 0;
	weights = calloc(count, sizeof(*weights));
	if (!weights)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		weights[i] = recipe->members[i].member.weight;
	rc = roundrobin_build(weights, count, schedule, length);
	free(weights);
	return rc;
}

/* The object as the recipe says. NULL: out of memory. */
static struct shunt_backend *
cook(const struct recipe *recipe, struct maglev_member *scratch)
{
	struct shunt_backend head = recipe->head, *object = NULL;
	struct shunt_member *members;
	uint16_t *schedule, *slots;

	if (make_schedule(recipe, &schedule, &head.schedule_count) < 0)
		return NULL;
	object = malloc(shunt_backend_bytes(&head));
	if (!object)
		goto out;
	*object = head;
	members = (void *)(object + 1);
	slots = (void *)(members + head.member_count);
	for (uint32_t i = 0; i < head.member_count; i++) {
		members[i] = recipe->members[i].member;
		scratch[i] = (struct maglev_member){
			.identity = recipe->members[i].identity,
			.weight = members[i].weight,
		};
	}
	if (head.member_count > 0 &&
		maglev_build(scratch, head.member_count, slots, head.slot_count) < 0) {
		free(object);
		object = NULL;
		goto out;
	}
	if (schedule)
		memcpy(slots + head.slot_count, schedule, head.schedule_count * sizeof(*schedule));
out:
	free(schedule);
	return object;
}

int
tables_backend(
	struct tables *tables, const struct backend *backend, const void **bytes, size_t *length)
{
	struct made *made = &tables->made[backend->id];
	struct maglev_member *scratch = calloc(backend->server_count + 1, sizeof(*scratch));
	struct recipe *recipe = NULL;
	struct shunt_backend *object;
	size_t recipe_bytes;
	int rc = -ENOMEM;

	if (!scratch)
		return -ENOMEM;
	recipe = recipe_create(backend, scratch, &recipe_bytes);
	if (!recipe)
		goto out;
	if (!made->recipe || made->recipe_bytes != recipe_bytes ||
		memcmp(made->recipe, recipe, recipe_bytes) != 0) {
		object = cook(recipe, scratch);
		if (!object)
			goto out;
		made_clear(made);
		*made = (struct made){
			.recipe = recipe,
			.recipe_bytes = recipe_bytes,
			.object = object,
		};
		recipe = NULL;
	}
	made->round = tables->round;
	*bytes = made->object;
	*length = shunt_backend_bytes(made->object);
	rc = 0;
out:
	free(recipe);
	free(scratch);
	return rc;
}
