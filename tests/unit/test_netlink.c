/* SPDX-License-Identifier: BSD-3-Clause */
/* The way to the servers: routes, neighbours, interfaces. */
#include "netlink_bed.h"

static void
test_null(void)
{
	const struct shunt_addr address = addr("10.0.0.11");
	struct shunt_nexthop hop;
	struct shunt_addr local;

	netlink_update(NULL);
	netlink_destroy(NULL, false);
	CU_ASSERT_FALSE(netlink_nexthop(NULL, &address, &hop));
	CU_ASSERT_EQUAL(netlink_locals(NULL, &local, 1), 0);
}

static void
test_direct(void)
{
	struct shunt_nexthop hop;
	struct shunt_addr other;

	if (!start())
		return;
	add_server("10.0.0.11");
	add_server("2001:db8:1::11");
	if (create()) {
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		CU_ASSERT(reached("2001:db8:1::11", 1, "02:00:00:00:00:11"));
		CU_ASSERT(schedules > 0);
		other = addr("10.0.0.12");
		CU_ASSERT_FALSE(netlink_nexthop(netlink, &other, &hop));
		/* Nothing changes, so nothing is said. */
		settle();
		schedules = 0;
		netlink_update(netlink);
		settle();
		CU_ASSERT_EQUAL(schedules, 0);
	}
	stop();
}

static void
test_static_neighbor(void)
{
	if (!start())
		return;
	add_server("10.0.0.11");
	add_server("203.0.113.5");
	config.neighbor_count = 2;
	neighbors[0] = (struct neighbor_config){
		.address = addr("203.0.113.5"), .mac = { { 2, 0, 0, 0, 0, 5 } }, .port = "pcap"
	};
	neighbors[1] = (struct neighbor_config){
		.address = addr("10.0.0.11"), .mac = { { 2, 0, 0, 0, 0, 6 } }, .port = "wan"
	};
	if (create()) {
		CU_ASSERT(reached("10.0.0.11", 0, "02:00:00:00:00:06"));
		CU_ASSERT(reached("203.0.113.5", 0, NULL));
		/* The dataplane comes with one more port, without a kernel twin. */
		add_port("pcap", "");
		netlink_update(netlink);
		CU_ASSERT(reached("203.0.113.5", 2, "02:00:00:00:00:05"));
	}
	stop();
}

static void
test_gateway(void)
{
	if (!start())
		return;
	add_server("203.0.113.80");
	add_server("2001:db8:99::80");
	if (create()) {
		CU_ASSERT(reached("203.0.113.80", 0, NULL));
		CU_ASSERT(run("ip route add 203.0.113.0/24 via 10.0.0.11"));
		CU_ASSERT(run("ip route add default via 2001:db8:1::11"));
		CU_ASSERT(reached("203.0.113.80", 1, "02:00:00:00:00:11"));
		CU_ASSERT(reached("2001:db8:99::80", 1, "02:00:00:00:00:11"));
		/* An IPv4 route with an IPv6 gateway (RFC 5549). */
		CU_ASSERT(run("ip route replace 203.0.113.0/24 via inet6 2001:db8:1::11"));
		settle();
		CU_ASSERT(reached("203.0.113.80", 1, "02:00:00:00:00:11"));
		/* A longer prefix that leads nowhere, then a gateway that is not there. */
		CU_ASSERT(run("ip route add unreachable 203.0.113.80/32"));
		CU_ASSERT(reached("203.0.113.80", 0, NULL));
		CU_ASSERT(run("ip route replace 203.0.113.80/32 via 10.0.0.12"));
		settle();
		CU_ASSERT(reached("203.0.113.80", 0, NULL));
		CU_ASSERT(run("ip route del 203.0.113.80/32"));
		CU_ASSERT(reached("203.0.113.80", 1, "02:00:00:00:00:11"));
		CU_ASSERT(run("ip route del 203.0.113.0/24"));
		CU_ASSERT(reached("203.0.113.80", 0, NULL));
	}
	stop();
}

/* Is this the balancer's address for what it sends to the server? */
static bool
sent_from(const char *server, const char *source)
{
	const struct shunt_addr to = addr(server), from = addr(source);
	struct shunt_nexthop hop;

	return netlink_nexthop(netlink, &to, &hop) && shunt_addr_equal(&hop.source, &from);
}

static void
test_source(void)
{
	if (!start())
		return;
	add_server("203.0.113.80");
	add_server("2001:db8:99::80");
	add_server("10.0.0.77");
	config.neighbor_count = 1;
	neighbors[0] = (struct neighbor_config){ .address = addr("10.0.0.77"),
		.mac = { { 2, 0, 0, 0, 0, 6 } },
		.port = "lan",
		.source = addr("10.0.0.3") };
	CU_ASSERT(run("ip route add default via 10.0.0.11"));
	CU_ASSERT(run("ip route add default via 2001:db8:1::11"));
	if (create()) {
		CU_ASSERT(reached("203.0.113.80", 1, "02:00:00:00:00:11"));
		CU_ASSERT(reached("2001:db8:99::80", 1, "02:00:00:00:00:11"));
		CU_ASSERT(sent_from("203.0.113.80", "10.0.0.1"));
		CU_ASSERT(sent_from("2001:db8:99::80", "2001:db8:1::1"));
		CU_ASSERT(sent_from("10.0.0.77", "10.0.0.3"));
		/* A route may have another one than the interface. */
		CU_ASSERT(run("ip route add 203.0.113.0/24 via 10.0.0.11 src 192.0.2.1"));
		settle();
		CU_ASSERT(reached("203.0.113.80", 1, "02:00:00:00:00:11"));
		CU_ASSERT(sent_from("203.0.113.80", "192.0.2.1"));
	}
	stop();
}

static void
test_policy_rule(void)
{
	if (!start())
		return;
	add_server("203.0.113.80");
	CU_ASSERT(run("ip route add 203.0.113.0/24 via 10.0.0.11 table 77"));
	if (create()) {
		CU_ASSERT(reached("203.0.113.80", 0, NULL));
		CU_ASSERT(run("ip rule add to 203.0.113.0/24 lookup 77"));
		CU_ASSERT(reached("203.0.113.80", 1, "02:00:00:00:00:11"));
	}
	stop();
}

static void
test_not_a_port(void)
{
	if (!start())
		return;
	add_server("10.0.0.11");
	add_server("10.0.0.1");
	port_count = 0;
	if (create()) {
		settle();
		CU_ASSERT(reached("10.0.0.11", 0, NULL));
		add_port("wan", "wan0");
		netlink_update(netlink);
		settle();
		CU_ASSERT(reached("10.0.0.11", 0, NULL));
		add_port("lan", "lan0");
		netlink_update(netlink);
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		CU_ASSERT(reached("10.0.0.1", 0, NULL));
	}
	stop();
}

static void
test_mac_change(void)
{
	if (!start())
		return;
	add_server("10.0.0.11");
	if (create()) {
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		schedules = 0;
		/* With arp_notify the host tells of its new MAC by gratuitous ARP. */
		CU_ASSERT(host_run(0, "sysctl -q net.ipv4.conf.eth0.arp_notify=1"));
		CU_ASSERT(host_run(0, "ip link set eth0 address 02:00:00:00:00:22"));
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:22"));
		CU_ASSERT(schedules > 0);
		/* Without, it is found out when the entry has failed and is looked for again. */
		CU_ASSERT(host_run(0, "sysctl -q net.ipv4.conf.eth0.arp_notify=0"));
		CU_ASSERT(host_run(0, "ip link set eth0 address 02:00:00:00:00:33"));
		CU_ASSERT(run("ip neigh flush dev lan0"));
		settle();
		clock_ahead_ms += 2000;
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:33"));
	}
	stop();
}

/* A stale entry is confirmed by itself, within CONFIRM_MS and its spread. */
static void
test_kept_warm(void)
{
	if (!start())
		return;
	add_server("10.0.0.11");
	if (create()) {
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		CU_ASSERT(run("ip neigh change 10.0.0.11 dev lan0 nud stale "
			      "lladdr 02:00:00:00:00:11"));
		settle();
		CU_ASSERT(run("ip neigh show 10.0.0.11 dev lan0 | grep -q STALE"));
		clock_ahead_ms += 41000;
		settle();
		CU_ASSERT(run("ip neigh show 10.0.0.11 dev lan0 | grep -qE 'DELAY|PROBE|REACH'"));
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
	}
	stop();
}

static void
test_permanent_kept(void)
{
	if (!start())
		return;
	add_server("10.0.0.44");
	CU_ASSERT(run("ip neigh add 10.0.0.44 dev lan0 lladdr 02:00:00:00:00:44 nud permanent"));
	if (create()) {
		CU_ASSERT(reached("10.0.0.44", 1, "02:00:00:00:00:44"));
		clock_ahead_ms += 60000;
		settle();
		CU_ASSERT(run("ip neigh show 10.0.0.44 dev lan0 | grep -q PERMANENT"));
		CU_ASSERT(reached("10.0.0.44", 1, "02:00:00:00:00:44"));
	}
	stop();
}

/* A station that claims a group address, or zero: believing it would stop all other changes. */
static void
test_mac_of_nobody(void)
{
	if (!start())
		return;
	add_server("10.0.0.11");
	add_server("10.0.0.45");
	CU_ASSERT(run("ip neigh add 10.0.0.45 dev lan0 lladdr 01:00:5e:00:00:01 nud permanent"));
	if (create()) {
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		CU_ASSERT(reached("10.0.0.45", 0, NULL));
		CU_ASSERT(run("ip neigh replace 10.0.0.45 dev lan0 lladdr 00:00:00:00:00:00 "
			      "nud reachable"));
		settle();
		CU_ASSERT(reached("10.0.0.45", 0, NULL));
		CU_ASSERT(run("ip neigh replace 10.0.0.45 dev lan0 lladdr 02:00:00:00:00:45 "
			      "nud noarp"));
		CU_ASSERT(reached("10.0.0.45", 1, "02:00:00:00:00:45"));
	}
	stop();
}

static void
test_grace(void)
{
	if (!start())
		return;
	add_server("10.0.0.11");
	if (create()) {
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		/* It stops answering: the MAC stays for a while, not for ever. */
		CU_ASSERT(host_run(0, "ip link set eth0 arp off"));
		CU_ASSERT(run("ip neigh flush dev lan0"));
		settle();
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		clock_ahead_ms += 59000;
		settle();
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		clock_ahead_ms += 2000;
		schedules = 0;
		CU_ASSERT(reached("10.0.0.11", 0, NULL));
		CU_ASSERT(schedules > 0);
		CU_ASSERT(host_run(0, "ip link set eth0 arp on"));
		clock_ahead_ms += 10000;
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
	}
	stop();
}

static void
test_link_down_up(void)
{
	if (!start())
		return;
	add_server("10.0.0.11");
	if (create()) {
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		CU_ASSERT(run("ip link set lan0 down"));
		schedules = 0;
		CU_ASSERT(reached("10.0.0.11", 0, NULL));
		CU_ASSERT(schedules > 0);
		CU_ASSERT(run("ip link set lan0 up"));
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		/* Without carrier, though switched on. */
		CU_ASSERT(host_run(0, "ip link set eth0 down"));
		CU_ASSERT(reached("10.0.0.11", 0, NULL));
		CU_ASSERT(host_run(0, "ip link set eth0 up"));
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		/* The interface goes, and comes again as another with the same name. */
		CU_ASSERT(run("ip link del lan0"));
		CU_ASSERT(reached("10.0.0.11", 0, NULL));
		CU_ASSERT(run("ip link add lan0 type veth peer name eth0 address "
			      "02:00:00:00:00:55 netns %d",
			(int)hosts[0]));
		CU_ASSERT(host_run(0, "ip addr add 10.0.0.11/24 dev eth0"));
		CU_ASSERT(host_run(0, "ip link set eth0 up"));
		CU_ASSERT(run("ip link set lan0 up && ip addr add 10.0.0.1/24 dev lan0"));
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:55"));
	}
	stop();
}

static void
test_server_comes_later(void)
{
	if (!start())
		return;
	add_server("10.0.0.77");
	if (create()) {
		settle();
		CU_ASSERT(reached("10.0.0.77", 0, NULL));
		CU_ASSERT(host_run(0, "ip addr add 10.0.0.77/24 dev eth0"));
		clock_ahead_ms += 2000;
		CU_ASSERT(reached("10.0.0.77", 1, "02:00:00:00:00:11"));
	}
	stop();
}

/* More events than the socket holds: what they said is found out all the same. */
static void
test_lost_events(void)
{
	const int bytes = 2048;

	if (!start())
		return;
	add_server("10.0.0.11");
	add_server("203.0.113.80");
	if (create()) {
		CU_ASSERT(reached("10.0.0.11", 1, "02:00:00:00:00:11"));
		CU_ASSERT_EQUAL(
			setsockopt(watched->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)),
			0);
		CU_ASSERT(run("for i in $(seq 200); do echo route add 10.99.$i.0/24 via 10.0.0.9; "
			      "done | ip -batch -"));
		CU_ASSERT(run("ip route add 203.0.113.0/24 via 10.0.0.11"));
		CU_ASSERT(run("ip addr add 192.0.2.99/32 dev lo"));
		CU_ASSERT(reached("203.0.113.80", 1, "02:00:00:00:00:11"));
		CU_ASSERT(run("for i in $(seq 200); do echo route del 10.99.$i.0/24; "
			      "done | ip -batch -; ip link set lan0 down"));
		CU_ASSERT(reached("10.0.0.11", 0, NULL));
	}
	stop();
}

static const struct unit_test tests[] = {
	{ "no netlink", test_null },
	{ "direct server", test_direct },
	{ "static neighbours", test_static_neighbor },
	{ "server behind a gateway", test_gateway },
	{ "source address", test_source },
	{ "policy routing", test_policy_rule },
	{ "interface that is no port", test_not_a_port },
	{ "MAC change", test_mac_change },
	{ "stale neighbour is confirmed", test_kept_warm },
	{ "permanent neighbour is left alone", test_permanent_kept },
	{ "MAC that is nobody's, and one that is not asked for", test_mac_of_nobody },
	{ "unresolvable neighbour keeps its MAC for a while", test_grace },
	{ "interface down and up", test_link_down_up },
	{ "server comes later", test_server_comes_later },
	{ "lost events", test_lost_events },
};

UNIT_MAIN("netlink", tests)
