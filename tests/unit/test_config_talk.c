/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check says and expects, as the file has it. */
#include "talk_case.h"

static void
nothing_said(void)
{
	struct config *config = load("", "'inter': '1s'", "'type': 'tcp'");

	CU_ASSERT_PTR_NULL(talk_of(config));
	CU_ASSERT_PTR_NULL(config->talks);
	config_destroy(config);
}

static void
http_defaults(void)
{
	struct config *config = load("", "'type': 'http'", "");
	const struct check_talk *talk = talk_of(config);

	CU_ASSERT_PTR_NOT_NULL_FATAL(talk);
	CU_ASSERT_EQUAL(talk->type, CHECK_HTTP);
	CU_ASSERT_STRING_EQUAL(talk->method, "GET");
	CU_ASSERT_STRING_EQUAL(talk->path, "/");
	CU_ASSERT_STRING_EQUAL(talk->version, "1.1");
	CU_ASSERT_PTR_NULL(talk->host);
	CU_ASSERT_PTR_NULL(talk->headers);
	CU_ASSERT_PTR_NULL(talk->expect);
	CU_ASSERT_PTR_NULL(talk->regex);
	CU_ASSERT_EQUAL(talk->status_count, 1);
	CU_ASSERT_EQUAL(talk->statuses[0].first, 200);
	CU_ASSERT_EQUAL(talk->statuses[0].last, 399);
	config_destroy(config);
}

static void
http_right(void)
{
	struct config *config = load("",
		"'type': 'http', 'method': 'OPTIONS', 'path': '*', 'version': '1.0', 'host': "
		"'www.example.org', 'headers': {'X-Probe': 'yes, it is', 'Empty': '-'}, 'status': "
		"[200, '301-302', 404], 'expect': 'ready', 'expect-regex': '^\\\\d+$'",
		"");
	const struct check_talk *talk = talk_of(config);

	CU_ASSERT_PTR_NOT_NULL_FATAL(talk);
	CU_ASSERT_STRING_EQUAL(talk->method, "OPTIONS");
	CU_ASSERT_STRING_EQUAL(talk->path, "*");
	CU_ASSERT_STRING_EQUAL(talk->version, "1.0");
	CU_ASSERT_STRING_EQUAL(talk->host, "www.example.org");
	CU_ASSERT_STRING_EQUAL(talk->headers, "X-Probe: yes, it is\r\nEmpty: -\r\n");
	CU_ASSERT_EQUAL(talk->status_count, 3);
	CU_ASSERT_EQUAL(talk->statuses[1].first, 301);
	CU_ASSERT_EQUAL(talk->statuses[1].last, 302);
	CU_ASSERT_EQUAL(talk->statuses[2].first, 404);
	CU_ASSERT_STRING_EQUAL(talk->expect, "ready");
	CU_ASSERT_STRING_EQUAL(check_regex_pattern(talk->regex), "^\\d+$");
	config_destroy(config);
	config = load("", "'type': 'http', 'status': 204", "");
	CU_ASSERT_EQUAL(talk_of(config)->status_count, 1);
	CU_ASSERT_EQUAL(talk_of(config)->statuses[0].last, 204);
	config_destroy(config);
}

static void
tcp_right(void)
{
	struct config *config = load("", "'send': 'PING\\r\\n', 'expect': '+PONG'", "");
	const struct check_talk *talk = talk_of(config);

	CU_ASSERT_PTR_NOT_NULL_FATAL(talk);
	CU_ASSERT_EQUAL(talk->type, CHECK_TCP);
	CU_ASSERT_EQUAL(talk->send_length, 6);
	CU_ASSERT_STRING_EQUAL(talk->send, "PING\r\n");
	CU_ASSERT_STRING_EQUAL(talk->expect, "+PONG");
	config_destroy(config);
	config = load("", "'send-hex': '0001ff', 'expect-regex': '\\\\xff'", "");
	CU_ASSERT_EQUAL(talk_of(config)->send_length, 3);
	CU_ASSERT_EQUAL(memcmp(talk_of(config)->send, "\0\1\xff", 3), 0);
	config_destroy(config);
}

static void
soft_statuses(void)
{
	struct config *config = load("'type': 'http', 'soft-status': [503, '420-429']", "",
		"'soft-fall': 10, 'keep-last': true, 'init-state': 'fully-up'");
	const struct check_config *check = &config->backends[0].servers[0].check;

	CU_ASSERT_EQUAL(check->soft_fall, 10);
	CU_ASSERT_TRUE(check->keep_last);
	CU_ASSERT_EQUAL(check->init_state, INIT_FULLY_UP);
	CU_ASSERT_EQUAL(check->talk->soft_count, 2);
	CU_ASSERT_EQUAL(check->talk->soft_statuses[0].last, 503);
	CU_ASSERT_EQUAL(check->talk->soft_statuses[1].first, 420);
	CU_ASSERT_EQUAL(check->talk->status_count, 1);
	config_destroy(config);
	config = load("'type': 'http', 'soft-status': 503, 'soft-fall': 5, 'keep-last': true",
		"'path': '/up'", "'soft-status': [], 'keep-last': false");
	check = &config->backends[0].servers[0].check;
	CU_ASSERT_EQUAL(check->talk->soft_count, 0);
	CU_ASSERT_EQUAL(check->soft_fall, 5);
	CU_ASSERT_FALSE(check->keep_last);
	CU_ASSERT_EQUAL(check->init_state, INIT_DOWN);
	config_destroy(config);
	config = load("", "", "");
	check = &config->backends[0].servers[0].check;
	CU_ASSERT_EQUAL(check->soft_fall, 0);
	CU_ASSERT_FALSE(check->keep_last);
	config_destroy(config);

	wrong("'soft-status': 503", C ".soft-status: is for 'type': 'http' only");
	wrong("'type': 'http', 'soft-status': [503, '600-700']",
		C ".soft-status[1]: must be a range of statuses such as '200-399', "
		  "found the string '600-700'");
	wrong("'soft-fall': 0",
		C ".soft-fall: must be a whole number from 1 to 1000, found the number 0");
	wrong("'keep-last': 1", C ".keep-last: must be true or false, found the number 1");
	wrong("'init-state': 'on'",
		C ".init-state: must be one of 'down', 'up', 'fully-down', 'fully-up', found the "
		  "string 'on'");
}

static void
flap_holds(void)
{
	struct config *config = load("'flap-hold': {}", "", "'flap-hold': {'hold': '1s'}");
	const struct flap_config *flap = &config->backends[0].servers[0].check.flap;

	CU_ASSERT_EQUAL(flap->after, 3);
	CU_ASSERT_EQUAL(flap->within_ms, 60000);
	CU_ASSERT_EQUAL(flap->hold_ms, 1000);
	CU_ASSERT_EQUAL(flap->max_ms, 300000);
	config_destroy(config);
	config = load("'flap-hold': {'after': 5}", "'flap-hold': false", "");
	CU_ASSERT_EQUAL(config->backends[0].servers[0].check.flap.after, 0);
	config_destroy(config);
	wrong("'flap-hold': true", C ".flap-hold: must be false or an object, found true");
	wrong("'flap-hold': {'after': 11}",
		C ".flap-hold.after: must be a whole number from 1 to 10, found the number 11");
	wrong("'flap-hold': {'hold': '10m'}", C ".flap-hold: 'max' is less than 'hold'");
}

static void
inherited(void)
{
	struct config *config = load("'type': 'http', 'path': '/up', 'status': [200, 204]",
		"'host': 'h'", "'expect': 'e', 'status': 200");
	const struct check_talk *talk = talk_of(config);

	CU_ASSERT_STRING_EQUAL(talk->path, "/up");
	CU_ASSERT_STRING_EQUAL(talk->host, "h");
	CU_ASSERT_STRING_EQUAL(talk->expect, "e");
	CU_ASSERT_EQUAL(talk->status_count, 1);
	config_destroy(config);
	/* Where nothing is changed, nothing is copied: 65535 servers may share it. */
	config = load("'type': 'http'", "'inter': '1s'", "'type': 'http', 'rise': 1");
	CU_ASSERT_PTR_EQUAL(talk_of(config), config->talks);
	CU_ASSERT_PTR_NULL(config->talks->next);
	config_destroy(config);
	/* Of another type nothing is taken over. */
	config = load("'type': 'http', 'expect': 'e'", "'type': 'tcp'", "");
	CU_ASSERT_PTR_NULL(talk_of(config));
	config_destroy(config);
	config = load("'send': 's', 'expect': 'e'", "", "'type': 'http'");
	CU_ASSERT_PTR_NULL(talk_of(config)->expect);
	CU_ASSERT_PTR_NULL(talk_of(config)->send);
	CU_ASSERT_STRING_EQUAL(talk_of(config)->method, "GET");
	config_destroy(config);
	/* One way of writing it replaces the other. */
	config = load("'send': 's', 'expect': 'e'", "'send-hex': '4142'", "");
	CU_ASSERT_STRING_EQUAL(talk_of(config)->send, "AB");
	config_destroy(config);
}

static void
wrong_types(void)
{
	wrong("'type': 'smtp'",
		C ".type: must be one of 'tcp', 'http', 'redis', 'postgres', 'mysql', 'udp', "
		  "'dns', 'icmp', 'agent', 'tls', 'https', found the string 'smtp'");
	wrong("'path': '/', 'status': 200",
		C ".path: is for 'type': 'http' only\n" C ".status: is for 'type': 'http' only");
	wrong("'type': 'http', 'send': 'x'",
		C ".send: is for 'type': 'tcp', 'udp' or 'agent' only");
}

static void
wrong_http(void)
{
#define WRONG_HTTP(keys, expected) wrong("'type': 'http', " keys, C expected)
	WRONG_HTTP("'method': 'GET IT'",
		".method: must be a method such as 'GET', found the string 'GET IT'");
	WRONG_HTTP("'path': 'up'",
		".path: must be a path that begins with '/', in printable ASCII without blanks, "
		"found the string 'up'");
	WRONG_HTTP("'path': '/a b'",
		".path: must be a path that begins with '/', in printable ASCII without blanks, "
		"found the string '/a b'");
	WRONG_HTTP("'version': '2.0'", ".version: must be '1.0' or '1.1', found the string '2.0'");
	WRONG_HTTP("'version': 1.1", ".version: must be a string, found the number 1.1");
	WRONG_HTTP("'host': 'a b'",
		".host: must be a name, in printable ASCII without blanks, found the string 'a b'");
	WRONG_HTTP("'headers': ['a']",
		".headers: must be an object of at most 32 headers, found an array");
	WRONG_HTTP("'headers': {'a:': 'b'}", ".headers['a:']: is no name of a header");
	WRONG_HTTP("'headers': {'Host': 'b'}",
		".headers.Host: is set by the probe itself: for a host there is 'host'");
	WRONG_HTTP("'headers': {'a': 5}", ".headers.a: must be a string, found the number 5");
	WRONG_HTTP("'status': 99",
		".status: must be a whole number from 100 to 599, found the number 99");
	WRONG_HTTP("'status': '200-'",
		".status: must be a range of statuses such as '200-399', found the string '200-'");
	WRONG_HTTP("'status': ['300-200']",
		".status[0]: must be a range of statuses such as '200-399', found the string "
		"'300-200'");
	WRONG_HTTP("'status': ['399--99']",
		".status[0]: must be a range of statuses such as '200-399', found the string "
		"'399--99'");
	WRONG_HTTP("'status': ['200-600']",
		".status[0]: must be a range of statuses such as '200-399', found the string "
		"'200-600'");
	WRONG_HTTP("'status': []", ".status: is empty: no answer would do");
	WRONG_HTTP("'status': true",
		".status: must be a status such as 200, or a range such as '200-399', found true");
	WRONG_HTTP(
		"'status': [200,200,200,200,200,200,200,200,200,200,200,200,200,200,200,200,200]",
		".status: has 17 elements, the limit is 16");
}

static void
wrong_tcp(void)
{
	wrong("'send': '', 'expect': 'x'",
		C ".send: must be a string of 1 to 4096 characters, found the string ''");
	wrong("'send': 'a', 'send-hex': '00', 'expect': 'x'",
		C ".send-hex: there is 'send' already");
	wrong("'send-hex': '000', 'expect': 'x'",
		C ".send-hex: is half a byte too long: a byte is two digits");
	wrong("'send-hex': '0g', 'expect': 'x'",
		C ".send-hex: must be a string of 2 hexadecimal digits");
	wrong("'expect': ''",
		C ".expect: must be a string of 1 to 256 characters, found the string ''");
	wrong("'expect-regex': 'a('",
		C ".expect-regex: is no regular expression: missing closing parenthesis (at "
		  "character 2)");
	/* Said once, and no error. */
	wrong("'send': 'QUIT'",
		C ".send: warning: nothing is expected: whatever the server answers, it is up");
	wrong("'send-hex': '00'",
		C ".send-hex: warning: nothing is expected: whatever the server answers, it is up");
}

static void
databases(void)
{
	struct config *config =
		load("'type': 'redis', 'password': 'a b'", "'user': 'probe'", "'password': 'c'");
	const struct check_talk *talk = talk_of(config);

	CU_ASSERT_PTR_NOT_NULL_FATAL(talk);
	CU_ASSERT_EQUAL(talk->type, CHECK_REDIS);
	CU_ASSERT_STRING_EQUAL(talk->user, "probe");
	CU_ASSERT_STRING_EQUAL(talk->password, "c");
	config_destroy(config);
	config = load("'type': 'redis', 'password': 'a'", "'type': 'postgres'", "");
	talk = talk_of(config);
	CU_ASSERT_EQUAL(talk->type, CHECK_POSTGRES);
	CU_ASSERT_STRING_EQUAL(talk->user, "shunt");
	CU_ASSERT_PTR_NULL(talk->password);
	CU_ASSERT_PTR_NULL(talk->database);
	config_destroy(config);
	config = load("'type': 'postgres', 'user': 'u'", "'database': 'd'", "");
	CU_ASSERT_STRING_EQUAL(talk_of(config)->user, "u");
	CU_ASSERT_STRING_EQUAL(talk_of(config)->database, "d");
	config_destroy(config);
	/* The greeting is enough. */
	config = load("", "'type': 'mysql'", "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(talk_of(config));
	CU_ASSERT_PTR_NULL(talk_of(config)->user);
	config_destroy(config);
	config = load("", "'type': 'mysql'", "'user': 'probe'");
	CU_ASSERT_STRING_EQUAL(talk_of(config)->user, "probe");
	CU_ASSERT_FALSE(talk_of(config)->writable);
	config_destroy(config);
}

static void
databases_that_take_writes(void)
{
	struct config *config = load("'type': 'postgres'", "'writable': true", "'user': 'u'");

	CU_ASSERT_TRUE(talk_of(config)->writable);
	CU_ASSERT_STRING_EQUAL(talk_of(config)->user, "u");
	config_destroy(config);
	config = load("'type': 'postgres', 'writable': true", "", "'writable': false");
	CU_ASSERT_FALSE(talk_of(config)->writable);
	config_destroy(config);
	config = load("'type': 'mysql', 'user': 'u'", "'writable': true", "");
	CU_ASSERT_TRUE(talk_of(config)->writable);
	config_destroy(config);
	/* Of another type it is not taken over. */
	config = load("'type': 'postgres', 'writable': true", "'type': 'mysql'", "'user': 'u'");
	CU_ASSERT_FALSE(talk_of(config)->writable);
	config_destroy(config);
	config = load("'type': 'mysql'", "'writable': false", "");
	CU_ASSERT_FALSE(talk_of(config)->writable);
	config_destroy(config);
	wrong("'type': 'mysql', 'writable': true",
		C ".writable: needs a 'user' that logs in and asks");
	wrong("'type': 'redis', 'writable': true",
		C ".writable: is for 'type': 'postgres' or 'mysql' only");
	wrong("'writable': false", C ".writable: is for 'type': 'postgres' or 'mysql' only");
	wrong("'type': 'postgres', 'writable': 'yes'",
		C ".writable: must be true or false, found the string 'yes'");
}

static void
wrong_databases(void)
{
	wrong("'user': 'u', 'password': 'p', 'database': 'd'",
		C ".user: is for 'type': 'redis', 'postgres' or 'mysql' only\n" C
		  ".password: is for 'type': 'redis' only\n" C
		  ".database: is for 'type': 'postgres' only");
	wrong("'type': 'redis', 'user': 'u'", C ".user: has no 'password'");
	wrong("'type': 'redis', 'database': 'd'", C ".database: is for 'type': 'postgres' only");
	wrong("'type': 'postgres', 'password': 'p'", C ".password: is for 'type': 'redis' only");
	wrong("'type': 'mysql', 'expect': 'e', 'send': 's', 'path': '/'",
		C ".path: is for 'type': 'http' only\n" C
		  ".send: is for 'type': 'tcp', 'udp' or 'agent' only\n" C
		  ".expect: is for 'type': 'tcp', 'udp' or 'http' only");
	wrong("'type': 'mysql', 'user': ''",
		C ".user: must be a string of 1 to 128 characters, found the string ''");
	wrong("'type': 'postgres', 'user': 'a\\tb'",
		C ".user: must be a text without control characters, found the string 'a\\x09b'");
}

static const struct unit_test tests[] = {
	{ "holds of what flaps", flap_holds },
	{ "soft failures and the first state", soft_statuses },
	{ "nothing is said", nothing_said },
	{ "http: defaults", http_defaults },
	{ "http: right", http_right },
	{ "tcp: right", tcp_right },
	{ "taken over from the level before", inherited },
	{ "wrong: types", wrong_types },
	{ "wrong: http", wrong_http },
	{ "wrong: tcp", wrong_tcp },
	{ "databases: right", databases },
	{ "databases: that take writes", databases_that_take_writes },
	{ "databases: wrong", wrong_databases },
};

UNIT_MAIN("config_talk", tests)
