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
 * The interval counts from start to start and is only ever shortened by the jitter, and a timeout
 * is no longer than `inter`; so a dead server is found after at most fall * inter + timeout.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "server_agent.h"
#include "probe_impl.h"
#include "probe.h"
#include "publish.h"
#include "state.h"
#include "trackers.h"

#define LOG_SUBSYSTEM "probe"
#include "shunt/log.h"

#define PROBE_QUEUE_RETRY_MS 1000
#define PROBE_VIA_RETRY_MS   50	   /* until the dataplane is ready for a server */
#define PROBE_LOG_MS	     10000 /* local errors are logged this often at most */
#define PROBE_JITTER	     20	   /* an interval is shortened by up to 1/20 */
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

/* From start to start, a little less than the interval, so that probes do not fall into step. */
static void
probe_set_next(struct probe *probe)
{
	uint64_t wait_ms = interval_ms(probe);
	const struct probe *member;

	probe->next_ms = probe->started_ms + wait_ms -
		prober_random(probe->prober, wait_ms / PROBE_JITTER + 1);
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

/* What an operator can do about it. */
static const char *
remedy(const struct probe *probe, int error)
{
	bool via = probe_check(probe)->via_service;

	if (error == EMFILE)
		return "; raise the limit on open files";
	/* A socket that was never opened; later it is a rule of the firewall that forbids. */
	if (error == EPERM && probe->watch.fd < 0 &&
		check_transport(probe_check(probe)->talk) == CHECK_ECHO)
		return "; \"icmp\" needs its group in net.ipv4.ping_group_range, or CAP_NET_RAW";
	if (via && error == EPERM)
		return "; a probe through the service needs CAP_NET_ADMIN";
	if (via && error == ENOTCONN)
		return "; a probe through the service needs the dataplane";
	if (via && error == EOPNOTSUPP)
		return "; through the service it needs a kernel interface on the way, and tc "
		       "programs: see the dataplane's log";
	return "";
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct check_report
report_of(const struct probe *probe, enum check_status status)
{
	return (struct check_report){
		.status = status,
		.duration_us = (uint32_t)(now_us() - probe->started_us),
	};
}

static void
say_error(struct check_report *report, int error)
{
	snprintf(report->text, sizeof(report->text), "%s", strerror(error));
	report->text[0] = (char)tolower((unsigned char)report->text[0]); /* it ends a sentence */
}

/* No verdict: something is missing here, the server was never asked. */
static void
local_error(struct probe *probe, int error)
{
	struct prober *prober = probe->prober;
	const struct server *server = probe->server;
	struct check_report report = report_of(probe, CHECK_SOCKERR);
	uint64_t now_ms = loop_now_ms(prober->loop);
	struct probe *member;
	size_t length;

	say_error(&report, error);
	length = strlen(report.text);
	snprintf(report.text + length, sizeof(report.text) - length, "%s", remedy(probe, error));
	for (member = probe; member; member = prober_next_member(probe, member)) {
		member->server->check_error++;
		*(member->agent ? &member->server->agent->report : &member->server->report) =
			report;
	}
	prober->unlogged++;
	if (prober->logged_ms == 0 || now_ms - prober->logged_ms >= PROBE_LOG_MS) {
		log_warn("%s/%s could not be probed from here, nothing is held against it: %s%s "
			 "(such errors since the last message: %lu)",
			server->backend->config.name, server->config.name, strerror(error),
			remedy(probe, error), (unsigned long)prober->unlogged);
		prober->logged_ms = now_ms;
		prober->unlogged = 0;
	}
	probe_set_next(probe);
	probe_wait(probe);
}

static void
note_result(struct control *control, struct server *server, const struct check_report *report)
{
	const char *was = server_state_name(server);
	char why[CHECK_TEXT_SIZE + 64];

	if (server_probed(server, report, loop_now_ms(control->loop))) {
		publish_schedule_server(control->publish, server);
		check_report_text(report, why, sizeof(why));
		events_add(&control->events, server, was, why);
		trackers_changed(control, server);
	}
	server_agent_apply(control, server, &report->agent);
}

/* Notes the result, and is polite if the connection stands; else the socket is closed. */
static void
probe_ends(struct probe *probe, const struct check_report *report, bool stands)
{
	struct control *control = probe->prober->control;
	struct loop *loop = control->loop;
	uint64_t now_ms = loop_now_ms(loop);
	uint64_t wait_ms = timeout_ms(probe_check(probe));
	struct probe *member = probe;

	for (; member; member = prober_next_member(probe, member)) {
		if (member->agent)
			server_agent_probed(control, member->server, report);
		else
			note_result(control, member->server, report);
	}
	probe_set_next(probe);
	if (check_transport(probe_check(probe)->talk) != CHECK_STREAM)
		stands = false;
	if (!stands || shutdown(probe->watch.fd, SHUT_WR) < 0 || probe->next_ms <= now_ms ||
		loop_watch_events(loop, &probe->watch, EPOLLIN) < 0) {
		probe_wait(probe);
		return;
	}
	if (wait_ms > probe->next_ms - now_ms)
		wait_ms = probe->next_ms - now_ms;
	probe_talk_destroy(probe->talk);
	probe->talk = NULL;
	probe->state = PROBE_CLOSING;
	loop_timer_set(loop, &probe->timer, wait_ms);
}

static void
probe_failed(struct probe *probe, int error)
{
	struct check_report report = report_of(probe, CHECK_L4CON);

	if (error == ETIMEDOUT) {
		report.status = CHECK_L4TOUT;
		snprintf(report.text, sizeof(report.text), "no answer within %u ms",
			timeout_ms(probe_check(probe)));
	} else {
		say_error(&report, error);
	}
	probe_ends(probe, &report, false);
}

/* Says and hears what can be now. */
static void
probe_talks(struct probe *probe)
{
	struct check_report report = report_of(probe, CHECK_INI);
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

static void
probe_talk_late(struct probe *probe)
{
	const struct check_config *check = probe_check(probe);
	struct check_report report = report_of(probe, CHECK_INI);

	switch (probe_talk_step(probe->talk, probe->watch.fd, check->talk, &report)) {
	case PROBE_TALK_LOCAL:
		local_error(probe, errno);
		return;
	case PROBE_TALK_DONE:
		break;
	default:
		probe_talk_timeout(probe->talk, check->talk, timeout_ms(check), &report);
	}
	probe_ends(probe, &report, true);
}

/* The handshake is done, where there is one. */
static void
probe_succeeded(struct probe *probe)
{
	struct check_report report = report_of(probe, CHECK_L4OK);

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

/* The socket in CONNECTING has become ready: for better or worse. */
static void
probe_connected(struct probe *probe)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(probe->watch.fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error == 0)
		probe_succeeded(probe);
	else if (error == ENOBUFS || error == ENOMEM || error == ENETDOWN)
		local_error(probe, error);
	else
		probe_failed(probe, error);
}

static void
on_socket(struct loop_watch *watch, uint32_t events)
{
	struct probe *probe = loop_container(watch, struct probe, watch);
	ssize_t bytes;

	if (probe->state == PROBE_CONNECTING) {
		probe_connected(probe);
		return;
	}
	if (probe->state == PROBE_TALKING) {
		probe_talks(probe);
		return;
	}
	/* With MSG_TRUNC, TCP drops what it has received and copies nothing (tcp(7)). */
	bytes = recv(watch->fd, NULL, PROBE_DROP_BYTES, MSG_TRUNC | MSG_DONTWAIT);
	if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR) ||
		(events & (EPOLLERR | EPOLLHUP)))
		probe_wait(probe);
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
	probe->started_us = now_us();
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
	prober->open++;
	probe->state = PROBE_CONNECTING;
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
		if (poll(&ready, 1, 0) > 0)
			probe_connected(probe);
		else
			probe_failed(probe, ETIMEDOUT);
		break;
	case PROBE_TALKING:
		probe_talk_late(probe);
		break;
	case PROBE_CLOSING:
		probe_wait(probe);
		break;
	}
}

static struct probe *
start(struct control *control, struct server *server, bool agent)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	uint64_t delay_ms;
	bool fresh;

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
	fresh = agent ? server->agent->report.status == CHECK_INI : server->health.fresh;
	delay_ms = fresh ? prober_first_delay_ms(probe->prober, probe_check(probe)->talk)
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
	bool datagrams = check_transport(probe_check(probe)->talk) != CHECK_STREAM;
	/* What was said is no longer what is to be said, or not over a connection. */
	bool void_now =
		probe->state == PROBE_TALKING || (probe->state == PROBE_CONNECTING && datagrams);

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
