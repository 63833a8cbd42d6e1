/* SPDX-License-Identifier: BSD-3-Clause */
/* Which source addresses a backend with full NAT must have, and what its services may be. */
#include "generation.h"
#include "objects_helper.h"

static void
put_source(struct object_store *store, uint32_t id, const char *address)
{
	const struct shunt_source source = { .address = helper_addr(address) };

	helper_put(store, SHUNT_KIND_SOURCE, id, &source, sizeof(source));
}

static void
put_backend(struct object_store *store, const uint8_t *sources, uint32_t server)
{
	const struct shunt_member member = { .server = server, .weight = 1 };
	struct shunt_backend *backend = helper_backend(SHUNT_SOURCE, &member, 1, 4);

	backend->forward = SHUNT_FULLNAT;
	memcpy(backend->sources, sources, 2);
	helper_put(store, SHUNT_KIND_BACKEND, 1, backend, shunt_backend_bytes(backend));
	free(backend);
}

static void
put_service(struct object_store *store, uint32_t id, const char *address)
{
	const struct shunt_service service = helper_service(address, 80, SHUNT_TCP, 1);

	helper_put(store, SHUNT_KIND_SERVICE, id, &service, sizeof(service));
}

/* A server of either family may be there, services are of both. */
static struct object_store *
store_with(const char *server, const uint8_t *sources)
{
	struct object_store *store = object_store_create();
	const struct shunt_settings settings = { { 1 } };
	const struct shunt_server object = helper_server(server, 8080, 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	helper_put(store, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	put_source(store, 3, "10.0.0.200");
	put_source(store, 4, "2001:db8:2::200");
	helper_put(store, SHUNT_KIND_SERVER, 1, &object, sizeof(object));
	put_backend(store, sources, 1);
	put_service(store, 1, "198.51.100.10");
	put_service(store, 2, "2001:db8::10");
	return store;
}

static struct generation *
build(const struct object_store *store, struct generation *before, struct generation_error *error)
{
	int result;
	struct generation *g = generation_create(store, 1, before, 1, error, &result);

	CU_ASSERT_EQUAL(result, g ? 0 : -EINVAL);
	return g;
}

static void
check(const char *server, uint8_t first, uint8_t second, bool right)
{
	const uint8_t sources[2] = { first, second };
	struct object_store *store = store_with(server, sources);
	struct generation_error error;
	struct generation *g = build(store, NULL, &error);

	CU_ASSERT_EQUAL(g != NULL, right);
	if (!right) {
		CU_ASSERT_EQUAL(error.kind, SHUNT_KIND_BACKEND);
		CU_ASSERT_EQUAL(error.id, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "source address"));
	}
	generation_destroy(g);
	object_store_destroy(store);
}

static void
test_families(void)
{
	check("10.0.0.1", 3, 0, true);
	check("10.0.0.1", 3, 4, true);
	check("10.0.0.1", 4, 0, false);
	check("2001:db8:2::1", 4, 0, true);
	check("2001:db8:2::1", 3, 4, true);
	check("2001:db8:2::1", 3, 0, false);
	check("10.0.0.1", 3, 9, false); /* which there is none of */
}

/* A server that comes to a backend that is shared with the generation before. */
static void
test_shared(void)
{
	const uint8_t sources[2] = { 3, 0 };
	struct object_store *store = store_with("10.0.0.1", sources);
	const struct shunt_server other = helper_server("2001:db8:2::1", 8080, 1);
	struct generation_error error;
	struct generation *before = build(store, NULL, &error), *after;

	CU_ASSERT_PTR_NOT_NULL_FATAL(before);
	helper_put(store, SHUNT_KIND_SERVER, 2, &other, sizeof(other));
	after = build(store, before, &error);
	CU_ASSERT_PTR_NULL(after);
	CU_ASSERT_EQUAL(error.kind, SHUNT_KIND_BACKEND);
	generation_destroy(after);
	generation_destroy(before);
	object_store_destroy(store);
}

static const struct unit_test tests[] = {
	{ "families of servers and sources", test_families },
	{ "a server of the other family comes", test_shared },
};

UNIT_MAIN("generation_fullnat", tests)
