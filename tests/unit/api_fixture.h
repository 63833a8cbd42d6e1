/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A control process in miniature for the tests of the API: the real loop, state functions, API
 * server and commands over a state built by hand, a publisher and a reload that do what the test
 * says, and a clock that can be moved. Client and server run in one thread, in turns.
 */
#ifndef TESTS_API_FIXTURE_H
#define TESTS_API_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "shunt/api.h"
#include "api_server.h"
#include "image.h"
#include "jsonfile.h"
#include "publish.h"
#include "state.h"
#include "unit.h"

#define FIXTURE_WORKERS 2
#define FIXTURE_TURNS	5000

/*
 * The clock: everything linked into the test asks this one.
 */
static uint64_t clock_skip_ms;

int clock_gettime(clockid_t id, struct timespec *now);

int
clock_gettime(clockid_t id, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, id, now);

	now->tv_sec += (time_t)(clock_skip_ms / 1000);
	now->tv_nsec += (long)(clock_skip_ms % 1000) * 1000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_nsec -= 1000000000;
		now->tv_sec++;
	}
	return (int)result;
}

/*
 * The publisher: the whole of publish.h, so that the real one is not linked.
 */
struct publish {
	bool connected;
	bool holds;	 /* acknowledge only when the test says so */
	int wait_result; /* what publish_wait() returns if not 0 */
	uint64_t generation;
	unsigned int scheduled;
	unsigned int cancelled;
	struct publish_waiter *waiters;
	struct shunt_stats *stats;
	struct image *image;
	bool answers; /* flow queries at once, with flow_answer */
	int flow_answer;
	unsigned int queries;
	struct shunt_flow_query query;
	void (*flow_done)(void *context, int server);
	void *flow_context;
	uint32_t refusal;
	uint32_t rows_asked;
	const struct shunt_source_row *rows;
};

void
publish_schedule(struct publish *publish)
{
	publish->scheduled++;
}

void
publish_schedule_server(struct publish *publish, struct server *server)
{
	(void)server;
	publish->scheduled++;
}

uint64_t
publish_table_bytes(const struct publish *publish)
{
	(void)publish;
	return 12345;
}

bool
publish_connected(const struct publish *publish)
{
	return publish->connected;
}

uint64_t
publish_generation(const struct publish *publish)
{
	return publish->generation;
}

const struct shunt_stats *
publish_stats(const struct publish *publish)
{
	return publish->connected ? publish->stats : NULL;
}

const struct image *
publish_image(const struct publish *publish)
{
	return publish->image;
}

uint32_t
publish_ports(const struct publish *publish, const struct shunt_port_info **ports)
{
	(void)publish;
	*ports = NULL;
	return 0;
}

int
publish_wait(struct publish *publish, struct publish_waiter *waiter, uint32_t timeout_ms)
{
	CU_ASSERT_EQUAL(timeout_ms, SHUNT_API_CHANGE_TIMEOUT_MS);
	if (publish->wait_result)
		return publish->wait_result;
	if (publish->holds) {
		waiter->next = publish->waiters;
		publish->waiters = waiter;
	} else if (publish->connected) {
		publish->generation++;
		waiter->done(waiter, 0, -1);
	} else {
		waiter->done(waiter, -ENOTCONN, -1);
	}
	return 0;
}

void
publish_wait_cancel(struct publish *publish, struct publish_waiter *waiter)
{
	for (struct publish_waiter **w = &publish->waiters; *w; w = &(*w)->next) {
		if (*w == waiter) {
			*w = waiter->next;
			publish->cancelled++;
			return;
		}
	}
}

int
publish_flow_query(struct publish *publish, const struct shunt_flow_query *query,
	void (*done)(void *context, int server), void *context)
{
	if (publish->flow_done)
		return -EBUSY;
	publish->queries++;
	publish->query = *query;
	if (publish->answers) {
		done(context, publish->flow_answer);
		return 0;
	}
	publish->flow_done = done;
	publish->flow_context = context;
	return 0;
}

uint32_t
publish_flow_refusal(const struct publish *publish)
{
	return publish->refusal;
}

int
publish_sources_query(struct publish *publish, uint32_t max, void (*done)(void *context, int count),
	void *context)
{
	publish->rows_asked = max;
	return publish_flow_query(publish, &publish->query, done, context);
}

const struct shunt_source_row *
publish_sources(const struct publish *publish)
{
	return publish->rows;
}

void
publish_flow_query_cancel(struct publish *publish, void *context)
{
	if (publish->flow_context == context) {
		publish->flow_done = NULL;
		publish->flow_context = NULL;
		publish->cancelled++;
	}
}

/* Ends the oldest wait, as acknowledged or with an error. */
static inline void
fixture_acknowledge(struct publish *publish, int result, int worker)
{
	struct publish_waiter *waiter = publish->waiters;

	CU_ASSERT_PTR_NOT_NULL_FATAL(waiter);
	publish->waiters = waiter->next;
	publish->generation += result == 0;
	waiter->done(waiter, result, worker);
}

static inline void
fixture_answer_flow(struct publish *publish, int server)
{
	void (*done)(void *context, int server) = publish->flow_done;

	CU_ASSERT_PTR_NOT_NULL_FATAL(done);
	publish->flow_done = NULL;
	done(publish->flow_context, server);
}

/*
 * The reload: what control_reload() of reload.c would be.
 */
static int reload_result;
static unsigned int reload_count;

int
control_reload(struct control *control, struct json_errors **errors)
{
	(void)control;
	*errors = NULL;
	reload_count++;
	if (reload_result == -EINVAL) {
		*errors = json_errors_create();
		json_errors_add(*errors, false, "$.backends[0].balance", "unknown word \"mad\"");
		json_errors_add(*errors, true, "$.global", "only a warning");
		json_errors_add(*errors, false, "$.frontends", "missing, but required");
	}
	return reload_result;
}

/*
 * The state: frontends "web" (two services) and "dns", backends "app" (s1, s2) and "names" (n1).
 */
static const char fixture_config[] =
	"{ \"dataplane\": { \"lcores\": \"0,1\","
	"                 \"ports\": [ { \"name\": \"wan\", \"device\": \"net_null0\" } ] },"
	"  \"global\": { \"hash-secret\": \"000102030405060708090a0b0c0d0e0f\" },"
	"  \"defaults\": { \"check\": false },"
	"  \"frontends\": ["
	"    { \"name\": \"web\", \"bind\": [\"198.51.100.10:80\", \"198.51.100.11:80\"],"
	"      \"protocol\": \"tcp\", \"default-backend\": \"app\" },"
	"    { \"name\": \"dns\", \"bind\": [\"[2001:db8::10]:53\"], \"protocol\": \"udp\","
	"      \"default-backend\": \"names\" } ],"
	"  \"backends\": ["
	"    { \"name\": \"app\", \"servers\": ["
	"        { \"name\": \"s1\", \"address\": \"10.0.0.11:8080\", \"weight\": 10 },"
	"        { \"name\": \"s2\", \"address\": \"10.0.0.12:8080\", \"weight\": 10 } ] },"
	"    { \"name\": \"names\", \"servers\": ["
	"        { \"name\": \"n1\", \"address\": \"[2001:db8::53]:53\", \"weight\": 10 } ] } ] }";

struct fixture {
	struct control control;
	struct publish publish;
	struct server *servers[3]; /* s1, s2, n1, with the ids 1, 2, 3 */
	struct loop_timer stop;
	char dir[32];
	char socket_path[64];
	char config_path[64];
};

static inline void
fixture_state(struct fixture *f)
{
	static const char *const names[3] = { "app/s1", "app/s2", "names/n1" };
	struct json_errors *errors = json_errors_create();
	struct config *config;
	FILE *file = fopen(f->config_path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(fixture_config, file);
	fclose(file);
	config = config_load(f->config_path, errors);
	json_errors_print(errors, f->config_path, stderr);
	unlink(f->config_path);
	json_errors_destroy(errors);
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	CU_ASSERT_EQUAL_FATAL(state_apply(&f->control, config), 0);
	for (uint32_t i = 0; i < 3; i++) {
		f->servers[i] = state_find_server(&f->control, names[i]);
		CU_ASSERT_PTR_NOT_NULL_FATAL(f->servers[i]);
		f->servers[i]->id = i + 1;
	}
	for (uint32_t i = 0; i < f->control.service_count; i++)
		f->control.services[i].id = i + 1;
	for (uint32_t i = 0; i < f->control.backend_count; i++)
		f->control.backends[i]->id = i + 1;
}

/* A reload from whose file app/s2 has gone; f->servers[1] is the removed one. */
static inline void
fixture_remove_s2(struct fixture *f)
{
	struct json_errors *errors = json_errors_create();
	struct config *config = config_load_text(fixture_config, strlen(fixture_config), errors);

	json_errors_destroy(errors);
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	config->backends[0].server_count = 1;
	CU_ASSERT_EQUAL_FATAL(state_apply(&f->control, config), 0);
	f->servers[0] = state_find_server(&f->control, "app/s1");
	f->servers[2] = state_find_server(&f->control, "names/n1");
	CU_ASSERT_EQUAL_FATAL(f->control.backends[0]->removed_count, 1);
}

static inline struct shunt_stats *
fixture_stats(void)
{
	struct shunt_stats *stats = calloc(1, shunt_stats_bytes(FIXTURE_WORKERS));

	CU_ASSERT_PTR_NOT_NULL_FATAL(stats);
	stats->worker_count = FIXTURE_WORKERS;
	stats->workers_offset = sizeof(*stats);
	stats->services_offset =
		stats->workers_offset + FIXTURE_WORKERS * sizeof(struct shunt_worker_stats);
	stats->servers_offset = stats->services_offset +
		FIXTURE_WORKERS * SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats);
	stats->hits_offset = stats->servers_offset +
		FIXTURE_WORKERS * SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats);
	for (uint32_t i = 0; i < FIXTURE_WORKERS; i++)
		shunt_stats_worker(stats, i)->lcore = i + 4;
	return stats;
}

/* Without the API server, which the test creates. */
static inline void
fixture_open(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	clock_skip_ms = 0;
	reload_result = 0;
	reload_count = 0;
	snprintf(f->dir, sizeof(f->dir), "/tmp/shunt-api-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->dir));
	snprintf(f->socket_path, sizeof(f->socket_path), "%s/" SHUNT_API_SOCKET, f->dir);
	snprintf(f->config_path, sizeof(f->config_path), "%s/shunt.json", f->dir);
	f->control.loop = loop_create();
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->control.loop);
	f->control.config_path = "/etc/shunt/shunt.json";
	f->control.run_dir = f->dir;
	f->control.started_ms = loop_now_ms(f->control.loop);
	fixture_state(f);
	f->publish.connected = true;
	f->publish.answers = true;
	f->publish.stats = fixture_stats();
	f->publish.image = image_create();
	f->control.publish = &f->publish;
}

static inline void
fixture_start(struct fixture *f)
{
	fixture_open(f);
	f->control.api = api_server_create(&f->control);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f->control.api);
}

static inline void
fixture_close(struct fixture *f)
{
	api_server_destroy(f->control.api);
	state_destroy(&f->control);
	image_destroy(f->publish.image);
	free(f->publish.stats);
	loop_destroy(f->control.loop);
	unlink(f->socket_path);
	CU_ASSERT_EQUAL(rmdir(f->dir), 0); /* nothing else was left behind */
}

static inline void
fixture_on_stop(struct loop_timer *timer, uint64_t now_ms)
{
	struct fixture *f = loop_container(timer, struct fixture, stop);

	(void)now_ms;
	loop_stop(f->control.loop);
}

/* One turn of the loop, which does not wait. */
static inline void
fixture_turn(struct fixture *f)
{
	f->stop.on_timer = fixture_on_stop;
	loop_timer_set(f->control.loop, &f->stop, 0);
	loop_run(f->control.loop);
}

static inline void
fixture_turns(struct fixture *f, int count)
{
	while (count--)
		fixture_turn(f);
}

/*
 * The client's side.
 */
static inline int
fixture_connect(struct fixture *f)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", f->socket_path);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

/* Sends what the server takes; it may close before the end. */
static inline void
fixture_send(struct fixture *f, int fd, const void *bytes, size_t length)
{
	const char *next = bytes;

	for (int i = 0; length && i < FIXTURE_TURNS; i++) {
		ssize_t sent = send(fd, next, length, MSG_NOSIGNAL);

		if (sent > 0) {
			next += sent;
			length -= (size_t)sent;
		} else if (errno != EAGAIN) {
			return;
		}
		if (length)
			fixture_turn(f);
	}
}

static inline void
fixture_send_text(struct fixture *f, int fd, const char *text)
{
	fixture_send(f, fd, text, strlen(text));
}

/* The next line's value; NULL if there is none before the connection closes or turns run out. */
static inline json_t *
fixture_receive(struct fixture *f, int fd)
{
	static char line[1 << 18];
	json_t *answer = NULL;

	for (int i = 0; i < FIXTURE_TURNS; i++) {
		ssize_t got = recv(fd, line, sizeof(line), MSG_PEEK);
		char *end = got > 0 ? memchr(line, '\n', (size_t)got) : NULL;

		if (end) {
			size_t length = (size_t)(end - line);

			CU_ASSERT_EQUAL(recv(fd, line, length + 1, 0), (ssize_t)length + 1);
			answer = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
			CU_ASSERT_TRUE(json_is_object(answer));
			return answer;
		}
		if (got == 0)
			break;
		fixture_turn(f);
	}
	return answer;
}

/* Has nothing more come, and is the connection open? */
static inline bool
fixture_is_quiet(struct fixture *f, int fd)
{
	char byte;

	fixture_turns(f, 10);
	return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Does the connection close, after whatever may still come? */
static inline bool
fixture_is_closed(struct fixture *f, int fd)
{
	static char bytes[1 << 16];

	for (int i = 0; i < FIXTURE_TURNS; i++) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return true;
		if (got < 0)
			fixture_turn(f);
	}
	return false;
}

static inline json_t *
fixture_ask(struct fixture *f, int fd, const char *request)
{
	fixture_send_text(f, fd, request);
	fixture_send_text(f, fd, "\n");
	return fixture_receive(f, fd);
}

/* The error of an answer that has to be one; "" if it is none. Static storage. */
static inline const char *
fixture_error(json_t *answer)
{
	static char text[512];
	const char *error = json_string_value(json_object_get(answer, "error"));

	CU_ASSERT_TRUE(json_is_false(json_object_get(answer, "ok")));
	snprintf(text, sizeof(text), "%s", error ? error : "");
	json_decref(answer);
	return text;
}

static inline bool
fixture_ok(json_t *answer)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));

	json_decref(answer);
	return ok;
}

/* A whole conversation: connect, ask, leave. */
static inline json_t *
ask_data(struct fixture *f, const char *request)
{
	int fd = fixture_connect(f);
	json_t *answer = fixture_ask(f, fd, request);
	json_t *data = json_incref(json_object_get(answer, "data"));

	CU_ASSERT_TRUE(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	close(fd);
	fixture_turn(f);
	return data;
}

static inline json_t *
ask(struct fixture *f, const char *request)
{
	int fd = fixture_connect(f);
	json_t *answer = fixture_ask(f, fd, request);

	close(fd);
	fixture_turn(f);
	return answer;
}

/* The names of an object's members, in order, joined by blanks. */
static inline const char *
keys_of(const json_t *data)
{
	static char text[512];
	json_t *object = (json_t *)(uintptr_t)data;
	const char *key;
	json_t *value;
	size_t used = 0;

	text[0] = '\0';
	json_object_foreach (object, key, value)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%s", used ? " " : "", key);
	return text;
}

static inline json_int_t
number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	CU_ASSERT_TRUE(json_is_integer(value));
	return json_integer_value(value);
}

static inline const char *
string(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(none)";
}

#endif
