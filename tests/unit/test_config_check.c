/* SPDX-License-Identifier: BSD-3-Clause */
/* What config_check.c checks: parts of the file that must agree with each other. */
#include <arpa/inet.h>
#include <time.h>

#include "config_case.h"

static void
test_duplicates(void)
{
	config_case_expect(
		"'frontends': ["
		"{'name': 'a', 'bind': ['198.51.100.1:80', '198.51.100.1:80'], 'default-backend': "
		"'x'}, {'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': 'x'},"
		"{'name': 'b', 'bind': '198.51.100.1:80', 'protocol': 'udp', 'default-backend': "
		"'x'}], 'backends': [{'name': 'x', 'servers': ["
		"{'name': 's', 'address': '10.0.0.1:80'}, {'name': 's', 'address': '10.0.0.2:80'},"
		"{'name': 't', 'address': '10.0.0.1:80'}, {'name': 'u', 'address': '10.0.0.1:81'},"
		"{'name': 'v', 'address': '198.51.100.1:8080'}]}, {'name': 'x', 'servers': ["
		"{'name': 's', 'address': '10.0.0.1:80'}]}]",
		"$.frontends[1].name: 'a' is already the name of frontends[0]\n"
		"$.backends[1].name: 'x' is already the name of backends[0]\n"
		"$.frontends[0].bind[1]: tcp 198.51.100.1:80 is already bound by frontend 'a' "
		"(frontends[0])\n"
		"$.frontends[1].bind: tcp 198.51.100.1:80 is already bound by frontend 'a' "
		"(frontends[0])\n"
		"$.backends[0].servers[1].name: 's' is already the name of servers[0] of this "
		"backend\n"
		"$.backends[0].servers[2].address: 10.0.0.1:80 is already the address of "
		"servers[0] of this backend; give that one more weight instead\n"
		"$.backends[0].servers[4].address: 198.51.100.1 is a balanced address, bound by "
		"frontend 'a'; a server needs an address of its own\n"
		"$.backends[1]: warning: no frontend uses the backend 'x'");
	/* The same address in another way of writing. */
	config_case_expect("'frontends': [{'name': 'a', 'bind': ['[2001:db8::1]:80', "
			   "'[2001:DB8:0::1]:80'], 'default-backend': 'x'}], 'backends': [{'name': "
			   "'x', 'servers': [{'name': 's', 'address': '[2001:db8:1::1]:80'}]}]",
		"$.frontends[0].bind[1]: tcp [2001:db8::1]:80 is already bound by frontend 'a' "
		"(frontends[0])");
}

static void
test_families(void)
{
	config_case_expect(
		"'frontends': [{'name': 'a', 'bind': ['198.51.100.1:80', "
		"'[2001:db8::1]:80'], 'default-backend': 'x'}], 'backends': [{'name': 'x', "
		"'servers': [{'name': 's', 'address': '10.0.0.1:80'}]}]",
		"$.frontends[0].bind[1]: is IPv6, but server 's' of backend 'x' is IPv4, and 'nat' "
		"keeps the family: make one frontend and one backend for each, or let 'forward' be "
		"'fullnat' or 'tunnel'");
	config_case_expect(
		"'frontends': [{'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': "
		"'x'}], 'backends': [{'name': 'x', 'servers': [{'name': 's', 'address': "
		"'10.0.0.1:80'}, {'name': 't', 'address': '[2001:db8:1::1]:80'}]}]",
		"$.frontends[0].bind: is IPv4, but server 't' of backend 'x' is IPv6, and 'nat' "
		"keeps the family: make one frontend and one backend for each, or let 'forward' be "
		"'fullnat' or 'tunnel'");
}

#define FRONTEND_X(binds) \
	"'frontends': [{'name': 'a', 'bind': [" binds "], 'default-backend': 'x'}], "

/* Forwarding modes that leave packets as they are. */
static void
test_untranslated(void)
{
	config_case_expect(
		FRONTEND_X("'[2001:db8::1]:80'") "'backends': [{'name': 'x', 'forward': 'dr', "
						 "'servers': "
						 "[{'name': 's', 'address': '10.0.0.1:80'}]}]",
		"$.frontends[0].bind[0]: is IPv6, but server 's' of backend 'x' is IPv4, and 'dr' "
		"keeps the family: make one frontend and one backend for each, or let 'forward' be "
		"'fullnat' or 'tunnel'");
	config_case_expect(
		FRONTEND_X(
			"'198.51.100.1:80', '198.51.100.1:8080'") "'backends': [{'name': 'x', "
								  "'forward': 'dr', 'servers': "
								  "[{'name': 's', 'address': "
								  "'10.0.0.1:80'}, {'name': 't', "
								  "'address': '10.0.0.2:80'}]}]",
		"$.frontends[0].bind[1]: has port 8080, but server 's' of backend 'x' has 80, and "
		"'dr' keeps the port: both must have the same, or the server none");
	config_case_expect(
		FRONTEND_X("'198.51.100.1:80', '[2001:db8::1]:80'") "'backends': [{'name': 'x', "
								    "'forward': 'tunnel', 'encap': "
								    "'gre', 'servers': "
								    "[{'name': 's', 'address': "
								    "'10.0.0.1:80'}, {'name': 't', "
								    "'address': "
								    "'[2001:db8:1::1]:81'}]}]",
		"$.frontends[0].bind[0]: has port 80, but server 't' of backend 'x' has 81, and "
		"'tunnel' keeps the port: both must have the same, or the server none\n"
		"$.frontends[0].bind[1]: has port 80, but server 't' of backend 'x' has 81, and "
		"'tunnel' keeps the port: both must have the same, or the server none");
	config_case_expect(
		FRONTEND_X("'198.51.100.1:80'") "'backends': [{'name': 'x', 'forward': 'tunnel', "
						"'encap': 'gre', 'servers': "
						"[{'name': 's', 'address': '10.0.0.1:80'}, "
						"{'name': 't', 'address': '10.0.0.2:80'}]}], "
						"'neighbors': [{'address': '10.0.0.1', 'mac': "
						"'02:00:00:00:00:01', 'port': 'wan'}, "
						"{'address': '10.0.0.2', 'mac': "
						"'02:00:00:00:00:01', 'port': 'wan', 'source': "
						"'2001:db8::9'}, "
						"{'address': '10.0.0.3', 'mac': "
						"'02:00:00:00:00:01', 'port': 'wan', 'source': "
						"'224.0.0.1'}]",
		"$.neighbors[2].source: cannot be used: a multicast address names no single "
		"machine\n"
		"$.neighbors[0].source: is required: 10.0.0.1 is the address of a server behind a "
		"tunnel, and this is the balancer's own address for the tunnel's packets\n"
		"$.neighbors[1].source: must be IPv4, as the neighbor's address is");
}

/* One backend, in a file with a frontend for it. */
static void
expect_backend(const char *backend, const char *expected)
{
	char *members = case_text(FRONTEND_X("'198.51.100.1:80'") "'backends': [%s]", backend);

	config_case_expect(members, expected);
	free(members);
}

#define B "$.backends[0]"

#define ONE_SERVER "'servers': [{'name': 's', 'address': '10.0.0.1:80'}]}"

static void
test_forward(void)
{
	struct config *c = config_case(
		"{" PORTS SECRET "'defaults': {'forward': 'dr'}, 'frontends': [{'name': 'w', "
		"'bind': '198.51.100.1:80', 'default-backend': 'a'}, {'name': 'x', 'bind': "
		"'[2001:db8::1]:80', 'default-backend': 'd'}], 'backends': ["
		"{'name': 'a', 'mss-clamp': 1400, " ONE_SERVER ","
		"{'name': 'b', 'forward': 'tunnel', 'encap': 'gue', 'mss-clamp': 0, " ONE_SERVER ","
		"{'name': 'c', 'forward': 'tunnel', 'encap': 'gue', 'encap-port': 9, " ONE_SERVER
		",{'name': 'd', 'forward': 'tunnel', 'encap': 'gre', " ONE_SERVER ","
		"{'name': 'e', 'forward': 'tunnel', 'encap': 'ipip', 'mss-clamp': 9000, " ONE_SERVER
		"], 'neighbors': [{'address': '10.0.0.1', 'mac': '02:00:00:00:00:01', 'port': "
		"'wan', 'source': '10.0.0.9'}]}",
		"$.backends[1]: warning: no frontend uses the backend 'b'\n"
		"$.backends[2]: warning: no frontend uses the backend 'c'\n"
		"$.backends[4]: warning: no frontend uses the backend 'e'");
	static const struct {
		uint8_t forward, encap;
		uint16_t port, mss;
	} wanted[] = { { SHUNT_DR, SHUNT_ENCAP_NONE, 0, 1400 },
		{ SHUNT_TUNNEL, SHUNT_GUE, 6080, 0 }, { SHUNT_TUNNEL, SHUNT_GUE, 9, 0 },
		{ SHUNT_TUNNEL, SHUNT_GRE, 0, 0 }, { SHUNT_TUNNEL, SHUNT_IPIP, 0, 9000 } };

	for (size_t i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(c->backends[i].forward, wanted[i].forward);
		CU_ASSERT_EQUAL(c->backends[i].encap, wanted[i].encap);
		CU_ASSERT_EQUAL(c->backends[i].encap_port_be, htons(wanted[i].port));
		CU_ASSERT_EQUAL(c->backends[i].mss_clamp, wanted[i].mss);
	}
	CU_ASSERT_EQUAL(memcmp(c->neighbors[0].source.bytes + 12, "\x0a\0\0\x09", 4), 0);
	config_destroy(c);
	expect_backend("{'name': 'x', 'forward': 'tunnel', 'encap-port': 70000, " ONE_SERVER,
		B ".encap: missing, but required\n" B ".encap-port: is for 'encap': 'gue' only");
	expect_backend("{'name': 'x', 'forward': 'tunnel', 'encap': 'vxlan', " ONE_SERVER,
		B ".encap: must be one of 'ipip', 'gue', 'gre', found the string 'vxlan'");
	expect_backend("{'name': 'x', 'forward': 'tunnel', 'encap': 'gue', 'encap-port': 70000, "
		       "'mss-clamp': 535, " ONE_SERVER,
		B ".encap-port: must be a whole number from 1 to 65535, found the number 70000\n" B
		  ".mss-clamp: must be a whole number from 536 to 9000, found the number 535");
	expect_backend("{'name': 'x', 'encap': 'ipip', 'mss-clamp': 1400, " ONE_SERVER,
		B ".encap: is for 'forward': 'tunnel' only\n" B
		  ".mss-clamp: is for 'forward': 'dr' and 'tunnel' only");
	expect_backend("{'name': 'x', 'on-marked-down': 'shutdown', " ONE_SERVER,
		B ".on-marked-down: must be one of 'keep', 'shutdown-sessions', found the string "
		  "'shutdown'");
	expect_backend("{'name': 'x', 'on-marked-down': true, " ONE_SERVER,
		B ".on-marked-down: must be one of 'keep', 'shutdown-sessions', found true");
	expect_backend("{'name': 'x', 'forward': 'dr', 'encap': 'ipip', 'mss-clamp': "
		       "'auto', " ONE_SERVER,
		B ".encap: is for 'forward': 'tunnel' only\n" B
		  ".mss-clamp: must be a whole number from 536 to 9000, found the string 'auto'");
}

static void
test_neighbors(void)
{
	config_case_expect(
		"'frontends': [], 'neighbors': [{}, 1, {'address': 'x', 'mac': 5, 'port': 'a b'},"
		"{'address': '10.0.0.1', 'mac': '02:00:00:00:00:01', 'port': 'lan'},"
		"{'address': '10.0.0.1', 'mac': '02:00:00:00:00:01', 'port': 'wan', 'x': 1},"
		"{'address': 'fe80::1', 'mac': '02:00:00:00:00:01', 'port': 'wan'}]",
		FRONTENDS_NONE
		"\n$.neighbors[0].address: missing, but required\n"
		"$.neighbors[0].mac: missing, but required\n"
		"$.neighbors[0].port: missing, but required\n"
		"$.neighbors[1]: must be an object, found the number 1\n"
		"$.neighbors[2].address: must be an IPv4 or IPv6 address, found the string 'x'\n"
		"$.neighbors[2].mac: must be a MAC address such as '02:00:00:00:00:11', found the "
		"number 5\n"
		"$.neighbors[2].port: must be a name: 1 to 63 of the characters A-Z a-z 0-9 _ . : "
		"-, found the string 'a b'\n"
		"$.neighbors[4].x: unknown key; the keys here are: address, mac, port, source, "
		"vlan\n"
		"$.neighbors[5].address: cannot be used: a link-local address is not unique among "
		"the ports\n"
		"$.neighbors[3].port: there is no port 'lan' in $.dataplane.ports\n"
		"$.neighbors[4].address: 10.0.0.1 is already the address of neighbors[3]");
	/* Where the ports are wrong themselves, nothing is said of references to them. */
	config_destroy(
		config_case("{'dataplane': {'ports': []}, " SECRET "'frontends': [], 'neighbors': "
			    "[{'address': '10.0.0.1', 'mac': '02:00:00:00:00:01', 'port': 'lan'}]}",
			"$.dataplane.ports: needs one port at least\n" FRONTENDS_NONE));
}

#define STATION(number, more) \
	"{'address': '10.0.0." number "', 'mac': '02:00:00:00:00:01', 'port': " more "}"
#define TWO_DEVICES                                                                        \
	"'dataplane': {'ports': [{'name': 'any', 'device': 'net_null0'}, {'name': 'own', " \
	"'device': 'net_null1', 'vlan': [7, 8]}]}, "

/* A neighbor's VLAN is its own or its port's, which may not differ. */
static void
test_neighbor_vlans(void)
{
	static const uint16_t wanted[][2] = { { 0, 0 }, { 5, 0 }, { 0x8000 | 5, 6 }, { 0x8007, 8 },
		{ 0x8007, 8 } };
	struct config *c =
		config_case("{" TWO_DEVICES SECRET "'frontends': [], 'neighbors': [" STATION("1",
				    "'any'") "," STATION("2", "'any', 'vlan': 5") "," STATION("3",
				    "'any', 'vlan': [5, 6]") "," STATION("4",
				    "'own'") "," STATION("5", "'own', 'vlan': [7, 8]") "]}",
			FRONTENDS_NONE);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	for (size_t i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(memcmp(c->neighbors[i].vlan, wanted[i], sizeof(wanted[i])), 0);
	config_destroy(c);
	config_destroy(config_case(
		"{" TWO_DEVICES SECRET "'frontends': [], 'neighbors': [" STATION(
			"1", "'own', 'vlan': 7") "," STATION("2", "'any', 'vlan': 0") "]}",
		FRONTENDS_NONE
		"\n$.neighbors[1].vlan: must be a whole number from 1 to 4094, found the number 0\n"
		"$.neighbors[0].vlan: is not the 'vlan' of port 'own', which drops what comes in "
		"any other"));
}

/* Builds a document of `backends` backends with `servers` servers and a frontend of `binds`. */
static char *
large_text(size_t backends, size_t servers, size_t binds)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	fprintf(out,
		"{" PORTS SECRET "'frontends': [{'name': 'f', 'default-backend': 'b0', 'bind': [");
	for (size_t i = 0; i < binds; i++)
		fprintf(out, "%s'198.51.%zu.%zu:80'", i ? "," : "", i >> 8 & 0xff, i & 0xff);
	fprintf(out, "]}], 'backends': [");
	for (size_t b = 0; b < backends; b++) {
		fprintf(out, "%s{'name': 'b%zu', 'servers': [", b ? "," : "", b);
		for (size_t s = 0; s < servers; s++)
			fprintf(out, "%s{'name': 's%zu', 'address': '10.%zu.%zu.%zu:80'}",
				s ? "," : "", s, s >> 16, s >> 8 & 0xff, s & 0xff);
		fprintf(out, "]}");
	}
	fprintf(out, "]}");
	fclose(out);
	for (char *c = text; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	return text;
}

/* A document of that shape has one error that begins as given, or none, and is read quickly. */
static void
expect_large(size_t backends, size_t servers, size_t binds, const char *expected)
{
	char *text = large_text(backends, servers, binds), *found;
	struct json_errors *errors = json_errors_create();
	clock_t start = clock();
	struct config *config = config_load_text(text, strlen(text), errors);

	CU_ASSERT(clock() - start < 4 * CLOCKS_PER_SEC);
	CU_ASSERT_EQUAL(config == NULL, *expected != '\0');
	found = case_complaints(errors);
	CU_ASSERT_EQUAL(json_errors_count(errors), *expected ? 1 : 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(found);
	if (!strstr(found, expected)) {
		CU_FAIL("another complaint");
		fputs(found, stderr);
	}
	free(found);
	config_destroy(config);
	json_errors_destroy(errors);
	free(text);
}

static void
test_limits(void)
{
	expect_large(1, 65535, 1, "");
	expect_large(1, 65536, 1, "$.backends[0].servers: has 65536 elements, the limit is 65535");
	expect_large(2, 32768, 1, "$.backends: have 65536 servers in all, the limit is 65535");
	expect_large(8191, 1, 1, "");
	expect_large(8192, 1, 1, "$.backends: has 8192 elements, the limit is 8191");
	expect_large(1, 1, 8191, "");
	expect_large(1, 1, 8192, "$.frontends[0].bind: has 8192 elements, the limit is 8191");
}

/* A user who made many mistakes learns of all of them in one run. */
static void
test_all_at_once(void)
{
	config_destroy(config_case(
		"{'dataplane': {'lcores': '0', 'ports': [{'name': 'wan'}]},"
		"'global': {'hash-secret': 'secret'},"
		"'frontends': [{'name': 'web', 'bind': '198.51.100.10', 'default-backend': 'ap'}],"
		"'backends': [{'name': 'app', 'balance': 'robin', 'servers': ["
		"{'name': 's1', 'address': '10.0.0.11:8080', 'weight': 1000},"
		"{'name': 's1', 'address': '10.0.0.12:8080', 'check': {'inter': '2 sec'}}]}],"
		"'neighbours': []}",
		"$.neighbours: unknown key; did you mean 'neighbors'?\n"
		"$.dataplane.lcores: needs two lcores at least: the main lcore first, then one or "
		"more workers\n"
		"$.dataplane.ports[0]: needs 'interface' or 'device'\n"
		"$.global.hash-secret: must be a string of 32 hexadecimal digits\n"
		"$.frontends[0].bind: '198.51.100.10' has no port; write ADDRESS:PORT\n"
		"$.backends[0].balance: must be one of 'source', 'roundrobin', 'leastconn', "
		"'random', 'first', found "
		"the string 'robin'\n"
		"$.backends[0].servers[0].weight: must be a whole number from 0 to 256, found the "
		"number 1000\n"
		"$.backends[0].servers[1].check.inter: must be a time such as '500ms', '2s', '15m' "
		"(units ms s m h d), from 10ms to 1d, found the string '2 sec'\n"
		"$.frontends[0].default-backend: there is no backend 'ap'\n"
		"$.backends[0].servers[1].name: 's1' is already the name of servers[0] of this "
		"backend\n"
		"$.backends[0]: warning: no frontend uses the backend 'app'"));
}

#define VIA "'check': {'via': 'service'}"
#define S1  "{'name': 's1', 'address': '10.0.0.1:80'}"
#define S6  "{'name': 's6', 'address': '[2001:db8:1::1]:80'}"

/* Servers without a port: the same rules, and the port is the first of the bind of their family. */
static void
test_via_without_port(void)
{
	struct config *config = config_case_right("{" PORTS SECRET FRONTEND_X(
		"'[2001:db8::1]:443-444', '198.51.100.1:8000-8099', "
		"'198.51.100.1:80-90'") "'backends': "
					"[{'name': 'x', 'forward': 'tunnel', "
					"'encap': 'ipip', " VIA ", 'servers': "
					"[{'name': 's1', 'address': '10.0.0.1'}, "
					"{'name': 's6', 'address': "
					"'[2001:db8:1::1]'}, "
					"{'name': 's7', 'address': "
					"'10.0.0.7:80'}]}]}");
	const struct server_config *servers = config->backends[0].servers;

	CU_ASSERT_EQUAL(ntohs(servers[0].check.port_be), 8000);
	CU_ASSERT_EQUAL(ntohs(servers[1].check.port_be), 443);
	CU_ASSERT_EQUAL(servers[2].check.port_be, 0);
	config_destroy(config);
	config_case_expect(FRONTEND_X("'198.51.100.1:80'") "'backends': [{'name': 'x', " VIA
							   ", 'servers': [{'name': 's1', "
							   "'address': '10.0.0.1'}]}]",
		"$.backends[0].servers[0]: server 's1' has a check with 'via': 'service', which is "
		"for "
		"'forward': 'dr' and 'tunnel' only");
	config_case_expect(FRONTEND_X("'198.51.100.1:80'") "'backends': [{'name': 'x', 'forward': "
							   "'dr', 'check': {'via': 'service', "
							   "'port': 80}, 'servers': [{'name': "
							   "'s1', 'address': '10.0.0.1'}]}]",
		"$.backends[0].servers[0]: server 's1' has a check with 'via': 'service' and a "
		"'port': a "
		"probe through the service goes to the service's port");
}

/* Probes through a service: where there is one, and it leaves packets as they are. */
static void
test_via(void)
{
	struct config *config;

	config_case_expect(FRONTEND_X("'198.51.100.1:80'") "'backends': [{'name': 'x', " VIA
							   ", 'servers': [" S1 "]}]",
		"$.backends[0].servers[0]: server 's1' has a check with 'via': 'service', which is "
		"for "
		"'forward': 'dr' and 'tunnel' only");
	config_case_expect(
		FRONTEND_X("'198.51.100.1:80'") "'backends': [{'name': 'x', 'forward': 'dr', "
						"'check': {'via': 'service', 'port': 8080}, "
						"'servers': [" S1 "]}]",
		"$.backends[0].servers[0]: server 's1' has a check with 'via': 'service' and a "
		"'port': a "
		"probe through the service goes to the service's port");
	config_case_expect("'frontends': [], 'backends': [{'name': 'x', 'forward': 'dr', " VIA
			   ", 'servers': [" S1 "]}]",
		FRONTENDS_NONE
		"\n"
		"$.backends[0]: warning: no frontend uses the backend 'x'\n"
		"$.backends[0].servers[0]: server 's1' has a check with 'via': 'service', but "
		"no frontend leads to this backend");
	config_case_expect(
		FRONTEND_X("'198.51.100.1:80'") "'backends': [{'name': 'x', 'forward': 'tunnel', "
						"'encap': 'gre', " VIA ", 'servers': [" S1 ", " S6
						"]}]",
		"$.backends[0].servers[1]: server 's6' has a check with 'via': 'service' and is "
		"IPv6, but no "
		"bind that leads to this backend is: probes cannot be made from one family to the "
		"other");
	config_case_expect(FRONTEND_X("'198.51.100.1:80'") "'backends': [{'name': 'x', 'forward': "
							   "'dr', 'check': {'via': 'service', "
							   "'type': 'dns'}, 'servers': [" S1 "]}]",
		"$.backends[0].servers[0]: server 's1' has a check with 'via': 'service', whose "
		"probes are TCP connections, and 'type': 'udp', 'dns' or 'icmp', which makes none");
	/* Not asked for, or not made; one bind of each family. */
	config_case_expect(FRONTEND_X("'198.51.100.1:80'") "'backends': [{'name': 'x', " VIA
							   ", 'servers': [{'name': 's', "
							   "'address': '10.0.0.1:80', 'check': "
							   "{'via': 'server'}}, {'name': 't', "
							   "'address': '10.0.0.2:80', 'check': "
							   "false}]}]",
		"");
	config = config_case_right("{" PORTS SECRET FRONTEND_X(
		"'198.51.100.1:80', '[2001:db8::1]:80'") "'backends': "
							 "[{'name': 'x', 'forward': 'tunnel', "
							 "'encap': 'ipip', " VIA ", 'servers': [" S1
							 ", " S6 "]}]}");
	CU_ASSERT_TRUE(config->backends[0].servers[1].check.via_service);
	config_destroy(config);
}

static const struct unit_test tests[] = {
	{ "duplicates", test_duplicates },
	{ "families", test_families },
	{ "untranslated ports and families", test_untranslated },
	{ "forwarding modes", test_forward },
	{ "neighbors", test_neighbors },
	{ "VLANs of neighbors", test_neighbor_vlans },
	{ "probes through services", test_via },
	{ "probes through services, servers without a port", test_via_without_port },
	{ "limits", test_limits },
	{ "all errors at once", test_all_at_once },
};

UNIT_MAIN("config_check", tests)
