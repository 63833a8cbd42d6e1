/* SPDX-License-Identifier: BSD-3-Clause */
/* Full NAT's source addresses, as the file gives them. */
#include <arpa/inet.h>

#include "config_case.h"

#define S	  "$.backends[0].source-addresses"
#define SERVER	  "{'name': 's', 'address': '10.0.0.1:80'}"
#define ADDRESSES "'name': 'x', 'forward': 'fullnat', 'source-addresses': "
#define TOO_MANY  "more than 16 addresses, which is the limit of a backend"

static char *
file_of(const char *backend)
{
	return case_text("'frontends': [{'name': 'a', 'bind': ['198.51.100.1:80', "
			 "'[2001:db8::1]:8080'], 'default-backend': 'x'}], 'backends': [{%s}]",
		backend);
}

static void
expect(const char *backend, const char *expected)
{
	char *members = file_of(backend);

	config_case_expect(members, expected);
	free(members);
}

static struct config *
right(const char *backend)
{
	char *members = file_of(backend), *text = case_text("{" PORTS SECRET "%s}", members);
	struct config *config = config_case_right(text);

	free(members);
	free(text);
	return config;
}

static void
check_source(const struct config *config, size_t index, const char *expected)
{
	char text[JSON_ADDRESS_TEXT_SIZE];

	json_address_text(&config->backends[0].sources[index], text);
	CU_ASSERT_STRING_EQUAL(text, expected);
}

static void
test_right(void)
{
	/* Frontends of both families, servers of one, another port. */
	struct config *c = right(ADDRESSES "['10.0.0.200', '2001:db8:2::200', '10.0.0.208/30', "
					   "'2001:db8:2::4/127', '10.0.0.3/32', 'fd00::1/128'], "
					   "'servers': [" SERVER "]");

	CU_ASSERT_EQUAL(c->backends[0].forward, SHUNT_FULLNAT);
	CU_ASSERT_EQUAL_FATAL(c->backends[0].source_count, 10);
	check_source(c, 0, "10.0.0.200");
	check_source(c, 1, "2001:db8:2::200");
	check_source(c, 2, "10.0.0.208");
	check_source(c, 5, "10.0.0.211");
	check_source(c, 6, "2001:db8:2::4");
	check_source(c, 7, "2001:db8:2::5");
	check_source(c, 8, "10.0.0.3");
	check_source(c, 9, "fd00::1");
	config_destroy(c);

	c = right(ADDRESSES "['10.0.0.240/28'], 'servers': [" SERVER "]");
	CU_ASSERT_EQUAL_FATAL(c->backends[0].source_count, SHUNT_MAX_BACKEND_SOURCES);
	check_source(c, 15, "10.0.0.255");
	config_destroy(c);

	c = right(ADDRESSES "['2001:db8:2::1', '10.0.0.9'], 'servers': [" SERVER
			    ", {'name': 't', 'address': '[2001:db8:3::1]:81'}]");
	CU_ASSERT_EQUAL(c->backends[0].source_count, 2);
	config_destroy(c);
}

static void
test_modes(void)
{
	expect("'name': 'x', 'forward': 'fullnat', 'servers': [" SERVER "]",
		S ": missing, but required");
	expect(ADDRESSES "[], 'servers': [" SERVER "]", S ": needs one address at least");
	expect(ADDRESSES "'10.0.0.9', 'servers': [" SERVER "]",
		S ": must be an array, found the string '10.0.0.9'");
	expect("'name': 'x', 'forward': 'dr', 'source-addresses': ['10.0.0.9']",
		S ": is for 'forward': 'fullnat' only\n$.backends[0].servers: warning: no "
		  "servers: what is sent to this backend is dropped");
}

static void
test_values(void)
{
#define WANTED "must be an address or a prefix such as '10.0.0.208/30' or '2001:db8::/126', found "
	expect(ADDRESSES "['10.0.0', 7, '10.0.0.1/0', '10.0.0.1/33', 'fd00::1/129', '/3', "
			 "'10.0.0.0/', '10.0.0.0/3x', '10.0.0.0/0030', '10.0.0.9/30', "
			 "'2001:db8::1/126', '::ffff:10.0.0.0/126', '224.0.0.1', '0.0.0.0/28', "
			 "'fe80::1']",
		S "[0]: must be an IPv4 or IPv6 address, found the string '10.0.0'\n" S
		  "[1]: must be an IPv4 or IPv6 address, found the number 7\n" S "[2]: " WANTED
		  "the string '10.0.0.1/0'\n" S "[3]: " WANTED "the string '10.0.0.1/33'\n" S
		  "[4]: " WANTED "the string 'fd00::1/129'\n" S "[5]: " WANTED "the string '/3'\n" S
		  "[6]: " WANTED "the string '10.0.0.0/'\n" S "[7]: " WANTED
		  "the string '10.0.0.0/3x'\n" S "[8]: " WANTED "the string '10.0.0.0/0030'\n" S
		  "[9]: '10.0.0.9/30' has bits set behind the prefix\n" S
		  "[10]: '2001:db8::1/126' has bits set behind the prefix\n" S "[11]: " WANTED
		  "the string '::ffff:10.0.0.0/126'\n" S
		  "[12]: cannot be used: a multicast address names no single machine\n" S
		  "[13]: cannot be used: 0.0.0.0/8 names no machine\n" S
		  "[14]: cannot be used: a link-local address is not unique among the ports\n"
		  "$.backends[0].servers: warning: no servers: what is sent to this backend is "
		  "dropped");
}

static void
test_duplicates(void)
{
	expect(ADDRESSES "['10.0.0.9', '10.0.0.9', '10.0.0.8/31', '10.0.0.12/30', '10.0.0.14/31'],"
			 "'servers': [" SERVER "]",
		S "[1]: 10.0.0.9 is already in source-addresses[0]\n" S
		  "[2]: 10.0.0.9 is already in source-addresses[0]\n" S
		  "[4]: 10.0.0.14 is already in source-addresses[3]\n" S
		  "[4]: 10.0.0.15 is already in source-addresses[3]");
	expect(ADDRESSES "['198.51.100.1', '2001:db8::1', '10.0.0.0/30'], 'servers': [" SERVER "]",
		S "[0]: 198.51.100.1 is a balanced address, bound by frontend 'a'; full NAT needs "
		  "source addresses of its own\n" S
		  "[1]: 2001:db8::1 is a balanced address, bound by frontend 'a'; full NAT needs "
		  "source addresses of its own\n" S
		  "[2]: 10.0.0.1 is the address of a server of backend 'x'; full NAT needs source "
		  "addresses of its own");
	/* Of a later backend, too. */
	expect(ADDRESSES "['10.0.9.9'], 'servers': [" SERVER "]}, {'name': 'y', 'servers': "
			 "[{'name': 's', 'address': '10.0.9.9:80'}]",
		"$.backends[1]: warning: no frontend uses the backend 'y'\n" S
		"[0]: 10.0.9.9 is the address of a server of backend 'y'; full NAT needs source "
		"addresses of its own");
}

/* Servers without a port have addresses like others. */
static void
test_servers_without_port(void)
{
	expect(ADDRESSES "['10.0.0.9', '10.0.0.1'], 'servers': [{'name': 's', 'address': "
			 "'10.0.0.1', 'check': false}, {'name': 't', 'address': '[2001:db8:3::1]', "
			 "'check': false}]",
		S ": has no IPv6 address, which server 't' (2001:db8:3::1) needs: clients' packets "
		  "reach a server from a source address of its own family\n" S
		  "[1]: 10.0.0.1 is the address of a server of backend 'x'; full NAT needs source "
		  "addresses of its own");
}

/* The dataplane puts these on a kernel twin: what comes to them is the kernel's. */
static void
test_twins(void)
{
	config_destroy(config_case(
		"{'dataplane': {'ports': [{'name': 'lan', 'device': '0000:3b:00.1', 'addresses': "
		"['10.0.0.2/24']}]}, " SECRET
		"'frontends': [{'name': 'a', 'bind': '198.51.100.1:80', 'default-backend': 'x'}], "
		"'backends': [{" ADDRESSES "['10.0.0.9', '10.0.0.2'], 'servers': [" SERVER "]}]}",
		S "[1]: 10.0.0.2 is the address of the kernel twin of port 'lan'; full NAT needs "
		  "source addresses of its own"));
}

static void
test_limits(void)
{
	expect(ADDRESSES "['10.0.0.9', '10.0.1.0/28', '10.0.2.9'], 'servers': [" SERVER "]",
		S "[1]: " TOO_MANY);
	expect(ADDRESSES "['10.0.0.0/27'], 'servers': [" SERVER "]", S "[0]: " TOO_MANY);
	expect(ADDRESSES "['16.0.0.0/4'], 'servers': [" SERVER "]", S "[0]: " TOO_MANY);
	expect(ADDRESSES "['8000::/1'], 'servers': [" SERVER "]", S "[0]: " TOO_MANY);
}

static void
test_total(void)
{
	char *backends = case_text("%s", "'name': 'x', 'servers': [" SERVER "]"), *more;
	struct json_errors *errors = json_errors_create();
	const struct json_error_entry *entry;
	bool found = false;

	for (int i = 0; i < 16; i++) {
		more = case_text("%s}, {'name': 'y%d', 'forward': 'fullnat', 'source-addresses': "
				 "['10.1.%d.0/28'], 'servers': [" SERVER "]",
			backends, i, i);
		free(backends);
		backends = more;
	}
	more = case_text("'frontends': [], 'backends': [{%s}]", backends);
	free(backends);
	backends = case_text("{" PORTS SECRET "%s}", more);
	free(more);
	CU_ASSERT_PTR_NULL(config_load_text(backends, strlen(backends), errors));
	for (size_t i = 0; (entry = json_errors_get(errors, i)); i++)
		found = found ||
			(strcmp(entry->path, "$.backends") == 0 &&
				strcmp(entry->message,
					"have 256 source addresses in all, the limit is 254") == 0);
	CU_ASSERT(found);
	CU_ASSERT_EQUAL(json_errors_count(errors), 1);
	json_errors_destroy(errors);
	free(backends);
}

static void
test_families(void)
{
	expect(ADDRESSES "['10.0.0.9'], 'servers': [" SERVER
			 ", {'name': 't', 'address': '[2001:db8:3::1]:81'}, {'name': 'u', "
			 "'address': '[2001:db8:3::2]:81'}]",
		S ": has no IPv6 address, which server 't' (2001:db8:3::1) needs: clients' packets "
		  "reach a server from a source address of its own family");
	expect(ADDRESSES "['2001:db8:3::9'], 'servers': [" SERVER "]",
		S ": has no IPv4 address, which server 's' (10.0.0.1) needs: clients' packets "
		  "reach a server from a source address of its own family");
}

static const struct unit_test tests[] = {
	{ "addresses and prefixes", test_right },
	{ "required and refused", test_modes },
	{ "wrong values", test_values },
	{ "duplicates and addresses of others", test_duplicates },
	{ "servers without a port", test_servers_without_port },
	{ "addresses of kernel twins", test_twins },
	{ "limit of a backend", test_limits },
	{ "limit of all", test_total },
	{ "families", test_families },
};

UNIT_MAIN("config_source", tests)
