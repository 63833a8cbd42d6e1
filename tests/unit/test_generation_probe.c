/* SPDX-License-Identifier: BSD-3-Clause */
/* A generation names the services that probes go through only where that works. */
#include <errno.h>

#include "generation.h"
#include "objects_helper.h"

/* Two services of two backends, and a server of the first that is probed through `service`. */
static struct object_store *
probed_store(uint8_t forward, const char *address, uint32_t service)
{
	struct shunt_member member = { 1, 1 };
	struct object_store *store = object_store_create();
	struct shunt_backend *b = helper_backend(SHUNT_SOURCE, &member, 1, 16);
	struct shunt_server server = helper_server(address, 80, 1);

	b->forward = forward;
	if (forward == SHUNT_TUNNEL)
		b->encap = SHUNT_IPIP;
	server.probe_service = service;
	helper_put_settings(store);
	helper_put(store, SHUNT_KIND_SERVER, 1, &server, sizeof(server));
	helper_put(store, SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b));
	helper_put_backend(store, 2, SHUNT_SOURCE, NULL, 0, 0);
	helper_put_service(store, 1, "198.51.100.10", 80, SHUNT_TCP, 1);
	helper_put_service(store, 2, "198.51.100.11", 80, SHUNT_TCP, 2);
	free(b);
	return store;
}

static void
test_probe_services(void)
{
	static const struct {
		uint8_t forward;
		const char *address;
		uint32_t service;
		const char *refused; /* NULL: it is not */
	} cases[] = {
		{ SHUNT_DR, "10.0.0.1", 0, NULL },
		{ SHUNT_DR, "10.0.0.1", 1, NULL },
		{ SHUNT_TUNNEL, "10.0.0.1", 1, NULL },
		{ SHUNT_TUNNEL, "fd00::1", 0, NULL },
		{ SHUNT_NAT, "10.0.0.1", 0, NULL },
		{ SHUNT_NAT, "10.0.0.1", 1, "answer directly" },
		{ SHUNT_DR, "10.0.0.1", 2, "another backend" },
		{ SHUNT_DR, "10.0.0.1", 3, "does not exist" },
		{ SHUNT_DR, "10.0.0.1", 4095, "does not exist" },
		{ SHUNT_TUNNEL, "fd00::1", 1, "family" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_store *store =
			probed_store(cases[i].forward, cases[i].address, cases[i].service);
		struct generation_error error;
		int result = 1;
		struct generation *g = generation_create(store, 1, NULL, 1, &error, &result);

		CU_ASSERT_EQUAL(result, cases[i].refused ? -EINVAL : 0);
		CU_ASSERT_EQUAL(g == NULL, cases[i].refused != NULL);
		if (cases[i].refused) {
			CU_ASSERT_EQUAL(error.kind, SHUNT_KIND_SERVER);
			CU_ASSERT_PTR_NOT_NULL(strstr(error.text, cases[i].refused));
		}
		generation_destroy(g);
		object_store_destroy(store);
	}
}

static const struct unit_test tests[] = {
	{ "services that probes go through", test_probe_services },
};

UNIT_MAIN("generation_probe", tests)
