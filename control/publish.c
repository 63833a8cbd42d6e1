/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A change's way: publish_schedule() counts it; at the end of the loop's turn the state is compiled
 * and compared with what runs; the difference is sent as one transaction, as fast as the ring takes
 * it; DONE settles all changes the transaction was made of. Changes that come meanwhile, or within
 * PAUSE_MS of the last transaction's start, make the next one. After a lost session the first
 * transaction of the next is the difference to what runs there, which may be all or nothing.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "compile.h"
#include "netlink.h"
#include "publish_impl.h"
#include "rules.h"
#include "session_client.h"
#include "state.h"

#define LOG_SUBSYSTEM "publish"
#include "shunt/log.h"

#define PAUSE_MS	 20   /* between two transactions: changes in it ride together */
#define RING_FULL_MS	 1    /* until the next attempt */
#define RETRY_MS	 1000 /* after something that may pass by itself */
#define FIRST_HELLO_MS	 500  /* publish_create() waits for it */
#define HELLO_MS	 5000
#define RECONNECT_MIN_MS 200
#define RECONNECT_MAX_MS 1000

static void
settle(struct publish *p, uint64_t changes, int result)
{
	p->settled = changes;
	p->settled_result = result;
	waiters_wake(&p->waiters, changes, result);
}

static void
end_transaction(struct publish *p)
{
	transaction_clear(&p->transaction);
	loop_timer_cancel(p->control->loop, &p->ring_timer);
}

static void
query_answer(struct publish *p, int server)
{
	struct query query = p->query;

	p->query = (struct query){ 0 };
	if (query.busy && query.done)
		query.done(query.context, server);
}

/* Closes the socket, if there is one, and forgets what was under way. */
static void
close_session(struct publish *p)
{
	if (p->client)
		loop_unwatch(p->control->loop, &p->watch);
	session_client_destroy(p->client);
	p->client = NULL;
	p->connected = false;
	p->all_changed = true;
	loop_timer_cancel(p->control->loop, &p->connect_timer);
	loop_timer_cancel(p->control->loop, &p->change_timer);
	end_transaction(p);
	image_destroy(p->refused);
	p->refused = NULL;
}

/* For timers that nobody waits for: all that goes on without is what runs already. */
static void
set_timer(struct publish *p, struct loop_timer *timer, uint64_t delay_ms)
{
	if (loop_timer_set(p->control->loop, timer, delay_ms) < 0)
		log_error("no memory for a timer: the dataplane may miss changes");
}

/* There is no session for the reason in `problem`: says so once, and tries again in a while. */
static void
no_session(struct publish *p, const char *problem)
{
	close_session(p);
	if (strcmp(p->problem, problem) != 0) {
		log_warn("%s; trying again until it works", problem);
		snprintf(p->problem, sizeof(p->problem), "%s", problem);
	}
	set_timer(p, &p->connect_timer, p->reconnect_ms);
	p->reconnect_ms =
		p->reconnect_ms * 2 < RECONNECT_MAX_MS ? p->reconnect_ms * 2 : RECONNECT_MAX_MS;
}

/* The session has ended, waiters are told so. */
static void
lose_session(struct publish *p, const char *why)
{
	close_session(p);
	log_warn("disconnected: %s", why);
	set_timer(p, &p->connect_timer, RECONNECT_MIN_MS);
	query_answer(p, -ENOTCONN);
	waiters_wake(&p->waiters, UINT64_MAX, -ENOTCONN);
}

/* What runs is another process's last change, which was still on its way. Waiters go on waiting. */
static void
renew_session(struct publish *p)
{
	close_session(p);
	log_info("the dataplane has moved on to another generation: reading it anew");
	set_timer(p, &p->connect_timer, RECONNECT_MIN_MS);
	query_answer(p, -ENOTCONN);
}

/* Sends what there is to send; if the ring is full, goes on in a moment. */
void
publish_pump(struct publish *p)
{
	int rc = 0;

	if (p->transaction.image)
		rc = transaction_send(&p->transaction, p->client);
	/* A question stands between transactions, never within one. */
	if (rc == 0 && p->query.busy && !p->query.sent) {
		rc = p->query.rows ? session_client_ask_sources(p->client, p->query.rows)
				   : session_client_send_query(p->client, &p->query.query);
		p->query.sent = rc == 0;
	}
	session_client_ring(p->client);
	if (rc < 0 && loop_timer_set(p->control->loop, &p->ring_timer, RING_FULL_MS) < 0)
		lose_session(p, "no memory for a timer");
}

static void
on_ring_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct publish *p = loop_container(timer, struct publish, ring_timer);

	(void)now_ms;
	if (p->connected)
		publish_pump(p);
}

/* Starts a transaction if the state differs from what runs. */
static void
publish_now(struct publish *p)
{
	struct transaction *t = &p->transaction;
	int rc;

	if (!p->connected || t->image)
		return;
	p->published_ms = loop_now_ms(p->control->loop);
	rc = transaction_compile(
		t, p->running, p->compiler, p->control, p->all_changed || !p->running);
	p->all_changed = rc < 0;
	if (rc < 0) {
		log_error("the change could not be prepared: %s", strerror(-rc));
		end_transaction(p);
		if (rc == -ENOMEM)
			set_timer(p, &p->change_timer, RETRY_MS);
		settle(p, p->changes, rc);
		return;
	}
	if (t->count == 0 && p->generation > 0) {
		end_transaction(p);
		settle(p, p->changes, 0);
		return;
	}
	if (p->refused && image_equal(p->refused, t->image)) {
		end_transaction(p);
		settle(p, p->changes, p->refused_result);
		return;
	}
	t->base = p->generation;
	t->generation = p->generation + 1;
	t->changes = p->changes;
	t->started_ms = loop_now_ms(p->control->loop);
	p->waiters.late_worker = -1;
	session_client_clear(p->client);
	publish_pump(p);
}

static void
on_change_timer(struct loop_timer *timer, uint64_t now_ms)
{
	(void)now_ms;
	publish_now(loop_container(timer, struct publish, change_timer));
}

/* Something has changed: sets the time to tell of it. */
static void
note_change(struct publish *p)
{
	uint64_t now_ms = loop_now_ms(p->control->loop), delay_ms = 0;

	p->changes++;
	if (!p->connected)
		return;
	if (p->published_ms + PAUSE_MS > now_ms)
		delay_ms = p->published_ms + PAUSE_MS - now_ms;
	if (loop_timer_is_set(&p->change_timer) && p->change_timer.at_ms <= now_ms + delay_ms)
		return;
	if (loop_timer_set(p->control->loop, &p->change_timer, delay_ms) < 0)
		publish_now(p);
}

void
publish_schedule(struct publish *p)
{
	if (!p)
		return;
	p->all_changed = true;
	note_change(p);
}

void
publish_schedule_server(struct publish *p, struct server *server)
{
	server->changed = server->backend->changed = true;
	if (p)
		note_change(p);
}

void
publish_schedule_truth(struct publish *p)
{
	if (p)
		note_change(p);
}

static void
on_refused(struct publish *p, const struct shunt_msg *msg)
{
	struct transaction *t = &p->transaction;
	uint64_t changes = t->changes;
	char object[192];

	p->all_changed = true;
	transaction_describe(t, msg->kind, msg->id, object, sizeof(object));
	log_error("the dataplane refused generation %lu because of %s: %s (its log says more); "
		  "generation %lu goes on",
		t->generation, object, strerror(-msg->result), p->generation);
	if (msg->result == -ENOMEM) {
		set_timer(p, &p->change_timer, RETRY_MS);
	} else {
		image_destroy(p->refused);
		p->refused = t->image;
		p->refused_result = msg->result;
		t->image = NULL;
	}
	end_transaction(p);
	settle(p, changes, msg->result);
}

static void
on_committed(struct publish *p)
{
	struct transaction *t = &p->transaction;
	uint64_t changes = t->changes;

	log_info("generation %lu is in force in all workers after %lu ms, objects changed: %zu",
		t->generation, loop_now_ms(p->control->loop) - t->started_ms, t->count);
	image_destroy(p->running);
	image_destroy(p->refused);
	p->running = t->image;
	p->refused = NULL;
	p->generation = t->generation;
	t->image = NULL;
	end_transaction(p);
	settle(p, changes, 0);
}

static void
on_done(struct publish *p, const struct shunt_msg *msg)
{
	const struct transaction *t = &p->transaction;

	if (!t->image || msg->generation != t->generation || !transaction_is_sent(t) ||
		msg->result == -ESTALE) {
		renew_session(p);
		return;
	}
	if (msg->result < 0)
		on_refused(p, msg);
	else
		on_committed(p);
	if (p->changes > p->settled && !loop_timer_is_set(&p->change_timer))
		publish_now(p);
}

static void
on_late(struct publish *p, const struct shunt_msg *msg)
{
	if (!p->transaction.image || msg->generation != p->transaction.generation)
		return;
	p->waiters.late_worker = (int)(msg->id & INT32_MAX);
	log_warn("worker %u has not acknowledged generation %lu yet", msg->id, msg->generation);
}

static void
on_flow_answer(struct publish *p, const struct shunt_msg *msg)
{
	p->refusal = msg->kind < SHUNT_DROP_COUNT ? msg->kind : 0;
	query_answer(p, msg->result);
}

static void
receive(struct publish *p)
{
	struct shunt_msg msg;

	while (p->connected && session_client_receive(p->client, &msg)) {
		if (msg.op == SHUNT_OP_DONE)
			on_done(p, &msg);
		else if (msg.op == SHUNT_OP_LATE)
			on_late(p, &msg);
		else if (msg.op == SHUNT_OP_FLOW_ANSWER && p->query.sent && !p->query.rows)
			on_flow_answer(p, &msg);
		else if (msg.op == SHUNT_OP_SOURCES_ANSWER && p->query.sent &&
			msg.result <= (int64_t)p->query.rows)
			query_answer(p, msg.result);
		else
			lose_session(p, "it sent a message that this version does not know");
	}
}

static void
on_fenced(struct publish *p)
{
	close_session(p);
	p->fenced = true;
	log_error("a newer shunt-control has taken over the dataplane: this one stops");
	query_answer(p, -ENOTCONN);
	waiters_wake(&p->waiters, UINT64_MAX, -ENOTCONN);
	loop_stop(p->control->loop);
}

/* The hello has come: what runs there? 0 or -errno. */
static int
learn_running(struct publish *p)
{
	const struct shunt_hello *hello = session_client_info(p->client);
	struct image *running = image_create();
	int rc = running ? 0 : -ENOMEM;

	if (rc == 0)
		rc = image_parse(running, session_client_running(p->client), hello->running_bytes);
	if (rc == 0 && !p->adopted && hello->generation > 0)
		rc = compiler_adopt(p->compiler, p->control, running);
	if (rc < 0) {
		image_destroy(running);
		return rc;
	}
	p->adopted = true;
	if (hello->generation == 0) {
		compiler_forget_ways(p->compiler);
		rules_restart(p->control);
	}
	image_destroy(p->running);
	p->running = running;
	p->generation = hello->generation;
	return 0;
}

static void
on_hello(struct publish *p)
{
	const struct shunt_hello *hello = session_client_info(p->client);
	char problem[SESSION_PROBLEM_SIZE];
	int rc = session_client_hello(p->client, problem);

	if (rc == -EAGAIN)
		return;
	if (rc == 0) {
		rc = learn_running(p);
		if (rc < 0)
			snprintf(problem, sizeof(problem),
				"cannot take over what the dataplane runs: %s", strerror(-rc));
	}
	if (rc < 0) {
		no_session(p, problem);
		return;
	}
	loop_timer_cancel(p->control->loop, &p->connect_timer);
	p->connected = true;
	p->problem[0] = '\0';
	p->reconnect_ms = RECONNECT_MIN_MS;
	p->port_count = hello->port_count;
	memcpy(p->ports, hello->ports, sizeof(p->ports));
	if (hello->generation > 0)
		log_info("connected to shunt-dataplane, pid %u, which runs generation %lu",
			hello->pid, hello->generation);
	else
		log_info(
			"connected to shunt-dataplane, pid %u, which runs nothing yet", hello->pid);
	netlink_update(p->control->netlink); /* ports and interfaces are known only now */
	publish_schedule(p);
}

static void
on_event(struct loop_watch *watch, uint32_t events)
{
	struct publish *p = loop_container(watch, struct publish, watch);
	int rc;

	(void)events;
	if (!p->connected) {
		on_hello(p);
		return;
	}
	rc = session_client_doorbells(p->client);
	receive(p); /* what was sent before the end still counts */
	if (rc < 0 && p->connected) {
		if (rc == -ESTALE)
			on_fenced(p);
		else
			lose_session(p, "the dataplane has closed the session");
	}
}

static void
try_connect(struct publish *p)
{
	char problem[SESSION_PROBLEM_SIZE];
	int rc = session_client_connect(&p->client, p->control->run_dir, problem);

	if (rc == 0)
		rc = loop_watch(p->control->loop, &p->watch, session_client_fd(p->client), EPOLLIN);
	else
		p->client = NULL;
	if (rc < 0) {
		if (p->client)
			snprintf(problem, sizeof(problem), "cannot watch the session: %s",
				strerror(-rc));
		no_session(p, problem);
		return;
	}
	set_timer(p, &p->connect_timer, HELLO_MS);
}

static void
on_connect_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct publish *p = loop_container(timer, struct publish, connect_timer);

	(void)now_ms;
	if (p->client)
		no_session(p, "the dataplane takes no session: it does not say hello");
	else
		try_connect(p);
}

struct publish *
publish_create(struct control *control)
{
	struct publish *p = calloc(1, sizeof(*p));
	struct pollfd hello = { .events = POLLIN };

	if (p)
		p->compiler = compiler_create();
	if (!p || !p->compiler) {
		free(p);
		errno = ENOMEM;
		return NULL;
	}
	p->control = control;
	p->reconnect_ms = RECONNECT_MIN_MS;
	p->watch = (struct loop_watch){ .fd = -1, .on_event = on_event };
	p->connect_timer.on_timer = on_connect_timer;
	p->change_timer.on_timer = on_change_timer;
	p->ring_timer.on_timer = on_ring_timer;
	p->waiters = (struct waiters){ .loop = control->loop, .late_worker = -1 };
	control->publish = p;
	try_connect(p);
	if (p->client) {
		hello.fd = session_client_fd(p->client);
		if (poll(&hello, 1, FIRST_HELLO_MS) > 0)
			on_hello(p);
	}
	return p;
}

void
publish_destroy(struct publish *p)
{
	if (!p)
		return;
	close_session(p);
	waiters_remove_all(&p->waiters);
	compiler_destroy(p->compiler);
	image_destroy(p->running);
	if (p->control->publish == p)
		p->control->publish = NULL;
	free(p);
}
