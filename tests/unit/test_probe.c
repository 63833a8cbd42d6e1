/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes against real sockets on the loopback interface, on the real loop, at short intervals.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "listener.h"
#include "probe_bed.h"
#include "probe_impl.h"

#define FLEET 2000

static void
up_at_once(void)
{
	struct listener *listener;
	struct server server;

	setup();
	listener = listener_open(control.loop, AF_INET);
	server = make_server(port_of(listener->watch.fd), 60000, 1000);
	start(&server);
	CU_ASSERT_TRUE(run_until(is_up, &server) < 100);
	run_until(all_clients_gone, listener);
	CU_ASSERT_EQUAL(listener->accepted, 1);
	CU_ASSERT_EQUAL(listener->ended, 1);
	CU_ASSERT_EQUAL(server.check_fail, 0);
	CU_ASSERT_EQUAL(published, 1);
	stop(&server);
	listener_close(listener);
	teardown();
}

static void
ipv6(void)
{
	struct listener *listener;
	struct server server;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	bool usable = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	if (!usable) /* no IPv6 on this machine */
		return;
	setup();
	listener = listener_open(control.loop, AF_INET6);
	server = make_server(port_of(listener->watch.fd), 60000, 1000);
	memcpy(server.config.address.bytes, &in6addr_loopback, sizeof(in6addr_loopback));
	start(&server);
	run_until(is_up, &server);
	run_until(all_clients_gone, listener);
	CU_ASSERT_EQUAL(listener->ended, 1);
	stop(&server);
	listener_close(listener);
	teardown();
}

static void
check_port(void)
{
	struct listener *listener;
	struct server server;

	setup();
	listener = listener_open(control.loop, AF_INET);
	server = make_server(htons(1), 60000, 1000);
	server.config.check.port_be = port_of(listener->watch.fd);
	start(&server);
	run_until(is_up, &server);
	stop(&server);
	listener_close(listener);
	teardown();
}

/* With a greeting large enough to be under way still when the probe is satisfied. */
static void
no_reset_for_servers_that_speak_first(void)
{
	static char banner[300000];
	struct listener *listener;
	struct server server;

	for (int large = 0; large < 2; large++) {
		setup();
		listener = listener_open(control.loop, AF_INET);
		listener->banner = banner;
		listener->banner_bytes = large ? sizeof(banner) : 30;
		server = make_server(port_of(listener->watch.fd), 100, 100);
		start(&server);
		run_for(350);
		CU_ASSERT_TRUE(listener->accepted >= 3);
		CU_ASSERT_TRUE(listener->ended + 1 >= listener->accepted);
		CU_ASSERT_EQUAL(listener->broken, 0);
		CU_ASSERT_TRUE(is_up(&server));
		stop(&server);
		listener_close(listener);
		teardown();
	}
}

/* A server that never closes costs a socket until the timeout, and the next probe comes in time. */
static void
server_that_never_closes(void)
{
	struct server server;
	int fd;

	setup();
	fd = bound_socket(AF_INET);
	CU_ASSERT_EQUAL(listen(fd, 64), 0);
	server = make_server(port_of(fd), 60000, 30);
	start(&server);
	run_until(is_up, &server);
	CU_ASSERT_TRUE(next_fd() > fd + 1); /* the probe's socket */
	run_for(60);
	CU_ASSERT_EQUAL(next_fd(), fd + 1);
	stop(&server);
	close(fd);
	teardown();
}

static void
refused(void)
{
	struct server server;
	int fd;

	setup();
	fd = bound_socket(AF_INET); /* bound, and not listening */
	server = make_server(port_of(fd), 20, 20);
	start(&server);
	run_for(50);
	CU_ASSERT_TRUE(server.check_fail >= 2);
	CU_ASSERT_TRUE(is_down(&server));
	CU_ASSERT_FALSE(server.health.fresh);
	CU_ASSERT_EQUAL(published, 1); /* that it is no longer fresh */
	/* It starts later: up after `rise` probes. */
	CU_ASSERT_EQUAL(listen(fd, 64), 0);
	run_until(is_up, &server);
	CU_ASSERT_EQUAL(published, 2);
	stop(&server);
	close(fd);
	teardown();
}

/* fall * inter + timeout + 100 ms, whether the server refuses or is silent. */
static void
down_in_time(void)
{
	struct full_listener full;
	struct server server;
	uint64_t took_ms;
	int fd;

	for (int silent = 0; silent < 2; silent++) {
		setup();
		full_listener_open(&full);
		fd = bound_socket(AF_INET); /* refuses */
		/* A timeout beyond the interval is cut to it, or this would take three of them. */
		server = make_server(silent ? full.port_be : port_of(fd), 100, 1000);
		server.health = (struct health){ .verdict = SHUNT_HEALTH_UP };
		start(&server);
		took_ms = run_until(is_down, &server);
		CU_ASSERT_TRUE(took_ms <= 3 * 100 + 100 + 100);
		CU_ASSERT_EQUAL(server.check_fail, 3);
		CU_ASSERT_EQUAL(server.check_down, 1);
		CU_ASSERT_EQUAL(published, 1);
		stop(&server);
		full_listener_close(&full);
		close(fd);
		teardown();
	}
}

static void
interval_from_start_to_start(void)
{
	struct listener *listener;
	struct server server;

	setup();
	listener = listener_open(control.loop, AF_INET);
	server = make_server(port_of(listener->watch.fd), 40, 40);
	start(&server);
	run_for(1000);
	CU_ASSERT_TRUE(listener->accepted >= 22);
	CU_ASSERT_TRUE(listener->accepted <= 29);
	CU_ASSERT_EQUAL(listener->broken, 0);
	CU_ASSERT_EQUAL(published, 1);
	stop(&server);
	listener_close(listener);
	teardown();
}

/* A server known already is not probed at once, but within one interval. */
static void
inherited_within_one_interval(void)
{
	struct listener *listener;
	struct server server;

	setup();
	listener = listener_open(control.loop, AF_INET);
	server = make_server(port_of(listener->watch.fd), 100, 100);
	server.health = (struct health){ .verdict = SHUNT_HEALTH_DOWN, .streak = 1 };
	start(&server);
	run_for(120);
	CU_ASSERT_TRUE(listener->accepted >= 1);
	CU_ASSERT_TRUE(is_up(&server));
	stop(&server);
	listener_close(listener);
	teardown();
}

/* The interval was an hour; the new settings do not wait for its end. */
static void
update_is_taken_up(void)
{
	struct listener *listener;
	struct server server;

	for (int closing = 0; closing < 2; closing++) {
		setup();
		listener = listener_open(control.loop, AF_INET);
		server = make_server(port_of(listener->watch.fd), 3600000, 1000);
		start(&server);
		run_until(is_up, &server);
		if (!closing)
			run_until(all_clients_gone, listener);
		run_for(closing ? 0 : 10);
		server.config.check.inter_ms = 50;
		probe_update(server.probe);
		run_for(300);
		CU_ASSERT_TRUE(listener->accepted >= 4);
		stop(&server);
		listener_close(listener);
		teardown();
	}
}

/* A connection that is under way to where the server was checked says nothing of where it is now.
 */
static void
update_while_connecting(void)
{
	struct listener *listener;
	struct full_listener full;
	struct server server;

	setup();
	listener = listener_open(control.loop, AF_INET);
	full_listener_open(&full);
	server = make_server(full.port_be, 300, 300);
	start(&server);
	run_for(20);
	CU_ASSERT_EQUAL(control.prober->open, 1);
	server.config.check.port_be = port_of(listener->watch.fd);
	probe_update(server.probe);
	run_until(is_up, &server);
	CU_ASSERT_EQUAL(server.check_fail, 0);
	stop(&server);
	full_listener_close(&full);
	listener_close(listener);
	teardown();
}

static void
move_to_another_struct(void)
{
	struct listener *listener;
	struct server old, new;

	setup();
	listener = listener_open(control.loop, AF_INET);
	old = make_server(port_of(listener->watch.fd), 20, 20);
	start(&old);
	new = old;
	probe_move(new.probe, &new);
	memset(&old, 0xee, sizeof(old));
	run_until(is_up, &new);
	run_for(50);
	CU_ASSERT_TRUE(listener->accepted >= 2);
	stop(&new);
	listener_close(listener);
	teardown();
}

/* Descriptors run out: the server keeps its health, and is probed again when there are some. */
static void
no_descriptors(void)
{
	struct rlimit before, none;
	struct listener *listener;
	struct server server;

	setup();
	listener = listener_open(control.loop, AF_INET);
	server = make_server(port_of(listener->watch.fd), 20, 20);
	server.config.check.fall = 1;
	server.health = (struct health){ .verdict = SHUNT_HEALTH_UP };
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)next_fd();
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	start(&server);
	run_for(200);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
	CU_ASSERT_TRUE(server.check_error >= 5);
	CU_ASSERT_TRUE(server.check_error <= 13); /* at the interval, not in a storm */
	CU_ASSERT_EQUAL(server.check_fail, 0);
	CU_ASSERT_TRUE(is_up(&server));
	CU_ASSERT_EQUAL(listener->accepted, 0);
	run_for(60);
	CU_ASSERT_TRUE(listener->accepted >= 1);
	CU_ASSERT_EQUAL(published, 0);
	stop(&server);
	listener_close(listener);
	teardown();
}

/* In a network namespace without any route. Needs root; without it there is nothing to see. */
static void
no_route(void)
{
	static const char documentation[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct server v4, v6;

	if (unshare(CLONE_NEWNET) < 0) {
		close(home);
		return;
	}
	setup();
	v4 = make_server(htons(80), 20, 20);
	v6 = make_server(htons(80), 20, 20);
	memcpy(v6.config.address.bytes, documentation, sizeof(documentation));
	v4.config.check.fall = v6.config.check.fall = 1;
	v4.health = v6.health = (struct health){ .verdict = SHUNT_HEALTH_UP };
	start(&v4);
	start(&v6);
	run_for(100);
	CU_ASSERT_TRUE(v4.check_error >= 2);
	CU_ASSERT_TRUE(v6.check_error >= 2);
	CU_ASSERT_TRUE(is_up(&v4));
	CU_ASSERT_TRUE(is_up(&v6));
	CU_ASSERT_EQUAL(v4.check_fail + v6.check_fail, 0);
	stop(&v4);
	stop(&v6);
	CU_ASSERT_EQUAL(setns(home, CLONE_NEWNET), 0);
	teardown();
	close(home);
}

static struct server fleet[FLEET];

static bool
fleet_is_up(void *context)
{
	(void)context;
	for (int i = 0; i < FLEET; i++) {
		if (fleet[i].probe && !is_up(&fleet[i]))
			return false;
	}
	return true;
}

/*
 * All at once, with fewer sockets than probes, against a server that never closes, so that sockets
 * are held until the timeout: the queue has to do its work.
 */
static void
fleet_at_once(void)
{
	struct rlimit before, few;
	uint64_t errors = 0;
	int fd;

	setup();
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 900;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &few), 0);
	fd = bound_socket(AF_INET);
	CU_ASSERT_EQUAL(listen(fd, 4096), 0);
	for (int i = 0; i < FLEET; i++) {
		fleet[i] = make_server(port_of(fd), 60000, 50);
		start(&fleet[i]);
	}
	run_until(fleet_is_up, NULL);
	for (int i = 0; i < FLEET; i++)
		errors += fleet[i].check_error + fleet[i].check_fail;
	CU_ASSERT_EQUAL(errors, 0);
	CU_ASSERT_EQUAL(published, FLEET);
	/* All that may be open were, and no more. */
	CU_ASSERT_EQUAL(control.probes.open_most, control.prober->open_max);
	CU_ASSERT_TRUE(control.probes.queued_most > 0);
	CU_ASSERT_TRUE(control.probes.waited >= control.probes.queued_most);
	CU_ASSERT_EQUAL(control.probes.queued, 0);
	for (int i = 0; i < FLEET; i++)
		stop(&fleet[i]);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(fd);
	teardown();
}

/* Stopped at any moment, queued ones included, the rest goes on. */
static void
stopped_at_any_moment(void)
{
	struct rlimit before, few;
	int fd;

	setup();
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 300;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &few), 0);
	fd = bound_socket(AF_INET);
	CU_ASSERT_EQUAL(listen(fd, 4096), 0);
	srandom(3);
	for (int i = 0; i < FLEET; i++) {
		fleet[i] = make_server(port_of(fd), 500, 50);
		start(&fleet[i]);
	}
	for (int i = 0; i < FLEET; i++) {
		stop(&fleet[random() % FLEET]);
		if (i % 20 == 0)
			run_for(1);
	}
	run_until(fleet_is_up, NULL);
	for (int i = 0; i < FLEET; i++)
		stop(&fleet[i]);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
	CU_ASSERT_EQUAL(control.probes.queued, 0);
	close(fd);
	teardown();
}

static uint64_t
next_ms_of(const struct probe *probe)
{
	if (probe->state == PROBE_WAITING)
		return probe->timer.at_ms;
	return probe->state == PROBE_CLOSING ? probe->next_ms : 0;
}

/* When the fleet's probes are due, in tenths of the interval that begins now. */
static void
count_due(unsigned int tenths[10], uint64_t inter_ms)
{
	uint64_t now_ms = loop_now_ms(control.loop);

	memset(tenths, 0, 10 * sizeof(*tenths));
	for (int i = 0; i < FLEET; i++) {
		uint64_t next_ms = next_ms_of(fleet[i].probe);

		CU_ASSERT_TRUE(next_ms <= now_ms + inter_ms);
		tenths[next_ms > now_ms ? (next_ms - now_ms) * 10 / (inter_ms + 1) : 0]++;
	}
}

/* The first probes are made in a moment, the second ones are due all over the interval. */
static void
spread_over_the_interval(void)
{
	unsigned int tenths[10];
	int fd;

	setup();
	fd = bound_socket(AF_INET);
	CU_ASSERT_EQUAL(listen(fd, 4096), 0);
	for (int i = 0; i < FLEET; i++) {
		fleet[i] = make_server(port_of(fd), 60000, 50);
		start(&fleet[i]);
	}
	CU_ASSERT_TRUE(run_until(fleet_is_up, NULL) < 2000);
	count_due(tenths, 60000);
	for (int i = 0; i < 10; i++) {
		CU_ASSERT_TRUE(tenths[i] > FLEET / 20);
		CU_ASSERT_TRUE(tenths[i] < FLEET / 5);
	}
	CU_ASSERT_EQUAL(control.probes.made, FLEET);
	CU_ASSERT_EQUAL(control.probes.by_status[CHECK_L4OK], FLEET);
	CU_ASSERT_TRUE(control.probes.open_most > 0);
	for (int i = 0; i < FLEET; i++)
		stop(&fleet[i]);
	close(fd);
	teardown();
}

/* A probe that took long is not cut short by the next one: the server's FIN has some time. */
static void
time_for_the_end(void)
{
	struct timespec pause = { .tv_nsec = 600000000 };
	struct server server;
	int fd;

	setup();
	fd = bound_socket(AF_INET);
	CU_ASSERT_EQUAL(listen(fd, 64), 0);
	for (int i = 0; i < 4; i++) {
		server = make_server(port_of(fd), 1000, 1000);
		start(&server);
		control.probes.made = 0;
		while (control.probes.made == 0)
			run_for(0);
		nanosleep(&pause, NULL);
		run_until(is_up, &server);
		CU_ASSERT_EQUAL(server.probe->state, PROBE_CLOSING);
		CU_ASSERT_EQUAL(control.probes.made, 1);
		CU_ASSERT_TRUE(server.probe->next_ms >= server.probe->started_ms + 600);
		CU_ASSERT_TRUE(server.probe->next_ms <= server.probe->started_ms + 1000);
		stop(&server);
	}
	close(fd);
	teardown();
}

/* Nobody waits for a probe that is long due. */
static bool
caught_up(void *context)
{
	(void)context;
	for (int i = 0; i < FLEET; i++) {
		const struct probe *probe = fleet[i].probe;

		if (probe->state == PROBE_WAITING &&
			probe->timer.at_ms + 50 < loop_now_ms(control.loop))
			return false;
	}
	return true;
}

/* This process was stopped for three intervals: all are late then, and spread as before after it.
 */
static void
apart_again_after_a_pause(void)
{
	struct timespec pause = { .tv_sec = 1, .tv_nsec = 500000000 };
	unsigned int tenths[10];
	uint64_t fails = 0;
	int fd;

	setup();
	fd = bound_socket(AF_INET);
	CU_ASSERT_EQUAL(listen(fd, 4096), 0);
	for (int i = 0; i < FLEET; i++) {
		fleet[i] = make_server(port_of(fd), 500, 10);
		fleet[i].health = (struct health){ .verdict = SHUNT_HEALTH_UP };
		start(&fleet[i]);
	}
	run_for(200);
	nanosleep(&pause, NULL);
	run_for(1); /* its clock stands still meanwhile */
	run_until(caught_up, NULL);
	count_due(tenths, 500);
	for (int i = 0; i < FLEET; i++)
		fails += fleet[i].check_down;
	for (int i = 1; i < 10; i++) /* at first there are those under way, too */
		CU_ASSERT_TRUE(tenths[i] < FLEET / 10 * 3);
	CU_ASSERT_EQUAL(fails, 0);
	for (int i = 0; i < FLEET; i++)
		stop(&fleet[i]);
	close(fd);
	teardown();
}

static const struct unit_test tests[] = {
	{ "a new server is up at once, and closed cleanly", up_at_once },
	{ "IPv6", ipv6 },
	{ "a port for checks of its own", check_port },
	{ "no reset for servers that speak first", no_reset_for_servers_that_speak_first },
	{ "a server that never closes", server_that_never_closes },
	{ "refused, then up after rise probes", refused },
	{ "down in time, refused or silent", down_in_time },
	{ "the interval counts from start to start", interval_from_start_to_start },
	{ "inherited health: within one interval", inherited_within_one_interval },
	{ "changed settings are taken up", update_is_taken_up },
	{ "an update while it connects", update_while_connecting },
	{ "a server becomes another struct", move_to_another_struct },
	{ "no descriptors: no verdict", no_descriptors },
	{ "no route: no verdict", no_route },
	{ "2000 probes at once", fleet_at_once },
	{ "time for the end", time_for_the_end },
	{ "second probes are spread", spread_over_the_interval },
	{ "apart again after a pause", apart_again_after_a_pause },
	{ "probes are stopped at any moment", stopped_at_any_moment },
};

UNIT_MAIN("probe", tests)
