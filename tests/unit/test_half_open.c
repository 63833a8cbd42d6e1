/* SPDX-License-Identifier: BSD-3-Clause */
/* Half-open flows: counted, and bounded apart from all others. */
#include "path.h"
#include "unit.h"

#define MOST 8

static void
open_path(struct path *path, uint8_t forward, enum shunt_algorithm algorithm)
{
	path_open(path, 4, algorithm, CAPACITY);
	path->forward = forward;
	path->sources = 1;
	path_publish(path);
	path->tracker->half_open_max = MOST;
}

static struct shunt_worker_stats *
stats(const struct path *path)
{
	return shunt_stats_worker(path->stats, 0);
}

/* From random sources, each with its own port. */
static void
flood(struct path *path, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		request(path, SHUNT_TCP, 1000 + i, (uint16_t)(2000 + i), PKT_SYN);
}

static void
test_counted_through_a_life(void)
{
	struct path path;

	open_path(&path, SHUNT_NAT, SHUNT_SOURCE);
	for (uint32_t i = 0; i < 3; i++) {
		struct result r = request(&path, SHUNT_TCP, i, 4000, PKT_SYN);

		CU_ASSERT_EQUAL(stats(&path)->half_open, i + 1);
		reply(&path, SHUNT_TCP, r.p.server, i, 4000, PKT_SYN | PKT_ACK);
		CU_ASSERT_EQUAL(stats(&path)->half_open, i + 1);
	}
	request(&path, SHUNT_TCP, 0, 4000, PKT_ACK); /* established */
	CU_ASSERT_EQUAL(stats(&path)->half_open, 2);
	request(&path, SHUNT_TCP, 1, 4000, PKT_FIN | PKT_ACK);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 1);
	request(&path, SHUNT_UDP, 9, 4000, 0);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 1);
	/* What a closed flow's port begins anew. */
	reply(&path, SHUNT_TCP, connect_client(&path, 7, 5000), 7, 5000, PKT_FIN | PKT_ACK);
	request(&path, SHUNT_TCP, 7, 5000, PKT_FIN | PKT_ACK);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 1);
	request(&path, SHUNT_TCP, 7, 5000, PKT_SYN);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 2);
	/* And they go by the sweep, or by an insert in their place. */
	path.tick = (uint16_t)(path.tick + SYN_TICKS);
	track_sweep(path.tracker, 4 * CAPACITY, path.tick);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 0);
	CU_ASSERT_EQUAL(path.tracker->half_open, 0);
	path_close(&path);
}

static void
test_refused_and_reset(void)
{
	struct path path;
	struct result r;

	open_path(&path, SHUNT_NAT, SHUNT_SOURCE);
	r = request(&path, SHUNT_TCP, 1, 4000, PKT_SYN);
	reply(&path, SHUNT_TCP, r.p.server, 1, 4000, PKT_RST | PKT_ACK);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 0);
	path_close(&path);
}

/*
 * Beyond the bound SYNs make nothing, and what is established goes on; with dr an honest client
 * gets its flow by its ACK, at the server that its SYN went to, whatever the algorithm.
 */
static void
test_direct_goes_stateless(void)
{
	static const enum shunt_algorithm algorithms[] = { SHUNT_SOURCE, SHUNT_ROUNDROBIN,
		SHUNT_LEASTCONN };

	for (unsigned int i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		struct path path;
		uint32_t server;
		uint64_t created;

		open_path(&path, SHUNT_DR, algorithms[i]);
		server = request(&path, SHUNT_TCP, 1, 4000, PKT_SYN).p.server;
		request(&path, SHUNT_TCP, 1, 4000, PKT_ACK);
		flood(&path, 500);
		CU_ASSERT_EQUAL(stats(&path)->half_open, MOST);
		CU_ASSERT_EQUAL(flow_count(path.tracker->flows), MOST + 1);
		CU_ASSERT_EQUAL(stats(&path)->half_open_over, 500 - MOST);
		CU_ASSERT_EQUAL(stats(&path)->untracked, 500 - MOST);
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, 4000, PKT_ACK).p.server, server);

		created = stats(&path)->flows_created;
		for (uint32_t client = 20; client < 60; client++) {
			uint32_t first = request(&path, SHUNT_TCP, client, 4000, PKT_SYN).p.server;

			for (unsigned int k = 0; k < 3; k++)
				CU_ASSERT_EQUAL(
					request(&path, SHUNT_TCP, client, 4000, PKT_ACK).p.server,
					first);
		}
		CU_ASSERT_EQUAL(stats(&path)->flows_created, created + 40);
		CU_ASSERT_EQUAL(flow_count(path.tracker->flows), MOST + 41);
		/* When the flood is over, flows begin with their SYNs again. */
		path.tick = (uint16_t)(path.tick + SYN_TICKS);
		track_sweep(path.tracker, 4 * CAPACITY, path.tick);
		CU_ASSERT_EQUAL(stats(&path)->half_open, 0);
		request(&path, SHUNT_TCP, 99, 4000, PKT_SYN);
		CU_ASSERT_EQUAL(stats(&path)->half_open, 1);
		path_close(&path);
	}
}

/* ACKs of random sources have their bound too. */
static void
test_acks_are_bounded(void)
{
	struct path path;

	open_path(&path, SHUNT_DR, SHUNT_SOURCE);
	for (uint32_t i = 0; i < 500; i++)
		request(&path, SHUNT_TCP, 1000 + i, 4000, PKT_ACK);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 2 * MOST);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 2 * MOST);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 2000, 4000, PKT_ACK).p.drop, 0);
	path_close(&path);
}

/* Full NAT has nothing to go by but an entry, so it says why it drops. */
static void
test_fullnat_drops(void)
{
	struct path path;

	open_path(&path, SHUNT_FULLNAT, SHUNT_SOURCE);
	flood(&path, 100);
	CU_ASSERT_EQUAL(stats(&path)->half_open, MOST);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, 4000, PKT_SYN).p.drop, SHUNT_DROP_HALF_OPEN);
	CU_ASSERT_EQUAL(request(&path, SHUNT_UDP, 1, 4000, 0).p.drop, 0);
	path_close(&path);
}

static void
test_share_by_default(void)
{
	static const uint64_t seed[2] = { 1, 2 };
	struct shunt_stats *all = make_stats();
	struct tracker *t = tracker_create(all, 0, 4000, seed);

	CU_ASSERT_EQUAL(t->half_open_max, 1000);
	tracker_destroy(t);
	munmap(all, shunt_stats_bytes(1));
}

static const struct unit_test tests[] = {
	{ "counted through a life", test_counted_through_a_life },
	{ "refused", test_refused_and_reset },
	{ "dr goes stateless", test_direct_goes_stateless },
	{ "ACKs are bounded", test_acks_are_bounded },
	{ "full NAT drops", test_fullnat_drops },
	{ "share by default", test_share_by_default },
};

UNIT_MAIN("half_open", tests)
