/* SPDX-License-Identifier: BSD-3-Clause */
/* The getters of jsonfile.h for addresses, ports, MAC addresses and bytes in hexadecimal. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "jsonfile.h"

/* Bytes of a string quoted in an error. */
#define SHOWN 60

/* False if the text is no address. Mapped IPv4 in IPv6 form is none: it has a form of its own. */
static bool
parse_address(const char *text, struct shunt_addr *out)
{
	struct shunt_addr address;
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		*out = shunt_addr_from_v4(v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, address.bytes) != 1 || shunt_addr_is_v4(&address))
		return false;
	*out = address;
	return true;
}

bool
json_get_address(struct json_at at, struct shunt_addr *out)
{
	const char *text = json_string_value(at.value);

	if (!at.value)
		return false;
	if (!text || !parse_address(text, out))
		return json_at_mismatch(at, "an IPv4 or IPv6 address");
	return true;
}

/* The number that a text begins with, of 1..5 digits; 0: none. *end: behind it. */
static unsigned long
port_number(const char *text, const char **end)
{
	size_t digits = strspn(text, "0123456789");

	*end = text + digits;
	return digits > 0 && digits <= 5 ? strtoul(text, NULL, 10) : 0;
}

/* False if bits are set behind the prefix. */
static bool
is_prefix(const struct shunt_addr *address, unsigned int bits)
{
	for (unsigned int i = shunt_addr_is_v4(address) ? 96 + bits : bits; i < 128; i++) {
		if (address->bytes[i / 8] & (0x80 >> i % 8))
			return false;
	}
	return true;
}

bool
json_get_prefix(struct json_at at, struct shunt_addr *out, uint8_t *bits)
{
	const char *text = json_string_value(at.value);
	const char *slash = text ? strchr(text, '/') : NULL;
	char host[JSON_ADDRESS_TEXT_SIZE] = "";
	struct shunt_addr address;
	unsigned long length = 0;
	size_t digits;

	if (!slash) {
		if (!json_get_address(at, out))
			return false;
		*bits = shunt_addr_is_v4(out) ? 32 : 128;
		return true;
	}
	digits = strspn(slash + 1, "0123456789");
	if ((size_t)(slash - text) < sizeof(host))
		memcpy(host, text, slash - text);
	if (digits > 0 && digits <= 3 && slash[1 + digits] == '\0')
		length = strtoul(slash + 1, NULL, 10);
	if (!parse_address(host, &address) || length < 1 ||
		length > (shunt_addr_is_v4(&address) ? 32 : 128))
		return json_at_mismatch(at,
			"an address or a prefix such as \"10.0.0.208/30\" or \"2001:db8::/126\"");
	if (!is_prefix(&address, length)) {
		json_at_error(at, "\"%.*s\" has bits set behind the prefix", SHOWN, text);
		return false;
	}
	*out = address;
	*bits = length;
	return true;
}

/* The port of an endpoint. False after adding an error. */
static bool
get_port(struct json_at at, const char *text, uint16_t *port_be)
{
	const char *end;
	unsigned long port = port_number(text, &end);

	if (strcmp(text, "*") == 0 || (port && *end == '-')) {
		json_at_error(at, "must have one port, found \"%.*s\"", SHOWN, text);
		return false;
	}
	if (port < 1 || port > 65535 || *end) {
		json_at_error(at, "the port must be from 1 to 65535, found \"%.*s\"", SHOWN, text);
		return false;
	}
	*port_be = htons(port);
	return true;
}

/* The same for PORT, FIRST-LAST or "*". */
static bool
get_ports(struct json_at at, const char *text, uint16_t *first_be, uint16_t *last_be)
{
	const char *end, *last_end;
	unsigned long first = port_number(text, &end), last;

	if (strcmp(text, "*") == 0) {
		*first_be = htons(1);
		*last_be = htons(65535);
		return true;
	}
	if (!first || *end != '-') {
		if (!get_port(at, text, first_be))
			return false;
		*last_be = *first_be;
		return true;
	}
	last = port_number(end + 1, &last_end);
	if (first > 65535 || last < 1 || last > 65535 || *last_end) {
		json_at_error(at, "ports must be from 1 to 65535, as in 8000-8099, found \"%.*s\"",
			SHOWN, text);
		return false;
	}
	if (last < first) {
		json_at_error(at, "the last port, %lu, is below the first, %lu", last, first);
		return false;
	}
	*first_be = htons(first);
	*last_be = htons(last);
	return true;
}

/*
 * Splits "ADDRESS:PORT" or "[ADDRESS]:PORT". Returns the port's text, or NULL; then *wrong says
 * what is wrong, or is NULL if the whole has another form.
 */
static const char *
split_endpoint(const char *text, char *host, size_t size, const char **wrong)
{
	const char *colon = strrchr(text, ':'), *end = colon;
	bool bracketed = text[0] == '[';

	*wrong = NULL;
	if (!colon || (bracketed && text[strlen(text) - 1] == ']')) {
		*wrong = "has no port; write ADDRESS:PORT";
		return NULL;
	}
	if (colon == text || (colon == text + 1 && *text == '*')) {
		*wrong = "has no address; name each address to be used";
		return NULL;
	}
	if (bracketed) {
		if (*--end != ']')
			return NULL;
		text++;
	} else if (strchr(text, ':') != colon) {
		*wrong = "is ambiguous; write an IPv6 address in brackets: [ADDRESS]:PORT";
		return NULL;
	}
	if ((size_t)(end - text) >= size)
		return NULL;
	memcpy(host, text, end - text);
	host[end - text] = '\0';
	/* Brackets are for IPv6 only. */
	return bracketed == (strchr(host, ':') != NULL) ? colon + 1 : NULL;
}

/* Reads the address; returns the text of the ports, or NULL after adding an error. */
static const char *
get_endpoint(struct json_at at, struct shunt_addr *out)
{
	static const char wanted[] = "ADDRESS:PORT, such as \"192.0.2.1:80\" or "
				     "\"[2001:db8::1]:80\"";
	const char *text = json_string_value(at.value), *port, *wrong;
	char host[JSON_ADDRESS_TEXT_SIZE];

	if (!text || !*text) {
		json_at_mismatch(at, wanted);
		return NULL;
	}
	port = split_endpoint(text, host, sizeof(host), &wrong);
	if (wrong) {
		json_at_error(at, "\"%.*s\" %s", SHOWN, text, wrong);
		return NULL;
	}
	if (!port || !parse_address(host, out)) {
		json_at_mismatch(at, wanted);
		return NULL;
	}
	return port;
}

bool
json_get_endpoint(struct json_at at, struct shunt_addr *out, uint16_t *port_be)
{
	struct shunt_addr address;
	const char *port = at.value ? get_endpoint(at, &address) : NULL;

	if (!port || !get_port(at, port, port_be))
		return false;
	*out = address;
	return true;
}

bool
json_get_endpoints(struct json_at at, struct shunt_addr *out, uint16_t *first_be, uint16_t *last_be)
{
	struct shunt_addr address;
	const char *ports = at.value ? get_endpoint(at, &address) : NULL;

	if (!ports || !get_ports(at, ports, first_be, last_be))
		return false;
	*out = address;
	return true;
}

/* IPv4, or IPv6 in brackets, without which its end could be meant as the port. */
static bool
parse_bare_address(const char *text, struct shunt_addr *out)
{
	char host[JSON_ADDRESS_TEXT_SIZE];
	size_t length = strlen(text);

	if (!strchr(text, ':'))
		return parse_address(text, out);
	if (length < 2 || length >= sizeof(host) || text[0] != '[' || text[length - 1] != ']')
		return false;
	memcpy(host, text + 1, length - 2);
	host[length - 2] = '\0';
	return strchr(host, ':') && parse_address(host, out);
}

bool
json_get_server_endpoint(struct json_at at, struct shunt_addr *out, uint16_t *port_be)
{
	const char *text = json_string_value(at.value), *port;
	struct shunt_addr address;

	if (text && parse_bare_address(text, out)) {
		*port_be = 0;
		return true;
	}
	port = at.value ? get_endpoint(at, &address) : NULL;
	if (!port)
		return false;
	if (strcmp(port, "*") == 0) {
		json_at_error(at,
			"has no port of its own: leave \":*\" out, and the port that the client "
			"uses is kept");
		return false;
	}
	if (!get_port(at, port, port_be))
		return false;
	*out = address;
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
json_get_mac(struct json_at at, struct shunt_mac *out)
{
	static const struct shunt_mac zero;
	const char *text = json_string_value(at.value);
	struct shunt_mac mac;

	if (!at.value)
		return false;
	if (!text || json_string_length(at.value) != 17)
		return json_at_mismatch(at, "a MAC address such as \"02:00:00:00:00:11\"");
	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return json_at_mismatch(at, "a MAC address such as \"02:00:00:00:00:11\"");
		mac.bytes[i] = high << 4 | low;
	}
	if ((mac.bytes[0] & 1) || memcmp(&mac, &zero, sizeof(mac)) == 0)
		return json_at_mismatch(at, "the MAC address of one station, not a group or zero");
	*out = mac;
	return true;
}

bool
json_get_hex(struct json_at at, uint8_t *out, size_t size)
{
	const char *text = json_string_value(at.value);

	if (!at.value)
		return false;
	/* What was found is not shown: this is how secrets are written. */
	if (!text || strlen(text) != 2 * size ||
		strspn(text, "0123456789abcdefABCDEF") != 2 * size) {
		json_at_error(at, "must be a string of %zu hexadecimal digits", 2 * size);
		return false;
	}
	for (size_t i = 0; i < size; i++)
		out[i] = hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]);
	return true;
}

void
json_address_text(const struct shunt_addr *address, char *text)
{
	bool v4 = shunt_addr_is_v4(address);

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &address->bytes[12] : address->bytes, text,
		JSON_ADDRESS_TEXT_SIZE);
}

void
json_endpoint_text(const struct shunt_addr *address, uint16_t port_be, char *text)
{
	char host[JSON_ADDRESS_TEXT_SIZE];
	bool v4 = shunt_addr_is_v4(address);

	json_address_text(address, host);
	snprintf(text, JSON_ENDPOINT_TEXT_SIZE, "%s%s%s:%u", v4 ? "" : "[", host, v4 ? "" : "]",
		ntohs(port_be));
}

void
json_endpoints_text(
	const struct shunt_addr *address, uint16_t first_be, uint16_t last_be, char *text)
{
	size_t length;

	json_endpoint_text(address, first_be, text);
	if (first_be == last_be)
		return;
	length = strlen(text);
	if (first_be == htons(1) && last_be == htons(65535))
		text[length - 1] = '*'; /* in place of the first port, 1 */
	else
		snprintf(text + length, JSON_ENDPOINT_TEXT_SIZE - length, "-%u", ntohs(last_be));
}

void
json_server_endpoint_text(const struct shunt_addr *address, uint16_t port_be, char *text)
{
	if (port_be)
		json_endpoint_text(address, port_be, text);
	else
		json_address_text(address, text);
}
