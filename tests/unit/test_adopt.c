/* SPDX-License-Identifier: BSD-3-Clause */
#include "compile_setup.h"

static void
adoption(void)
{
	struct setup a, b;
	struct image *running, *after;
	struct server *server;

	setup_create(&a, "gone x=10.0.7.7 | " SERVERS);
	image_destroy(compile(&a));
	model_apply(&a.control, SERVERS); /* ids with gaps, services that moved */
	kernel.locals[0] = model_address("198.51.100.200");
	kernel.local_count = 1;
	server = state_find_server(&a.control, "app/s1");
	server->admin = SHUNT_ADMIN_DRAIN;
	server->changed_ms = 1234;
	state_find_server(&a.control, "app/s2")->weight = 7;
	running = compile(&a);

	setup_create(&b, SERVERS);
	kernel.locals[0] = model_address("198.51.100.200");
	kernel.local_count = 1;
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	server = state_find_server(&b.control, "app/s1");
	CU_ASSERT_EQUAL(server->admin, SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(server->changed_ms, 1234);
	CU_ASSERT_EQUAL(state_find_server(&b.control, "app/s2")->weight, 7);
	after = compile(&b);
	CU_ASSERT_TRUE(image_equal(running, after));
	image_destroy(running);
	image_destroy(after);
	setup_destroy(&a);
	setup_destroy(&b);
}

/* Between what loses a quorum and what brings it back it depends on what was before. */
static void
adopted_quorum(void)
{
	for (unsigned int lost = 0; lost < 2; lost++) {
		struct setup a, b;
		struct image *running, *after;

		setup_create(&a, SERVERS);
		setup_create(&b, SERVERS);
		a.control.backends[0]->config.quorum = b.control.backends[0]->config.quorum = 30;
		a.control.backends[0]->config.hysteresis = 5;
		b.control.backends[0]->config.hysteresis = 5;
		a.control.backends[0]->quorum_lost = lost;
		running = compile(&a);
		CU_ASSERT_EQUAL(get_backend(&a, running, "app")->quorum_lost, lost);
		CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
		after = compile(&b);
		CU_ASSERT_TRUE(image_equal(running, after));
		image_destroy(running);
		image_destroy(after);
		setup_destroy(&a);
		setup_destroy(&b);
	}
}

/* The kernel may not have seen the neighbour for a while: that is no reason to stop forwarding. */
static void
adopted_ways(void)
{
	struct setup a, b;
	struct image *running, *after;

	setup_create(&a, SERVERS);
	running = compile(&a);
	setup_create(&b, SERVERS);
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	kernel.known = false;
	after = compile(&b);
	CU_ASSERT_TRUE(image_equal(running, after));
	image_destroy(after);
	kernel.known = true;
	kernel.mac = 0x30;
	after = compile(&b);
	CU_ASSERT_NOT_EQUAL(get_server(&b, after, "app/s1")->nexthop,
		get_server(&a, running, "app/s1")->nexthop);
	image_destroy(after);
	/* The kernel has had its say: now it is believed that it knows none. */
	kernel.known = false;
	after = compile(&b);
	CU_ASSERT_EQUAL(get_server(&b, after, "app/s1")->nexthop, 0);
	image_destroy(after);
	setup_destroy(&b);

	setup_create(&b, SERVERS);
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	kernel.known = false;
	compiler_forget_ways(b.compiler);
	after = compile(&b);
	CU_ASSERT_EQUAL(get_server(&b, after, "app/s1")->nexthop, 0);
	image_destroy(after);
	image_destroy(running);
	setup_destroy(&a);
	setup_destroy(&b);
}

/* Another file, address or name: not the same server, whatever the id says. */
static void
adoption_of_others(void)
{
	struct setup a, b;
	struct image *running;

	setup_create(&a, "app s1=10.0.0.1 s2=10.0.0.2");
	state_find_server(&a.control, "app/s1")->admin = SHUNT_ADMIN_MAINT;
	state_find_server(&a.control, "app/s2")->admin = SHUNT_ADMIN_MAINT;
	running = compile(&a);
	setup_create(&b, "app s1=10.0.0.5 s3=10.0.0.2 | api s2=10.0.0.2");
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	image_destroy(compile(&b));
	for (size_t i = 0; i < 2; i++) {
		const struct server *server = b.control.backends[0]->servers[i];

		CU_ASSERT_EQUAL(server->admin, SHUNT_ADMIN_READY);
		CU_ASSERT(server->id > 2);
	}
	CU_ASSERT_EQUAL(b.control.backends[1]->servers[0]->admin, SHUNT_ADMIN_READY);
	image_destroy(running);
	setup_destroy(&a);
	setup_destroy(&b);
}

/* An id that was freed before the restart is not given again at once: old flows may name it. */
static void
adoption_of_last_ids(void)
{
	struct setup a, b;
	struct image *running;
	const struct service *services;
	uint32_t freed;

	setup_create(&a, "app s1=10.0.0.1 | api s1=10.0.0.2 | last s1=10.0.0.3");
	image_destroy(compile(&a));
	freed = state_find_server(&a.control, "last/s1")->id;
	model_apply(&a.control, "app s1=10.0.0.1 | api s1=10.0.0.2");
	running = compile(&a);
	CU_ASSERT_PTR_NULL(image_get(running, SHUNT_KIND_SERVER, freed, NULL));

	setup_create(&b, "app s1=10.0.0.1 | api s1=10.0.0.2 | new s1=10.0.0.4");
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	image_destroy(compile(&b));
	services = b.control.services;
	CU_ASSERT_EQUAL(state_find_server(&b.control, "api/s1")->id, freed - 1);
	CU_ASSERT_EQUAL(state_find_server(&b.control, "new/s1")->id, freed + 1);
	CU_ASSERT_EQUAL(services[2].id, services[1].id + 2);
	image_destroy(running);
	setup_destroy(&a);
	setup_destroy(&b);
}

static void
adoption_of_nonsense(void)
{
	struct setup s;
	struct image *running = image_create(), *image;
	struct shunt_backend backend = { .name = "app" };
	struct shunt_server server = { .backend = 3, .nexthop = 77, .port_be = htons(8080) };

	image_put(running, SHUNT_KIND_BACKEND, 3, &backend, sizeof(backend));
	image_put(running, SHUNT_KIND_BACKEND, 4, &backend, sizeof(backend)); /* the same again */
	memset(backend.name, 'a', sizeof(backend.name));
	image_put(running, SHUNT_KIND_BACKEND, 5, &backend, sizeof(backend)); /* without an end */
	server.address = model_address("10.0.0.1");
	memset(server.name, 's', sizeof(server.name));
	image_put(running, SHUNT_KIND_SERVER, 1, &server, sizeof(server));
	memcpy(server.name, "s1", 3);
	memset(server.name + 3, 0, sizeof(server.name) - 3);
	server.backend = 99; /* which is not there */
	image_put(running, SHUNT_KIND_SERVER, 2, &server, sizeof(server));
	server.backend = 5;
	image_put(running, SHUNT_KIND_SERVER, 3, &server, sizeof(server));
	server.backend = 3;
	image_put(running, SHUNT_KIND_SERVER, 4, &server, sizeof(server));
	server.admin = SHUNT_ADMIN_MAINT;
	image_put(running, SHUNT_KIND_SERVER, 5, &server, sizeof(server)); /* the same again */

	setup_create(&s, "app s1=10.0.0.1");
	CU_ASSERT_EQUAL(compiler_adopt(s.compiler, &s.control, running), 0);
	image = compile(&s);
	CU_ASSERT_EQUAL(state_find_backend(&s.control, "app")->id, 3);
	CU_ASSERT_EQUAL(state_find_server(&s.control, "app/s1")->id, 4);
	CU_ASSERT_EQUAL(state_find_server(&s.control, "app/s1")->admin, SHUNT_ADMIN_READY);
	image_destroy(running);
	image_destroy(image);
	setup_destroy(&s);
}

/* A range is another service than the port that it begins with. */
static void
adopted_ranges(void)
{
	struct setup a, b;
	struct image *running, *after;
	const struct shunt_service *service;
	uint32_t id;

	setup_create(&a, SERVERS);
	a.control.services[0].last_port_be = htons(99);
	running = compile(&a);
	id = a.control.services[0].id;
	service = get(running, SHUNT_KIND_SERVICE, id, sizeof(*service));
	CU_ASSERT_EQUAL(service->port_be, htons(80));
	CU_ASSERT_EQUAL(service->last_port_be, htons(99));
	setup_create(&b, SERVERS);
	b.control.services[0].last_port_be = htons(99);
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	after = compile(&b);
	CU_ASSERT_TRUE(image_equal(running, after));
	image_destroy(after);
	setup_destroy(&b);
	setup_create(&b, SERVERS);
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	after = compile(&b);
	CU_ASSERT_NOT_EQUAL(b.control.services[0].id, id);
	image_destroy(after);
	image_destroy(running);
	setup_destroy(&a);
	setup_destroy(&b);
}

static const struct unit_test tests[] = {
	{ "ranges", adopted_ranges },
	{ "adoption", adoption },
	{ "adopted ways", adopted_ways },
	{ "quorum", adopted_quorum },
	{ "adoption of others", adoption_of_others },
	{ "adoption of last ids", adoption_of_last_ids },
	{ "adoption of nonsense", adoption_of_nonsense },
};

UNIT_MAIN("adopt", tests)
