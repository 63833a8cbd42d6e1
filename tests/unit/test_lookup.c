/* SPDX-License-Identifier: BSD-3-Clause */
/* The lookup command: where would this packet go, and why. */
#include "shunt/selection.h"
#include "api_fixture.h"

#define MEMBERS 2
#define SLOTS	256

#define LOOKUP(protocol, client, address)                                \
	"{\"command\": \"lookup\", \"args\": {\"protocol\": \"" protocol \
	"\", \"client\": \"" client "\", \"address\": \"" address "\"}}"
#define LOOKUP_WEB LOOKUP("tcp", "192.0.2.1:1000", "198.51.100.10:80")

struct backend_object {
	struct shunt_backend backend;
	struct shunt_member members[MEMBERS];
	uint16_t slots[SLOTS];
};

/* What the compiler would have made of the state: both servers of app, slots in turn. */
static void
put_objects(struct fixture *f, uint8_t algorithm, uint8_t hash_on, uint32_t member_count)
{
	struct backend_object app = {
		.backend = { .algorithm = algorithm,
			.hash_on = hash_on,
			.member_count = member_count,
			.slot_count = member_count ? SLOTS : 0 },
		.members = { { 1, 10 }, { 2, 10 } },
	};
	struct shunt_settings settings;
	struct shunt_server server = { .nexthop = 1 };

	for (size_t i = 0; i < SLOTS; i++)
		app.slots[i] = i % MEMBERS;
	for (uint8_t i = 0; i < 16; i++)
		settings.hash_secret[i] = i;
	image_put(f->publish.image, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	image_put(f->publish.image, SHUNT_KIND_SERVER, 1, &server, sizeof(server));
	image_put(f->publish.image, SHUNT_KIND_SERVER, 2, &server, sizeof(server));
	image_put(f->publish.image, SHUNT_KIND_BACKEND, 1, &app,
		member_count ? sizeof(app) : sizeof(app.backend));
}

static void
check_lookup(json_t *data, const char *action, const char *backend, const char *server,
	const char *reason)
{
	CU_ASSERT_STRING_EQUAL(string(data, "action"), action);
	CU_ASSERT_STRING_EQUAL(string(data, "backend"), backend);
	CU_ASSERT_STRING_EQUAL(string(data, "server"), server);
	CU_ASSERT_PTR_NOT_NULL(strstr(string(data, "reason"), reason));
	CU_ASSERT_EQUAL(strncmp(keys_of(data), "action frontend backend server reason", 37), 0);
	json_decref(data);
}

static void
test_lookup_hash(void)
{
	struct fixture f;
	json_t *data;
	char request[256];
	unsigned int shares[MEMBERS] = { 0 };

	fixture_start(&f);
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, MEMBERS);
	for (unsigned int i = 1; i <= 50; i++) {
		struct shunt_selection_key key = { 0 };
		uint8_t client[4] = { 192, 0, 2, (uint8_t)i }, secret[16];
		uint32_t member;

		for (uint8_t j = 0; j < 16; j++)
			secret[j] = j;
		key.client = shunt_addr_from_v4(client);
		member = shunt_selection_slot(
				 shunt_selection_hash(secret, SHUNT_HASH_SOURCE, &key), SLOTS) %
			MEMBERS;
		shares[member]++;
		snprintf(request, sizeof(request),
			LOOKUP("tcp", "192.0.2.%u:1000", "198.51.100.11:80"), i);
		check_lookup(ask_data(&f, request), "forward", "app", member ? "s2" : "s1",
			"source hash");
	}
	CU_ASSERT_TRUE(shares[0] > 0 && shares[1] > 0);
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_CONNECTION, MEMBERS);
	data = ask_data(&f, LOOKUP_WEB);
	CU_ASSERT_STRING_EQUAL(string(data, "frontend"), "web");
	CU_ASSERT_STRING_EQUAL(string(data, "reason"), "connection hash");
	json_decref(data);
	for (size_t i = 0; i < f.control.service_count; i++)
		f.control.services[i].stateless = true;
	data = ask_data(&f, LOOKUP_WEB);
	CU_ASSERT_STRING_EQUAL(string(data, "reason"), "connection hash, stateless");
	json_decref(data);
	fixture_close(&f);
}

static void
test_lookup_without_server(void)
{
	struct shunt_server lost = { 0 };
	uint8_t short_backend[8] = { 0 };
	struct fixture f;

	fixture_start(&f);
	check_lookup(ask_data(&f, LOOKUP("udp", "192.0.2.1:1000", "198.51.100.10:80")), "none",
		"(none)", "(none)", "no frontend");
	check_lookup(ask_data(&f, LOOKUP("tcp", "192.0.2.1:1000", "198.51.100.10:81")), "none",
		"(none)", "(none)", "no frontend");
	check_lookup(ask_data(&f, LOOKUP_WEB), "none", "app", "(none)", "not been told");
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, 0);
	check_lookup(ask_data(&f, LOOKUP_WEB), "drop", "app", "(none)", "no-server");
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, MEMBERS);
	image_put(f.publish.image, SHUNT_KIND_SERVER, 1, &lost, sizeof(lost));
	f.publish.flow_answer = 1;
	check_lookup(ask_data(&f, LOOKUP_WEB), "drop", "app", "s1", "no-neighbor");
	f.publish.flow_answer = 77;
	check_lookup(ask_data(&f, LOOKUP_WEB), "forward", "app", "(none)", "removed");
	f.publish.flow_answer = 0;
	image_put(f.publish.image, SHUNT_KIND_BACKEND, 1, short_backend, sizeof(short_backend));
	check_lookup(ask_data(&f, LOOKUP_WEB), "none", "app", "(none)", "not been told");
	f.control.publish = NULL;
	check_lookup(ask_data(&f, LOOKUP_WEB), "none", "app", "(none)", "not been told");
	fixture_close(&f);
}

static void
test_lookup_algorithms(void)
{
	struct fixture f;
	json_t *data;

	fixture_start(&f);
	put_objects(&f, SHUNT_ROUNDROBIN, SHUNT_HASH_SOURCE, MEMBERS);
	data = ask_data(&f, LOOKUP_WEB);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(data, "candidates")), 2);
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_array_get(json_object_get(data, "candidates"), 1)), "s2");
	check_lookup(data, "forward", "app", "(none)", "round robin");
	put_objects(&f, SHUNT_LEASTCONN, SHUNT_HASH_SOURCE, MEMBERS);
	check_lookup(ask_data(&f, LOOKUP_WEB), "forward", "app", "(none)", "least connections");
	put_objects(&f, SHUNT_RANDOM, SHUNT_HASH_SOURCE, MEMBERS);
	check_lookup(ask_data(&f, LOOKUP_WEB), "forward", "app", "(none)", "chance");
	put_objects(&f, SHUNT_FIRST, SHUNT_HASH_SOURCE, MEMBERS);
	check_lookup(ask_data(&f, LOOKUP_WEB), "forward", "app", "(none)", "first that has room");
	f.publish.flow_answer = 2;
	check_lookup(ask_data(&f, LOOKUP_WEB), "forward", "app", "s2", "established flow");
	fixture_close(&f);
}

static size_t
unless_count(struct fixture *f)
{
	json_t *data = ask_data(f, LOOKUP_WEB);
	size_t count = json_array_size(json_object_get(data, "unless"));

	json_decref(data);
	return count;
}

/* What only the workers know is said to be so. */
static void
test_lookup_unless(void)
{
	struct backend_object app;
	struct fixture f;
	size_t length;
	json_t *data;

	fixture_start(&f);
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, MEMBERS);
	CU_ASSERT_EQUAL(unless_count(&f), 0);
	memcpy(&app, image_get(f.publish.image, SHUNT_KIND_BACKEND, 1, &length), sizeof(app));
	app.backend.persist_ms = 1000;
	app.members[1].maxconn = 5;
	app.backend.balance_factor = 120;
	image_put(f.publish.image, SHUNT_KIND_BACKEND, 1, &app, sizeof(app));
	CU_ASSERT_EQUAL(unless_count(&f), 3);
	data = ask_data(&f, LOOKUP_WEB);
	CU_ASSERT_PTR_NOT_NULL(strstr(
		json_string_value(json_array_get(json_object_get(data, "unless"), 0)), "persist"));
	json_decref(data);
	/* Of flows that stand it is known. */
	f.publish.flow_answer = 2;
	CU_ASSERT_EQUAL(unless_count(&f), 0);
	fixture_close(&f);
}

/* Rules by hand: only the second one says something of TCP. */
static void
test_lookup_rules(void)
{
	struct acl_config acls[] = {
		{ .name = "udp", .kinds = SHUNT_ACL_PROTOCOL, .protocols = SHUNT_ACL_UDP },
		{ .name = "wan", .kinds = SHUNT_ACL_INTERFACE },
	};
	uint32_t literals[] = { 0, 1, 0 | SHUNT_LITERAL_NOT };
	struct rule_config rules[] = {
		{ SHUNT_RULE_DROP, SIZE_MAX, &literals[0], 1 },
		{ SHUNT_RULE_REJECT, SIZE_MAX, &literals[1], 2 },
		{ SHUNT_RULE_ACCEPT, SIZE_MAX, NULL, 0 },
	};
	struct frontend_config frontend = { .rules = rules, .rule_count = 3 };
	struct config config = { .acls = acls, .acl_count = 2 }, *loaded;
	const struct frontend_config *services_config;
	struct fixture f;
	json_t *data;

	acls[1].interfaces = calloc(1, sizeof(*acls[1].interfaces));
	snprintf(acls[1].interfaces[0], SHUNT_NAME_SIZE, "wan");
	acls[1].interface_count = 1;
	fixture_start(&f);
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, MEMBERS);
	loaded = f.control.config;
	f.control.config = &config;
	services_config = f.control.services[0].config;
	f.control.services[0].config = &frontend;
	data = ask_data(&f, LOOKUP_WEB);
	CU_ASSERT_STRING_EQUAL(string(data, "rule"), "rule 3 of frontend web: accept");
	CU_ASSERT_PTR_NOT_NULL(strstr(string(data, "note"), "not known"));
	CU_ASSERT_STRING_EQUAL(string(data, "action"), "forward");
	json_decref(data);
	data = ask_data(&f,
		"{\"command\": \"lookup\", \"args\": {\"protocol\": \"tcp\", \"client\": "
		"\"192.0.2.1:1000\", \"address\": \"198.51.100.10:80\", \"interface\": \"wan\"}}");
	CU_ASSERT_STRING_EQUAL(string(data, "action"), "reject");
	CU_ASSERT_STRING_EQUAL(
		string(data, "reason"), "rule 2 of frontend web: reject if wan !udp");
	CU_ASSERT_PTR_NULL(json_object_get(data, "note"));
	json_decref(data);
	f.control.config = loaded;
	f.control.services[0].config = services_config;
	fixture_close(&f);
	free(acls[1].interfaces);
}

static void
test_lookup_flow(void)
{
	static const char dns[] = LOOKUP("udp", "[2001:db8::7]:999", "[2001:db8::10]:53");
	struct fixture f;

	fixture_start(&f);
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, MEMBERS);
	f.publish.flow_answer = 3;
	check_lookup(ask_data(&f, dns), "forward", "names", "n1", "established flow");
	CU_ASSERT_EQUAL(f.publish.query.service, 3);
	CU_ASSERT_EQUAL(f.publish.query.client_port_be, htons(999));
	CU_ASSERT_EQUAL(f.publish.query.client.bytes[15], 7);
	server_set_admin(f.servers[2], SHUNT_ADMIN_MAINT); /* UDP selects anew */
	check_lookup(ask_data(&f, dns), "none", "names", "(none)", "not been told");
	f.publish.flow_answer = -ENOTCONN;
	check_lookup(ask_data(&f, dns), "none", "names", "(none)", "not been told");
	f.publish.connected = false;
	f.publish.queries = 0;
	check_lookup(ask_data(&f, dns), "none", "names", "(none)", "not been told");
	CU_ASSERT_EQUAL(f.publish.queries, 0);
	fixture_close(&f);
}

/* Flows of servers that a reload has removed, and of those whose sessions are reset. */
static void
test_lookup_ending_flow(void)
{
	struct fixture f;

	fixture_start(&f);
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, MEMBERS);
	f.publish.flow_answer = 2;
	server_set_admin(f.servers[1], SHUNT_ADMIN_MAINT);
	check_lookup(ask_data(&f, LOOKUP_WEB), "forward", "app", "s2", "established flow");
	f.control.backends[0]->config.shutdown_sessions = true;
	check_lookup(ask_data(&f, LOOKUP_WEB), "drop", "app", "s2", "reset");
	server_set_admin(f.servers[1], SHUNT_ADMIN_DRAIN);
	check_lookup(ask_data(&f, LOOKUP_WEB), "forward", "app", "s2", "established flow");
	fixture_remove_s2(&f);
	check_lookup(ask_data(&f, LOOKUP_WEB), "forward", "app", "s2", "removed");
	fixture_close(&f);
}

/* The dataplane answers one question at a time: a second one waits for its turn. */
static void
test_lookup_in_turns(void)
{
	struct fixture f;
	json_t *answer;
	int first, second, third;

	fixture_start(&f);
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, MEMBERS);
	f.publish.answers = false;
	first = fixture_connect(&f);
	second = fixture_connect(&f);
	third = fixture_connect(&f);
	fixture_send_text(&f, first, LOOKUP_WEB "\n");
	fixture_turns(&f, 3);
	fixture_send_text(&f, second, LOOKUP_WEB "\n");
	fixture_turns(&f, 3);
	CU_ASSERT_EQUAL(f.publish.queries, 1);
	fixture_answer_flow(&f.publish, 1);
	answer = fixture_receive(&f, first);
	CU_ASSERT_STRING_EQUAL(string(json_object_get(answer, "data"), "server"), "s1");
	json_decref(answer);
	clock_skip_ms += 100;
	fixture_turns(&f, 3);
	CU_ASSERT_EQUAL(f.publish.queries, 2);

	/* The second's client leaves: the question is withdrawn, the third can be asked. */
	fixture_send_text(&f, third, LOOKUP_WEB "\n");
	close(second);
	fixture_turns(&f, 3);
	CU_ASSERT_EQUAL(f.publish.cancelled, 1);
	clock_skip_ms += 100;
	fixture_turns(&f, 3);
	CU_ASSERT_EQUAL(f.publish.queries, 3);
	clock_skip_ms += 3000; /* and is never answered */
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(fixture_receive(&f, third)), "did not say"));
	CU_ASSERT_EQUAL(f.publish.cancelled, 2);
	close(first);
	close(third);
	fixture_close(&f);
}

static void
test_lookup_refused(void)
{
	static const struct {
		const char *request;
		const char *error;
	} cases[] = {
		{ LOOKUP("sctp", "192.0.2.1:1", "198.51.100.10:80"), "protocol" },
		{ LOOKUP("tcp", "192.0.2.1", "198.51.100.10:80"), "client" },
		{ LOOKUP("tcp", "192.0.2.1:70000", "198.51.100.10:80"), "client" },
		{ LOOKUP("tcp", "192.0.2.1:1", "198.51.100.10:"), "address" },
		{ LOOKUP("tcp", "2001:db8::1:1", "198.51.100.10:80"), "client" },
		{ LOOKUP("tcp", "[2001:db8::1]:1", "198.51.100.10:80"), "families" },
		{ "{\"command\": \"lookup\", \"args\": {\"protocol\": 6, \"client\": [], "
		  "\"address\": {}}}",
			"protocol" },
		{ "{\"command\": \"lookup\"}", "arguments" },
	};
	struct fixture f;

	fixture_start(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		CU_ASSERT_PTR_NOT_NULL(
			strstr(fixture_error(ask(&f, cases[i].request)), cases[i].error));
	CU_ASSERT_EQUAL(f.publish.queries, 0);
	fixture_close(&f);
}

/* Full NAT: where packets to the server come from is said, too. */
static void
test_lookup_sources(void)
{
	static const uint8_t v4[4] = { 10, 0, 0, 200 };
	struct backend_config *config;
	struct fixture f;
	json_t *data, *sources;

	fixture_start(&f);
	put_objects(&f, SHUNT_SOURCE, SHUNT_HASH_SOURCE, MEMBERS);
	config = &f.control.backends[0]->config;
	config->forward = SHUNT_FULLNAT;
	config->sources[0] = shunt_addr_from_v4(v4);
	config->sources[1] = (struct shunt_addr){ .bytes = { 0x20, 1, [15] = 9 } };
	config->source_count = 2;
	data = ask_data(&f, LOOKUP_WEB);
	sources = json_object_get(data, "source-addresses");
	CU_ASSERT_EQUAL(json_array_size(sources), 2);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(sources, 0)), "10.0.0.200");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(sources, 1)), "2001::9");
	CU_ASSERT_STRING_EQUAL(string(data, "action"), "forward");
	json_decref(data);
	fixture_close(&f);
}

static const struct unit_test tests[] = {
	{ "lookup by hash", test_lookup_hash },
	{ "lookup without a server", test_lookup_without_server },
	{ "lookup with other algorithms", test_lookup_algorithms },
	{ "unless", test_lookup_unless },
	{ "lookup: rules", test_lookup_rules },
	{ "lookup of a flow", test_lookup_flow },
	{ "lookup of a flow that ends", test_lookup_ending_flow },
	{ "lookups in turns", test_lookup_in_turns },
	{ "lookup with source addresses", test_lookup_sources },
	{ "lookup refused", test_lookup_refused },
};

UNIT_MAIN("lookup", tests)
