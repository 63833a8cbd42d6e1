/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows over counters of new connections, and who is probed sooner for them. */
#include <sys/mman.h>
#include <time.h>

#include "listener.h"
#include "probe_bed.h"
#include "shunt/stats.h"

#define WORKERS 16
#define FLEET	(SHUNT_MAX_SERVERS - 1)

static const struct observe_config usual = { .share = 50, .within_ms = 1000, .least = 10 };

/* One server's counters, as they go on. */
struct scene {
	struct observe observe;
	struct observe_config config;
	struct observe_source source;
	struct observe_counts counts;
	uint64_t now_ms;
};

static struct scene
scene_new(void)
{
	struct scene s = {
		.config = usual,
		.source = { .started_ms = 1, .pid = 2, .id = 3 },
		.counts = { .begun = 1000, .unanswered = 500, .refused = 400 },
		.now_ms = 120000,
	};

	/* What was counted before anybody looked says nothing. */
	CU_ASSERT_FALSE(observe_look(&s.observe, &s.config, &s.source, &s.counts, s.now_ms));
	CU_ASSERT_FALSE(s.observe.failing);
	return s;
}

/* A window goes by in which so much is counted. */
static bool
window(struct scene *s, uint64_t begun, uint64_t unanswered, uint64_t refused)
{
	s->now_ms += s->config.within_ms;
	s->counts.begun += begun;
	s->counts.unanswered += unanswered;
	s->counts.refused += refused;
	CU_ASSERT_EQUAL(observe_due_ms(&s->observe, &s->config, s->now_ms - 1), 1);
	CU_ASSERT_EQUAL(observe_due_ms(&s->observe, &s->config, s->now_ms), 0);
	return observe_look(&s->observe, &s->config, &s->source, &s->counts, s->now_ms);
}

static void
test_share_and_least(void)
{
	static const struct {
		uint64_t begun, unanswered, refused;
		bool shown;
	} cases[] = {
		{ 0, 0, 0, false },
		{ 1000, 0, 0, false },
		{ 9, 0, 9, false }, /* too few */
		{ 10, 0, 10, true },
		{ 20, 0, 10, true },
		{ 21, 0, 10, false }, /* less than half */
		{ 20, 5, 5, true },
		{ 20, 10, 0, true },
		{ 2000, 499, 500, false },
		{ 2000, 500, 500, true },
		{ 0, 10, 0, true }, /* of flows begun before */
		{ 3, 10, 0, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s = scene_new();

		CU_ASSERT_EQUAL(window(&s, cases[i].begun, cases[i].unanswered, cases[i].refused),
			cases[i].shown);
		CU_ASSERT_EQUAL(s.observe.failing, cases[i].shown);
	}
}

/* As the configuration says it. */
static void
test_other_limits(void)
{
	struct scene s = scene_new();

	s.config = (struct observe_config){ .share = 1, .within_ms = 100, .least = 1 };
	CU_ASSERT_FALSE(window(&s, 101, 0, 1));
	CU_ASSERT_TRUE(window(&s, 100, 0, 1));
	s = scene_new();
	s.config = (struct observe_config){ .share = 100, .within_ms = 60000, .least = 1000 };
	CU_ASSERT_FALSE(window(&s, 2001, 0, 2000));
	CU_ASSERT_FALSE(window(&s, 999, 0, 999));
	CU_ASSERT_TRUE(window(&s, 1000, 0, 1000));
	CU_ASSERT_EQUAL(s.observe.lasted_ms, 60000);
}

/* SYNs of a busy second come again in the next one, which may be a quiet one. */
static void
test_unanswered_are_late(void)
{
	struct scene s = scene_new();

	CU_ASSERT_FALSE(window(&s, 1000, 0, 0));
	CU_ASSERT_FALSE(window(&s, 5, 20, 0));
	CU_ASSERT_EQUAL(s.observe.among, 1000);
	/* What is refused is of this one. */
	CU_ASSERT_FALSE(window(&s, 1000, 0, 0));
	CU_ASSERT_TRUE(window(&s, 30, 0, 20));
	CU_ASSERT_EQUAL(s.observe.failed, 20);
	CU_ASSERT_EQUAL(s.observe.among, 30);
}

/* One observation, for as long as it goes on and a little longer. */
static void
test_goes_on(void)
{
	struct scene s = scene_new();

	CU_ASSERT_TRUE(window(&s, 20, 0, 20));
	for (unsigned int i = 0; i < 10; i++) {
		CU_ASSERT_FALSE(window(&s, 20, 0, 20));
		CU_ASSERT_TRUE(s.observe.failing);
		CU_ASSERT_FALSE(window(&s, 20, 0, 0));
		CU_ASSERT_TRUE(s.observe.failing);
	}
	CU_ASSERT_FALSE(window(&s, 0, 0, 0));
	CU_ASSERT_FALSE(s.observe.failing);
	CU_ASSERT_TRUE(window(&s, 20, 0, 20));
}

/* Another dataplane, another server under this id, counters that begin anew: no alarm. */
static void
test_begins_anew(void)
{
	for (unsigned int i = 0; i < 6; i++) {
		struct scene s = scene_new();

		CU_ASSERT_TRUE(window(&s, 20, 0, 20));
		s.source.started_ms += i == 0;
		s.source.pid += i == 1;
		s.source.id += i == 2;
		if (i == 3)
			s.counts = (struct observe_counts){ 0 };
		else if (i == 4)
			s.counts.refused -= 25;
		else if (i == 5)
			s.source.id = 0;
		CU_ASSERT_FALSE(window(&s, 20, 0, 20));
		CU_ASSERT_FALSE(s.observe.failing);
		CU_ASSERT_EQUAL(window(&s, 20, 0, 20), i != 5);
	}
}

/* The counters of a dataplane. */
static struct shunt_stats *
stats_new(void)
{
	struct shunt_stats *stats = mmap(NULL, shunt_stats_bytes(WORKERS), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CU_ASSERT_TRUE_FATAL(stats != MAP_FAILED);
	stats->worker_count = WORKERS;
	stats->started_ms = 5;
	stats->pid = 6;
	stats->workers_offset = sizeof(*stats);
	stats->servers_offset = sizeof(*stats) + WORKERS * sizeof(struct shunt_worker_stats);
	return stats;
}

static void
stats_free(struct shunt_stats *stats)
{
	bed_stats = NULL;
	munmap(stats, shunt_stats_bytes(WORKERS));
}

/* Connections of a server that are refused, by different workers. */
static void
refuse(struct shunt_stats *stats, uint32_t id, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct shunt_server_stats *s = &shunt_stats_servers(stats, i % WORKERS)[id];

		s->sessions_total++;
		s->syn_refused++;
	}
}

static struct server *
observed_server(uint32_t id, uint16_t port_be, uint32_t inter_ms, uint32_t fastinter_ms)
{
	struct server *server = calloc(1, sizeof(*server));

	CU_ASSERT_PTR_NOT_NULL_FATAL(server);
	*server = make_server(port_be, inter_ms, 1000);
	server->id = id;
	server->config.check.fastinter_ms = fastinter_ms;
	server->config.check.observe = usual;
	server->config.check.observe.within_ms = 100;
	return server;
}

/* The state has these servers. */
static void
have_servers(struct server **servers, size_t count)
{
	static struct backend *backends[1] = { &backend };

	backend.servers = servers;
	backend.server_count = count;
	control.backends = backends;
	control.backend_count = count > 0;
}

struct watched {
	struct listener *listener;
	unsigned int least;
};

static bool
is_probed(void *context)
{
	const struct watched *w = context;

	return w->listener->accepted >= w->least;
}

static bool
is_failing(void *context)
{
	const struct server *server = context;

	return server->observe.failing;
}

static bool
is_calm(void *context)
{
	return !is_failing(context);
}

/* A probe a minute; while connections fail one at once and then by `fastinter`. */
static void
test_probes(void)
{
	struct shunt_stats *stats = stats_new();
	struct watched w = { 0 };
	struct server *server;

	setup();
	w.listener = listener_open(control.loop, AF_INET);
	server = observed_server(9, port_of(w.listener->watch.fd), 60000, 50);
	have_servers(&server, 1);
	bed_stats = stats;
	control.publish = (struct publish *)(void *)stats; /* which the bed does not look at */
	start(server);
	CU_ASSERT_EQUAL(observe_watch(&control), 0);
	run_until(is_up, server);
	run_for(300);
	CU_ASSERT_EQUAL(w.listener->accepted, 1);
	CU_ASSERT_EQUAL(server->check_hurried, 0);

	refuse(stats, 9, 20);
	run_until(is_failing, server);
	w.least = 2;
	run_until(is_probed, &w);
	for (unsigned int i = 0; i < 30; i++) {
		refuse(stats, 9, 20);
		run_for(20);
	}
	w.least = 5;
	run_until(is_probed, &w);
	CU_ASSERT_TRUE(server->check_hurried >= 4);
	/* Never a verdict: the probes are answered. */
	CU_ASSERT_TRUE(is_up(server));
	CU_ASSERT_EQUAL(server->check_fail, 0);

	/* When it is over there is a probe a minute again. */
	run_until(is_calm, server);
	run_for(200);
	w.least = w.listener->accepted;
	run_for(300);
	CU_ASSERT_EQUAL(w.listener->accepted, w.least);
	stop(server);
	have_servers(NULL, 0);
	run_for(200);
	CU_ASSERT_FALSE(loop_timer_is_set(&control.observe_timer));
	listener_close(w.listener);
	free(server);
	stats_free(stats);
	teardown();
}

/* Nobody listens any more: down by its probes, long before the next one was due. */
static void
test_down_by_probes(void)
{
	struct shunt_stats *stats = stats_new();
	struct listener *listener;
	struct server *server;

	setup();
	listener = listener_open(control.loop, AF_INET);
	server = observed_server(9, port_of(listener->watch.fd), 60000, 10);
	have_servers(&server, 1);
	start(server);
	run_until(is_up, server);
	run_until(all_clients_gone, listener);
	listener_close(listener);
	CU_ASSERT_EQUAL(observe_turn(&control, stats, 1000), 100);
	refuse(stats, 9, 10);
	CU_ASSERT_EQUAL(observe_turn(&control, stats, 1050), 50);
	CU_ASSERT_FALSE(server->observe.failing);
	CU_ASSERT_EQUAL(observe_turn(&control, stats, 1100), 100);
	CU_ASSERT_TRUE(server->observe.failing);
	run_until(is_down, server);
	CU_ASSERT_EQUAL(server->check_fail, 3);
	/* Down it has another interval, and nothing is known of it when it comes up. */
	CU_ASSERT_EQUAL(server->check_hurried, 1);
	observe_turn(&control, stats, 1200);
	CU_ASSERT_FALSE(server->observe.failing);
	refuse(stats, 9, 100);
	health_init(&server->health, &server->config.check);
	server->health.verdict = SHUNT_HEALTH_UP;
	observe_turn(&control, stats, 1300);
	observe_turn(&control, stats, 1400);
	CU_ASSERT_FALSE(server->observe.failing);
	stop(server);
	have_servers(NULL, 0);
	free(server);
	stats_free(stats);
	teardown();
}

/* A dataplane that goes and comes, or another one; nobody to observe. */
static void
test_dataplanes(void)
{
	struct shunt_stats *stats = stats_new();
	struct server *server;

	setup();
	server = observed_server(9, htons(1), 60000, 60000);
	server->health.verdict = SHUNT_HEALTH_UP;
	have_servers(&server, 1);
	CU_ASSERT_EQUAL(observe_turn(&control, NULL, 1000), 100);
	refuse(stats, 9, 50);
	CU_ASSERT_EQUAL(observe_turn(&control, stats, 1100), 100);
	CU_ASSERT_FALSE(server->observe.failing);
	/* Gone, and counting on. */
	observe_turn(&control, NULL, 1200);
	refuse(stats, 9, 50);
	observe_turn(&control, stats, 1300);
	CU_ASSERT_FALSE(server->observe.failing);
	refuse(stats, 9, 50);
	stats->started_ms++;
	observe_turn(&control, stats, 1400);
	CU_ASSERT_FALSE(server->observe.failing);
	/* It has no id yet, or another one. */
	server->id = 0;
	observe_turn(&control, stats, 1500);
	server->id = 10;
	refuse(stats, 10, 50);
	observe_turn(&control, stats, 1600);
	CU_ASSERT_FALSE(server->observe.failing);
	server->config.check.observe.share = 0;
	CU_ASSERT_EQUAL(observe_turn(&control, stats, 1700), 0);
	CU_ASSERT_EQUAL(observe_watch(&control), 0);
	CU_ASSERT_FALSE(loop_timer_is_set(&control.observe_timer));
	server->config.check.observe.share = 50;
	server->config.check.enabled = false;
	CU_ASSERT_EQUAL(observe_turn(&control, stats, 1800), 0);
	have_servers(NULL, 0);
	free(server);
	stats_free(stats);
	teardown();
}

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* As many servers and workers as there may be: who fails is found among them. */
static void
test_fleet(void)
{
	struct server **servers = calloc(FLEET, sizeof(*servers));
	struct shunt_stats *stats = stats_new();
	double least_s = 1e9;
	unsigned int failing = 0;

	setup();
	CU_ASSERT_PTR_NOT_NULL_FATAL(servers);
	for (uint32_t i = 0; i < FLEET; i++) {
		servers[i] = observed_server(i + 1, htons(1), 60000, 60000);
		servers[i]->health.verdict = SHUNT_HEALTH_UP;
		refuse(stats, i + 1, WORKERS); /* every line is there */
	}
	have_servers(servers, FLEET);
	observe_turn(&control, stats, 1000);
	start(servers[40000]);
	refuse(stats, 40001, 10);
	observe_turn(&control, stats, 1100);
	for (uint32_t i = 0; i < FLEET; i++)
		failing += servers[i]->observe.failing;
	CU_ASSERT_EQUAL(failing, 1);
	CU_ASSERT_TRUE(servers[40000]->observe.failing);
	for (uint64_t i = 0; i < 9; i++) {
		double begin_s = now_s(), took_s;

		observe_turn(&control, stats, 1200 + 100 * i);
		took_s = now_s() - begin_s;
		least_s = took_s < least_s ? took_s : least_s;
	}
	printf("%u servers, %u workers: %.1f ms ...", FLEET, WORKERS, least_s * 1e3);
	stop(servers[40000]);
	have_servers(NULL, 0);
	for (uint32_t i = 0; i < FLEET; i++)
		free(servers[i]);
	free(servers);
	stats_free(stats);
	teardown();
}

static const struct unit_test tests[] = {
	{ "share and least", test_share_and_least },
	{ "other limits", test_other_limits },
	{ "what is not answered is late", test_unanswered_are_late },
	{ "goes on", test_goes_on },
	{ "begins anew", test_begins_anew },
	{ "probes", test_probes },
	{ "down by probes", test_down_by_probes },
	{ "dataplanes", test_dataplanes },
	{ "a whole fleet", test_fleet },
};

UNIT_MAIN("observe", tests)
