/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules on the packet path: what new flows meet, and that the others do not. */
#include "path.h"
#include "rules_helper.h"

#define OTHER_BACKEND 2
#define OTHER_SERVER  (SERVERS + 1)
#define OTHER_PORT    9001

/* Clients below 256 are in the first /24: ACL 0. */
static struct rules_acl acls[2];
static struct rules_rule rules[2];
static struct rules_model model;

static void
set_rules(struct path *path, uint8_t action, bool negated)
{
	memset(acls, 0, sizeof(acls));
	memset(rules, 0, sizeof(rules));
	acls[0].acl.kinds = SHUNT_ACL_SRC;
	acls[0].src[0] = rules_prefix(path->version == 4 ? "192.2.0.0/24" : "2001:db8:c::/120");
	acls[0].src_count = 1;
	acls[1].acl.kinds = SHUNT_ACL_PROTOCOL;
	acls[1].acl.protocols = SHUNT_ACL_UDP;
	rules[0] = (struct rules_rule){ .action = action,
		.literal_count = 1,
		.literals = { negated ? SHUNT_LITERAL_NOT : 0 },
		.backend = action == SHUNT_RULE_USE_BACKEND ? OTHER_BACKEND : 0 };
	/* Never asked of by TCP. */
	rules[1] = (struct rules_rule){
		.action = SHUNT_RULE_DROP, .literal_count = 1, .literals = { 1 }
	};
	model = (struct rules_model){ .acls = acls,
		.acl_count = 2,
		.rules = rules,
		.rule_count = 2,
		.row_ends = { 2 },
		.row_count = 1 };
	rules_put(path->objects, &model, 2);
}

static void
put_service(struct path *path, uint32_t row)
{
	struct shunt_service service =
		helper_service(service_address(path), 80, SHUNT_TCP, BACKEND);

	service.rules = row;
	helper_put(path->objects, SHUNT_KIND_SERVICE, SERVICE, &service, sizeof(service));
}

static void
open_path(struct path *path, uint8_t version, uint8_t action, bool negated)
{
	const struct shunt_member member = { .server = OTHER_SERVER, .weight = 1 };
	struct shunt_server server;

	path_open(path, version, SHUNT_SOURCE, CAPACITY);
	server = helper_server(server_address(path, OTHER_SERVER), OTHER_PORT, OTHER_BACKEND);
	server.nexthop = 1;
	helper_put(path->objects, SHUNT_KIND_SERVER, OTHER_SERVER, &server, sizeof(server));
	helper_put_backend(path->objects, OTHER_BACKEND, SHUNT_SOURCE, &member, 1, 16);
	set_rules(path, action, negated);
	put_service(path, 1);
	path_commit(path);
}

static uint64_t
hits(const struct path *path, uint32_t rule)
{
	return shunt_stats_hits(path->stats, 0)[SHUNT_MAX_RULES - 1 - rule];
}

/* As reply(), of the other backend's server. */
static struct result
other_reply(struct path *path, uint32_t client, uint16_t port, uint8_t flags)
{
	struct frame_spec spec = frame_default(path->version, SHUNT_TCP);
	struct shunt_addr address = helper_addr(server_address(path, OTHER_SERVER));
	bool v4 = path->version == 4;
	struct result r;

	memcpy(spec.src, address.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
	client_address(path, client, spec.dst);
	spec.sport = OTHER_PORT;
	spec.dport = port;
	spec.flags = flags;
	path_run(path, &r, 1, frame_build(r.frame, &spec));
	return r;
}

static void
check_actions(uint8_t version)
{
	static const struct {
		uint8_t action;
		uint8_t drop;
	} cases[] = {
		{ SHUNT_RULE_ACCEPT, SHUNT_DROP_NONE },
		{ SHUNT_RULE_DROP, SHUNT_DROP_RULE },
		{ SHUNT_RULE_REJECT, SHUNT_DROP_REFUSED },
	};
	struct path path;

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool negated = i % 2;
		uint32_t in = negated ? 1000 : 7, out = negated ? 7 : 1000;

		open_path(&path, version, cases[i / 2].action, negated);
		CU_ASSERT_EQUAL(
			request(&path, SHUNT_TCP, in, 40000, PKT_SYN).p.drop, cases[i / 2].drop);
		CU_ASSERT_EQUAL(hits(&path, 0), 1);
		CU_ASSERT_EQUAL(hits(&path, 1), 0);
		connect_client(&path, out, 40000);
		CU_ASSERT_EQUAL(hits(&path, 0), 1);
		/* Also what is midway, and has no entry. */
		CU_ASSERT_EQUAL(
			request(&path, SHUNT_TCP, in, 40001, PKT_ACK).p.drop, cases[i / 2].drop);
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, in, 40002, PKT_FIN | PKT_ACK).p.drop,
			cases[i / 2].drop);
		CU_ASSERT_EQUAL(hits(&path, 0), 3);
		path_close(&path);
	}
}

static void
test_actions(void)
{
	check_actions(4);
	check_actions(6);
}

static void
check_use_backend(uint8_t version)
{
	struct path path;
	struct result r;

	open_path(&path, version, SHUNT_RULE_USE_BACKEND, false);
	r = request(&path, SHUNT_TCP, 7, 40000, PKT_SYN);
	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(r.p.server, OTHER_SERVER);
	r = other_reply(&path, 7, 40000, PKT_SYN | PKT_ACK);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(r.p.server, OTHER_SERVER);
	r = request(&path, SHUNT_TCP, 7, 40000, PKT_ACK);
	CU_ASSERT_EQUAL(r.p.server, OTHER_SERVER);
	CU_ASSERT_EQUAL(hits(&path, 0), 1);
	CU_ASSERT_EQUAL(shunt_stats_servers(path.stats, 0)[OTHER_SERVER].sessions, 1);
	/* Midway, without an entry: the same backend. */
	r = request(&path, SHUNT_TCP, 8, 40000, PKT_ACK);
	CU_ASSERT_EQUAL(r.p.server, OTHER_SERVER);
	r = other_reply(&path, 8, 40000, PKT_ACK);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	/* The service's own backend has the others. */
	CU_ASSERT(connect_client(&path, 1000, 40000) <= SERVERS);
	/* No rule leads there any more: the flow is as good as gone. */
	set_rules(&path, SHUNT_RULE_ACCEPT, false);
	path_commit(&path);
	CU_ASSERT_EQUAL(other_reply(&path, 7, 40000, PKT_ACK).p.drop, SHUNT_DROP_NO_SERVICE);
	r = request(&path, SHUNT_TCP, 7, 40000, PKT_ACK);
	CU_ASSERT(r.p.server >= 1 && r.p.server <= SERVERS);
	path_close(&path);
}

static void
test_use_backend(void)
{
	check_use_backend(4);
	check_use_backend(6);
}

/* The other backend with this mode, of the service's port. */
static void
put_other(struct path *path, uint8_t forward)
{
	const struct shunt_member member = { .server = OTHER_SERVER, .weight = 1 };
	const struct shunt_source source = { .address = helper_addr("10.0.0.240") };
	const struct shunt_nexthop nexthop = {
		.port = 1, .mac = { { 2, 0, 0, 0, 0, 7 } }, .source = helper_addr("10.0.0.254")
	};
	struct shunt_backend *backend = helper_backend(SHUNT_SOURCE, &member, 1, 16);
	struct shunt_server server =
		helper_server(server_address(path, OTHER_SERVER), 80, OTHER_BACKEND);

	server.nexthop = 2;
	backend->forward = forward;
	backend->encap = forward == SHUNT_TUNNEL ? SHUNT_IPIP : SHUNT_ENCAP_NONE;
	backend->sources[0] = forward == SHUNT_FULLNAT;
	helper_put(path->objects, SHUNT_KIND_SOURCE, 1, &source, sizeof(source));
	helper_put(path->objects, SHUNT_KIND_NEXTHOP, 2, &nexthop, sizeof(nexthop));
	helper_put(path->objects, SHUNT_KIND_SERVER, OTHER_SERVER, &server, sizeof(server));
	helper_put(path->objects, SHUNT_KIND_BACKEND, OTHER_BACKEND, backend,
		shunt_backend_bytes(backend));
	free(backend);
	path_commit(path);
}

/* A service by NAT whose rules lead to backends of all other modes, one after the other. */
static void
test_modes(void)
{
	static const uint8_t modes[] = { SHUNT_DR, SHUNT_TUNNEL, SHUNT_FULLNAT };
	struct path path;
	struct result r;

	open_path(&path, 4, SHUNT_RULE_USE_BACKEND, false);
	for (size_t i = 0; i < sizeof(modes); i++) {
		put_other(&path, modes[i]);
		for (uint8_t flags = PKT_SYN; flags; flags = flags == PKT_SYN ? PKT_ACK : 0) {
			r = request(&path, SHUNT_TCP, 7, (uint16_t)(40000 + i), flags);
			CU_ASSERT_EQUAL(r.p.drop, 0);
			CU_ASSERT_EQUAL(r.p.server, OTHER_SERVER);
			/* The last byte of the next hop's MAC address. */
			CU_ASSERT_EQUAL(((uint8_t *)&r)[offsetof(struct result, frame) +
						(size_t)(r.start + 5)],
				7);
			/* An IP header more, in front; or the source is another. */
			CU_ASSERT_EQUAL(r.start, modes[i] == SHUNT_TUNNEL ? -20 : 0);
			CU_ASSERT_EQUAL(r.p.source, modes[i] == SHUNT_FULLNAT);
		}
		CU_ASSERT_EQUAL(hits(&path, 0), i + 1);
		/* The service's own go on by NAT. */
		connect_client(&path, 1000, (uint16_t)(40000 + i));
	}
	path_close(&path);
}

/* Rules that come or change decide of new flows alone. */
static void
test_once(void)
{
	struct path path;
	uint32_t server;

	open_path(&path, 4, SHUNT_RULE_ACCEPT, false);
	server = connect_client(&path, 7, 40000);
	set_rules(&path, SHUNT_RULE_REJECT, false);
	path_commit(&path);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 7, 40000, PKT_ACK).p.server, server);
	CU_ASSERT_EQUAL(reply(&path, SHUNT_TCP, server, 7, 40000, PKT_ACK).p.drop, 0);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 7, 40001, PKT_SYN).p.drop, SHUNT_DROP_REFUSED);
	put_service(&path, 0);
	path_commit(&path);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 7, 40001, PKT_SYN).p.drop, 0);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 7, 40000, PKT_ACK).p.server, server);
	path_close(&path);
}

/* A bit of truth is all that changes, and what rules are found by is not built again. */
static void
test_truth(void)
{
	struct path path;
	const struct acl *acl;

	open_path(&path, 4, SHUNT_RULE_DROP, false);
	acls[0].acl.kinds |= SHUNT_ACL_TRUTH;
	acls[0].acl.truth = 77;
	rules_put(path.objects, &model, 2);
	path_commit(&path);
	acl = path.generation->acl;
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 7, 40000, PKT_SYN).p.drop, 0);
	model.truth[1] = 1ull << (77 - 64);
	rules_put(path.objects, &model, 2);
	path_commit(&path);
	CU_ASSERT(path.generation->same_ways);
	CU_ASSERT_PTR_EQUAL(path.generation->acl, acl);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 7, 40001, PKT_SYN).p.drop, SHUNT_DROP_RULE);
	path_close(&path);
}

static const char *
refusal(struct path *path)
{
	struct generation_error error;
	int result;
	struct generation *g =
		generation_create(path->objects, 99, path->generation, 2, &error, &result);

	CU_ASSERT_PTR_NULL_FATAL(g);
	return error.text;
}

static void
test_refused(void)
{
	struct path path;
	struct shunt_service service;

	open_path(&path, 4, SHUNT_RULE_USE_BACKEND, false);
	put_service(&path, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(refusal(&path), "row of rules"));
	put_service(&path, 1);
	rules[0].backend = 3;
	rules_put(path.objects, &model, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(refusal(&path), "rules lead to does not exist"));
	rules[0].backend = OTHER_BACKEND;
	rules_put(path.objects, &model, 2);
	helper_put_server(path.objects, OTHER_SERVER, "2001:db8:a::9", OTHER_PORT, OTHER_BACKEND);
	CU_ASSERT_PTR_NOT_NULL(strstr(refusal(&path), "other address family"));
	helper_put_server(path.objects, OTHER_SERVER, "10.0.0.9", OTHER_PORT, OTHER_BACKEND);
	service = helper_service(service_address(&path), 80, SHUNT_TCP, BACKEND);
	service.rules = 1;
	service.last_port_be = htons(81);
	helper_put(path.objects, SHUNT_KIND_SERVICE, SERVICE, &service, sizeof(service));
	CU_ASSERT_PTR_NOT_NULL(strstr(refusal(&path), "several ports"));
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "accept, drop, reject", test_actions },
	{ "use-backend", test_use_backend },
	{ "backends of all modes", test_modes },
	{ "once a flow", test_once },
	{ "truth", test_truth },
	{ "what does not go together", test_refused },
};

UNIT_MAIN("rules", tests)
