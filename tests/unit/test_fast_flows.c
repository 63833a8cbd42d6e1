/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path and single flows: who waits for whom, and how flows' ages go on. */
#include "fast_compare.h"
#include "fast_frames.h"
#include "unit.h"

#define FLOWS	       24
#define NEVER	       0xffff
#define CAPACITY_FLOWS (SCENE_CONNECTIONS + 16) /* so they are in second buckets too */

static struct bed_world *world;
static struct scene *scene;

/* Established flows, of which the first ones have a client each. */
static void
open_world(const struct fast_passes *passes, uint32_t workers)
{
	world = bed_world_create(passes, workers, CAPACITY_FLOWS);
	scene = scene_open(1, SCENE_WITH_NONE, SCENE_IP4, &world, 1);
	for (unsigned int i = 0; i < SCENE_CONNECTIONS; i++)
		scene->connections[i] = (struct scene_connection){
			.client = { 192, 0, 2, (uint8_t)(1 + i % FLOWS) },
			.port = (uint16_t)(40000 + i),
			.service = 1,
			.version = 4,
			.mac = 1,
		};
	scene_connect(scene, &world, 1);
}

static void
close_world(void)
{
	scene_close(scene);
	bed_world_destroy(world);
}

/* A frame of a flow; tagged: by a VLAN of id 0, which is none. */
static void
put(unsigned int flow, bool to_server, uint8_t flags, bool tagged)
{
	struct scene_frame f;

	scene_draw_frame(scene, world, flow, to_server, SCENE_CLEAN, &f);
	f.bytes[47] = flags;
	if (tagged) {
		memmove(f.bytes + 16, f.bytes + 12, f.length - 12);
		frame_put16(f.bytes + 12, 0x8100);
		frame_put16(f.bytes + 14, 0);
		f.length += 4;
	}
	bed_put(world, f.bytes, f.length);
}

/* The packets (a bit for each) that the fast path has sent. */
static uint64_t
sent_fast(void)
{
	const struct bed_judged *j = world->judged;
	uint64_t fit = j[0].fit | j[1].fit, sent = 0;

	for (; fit; fit &= fit - 1) {
		const struct bed_packet *p = world->fast.mbuf[__builtin_ctzll(fit)];

		sent |= FAST_BIT(p->index);
	}
	return sent;
}

static void
check_all_sent(void)
{
	for (unsigned int i = 0; i < world->in_count; i++)
		CU_ASSERT_EQUAL(world->in[i].fate, BED_SENT);
}

static uint64_t *
flow_of(unsigned int flow)
{
	const struct scene_connection *c = &scene->connections[flow];
	struct flow_key key = scene_key(c);
	uint64_t *value;

	/* Expired or not. */
	world->tracker->flows->timeouts = NULL;
	value = flow_lookup(world->tracker->flows, &key, 0);
	world->tracker->flows->timeouts = world->tracker->generation->timeouts;
	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	return value;
}

/* Behind one that is left all of its flow is, in both directions, and nobody else. */
static void
check_kept_back(const struct fast_passes *passes)
{
	uint64_t own = 0, mark;

	open_world(passes, 1);
	for (unsigned int i = 0; i < 40; i++) {
		unsigned int flow = i % FLOWS;

		/* The 13th packet is a FIN, the 37th the same flow's next. */
		put(i == 36 ? 12 : flow, i != 38, i == 12 ? PKT_FIN | PKT_ACK : PKT_ACK, false);
	}
	bed_walk(world, 0);
	check_all_sent();
	mark = world->view.kept_back;
	CU_ASSERT_EQUAL(__builtin_popcountll(mark), 1);
	for (unsigned int i = 0; i < world->fast.count; i++) {
		if (1ull << (world->fast.hash[i] & 63) == mark && i >= 12)
			own |= FAST_BIT(i);
	}
	CU_ASSERT_TRUE((own & FAST_BIT(12)) && (own & FAST_BIT(36)));
	CU_ASSERT_EQUAL(sent_fast(), (FAST_BIT(40) - 1) & ~own);
	CU_ASSERT_TRUE(world->in[12].turn < world->in[36].turn);
	CU_ASSERT_EQUAL(flow_state(*flow_of(12)), FLOW_FIN_CLIENT);
	CU_ASSERT_EQUAL(world->fast.strange_count, 0);
	close_world();
}

/* Behind a strange one its whole flow is strange, in both directions. */
static void
check_strange_marks(const struct fast_passes *passes)
{
	open_world(passes, 1);
	for (unsigned int i = 0; i < 40; i++) {
		/* Of another client each, so of another mark, nearly; back to the first ones. */
		put(i == 36 ? 9 : i % FLOWS, i != 36, PKT_ACK, i == 9);
	}
	bed_walk(world, 0);
	check_all_sent();
	CU_ASSERT_EQUAL(sent_fast() & (FAST_BIT(9) | FAST_BIT(33) | FAST_BIT(36)), 0);
	/* Others may have the same mark by chance. */
	CU_ASSERT_TRUE(__builtin_popcountll(sent_fast()) >= 30);
	CU_ASSERT_TRUE(world->in[9].turn < world->in[33].turn);
	CU_ASSERT_TRUE(world->in[33].turn < world->in[36].turn);
	/* In the next burst it is over. */
	bed_clear(world);
	put(9, true, PKT_ACK, false);
	bed_walk(world, 0);
	CU_ASSERT_EQUAL(sent_fast(), 1);
	close_world();
}

/* What others own is handed over in its order too. */
static void
check_handed_over(const struct fast_passes *passes)
{
	unsigned int before = 0, behind = 0;

	open_world(passes, 3);
	for (unsigned int i = 0; i < 48; i++)
		put(i % FLOWS, true, PKT_ACK, i == 20);
	bed_walk(world, 0);
	before = world->fast.foreign_count;
	for (unsigned int i = 0; i < 48; i++) {
		bool owned = world->in[i].fate == BED_SENT;

		CU_ASSERT_TRUE(owned || world->in[i].fate == BED_HANDED_OVER);
		/* A flow has one owner. */
		CU_ASSERT_EQUAL(world->in[i].fate, world->in[i % FLOWS].fate);
		CU_ASSERT_EQUAL(world->in[i].owner, world->in[i % FLOWS].owner);
		if (i >= FLOWS && !owned)
			CU_ASSERT_TRUE(world->in[i].turn > world->in[i % FLOWS].turn);
		behind += i > 20 && !owned;
	}
	CU_ASSERT_TRUE(before > 5 && before < 20);
	/* From the strange one on all that is foreign is. */
	CU_ASSERT_TRUE(world->fast.strange_count >= behind);
	close_world();
}

/* Packets of all flows, of which the entries are of this age: which are they then? */
static void
check_age(uint16_t age, uint16_t limit)
{
	for (unsigned int i = 0; i < FLOWS; i++) {
		uint64_t *flow = flow_of(i);

		flow_set(flow,
			flow_value_update(
				*flow, FLOW_ESTABLISHED, 0, (uint16_t)(world->tick - age)) |
				(i % 3 ? FLOW_COUNTED : 0));
		put(i, true, PKT_ACK, false);
	}
	bed_walk(world, 0);
	check_all_sent();
	bed_clear(world);
	CU_ASSERT_EQUAL(sent_fast(), age <= limit ? FAST_BIT(FLOWS) - 1 : 0);
	for (unsigned int i = 0; i < FLOWS; i++) {
		uint64_t value = *flow_of(i);
		uint16_t now = world->tick - flow_last_seen(value);

		/* Written when it is stale, and not before; begun anew if it has expired. */
		CU_ASSERT_EQUAL(now, age > limit >> FLOW_STALE_SHIFT ? 0 : age);
		CU_ASSERT_EQUAL(flow_state(value), age <= limit ? FLOW_ESTABLISHED : FLOW_SYN);
		if (age <= limit && i % 3)
			CU_ASSERT_TRUE(value & FLOW_COUNTED);
	}
}

static void
check_ages(const struct fast_passes *passes)
{
	uint16_t limit, stale;

	open_world(passes, 1);
	limit = scene->generation->timeouts[1].ticks[FLOW_ESTABLISHED];
	stale = limit >> FLOW_STALE_SHIFT;
	CU_ASSERT_TRUE_FATAL(stale > 2);
	/* The clock goes round meanwhile. */
	for (unsigned int round = 0; round < 2; round++) {
		world->tick = round ? 3 : 20000;
		for (uint16_t age = 0; age <= stale + 2; age++)
			check_age(age, limit);
		check_age(limit - 1, limit);
		check_age(limit, limit);
		check_age(limit + 1, limit);
		check_age(NEVER, limit);
	}
	close_world();
}

/* All flows are found, in whichever bucket they are. */
static void
check_buckets(const struct fast_passes *passes)
{
	unsigned int second = 0;

	open_world(passes, 1);
	for (unsigned int i = 0; i < SCENE_CONNECTIONS; i += FLOWS) {
		for (unsigned int k = 0; k < FLOWS; k++)
			put(i + k, true, PKT_ACK, false);
		bed_walk(world, 0);
		check_all_sent();
		CU_ASSERT_EQUAL(sent_fast(), FAST_BIT(FLOWS) - 1);
		second += (unsigned int)__builtin_popcountll(world->judged[1].fit);
		bed_clear(world);
	}
	CU_ASSERT_TRUE(second > SCENE_CONNECTIONS / 40);
	close_world();
}

/* A reply of a flow whose way back is not known. */
static void
check_no_way_back(const struct fast_passes *passes)
{
	open_world(passes, 1);
	for (unsigned int i = 0; i < FLOWS; i++) {
		uint64_t *flow = flow_of(i);

		put(i, false, PKT_ACK, false);
		flow_set(flow, flow_value_with_hop(*flow, 0));
	}
	bed_walk(world, 1);
	for (unsigned int i = 0; i < FLOWS; i++)
		CU_ASSERT_EQUAL(world->in[i].drop, SHUNT_DROP_NO_NEIGHBOR);
	CU_ASSERT_EQUAL(world->fast.count, FLOWS);
	close_world();
}

/* The walk of what has been put, which is then taken away. */
static void
walk_on(uint8_t port)
{
	bed_walk(world, port);
	bed_clear(world);
}

/* New flows among packets of others: what comes of their SYNs is counted as the stages do it. */
static void
check_asked(const struct fast_passes *passes)
{
	uint64_t unanswered = 0, refused = 0;

	open_world(passes, 1);
	for (unsigned int i = 0; i < FLOWS; i++)
		flow_set(flow_of(i), flow_value_update(*flow_of(i), FLOW_CLOSED, 0, world->tick));
	for (unsigned int i = 0; i < 2 * FLOWS; i++)
		put(i, true, i < FLOWS ? PKT_SYN : PKT_ACK, false);
	walk_on(0);
	/* A third is refused, the next answered; the last one's clients ask again and again. */
	for (unsigned int i = 0; i < 2 * FLOWS; i++) {
		if (i >= FLOWS || i % 3 < 2)
			put(i, false,
				i >= FLOWS	     ? PKT_ACK
					: i % 3 == 0 ? PKT_RST | PKT_ACK
						     : PKT_SYN | PKT_ACK,
				false);
	}
	walk_on(1);
	for (unsigned int k = 0; k < 3; k++) {
		for (unsigned int i = 0; i < 2 * FLOWS; i++) {
			if (i % 3 == 2 || i % 3 == 1)
				put(i, true, i < FLOWS ? PKT_SYN : PKT_ACK, false);
		}
		walk_on(0);
		world->tick++;
	}
	for (uint32_t id = 1; id <= 2 * SCENE_SERVERS; id++) {
		unanswered += world->tracker->servers[id].syn_unanswered;
		refused += world->tracker->servers[id].syn_refused;
	}
	CU_ASSERT_EQUAL(unanswered, FLOWS / 3);
	CU_ASSERT_EQUAL(refused, FLOWS / 3);
	close_world();
}

static void
test_asked(void)
{
	check_asked(NULL);
	check_asked(fast_passes(true));
	check_asked(fast_passes(false));
}

static void
both(void (*check)(const struct fast_passes *passes))
{
	check(fast_passes(true));
	check(fast_passes(false));
}

static void
test_kept_back(void)
{
	both(check_kept_back);
}

static void
test_strange_marks(void)
{
	both(check_strange_marks);
}

static void
test_handed_over(void)
{
	both(check_handed_over);
}

static void
test_no_way_back(void)
{
	both(check_no_way_back);
}

static void
test_buckets(void)
{
	both(check_buckets);
}

static void
test_ages(void)
{
	both(check_ages);
}

/* With an age that lags as much as it may, a flow lives for its timeout all the same. */
static void
test_timeouts_have_slack(void)
{
	struct object_store *objects = object_store_create();
	struct generation_error error;
	struct generation *g;
	int result = 0;
	const uint32_t ids = 2000, step = SHUNT_MAX_TIMEOUT_MS / ids;

	CU_ASSERT_PTR_NOT_NULL_FATAL(objects);
	helper_put_settings(objects);
	helper_put_backend(objects, 1, SHUNT_SOURCE, NULL, 0, 0);
	for (uint32_t id = 1; id <= ids; id++) {
		struct shunt_service s =
			helper_service("198.51.100.10", (uint16_t)id, SHUNT_TCP, 1);

		s.timeout_established_ms = id < 1000 ? id * 500 : id * step;
		s.timeout_udp_ms = id;
		helper_put(objects, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
	}
	g = generation_create(objects, 1, NULL, 1, &error, &result);
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	for (uint32_t id = 1; id <= ids; id++) {
		const struct flow_timeouts *t = &g->timeouts[id];
		uint32_t ms = id < 1000 ? id * 500 : id * step;
		uint32_t ticks = (ms + SHUNT_FLOW_TICK_MS - 1) / SHUNT_FLOW_TICK_MS + 1;
		uint32_t limit = t->ticks[FLOW_ESTABLISHED];

		/* No longer than a 16th more, and with room for the sweep before it goes round. */
		CU_ASSERT_TRUE(limit - (limit >> FLOW_STALE_SHIFT) >= ticks);
		CU_ASSERT_TRUE(limit <= ticks + ticks / 16);
		CU_ASSERT_TRUE(limit < 3 * (UINT16_MAX / 4));
		CU_ASSERT_TRUE(t->ticks[FLOW_UDP] >= 2);
	}
	generation_destroy(g);
	object_store_destroy(objects);
}

static const struct unit_test tests[] = {
	{ "kept back", test_kept_back },
	{ "strange marks", test_strange_marks },
	{ "handed over", test_handed_over },
	{ "buckets", test_buckets },
	{ "no way back", test_no_way_back },
	{ "ages", test_ages },
	{ "what comes of SYNs", test_asked },
	{ "timeouts have slack", test_timeouts_have_slack },
};

UNIT_MAIN("fast_flows", tests)
