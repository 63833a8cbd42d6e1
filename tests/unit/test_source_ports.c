/* SPDX-License-Identifier: BSD-3-Clause */
/* Source ports against a reference over random traces; slices, exhaustion, holding, order. */
#include "source_ports.h"
#include "flow_table.h"
#include "objects_helper.h"
#include "owner.h"

#define CLIENTS 3000
#define SERVERS 6

static const uint64_t seed[2] = { 11, 22 };
static const uint8_t sources[3] = { 1, 7, 255 };

/* A flow as the test remembers it. */
struct flow {
	struct source_port *entry; /* NULL: none */
	struct source_port copy;
	uint32_t server;
};

static uint64_t
tag_of(const struct source_ports *t, uint32_t server)
{
	const uint8_t address[4] = { 10, 0, 0, (uint8_t)server };

	return source_ports_tag(t, address, 4, htons(80), SHUNT_TCP);
}

static struct source_port
flow_of(uint32_t client)
{
	struct source_port flow = {
		.client_port_be = (uint16_t)client,
		.service = (uint16_t)(1 + client % 100),
		.hop = (uint16_t)(client * 3),
		.service_port_be = htons(80),
	};

	memcpy(flow.client, &client, sizeof(client));
	return flow;
}

/* Every flow is found with all that was said of it, and no two have one key. */
static void
check_all(struct source_ports *t, const struct flow *flows)
{
	static uint64_t keys[CLIENTS];
	uint32_t count = 0;
	bool good = true;

	for (uint32_t i = 0; i < CLIENTS; i++) {
		const struct flow *f = &flows[i];

		if (!f->entry)
			continue;
		good &= source_ports_find(t, tag_of(t, f->server), source_port_source(&f->copy),
				source_port_number(&f->copy)) == f->entry;
		good &= memcmp(f->entry, &f->copy, sizeof(f->copy)) == 0;
		for (uint32_t k = 0; k < count; k++)
			good &= keys[k] != f->copy.key;
		keys[count++] = f->copy.key;
	}
	CU_ASSERT_TRUE(good);
	CU_ASSERT_EQUAL(source_ports_live(t), count);
}

static void
random_trace(uint32_t worker, uint32_t workers)
{
	struct source_ports *t = source_ports_create(CLIENTS / 2, worker, workers, seed);
	struct flow *flows = calloc(CLIENTS, sizeof(*flows));
	uint64_t state = 7 + worker;
	uint32_t first = source_ports_first_port(t), refused = 0;
	uint16_t tick = 65000; /* wraps on the way */

	for (uint32_t step = 0; step < 30000; step++) {
		struct flow *f = &flows[helper_random(&state) % CLIENTS];
		struct source_port flow = flow_of((uint32_t)(f - flows));

		if (f->entry) {
			source_ports_release(t, f->entry, helper_random(&state) % 2, tick);
			f->entry = NULL;
		} else {
			f->server = (uint32_t)(helper_random(&state) % SERVERS);
			f->entry = source_ports_take(
				t, tag_of(t, f->server), f->server, sources, 3, &flow, tick);
			refused += f->entry == NULL;
			if (f->entry) {
				f->copy = *f->entry;
				flow.key = f->entry->key;
				CU_ASSERT_EQUAL(memcmp(&f->copy, &flow, sizeof(flow)), 0);
				CU_ASSERT_TRUE(source_port_number(f->entry) >= first &&
					source_port_number(f->entry) <
						first + source_ports_slice(t));
			}
		}
		tick += helper_random(&state) % 50 == 0;
		if (step % 3000 == 0)
			check_all(t, flows);
	}
	check_all(t, flows);
	/* Half of all clients at a time is more than the capacity and less than the entries. */
	CU_ASSERT_EQUAL(refused, 0);
	free(flows);
	source_ports_destroy(t);
}

static void
test_reference(void)
{
	random_trace(0, 1);
	random_trace(1, 3);
	random_trace(63, 64);
}

/* For any number of workers: each port has one owner, the one whose slice it is in. */
static void
test_slices(void)
{
	for (uint32_t workers = 1; workers <= SHUNT_MAX_WORKERS; workers++) {
		uint32_t next = SHUNT_MIN_SOURCE_PORT;
		bool good = true;

		for (uint32_t w = 0; w < workers; w++) {
			struct source_ports *t = source_ports_create(8, w, workers, seed);
			uint32_t slice = source_ports_slice(t);

			CU_ASSERT_EQUAL(source_ports_first_port(t), next);
			CU_ASSERT_TRUE(slice >= SOURCE_PORTS_COUNT / workers - 1 &&
				slice <= SOURCE_PORTS_COUNT / workers + 1);
			for (uint32_t i = 0; i < slice; i++, next++)
				good &= worker_owner(source_ports_owner_hash((uint16_t)next),
						workers) == w;
			source_ports_destroy(t);
		}
		CU_ASSERT_TRUE(good);
		CU_ASSERT_EQUAL(next, 65536);
	}
}

static void
test_memory(void)
{
	static const uint64_t flow_seed[2] = { 1, 2 };
	const uint32_t capacity = 1u << 20;
	struct flow_table *flows = flow_table_create(capacity, flow_seed);
	uint64_t cursors = source_ports_bytes(1) - SHUNT_CACHE_LINE;
	uint64_t bytes = flow_bytes(flows, 4) + source_ports_bytes(capacity) - cursors;

	CU_ASSERT_TRUE(bytes <= 77ull * capacity);
	CU_ASSERT_TRUE(source_ports_bytes(capacity) - cursors >=
		(uint64_t)capacity * 100 / FLOW_MAX_LOAD_PERCENT * sizeof(struct source_port));
	flow_table_destroy(flows);
}

/* A table with room for all: a server's ports are used up one by one, and then no flow is harmed.
 */
static void
test_exhaustion(void)
{
	struct source_ports *t = source_ports_create(40000, 5, 64, seed);
	const struct source_port flow = flow_of(1);
	uint32_t slice = source_ports_slice(t), got = 0, refused = 0;
	struct source_port **entries = calloc(slice, sizeof(*entries));
	struct source_port *entry;

	while (refused < 64) {
		entry = source_ports_take(t, tag_of(t, 1), 1, sources, 1, &flow, 5);
		if (entry && got < slice)
			entries[got] = entry;
		got += entry != NULL;
		refused += entry == NULL;
	}
	CU_ASSERT_EQUAL_FATAL(got, slice);
	CU_ASSERT_EQUAL(source_ports_live(t), slice);
	for (uint32_t i = 0; i < slice; i++)
		CU_ASSERT_EQUAL(entries[i]->service, flow.service);
	/* Another server has all its ports still, and so has another address. */
	CU_ASSERT_PTR_NOT_NULL(source_ports_take(t, tag_of(t, 2), 2, sources, 1, &flow, 5));
	CU_ASSERT_PTR_NOT_NULL(source_ports_take(t, tag_of(t, 1), 1, sources + 1, 1, &flow, 5));
	/* One of 1008 becomes free: it is found, though not by each try, and by one flow only. */
	source_ports_release(t, entries[slice / 2], false, 5);
	for (got = 0, refused = 0; refused < 64; refused++)
		got += source_ports_take(t, tag_of(t, 1), 1, sources, 1, &flow, 5) != NULL;
	CU_ASSERT_EQUAL(got, 1);
	CU_ASSERT_PTR_NULL(source_ports_take(t, tag_of(t, 1), 1, sources, 0, &flow, 5));
	free(entries);
	source_ports_destroy(t);
}

/* No entry is left: flows are refused, and those that are there stay. */
static void
test_table_full(void)
{
	struct source_ports *t = source_ports_create(100, 0, 1, seed);
	const uint32_t places = (source_ports_bytes(100) - source_ports_bytes(1)) / 32 + 2;
	const struct source_port flow = flow_of(1);
	uint32_t got = 0;

	for (uint32_t i = 0; i < 10000; i++)
		got += source_ports_take(t, tag_of(t, 1), 1, sources, 3, &flow, 5) != NULL;
	CU_ASSERT_EQUAL(got, places);
	CU_ASSERT_EQUAL(source_ports_live(t), places);
	CU_ASSERT_TRUE(places >= 100 * 100 / FLOW_MAX_LOAD_PERCENT);
	source_ports_destroy(t);
}

/* A port that has become free comes last, after all others have had their turn. */
static void
test_order(void)
{
	struct source_ports *t = source_ports_create(100000, 2, 64, seed);
	const struct source_port flow = flow_of(1);
	uint32_t slice = source_ports_slice(t);
	uint32_t *turn = calloc(65536, sizeof(*turn));

	for (uint32_t i = 1; i <= 3 * slice; i++) {
		struct source_port *e = source_ports_take(t, tag_of(t, 3), 3, sources, 1, &flow, 5);
		uint16_t port;

		CU_ASSERT_PTR_NOT_NULL_FATAL(e);
		port = source_port_number(e);
		CU_ASSERT_TRUE(turn[port] == 0 || i - turn[port] >= slice);
		turn[port] = i;
		source_ports_release(t, e, false, 5);
	}
	free(turn);
	source_ports_destroy(t);
}

/* A held port is not found, not given out while there is another, and free when its time is over.
 */
static void
test_holding(void)
{
	struct source_ports *t = source_ports_create(100000, 2, 64, seed);
	const struct source_port flow = flow_of(1);
	uint32_t slice = source_ports_slice(t);
	const uint16_t held = 65535, over = (uint16_t)(held + SOURCE_PORTS_HOLD_TICKS + 1);
	struct source_port *e = source_ports_take(t, tag_of(t, 3), 3, sources, 1, &flow, held);
	uint16_t port = source_port_number(e), other;

	source_ports_release(t, e, true, held);
	CU_ASSERT_EQUAL(source_ports_live(t), 0);
	CU_ASSERT_PTR_NULL(source_ports_find(t, tag_of(t, 3), sources[0], port));
	for (uint32_t i = 0; i < 2 * slice; i++) {
		e = source_ports_take(t, tag_of(t, 3), 3, sources, 1, &flow, over - 1);
		CU_ASSERT_PTR_NOT_NULL_FATAL(e);
		CU_ASSERT_NOT_EQUAL(source_port_number(e), port);
		source_ports_release(t, e, false, over - 1);
	}
	for (uint32_t i = 0, seen = 0; i < slice; i++) {
		e = source_ports_take(t, tag_of(t, 3), 3, sources, 1, &flow, over);
		other = source_port_number(e);
		seen += other == port;
		source_ports_release(t, e, false, over);
		if (i == slice - 1)
			CU_ASSERT_EQUAL(seen, 1);
	}
	source_ports_destroy(t);
}

/* When every port is held, the one that has been for longest goes first. */
static void
test_early_reuse(void)
{
	struct source_ports *t = source_ports_create(100000, 2, 64, seed);
	const struct source_port flow = flow_of(1);
	uint32_t slice = source_ports_slice(t);
	struct source_port *e;
	uint16_t oldest = 0;

	for (uint32_t i = 0; i < slice; i++) {
		e = source_ports_take(t, tag_of(t, 3), 3, sources, 1, &flow, 1);
		oldest = i == 0 ? source_port_number(e) : oldest;
		source_ports_release(t, e, true, (uint16_t)(1 + i * 20 / slice));
	}
	e = source_ports_take(t, tag_of(t, 3), 3, sources, 1, &flow, 22);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT_EQUAL(source_port_number(e), oldest);
	CU_ASSERT_EQUAL(source_ports_live(t), 1);
	source_ports_destroy(t);
}

static bool
lives(void *context, const struct source_port *entry, uint16_t tick)
{
	(void)tick;
	return entry->service != *(const uint16_t *)context;
}

/* The sweep holds what has no flow any more, frees what has been held, and leaves the rest. */
static void
test_sweep(void)
{
	struct source_ports *t = source_ports_create(200, 0, 1, seed);
	uint16_t gone = 2, buckets = 200;
	struct source_port *kept[50], *lost[50];
	struct source_port flow = flow_of(0);

	for (int i = 0; i < 50; i++) {
		flow.service = 1;
		kept[i] = source_ports_take(t, tag_of(t, 1), 1, sources, 3, &flow, 5);
		flow.service = gone;
		lost[i] = source_ports_take(t, tag_of(t, 1), 1, sources, 3, &flow, 5);
	}
	source_ports_sweep(t, buckets, lives, &gone, 10);
	CU_ASSERT_EQUAL(source_ports_live(t), 50);
	for (int i = 0; i < 50; i++) {
		CU_ASSERT_EQUAL(kept[i]->service, 1);
		CU_ASSERT_TRUE(lost[i]->service == 0 && lost[i]->key != 0);
	}
	source_ports_sweep(t, buckets, lives, &gone, 10 + SOURCE_PORTS_HOLD_TICKS);
	CU_ASSERT_NOT_EQUAL(lost[0]->key, 0);
	source_ports_sweep(t, buckets, lives, &gone, 10 + SOURCE_PORTS_HOLD_TICKS + 1);
	for (int i = 0; i < 50; i++)
		CU_ASSERT_TRUE(lost[i]->key == 0 && kept[i]->key != 0);
	source_ports_destroy(t);
}

static void
test_bad_arguments(void)
{
	CU_ASSERT_PTR_NULL(source_ports_create(0, 0, 1, seed));
	CU_ASSERT_PTR_NULL(source_ports_create(10, 1, 1, seed));
	source_ports_destroy(NULL);
}

static const struct unit_test tests[] = {
	{ "reference", test_reference },
	{ "slices of 1 to 64 workers", test_slices },
	{ "memory of a flow", test_memory },
	{ "a server's ports are used up", test_exhaustion },
	{ "full table", test_table_full },
	{ "freed ports come last", test_order },
	{ "held ports", test_holding },
	{ "held ports when there is no other", test_early_reuse },
	{ "sweep", test_sweep },
	{ "bad arguments", test_bad_arguments },
};

UNIT_MAIN("source_ports", tests)
