/* SPDX-License-Identifier: BSD-3-Clause */
/* frag: one table, and two that hand over to each other, with a clock that is passed in. */
#include "unit.h"

#include "frag.h"
#include "fragments.h"
#include "parse.h"

#define PIECE	  64 /* bytes of each fragment */
#define PIECES	  4
#define SERVER	  77
#define HOP	  5
#define SERVICE	  9
#define NOW	  1000000
#define MAX_FATES 6000

static const uint64_t seed[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };

/* What has become of the fragments whose handles are 1 .. MAX_FATES - 1, and in which order. */
enum fate {
	FATE_NONE,
	FATE_FORWARDED,
	FATE_HANDED_OVER,
	FATE_DROPPED
};

static struct bench {
	struct frag_table *table;
	uint8_t fates[MAX_FATES];
	uint8_t reasons[MAX_FATES];
	unsigned int order[MAX_FATES];
	unsigned int count;
	unsigned int first_drop; /* what the stages say of first fragments */
	uint32_t flow_owner;
	uint32_t owner; /* of the last handed over */
} bench;

/* A fragment in memory that stays until bench_end(). */
static struct piece {
	uint8_t frame[512];
} pieces[MAX_FATES];

static void
bench_begin(void)
{
	memset(&bench, 0, sizeof(bench));
	bench.table = frag_table_create(0, seed);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bench.table);
}

static void
bench_fate(uintptr_t handle, enum fate fate, unsigned int reason)
{
	CU_ASSERT_TRUE_FATAL(handle > 0 && handle < MAX_FATES);
	CU_ASSERT_EQUAL_FATAL(bench.fates[handle], FATE_NONE); /* each meets its fate once */
	bench.fates[handle] = fate;
	bench.reasons[handle] = (uint8_t)reason;
	if (fate != FATE_DROPPED)
		bench.order[bench.count++] = (unsigned int)handle;
}

static void
bench_reap(uint64_t now_ms)
{
	enum shunt_drop reason = SHUNT_DROP_NONE;
	void *handle;

	while ((handle = frag_reap(bench.table, now_ms, &reason)))
		bench_fate((uintptr_t)handle, FATE_DROPPED, reason);
}

static void
bench_end(void)
{
	bench_reap(UINT64_MAX);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 0);
	frag_table_destroy(bench.table);
}

/* The spec of client number `client`'s datagram. */
static struct pkt
bench_packet(uint8_t version, uint8_t protocol, unsigned int client, uint16_t sport,
	struct fragment_spec f, uintptr_t handle)
{
	static const uint8_t payload[PIECE * PIECES];
	struct frame_spec s = frame_default(version, protocol);
	uint8_t whole[FRAME_MAX_BYTES];
	struct pkt p = { .data = pieces[handle].frame };
	size_t bytes;

	CU_ASSERT_TRUE_FATAL(handle < MAX_FATES);
	s.sport = sport;
	frame_put16(s.src + 1, client);
	s.payload = payload;
	s.payload_bytes = PIECE * PIECES - (protocol == SHUNT_TCP ? 20 : 8);
	bytes = frame_build(whole, &s);
	p.bytes = (uint32_t)fragment_build(p.data, whole, bytes, f);
	parse_pkt(&p);
	return p;
}

static void
bench_later(struct pkt *p, uintptr_t handle, bool placed, uint64_t now_ms)
{
	switch (frag_later(bench.table, p, (void *)handle, placed, now_ms, &bench.owner)) {
	case FRAG_FORWARD:
		CU_ASSERT_EQUAL(p->server, SERVER);
		CU_ASSERT_EQUAL(p->hop, HOP);
		CU_ASSERT_EQUAL(p->service, SERVICE);
		CU_ASSERT_EQUAL(p->direction, PKT_TO_CLIENT);
		CU_ASSERT_EQUAL(p->client_port_be, 4711);
		CU_ASSERT_EQUAL(p->owner_hash, 0x12345678);
		CU_ASSERT_EQUAL(p->l4_offset, 0);
		CU_ASSERT_TRUE(p->protocol == SHUNT_UDP || p->protocol == SHUNT_TCP);
		CU_ASSERT_PTR_EQUAL(p->client, p->data + 14 + (p->version == 4 ? 16 : 24));
		bench_fate(handle, FATE_FORWARDED, 0);
		break;
	case FRAG_HAND_OVER:
		bench_fate(handle, FATE_HANDED_OVER, 0);
		break;
	case FRAG_DROP:
		CU_ASSERT_NOT_EQUAL(p->drop, 0);
		bench_fate(handle, FATE_DROPPED, p->drop);
		break;
	case FRAG_WAIT:
		break;
	}
}

/* As worker_fragment.c does it; the stages are these assignments. */
static void
bench_put(struct pkt p, uintptr_t handle, bool placed, uint64_t now_ms)
{
	void *waited;

	if (p.drop) {
		bench_fate(handle, FATE_DROPPED, p.drop);
		return;
	}
	CU_ASSERT_EQUAL_FATAL(p.kind, PKT_FRAGMENT);
	if (!frag_is_first(&p)) {
		bench_reap(now_ms);
		bench_later(&p, handle, placed, now_ms);
		return;
	}
	switch (frag_first(bench.table, &p, bench.flow_owner, now_ms)) {
	case FRAG_FORWARD:
		p.drop = (uint8_t)bench.first_drop;
		p.direction = PKT_TO_CLIENT;
		p.server = SERVER;
		p.hop = HOP;
		p.service = SERVICE;
		p.client_port_be = 4711;
		p.owner_hash = 0x12345678;
		frag_settle(bench.table, &p);
		bench_fate(handle, p.drop ? FATE_DROPPED : FATE_FORWARDED, p.drop);
		break;
	case FRAG_HAND_OVER:
		bench_fate(handle, FATE_HANDED_OVER, 0);
		break;
	default:
		bench_fate(handle, FATE_DROPPED, p.drop);
		break;
	}
	while ((waited = frag_take(bench.table, &p)))
		bench_later(&p, (uintptr_t)waited, false, now_ms);
}

static struct fragment_spec
piece(unsigned int i, uint32_t id)
{
	return (struct fragment_spec){ i * PIECE, PIECE, i < PIECES - 1, id };
}

/* Fragment i of a UDP datagram. */
static void
put(uint8_t version, unsigned int client, uint32_t id, unsigned int i, uintptr_t handle,
	uint64_t now_ms)
{
	bench_put(bench_packet(version, SHUNT_UDP, client, 40000, piece(i, id), handle), handle,
		false, now_ms);
}

/* All orders of four fragments: the first goes first, the others as they have come. */
static void
permutation(uint8_t version, const unsigned int order[PIECES])
{
	unsigned int expected[PIECES], n = 1, at = 0;

	bench_begin();
	while (order[at] != 0)
		at++;
	expected[0] = 1;
	for (unsigned int i = 0; i < PIECES; i++) {
		if (order[i] != 0)
			expected[n++] = order[i] + 1;
		put(version, 1, 0xabcd, order[i], order[i] + 1, NOW + i);
		CU_ASSERT_EQUAL(bench.count, i < at ? 0 : i + 1);
	}
	CU_ASSERT_EQUAL(memcmp(bench.order, expected, sizeof(expected)), 0);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 0);
	bench_end();
}

static void
test_permutations(void)
{
	unsigned int tried = 0;

	for (unsigned int code = 0; code < 256; code++) {
		unsigned int order[PIECES] = { code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 };
		unsigned int seen = 0;

		for (unsigned int i = 0; i < PIECES; i++)
			seen |= 1u << order[i];
		if (seen != 15)
			continue;
		permutation(4, order);
		permutation(6, order);
		tried++;
	}
	CU_ASSERT_EQUAL(tried, 24);
}

/* Datagrams that differ in one field alone do not mix. */
static void
test_keys(void)
{
	bench_begin();
	put(4, 1, 7, 0, 1, NOW);
	put(4, 1, 8, 1, 2, NOW);
	put(4, 2, 7, 1, 3, NOW);
	put(6, 1, 7, 1, 4, NOW);
	bench_put(bench_packet(4, SHUNT_TCP, 1, 40000, piece(1, 7), 5), 5, false, NOW);
	CU_ASSERT_EQUAL(bench.count, 1);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 4);
	put(4, 1, 7, 1, 6, NOW);
	CU_ASSERT_EQUAL(bench.fates[6], FATE_FORWARDED);
	/* IPv6 ids have 32 bits. */
	put(6, 1, 0x10007, 0, 7, NOW);
	CU_ASSERT_EQUAL(bench.fates[4], FATE_NONE);
	put(6, 1, 7, 0, 8, NOW);
	CU_ASSERT_EQUAL(bench.fates[4], FATE_FORWARDED);
	bench_end();
}

static void
test_first_lost(void)
{
	bench_begin();
	put(4, 1, 7, 1, 1, NOW);
	put(4, 1, 7, 2, 2, NOW + 500);
	bench_reap(NOW + FRAG_WAIT_MS - 1);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 2);
	bench_reap(NOW + FRAG_WAIT_MS);
	CU_ASSERT_EQUAL(bench.fates[1], FATE_DROPPED);
	CU_ASSERT_EQUAL(bench.reasons[1], SHUNT_DROP_FRAGMENT_NO_FIRST);
	CU_ASSERT_EQUAL(bench.fates[2], FATE_NONE);
	/* Late, but in time for the second. */
	put(4, 1, 7, 0, 3, NOW + FRAG_WAIT_MS + 400);
	CU_ASSERT_EQUAL(bench.fates[2], FATE_FORWARDED);
	CU_ASSERT_EQUAL(bench.fates[3], FATE_FORWARDED);
	put(6, 1, 7, 3, 4, NOW);
	bench_reap(NOW + 5 * FRAG_WAIT_MS);
	CU_ASSERT_EQUAL(bench.reasons[4], SHUNT_DROP_FRAGMENT_NO_FIRST);
	/* And it has left nothing behind. */
	put(6, 1, 7, 0, 5, NOW + 5 * FRAG_WAIT_MS);
	CU_ASSERT_EQUAL(bench.fates[5], FATE_FORWARDED);
	bench_end();
}

/* What is known of a datagram is forgotten FRAG_LIFETIME_MS after its last fragment. */
static void
test_lifetime(void)
{
	bench_begin();
	put(4, 1, 7, 0, 1, NOW);
	put(4, 1, 7, 1, 2, NOW + FRAG_LIFETIME_MS - 1);
	put(4, 1, 7, 2, 3, NOW + 2 * FRAG_LIFETIME_MS - 2);
	CU_ASSERT_EQUAL(bench.count, 3);
	put(4, 1, 7, 3, 4, NOW + 3 * FRAG_LIFETIME_MS - 2);
	CU_ASSERT_EQUAL(bench.count, 3);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 1);
	bench_end();
}

/* The others meet the fate of the first, whichever comes first. */
static void
test_first_refused(void)
{
	bench_begin();
	bench.first_drop = SHUNT_DROP_NO_SERVER;
	put(4, 1, 7, 1, 1, NOW);
	put(4, 1, 7, 0, 2, NOW);
	put(4, 1, 7, 2, 3, NOW);
	for (unsigned int i = 1; i <= 3; i++) {
		CU_ASSERT_EQUAL(bench.fates[i], FATE_DROPPED);
		CU_ASSERT_EQUAL(bench.reasons[i], SHUNT_DROP_NO_SERVER);
	}
	bench_end();
}

static void
test_duplicates(void)
{
	bench_begin();
	put(4, 1, 7, 1, 1, NOW);
	put(4, 1, 7, 1, 2, NOW);
	put(4, 1, 7, 0, 3, NOW);
	put(4, 1, 7, 0, 4, NOW);
	put(4, 1, 7, 1, 5, NOW);
	CU_ASSERT_EQUAL(bench.count, 5);
	/* Other ports under the same id: not while the first datagram is incomplete. */
	bench_put(bench_packet(4, SHUNT_UDP, 1, 40001, piece(0, 7), 6), 6, false, NOW);
	CU_ASSERT_EQUAL(bench.fates[6], FATE_DROPPED);
	CU_ASSERT_EQUAL(bench.reasons[6], SHUNT_DROP_FRAGMENT_DUPLICATE);
	put(4, 1, 7, 2, 7, NOW);
	CU_ASSERT_EQUAL(bench.fates[7], FATE_FORWARDED);
	put(4, 1, 7, 3, 8, NOW);
	/* All have been seen: the sender has come round to the same id. */
	bench_put(bench_packet(4, SHUNT_UDP, 1, 40001, piece(0, 7), 9), 9, false, NOW);
	CU_ASSERT_EQUAL(bench.fates[9], FATE_FORWARDED);
	bench_end();
}

/* Nothing may be laid over what the first fragment holds. */
static void
test_overlap(void)
{
	bench_begin();
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t version = i ? 6 : 4;
		struct fragment_spec over = { 8, 64, false, 7 }, last = { PIECE - 8, 8, true, 7 };
		uintptr_t h = 10 * i;

		bench_put(bench_packet(version, SHUNT_UDP, 1, 1, over, h + 1), h + 1, false, NOW);
		CU_ASSERT_EQUAL(bench.fates[h + 1], FATE_NONE);
		put(version, 1, 7, 0, h + 2, NOW);
		CU_ASSERT_EQUAL(bench.reasons[h + 1], SHUNT_DROP_FRAGMENT_OVERLAP);
		bench_put(bench_packet(version, SHUNT_UDP, 1, 1, over, h + 3), h + 3, false, NOW);
		CU_ASSERT_EQUAL(bench.reasons[h + 3], SHUNT_DROP_FRAGMENT_OVERLAP);
		bench_put(bench_packet(version, SHUNT_UDP, 1, 1, last, h + 4), h + 4, false, NOW);
		CU_ASSERT_EQUAL(bench.reasons[h + 4], SHUNT_DROP_FRAGMENT_OVERLAP);
		put(version, 1, 7, 1, h + 5, NOW);
		CU_ASSERT_EQUAL(bench.fates[h + 5], FATE_FORWARDED);
		/* TCP's header is known to be longer, whatever the first fragment was. */
		over.offset = 16;
		bench_put(bench_packet(version, SHUNT_TCP, 1, 1, over, h + 6), h + 6, false, NOW);
		CU_ASSERT_EQUAL(bench.reasons[h + 6], SHUNT_DROP_FRAGMENT_OVERLAP);
	}
	bench_end();
}

/* One datagram has no more than its share of the places. */
static void
test_one_datagram_is_bounded(void)
{
	struct fragment_spec f = { .bytes = 8, .more = true, .id = 7 };

	bench_begin();
	for (unsigned int i = 1; i <= FRAG_WAITING_OWN + 10; i++) {
		f.offset = 8 * i;
		bench_put(bench_packet(6, SHUNT_UDP, 1, 1, f, i), i, false, NOW);
		CU_ASSERT_EQUAL(bench.fates[i], i > FRAG_WAITING_OWN ? FATE_DROPPED : FATE_NONE);
	}
	CU_ASSERT_EQUAL(bench.reasons[FRAG_WAITING_OWN + 1], SHUNT_DROP_FRAGMENT_FULL);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), FRAG_WAITING_OWN);
	f.offset = 0;
	bench_put(bench_packet(6, SHUNT_UDP, 1, 1, f, 1000), 1000, false, NOW);
	CU_ASSERT_EQUAL(bench.count, 1 + FRAG_WAITING_OWN);
	for (unsigned int i = 1; i <= FRAG_WAITING_OWN; i++)
		CU_ASSERT_EQUAL(bench.order[i], i);
	bench_end();
}

/* Early fragments without end: those that have waited longest make room, and no more wait. */
static void
test_waiting_is_bounded(void)
{
	unsigned int sent = 3 * FRAG_WAITING;

	bench_begin();
	for (unsigned int i = 1; i <= sent; i++) {
		put(4, i, 7, 1, i, NOW);
		CU_ASSERT_TRUE(frag_waiting(bench.table) <= FRAG_WAITING);
	}
	for (unsigned int i = 1; i <= sent - FRAG_WAITING; i++) {
		CU_ASSERT_EQUAL(bench.fates[i], FATE_DROPPED);
		CU_ASSERT_EQUAL(bench.reasons[i], SHUNT_DROP_FRAGMENT_FULL);
	}
	/* Most of the last are still there: all but those whose bucket was full. */
	for (unsigned int i = sent - FRAG_WAITING + 1; i <= sent; i++)
		put(4, i, 7, 0, i + FRAG_WAITING, NOW);
	CU_ASSERT_TRUE(bench.count > 2 * FRAG_WAITING * 9 / 10);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 0);
	bench_end();
}

/* A flood of firsts: nothing is refused, and who has just begun is not thrown out. */
static void
test_table_full(void)
{
	struct fragment_spec other = { PIECE, PIECE, true, 0 };
	unsigned int served = 0, i;
	struct pkt p;

	bench_begin();
	for (i = 1; i < 200000; i++) {
		struct fragment_spec f = { 0, PIECE, true, i };
		uint64_t now_ms = NOW + i / 1000;

		p = bench_packet(6, SHUNT_UDP, i & 0xffff, 1, f, 1);
		CU_ASSERT_EQUAL_FATAL(frag_first(bench.table, &p, 0, now_ms), FRAG_FORWARD);
		frag_settle(bench.table, &p);
		CU_ASSERT_PTR_NULL(frag_take(bench.table, &p));
		if (i % 100 != 0 || i < 20000)
			continue;
		/* The fragment of a datagram begun 500 others ago. */
		other.id = i - 500;
		p = bench_packet(6, SHUNT_UDP, other.id & 0xffff, 1, other, 1);
		served += frag_later(bench.table, &p, (void *)1, true, now_ms, &bench.owner) ==
			FRAG_FORWARD;
	}
	CU_ASSERT_TRUE(served > 1800 * 99 / 100);
	/* Something that waits is thrown out, too, and its fragment is not lost sight of. */
	put(4, 1, 1, 1, 2, NOW + 200);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 1);
	for (i = 1; i < 100000; i++) {
		struct fragment_spec f = { 0, PIECE, true, i };

		p = bench_packet(6, SHUNT_UDP, i & 0xffff, 2, f, 1);
		frag_first(bench.table, &p, 0, NOW + 201);
		frag_settle(bench.table, &p);
	}
	put(4, 1, 1, 0, 3, NOW + 202);
	CU_ASSERT_EQUAL(bench.fates[2], FATE_NONE);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 1);
	bench_reap(NOW + 200 + FRAG_WAIT_MS);
	CU_ASSERT_EQUAL(bench.reasons[2], SHUNT_DROP_FRAGMENT_FULL);
	bench_end();
}

/* Places are used in a ring: taking out from its middle leaves no hole for ever. */
static void
test_places_go_round(void)
{
	bench_begin();
	for (unsigned int round = 0; round < 5 * FRAG_WAITING; round++) {
		uint64_t now_ms = NOW + round;

		memset(bench.fates, 0, sizeof(bench.fates));
		bench.count = 0;
		put(4, round & 0xffff, 7, 1, 1, now_ms);
		put(6, round & 0xffff, 7, 2, 2, now_ms);
		put(4, round & 0xffff, 7, 2, 3, now_ms);
		put(6, round & 0xffff, 7, 0, 4, now_ms);
		put(4, round & 0xffff, 7, 0, 5, now_ms);
		CU_ASSERT_EQUAL_FATAL(bench.count, 5);
		CU_ASSERT_EQUAL_FATAL(frag_waiting(bench.table), 0);
	}
	bench_end();
}

/* The fragment owner hands over all of them, the first one first. */
static void
test_hand_over(void)
{
	bench_begin();
	bench.flow_owner = 3;
	put(4, 1, 7, 2, 1, NOW);
	put(4, 1, 7, 0, 2, NOW);
	put(4, 1, 7, 1, 3, NOW);
	CU_ASSERT_EQUAL(bench.count, 3);
	CU_ASSERT_EQUAL(bench.order[0], 2);
	CU_ASSERT_EQUAL(bench.owner, 3);
	for (unsigned int i = 1; i <= 3; i++)
		CU_ASSERT_EQUAL(bench.fates[i], FATE_HANDED_OVER);
	bench_end();
	/* At the flow's owner they are placed, and none waits for one that was lost on the way. */
	bench_begin();
	bench_put(bench_packet(4, SHUNT_UDP, 1, 1, piece(1, 8), 1), 1, true, NOW);
	CU_ASSERT_EQUAL(bench.reasons[1], SHUNT_DROP_FRAGMENT_NO_FIRST);
	bench_put(bench_packet(4, SHUNT_UDP, 1, 1, piece(0, 7), 2), 2, true, NOW);
	bench_put(bench_packet(4, SHUNT_UDP, 1, 1, piece(2, 7), 3), 3, true, NOW);
	CU_ASSERT_EQUAL(bench.fates[2], FATE_FORWARDED);
	CU_ASSERT_EQUAL(bench.fates[3], FATE_FORWARDED);
	CU_ASSERT_EQUAL(frag_waiting(bench.table), 0);
	bench_end();
}

/* The same for all fragments of a datagram; spread over workers; not without the seed. */
static void
test_owner(void)
{
	unsigned int share[4] = { 0 }, same = 0;

	for (unsigned int id = 0; id < 4000; id++) {
		struct pkt first = bench_packet(4, SHUNT_UDP, 1, id + 1, piece(0, id), 1);
		struct pkt last = bench_packet(4, SHUNT_UDP, 1, 0, piece(3, id), 2);
		uint32_t hash = frag_owner_hash(&first, seed[0]);

		CU_ASSERT_EQUAL(hash, frag_owner_hash(&last, seed[0]));
		share[hash >> 30]++;
		same += hash >> 30 == frag_owner_hash(&first, seed[1]) >> 30;
	}
	for (unsigned int i = 0; i < 4; i++)
		CU_ASSERT_TRUE(share[i] > 850 && share[i] < 1150);
	CU_ASSERT_TRUE(same > 850 && same < 1150);
}

/* Any fragments at any time: each meets exactly one fate, and the bounds hold. */
static void
test_random(void)
{
	uint64_t state = 42, now_ms = NOW;

	for (unsigned int round = 0; round < 20; round++) {
		bench_begin();
		for (unsigned int i = 1; i < MAX_FATES; i++) {
			uint64_t r = frame_random(&state);
			struct fragment_spec f = piece(r & 3, (r >> 2) % (1 + round * 20));

			f.bytes = r >> 32 & 1 ? PIECE : 8 * (r >> 33 & 15);
			f.more = f.offset == 0 || (r >> 40 & 1); /* not atomic */
			bench.flow_owner = r >> 41 & 1;
			bench.first_drop = (r >> 42 & 15) == 0 ? SHUNT_DROP_TTL : 0;
			now_ms += (r >> 46 & 7) == 0 ? r >> 50 & 511 : 0;
			bench_put(bench_packet(r >> 60 & 1 ? 4 : 6, r >> 61 & 1 ? 17 : 6, 1,
					  r >> 62 & 1, f, i),
				i, r >> 63 && frag_waiting(bench.table) == 0, now_ms);
			CU_ASSERT_TRUE_FATAL(frag_waiting(bench.table) <= FRAG_WAITING);
		}
		bench_reap(UINT64_MAX);
		for (unsigned int i = 1; i < MAX_FATES; i++) {
			if (bench.fates[i] == FATE_NONE)
				CU_FAIL_FATAL("a fragment has vanished");
		}
		bench_end();
	}
}

static const struct unit_test tests[] = {
	{ "all orders of four", test_permutations },
	{ "keys", test_keys },
	{ "the first is lost, or late", test_first_lost },
	{ "lifetime of a datagram", test_lifetime },
	{ "the first is refused", test_first_refused },
	{ "duplicates", test_duplicates },
	{ "overlaps", test_overlap },
	{ "one datagram waits within bounds", test_one_datagram_is_bounded },
	{ "all wait within bounds", test_waiting_is_bounded },
	{ "a full table", test_table_full },
	{ "places go round", test_places_go_round },
	{ "handed over", test_hand_over },
	{ "fragment owners", test_owner },
	{ "random fragments", test_random },
};

UNIT_MAIN("frag", tests)
