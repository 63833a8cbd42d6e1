/* SPDX-License-Identifier: BSD-3-Clause */
/* Which servers the fast path knows, by mode and port. */
#include "generation.h"
#include "objects_helper.h"

/* A server with a known way. */
static enum gen_plain
plain_of(uint8_t forward, uint16_t port)
{
	struct shunt_member member = { 1, 1 };
	struct object_store *store = object_store_create();
	struct shunt_nexthop hop = { .port = 1, .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct shunt_server server = helper_server("10.0.0.1", port, 1);
	struct shunt_backend *b = helper_backend(SHUNT_ROUNDROBIN, &member, 1, 16);
	struct generation_error error;
	struct generation *g;
	enum gen_plain plain;
	int result;

	b->forward = forward;
	if (forward == SHUNT_TUNNEL)
		b->encap = SHUNT_IPIP;
	server.nexthop = 1;
	helper_put_settings(store);
	helper_put(store, SHUNT_KIND_NEXTHOP, 1, &hop, sizeof(hop));
	helper_put(store, SHUNT_KIND_SERVER, 1, &server, sizeof(server));
	helper_put(store, SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b));
	free(b);
	g = generation_create(store, 1, NULL, 2, &error, &result);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	plain = g->servers[1].plain;
	generation_destroy(g);
	object_store_destroy(store);
	return plain;
}

/* Direct servers are sent what came, port and all: they usually have no port of their own. */
static void
test_plain_servers(void)
{
	CU_ASSERT_EQUAL(plain_of(SHUNT_DR, 0), GEN_PLAIN_DR);
	CU_ASSERT_EQUAL(plain_of(SHUNT_DR, 80), GEN_PLAIN_DR);
	CU_ASSERT_EQUAL(plain_of(SHUNT_NAT, 80), GEN_PLAIN_NAT);
	CU_ASSERT_EQUAL(plain_of(SHUNT_NAT, 0), GEN_PLAIN_NOT);
	CU_ASSERT_EQUAL(plain_of(SHUNT_TUNNEL, 0), GEN_PLAIN_NOT);
}

static const struct unit_test tests[] = {
	{ "servers that the fast path knows", test_plain_servers },
};

UNIT_MAIN("generation_plain", tests)
