/* SPDX-License-Identifier: BSD-3-Clause */
/* What flows meet: another backend, another forwarding mode, ICMP errors, the end of the TTL. */
#include "path.h"

/* An ICMP error about a packet that was rewritten, from where that packet was going. */
static struct pkt
icmp_about(struct path *path, const struct result *about)
{
	const uint8_t *quoted = about->frame + 14;
	uint8_t frame[FRAME_MAX_BYTES];
	struct pkt p = { .data = frame };
	struct pkt *burst = &p;

	p.bytes = (uint32_t)frame_build_icmp(frame, 3, quoted + (path->version == 4 ? 16 : 24),
		quoted, about->p.l4_offset - 14u + 8);
	parse_burst(&burst, 1);
	CU_ASSERT_EQUAL_FATAL(p.kind, PKT_ICMP_ERROR);
	classify_icmp_error(path->generation->classifier, &p, PATH_OWNER_SEED);
	if (!p.drop)
		track_icmp_error(path->tracker, &p, path->tick);
	return p;
}

static void
check_icmp(struct path *path, const struct result *about, const struct result *flow)
{
	struct pkt p = icmp_about(path, about);

	CU_ASSERT_EQUAL(p.drop, 0);
	CU_ASSERT_EQUAL(p.direction, about->p.direction ^ 1);
	CU_ASSERT_EQUAL(p.service, flow->p.service);
	CU_ASSERT_EQUAL(p.server, flow->p.server);
	CU_ASSERT_EQUAL(p.hop, flow->p.hop);
	CU_ASSERT_EQUAL(p.owner_hash, flow->p.owner_hash);
}

/* Errors find their flow, in the table or beside it when it is full, and change nothing. */
static void
test_icmp_errors(void)
{
	for (unsigned int i = 0; i < 8; i++) {
		uint8_t protocol = i & 1 ? SHUNT_TCP : SHUNT_UDP;
		bool full = i & 4;
		struct result there, back;
		struct path path;
		uint64_t flow;

		path_open(&path, i & 2 ? 4 : 6, SHUNT_ROUNDROBIN, full ? 64 : CAPACITY);
		for (uint32_t c = 2; full && c < 500; c++)
			connect_client(&path, c, 1000);
		there = request(&path, protocol, 1, 40000, PKT_SYN);
		back = reply(&path, protocol, there.p.server, 1, 40000, PKT_SYN | PKT_ACK);
		CU_ASSERT_EQUAL(there.p.flow == NULL, full);
		flow = full ? 0 : *there.p.flow;
		path.tick++;
		check_icmp(&path, &there, &there);
		check_icmp(&path, &back, &there);
		CU_ASSERT_EQUAL(full ? 0 : *there.p.flow, flow);
		frame_put16(there.frame + there.p.l4_offset, 40001);
		CU_ASSERT_EQUAL(icmp_about(&path, &there).drop, SHUNT_DROP_NO_FLOW);
		frame_put16(there.frame + there.p.l4_offset + 2, 22);
		CU_ASSERT_EQUAL(icmp_about(&path, &there).drop, SHUNT_DROP_NO_SERVICE);
		path_close(&path);
	}
}

/* A packet that goes no further begins nothing. */
static void
test_ttl_used_up(void)
{
	struct frame_spec spec = frame_default(4, SHUNT_UDP);
	struct path path;
	struct result r;

	path_open(&path, 4, SHUNT_ROUNDROBIN, CAPACITY);
	memcpy(spec.dst, helper_addr(service_address(&path)).bytes + 12, 4);
	for (spec.ttl = 0; spec.ttl < 3; spec.ttl++) {
		path_run(&path, &r, 0, frame_build(r.frame, &spec));
		CU_ASSERT_EQUAL(r.p.drop, spec.ttl < 2 ? SHUNT_DROP_TTL : 0);
		CU_ASSERT_EQUAL(sessions(&path), spec.ttl < 2 ? 0 : 1);
		CU_ASSERT_EQUAL(flow_count(path.tracker->flows), spec.ttl < 2 ? 0 : 1);
	}
	path_close(&path);
}

static enum flow_state
state_of(struct path *path, uint32_t client, uint16_t port, uint8_t flags)
{
	return flow_state(*request(path, SHUNT_TCP, client, port, flags).p.flow);
}

/* The client's packets alone make and end a flow; nothing that its server sends is a reply. */
static void
test_direct(void)
{
	struct path path;
	uint32_t server;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	path.forward = SHUNT_DR;
	path_publish(&path);
	CU_ASSERT_EQUAL(state_of(&path, 1, 1000, PKT_SYN), FLOW_SYN);
	CU_ASSERT_EQUAL(state_of(&path, 1, 1000, PKT_ACK), FLOW_ESTABLISHED);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	server = request(&path, SHUNT_TCP, 1, 1000, PKT_ACK).p.server;
	CU_ASSERT_EQUAL(
		reply(&path, SHUNT_TCP, server, 1, 1000, PKT_ACK).p.drop, SHUNT_DROP_NO_SERVICE);
	CU_ASSERT_EQUAL(state_of(&path, 1, 1000, PKT_FIN | PKT_ACK), FLOW_FIN_CLIENT);
	CU_ASSERT_EQUAL(state_of(&path, 1, 1000, PKT_SYN), FLOW_SYN);
	/* Who resets what is not yet established is not asked; the entry goes by itself. */
	CU_ASSERT_EQUAL(state_of(&path, 1, 1000, PKT_RST), FLOW_SYN);
	CU_ASSERT_EQUAL(path.tracker->doubted_count, 0);
	/* Picked up midway: the first segment has the short timeout, the second the long one. */
	CU_ASSERT_EQUAL(state_of(&path, 2, 1000, PKT_ACK), FLOW_SYN);
	CU_ASSERT_EQUAL(state_of(&path, 2, 1000, PKT_ACK), FLOW_ESTABLISHED);
	/* A flow that began by NAT goes on to the same server; no more comes back from it here. */
	path.forward = SHUNT_NAT;
	path_publish(&path);
	server = connect_client(&path, 3, 1000);
	path.forward = SHUNT_DR;
	path_publish(&path);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 3, 1000, PKT_ACK).p.server, server);
	CU_ASSERT_EQUAL(
		reply(&path, SHUNT_TCP, server, 3, 1000, PKT_ACK).p.drop, SHUNT_DROP_NO_SERVICE);
	path_close(&path);
}

/*
 * A service moves to another backend: the replies of its old servers would find no flow any more,
 * so the next packet of each flow takes it to one of the new.
 */
static void
test_other_backend(void)
{
	const struct shunt_member member = { .server = 9, .weight = 1 };
	struct shunt_server server;
	struct path path;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	for (uint32_t c = 0; c < 8; c++) {
		CU_ASSERT(connect_client(&path, c, 1000) <= SERVERS);
		CU_ASSERT(request(&path, SHUNT_UDP, c, 1000, 0).p.server <= SERVERS);
	}
	server = helper_server("10.0.0.9", SERVER_PORT_BASE + 9, BACKEND + 1);
	server.nexthop = 1;
	helper_put(path.objects, SHUNT_KIND_SERVER, 9, &server, sizeof(server));
	helper_put_backend(path.objects, BACKEND + 1, SHUNT_SOURCE, &member, 1, SLOTS);
	helper_put_service(
		path.objects, SERVICE, service_address(&path), 80, SHUNT_TCP, BACKEND + 1);
	helper_put_service(
		path.objects, SERVICE + 1, service_address(&path), 80, SHUNT_UDP, BACKEND + 1);
	path_publish(&path);
	for (uint32_t c = 0; c < 8; c++) {
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, c, 1000, PKT_ACK).p.server, 9);
		CU_ASSERT_EQUAL(reply(&path, SHUNT_TCP, 9, c, 1000, PKT_RST).p.drop, 0);
		CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, c, 1000, 0).p.server, 9);
		CU_ASSERT_EQUAL(reply(&path, SHUNT_UDP, 9, c, 1000, 0).p.drop, 0);
	}
	for (uint32_t id = 1; id <= SERVERS; id++)
		CU_ASSERT_EQUAL(shunt_stats_servers(path.stats, 0)[id].sessions, 0);
	CU_ASSERT_EQUAL(shunt_stats_servers(path.stats, 0)[9].sessions, 8);
	CU_ASSERT_EQUAL(shunt_stats_services(path.stats, 0)[SERVICE].sessions, 0);
	path_close(&path);
}

/*
 * Flows outlive their service and their server until the sweep comes by. They give their sessions
 * back then, and not a second time if the ids are in use again.
 */
static void
test_deleted_service(void)
{
	struct path path;
	uint32_t server;

	for (int again = 0; again < 2; again++) {
		path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
		for (uint32_t c = 0; c < 50; c++) {
			connect_client(&path, c, 1000);
			request(&path, SHUNT_UDP, c, 1000, 0);
		}
		server = request(&path, SHUNT_TCP, 0, 1000, PKT_FIN | PKT_ACK).p.server;
		reply(&path, SHUNT_TCP, server, 0, 1000, PKT_FIN | PKT_ACK);
		CU_ASSERT_EQUAL(sessions(&path), 99);
		object_store_delete(path.objects, SHUNT_KIND_SERVICE, SERVICE);
		path_publish(&path);
		CU_ASSERT_EQUAL(
			request(&path, SHUNT_TCP, 1, 1000, PKT_ACK).p.drop, SHUNT_DROP_NO_SERVICE);
		if (again) {
			/* Back before the sweep: the flows are as if nothing had happened. */
			helper_put_service(path.objects, SERVICE, service_address(&path), 80,
				SHUNT_TCP, BACKEND);
			path_publish(&path);
		}
		for (int i = 0; i < 1000; i++)
			flow_sweep(path.tracker->flows, 64, path.tick);
		CU_ASSERT_EQUAL(sessions(&path), again ? 99 : 50);
		CU_ASSERT_EQUAL(flow_count(path.tracker->flows), again ? 100 : 50);
		path.tick += 1000;
		for (int i = 0; i < 1000; i++)
			flow_sweep(path.tracker->flows, 64, path.tick);
		CU_ASSERT_EQUAL(sessions(&path), 0);
		CU_ASSERT_EQUAL(path.tracker->stats->flows_expired, 100);
		path_close(&path);
	}
}

/* With a full table: a client that uses one port for TCP and UDP does not mix up the two. */
static void
test_untracked_protocol(void)
{
	const uint32_t capacity = 256;
	struct path path;
	uint32_t server;

	path_open(&path, 4, SHUNT_SOURCE, capacity);
	for (uint32_t c = 0; flow_count(path.tracker->flows) < capacity && c < 4096; c++)
		connect_client(&path, c, 1000);
	server = request(&path, SHUNT_TCP, 1, 2000, PKT_SYN).p.server;
	CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, 1, 2000, 0).p.server, server);
	CU_ASSERT_EQUAL(reply(&path, SHUNT_UDP, server, 1, 2000, 0).p.service, SERVICE + 1);
	CU_ASSERT_EQUAL(reply(&path, SHUNT_TCP, server, 1, 2000, PKT_SYN | PKT_ACK).p.drop,
		SHUNT_DROP_NO_FLOW);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "service moves to another backend", test_other_backend },
	{ "deleted service", test_deleted_service },
	{ "untracked TCP and UDP", test_untracked_protocol },
	{ "ICMP errors", test_icmp_errors },
	{ "TTL used up", test_ttl_used_up },
	{ "direct answers", test_direct },
};

UNIT_MAIN("track_change", tests)
