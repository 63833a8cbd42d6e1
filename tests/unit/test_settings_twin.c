/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of a port's kernel twin. */
#include "settings_case.h"

#define PORT "$.dataplane.ports[0]"

/* The settings of a section with these ports, or NULL; checks what is complained of. */
static struct settings *
parse(const char *ports, const char *expected)
{
	char *section = case_text("{'ports': [%s]}", ports);
	struct settings *settings = settings_case(section, expected);

	free(section);
	return settings;
}

static void
expect(const char *ports, const char *expected)
{
	settings_destroy(parse(ports, expected));
}

static void
test_defaults(void)
{
	struct settings *s = parse("{'name': 'wan', 'device': '3b:00.0'},"
				   "{'name': 'lan', 'device': 'net_null0', 'kernel': 'tap'},"
				   "{'name': 'pcap', 'device': 'net_null1'},"
				   "{'name': 'eth', 'interface': 'eth0'},"
				   "{'name': 'no', 'device': '3b:00.1', 'kernel': 'none'}",
		"");
	static const uint8_t kernel[] = { SETTINGS_KERNEL_TAP, SETTINGS_KERNEL_TAP,
		SETTINGS_KERNEL_NONE, SETTINGS_KERNEL_NONE, SETTINGS_KERNEL_NONE };

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	for (size_t i = 0; i < s->port_count; i++) {
		bool tap = kernel[i] == SETTINGS_KERNEL_TAP;

		CU_ASSERT_EQUAL(s->ports[i].kernel, kernel[i]);
		CU_ASSERT_STRING_EQUAL(s->ports[i].kernel_interface, tap ? s->ports[i].name : "");
		CU_ASSERT_EQUAL(s->ports[i].punt_rate, tap ? 10000 : 0);
		CU_ASSERT_EQUAL(s->ports[i].address_count, 0);
	}
	settings_destroy(s);
}

static void
test_everything(void)
{
	struct settings *s =
		parse("{'name': 'a-port-with-a-long:name', 'device': 'net_null0', 'kernel': 'tap',"
		      " 'kernel-interface': 'fifteen-letters', 'punt-rate': 1000000,"
		      " 'addresses': ['10.0.0.2/24', '2001:db8::2/64', '192.0.2.1/32',"
		      " '2001:db8::3/128', '10.9.9.9/1']}",
			"");
	char text[SETTINGS_PREFIX_SIZE];

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_STRING_EQUAL(s->ports[0].kernel_interface, "fifteen-letters");
	CU_ASSERT_EQUAL(s->ports[0].punt_rate, 1000000);
	CU_ASSERT_EQUAL_FATAL(s->ports[0].address_count, 5);
	settings_address_text(&s->ports[0].addresses[0], text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "10.0.0.2/24");
	settings_address_text(&s->ports[0].addresses[1], text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "2001:db8::2/64");
	CU_ASSERT_EQUAL(s->ports[0].addresses[2].bits, 32);
	CU_ASSERT_EQUAL(s->ports[0].addresses[3].bits, 128);
	CU_ASSERT_EQUAL(s->ports[0].addresses[4].bits, 1);
	settings_destroy(s);
}

static void
test_wrong_names(void)
{
	expect("{'name': 'sixteen-letters-', 'device': '3b:00.0'}",
		PORT ".kernel-interface: needed: the kernel twin cannot have the port's name "
		     "'sixteen-letters-' (1 to 15 characters, without ':')");
	expect("{'name': 'a:b', 'device': '3b:00.0'}",
		PORT ".kernel-interface: needed: the kernel twin cannot have the port's name 'a:b' "
		     "(1 to 15 characters, without ':')");
	expect("{'name': '..', 'device': '3b:00.0'}",
		PORT ".kernel-interface: needed: the kernel twin cannot have the port's name '..' "
		     "(1 to 15 characters, without ':')");
	/* The kernel would number it. */
	expect("{'name': 'a', 'device': '3b:00.0', 'kernel-interface': 'tap%d'}",
		PORT ".kernel-interface: must be the name of a network interface, found the string "
		     "'tap%d'");
	expect("{'name': 'a', 'device': '3b:00.0', 'kernel-interface': ''}",
		PORT ".kernel-interface: must be a string of 1 to 15 characters, found the string "
		     "''");
	expect("{'name': 'wan', 'device': '3b:00.0'},"
	       "{'name': 'b', 'device': '3b:00.1', 'kernel-interface': 'wan'}",
		"$.dataplane.ports[1].kernel-interface: 'wan' is already the kernel interface of "
		"ports[0]");
	expect("{'name': 'wan', 'device': '3b:00.0'}, {'name': 'b', 'interface': 'wan'}",
		"$.dataplane.ports[1].interface: 'wan' is already the kernel interface of "
		"ports[0]");
	expect("{'name': 'a', 'interface': 'wan'}, {'name': 'wan', 'device': '3b:00.0'}",
		"$.dataplane.ports[1].kernel-interface: 'wan' is already the kernel interface of "
		"ports[0]");
}

static void
test_wrong_addresses(void)
{
	static const char *const wrong[] = { "10.0.0.2", "10.0.0.2/", "10.0.0.2/0", "10.0.0.2/33",
		"10.0.0.2/+1", "10.0.0.2/ 1", "10.0.0.2/0024", "10.0.0.2/24x", "2001:db8::1/129" };
	char port[256], expected[256];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(port, sizeof(port),
			"{'name': 'a', 'device': '3b:00.0', 'addresses': ['%s']}", wrong[i]);
		snprintf(expected, sizeof(expected),
			PORT ".addresses[0]: must be an address with its prefix length such as "
			     "'10.0.0.2/24', found the string '%s'",
			wrong[i]);
		expect(port, expected);
	}
	expect("{'name': 'a', 'device': '3b:00.0', 'addresses': [5]}",
		PORT ".addresses[0]: must be an address with its prefix length such as "
		     "'10.0.0.2/24', found the number 5");
	expect("{'name': 'a', 'device': '3b:00.0', 'vlan': 100}", "");
	expect("{'name': 'a', 'device': '3b:00.0', 'vlan': 100, 'addresses': ['10.0.0.2/24']}",
		PORT ".addresses: goes without 'vlan': the kernel twin takes and sends frames with "
		     "their tags; make it beforehand (ip tuntap add dev a mode tap), and a VLAN "
		     "interface with the addresses on it (ip link add link a ... type vlan)");
	expect("{'name': 'a', 'device': '3b:00.0', 'addresses': '10.0.0.2/24'}",
		PORT ".addresses: must be an array, found the string '10.0.0.2/24'");
	CU_ASSERT_PTR_NULL(parse("{'name': 'a', 'device': '3b:00.0', 'addresses': ['10.0.0/24']}",
		PORT ".addresses[0]: must be an IPv4 or IPv6 address, found the string '10.0.0'"));
}

static void
test_wrong_places(void)
{
	expect("{'name': 'a', 'interface': 'w0', 'kernel': 'tap'}",
		PORT ".kernel: goes with 'device' only: an interface is its own kernel twin");
	expect("{'name': 'a', 'interface': 'w0', 'addresses': []}",
		PORT ".addresses: goes with 'kernel': 'tap' only");
	expect("{'name': 'a', 'device': 'net_null0', 'kernel-interface': 'b', 'punt-rate': 500}",
		PORT ".kernel-interface: goes with 'kernel': 'tap' only\n" PORT
		     ".punt-rate: goes with 'kernel': 'tap' only");
	expect("{'name': 'a', 'device': '3b:00.0', 'punt-rate': 99}",
		PORT ".punt-rate: must be a whole number from 100 to 1000000, found the number 99");
}

static const struct unit_test tests[] = {
	{ "what a port has without a word", test_defaults },
	{ "every key", test_everything },
	{ "names that cannot be", test_wrong_names },
	{ "addresses that cannot be", test_wrong_addresses },
	{ "keys where there is no twin", test_wrong_places },
};

UNIT_MAIN("settings_twin", tests)
