/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * New sessions that no server has room for, where there is an entry already and where there is
 * none: what they were counted as before is taken off once, and nothing is left of them.
 */
#include "path.h"

#define PACKETS 6

static void
expire_all(struct path *path)
{
	path_expire_all(path);
	CU_ASSERT_EQUAL(path->tracker->stats->half_open, 0);
	CU_ASSERT_EQUAL(path->tracker->stats->flows_created, path->tracker->stats->flows_expired);
}

/* Each server has one session, of clients 1 up to SERVERS, and room for no other. */
static void
open_full(struct path *path, uint8_t version, uint8_t forward, uint8_t protocol)
{
	path_open(path, version, SHUNT_LEASTCONN, CAPACITY);
	path->forward = forward;
	path->maxconn = 1;
	path_publish(path);
	for (uint32_t client = 1; client <= SERVERS; client++)
		CU_ASSERT_EQUAL_FATAL(request(path, protocol, client, 7, PKT_SYN).p.drop, 0);
	CU_ASSERT_EQUAL(request(path, protocol, 100, 7, PKT_SYN).p.drop, SHUNT_DROP_MAXCONN);
	CU_ASSERT_EQUAL(sessions(path), SERVERS);
}

/* A server goes down, and its client goes on sending. */
static void
server_goes_down(uint8_t version, uint8_t forward, uint8_t protocol)
{
	uint32_t server;
	struct path path;

	open_full(&path, version, forward, protocol);
	server = request(&path, protocol, 1, 7, PKT_SYN).p.server;
	path.state[server] = SHUNT_SERVER_DOWN;
	path_publish(&path);
	for (int i = 0; i < PACKETS; i++)
		CU_ASSERT_EQUAL(request(&path, protocol, 1, 7, PKT_SYN).p.drop, SHUNT_DROP_MAXCONN);
	CU_ASSERT_EQUAL(sessions(&path), SERVERS - 1);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), SERVERS - 1);
	/* It comes back, and has room again for one. */
	path.state[server] = SHUNT_SERVER_UP;
	path_publish(&path);
	path.tracker->select.clock += path.tracker->select.look_period + 1;
	CU_ASSERT_EQUAL(request(&path, protocol, 200, 7, PKT_SYN).p.server, server);
	CU_ASSERT_EQUAL(request(&path, protocol, 1, 7, PKT_SYN).p.drop, SHUNT_DROP_MAXCONN);
	expire_all(&path);
	path_close(&path);
}

static void
test_down(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		server_goes_down(version, SHUNT_NAT, SHUNT_TCP);
		server_goes_down(version, SHUNT_NAT, SHUNT_UDP);
		server_goes_down(version, SHUNT_DR, SHUNT_TCP);
		server_goes_down(version, SHUNT_DR, SHUNT_UDP);
	}
}

/* A client that ends its connection and begins others from its port, while nobody has room. */
static void
test_again(void)
{
	struct path path;

	open_full(&path, 4, SHUNT_NAT, SHUNT_TCP);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, 7, PKT_FIN | PKT_ACK).p.drop, 0);
	path.tracker->select.look_period = 1u << 20;
	/* Somebody else has found that all are full, so that room is not looked for. */
	request(&path, SHUNT_TCP, 101, 7, PKT_SYN);
	for (int i = 0; i < PACKETS; i++)
		CU_ASSERT_EQUAL(
			request(&path, SHUNT_TCP, 1, 7, PKT_SYN).p.drop, SHUNT_DROP_MAXCONN);
	CU_ASSERT_EQUAL(sessions(&path), SERVERS - 1);
	expire_all(&path);
	path_close(&path);
}

/* A flood of them takes no room in the table. */
static void
test_flood(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct path path;

		open_full(&path, version, SHUNT_NAT, SHUNT_TCP);
		for (uint32_t client = 0; client < 2 * CAPACITY; client++)
			CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1000 + client, 9, PKT_SYN).p.drop,
				SHUNT_DROP_MAXCONN);
		CU_ASSERT_EQUAL(flow_count(path.tracker->flows), SERVERS);
		CU_ASSERT_EQUAL(path.tracker->stats->untracked, 0);
		expire_all(&path);
		path_close(&path);
	}
}

static const struct unit_test tests[] = {
	{ "the server goes down", test_down },
	{ "begins again from its port", test_again },
	{ "a flood", test_flood },
};

UNIT_MAIN("refused", tests)
