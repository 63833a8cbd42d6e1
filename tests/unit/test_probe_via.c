/* SPDX-License-Identifier: BSD-3-Clause */
/* Probes through services, as far as control goes; tests/netns/test_via.sh has the rest. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "image.h"
#include "listener.h"
#include "probe.h"
#include "probe_via.h"
#include "publish.h"
#include "state.h"
#include "unit.h"

#define SERVER_ID  7
#define RUN_MAX_MS 4000
#define SOCKETS	   200

/* In place of publish.c: what the dataplane says. */
static struct {
	struct shunt_stats stats;
	struct image *image;
	struct shunt_port_info ports[2];
	bool connected;
} dataplane;

void
publish_schedule_server(struct publish *publish, struct server *server)
{
	(void)publish;
	(void)server;
}

const struct shunt_stats *
publish_stats(const struct publish *publish)
{
	(void)publish;
	return dataplane.connected ? &dataplane.stats : NULL;
}

const struct image *
publish_image(const struct publish *publish)
{
	(void)publish;
	return dataplane.image;
}

uint32_t
publish_ports(const struct publish *publish, const struct shunt_port_info **ports)
{
	(void)publish;
	*ports = dataplane.ports;
	return 2;
}

/* servers.c needs it for reloads, which do not happen here. */
void
config_destroy(struct config *config)
{
	(void)config;
}

static struct control control;
static struct backend backend = { .config.name = "app" };
static struct shunt_server running;

static struct server
make_server(uint16_t port_be, uint32_t inter_ms)
{
	const struct in_addr loopback = { .s_addr = htonl(INADDR_LOOPBACK) };
	struct server server = {
		.config = {
			.name = "s1",
			.address = shunt_addr_from_v4(&loopback),
			.port_be = port_be,
			.check = { .enabled = true, .via_service = true, .inter_ms = inter_ms,
				.fastinter_ms = inter_ms, .downinter_ms = inter_ms,
				.timeout_ms = 1000, .rise = 2, .fall = 3 },
		},
		.backend = &backend,
		.id = SERVER_ID,
	};

	health_init(&server.health, &server.config.check);
	return server;
}

static void
put_running(void)
{
	CU_ASSERT_EQUAL_FATAL(
		image_put(dataplane.image, SHUNT_KIND_SERVER, SERVER_ID, &running, sizeof(running)),
		0);
}

/* All is ready for this server. */
static void
setup(const struct server *server)
{
	struct shunt_nexthop nexthop = { .port = 0 };
	struct shunt_service service = { .port_be = htons(443), .last_port_be = htons(450) };

	memset(&control, 0, sizeof(control));
	memset(&dataplane, 0, sizeof(dataplane));
	control.loop = loop_create();
	dataplane.image = image_create();
	dataplane.connected = true;
	dataplane.stats.probe_via = 1;
	snprintf(dataplane.ports[0].interface, sizeof(dataplane.ports[0].interface), "lan0");
	running = (struct shunt_server){
		.address = server->config.address,
		.port_be = server->config.port_be,
		.probe_service = 3,
		.nexthop = 1,
	};
	image_put(dataplane.image, SHUNT_KIND_NEXTHOP, 1, &nexthop, sizeof(nexthop));
	nexthop.port = 1; /* without a kernel interface */
	image_put(dataplane.image, SHUNT_KIND_NEXTHOP, 2, &nexthop, sizeof(nexthop));
	nexthop.port = 2; /* not there */
	image_put(dataplane.image, SHUNT_KIND_NEXTHOP, 3, &nexthop, sizeof(nexthop));
	image_put(dataplane.image, SHUNT_KIND_SERVICE, 3, &service, sizeof(service));
	put_running();
}

static void
teardown(void)
{
	CU_ASSERT_PTR_NULL(control.prober);
	image_destroy(dataplane.image);
	loop_destroy(control.loop);
}

static void
readiness(void)
{
	struct server server = make_server(htons(80), 1000);

	setup(&server);
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), 0);
	dataplane.connected = false;
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), -ENOTCONN);
	dataplane.connected = true;
	dataplane.stats.probe_via = 0;
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), -EOPNOTSUPP);
	dataplane.stats.probe_via = 1;
	server.id = 0; /* none yet */
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), -EAGAIN);
	server.id = SERVER_ID + 1; /* not in the image yet */
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), -EAGAIN);
	server.id = SERVER_ID;
	running.probe_service = 0; /* the check was changed a moment ago */
	put_running();
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), -EAGAIN);
	running.probe_service = 3;
	running.port_be = htons(81); /* or the id was another's */
	put_running();
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), -EAGAIN);
	running.port_be = htons(80);
	running.nexthop = 0; /* the kernel will find out */
	put_running();
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), 0);
	for (running.nexthop = 2; running.nexthop <= 3; running.nexthop++) {
		put_running();
		CU_ASSERT_EQUAL(probe_via_ready(&control, &server), -EOPNOTSUPP);
	}
	teardown();
}

/* Its socket connects to the service's first port, once the dataplane knows that one. */
static void
server_without_port(void)
{
	struct server server = make_server(0, 1000);

	server.config.keeps_port = true;
	server.config.check.port_be = htons(443);
	setup(&server);
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), 0);
	server.config.check.port_be = htons(80); /* the bind was changed a moment ago */
	CU_ASSERT_EQUAL(probe_via_ready(&control, &server), -EAGAIN);
	teardown();
}

/* Without the privilege there is nothing to be seen but the error. */
static bool
may_mark(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), mark = 1;
	bool may = setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0;

	close(fd);
	return may;
}

static void
ports_of_their_own(void)
{
	struct probe_via_ports ports;
	uint8_t seen[65536] = { 0 };
	int fds[SOCKETS], opened[SOCKETS], first;
	uint32_t mark = 0;
	socklen_t length = sizeof(mark);

	if (!may_mark())
		return;
	probe_via_ports_init(&ports);
	CU_ASSERT_TRUE_FATAL(ports.first > 0 && ports.first < ports.last);
	ports.next = (uint16_t)(ports.last - SOCKETS / 2); /* the end of the range is passed */
	for (int i = 0; i < SOCKETS; i++) {
		int family = i % 2 ? AF_INET : AF_INET6;

		fds[i] = socket(family, SOCK_STREAM, 0);
		opened[i] = probe_via_open(&ports, fds[i], family, SERVER_ID);
		CU_ASSERT_TRUE_FATAL(opened[i] >= ports.first && opened[i] <= ports.last);
		CU_ASSERT_EQUAL(ntohs(port_of(fds[i])), opened[i]);
		CU_ASSERT_EQUAL(seen[opened[i]]++, 0);
	}
	CU_ASSERT_EQUAL(getsockopt(fds[0], SOL_SOCKET, SO_MARK, &mark, &length), 0);
	CU_ASSERT_EQUAL(mark, SHUNT_PROBE_MARK | SERVER_ID);
	for (int i = 1; i < SOCKETS; i++) {
		probe_via_close(&ports, (uint16_t)opened[i]);
		close(fds[i]);
	}
	/* A range that is used up: one port, and it is taken. */
	first = opened[0];
	ports.first = ports.last = (uint16_t)first;
	fds[1] = socket(AF_INET6, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL(probe_via_open(&ports, fds[1], AF_INET6, 1), -EADDRINUSE);
	probe_via_close(&ports, (uint16_t)first);
	close(fds[0]);
	CU_ASSERT_EQUAL(probe_via_open(&ports, fds[1], AF_INET6, 1), first);
	close(fds[1]);
}

static void
on_stop(struct loop_timer *timer, uint64_t now_ms)
{
	(void)timer;
	(void)now_ms;
	loop_stop(control.loop);
}

static void
run_for(uint64_t ms)
{
	struct loop_timer stop = { .on_timer = on_stop };

	CU_ASSERT_EQUAL(loop_timer_set(control.loop, &stop, ms), 0);
	CU_ASSERT_EQUAL(loop_run(control.loop), 0);
}

static void
run_until_up(const struct server *server)
{
	uint64_t start_ms = loop_now_ms(control.loop);

	while (server->health.verdict != SHUNT_HEALTH_UP &&
		loop_now_ms(control.loop) - start_ms < RUN_MAX_MS)
		run_for(1);
	CU_ASSERT_EQUAL(server->health.verdict, SHUNT_HEALTH_UP);
}

/* The first probe waits for the dataplane, not for the next turn of an interval. */
static void
waits_until_ready(void)
{
	struct server server;
	int fd = bound_socket(AF_INET);

	if (!may_mark()) {
		close(fd);
		return;
	}
	CU_ASSERT_EQUAL(listen(fd, 64), 0);
	server = make_server(port_of(fd), 60000);
	setup(&server);
	running.probe_service = 0;
	put_running();
	server.probe = probe_start(&control, &server);
	CU_ASSERT_PTR_NOT_NULL_FATAL(server.probe);
	run_for(30);
	CU_ASSERT_TRUE(server.health.fresh);
	CU_ASSERT_EQUAL(server.check_error, 0);
	running.probe_service = 3;
	put_running();
	run_until_up(&server);
	CU_ASSERT_EQUAL(server.check_fail + server.check_error, 0);
	probe_stop(server.probe);
	close(fd);
	teardown();
}

/* The server's own address would answer; but that is not what was to be found out. */
static void
no_verdict_without_dataplane(void)
{
	struct server server;
	int fd = bound_socket(AF_INET);

	CU_ASSERT_EQUAL(listen(fd, 64), 0);
	server = make_server(port_of(fd), 20);
	setup(&server);
	dataplane.connected = false;
	server.probe = probe_start(&control, &server);
	CU_ASSERT_PTR_NOT_NULL_FATAL(server.probe);
	run_for(100);
	CU_ASSERT_TRUE(server.health.fresh);
	CU_ASSERT_TRUE(server.check_error >= 1);
	CU_ASSERT_EQUAL(server.check_fail, 0);
	probe_stop(server.probe);
	close(fd);
	teardown();
}

static const struct unit_test tests[] = {
	{ "readiness", readiness },
	{ "a server without a port", server_without_port },
	{ "ports of their own", ports_of_their_own },
	{ "waits until ready", waits_until_ready },
	{ "no verdict without dataplane", no_verdict_without_dataplane },
};

UNIT_MAIN("probe_via", tests)
