/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path from parse to rewrite as worker.c walks it, without a NIC: frames go in one at a
 * time or as a burst, and what comes out is compared with what the far side must see.
 */
#include <sys/mman.h>

#include "classify.h"
#include "frames.h"
#include "objects_helper.h"
#include "parse.h"
#include "rewrite.h"
#include "shunt/session.h"
#include "track.h"

#define SERVICE		 1
#define BACKEND		 1
#define SERVERS		 3
#define CAPACITY	 4096
#define PATH_OWNER_SEED	 42
#define SLOTS		 512
#define SYN_TICKS	 30 /* more than the 30 s of objects_helper.h last */
#define CLIENT_MAC_BYTE	 0x77
#define SERVER_PORT_BASE 8080

struct path {
	struct shunt_stats *stats;
	struct object_store *objects;
	struct generation *generation;
	struct tracker *tracker;
	struct shunt_mac macs[SHUNT_MAX_PORTS];
	uint64_t number;
	uint16_t tick;
	uint8_t version;
	enum shunt_algorithm algorithm;
	uint8_t state[SERVERS + 1]; /* by server id */
};

struct result {
	struct pkt p;
	uint8_t frame[FRAME_MAX_BYTES];
};

static const char *
server_address(const struct path *path, uint32_t id)
{
	static char text[32];

	snprintf(text, sizeof(text), path->version == 4 ? "10.0.0.%u" : "2001:db8:a::%u", id);
	return text;
}

static const char *
service_address(const struct path *path)
{
	return path->version == 4 ? "198.51.100.10" : "2001:db8::10";
}

static struct shunt_stats *
make_stats(void)
{
	struct shunt_stats *stats = mmap(NULL, shunt_stats_bytes(1), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (stats == MAP_FAILED)
		abort();
	stats->worker_count = 1;
	stats->workers_offset = sizeof(*stats);
	stats->services_offset = stats->workers_offset + sizeof(struct shunt_worker_stats);
	stats->servers_offset =
		stats->services_offset + SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats);
	return stats;
}

/* Makes a generation of what path->state says and gives it to the tracker. */
static void
path_publish(struct path *path)
{
	struct shunt_nexthop nexthop = { .port = 1, .mac = { { 2, 0, 0, 0, 0, 9 } } };
	struct shunt_member members[SERVERS];
	struct generation_error error;
	struct generation *next;
	uint32_t count = 0;
	int result = 0;

	helper_put(path->objects, SHUNT_KIND_NEXTHOP, 1, &nexthop, sizeof(nexthop));
	for (uint32_t id = 1; id <= SERVERS; id++) {
		struct shunt_server server = helper_server(
			server_address(path, id), (uint16_t)(SERVER_PORT_BASE + id), BACKEND);

		server.nexthop = 1;
		server.state = path->state[id];
		helper_put(path->objects, SHUNT_KIND_SERVER, id, &server, sizeof(server));
		if (path->state[id] == SHUNT_SERVER_UP)
			members[count++] = (struct shunt_member){ .server = id, .weight = 1 };
	}
	helper_put_backend(path->objects, BACKEND, path->algorithm, members, count, SLOTS);
	next = generation_create(
		path->objects, ++path->number, path->generation, 2, &error, &result);
	if (!next) {
		printf("generation refused: kind %u id %u: %s\n", error.kind, error.id, error.text);
		abort();
	}
	tracker_set_generation(path->tracker, next);
	generation_destroy(path->generation);
	path->generation = next;
}

static void
path_open(struct path *path, uint8_t version, enum shunt_algorithm algorithm, uint32_t capacity)
{
	static const uint64_t seed[2] = { 1, 2 };

	*path = (struct path){ .version = version, .algorithm = algorithm, .tick = 100 };
	path->macs[0] = (struct shunt_mac){ { 2, 0, 0, 0, 1, 0 } };
	path->macs[1] = (struct shunt_mac){ { 2, 0, 0, 0, 1, 1 } };
	path->stats = make_stats();
	path->objects = object_store_create();
	path->tracker = tracker_create(path->stats, 0, capacity, seed);
	if (!path->objects || !path->tracker)
		abort();
	helper_put_settings(path->objects);
	helper_put_service(path->objects, SERVICE, service_address(path), 80, SHUNT_TCP, BACKEND);
	helper_put_service(
		path->objects, SERVICE + 1, service_address(path), 80, SHUNT_UDP, BACKEND);
	path_publish(path);
}

static void
path_close(struct path *path)
{
	tracker_destroy(path->tracker);
	generation_destroy(path->generation);
	object_store_destroy(path->objects);
	munmap(path->stats, shunt_stats_bytes(1));
}

/* The stages of worker_process(), on one packet. */
static void
path_run(struct path *path, struct result *r, uint8_t port, size_t bytes)
{
	struct pkt *p = &r->p, *miss;
	unsigned int missed;

	*p = (struct pkt){ .data = r->frame, .bytes = (uint32_t)bytes, .in_port = port };
	parse_burst(&p, 1);
	if (p->drop)
		return;
	classify_burst(path->generation->classifier, &p, 1, PATH_OWNER_SEED);
	if (p->drop)
		return;
	flow_lookup_burst(path->tracker->flows, &p, 1, path->tick);
	missed = track_hits(path->tracker, &p, 1, path->tick, &miss);
	track_misses(path->tracker, &miss, missed, path->tick);
	rewrite_burst(path->generation, path->tracker->hops, path->macs, &p, 1);
	track_count(path->tracker, &p, 1);
}

static void
client_address(const struct path *path, uint32_t client, uint8_t *out)
{
	struct shunt_addr a = helper_addr(path->version == 4 ? "192.0.2.0" : "2001:db8:c::");
	uint8_t *last = a.bytes + 13;

	last[0] = (uint8_t)(path->version == 4 ? 0 : client >> 16);
	last[1] = (uint8_t)(client >> 8);
	last[2] = (uint8_t)client;
	if (path->version == 4)
		last[0] = 2;
	memcpy(out, a.bytes + (path->version == 4 ? 12 : 0), path->version == 4 ? 4 : 16);
}

/* A client's packet. */
static struct result
request(struct path *path, uint8_t protocol, uint32_t client, uint16_t port, uint8_t flags)
{
	struct frame_spec spec = frame_default(path->version, protocol);
	struct shunt_addr vip = helper_addr(service_address(path));
	struct result r;
	size_t bytes;

	client_address(path, client, spec.src);
	memcpy(spec.dst, vip.bytes + (path->version == 4 ? 12 : 0), path->version == 4 ? 4 : 16);
	spec.sport = port;
	spec.dport = 80;
	spec.flags = flags;
	bytes = frame_build(r.frame, &spec);
	r.frame[11] = CLIENT_MAC_BYTE;
	path_run(path, &r, 0, bytes);
	return r;
}

/* A server's packet to a client. */
static struct result
reply(struct path *path, uint8_t protocol, uint32_t server, uint32_t client, uint16_t port,
	uint8_t flags)
{
	struct frame_spec spec = frame_default(path->version, protocol);
	struct shunt_addr address = helper_addr(server_address(path, server));
	struct result r;

	memcpy(spec.src, address.bytes + (path->version == 4 ? 12 : 0),
		path->version == 4 ? 4 : 16);
	client_address(path, client, spec.dst);
	spec.sport = (uint16_t)(SERVER_PORT_BASE + server);
	spec.dport = port;
	spec.flags = flags;
	path_run(path, &r, 1, frame_build(r.frame, &spec));
	return r;
}

/* Handshake; returns the server. */
static uint32_t
connect_client(struct path *path, uint32_t client, uint16_t port)
{
	struct result r = request(path, SHUNT_TCP, client, port, PKT_SYN);
	uint32_t server = r.p.server;

	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(reply(path, SHUNT_TCP, server, client, port, PKT_SYN | PKT_ACK).p.drop, 0);
	CU_ASSERT_EQUAL(request(path, SHUNT_TCP, client, port, PKT_ACK).p.server, server);
	return server;
}

static uint64_t
sessions(const struct path *path)
{
	uint64_t sum = 0;

	for (uint32_t id = 1; id <= SERVERS; id++)
		sum += shunt_stats_servers(path->stats, 0)[id].sessions;
	CU_ASSERT_EQUAL(sum,
		shunt_stats_services(path->stats, 0)[SERVICE].sessions +
			shunt_stats_services(path->stats, 0)[SERVICE + 1].sessions);
	return sum;
}

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
