/* SPDX-License-Identifier: BSD-3-Clause */
/* How long flows live, by the timeouts of their service; and on which a SYN begins anew. */
#include "path.h"
#include "tcp_state.h"

#define PORT 1000

static void
set_timeouts(struct path *path, uint32_t syn, uint32_t established, uint32_t fin, uint32_t udp)
{
	for (uint32_t id = SERVICE; id <= SERVICE + 1; id++) {
		struct shunt_service s = helper_service(
			service_address(path), 80, id == SERVICE ? SHUNT_TCP : SHUNT_UDP, BACKEND);

		s.timeout_syn_ms = syn * 1000;
		s.timeout_established_ms = established * 1000;
		s.timeout_fin_ms = fin * 1000;
		s.timeout_udp_ms = udp * 1000;
		helper_put(path->objects, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
	}
	path_publish(path);
}

static void
sweep(struct path *path)
{
	for (unsigned int i = 0; i < 200; i++)
		track_sweep(path->tracker, 64, path->tick);
}

/* Brings a client's flow into a state by packets of both sides. */
static void
flow_in(struct path *path, enum flow_state state, uint32_t client)
{
	uint32_t server;

	if (state == FLOW_UDP) {
		request(path, SHUNT_UDP, client, PORT, 0);
		return;
	}
	server = request(path, SHUNT_TCP, client, PORT, PKT_SYN).p.server;
	if (state == FLOW_SYN)
		return;
	reply(path, SHUNT_TCP, server, client, PORT, PKT_SYN | PKT_ACK);
	if (state == FLOW_SYN_ACK)
		return;
	request(path, SHUNT_TCP, client, PORT, PKT_ACK);
	if (state == FLOW_FIN_CLIENT || state == FLOW_CLOSED)
		request(path, SHUNT_TCP, client, PORT, PKT_FIN | PKT_ACK);
	if (state == FLOW_FIN_SERVER || state == FLOW_CLOSED)
		reply(path, SHUNT_TCP, server, client, PORT, PKT_FIN | PKT_ACK);
}

static uint64_t
value_of(struct path *path, enum flow_state state, uint32_t client)
{
	struct flow_key key = {
		.port_be = htons(PORT),
		.service = state == FLOW_UDP ? SERVICE + 1 : SERVICE,
		.version = path->version,
	};
	uint64_t *flow;

	client_address(path, client, key.address);
	flow = flow_lookup(path->tracker->flows, &key, path->tick);
	return flow ? *flow : 0;
}

/* The flow is there for `seconds`, and at most two ticks and a 16th more. */
static void
check_life(enum flow_state state, uint32_t seconds, const uint32_t timeouts[4])
{
	unsigned int ticks = seconds * 1000 / SHUNT_FLOW_TICK_MS;
	struct path path;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	set_timeouts(&path, timeouts[0], timeouts[1], timeouts[2], timeouts[3]);
	flow_in(&path, state, 1);
	CU_ASSERT_EQUAL(flow_state(value_of(&path, state, 1)), state);
	path.tick = (uint16_t)(path.tick + ticks);
	sweep(&path);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 1);
	CU_ASSERT_NOT_EQUAL(value_of(&path, state, 1), 0);
	path.tick = (uint16_t)(path.tick + 2 + ((ticks + 1) >> FLOW_SLACK_SHIFT));
	CU_ASSERT_EQUAL(value_of(&path, state, 1), 0); /* also before the sweep comes by */
	sweep(&path);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(sessions(&path), 0);
	path_close(&path);
}

static void
test_each(void)
{
	static const uint32_t timeouts[4][4] = { { 20, 100, 40, 60 }, { 100, 40, 20, 200 },
		{ 2, 86400, 8, 30 }, { 60, 10, 4, 86400 } };

	for (unsigned int i = 0; i < 4; i++) {
		const uint32_t *t = timeouts[i];

		check_life(FLOW_SYN, t[0], t);
		check_life(FLOW_SYN_ACK, t[0], t);
		check_life(FLOW_ESTABLISHED, t[1], t);
		check_life(FLOW_FIN_CLIENT, t[2], t);
		check_life(FLOW_FIN_SERVER, t[2], t);
		check_life(FLOW_CLOSED, t[2] < 10 ? t[2] : 10, t); /* both sides: briefly at most */
		check_life(FLOW_UDP, t[3], t);
	}
}

/* Packets put the end off in every state but closed; a change of timeouts holds for old flows. */
static void
test_refreshed(void)
{
	struct path path;
	uint32_t server;

	path_open(&path, 6, SHUNT_SOURCE, CAPACITY);
	set_timeouts(&path, 20, 100, 40, 60);
	for (enum flow_state s = FLOW_SYN; s <= FLOW_UDP; s++)
		flow_in(&path, s, s);
	for (unsigned int i = 0; i < 100; i++) {
		path.tick += 3;
		for (enum flow_state s = FLOW_SYN; s < FLOW_UDP; s++) {
			server = flow_server(value_of(&path, s, s));
			if (s == FLOW_SYN || s == FLOW_ESTABLISHED)
				request(&path, SHUNT_TCP, s, PORT, PKT_ACK);
			else if (server)
				reply(&path, SHUNT_TCP, server, s, PORT, PKT_ACK);
		}
		request(&path, SHUNT_UDP, FLOW_UDP, PORT, 0);
		sweep(&path);
	}
	CU_ASSERT_EQUAL(sessions(&path), 6);
	CU_ASSERT_EQUAL(value_of(&path, FLOW_CLOSED, FLOW_CLOSED), 0);
	CU_ASSERT_EQUAL(flow_state(value_of(&path, FLOW_SYN, FLOW_SYN)), FLOW_SYN);
	path.tick += 10;
	sweep(&path);
	CU_ASSERT_EQUAL(sessions(&path), 6);
	set_timeouts(&path, 10, 100, 10, 60);
	sweep(&path);
	CU_ASSERT_EQUAL(sessions(&path), 2);
	path_close(&path);
}

/* A client's SYN: in which states it is given a server anew, and counts as another session. */
static void
test_syn(void)
{
	for (enum flow_state s = FLOW_SYN; s <= FLOW_CLOSED; s++) {
		bool anew = s == FLOW_FIN_CLIENT || s == FLOW_FIN_SERVER || s == FLOW_CLOSED;
		struct path path;
		uint32_t before, after;

		path_open(&path, 4, SHUNT_ROUNDROBIN, CAPACITY);
		flow_in(&path, s, 1);
		before = flow_server(value_of(&path, s, 1));
		after = request(&path, SHUNT_TCP, 1, PORT, PKT_SYN).p.server;
		CU_ASSERT_EQUAL(before != after, anew);
		CU_ASSERT_EQUAL(flow_state(value_of(&path, s, 1)), anew ? FLOW_SYN : s);
		CU_ASSERT_EQUAL(
			shunt_stats_services(path.stats, 0)[SERVICE].sessions_total, anew ? 2 : 1);
		CU_ASSERT_EQUAL(sessions(&path), 1);
		path_close(&path);
	}
}

/* On what has expired a SYN begins anew too, and so does any packet, midway, by the hash. */
static void
test_stale(void)
{
	for (enum flow_state s = FLOW_SYN; s <= FLOW_CLOSED; s++) {
		struct path path;

		path_open(&path, 4, SHUNT_ROUNDROBIN, CAPACITY);
		set_timeouts(&path, 10, 10, 10, 10);
		flow_in(&path, s, 1);
		path.tick += 10;
		request(&path, SHUNT_TCP, 1, PORT, s % 2 ? PKT_SYN : PKT_ACK);
		CU_ASSERT_EQUAL(flow_state(value_of(&path, s, 1)), FLOW_SYN);
		CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 1);
		CU_ASSERT_EQUAL(sessions(&path), 1);
		CU_ASSERT_EQUAL(shunt_stats_services(path.stats, 0)[SERVICE].sessions_total, 2);
		path_close(&path);
	}
}

/* After a restart: a client's packet goes where its SYN had gone, whatever the forwarding mode. */
static void
test_midway(void)
{
	static const uint8_t forwards[] = { SHUNT_NAT, SHUNT_DR };

	for (unsigned int f = 0; f < sizeof(forwards); f++) {
		struct path before, after;

		path_open(&before, 4, SHUNT_SOURCE, CAPACITY);
		path_open(&after, 4, SHUNT_SOURCE, CAPACITY);
		before.forward = after.forward = forwards[f];
		path_publish(&before);
		path_publish(&after);
		for (uint32_t c = 0; c < 50; c++) {
			uint32_t server = request(&before, SHUNT_TCP, c, PORT, PKT_SYN).p.server;

			/* A server's packet without a flow says nothing about where it belongs. */
			if (forwards[f] == SHUNT_NAT)
				CU_ASSERT_EQUAL(
					reply(&after, SHUNT_TCP, server, c, PORT, PKT_ACK).p.drop,
					SHUNT_DROP_NO_FLOW);
			CU_ASSERT_EQUAL(flow_count(after.tracker->flows), c);
			CU_ASSERT_EQUAL(
				request(&after, SHUNT_TCP, c, PORT, PKT_ACK).p.server, server);
			CU_ASSERT_EQUAL(flow_state(value_of(&after, FLOW_SYN, c)), FLOW_SYN);
		}
		path_close(&before);
		path_close(&after);
	}
}

static const struct unit_test tests[] = {
	{ "each timeout", test_each },
	{ "flows that go on", test_refreshed },
	{ "SYN in each state", test_syn },
	{ "stale entries", test_stale },
	{ "midway", test_midway },
};

UNIT_MAIN("timeouts", tests)
