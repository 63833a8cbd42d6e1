/* SPDX-License-Identifier: BSD-3-Clause */
/* When changes are sent, and what is sent of them. */
#include "publish_bench.h"
#include "unit.h"

static void
changes_are_collected(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	for (int i = 0; i < 99; i++)
		set_admin(&b, "app/s1", i % 2 ? SHUNT_ADMIN_READY : SHUNT_ADMIN_DRAIN);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 2);
	/* And what comes while a transaction is under way makes one more. */
	fake_lock(&b.fake);
	b.fake.hold = true;
	b.fake.commits = 0;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s1", SHUNT_ADMIN_READY);
	run_for(&b, 30);
	for (int i = 0; i < 10; i++) {
		set_admin(&b, "app/s2", i % 2 ? SHUNT_ADMIN_MAINT : SHUNT_ADMIN_DRAIN);
		run_for(&b, 2);
	}
	fake_lock(&b.fake);
	b.fake.hold = false;
	fake_unlock(&b.fake);
	CU_ASSERT_EQUAL(settle(&b), 0);
	CU_ASSERT_EQUAL(publish_generation(b.control.publish), 4);
	bench_destroy(&b);
}

/* What is sent of a server's change is what compiling all anew would say: nothing is left over. */
static void
a_server_changes(void)
{
	static const char *const paths[] = { "app/s1", "app/s2" };
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	for (unsigned int i = 0; i < 8; i++) {
		set_admin(&b, paths[i / 2 % 2], i % 2 ? SHUNT_ADMIN_READY : SHUNT_ADMIN_MAINT);
		CU_ASSERT_EQUAL(settle(&b), 0);
		CU_ASSERT_EQUAL(publish_generation(b.control.publish), i + 2);
		fake_lock(&b.fake);
		CU_ASSERT_EQUAL(b.fake.puts, 2);
		CU_ASSERT_TRUE(image_equal(b.fake.running, publish_image(b.control.publish)));
		fake_unlock(&b.fake);
		publish_schedule(b.control.publish);
		CU_ASSERT_EQUAL(settle(&b), 0);
		CU_ASSERT_EQUAL(publish_generation(b.control.publish), i + 2);
	}
	bench_destroy(&b);
}

/* A change does not wait for others: it is sent in the turn that it came in. */
static void
sent_at_once(void)
{
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	run_for(&b, 30);
	fake_lock(&b.fake);
	b.fake.hold = true;
	fake_unlock(&b.fake);
	set_admin(&b, "app/s1", SHUNT_ADMIN_DRAIN);
	run_for(&b, 1);
	fake_lock(&b.fake);
	CU_ASSERT_EQUAL(rte_ring_count(fake_ring(&b.fake, 0)), 4);
	b.fake.hold = false;
	fake_unlock(&b.fake);
	CU_ASSERT_EQUAL(settle(&b), 0);
	bench_destroy(&b);
}

struct asked {
	int answers;
	int result;
	uint32_t last; /* sessions of the last row */
	uint32_t refusal;
	const struct publish *publish;
};

static void
on_rows(void *context, int count)
{
	struct asked *asked = context;

	asked->answers++;
	asked->result = count;
	if (count > 0)
		asked->last = publish_sources(asked->publish)[count - 1].sessions;
}

static void
on_flow_answer(void *context, int server)
{
	struct asked *asked = context;

	asked->answers++;
	asked->result = server;
	asked->refusal = publish_flow_refusal(asked->publish);
}

static void
set_answer(struct bench *b, int answer, uint32_t refusal)
{
	fake_lock(&b->fake);
	b->fake.flow_answer = answer;
	b->fake.refusal = refusal;
	fake_unlock(&b->fake);
}

/* Client networks, and why a flow would be refused: what is asked beside the transactions. */
static void
questions(void)
{
	struct shunt_flow_query query = { .client_port_be = htons(1234), .service = 1 };
	struct asked asked = { 0 };
	struct bench b;

	bench_create(&b, MODEL);
	CU_ASSERT_EQUAL(settle(&b), 0);
	asked.publish = b.control.publish;
	set_answer(&b, 1000, 0);
	CU_ASSERT_EQUAL(publish_sources_query(b.control.publish, 1000, on_rows, &asked), 0);
	CU_ASSERT_EQUAL(
		publish_flow_query(b.control.publish, &query, on_flow_answer, &asked), -EBUSY);
	run_for(&b, 50);
	CU_ASSERT_EQUAL(asked.answers, 1);
	CU_ASSERT_EQUAL(asked.result, 1000);
	CU_ASSERT_EQUAL(asked.last, 999);
	set_answer(&b, 7, SHUNT_DROP_SOURCE_RATE);
	CU_ASSERT_EQUAL(publish_flow_query(b.control.publish, &query, on_flow_answer, &asked), 0);
	run_for(&b, 50);
	CU_ASSERT_EQUAL(asked.result, 7);
	CU_ASSERT_EQUAL(asked.refusal, SHUNT_DROP_SOURCE_RATE);
	/* A reason that is none, and a row more than there is room for. */
	set_answer(&b, 6, UINT32_MAX);
	CU_ASSERT_EQUAL(publish_flow_query(b.control.publish, &query, on_flow_answer, &asked), 0);
	run_for(&b, 50);
	CU_ASSERT_EQUAL(asked.refusal, 0);
	CU_ASSERT_EQUAL(publish_sources_query(b.control.publish, 5, on_rows, &asked), 0);
	run_for(&b, 50);
	CU_ASSERT_EQUAL(asked.answers, 4);
	CU_ASSERT_EQUAL(asked.result, -ENOTCONN);
	bench_destroy(&b);
}

static const struct unit_test tests[] = {
	{ "changes are collected", changes_are_collected },
	{ "a server changes", a_server_changes },
	{ "sent at once", sent_at_once },
	{ "questions", questions },
};

UNIT_MAIN("publish_changes", tests)
