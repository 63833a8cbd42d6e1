/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path from parse to rewrite as worker.c walks it, without a NIC: frames go in one at a
 * time or as a burst, and what comes out is compared with what the far side must see.
 */
#ifndef TESTS_PATH_H
#define TESTS_PATH_H

#include <sys/mman.h>

#include "classify.h"
#include "frames.h"
#include "known.h"
#include "objects_helper.h"
#include "parse.h"
#include "rewrite.h"
#include "shunt/session.h"
#include "stateless.h"
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
#define PATH_HEADROOM	 64

struct path {
	struct shunt_stats *stats;
	struct object_store *objects;
	struct generation *generation;
	struct tracker *tracker;
	struct shunt_mac macs[SHUNT_MAX_PORTS];
	uint16_t mtus[SHUNT_MAX_PORTS];
	uint64_t number;
	uint16_t tick;
	uint16_t skew; /* other workers' clocks differ by as many ticks */
	uint8_t version;
	enum shunt_algorithm algorithm;
	uint8_t forward;
	uint8_t sources; /* of full NAT */
	uint32_t persist_ms;
	uint32_t maxconn;	    /* of each server */
	uint8_t state[SERVERS + 1]; /* by server id */
	bool removed[SERVERS + 1];
};

struct result {
	struct pkt p;
	uint8_t room[PATH_HEADROOM]; /* in front of the frame */
	uint8_t frame[FRAME_MAX_BYTES];
	ptrdiff_t start; /* of what has become of it, in frame: p.data is that of the first copy */
};

static inline const char *
server_address(const struct path *path, uint32_t id)
{
	static char text[32];

	snprintf(text, sizeof(text), path->version == 4 ? "10.0.0.%u" : "2001:db8:a::%u", id);
	return text;
}

static inline const char *
service_address(const struct path *path)
{
	return path->version == 4 ? "198.51.100.10" : "2001:db8::10";
}

static inline struct shunt_stats *
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
	stats->hits_offset =
		stats->servers_offset + SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats);
	return stats;
}

static inline const char *
source_address(const struct path *path, uint32_t id)
{
	static char text[32];

	snprintf(text, sizeof(text), path->version == 4 ? "10.0.0.24%u" : "2001:db8:a::f%u", id);
	return text;
}

/* Full NAT's: ids 1 up to path->sources. */
static inline void
path_put_sources(struct path *path, struct shunt_backend *backend)
{
	for (uint8_t id = 1; id <= path->sources; id++) {
		struct shunt_source source = { .address = helper_addr(source_address(path, id)) };

		helper_put(path->objects, SHUNT_KIND_SOURCE, id, &source, sizeof(source));
		backend->sources[id - 1] = id;
	}
}

static inline uint64_t
path_entries(void *context, uint32_t service)
{
	const struct path *path = context;

	return flow_entries(path->tracker->flows, service);
}

/* Makes a generation of the objects and gives it to the tracker. */
static inline void
path_commit(struct path *path)
{
	const struct gen_moment moment = {
		.first = path->tracker->now - path->skew,
		.last = path->tracker->now + path->skew,
		.entries = path_entries,
		.context = path,
	};
	struct generation_error error;
	struct generation *next;
	int result = 0;

	next = generation_create_at(
		path->objects, ++path->number, path->generation, 2, &moment, &error, &result);
	if (!next) {
		printf("generation refused: kind %u id %u: %s\n", error.kind, error.id, error.text);
		abort();
	}
	CU_ASSERT_EQUAL_FATAL(tracker_prepare(path->tracker, next), 0);
	if (path->tracker->limiter)
		CU_ASSERT_EQUAL_FATAL(limiter_prepare(path->tracker->limiter, next), 0);
	tracker_set_generation(path->tracker, next);
	generation_destroy(path->generation);
	path->generation = next;
}

/* Makes a generation of what path->state says and gives it to the tracker. */
static inline void
path_publish(struct path *path)
{
	struct shunt_nexthop nexthop = {
		.port = 1,
		.mac = { { 2, 0, 0, 0, 0, 9 } },
		.source = helper_addr(path->version == 4 ? "10.0.0.254" : "2001:db8:a::fe"),
	};
	struct shunt_member members[SERVERS];
	struct shunt_backend *backend;
	uint32_t count = 0;

	helper_put(path->objects, SHUNT_KIND_NEXTHOP, 1, &nexthop, sizeof(nexthop));
	for (uint32_t id = 1; id <= SERVERS; id++) {
		struct shunt_server server = helper_server(
			server_address(path, id), (uint16_t)(SERVER_PORT_BASE + id), BACKEND);

		server.nexthop = 1;
		server.state = path->state[id];
		server.removed = path->removed[id];
		helper_put(path->objects, SHUNT_KIND_SERVER, id, &server, sizeof(server));
		if (path->state[id] == SHUNT_SERVER_UP)
			members[count++] = (struct shunt_member){
				.server = id,
				.weight = 1,
				.maxconn = path->maxconn,
			};
	}
	backend = helper_backend(path->algorithm, members, count, SLOTS);
	backend->forward = path->forward;
	backend->encap = path->forward == SHUNT_TUNNEL ? SHUNT_IPIP : SHUNT_ENCAP_NONE;
	backend->persist_ms = path->persist_ms;
	backend->persist_prefix4 = path->persist_ms ? 32 : 0;
	backend->persist_prefix6 = path->persist_ms ? 128 : 0;
	if (path->forward == SHUNT_FULLNAT)
		path_put_sources(path, backend);
	helper_put(
		path->objects, SHUNT_KIND_BACKEND, BACKEND, backend, shunt_backend_bytes(backend));
	free(backend);
	path_commit(path);
}

static inline void
path_open(struct path *path, uint8_t version, enum shunt_algorithm algorithm, uint32_t capacity)
{
	static const uint64_t seed[2] = { 1, 2 };

	*path = (struct path){ .version = version, .algorithm = algorithm, .tick = 100 };
	path->macs[0] = (struct shunt_mac){ { 2, 0, 0, 0, 1, 0 } };
	path->macs[1] = (struct shunt_mac){ { 2, 0, 0, 0, 1, 1 } };
	path->mtus[0] = path->mtus[1] = 1500;
	path->stats = make_stats();
	path->objects = object_store_create();
	path->tracker = tracker_create(path->stats, 0, capacity, seed);
	if (!path->objects || !path->tracker)
		abort();
	path->tracker->half_open_max = UINT32_MAX / 2; /* but for tests of it */
	helper_put_settings(path->objects);
	helper_put_service(path->objects, SERVICE, service_address(path), 80, SHUNT_TCP, BACKEND);
	helper_put_service(
		path->objects, SERVICE + 1, service_address(path), 80, SHUNT_UDP, BACKEND);
	path_publish(path);
}

static inline void
path_close(struct path *path)
{
	tracker_destroy(path->tracker);
	generation_destroy(path->generation);
	object_store_destroy(path->objects);
	munmap(path->stats, shunt_stats_bytes(1));
}

/* The stages of worker_process(), on one packet. */
static inline void
path_run(struct path *path, struct result *r, uint8_t port, size_t bytes)
{
	struct pkt *p = &r->p, *miss, *rest;
	unsigned int missed, n = 1;

	/* As in worker.c: the rest is what another packet has left there. */
	memset((void *)p, 0xa5, sizeof(*p));
	r->start = 0;
	p->data = r->frame;
	p->bytes = (uint32_t)bytes;
	p->headroom = PATH_HEADROOM;
	p->in_port = port;
	p->flow = NULL;
	parse_burst(&p, 1);
	if (p->drop)
		return;
	classify_burst(path->generation->classifier, &p, 1, PATH_OWNER_SEED);
	known_mark_local(path->generation->known, &p, 1);
	if (p->drop)
		return;
	if (path->generation->has_answers)
		n = stateless_burst(
			path->generation, path->tracker->flows, path->tracker->now, &p, 1, &rest);
	track_sources(path->tracker, &p, n);
	flow_lookup_burst(path->tracker->flows, &p, n, path->tick);
	missed = track_hits(path->tracker, &p, n, path->tick, &miss);
	track_misses(path->tracker, &miss, missed, path->tick);
	rewrite_burst(path->generation, path->tracker->hops, path->macs, path->mtus, &p, 1);
	track_count(path->tracker, &p, 1);
	r->start = p->data - r->frame;
}

static inline void
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
static inline struct result
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
static inline struct result
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
static inline uint32_t
connect_client(struct path *path, uint32_t client, uint16_t port)
{
	struct result r = request(path, SHUNT_TCP, client, port, PKT_SYN);
	uint32_t server = r.p.server;

	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(reply(path, SHUNT_TCP, server, client, port, PKT_SYN | PKT_ACK).p.drop, 0);
	CU_ASSERT_EQUAL(request(path, SHUNT_TCP, client, port, PKT_ACK).p.server, server);
	return server;
}

static inline uint64_t
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

/* All flows have been silent for longer than any timeout. */
static inline void
path_expire_all(struct path *path)
{
	path->tick += 20000;
	for (int i = 0; i < 1000; i++)
		flow_sweep(path->tracker->flows, 64, path->tick);
	CU_ASSERT_EQUAL(flow_count(path->tracker->flows), 0);
	CU_ASSERT_EQUAL(sessions(path), 0);
}

#endif
