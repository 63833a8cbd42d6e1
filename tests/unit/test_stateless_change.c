/* SPDX-License-Identifier: BSD-3-Clause */
/* Stateless services whose servers go down or are removed, whose table is full, or which change. */
#include "stateless_setup.h"

#define SMALL_TABLE 64

static void
publish_shutdown(struct path *path, uint8_t shutdown_sessions)
{
	const struct shunt_member members[] = { { 1, 1 }, { 3, 1 } };
	struct shunt_backend *backend = helper_backend(SHUNT_SOURCE, members, 2, SLOTS);

	path_publish(path);
	backend->forward = SHUNT_DR;
	backend->shutdown_sessions = shutdown_sessions;
	helper_put(
		path->objects, SHUNT_KIND_BACKEND, BACKEND, backend, shunt_backend_bytes(backend));
	free(backend);
	path_commit(path);
}

/* A server that is down keeps TCP if it shall, never UDP; one that is removed keeps nothing. */
static void
test_down(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		bool removed = i == 2, shutdown = i == 1;
		uint32_t client, now, want;
		struct path path;

		open_stateless(&path, 4, CAPACITY);
		client = client_of(&path, 2, 0);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_SYN), 2);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_UDP, client, 0), 2);
		path.state[2] = SHUNT_SERVER_DOWN;
		publish_shutdown(&path, shutdown);
		if (removed) {
			object_store_delete(path.objects, SHUNT_KIND_SERVER, 2);
			path_commit(&path);
		}
		now = answer_of(&path, client);
		want = removed || shutdown ? now : 2;
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_ACK), want);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_ACK), want);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_UDP, client, 0), now);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_UDP, client, 0), now);
		CU_ASSERT_EQUAL(path.tracker->services[SERVICE + 1].sessions, 1);
		/* Back again: the UDP flow stays where it is now. */
		set_state(&path, 2, SHUNT_SERVER_UP);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_UDP, client, 0), now);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_ACK), want);
		path_close(&path);
	}
}

/* With no server left those that have one go on. */
static void
test_no_server(void)
{
	struct path path;
	uint32_t client;

	open_stateless(&path, 4, CAPACITY);
	client = client_of(&path, 1, 0);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_SYN), 1);
	for (uint32_t id = 1; id <= SERVERS; id++)
		path.state[id] = SHUNT_SERVER_DRAIN;
	path_publish(&path);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_ACK), 1);
	CU_ASSERT_EQUAL(
		request(&path, SHUNT_TCP, client, 1001, PKT_SYN).p.drop, SHUNT_DROP_NO_SERVER);
	wait_ticks(&path, SILENCE);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_ACK), 1);
	wait_ticks(&path, SILENCE);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_ACK), 1);
	CU_ASSERT_EQUAL(
		request(&path, SHUNT_TCP, client, 1001, PKT_ACK).p.drop, SHUNT_DROP_NO_SERVER);
	set_state(&path, 3, SHUNT_SERVER_UP);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_ACK), 1);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, client, 1001, PKT_SYN).p.server, 3);
	path_close(&path);
}

/*
 * No room for exceptions: what begins goes where its next packets will, which is to the former
 * server, if that takes connections.
 */
static void
test_full(void)
{
	static const uint8_t states[] = { SHUNT_SERVER_DRAIN, SHUNT_SERVER_DOWN };

	for (unsigned int i = 0; i < 2; i++) {
		uint32_t client = 0, last = 0;
		struct path path;
		struct result r;
		uint64_t count;

		open_stateless(&path, 4, SMALL_TABLE);
		for (unsigned int n = 0; n < 2 * SMALL_TABLE; n++)
			last = client_of(&path, 2, last);
		set_state(&path, 2, states[i]);
		for (uint32_t c = 1; c < last; c++)
			sent_to(&path, SHUNT_TCP, c, PKT_ACK);
		count = stored(&path);
		CU_ASSERT_EQUAL(count, SMALL_TABLE);
		CU_ASSERT_TRUE(path.tracker->stats->untracked > 0);
		client = last;
		r = request(&path, SHUNT_TCP, client, 1000, PKT_SYN);
		CU_ASSERT_EQUAL(r.p.drop, i == 0 ? 0 : SHUNT_DROP_FLOW_TABLE_FULL);
		CU_ASSERT_EQUAL(r.p.server, 2);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, client, PKT_ACK), 2);
		object_store_delete(path.objects, SHUNT_KIND_SERVER, 2);
		path_commit(&path);
		CU_ASSERT_EQUAL(
			sent_to(&path, SHUNT_TCP, client, PKT_SYN), answer_of(&path, client));
		CU_ASSERT_EQUAL(
			sent_to(&path, SHUNT_TCP, client, PKT_ACK), answer_of(&path, client));
		CU_ASSERT_EQUAL(stored(&path), count);
		path_close(&path);
	}
}

/* Flows of either time go on where they are when the mode changes. */
static void
test_other_mode(void)
{
	struct path path;
	uint32_t old, mid, now;

	open_stateless(&path, 4, CAPACITY);
	old = client_of(&path, 2, 0);
	mid = client_of(&path, 2, old);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_SYN), 2);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, mid, PKT_SYN), 2);
	put_services(&path, false, false);
	path_publish(&path);
	/* Its one packet makes it a half-open entry, which is gone when the slot is open. */
	wait_ticks(&path, 10);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, mid, PKT_ACK), 2);
	CU_ASSERT_EQUAL(stored(&path), 1);
	set_state(&path, 2, SHUNT_SERVER_DRAIN);
	now = answer_of(&path, mid);
	wait_ticks(&path, SILENCE - 10);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_ACK), 2);
	CU_ASSERT_EQUAL(stored(&path), 1);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, mid, 2000, PKT_SYN).p.server, now);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, mid, PKT_ACK), 2);
	wait_ticks(&path, MORE);
	path_publish(&path);
	CU_ASSERT_PTR_NULL(path.generation->backends[BACKEND]->answers);
	put_services(&path, true, true);
	path_publish(&path);
	CU_ASSERT_TRUE(path.generation->services[SERVICE].leftover);
	set_state(&path, 2, SHUNT_SERVER_UP);
	for (unsigned int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_ACK), 2);
		CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, mid, PKT_ACK), 2);
		wait_ticks(&path, SILENCE);
	}
	path_close(&path);
}

/* Another hash: flows go where it says now, but for those that have an entry. */
static void
test_other_hash(void)
{
	struct shunt_settings settings = { .hash_secret = "another secret." };
	struct path path;
	uint32_t old;

	open_stateless(&path, 4, CAPACITY);
	old = client_of(&path, 2, 0);
	set_state(&path, 2, SHUNT_SERVER_DRAIN);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_ACK), 2);
	helper_put(path.objects, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	path_commit(&path);
	CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, old, PKT_ACK), 2);
	for (uint32_t c = 1; c < 200; c++) {
		if (c != old)
			CU_ASSERT_EQUAL(sent_to(&path, SHUNT_TCP, c, PKT_ACK), answer_of(&path, c));
	}
	CU_ASSERT_EQUAL(stored(&path), 1);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "down and removed", test_down },
	{ "no server", test_no_server },
	{ "full table", test_full },
	{ "the mode changes", test_other_mode },
	{ "the hash changes", test_other_hash },
};

UNIT_MAIN("stateless_change", tests)
