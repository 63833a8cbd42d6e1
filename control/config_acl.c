/* SPDX-License-Identifier: BSD-3-Clause */
/* ACLs: named conditions for rules. */
#include <stdlib.h>

#include "config_acl.h"

/* Of one key of one ACL. Times 4096 these are what a piece of the image holds. */
#define MAX_PORTS   32
#define MAX_MATCHES 64

static_assert(2 * MAX_PORTS * SHUNT_ACLS_A_PIECE <= SHUNT_MAX_PIECE_PARTS, "ports fit a piece");
static_assert(MAX_MATCHES * SHUNT_ACLS_A_PIECE <= SHUNT_MAX_PIECE_PARTS, "matches fit a piece");

/* What is read; the ACL's own name is part of the place. */
struct reader {
	struct config *config;
	struct acl_config *acl;
};

void *
config_read_values(struct json_at at, size_t max, size_t element_bytes, uint16_t *count,
	bool (*read)(struct json_at at, void *out))
{
	size_t n = 1;
	char *out;

	*count = 0;
	if (!json_at_present(at) || (json_is_array(at.value) && !json_get_array(at, max, &n)))
		return NULL;
	if (n == 0) {
		json_at_error(at, "needs one value at least");
		return NULL;
	}
	out = calloc(n, element_bytes);
	if (!out) {
		json_at_error(at, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		struct json_at element = json_is_array(at.value) ? json_at_element(&at, i) : at;

		*count += read(element, out + *count * element_bytes);
	}
	return out;
}

static void
add_prefix(struct json_at at, struct prefix_list *list)
{
	const char *text, *why;

	if (!json_get_string(at, 256, &text))
		return;
	why = prefix_list_add(list, text, strlen(text));
	if (why)
		json_at_error(at, "%s", why);
}

bool
config_read_path(struct json_at at, const struct config *config, char path[CONFIG_PATH_SIZE])
{
	const char *name;
	int n;

	if (!json_get_string(at, CONFIG_PATH_SIZE / 2, &name))
		return false;
	n = snprintf(path, CONFIG_PATH_SIZE, "%s%s", name[0] == '/' ? "" : config->directory, name);
	if (n >= 0 && n < CONFIG_PATH_SIZE)
		return true;
	json_at_error(at, "is too long with the directory before it");
	return false;
}

static void
add_file(struct json_at at, const struct reader *r, struct prefix_list *list)
{
	char path[CONFIG_PATH_SIZE], problem[256];
	const char *why;

	if (!config_read_path(at, r->config, path))
		return;
	why = prefix_list_add_file(list, path, problem, sizeof(problem));
	if (why)
		json_at_error(at, "%s: %s", path, why);
}

static void
each_string(struct json_at at, const struct reader *r, struct prefix_list *list, bool file)
{
	size_t count;

	if (!json_is_array(at.value)) {
		if (file)
			add_file(at, r, list);
		else
			add_prefix(at, list);
		return;
	}
	if (!json_get_array(at, SHUNT_MAX_PREFIXES, &count))
		return;
	if (count == 0)
		json_at_error(at, "needs one value at least");
	for (size_t i = 0; i < count; i++) {
		if (file)
			add_file(json_at_element(&at, i), r, list);
		else
			add_prefix(json_at_element(&at, i), list);
	}
}

/* Prefixes in the file itself and in others, together. NULL: there are none, or an error. */
static const struct prefix_set *
read_prefixes(const struct reader *r, struct json_at here, struct json_at there)
{
	struct prefix_list list = { 0 };
	struct prefix_set *set;

	if (json_at_present(here))
		each_string(here, r, &list, false);
	if (json_at_present(there))
		each_string(there, r, &list, true);
	set = prefix_sets_keep(&r->config->sets, &list);
	prefix_list_clear(&list);
	if (!set)
		json_at_error(json_at_present(here) ? here : there, "out of memory");
	return set;
}

static void
read_addresses(struct json_at at, const struct reader *r)
{
	struct json_at src = json_at_member(&at, "src"), dst = json_at_member(&at, "dst");
	struct json_at src_file = json_at_member(&at, "src-file");
	struct json_at dst_file = json_at_member(&at, "dst-file");

	if (json_at_present(src) || json_at_present(src_file)) {
		r->acl->kinds |= SHUNT_ACL_SRC;
		r->acl->src = read_prefixes(r, src, src_file);
	}
	if (json_at_present(dst) || json_at_present(dst_file)) {
		r->acl->kinds |= SHUNT_ACL_DST;
		r->acl->dst = read_prefixes(r, dst, dst_file);
	}
}

bool
config_looks_like(const char *text, const char *pattern)
{
	size_t first = strspn(text, "0123456789");

	if (!pattern)
		return first > 0 && text[first] == '-' && text[first + 1] >= '0' &&
			text[first + 1] <= '9';
	for (; *pattern && *text; pattern++, text++) {
		if (*pattern == '0' ? *text < '0' || *text > '9' : *text != *pattern)
			return false;
	}
	return *pattern == *text;
}

/* A port, or "8000-8099". */
static bool
read_port(struct json_at at, void *out)
{
	struct shunt_port_range *range = out;
	unsigned int first, last;
	int end = 0;

	if (json_is_integer(at.value)) {
		int64_t port = 0;

		if (!json_get_int(at, 0, 65535, &port))
			return false;
		*range = (struct shunt_port_range){ (uint16_t)port, (uint16_t)port };
		return true;
	}
	if (!json_is_string(at.value) || !config_looks_like(json_string_value(at.value), NULL) ||
		sscanf(json_string_value(at.value), "%5u-%5u%n", &first, &last, &end) != 2 ||
		(size_t)end != json_string_length(at.value) || first > last || last > 65535)
		return json_at_mismatch(at, "a port, or a range of them such as \"8000-8099\"");
	*range = (struct shunt_port_range){ (uint16_t)first, (uint16_t)last };
	return true;
}

static bool
read_protocol(struct json_at at, void *out)
{
	static const struct json_word words[] = {
		{ "tcp", SHUNT_ACL_TCP },
		{ "udp", SHUNT_ACL_UDP },
		{ NULL, 0 },
	};
	int value;

	if (!json_get_word(at, words, &value))
		return false;
	*(uint8_t *)out = (uint8_t)value;
	return true;
}

static bool
read_interface(struct json_at at, void *out)
{
	return json_get_name(at, out);
}

/* "0a1b2c": the bytes; returns how many, or 0 after adding an error. */
static unsigned int
read_hex(struct json_at at, uint8_t bytes[SHUNT_MAX_MATCH_BYTES])
{
	const char *text = json_string_value(at.value);
	size_t digits = text ? strlen(text) : 0;

	if (digits == 0 || digits % 2 || digits > 2 * SHUNT_MAX_MATCH_BYTES) {
		json_at_error(at, "must be 1 to %d bytes as hexadecimal digits, such as \"0a1b\"",
			SHUNT_MAX_MATCH_BYTES);
		return 0;
	}
	return json_get_hex(at, bytes, digits / 2) ? (unsigned int)(digits / 2) : 0;
}

static bool
read_match(struct json_at at, void *out)
{
	static const char *const keys[] = { "offset", "bytes", "mask", NULL };
	struct json_at bytes = json_at_member(&at, "bytes"), mask = json_at_member(&at, "mask");
	struct shunt_match *match = out;
	int64_t offset = 0;
	unsigned int length;

	if (!json_get_object(at, keys) || !json_at_require(bytes))
		return false;
	json_get_int(json_at_member(&at, "offset"), 0, 65535, &offset);
	match->offset = (uint16_t)offset;
	length = read_hex(bytes, match->bytes);
	match->length = (uint8_t)length;
	memset(match->mask, 0xff, length);
	if (json_at_present(mask) && length && read_hex(mask, match->mask) != length) {
		json_at_error(mask, "must be as long as \"bytes\"");
		return false;
	}
	for (unsigned int i = 0; i < length; i++) {
		if (match->bytes[i] & ~match->mask[i]) {
			json_at_error(bytes, "has bits that \"mask\" does not cover");
			return false;
		}
	}
	return length > 0;
}

uint8_t
config_read_bits(struct json_at at, size_t max, bool (*read)(struct json_at at, void *out))
{
	uint16_t count;
	uint8_t *values = config_read_values(at, max, 1, &count, read), bits = 0;

	for (uint16_t i = 0; i < count; i++)
		bits |= values[i];
	free(values);
	return bits;
}

static void
read_packet(struct json_at at, const struct reader *r)
{
	struct acl_config *acl = r->acl;
	struct json_at src = json_at_member(&at, "src-port");
	struct json_at dst = json_at_member(&at, "dst-port");
	struct json_at protocol = json_at_member(&at, "protocol");
	struct json_at interface = json_at_member(&at, "interface");
	struct json_at payload = json_at_member(&at, "payload");

	acl->src_ports = config_read_values(
		src, MAX_PORTS, sizeof(*acl->src_ports), &acl->src_port_count, read_port);
	acl->dst_ports = config_read_values(
		dst, MAX_PORTS, sizeof(*acl->dst_ports), &acl->dst_port_count, read_port);
	acl->protocols = config_read_bits(protocol, 2, read_protocol);
	acl->interfaces = config_read_values(interface, SHUNT_MAX_PORTS, sizeof(*acl->interfaces),
		&acl->interface_count, read_interface);
	acl->matches = config_read_values(
		payload, MAX_MATCHES, sizeof(*acl->matches), &acl->match_count, read_match);
	acl->kinds |= (json_at_present(src) ? SHUNT_ACL_SRC_PORT : 0) |
		(json_at_present(dst) ? SHUNT_ACL_DST_PORT : 0) |
		(json_at_present(protocol) ? SHUNT_ACL_PROTOCOL : 0) |
		(json_at_present(interface) ? SHUNT_ACL_INTERFACE : 0) |
		(json_at_present(payload) ? SHUNT_ACL_PAYLOAD : 0);
}

static void
read_acl(struct json_at at, const struct reader *r)
{
	static const char *const keys[] = { "src", "src-file", "dst", "dst-file", "src-port",
		"dst-port", "protocol", "interface", "payload", "time", "weekday", "server-count",
		"healthy", "sessions", "conn-rate", "conn-count", NULL };

	if (!json_get_object(at, keys))
		return;
	read_addresses(at, r);
	read_packet(at, r);
	config_read_conditions(at, r->config, r->acl);
	if (r->acl->kinds == 0 && json_object_size(at.value) == 0)
		json_at_error(at, "asks for nothing, and so would hold for every packet");
}

/* The key's own text is the ACL's name. */
static bool
take_name(struct json_at at, const char *key, char name[SHUNT_NAME_SIZE])
{
	json_t *text = json_string(key);
	struct json_at name_at = at;
	bool good;

	name_at.value = text;
	good = text && json_get_name(name_at, name);
	json_decref(text);
	return good;
}

void
config_read_acls(struct json_at at, struct config *config)
{
	struct reader r = { .config = config };
	const char *key;
	json_t *value;

	if (!json_at_present(at))
		return;
	if (!json_is_object(at.value)) {
		json_at_mismatch(at, "an object");
		return;
	}
	if (json_object_size(at.value) >= SHUNT_MAX_ACLS) {
		json_at_error(at, "are %zu, the limit is %u", json_object_size(at.value),
			SHUNT_MAX_ACLS - 1);
		return;
	}
	config->acls = calloc(json_object_size(at.value) + 1, sizeof(*config->acls));
	if (!config->acls) {
		json_at_error(at, "out of memory");
		return;
	}
	json_object_foreach (at.value, key, value) {
		struct json_at acl_at = json_at_member(&at, key);

		r.acl = &config->acls[config->acl_count++];
		if (take_name(acl_at, key, r.acl->name))
			read_acl(acl_at, &r);
	}
	if (config->truth_count >= SHUNT_MAX_TRUTHS)
		json_at_error(at,
			"with times, weekdays, counts or sessions are %zu, the limit is %d",
			config->truth_count, SHUNT_MAX_TRUTHS - 1);
	if (config->sets.prefix_count > SHUNT_MAX_PREFIXES)
		json_at_error(at, "have %zu prefixes in all, the limit is %u",
			config->sets.prefix_count, SHUNT_MAX_PREFIXES);
}
