/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the kernel, taken apart. */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "interfaces.h"
#include "shunt/table.h"
#include "unit.h"

static struct shunt_addr
addr(const char *text)
{
	struct shunt_addr address = { 0 };
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
		address = shunt_addr_from_v4(v4);
	else
		CU_ASSERT_EQUAL(inet_pton(AF_INET6, text, address.bytes), 1);
	return address;
}

static struct nlmsghdr *
put_message(char *buffer, uint16_t type, const void *body, size_t length)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);

	nlh->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(nlh, length), body, length);
	return nlh;
}

/*
 * Messages cut short anywhere: never read beyond their end (the sanitizer's part), never taken
 * for more than they say.
 */
static void
parse_truncated(const struct nlmsghdr *nlh)
{
	struct rtnl_neighbor neighbor;
	struct rtnl_address address;
	struct rtnl_prefix prefix;
	struct rtnl_link link;

	for (uint32_t length = sizeof(*nlh); length < nlh->nlmsg_len; length++) {
		struct nlmsghdr *cut = malloc(MNL_ALIGN(length));

		memcpy(cut, nlh, MNL_ALIGN(length));
		cut->nlmsg_len = length;
		CU_ASSERT_FALSE(rtnl_parse_neighbor(cut, &neighbor) && MNL_ALIGN(length) < 28 + 8);
		CU_ASSERT_FALSE(rtnl_parse_address(cut, &address) && MNL_ALIGN(length) < 24 + 8);
		CU_ASSERT_FALSE(rtnl_parse_route(cut, &prefix) && length < 28);
		CU_ASSERT_FALSE(rtnl_parse_link(cut, &link) && length < 32);
		free(cut);
	}
}

static void
test_parse(void)
{
	const struct ndmsg neighbor_body = { .ndm_family = AF_INET, .ndm_ifindex = 3 };
	const struct ifaddrmsg address_body = { .ifa_family = AF_INET6, .ifa_prefixlen = 64 };
	const struct rtmsg route_body = { .rtm_family = AF_INET, .rtm_dst_len = 33 };
	const struct ifinfomsg link_body = { .ifi_index = 3 };
	char buffer[512] __attribute__((aligned(8)));
	struct rtnl_neighbor neighbor;
	struct rtnl_address address;
	struct rtnl_prefix prefix;
	struct rtnl_link link;
	struct nlmsghdr *nlh;

	nlh = put_message(buffer, RTM_NEWNEIGH, &neighbor_body, sizeof(neighbor_body));
	mnl_attr_put_u32(nlh, NDA_DST, inet_addr("192.0.2.1"));
	mnl_attr_put(nlh, NDA_LLADDR, 6, "\2\0\0\0\0\1");
	parse_truncated(nlh);
	CU_ASSERT(rtnl_parse_neighbor(nlh, &neighbor) && neighbor.has_mac && neighbor.index == 3);
	/* Nobody's: the dataplane would refuse them, and every other change with them. */
	mnl_attr_put(nlh, NDA_LLADDR, 6, "\1\0\136\0\0\1");
	CU_ASSERT(rtnl_parse_neighbor(nlh, &neighbor) && !neighbor.has_mac);
	mnl_attr_put(nlh, NDA_LLADDR, 6, "\0\0\0\0\0\0");
	CU_ASSERT(rtnl_parse_neighbor(nlh, &neighbor) && !neighbor.has_mac);
	nlh = put_message(buffer, RTM_NEWNEIGH, &neighbor_body, sizeof(neighbor_body));
	mnl_attr_put(nlh, NDA_DST, 5, "12345"); /* no address is that long */
	CU_ASSERT_FALSE(rtnl_parse_neighbor(nlh, &neighbor));

	nlh = put_message(buffer, RTM_DELADDR, &address_body, sizeof(address_body));
	mnl_attr_put(nlh, IFA_ADDRESS, 16, "0123456789abcdef");
	mnl_attr_put_u8(nlh, IFA_PROTO, RTNL_PROTO_SHUNT);
	parse_truncated(nlh);
	CU_ASSERT(rtnl_parse_address(nlh, &address) && address.removed && address.bits == 64 &&
		address.proto == RTNL_PROTO_SHUNT);

	/* On a point-to-point interface the local address counts, whichever comes first. */
	nlh = put_message(buffer, RTM_NEWADDR,
		&(struct ifaddrmsg){ .ifa_family = AF_INET, .ifa_prefixlen = 32 },
		sizeof(struct ifaddrmsg));
	mnl_attr_put_u32(nlh, IFA_LOCAL, inet_addr("192.0.2.1"));
	mnl_attr_put_u32(nlh, IFA_ADDRESS, inet_addr("192.0.2.2"));
	CU_ASSERT(rtnl_parse_address(nlh, &address) && address.address.bytes[15] == 1);

	nlh = put_message(buffer, RTM_NEWROUTE, &route_body, sizeof(route_body));
	CU_ASSERT_FALSE(rtnl_parse_route(nlh, &prefix));

	nlh = put_message(buffer, RTM_NEWLINK, &link_body, sizeof(link_body));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "a-name-that-is-too-long-for-linux");
	CU_ASSERT(rtnl_parse_link(nlh, &link) && link.name[0] == '\0');
	parse_truncated(nlh);
}

/* An interface as the kernel describes it; id 0: it has no IFLA_VLAN_ID. */
static struct nlmsghdr *
put_link(char *buffer, const char *name, int index, uint32_t parent, const char *kind, uint16_t id,
	uint16_t protocol)
{
	const struct ifinfomsg body = { .ifi_index = index };
	struct nlmsghdr *nlh = put_message(buffer, RTM_NEWLINK, &body, sizeof(body));
	struct nlattr *info, *data;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (parent)
		mnl_attr_put_u32(nlh, IFLA_LINK, parent);
	if (!kind)
		return nlh;
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_str(nlh, IFLA_INFO_KIND, kind);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	if (id)
		mnl_attr_put_u16(nlh, IFLA_VLAN_ID, id);
	if (protocol)
		mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(protocol));
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nlh;
}

static uint16_t
parsed_vlan(struct nlmsghdr *nlh, uint32_t parent)
{
	struct rtnl_link link;

	CU_ASSERT_TRUE_FATAL(rtnl_parse_link(nlh, &link));
	CU_ASSERT_EQUAL(link.parent, parent);
	parse_truncated(nlh);
	return link.vlan;
}

static void
test_vlan_links(void)
{
	char buffer[512] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;

	CU_ASSERT_EQUAL(parsed_vlan(put_link(buffer, "eth0", 2, 0, NULL, 0, 0), 0), 0);
	CU_ASSERT_EQUAL(parsed_vlan(put_link(buffer, "v", 3, 2, "vlan", 100, 0x8100), 2), 100);
	CU_ASSERT_EQUAL(parsed_vlan(put_link(buffer, "v", 3, 2, "vlan", 100, 0), 2), 100);
	CU_ASSERT_EQUAL(parsed_vlan(put_link(buffer, "v", 3, 2, "vlan", 100, 0x88a8), 2), 0x8064);
	/* Of other kinds the same attributes mean other things. */
	CU_ASSERT_EQUAL(parsed_vlan(put_link(buffer, "v", 3, 2, "vxlan", 100, 0), 2), 0);
	CU_ASSERT_EQUAL(parsed_vlan(put_link(buffer, "v", 3, 2, "vla", 100, 0), 2), 0);
	CU_ASSERT_EQUAL(parsed_vlan(put_link(buffer, "v", 3, 2, "vlan", 0, 0), 2), 0);
	CU_ASSERT_EQUAL(parsed_vlan(put_link(buffer, "v", 3, 2, "vlan", 4095, 0), 2), 0);
	/* The interface below is in another namespace: its number is no interface's here. */
	nlh = put_link(buffer, "v", 3, 2, "vlan", 100, 0);
	mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 0);
	CU_ASSERT_EQUAL(parsed_vlan(nlh, 0), 100);
}

/* Takes an interface of these into what is known. */
static void
take(struct interfaces *interfaces, const char *name, int index, uint32_t parent, uint16_t id,
	uint16_t protocol)
{
	char buffer[512] __attribute__((aligned(8)));
	struct rtnl_link link;

	CU_ASSERT_TRUE_FATAL(rtnl_parse_link(
		put_link(buffer, name, index, parent, id ? "vlan" : NULL, id, protocol), &link));
	CU_ASSERT_EQUAL(interfaces_take_link(interfaces, &link), 1);
	CU_ASSERT_EQUAL(interfaces_take_link(interfaces, &link), 0);
}

static bool
leads_to(const struct interfaces *interfaces, uint32_t index, int port, uint16_t outer,
	uint16_t inner)
{
	uint16_t vlan[2];

	return interfaces_port_vlan(interfaces, index, vlan) == port &&
		interfaces_port(interfaces, index) == port &&
		(port < 0 || (vlan[0] == outer && vlan[1] == inner));
}

/* VLAN interfaces lead to the port below them, two deep at most, and in no circle. */
static void
test_vlan_ports(void)
{
	const struct shunt_port_info ports[2] = { { .name = "wan", .interface = "eth0" },
		{ .name = "lan", .interface = "eth1.7" } };
	struct interfaces interfaces;

	interfaces_init(&interfaces);
	interfaces_set_ports(&interfaces, ports, 2);
	take(&interfaces, "eth0", 2, 0, 0, 0);
	take(&interfaces, "eth1", 3, 0, 0, 0);
	take(&interfaces, "eth0.5", 5, 2, 5, 0x8100);
	take(&interfaces, "eth0.5.6", 6, 5, 6, 0x8100);
	take(&interfaces, "three", 7, 6, 9, 0x8100);
	take(&interfaces, "s", 8, 2, 8, 0x88a8);
	take(&interfaces, "s.9", 9, 8, 9, 0x8100);
	take(&interfaces, "inner-s", 10, 5, 9, 0x88a8);
	take(&interfaces, "eth1.7", 11, 3, 7, 0x8100);
	take(&interfaces, "eth1.7.8", 12, 11, 8, 0x8100);
	take(&interfaces, "ring-a", 13, 14, 1, 0x8100);
	take(&interfaces, "ring-b", 14, 13, 2, 0x8100);
	take(&interfaces, "orphan", 15, 99, 2, 0x8100);
	CU_ASSERT(leads_to(&interfaces, 2, 0, 0, 0));
	CU_ASSERT(leads_to(&interfaces, 3, -1, 0, 0));
	CU_ASSERT(leads_to(&interfaces, 5, 0, 5, 0));
	CU_ASSERT(leads_to(&interfaces, 6, 0, 5, 6));
	CU_ASSERT(leads_to(&interfaces, 7, -1, 0, 0));
	CU_ASSERT(leads_to(&interfaces, 8, 0, SHUNT_VLAN_S_TAG | 8, 0));
	CU_ASSERT(leads_to(&interfaces, 9, 0, SHUNT_VLAN_S_TAG | 8, 9));
	CU_ASSERT(leads_to(&interfaces, 10, -1, 0, 0));
	/* A VLAN interface may be a port itself: then its tag is the kernel's affair. */
	CU_ASSERT(leads_to(&interfaces, 11, 1, 0, 0));
	CU_ASSERT(leads_to(&interfaces, 12, 1, 8, 0));
	CU_ASSERT(leads_to(&interfaces, 13, -1, 0, 0));
	CU_ASSERT(leads_to(&interfaces, 15, -1, 0, 0));
	interfaces_fini(&interfaces);
}

static void
test_prefix(void)
{
	struct rtnl_prefix prefix = { .address = addr("10.1.2.0"), .bits = 96 + 23 };
	const struct shunt_addr in = addr("10.1.3.255"), out = addr("10.1.4.0");
	const struct shunt_addr v6 = addr("2001:db8::1");

	CU_ASSERT(rtnl_prefix_contains(&prefix, &in));
	CU_ASSERT_FALSE(rtnl_prefix_contains(&prefix, &out));
	prefix.bits = 96; /* IPv4's default route is not IPv6's */
	CU_ASSERT(rtnl_prefix_contains(&prefix, &out));
	CU_ASSERT_FALSE(rtnl_prefix_contains(&prefix, &v6));
	prefix = (struct rtnl_prefix){ .address = v6, .bits = 128 };
	CU_ASSERT(rtnl_prefix_contains(&prefix, &v6));
	CU_ASSERT_FALSE(rtnl_prefix_contains(&prefix, &in));
}

static const struct unit_test tests[] = {
	{ "hostile messages", test_parse },
	{ "VLAN interfaces", test_vlan_links },
	{ "VLAN interfaces on ports", test_vlan_ports },
	{ "prefixes", test_prefix },
};

UNIT_MAIN("rtnl", tests)
