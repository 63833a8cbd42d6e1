/* SPDX-License-Identifier: BSD-3-Clause */
/* The typed getters of jsonfile.h. */
#include <inttypes.h>

#include "json_case.h"

/* Reads the value of "v" into a text, so that one table form serves every getter. */
typedef bool (*getter)(struct json_at at, char *out, size_t size);

struct value_case {
	const char *value;     /* JSON, ' for " */
	const char *result;    /* NULL: refused */
	const char *complaint; /* without "$.v: ", ' for " */
};

static void
run_value(getter get, const struct value_case *c)
{
	char *text = case_text("{'v': %s}", c->value), out[256] = "";
	struct json_errors *errors = json_errors_create();
	json_t *document = json_text_load(text, strlen(text), errors);
	struct json_at root = json_at_root(document, errors);
	char expected[512] = "";

	CU_ASSERT_PTR_NOT_NULL_FATAL(document);
	CU_ASSERT_EQUAL(get(json_at_member(&root, "v"), out, sizeof(out)), c->result != NULL);
	CU_ASSERT_STRING_EQUAL(out, c->result ? c->result : "");
	if (c->complaint)
		snprintf(expected, sizeof(expected), "$.v: %s", c->complaint);
	case_expect(errors, text, expected);
	CU_ASSERT_EQUAL(json_errors_count(errors), c->complaint ? 1 : 0);
	json_decref(document);
	json_errors_destroy(errors);
	free(text);
}

#define RUN_VALUES(get, cases)                                             \
	for (size_t i_ = 0; i_ < sizeof(cases) / sizeof((cases)[0]); i_++) \
	run_value(get, &(cases)[i_])

/* An absent value is no error and leaves the default alone. */
static void
test_absent(void)
{
	struct json_errors *errors = json_errors_create();
	json_t *document = json_text_load("{}", 2, errors);
	struct json_at root = json_at_root(document, errors), at = json_at_member(&root, "v");
	struct json_at deeper = json_at_member(&at, "w"), element = json_at_element(&at, 3);
	static const struct json_word words[] = { { "a", 1 }, { NULL, 0 } };
	static const char *const keys[] = { NULL };
	const char *string = "default";
	char name[SHUNT_NAME_SIZE] = "default";
	struct shunt_addr address;
	struct shunt_mac mac;
	uint16_t port = 7;
	uint32_t time = 7;
	uint64_t size = 7;
	uint8_t hex[2] = { 7, 7 };
	int64_t number = 7;
	size_t count = 7;
	bool truth = true;
	int word = 7;

	CU_ASSERT_FALSE(json_at_present(at) || json_at_present(deeper) || json_at_present(element));
	CU_ASSERT_FALSE(json_get_object(at, keys) || json_get_array(at, 5, &count));
	CU_ASSERT_FALSE(json_get_bool(at, &truth) || json_get_int(at, 0, 9, &number));
	CU_ASSERT_FALSE(json_get_string(at, 9, &string) || json_get_name(at, name));
	CU_ASSERT_FALSE(json_get_word(at, words, &word) || json_get_time_ms(at, 1, 9, &time));
	CU_ASSERT_FALSE(json_get_size(at, 1, 9, &size) || json_get_address(at, &address));
	CU_ASSERT_FALSE(json_get_endpoint(at, &address, &port) || json_get_mac(at, &mac));
	CU_ASSERT_FALSE(json_get_hex(at, hex, 2));
	CU_ASSERT_TRUE(truth && number == 7 && count == 7 && word == 7 && time == 7 && size == 7);
	CU_ASSERT_TRUE(port == 7 && hex[0] == 7 && strcmp(string, "default") == 0);
	CU_ASSERT_STRING_EQUAL(name, "default");
	case_expect(errors, "{}", "");
	CU_ASSERT_FALSE(json_at_require(element));
	case_expect(errors, "{}", "$.v[3]: missing, but required");
	json_decref(document);
	json_errors_destroy(errors);
}

static bool
as_bool(struct json_at at, char *out, size_t size)
{
	bool value;

	if (!json_get_bool(at, &value))
		return false;
	snprintf(out, size, "%s", value ? "yes" : "no");
	return true;
}

static bool
as_int(struct json_at at, char *out, size_t size)
{
	int64_t value;

	if (!json_get_int(at, -2, 256, &value))
		return false;
	snprintf(out, size, "%" PRId64, value);
	return true;
}

static bool
as_string(struct json_at at, char *out, size_t size)
{
	const char *value;

	if (!json_get_string(at, 5, &value))
		return false;
	snprintf(out, size, "%s", value);
	return true;
}

static bool
as_name(struct json_at at, char *out, size_t size)
{
	char value[SHUNT_NAME_SIZE];

	if (!json_get_name(at, value))
		return false;
	snprintf(out, size, "%s", value);
	return true;
}

static bool
as_word(struct json_at at, char *out, size_t size)
{
	static const struct json_word words[] = {
		{ "one", 1 },
		{ "two", 2 },
		{ "uno", 1 },
		{ "three", JSON_WORD_UNSUPPORTED },
		{ NULL, 0 },
	};
	int value;

	if (!json_get_word(at, words, &value))
		return false;
	snprintf(out, size, "%d", value);
	return true;
}

#define INT_WANTED "must be a whole number from -2 to 256, found "

static void
test_plain_values(void)
{
	static const struct value_case bools[] = {
		{ "true", "yes", NULL },
		{ "false", "no", NULL },
		{ "1", NULL, "must be true or false, found the number 1" },
		{ "'true'", NULL, "must be true or false, found the string 'true'" },
		{ "null", NULL, "must be true or false, found null" },
	};
	static const struct value_case ints[] = {
		{ "0", "0", NULL },
		{ "-2", "-2", NULL },
		{ "256", "256", NULL },
		{ "-0", "0", NULL },
		{ "-3", NULL, INT_WANTED "the number -3" },
		{ "257", NULL, INT_WANTED "the number 257" },
		{ "9223372036854775807", NULL, INT_WANTED "the number 9223372036854775807" },
		{ "-9223372036854775808", NULL, INT_WANTED "the number -9223372036854775808" },
		{ "1.0", NULL, INT_WANTED "the number 1" },
		{ "1.5", NULL, INT_WANTED "the number 1.5" },
		{ "1e2", NULL, INT_WANTED "the number 100" },
		{ "1e308", NULL, INT_WANTED "the number 1e+308" },
		{ "'5'", NULL, INT_WANTED "the string '5'" },
		{ "true", NULL, INT_WANTED "true" },
		{ "[]", NULL, INT_WANTED "an array" },
		{ "{}", NULL, INT_WANTED "an object" },
	};
	static const struct value_case strings[] = {
		{ "'a'", "a", NULL },
		{ "'abcde'", "abcde", NULL },
		{ "''", NULL, "must be a string of 1 to 5 characters, found the string ''" },
		{ "'abcdef'", NULL,
			"must be a string of 1 to 5 characters, found the string 'abcdef'" },
		{ "5", NULL, "must be a string, found the number 5" },
	};

	RUN_VALUES(as_bool, bools);
	RUN_VALUES(as_int, ints);
	RUN_VALUES(as_string, strings);
}

#define NAME_WANTED "must be a name: 1 to 63 of the characters A-Z a-z 0-9 _ . : -, found "
#define A15	    "aaaaaaaaaaaaaaa"
#define A60	    A15 A15 A15 A15

static void
test_names_and_words(void)
{
	static const struct value_case names[] = {
		{ "'a'", "a", NULL },
		{ "'A-z_0.9:'", "A-z_0.9:", NULL },
		{ "'" A60 "aaa'", A60 "aaa", NULL },
		{ "'" A60 "aaaa'", NULL, NAME_WANTED "the string '" A60 "'..." },
		{ "''", NULL, NAME_WANTED "the string ''" },
		{ "'a/b'", NULL, NAME_WANTED "the string 'a/b'" },
		{ "'a b'", NULL, NAME_WANTED "the string 'a b'" },
		{ "'\xc3\xbc'", NULL, NAME_WANTED "the string '\\xc3\\xbc'" },
		{ "'a\\u001b[2J'", NULL, NAME_WANTED "the string 'a\\x1b[2J'" },
		{ "'a\\nb'", NULL, NAME_WANTED "the string 'a\\x0ab'" },
		{ "3", NULL, NAME_WANTED "the number 3" },
	};
	static const struct value_case words[] = {
		{ "'one'", "1", NULL },
		{ "'two'", "2", NULL },
		{ "'uno'", "1", NULL },
		{ "'three'", NULL, "'three' is not supported by this version; use 'one', 'two'" },
		{ "'four'", NULL, "must be one of 'one', 'two', found the string 'four'" },
		{ "'One'", NULL, "must be one of 'one', 'two', found the string 'One'" },
		{ "''", NULL, "must be one of 'one', 'two', found the string ''" },
		{ "1", NULL, "must be one of 'one', 'two', found the number 1" },
	};

	RUN_VALUES(as_name, names);
	RUN_VALUES(as_word, words);
}

static bool
as_time(struct json_at at, char *out, size_t size)
{
	uint32_t value;

	if (!json_get_time_ms(at, 1, SHUNT_MAX_TIMEOUT_MS, &value))
		return false;
	snprintf(out, size, "%u", value);
	return true;
}

static bool
as_size(struct json_at at, char *out, size_t size)
{
	uint64_t value;

	if (!json_get_size(at, 1024, 64 << 20, &value))
		return false;
	snprintf(out, size, "%" PRIu64, value);
	return true;
}

#define TIME_WANTED \
	"must be a time such as '500ms', '2s', '15m' (units ms s m h d), from 1ms to 1d, found "
#define TIME_RANGE "must be from 1ms to 1d, found "
#define TIME_WHOLE "must be a whole number of milliseconds, found "
#define SIZE_WANTED \
	"must be a size such as '64K', '1M', '2G' (steps of 1024), from 1K to 64M, found "
#define SIZE_RANGE "must be from 1K to 64M, found "

static void
test_times(void)
{
	static const struct value_case cases[] = {
		{ "'500ms'", "500", NULL },
		{ "'2s'", "2000", NULL },
		{ "'15m'", "900000", NULL },
		{ "'1h'", "3600000", NULL },
		{ "'1d'", "86400000", NULL },
		{ "'24h'", "86400000", NULL },
		{ "'1.5s'", "1500", NULL },
		{ "'0.001s'", "1", NULL },
		{ "'0.500000000m'", "30000", NULL },
		{ "'2S'", "2000", NULL },
		{ "250", "250", NULL },
		{ "'250'", "250", NULL },
		{ "1", "1", NULL },
		{ "0", NULL, TIME_RANGE "the number 0" },
		{ "'0s'", NULL, TIME_RANGE "the string '0s'" },
		{ "-1", NULL, TIME_RANGE "the number -1" },
		{ "'25h'", NULL, TIME_RANGE "the string '25h'" },
		{ "86400001", NULL, TIME_RANGE "the number 86400001" },
		{ "'99999999999999999999s'", NULL,
			TIME_RANGE "the string '99999999999999999999s'" },
		{ "'213503982335d'", NULL, TIME_RANGE "the string '213503982335d'" },
		{ "1.5", NULL, TIME_WHOLE "the number 1.5" },
		{ "1e3", NULL, TIME_WHOLE "the number 1000" },
		{ "'0.5ms'", NULL, TIME_WHOLE "the string '0.5ms'" },
		{ "'1.0005s'", NULL, TIME_WHOLE "the string '1.0005s'" },
		{ "'1.0000000000s'", NULL, TIME_WHOLE "the string '1.0000000000s'" },
		{ "''", NULL, TIME_WANTED "the string ''" },
		{ "'s'", NULL, TIME_WANTED "the string 's'" },
		{ "'-2s'", NULL, TIME_WANTED "the string '-2s'" },
		{ "'+2s'", NULL, TIME_WANTED "the string '+2s'" },
		{ "' 2s'", NULL, TIME_WANTED "the string ' 2s'" },
		{ "'2 s'", NULL, TIME_WANTED "the string '2 s'" },
		{ "'2us'", NULL, TIME_WANTED "the string '2us'" },
		{ "'2.s'", NULL, TIME_WANTED "the string '2.s'" },
		{ "'.5s'", NULL, TIME_WANTED "the string '.5s'" },
		{ "'1h30m'", NULL, TIME_WANTED "the string '1h30m'" },
		{ "'0x10'", NULL, TIME_WANTED "the string '0x10'" },
		{ "'infinity'", NULL, TIME_WANTED "the string 'infinity'" },
		{ "null", NULL, TIME_WANTED "null" },
		{ "{}", NULL, TIME_WANTED "an object" },
	};

	RUN_VALUES(as_time, cases);
}

static void
test_sizes(void)
{
	static const struct value_case cases[] = {
		{ "'1K'", "1024", NULL },
		{ "'1M'", "1048576", NULL },
		{ "'64m'", "67108864", NULL },
		{ "'1.5M'", "1572864", NULL },
		{ "2048", "2048", NULL },
		{ "'2048'", "2048", NULL },
		{ "1023", NULL, SIZE_RANGE "the number 1023" },
		{ "'65M'", NULL, SIZE_RANGE "the string '65M'" },
		{ "'99999999999999999999G'", NULL,
			SIZE_RANGE "the string '99999999999999999999G'" },
		{ "'17179869184G'", NULL, SIZE_RANGE "the string '17179869184G'" },
		{ "-5", NULL, SIZE_RANGE "the number -5" },
		{ "'1MB'", NULL, SIZE_WANTED "the string '1MB'" },
		{ "'1T'", NULL, SIZE_WANTED "the string '1T'" },
		{ "'M'", NULL, SIZE_WANTED "the string 'M'" },
		{ "false", NULL, SIZE_WANTED "false" },
	};

	RUN_VALUES(as_size, cases);
}

static bool
as_address(struct json_at at, char *out, size_t size)
{
	struct shunt_addr value;
	char text[JSON_ADDRESS_TEXT_SIZE];

	if (!json_get_address(at, &value))
		return false;
	json_address_text(&value, text);
	snprintf(out, size, "%s", text);
	return true;
}

static bool
as_endpoint(struct json_at at, char *out, size_t size)
{
	char text[JSON_ENDPOINT_TEXT_SIZE];
	struct shunt_addr value;
	uint16_t port_be;

	if (!json_get_endpoint(at, &value, &port_be))
		return false;
	json_endpoint_text(&value, port_be, text);
	snprintf(out, size, "%s", text);
	return true;
}

#define ADDRESS_WANTED "must be an IPv4 or IPv6 address, found "

static void
test_addresses(void)
{
	static const struct value_case cases[] = {
		{ "'192.0.2.1'", "192.0.2.1", NULL },
		{ "'255.255.255.255'", "255.255.255.255", NULL },
		{ "'2001:DB8::1'", "2001:db8::1", NULL },
		{ "'::'", "::", NULL },
		{ "'2001:db8:1:2:3:4:5:6'", "2001:db8:1:2:3:4:5:6", NULL },
		{ "'::ffff:192.0.2.1'", NULL, ADDRESS_WANTED "the string '::ffff:192.0.2.1'" },
		{ "'::ffff:c000:201'", NULL, ADDRESS_WANTED "the string '::ffff:c000:201'" },
		{ "'192.0.2'", NULL, ADDRESS_WANTED "the string '192.0.2'" },
		{ "'192.0.2.256'", NULL, ADDRESS_WANTED "the string '192.0.2.256'" },
		{ "'192.0.2.01'", NULL, ADDRESS_WANTED "the string '192.0.2.01'" },
		{ "'192.0.2.1/24'", NULL, ADDRESS_WANTED "the string '192.0.2.1/24'" },
		{ "' 192.0.2.1'", NULL, ADDRESS_WANTED "the string ' 192.0.2.1'" },
		{ "'fe80::1%eth0'", NULL, ADDRESS_WANTED "the string 'fe80::1%eth0'" },
		{ "'localhost'", NULL, ADDRESS_WANTED "the string 'localhost'" },
		{ "''", NULL, ADDRESS_WANTED "the string ''" },
		{ "1", NULL, ADDRESS_WANTED "the number 1" },
	};

	RUN_VALUES(as_address, cases);
}

#define ENDPOINT_WANTED "must be ADDRESS:PORT, such as '192.0.2.1:80' or '[2001:db8::1]:80', found "
#define PORT_WANTED	"the port must be from 1 to 65535, found "
#define ONE_PORT	"must have one port, found "

static void
test_endpoints(void)
{
	static const struct value_case cases[] = {
		{ "'192.0.2.1:80'", "192.0.2.1:80", NULL },
		{ "'192.0.2.1:1'", "192.0.2.1:1", NULL },
		{ "'192.0.2.1:65535'", "192.0.2.1:65535", NULL },
		{ "'[2001:db8::1]:443'", "[2001:db8::1]:443", NULL },
		{ "'192.0.2.1:0'", NULL, PORT_WANTED "'0'" },
		{ "'192.0.2.1:65536'", NULL, PORT_WANTED "'65536'" },
		{ "'192.0.2.1:4294967376'", NULL, PORT_WANTED "'4294967376'" },
		{ "'192.0.2.1:'", NULL, PORT_WANTED "''" },
		{ "'192.0.2.1:http'", NULL, PORT_WANTED "'http'" },
		{ "'192.0.2.1:-80'", NULL, PORT_WANTED "'-80'" },
		{ "'192.0.2.1:+80'", NULL, PORT_WANTED "'+80'" },
		{ "'192.0.2.1: 80'", NULL, PORT_WANTED "' 80'" },
		{ "'192.0.2.1:8000-8099'", NULL, ONE_PORT "'8000-8099'" },
		{ "'192.0.2.1:*'", NULL, ONE_PORT "'*'" },
		{ "'192.0.2.1'", NULL, "'192.0.2.1' has no port; write ADDRESS:PORT" },
		{ "'[2001:db8::1]'", NULL, "'[2001:db8::1]' has no port; write ADDRESS:PORT" },
		{ "'2001:db8::1:80'", NULL,
			"'2001:db8::1:80' is ambiguous; write an IPv6 address in brackets: "
			"[ADDRESS]:PORT" },
		{ "'*:80'", NULL, "'*:80' has no address; name each address to be used" },
		{ "':80'", NULL, "':80' has no address; name each address to be used" },
		{ "'[192.0.2.1]:80'", NULL, ENDPOINT_WANTED "the string '[192.0.2.1]:80'" },
		{ "'[2001:db8::1:80'", NULL, ENDPOINT_WANTED "the string '[2001:db8::1:80'" },
		{ "'[]:80'", NULL, ENDPOINT_WANTED "the string '[]:80'" },
		{ "'[:80'", NULL, ENDPOINT_WANTED "the string '[:80'" },
		{ "']:80'", NULL, ENDPOINT_WANTED "the string ']:80'" },
		{ "'[::ffff:1.2.3.4]:80'", NULL,
			ENDPOINT_WANTED "the string '[::ffff:1.2.3.4]:80'" },
		{ "'www:80'", NULL, ENDPOINT_WANTED "the string 'www:80'" },
		{ "'" A60 ":80'", NULL, ENDPOINT_WANTED "the string '" A60 "'..." },
		{ "''", NULL, ENDPOINT_WANTED "the string ''" },
		{ "80", NULL, ENDPOINT_WANTED "the number 80" },
	};

	RUN_VALUES(as_endpoint, cases);
}

static bool
as_endpoints(struct json_at at, char *out, size_t size)
{
	struct shunt_addr address;
	uint16_t first, last;
	char text[JSON_ENDPOINT_TEXT_SIZE];

	if (!json_get_endpoints(at, &address, &first, &last))
		return false;
	json_endpoints_text(&address, first, last, text);
	snprintf(out, size, "%s", text);
	return true;
}

static bool
as_server(struct json_at at, char *out, size_t size)
{
	struct shunt_addr address;
	uint16_t port;
	char text[JSON_ENDPOINT_TEXT_SIZE];

	if (!json_get_server_endpoint(at, &address, &port))
		return false;
	json_server_endpoint_text(&address, port, text);
	snprintf(out, size, "%s", text);
	return true;
}

static void
test_port_ranges(void)
{
	static const char below[] = "the last port, 80, is below the first, 81";
	static const struct value_case cases[] = {
		{ "'192.0.2.1:80'", "192.0.2.1:80", NULL },
		{ "'192.0.2.1:8000-8099'", "192.0.2.1:8000-8099", NULL },
		{ "'192.0.2.1:80-80'", "192.0.2.1:80", NULL },
		{ "'192.0.2.1:*'", "192.0.2.1:*", NULL },
		{ "'192.0.2.1:1-65535'", "192.0.2.1:*", NULL },
		{ "'[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:10000-65535'",
			"[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:10000-65535", NULL },
		{ "'192.0.2.1:81-80'", NULL, below },
		{ "'192.0.2.1:0-80'", NULL, PORT_WANTED "'0-80'" },
		{ "'192.0.2.1:80-65536'", NULL,
			"ports must be from 1 to 65535, as in 8000-8099, found '80-65536'" },
		{ "'192.0.2.1:80-'", NULL,
			"ports must be from 1 to 65535, as in 8000-8099, found '80-'" },
		{ "'192.0.2.1:80-90-'", NULL,
			"ports must be from 1 to 65535, as in 8000-8099, found '80-90-'" },
		{ "'192.0.2.1:80-*'", NULL,
			"ports must be from 1 to 65535, as in 8000-8099, found '80-*'" },
		{ "'192.0.2.1:**'", NULL, PORT_WANTED "'**'" },
		{ "'192.0.2.1:-'", NULL, PORT_WANTED "'-'" },
		{ "'192.0.2.1'", NULL, "'192.0.2.1' has no port; write ADDRESS:PORT" },
	};
	static const struct value_case servers[] = {
		{ "'192.0.2.1:80'", "192.0.2.1:80", NULL },
		{ "'192.0.2.1'", "192.0.2.1", NULL },
		{ "'[2001:db8::1]'", "2001:db8::1", NULL },
		{ "'[2001:db8::1]:80'", "[2001:db8::1]:80", NULL },
		/* It could be meant as address and port. */
		{ "'2001:db8::1:80'", NULL,
			"'2001:db8::1:80' is ambiguous; write an IPv6 address in brackets: "
			"[ADDRESS]:PORT" },
		{ "'[192.0.2.1]'", NULL, "'[192.0.2.1]' has no port; write ADDRESS:PORT" },
		{ "'192.0.2.1:*'", NULL,
			"has no port of its own: leave ':*' out, and the port that the client "
			"uses is kept" },
		{ "'192.0.2.1:80-81'", NULL, ONE_PORT "'80-81'" },
		{ "'192.0.2.1:0'", NULL, PORT_WANTED "'0'" },
		{ "'[]'", NULL, "'[]' has no port; write ADDRESS:PORT" },
		{ "'['", NULL, "'[' has no port; write ADDRESS:PORT" },
		{ "7", NULL, ENDPOINT_WANTED "the number 7" },
	};

	RUN_VALUES(as_endpoints, cases);
	RUN_VALUES(as_server, servers);
}

static bool
as_mac(struct json_at at, char *out, size_t size)
{
	struct shunt_mac mac;

	if (!json_get_mac(at, &mac))
		return false;
	snprintf(out, size, "%02x%02x%02x%02x%02x%02x", mac.bytes[0], mac.bytes[1], mac.bytes[2],
		mac.bytes[3], mac.bytes[4], mac.bytes[5]);
	return true;
}

static bool
as_hex(struct json_at at, char *out, size_t size)
{
	uint8_t bytes[3];

	if (!json_get_hex(at, bytes, sizeof(bytes)))
		return false;
	snprintf(out, size, "%02x%02x%02x", bytes[0], bytes[1], bytes[2]);
	return true;
}

#define MAC_WANTED "must be a MAC address such as '02:00:00:00:00:11', found "

static void
test_macs_and_hex(void)
{
	static const struct value_case macs[] = {
		{ "'02:00:00:00:00:11'", "020000000011", NULL },
		{ "'AC:de:48:00:11:fF'", "acde480011ff", NULL },
		{ "'02-00-00-00-00-11'", NULL, MAC_WANTED "the string '02-00-00-00-00-11'" },
		{ "'2:0:0:0:0:11'", NULL, MAC_WANTED "the string '2:0:0:0:0:11'" },
		{ "'02:00:00:00:00:1g'", NULL, MAC_WANTED "the string '02:00:00:00:00:1g'" },
		{ "'02:00:00:00:00:111'", NULL, MAC_WANTED "the string '02:00:00:00:00:111'" },
		{ "'00:00:00:00:00:00'", NULL,
			"must be the MAC address of one station, not a group or zero, found the "
			"string '00:00:00:00:00:00'" },
		{ "'ff:ff:ff:ff:ff:ff'", NULL,
			"must be the MAC address of one station, not a group or zero, found the "
			"string 'ff:ff:ff:ff:ff:ff'" },
		{ "null", NULL, MAC_WANTED "null" },
	};
	static const struct value_case hexes[] = {
		{ "'00aAfF'", "00aaff", NULL },
		{ "'00aaf'", NULL, "must be a string of 6 hexadecimal digits" },
		{ "'00aaff0'", NULL, "must be a string of 6 hexadecimal digits" },
		{ "'00aafg'", NULL, "must be a string of 6 hexadecimal digits" },
		{ "123456", NULL, "must be a string of 6 hexadecimal digits" },
	};

	RUN_VALUES(as_mac, macs);
	RUN_VALUES(as_hex, hexes);
}

static const struct unit_test tests[] = {
	{ "an absent value is no error", test_absent },
	{ "booleans, numbers, strings", test_plain_values },
	{ "names and words", test_names_and_words },
	{ "times", test_times },
	{ "sizes", test_sizes },
	{ "addresses", test_addresses },
	{ "addresses with ports", test_endpoints },
	{ "ranges of ports", test_port_ranges },
	{ "MAC addresses and secrets", test_macs_and_hex },
};

UNIT_MAIN("jsonvalue", tests)
