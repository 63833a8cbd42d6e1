/* SPDX-License-Identifier: BSD-3-Clause */
#define LOG_SUBSYSTEM "netlink"

#include "nexthops.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>

#include "shunt/log.h"

/* States in which the kernel itself would send to the entry's MAC (RFC 4861 section 7.3.2). */
#define USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

/* An unresolved neighbour is looked for after 1, 2, 4, 8, 8, ... seconds. */
#define ASK_FIRST_MS	 1000
#define ASK_MAX_DOUBLING 3
/* A resolved one is confirmed now and then, spread in time. */
#define CONFIRM_MS	  30000
#define CONFIRM_SPREAD_MS 10000
/* After so many attempts in vain it is worth a line in the log. */
#define TRIES_WORTH_A_LINE 3
/*
 * A neighbour that stops answering keeps its MAC for a while: that ARP is lost under load, or
 * switched off at the server, says little; whether the server works is for the probes to find out.
 * It does not keep it for ever, as switches flood frames to a MAC that they have forgotten.
 */
#define GRACE_MS 60000
/* Lines in the log within a second: with one interface or switch may go the way to thousands. */
#define LINES_A_SECOND 16
/* One turn of the loop asks for no more than this many. */
#define ASK_BUDGET    512
#define ASK_BUDGET_MS 100

enum way {
	WAY_UNKNOWN,
	WAY_GOOD,
	WAY_NONE,    /* no route */
	WAY_LOCAL,   /* the address is this machine's */
	WAY_NO_PORT, /* over an interface that the dataplane does not have */
};

struct destination {
	struct shunt_addr address;
	bool stale; /* the route has to be asked for */
	enum way way;
	uint32_t index; /* interface, if WAY_GOOD */
	struct shunt_addr via;
	struct shunt_addr source;
};

struct hop {
	uint32_t index;
	struct shunt_addr address;
	struct shunt_mac mac;
	bool has_mac;
	bool fixed;  /* entered by the operator as permanent */
	bool warned; /* the log says that it does not answer */
	unsigned int tries;
	uint64_t ask_at_ms;
	uint64_t asked_ms;
	uint64_t
		lost_ms; /* since when has_mac holds without the kernel's consent; 0: it consents */
};

struct nexthops {
	struct rtnl *rtnl;
	const struct interfaces *interfaces;
	struct destination *destinations; /* sorted by address */
	size_t destination_count;
	struct hop *hops; /* sorted by interface and address */
	size_t hop_count;
	bool stale;	 /* some destination is */
	bool hops_stale; /* `hops` is not what the destinations need */
	bool changed;
	bool warned_permission, warned_full;
	size_t first; /* hop to begin the next tick with, so that none starves */
	uint64_t lines_since_ms;
	unsigned int lines; /* since then, those left out included */
};

struct nexthops *
nexthops_create(struct rtnl *rtnl, const struct interfaces *interfaces)
{
	struct nexthops *nexthops = calloc(1, sizeof(*nexthops));

	if (!nexthops)
		return NULL;
	nexthops->rtnl = rtnl;
	nexthops->interfaces = interfaces;
	return nexthops;
}

void
nexthops_destroy(struct nexthops *nexthops)
{
	if (!nexthops)
		return;
	free(nexthops->destinations);
	free(nexthops->hops);
	free(nexthops);
}

static int
compare_destinations(const void *a, const void *b)
{
	const struct destination *x = a, *y = b;

	return memcmp(&x->address, &y->address, sizeof(x->address));
}

static int
compare_hops(const void *a, const void *b)
{
	const struct hop *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return memcmp(&x->address, &y->address, sizeof(x->address));
}

static struct destination *
find_destination(const struct nexthops *nexthops, const struct shunt_addr *address)
{
	const struct destination key = { .address = *address };

	if (nexthops->destination_count == 0)
		return NULL;
	return bsearch(&key, nexthops->destinations, nexthops->destination_count, sizeof(key),
		compare_destinations);
}

static struct hop *
find_hop(const struct nexthops *nexthops, uint32_t index, const struct shunt_addr *address)
{
	const struct hop key = { .index = index, .address = *address };

	if (nexthops->hop_count == 0)
		return NULL;
	return bsearch(&key, nexthops->hops, nexthops->hop_count, sizeof(key), compare_hops);
}

static const char *
hop_interface(const struct nexthops *nexthops, const struct hop *hop)
{
	const struct rtnl_link *link = interfaces_link(nexthops->interfaces, hop->index);

	return link ? link->name : "?";
}

int
nexthops_follow(struct nexthops *nexthops, const struct shunt_addr *addresses, size_t count)
{
	struct destination *destinations;
	bool same = count == nexthops->destination_count;

	for (size_t i = 0; same && i < count; i++)
		same = shunt_addr_equal(&addresses[i], &nexthops->destinations[i].address);
	if (same)
		return 0;
	destinations = calloc(count + 1, sizeof(*destinations));
	if (!destinations)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct destination *known = find_destination(nexthops, &addresses[i]);

		destinations[i].address = addresses[i];
		destinations[i].stale = true;
		if (known)
			destinations[i] = *known;
	}
	free(nexthops->destinations);
	nexthops->destinations = destinations;
	nexthops->destination_count = count;
	nexthops->stale = true;
	nexthops->hops_stale = true;
	return 0;
}

void
nexthops_prefix_changed(struct nexthops *nexthops, const struct rtnl_prefix *prefix)
{
	for (size_t i = 0; i < nexthops->destination_count; i++) {
		if (rtnl_prefix_contains(prefix, &nexthops->destinations[i].address)) {
			nexthops->destinations[i].stale = true;
			nexthops->stale = true;
		}
	}
}

void
nexthops_all_changed(struct nexthops *nexthops)
{
	for (size_t i = 0; i < nexthops->destination_count; i++)
		nexthops->destinations[i].stale = true;
	nexthops->stale = true;
}

bool
nexthops_is_stale(const struct nexthops *nexthops)
{
	return nexthops->stale;
}

static bool
worth_a_line(struct nexthops *nexthops, uint64_t now_ms)
{
	if (now_ms >= nexthops->lines_since_ms + 1000) {
		if (nexthops->lines > LINES_A_SECOND)
			log_info("%u more lines about routes and neighbours were left out",
				nexthops->lines - LINES_A_SECOND);
		nexthops->lines_since_ms = now_ms;
		nexthops->lines = 0;
	}
	return ++nexthops->lines <= LINES_A_SECOND;
}

static const char *
mac_text(const struct shunt_mac *mac, char text[18])
{
	const uint8_t *b = mac->bytes;

	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	return text;
}

static void
hop_resolved(
	struct nexthops *nexthops, struct hop *hop, const struct shunt_mac *mac, uint64_t now_ms)
{
	bool same = hop->has_mac && memcmp(&hop->mac, mac, sizeof(*mac)) == 0;
	char address[RTNL_ADDRESS_TEXT], before[18], after[18];

	if ((hop->warned || (hop->has_mac && !same)) && worth_a_line(nexthops, now_ms))
		log_info("neighbour %s on %s is at %s%s%s",
			rtnl_address_text(&hop->address, address, sizeof(address)),
			hop_interface(nexthops, hop), mac_text(mac, after),
			hop->has_mac && !same ? ", was at " : "",
			hop->has_mac && !same ? mac_text(&hop->mac, before) : "");
	if (!same) {
		hop->mac = *mac;
		hop->has_mac = true;
		nexthops->changed = true;
	}
	hop->warned = false;
	hop->lost_ms = 0;
	if (hop->tries > 0) {
		hop->tries = 0;
		hop->ask_at_ms = now_ms + CONFIRM_MS;
	}
}

static void
take_state(struct nexthops *nexthops, struct hop *hop, const struct rtnl_neighbor *neighbor,
	uint64_t now_ms)
{
	bool up = interfaces_up(nexthops->interfaces, hop->index);
	uint64_t soon_ms = hop->asked_ms + ASK_FIRST_MS;

	hop->fixed = !neighbor->removed && (neighbor->state & NUD_PERMANENT);
	if (up && !neighbor->removed && neighbor->has_mac && (neighbor->state & USABLE)) {
		hop_resolved(nexthops, hop, &neighbor->mac, now_ms);
		return;
	}
	if (hop->has_mac && hop->lost_ms == 0)
		hop->lost_ms = now_ms > 0 ? now_ms : 1;
	if (neighbor->removed || (neighbor->state & NUD_FAILED)) {
		/* Not at once each time: a full neighbour table throws entries out at once, too. */
		if (hop->asked_ms == 0 || soon_ms < now_ms)
			soon_ms = now_ms;
		if (hop->ask_at_ms > soon_ms)
			hop->ask_at_ms = soon_ms;
	}
}

void
nexthops_take_neighbor(
	struct nexthops *nexthops, const struct rtnl_neighbor *neighbor, uint64_t now_ms)
{
	struct hop *hop = find_hop(nexthops, neighbor->index, &neighbor->address);

	if (hop)
		take_state(nexthops, hop, neighbor, now_ms);
}

/* Asks for the entry that the kernel has now. */
static void
fetch_hop(struct nexthops *nexthops, struct hop *hop, uint64_t now_ms)
{
	struct rtnl_neighbor neighbor;

	/* Any error counts as no entry: then the kernel is made to look for the neighbour. */
	if (rtnl_get_neighbor(nexthops->rtnl, hop->index, &hop->address, &neighbor) < 0)
		neighbor.removed = true;
	take_state(nexthops, hop, &neighbor, now_ms);
}

void
nexthops_link_changed(struct nexthops *nexthops, uint32_t index, uint64_t now_ms)
{
	bool up = interfaces_up(nexthops->interfaces, index);

	for (size_t i = 0; i < nexthops->hop_count; i++) {
		struct hop *hop = &nexthops->hops[i];

		if (hop->index != index)
			continue;
		if (up) {
			hop->ask_at_ms = now_ms;
			hop->tries = 0;
			fetch_hop(nexthops, hop, now_ms);
		} else if (hop->has_mac) {
			hop->has_mac = false;
			hop->lost_ms = 0;
			nexthops->changed = true;
		}
	}
}

void
nexthops_events_lost(struct nexthops *nexthops, uint64_t now_ms)
{
	nexthops_all_changed(nexthops);
	for (size_t i = 0; i < nexthops->hop_count; i++) {
		struct hop *hop = &nexthops->hops[i];

		if (!interfaces_up(nexthops->interfaces, hop->index) && hop->has_mac) {
			hop->has_mac = false;
			hop->lost_ms = 0;
			nexthops->changed = true;
		}
		fetch_hop(nexthops, hop, now_ms);
	}
}

static void
log_way(const struct nexthops *nexthops, const struct destination *destination, uint32_t index)
{
	const struct rtnl_link *link = interfaces_link(nexthops->interfaces, index);
	char address[RTNL_ADDRESS_TEXT];

	rtnl_address_text(&destination->address, address, sizeof(address));
	switch (destination->way) {
	case WAY_NONE:
		log_warn("no route to server %s: add a route to it, or a neighbors entry", address);
		break;
	case WAY_LOCAL:
		log_warn("server %s is an address of this machine: the dataplane cannot send to it",
			address);
		break;
	case WAY_NO_PORT:
		log_warn("the route to server %s leads over %s, which is no port of the dataplane",
			address, link ? link->name : "?");
		break;
	case WAY_GOOD:
		log_info("server %s has a route over %s", address, link ? link->name : "?");
		break;
	case WAY_UNKNOWN:
		break;
	}
}

/* 0, or -errno if there was no answer; then it stays as it was. */
static int
refresh_destination(struct nexthops *nexthops, struct destination *destination, uint64_t now_ms)
{
	enum way way = WAY_GOOD, before = destination->way;
	struct rtnl_route route;
	int error = rtnl_get_route(nexthops->rtnl, &destination->address, &route);

	if (error)
		return error;
	destination->stale = false;
	if (nexthops->interfaces->port_count == 0)
		way = WAY_UNKNOWN; /* before the dataplane is there, nothing is its port */
	else if (route.local)
		way = WAY_LOCAL;
	else if (route.index == 0)
		way = WAY_NONE;
	else if (interfaces_port(nexthops->interfaces, route.index) < 0)
		way = WAY_NO_PORT;
	if (way == before &&
		(way != WAY_GOOD ||
			(destination->index == route.index &&
				shunt_addr_equal(&destination->source, &route.source) &&
				shunt_addr_equal(&destination->via, &route.via))))
		return 0;
	destination->way = way;
	destination->index = route.index;
	destination->via = route.via;
	destination->source = route.source;
	nexthops->changed = true;
	nexthops->hops_stale = true;
	if (way != before && way != WAY_UNKNOWN && (way != WAY_GOOD || before != WAY_UNKNOWN) &&
		worth_a_line(nexthops, now_ms))
		log_way(nexthops, destination, route.index);
	return 0;
}

/* Makes `hops` what the destinations need; those that stay keep what is known of them. */
static int
rebuild_hops(struct nexthops *nexthops, uint64_t now_ms)
{
	struct hop *hops = calloc(nexthops->destination_count + 1, sizeof(*hops));
	size_t count = 0, kept = 0;

	if (!hops)
		return -ENOMEM;
	for (size_t i = 0; i < nexthops->destination_count; i++) {
		const struct destination *destination = &nexthops->destinations[i];

		if (destination->way != WAY_GOOD)
			continue;
		hops[count].index = destination->index;
		hops[count++].address = destination->via;
	}
	qsort(hops, count, sizeof(*hops), compare_hops);
	for (size_t i = 0; i < count; i++) {
		const struct hop *known;

		if (kept > 0 && compare_hops(&hops[kept - 1], &hops[i]) == 0)
			continue;
		known = find_hop(nexthops, hops[i].index, &hops[i].address);
		hops[kept] = known ? *known : hops[i];
		if (!known) {
			hops[kept].ask_at_ms = now_ms;
			fetch_hop(nexthops, &hops[kept], now_ms);
		}
		kept++;
	}
	free(nexthops->hops);
	nexthops->hops = hops;
	nexthops->hop_count = kept;
	nexthops->hops_stale = false;
	return 0;
}

int
nexthops_refresh(struct nexthops *nexthops, uint64_t now_ms)
{
	int error = 0;

	for (size_t i = 0; nexthops->stale && error == 0 && i < nexthops->destination_count; i++) {
		if (nexthops->destinations[i].stale)
			error = refresh_destination(nexthops, &nexthops->destinations[i], now_ms);
	}
	if (error == 0)
		nexthops->stale = false;
	if (nexthops->hops_stale && rebuild_hops(nexthops, now_ms) < 0) {
		nexthops->stale = true;
		error = -ENOMEM;
	}
	return error;
}

static void
ask_failed(struct nexthops *nexthops, int error)
{
	if (error == -EPERM && !nexthops->warned_permission) {
		log_warn("cannot make the kernel look for neighbours: run shunt-control with "
			 "CAP_NET_ADMIN, or servers that are not probed may stay unreachable");
		nexthops->warned_permission = true;
	} else if (error == -ENOBUFS && !nexthops->warned_full) {
		log_warn("the kernel's neighbour table is full: raise "
			 "net.ipv4.neigh.default.gc_thresh3 and net.ipv6.neigh.default.gc_thresh3");
		nexthops->warned_full = true;
	}
}

static void
ask(struct nexthops *nexthops, struct hop *hop, uint64_t now_ms)
{
	unsigned int doubling = hop->tries < ASK_MAX_DOUBLING ? hop->tries : ASK_MAX_DOUBLING;
	unsigned int spread = hop->address.bytes[14] * 7u + hop->address.bytes[15] * 39u;
	char address[RTNL_ADDRESS_TEXT];
	int error = rtnl_use_neighbor(nexthops->rtnl, hop->index, &hop->address);

	hop->asked_ms = now_ms;
	if (error)
		ask_failed(nexthops, error);
	if (hop->has_mac && hop->lost_ms == 0) {
		hop->ask_at_ms = now_ms + CONFIRM_MS + spread % CONFIRM_SPREAD_MS;
		return;
	}
	hop->tries++;
	hop->ask_at_ms = now_ms + (ASK_FIRST_MS << doubling);
	if (hop->tries > TRIES_WORTH_A_LINE && !hop->warned) {
		hop->warned = true;
		if (worth_a_line(nexthops, now_ms))
			log_warn("neighbour %s on %s does not answer",
				rtnl_address_text(&hop->address, address, sizeof(address)),
				hop_interface(nexthops, hop));
	}
}

uint64_t
nexthops_tick(struct nexthops *nexthops, uint64_t now_ms)
{
	size_t count = nexthops->hop_count, first = count > 0 ? nexthops->first % count : 0;
	uint64_t next_ms = UINT64_MAX;
	int budget = ASK_BUDGET;

	for (size_t i = 0; i < count; i++) {
		struct hop *hop = &nexthops->hops[(first + i) % count];

		/*
		 * A permanent entry must not be touched: NTF_USE takes that state from it. When an
		 * interface comes up, nexthops_link_changed() starts again.
		 */
		if (hop->fixed || !interfaces_up(nexthops->interfaces, hop->index))
			continue;
		if (hop->ask_at_ms <= now_ms && budget > 0) {
			ask(nexthops, hop, now_ms);
			if (--budget == 0)
				nexthops->first = (first + i + 1) % count;
		}
		if (hop->lost_ms != 0 && now_ms >= hop->lost_ms + GRACE_MS) {
			hop->has_mac = false;
			hop->lost_ms = 0;
			nexthops->changed = true;
		}
		if (hop->ask_at_ms < next_ms)
			next_ms = hop->ask_at_ms;
		if (hop->lost_ms != 0 && hop->lost_ms + GRACE_MS < next_ms)
			next_ms = hop->lost_ms + GRACE_MS;
	}
	return next_ms <= now_ms ? now_ms + ASK_BUDGET_MS : next_ms;
}

bool
nexthops_find(const struct nexthops *nexthops, const struct shunt_addr *address,
	struct shunt_nexthop *nexthop)
{
	const struct destination *destination = find_destination(nexthops, address);
	const struct hop *hop;
	uint16_t vlan[2];
	int port;

	if (!destination || destination->way != WAY_GOOD)
		return false;
	hop = find_hop(nexthops, destination->index, &destination->via);
	port = interfaces_port_vlan(nexthops->interfaces, destination->index, vlan);
	if (!hop || !hop->has_mac || port < 0)
		return false;
	*nexthop = (struct shunt_nexthop){
		.port = (uint32_t)port,
		.mac = hop->mac,
		.vlan = { vlan[0], vlan[1] },
		.source = destination->source,
	};
	return true;
}

uint32_t
nexthops_interface(const struct nexthops *nexthops, const struct shunt_addr *address)
{
	const struct destination *destination = find_destination(nexthops, address);

	return destination && destination->way == WAY_GOOD ? destination->index : 0;
}

bool
nexthops_take_changed(struct nexthops *nexthops)
{
	bool changed = nexthops->changed;

	nexthops->changed = false;
	return changed;
}
