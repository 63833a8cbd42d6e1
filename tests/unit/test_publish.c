/* SPDX-License-Identifier: BSD-3-Clause */
#include "publish_bench.h"
#include "unit.h"

static void
first_push(void)
{
	const struct shunt_port_info *ports;
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_TRUE_FATAL(publish_connected(b.control.publish)); /* at once */
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 0);
	CU_ASSERT_PTR_NULL(publish_image(b.control.publish));
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
	CU_ASSERT_PTR_NOT_NULL(publish_stats(b.control.publish));
	CU_ASSERT_EQUAL(publish_ports(b.control.publish, &ports), 1);
	CU_ASSERT_STRING_EQUAL(ports[0].interface, "lan0");
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.commits, 1);
	CU_ASSERT_EQUAL(b.fake.puts, 1 + 3 + 2 + 2); /* settings, servers, backends, services */
	CU_ASSERT_EQUAL(b.fake.deletes, 0);
	CU_ASSERT_TRUE(image_equal(b.fake.running, publish_image(b.control.publish)));
	fake_unlock(&b.fake);
	bench_destroy(&b);
}

static void
only_differences(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), 0);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.puts, 2);
	fake_unlock(&b.fake);
	model_apply(&b.control, "app s1=10.0.0.1 s2=10.0.0.2");
	publish_schedule(b.control.publish);
	CU_ASSERT_EQUAL(settle(&b), 0);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.puts, 0);
	CU_ASSERT_EQUAL(b.fake.deletes, 3);
	CU_ASSERT_EQUAL(b.fake.generation, 3);
	CU_ASSERT_TRUE(image_equal(b.fake.running, publish_image(b.control.publish)));
	fake_unlock(&b.fake);
	/* Nothing has changed: nothing is sent. */
	publish_schedule(b.control.publish);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 3);
	bench_destroy(&b);
}

static void
nothing_is_committed_too(void)
{
	struct bench b;

	bench_create(&b, "");
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
	publish_schedule(b.control.publish);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
	bench_destroy(&b);
}

static void
adopted_without_a_message(void)
{
	struct bench b;
	uint32_t id;

	bench_create(&b, "old x=10.0.9.9 | " MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	model_apply(&b.control, MODEL);
	publish_schedule(b.control.publish);
	set_admin(&b, "app/s2", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), 0);
	id = state_find_server(&b.control, "app/s2")->id;
	control_stop(&b);

	control_start(&b, MODEL);
	CU_ASSERT_TRUE(publish_connected(b.control.publish));
	CU_ASSERT_EQUAL(state_find_server(&b.control, "app/s2")->admin, SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(state_find_server(&b.control, "app/s2")->id, id);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 2);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.commits, 2);
	CU_ASSERT_EQUAL(b.fake.sessions, 2);
	fake_unlock(&b.fake);
	bench_destroy(&b);
}

static void
refused(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	fake_lock(&b.fake);
	b.fake.refuse = -EINVAL;
	b.fake.refuse_kind = SHUNT_KIND_SERVER;
	b.fake.refuse_id = state_find_server(&b.control, "app/s1")->id;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), -EINVAL);
	CU_ASSERT_EQUAL(settle(&b), -EINVAL); /* still, for who asks later */
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
	/* The same once more is not even sent. */
	publish_schedule(b.control.publish);
	CU_ASSERT_EQUAL(settle(&b), -EINVAL);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.commits, 2);
	b.fake.refuse = 0;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s2", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 2);
	/* An object that is not known must be named all the same. */
	fake_lock(&b.fake);
	b.fake.refuse = -EINVAL;
	b.fake.refuse_kind = 77;
	b.fake.refuse_id = UINT32_MAX;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s2", SHUNT_ADMIN_READY);
	CU_ASSERT_EQUAL(settle(&b), -EINVAL);
	bench_destroy(&b);
}

static void
late_worker(void)
{
	struct shunt_msg done = { .op = SHUNT_OP_DONE, .generation = 2 };
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	fake_lock(&b.fake);
	b.fake.silent = true;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	wait_begin(&b, 100);
	CU_ASSERT_TRUE(run_until(&b, is_woken));
	CU_ASSERT_EQUAL(b.result, -ETIMEDOUT);
	CU_ASSERT_EQUAL(b.worker, 3);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
	fake_lock(&b.fake);
	b.fake.silent = false;
	b.fake.generation = 2;
	fake_answer(&b.fake, &done);
	fake_unlock(&b.fake);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 2);
	bench_destroy(&b);
}

static void
waiters_come_and_go(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	wait_begin(&b, LIMIT_MS);
	CU_ASSERT_EQUAL(b.woken, 1); /* nothing is under way */
	fake_lock(&b.fake);
	b.fake.hold = true;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	wait_begin(&b, 20);
	CU_ASSERT_TRUE(run_until(&b, is_woken));
	CU_ASSERT(b.result == -ETIMEDOUT && b.worker == -1);
	wait_begin(&b, 20);
	publish_wait_cancel(b.control.publish, &b.waiter);
	publish_wait_cancel(b.control.publish, &b.waiter);
	run_for(&b, 50);
	CU_ASSERT_EQUAL(b.woken, 0);
	wait_begin(&b, LIMIT_MS);
	bench_destroy(&b); /* with one waiting */
	CU_ASSERT_EQUAL(b.woken, 0);
}

static void
lost_and_found(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	fake_lock(&b.fake);
	b.fake.hold = true;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	wait_begin(&b, LIMIT_MS);
	run_for(&b, 30);
	fake_lock(&b.fake);
	fake_close(&b.fake);
	b.fake.hold = false;
	fake_unlock(&b.fake);
	CU_ASSERT_TRUE(run_until(&b, is_woken));
	CU_ASSERT_EQUAL(b.result, -ENOTCONN);
	CU_ASSERT_PTR_NULL(publish_stats(b.control.publish));
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
	set_admin(&b, "app/s2", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), -ENOTCONN);
	/* Both changes go with the next session, as the difference to what runs. */
	CU_ASSERT_TRUE(run_until(&b, is_connected));
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 2);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.puts, 3);
	fake_unlock(&b.fake);
	/* What this process knows is newer than what runs: nothing is adopted any more. */
	CU_ASSERT_EQUAL(state_find_server(&b.control, "app/s1")->admin, SHUNT_ADMIN_DRAIN);
	bench_destroy(&b);
}

static void
dataplane_restarts(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), 0);
	fake_kill(&b.fake);
	CU_ASSERT_TRUE(run_until(&b, is_disconnected));
	run_for(&b, 250); /* an attempt or two in vain */
	fake_lock(&b.fake);
	b.fake.hold = true;
	fake_unlock(&b.fake);
	fake_start(&b.fake);
	CU_ASSERT_TRUE(run_until(&b, is_connected));
	CU_ASSERT_PTR_NULL(publish_image(b.control.publish));
	fake_lock(&b.fake);
	b.fake.hold = false;
	fake_unlock(&b.fake);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.puts, 8);
	fake_unlock(&b.fake);
	bench_destroy(&b);
}

static void
dataplane_comes_later(void)
{
	struct bench b = { 0 };
	struct shunt_flow_query query = { 0 };

	fake_create(&b.fake);
	control_start(&b, MODEL);
	CU_ASSERT_FALSE(publish_connected(b.control.publish));
	publish_schedule(b.control.publish);
	CU_ASSERT_EQUAL(settle(&b), -ENOTCONN);
	CU_ASSERT_EQUAL(publish_flow_query(b.control.publish, &query, NULL, NULL), -ENOTCONN);
	fake_start(&b.fake);
	CU_ASSERT_TRUE(run_until(&b, is_connected));
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
	bench_destroy(&b);
}

static void
newer_version(struct shunt_hello *hello, uint8_t *memory, struct shunt_stats *stats)
{
	(void)memory;
	(void)stats;
	hello->version++;
}

static void
other_version(void)
{
	struct bench b = { 0 };

	fake_create(&b.fake);
	b.fake.spoil = newer_version;
	fake_start(&b.fake);
	control_start(&b, MODEL);
	CU_ASSERT_FALSE(publish_connected(b.control.publish));
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.sessions, 1);
	b.fake.spoil = NULL;
	fake_unlock(&b.fake);
	CU_ASSERT_TRUE(run_until(&b, is_connected));
	CU_ASSERT_EQUAL(settle(&b), 0);
	bench_destroy(&b);
}

static void
bad_running(struct shunt_hello *hello, uint8_t *memory, struct shunt_stats *stats)
{
	(void)stats;
	hello->generation = 5;
	hello->running_bytes = 64;
	memset(memory + hello->running_offset, 0xff, 64);
}

static void
nonsense_runs(void)
{
	struct bench b = { 0 };

	fake_create(&b.fake);
	b.fake.spoil = bad_running;
	fake_start(&b.fake);
	control_start(&b, MODEL);
	CU_ASSERT_FALSE(publish_connected(b.control.publish));
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 0);
	bench_destroy(&b);
}

static void
fenced(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_FALSE(publish_fenced(b.control.publish));
	fake_lock(&b.fake);
	fake_doorbell(&b.fake, 'F');
	fake_close(&b.fake);
	fake_unlock(&b.fake);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	wait_begin(&b, LIMIT_MS);
	CU_ASSERT_EQUAL(loop_run(b.control.loop), 0); /* it stops by itself */
	CU_ASSERT_TRUE(publish_fenced(b.control.publish));
	CU_ASSERT_EQUAL(b.result, -ENOTCONN);
	run_for(&b, 300);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.sessions, 1); /* and does not come back */
	fake_unlock(&b.fake);
	bench_destroy(&b);
}

/* A transaction of the process before this one got through after the hello. */
static void
overtaken(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	fake_lock(&b.fake);
	b.fake.generation = 9;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), 0); /* in the second session */
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 10);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.sessions, 2);
	fake_unlock(&b.fake);
	bench_destroy(&b);
}

static void
answers_that_nobody_asked_for(void)
{
	static const struct shunt_msg answers[] = {
		{ .op = SHUNT_OP_DONE, .generation = 7 },
		{ .op = SHUNT_OP_DONE, .generation = 1 },
		{ .op = SHUNT_OP_FLOW_ANSWER, .result = 1 },
		{ .op = SHUNT_OP_BEGIN },
		{ .op = UINT32_MAX },
	};
	const struct shunt_msg late = { .op = SHUNT_OP_LATE, .generation = 99, .id = UINT32_MAX };

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct bench b;

		bench_create(&b, MODEL);
		CU_ASSERT_EQUAL(settle(&b), 0);
		fake_lock(&b.fake);
		fake_answer(&b.fake, &late);
		fake_answer(&b.fake, &answers[i]);
		fake_unlock(&b.fake);
		CU_ASSERT_TRUE(run_until(&b, has_second_session));
		CU_ASSERT_EQUAL(settle(&b), 0);
		CU_ASSERT_EQUAL(publish_generation(b.control.publish), 1);
		bench_destroy(&b);
	}
}

/* More objects than the ring has room for, and a dataplane that does not read for a while. */
static void
full_ring(void)
{
	struct config *config = model_config("app s1=10.0.0.1");
	struct backend_config *backend = &config->backends[0];
	uint32_t count = 3 * SHUNT_RING_COUNT;
	struct bench b;

	bench_create(&b, "");
	CU_ASSERT_EQUAL(settle(&b), 0);
	backend->servers = realloc(backend->servers, count * sizeof(*backend->servers));
	for (uint32_t i = 1; i < count; i++) {
		backend->servers[i] = backend->servers[0];
		snprintf(backend->servers[i].name, SHUNT_NAME_SIZE, "n%u", i);
		backend->servers[i].address.bytes[13] = (uint8_t)(i >> 16);
		backend->servers[i].address.bytes[14] = (uint8_t)(i >> 8);
		backend->servers[i].address.bytes[15] = (uint8_t)i;
	}
	backend->server_count = count;
	CU_ASSERT_EQUAL_FATAL(state_apply(&b.control, config), 0);
	fake_lock(&b.fake);
	b.fake.hold = true;
	b.fake.commits = 0;
	fake_unlock(&b.fake);
	publish_schedule(b.control.publish);
	run_for(&b, 100); /* the loop goes on turning meanwhile */
	CU_ASSERT_FALSE(has_tried_to_commit(&b));
	fake_lock(&b.fake);
	b.fake.hold = false;
	fake_unlock(&b.fake);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 2);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(b.fake.puts, count + 3); /* with a backend, a service, and the settings */
	CU_ASSERT_TRUE(image_equal(b.fake.running, publish_image(b.control.publish)));
	fake_unlock(&b.fake);
	bench_destroy(&b);
}

static void
on_answer(void *context, int server)
{
	struct bench *b = context;

	b->answers++;
	b->server = server;
}

static void
flow_query(void)
{
	struct shunt_flow_query query = { .client_port_be = htons(1234), .service = 1 };
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	query.client = model_address("192.0.2.7");
	fake_lock(&b.fake);
	b.fake.hold = true;
	b.fake.flow_answer = 2;
	fake_unlock(&b.fake);
	/* Asked while a transaction is under way. */
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	run_for(&b, 30);
	CU_ASSERT_EQUAL(publish_flow_query(b.control.publish, &query, on_answer, &b), 0);
	CU_ASSERT_EQUAL(publish_flow_query(b.control.publish, &query, on_answer, &b), -EBUSY);
	fake_lock(&b.fake);
	b.fake.hold = false;
	fake_unlock(&b.fake);
	CU_ASSERT_TRUE(run_until(&b, is_answered));
	CU_ASSERT_EQUAL(b.server, 2);
	CU_ASSERT_EQUAL(settle(&b), 0);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(memcmp(&b.fake.query, &query, sizeof(query)), 0);
	b.fake.hold = true;
	fake_unlock(&b.fake);
	/* Cancelled: nobody is told, and the next one waits until that is out of the way. */
	CU_ASSERT_EQUAL(publish_flow_query(b.control.publish, &query, on_answer, &b), 0);
	publish_flow_query_cancel(b.control.publish, &b.control);
	publish_flow_query_cancel(b.control.publish, &b);
	CU_ASSERT_EQUAL(publish_flow_query(b.control.publish, &query, on_answer, &b), -EBUSY);
	fake_lock(&b.fake);
	b.fake.hold = false;
	fake_unlock(&b.fake);
	run_for(&b, 50);
	CU_ASSERT_EQUAL(b.answers, 1);
	/* And one is told when the dataplane goes. */
	b.answers = 0;
	fake_lock(&b.fake);
	b.fake.hold = true;
	fake_unlock(&b.fake);
	CU_ASSERT_EQUAL(publish_flow_query(b.control.publish, &query, on_answer, &b), 0);
	fake_kill(&b.fake);
	CU_ASSERT_TRUE(run_until(&b, is_answered));
	CU_ASSERT_EQUAL(b.server, -ENOTCONN);
	bench_destroy(&b);
}

static void
without_publish(void)
{
	const struct shunt_port_info *ports;
	struct bench b = { 0 };

	publish_schedule(NULL);
	CU_ASSERT_FALSE(publish_connected(NULL));
	CU_ASSERT_EQUAL(publish_generation(NULL), 0);
	CU_ASSERT_PTR_NULL(publish_stats(NULL));
	CU_ASSERT_PTR_NULL(publish_image(NULL));
	CU_ASSERT_EQUAL(publish_ports(NULL, &ports), 0);
	CU_ASSERT_EQUAL(settle(&b), -ENOTCONN);
	publish_wait_cancel(NULL, &b.waiter);
	publish_destroy(NULL);
}

static const struct unit_test tests[] = {
	{ "first push", first_push },
	{ "only differences", only_differences },
	{ "nothing is committed too", nothing_is_committed_too },
	{ "adopted without a message", adopted_without_a_message },
	{ "refused", refused },
	{ "late worker", late_worker },
	{ "waiters come and go", waiters_come_and_go },
	{ "lost and found", lost_and_found },
	{ "dataplane restarts", dataplane_restarts },
	{ "dataplane comes later", dataplane_comes_later },
	{ "another version", other_version },
	{ "nonsense runs", nonsense_runs },
	{ "fenced", fenced },
	{ "overtaken", overtaken },
	{ "answers that nobody asked for", answers_that_nobody_asked_for },
	{ "full ring", full_ring },
	{ "flow query", flow_query },
	{ "without publish", without_publish },
};

UNIT_MAIN("publish", tests)
