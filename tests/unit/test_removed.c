/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers that a reload removes keep their connections: the state, its image, and a restart. */
#include "compile_setup.h"
#include "removed.h"
#include "shunt/stats.h"

#define BEFORE	"app s1=10.0.0.1*10 s2=10.0.0.2*20 s3=10.0.0.3*30"
#define AFTER	"app s1=10.0.0.1*10 s2=10.0.0.2*20"
#define WORKERS 2

static struct shunt_stats *
stats_new(void)
{
	struct shunt_stats *stats = calloc(1, shunt_stats_bytes(WORKERS));

	CU_ASSERT_PTR_NOT_NULL_FATAL(stats);
	stats->worker_count = WORKERS;
	stats->servers_offset = shunt_stats_bytes(WORKERS) -
		WORKERS * SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats);
	return stats;
}

static const struct backend *
app(const struct setup *s)
{
	return state_find_backend(&s->control, "app");
}

/* An image of BEFORE, then s3 is removed. Returns its id. */
static uint32_t
remove_s3(struct setup *s)
{
	uint32_t id;

	setup_create(s, BEFORE);
	image_destroy(compile(s));
	id = state_find_server(&s->control, "app/s3")->id;
	CU_ASSERT_EQUAL(model_apply(&s->control, AFTER), 0);
	CU_ASSERT_EQUAL_FATAL(app(s)->removed_count, 1);
	return id;
}

static void
stays_in_the_image(void)
{
	struct setup s;
	uint32_t id = remove_s3(&s);
	const struct server *server = app(&s)->removed[0];
	struct image *image = compile(&s);
	const struct shunt_server *object =
		get(image, SHUNT_KIND_SERVER, id, sizeof(struct shunt_server));
	const struct shunt_backend *backend = get_backend(&s, image, "app");

	CU_ASSERT_PTR_NULL(state_find_server(&s.control, "app/s3"));
	CU_ASSERT_STRING_EQUAL(server_state_name(server), "removed");
	CU_ASSERT_EQUAL(server->id, id);
	CU_ASSERT_EQUAL(object->state, SHUNT_SERVER_DRAIN);
	CU_ASSERT_EQUAL(object->removed, 1);
	CU_ASSERT_EQUAL(object->backend, app(&s)->id);
	CU_ASSERT_NOT_EQUAL(object->nexthop, 0);
	CU_ASSERT_EQUAL(backend->member_count, 2);
	for (uint32_t i = 0; i < backend->member_count; i++)
		CU_ASSERT_NOT_EQUAL(members(backend)[i].server, id);
	image_destroy(image);

	/* Further reloads do not lose it. */
	CU_ASSERT_EQUAL(model_apply(&s.control, AFTER " s4=10.0.0.4"), 0);
	CU_ASSERT_EQUAL_FATAL(app(&s)->removed_count, 1);
	image = compile(&s);
	CU_ASSERT_EQUAL(app(&s)->removed[0]->id, id);
	CU_ASSERT_NOT_EQUAL(state_find_server(&s.control, "app/s4")->id, id);
	image_destroy(image);
	setup_destroy(&s);
}

static void
follows_its_next_hop(void)
{
	struct setup s;
	uint32_t id = remove_s3(&s), before, moved;
	struct image *image = compile(&s);

	before = ((const struct shunt_server *)get(image, SHUNT_KIND_SERVER, id, 0))->nexthop;
	image_destroy(image);
	kernel.mac = 0x40;
	image = compile(&s);
	moved = ((const struct shunt_server *)get(image, SHUNT_KIND_SERVER, id, 0))->nexthop;
	CU_ASSERT_NOT_EQUAL(moved, before);
	image_destroy(image);
	/* The neighbour was in the file and has gone with the server. */
	kernel.known = false;
	image = compile(&s);
	CU_ASSERT_EQUAL(
		((const struct shunt_server *)get(image, SHUNT_KIND_SERVER, id, 0))->nexthop,
		moved);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s1")->nexthop, 0);
	image_destroy(image);
	setup_destroy(&s);
}

static void
goes_with_its_last_session(void)
{
	struct shunt_stats *stats = stats_new();
	struct setup s;
	uint32_t id = remove_s3(&s);
	uint64_t *sessions = &shunt_stats_servers(stats, WORKERS - 1)[id].sessions;
	struct image *image;

	*sessions = 1;
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 1000));
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 1000000));
	*sessions = 0;
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 2000000));
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 2010000)); /* closed flows linger */
	/* Nobody counts: the dataplane is away. The wait begins anew. */
	CU_ASSERT_FALSE(removed_sweep(&s.control, NULL, 2012000));
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 2020000));
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 2035000));
	CU_ASSERT_EQUAL(app(&s)->removed_count, 1);
	CU_ASSERT_TRUE(removed_sweep(&s.control, stats, 2036000));
	CU_ASSERT_EQUAL(app(&s)->removed_count, 0);
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 2037000));
	image = compile(&s);
	CU_ASSERT_PTR_NULL(image_get(image, SHUNT_KIND_SERVER, id, NULL));
	image_destroy(image);
	setup_destroy(&s);
	free(stats);
}

/* Stateless flows are not counted until they have sent a packet, for which they have their time. */
static void
is_held_for_stateless_flows(void)
{
	struct shunt_stats *stats = stats_new();
	struct setup s;
	uint64_t *sessions;

	setup_create(&s, BEFORE);
	image_destroy(compile(&s));
	sessions = &shunt_stats_servers(stats, 0)[state_find_server(&s.control, "app/s3")->id]
			    .sessions;
	s.control.services[0].stateless = true;
	CU_ASSERT_EQUAL(model_apply(&s.control, AFTER), 0);
	CU_ASSERT_EQUAL_FATAL(app(&s)->removed_count, 1);
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 1000));
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 901000)); /* its frontend's 900 s */
	*sessions = 1;
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 920000));
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 1900000));
	*sessions = 0;
	CU_ASSERT_FALSE(removed_sweep(&s.control, stats, 2000000));
	CU_ASSERT_TRUE(removed_sweep(&s.control, stats, 2016000));
	setup_destroy(&s);
	free(stats);
}

static void
comes_back(void)
{
	struct setup s;
	struct server *server;
	struct image *image;
	uint32_t id;

	setup_create(&s, BEFORE);
	image_destroy(compile(&s));
	server = state_find_server(&s.control, "app/s3");
	id = server->id;
	server_set_admin(server, SHUNT_ADMIN_DRAIN);
	server_set_weight(server, 99);
	model_apply(&s.control, AFTER);
	image_destroy(compile(&s));
	model_apply(&s.control, BEFORE);
	CU_ASSERT_EQUAL(app(&s)->removed_count, 0);
	server = state_find_server(&s.control, "app/s3");
	CU_ASSERT_EQUAL(server->id, id);
	CU_ASSERT_FALSE(server->removed);
	/* What an operator had said of it is over. */
	CU_ASSERT_EQUAL(server->admin, SHUNT_ADMIN_READY);
	CU_ASSERT_EQUAL(server->weight, 30);
	image = compile(&s);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s3")->state, SHUNT_SERVER_UP);
	CU_ASSERT_EQUAL(get_backend(&s, image, "app")->member_count, 3);
	image_destroy(image);
	setup_destroy(&s);
}

/* The same name at another address is another server, and the same address under another name. */
static void
another_takes_its_place(void)
{
	struct setup s;
	struct image *image;
	uint32_t id = remove_s3(&s);

	model_apply(&s.control, AFTER " s3=10.0.0.33 s9=10.0.0.3");
	CU_ASSERT_EQUAL_FATAL(app(&s)->removed_count, 1);
	image = compile(&s);
	CU_ASSERT_NOT_EQUAL(state_find_server(&s.control, "app/s3")->id, id);
	CU_ASSERT_NOT_EQUAL(state_find_server(&s.control, "app/s9")->id, id);
	CU_ASSERT_EQUAL(get_backend(&s, image, "app")->member_count, 4);
	CU_ASSERT_PTR_NOT_NULL(image_get(image, SHUNT_KIND_SERVER, id, NULL));
	image_destroy(image);
	setup_destroy(&s);
}

static void
goes_with_its_backend(void)
{
	struct setup s;
	uint32_t id = remove_s3(&s);
	struct image *image;

	model_apply(&s.control, "other s1=10.0.0.1");
	image = compile(&s);
	CU_ASSERT_PTR_NULL(image_get(image, SHUNT_KIND_SERVER, id, NULL));
	image_destroy(image);
	setup_destroy(&s);
}

/* What the dataplane would refuse: the address of a server that is balanced now; mixed families. */
static void
does_not_fit(void)
{
	struct shunt_addr v6 = { .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
	struct config *config;
	struct setup s;

	remove_s3(&s);
	config = model_config(AFTER);
	config->frontends[0].binds[0].address = model_address("10.0.0.3");
	CU_ASSERT_EQUAL(state_apply(&s.control, config), 0);
	CU_ASSERT_EQUAL(app(&s)->removed_count, 0);
	setup_destroy(&s);

	for (uint8_t forward = SHUNT_NAT; forward < SHUNT_FORWARD_COUNT; forward++) {
		bool any = forward == SHUNT_TUNNEL || forward == SHUNT_FULLNAT;

		remove_s3(&s);
		config = model_config(AFTER);
		config->backends[0].forward = forward;
		/* Of both families, where there are any. */
		config->backends[0].sources[0] = model_address("10.0.0.200");
		config->backends[0].sources[1] = v6;
		config->backends[0].sources[1].bytes[13]++;
		config->backends[0].source_count = forward == SHUNT_FULLNAT ? 2 : 0;
		config->backends[0].servers[0].address = v6;
		config->backends[0].servers[1].address = v6;
		config->backends[0].servers[1].address.bytes[15]++;
		config->frontends[0].binds[0].address = v6;
		config->frontends[0].binds[0].address.bytes[14]++;
		CU_ASSERT_EQUAL(state_apply(&s.control, config), 0);
		CU_ASSERT_EQUAL(app(&s)->removed_count, any ? 3 : 0);
		setup_destroy(&s);
	}
}

/* BEFORE or AFTER, with the servers' port, the binds' last one, and full NAT from a source if any.
 */
static struct config *
changed(const char *model, uint16_t port, uint16_t last_port, const char *source)
{
	struct config *config = model_config(model);
	struct backend_config *backend = &config->backends[0];

	for (size_t i = 0; i < backend->server_count; i++) {
		backend->servers[i].port_be = htons(port);
		backend->servers[i].keeps_port = port == 0;
	}
	config->frontends[0].binds[0].last_port_be = htons(last_port);
	if (source) {
		backend->forward = SHUNT_FULLNAT;
		backend->sources[0] = model_address(source);
		backend->source_count = 1;
	}
	return config;
}

/* Servers with a port, then a range: such an image is refused, and with it every change. */
static void
does_not_fit_ranges(void)
{
	struct setup s;

	remove_s3(&s);
	CU_ASSERT_EQUAL(state_apply(&s.control, changed(AFTER, 0, 90, NULL)), 0);
	CU_ASSERT_EQUAL(app(&s)->removed_count, 0);
	/* Those without one stay, and so do all with one bind of one port. */
	CU_ASSERT_EQUAL(state_apply(&s.control, changed(BEFORE, 0, 90, NULL)), 0);
	image_destroy(compile(&s));
	CU_ASSERT_EQUAL(state_apply(&s.control, changed(AFTER, 0, 90, NULL)), 0);
	CU_ASSERT_EQUAL(app(&s)->removed_count, 1);
	CU_ASSERT_EQUAL(state_apply(&s.control, changed(AFTER, 8080, 80, NULL)), 0);
	CU_ASSERT_EQUAL(app(&s)->removed_count, 3);
	setup_destroy(&s);
}

/* Full NAT without a source of its family, or with its address as a source. */
static void
does_not_fit_sources(void)
{
	struct shunt_addr v6 = { .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
	struct config *config;
	struct setup s;

	for (int i = 0; i < 3; i++) {
		remove_s3(&s);
		config = changed(AFTER, 8080, 80, i == 1 ? "10.0.0.3" : "10.0.0.200");
		if (i == 2) {
			config->backends[0].sources[0] = v6;
			config->backends[0].servers[0].address = v6;
			config->backends[0].server_count = 1;
		}
		CU_ASSERT_EQUAL(state_apply(&s.control, config), 0);
		CU_ASSERT_EQUAL(app(&s)->removed_count, i == 0);
		setup_destroy(&s);
	}
}

/* The mark that its sessions were reset by goes with it: another one would reset them again. */
static void
keeps_its_mark(void)
{
	struct image *running;
	struct server *server;
	struct setup a, b;

	setup_create(&a, BEFORE);
	server = state_find_server(&a.control, "app/s3");
	server_shutdown_sessions(server);
	server_shutdown_sessions(server);
	image_destroy(compile(&a));
	model_apply(&a.control, AFTER);
	running = compile(&a);

	setup_create(&b, AFTER);
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	CU_ASSERT_EQUAL_FATAL(app(&b)->removed_count, 1);
	CU_ASSERT_EQUAL(app(&b)->removed[0]->reset_mark, 2);
	setup_destroy(&b);

	model_apply(&a.control, BEFORE);
	CU_ASSERT_EQUAL(state_find_server(&a.control, "app/s3")->reset_mark, 2);
	image_destroy(running);
	setup_destroy(&a);
}

/* Servers without a port, too. */
static void
survives_a_restart_without_port(void)
{
	struct image *running, *after;
	struct setup a, b;

	setup_create(&a, "api x=10.0.9.9");
	CU_ASSERT_EQUAL(state_apply(&a.control, changed(BEFORE, 0, 90, NULL)), 0);
	image_destroy(compile(&a));
	CU_ASSERT_EQUAL(state_apply(&a.control, changed(AFTER, 0, 90, NULL)), 0);
	running = compile(&a);
	setup_create(&b, "api x=10.0.9.9");
	CU_ASSERT_EQUAL(state_apply(&b.control, changed(AFTER, 0, 90, NULL)), 0);
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	CU_ASSERT_EQUAL(app(&b)->removed_count, 1);
	after = compile(&b);
	CU_ASSERT_TRUE(image_equal(running, after));
	image_destroy(after);
	image_destroy(running);
	setup_destroy(&b);
	setup_destroy(&a);
}

/* A restarted process knows it by its being in the image and not in the file. */
static void
survives_a_restart(void)
{
	struct image *running, *after;
	struct setup a, b;
	uint32_t id = remove_s3(&a);

	running = compile(&a);
	setup_create(&b, AFTER);
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	CU_ASSERT_EQUAL_FATAL(app(&b)->removed_count, 1);
	after = compile(&b);
	CU_ASSERT_TRUE(image_equal(running, after)); /* so no worker is told anything */
	image_destroy(after);
	model_apply(&b.control, AFTER); /* before anything else, and it stays */
	CU_ASSERT_EQUAL_FATAL(app(&b)->removed_count, 1);
	CU_ASSERT_EQUAL(app(&b)->removed[0]->id, id);
	model_apply(&b.control, BEFORE);
	image_destroy(compile(&b));
	CU_ASSERT_EQUAL(state_find_server(&b.control, "app/s3")->id, id);
	setup_destroy(&b);

	/* Removed from the file while no process ran. */
	setup_create(&b, "app s2=10.0.0.2*20");
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	CU_ASSERT_EQUAL(app(&b)->removed_count, 2);
	/* Adopted, not yet in an image of its own, and the file changes again. */
	model_apply(&b.control, "app s2=10.0.0.2*20");
	CU_ASSERT_EQUAL(app(&b)->removed_count, 2);
	setup_destroy(&b);
	image_destroy(running);
	setup_destroy(&a);
}

static void
adopts_no_nonsense(void)
{
	struct shunt_server object = {
		.address = model_address("10.0.0.9"),
		.port_be = htons(80),
		.name = "s9",
	};
	struct setup s;

	setup_create(&s, AFTER);
	removed_adopt(&s.control, "nobody", 7, &object);
	object.health = SHUNT_HEALTH_COUNT;
	removed_adopt(&s.control, "app", 7, &object);
	object.health = SHUNT_HEALTH_UP;
	object.file_weight = SHUNT_MAX_WEIGHT + 1;
	removed_adopt(&s.control, "app", 7, &object);
	CU_ASSERT_EQUAL(app(&s)->removed_count, 0);
	object.file_weight = 0;
	object.port_be = htons(80);
	removed_adopt(&s.control, "app", 7, &object);
	CU_ASSERT_EQUAL(app(&s)->removed_count, 1);
	setup_destroy(&s);
}

/* There are only so many ids: those with the fewest sessions make room. */
static void
runs_out_of_ids(void)
{
	enum {
		FILE_SERVERS = SHUNT_MAX_SERVERS - 3, /* two may be kept */
	};
	struct shunt_stats *stats = stats_new();
	struct server_config *servers;
	struct config *config;
	struct setup s;
	uint32_t ids[3];

	setup_create(&s, BEFORE);
	image_destroy(compile(&s));
	for (int i = 0; i < 3; i++)
		ids[i] = app(&s)->servers[i]->id;
	model_apply(&s.control, "app s9=10.0.0.9");
	CU_ASSERT_EQUAL_FATAL(app(&s)->removed_count, 3);
	shunt_stats_servers(stats, 0)[ids[0]].sessions = 2;
	shunt_stats_servers(stats, 0)[ids[1]].sessions = 1;
	shunt_stats_servers(stats, 1)[ids[2]].sessions = 3;
	removed_sweep(&s.control, stats, 1000);

	config = model_config("app s9=10.0.0.9");
	servers = calloc(FILE_SERVERS, sizeof(*servers));
	for (uint32_t i = 0; i < FILE_SERVERS; i++) {
		servers[i] = config->backends[0].servers[0];
		snprintf(servers[i].name, SHUNT_NAME_SIZE, "n%u", i);
		servers[i].address.bytes[13] = (uint8_t)(1 + (i >> 16));
		servers[i].address.bytes[14] = (uint8_t)(i >> 8);
		servers[i].address.bytes[15] = (uint8_t)i;
	}
	free(config->backends[0].servers);
	config->backends[0].servers = servers;
	config->backends[0].server_count = FILE_SERVERS;
	CU_ASSERT_EQUAL(state_apply(&s.control, config), 0);
	CU_ASSERT_EQUAL_FATAL(app(&s)->removed_count, 2);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_NOT_EQUAL(app(&s)->removed[i]->id, ids[1]);
	setup_destroy(&s);
	free(stats);
}

static const struct unit_test tests[] = {
	{ "stays in the image", stays_in_the_image },
	{ "follows its next hop", follows_its_next_hop },
	{ "goes with its last session", goes_with_its_last_session },
	{ "is held for stateless flows", is_held_for_stateless_flows },
	{ "comes back", comes_back },
	{ "another takes its place", another_takes_its_place },
	{ "goes with its backend", goes_with_its_backend },
	{ "does not fit", does_not_fit },
	{ "survives a restart", survives_a_restart },
	{ "does not fit ranges", does_not_fit_ranges },
	{ "does not fit full NAT's sources", does_not_fit_sources },
	{ "keeps its mark", keeps_its_mark },
	{ "survives a restart without a port", survives_a_restart_without_port },
	{ "adopts no nonsense", adopts_no_nonsense },
	{ "runs out of ids", runs_out_of_ids },
};

UNIT_MAIN("removed", tests)
