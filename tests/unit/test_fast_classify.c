/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fast path takes, and as what, against classify_burst(): random tables of services and
 * servers, in which places collide, servers are shared, and servers are clients too.
 */
#include "fast_compare.h"
#include "unit.h"

#define SERVICES_MAX 400
#define SERVERS_MAX  600
#define BACKENDS     6
#define TABLES	     400
#define BURSTS	     30
#define WORLDS	     2
#define LOCAL_LAST   7 /* byte of an address of the balancer's */

struct endpoint {
	uint8_t address[4];
	uint16_t port;
	uint8_t protocol;
};

struct table {
	struct object_store *objects;
	struct generation *generation;
	uint64_t random;
	bool with_range;
	unsigned int service_count;
	unsigned int server_count;
	struct endpoint services[SERVICES_MAX];
	struct endpoint servers[SERVERS_MAX];
};

static uint32_t
below(struct table *t, uint32_t end)
{
	return (uint32_t)((frame_random(&t->random) >> 32) * end >> 32);
}

static struct shunt_addr
address_of(const struct endpoint *e)
{
	return shunt_addr_from_v4(e->address);
}

/* Every second address and port is one that others have too. */
static void
draw_endpoint(struct table *t, uint8_t net, struct endpoint *e)
{
	*e = (struct endpoint){
		.address = { 10, net, (uint8_t)below(t, 2), (uint8_t)below(t, 24) },
		.port = (uint16_t)(8000 + below(t, 12)),
		.protocol = below(t, 2) ? SHUNT_TCP : SHUNT_UDP,
	};
}

static bool
is_there(const struct table *t, const struct endpoint *e)
{
	for (unsigned int i = 0; i < t->service_count; i++) {
		if (memcmp(&t->services[i], e, sizeof(*e)) == 0)
			return true;
	}
	return false;
}

static void
put_services(struct table *t, unsigned int wanted)
{
	for (unsigned int i = 0; i < wanted; i++) {
		struct shunt_service s;
		struct endpoint e;

		/* Some where servers are. */
		draw_endpoint(t, below(t, 4) ? 1 : 2, &e);
		if (is_there(t, &e))
			continue;
		s = helper_service("0.0.0.0", e.port, e.protocol, 1 + below(t, BACKENDS - 1));
		s.address = address_of(&e);
		t->services[t->service_count++] = e;
		helper_put(t->objects, SHUNT_KIND_SERVICE, t->service_count, &s, sizeof(s));
	}
	if (t->with_range) {
		struct shunt_service s = helper_service("10.1.0.1", 8003, SHUNT_TCP, BACKENDS);

		s.last_port_be = htons(8020);
		helper_put(t->objects, SHUNT_KIND_SERVICE, t->service_count + 1, &s, sizeof(s));
	}
}

/* The last backend's servers have no port of their own. */
static void
put_servers(struct table *t, unsigned int wanted)
{
	for (unsigned int i = 0; i < wanted; i++) {
		struct endpoint *e = &t->servers[t->server_count++];
		struct shunt_server s = { .weight = 1, .file_weight = 1, .name = "s" };

		draw_endpoint(t, 2, e);
		s.address = address_of(e);
		s.backend = 1 + below(t, BACKENDS);
		s.port_be = s.backend == BACKENDS ? 0 : htons(e->port);
		s.nexthop = 1;
		helper_put(t->objects, SHUNT_KIND_SERVER, i + 1, &s, sizeof(s));
	}
}

static void
table_open(struct table *t, uint64_t seed, struct bed_world **worlds)
{
	const struct shunt_nexthop nexthop = { .port = 1, .mac = { { 2, 0, 0, 0, 0, 9 } } };
	const struct shunt_local local = { .address = helper_addr("192.0.2.7") };
	struct generation_error error;
	int result = 0;

	*t = (struct table){ .random = seed * 2 + 1, .objects = object_store_create() };
	if (!t->objects)
		abort();
	helper_put_settings(t->objects);
	helper_put(t->objects, SHUNT_KIND_NEXTHOP, 1, &nexthop, sizeof(nexthop));
	helper_put(t->objects, SHUNT_KIND_LOCAL, 1, &local, sizeof(local));
	for (uint32_t id = 1; id <= BACKENDS; id++) {
		struct shunt_backend *b = helper_backend(SHUNT_SOURCE, NULL, 0, 0);

		b->forward = id == 2 ? SHUNT_DR : SHUNT_NAT;
		helper_put(t->objects, SHUNT_KIND_BACKEND, id, b, shunt_backend_bytes(b));
		free(b);
	}
	t->with_range = below(t, 6) == 0;
	put_services(t, 1 + below(t, below(t, 3) ? 12 : SERVICES_MAX - 1));
	put_servers(t, 1 + below(t, below(t, 3) ? 12 : SERVERS_MAX));
	t->generation = generation_create(t->objects, 1, NULL, BED_PORTS, &error, &result);
	if (!t->generation) {
		printf("generation refused: kind %u id %u: %s\n", error.kind, error.id, error.text);
		abort();
	}
	for (unsigned int i = 0; i < WORLDS; i++)
		tracker_set_generation(worlds[i]->tracker, t->generation);
}

static void
draw_frame(struct table *t, uint8_t *frame, uint32_t *bytes)
{
	struct endpoint ends[2];
	struct frame_spec spec;

	for (unsigned int i = 0; i < 2; i++) {
		uint32_t what = below(t, 8);

		/* From and to services, servers, and anybody. */
		if (what < 3 && t->service_count)
			ends[i] = t->services[below(t, t->service_count)];
		else if (what < 6)
			ends[i] = t->servers[below(t, t->server_count)];
		else
			ends[i] = (struct endpoint){
				{ 192, 0, 2, (uint8_t)(1 + below(t, 30)) },
				(uint16_t)(1024 + below(t, 60000)),
				SHUNT_TCP,
			};
	}
	spec = frame_default(4, ends[below(t, 2)].protocol);
	memcpy(spec.src, ends[0].address, 4);
	memcpy(spec.dst, ends[1].address, 4);
	spec.sport = ends[0].port;
	spec.dport = ends[1].port;
	*bytes = (uint32_t)frame_build(frame, &spec);
	while (*bytes < FAST_MIN_BYTES)
		frame[(*bytes)++] = 0;
}

/* What the stages say of a frame. */
static struct pkt
classified(const struct table *t, const struct bed_packet *packet)
{
	struct pkt pkt = { .data = packet->frame, .bytes = packet->bytes }, *p = &pkt;

	parse_burst(&p, 1);
	classify_burst(t->generation->classifier, &p, 1, PATH_OWNER_SEED);
	known_mark_local(t->generation->known, &p, 1);
	return pkt;
}

/* Is this packet, which was taken, what it was taken for? */
static bool
is_right(const struct table *t, const struct fast_burst *f, unsigned int i)
{
	struct pkt p = classified(t, f->mbuf[i]);
	uint32_t client;

	if (p.drop == SHUNT_DROP_IP_SOURCE || p.drop == SHUNT_DROP_LAND)
		return true; /* for fast_leave() to find */
	if (p.drop || p.other_service_count || p.range_port_be || p.source)
		return false;
	memcpy(&client, p.client, 4);
	return f->kind[i] == p.direction &&
		f->key[i] ==
		(client | (uint64_t)p.client_port_be << 32 | (uint64_t)p.service << 48);
}

/* Is there more to a packet that is left to the stages? */
static bool
is_strange(const struct table *t, const struct bed_packet *packet, uint64_t marks)
{
	struct pkt p = classified(t, packet);

	if (p.drop || p.range_port_be || marks)
		return true;
	return p.direction == PKT_TO_CLIENT &&
		(p.other_service_count || t->with_range || p.client[3] == LOCAL_LAST);
}

/* Nothing strange in a burst, so that eight at a time go through: so it is in most of them. */
static void
draw_plain_frame(struct table *t, uint8_t *frame, uint32_t *bytes)
{
	for (unsigned int tries = 0; tries < 50; tries++) {
		struct bed_packet packet = { .frame = frame };
		struct pkt p;

		draw_frame(t, frame, bytes);
		packet.bytes = *bytes;
		p = classified(t, &packet);
		if (!p.drop && !p.other_service_count && !p.range_port_be)
			return;
	}
}

static bool
check_burst(struct table *t, struct bed_world **worlds, unsigned int *taken)
{
	const struct fast_burst *f = &worlds[0]->fast;
	unsigned int n = 1 + below(t, PKT_BURST);
	void *in[WORLDS][PKT_BURST];
	bool good, plain = below(t, 4) != 0;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t frame[FRAME_MAX_BYTES];
		uint32_t bytes;

		if (plain)
			draw_plain_frame(t, frame, &bytes);
		else
			draw_frame(t, frame, &bytes);
		for (unsigned int k = 0; k < WORLDS; k++)
			bed_put(worlds[k], frame, bytes);
	}
	for (unsigned int k = 0; k < WORLDS; k++)
		bed_take(worlds[k], in[k], 0);
	good = compare_taken(worlds[0], worlds[1]);
	for (unsigned int i = 0; i < f->count; i++)
		good &= is_right(t, f, i);
	for (unsigned int i = 0; i < f->strange_count; i++)
		good &= is_strange(t, f->strange[i], worlds[0]->view.strange_marks);
	*taken += f->count;
	for (unsigned int k = 0; k < WORLDS; k++)
		bed_clear(worlds[k]);
	return good;
}

static void
test_random_tables(void)
{
	struct bed_world *worlds[WORLDS] = {
		bed_world_create(fast_passes(true), 1, 64),
		bed_world_create(fast_passes(false), 1, 64),
	};
	unsigned int taken = 0, wrong = 0;

	for (uint64_t seed = 1; seed <= TABLES; seed++) {
		static struct table t;

		table_open(&t, seed, worlds);
		for (unsigned int i = 0; i < BURSTS; i++)
			wrong += !check_burst(&t, worlds, &taken);
		generation_destroy(t.generation);
		object_store_destroy(t.objects);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(taken > TABLES * BURSTS);
	for (unsigned int i = 0; i < WORLDS; i++)
		bed_world_destroy(worlds[i]);
}

static const struct unit_test tests[] = {
	{ "random tables", test_random_tables },
};

UNIT_MAIN("fast_classify", tests)
