/* SPDX-License-Identifier: BSD-3-Clause */
/* The balanced addresses on the kernel's interfaces, and the other addresses there. */
#include <linux/capability.h>
#include <sys/syscall.h>

#include "netlink_bed.h"

static void
test_announce(void)
{
	if (!start())
		return;
	add_service("198.51.100.10", true);
	add_service("198.51.100.10", true);
	add_service("10.0.0.200", true);
	add_service("198.51.100.99", false);
	if (create()) {
		CU_ASSERT(addresses_are("wan0 .* 198.51.100.10/32 ", 1));
		CU_ASSERT(addresses_are("lan0 .* 10.0.0.200/32 ", 1));
		CU_ASSERT(addresses_are("198.51.100.99", 0));
		/* A service goes, another comes. */
		services[2].announce = false;
		services[3].announce = true;
		netlink_update(netlink);
		CU_ASSERT(addresses_are("10.0.0.200", 0));
		CU_ASSERT(addresses_are("wan0 .* 198.51.100.99/32 ", 1));
		netlink_destroy(netlink, false);
		netlink = NULL;
		CU_ASSERT(run("! ip -o addr show | grep -q 198.51.100"));
		CU_ASSERT(run("ip -o addr show | grep -q 10.0.0.1/24"));
	}
	stop();
}

static void
test_announce_ipv6(void)
{
	if (!start())
		return;
	add_service("2001:db8::10", true);
	add_service("2001:db8:1::200", true);
	if (create()) {
		CU_ASSERT(addresses_are("wan0 .* 2001:db8::10/128 ", 1));
		CU_ASSERT(addresses_are("lan0 .* 2001:db8:1::200/128 ", 1));
		CU_ASSERT(run("! ip -6 addr show | grep -q tentative.*2001"));
		/* The kernel must not choose it as its own source. */
		CU_ASSERT(run("ip -6 route get 2001:db8:1::201 | grep -q 'src 2001:db8:1::1 '"));
		/* The kernel drops IPv6 addresses of an interface that goes down. */
		CU_ASSERT(run("ip link set wan0 down"));
		settle();
		CU_ASSERT(run("ip link set wan0 up"));
		CU_ASSERT(addresses_are("wan0 .* 2001:db8::10/128 ", 1));
	}
	stop();
}

static void
test_announce_adopted(void)
{
	if (!start())
		return;
	add_service("198.51.100.10", true);
	add_service("198.51.100.11", true);
	if (create()) {
		CU_ASSERT(addresses_are("198.51.100.1[01]/32 ", 2));
		netlink_destroy(netlink, true);
		netlink = NULL;
		CU_ASSERT(run("ip -o addr show | grep -q 198.51.100.10"));
		/* The one that starts after it wants only one of them, and waits for the ports. */
		services[0].announce = false;
		port_count = 0;
		CU_ASSERT(create());
		settle();
		CU_ASSERT(addresses_are("198.51.100.1[01]/32 ", 2));
		add_port("wan", "wan0");
		netlink_update(netlink);
		CU_ASSERT(addresses_are("198.51.100.10/32 ", 0));
		CU_ASSERT(addresses_are("198.51.100.11/32 ", 1));
	}
	stop();
}

static void
test_announce_operators(void)
{
	if (!start())
		return;
	add_service("198.51.100.10", true);
	CU_ASSERT(run("ip addr add 198.51.100.10/32 dev lo"));
	if (create()) {
		settle();
		CU_ASSERT(addresses_are("198.51.100.10/32 ", 1));
		services[0].announce = false;
		netlink_update(netlink);
		settle();
		CU_ASSERT(addresses_are("lo .* 198.51.100.10/32 ", 1));
		/* When the operator takes his away, Shunt sees to it. */
		services[0].announce = true;
		netlink_update(netlink);
		CU_ASSERT(run("ip addr del 198.51.100.10/32 dev lo"));
		CU_ASSERT(addresses_are("wan0 .* 198.51.100.10/32 ", 1));
		netlink_destroy(netlink, false);
		netlink = NULL;
		CU_ASSERT(run("! ip -o addr show | grep -q 198.51.100"));
	}
	stop();
}

static void
test_announce_taken_off(void)
{
	if (!start())
		return;
	add_service("198.51.100.10", true);
	if (create()) {
		CU_ASSERT(addresses_are("198.51.100.10/32 ", 1));
		CU_ASSERT(run("ip addr del 198.51.100.10/32 dev wan0"));
		settle();
		CU_ASSERT(addresses_are("198.51.100.10/32 ", 0));
		clock_ahead_ms += 6000;
		CU_ASSERT(addresses_are("wan0 .* 198.51.100.10/32 ", 1));
	}
	stop();
}

static void
add_source(const char *address)
{
	backend.config.sources[backend.config.source_count++] = addr(address);
}

/* Where those who send to them look for them. */
static void
test_announce_sources(void)
{
	struct shunt_addr locals[64];
	size_t count;

	if (!start())
		return;
	add_server("10.0.0.11");
	add_server("10.9.0.11"); /* through a gateway on lan0 */
	add_server("2001:db8:9::11");
	add_source("10.0.0.200");
	add_source(
		"10.9.9.9"); /* in no subnet: to lan0 with the servers, and not to the first port */
	add_source("192.0.2.9");
	add_source("2001:db8:1::200");
	add_source("fd00::9");
	add_service("198.51.100.10", true);
	services[0].backend = &backend;
	CU_ASSERT(run("ip route add 10.9.0.0/16 via 10.0.0.11"));
	CU_ASSERT(run("ip route add 2001:db8:9::/64 via 2001:db8:1::11"));
	if (create()) {
		CU_ASSERT(addresses_are("lan0 .* 10.0.0.200/32 ", 1));
		CU_ASSERT(addresses_are("lan0 .* 10.9.9.9/32 ", 1));
		CU_ASSERT(addresses_are("wan0 .* 192.0.2.9/32 ", 1));
		CU_ASSERT(addresses_are("lan0 .* 2001:db8:1::200/128 ", 1));
		CU_ASSERT(addresses_are("lan0 .* fd00::9/128 ", 1));
		/* Probes go from the kernel's own, and replies to those are no flow's. */
		CU_ASSERT(run("ip route get 10.0.0.11 | grep -q 'src 10.0.0.1 '"));
		CU_ASSERT(run("ip route get 10.9.0.11 | grep -q 'src 10.0.0.1 '"));
		CU_ASSERT(run("ip -6 route get 2001:db8:9::11 | grep -q 'src 2001:db8:1::1 '"));
		settle();
		count = netlink_locals(netlink, locals, 64);
		for (size_t i = 0; i < count; i++) {
			for (size_t j = 0; j < backend.config.source_count; j++)
				CU_ASSERT_FALSE(
					shunt_addr_equal(&locals[i], &backend.config.sources[j]));
		}
		CU_ASSERT(count > 0);
		/* A way that is lost for a while moves nothing. */
		CU_ASSERT(run("ip route del 10.9.0.0/16"));
		CU_ASSERT(run("ip route add unreachable 10.9.0.0/16"));
		settle();
		CU_ASSERT(addresses_are("lan0 .* 10.9.9.9/32 ", 1));
		/* Who does not announce the service does without its source addresses, too. */
		services[0].announce = false;
		netlink_update(netlink);
		CU_ASSERT(addresses_are("10.0.0.200", 0));
		CU_ASSERT(addresses_are("fd00::9", 0));
		services[0].announce = true;
		netlink_update(netlink);
		CU_ASSERT(addresses_are("lan0 .* 10.0.0.200/32 ", 1));
	}
	stop();
}

static bool
has_local(const struct shunt_addr *locals, size_t count, const char *text)
{
	const struct shunt_addr address = addr(text);

	for (size_t i = 0; i < count; i++) {
		if (shunt_addr_equal(&locals[i], &address))
			return true;
	}
	return false;
}

static void
test_locals(void)
{
	struct shunt_addr locals[64];
	size_t count;

	if (!start())
		return;
	add_service("198.51.100.10", true);
	CU_ASSERT(run("ip addr add 192.0.2.200/32 dev lo"));
	CU_ASSERT(run("ip addr add 192.0.2.200/32 dev lan0"));
	CU_ASSERT(run("ip addr add 239.1.1.1/32 dev lan0 autojoin"));
	CU_ASSERT(run("ip addr add 255.255.255.255/32 dev lan0"));
	CU_ASSERT(run("ip addr add 240.0.0.1/32 dev lan0"));
	CU_ASSERT(run("ip addr add ff05::2/128 dev lan0 autojoin"));
	if (create()) {
		settle();
		count = netlink_locals(netlink, locals, 64);
		for (size_t i = 1; i < count; i++)
			CU_ASSERT(memcmp(&locals[i - 1], &locals[i], sizeof(locals[0])) < 0);
		CU_ASSERT(has_local(locals, count, "10.0.0.1"));
		CU_ASSERT(has_local(locals, count, "192.0.2.1"));
		CU_ASSERT(has_local(locals, count, "192.0.2.200"));
		CU_ASSERT(has_local(locals, count, "2001:db8:1::1"));
		CU_ASSERT_FALSE(has_local(locals, count, "127.0.0.1"));
		CU_ASSERT_FALSE(has_local(locals, count, "::1"));
		/* No host's: the dataplane would refuse them, and every change with them. */
		CU_ASSERT_FALSE(has_local(locals, count, "239.1.1.1"));
		CU_ASSERT_FALSE(has_local(locals, count, "255.255.255.255"));
		CU_ASSERT_FALSE(has_local(locals, count, "ff05::2"));
		CU_ASSERT(has_local(locals, count, "240.0.0.1"));
		CU_ASSERT_FALSE(has_local(locals, count, "198.51.100.10"));
		CU_ASSERT_EQUAL(netlink_locals(netlink, locals, 2), 2);
		schedules = 0;
		CU_ASSERT(run("ip addr add 192.0.2.201/32 dev lo"));
		settle();
		CU_ASSERT(schedules > 0);
		count = netlink_locals(netlink, locals, 64);
		CU_ASSERT(has_local(locals, count, "192.0.2.201"));
	}
	stop();
}

static bool
set_network_capability(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	if (on)
		data[0].effective |= 1u << CAP_NET_ADMIN;
	else
		data[0].effective &= ~(1u << CAP_NET_ADMIN);
	return syscall(SYS_capset, &header, data) == 0;
}

/* Without CAP_NET_ADMIN it reports what the kernel knows, and changes nothing. */
static void
test_unprivileged(void)
{
	if (!start())
		return;
	add_server("10.0.0.11");
	add_server("10.0.0.12");
	add_service("198.51.100.10", true);
	add_service("198.51.100.11", true);
	CU_ASSERT(run("ip neigh add 10.0.0.12 dev lan0 lladdr 02:00:00:00:00:12 nud reachable"));
	CU_ASSERT(set_network_capability(false));
	if (create()) {
		CU_ASSERT(reached("10.0.0.12", 1, "02:00:00:00:00:12"));
		settle();
		CU_ASSERT(reached("10.0.0.11", 0, NULL));
		CU_ASSERT(addresses_are("198.51.100", 0));
		CU_ASSERT(set_network_capability(true));
		/* A probe's packet makes the kernel look for it: no privilege is needed for that.
		 */
		CU_ASSERT(run("ip neigh add 10.0.0.11 dev lan0 use"));
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		clock_ahead_ms += 6000;
		CU_ASSERT(addresses_are("198.51.100", 2));
		/* What could not be removed is tried again, too. */
		CU_ASSERT(set_network_capability(false));
		services[0].announce = false;
		netlink_update(netlink);
		settle();
		CU_ASSERT(addresses_are("198.51.100", 2));
		CU_ASSERT(set_network_capability(true));
		clock_ahead_ms += 6000;
		CU_ASSERT(addresses_are("198.51.100", 1));
	}
	set_network_capability(true);
	stop();
}

static const struct unit_test tests[] = {
	{ "announced addresses", test_announce },
	{ "announced addresses, IPv6", test_announce_ipv6 },
	{ "addresses adopted after a restart", test_announce_adopted },
	{ "operator's own address", test_announce_operators },
	{ "address taken off by another", test_announce_taken_off },
	{ "source addresses", test_announce_sources },
	{ "local addresses", test_locals },
	{ "without CAP_NET_ADMIN", test_unprivileged },
};

UNIT_MAIN("announce", tests)
