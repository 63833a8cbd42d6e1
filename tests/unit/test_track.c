/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows from their first packet to their expiry, through the whole packet path. */
#include "path.h"

static void
both_ways(uint8_t version, uint8_t protocol)
{
	struct path path;
	struct result r;
	uint32_t server;

	path_open(&path, version, SHUNT_SOURCE, CAPACITY);
	r = request(&path, protocol, 1, 40000, PKT_SYN);
	server = r.p.server;
	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT(server >= 1 && server <= SERVERS);
	CU_ASSERT_EQUAL(r.p.out_port, 1);
	CU_ASSERT_EQUAL(r.frame[5], 9);	 /* the nexthop's MAC */
	CU_ASSERT_EQUAL(r.frame[11], 1); /* the port's own */
	r = reply(&path, protocol, server, 1, 40000, PKT_SYN | PKT_ACK);
	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(r.p.out_port, 0);
	CU_ASSERT_EQUAL(r.frame[5], CLIENT_MAC_BYTE);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	/* The same client's next packet follows, that of another server is nobody's. */
	CU_ASSERT_EQUAL(request(&path, protocol, 1, 40000, PKT_ACK).p.server, server);
	r = reply(&path, protocol, server % SERVERS + 1, 1, 40000, PKT_ACK);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_NO_FLOW);
	r = reply(&path, protocol, server, 1, 40001, PKT_ACK);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_NO_FLOW);
	path_close(&path);
}

static void
test_both_ways(void)
{
	both_ways(4, SHUNT_TCP);
	both_ways(4, SHUNT_UDP);
	both_ways(6, SHUNT_TCP);
	both_ways(6, SHUNT_UDP);
}

/* Flows stay where they are while their server drains or goes down, and new ones avoid it. */
static void
test_pinned(void)
{
	uint32_t server[64];
	struct path path;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	for (uint32_t c = 0; c < 64; c++)
		server[c] = connect_client(&path, c, 1000);
	path.state[1] = SHUNT_SERVER_DRAIN;
	path.state[2] = SHUNT_SERVER_DOWN;
	path_publish(&path);
	for (uint32_t c = 0; c < 64; c++) {
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, c, 1000, PKT_ACK).p.server, server[c]);
		CU_ASSERT_EQUAL(reply(&path, SHUNT_TCP, server[c], c, 1000, PKT_ACK).p.drop, 0);
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, c, 2000, PKT_SYN).p.server, 3);
	}
	path_close(&path);
}

/* A first packet does not follow its flow to a server that is down; a UDP packet never does. */
static void
test_down_selects_anew(void)
{
	struct path path;
	uint32_t server;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	server = request(&path, SHUNT_UDP, 5, 1000, 0).p.server;
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 5, 1000, PKT_SYN).p.server, server);
	path.state[server] = SHUNT_SERVER_DOWN;
	path_publish(&path);
	CU_ASSERT_NOT_EQUAL(request(&path, SHUNT_UDP, 5, 1000, 0).p.server, server);
	CU_ASSERT_NOT_EQUAL(request(&path, SHUNT_TCP, 5, 1000, PKT_SYN).p.server, server);
	CU_ASSERT_EQUAL(sessions(&path), 2);
	CU_ASSERT_EQUAL(shunt_stats_servers(path.stats, 0)[server].sessions, 0);
	path_close(&path);
}

/* A SYN on a closed flow begins a new one; stragglers before it do not count as a session. */
static void
test_port_reuse(void)
{
	struct path path;
	uint32_t server;

	path_open(&path, 4, SHUNT_ROUNDROBIN, CAPACITY);
	server = connect_client(&path, 1, 1000);
	request(&path, SHUNT_TCP, 1, 1000, PKT_FIN | PKT_ACK);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	reply(&path, SHUNT_TCP, server, 1, 1000, PKT_FIN | PKT_ACK);
	CU_ASSERT_EQUAL(sessions(&path), 0);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, 1000, PKT_ACK).p.server, server);
	CU_ASSERT_NOT_EQUAL(request(&path, SHUNT_TCP, 1, 1000, PKT_SYN).p.server, server);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	CU_ASSERT_EQUAL(shunt_stats_services(path.stats, 0)[SERVICE].sessions_total, 2);
	path_close(&path);
}

/* Entries = max: new flows go by the hash alone, both ways, and established ones stay. */
static void
test_table_full(void)
{
	const uint32_t capacity = 256;
	uint32_t hashed = 0;
	struct path path;
	struct result r;

	path_open(&path, 4, SHUNT_ROUNDROBIN, capacity);
	for (uint32_t c = 0; flow_count(path.tracker->flows) < capacity && c < 4096; c++)
		connect_client(&path, c, 1000);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), capacity);
	for (uint32_t c = 0; c < 32; c++) {
		r = request(&path, SHUNT_TCP, c, 2000, PKT_SYN);
		CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, c, 2000, PKT_ACK).p.server, r.p.server);
		CU_ASSERT_EQUAL(reply(&path, SHUNT_TCP, r.p.server, c, 2000, PKT_ACK).p.drop, 0);
		hashed += r.p.flow == NULL;
	}
	CU_ASSERT_EQUAL(hashed, 32);
	CU_ASSERT_EQUAL(path.tracker->stats->untracked, 3 * 32);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), capacity);
	path_close(&path);
}

static void
test_no_server(void)
{
	struct path path;
	uint32_t server;

	path_open(&path, 6, SHUNT_LEASTCONN, CAPACITY);
	server = connect_client(&path, 1, 1000);
	for (uint32_t id = 1; id <= SERVERS; id++)
		path.state[id] = SHUNT_SERVER_DRAIN;
	path_publish(&path);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 2, 1000, PKT_SYN).p.drop, SHUNT_DROP_NO_SERVER);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, 1000, PKT_ACK).p.server, server);
	path_close(&path);
}

/* What was found out with another packet may be out of date. */
static void
test_recall(void)
{
	struct path path;
	struct pkt p;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	for (uint32_t server = 0; server <= SERVERS + 2; server++) {
		uint8_t gone = server == 0 || server > SERVERS;

		p = (struct pkt){ .version = 4, .service = SERVICE, .server = server };
		track_recall(path.tracker, &p);
		CU_ASSERT_EQUAL(p.drop, gone ? SHUNT_DROP_NO_SERVER : SHUNT_DROP_NONE);
		p = (struct pkt){ .version = 4,
			.client_version = 4,
			.service = SERVICE,
			.server = server,
			.direction = PKT_TO_CLIENT };
		track_recall(path.tracker, &p);
		CU_ASSERT_EQUAL(p.drop, gone ? SHUNT_DROP_NO_FLOW : SHUNT_DROP_NONE);
	}
	p = (struct pkt){ .version = 6, .service = SERVICE, .server = 1 };
	track_recall(path.tracker, &p);
	CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NO_SERVER);
	p = (struct pkt){ .version = 4, .service = SERVICE + 9, .server = 1 };
	track_recall(path.tracker, &p);
	CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NO_SERVER);
	p = (struct pkt){ .version = 4, .service = SERVICE, .server = UINT32_MAX };
	track_recall(path.tracker, &p);
	CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NO_SERVER);
	path_close(&path);
}

/* Half-open flows go after their timeout and give their session back. */
static void
test_expiry(void)
{
	struct path path;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	for (uint32_t c = 0; c < 100; c++)
		request(&path, SHUNT_TCP, c, 1000, PKT_SYN);
	connect_client(&path, 100, 1000);
	CU_ASSERT_EQUAL(sessions(&path), 101);
	path.tick += SYN_TICKS;
	for (int i = 0; i < 1000; i++)
		flow_sweep(path.tracker->flows, 64, path.tick);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 1);
	CU_ASSERT_EQUAL(path.tracker->stats->flows_expired, 100);
	path_close(&path);
}

/* After a restart a flow's next packet goes where the hash had sent its first. */
static void
test_midflow_pickup(void)
{
	struct path before, after;

	path_open(&before, 4, SHUNT_SOURCE, CAPACITY);
	path_open(&after, 4, SHUNT_SOURCE, CAPACITY);
	for (uint32_t c = 0; c < 50; c++) {
		uint32_t server = connect_client(&before, c, 1000);

		CU_ASSERT_EQUAL(request(&after, SHUNT_TCP, c, 1000, PKT_ACK).p.server, server);
		CU_ASSERT_EQUAL(reply(&after, SHUNT_TCP, server, c, 1000, PKT_ACK).p.drop, 0);
	}
	/* A reset or a last FIN is forwarded too, but is not worth an entry. */
	CU_ASSERT_EQUAL(request(&after, SHUNT_TCP, 60, 1000, PKT_RST).p.drop, 0);
	CU_ASSERT_EQUAL(request(&after, SHUNT_TCP, 61, 1000, PKT_FIN | PKT_ACK).p.drop, 0);
	CU_ASSERT_EQUAL(flow_count(after.tracker->flows), 50);
	path_close(&before);
	path_close(&after);
}

/* Two packets of a new flow in one burst: the second finds what the first has made. */
static void
test_same_burst(void)
{
	struct frame_spec spec = frame_default(4, SHUNT_TCP);
	struct shunt_addr vip;
	struct path path;
	struct pkt pkts[2], *live[2] = { &pkts[0], &pkts[1] }, *misses[2];
	uint8_t frames[2][FRAME_MAX_BYTES];
	unsigned int missed;

	path_open(&path, 4, SHUNT_ROUNDROBIN, CAPACITY);
	vip = helper_addr(service_address(&path));
	memcpy(spec.dst, vip.bytes + 12, 4);
	for (int i = 0; i < 2; i++) {
		spec.flags = i == 0 ? PKT_SYN : PKT_ACK;
		pkts[i] = (struct pkt){ .data = frames[i],
			.bytes = (uint32_t)frame_build(frames[i], &spec) };
	}
	parse_burst(live, 2);
	classify_burst(path.generation->classifier, live, 2, PATH_OWNER_SEED);
	flow_lookup_burst(path.tracker->flows, live, 2, path.tick);
	missed = track_hits(path.tracker, live, 2, path.tick, misses);
	CU_ASSERT_EQUAL(missed, 2);
	track_misses(path.tracker, misses, missed, path.tick);
	CU_ASSERT_EQUAL(pkts[0].server, pkts[1].server);
	CU_ASSERT_EQUAL(path.tracker->stats->flows_created, 1);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "both ways, families and protocols", test_both_ways },
	{ "flows stay pinned", test_pinned },
	{ "down selects anew", test_down_selects_anew },
	{ "SYN on a closed flow", test_port_reuse },
	{ "full table", test_table_full },
	{ "no server", test_no_server },
	{ "a server remembered", test_recall },
	{ "expiry", test_expiry },
	{ "pickup midway", test_midflow_pickup },
	{ "one burst", test_same_burst },
};

UNIT_MAIN("track", tests)
