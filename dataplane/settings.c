/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "jsonfile.h"
#include "settings.h"
#include "shunt/table.h"
#include "settings_twin.h"

#define FLOWS_DEFAULT (1u << 20)
#define FLOWS_MIN     (1u << 10)
#define FLOWS_MAX     (64u << 20)

#define SOURCES_DEFAULT (64u << 10)
#define SOURCES_MIN	(1u << 10)
#define SOURCES_MAX	(1u << 20)
#define HALF_OPEN_SHARE 4 /* of the flows, by default */
#define HALF_OPEN_MIN	64

#define MBUFS_MIN 1024
#define MBUFS_MAX (16 << 20)

#define MEMORY_MIN (64ull << 20)
#define MEMORY_MAX (1024ull << 30)

/* AF_XDP has one ring for a queue and no descriptors to save, so its rings are larger. */
#define QUEUE_INTERFACE_DEFAULT 2048
#define QUEUE_DEVICE_DEFAULT	1024
#define QUEUE_MIN		64
#define QUEUE_MAX		16384

/* Reads "3" or "1-3" at *text and moves it on. False if that is not there. */
static bool
lcores_range(const char **text, unsigned int limit, unsigned int *first, unsigned int *last)
{
	unsigned int value[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		if (!isdigit((unsigned char)**text))
			return false;
		for (; isdigit((unsigned char)**text); ++*text) {
			value[i] = value[i] * 10 + (**text - '0');
			if (value[i] >= limit)
				return false;
		}
		if (i == 0 && **text != '-') {
			value[1] = value[0];
			break;
		}
		if (i == 0)
			++*text;
	}
	*first = value[0];
	*last = value[1];
	return value[0] <= value[1];
}

struct lcore_list {
	uint16_t ids[SETTINGS_MAX_LCORE];
	size_t count;
	bool twice; /* an id was named twice */
};

static void
lcores_take(struct lcore_list *list, unsigned int first, unsigned int last)
{
	for (unsigned int id = first; id <= last; id++) {
		for (size_t i = 0; i < list->count; i++) {
			if (list->ids[i] == id) {
				list->twice = true;
				return;
			}
		}
		list->ids[list->count++] = id;
	}
}

/* A range, or several in parentheses. `list` is NULL where the numbers are CPUs. */
static bool
lcores_set(const char **text, unsigned int limit, struct lcore_list *list)
{
	bool group = **text == '(';
	unsigned int first, last;

	do {
		if (group)
			++*text;
		if (!lcores_range(text, limit, &first, &last))
			return false;
		if (list)
			lcores_take(list, first, last);
	} while (group && **text == ',');
	if (group && **text != ')')
		return false;
	*text += group;
	return true;
}

/* SET[@SET]{,SET[@SET]}: the form of the EAL's --lcores, which a plain list is a case of. */
static bool
lcores_parse(const char *text, struct lcore_list *list)
{
	for (;;) {
		if (!lcores_set(&text, SETTINGS_MAX_LCORE, list))
			return false;
		if (*text == '@') {
			text++;
			if (!lcores_set(&text, SETTINGS_MAX_CPU, NULL))
				return false;
		}
		if (*text == '\0')
			return true;
		if (*text++ != ',')
			return false;
	}
}

static void
read_lcores(struct json_at at, struct settings *settings)
{
	struct lcore_list list = { .count = 0 };
	const char *text = "0,1";
	size_t used = 0;

	if (json_at_present(at) && !json_get_string(at, SETTINGS_LCORES_SIZE - 1, &text))
		return;
	for (; *text; text++) {
		/* "0, 1" is welcome, but "1 2" must not become 12. */
		if (*text != ' ' || used == 0 || settings->lcores[used - 1] != ',')
			settings->lcores[used++] = *text;
	}
	if (!lcores_parse(settings->lcores, &list)) {
		json_at_mismatch(at,
			"a list of lcores below 128 such as \"0,1-3\", or with CPUs "
			"such as \"0@4,(1,2)@(5-6)\"");
	} else if (list.twice) {
		json_at_error(at, "names an lcore twice");
	} else if (list.count < 2) {
		json_at_error(at,
			"needs two lcores at least: the main lcore first, then one or "
			"more workers");
	} else if (list.count - 1 > SHUNT_MAX_WORKERS) {
		json_at_error(
			at, "has %zu workers, the limit is %d", list.count - 1, SHUNT_MAX_WORKERS);
	} else {
		settings->main_lcore = list.ids[0];
		settings->worker_count = list.count - 1;
		memcpy(settings->worker_lcores, &list.ids[1],
			settings->worker_count * sizeof(list.ids[0]));
	}
}

/* Reads 1 to `max` digits and `end` after them. The byte after, or NULL. */
static const char *
hex_field(const char *text, size_t max, char end)
{
	size_t digits = strspn(text, "0123456789abcdefABCDEF");

	return digits > 0 && digits <= max && text[digits] == end ? text + digits + 1 : NULL;
}

/* [DOMAIN:]BUS:DEVICE.FUNCTION, then nothing or arguments after a comma. */
static bool
device_is_pci(const char *text)
{
	const char *bus = hex_field(text, 8, ':'), *slot = NULL, *function = NULL;

	if (bus)
		slot = hex_field(bus, 2, ':');
	if (!slot)
		slot = hex_field(text, 2, ':');
	if (slot)
		function = hex_field(slot, 2, '.');
	return function && *function >= '0' && *function <= '7' &&
		(function[1] == '\0' || function[1] == ',');
}

/* Compares devices without their arguments. */
static bool
same_device(const char *a, const char *b)
{
	size_t length = strcspn(a, ",");

	return length > 0 && length == strcspn(b, ",") && strncmp(a, b, length) == 0;
}

/* As DPDK names the device: four digits of domain, two of bus and device, lower case. */
static void
store_pci(const char *text, char *device, size_t size)
{
	const char *arguments = text + strcspn(text, ",");
	unsigned long field[4] = { 0 };
	char *end;
	/* Without a domain, which is 0 then, the first colon is the only one. */
	size_t i = memchr(strchr(text, ':') + 1, ':', arguments - strchr(text, ':') - 1) ? 0 : 1;

	for (; i < 4; i++) {
		field[i] = strtoul(text, &end, 16);
		text = end + 1;
	}
	snprintf(device, size, "%04lx:%02lx:%02lx.%lx%s", field[0], field[1], field[2], field[3],
		arguments);
}

static void
read_device(struct json_at at, struct settings_port *port)
{
	const char *text;

	/* Room for the digits of a PCI address that the file may leave out. */
	if (!json_get_string(at, SETTINGS_DEVICE_SIZE - 1 - strlen("0000:00"), &text))
		return;
	port->pci = device_is_pci(text);
	for (const char *c = text; *c; c++) {
		if (*c < 0x20 || *c > 0x7e) {
			json_at_mismatch(at, "printable ASCII");
			return;
		}
	}
	if (port->pci)
		store_pci(text, port->device, sizeof(port->device));
	else if (strncmp(text, "net_", 4) == 0 && text[4] && text[4] != ',')
		snprintf(port->device, sizeof(port->device), "%s", text);
	else
		json_at_mismatch(at,
			"a PCI address such as \"0000:3b:00.1\" or a virtual device "
			"such as \"net_memif0,role=client\"");
}

static void
read_interface(struct json_at at, struct settings_port *port)
{
	const char *text;

	if (!json_get_string(at, SETTINGS_INTERFACE_SIZE - 1, &text))
		return;
	if (!settings_is_interface_name(text)) {
		json_at_mismatch(at, "the name of a network interface");
		return;
	}
	snprintf(port->interface, sizeof(port->interface), "%s", text);
}

static void
read_queue_size(struct json_at at, uint16_t *out)
{
	int64_t value;

	if (!json_get_int(at, QUEUE_MIN, QUEUE_MAX, &value))
		return;
	if (value & (value - 1))
		json_at_mismatch(at, "a power of two");
	else
		*out = value;
}

bool
settings_get_vlan(struct json_at at, uint16_t vlan[2])
{
	bool two = json_is_array(at.value);
	int64_t id[2] = { 0, 0 };
	size_t count = 1;

	if (two && !json_get_array(at, 2, &count))
		return false;
	if (two && count != 2) {
		json_at_error(at, "must be one VLAN id, or the outer and the inner of two");
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!json_get_int(
			    two ? json_at_element(&at, i) : at, 1, SHUNT_VLAN_END - 1, &id[i]))
			return false;
	}
	vlan[0] = (uint16_t)(id[0] | (two ? SHUNT_VLAN_S_TAG : 0));
	vlan[1] = (uint16_t)id[1];
	return true;
}

static void
read_vlan(struct json_at at, struct settings_port *port, bool interface)
{
	if (interface && json_at_present(at))
		json_at_error(at,
			"goes with \"device\" only: the VLANs of an interface are the kernel's "
			"(ip link add link eth0 name eth0.100 type vlan id 100)");
	else
		settings_get_vlan(at, port->vlan);
}

static void
read_port(struct json_at at, struct settings_port *port)
{
	static const char *const keys[] = { "name", "interface", "device", "kernel",
		"kernel-interface", "addresses", "punt-rate", "rx-queue-size", "tx-queue-size",
		"vlan", NULL };
	struct json_at interface = json_at_member(&at, "interface");
	struct json_at device = json_at_member(&at, "device");
	bool has_interface = json_at_present(interface);

	if (!json_get_object(at, keys))
		return;
	if (json_at_require(json_at_member(&at, "name")))
		json_get_name(json_at_member(&at, "name"), port->name);
	if (has_interface == json_at_present(device))
		json_at_error(at,
			has_interface ? "has both \"interface\" and \"device\"; a port "
					"is one or the other"
				      : "needs \"interface\" or \"device\"");
	read_interface(interface, port);
	read_device(device, port);
	settings_read_twin(at, port);
	port->rx_queue_size = has_interface ? QUEUE_INTERFACE_DEFAULT : QUEUE_DEVICE_DEFAULT;
	port->tx_queue_size = port->rx_queue_size;
	read_queue_size(json_at_member(&at, "rx-queue-size"), &port->rx_queue_size);
	read_queue_size(json_at_member(&at, "tx-queue-size"), &port->tx_queue_size);
	read_vlan(json_at_member(&at, "vlan"), port, has_interface);
	/* What the kernel sends from the twin itself has no tag, and would reach nobody. */
	if (port->vlan[0] && port->address_count)
		json_at_error(json_at_member(&at, "addresses"),
			"goes without \"vlan\": the kernel twin takes and sends frames with their "
			"tags; make it beforehand (ip tuntap add dev %s mode tap), and a VLAN "
			"interface with the addresses on it (ip link add link %s ... type vlan)",
			port->kernel_interface, port->kernel_interface);
}

/* A port may not be what an earlier one is. */
static void
check_port(struct json_at at, const struct settings *settings, size_t index)
{
	const struct settings_port *port = &settings->ports[index];

	for (size_t i = 0; i < index; i++) {
		const struct settings_port *other = &settings->ports[i];

		if (port->name[0] && strcmp(port->name, other->name) == 0)
			json_at_error(json_at_member(&at, "name"),
				"\"%s\" is already the name of ports[%zu]", port->name, i);
		if (port->interface[0] && strcmp(port->interface, other->interface) == 0)
			json_at_error(json_at_member(&at, "interface"),
				"\"%s\" is already used by ports[%zu]", port->interface, i);
		if (same_device(port->device, other->device))
			json_at_error(
				json_at_member(&at, "device"), "already used by ports[%zu]", i);
	}
	settings_check_twin(at, settings, index);
}

static void
read_ports(struct json_at at, struct settings *settings)
{
	size_t count;

	if (!json_at_require(at) || !json_get_array(at, SHUNT_MAX_PORTS, &count))
		return;
	if (count == 0)
		json_at_error(at, "needs one port at least");
	for (size_t i = 0; i < count; i++) {
		read_port(json_at_element(&at, i), &settings->ports[i]);
		check_port(json_at_element(&at, i), settings, i);
	}
	settings->port_count = count;
}

static void
read_memory(const struct json_at *section, struct settings *settings)
{
	static const struct json_word words[] = {
		{ "auto", SETTINGS_MEMORY_AUTO },
		{ "hugepages", SETTINGS_MEMORY_HUGEPAGES },
		{ "pages", SETTINGS_MEMORY_PAGES },
		{ NULL, 0 },
	};
	uint64_t flows = FLOWS_DEFAULT, sources = SOURCES_DEFAULT;
	int memory = SETTINGS_MEMORY_AUTO;
	struct json_at half_open_at = json_at_member(section, "half-open-max");
	uint64_t half_open;
	int64_t mbufs = 0;

	json_get_word(json_at_member(section, "memory"), words, &memory);
	json_get_size(json_at_member(section, "memory-size"), MEMORY_MIN, MEMORY_MAX,
		&settings->memory_size_bytes);
	json_get_size(json_at_member(section, "flow-table-size"), FLOWS_MIN, FLOWS_MAX, &flows);
	json_get_size(
		json_at_member(section, "source-table-size"), SOURCES_MIN, SOURCES_MAX, &sources);
	json_get_int(json_at_member(section, "mbufs"), MBUFS_MIN, MBUFS_MAX, &mbufs);
	half_open = flows / HALF_OPEN_SHARE;
	if (json_get_size(half_open_at, HALF_OPEN_MIN, FLOWS_MAX, &half_open) && half_open > flows)
		json_at_error(half_open_at, "is more than \"flow-table-size\", which is %llu",
			(unsigned long long)flows);
	settings->half_open_max = half_open;
	settings->memory = memory;
	settings->flow_table_size = flows;
	settings->source_table_size = sources;
	settings->mbufs = mbufs;
}

static void
read_section(const struct json_at *section, struct settings *settings)
{
	static const struct json_word idle_words[] = {
		{ "spin", SETTINGS_IDLE_SPIN },
		{ "adaptive", SETTINGS_IDLE_ADAPTIVE },
		{ NULL, 0 },
	};
	int idle = SETTINGS_IDLE_SPIN;
	const char *filter;

	read_lcores(json_at_member(section, "lcores"), settings);
	read_memory(section, settings);
	json_get_word(json_at_member(section, "idle"), idle_words, &idle);
	settings->idle = idle;
	if (json_get_string(json_at_member(section, "xdp-filter"), SETTINGS_PATH_SIZE - 1, &filter))
		snprintf(settings->xdp_filter, sizeof(settings->xdp_filter), "%s", filter);
	read_ports(json_at_member(section, "ports"), settings);
}

struct settings *
settings_parse(const struct json_at *section)
{
	static const char *const keys[] = { "lcores", "memory", "memory-size", "flow-table-size",
		"half-open-max", "source-table-size", "idle", "mbufs", "xdp-filter", "ports",
		NULL };
	size_t errors_before = json_errors_count(section->errors);
	struct settings *settings;

	if (!json_at_require(*section) || !json_get_object(*section, keys))
		return NULL;
	settings = calloc(1, sizeof(*settings));
	if (!settings) {
		json_at_error(*section, "out of memory");
		return NULL;
	}
	read_section(section, settings);
	if (json_errors_count(section->errors) > errors_before) {
		settings_destroy(settings);
		return NULL;
	}
	return settings;
}

struct settings *
settings_load(const char *path, struct json_errors *errors)
{
	json_t *document = json_file_load(path, errors);
	struct json_at root = json_at_root(document, errors);
	struct json_at section = json_at_member(&root, "dataplane");
	struct settings *settings;

	if (!document)
		return NULL;
	settings = settings_parse(&section);
	json_decref(document);
	return settings;
}

void
settings_destroy(struct settings *settings)
{
	free(settings);
}
