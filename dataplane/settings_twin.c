/* SPDX-License-Identifier: BSD-3-Clause */
#include "settings_twin.h"

#include <stdio.h>
#include <stdlib.h>

#define PUNT_RATE_DEFAULT 10000
#define PUNT_RATE_MIN	  100
#define PUNT_RATE_MAX	  1000000

bool
settings_is_interface_name(const char *text)
{
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (const char *c = text; *c; c++) {
		/* What the kernel refuses in a name, or takes for a pattern, and what would split a
		 * DPDK device string. */
		if (*c <= 0x20 || *c > 0x7e || strchr("/:,=%", *c))
			return false;
	}
	return text[0] && strlen(text) < SETTINGS_INTERFACE_SIZE;
}

static void
read_kernel_interface(struct json_at at, struct settings_port *port)
{
	const char *text = port->name;

	if (json_at_present(at)) {
		if (!json_get_string(at, SETTINGS_INTERFACE_SIZE - 1, &text))
			return;
		if (!settings_is_interface_name(text)) {
			json_at_mismatch(at, "the name of a network interface");
			return;
		}
	} else if (text[0] && !settings_is_interface_name(text)) {
		json_at_error(at,
			"needed: the kernel twin cannot have the port's name \"%s\" (1 to 15 "
			"characters, without ':')",
			text);
		return;
	}
	snprintf(port->kernel_interface, sizeof(port->kernel_interface), "%.*s",
		SETTINGS_INTERFACE_SIZE - 1, text);
}

/* "10.0.0.2/24" */
static void
read_address(struct json_at at, struct settings_address *out)
{
	const char *text = json_string_value(at.value);
	const char *slash = text ? strchr(text, '/') : NULL;
	struct json_at part = at;
	unsigned long bits;
	char *end;

	if (!slash) {
		json_at_mismatch(at, "an address with its prefix length such as \"10.0.0.2/24\"");
		return;
	}
	part.value = json_stringn(text, (size_t)(slash - text));
	if (json_get_address(part, &out->address)) {
		bits = strtoul(slash + 1, &end, 10);
		if (slash[1] < '0' || slash[1] > '9' || *end || end - slash > 4 || bits < 1 ||
			bits > (shunt_addr_is_v4(&out->address) ? 32 : 128))
			json_at_mismatch(
				at, "an address with its prefix length such as \"10.0.0.2/24\"");
		else
			out->bits = (uint8_t)bits;
	}
	json_decref(part.value);
}

static void
read_tap(struct json_at at, struct settings_port *port)
{
	struct json_at addresses = json_at_member(&at, "addresses");
	int64_t rate = PUNT_RATE_DEFAULT;
	size_t count;

	read_kernel_interface(json_at_member(&at, "kernel-interface"), port);
	if (json_get_array(addresses, SETTINGS_MAX_ADDRESSES, &count)) {
		for (size_t i = 0; i < count; i++)
			read_address(json_at_element(&addresses, i), &port->addresses[i]);
		port->address_count = count;
	}
	json_get_int(json_at_member(&at, "punt-rate"), PUNT_RATE_MIN, PUNT_RATE_MAX, &rate);
	port->punt_rate = (uint32_t)rate;
}

void
settings_read_twin(struct json_at at, struct settings_port *port)
{
	static const struct json_word words[] = {
		{ "none", SETTINGS_KERNEL_NONE },
		{ "tap", SETTINGS_KERNEL_TAP },
		{ NULL, 0 },
	};
	static const char *const keys[] = { "kernel-interface", "addresses", "punt-rate" };
	struct json_at kernel = json_at_member(&at, "kernel");
	int value = port->pci ? SETTINGS_KERNEL_TAP : SETTINGS_KERNEL_NONE;

	if (port->interface[0] && json_at_present(kernel))
		json_at_error(
			kernel, "goes with \"device\" only: an interface is its own kernel twin");
	else
		json_get_word(kernel, words, &value);
	port->kernel = (uint8_t)value;
	if (value == SETTINGS_KERNEL_TAP) {
		read_tap(at, port);
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct json_at key = json_at_member(&at, keys[i]);

		if (json_at_present(key))
			json_at_error(key, "goes with \"kernel\": \"tap\" only");
	}
}

void
settings_check_twin(struct json_at at, const struct settings *settings, size_t index)
{
	const struct settings_port *port = &settings->ports[index];
	const char *name = port->kernel_interface[0] ? port->kernel_interface : port->interface;

	for (size_t i = 0; name[0] && i < index; i++) {
		const struct settings_port *other = &settings->ports[i];
		bool twins = port->kernel_interface[0] || other->kernel_interface[0];

		if (twins &&
			(strcmp(name, other->kernel_interface) == 0 ||
				strcmp(name, other->interface) == 0))
			json_at_error(
				json_at_member(
					&at, port->interface[0] ? "interface" : "kernel-interface"),
				"\"%s\" is already the kernel interface of ports[%zu]", name, i);
	}
}

void
settings_address_text(const struct settings_address *address, char *text, size_t size)
{
	char host[JSON_ADDRESS_TEXT_SIZE];

	json_address_text(&address->address, host);
	snprintf(text, size, "%s/%u", host, address->bits);
}
