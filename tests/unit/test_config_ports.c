/* SPDX-License-Identifier: BSD-3-Clause */
/* Frontends with several ports, and servers without one. */
#include <arpa/inet.h>

#include "config_case.h"

#define FRONTEND(binds) \
	"'frontends': [{'name': 'f', 'bind': [" binds "], 'default-backend': 'b'}], "
#define BACKEND(more, servers) "'backends': [{'name': 'b', " more "'servers': [" servers "]}]"
#define SERVER(address, more)  "{'name': 's', 'address': '" address "'" more "}"
#define NO_CHECK	       ", 'check': false"

static struct config *
right(const char *members)
{
	char *text = case_text("{" PORTS SECRET "%s}", members);
	struct config *config = config_case_right(text);

	free(text);
	return config;
}

static void
test_values(void)
{
	struct config *config = right(
		FRONTEND("'198.51.100.1:8000-8099', '[2001:db8::1]:*', '198.51.100.1:80'") BACKEND(
			"'forward': 'tunnel', 'encap': 'gre', ", SERVER("10.0.0.1", NO_CHECK)));
	const struct bind_config *binds = config->frontends[0].binds;
	const struct server_config *server = &config->backends[0].servers[0];

	CU_ASSERT_EQUAL(ntohs(binds[0].port_be), 8000);
	CU_ASSERT_EQUAL(ntohs(binds[0].last_port_be), 8099);
	CU_ASSERT_EQUAL(ntohs(binds[1].port_be), 1);
	CU_ASSERT_EQUAL(ntohs(binds[1].last_port_be), 65535);
	CU_ASSERT_EQUAL(ntohs(binds[2].port_be), 80);
	CU_ASSERT_EQUAL(ntohs(binds[2].last_port_be), 80);
	CU_ASSERT_EQUAL(server->port_be, 0);
	CU_ASSERT_TRUE(server->keeps_port);
	config_destroy(config);
}

/* Where a server without a port is probed. */
static void
test_probe_ports(void)
{
	struct config *config = right(FRONTEND("'198.51.100.1:80', '198.51.100.2:80'")
			BACKEND("", SERVER("10.0.0.1", "")));

	CU_ASSERT_EQUAL(ntohs(config->backends[0].servers[0].check.port_be), 80);
	config_destroy(config);
	config = right(FRONTEND("'198.51.100.1:80'")
			BACKEND("", SERVER("10.0.0.1", ", 'check': {'port': 81}")));
	CU_ASSERT_EQUAL(ntohs(config->backends[0].servers[0].check.port_be), 81);
	config_destroy(config);
	/* An echo request goes to none. */
	config = right(FRONTEND("'198.51.100.1:80-81'")
			BACKEND("", SERVER("10.0.0.1", ", 'check': {'type': 'icmp'}")));
	CU_ASSERT_EQUAL(config->backends[0].servers[0].check.port_be, 0);
	CU_ASSERT_TRUE(config->backends[0].servers[0].check.enabled);
	config_destroy(config);
	/* One with a port is probed there. */
	config = right(FRONTEND("'198.51.100.1:80'") BACKEND("", SERVER("10.0.0.1:8080", "")));
	CU_ASSERT_EQUAL(config->backends[0].servers[0].check.port_be, 0);
	config_destroy(config);
	config_case_expect(FRONTEND("'198.51.100.1:80-81'") BACKEND("", SERVER("10.0.0.1", "")),
		"$.backends[0].servers[0].address: has no port, and its frontends have several: "
		"say "
		"which one is probed, 'check': { 'port': PORT }, or 'check': false");
	config_case_expect(FRONTEND("'198.51.100.1:80', '198.51.100.1:443'")
				   BACKEND("", SERVER("10.0.0.1", "")),
		"$.backends[0].servers[0].address: has no port, and its frontends have several: "
		"say "
		"which one is probed, 'check': { 'port': PORT }, or 'check': false");
	config_case_expect("'frontends': [], " BACKEND("", SERVER("10.0.0.1", "")),
		FRONTENDS_NONE
		"\n$.backends[0]: warning: no frontend uses the backend 'b'\n"
		"$.backends[0].servers[0].address: has no port, and no frontend that "
		"has one leads to it: say which one is probed, 'check': { 'port': PORT "
		"}, or 'check': false");
}

static void
test_translation(void)
{
	config_case_expect(
		FRONTEND("'198.51.100.1:8000-8099'") BACKEND("",
			SERVER("10.0.0.1", NO_CHECK) ", {'name': 't', 'address': '10.0.0.2:80'}"),
		"$.frontends[0].bind[0]: has several ports, but server 't' of backend 'b' has the "
		"one port 80, where a client's connections to two of them could not be told apart: "
		"write the server's address without a port, and each port is kept");
	/* In full NAT a source port tells them apart. */
	config_case_expect(FRONTEND("'198.51.100.1:8000-8099'") BACKEND(
				   "'forward': 'fullnat', 'source-addresses': ['10.0.0.200'], ",
				   SERVER("10.0.0.1:80", NO_CHECK)),
		"");
	/* Without translation the servers' ports are for probes. */
	config_case_expect(FRONTEND("'198.51.100.1:8000-8099'")
				   BACKEND("'forward': 'dr', ", SERVER("10.0.0.1:22", "")),
		"");
	config_case_expect(FRONTEND("'198.51.100.1:80', '198.51.100.1:443'")
				   BACKEND("'forward': 'dr', ", SERVER("10.0.0.1", NO_CHECK)),
		"");
}

/* Ranges may overlap: the narrower one has the ports. The very same is a mistake. */
static void
test_overlap(void)
{
	config_case_expect(FRONTEND("'198.51.100.1:80', '198.51.100.1:*', '198.51.100.1:80-90', "
				    "'198.51.100.1:85-95'")
				   BACKEND("", SERVER("10.0.0.1", NO_CHECK)),
		"");
	config_case_expect(FRONTEND("'198.51.100.1:*', '198.51.100.1:1-65535'")
				   BACKEND("", SERVER("10.0.0.1", NO_CHECK)),
		"$.frontends[0].bind[1]: tcp 198.51.100.1:* is already bound by frontend 'f' "
		"(frontends[0])");
	config_case_expect(
		FRONTEND("'198.51.100.1:80'") BACKEND("",
			SERVER("10.0.0.1",
				"") ", {'name': 't', 'address': '10.0.0.1', 'check': true}"),
		"$.backends[0].servers[1].address: 10.0.0.1 is already the address of servers[0] "
		"of "
		"this backend; give that one more weight instead");
}

static const struct unit_test tests[] = {
	{ "values", test_values },
	{ "probes' ports", test_probe_ports },
	{ "translation", test_translation },
	{ "overlap", test_overlap },
};

UNIT_MAIN("config_ports", tests)
