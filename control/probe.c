/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A probe walks through five states and has exactly one timer, which is always set, so that
 * setting it anew never needs memory:
 *
 *   WAITING	until the next probe is due
 *   QUEUED	due, but as many sockets are open as may be
 *   CONNECTING	until the handshake, an error, or the timeout
 *   TALKING	where more is asked, also TLS: until the verdict, or the same timeout
 *   CLOSING	answered; our FIN is sent and the server's awaited
 *
 * Why CLOSING: a close() right after the handshake would answer a server that speaks first with a
 * reset, and SO_LINGER 0 would reset every connection; both show up in servers' logs as errors.
 * So the probe says FIN, reads and drops what comes, and closes when the server has said FIN too,
 * at the latest when the next probe is due. TIME_WAIT stays on this side for a minute. Ports are
 * chosen by connect() for each destination, so that costs one server about 120 of 28000 ports at
 * two probes a second, however many servers there are.
 *
 * Datagrams have no connection: their sockets are TALKING as soon as they are open, and closed with
 * the verdict.
 *
 * The interval counts from start to start and is only ever shortened, and a timeout is no longer
 * than `inter`; so a dead server is found after at most fall * inter + timeout. What shortens it:
 * the jitter; being late, since the next probe is due when it would have been, so that those that
 * a pause of this process has brought together part again; and the first probe of a new server,
 * of which thousands are made in a moment: the second is due anywhere in the interval. But a probe
 * has 1/PROBE_JITTER of the interval for its end, where that is not longer than the interval.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "probe_impl.h"
#include "probe.h"
#include "state.h"

#define LOG_SUBSYSTEM "probe"
#include "shunt/log.h"

#define PROBE_QUEUE_RETRY_MS 1000
#define PROBE_LATE_MS	     100 /* a timeout this late says more of us than of the server */
#define PROBE_VIA_RETRY_MS   50	 /* until the dataplane is ready for a server */
#define PROBE_JITTER	     20	 /* an interval is shortened by up to 1/20 */
#define PROBE_DROP_BYTES     (1u << 20)

/* Does nothing without a socket. */
static void
probe_close(struct probe *probe)
{
	struct prober *prober = probe->prober;

	if (probe->watch.fd < 0)
		return;
	probe_socket_close(probe);
	probe_talk_destroy(probe->talk);
	probe->talk = NULL;
	prober->open--;
	/* Without memory for the timer, the queued probes' own timers look again. */
	if (prober->queue_first && !loop_timer_is_set(&prober->queue_timer))
		loop_timer_set(prober->loop, &prober->queue_timer, 0);
}

/* Waits for the next probe. */
static void
probe_wait(struct probe *probe)
{
	uint64_t now_ms = loop_now_ms(probe->prober->loop);

	probe_close(probe);
	probe->state = PROBE_WAITING;
	if (probe->leader)
		loop_timer_set(probe->prober->loop, &probe->timer, PROBE_LED_MS);
	else
		loop_timer_set(probe->prober->loop, &probe->timer,
			probe->next_ms > now_ms ? probe->next_ms - now_ms : 0);
}

/* Until the next probe: as the server wants it that is in the greatest hurry. */
static uint64_t
interval_ms(const struct probe *probe)
{
	const struct probe *member = probe;
	uint64_t least_ms = UINT64_MAX;

	for (; member; member = prober_next_member(probe, member)) {
		uint64_t own_ms = probe_interval_ms(member);

		if (own_ms < least_ms)
			least_ms = own_ms;
	}
	return least_ms;
}

/* See the head of this file. */
static void
probe_set_next(struct probe *probe)
{
	uint64_t most_ms = interval_ms(probe);
	uint64_t jitter_ms = most_ms / PROBE_JITTER;
	uint64_t least_ms = loop_now_ms(probe->prober->loop) - probe->started_ms + jitter_ms;
	uint64_t late_ms = probe->started_ms - probe->due_ms;
	const struct probe *member;
	uint64_t wait_ms;

	if (probe->scatter)
		late_ms = prober_random(probe->prober, most_ms);
	probe->scatter = false;
	wait_ms = most_ms - late_ms % most_ms - prober_random(probe->prober, jitter_ms + 1);
	/* The server's FIN has some time; the subtraction may have gone below zero. */
	if (least_ms > most_ms)
		least_ms = most_ms;
	if (wait_ms < least_ms || wait_ms > most_ms)
		wait_ms = least_ms;
	probe->next_ms = probe->started_ms + wait_ms;
	probe->hurried = false;
	for (member = probe; member; member = prober_next_member(probe, member))
		probe->hurried |= probe_is_observed(member);
}

uint64_t
probe_random_delay_ms(const struct probe *probe)
{
	return prober_random(probe->prober, interval_ms(probe));
}

static uint32_t
timeout_ms(const struct check_config *check)
{
	return check->timeout_ms < check->inter_ms ? check->timeout_ms : check->inter_ms;
}

/* No verdict: something is missing here, the server was never asked. */
static void
local_error(struct probe *probe, int error)
{
	probe_report_error(probe, error);
	probe_set_next(probe);
	probe_wait(probe);
}

/* Notes the result, and is polite if the connection stands; else the socket is closed. */
static void
probe_ends(struct probe *probe, const struct check_report *report, bool stands)
{
	struct loop *loop = probe->prober->loop;
	uint64_t now_ms = loop_now_ms(loop);
	uint64_t wait_ms = timeout_ms(probe_check(probe));
	bool once = probe->watch.events & EPOLLONESHOT;

	probe_report(probe, report);
	probe_set_next(probe);
	if (check_transport(probe_check(probe)->talk) != CHECK_STREAM)
		stands = false;
	if (!stands || shutdown(probe->watch.fd, SHUT_WR) < 0 || probe->next_ms <= now_ms ||
		(!once && loop_watch_events(loop, &probe->watch, EPOLLIN) < 0)) {
		probe_wait(probe);
		return;
	}
	if (wait_ms > probe->next_ms - now_ms)
		wait_ms = probe->next_ms - now_ms;
	probe_talk_destroy(probe->talk);
	probe->talk = NULL;
	probe->state = PROBE_CLOSING;
	probe->close_ms = now_ms + wait_ms;
	loop_timer_set(
		loop, &probe->timer, once && wait_ms > PROBE_REST_MS ? PROBE_REST_MS : wait_ms);
}

static void
probe_failed(struct probe *probe, int error)
{
	struct check_report report = probe_report_begin(probe, CHECK_L4CON);

	if (error == ETIMEDOUT) {
		report.status = CHECK_L4TOUT;
		snprintf(report.text, sizeof(report.text), "no answer within %u ms",
			timeout_ms(probe_check(probe)));
	} else {
		probe_report_say(&report, error);
	}
	probe_ends(probe, &report, false);
}

/* Says and hears what can be now. */
static void
probe_talks(struct probe *probe)
{
	struct check_report report = probe_report_begin(probe, CHECK_INI);
	uint32_t events = EPOLLIN;

	switch (probe_talk_step(probe->talk, probe->watch.fd, probe_check(probe)->talk, &report)) {
	case PROBE_TALK_DONE:
		probe_ends(probe, &report, true);
		return;
	case PROBE_TALK_LOCAL:
		local_error(probe, errno);
		return;
	case PROBE_TALK_WRITE:
		events |= EPOLLOUT;
		break;
	case PROBE_TALK_READ:
		break;
	}
	if (events != probe->watch.events &&
		loop_watch_events(probe->prober->loop, &probe->watch, events) < 0)
		local_error(probe, ENOMEM);
}

/*
 * The time for the conversation is over. If this process did not run meanwhile, the server may have
 * been asked just now only: then, once, its time begins anew.
 */
static void
probe_talk_late(struct probe *probe, uint64_t late_ms)
{
	const struct check_config *check = probe_check(probe);
	struct check_report report = probe_report_begin(probe, CHECK_INI);
	enum probe_talk_step step =
		probe_talk_step(probe->talk, probe->watch.fd, check->talk, &report);

	if (step == PROBE_TALK_LOCAL) {
		local_error(probe, errno);
		return;
	}
	if (step != PROBE_TALK_DONE && late_ms >= PROBE_LATE_MS && !probe->again) {
		probe->again = true;
		loop_timer_set(probe->prober->loop, &probe->timer, timeout_ms(check));
		return;
	}
	if (step != PROBE_TALK_DONE)
		probe_talk_timeout(probe->talk, check->talk, timeout_ms(check), &report);
	probe_ends(probe, &report, true);
}

/* The handshake is done, where there is one. */
static void
probe_succeeded(struct probe *probe)
{
	struct check_report report = probe_report_begin(probe, CHECK_L4OK);

	if (!probe_check(probe)->talk) {
		probe_ends(probe, &report, true);
		return;
	}
	probe->talk = probe_talk_create(probe->server, probe_check(probe));
	if (!probe->talk) {
		local_error(probe, ENOMEM);
		return;
	}
	probe->state = PROBE_TALKING;
	probe_talks(probe);
}

/*
 * The socket in CONNECTING has become ready: for better or worse. Without one of these events it
 * has no error.
 */
static void
probe_connected(struct probe *probe, uint32_t events)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if ((events & (EPOLLERR | EPOLLHUP)) &&
		getsockopt(probe->watch.fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error == 0)
		probe_succeeded(probe);
	else if (error == ENOBUFS || error == ENOMEM || error == ENETDOWN)
		local_error(probe, error);
	else
		probe_failed(probe, error);
}

/*
 * Drops what the server says: with MSG_TRUNC, TCP drops what it has received and copies nothing
 * (tcp(7)). True: it has said FIN, or reset the connection, and nothing more comes.
 */
static bool
probe_heard_out(struct probe *probe)
{
	ssize_t bytes = recv(probe->watch.fd, NULL, PROBE_DROP_BYTES, MSG_TRUNC | MSG_DONTWAIT);

	return bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR);
}

static void
on_socket(struct loop_watch *watch, uint32_t events)
{
	struct probe *probe = loop_container(watch, struct probe, watch);

	if (probe->state == PROBE_CONNECTING)
		probe_connected(probe, events);
	else if (probe->state == PROBE_TALKING)
		probe_talks(probe);
	else if (probe_heard_out(probe) || (events & (EPOLLERR | EPOLLHUP)))
		probe_wait(probe);
}

/* The rest is over, or the time for the server's FIN. */
static void
probe_closes(struct probe *probe)
{
	struct loop *loop = probe->prober->loop;
	uint64_t now_ms = loop_now_ms(loop);

	if (now_ms >= probe->close_ms || probe_heard_out(probe) ||
		loop_watch_events(loop, &probe->watch, EPOLLIN) < 0)
		probe_wait(probe);
	else
		loop_timer_set(loop, &probe->timer, probe->close_ms - now_ms);
}

/*
 * Errors that connect() returns at once are about this side (no port, no route, forbidden by a
 * local rule), but for those that a server on this very host can give. The same numbers after a
 * wait come from the network and are about the server.
 */
static bool
is_local(int error)
{
	return error != ECONNREFUSED && error != ECONNRESET && error != ETIMEDOUT;
}

/* True: it is ready, or the probe is not to be made through the service. */
static bool
is_ready(struct probe *probe)
{
	struct prober *prober = probe->prober;
	int status = probe_check(probe)->via_service
		? probe_via_ready(prober->control, probe->server)
		: 0;

	if (status != -EAGAIN)
		prober->control->probes.made++;
	if (status == -EAGAIN) {
		probe->next_ms = loop_now_ms(prober->loop) + PROBE_VIA_RETRY_MS;
		probe_wait(probe);
	} else if (status < 0) {
		local_error(probe, -status);
	}
	return status == 0;
}

static void
probe_connect(struct probe *probe)
{
	struct prober *prober = probe->prober;
	struct probe *member;
	int status;

	probe->started_ms = loop_now_ms(prober->loop);
	probe->started_us = probe_now_us();
	if (!is_ready(probe))
		return;
	for (member = probe; member; member = prober_next_member(probe, member))
		member->server->check_hurried += probe->hurried;
	probe->hurried = false;
	status = probe_socket_open(probe);
	if (status < 0) {
		local_error(probe, -status);
		return;
	}
	if (++prober->open > prober->control->probes.open_most)
		prober->control->probes.open_most = prober->open;
	probe->state = PROBE_CONNECTING;
	probe->again = false;
	loop_timer_set(prober->loop, &probe->timer, timeout_ms(probe_check(probe)));
	status = probe_socket_connect(probe);
	if (status == 0)
		probe_succeeded(probe);
	else if (status == -EINPROGRESS || status == -EINTR)
		return;
	else if (is_local(-status))
		local_error(probe, -status);
	else
		probe_failed(probe, -status);
}

static void
on_queue_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct prober *prober = loop_container(timer, struct prober, queue_timer);
	struct probe *probe;

	(void)now_ms;
	while ((probe = prober->queue_first) && prober->open < prober->open_max) {
		prober_unqueue(probe);
		probe_connect(probe);
	}
}

static void
on_probe_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct probe *probe = loop_container(timer, struct probe, timer);
	struct prober *prober = probe->prober;
	struct pollfd ready = { .fd = probe->watch.fd, .events = POLLOUT };

	switch (probe->state) {
	case PROBE_WAITING:
		if (probe->leader) {
			loop_timer_set(prober->loop, timer, PROBE_LED_MS);
			break;
		}
		probe->due_ms = timer->at_ms;
		if (prober->open < prober->open_max) {
			probe_connect(probe);
			break;
		}
		prober_queue(probe);
		loop_timer_set(prober->loop, timer, PROBE_QUEUE_RETRY_MS);
		break;
	case PROBE_QUEUED:
		loop_timer_set(prober->loop, timer, PROBE_QUEUE_RETRY_MS);
		on_queue_timer(&prober->queue_timer, now_ms);
		break;
	case PROBE_CONNECTING:
		/* If this process did not run for a while, the answer may be there all the same. */
		if (poll(&ready, 1, 0) <= 0) {
			probe_failed(probe, ETIMEDOUT);
			break;
		}
		/* The conversation, if there is one, has its time now. */
		probe->again = true;
		loop_timer_set(prober->loop, timer, timeout_ms(probe_check(probe)));
		probe_connected(probe, EPOLLERR);
		break;
	case PROBE_TALKING:
		probe_talk_late(probe, now_ms - timer->at_ms);
		break;
	case PROBE_CLOSING:
		probe_closes(probe);
		break;
	}
}

static struct probe *
start(struct control *control, struct server *server, bool agent)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	uint64_t delay_ms;

	if (!probe)
		return NULL;
	if (!control->prober)
		control->prober = prober_create(control, on_queue_timer);
	if (!control->prober) {
		free(probe);
		return NULL;
	}
	probe->prober = control->prober;
	probe->prober->probe_count++;
	probe->server = server;
	probe->agent = agent;
	probe->watch.fd = -1;
	probe->watch.on_event = on_socket;
	probe->timer.on_timer = on_probe_timer;
	probe->scatter = probe_is_fresh(probe);
	delay_ms = probe->scatter ? prober_first_delay_ms(probe->prober, probe_check(probe)->talk)
				  : probe_random_delay_ms(probe);
	if (loop_timer_set(control->loop, &probe->timer, delay_ms) < 0) {
		probe_stop(probe);
		return NULL;
	}
	return probe;
}

struct probe *
probe_start(struct control *control, struct server *server)
{
	return start(control, server, false);
}

struct probe *
probe_start_agent(struct control *control, struct server *server)
{
	return start(control, server, true);
}

void
probe_stop(struct probe *probe)
{
	struct prober *prober = probe->prober;

	if (probe->state == PROBE_QUEUED)
		prober_unqueue(probe);
	prober_leave(probe);
	probe_close(probe);
	loop_timer_cancel(prober->loop, &probe->timer);
	free(probe);
	if (--prober->probe_count == 0)
		prober_destroy(prober);
}

void
probe_update(struct probe *probe)
{
	uint64_t delay_ms = probe_random_delay_ms(probe);
	/* It may be what is no longer to be said, to where it is no longer to be said. */
	bool void_now = probe->state == PROBE_TALKING || probe->state == PROBE_CONNECTING;

	probe->hurried = false;
	if (probe->state == PROBE_CLOSING || void_now)
		probe->next_ms = loop_now_ms(probe->prober->loop) + delay_ms;
	if (void_now)
		probe_wait(probe);
	else if (probe->state == PROBE_WAITING && !probe->leader)
		loop_timer_set(probe->prober->loop, &probe->timer, delay_ms);
}

void
probe_hurry(struct probe *probe)
{
	if (probe->leader)
		probe = probe->leader;
	if (probe->state != PROBE_WAITING && probe->state != PROBE_CLOSING)
		return;
	probe->hurried = true;
	probe->next_ms = loop_now_ms(probe->prober->loop) +
		prober_first_delay_ms(probe->prober, probe_check(probe)->talk);
	if (probe->state == PROBE_WAITING)
		probe_wait(probe);
}

void
probe_move(struct probe *probe, struct server *server)
{
	probe->server = server;
}
