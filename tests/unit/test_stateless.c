/* SPDX-License-Identifier: BSD-3-Clause */
/* Stateless services, case by case; test_stateless_trace.c has all of it at random. */
#include <errno.h>

#include "stateless_setup.h"

static void
check_step(uint32_t slot, uint32_t until, uint32_t server, uint32_t want_slot, uint32_t want_until)
{
	struct stateless_step next =
		stateless_next((struct stateless_step){ slot, until }, server, 100, 50);

	CU_ASSERT_EQUAL(next.slot, want_slot);
	CU_ASSERT_EQUAL(next.until, want_until);
}

/* Servers 1, 2 and 3; it is tick 100, the window is 50 long. */
static void
test_steps(void)
{
	const uint32_t clean = stateless_slot(1, 0), closed = stateless_slot(1, 1);
	const uint32_t changed = stateless_slot(2, 1), gone = stateless_slot(0, 1);

	check_step(clean, 0, 1, clean, 0);
	check_step(clean, 0, 2, changed, 150);
	check_step(clean, 0, 0, gone, 150);
	check_step(0, 0, 1, clean, 0);
	check_step(closed, 0, 1, closed, 0);
	check_step(closed, 0, 2, changed, 150);
	/* Open: the oldest former server stays, and so does the time. */
	check_step(changed, 101, 2, changed, 101);
	check_step(changed, 101, 3, stateless_slot(3, 1), 101);
	check_step(changed, 101, 0, gone, 101);
	check_step(changed, 101, 1, closed, 0);
	check_step(gone, 101, 2, changed, 101);
	check_step(gone, 101, 1, closed, 0);
	/* Its time is over: flows without entry are the server's. */
	check_step(changed, 100, 3, stateless_slot(3, 2), 150);
	check_step(changed, 100, 1, stateless_slot(1, 2), 150);
	check_step(gone, 100, 3, stateless_slot(3, 3), 0);
	CU_ASSERT_TRUE(stateless_is_open(changed, 101, 100));
	CU_ASSERT_FALSE(stateless_is_open(changed, 100, 100));
	CU_ASSERT_FALSE(stateless_is_open(closed, 101, 100));
	CU_ASSERT_FALSE(stateless_is_open(clean, 101, 100));
	CU_ASSERT_TRUE(stateless_is_plain(clean));
	CU_ASSERT_TRUE(stateless_is_plain(stateless_slot(65535, 0)));
	CU_ASSERT_FALSE(stateless_is_plain(0));
	CU_ASSERT_FALSE(stateless_is_plain(closed));
	CU_ASSERT_FALSE(stateless_is_plain(gone));
}

/* Where nothing changes nothing is stored, and packets and bytes are counted all the same. */
static void
test_nothing_stored(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct path path;
		uint64_t packets = 0;

		open_stateless(&path, version, CAPACITY);
		for (uint32_t c = 1; c <= 300; c++) {
			uint32_t server = answer_of(&path, c);

			CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, c, PKT_SYN), server);
			CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, c, PKT_ACK), server);
			CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, c, PKT_RST), server);
			CU_ASSERT_EQUAL(sent_to(&path, SHUNT_UDP, c, 0), server);
		}
		CU_ASSERT_EQUAL(stored(&path), 0);
		CU_ASSERT_EQUAL(sessions(&path), 0);
		CU_ASSERT_EQUAL(path.tracker->stats->exceptions, 0);
		CU_ASSERT_EQUAL(path.tracker->stats->untracked, 0);
		for (uint32_t id = 1; id <= SERVERS; id++)
			packets += path.tracker->servers[id].in_packets;
		CU_ASSERT_EQUAL(packets, 4 * 300);
		CU_ASSERT_EQUAL(path.tracker->services[SERVICE].in_packets, 3 * 300);
		path_close(&path);
	}
}

/* To the very end of a flow's time, and not beyond. */
static void
test_window(void)
{
	struct path path;
	uint32_t old, late, fresh, now;

	open_stateless(&path, 4, CAPACITY);
	old = client_of(&path, 2, 0);
	late = client_of(&path, 2, old);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_SYN), 2);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, late, PKT_ACK), 2);
	fresh = client_of(&path, 2, late);
	set_state(&path, 2, SHUNT_SERVER_DRAIN);
	now = answer_of(&path, fresh);
	CU_ASSERT_NOT_EQUAL(now, 2);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, fresh, PKT_SYN), now);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, fresh, PKT_ACK), now);
	CU_ASSERT_EQUAL(stored(&path), 1);
	wait_ticks(&path, SILENCE);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_ACK), 2);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, fresh, PKT_ACK), now);
	CU_ASSERT_EQUAL(stored(&path), 2);
	CU_ASSERT_EQUAL(path.tracker->stats->exceptions, 2);
	wait_ticks(&path, MORE);
	/* It has been silent for too long. */
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, late, PKT_ACK), answer_of(&path, late));
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, late, PKT_SYN), answer_of(&path, late));
	CU_ASSERT_EQUAL(stored(&path), 2);
	for (unsigned int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_ACK), 2);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, fresh, PKT_ACK), now);
		wait_ticks(&path, SILENCE);
	}
	path_publish(&path);
	CU_ASSERT_TRUE(path.generation->backends[BACKEND]->answers->marked > 0);
	wait_ticks(&path, SILENCE + MORE);
	CU_ASSERT_EQUAL(stored(&path), 0);
	path_publish(&path);
	CU_ASSERT_EQUAL(path.generation->backends[BACKEND]->answers->marked, 0);
	path_close(&path);
}

/* Down and back, and the flows of both times where they began. */
static void
test_flap(void)
{
	struct path path;
	uint32_t before, between, after, other;

	open_stateless(&path, 6, CAPACITY);
	before = client_of(&path, 2, 0);
	between = client_of(&path, 2, before);
	after = client_of(&path, 2, between);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, before, PKT_SYN), 2);
	set_state(&path, 2, SHUNT_SERVER_DOWN);
	other = answer_of(&path, between);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, between, PKT_SYN), other);
	set_state(&path, 2, SHUNT_SERVER_UP);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, after, PKT_SYN), 2);
	CU_ASSERT_EQUAL(stored(&path), 1);
	for (unsigned int i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, before, PKT_ACK), 2);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, between, PKT_ACK), other);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, after, PKT_ACK), 2);
		CU_ASSERT_EQUAL(stored(&path), i < 2 ? 1 : 3);
		/* Once more, now with flows that have begun without an entry. */
		if (i == 1)
			set_state(&path, 2, SHUNT_SERVER_DRAIN);
	}
	path_close(&path);
}

/* The error of a router about what the server has sent to the client. */
static struct pkt
icmp_about(struct path *path, uint32_t client)
{
	struct frame_spec spec = frame_default(path->version, SHUNT_TCP);
	struct shunt_addr vip = helper_addr(service_address(path));
	uint8_t quoted[FRAME_MAX_BYTES], frame[FRAME_MAX_BYTES];
	struct pkt p = { .data = frame };
	struct pkt *burst = &p;

	memcpy(spec.src, vip.bytes + 12, 4);
	client_address(path, client, spec.dst);
	spec.sport = 80;
	spec.dport = 1000;
	frame_build(quoted, &spec);
	p.bytes = (uint32_t)frame_build_icmp(frame, 3, spec.dst, quoted + 14, 28);
	parse_burst(&burst, 1);
	CU_ASSERT_EQUAL_FATAL(p.kind, PKT_ICMP_ERROR);
	classify_icmp_error(path->generation->classifier, &p, PATH_OWNER_SEED);
	CU_ASSERT_EQUAL_FATAL(p.drop, 0);
	track_icmp_error(path->tracker, &p, path->tick);
	return p;
}

/* Errors go to the flow's server, and store nothing. */
static void
test_icmp(void)
{
	struct path path;
	uint32_t old, fresh;

	open_stateless(&path, 4, CAPACITY);
	old = client_of(&path, 2, 0);
	fresh = client_of(&path, 2, old);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_SYN), 2);
	CU_ASSERT_EQUAL(icmp_about(&path, old).server, 2);
	set_state(&path, 2, SHUNT_SERVER_DRAIN);
	CU_ASSERT_EQUAL(icmp_about(&path, old).server, 2);
	CU_ASSERT_EQUAL(stored(&path), 0);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, fresh, PKT_SYN), answer_of(&path, fresh));
	CU_ASSERT_EQUAL(icmp_about(&path, fresh).server, answer_of(&path, fresh));
	wait_ticks(&path, SILENCE + MORE);
	CU_ASSERT_EQUAL(icmp_about(&path, old).server, answer_of(&path, old));
	CU_ASSERT_EQUAL(stored(&path), 0);
	/* Flows that have no entry may live for a while when the service has become stateful. */
	put_services(&path, false, false);
	path_publish(&path);
	CU_ASSERT_EQUAL(icmp_about(&path, old).server, answer_of(&path, old));
	wait_ticks(&path, SILENCE + MORE);
	path_publish(&path);
	CU_ASSERT_EQUAL(icmp_about(&path, old).drop, SHUNT_DROP_NO_FLOW);
	path_close(&path);
}

/* A service that has become stateful picks connections up, and anybody's ACKs with them. */
static void
test_picked_up(void)
{
	struct shunt_worker_stats *stats;
	struct path path;

	open_stateless(&path, 4, CAPACITY);
	path.tracker->half_open_max = 8;
	put_services(&path, false, false);
	path_publish(&path);
	stats = path.tracker->stats;
	/* One that lives is what it was as soon as it says something again. */
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, 1, PKT_ACK), answer_of(&path, 1));
	CU_ASSERT_EQUAL(stats->half_open, 1);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, 1, PKT_ACK), answer_of(&path, 1));
	CU_ASSERT_EQUAL(stats->half_open, 0);
	for (uint32_t client = 2; client < 500; client++)
		CU_ASSERT_EQUAL(
			sent_to(&path, SHUNT_TCP, client, PKT_ACK), answer_of(&path, client));
	CU_ASSERT_EQUAL(stored(&path), 1 + 16);
	CU_ASSERT_EQUAL(stats->half_open, 16);
	CU_ASSERT_EQUAL(stats->untracked, 498 - 16);
	path_close(&path);
}

/* What `lookup` is told of UDP flows that have no entry: where their next packet goes. */
static void
test_former_of(void)
{
	struct path path;
	uint32_t formers = 0;

	open_stateless(&path, 6, CAPACITY);
	set_state(&path, 2, SHUNT_SERVER_DRAIN);
	for (uint32_t c = 1; c < 100; c++) {
		struct flow_key key = { .port_be = htons(1000), .version = 6 };
		uint32_t former;

		client_address(&path, c, key.address);
		key.service = SERVICE;
		CU_ASSERT_EQUAL(stateless_former_of(path.generation, &key, path.tracker->now), 0);
		key.service = SERVICE + 1;
		former = stateless_former_of(path.generation, &key, path.tracker->now);
		CU_ASSERT_EQUAL(
			sent_to(&path, SHUNT_UDP, c, 0), former ? former : answer_of(&path, c));
		CU_ASSERT_EQUAL(stateless_former_of(
					path.generation, &key, path.tracker->now + SILENCE + MORE),
			0);
		formers += former == 2;
	}
	CU_ASSERT_TRUE(formers > 10);
	path_close(&path);
}

/* Several packets of several services at once: those that need the table are left, in their order.
 */
static void
test_burst(void)
{
	struct pkt pkts[PKT_BURST], *burst[PKT_BURST], *rest[PKT_BURST];
	struct path path;
	uint8_t clients[PKT_BURST][4];
	unsigned int n, want = 0;

	open_stateless(&path, 4, CAPACITY);
	put_services(&path, true, false);
	path_publish(&path);
	set_state(&path, 2, SHUNT_SERVER_DRAIN);
	for (uint32_t i = 0; i < PKT_BURST; i++) {
		client_address(&path, i, clients[i]);
		pkts[i] = (struct pkt){
			.version = 4,
			.client = clients[i],
			.direction = i % 7 ? PKT_TO_SERVER : PKT_TO_CLIENT,
			.service = i % 3 ? SERVICE : SERVICE + 1,
		};
		burst[i] = &pkts[i];
	}
	n = stateless_burst(path.generation, path.tracker->flows, 0, burst, PKT_BURST, rest);
	for (uint32_t i = 0; i < PKT_BURST; i++) {
		const struct stateless_answer a = stateless_answer(
			path.generation, path.generation->backends[BACKEND], &pkts[i], 0);
		bool left = i % 7 == 0 || i % 3 == 0 || a.open;
		unsigned int at = 0;

		while (at < n && rest[at] != &pkts[i])
			at++;
		CU_ASSERT_EQUAL(at < n, left);
		CU_ASSERT_EQUAL(pkts[i].server, left ? 0 : answer_of(&path, i));
		want += left;
	}
	CU_ASSERT_EQUAL(n, want);
	CU_ASSERT_TRUE(n > 30 && n < PKT_BURST);
	path_close(&path);
}

static void
refused(struct path *path)
{
	struct generation_error error;
	int result = 0;

	CU_ASSERT_PTR_NULL(generation_create(
		path->objects, path->number + 1, path->generation, 2, &error, &result));
	CU_ASSERT_EQUAL(result, -EINVAL);
	CU_ASSERT_EQUAL(error.kind, SHUNT_KIND_SERVICE);
	CU_ASSERT_EQUAL(error.id, SERVICE);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "stateless"));
}

/* What the agent refuses, and what it does not make anew. */
static void
test_generations(void)
{
	const struct gen_backend *backend;
	struct path path;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	put_services(&path, true, false);
	refused(&path);
	path_close(&path);
	path_open(&path, 4, SHUNT_ROUNDROBIN, CAPACITY);
	path.forward = SHUNT_DR;
	path_publish(&path);
	CU_ASSERT_FALSE(path.generation->has_answers);
	put_services(&path, true, false);
	refused(&path);
	path_close(&path);

	open_stateless(&path, 4, CAPACITY);
	CU_ASSERT_TRUE(path.generation->has_answers);
	backend = path.generation->backends[BACKEND];
	path_publish(&path);
	CU_ASSERT_PTR_EQUAL(path.generation->backends[BACKEND], backend);
	set_state(&path, 2, SHUNT_SERVER_DRAIN);
	backend = path.generation->backends[BACKEND];
	path_publish(&path);
	CU_ASSERT_PTR_EQUAL(path.generation->backends[BACKEND], backend);
	CU_ASSERT_TRUE(backend->answers->marked > 0 && backend->answers->marked < SLOTS);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "a slot's steps", test_steps },
	{ "nothing changes", test_nothing_stored },
	{ "the window", test_window },
	{ "flap", test_flap },
	{ "ICMP errors", test_icmp },
	{ "picked up by a stateful service", test_picked_up },
	{ "flows without entry, for lookup", test_former_of },
	{ "burst", test_burst },
	{ "generations", test_generations },
};

UNIT_MAIN("stateless", tests)
