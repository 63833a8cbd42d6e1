/* SPDX-License-Identifier: BSD-3-Clause */
#include "twin.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_lcore.h>

#define LOG_SUBSYSTEM "twin"
#include "shunt/log.h"
#include "tap.h"

#define PUNT_RING_COUNT	  128
#define INJECT_RING_COUNT 256
#define BATCH		  32 /* frames from one ring or TAP, in one turn */
/*
 * Workers cannot wake the thread, so it looks for itself: often while there is traffic, which then
 * waits for 100 us at most, else every millisecond, which costs less than a hundredth of a CPU.
 */
#define BUSY_POLL_NS   (100 * 1000l)
#define IDLE_POLL_NS   (1000 * 1000l)
#define BUSY_FOR_NS    (10 * 1000 * 1000ll) /* after the last frame */
#define LINK_PERIOD_NS (500 * 1000 * 1000ll)

struct tap {
	int fd;
	uint32_t port; /* index */
	uint16_t id;   /* DPDK's */
	bool carrier;
	uint32_t worker; /* that sends what comes from it */
};

struct twin {
	struct tap taps[SHUNT_MAX_PORTS];
	uint32_t tap_count;
	int fds[SHUNT_MAX_PORTS]; /* by port; -1: no twin */
	uint32_t worker_count;
	struct twin_rings rings[SHUNT_MAX_WORKERS];
	pthread_t thread;
	bool started;
	bool stopped; /* main thread: wo, the thread: ro */
	/* The thread alone: */
	int64_t active_ns;
	int64_t link_ns;
};

const struct twin_rings *
twin_rings(const struct twin *twin)
{
	return twin ? twin->rings : NULL;
}

static int
open_failed(const struct settings_port *p, int error)
{
	if (error == -EBUSY)
		log_error("%s: the TAP %s is used by another process; end it, or set "
			  "\"kernel-interface\" to another name",
			p->name, p->kernel_interface);
	else if (error == -EEXIST)
		log_error("%s: there is an interface %s that is no TAP; set \"kernel-interface\" "
			  "to a name that is free",
			p->name, p->kernel_interface);
	else if (error == -EPERM || error == -EACCES)
		log_error("%s: cannot make the TAP %s: it needs CAP_NET_ADMIN and /dev/net/tun; "
			  "\"kernel\": \"none\" does without",
			p->name, p->kernel_interface);
	else
		log_error("%s: cannot make the TAP %s: %s (is there /dev/net/tun? \"kernel\": "
			  "\"none\" does without)",
			p->name, p->kernel_interface, strerror(-error));
	return error;
}

/*
 * The kernel joins groups on its TAP, where the device cannot see it, and IPv6 neighbour discovery,
 * VRRP and OSPF need theirs: so the device is to pass on all. One that cannot choose so is asked
 * for all it sees, which on a switched network adds only what is flooded. A virtual device that
 * knows neither has no filter.
 */
static void
hear_multicast(const struct settings_port *p, uint16_t id)
{
	int result = rte_eth_allmulticast_enable(id), promiscuous;

	if (result == 0) {
		log_info("%s: the device passes all multicast on", p->name);
		return;
	}
	if (result == -ENOTSUP && !p->pci)
		return;
	promiscuous = rte_eth_promiscuous_enable(id);
	if (promiscuous == 0)
		log_warn("%s: the device cannot pass all multicast on (%s): it is promiscuous "
			 "instead, and also takes what is sent to others",
			p->name, strerror(-result));
	else
		log_warn("%s: the device passes neither all multicast on (%s) nor all else (%s): "
			 "neighbour discovery, VRRP and OSPF may not reach the kernel",
			p->name, strerror(-result), strerror(-promiscuous));
}

static int
add_tap(struct twin *twin, const struct settings_port *p, struct port *port, uint32_t index)
{
	struct tap *tap = &twin->taps[twin->tap_count];
	char text[SETTINGS_PREFIX_SIZE];
	const struct settings_address *failed;
	int result = tap_open(p->kernel_interface);

	if (result < 0)
		return open_failed(p, result);
	*tap = (struct tap){
		.fd = result,
		.port = index,
		.id = port->id,
		.carrier = true,
		.worker = index % port->tx_queues, /* which owns the queue: port.h */
	};
	twin->fds[index] = tap->fd;
	twin->tap_count++;
	result = tap_configure(p->kernel_interface, &port->mac,
		(uint16_t)(twin_longest_frame(port) - TWIN_HEADERS_BYTES));
	if (result < 0) {
		log_error("%s: cannot set MAC and MTU of the TAP %s: %s", p->name,
			p->kernel_interface, strerror(-result));
		return result;
	}
	result = tap_add_addresses(p->kernel_interface, p->addresses, p->address_count, &failed);
	if (result < 0) {
		settings_address_text(failed, text, sizeof(text));
		log_error("%s: cannot add %s to the TAP %s: %s", p->name, text, p->kernel_interface,
			strerror(-result));
		return result;
	}
	memcpy(port->interface, p->kernel_interface, sizeof(port->interface));
	port->punt_rate = p->punt_rate;
	hear_multicast(p, port->id);
	log_info("%s: kernel twin %s", p->name, p->kernel_interface);
	return 0;
}

static int
create_rings(struct twin *twin)
{
	for (uint32_t i = 0; i < twin->worker_count; i++) {
		struct twin_rings *r = &twin->rings[i];
		bool made;

		r->inject = frame_ring_create(INJECT_RING_COUNT);
		made = r->inject != NULL;
		for (enum punt_class c = 0; c < PUNT_CLASSES; c++) {
			r->punt[c] = frame_ring_create(PUNT_RING_COUNT);
			made = made && r->punt[c];
		}
		if (!made) {
			log_error("no memory for the kernel twins' rings");
			return -ENOMEM;
		}
	}
	return 0;
}

int
twin_create(struct twin **out, const struct settings *settings, struct ports *ports)
{
	struct twin *twin;
	bool wanted = false;
	int result;

	*out = NULL;
	for (size_t i = 0; i < settings->port_count; i++)
		wanted |= settings->ports[i].kernel == SETTINGS_KERNEL_TAP;
	if (!wanted)
		return 0;
	twin = calloc(1, sizeof(*twin));
	if (!twin)
		return -ENOMEM;
	twin->worker_count = (uint32_t)settings->worker_count;
	result = create_rings(twin);
	for (uint32_t i = 0; i < ports->count; i++) {
		twin->fds[i] = -1;
		if (result == 0 && settings->ports[i].kernel == SETTINGS_KERNEL_TAP)
			result = add_tap(twin, &settings->ports[i], &ports->port[i], i);
	}
	if (result < 0) {
		twin_destroy(twin);
		return result;
	}
	*out = twin;
	return 0;
}

/*
 * A TAP that is switched off, or whose queue is full, takes no frame: the kernel counts it
 * (rx_dropped of the interface).
 */
static bool
write_frames(struct twin *twin, struct frame_ring *ring)
{
	const struct frame_slot *slot;
	int count = 0;

	for (; count < BATCH && (slot = frame_ring_peek(ring)); count++) {
		(void)!write(twin->fds[slot->port], slot->data, slot->bytes);
		frame_ring_pop(ring);
	}
	return count > 0;
}

/* The urgent classes of all workers first. */
static bool
to_kernel(struct twin *twin)
{
	bool any = false;

	for (enum punt_class c = 0; c < PUNT_CLASSES; c++) {
		for (uint32_t i = 0; i < twin->worker_count; i++)
			any |= write_frames(twin, twin->rings[i].punt[c]);
	}
	return any;
}

/* Without room in the ring, frames stay in the TAP's queue. */
static bool
from_tap(struct twin *twin, const struct tap *tap)
{
	struct frame_ring *ring = twin->rings[tap->worker].inject;
	struct frame_slot *slot;
	int count = 0;

	for (; count < BATCH && (slot = frame_ring_free_slot(ring)); count++) {
		ssize_t bytes = read(tap->fd, slot->data, sizeof(slot->data));

		if (bytes <= 0)
			break;
		slot->bytes = (uint32_t)bytes;
		slot->port = tap->port;
		frame_ring_push(ring);
	}
	return count > 0;
}

/* So that the kernel, and what listens to it, sees the cable of the port. */
static void
follow_links(struct twin *twin)
{
	for (uint32_t i = 0; i < twin->tap_count; i++) {
		struct tap *tap = &twin->taps[i];
		struct rte_eth_link link;
		bool carrier;

		if (rte_eth_link_get_nowait(tap->id, &link) < 0)
			continue;
		carrier = link.link_status == RTE_ETH_LINK_UP;
		if (carrier != tap->carrier)
			tap_set_carrier(tap->fd, carrier);
		tap->carrier = carrier;
	}
}

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* Waits for the TAPs with room for their frames, and a little for the workers. */
static void
wait_for_frames(struct twin *twin, struct pollfd *fds, bool busy)
{
	const struct timespec timeout = { .tv_nsec = busy ? BUSY_POLL_NS : IDLE_POLL_NS };

	for (uint32_t i = 0; i < twin->tap_count; i++) {
		struct frame_ring *ring = twin->rings[twin->taps[i].worker].inject;
		bool room = frame_ring_free_slot(ring) != NULL;

		fds[i] = (struct pollfd){
			.fd = room ? twin->taps[i].fd : -1,
			.events = POLLIN,
		};
	}
	ppoll(fds, twin->tap_count, &timeout, NULL);
}

static void *
twin_run(void *argument)
{
	struct pollfd fds[SHUNT_MAX_PORTS] = { 0 };
	struct twin *twin = argument;

	/* The kernel rounds timeouts up by 50 us if it is not asked otherwise. */
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	while (!__atomic_load_n(&twin->stopped, __ATOMIC_RELAXED)) {
		int64_t now = now_ns();
		bool any = to_kernel(twin);

		for (uint32_t i = 0; i < twin->tap_count; i++) {
			if (fds[i].revents)
				any |= from_tap(twin, &twin->taps[i]);
		}
		if (any)
			twin->active_ns = now;
		if (now >= twin->link_ns + LINK_PERIOD_NS) {
			twin->link_ns = now;
			follow_links(twin);
		}
		wait_for_frames(twin, fds, now < twin->active_ns + BUSY_FOR_NS);
	}
	return NULL;
}

int
twin_start(struct twin *twin)
{
	int result;

	if (!twin)
		return 0;
	/* Runs where no worker does: the EAL's control threads are kept off their CPUs. */
	result = rte_ctrl_thread_create(&twin->thread, "shunt-twin", NULL, twin_run, twin);
	twin->started = result == 0;
	if (result)
		log_error("cannot start the kernel twins' thread: %s", strerror(abs(result)));
	return -abs(result);
}

void
twin_destroy(struct twin *twin)
{
	if (!twin)
		return;
	if (twin->started) {
		__atomic_store_n(&twin->stopped, true, __ATOMIC_RELAXED);
		pthread_join(twin->thread, NULL);
	}
	for (uint32_t i = 0; i < twin->tap_count; i++)
		close(twin->taps[i].fd);
	for (uint32_t i = 0; i < twin->worker_count; i++) {
		frame_ring_destroy(twin->rings[i].inject);
		for (enum punt_class c = 0; c < PUNT_CLASSES; c++)
			frame_ring_destroy(twin->rings[i].punt[c]);
	}
	free(twin);
}
