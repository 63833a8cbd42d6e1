/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks by datagrams, as the file has them: udp, dns, icmp. */
#include "check.h"
#include "config_case.h"

#define C "$.backends[0].check"

/* Of the backend and of its only server. */
static char *
file_with(const char *backend, const char *server)
{
	return case_text("{" PORTS SECRET "'frontends': [{'name': 'f', 'protocol': 'udp', 'bind': "
			 "'198.51.100.1:53', 'default-backend': 'b'}], 'backends': [{'name': 'b', "
			 "'check': {%s}, 'servers': [{'name': 's', 'address': '10.0.0.1:53', "
			 "'check': {%s}}]}]}",
		backend, server);
}

static struct config *
load(const char *backend, const char *server)
{
	char *text = file_with(backend, server);
	struct config *config = config_case_right(text);

	free(text);
	return config;
}

static const struct check_talk *
talk_of(const struct config *config)
{
	const struct check_talk *talk = config->backends[0].servers[0].check.talk;

	CU_ASSERT_PTR_NOT_NULL_FATAL(talk);
	return talk;
}

static void
wrong(const char *backend, const char *expected)
{
	char *text = file_with(backend, "");

	config_destroy(config_case(text, expected));
	free(text);
}

static void
dns_right(void)
{
	struct config *config = load("'type': 'dns'", "");
	struct check_talk *copy;

	CU_ASSERT_EQUAL(talk_of(config)->type, CHECK_DNS);
	CU_ASSERT_STRING_EQUAL(talk_of(config)->query, ".");
	CU_ASSERT_EQUAL(talk_of(config)->query_type, 6);
	CU_ASSERT_EQUAL(talk_of(config)->status_count, 1);
	CU_ASSERT_EQUAL(talk_of(config)->statuses[0].first, 0);
	config_destroy(config);
	config = load("'type': 'dns', 'query': 'www.example.org', 'query-type': 'AAAA'",
		"'rcode': ['NOERROR', 'nxdomain', 9]");
	CU_ASSERT_STRING_EQUAL(talk_of(config)->query, "www.example.org");
	CU_ASSERT_EQUAL(talk_of(config)->query_type, 28);
	CU_ASSERT_EQUAL(talk_of(config)->status_count, 3);
	CU_ASSERT_EQUAL(talk_of(config)->statuses[1].first, 3);
	CU_ASSERT_EQUAL(talk_of(config)->statuses[2].last, 9);
	/* What makes another check, and what is copied. */
	copy = check_talk_copy(talk_of(config));
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_TRUE(check_talk_equal(copy, talk_of(config)));
	copy->query_type = 1;
	CU_ASSERT_FALSE(check_talk_equal(copy, talk_of(config)));
	copy->query_type = 28;
	copy->query[0] = 'm';
	CU_ASSERT_FALSE(check_talk_equal(copy, talk_of(config)));
	check_talk_destroy(copy);
	config_destroy(config);
	config = load("'type': 'dns', 'query-type': 65, 'rcode': 'REFUSED'", "'query': 'a.b.'");
	CU_ASSERT_EQUAL(talk_of(config)->query_type, 65);
	CU_ASSERT_EQUAL(talk_of(config)->status_count, 1);
	CU_ASSERT_EQUAL(talk_of(config)->statuses[0].first, 5);
	config_destroy(config);
}

static void
dns_wrong(void)
{
	wrong("'query': '.', 'query-type': 'A', 'rcode': 0",
		C ".query: is for 'type': 'dns' only\n" C ".query-type: is for 'type': 'dns' "
		  "only\n" C ".rcode: is for 'type': 'dns' only\n" PROBED_BY_TCP("0", "b"));
	wrong("'type': 'dns', 'expect': 'x', 'send': 'x'",
		C ".send: is for 'type': 'tcp', 'udp' or 'agent' only\n" C
		  ".expect: is for 'type': 'tcp', 'udp' or 'http' only");
#define NAME_WANTED                                                                           \
	": must be a name such as 'www.example.org' or '.', whose labels have 1 to 63 bytes " \
	"of printable ASCII, found the string "
	wrong("'type': 'dns', 'query': 'a..b'", C ".query" NAME_WANTED "'a..b'");
	wrong("'type': 'dns', 'query': '.a'", C ".query" NAME_WANTED "'.a'");
	wrong("'type': 'dns', 'query': 'a b'", C ".query" NAME_WANTED "'a b'");
	wrong("'type': 'dns', 'query-type': 'XY'",
		C ".query-type: must be one of 'A', 'NS', 'CNAME', 'SOA', 'PTR', 'MX', 'TXT', "
		  "'AAAA', 'SRV', 'NAPTR', 'DS', 'DNSKEY', 'SVCB', 'HTTPS', 'ANY', 'CAA', found "
		  "the string 'XY'");
	wrong("'type': 'dns', 'query-type': 0",
		C ".query-type: must be a whole number from 1 to 65535, found the number 0");
#define RCODE_WANTED \
	": must be a response code: a name such as 'NOERROR', or a number from 0 to 15, found "
	wrong("'type': 'dns', 'rcode': 'FINE'", C ".rcode" RCODE_WANTED "the string 'FINE'");
	wrong("'type': 'dns', 'rcode': [0, true]", C ".rcode[1]" RCODE_WANTED "true");
	wrong("'type': 'dns', 'rcode': 16",
		C ".rcode: must be a whole number from 0 to 15, found the number 16");
	wrong("'type': 'dns', 'rcode': []", C ".rcode: is empty: no answer would do");
}

static void
udp(void)
{
	struct config *config =
		load("'type': 'udp', 'send-hex': '00ff', 'expect-regex': '^ok'", "'expect': 'ok'");

	CU_ASSERT_EQUAL(talk_of(config)->type, CHECK_UDP);
	CU_ASSERT_EQUAL(talk_of(config)->send_length, 2);
	CU_ASSERT_STRING_EQUAL(talk_of(config)->expect, "ok");
	CU_ASSERT_TRUE(check_expects(talk_of(config)));
	config_destroy(config);
	config = load("'type': 'udp', 'expect': 'x'", "'type': 'tcp'");
	CU_ASSERT_PTR_NULL(config->backends[0].servers[0].check.talk);
	config_destroy(config);
#define SILENT                                                                                     \
	": warning: nothing is expected: the server is up unless its port is refused, also if it " \
	"is silent"
	wrong("'type': 'udp'", C ".type" SILENT);
	wrong("'type': 'udp', 'send': 'ping'", C ".send" SILENT);
	wrong("'type': 'udp', 'query': '.', 'path': '/', 'expect': 'x'",
		C ".path: is for 'type': 'http' only\n" C ".query: is for 'type': 'dns' only");
}

static void
icmp(void)
{
	struct config *config = load("'type': 'icmp'", "'inter': '1s'");

	CU_ASSERT_EQUAL(talk_of(config)->type, CHECK_ICMP);
	CU_ASSERT_EQUAL(check_transport(talk_of(config)), CHECK_ECHO);
	config_destroy(config);
	wrong("'type': 'icmp', 'port': 53, 'send': 'x', 'expect': 'x'",
		C ".send: is for 'type': 'tcp', 'udp' or 'agent' only\n" C
		  ".expect: is for 'type': 'tcp', 'udp' or 'http' only\n" C
		  ".port: is not for 'type': 'icmp': an echo request has no port");
}

static const struct unit_test tests[] = {
	{ "dns: right", dns_right },
	{ "dns: wrong", dns_wrong },
	{ "udp", udp },
	{ "icmp", icmp },
};

UNIT_MAIN("config_dns", tests)
