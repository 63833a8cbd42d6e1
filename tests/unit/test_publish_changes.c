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

static const struct unit_test tests[] = {
	{ "changes are collected", changes_are_collected },
	{ "a server changes", a_server_changes },
	{ "sent at once", sent_at_once },
};

UNIT_MAIN("publish_changes", tests)
