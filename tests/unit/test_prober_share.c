/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers with the same target are probed once: on real sockets and the real loop. */
#include "listener.h"
#include "probe_bed.h"
#include "probe_impl.h"

#define MEMBERS 4

/* One backend of servers that all stand at one listener. */
static struct server servers[MEMBERS];
static struct server *members[MEMBERS];
static struct backend *backends[] = { &backend };
static struct listener *listener;

static void
begin(uint32_t inter_ms)
{
	setup();
	listener = listener_open(control.loop, AF_INET);
	for (unsigned int i = 0; i < MEMBERS; i++) {
		servers[i] = make_server(port_of(listener->watch.fd), inter_ms, 100);
		members[i] = &servers[i];
		start(&servers[i]);
	}
	backend.servers = members;
	backend.server_count = MEMBERS;
	control.backends = backends;
	control.backend_count = 1;
}

static void
end(void)
{
	for (unsigned int i = 0; i < MEMBERS; i++)
		stop(&servers[i]);
	backend.server_count = 0;
	listener_close(listener);
	teardown();
}

static bool
all_up(void *context)
{
	(void)context;
	for (unsigned int i = 0; i < MEMBERS; i++) {
		if (servers[i].health.verdict != SHUNT_HEALTH_UP)
			return false;
	}
	return true;
}

static bool
all_down(void *context)
{
	(void)context;
	for (unsigned int i = 0; i < MEMBERS; i++) {
		if (servers[i].health.verdict == SHUNT_HEALTH_UP)
			return false;
	}
	return true;
}

/* So many have come, and nobody else does: an interval is a minute. */
static void
expect_accepted(unsigned int count)
{
	run_until(all_up, NULL);
	run_for(100);
	CU_ASSERT_EQUAL(listener->accepted, count);
}

static void
one_probe_for_all(void)
{
	begin(60000);
	probe_share(&control);
	expect_accepted(1);
	CU_ASSERT_EQUAL(published, MEMBERS);
	CU_ASSERT_EQUAL(control.prober->led_count, MEMBERS - 1);
	stop(&servers[1]);
	CU_ASSERT_EQUAL(control.prober->led_count, MEMBERS - 2);
	stop(&servers[0]); /* which was started first, and leads */
	CU_ASSERT_EQUAL(control.prober->led_count, 0);
	end();
}

/* For a second they ask as often as one of them would: at most once in 95 ms. */
static void
expect_rate_of_one(void)
{
	uint64_t start_ms = loop_now_ms(control.loop), most;
	unsigned int before = listener->accepted;

	run_for(1000);
	most = (loop_now_ms(control.loop) - start_ms) / 95 + 2;
	CU_ASSERT_TRUE(listener->accepted > before);
	CU_ASSERT_TRUE(listener->accepted - before <= most);
}

static void
as_often_as_one(void)
{
	begin(100);
	probe_share(&control);
	run_until(all_up, NULL);
	expect_rate_of_one();
	end();
}

static void
each_its_own_rise_and_fall(void)
{
	begin(100);
	servers[1].config.check.fall = 1;
	probe_share(&control);
	run_until(all_up, NULL);
	listener_close(listener);
	run_until(is_down, &servers[1]);
	CU_ASSERT_TRUE(is_up(&servers[0]));
	run_until(all_down, NULL);
	CU_ASSERT_EQUAL(servers[0].check_fail, servers[1].check_fail);
	listener = listener_open(control.loop, AF_INET);
	end();
}

/* What differs in where, how often or what is asked is another probe. */
static void
others_are_on_their_own(void)
{
	static const struct check_talk talk = {
		.type = CHECK_TCP, .send = (char *)(uintptr_t) "x", .send_length = 1
	};

	begin(60000);
	servers[1].config.check.timeout_ms = 99;
	servers[2].config.check.talk = &talk;
	servers[3].config.check.source = servers[3].config.address;
	probe_share(&control);
	expect_accepted(4);
	end();
}

static void
whoever_goes_leaves_the_others(void)
{
	unsigned int accepted;

	begin(100);
	probe_share(&control);
	run_until(all_up, NULL);
	stop(&servers[2]);
	stop(&servers[0]); /* which was the first to be due, and has led */
	accepted = listener->accepted;
	servers[1].health.verdict = servers[3].health.verdict = SHUNT_HEALTH_DOWN;
	servers[1].config.check.rise = servers[3].config.check.rise = 1;
	run_until(is_up, &servers[1]);
	run_until(is_up, &servers[3]);
	CU_ASSERT_TRUE(listener->accepted > accepted);
	end();
}

/* A reload: who shares is found anew; a new one is known within an interval. */
static void
again(void)
{
	begin(100);
	servers[3].config.check.talk = NULL;
	servers[3].config.check.timeout_ms = 99;
	probe_share(&control);
	run_until(all_up, NULL);
	servers[3].config.check.timeout_ms = 100;
	stop(&servers[1]);
	servers[1] = make_server(port_of(listener->watch.fd), 100, 100);
	start(&servers[1]);
	probe_share(&control);
	run_until(is_up, &servers[1]);
	run_for(200);
	expect_rate_of_one();
	/* And apart again. */
	servers[0].config.check.timeout_ms = 90;
	servers[1].config.check.timeout_ms = 91;
	servers[2].config.check.timeout_ms = 92;
	probe_share(&control);
	for (unsigned int i = 0; i < MEMBERS; i++)
		servers[i].check_fail = servers[i].report.duration_us = 0;
	run_for(300);
	for (unsigned int i = 0; i < MEMBERS; i++)
		CU_ASSERT_TRUE(servers[i].report.duration_us > 0);
	end();
}

/* One of whom nothing is known does not wait for the turn of those that were adopted. */
static void
new_beside_known_ones(void)
{
	for (unsigned int new = 0; new < MEMBERS; new ++) {
		begin(SHUNT_MAX_TIMEOUT_MS);
		probe_share(&control);
		for (unsigned int i = 0; i < MEMBERS; i++) {
			if (i == new)
				continue;
			servers[i].health = (struct health){ .verdict = SHUNT_HEALTH_UP };
			probe_update(servers[i].probe);
		}
		probe_share(&control);
		run_until(is_up, &servers[new]);
		CU_ASSERT_EQUAL(listener->accepted, 1);
		end();
	}
}

/* The same if the one that has led it goes, before it has a result. */
static void
new_and_left_alone(void)
{
	begin(SHUNT_MAX_TIMEOUT_MS);
	probe_share(&control);
	for (unsigned int i = 0; i < MEMBERS - 1; i++)
		stop(&servers[i]);
	probe_share(&control);
	run_until(is_up, &servers[MEMBERS - 1]);
	end();
}

static const struct unit_test tests[] = {
	{ "one probe for all", one_probe_for_all },
	{ "as often as one", as_often_as_one },
	{ "each its own rise and fall", each_its_own_rise_and_fall },
	{ "others are on their own", others_are_on_their_own },
	{ "whoever goes leaves the others", whoever_goes_leaves_the_others },
	{ "found anew at each reload", again },
	{ "a new one beside known ones", new_beside_known_ones },
	{ "a new one that is left alone", new_and_left_alone },
};

UNIT_MAIN("prober_share", tests)
