/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>

#define LOG_SUBSYSTEM "agent"
#include "agent.h"
#include "agent_ask.h"
#include "classify.h"
#include "generation.h"
#include "limit.h"
#include "probe_via.h"
#include "session.h"
#include "shunt/log.h"
#include "stateless.h"
#include "xdp.h"

#define ACK_POLL_MS   1	   /* how often the workers' acknowledgements are looked at */
#define LATE_AFTER_MS 1000 /* when a worker's missing acknowledgement is reported */
#define IDLE_POLL_MS  1000
/* Generations may skip numbers, but no commit may leave too few for those after it. */
#define GENERATION_MAX_STEP (1ull << 32)
#define MESSAGE_BURST	    1024 /* session messages handled before signals are looked at again */

/* What control is sending between BEGIN and COMMIT. */
struct transaction {
	struct object_store *objects; /* NULL: none is open */
	int result;		      /* the first refusal, told at COMMIT */
	uint32_t kind;
	uint32_t id;
	const char *why;
};

/* A generation on its way to the workers. */
struct rollout {
	struct generation *generation; /* NULL: none under way */
	struct object_store *objects;
	uint64_t session; /* that committed it, by number */
	uint64_t started_tsc;
	bool told[SHUNT_MAX_WORKERS];
	bool late;
};

struct agent {
	const struct agent_settings *settings;
	int epoll_fd;
	int listen_fd;
	int signal_fd;
	bool stopped;
	struct session *session;
	uint64_t session_number; /* how many there have been */
	struct transaction transaction;
	struct generation *generation; /* running */
	struct object_store *objects;  /* it was built of */
	bool kernel_synced;	       /* as the running generation says */
	struct rollout rollout;
	struct shunt_port_info ports[SHUNT_MAX_PORTS];
};

static int
watch(struct agent *a, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int
watch_signals(struct agent *a)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	a->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	return a->signal_fd < 0 ? -errno : watch(a, a->signal_fd);
}

struct agent *
agent_create(const struct agent_settings *settings)
{
	struct agent *a = calloc(1, sizeof(*a));
	int result;

	if (!a)
		return NULL;
	a->settings = settings;
	a->signal_fd = -1;
	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	a->listen_fd = session_listen(settings->run_dir);
	result = a->listen_fd < 0 ? a->listen_fd : watch(a, a->listen_fd);
	if (result == 0)
		result = watch_signals(a);
	if (result < 0) {
		log_error("cannot listen at %s/%s: %s", settings->run_dir, SHUNT_DATAPLANE_SOCKET,
			strerror(-result));
		agent_destroy(a);
		return NULL;
	}
	for (uint32_t i = 0; i < settings->ports->count; i++) {
		const struct port *port = &settings->ports->port[i];

		memcpy(a->ports[i].name, port->name, sizeof(a->ports[i].name));
		memcpy(a->ports[i].interface, port->interface, sizeof(a->ports[i].interface));
		a->ports[i].mac = port->mac;
	}
	return a;
}

static void
transaction_drop(struct agent *a)
{
	object_store_destroy(a->transaction.objects);
	a->transaction = (struct transaction){ 0 };
}

static void
end_session(struct agent *a, bool fenced)
{
	if (!a->session)
		return;
	epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, session_fd(a->session), NULL);
	session_close(a->session, fenced);
	a->session = NULL;
	transaction_drop(a);
}

void
agent_destroy(struct agent *a)
{
	if (!a)
		return;
	end_session(a, false);
	if (a->listen_fd >= 0)
		close(a->listen_fd);
	if (a->signal_fd >= 0)
		close(a->signal_fd);
	if (a->epoll_fd >= 0)
		close(a->epoll_fd);
	/* The workers have stopped: nobody uses a generation any more. */
	generation_destroy(a->rollout.generation);
	object_store_destroy(a->rollout.objects);
	generation_destroy(a->generation);
	object_store_destroy(a->objects);
	free(a);
}

/*
 * A generation on its way to the workers counts as running: it cannot be called back, and the new
 * session's first transaction is read only when they have it.
 */
static void
new_session(struct agent *a)
{
	const struct generation *generation =
		a->rollout.generation ? a->rollout.generation : a->generation;
	struct session_facts facts = {
		.generation = generation ? generation->number : 0,
		.stats_bytes = shunt_stats_bytes(a->settings->worker_count),
		.stats_fd = a->settings->stats_fd,
		.port_count = a->settings->ports->count,
		.ports = a->ports,
		.running = a->rollout.generation ? a->rollout.objects : a->objects,
	};
	struct session *session = session_accept(a->listen_fd, &facts);
	int result;

	if (!session) {
		if (errno != EAGAIN)
			log_warn("a control session was not opened: %s", strerror(errno));
		return;
	}
	if (a->session)
		log_info("a newer control process takes over");
	end_session(a, true);
	result = watch(a, session_fd(session));
	if (result < 0) {
		log_error("cannot watch a control session: %s", strerror(-result));
		session_close(session, false);
		return;
	}
	a->session = session;
	a->session_number++;
	log_info("control session opened at generation %lu", facts.generation);
}

/* A peer that does not read its answers is as good as gone. */
static void
answer(struct agent *a, const struct shunt_msg *msg)
{
	int result;

	if (!a->session)
		return;
	result = session_send(a->session, msg);
	if (result < 0) {
		log_error("control session closed: cannot answer: %s", strerror(-result));
		end_session(a, false);
	}
}

static void
refuse(struct transaction *t, int result, uint32_t kind, uint32_t id, const char *why)
{
	if (t->result < 0)
		return;
	t->result = result;
	t->kind = kind;
	t->id = id;
	t->why = why;
}

static void
on_begin(struct agent *a, const struct shunt_msg *msg)
{
	struct transaction *t = &a->transaction;

	transaction_drop(a);
	t->objects = a->objects ? object_store_clone(a->objects) : object_store_create();
	if (!t->objects)
		refuse(t, -ENOMEM, 0, 0, "out of memory");
	if (msg->generation != (a->generation ? a->generation->number : 0))
		refuse(t, -ESTALE, 0, 0, "it starts from another generation than runs");
}

static void
on_put(struct agent *a, const struct shunt_msg *msg)
{
	struct transaction *t = &a->transaction;
	const char *why = "outside the session's memory";
	const void *bytes;
	int result = -EINVAL;

	if (!t->objects || t->result < 0)
		return;
	bytes = session_bytes(a->session, msg->offset, msg->length);
	if (bytes)
		result = object_store_put(t->objects, msg->kind, msg->id, bytes, msg->length, &why);
	if (result < 0)
		refuse(t, result, msg->kind, msg->id, result == -ENOMEM ? "out of memory" : why);
}

static void
on_delete(struct agent *a, const struct shunt_msg *msg)
{
	struct transaction *t = &a->transaction;
	int result;

	if (!t->objects || t->result < 0)
		return;
	result = object_store_delete(t->objects, msg->kind, msg->id);
	if (result < 0)
		refuse(t, result, msg->kind, msg->id,
			result == -ENOMEM ? "out of memory" : "there is no such object to delete");
}

static void
tell_workers(struct agent *a)
{
	struct rollout *r = &a->rollout;
	const struct worker_msg msg = {
		.op = WORKER_OP_GENERATION,
		.number = r->generation->number,
		.generation = r->generation,
	};

	for (uint32_t i = 0; i < a->settings->worker_count; i++) {
		if (!r->told[i])
			r->told[i] = worker_tell(a->settings->workers[i], &msg) == 0;
	}
}

/* Source ports and what is counted for limits are made with the first generation that has them. */
static int
prepare_workers(struct agent *a, const struct generation *generation)
{
	int result = limiter_prepare(a->settings->limiter, generation);

	for (uint32_t i = 0; i < a->settings->worker_count && result == 0; i++)
		result = worker_prepare(a->settings->workers[i], generation);
	return result;
}

static void
on_commit(struct agent *a, const struct shunt_msg *msg)
{
	struct transaction *t = &a->transaction;
	struct generation_error error = { 0 };
	struct generation *generation = NULL;
	uint64_t running = a->generation ? a->generation->number : 0;
	int result = -EINVAL;

	if (!t->objects)
		refuse(t, -EPROTO, 0, 0, "there is no transaction to commit");
	else if (msg->generation <= running)
		refuse(t, -ESTALE, 0, 0, "its generation is not newer than the running one");
	else if (msg->generation - running > GENERATION_MAX_STEP)
		refuse(t, -ERANGE, 0, 0, "its generation is too far ahead of the running one");
	if (t->result == 0) {
		struct gen_moment moment = agent_moment(a->settings);

		generation = generation_create_at(t->objects, msg->generation, a->generation,
			a->settings->ports->count, &moment, &error, &result);
		if (!generation)
			refuse(t, result, error.kind, error.id, error.text);
		else if (prepare_workers(a, generation) < 0) {
			refuse(t, -ENOMEM, 0, 0,
				"no memory for full NAT's source ports, SYN cookies, or the client "
				"networks of limits: reserve more hugepages, or make "
				"flow-table-size or source-table-size smaller");
			generation_destroy(generation);
			generation = NULL;
		}
	}
	if (!generation) {
		struct shunt_msg done = {
			.op = SHUNT_OP_DONE,
			.generation = msg->generation,
			.result = t->result,
			.kind = t->kind,
			.id = t->id,
		};

		log_error("generation %lu refused: object %u of kind %u: %s", msg->generation,
			t->id, t->kind, t->why ? t->why : strerror(-t->result));
		transaction_drop(a);
		answer(a, &done);
		return;
	}
	a->rollout = (struct rollout){
		.generation = generation,
		.objects = t->objects,
		.session = a->session_number,
		.started_tsc = rte_rdtsc(),
	};
	*t = (struct transaction){ 0 };
	tell_workers(a);
}

static void
on_flow(struct agent *a, const struct shunt_msg *msg)
{
	struct shunt_msg found = { .op = SHUNT_OP_FLOW_ANSWER, .result = -EINVAL };
	const void *bytes = session_bytes(a->session, msg->offset, sizeof(struct shunt_flow_query));
	struct shunt_flow_query query;

	if (bytes) {
		memcpy(&query, bytes, sizeof(query));
		found.result = agent_find_flow(a->settings, a->generation, &query);
		found.kind = agent_ask_limit(a->settings, a->generation, &query);
	}
	answer(a, &found);
}

static void
on_sources(struct agent *a, const struct shunt_msg *msg)
{
	struct shunt_msg found = { .op = SHUNT_OP_SOURCES_ANSWER, .result = -EINVAL };
	void *room = session_room(a->session, msg->offset, msg->length);

	if (room)
		found.result = agent_top_sources(a->settings, a->generation, room, msg->length);
	answer(a, &found);
}

/*
 * While a generation is on its way to the workers the next transaction waits in the ring. True if
 * there may be more to read at once.
 */
static bool
read_session(struct agent *a)
{
	struct shunt_msg msg;

	for (int i = 0; a->session && !a->rollout.generation && i < MESSAGE_BURST; i++) {
		int result = session_take(a->session, &msg);

		if (result == 0)
			return false;
		if (result < 0) {
			log_error("control session closed: its ring makes no sense");
			end_session(a, false);
			return false;
		}
		if (msg.op == SHUNT_OP_BEGIN)
			on_begin(a, &msg);
		else if (msg.op == SHUNT_OP_PUT)
			on_put(a, &msg);
		else if (msg.op == SHUNT_OP_DELETE)
			on_delete(a, &msg);
		else if (msg.op == SHUNT_OP_COMMIT)
			on_commit(a, &msg);
		else if (msg.op == SHUNT_OP_FLOW)
			on_flow(a, &msg);
		else if (msg.op == SHUNT_OP_SOURCES)
			on_sources(a, &msg);
		else
			refuse(&a->transaction, -EBADMSG, 0, 0, "unknown message");
	}
	return a->session && !a->rollout.generation;
}

/* The first worker that has not acknowledged, or worker_count. */
static uint32_t
first_late(const struct agent *a, uint64_t number)
{
	uint32_t i = 0;

	while (i < a->settings->worker_count &&
		__atomic_load_n(&shunt_stats_worker(a->settings->stats, i)->generation,
			__ATOMIC_ACQUIRE) >= number)
		i++;
	return i;
}

static void
report_late(struct agent *a, uint32_t worker)
{
	struct rollout *r = &a->rollout;
	struct shunt_msg late = {
		.op = SHUNT_OP_LATE,
		.generation = r->generation->number,
		.id = worker,
	};

	if (r->late || rte_rdtsc() - r->started_tsc < rte_get_tsc_hz() / 1000 * LATE_AFTER_MS)
		return;
	r->late = true;
	log_warn("worker %u has not taken generation %lu after %d ms", worker,
		r->generation->number, LATE_AFTER_MS);
	if (r->session == a->session_number)
		answer(a, &late);
}

static void
count_memory(const struct agent *a)
{
	struct generation_bytes bytes = generation_bytes(a->generation);
	struct shunt_stats *stats = a->settings->stats;

	__atomic_store_n(&stats->table_bytes, bytes.tables, __ATOMIC_RELAXED);
	__atomic_store_n(&stats->service_bytes, bytes.services, __ATOMIC_RELAXED);
	__atomic_store_n(&stats->rule_bytes, bytes.rules, __ATOMIC_RELAXED);
	__atomic_store_n(&stats->server_bytes, bytes.servers, __ATOMIC_RELAXED);
}

/* The kernel's side follows what a generation says of services, servers and addresses. */
static void
sync_kernel(struct agent *a)
{
	int result;

	if (a->generation->same_ways && a->kernel_synced)
		return;
	result = xdp_sync(a->settings->xdp, a->generation, a->objects);
	if (result < 0)
		log_error("the XDP filter's maps were not updated: %s", strerror(-result));
	a->kernel_synced = result == 0;
	__atomic_store_n(&a->settings->stats->probe_via,
		probe_via_sync(a->settings->probe_via, a->objects), __ATOMIC_RELEASE);
}

/* Every worker has acknowledged: the generation before is in nobody's hands any more. */
static void
finish_rollout(struct agent *a)
{
	struct rollout done_rollout = a->rollout;
	struct generation *before = a->generation;
	struct object_store *objects_before = a->objects;
	struct shunt_msg done = {
		.op = SHUNT_OP_DONE,
		.generation = done_rollout.generation->number,
	};

	a->generation = done_rollout.generation;
	a->objects = done_rollout.objects;
	a->rollout = (struct rollout){ 0 };
	__atomic_store_n(&a->settings->stats->generation, a->generation->number, __ATOMIC_RELEASE);
	count_memory(a);
	sync_kernel(a);
	if (done_rollout.session == a->session_number)
		answer(a, &done);
	/* After the answer, since it takes a while to clear that memory. */
	generation_destroy(before);
	object_store_destroy(objects_before);
}

static void
poll_rollout(struct agent *a)
{
	uint32_t late;

	if (!a->rollout.generation)
		return;
	tell_workers(a);
	late = first_late(a, a->rollout.generation->number);
	if (late < a->settings->worker_count)
		report_late(a, late);
	else
		finish_rollout(a);
}

static void
on_event(struct agent *a, int fd)
{
	if (fd == a->listen_fd) {
		new_session(a);
	} else if (fd == a->signal_fd) {
		log_info("stopping");
		a->stopped = true;
	} else if (a->session && fd == session_fd(a->session)) {
		if (session_doorbell(a->session) < 0) {
			log_info("control session ended; traffic goes on with generation %lu",
				a->generation ? a->generation->number : 0);
			end_session(a, false);
		}
	}
}

/* Returns when all workers have left their loops. */
static void
stop_workers(struct agent *a)
{
	const struct worker_msg msg = { .op = WORKER_OP_STOP };

	for (uint32_t i = 0; i < a->settings->worker_count; i++) {
		while (worker_tell(a->settings->workers[i], &msg) < 0)
			rte_delay_us_sleep(1000);
	}
	rte_eal_mp_wait_lcore();
}

int
agent_run(struct agent *a)
{
	struct epoll_event events[8];
	bool more = false;
	int result = 0;

	while (!a->stopped) {
		int timeout = more ? 0 : a->rollout.generation ? ACK_POLL_MS : IDLE_POLL_MS;
		int n = epoll_wait(a->epoll_fd, events, 8, timeout);

		if (n < 0 && errno != EINTR) {
			result = -errno;
			log_error("epoll_wait: %s", strerror(errno));
			break;
		}
		for (int i = 0; i < n; i++)
			on_event(a, events[i].data.fd);
		read_session(a);
		poll_rollout(a);
		more = read_session(a);
	}
	stop_workers(a);
	return result;
}
