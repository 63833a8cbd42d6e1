/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The passes for eight packets at a time against the simple ones, on rows and tables that no
 * traffic would bring about so soon; and that neither reads beyond a table or a frame: behind each
 * is a page that cannot be read.
 */
#include <unistd.h>

#include "fast_compare.h"
#include "fast_judge.h"
#include "unit.h"

#define SERVERS_EIGHT  40 /* one past the greatest id */
#define SERVICES_EIGHT 12
#define HOPS	       16
#define ROUNDS	       60000
#define TICK	       1000

static uint64_t random_state = 1;

static uint32_t
below(uint32_t end)
{
	return (uint32_t)((frame_random(&random_state) >> 32) * end >> 32);
}

static bool
chance(uint32_t percent)
{
	return below(100) < percent;
}

/* Zeroed memory that ends where a page begins that cannot be read; it is never given back. */
static void *
guarded(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
	uint8_t *memory =
		mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory + room, page, PROT_NONE) < 0)
		abort();
	return memory + room - bytes;
}

/* The tables of a view, each as long as it says and no longer. */
struct tables {
	struct gen_server *servers;
	struct gen_service *services;
	struct flow_timeouts *timeouts;
	struct link *hops;
	uint64_t *flows; /* [FAST_ROOM] */
};

static void
draw_servers(struct tables *t)
{
	for (unsigned int i = 0; i < SERVERS_EIGHT; i++) {
		struct gen_server *s = &t->servers[i];

		frame_random_bytes(&random_state, s->address, 4);
		s->port_be = (uint16_t)below(65536);
		s->backend = (uint16_t)(1 + below(3));
		s->l3_sum = (uint16_t)(chance(5) ? 0xffff * below(2) : below(65536));
		s->l4_sum = (uint16_t)(chance(5) ? 0xffff * below(2) : below(65536));
		s->plain = (uint8_t)below(4);
		s->shared = (uint8_t)below(256);
	}
}

static void
draw_tables(struct tables *t)
{
	draw_servers(t);
	for (unsigned int i = 0; i < SERVICES_EIGHT; i++) {
		struct gen_service *s = &t->services[i];

		s->backend = (uint16_t)(1 + below(3));
		s->l3_sum = (uint16_t)(chance(5) ? 0xffff * below(2) : below(65536));
		s->l4_sum = (uint16_t)(chance(5) ? 0xffff * below(2) : below(65536));
		s->port_be = (uint16_t)below(65536);
		for (unsigned int k = 0; k < 8; k++)
			t->timeouts[i].ticks[k] =
				(uint16_t)(chance(50) ? 2 + below(60) : below(65536));
	}
	for (unsigned int i = 1; i < HOPS; i++)
		t->hops[i] = (struct link){
			.mac = { { 2, 0, 0, 0, 0, (uint8_t)below(3) } },
			.port = (uint8_t)below(2),
			.known = !chance(10),
			.vlan = { chance(10) ? 7 : 0, chance(10) ? 8 : 0 },
		};
}

static void
make_tables(struct tables *t, struct fast_view *v)
{
	t->servers = guarded(SERVERS_EIGHT * sizeof(*t->servers));
	t->services = guarded(SERVICES_EIGHT * sizeof(*t->services));
	t->timeouts = guarded(SERVICES_EIGHT * sizeof(*t->timeouts));
	t->hops = guarded(HOPS * sizeof(*t->hops));
	t->flows = guarded(FAST_ROOM * sizeof(*t->flows));
	memset(v, 0xa5, sizeof(*v));
	v->servers = t->servers;
	v->server_count = SERVERS_EIGHT;
	v->services = t->services;
	v->timeouts = t->timeouts;
	v->hops = t->hops;
	v->back = FAST_LINK_KNOWN;
	v->tick = TICK;
	v->least_mtu = 1400;
}

/* Of these chances most are for what goes on, so that all of eight often do. */
struct mood {
	bool to_server;
	uint32_t odd; /* percent: for each thing that may be wrong */
	uint32_t servers;
	uint32_t services;
	uint32_t hops;
};

static uint64_t
draw_value(const struct mood *m, const struct flow_timeouts *timeouts)
{
	static const uint8_t steady[] = { FLOW_ESTABLISHED, FLOW_FIN_CLIENT, FLOW_FIN_SERVER,
		FLOW_UDP };
	enum flow_state state = chance(m->odd) ? below(16) : steady[below(sizeof(steady))];
	uint16_t limit = timeouts->ticks[state & 7], hop = (uint16_t)(1 + below(m->hops));
	/* Around where something changes, or of now. */
	uint16_t ages[] = { 0, 0, (uint16_t)(limit >> FLOW_STALE_SHIFT),
		(uint16_t)((limit >> FLOW_STALE_SHIFT) + 1), limit, (uint16_t)(limit + 1),
		(uint16_t)below(65536) };
	uint16_t age = ages[chance(m->odd) ? below(7) : chance(70) ? 0 : below(4)];
	uint32_t server = chance(m->odd) ? below(SERVERS_EIGHT + 4) : 1 + below(m->servers);
	uint64_t value = flow_value(server, state, hop, (uint16_t)(TICK - age));

	if (chance(80))
		value |= (uint64_t)FLOW_CLAIMED << 16;
	if (chance(20))
		value |= (uint64_t)(FLOW_CHALLENGED | FLOW_SERVER_CLOSED_FIRST) << 16;
	if (chance(30))
		value |= FLOW_COUNTED; /* which is nobody's business here */
	if (chance(m->odd))
		value = flow_value_update(
			value, FLOW_CLOSED, FLOW_RESETTING, (uint16_t)(TICK - age));
	if (chance(m->odd))
		value = flow_value_update(
			value, state, flow_flags(value) | FLOW_TRANSLATED, flow_last_seen(value));
	if (chance(m->odd))
		value = flow_value_with_source(value, (uint8_t)below(256), hop);
	return value;
}

/* A packet that fits its flow, but for what may be odd. */
static void
draw_row(struct fast_burst *f, unsigned int i, const struct mood *m, const struct tables *t)
{
	uint16_t service = (uint16_t)(1 + below(m->services));
	uint64_t value = draw_value(m, &t->timeouts[service]);
	const struct gen_server *s = &t->servers[flow_server(value) % SERVERS_EIGHT];
	bool to_server = chance(m->odd) ? !m->to_server : m->to_server;

	f->key[i] = (uint64_t)service << 48 | below(1u << 31);
	f->hash[i] = frame_random(&random_state);
	t->flows[i] = f->value[i] = value;
	f->flow[i] = &t->flows[i];
	f->kind[i] = to_server ? PKT_TO_SERVER : PKT_TO_CLIENT;
	if (chance(m->odd))
		f->kind[i] |= FAST_SPECIAL;
	f->from[i] = fast_load64(&t->hops[flow_hop(value)]) & FAST_LINK_MAC;
	f->endpoint[i] = fast_load32(s->address) | (uint64_t)s->port_be << 32;
	if (chance(m->odd))
		f->from[i] ^= 1ull << below(48);
	if (chance(m->odd))
		f->endpoint[i] ^= 1ull << below(48);
	if (chance(m->odd))
		f->key[i] = (f->key[i] >> 32 << 32) | fast_load32(s->address);
	f->ip_bytes[i] = (uint16_t)(chance(m->odd) ? 1395 + below(10) : 60);
	f->checksums[i] = (uint32_t)frame_random(&random_state);
	if (chance(10))
		f->checksums[i] &= 0xffff;
	if (chance(10))
		f->checksums[i] |= 0xffff0000u;
}

/* None of these is translated, or being reset. */
static bool
are_plain(const struct fast_burst *rows, uint64_t these)
{
	bool plain = true;

	for (; these; these &= these - 1)
		plain &= !(flow_flags(rows->value[__builtin_ctzll(these)]) &
			(FLOW_TRANSLATED | FLOW_RESETTING));
	return plain;
}

/* Both passes on copies of the same rows. */
static bool
judge_both(struct fast_view *v, const struct fast_burst *rows, struct tables *t, uint64_t found,
	uint64_t *fit)
{
	const struct fast_passes *passes[2] = { fast_passes(true), fast_passes(false) };
	static struct fast_burst bursts[2];
	static struct bed_judged judged[2];
	uint64_t flows[2][FAST_ROOM], kept_back[2], before = v->kept_back;

	for (unsigned int k = 0; k < 2; k++) {
		memcpy(&bursts[k], rows, sizeof(*rows));
		v->kept_back = before;
		for (unsigned int i = 0; i < rows->count; i++)
			t->flows[i] = rows->value[i];
		judged[k].found = found;
		judged[k].fit = passes[k]->judge(v, &bursts[k], found);
		memcpy(judged[k].way, bursts[k].way, sizeof(judged[k].way));
		memcpy(judged[k].checksums, bursts[k].new_checksums, sizeof(judged[k].checksums));
		memcpy(flows[k], t->flows, sizeof(flows[k]));
		kept_back[k] = v->kept_back;
	}
	*fit = judged[0].fit;
	return are_plain(rows, *fit) && compare_judged(&judged[0], &judged[1]) &&
		kept_back[0] == kept_back[1] &&
		memcmp(flows[0], flows[1], rows->count * sizeof(flows[0][0])) == 0;
}

static void
test_judge(void)
{
	static struct fast_burst f;
	uint64_t fits = 0, whole = 0, wrong = 0, fit;
	struct fast_view v;
	struct tables t;

	make_tables(&t, &v);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		const struct mood mood = {
			.to_server = chance(50),
			.odd = chance(70) ? 0 : below(8),
			.servers = chance(50) ? 1 : SERVERS_EIGHT - 1,
			.services = chance(50) ? 1 : SERVICES_EIGHT - 1,
			.hops = chance(50) ? 1 : HOPS - 1,
		};
		uint64_t found;

		if (round % 16 == 0)
			draw_tables(&t);
		/* What is not set is not to be read. */
		memset((void *)&f, 0xa5, sizeof(f));
		f.count = 1 + below(PKT_BURST);
		for (unsigned int i = 0; i < f.count; i++)
			draw_row(&f, i, &mood, &t);
		found = f.count < 64 ? FAST_BIT(f.count) - 1 : UINT64_MAX;
		if (chance(30))
			found &= frame_random(&random_state);
		v.kept_back = chance(10) ? FAST_BIT(below(64)) : 0;
		wrong += !judge_both(&v, &f, &t, found, &fit);
		fits += (unsigned int)__builtin_popcountll(fit);
		whole += f.count >= FAST_GROUP && (fit & 0xff) == 0xff;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(fits > ROUNDS);
	CU_ASSERT_TRUE(whole > ROUNDS / 50);
}

/* Frames that end, and that begin, where a page does. */
static void
test_take_reads_frames_alone(void)
{
	static const uint32_t lengths[] = { 0, 1, 13, 14, 33, 34, 42, 53, 54, 55, 60, 63, 64 };
	struct bed_world *world = bed_world_create(fast_passes(false), 1, 64);
	struct scene *scene = scene_open(1, SCENE_WITH_NONE, SCENE_IP4, &world, 1);
	struct frame_spec spec = frame_default(4, SHUNT_TCP);
	struct shunt_addr vip = helper_addr(scene_services[0].address);
	uint8_t payload[10] = { 0 };
	struct fast_burst *f = &world->fast;
	void *in[PKT_BURST] = { NULL };

	memcpy(spec.dst, vip.bytes + 12, 4);
	spec.payload = payload;
	for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
		uint8_t frame[FRAME_MAX_BYTES];

		spec.payload_bytes = lengths[l] > 54 ? lengths[l] - 54 : 0;
		frame_build(frame, &spec);
		f->in_count = 2 * FAST_GROUP + 3;
		f->in_mbuf = in;
		for (unsigned int i = 0; i < f->in_count; i++) {
			f->in_frame[i] = guarded(lengths[l]);
			f->in_bytes[i] = (uint16_t)lengths[l];
			in[i] = f->in_frame[i];
			memcpy(f->in_frame[i], frame, lengths[l]);
		}
		for (unsigned int k = 0; k < 2; k++) {
			fast_view_bind(&world->view, world->tracker, world->macs, 1400);
			fast_view_begin(&world->view, 0, 1);
			fast_passes(k)->take(&world->view, f);
			CU_ASSERT_EQUAL(f->count, lengths[l] < 54 ? 0 : f->in_count);
			CU_ASSERT_EQUAL(f->strange_count, lengths[l] < 54 ? f->in_count : 0);
		}
	}
	scene_close(scene);
	bed_world_destroy(world);
}

/* The n-th port of TCP services at an address whose place in the table is the last. */
static uint16_t
last_place_port(const struct classify_plain *plain, uint32_t address, unsigned int n)
{
	uint16_t port = 0;

	do {
		port++;
	} while (classify_plain_place(plain, classify_plain_key(address, htons(port), SHUNT_TCP)) !=
			plain->mask ||
		n-- > 0);
	return port;
}

static void
put_plain(const struct classify_plain *plain, uint64_t key, uint16_t service)
{
	*classify_plain_find(plain, key) =
		(struct classify_plain_entry){ .key = key, .service = service };
}

/* A service that is displaced from the table's end to its beginning, and a server for its client.
 */
static void
test_end_of_table(void)
{
	struct bed_world *world = bed_world_create(fast_passes(false), 1, 64);
	struct scene *scene = scene_open(1, SCENE_WITH_NONE, SCENE_IP4, &world, 1);
	struct frame_spec spec = frame_default(4, SHUNT_TCP);
	struct classify_plain plain = {
		.entries = guarded(16 * sizeof(*plain.entries)),
		.mask = 15,
		.shift = 60,
		.displaced = true,
	};
	uint32_t address = fast_load32(spec.dst);
	uint16_t ports[2] = { last_place_port(&plain, address, 0),
		last_place_port(&plain, address, 1) };
	void *in[PKT_BURST];
	uint8_t frame[FRAME_MAX_BYTES];

	for (uint16_t i = 0; i < 2; i++)
		put_plain(&plain, classify_plain_key(address, htons(ports[i]), SHUNT_TCP), i + 1);
	put_plain(&plain,
		classify_plain_key(fast_load32(spec.src), htons(spec.sport), SHUNT_TCP) |
			CLASSIFY_PLAIN_SERVER,
		3);
	spec.dport = ports[1];
	for (unsigned int i = 0; i < FAST_GROUP; i++)
		bed_put(world, frame, (uint32_t)frame_build(frame, &spec));
	bed_take(world, in, 0);
	for (unsigned int k = 0; k < 2; k++) {
		world->view.plain = plain;
		world->view.last_endpoint = 0;
		world->view.strange_marks = 0;
		fast_passes(k)->take(&world->view, &world->fast);
		CU_ASSERT_EQUAL_FATAL(world->fast.count, FAST_GROUP);
		for (unsigned int i = 0; i < FAST_GROUP; i++) {
			CU_ASSERT_EQUAL(world->fast.kind[i], PKT_TO_SERVER);
			CU_ASSERT_EQUAL(world->fast.key[i] >> 48, 2);
		}
	}
	scene_close(scene);
	bed_world_destroy(world);
}

static const struct unit_test tests[] = {
	{ "judge: random rows", test_judge },
	{ "take: the end of the table", test_end_of_table },
	{ "take: reads frames and nothing else", test_take_reads_frames_alone },
};

int
main(void)
{
	if (fast_passes(false) == fast_passes(true))
		printf("This CPU has no AVX-512: the simple passes are held against themselves.\n");
	return unit_main("fast_eight", tests, sizeof(tests) / sizeof(tests[0]));
}
