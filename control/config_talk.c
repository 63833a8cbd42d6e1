/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check says to a server, and what it expects to hear. */
#include <stdlib.h>
#include <string.h>

#include "config_read.h"

#define PATH_MAX_BYTES	 2048
#define HOST_MAX_BYTES	 255
#define HEADER_MAX_BYTES 1024
#define HEADERS_MAX	 32
#define SEND_MAX_BYTES	 4096
#define EXPECT_MAX_BYTES 256
#define NAME_MAX_BYTES	 128
#define SECRET_MAX_BYTES 512
#define STATUS_LEAST	 100
#define STATUS_GREATEST	 599

/* Words of `type` for a conversation with TLS; the others are types. */
#define WORD_TLS   (CHECK_TYPE_COUNT + CHECK_TCP)
#define WORD_HTTPS (CHECK_TYPE_COUNT + CHECK_HTTP)

#define FOR(type) (1u << CHECK_##type)

/* Which types a key is for, and their names. */
static const struct talk_key {
	const char *name;
	unsigned int types;
	const char *only;
} talk_keys[] = {
	{ "method", FOR(HTTP), "\"http\"" },
	{ "path", FOR(HTTP), "\"http\"" },
	{ "version", FOR(HTTP), "\"http\"" },
	{ "host", FOR(HTTP), "\"http\"" },
	{ "headers", FOR(HTTP), "\"http\"" },
	{ "status", FOR(HTTP), "\"http\"" },
	{ "soft-status", FOR(HTTP), "\"http\"" },
	{ "send", FOR(TCP) | FOR(UDP) | FOR(AGENT), "\"tcp\", \"udp\" or \"agent\"" },
	{ "send-hex", FOR(TCP) | FOR(UDP) | FOR(AGENT), "\"tcp\", \"udp\" or \"agent\"" },
	{ "expect", FOR(TCP) | FOR(UDP) | FOR(HTTP), "\"tcp\", \"udp\" or \"http\"" },
	{ "expect-regex", FOR(TCP) | FOR(UDP) | FOR(HTTP), "\"tcp\", \"udp\" or \"http\"" },
	{ "user", FOR(REDIS) | FOR(POSTGRES) | FOR(MYSQL), "\"redis\", \"postgres\" or \"mysql\"" },
	{ "password", FOR(REDIS), "\"redis\"" },
	{ "database", FOR(POSTGRES), "\"postgres\"" },
	{ "writable", FOR(POSTGRES) | FOR(MYSQL), "\"postgres\" or \"mysql\"" },
	{ "query", FOR(DNS), "\"dns\"" },
	{ "query-type", FOR(DNS), "\"dns\"" },
	{ "rcode", FOR(DNS), "\"dns\"" },
};
#define TALK_KEYS (sizeof(talk_keys) / sizeof(talk_keys[0]))

static bool
any_key(const struct json_at *at)
{
	for (size_t i = 0; i < TALK_KEYS; i++) {
		if (json_at_present(json_at_member(at, talk_keys[i].name)))
			return true;
	}
	return config_says_tls(at);
}

static void
refuse_others(const struct json_at *at, int type)
{
	for (size_t i = 0; i < TALK_KEYS; i++) {
		struct json_at key = json_at_member(at, talk_keys[i].name);

		if (json_at_present(key) && !(talk_keys[i].types & 1u << type))
			json_at_error(key, "is for \"type\": %s only", talk_keys[i].only);
	}
}

void
config_set_text(struct json_at at, char **out, const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy) {
		json_at_error(at, "out of memory");
		return;
	}
	memcpy(copy, text, length);
	copy[length] = '\0';
	free(*out);
	*out = copy;
}

/* Of HTTP's tokens (RFC 9110, 5.6.2): methods and names of headers. */
static bool
is_token(const char *text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (; *text; text++) {
		bool letter = (*text | 0x20) >= 'a' && (*text | 0x20) <= 'z';

		if (!letter && (*text < '0' || *text > '9') && !strchr(marks, *text))
			return false;
	}
	return true;
}

/* One line's worth, without blanks if there shall be none. */
static bool
is_plain(const char *text, bool blanks)
{
	for (; *text; text++) {
		if (*text < (blanks ? ' ' : '!') || *text == 0x7f)
			return false;
	}
	return true;
}

void
config_read_text(struct json_at at, size_t max, bool (*good)(const char *text), const char *wanted,
	char **out)
{
	const char *text;

	if (!json_get_string(at, max, &text))
		return;
	if (!good(text))
		json_at_mismatch(at, wanted);
	else
		config_set_text(at, out, text, strlen(text));
}

static bool
is_path(const char *text)
{
	return (text[0] == '/' || strcmp(text, "*") == 0) && is_plain(text, false);
}

static bool
is_host(const char *text)
{
	return is_plain(text, false);
}

static bool
is_version(const char *text)
{
	return strcmp(text, "1.0") == 0 || strcmp(text, "1.1") == 0;
}

static size_t
add_header(struct json_at at, const char *name, char *lines, size_t used, size_t size)
{
	const char *value;

	if (strlen(name) > HOST_MAX_BYTES || !*name || !is_token(name)) {
		json_at_error(at, "is no name of a header");
	} else if (strcasecmp(name, "host") == 0 || strcasecmp(name, "connection") == 0) {
		json_at_error(at, "is set by the probe itself: for a host there is \"host\"");
	} else if (json_get_string(at, HEADER_MAX_BYTES, &value)) {
		if (is_plain(value, true))
			return used +
				(size_t)snprintf(
					lines + used, size - used, "%s: %s\r\n", name, value);
		json_at_mismatch(at, "printable ASCII");
	}
	return used;
}

static void
read_headers(struct json_at at, struct check_talk *talk)
{
	size_t size = HEADERS_MAX * (HOST_MAX_BYTES + HEADER_MAX_BYTES + 5), used = 0;
	const char *name;
	json_t *value;
	char *lines;

	if (!json_at_present(at))
		return;
	if (!json_is_object(at.value) || json_object_size(at.value) > HEADERS_MAX) {
		json_at_mismatch(at, "an object of at most 32 headers");
		return;
	}
	lines = malloc(size);
	if (!lines) {
		json_at_error(at, "out of memory");
		return;
	}
	lines[0] = '\0';
	json_object_foreach (at.value, name, value)
		used = add_header(json_at_member(&at, name), name, lines, used, size);
	config_set_text(at, &talk->headers, lines, used);
	free(lines);
}

/* A status, or a range "200-399". */
static bool
read_status(struct json_at at, struct check_statuses *out)
{
	int64_t value;
	const char *text;
	unsigned int first, last;
	int end = 0;

	if (json_is_integer(at.value)) {
		if (!json_get_int(at, STATUS_LEAST, STATUS_GREATEST, &value))
			return false;
		*out = (struct check_statuses){ (uint16_t)value, (uint16_t)value };
		return true;
	}
	if (!json_is_string(at.value))
		return json_at_mismatch(at, "a status such as 200, or a range such as \"200-399\"");
	if (!json_get_string(at, 7, &text))
		return false;
	if (strlen(text) != 7 || strspn(text, "0123456789-") != 7 ||
		sscanf(text, "%3u-%3u%n", &first, &last, &end) != 2 || end != 7 ||
		first < STATUS_LEAST || last > STATUS_GREATEST || first > last)
		return json_at_mismatch(at, "a range of statuses such as \"200-399\"");
	*out = (struct check_statuses){ (uint16_t)first, (uint16_t)last };
	return true;
}

void
config_read_statuses(struct json_at at, config_status_reader *read_one, struct check_statuses *out,
	unsigned int *count)
{
	size_t elements = 0;

	if (!json_at_present(at))
		return;
	if (!json_is_array(at.value)) {
		if (read_one(at, &out[0]))
			*count = 1;
		return;
	}
	if (!json_get_array(at, CHECK_MAX_STATUSES, &elements))
		return;
	*count = 0;
	for (size_t i = 0; i < elements; i++) {
		if (read_one(json_at_element(&at, i), &out[*count]))
			(*count)++;
	}
}

void
config_refuse_empty(struct json_at at)
{
	if (json_is_array(at.value) && json_array_size(at.value) == 0)
		json_at_error(at, "is empty: no answer would do");
}

static void
read_http(const struct json_at *at, struct check_talk *talk)
{
	struct json_at status_at = json_at_member(at, "status");

	if (!talk->method) {
		config_set_text(*at, &talk->method, "GET", 3);
		config_set_text(*at, &talk->path, "/", 1);
		config_set_text(*at, &talk->version, "1.1", 3);
		talk->statuses[0] = (struct check_statuses){ 200, 399 };
		talk->status_count = 1;
	}
	config_read_text(json_at_member(at, "method"), 32, is_token, "a method such as \"GET\"",
		&talk->method);
	config_read_text(json_at_member(at, "path"), PATH_MAX_BYTES, is_path,
		"a path that begins with \"/\", in printable ASCII without blanks", &talk->path);
	config_read_text(
		json_at_member(at, "version"), 3, is_version, "\"1.0\" or \"1.1\"", &talk->version);
	config_read_text(json_at_member(at, "host"), HOST_MAX_BYTES, is_host,
		"a name, in printable ASCII without blanks", &talk->host);
	read_headers(json_at_member(at, "headers"), talk);
	config_read_statuses(status_at, read_status, talk->statuses, &talk->status_count);
	config_refuse_empty(status_at);
	config_read_statuses(json_at_member(at, "soft-status"), read_status, talk->soft_statuses,
		&talk->soft_count);
}

void
config_read_send(const struct json_at *at, struct check_talk *talk)
{
	struct json_at text_at = json_at_member(at, "send");
	struct json_at hex_at = json_at_member(at, "send-hex");
	uint8_t bytes[SEND_MAX_BYTES];
	const char *text;

	if (json_at_present(text_at) && json_at_present(hex_at)) {
		json_at_error(hex_at, "there is \"send\" already");
	} else if (json_get_string(text_at, SEND_MAX_BYTES, &text)) {
		talk->send_length = strlen(text);
		config_set_text(text_at, &talk->send, text, talk->send_length);
	} else if (json_get_string(hex_at, (size_t)SEND_MAX_BYTES * 2, &text)) {
		if (strlen(text) % 2)
			json_at_error(hex_at, "is half a byte too long: a byte is two digits");
		else if (json_get_hex(hex_at, bytes, strlen(text) / 2)) {
			talk->send_length = strlen(text) / 2;
			config_set_text(
				hex_at, &talk->send, (const char *)bytes, talk->send_length);
		}
	}
}

static void
read_expect(const struct json_at *at, struct check_talk *talk)
{
	struct json_at expect_at = json_at_member(at, "expect");
	struct json_at regex_at = json_at_member(at, "expect-regex");
	const char *text;
	char error[160];

	if (json_get_string(expect_at, EXPECT_MAX_BYTES, &text))
		config_set_text(expect_at, &talk->expect, text, strlen(text));
	if (json_get_string(regex_at, EXPECT_MAX_BYTES, &text)) {
		check_regex_destroy(talk->regex);
		talk->regex = check_regex_create(text, error, sizeof(error));
		if (!talk->regex)
			json_at_error(regex_at, "is no regular expression: %s", error);
	}
}

/* Without what ends a string or a line for any of the databases. */
static bool
is_name(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static void
read_database(const struct json_at *at, struct check_talk *talk)
{
	static const char wanted[] = "a text without control characters";
	struct json_at writable_at = json_at_member(at, "writable");

	if (talk->type == CHECK_POSTGRES && !talk->user)
		config_set_text(*at, &talk->user, "shunt", 5);
	config_read_text(json_at_member(at, "user"), NAME_MAX_BYTES, is_name, wanted, &talk->user);
	config_read_text(
		json_at_member(at, "password"), SECRET_MAX_BYTES, is_name, wanted, &talk->password);
	config_read_text(
		json_at_member(at, "database"), NAME_MAX_BYTES, is_name, wanted, &talk->database);
	if (talk->type == CHECK_REDIS && talk->user && !talk->password)
		json_at_error(json_at_member(at, "user"), "has no \"password\"");
	json_get_bool(writable_at, &talk->writable);
	if (talk->type == CHECK_MYSQL && talk->writable && !talk->user &&
		json_at_present(writable_at))
		json_at_error(writable_at, "needs a \"user\" that logs in and asks");
}

/* Where it is said, not at every server that takes it over. */
static void
warn_deaf(const struct json_at *at, const struct check_talk *talk)
{
	static const char *const keys[] = { "send", "send-hex", "type" };
	bool udp = talk->type == CHECK_UDP;

	/* A connection alone tells something, an empty datagram does not. */
	for (int i = 0; !check_expects(talk) && i < (udp ? 3 : 2); i++) {
		struct json_at said = json_at_member(at, keys[i]);

		if (!json_at_present(said))
			continue;
		json_at_warning(said, "%s",
			udp ? "nothing is expected: the server is up unless its port is refused, "
			      "also if it is silent"
			    : "nothing is expected: whatever the server answers, it is up");
		return;
	}
}

static void
read_keys(const struct json_at *at, struct check_talk *talk)
{
	switch (talk->type) {
	case CHECK_HTTP:
		read_http(at, talk);
		read_expect(at, talk);
		break;
	case CHECK_TCP:
	case CHECK_UDP:
		config_read_send(at, talk);
		read_expect(at, talk);
		break;
	case CHECK_AGENT:
		config_read_send(at, talk);
		break;
	case CHECK_DNS:
		config_read_dns(at, talk);
		break;
	case CHECK_ICMP:
		break;
	default:
		read_database(at, talk);
	}
}

struct check_talk *
config_add_talk(
	struct json_at at, struct config *config, uint8_t type, const struct check_talk *from)
{
	struct check_talk *talk = check_talk_copy(from);

	if (!talk) {
		json_at_error(at, "out of memory");
		return NULL;
	}
	talk->type = type;
	talk->next = config->talks;
	config->talks = talk;
	return talk;
}

static int
word_of(const struct check_talk *talk)
{
	return talk ? talk->type + (talk->tls_word ? CHECK_TYPE_COUNT : 0) : CHECK_TCP;
}

void
config_read_talk(struct json_at at, struct config *config, const struct check_talk **talk)
{
	static const struct json_word types[] = {
		{ "tcp", CHECK_TCP },
		{ "http", CHECK_HTTP },
		{ "redis", CHECK_REDIS },
		{ "postgres", CHECK_POSTGRES },
		{ "mysql", CHECK_MYSQL },
		{ "udp", CHECK_UDP },
		{ "dns", CHECK_DNS },
		{ "icmp", CHECK_ICMP },
		{ "agent", CHECK_AGENT },
		{ "tls", WORD_TLS },
		{ "https", WORD_HTTPS },
		{ NULL, 0 },
	};
	struct json_at type_at = json_at_member(&at, "type");
	int word = word_of(*talk), was = word, type;
	struct check_talk *own;

	json_get_word(type_at, types, &word);
	if (word == was && !any_key(&at))
		return;
	/* Of another type nothing is taken over. */
	type = word % CHECK_TYPE_COUNT;
	own = config_add_talk(at, config, (uint8_t)type, word == was ? *talk : NULL);
	if (!own)
		return;
	own->tls_word = word >= CHECK_TYPE_COUNT;
	refuse_others(&at, type);
	read_keys(&at, own);
	config_read_tls(&at, config, own);
	warn_deaf(&at, own);
	*talk = type == CHECK_TCP && !own->send && !own->tls && !check_expects(own) ? NULL : own;
}
