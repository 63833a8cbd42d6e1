/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the kernel, taken apart. */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "rtnl.h"
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
	{ "prefixes", test_prefix },
};

UNIT_MAIN("rtnl", tests)
