/* SPDX-License-Identifier: BSD-3-Clause */
#include <unistd.h>

#include "settings_case.h"

static struct settings *
parse_right(const char *section)
{
	struct settings *settings = settings_case(section, "");

	CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
	return settings;
}

/* A section with the members given and one right port. */
static void
expect_members(const char *members, const char *expected)
{
	char *section = case_text("{%s, 'ports': [{'name': 'wan', 'interface': 'w0'}]}", members);

	settings_destroy(settings_case(section, expected));
	free(section);
}

static void
expect_port(const char *port, const char *expected)
{
	char *section = case_text("{'ports': [%s]}", port);

	settings_destroy(settings_case(section, expected));
	free(section);
}

static void
test_defaults(void)
{
	struct settings *s = parse_right("{'ports': [{'name': 'wan', 'interface': 'wan0'}]}");

	CU_ASSERT_STRING_EQUAL(s->lcores, "0,1");
	CU_ASSERT_EQUAL(s->main_lcore, 0);
	CU_ASSERT_EQUAL(s->worker_count, 1);
	CU_ASSERT_EQUAL(s->worker_lcores[0], 1);
	CU_ASSERT_EQUAL(s->memory, SETTINGS_MEMORY_AUTO);
	CU_ASSERT_EQUAL(s->memory_size_bytes, 0);
	CU_ASSERT_EQUAL(s->flow_table_size, 1048576);
	CU_ASSERT_EQUAL(s->source_table_size, 65536);
	CU_ASSERT_EQUAL(s->half_open_max, 262144);
	CU_ASSERT_EQUAL(s->idle, SETTINGS_IDLE_SPIN);
	CU_ASSERT_EQUAL(s->mbufs, 0);
	CU_ASSERT_STRING_EQUAL(s->xdp_filter, "");
	CU_ASSERT_EQUAL(s->port_count, 1);
	CU_ASSERT_STRING_EQUAL(s->ports[0].name, "wan");
	CU_ASSERT_STRING_EQUAL(s->ports[0].interface, "wan0");
	CU_ASSERT_STRING_EQUAL(s->ports[0].device, "");
	CU_ASSERT_EQUAL(s->ports[0].rx_queue_size, 2048);
	CU_ASSERT_EQUAL(s->ports[0].tx_queue_size, 2048);
	settings_destroy(s);
	settings_destroy(NULL);
}

static void
test_everything(void)
{
	struct settings *s =
		parse_right("{'lcores': '4,6-7', 'memory': 'pages', 'memory-size': '2G',"
			    " 'flow-table-size': '64K', 'half-open-max': '1K', 'idle': 'adaptive', "
			    "'mbufs': 65536,"
			    " 'xdp-filter': '/usr/lib/shunt/xdp_filter.bpf.o', 'ports': ["
			    " {'name': 'a', 'device': 'net_null0', 'rx-queue-size': 64, "
			    "'tx-queue-size': 16384},"
			    " {'name': 'b', 'device': '3B:0.1,arg=A:1', 'kernel': 'none'}]}");

	CU_ASSERT_STRING_EQUAL(s->lcores, "4,6-7");
	CU_ASSERT_EQUAL(s->main_lcore, 4);
	CU_ASSERT_EQUAL(s->worker_count, 2);
	CU_ASSERT_EQUAL(s->worker_lcores[1], 7);
	CU_ASSERT_EQUAL(s->memory, SETTINGS_MEMORY_PAGES);
	CU_ASSERT_EQUAL(s->memory_size_bytes, 2ull << 30);
	CU_ASSERT_EQUAL(s->flow_table_size, 65536);
	CU_ASSERT_EQUAL(s->half_open_max, 1024);
	CU_ASSERT_EQUAL(s->idle, SETTINGS_IDLE_ADAPTIVE);
	CU_ASSERT_EQUAL(s->mbufs, 65536);
	CU_ASSERT_STRING_EQUAL(s->xdp_filter, "/usr/lib/shunt/xdp_filter.bpf.o");
	CU_ASSERT_EQUAL(s->port_count, 2);
	CU_ASSERT_STRING_EQUAL(s->ports[0].device, "net_null0");
	CU_ASSERT_STRING_EQUAL(s->ports[0].interface, "");
	CU_ASSERT_FALSE(s->ports[0].pci);
	CU_ASSERT_EQUAL(s->ports[0].rx_queue_size, 64);
	CU_ASSERT_EQUAL(s->ports[0].tx_queue_size, 16384);
	CU_ASSERT_STRING_EQUAL(s->ports[1].device, "0000:3b:00.1,arg=A:1");
	CU_ASSERT_TRUE(s->ports[1].pci);
	CU_ASSERT_EQUAL(s->ports[1].kernel, SETTINGS_KERNEL_NONE);
	CU_ASSERT_EQUAL(s->ports[1].rx_queue_size, 1024);
	settings_destroy(s);
}

/* Parses a list of lcores; gives "main: workers", NULL if refused. */
static void
expect_lcores(const char *lcores, const char *expected)
{
	char *section = case_text(
		"{'lcores': '%s', 'ports': [{'name': 'wan', 'interface': 'wan0'}]}", lcores);
	struct settings *s = parse_right(section);
	char found[1024];
	size_t used;

	used = (size_t)snprintf(found, sizeof(found), "%u:", s->main_lcore);
	for (size_t i = 0; i < s->worker_count; i++)
		used += (size_t)snprintf(
			found + used, sizeof(found) - used, " %u", s->worker_lcores[i]);
	CU_ASSERT_STRING_EQUAL(found, expected);
	settings_destroy(s);
	free(section);
}

static void
test_lcores(void)
{
	expect_lcores("0,1", "0: 1");
	expect_lcores("0, 1", "0: 1");
	expect_lcores("0-3", "0: 1 2 3");
	expect_lcores("0,1-3", "0: 1 2 3");
	expect_lcores("7,3-4,1", "7: 3 4 1");
	expect_lcores("127,0", "127: 0");
	expect_lcores("0@0,1@0", "0: 1");
	expect_lcores("0@0,(1,2)@1", "0: 1 2");
	expect_lcores("(0-1,4)@(2,4-6)", "0: 1 4");
	expect_lcores("0@1023,1-2@0", "0: 1 2");
	expect_lcores("0-2,(5)", "0: 1 2 5");
}

#define LCORES_WANTED                                                                           \
	"$.dataplane.lcores: must be a list of lcores below 128 such as '0,1-3', or with CPUs " \
	"such as '0@4,(1,2)@(5-6)', found "

static void
test_lcores_wrong(void)
{
	static const char *const malformed[] = { "a", ",", "0,", ",1", "0,,1", "0-", "-1", "0,3-1",
		"0,128", "0,99999999999999999999", "0@", "0@1024,1", "(0,1", "0,1)", "()", "(0,)",
		"0@(1", "0@(),1", "0,1@2@3", "1 2", "0,1 ", " 0,1", "0x1,2", "0;1", "+0,1" };

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		char *members = case_text("'lcores': '%s'", malformed[i]);
		char expected[512];

		snprintf(expected, sizeof(expected), LCORES_WANTED "the string '%s'", malformed[i]);
		expect_members(members, expected);
		free(members);
	}
	expect_members("'lcores': ''",
		"$.dataplane.lcores: must be a string of 1 to 511 characters, found the string ''");
	expect_members("'lcores': 2", "$.dataplane.lcores: must be a string, found the number 2");
	expect_members("'lcores': '0,1,0'", "$.dataplane.lcores: names an lcore twice");
	expect_members("'lcores': '0,1-3,(2)@5'", "$.dataplane.lcores: names an lcore twice");
	expect_members("'lcores': '3'",
		"$.dataplane.lcores: needs two lcores at least: the main lcore first, then one or "
		"more workers");
	expect_members("'lcores': '0-64'", "");
	expect_members("'lcores': '0-65'", "$.dataplane.lcores: has 65 workers, the limit is 64");
	expect_members("'lcores': '0-127'", "$.dataplane.lcores: has 127 workers, the limit is 64");
}

static void
test_members_wrong(void)
{
	expect_members("'memory': 'huge'",
		"$.dataplane.memory: must be one of 'auto', 'hugepages', 'pages', found the string "
		"'huge'");
	expect_members("'memory-size': '1M'",
		"$.dataplane.memory-size: must be from 64M to 1024G, found the string '1M'");
	expect_members("'flow-table-size': '1023'",
		"$.dataplane.flow-table-size: must be from 1K to 64M, found the string '1023'");
	expect_members("'flow-table-size': '65M'",
		"$.dataplane.flow-table-size: must be from 1K to 64M, found the string '65M'");
	expect_members("'flow-table-size': '64M'", "");
	expect_members("'source-table-size': 1023",
		"$.dataplane.source-table-size: must be from 1K to 1M, found the number 1023");
	expect_members("'source-table-size': '1M'", "");
	expect_members("'half-open-max': 63",
		"$.dataplane.half-open-max: must be from 64 to 64M, found the number 63");
	expect_members("'half-open-max': '2M'",
		"$.dataplane.half-open-max: is more than 'flow-table-size', which is 1048576");
	expect_members("'flow-table-size': '2M', 'half-open-max': '2M'", "");
	expect_members("'idle': 'sleep'",
		"$.dataplane.idle: must be one of 'spin', 'adaptive', found the string 'sleep'");
	expect_members("'mbufs': 1023",
		"$.dataplane.mbufs: must be a whole number from 1024 to "
		"16777216, found the number 1023");
	expect_members("'xdp-filter': ''",
		"$.dataplane.xdp-filter: must be a string of 1 to 4095 "
		"characters, found the string ''");
	expect_members("'lcore': '0,1'", "$.dataplane.lcore: unknown key; did you mean 'lcores'?");
}

static void
test_section_wrong(void)
{
	settings_case("[]", "$.dataplane: must be an object, found an array");
	settings_case("null", "$.dataplane: must be an object, found null");
	settings_case("{}", "$.dataplane.ports: missing, but required");
	settings_case("{'ports': []}", "$.dataplane.ports: needs one port at least");
	settings_case("{'ports': {}}", "$.dataplane.ports: must be an array, found an object");
	settings_case("{'ports': [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}",
		"$.dataplane.ports: has 17 elements, the limit is 16");
}

#define PORT "$.dataplane.ports[0]"
#define DEVICE_BAD                                                                                \
	PORT ".device: must be a PCI address such as '0000:3b:00.1' or a virtual device such as " \
	     "'net_memif0,role=client', found "

static void
test_ports_wrong(void)
{
	expect_port("5", PORT ": must be an object, found the number 5");
	expect_port(
		"{}", PORT ".name: missing, but required\n" PORT ": needs 'interface' or 'device'");
	expect_port("{'name': 'a/b', 'interface': 'w0'}",
		PORT ".name: must be a name: 1 to 63 of the characters A-Z a-z 0-9 _ . : -, found "
		     "the string 'a/b'");
	expect_port("{'name': 'a', 'interface': 'w0', 'device': 'net_null0'}",
		PORT ": has both 'interface' and 'device'; a port is one or the other");
	expect_port("{'name': 'a', 'interface': 'abcdefghijklmno'}", "");
	expect_port("{'name': 'a', 'interface': 'abcdefghijklmnop'}",
		PORT ".interface: must be a string of 1 to 15 characters, found the string "
		     "'abcdefghijklmnop'");
	expect_port("{'name': 'a', 'interface': 'w 0'}",
		PORT ".interface: must be the name of a network interface, found the string 'w 0'");
	expect_port("{'name': 'a', 'interface': 'w/0'}",
		PORT ".interface: must be the name of a network interface, found the string 'w/0'");
	expect_port("{'name': 'a', 'interface': 'w0,x=1'}",
		PORT ".interface: must be the name of a network interface, found the string "
		     "'w0,x=1'");
	expect_port("{'name': 'a', 'interface': 'w0', 'kernel': 'none'}",
		PORT ".kernel: goes with 'device' only: an interface is its own kernel twin");
	expect_port("{'name': 'a', 'device': 'net_null0', 'kernel': 'no'}",
		PORT ".kernel: must be one of 'none', 'tap', found the string 'no'");
	expect_port("{'name': 'a', 'interface': 'w0', 'rx-queue-size': 1000}",
		PORT ".rx-queue-size: must be a power of two, found the number 1000");
	expect_port("{'name': 'a', 'interface': 'w0', 'tx-queue-size': 32}",
		PORT ".tx-queue-size: must be a whole number from 64 to 16384, found the number "
		     "32");
	expect_port("{'name': 'a', 'interface': 'w0', 'queues': 2}",
		PORT ".queues: unknown key; the keys here are: name, interface, device, kernel, "
		     "kernel-interface, addresses, punt-rate, rx-queue-size, tx-queue-size, "
		     "vlan");
	expect_port("{'name': 'a', 'interface': 'w0', 'vlan': 5}",
		PORT ".vlan: goes with 'device' only: the VLANs of an interface are the kernel's "
		     "(ip link add link eth0 name eth0.100 type vlan id 100)");
	expect_port("{'name': 'a', 'device': 'net_null0', 'vlan': 1}", "");
	expect_port("{'name': 'a', 'device': 'net_null0', 'vlan': [4094, 1]}", "");
	expect_port("{'name': 'a', 'device': 'net_null0', 'vlan': 0}",
		PORT ".vlan: must be a whole number from 1 to 4094, found the number 0");
	expect_port("{'name': 'a', 'device': 'net_null0', 'vlan': [4094, 4095]}",
		PORT ".vlan[1]: must be a whole number from 1 to 4094, found the number 4095");
	expect_port("{'name': 'a', 'device': 'net_null0', 'vlan': [5]}",
		PORT ".vlan: must be one VLAN id, or the outer and the inner of two");
	expect_port("{'name': 'a', 'device': 'net_null0', 'vlan': [5, 6, 7]}",
		PORT ".vlan: has 3 elements, the limit is 2");
	expect_port("{'name': 'a', 'device': 'net_null0', 'vlan': 'x'}",
		PORT ".vlan: must be a whole number from 1 to 4094, found the string 'x'");
}

static void
test_devices(void)
{
	static const char *const wrong[] = { "eth0", "net_", "net_,a=b", "3b:00", "3b:00.8",
		"3b:00.11", "123:00.1", "0000:3b:00.", "0000:3b:000.1", "000000000:3b:00.1",
		":3b:00.1", "3b:00.1 ", "--vdev=net_null0", "/dev/uio0" };
	static const char *const pci[] = { "0000:3b:00.1", "3b:00.1", "3B:1f.7,a=b",
		"00010000:3b:00.0" };
	static const char *const virtual[] = { "net_null0", "net_memif0,role=client,id=1",
		"net_pcap0,rx_pcap=a b.pcap,tx_pcap=out.pcap", "net_tap0,iface=x" };
	char port[256], expected[512];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(port, sizeof(port), "{'name': 'a', 'device': '%s'}", wrong[i]);
		snprintf(expected, sizeof(expected), DEVICE_BAD "the string '%s'", wrong[i]);
		expect_port(port, expected);
	}
	for (size_t i = 0; i < sizeof(pci) / sizeof(pci[0]); i++) {
		snprintf(port, sizeof(port), "{'name': 'a', 'device': '%s'}", pci[i]);
		expect_port(port, "");
	}
	for (size_t i = 0; i < sizeof(virtual) / sizeof(virtual[0]); i++) {
		snprintf(port, sizeof(port), "{'name': 'a', 'device': '%s'}", virtual[i]);
		expect_port(port, "");
	}
	expect_port("{'name': 'a', 'device': 'net_null0\\n'}",
		PORT ".device: must be printable ASCII, found the string 'net_null0\\x0a'");
}

static void
test_ports_twice(void)
{
	expect_port("{'name': 'a', 'interface': 'w0'}, {'name': 'a', 'interface': 'w0'}",
		"$.dataplane.ports[1].name: 'a' is already the name of ports[0]\n"
		"$.dataplane.ports[1].interface: 'w0' is already used by ports[0]");
	expect_port(
		"{'name': 'a', 'device': 'net_null0'}, {'name': 'b', 'device': 'net_null0,x=1'}",
		"$.dataplane.ports[1].device: already used by ports[0]");
	expect_port("{'name': 'a', 'device': '0000:3b:00.1', 'kernel': 'none'},"
		    "{'name': 'b', 'device': '3B:00.1', 'kernel': 'none'}",
		"$.dataplane.ports[1].device: already used by ports[0]");
	expect_port(
		"{'name': 'a', 'device': 'net_null0'}, {'name': 'b', 'device': 'net_null01'}", "");
	/* Two ports that both lack something do not have the same of it. */
	expect_port("{'name': 5, 'interface': 'w0'}, {'name': 5, 'interface': 'w1'}",
		"$.dataplane.ports[0].name: must be a name: 1 to 63 of the characters A-Z a-z 0-9 "
		"_ . : -, found the number 5\n"
		"$.dataplane.ports[1].name: must be a name: 1 to 63 of the characters A-Z a-z 0-9 "
		"_ . : -, found the number 5");
}

static void
test_all_at_once(void)
{
	settings_case(
		"{'lcores': '0', 'memory': 1, 'flow-table-size': '1X', 'idle': 'x', 'mbufs': 1.5,"
		" 'ports': [{'name': 'a'}, {'interface': 'w0'}], 'extra': 1}",
		"$.dataplane.extra: unknown key; the keys here are: lcores, memory, memory-size, "
		"flow-table-size, half-open-max, source-table-size, idle, mbufs, xdp-filter, "
		"ports\n"
		"$.dataplane.lcores: needs two lcores at least: the main lcore first, then one or "
		"more workers\n"
		"$.dataplane.memory: must be one of 'auto', 'hugepages', 'pages', found the number "
		"1\n"
		"$.dataplane.flow-table-size: must be a size such as '64K', '1M', '2G' (steps of "
		"1024), from 1K to 64M, found the string '1X'\n"
		"$.dataplane.mbufs: must be a whole number from 1024 to 16777216, found the number "
		"1.5\n"
		"$.dataplane.idle: must be one of 'spin', 'adaptive', found the string 'x'\n"
		"$.dataplane.ports[0]: needs 'interface' or 'device'\n"
		"$.dataplane.ports[1].name: missing, but required");
}

/* The dataplane leaves the rest of the file to control, but not its syntax. */
static void
test_load(void)
{
	static const struct {
		const char *text;
		const char *expected;
	} cases[] = {
		{ "{'dataplane': {'ports': [{'name': 'a', 'interface': 'w0'}]}, 'other': [1, 2]}",
			"" },
		{ "{}", "$.dataplane: missing, but required" },
		{ "{'dataplane': {'ports': [{'name': 'a', 'interface': 'w0'}]}, 'other': [1, 2}",
			"$: line 1, column 76: ']' expected near '}'" },
	};
	char path[] = "/tmp/test_settings.XXXXXX";
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_errors *errors = json_errors_create();
		char *text = case_text("%s", cases[i].text);
		struct settings *settings;
		FILE *f = fopen(path, "w");

		CU_ASSERT_PTR_NOT_NULL_FATAL(f);
		fputs(text, f);
		fclose(f);
		settings = settings_load(path, errors);
		CU_ASSERT_EQUAL(settings == NULL, *cases[i].expected != '\0');
		case_expect(errors, text, cases[i].expected);
		settings_destroy(settings);
		json_errors_destroy(errors);
		free(text);
	}
	unlink(path);
}

static const struct unit_test tests[] = {
	{ "defaults", test_defaults },
	{ "every key", test_everything },
	{ "lcores", test_lcores },
	{ "wrong lcores", test_lcores_wrong },
	{ "wrong keys and values", test_members_wrong },
	{ "wrong section", test_section_wrong },
	{ "wrong ports", test_ports_wrong },
	{ "devices", test_devices },
	{ "ports named or used twice", test_ports_twice },
	{ "all errors at once", test_all_at_once },
	{ "loading a file", test_load },
};

UNIT_MAIN("settings", tests)
