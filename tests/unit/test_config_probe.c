/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is probed, and from where to where. */
#include <arpa/inet.h>

#include "config_case.h"

#define FRONTEND                                                                           \
	"'frontends': [{'name': 'f', 'bind': '198.51.100.1:80', 'default-backend': 'b'}, " \
	"{'name': 'g', 'bind': '198.51.100.1:81', 'default-backend': 'c'}], "
#define BACKEND(more)                                                      \
	"'backends': [{'name': 'b', " more "}, {'name': 'c', 'servers': [" \
	"{'name': 'x', 'address': '10.0.1.1:80'}, "                        \
	"{'name': 'y', 'address': '10.0.1.2:80', 'check': false}]}]"
#define SERVERS(list) "'servers': [" list "]"
#define ONE(more)     "{'name': 's', 'address': '10.0.0.1:80'" more "}"
#define AT	      "$.backends[0].servers[0]"

static struct config *
right(const char *members)
{
	char *text = case_text("{" PORTS SECRET "%s}", members);
	struct config *config = config_case(text, "");

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	free(text);
	return config;
}

static void
expect_source(const struct server_config *server, const char *text)
{
	char found[JSON_ADDRESS_TEXT_SIZE];

	json_address_text(&server->check.source, found);
	CU_ASSERT_STRING_EQUAL(found, text);
}

static void
test_addresses(void)
{
	struct config *config =
		right(FRONTEND BACKEND("'check': {'source-address': '10.9.0.1'}," SERVERS(
			ONE(", 'check': {'address': '10.0.0.9', 'port': "
			    "81}") ", "
				   "{'name': 't', 'address': "
				   "'10.0.0.2:80', 'check': "
				   "{'source-address': '10.9.0.2'}}")));
	const struct server_config *servers = config->backends[0].servers;
	char text[JSON_ENDPOINT_TEXT_SIZE];

	json_endpoint_text(config_probe_address(&servers[0], &servers[0].check),
		config_probe_port(&servers[0], &servers[0].check), text);
	CU_ASSERT_STRING_EQUAL(text, "10.0.0.9:81");
	expect_source(&servers[0], "10.9.0.1");
	json_endpoint_text(config_probe_address(&servers[1], &servers[1].check),
		config_probe_port(&servers[1], &servers[1].check), text);
	CU_ASSERT_STRING_EQUAL(text, "10.0.0.2:80");
	expect_source(&servers[1], "10.9.0.2");
	config_destroy(config);
}

static void
test_wrong_addresses(void)
{
	config_case_expect(
		FRONTEND BACKEND(SERVERS(ONE(
			", 'check': {'address': '224.0.0.1', 'source-address': '10.0.0.1:80'}"))),
		AT
		".check.address: cannot be used: a multicast address names no single machine\n" AT
		".check.source-address: must be an IPv4 or IPv6 address, found the string "
		"'10.0.0.1:80'");
	config_case_expect(
		FRONTEND BACKEND("'check': {'source-address': '2001:db8::9'}, " SERVERS(ONE(""))),
		AT ": server 's' is probed from 'source-address' 2001:db8::9, but at an address of "
		   "the other family");
	config_case_expect(FRONTEND BACKEND(SERVERS(ONE(", 'check': {'address': '198.51.100.1'}"))),
		AT ": server 's' is probed at 198.51.100.1, which is a balanced address: a probe "
		   "through the service is 'via': 'service'");
	config_case_expect(FRONTEND BACKEND("'forward': 'dr', " SERVERS(ONE(
				   ", 'check': {'via': 'service', 'source-address': '10.0.0.9'}"))),
		AT ": server 's' has a check with 'via': 'service' and an address of its own: a "
		   "probe through the service goes where clients' packets go");
}

static void
test_tracks(void)
{
	/* By its whole name, by its own, and through another one. */
	struct config *config = right(FRONTEND BACKEND(SERVERS(
		ONE(", 'track': 'c/x'") ", "
					"{'name': 't', 'address': '10.0.0.2:80', 'track': 's'}, "
					"{'name': 'u', 'address': '10.0.0.3', 'track': 'b/t', "
					"'check': false}")));
	const struct server_config *servers = config->backends[0].servers;

	for (unsigned int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(servers[i].tracks);
		CU_ASSERT_FALSE(servers[i].check.enabled);
		CU_ASSERT_EQUAL(servers[i].track_backend, i == 0);
		CU_ASSERT_EQUAL(servers[i].track_server, i == 0 ? 0 : i - 1);
	}
	CU_ASSERT_FALSE(config->backends[1].servers[0].tracks);
	config_destroy(config);
}

static void
test_wrong_tracks(void)
{
	config_case_expect(FRONTEND BACKEND(SERVERS(ONE(", 'track': 'x'"))),
		AT ".track: there is no server 'b/x': write BACKEND/SERVER, or SERVER if it is of "
		   "this backend");
	config_case_expect(FRONTEND BACKEND(SERVERS(ONE(", 'track': 7"))),
		AT ".track: must be a string, found the number 7");
	config_case_expect(FRONTEND BACKEND(SERVERS(ONE(", 'track': 'c/y'"))),
		AT ".track: leads to c/y, which is not probed: there is nothing to follow");
	config_case_expect(FRONTEND BACKEND(SERVERS(ONE(", 'track': 's'"))),
		AT ".track: leads round in a circle, or through more than 16 servers");
	config_case_expect(
		FRONTEND BACKEND(SERVERS(ONE(
			", 'track': 't'") ", "
					  "{'name': 't', 'address': '10.0.0.2:80', 'track': 's'}")),
		AT
		".track: leads round in a circle, or through more than 16 servers\n"
		"$.backends[0].servers[1].track: leads round in a circle, or through more than 16 "
		"servers");
	config_case_expect(FRONTEND BACKEND(SERVERS(ONE(", 'track': 'c/x', 'check': {'port': 1}"))),
		AT ".check: does not go with 'track': such a server is not probed");
}

static const struct check_config *
agent_of(const struct config *config, size_t index)
{
	return config->backends[0].servers[index].agent;
}

static void
test_agents(void)
{
	struct config *config = right(FRONTEND BACKEND(
		"'default-server': {'agent-check': {'port': 9999, 'inter': '5s', 'send': "
		"'s1\\n'}}," SERVERS(ONE(
			"") ", "
			    "{'name': 't', 'address': '10.0.0.2:80', 'agent-check': false}, "
			    "{'name': 'u', 'address': '10.0.0.3:80', 'agent-check': {'port': 9998, "
			    "'timeout': '10ms', 'address': '10.0.0.4', 'source-address': "
			    "'10.9.0.1'}}")));
	const struct server_config *servers = config->backends[0].servers;
	char text[JSON_ENDPOINT_TEXT_SIZE];

	CU_ASSERT_EQUAL(agent_of(config, 0)->inter_ms, 5000);
	CU_ASSERT_EQUAL(agent_of(config, 0)->timeout_ms, 1000);
	CU_ASSERT_EQUAL(agent_of(config, 0)->talk->type, CHECK_AGENT);
	CU_ASSERT_EQUAL(agent_of(config, 0)->talk->send_length, 3);
	json_endpoint_text(config_probe_address(&servers[0], servers[0].agent),
		config_probe_port(&servers[0], servers[0].agent), text);
	CU_ASSERT_STRING_EQUAL(text, "10.0.0.1:9999");
	CU_ASSERT_PTR_NULL(agent_of(config, 1));
	CU_ASSERT_EQUAL(agent_of(config, 2)->inter_ms, 5000);
	CU_ASSERT_EQUAL(agent_of(config, 2)->timeout_ms, 10);
	json_endpoint_text(config_probe_address(&servers[2], servers[2].agent),
		config_probe_port(&servers[2], servers[2].agent), text);
	CU_ASSERT_STRING_EQUAL(text, "10.0.0.4:9998");
	CU_ASSERT_PTR_NULL(config->backends[1].servers[0].agent);
	/* The check is as it was. */
	CU_ASSERT_TRUE(servers[0].check.enabled);
	CU_ASSERT_PTR_NULL(servers[0].check.talk);
	config_destroy(config);
	config = right(
		FRONTEND BACKEND("'check': {'type': 'agent', 'port': 9999}, " SERVERS(ONE(""))));
	CU_ASSERT_EQUAL(config->backends[0].servers[0].check.talk->type, CHECK_AGENT);
	config_destroy(config);
}

static void
test_wrong_agents(void)
{
	config_case_expect(FRONTEND BACKEND(SERVERS(ONE(", 'agent-check': {'expect': 'up'}"))),
		AT ".agent-check.expect: unknown key; the keys here are: port, inter, timeout, "
		   "address, "
		   "source-address, send, send-hex\n" AT
		   ".agent-check.port: missing, but required");
	config_case_expect(FRONTEND BACKEND(SERVERS(ONE(", 'agent-check': true"))),
		AT ".agent-check: must be false or an object, found true");
	config_case_expect(
		FRONTEND BACKEND(SERVERS(
			ONE(", 'agent-check': {'port': 0, 'inter': '1ms', 'address': '0.0.0.0'}"))),
		AT
		".agent-check.port: must be a whole number from 1 to 65535, found the number 0\n" AT
		".agent-check.inter: must be from 10ms to 1d, found the string '1ms'\n" AT
		".agent-check.address: cannot be used: 0.0.0.0/8 names no machine");
	config_case_expect(
		FRONTEND BACKEND(SERVERS(
			ONE(", 'agent-check': {'port': 1, 'source-address': '2001:db8::9'}"))),
		AT ".agent-check: server 's' is probed from 'source-address' 2001:db8::9, but at "
		   "an address of "
		   "the other family");
}

static const struct unit_test tests[] = {
	{ "agents", test_agents },
	{ "wrong agents", test_wrong_agents },
	{ "addresses of probes", test_addresses },
	{ "wrong addresses", test_wrong_addresses },
	{ "tracking", test_tracks },
	{ "wrong tracking", test_wrong_tracks },
};

UNIT_MAIN("config_probe", tests)
