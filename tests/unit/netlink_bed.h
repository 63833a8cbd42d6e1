/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests that run netlink.c against the kernel, in network namespaces of their own: the
 * test's process is the balancer, each host on the other side is a child process that holds a
 * namespace. The loop and the dataplane's ports are fakes, so that the clock can be put forward.
 */
#ifndef TESTS_NETLINK_BED_H
#define TESTS_NETLINK_BED_H

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netlink.h"
#include "publish.h"
#include "state.h"
#include "unit.h"

#define WAIT_MS 5000

/* The loop: one watch, one timer, a clock that can be put forward. */
static struct loop_watch *watched;
static struct loop_timer *armed;
static uint64_t clock_ahead_ms;

static inline uint64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + clock_ahead_ms;
}

uint64_t
loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return clock_ms();
}

int
loop_watch(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events)
{
	(void)loop;
	(void)events;
	watch->fd = fd;
	watched = watch;
	return 0;
}

void
loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
	(void)loop;
	watch->fd = -1;
	watched = NULL;
}

int
loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
	timer->at_ms = loop_now_ms(loop) + delay_ms;
	timer->heap_index = 1;
	armed = timer;
	return 0;
}

void
loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	timer->heap_index = 0;
	armed = NULL;
}

static inline void
turn(int wait_ms)
{
	struct pollfd poll_fd = { .fd = watched->fd, .events = POLLIN };
	struct loop_timer *timer = armed;

	if (poll(&poll_fd, 1, wait_ms) > 0)
		watched->on_event(watched, (uint32_t)poll_fd.revents);
	if (timer && timer->heap_index && timer->at_ms <= clock_ms()) {
		timer->heap_index = 0;
		timer->on_timer(timer, clock_ms());
	}
}

/* The dataplane. */
static struct shunt_port_info ports[SHUNT_MAX_PORTS];
static uint32_t port_count;
static unsigned int schedules;
static char publish_object;

void
publish_schedule(struct publish *publish)
{
	CU_ASSERT_PTR_EQUAL(publish, &publish_object);
	schedules++;
}

uint32_t
publish_ports(const struct publish *publish, const struct shunt_port_info **result)
{
	CU_ASSERT_PTR_EQUAL(publish, &publish_object);
	*result = ports;
	return port_count;
}

static inline void
add_port(const char *name, const char *interface)
{
	struct shunt_port_info *port = &ports[port_count++];

	memset(port, 0, sizeof(*port));
	strncpy(port->name, name, sizeof(port->name) - 1);
	strncpy(port->interface, interface, sizeof(port->interface) - 1);
}

static inline bool __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
	char command[512];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = system(command);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The hosts. */
#define MAX_HOSTS 4
static pid_t hosts[MAX_HOSTS];
static int host_count;

/* A process that does nothing, in a namespace of its own, and dies with the test. */
static inline int
host_start(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	if (pid < 0)
		return -1;
	hosts[host_count] = pid;
	return host_count++;
}

static inline bool __attribute__((format(printf, 2, 3))) host_run(int host, const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return run("nsenter -t %d -n %s", (int)hosts[host], command);
}

/* What control knows: two backends' worth of servers and some services. */
#define MAX_SERVERS 4
static struct server servers[MAX_SERVERS], *server_list[MAX_SERVERS];
static struct backend backend, *backend_list[1];
static struct service services[MAX_SERVERS];
static struct neighbor_config neighbors[2];
static struct config config;
static struct control control;
static struct netlink *netlink;

static inline struct shunt_addr
addr(const char *text)
{
	struct shunt_addr address = { 0 };
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
		address = shunt_addr_from_v4(v4);
	else
		CU_ASSERT_EQUAL(inet_pton(AF_INET6, text, address.bytes), 1);
	return address;
}

static inline void
add_server(const char *address)
{
	server_list[backend.server_count] = &servers[backend.server_count];
	servers[backend.server_count++].config.address = addr(address);
}

static inline void
add_service(const char *address, bool announce)
{
	services[control.service_count].address = addr(address);
	services[control.service_count++].announce = announce;
}

static inline bool
network_start(void)
{
	int lan, wan;

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	lan = host_start();
	wan = host_start();
	return lan == 0 && wan == 1 && run("ip link set lo up") &&
		/* Duplicate address detection would make the first second of IPv6 deaf. */
		run("sysctl -q net.ipv6.conf.default.accept_dad=0") &&
		host_run(lan, "sysctl -q net.ipv6.conf.default.accept_dad=0") &&
		run("ip link add wan0 type veth peer name eth0 netns %d", (int)hosts[wan]) &&
		run("ip link add lan0 address 02:00:00:00:00:01 type veth peer name eth0 "
		    "address 02:00:00:00:00:11 netns %d",
			(int)hosts[lan]) &&
		run("ip addr add 192.0.2.1/24 dev wan0") &&
		run("ip addr add 2001:db8:2::1/64 dev wan0 nodad") &&
		run("ip addr add 10.0.0.1/24 dev lan0") &&
		run("ip addr add 2001:db8:1::1/64 dev lan0 nodad") &&
		run("ip link set wan0 up && ip link set lan0 up") &&
		host_run(wan, "ip link set eth0 up") &&
		host_run(lan, "ip addr add 10.0.0.11/24 dev eth0") &&
		host_run(lan, "ip addr add 2001:db8:1::11/64 dev eth0 nodad") &&
		host_run(lan, "ip link set eth0 up");
}

static inline void
stop(void)
{
	netlink_destroy(netlink, true);
	netlink = NULL;
	for (int i = 0; i < host_count; i++) {
		kill(hosts[i], SIGKILL);
		waitpid(hosts[i], NULL, 0);
	}
	host_count = 0;
}

/* False (after a message) if this machine does not let us make namespaces. */
static inline bool
start(void)
{
	memset(servers, 0, sizeof(servers));
	memset(services, 0, sizeof(services));
	memset(&backend, 0, sizeof(backend));
	memset(&config, 0, sizeof(config));
	memset(&control, 0, sizeof(control));
	backend.servers = server_list;
	backend_list[0] = &backend;
	config.neighbors = neighbors;
	control.config = &config;
	control.backends = backend_list;
	control.backend_count = 1;
	control.services = services;
	control.publish = (struct publish *)(void *)&publish_object;
	port_count = 0;
	schedules = 0;
	add_port("wan", "wan0");
	add_port("lan", "lan0");
	if (geteuid() != 0) {
		printf("skipped: needs root ");
		return false;
	}
	if (!network_start()) {
		CU_FAIL("the test network could not be made");
		stop();
		return false;
	}
	return true;
}

static inline bool
create(void)
{
	netlink = netlink_create(&control);
	CU_ASSERT_PTR_NOT_NULL(netlink);
	if (!netlink)
		return false;
	netlink_update(netlink);
	return true;
}

/* Turns the loop until the server is (or is no longer) to be reached as said. mac: NULL: not. */
static inline bool
reached(const char *address, uint32_t port, const char *mac)
{
	const struct shunt_addr server = addr(address);
	uint64_t until_ms = clock_ms() + WAIT_MS, ahead_ms = clock_ahead_ms;
	struct shunt_nexthop hop;
	char text[18];

	while (clock_ms() < until_ms + clock_ahead_ms - ahead_ms) {
		memset(&hop, 0xff, sizeof(hop));
		if (!netlink_nexthop(netlink, &server, &hop)) {
			if (!mac)
				return true;
		} else if (mac) {
			snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x",
				hop.mac.bytes[0], hop.mac.bytes[1], hop.mac.bytes[2],
				hop.mac.bytes[3], hop.mac.bytes[4], hop.mac.bytes[5]);
			CU_ASSERT(hop.pad[0] == 0 && hop.pad[1] == 0);
			if (strcmp(text, mac) == 0 && hop.port == port)
				return true;
		}
		turn(20);
	}
	return false;
}

/* Turns the loop until the kernel's addresses are as said. */
static inline bool
addresses_are(const char *grep, int count)
{
	uint64_t until_ms = clock_ms() + WAIT_MS;

	do {
		if (run("test $(ip -o addr show | grep -c '%s') = %d", grep, count))
			return true;
		turn(20);
	} while (clock_ms() < until_ms);
	run("ip -o addr show");
	return false;
}

static inline void
settle(void)
{
	for (int i = 0; i < 10; i++)
		turn(20);
}

#endif
