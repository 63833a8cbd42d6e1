/* SPDX-License-Identifier: BSD-3-Clause */
/* What is between mbufs and the fast path, without a NIC: its end, to transmit, is the test's. */
#include "worker_impl.h"

#include "fast_compare.h"
#include "fast_frames.h"
#include "unit.h"

#define FLOWS 16
#define COUNT 48 /* packets */

/* An mbuf as a driver gives it, in memory of its own. */
struct buffer {
	struct rte_mbuf mbuf;
	uint8_t room[RTE_PKTMBUF_HEADROOM + FRAME_MAX_BYTES];
};

static struct bed_world *world;
static struct scene *scene;
static struct worker *worker;
static struct buffer *buffers;
static struct rte_mbuf *mbufs[COUNT];
static unsigned int owner_count;

void
tx_owner(struct tx *tx, struct rte_mbuf *mbuf, uint8_t in_port, uint32_t owner)
{
	CU_ASSERT_PTR_EQUAL(tx, &worker->tx);
	CU_ASSERT_PTR_NOT_NULL(mbuf);
	CU_ASSERT_EQUAL(in_port, 0);
	CU_ASSERT_EQUAL(owner, 0);
	owner_count++;
}

/* There is room for all in a batch, and all queues are the worker's own. */
void
tx_flush_port(struct tx *tx, uint32_t port)
{
	(void)tx;
	CU_FAIL("a batch is full");
	(void)port;
}

void
tx_by_worker(struct tx *tx, struct rte_mbuf *mbuf, uint8_t port)
{
	(void)tx;
	(void)mbuf;
	(void)port;
	CU_FAIL("another worker's queue");
}

/* Connections of both families in turn. */
static void
open_worker(uint32_t workers)
{
	world = bed_world_create(fast_passes(true), workers, 512);
	scene = scene_open(1, SCENE_WITH_NONE, SCENE_BOTH, &world, 1);
	worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
	buffers = calloc(COUNT, sizeof(*buffers));
	if (!worker || !buffers)
		abort();
	for (unsigned int i = 0; i < SCENE_CONNECTIONS; i++) {
		struct scene_connection *c = &scene->connections[i];

		*c = (struct scene_connection){
			.client = { 192, 0, 3, (uint8_t)(1 + i % FLOWS) },
			.port = 40000,
			.service = 1,
			.version = 4,
			.mac = 1,
		};
		if (i % 2)
			scene_widen(c);
	}
	scene_connect(scene, &world, 1);
	memset((void *)worker, 0, sizeof(*worker));
	worker->tracker = world->tracker;
	worker->passes = world->passes;
	worker->count = workers;
	worker->owner_seed = PATH_OWNER_SEED;
	worker->tick = world->tick;
	worker->least_mtu = world->least_mtu;
	memcpy(worker->port_macs, world->macs, sizeof(world->macs));
	memset(worker->tx.owned, true, sizeof(worker->tx.owned));
	fast_view_bind(&worker->view, worker->tracker, worker->port_macs, worker->least_mtu);
	owner_count = 0;
}

static void
close_worker(void)
{
	scene_close(scene);
	bed_world_destroy(world);
	free(worker);
	free(buffers);
}

/* Packet i: of flow i, with some bytes behind it as a wire's padding is. */
static void
fill(unsigned int i, bool to_server, uint8_t flags)
{
	struct rte_mbuf *m = &buffers[i].mbuf;
	struct scene_frame f;

	scene_draw_frame(scene, world, i % FLOWS, to_server, SCENE_CLEAN, &f);
	f.bytes[scene_l4(&scene->connections[i]) + 13] = flags;
	memset(f.bytes + f.length, 0x5a, 8);
	memset((void *)m, 0, sizeof(*m));
	m->buf_addr = buffers[i].room;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->nb_segs = 1;
	m->data_len = (uint16_t)(f.length + 8);
	m->pkt_len = m->data_len;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), f.bytes, m->data_len);
	mbufs[i] = m;
}

static void
fill_all(bool to_server)
{
	for (unsigned int i = 0; i < COUNT; i++)
		fill(i, to_server, PKT_ACK);
}

/* As worker_process() calls them. Returns how many are left to the stages, which are in mbufs. */
static unsigned int
walk(uint8_t port)
{
	uint64_t left, found;

	worker_fast_take(worker, mbufs, COUNT, port);
	left = worker_fast_forward(worker, &found);
	if (worker->fast.strange_count)
		worker_fast6(worker, port);
	return worker_fast_strange(worker, left, mbufs);
}

static unsigned int
transmitted(void)
{
	unsigned int n = 0;

	for (unsigned int port = 0; port < SHUNT_MAX_PORTS; port++)
		n += worker->tx.to_port[port].count;
	return n;
}

/* Those of a batch are as long as it says, and without what was behind the packets. */
static void
check_batch(uint8_t port)
{
	const struct tx_batch *batch = &worker->tx.to_port[port];
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < batch->count; i++) {
		struct rte_mbuf *m = batch->mbufs[i];
		const uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + FAST_L3;
		unsigned int whole = ip[0] >> 4 == 4 ? FAST_L3 + frame_get16(ip + 2)
						     : FAST6_L4 + frame_get16(ip + 4);

		CU_ASSERT_EQUAL(m->data_len, whole);
		CU_ASSERT_EQUAL(m->pkt_len, whole);
		CU_ASSERT_EQUAL(memcmp(ip - FAST_L3 + 6, &worker->port_macs[port], 6), 0);
		bytes += whole;
	}
	CU_ASSERT_EQUAL(batch->bytes, bytes);
}

static void
test_both_families(void)
{
	for (unsigned int to_server = 0; to_server < 2; to_server++) {
		open_worker(1);
		fill_all(to_server);
		CU_ASSERT_EQUAL(walk(0), 0);
		CU_ASSERT_EQUAL(transmitted(), COUNT);
		for (uint8_t port = 0; port < BED_PORTS; port++)
			check_batch(port);
		close_worker();
	}
}

/* What is left of either family comes in the order in which it was received, untouched. */
static void
test_what_is_left(void)
{
	static uint8_t before[COUNT][FRAME_MAX_BYTES];
	unsigned int left, next = 0;

	open_worker(1);
	for (unsigned int i = 0; i < COUNT; i++) {
		fill(i, true, i % 3 == 0 && i % FLOWS > 11 ? PKT_FIN | PKT_ACK : PKT_ACK);
		memcpy(before[i], rte_pktmbuf_mtod(mbufs[i], uint8_t *), mbufs[i]->data_len);
	}
	left = walk(0);
	CU_ASSERT_TRUE(left >= 4 && left < COUNT / 2);
	CU_ASSERT_EQUAL(transmitted(), COUNT - left);
	for (unsigned int i = 0; i < left; i++) {
		unsigned int at = (unsigned int)((struct buffer *)mbufs[i] - buffers);

		CU_ASSERT_TRUE(i == 0 || at > next);
		CU_ASSERT_EQUAL(memcmp(before[at], rte_pktmbuf_mtod(mbufs[i], uint8_t *),
					mbufs[i]->data_len),
			0);
		next = at;
	}
	close_worker();
}

/* A port that serves a VLAN has no untagged packets to forward, from whomever they are. */
static void
test_port_of_a_vlan(void)
{
	for (unsigned int to_server = 0; to_server < 2; to_server++) {
		open_worker(1);
		worker->port_vlans[0][0] = 10;
		fill_all(to_server);
		CU_ASSERT_EQUAL(walk(0), COUNT);
		CU_ASSERT_EQUAL(transmitted(), 0);
		for (unsigned int i = 0; i < COUNT; i++)
			CU_ASSERT_PTR_EQUAL(mbufs[i], &buffers[i].mbuf);
		/* The others serve none. */
		worker->port_vlans[0][0] = 0;
		worker->port_vlans[1][0] = 10;
		CU_ASSERT_EQUAL(walk(0), 0);
		CU_ASSERT_EQUAL(transmitted(), COUNT);
		close_worker();
	}
}

/* Those of IPv4 that others own are handed over at once; those of IPv6 by the stages. */
static void
test_several_workers(void)
{
	unsigned int left, foreign = 0;

	open_worker(2);
	for (unsigned int i = 0; i < COUNT; i++) {
		const struct scene_connection *c = &scene->connections[i];
		uint32_t hash =
			classify_owner_hash(c->client, c->version, htons(c->port), PATH_OWNER_SEED);

		fill(i, true, PKT_ACK);
		foreign += worker_owner(hash, 2) != 1;
	}
	left = walk(0);
	CU_ASSERT_TRUE(left > 0 && owner_count > 0 && transmitted() > 0);
	CU_ASSERT_EQUAL(left + owner_count, foreign);
	CU_ASSERT_EQUAL(transmitted(), COUNT - foreign);
	close_worker();
}

static const struct unit_test tests[] = {
	{ "both families", test_both_families },
	{ "what is left", test_what_is_left },
	{ "port of a VLAN", test_port_of_a_vlan },
	{ "several workers", test_several_workers },
};

UNIT_MAIN("worker_fast", tests)
