/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <dirent.h>

#include "config_case.h"

/* One frontend and one backend, each right but for what is given. */
static void
expect_frontend(const char *frontend, const char *expected)
{
	char *members = case_text("'frontends': [%s], 'backends': [{'name': 'app', 'servers': "
				  "[{'name': 's1', 'address': '10.0.0.1:80'}]}]",
		frontend);

	config_case_expect(members, expected);
	free(members);
}

static void
expect_backend(const char *backend, const char *expected)
{
	char *members = case_text("'frontends': [{'name': 'web', 'bind': '198.51.100.1:80', "
				  "'default-backend': 'app'}], 'backends': [%s]",
		backend);

	config_case_expect(members, expected);
	free(members);
}

static void
expect_server(const char *server, const char *expected)
{
	char *backend = case_text("{'name': 'app', 'servers': [%s]}", server);

	expect_backend(backend, expected);
	free(backend);
}

static const char minimal[] =
	"{" PORTS SECRET
	"'frontends': [{'name': 'web', 'bind': '198.51.100.1:80', 'default-backend': 'app'}],"
	"'backends': [{'name': 'app', 'servers': [{'name': 's1', 'address': '10.0.0.1:8080'}]}]}";

static bool
address_is(const struct shunt_addr *address, const char *text)
{
	char found[JSON_ADDRESS_TEXT_SIZE];

	json_address_text(address, found);
	return strcmp(found, text) == 0;
}

static void
test_defaults(void)
{
	struct config *c = config_case_right(minimal);
	const struct frontend_config *f = &c->frontends[0];
	const struct backend_config *b = &c->backends[0];
	const struct server_config *s = &b->servers[0];

	CU_ASSERT_TRUE(c->hash_secret[0] == 0xff && c->hash_secret[15] == 0x00);
	CU_ASSERT_TRUE(c->frontend_count == 1 && c->backend_count == 1 && c->neighbor_count == 0);
	CU_ASSERT_STRING_EQUAL(f->name, "web");
	CU_ASSERT_EQUAL(f->protocol, SHUNT_TCP);
	CU_ASSERT_TRUE(f->announce);
	CU_ASSERT_EQUAL(f->timeout.syn_ms, 30000);
	CU_ASSERT_EQUAL(f->timeout.established_ms, 900000);
	CU_ASSERT_EQUAL(f->timeout.fin_ms, 30000);
	CU_ASSERT_EQUAL(f->timeout.udp_ms, 120000);
	CU_ASSERT_EQUAL(f->bind_count, 1);
	CU_ASSERT_TRUE(address_is(&f->binds[0].address, "198.51.100.1"));
	CU_ASSERT_EQUAL(f->binds[0].port_be, htons(80));
	CU_ASSERT_EQUAL(f->backend, 0);
	CU_ASSERT_STRING_EQUAL(b->name, "app");
	CU_ASSERT_EQUAL(b->algorithm, SHUNT_SOURCE);
	CU_ASSERT_EQUAL(b->hash_on, SHUNT_HASH_SOURCE);
	CU_ASSERT_EQUAL(b->forward, SHUNT_NAT);
	CU_ASSERT_EQUAL(b->server_count, 1);
	CU_ASSERT_STRING_EQUAL(s->name, "s1");
	CU_ASSERT_TRUE(address_is(&s->address, "10.0.0.1"));
	CU_ASSERT_EQUAL(s->port_be, htons(8080));
	CU_ASSERT_EQUAL(s->weight, 1);
	CU_ASSERT_FALSE(s->backup);
	CU_ASSERT_TRUE(s->check.enabled);
	CU_ASSERT_EQUAL(s->check.inter_ms, 2000);
	CU_ASSERT_EQUAL(s->check.fastinter_ms, 2000);
	CU_ASSERT_EQUAL(s->check.downinter_ms, 2000);
	CU_ASSERT_EQUAL(s->check.timeout_ms, 1000);
	CU_ASSERT_EQUAL(s->check.rise, 2);
	CU_ASSERT_EQUAL(s->check.fall, 3);
	CU_ASSERT_EQUAL(s->check.port_be, 0);
	config_destroy(c);
	config_destroy(NULL);
}

static void
test_everything(void)
{
	struct config *c = config_case_right(
		"{" PORTS SECRET "'defaults': {'timeout': {'syn': '1s', 'established': '2s', "
		"'fin': '3s', 'udp': '4s', 'check': '5s'}, 'balance': 'rr', 'forward': 'nat'},"
		"'frontends': [{'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': 'y',"
		" 'rules': [], 'on-timeout': 'reset'},"
		"{'name': 'b', 'bind': ['[2001:db8::1]:53', '[2001:db8::1]:54'], 'protocol': 'udp',"
		" 'timeout': {'udp': '24h'}, 'announce': 'none', 'default-backend': 'x'}],"
		"'backends': [{'name': 'x', 'balance': 'mh', 'hash-on': 'connection', "
		"'check': {'type': 'tcp'}, 'servers':"
		" [{'name': 's', 'address': '[2001:db8:1::1]:53', 'weight': 256, 'backup': true}]},"
		"{'name': 'y', 'on-marked-down': 'shutdown-sessions', 'servers': [{'name': 's', "
		"'address': '10.0.0.1:1', 'weight': 0}]}],"
		"'neighbors': [{'address': '10.0.0.1', 'mac': '02:00:00:00:00:01', 'port': 'wan'}],"
		"'acls': {}}");

	CU_ASSERT_EQUAL(c->frontends[0].backend, 1);
	CU_ASSERT_EQUAL(c->frontends[0].timeout.syn_ms, 1000);
	CU_ASSERT_EQUAL(c->frontends[0].timeout.established_ms, 2000);
	CU_ASSERT_EQUAL(c->frontends[0].timeout.fin_ms, 3000);
	CU_ASSERT_EQUAL(c->frontends[0].timeout.udp_ms, 4000);
	CU_ASSERT_TRUE(c->frontends[0].reset_idle);
	CU_ASSERT_FALSE(c->frontends[1].reset_idle);
	CU_ASSERT_FALSE(c->frontends[0].stateless);
	CU_ASSERT_FALSE(c->backends[0].shutdown_sessions);
	CU_ASSERT_TRUE(c->backends[1].shutdown_sessions);
	CU_ASSERT_EQUAL(c->frontends[1].backend, 0);
	CU_ASSERT_EQUAL(c->frontends[1].bind_count, 2);
	CU_ASSERT_TRUE(address_is(&c->frontends[1].binds[1].address, "2001:db8::1"));
	CU_ASSERT_EQUAL(c->frontends[1].binds[1].port_be, htons(54));
	CU_ASSERT_EQUAL(c->frontends[1].protocol, SHUNT_UDP);
	CU_ASSERT_FALSE(c->frontends[1].announce);
	CU_ASSERT_EQUAL(c->frontends[1].timeout.udp_ms, SHUNT_MAX_TIMEOUT_MS);
	CU_ASSERT_EQUAL(c->frontends[1].timeout.syn_ms, 1000);
	CU_ASSERT_EQUAL(c->backends[0].algorithm, SHUNT_SOURCE);
	CU_ASSERT_EQUAL(c->backends[0].hash_on, SHUNT_HASH_CONNECTION);
	CU_ASSERT_EQUAL(c->backends[0].servers[0].weight, 256);
	CU_ASSERT_TRUE(c->backends[0].servers[0].backup);
	CU_ASSERT_EQUAL(c->backends[0].servers[0].check.timeout_ms, 5000);
	CU_ASSERT_EQUAL(c->backends[1].algorithm, SHUNT_ROUNDROBIN);
	CU_ASSERT_EQUAL(c->backends[1].servers[0].weight, 0);
	CU_ASSERT_EQUAL(c->neighbor_count, 1);
	CU_ASSERT_TRUE(address_is(&c->neighbors[0].address, "10.0.0.1"));
	CU_ASSERT_EQUAL(c->neighbors[0].mac.bytes[5], 1);
	CU_ASSERT_STRING_EQUAL(c->neighbors[0].port, "wan");
	config_destroy(c);
}

static void
test_balance_words(void)
{
	static const struct {
		const char *word;
		int algorithm;
	} words[] = {
		{ "source", SHUNT_SOURCE },
		{ "sh", SHUNT_SOURCE },
		{ "mh", SHUNT_SOURCE },
		{ "roundrobin", SHUNT_ROUNDROBIN },
		{ "rr", SHUNT_ROUNDROBIN },
		{ "wrr", SHUNT_ROUNDROBIN },
		{ "leastconn", SHUNT_LEASTCONN },
		{ "lc", SHUNT_LEASTCONN },
		{ "wlc", SHUNT_LEASTCONN },
		{ "random", SHUNT_RANDOM },
		{ "first", SHUNT_FIRST },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char *text = case_text(
			"{" PORTS SECRET "'frontends': [{'name': 'w', 'bind': '198.51.100.1:80', "
			"'default-backend': 'b'}], 'backends': [{'name': 'b', 'balance': '%s', "
			"'servers': [{'name': 's', 'address': '10.0.0.1:80'}]}]}",
			words[i].word);
		struct config *c = config_case_right(text);

		CU_ASSERT_EQUAL(c->backends[0].algorithm, words[i].algorithm);
		config_destroy(c);
		free(text);
	}
}

/* defaults <- backend <- server, and what follows from what where no level says it. */
static void
test_check_levels(void)
{
	struct config *c = config_case_right(
		"{" PORTS SECRET "'defaults': {'timeout': {'check': '700ms'},"
		" 'check': {'inter': '5s', 'fastinter': '1s', 'fall': 7}},"
		"'frontends': [{'name': 'w', 'bind': '198.51.100.1:80', 'default-backend': 'a'},"
		" {'name': 'v', 'bind': '198.51.100.1:81', 'default-backend': 'b'}],"
		"'backends': [{'name': 'a', 'check': {'inter': '6s', 'rise': 9, 'timeout': '2s'},"
		" 'servers': ["
		"{'name': '0', 'address': '10.0.0.1:1'},"
		"{'name': '1', 'address': '10.0.0.1:2', 'check': {'inter': '10ms', 'port': 99}},"
		"{'name': '2', 'address': '10.0.0.1:3', 'check': false},"
		"{'name': '3', 'address': '10.0.0.1:4', 'check': true},"
		"{'name': '4', 'address': '10.0.0.1:5', 'check': {'downinter': '1m', 'type': "
		"'tcp'}}"
		"]}, {'name': 'b', 'check': false, 'servers': ["
		"{'name': '0', 'address': '10.0.0.1:1'},"
		"{'name': '1', 'address': '10.0.0.1:2', 'check': true},"
		"{'name': '2', 'address': '10.0.0.1:3', 'check': {}}]}]}");
	const struct server_config *a = c->backends[0].servers, *b = c->backends[1].servers;

	CU_ASSERT_EQUAL(a[0].check.inter_ms, 6000);
	CU_ASSERT_EQUAL(a[0].check.fastinter_ms, 1000);
	CU_ASSERT_EQUAL(a[0].check.downinter_ms, 6000);
	CU_ASSERT_EQUAL(a[0].check.timeout_ms, 2000);
	CU_ASSERT_EQUAL(a[0].check.rise, 9);
	CU_ASSERT_EQUAL(a[0].check.fall, 7);
	CU_ASSERT_EQUAL(a[1].check.inter_ms, 10);
	CU_ASSERT_EQUAL(a[1].check.downinter_ms, 10);
	CU_ASSERT_EQUAL(a[1].check.port_be, htons(99));
	CU_ASSERT_FALSE(a[2].check.enabled);
	CU_ASSERT_TRUE(a[3].check.enabled);
	CU_ASSERT_EQUAL(a[3].check.inter_ms, 6000);
	CU_ASSERT_EQUAL(a[4].check.downinter_ms, 60000);
	CU_ASSERT_FALSE(b[0].check.enabled);
	CU_ASSERT_TRUE(b[1].check.enabled);
	CU_ASSERT_TRUE(b[2].check.enabled);
	CU_ASSERT_EQUAL(b[2].check.inter_ms, 5000);
	CU_ASSERT_EQUAL(b[2].check.timeout_ms, 700);
	config_destroy(c);
}

static void
test_sections_wrong(void)
{
	config_destroy(config_case("{}",
		"$.dataplane: missing, but required\n"
		"$.global.hash-secret: warning: not set, so a public default is "
		"used; set it to 32 hexadecimal digits, the same on all nodes of "
		"a cluster (openssl rand -hex 16)\n" FRONTENDS_NONE));
	config_destroy(config_case("[]", "$: must be an object, found an array"));
	config_case_expect("'frontends': []", FRONTENDS_NONE);
	config_case_expect("'frontends': {}", "$.frontends: must be an array, found an object");
	config_case_expect("'frontends': [], 'backends': 5",
		FRONTENDS_NONE "\n$.backends: must be an array, found the number 5");
	config_case_expect("'frontends': [], 'neighbors': 'x'",
		FRONTENDS_NONE "\n$.neighbors: must be an array, found the string 'x'");
	config_case_expect("'frontends': [], 'defaults': []",
		"$.defaults: must be an object, found an array\n" FRONTENDS_NONE);
	config_case_expect("'frontends': [], 'frontend': []",
		"$.frontend: unknown key; did you mean 'frontends'?\n" FRONTENDS_NONE);
	config_case_expect("'frontends': [], 'acls': []",
		"$.acls: must be an object, found an array\n" FRONTENDS_NONE);
	config_case_expect("'frontends': [], 'acls': {'office': {'src': ['192.0.2.0/24']}}",
		FRONTENDS_NONE "\n$.acls.office: warning: no rule uses this ACL");
	config_case_expect("'frontends': [null], 'backends': [[]]",
		"$.frontends[0]: must be an object, found null\n"
		"$.backends[0]: must be an object, found an array");
}

static void
test_global_wrong(void)
{
	config_destroy(config_case("{" PORTS "'global': 5}",
		"$.global: must be an object, found the number 5\n" FRONTENDS_NONE));
	config_destroy(config_case("{" PORTS "'global': {'hash-secret': 'abc', 'htpp': 1}}",
		"$.global.htpp: unknown key; did you mean 'http'?\n"
		"$.global.hash-secret: must be a string of 32 hexadecimal "
		"digits\n" FRONTENDS_NONE));
	config_destroy(config_case("{" PORTS "'global': {'hash-secret': "
				   "'00000000000000000000000000000000', 'http': '127.0.0.1:8404'}}",
		"$.global.http: warning: has no effect: this version has no HTTP "
		"server\n" FRONTENDS_NONE));
	config_destroy(config_case("{" PORTS "'global': {'hash-secret': "
				   "'00000000000000000000000000000000', 'http': '127.0.0.1'}}",
		"$.global.http: '127.0.0.1' has no port; write ADDRESS:PORT\n" FRONTENDS_NONE));
}

/* Without a secret the same public one is used each time. */
static void
test_default_secret(void)
{
	static const uint8_t secret[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
		0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	struct json_errors *errors = json_errors_create();
	char *text = case_text("{" PORTS "'frontends': []}");
	struct config *c = config_load_text(text, strlen(text), errors);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(memcmp(c->hash_secret, secret, sizeof(secret)), 0);
	CU_ASSERT_EQUAL(json_errors_count(errors), 0);
	CU_ASSERT_EQUAL(json_errors_warning_count(errors), 2);
	config_destroy(c);
	json_errors_destroy(errors);
	free(text);
}

#define TIME_WANTED \
	"must be a time such as '500ms', '2s', '15m' (units ms s m h d), from 1ms to 1d, found "

static void
test_defaults_wrong(void)
{
	config_case_expect(
		"'frontends': [], 'defaults': {'timeout': {'syn': 0, 'established': '25h', "
		"'fin': 'x', 'udp': -1, 'check': [], 'client': '1s'}, 'balance': 'uri', "
		"'forward': 'full', 'check': 5, 'mode': 'tcp'}",
		"$.defaults.mode: unknown key; the keys here are: timeout, check, balance, "
		"forward, default-server\n"
		"$.defaults.timeout.client: unknown key; the keys here are: syn, established, fin, "
		"udp, check\n"
		"$.defaults.timeout.syn: must be from 1ms to 1d, found the number 0\n"
		"$.defaults.timeout.established: must be from 1ms to 1d, found the string '25h'\n"
		"$.defaults.timeout.fin: " TIME_WANTED "the string 'x'\n"
		"$.defaults.timeout.udp: must be from 1ms to 1d, found the number -1\n"
		"$.defaults.timeout.check: " TIME_WANTED "an array\n"
		"$.defaults.check: must be true, false or an object, found the number 5\n"
		"$.defaults.balance: must be one of 'source', 'roundrobin', 'leastconn', 'random', "
		"'first', found the string 'uri'\n"
		"$.defaults.forward: must be one of 'nat', 'dr', 'tunnel', 'fullnat', found the "
		"string 'full'\n" FRONTENDS_NONE);
}

#define F      "$.frontends[0]"
#define UNUSED "\n$.backends[0]: warning: no frontend uses the backend 'app'"

static void
test_frontends_wrong(void)
{
	expect_frontend("{}",
		F ".name: missing, but required\n" F ".bind: missing, but required\n" F
		  ".default-backend: missing, but required" UNUSED);
	expect_frontend("{'name': 'a/b', 'bind': 5, 'default-backend': 7}",
		F ".name: must be a name: 1 to 63 of the characters A-Z a-z 0-9 _ . : -, found the "
		  "string 'a/b'\n" F
		  ".bind: must be a string 'ADDRESS:PORT' or an array of them, found the number "
		  "5\n" F ".default-backend: must be a name: 1 to 63 of the characters A-Z a-z 0-9 "
		  "_ . : -, found the number 7" UNUSED);
	expect_frontend("{'name': 'a', 'bind': [], 'default-backend': 'app'}",
		F ".bind: needs one address at least");
	expect_frontend("{'name': 'a', 'bind': ['198.51.100.1:80', '198.51.100.1:8000-8099', "
			"'198.51.100.1:*', null, '198.51.100.1'], 'default-backend': 'app'}",
		F ".bind[3]: must be ADDRESS:PORT, such as '192.0.2.1:80' or "
		  "'[2001:db8::1]:80', found null\n" F
		  ".bind[4]: '198.51.100.1' has no port; write ADDRESS:PORT\n" F
		  ".bind[1]: has several ports, but server 's1' of backend 'app' has the one port "
		  "80, where a client's connections to two of them could not be told apart: write "
		  "the server's address without a port, and each port is kept\n" F
		  ".bind[2]: has several ports, but server 's1' of backend 'app' has the one port "
		  "80, where a client's connections to two of them could not be told apart: write "
		  "the server's address without a port, and each port is kept");
	expect_frontend("{'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': 'ap'}",
		F ".default-backend: there is no backend 'ap'" UNUSED);
	expect_frontend("{'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': 'app', "
			"'protocol': 'sctp', 'announce': 'bgp', 'timeout': {'check': '1s'}, "
			"'backend': 'app', 'rules': [{'action': 'deny'}]}",
		F ".backend: unknown key; the keys here are: name, bind, protocol, timeout, "
		  "default-backend, announce, on-timeout, flow-mode, syn-cookies, "
		  "syn-flood-rate, maxconn, rate-limit, source-limit, on-limit, rules\n" F
		  ".protocol: must be one of 'tcp', 'udp', found the string 'sctp'\n" F
		  ".announce: must be one of 'interface', 'none', found the string 'bgp'\n" F
		  ".timeout.check: unknown key; the keys here are: syn, established, fin, udp\n" F
		  ".rules[0].action: must be one of 'accept', 'drop', 'reject', 'use-backend', "
		  "'rate-limit', found the string 'deny'");
	expect_frontend("{'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': 'app', "
			"'on-timeout': 'close'}",
		F ".on-timeout: must be one of 'forget', 'reset', found the string 'close'");
	expect_frontend("{'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': 'app', "
			"'protocol': 'udp', 'on-timeout': 'reset'}",
		F ".on-timeout: 'reset' is for 'protocol': 'tcp' only\n" PROBED_BY_TCP("0", "app"));
	expect_frontend("{'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': 'app', "
			"'rules': {}}",
		F ".rules: must be an array, found an object");
}

static void
test_addresses_wrong(void)
{
	static const struct {
		const char *endpoint;
		const char *complaint;
	} cases[] = {
		{ "0.0.0.0:80", "cannot be used: 0.0.0.0/8 names no machine" },
		{ "0.1.2.3:80", "cannot be used: 0.0.0.0/8 names no machine" },
		{ "224.0.0.1:80", "cannot be used: a multicast address names no single machine" },
		{ "239.255.0.1:80", "cannot be used: a multicast address names no single machine" },
		{ "240.0.0.1:80", "cannot be used: 240.0.0.0/4 is reserved" },
		{ "255.255.255.255:80", "cannot be used: 240.0.0.0/4 is reserved" },
		{ "[::]:80", "cannot be used: the unspecified address names no machine" },
		{ "[ff02::1]:80", "cannot be used: a multicast address names no single machine" },
		{ "[fe80::1]:80",
			"cannot be used: a link-local address is not unique among the ports" },
		{ "[febf::1]:80",
			"cannot be used: a link-local address is not unique among the ports" },
	};
	char text[256], expected[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
			"{'name': 'a', 'bind': '%s', 'default-backend': 'app'}", cases[i].endpoint);
		snprintf(expected, sizeof(expected), F ".bind: %s", cases[i].complaint);
		expect_frontend(text, expected);
		snprintf(text, sizeof(text), "{'name': 's1', 'address': '%s'}", cases[i].endpoint);
		snprintf(expected, sizeof(expected), "$.backends[0].servers[0].address: %s",
			cases[i].complaint);
		expect_server(text, expected);
	}
	expect_server("{'name': 's1', 'address': '127.0.0.1:80'}",
		"$.backends[0].servers[0].address: warning: is a loopback address: no packet comes "
		"or goes through a port with it");
}

#define B "$.backends[0]"
#define S B ".servers[0]"

static void
test_backends_wrong(void)
{
	expect_backend("{'name': 'app'}",
		B ".servers: warning: no servers: what is sent to this backend is dropped");
	expect_backend("{'name': 'app', 'servers': []}",
		B ".servers: warning: no servers: what is sent to this backend is dropped");
	expect_backend(
		"{'name': 'app', 'servers': {}}", B ".servers: must be an array, found an object");
	expect_backend("{'servers': [{'name': 's', 'address': '10.0.0.1:80'}]}",
		B ".name: missing, but required\n" F ".default-backend: there is no backend 'app'");
	expect_backend("{'name': 'app', 'balance': 'firs', 'hash-on': 'src', 'forward': 'half', "
		       "'check': 'tcp', 'source-addresses': ['10.0.0.9'], 'encap': 'gue', "
		       "'server': 1, 'servers': [{'name': 's', 'address': '10.0.0.1:80'}]}",
		B
		".server: unknown key; did you mean 'servers'?\n" B
		".balance: must be one of 'source', 'roundrobin', 'leastconn', 'random', 'first', "
		"found the string 'firs'\n" B
		".forward: must be one of 'nat', 'dr', 'tunnel', 'fullnat', found the string "
		"'half'\n" B ".source-addresses: is for 'forward': 'fullnat' only\n" B
		".encap: is for 'forward': 'tunnel' only\n" B
		".check: must be true, false or an object, found the string 'tcp'\n" B
		".hash-on: must be one of 'source', 'source-port', 'connection', found the string "
		"'src'");
	expect_backend("{'name': 'app', 'balance': 'rr', 'hash-on': 'source', 'servers': [{'name': "
		       "'s', 'address': '10.0.0.1:80'}]}",
		B ".hash-on: warning: has no effect: only 'balance': 'source' hashes");
}

static void
test_servers_wrong(void)
{
	expect_server("7", S ": must be an object, found the number 7");
	expect_server("{}", S ".name: missing, but required\n" S ".address: missing, but required");
	expect_server("{'name': '', 'address': '10.0.0.1', 'weight': 257, 'backup': 1, 'check': "
		      "null, 'wieght': 1}",
		S ".wieght: unknown key; did you mean 'weight'?\n" S
		  ".name: must be a name: 1 to 63 of the characters A-Z a-z 0-9 _ . : -, found the "
		  "string ''\n" S
		  ".weight: must be a whole number from 0 to 256, found the number 257\n" S
		  ".backup: must be true or false, found the number 1\n" S
		  ".check: must be true, false or an object, found null");
	expect_server("{'name': 's', 'address': '10.0.0.1:80', 'weight': -1}",
		S ".weight: must be a whole number from 0 to 256, found the number -1");
	expect_server("{'name': 's', 'address': '10.0.0.1:80', 'weight': 1.5}",
		S ".weight: must be a whole number from 0 to 256, found the number 1.5");
	expect_server("{'name': 's', 'address': '10.0.0.1:80', 'check': {'inter': "
		      "'9ms', 'fastinter': '2d', 'downinter': 'soon', 'timeout': 0, 'rise': 0, "
		      "'fall': 1001, 'port': 65536, 'via': 'frontend', 'interval': 1}}",
		S ".check.interval: unknown key; the keys here are: type, inter, fastinter, "
		  "downinter, timeout, rise, fall, soft-fall, keep-last, init-state, flap-hold, "
		  "observe, port, via, address, source-address, send, send-hex, expect, "
		  "expect-regex, "
		  "method, path, version, host, headers, status, soft-status, user, password, "
		  "database, writable, query, query-type, rcode, tls, sni, verify, ca-file, "
		  "verify-host, "
		  "alpn\n" S ".check.inter: must be from 10ms to 1d, found the string '9ms'\n" S
		  ".check.fastinter: must be from 10ms to 1d, found the string '2d'\n" S
		  ".check.downinter: must be a time such as '500ms', '2s', '15m' (units ms s m h "
		  "d), from 10ms to 1d, found the string 'soon'\n" S
		  ".check.timeout: must be from 1ms to 1d, found the number 0\n" S
		  ".check.rise: must be a whole number from 1 to 1000, found the number 0\n" S
		  ".check.fall: must be a whole number from 1 to 1000, found the number 1001\n" S
		  ".check.port: must be a whole number from 1 to 65535, found the number 65536\n" S
		  ".check.via: must be one of 'server', 'service', found the string 'frontend'");
}

/* Reads a file of config/; to be freed. */
static char *
read_example(const char *name, size_t *length)
{
	char path[1024], *text;
	FILE *f;
	long size;

	snprintf(path, sizeof(path), "%s/%s", CONFIG_DIR, name);
	f = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	text = malloc(size + 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	*length = fread(text, 1, size, f);
	text[*length] = '\0';
	fclose(f);
	return text;
}

/* Each example of config/ is right, without a warning, and named in its README. */
static void
test_examples(void)
{
	DIR *directory = opendir(CONFIG_DIR);
	struct dirent *entry;
	size_t length, examples = 0;
	char *readme = read_example("README.md", &length);

	CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
	while ((entry = readdir(directory))) {
		const char *ending = strrchr(entry->d_name, '.');
		struct json_errors *errors;
		struct config *config;
		char path[1024];

		if (!ending || strcmp(ending, ".json") != 0)
			continue;
		errors = json_errors_create();
		snprintf(path, sizeof(path), "%s/%s", CONFIG_DIR, entry->d_name);
		config = config_load(path, errors);
		CU_ASSERT_PTR_NOT_NULL(config);
		case_expect(errors, path, "");
		CU_ASSERT_PTR_NOT_NULL(strstr(readme, entry->d_name));
		config_destroy(config);
		json_errors_destroy(errors);
		examples++;
	}
	CU_ASSERT(examples >= 6);
	closedir(directory);
	free(readme);
}

/* A file cut off anywhere is refused, and so is one with any byte spoilt or accepted whole. */
static void
test_truncated(void)
{
	size_t length, end;
	char *text = read_example("weights.json", &length);

	for (end = length; end > 0 && text[end - 1] != '}'; end--)
		;
	for (size_t cut = 0; cut < end; cut++) {
		struct json_errors *errors = json_errors_create();
		char *copy = malloc(cut + 1); /* exact, so that a sanitizer sees a byte too far */

		memcpy(copy, text, cut);
		CU_ASSERT_PTR_NULL(config_load_text(copy, cut, errors));
		CU_ASSERT_EQUAL(json_errors_count(errors), 1);
		json_errors_destroy(errors);
		free(copy);
	}
	for (size_t i = 0; i < length; i++) {
		static const char bytes[] = { 0, '"', ']', '9' };
		char was = text[i];

		for (size_t b = 0; b < sizeof(bytes); b++) {
			struct json_errors *errors = json_errors_create();
			struct config *config;

			text[i] = bytes[b];
			config = config_load_text(text, length, errors);
			CU_ASSERT_EQUAL(config == NULL, json_errors_count(errors) > 0);
			config_destroy(config);
			json_errors_destroy(errors);
		}
		text[i] = was;
	}
	free(text);
}

static const struct unit_test tests[] = {
	{ "defaults", test_defaults },
	{ "every key", test_everything },
	{ "balance words", test_balance_words },
	{ "check levels", test_check_levels },
	{ "wrong sections", test_sections_wrong },
	{ "wrong global section", test_global_wrong },
	{ "default secret", test_default_secret },
	{ "wrong defaults", test_defaults_wrong },
	{ "wrong frontends", test_frontends_wrong },
	{ "wrong addresses", test_addresses_wrong },
	{ "wrong backends", test_backends_wrong },
	{ "wrong servers", test_servers_wrong },
	{ "examples", test_examples },
	{ "truncated and spoilt files", test_truncated },
};

UNIT_MAIN("config", tests)
