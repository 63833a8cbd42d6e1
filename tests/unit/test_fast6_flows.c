/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path for IPv6 and single flows: who waits for whom, and where flows are found. */
#include "fast_compare.h"
#include "fast_frames.h"
#include "unit.h"

#define FLOWS 24

static struct bed_world *world;
static struct scene *scene;

/* Established flows: connection i is that of a client of its own, and of both families in turn. */
static void
open_world(uint32_t workers, uint32_t capacity, unsigned int clients, enum scene_family family)
{
	world = bed_world_create(fast_passes(false), workers, capacity);
	scene = scene_open(1, SCENE_WITH_NONE, SCENE_BOTH, &world, 1);
	for (unsigned int i = 0; i < SCENE_CONNECTIONS; i++) {
		struct scene_connection *c = &scene->connections[i];
		uint8_t n = (uint8_t)(i % clients);

		*c = (struct scene_connection){
			.client = { 192, (uint8_t)(n * 37), (uint8_t)(n * 91), 1 + n },
			.port = 40000 + n,
			.service = 1,
			.version = 4,
			.mac = 1,
		};
		if (family == SCENE_IP6 || i % 2)
			scene_widen(c);
	}
	scene_connect(scene, &world, 1);
	world->by_fast6 = 0;
}

static void
close_world(void)
{
	scene_close(scene);
	bed_world_destroy(world);
}

static void
put(unsigned int flow, bool to_server, uint8_t flags)
{
	struct scene_frame f;

	scene_draw_frame(scene, world, flow, to_server, SCENE_CLEAN, &f);
	f.bytes[scene_l4(&scene->connections[flow]) + 13] = flags;
	bed_put(world, f.bytes, f.length);
}

/* What the fast path must leave to the stages, which send it all the same. */
enum strange {
	TAGGED, /* by a VLAN of id 0, which is none */
	WITH_EXTENSION,
	SHORT, /* than all that is read */
	STRANGES,
};

static void
put_strange(unsigned int flow, bool to_server, enum strange strange)
{
	static const uint8_t extension[8] = { SHUNT_TCP };
	const struct scene_connection *c = &scene->connections[flow];
	struct frame_spec spec = scene_spec(scene, world, c, to_server);
	struct scene_frame f;

	if (strange == WITH_EXTENSION) {
		spec.next = 60;
		spec.extensions = extension;
		spec.extensions_bytes = sizeof(extension);
	} else if (strange == SHORT) {
		spec.dport = 80;
		spec.protocol = SHUNT_UDP;
	}
	f.length = (uint32_t)frame_build(f.bytes, &spec);
	f.bytes[11] = to_server ? c->mac : 9;
	if (strange == TAGGED) {
		memmove(f.bytes + 16, f.bytes + 12, f.length - 12);
		frame_put16(f.bytes + 12, 0x8100);
		frame_put16(f.bytes + 14, 0);
		f.length += 4;
	}
	bed_put(world, f.bytes, f.length);
}

static void
check_all_sent(void)
{
	for (unsigned int i = 0; i < world->in_count; i++)
		CU_ASSERT_EQUAL(world->in[i].fate, BED_SENT);
}

/* Packet i of the burst, which the fast path has sent, or has left. */
static bool
is_fast(unsigned int i)
{
	return world->in[i].by_fast6;
}

static bool
is_before(unsigned int i, unsigned int k)
{
	return world->in[i].turn < world->in[k].turn;
}

/* Behind one that is left all of its flow is, in both directions, and nobody else. */
static void
test_kept_back(void)
{
	unsigned int left = 0;

	open_world(1, 512, FLOWS, SCENE_IP6);
	for (unsigned int i = 0; i < 40; i++) {
		unsigned int flow = i % FLOWS;

		/* The 13th packet is a FIN; the 37th and the 39th are the same flow's. */
		put(i == 36 || i == 38 ? 12 : flow, i != 38, i == 12 ? PKT_FIN | PKT_ACK : PKT_ACK);
	}
	bed_walk(world, 0);
	check_all_sent();
	CU_ASSERT_EQUAL(__builtin_popcountll(world->fast6.kept_back), 1);
	for (unsigned int i = 0; i < 40; i++) {
		bool own = world->fast6.kept_back >> (world->fast6.pkts[i].hash & 63) & 1;

		CU_ASSERT_EQUAL(is_fast(i), !(own && i >= 12));
		left += !is_fast(i);
	}
	CU_ASSERT_FALSE(is_fast(12) || is_fast(36) || is_fast(38));
	CU_ASSERT_TRUE(left < 6);
	CU_ASSERT_TRUE(is_before(12, 36) && is_before(36, 38));
	bed_clear(world);
	/* In the next burst it is over. */
	put(12, false, PKT_ACK);
	bed_walk(world, 1);
	CU_ASSERT_TRUE(is_fast(0));
	close_world();
}

/* A flow that is not there yet is made before anything else of it goes on. */
static void
test_new_flow(void)
{
	open_world(1, 512, FLOWS, SCENE_IP6);
	scene->connections[FLOWS].port = 50000;
	put(FLOWS, true, PKT_SYN);
	for (unsigned int i = 1; i <= 20; i++)
		put(i, true, PKT_ACK);
	put(FLOWS, true, PKT_ACK);
	bed_walk(world, 0);
	check_all_sent();
	CU_ASSERT_FALSE(is_fast(0) || is_fast(21));
	CU_ASSERT_TRUE(is_before(0, 21));
	CU_ASSERT_TRUE(world->by_fast6 >= 18);
	close_world();
}

/* Behind a strange one its whole flow is strange, in both directions; none before it is. */
static void
check_strange(enum strange strange, bool strange_to_server)
{
	unsigned int fast = 0;

	open_world(1, 512, FLOWS, SCENE_IP6);
	for (unsigned int i = 0; i < 40; i++) {
		if (i == 9)
			put_strange(9, strange_to_server, strange);
		else
			put(i == 8 || i == 36 ? 9 : i % FLOWS, i != 36, PKT_ACK);
	}
	bed_walk(world, 0);
	CU_ASSERT_TRUE(is_fast(8));
	CU_ASSERT_FALSE(is_fast(9) || is_fast(33) || is_fast(36));
	CU_ASSERT_TRUE(is_before(8, 9) && is_before(9, 33) && is_before(33, 36));
	for (unsigned int i = 0; i < 40; i++)
		fast += is_fast(i);
	/* Others may have the same mark by chance; servers have, if it is a server's. */
	CU_ASSERT_TRUE(fast >= 30);
	bed_clear(world);
	put(9, true, PKT_ACK);
	bed_walk(world, 0);
	CU_ASSERT_TRUE(is_fast(0));
	close_world();
}

static void
test_strange_marks(void)
{
	for (enum strange strange = 0; strange < STRANGES; strange++) {
		check_strange(strange, true);
		check_strange(strange, false);
	}
}

/* What is wrong with one family leaves the other alone, and each has its order. */
static void
test_both_families(void)
{
	open_world(1, 512, FLOWS, SCENE_BOTH);
	for (unsigned int i = 0; i < 60; i++)
		put(i % FLOWS, i % 3 != 0, i == 4 || i == 5 ? PKT_FIN | PKT_ACK : PKT_ACK);
	bed_walk(world, 0);
	check_all_sent();
	for (unsigned int i = 0; i < 60; i++) {
		bool ip6 = i % 2, own = i % FLOWS == 5 && i >= 5;

		CU_ASSERT_FALSE(is_fast(i) && (!ip6 || own));
		if (i >= FLOWS)
			CU_ASSERT_TRUE(is_before(i - FLOWS, i));
	}
	CU_ASSERT_TRUE(world->by_fast6 >= 20);
	close_world();
}

/* Of what others own nothing is taken, and it is handed over in its order. */
static void
test_handed_over(void)
{
	unsigned int handed_over = 0;

	open_world(3, 512, FLOWS, SCENE_IP6);
	for (unsigned int i = 0; i < 48; i++)
		put(i % FLOWS, true, PKT_ACK);
	bed_walk(world, 0);
	for (unsigned int i = 0; i < 48; i++) {
		bool owned = world->in[i].fate == BED_SENT;

		CU_ASSERT_TRUE(owned || world->in[i].fate == BED_HANDED_OVER);
		CU_ASSERT_FALSE(is_fast(i) && !owned);
		CU_ASSERT_EQUAL(world->in[i].owner, world->in[i % FLOWS].owner);
		if (i >= FLOWS)
			CU_ASSERT_TRUE(is_before(i - FLOWS, i));
		handed_over += !owned;
	}
	CU_ASSERT_TRUE(handed_over > 12 && handed_over < 42);
	CU_ASSERT_EQUAL(world->by_fast6, 48 - handed_over);
	close_world();
}

/* What others own does not keep the rest from going on, of however many clients it is. */
static void
test_among_others(void)
{
	unsigned int own = 0;

	open_world(4, 1024, 60, SCENE_IP6);
	for (unsigned int i = 0; i < 60; i++)
		put(i, true, PKT_ACK);
	bed_walk(world, 0);
	for (unsigned int i = 0; i < 60; i++) {
		CU_ASSERT_EQUAL(is_fast(i), world->in[i].fate == BED_SENT);
		own += is_fast(i);
	}
	CU_ASSERT_TRUE(own > 5 && own < 30);
	close_world();
}

/* In a table that is as full as it may be many flows are in their second buckets. */
static void
test_second_buckets(void)
{
	unsigned int second = 0, found = 0;

	open_world(1, SCENE_CONNECTIONS, SCENE_CONNECTIONS, SCENE_IP6);
	for (unsigned int i = 0; i < SCENE_CONNECTIONS; i += 48) {
		const struct fast6_burst *b = &world->fast6;

		for (unsigned int k = 0; k < 48; k++)
			put(i + k, k % 2 == 0, PKT_ACK);
		bed_walk(world, 0);
		check_all_sent();
		for (unsigned int k = 0; k < b->count; k++) {
			const struct fast6_pkt *p = &b->pkts[k];
			uint64_t hash = flow_hash(world->view.secret, FLOW_SLOTS_V6, &p->words);

			if (!p->flow)
				continue;
			found++;
			second += p->bucket !=
				&world->view.wide->buckets[flow_first(world->view.wide, hash)];
		}
		bed_clear(world);
	}
	CU_ASSERT_EQUAL(found, SCENE_CONNECTIONS);
	CU_ASSERT_TRUE(second > SCENE_CONNECTIONS / 20);
	CU_ASSERT_TRUE(second < SCENE_CONNECTIONS / 2);
	CU_ASSERT_EQUAL(world->by_fast6, found);
	close_world();
}

/* A reply of a flow whose way back is not known. */
static void
test_no_way_back(void)
{
	open_world(1, 512, FLOWS, SCENE_IP6);
	for (unsigned int i = 0; i < FLOWS; i++) {
		struct flow_key key = scene_key(&scene->connections[i]);
		uint64_t *flow = flow_lookup(world->tracker->flows, &key, world->tick);

		CU_ASSERT_PTR_NOT_NULL_FATAL(flow);
		put(i, false, PKT_ACK);
		flow_set(flow, flow_value_with_hop(*flow, 0));
	}
	bed_walk(world, 1);
	for (unsigned int i = 0; i < FLOWS; i++)
		CU_ASSERT_EQUAL(world->in[i].drop, SHUNT_DROP_NO_NEIGHBOR);
	close_world();
}

static const struct unit_test tests[] = {
	{ "kept back", test_kept_back },
	{ "new flow", test_new_flow },
	{ "strange marks", test_strange_marks },
	{ "both families", test_both_families },
	{ "handed over", test_handed_over },
	{ "among others", test_among_others },
	{ "second buckets", test_second_buckets },
	{ "no way back", test_no_way_back },
};

UNIT_MAIN("fast6_flows", tests)
