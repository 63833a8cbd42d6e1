/* SPDX-License-Identifier: BSD-3-Clause */
/* One client port, several services, one endpoint of a server; and services of several ports. */
#include "owner.h"
#include "path.h"

#define CLIENT "192.0.2.1"
#define VIP_A  "198.51.100.1"
#define VIP_B  "198.51.100.2"
#define HOST   "10.0.0.1" /* of both services, at 8080 */
#define FILES  "10.0.0.3" /* takes any port */

enum {
	A = 1,
	B = 2,
	RANGE = 3,
	ANY = 4,
	INNER = 5,
	UDP_A = 6,
	UDP_B = 7,
	LAST = 7
};

static struct path path;

static void
put_service(uint32_t id, const char *address, uint16_t first, uint16_t last, uint8_t protocol,
	uint32_t backend)
{
	struct shunt_service s = helper_service(address, first, protocol, backend);

	s.last_port_be = htons(last);
	helper_put(path.objects, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
}

static void
publish(void)
{
	struct generation_error error;
	int result;
	struct generation *next =
		generation_create(path.objects, ++path.number, path.generation, 2, &error, &result);

	if (!next) {
		printf("refused: kind %u id %u: %s\n", error.kind, error.id, error.text);
		abort();
	}
	tracker_set_generation(path.tracker, next);
	generation_destroy(path.generation);
	path.generation = next;
}

/* A backend of one server. */
static void
put_backend(uint32_t id, const char *address, uint16_t port)
{
	struct shunt_server server = helper_server(address, port, id);
	struct shunt_member member = { .server = id, .weight = 1 };

	server.nexthop = 1;
	helper_put(path.objects, SHUNT_KIND_SERVER, id, &server, sizeof(server));
	helper_put_backend(path.objects, id, SHUNT_SOURCE, &member, 1, 1);
}

static void
open_bed(uint32_t capacity)
{
	static const uint64_t seed[2] = { 1, 2 };
	struct shunt_nexthop nexthop = { .port = 1, .mac = { { 2, 0, 0, 0, 0, 9 } } };

	path = (struct path){ .version = 4, .tick = 100 };
	path.macs[1] = (struct shunt_mac){ { 2, 0, 0, 0, 1, 1 } };
	path.mtus[0] = path.mtus[1] = 1500;
	path.stats = make_stats();
	path.objects = object_store_create();
	path.tracker = tracker_create(path.stats, 0, capacity, seed);
	path.tracker->half_open_max = UINT32_MAX / 2;
	if (!path.objects || !path.tracker)
		abort();
	path.tracker->owner_seed = PATH_OWNER_SEED;
	helper_put_settings(path.objects);
	helper_put(path.objects, SHUNT_KIND_NEXTHOP, 1, &nexthop, sizeof(nexthop));
	put_backend(A, HOST, 8080);
	put_backend(B, HOST, 8080);
	put_backend(RANGE, FILES, 0);
	put_backend(ANY, FILES, 0);
	put_service(A, VIP_A, 80, 80, SHUNT_TCP, A);
	put_service(B, VIP_B, 80, 80, SHUNT_TCP, B);
	put_service(UDP_A, VIP_A, 80, 80, SHUNT_UDP, A);
	put_service(UDP_B, VIP_B, 80, 80, SHUNT_UDP, B);
	put_service(RANGE, VIP_A, 9000, 9099, SHUNT_TCP, RANGE);
	put_service(ANY, VIP_B, 1, 65535, SHUNT_TCP, ANY);
	put_service(INNER, VIP_A, 9050, 9050, SHUNT_TCP, RANGE);
	publish();
}

static void
close_bed(void)
{
	path_close(&path);
}

static struct result
packet(uint8_t protocol, const char *src, uint16_t sport, const char *dst, uint16_t dport,
	uint8_t flags)
{
	struct frame_spec spec = frame_default(4, protocol);
	struct shunt_addr from = helper_addr(src), to = helper_addr(dst);
	struct result r;

	memcpy(spec.src, from.bytes + 12, 4);
	memcpy(spec.dst, to.bytes + 12, 4);
	spec.sport = sport;
	spec.dport = dport;
	spec.flags = flags;
	path_run(&path, &r, from.bytes[12] == 10, frame_build(r.frame, &spec));
	if (!r.p.drop) {
		const uint8_t *ip = r.frame + 14;

		CU_ASSERT_EQUAL(frame_get16(ip + 10), frame_ip4_checksum(ip));
		CU_ASSERT_EQUAL(frame_get16(r.frame + 34 + (protocol == SHUNT_TCP ? 16 : 6)),
			frame_l4_checksum(ip, r.frame + 34, protocol, r.p.bytes - 34));
	}
	return r;
}

static unsigned int
sport_of(const struct result *r)
{
	return frame_get16(r->frame + 34);
}

static unsigned int
dport_of(const struct result *r)
{
	return frame_get16(r->frame + 36);
}

static bool
source_is(const struct result *r, const char *address)
{
	struct shunt_addr a = helper_addr(address);

	return memcmp(r->frame + 26, a.bytes + 12, 4) == 0;
}

static uint64_t
count_sessions(void)
{
	uint64_t sum = 0, servers = 0;

	for (uint32_t id = 1; id <= LAST; id++) {
		sum += shunt_stats_services(path.stats, 0)[id].sessions;
		servers += shunt_stats_servers(path.stats, 0)[id].sessions;
	}
	CU_ASSERT_EQUAL(sum, servers);
	return sum;
}

/* All buckets, as often as it takes to judge every claim. */
static void
sweep(void)
{
	for (unsigned int i = 0; i < 40; i++)
		flow_sweep(path.tracker->flows, 2 * CAPACITY, path.tick);
}

/* A handshake; returns the client's port as the server has it. */
static uint16_t
open_flow(uint16_t port, const char *vip, uint16_t vip_port, const char *host, uint16_t host_port)
{
	struct result r = packet(SHUNT_TCP, CLIENT, port, vip, vip_port, PKT_SYN);
	uint16_t seen = (uint16_t)sport_of(&r);

	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(dport_of(&r), host_port);
	r = packet(SHUNT_TCP, host, host_port, CLIENT, seen, PKT_SYN | PKT_ACK);
	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_TRUE(source_is(&r, vip));
	CU_ASSERT_EQUAL(sport_of(&r), vip_port);
	CU_ASSERT_EQUAL(dport_of(&r), port);
	r = packet(SHUNT_TCP, CLIENT, port, vip, vip_port, PKT_ACK);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(sport_of(&r), seen);
	return seen;
}

/* Does the reply to that port come from the service? */
static void
expect_reply(uint16_t seen, const char *vip, uint16_t client_port)
{
	struct result r = packet(SHUNT_TCP, HOST, 8080, CLIENT, seen, PKT_ACK);

	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_TRUE(source_is(&r, vip));
	CU_ASSERT_EQUAL(dport_of(&r), client_port);
	CU_ASSERT_EQUAL(r.p.out_port, 0);
}

/* Both ends close. seen: the client's port at the server. */
static void
close_flow(uint16_t port, const char *vip, uint16_t vport, const char *host, uint16_t hport,
	uint16_t seen)
{
	packet(SHUNT_TCP, CLIENT, port, vip, vport, PKT_FIN | PKT_ACK);
	packet(SHUNT_TCP, host, hport, CLIENT, seen, PKT_FIN | PKT_ACK);
}

static void
test_two_services(void)
{
	uint16_t first, second;
	struct result r;

	open_bed(CAPACITY);
	first = open_flow(5555, VIP_A, 80, HOST, 8080);
	second = open_flow(5555, VIP_B, 80, HOST, 8080);
	CU_ASSERT_EQUAL(first, 5555);
	CU_ASSERT_NOT_EQUAL(second, 5555);
	CU_ASSERT(second >= SHUNT_MIN_SOURCE_PORT);
	expect_reply(first, VIP_A, 5555);
	expect_reply(second, VIP_B, 5555);
	CU_ASSERT_EQUAL(count_sessions(), 2);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 2);
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 2);
	CU_ASSERT_EQUAL(path.tracker->stats->flows_created, 2);
	/* The end of the first does not end the second; nor does an error from a stranger's port.
	 */
	close_flow(5555, VIP_A, 80, HOST, 8080, 5555);
	CU_ASSERT_EQUAL(count_sessions(), 1);
	expect_reply(second, VIP_B, 5555);
	r = packet(SHUNT_TCP, CLIENT, 5555, VIP_B, 80, PKT_ACK);
	CU_ASSERT_EQUAL(sport_of(&r), second);
	close_flow(5555, VIP_B, 80, HOST, 8080, second);
	CU_ASSERT_EQUAL(count_sessions(), 0);
	close_bed();
}

/* The claim of a closed flow can be had at once, that of an expired one is gone. */
static void
test_claims_end(void)
{
	open_bed(CAPACITY);
	CU_ASSERT_EQUAL(open_flow(5555, VIP_A, 80, HOST, 8080), 5555);
	close_flow(5555, VIP_A, 80, HOST, 8080, 5555);
	CU_ASSERT_EQUAL(open_flow(5555, VIP_B, 80, HOST, 8080), 5555);
	/* What has become of the first must not free what the second has. */
	path.tick += 10;
	packet(SHUNT_TCP, CLIENT, 5555, VIP_B, 80, PKT_ACK);
	sweep();
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 1);
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 1);
	CU_ASSERT_NOT_EQUAL(open_flow(5555, VIP_A, 80, HOST, 8080), 5555);
	expect_reply(5555, VIP_B, 5555);
	path.tick += 1000;
	flow_sweep(path.tracker->flows, 4 * CAPACITY, path.tick);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(count_sessions(), 0);
	CU_ASSERT_EQUAL(path.tracker->stats->flows_created, path.tracker->stats->flows_expired);
	close_bed();
}

/* Also when the server is not known any more by then: the sweep finds them. */
static void
test_server_gone(void)
{
	open_bed(CAPACITY);
	open_flow(5555, VIP_A, 80, HOST, 8080);
	open_flow(5555, VIP_B, 80, HOST, 8080);
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 2);
	object_store_delete(path.objects, SHUNT_KIND_SERVER, A);
	helper_put_backend(path.objects, A, SHUNT_SOURCE, NULL, 0, 0);
	publish();
	sweep();
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 1);
	path.tick += 1000;
	sweep();
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(count_sessions(), 0);
	close_bed();
}

/* A flow from before the second service claims its port when its client sends again. */
static void
test_shared_later(void)
{
	uint16_t second;

	open_bed(CAPACITY);
	object_store_delete(path.objects, SHUNT_KIND_SERVICE, B);
	publish();
	open_flow(5555, VIP_A, 80, HOST, 8080);
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 0);
	put_service(B, VIP_B, 80, 80, SHUNT_TCP, B);
	publish();
	expect_reply(5555, VIP_A, 5555); /* by search */
	packet(SHUNT_TCP, CLIENT, 5555, VIP_A, 80, PKT_ACK);
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 1);
	second = open_flow(5555, VIP_B, 80, HOST, 8080);
	CU_ASSERT_NOT_EQUAL(second, 5555);
	expect_reply(5555, VIP_A, 5555);
	/* And it stays when the second goes. */
	object_store_delete(path.objects, SHUNT_KIND_SERVICE, B);
	publish();
	expect_reply(5555, VIP_A, 5555);
	CU_ASSERT_EQUAL(
		packet(SHUNT_TCP, HOST, 8080, CLIENT, second, PKT_ACK).p.drop, SHUNT_DROP_NO_FLOW);
	close_bed();
}

static void
test_udp(void)
{
	struct result r;
	uint16_t seen;

	open_bed(CAPACITY);
	r = packet(SHUNT_UDP, CLIENT, 5555, VIP_A, 80, 0);
	CU_ASSERT_EQUAL(sport_of(&r), 5555);
	/* TCP from the same port is something else. */
	CU_ASSERT_EQUAL(open_flow(5555, VIP_A, 80, HOST, 8080), 5555);
	r = packet(SHUNT_UDP, CLIENT, 5555, VIP_B, 80, 0);
	seen = (uint16_t)sport_of(&r);
	CU_ASSERT_NOT_EQUAL(seen, 5555);
	r = packet(SHUNT_UDP, HOST, 8080, CLIENT, seen, 0);
	CU_ASSERT_TRUE(source_is(&r, VIP_B));
	CU_ASSERT_EQUAL(dport_of(&r), 5555);
	r = packet(SHUNT_UDP, HOST, 8080, CLIENT, 5555, 0);
	CU_ASSERT_TRUE(source_is(&r, VIP_A));
	close_bed();
}

/* The port that is given belongs to this worker; where all that are tried are taken, it is said. */
static void
test_exhausted(void)
{
	uint32_t dropped = 0, changed = 0;

	open_bed(1 << 17);
	path.tracker->select.worker = 3;
	path.tracker->select.worker_count = 4;
	for (uint32_t port = 1; port <= 65535; port++) {
		struct result r = packet(SHUNT_TCP, CLIENT, (uint16_t)port, VIP_A, 80, PKT_SYN);

		CU_ASSERT_EQUAL(r.p.drop, 0);
	}
	for (uint32_t port = 1; port <= 100; port++) {
		struct result r = packet(SHUNT_TCP, CLIENT, (uint16_t)port, VIP_B, 80, PKT_SYN);

		CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_CLIENT_PORT);
		dropped += r.p.drop == SHUNT_DROP_CLIENT_PORT;
	}
	CU_ASSERT_EQUAL(dropped, 100);
	CU_ASSERT_EQUAL(count_sessions(), 65535);
	/* Another client has all its ports. */
	for (uint32_t port = 2000; port < 2100; port++) {
		struct result r =
			packet(SHUNT_TCP, "192.0.2.2", (uint16_t)port, VIP_A, 80, PKT_SYN);

		r = packet(SHUNT_TCP, "192.0.2.2", (uint16_t)port, VIP_B, 80, PKT_SYN);
		changed += sport_of(&r) != port;
		CU_ASSERT_EQUAL(
			worker_owner(classify_owner_hash((uint8_t[]){ 192, 0, 2, 2 }, 4,
					     htons((uint16_t)sport_of(&r)), PATH_OWNER_SEED),
				4),
			3);
	}
	CU_ASSERT_EQUAL(changed, 100);
	close_bed();
}

/* A client that moves to another gateway takes its replies along, whatever its port has become. */
static void
test_hop(void)
{
	struct result r;
	uint16_t second;

	open_bed(CAPACITY);
	open_flow(5555, VIP_A, 80, HOST, 8080);
	second = open_flow(5555, VIP_B, 80, HOST, 8080);
	for (uint8_t mac = 0x20; mac < 0x24; mac++) {
		struct frame_spec spec = frame_default(4, SHUNT_TCP);
		struct shunt_addr from = helper_addr(CLIENT), to = helper_addr(VIP_B);
		size_t bytes;

		memcpy(spec.src, from.bytes + 12, 4);
		memcpy(spec.dst, to.bytes + 12, 4);
		spec.sport = 5555;
		bytes = frame_build(r.frame, &spec);
		r.frame[11] = mac;
		path_run(&path, &r, 0, bytes);
		r = packet(SHUNT_TCP, HOST, 8080, CLIENT, second, PKT_ACK);
		CU_ASSERT_EQUAL(r.frame[5], mac);
		CU_ASSERT_EQUAL(dport_of(&r), 5555);
	}
	close_bed();
}

/* Each port of a range is a connection of its own, also from one client port. */
static void
test_range(void)
{
	open_bed(CAPACITY);
	for (uint16_t port = 9000; port < 9050; port++)
		CU_ASSERT_EQUAL(open_flow(7777, VIP_A, port, FILES, port), 7777);
	CU_ASSERT_EQUAL(count_sessions(), 50);
	close_flow(7777, VIP_A, 9010, FILES, 9010, 7777);
	CU_ASSERT_EQUAL(count_sessions(), 49);
	CU_ASSERT_EQUAL(shunt_stats_services(path.stats, 0)[RANGE].sessions, 49);
	/* The exact port has a service of its own. */
	open_flow(7777, VIP_A, 9050, FILES, 9050);
	CU_ASSERT_EQUAL(shunt_stats_services(path.stats, 0)[INNER].sessions, 1);
	CU_ASSERT_EQUAL(packet(SHUNT_TCP, CLIENT, 7777, VIP_A, 9100, PKT_SYN).p.drop,
		SHUNT_DROP_NO_SERVICE);
	CU_ASSERT_EQUAL(
		packet(SHUNT_TCP, FILES, 9051, CLIENT, 7777, PKT_ACK).p.drop, SHUNT_DROP_NO_FLOW);
	/* Another service keeps its port at the same server: the client's is taken. */
	CU_ASSERT_NOT_EQUAL(open_flow(7777, VIP_B, 9020, FILES, 9020), 7777);
	CU_ASSERT_EQUAL(open_flow(7777, VIP_B, 21, FILES, 21), 7777);
	path.tick += 1000;
	flow_sweep(path.tracker->flows, 4 * CAPACITY, path.tick);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(flow_claims(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(count_sessions(), 0);
	close_bed();
}

/* Another thread asks by the port. */
static void
test_peek(void)
{
	struct flow_key key = { .version = 4, .port_be = htons(7777), .service = RANGE };
	struct shunt_addr client = helper_addr(CLIENT);

	open_bed(CAPACITY);
	memcpy(key.address, client.bytes + 12, 4);
	open_flow(7777, VIP_A, 9001, FILES, 9001);
	key.extra = htons(9001);
	CU_ASSERT_EQUAL(flow_server(flow_peek(path.tracker->flows, &key, path.tick)), RANGE);
	key.extra = htons(9002);
	CU_ASSERT_EQUAL(flow_peek(path.tracker->flows, &key, path.tick), 0);
	key.extra = 0;
	CU_ASSERT_EQUAL(flow_peek(path.tracker->flows, &key, path.tick), 0);
	close_bed();
}

/* With the wide half full: no claims, and flows of ranges go by the hash. */
static void
test_full(void)
{
	struct result r;
	uint64_t flows;

	open_bed(64);
	for (uint16_t port = 9000; port < 9050; port++)
		packet(SHUNT_TCP, CLIENT, 7777, VIP_A, port, PKT_SYN);
	for (uint16_t port = 1; port < 100; port++)
		packet(SHUNT_TCP, CLIENT, 7777, VIP_B, port, PKT_SYN);
	flows = flow_count(path.tracker->flows);
	CU_ASSERT(flows <= 128);
	r = packet(SHUNT_TCP, CLIENT, 8888, VIP_A, 9001, PKT_SYN);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(dport_of(&r), 9001);
	r = packet(SHUNT_TCP, FILES, 9001, CLIENT, 8888, PKT_SYN | PKT_ACK);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_TRUE(source_is(&r, VIP_A));
	CU_ASSERT_EQUAL(sport_of(&r), 9001);
	r = packet(SHUNT_TCP, CLIENT, 8889, VIP_A, 80, PKT_SYN);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	expect_reply(8889, VIP_A, 8889);
	close_bed();
}

static const struct unit_test tests[] = {
	{ "two services", test_two_services },
	{ "claims end", test_claims_end },
	{ "server gone", test_server_gone },
	{ "shared later", test_shared_later },
	{ "UDP", test_udp },
	{ "exhausted", test_exhausted },
	{ "hop", test_hop },
	{ "range", test_range },
	{ "peek", test_peek },
	{ "full", test_full },
};

UNIT_MAIN("claims", tests)
