/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of probes share: a server to be probed, on the real loop. It defines what
 * publish.c and config.c would, so it is for one file of a program.
 */
#ifndef TESTS_PROBE_BED_H
#define TESTS_PROBE_BED_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "probe.h"
#include "publish.h"
#include "state.h"
#include "unit.h"

#define RUN_MAX_MS 4000

static unsigned int published;

/* probe.c tells it of every change of verdict, and no publisher is needed here. */
void
publish_schedule_server(struct publish *publish, struct server *server)
{
	(void)publish;
	(void)server;
	published++;
}

static const struct shunt_stats *bed_stats; /* the dataplane's; NULL: there is none */

/* Probes through services ask for these; test_probe_via.c is about them. */
const struct shunt_stats *
publish_stats(const struct publish *publish)
{
	(void)publish;
	return bed_stats;
}

const struct image *
publish_image(const struct publish *publish)
{
	(void)publish;
	return NULL;
}

uint32_t
publish_ports(const struct publish *publish, const struct shunt_port_info **ports)
{
	(void)publish;
	*ports = NULL;
	return 0;
}

/* servers.c needs it for reloads, which do not happen here. */
void
config_destroy(struct config *config)
{
	(void)config;
}

static struct control control;
static struct backend backend = { .config.name = "app" };
static int fds_before;

static inline int
next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static inline void
setup(void)
{
	fds_before = next_fd();
	published = 0;
	memset(&control, 0, sizeof(control));
	control.loop = loop_create();
	CU_ASSERT_PTR_NOT_NULL_FATAL(control.loop);
}

static inline void
teardown(void)
{
	CU_ASSERT_PTR_NULL(control.prober); /* gone with the last probe */
	loop_destroy(control.loop);
	CU_ASSERT_EQUAL(next_fd(), fds_before);
}

static inline void
on_stop(struct loop_timer *timer, uint64_t now_ms)
{
	(void)timer;
	(void)now_ms;
	loop_stop(control.loop);
}

static inline void
run_for(uint64_t ms)
{
	struct loop_timer stop = { .on_timer = on_stop };

	CU_ASSERT_EQUAL(loop_timer_set(control.loop, &stop, ms), 0);
	CU_ASSERT_EQUAL(loop_run(control.loop), 0);
}

/* Runs until the condition holds, or RUN_MAX_MS are over. Returns how long it took. */
static inline uint64_t
run_until(bool (*condition)(void *context), void *context)
{
	uint64_t start_ms = loop_now_ms(control.loop);

	while (!condition(context) && loop_now_ms(control.loop) - start_ms < RUN_MAX_MS)
		run_for(1);
	CU_ASSERT_TRUE(condition(context));
	return loop_now_ms(control.loop) - start_ms;
}

static inline struct server
make_server(uint16_t port_be, uint32_t inter_ms, uint32_t timeout_ms)
{
	const struct in_addr loopback = { .s_addr = htonl(INADDR_LOOPBACK) };
	struct server server = {
		.config = {
			.name = "s1",
			.address = shunt_addr_from_v4(&loopback),
			.port_be = port_be,
			.weight = 1,
			.check = { .enabled = true, .inter_ms = inter_ms,
				.fastinter_ms = inter_ms, .downinter_ms = inter_ms,
				.timeout_ms = timeout_ms, .rise = 2, .fall = 3 },
		},
		.backend = &backend,
	};

	health_init(&server.health, &server.config.check);
	return server;
}

static inline void
start(struct server *server)
{
	server->probe = probe_start(&control, server);
	CU_ASSERT_PTR_NOT_NULL_FATAL(server->probe);
}

static inline void
stop(struct server *server)
{
	if (server->probe)
		probe_stop(server->probe);
	server->probe = NULL;
}

static inline bool
is_up(void *context)
{
	const struct server *server = context;

	return server->health.verdict == SHUNT_HEALTH_UP;
}

static inline bool
is_down(void *context)
{
	return !is_up(context);
}

#endif
