/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Joins the parts: events come in here and go to interfaces.c (links, addresses) and nexthops.c
 * (routes, neighbours); what they leave to do is collected for a moment and done in work().
 */
#define LOG_SUBSYSTEM "netlink"

#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "announce.h"
#include "interfaces.h"
#include "nexthops.h"
#include "publish.h"
#include "rtnl.h"
#include "state.h"
#include "shunt/log.h"

/* Events come in crowds; what they leave to do waits this long for more of them. */
#define COLLECT_MS 20
/* After local trouble (no memory, no answer) everything is asked for again. */
#define TROUBLE_MS	   1000
#define EVENT_SOCKET_BYTES (4 << 20)
#define EVENT_BYTES	   32768
/* Datagrams a turn of the loop, so that a storm of events delays nothing else. */
#define EVENTS_PER_TURN 64
/* An end to reading for the case that events come as fast as they are thrown away. */
#define DRAIN_MAX 100000
/* With more route events than this in one crowd it is cheaper to ask for all routes. */
#define PREFIXES_PER_CROWD 64

/* A neighbour from the configuration. */
#define PORT_UNKNOWN UINT32_MAX /* the dataplane has not told of it yet */

struct fixed {
	struct shunt_addr address;
	struct shunt_nexthop nexthop;
};

struct netlink {
	struct control *control;
	struct rtnl *rtnl;
	struct mnl_socket *socket;
	struct loop_watch watch;
	struct loop_timer timer;
	struct interfaces interfaces;
	struct nexthops *nexthops;
	struct announce *announce;
	struct fixed *fixed; /* sorted by address, which comes first in the struct */
	size_t fixed_count;
	struct shunt_addr *taken; /* the services' and full NAT's addresses, sorted */
	size_t taken_count;
	unsigned int prefixes; /* route events in this crowd */
	uint64_t pause_ms;     /* between two refreshes: they take a tenth of the time at most */
	uint64_t refreshed_ms;
	bool events_lost;
	bool locals_changed;
	char buffer[EVENT_BYTES] __attribute__((aligned(8)));
};

static void
schedule(struct netlink *netlink, uint64_t delay_ms)
{
	uint64_t at_ms = loop_now_ms(netlink->control->loop) + delay_ms;

	if (loop_timer_is_set(&netlink->timer) && netlink->timer.at_ms <= at_ms)
		return;
	if (loop_timer_set(netlink->control->loop, &netlink->timer, delay_ms) < 0)
		log_error("no memory for a timer: next hops may be out of date");
}

/* Tells the others if an answer of this module is another than before. */
static void
publish_changes(struct netlink *netlink)
{
	bool changed = nexthops_take_changed(netlink->nexthops);

	changed = changed || netlink->locals_changed;
	netlink->locals_changed = false;
	if (changed && netlink->control->publish)
		publish_schedule(netlink->control->publish);
}

/*
 * Throws away what has come. The kernel says ENOBUFS once, and then drops events without a word
 * until the socket has been read empty; so that has to be done before anything is asked for anew.
 */
static void
drain(struct netlink *netlink)
{
	for (int i = 0; i < DRAIN_MAX; i++) {
		if (mnl_socket_recvfrom(netlink->socket, netlink->buffer, sizeof(netlink->buffer)) <
				0 &&
			(errno == EAGAIN || errno == EWOULDBLOCK))
			return;
	}
}

/* Events were lost, or none came yet: asks the kernel for everything. 0 or -errno. */
static int
load(struct netlink *netlink, uint64_t now_ms)
{
	int error;

	drain(netlink);
	error = interfaces_load(&netlink->interfaces, netlink->rtnl);
	nexthops_events_lost(netlink->nexthops, now_ms);
	netlink->locals_changed = true;
	netlink->events_lost = error != 0;
	return error;
}

/* Does what events and updates have left to do, and sets the timer for what is due later. */
static void
work(struct netlink *netlink)
{
	uint64_t now_ms = loop_now_ms(netlink->control->loop), next_ms, retry_ms;
	struct timespec start, end;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	netlink->prefixes = 0;
	if (netlink->events_lost)
		error = load(netlink, now_ms);
	if (nexthops_is_stale(netlink->nexthops)) {
		int result = nexthops_refresh(netlink->nexthops, now_ms);

		error = error ? error : result;
		netlink->refreshed_ms = now_ms;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	netlink->pause_ms = (uint64_t)((end.tv_sec - start.tv_sec) * 1000 +
				    (end.tv_nsec - start.tv_nsec) / 1000000) *
		10;
	next_ms = nexthops_tick(netlink->nexthops, now_ms);
	/* What is known of addresses must be complete before any is added or taken off. */
	retry_ms =
		netlink->events_lost ? UINT64_MAX : announce_reconcile(netlink->announce, now_ms);
	if (retry_ms < next_ms)
		next_ms = retry_ms;
	if (error && now_ms + TROUBLE_MS < next_ms)
		next_ms = now_ms + TROUBLE_MS;
	if (next_ms != UINT64_MAX)
		schedule(netlink, next_ms > now_ms ? next_ms - now_ms : 1);
	publish_changes(netlink);
}

static void
on_timer(struct loop_timer *timer, uint64_t now_ms)
{
	(void)now_ms;
	work(loop_container(timer, struct netlink, timer));
}

static void
take_link(struct netlink *netlink, const struct rtnl_link *link, uint64_t now_ms)
{
	const struct rtnl_link *known = interfaces_link(&netlink->interfaces, link->index);
	int port = interfaces_port(&netlink->interfaces, link->index);
	bool was_up = known && interfaces_link_up(known);
	bool is_up = !link->removed && interfaces_link_up(link);
	int result = interfaces_take_link(&netlink->interfaces, link);

	if (result == 0)
		return;
	if (result < 0)
		netlink->events_lost = true;
	if (port < 0)
		port = interfaces_port(&netlink->interfaces, link->index);
	if (port >= 0 && was_up != is_up)
		log_info("port %s: interface %s is %s", netlink->interfaces.ports[port].name,
			link->name, is_up ? "up" : "down");
	if (was_up != is_up) {
		nexthops_link_changed(netlink->nexthops, link->index, now_ms);
		announce_link_changed(netlink->announce, link->index);
	}
	/* The kernel takes IPv4 routes of an interface that goes down away without an event. */
	nexthops_all_changed(netlink->nexthops);
}

static void
take_address(struct netlink *netlink, const struct rtnl_address *address)
{
	int result = interfaces_take_address(&netlink->interfaces, address);

	if (result == 0)
		return;
	if (result < 0)
		netlink->events_lost = true;
	if (address->proto == RTNL_PROTO_SHUNT)
		return; /* no route and no local address of ours depends on a balanced one */
	netlink->locals_changed = true;
	/* With an address go the routes that prefer it as source, without an event. */
	nexthops_all_changed(netlink->nexthops);
}

static int
take_event(const struct nlmsghdr *nlh, void *context)
{
	struct netlink *netlink = context;
	uint64_t now_ms = loop_now_ms(netlink->control->loop);
	struct rtnl_neighbor neighbor;
	struct rtnl_address address;
	struct rtnl_prefix prefix;
	struct rtnl_link link;

	if (rtnl_parse_neighbor(nlh, &neighbor)) {
		nexthops_take_neighbor(netlink->nexthops, &neighbor, now_ms);
	} else if (rtnl_parse_route(nlh, &prefix)) {
		if (++netlink->prefixes <= PREFIXES_PER_CROWD)
			nexthops_prefix_changed(netlink->nexthops, &prefix);
		else if (netlink->prefixes == PREFIXES_PER_CROWD + 1)
			nexthops_all_changed(netlink->nexthops);
	} else if (rtnl_parse_address(nlh, &address)) {
		take_address(netlink, &address);
	} else if (rtnl_parse_link(nlh, &link)) {
		take_link(netlink, &link, now_ms);
	} else if (nlh->nlmsg_type == RTM_NEWRULE || nlh->nlmsg_type == RTM_DELRULE ||
		nlh->nlmsg_type == RTM_NEWNEXTHOP || nlh->nlmsg_type == RTM_DELNEXTHOP) {
		nexthops_all_changed(netlink->nexthops);
	}
	return MNL_CB_OK;
}

static void
on_event(struct loop_watch *watch, uint32_t events)
{
	struct netlink *netlink = loop_container(watch, struct netlink, watch);
	uint64_t now_ms = loop_now_ms(netlink->control->loop), wait_ms = COLLECT_MS;

	(void)events;
	for (int i = 0; i < EVENTS_PER_TURN; i++) {
		ssize_t n = mnl_socket_recvfrom(
			netlink->socket, netlink->buffer, sizeof(netlink->buffer));

		if (n >= 0) {
			mnl_cb_run(netlink->buffer, (size_t)n, 0, 0, take_event, netlink);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		/* ENOBUFS: the kernel had more to say than the socket holds. */
		netlink->events_lost = true;
		break;
	}
	publish_changes(netlink);
	if (now_ms < netlink->refreshed_ms + netlink->pause_ms)
		wait_ms = netlink->refreshed_ms + netlink->pause_ms - now_ms;
	schedule(netlink, wait_ms > COLLECT_MS ? wait_ms : COLLECT_MS);
}

/* 0 or -errno. */
static int
open_events(struct netlink *netlink)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
		RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP };
	const int bytes = EVENT_SOCKET_BYTES;
	int fd;

	netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!netlink->socket)
		return -errno;
	if (mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(netlink->socket);
	/* Without the privilege for the first, the system's limit applies. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		/* IPv6 or nexthop objects may not be in this kernel. */
		if (mnl_socket_setsockopt(
			    netlink->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 &&
			(group == RTNLGRP_LINK || errno != EINVAL))
			return -errno;
	}
	return loop_watch(netlink->control->loop, &netlink->watch, fd, EPOLLIN);
}

struct netlink *
netlink_create(struct control *control)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	int error = -ENOMEM;

	if (!netlink)
		return NULL;
	netlink->control = control;
	netlink->watch = (struct loop_watch){ .fd = -1, .on_event = on_event };
	netlink->timer.on_timer = on_timer;
	interfaces_init(&netlink->interfaces);
	netlink->rtnl = rtnl_create();
	if (!netlink->rtnl) {
		error = -errno;
		goto fail;
	}
	netlink->nexthops = nexthops_create(netlink->rtnl, &netlink->interfaces);
	netlink->announce = netlink->nexthops
		? announce_create(netlink->rtnl, &netlink->interfaces, netlink->nexthops)
		: NULL;
	if (!netlink->announce)
		goto fail;
	/* Events first, then the question: so nothing that happens in between is missed. */
	error = open_events(netlink);
	if (!error)
		error = load(netlink, loop_now_ms(control->loop));
	/* A network that changes all the time is no reason not to start: netlink_update() goes on.
	 */
	if (!error || error == -EINTR)
		return netlink;
fail:
	netlink_destroy(netlink, true);
	errno = -error;
	return NULL;
}

void
netlink_destroy(struct netlink *netlink, bool keep_addresses)
{
	if (!netlink)
		return;
	if (netlink->announce && !keep_addresses)
		announce_withdraw(netlink->announce);
	if (netlink->watch.fd >= 0)
		loop_unwatch(netlink->control->loop, &netlink->watch);
	if (loop_timer_is_set(&netlink->timer))
		loop_timer_cancel(netlink->control->loop, &netlink->timer);
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	nexthops_destroy(netlink->nexthops);
	announce_destroy(netlink->announce);
	interfaces_fini(&netlink->interfaces);
	rtnl_destroy(netlink->rtnl);
	free(netlink->fixed);
	free(netlink->taken);
	free(netlink);
}

static const struct fixed *
find_fixed(const struct netlink *netlink, const struct shunt_addr *address)
{
	if (netlink->fixed_count == 0)
		return NULL;
	return bsearch(address, netlink->fixed, netlink->fixed_count, sizeof(*netlink->fixed),
		interfaces_compare_addresses);
}

static uint32_t
port_by_name(const struct netlink *netlink, const char *name)
{
	for (uint32_t i = 0; i < netlink->interfaces.port_count; i++) {
		if (strcmp(netlink->interfaces.ports[i].name, name) == 0)
			return i;
	}
	return PORT_UNKNOWN;
}

/* The neighbours of the configuration, by the ports that the dataplane has. 0 or -ENOMEM. */
static int
update_fixed(struct netlink *netlink)
{
	const struct config *config = netlink->control->config;
	size_t count = config ? config->neighbor_count : 0;
	struct fixed *fixed = calloc(count + 1, sizeof(*fixed));

	if (!fixed)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct neighbor_config *neighbor = &config->neighbors[i];

		fixed[i].address = neighbor->address;
		fixed[i].nexthop.mac = neighbor->mac;
		fixed[i].nexthop.source = neighbor->source;
		memcpy(fixed[i].nexthop.vlan, neighbor->vlan, sizeof(neighbor->vlan));
		fixed[i].nexthop.port = port_by_name(netlink, neighbor->port);
	}
	qsort(fixed, count, sizeof(*fixed), interfaces_compare_addresses);
	free(netlink->fixed);
	netlink->fixed = fixed;
	netlink->fixed_count = count;
	return 0;
}

static int
update_servers(struct netlink *netlink)
{
	const struct control *control = netlink->control;
	struct shunt_addr *addresses;
	size_t count = 0;
	int error;

	for (size_t i = 0; i < control->backend_count; i++)
		count += backend_all_count(control->backends[i]);
	addresses = calloc(count + 1, sizeof(*addresses));
	if (!addresses)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < control->backend_count; i++) {
		const struct backend *backend = control->backends[i];

		for (size_t j = 0; j < backend_all_count(backend); j++) {
			const struct shunt_addr *address = &backend_any(backend, j)->config.address;

			if (!find_fixed(netlink, address))
				addresses[count++] = *address;
		}
	}
	count = interfaces_sort_addresses(addresses, count);
	error = nexthops_follow(netlink->nexthops, addresses, count);
	free(addresses);
	return error;
}

/* The addresses that are the dataplane's and not the kernel's own. 0 or -ENOMEM. */
static int
update_taken(struct netlink *netlink)
{
	const struct control *control = netlink->control;
	size_t count = control->service_count;
	struct shunt_addr *taken;

	for (size_t i = 0; i < control->backend_count; i++)
		count += control->backends[i]->config.source_count;
	taken = calloc(count + 1, sizeof(*taken));
	if (!taken)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < control->service_count; i++)
		taken[count++] = control->services[i].address;
	for (size_t i = 0; i < control->backend_count; i++) {
		const struct backend_config *backend = &control->backends[i]->config;

		for (size_t j = 0; j < backend->source_count; j++)
			taken[count++] = backend->sources[j];
	}
	free(netlink->taken);
	netlink->taken = taken;
	netlink->taken_count = interfaces_sort_addresses(taken, count);
	return 0;
}

void
netlink_update(struct netlink *netlink)
{
	const struct shunt_port_info *ports = NULL;
	uint32_t port_count = 0;
	int error;

	if (!netlink)
		return;
	if (netlink->control->publish)
		port_count = publish_ports(netlink->control->publish, &ports);
	if (interfaces_set_ports(&netlink->interfaces, ports, port_count))
		nexthops_all_changed(netlink->nexthops);
	error = update_fixed(netlink);
	if (!error)
		error = update_servers(netlink);
	if (!error)
		error = update_taken(netlink);
	if (!error)
		error = announce_follow(netlink->announce, netlink->control);
	if (error)
		log_error("cannot follow the servers' next hops: %s", strerror(-error));
	work(netlink);
}

bool
netlink_nexthop(const struct netlink *netlink, const struct shunt_addr *address,
	struct shunt_nexthop *nexthop)
{
	const struct fixed *fixed;

	if (!netlink)
		return false;
	fixed = find_fixed(netlink, address);
	if (fixed) {
		*nexthop = fixed->nexthop;
		return fixed->nexthop.port != PORT_UNKNOWN;
	}
	return nexthops_find(netlink->nexthops, address, nexthop);
}

/*
 * Loopback never comes through a port. An interface may also have addresses that are no host's
 * (multicast with "autojoin", 255.255.255.255): a server's reply never has them as destination, and
 * the dataplane refuses every generation that holds one.
 */
static bool
is_host(const struct shunt_addr *address)
{
	static const struct shunt_addr any6, loopback6 = { .bytes = { [15] = 1 } };
	static const uint8_t any[4], broadcast[4] = { 255, 255, 255, 255 };
	const uint8_t *v4 = &address->bytes[12];

	if (shunt_addr_is_v4(address))
		return v4[0] != 127 && (v4[0] & 0xf0) != 0xe0 && memcmp(v4, any, 4) != 0 &&
			memcmp(v4, broadcast, 4) != 0;
	return address->bytes[0] != 0xff && !shunt_addr_equal(address, &any6) &&
		!shunt_addr_equal(address, &loopback6);
}

static bool
is_local(const struct netlink *netlink, const struct shunt_addr *address)
{
	if (!is_host(address))
		return false;
	return netlink->taken_count == 0 ||
		!bsearch(address, netlink->taken, netlink->taken_count, sizeof(*address),
			interfaces_compare_addresses);
}

size_t
netlink_locals(const struct netlink *netlink, struct shunt_addr *locals, size_t max)
{
	struct shunt_addr *all;
	size_t count = 0;

	if (!netlink || max == 0)
		return 0;
	all = calloc(netlink->interfaces.address_count + 1, sizeof(*all));
	if (!all)
		return 0;
	for (size_t i = 0; i < netlink->interfaces.address_count; i++) {
		if (is_local(netlink, &netlink->interfaces.addresses[i].address))
			all[count++] = netlink->interfaces.addresses[i].address;
	}
	count = interfaces_sort_addresses(all, count);
	if (count > max)
		count = max;
	memcpy(locals, all, count * sizeof(*locals));
	free(all);
	return count;
}
