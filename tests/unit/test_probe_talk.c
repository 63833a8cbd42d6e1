/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Conversations of probes with servers on the loopback interface that answer well, badly, slowly or
 * not at all.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "listener.h"
#include "probe_bed.h"
#include "probe_impl.h"
#include "probe_talk.h"

#define LARGE	   (1u << 20)
#define TIMEOUT_MS 150

enum ending {
	STAYS,
	CLOSES,
	RESETS,
};

/* A server with one client at a time. */
struct speaker {
	struct loop_watch watch;
	struct loop_watch client;
	struct loop_timer timer;
	const char *answer;
	size_t length;
	size_t sent;
	size_t drip;	  /* bytes a millisecond; 0: all at once */
	size_t wait_for;  /* bytes of the request that it hears before it answers */
	enum ending ends; /* when all is said */
	unsigned int accepted;
	unsigned int polite; /* clients that said FIN and sent no reset */
	size_t heard;
	char request[512]; /* its beginning */
};

static void
hang_up(struct speaker *speaker, bool reset)
{
	const struct linger linger = { .l_onoff = 1 };
	int fd = speaker->client.fd;

	if (fd < 0)
		return;
	loop_timer_cancel(control.loop, &speaker->timer);
	loop_unwatch(control.loop, &speaker->client);
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
	speaker->client.fd = -1;
}

static void
speak(struct speaker *speaker)
{
	size_t left = speaker->length - speaker->sent;
	ssize_t n;

	if (speaker->heard < speaker->wait_for || speaker->client.fd < 0)
		return;
	if (speaker->drip && left > speaker->drip)
		left = speaker->drip;
	n = left ? send(speaker->client.fd, speaker->answer + speaker->sent, left,
			   MSG_NOSIGNAL | MSG_DONTWAIT)
		 : 0;
	speaker->sent += n > 0 ? (size_t)n : 0;
	if (speaker->sent < speaker->length)
		loop_timer_set(control.loop, &speaker->timer, 1);
	else if (speaker->ends != STAYS)
		hang_up(speaker, speaker->ends == RESETS);
}

static void
on_speak(struct loop_timer *timer, uint64_t now_ms)
{
	(void)now_ms;
	speak(loop_container(timer, struct speaker, timer));
}

static void
on_speaker_client(struct loop_watch *watch, uint32_t events)
{
	struct speaker *speaker = loop_container(watch, struct speaker, client);
	char bytes[4096];
	ssize_t n = recv(watch->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0) {
		if (speaker->heard + (size_t)n < sizeof(speaker->request))
			memcpy(speaker->request + speaker->heard, bytes, (size_t)n);
		speaker->heard += (size_t)n;
		speak(speaker);
	} else if (n == 0 || errno != EAGAIN) {
		speaker->polite += n == 0 && !(events & EPOLLERR);
		hang_up(speaker, false);
	}
}

static void
on_speaker_accept(struct loop_watch *watch, uint32_t events)
{
	struct speaker *speaker = loop_container(watch, struct speaker, watch);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	hang_up(speaker, false);
	speaker->accepted++;
	speaker->sent = speaker->heard = 0;
	memset(speaker->request, 0, sizeof(speaker->request));
	CU_ASSERT_EQUAL(loop_watch(control.loop, &speaker->client, fd, EPOLLIN), 0);
	speak(speaker);
}

static void
speaker_open(struct speaker *speaker)
{
	int fd = bound_socket(AF_INET);

	speaker->watch.on_event = on_speaker_accept;
	speaker->client.on_event = on_speaker_client;
	speaker->client.fd = -1;
	speaker->timer.on_timer = on_speak;
	CU_ASSERT_EQUAL_FATAL(listen(fd, 64), 0);
	CU_ASSERT_EQUAL(loop_watch(control.loop, &speaker->watch, fd, EPOLLIN), 0);
}

static void
speaker_close(struct speaker *speaker)
{
	int fd = speaker->watch.fd;

	hang_up(speaker, false);
	loop_unwatch(control.loop, &speaker->watch);
	close(fd);
}

static char pong[] = "+PONG", ping[] = "PING\r\n";
static struct check_talk redis = { .send = ping, .send_length = 6, .expect = pong };

static char get[] = "GET", path[] = "/up", version[] = "1.1", ready[] = "ready";
static struct check_talk web = { .type = CHECK_HTTP,
	.method = get,
	.path = path,
	.version = version,
	.status_count = 1,
	.statuses = { { 200, 399 } } };

static bool
has_result(void *context)
{
	const struct server *server = context;

	return server->report.status != CHECK_INI;
}

/* One probe of that speaker, and what came of it. */
static struct check_report
probed(struct speaker *speaker, const struct check_talk *talk)
{
	struct server server;
	struct check_report report;

	setup();
	speaker_open(speaker);
	server = make_server(port_of(speaker->watch.fd), 60000, TIMEOUT_MS);
	server.config.check.talk = talk;
	start(&server);
	run_until(has_result, &server);
	report = server.report;
	CU_ASSERT_EQUAL(is_up(&server), check_passed(&report));
	CU_ASSERT_EQUAL(server.check_fail, !check_passed(&report));
	CU_ASSERT_EQUAL(server.check_error, 0);
	run_for(20);
	CU_ASSERT_EQUAL(speaker->accepted, 1);
	stop(&server);
	speaker_close(speaker);
	teardown();
	return report;
}

static void
expect_result(struct speaker speaker, const struct check_talk *talk, uint8_t status, uint16_t code,
	const char *text)
{
	struct check_report report;

	speaker.length = speaker.length ? speaker.length : strlen(speaker.answer);
	report = probed(&speaker, talk);
	CU_ASSERT_EQUAL(report.status, status);
	CU_ASSERT_EQUAL(report.code, code);
	CU_ASSERT_STRING_EQUAL(report.text, text);
	CU_ASSERT_TRUE(report.duration_us > 0);
	CU_ASSERT_TRUE(report.duration_us < (TIMEOUT_MS + 100) * 1000);
	if (status == CHECK_L7TOUT)
		CU_ASSERT_TRUE(report.duration_us >= (TIMEOUT_MS - 2) * 1000);
}

static void
tcp_answers(void)
{
	expect_result((struct speaker){ .answer = "+PONG\r\n", .wait_for = 6 }, &redis, CHECK_L7OK,
		0, "");
	expect_result((struct speaker){ .answer = "+PONG\r\n", .ends = CLOSES, .wait_for = 6 },
		&redis, CHECK_L7OK, 0, "");
	/* Nobody knows yet whether more comes. */
	expect_result((struct speaker){ .answer = "-NO\r\n", .wait_for = 6 }, &redis, CHECK_L7TOUT,
		0, "nothing as expected within 150 ms, but \"-NO\"");
	expect_result((struct speaker){ .answer = "-NO\r\n", .ends = CLOSES, .wait_for = 6 },
		&redis, CHECK_L7RSP, 0, "expected \"+PONG\", got \"-NO\"");
	expect_result((struct speaker){ .answer = "", .wait_for = 6 }, &redis, CHECK_L7TOUT, 0,
		"connected, but no answer within 150 ms");
	expect_result((struct speaker){ .answer = "", .ends = CLOSES, .wait_for = 6 }, &redis,
		CHECK_L7RSP, 0, "expected \"+PONG\", got nothing");
	expect_result((struct speaker){ .answer = "", .ends = RESETS, .wait_for = 6 }, &redis,
		CHECK_L7RSP, 0, "connection reset by peer while waiting for an answer");
}

static void
tcp_greetings(void)
{
	struct check_talk talk = { .expect = pong };
	struct speaker speaker = { .answer = "+PONG", .length = 5 };

	CU_ASSERT_EQUAL(probed(&speaker, &talk).status, CHECK_L7OK);
	CU_ASSERT_EQUAL(speaker.polite, 1);
	/* Byte by byte, more often than the answer is looked at; in time all the same. */
	expect_result((struct speaker){ .answer = "........................................+PONG",
			      .drip = 1,
			      .ends = CLOSES },
		&talk, CHECK_L7OK, 0, "");
	expect_result((struct speaker){ .answer = "........................................+PONG",
			      .drip = 1 },
		&talk, CHECK_L7OK, 0, "");
	/* What is sent, and nothing else asked: up when it is sent. */
	talk = (struct check_talk){ .send = ping, .send_length = 6 };
	speaker = (struct speaker){ .answer = "", .wait_for = 7 };
	CU_ASSERT_EQUAL(probed(&speaker, &talk).status, CHECK_L4OK);
	CU_ASSERT_STRING_EQUAL(speaker.request, "PING\r\n");
	CU_ASSERT_EQUAL(speaker.polite, 1);
}

static void
http_answers(void)
{
	struct check_talk body = web;

	body.expect = ready;
	expect_result(
		(struct speaker){ .answer = "HTTP/1.1 204 No Content\r\n\r\n", .wait_for = 40 },
		&web, CHECK_L7OK, 204, "");
	expect_result((struct speaker){ .answer = "HTTP/1.1 503 No\r\n\r\n", .wait_for = 40 }, &web,
		CHECK_L7STS, 503, "HTTP 503, expected 200-399");
	expect_result((struct speaker){ .answer = "HTTP/1.1 500 No\r\n", .drip = 1 }, &web,
		CHECK_L7STS, 500, "HTTP 500, expected 200-399");
	expect_result((struct speaker){ .answer = "HTTP/1.1 2", .wait_for = 40 }, &web,
		CHECK_L7TOUT, 0, "nothing as expected within 150 ms, but \"HTTP/1.1 2\"");
	expect_result((struct speaker){ .answer = "HTTP/1.1 200 OK\r\n\r\nrea", .wait_for = 40 },
		&body, CHECK_L7TOUT, 0,
		"nothing as expected within 150 ms, but \"HTTP/1.1 200 OK....rea\"");
	expect_result(
		(struct speaker){
			.answer = "HTTP/1.1 200 OK\r\n\r\nrea", .wait_for = 40, .ends = CLOSES },
		&body, CHECK_L7RSP, 200, "expected \"ready\", got \"rea\"");
	expect_result(
		(struct speaker){
			.answer = "HTTP/1.1 200 OK\r\n\r\nready", .wait_for = 40, .ends = CLOSES },
		&body, CHECK_L7OK, 200, "");
	expect_result((struct speaker){ .answer = "", .wait_for = 40, .ends = CLOSES }, &web,
		CHECK_L7RSP, 0, "the connection ended without answer");
	expect_result((struct speaker){ .answer = "SSH-2.0-x\r\n" }, &web, CHECK_L7RSP, 0,
		"not an HTTP/1 answer: \"SSH-2.0-x\"");
}

static void
http_request(void)
{
	struct speaker speaker = {
		.answer = "HTTP/1.1 200 OK\r\n\r\n", .length = 19, .wait_for = 40
	};
	char wanted[128];

	CU_ASSERT_EQUAL(probed(&speaker, &web).status, CHECK_L7OK);
	CU_ASSERT_EQUAL(strncmp(speaker.request, "GET /up HTTP/1.1\r\nHost: 127.0.0.1:", 34), 0);
	snprintf(wanted, sizeof(wanted), "\r\nUser-Agent: shunt\r\nConnection: close\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(speaker.request, wanted));
	CU_ASSERT_EQUAL(speaker.polite, 1);
}

/* Of a megabyte the probe looks at the beginning and drops the rest, without a reset. */
static void
a_megabyte(void)
{
	struct speaker speaker = { .length = LARGE, .wait_for = 40, .ends = STAYS };
	struct check_talk body = web;
	struct check_report report;
	char *bytes = malloc(LARGE);

	memset(bytes, 'x', LARGE);
	memcpy(bytes, "HTTP/1.1 200 OK\r\n\r\n", 19);
	memcpy(bytes + LARGE - 5, "ready", 5);
	body.expect = ready;
	speaker.answer = bytes;
	report = probed(&speaker, &body);
	CU_ASSERT_EQUAL(report.status, CHECK_L7RSP);
	CU_ASSERT_EQUAL(report.code, 200);
	memcpy(bytes + 10000, "ready", 5);
	speaker = (struct speaker){ .answer = bytes, .length = LARGE, .wait_for = 40 };
	CU_ASSERT_EQUAL(probed(&speaker, &body).status, CHECK_L7OK);
	free(bytes);
}

/* One step hears all that has come: when the time is over there is no other. */
static void
all_that_is_there(void)
{
	struct server server = make_server(htons(80), 60000, 100);
	struct check_talk talk = web;
	struct check_report report = { 0 };
	struct probe_talk *probe;
	char bytes[12000];
	int fds[2];

	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "HTTP/1.1 200 OK\r\n\r\n", 19);
	memcpy(bytes + sizeof(bytes) - 5, "ready", 5);
	talk.expect = ready;
	server.config.check.talk = &talk;
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	CU_ASSERT_EQUAL(send(fds[1], bytes, sizeof(bytes), 0), sizeof(bytes));
	probe = probe_talk_create(&server, &server.config.check);
	CU_ASSERT_PTR_NOT_NULL_FATAL(probe);
	CU_ASSERT_EQUAL(probe_talk_step(probe, fds[0], &talk, &report), PROBE_TALK_DONE);
	CU_ASSERT_EQUAL(report.status, CHECK_L7OK);
	probe_talk_destroy(probe);
	close(fds[0]);
	close(fds[1]);
}

/* A request for which the way is too narrow goes out bit by bit. */
static void
slow_to_take_it(void)
{
	enum {
		HEADERS = 40000
	};
	struct server server = make_server(htons(80), 60000, 100);
	struct check_talk talk = web;
	struct check_report report = { 0 };
	struct probe_talk *probe;
	int small = 4096, fds[2];
	size_t taken = 0;
	char bytes[8192];
	ssize_t n;

	talk.headers = malloc(HEADERS + 1);
	memset(talk.headers, 'h', HEADERS);
	talk.headers[HEADERS] = '\0';
	server.config.check.talk = &talk;
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	probe = probe_talk_create(&server, &server.config.check);
	CU_ASSERT_PTR_NOT_NULL_FATAL(probe);
	CU_ASSERT_EQUAL(probe_talk_step(probe, fds[0], &talk, &report), PROBE_TALK_WRITE);
	while ((n = recv(fds[1], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		taken += (size_t)n;
		CU_ASSERT_NOT_EQUAL(
			probe_talk_step(probe, fds[0], &talk, &report), PROBE_TALK_DONE);
	}
	CU_ASSERT_EQUAL(probe_talk_step(probe, fds[0], &talk, &report), PROBE_TALK_READ);
	CU_ASSERT_TRUE(taken > HEADERS);
	CU_ASSERT_EQUAL(memcmp(bytes, "h", 1), 0);
	CU_ASSERT_EQUAL(send(fds[1], "HTTP/1.1 200 OK\r\n", 17, 0), 17);
	CU_ASSERT_EQUAL(probe_talk_step(probe, fds[0], &talk, &report), PROBE_TALK_DONE);
	CU_ASSERT_EQUAL(report.status, CHECK_L7OK);
	probe_talk_destroy(probe);
	close(fds[0]);
	close(fds[1]);
	free(talk.headers);
}

/* A server may say no before it has heard all, and hang up. */
static void
answered_before_all_is_sent(void)
{
	struct server server = make_server(htons(80), 60000, 100);
	struct check_talk talk = { .send_length = 200000 };
	struct check_report report = { 0 };
	struct probe_talk *probe;
	int small = 4096, fds[2];

	/* What expects nothing but that all is said does not hang on what the server says. */
	talk.send = calloc(1, talk.send_length);
	server.config.check.talk = &talk;
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	probe = probe_talk_create(&server, &server.config.check);
	CU_ASSERT_EQUAL(send(fds[1], "no", 2, 0), 2);
	CU_ASSERT_EQUAL(probe_talk_step(probe, fds[0], &talk, &report), PROBE_TALK_WRITE);
	talk.expect = pong;
	CU_ASSERT_EQUAL(send(fds[1], "+PONG", 5, 0), 5);
	CU_ASSERT_EQUAL(probe_talk_step(probe, fds[0], &talk, &report), PROBE_TALK_DONE);
	CU_ASSERT_EQUAL(report.status, CHECK_L7OK);
	probe_talk_destroy(probe);
	free(talk.send);
	close(fds[0]);
	close(fds[1]);
}

static bool
is_heard(void *context)
{
	const struct speaker *speaker = context;

	return speaker->heard > 0;
}

/* The file changes while the server thinks: no verdict by the old check, then one by the new. */
static void
reloaded_meanwhile(void)
{
	struct speaker speaker = { .answer = "+PONG", .length = 5, .wait_for = 7 };
	struct server server;

	setup();
	speaker_open(&speaker);
	server = make_server(port_of(speaker.watch.fd), 60000, 2000);
	server.config.check.talk = &redis;
	start(&server);
	run_until(is_heard, &speaker);
	server.config.check.talk = &web;
	server.config.check.inter_ms = server.config.check.fastinter_ms =
		server.config.check.downinter_ms = 20;
	probe_update(server.probe);
	CU_ASSERT_EQUAL(server.report.status, CHECK_INI);
	speaker.answer = "HTTP/1.1 200 OK\r\n";
	speaker.length = 17;
	run_until(is_up, &server);
	CU_ASSERT_EQUAL(server.report.status, CHECK_L7OK);
	CU_ASSERT_EQUAL(server.report.code, 200);
	CU_ASSERT_EQUAL(server.check_fail, 0);
	/* From a conversation to none. */
	speaker.wait_for = 100000;
	speaker.heard = 0;
	run_until(is_heard, &speaker);
	server.config.check.talk = NULL;
	probe_update(server.probe);
	server.report.status = CHECK_INI;
	run_until(has_result, &server);
	CU_ASSERT_EQUAL(server.report.status, CHECK_L4OK);
	stop(&server);
	speaker_close(&speaker);
	teardown();
}

/* Again and again at a short interval: no socket is left over, and the server sees no reset. */
static void
many_times(void)
{
	struct speaker speaker = {
		.answer = "HTTP/1.1 200 OK\r\n\r\n", .length = 19, .wait_for = 40
	};
	struct server server;

	setup();
	speaker_open(&speaker);
	server = make_server(port_of(speaker.watch.fd), 20, 20);
	server.config.check.talk = &web;
	start(&server);
	run_for(300);
	CU_ASSERT_TRUE(speaker.accepted >= 10);
	CU_ASSERT_TRUE(speaker.polite + 1 >= speaker.accepted);
	CU_ASSERT_EQUAL(server.check_fail, 0);
	stop(&server);
	speaker_close(&speaker);
	teardown();
}

static bool
has_failed(void *context)
{
	(void)context;
	return probe_stats_failed(&control.probes) > 0;
}

/*
 * This process stands still while the connection comes about, for longer than the timeout. A silent
 * server is given its time all the same, and no more than once; also if the timeout is what finds
 * the connection, as of thousands of events a turn runs some only.
 */
static void
stopped_while_connecting(void)
{
	struct timespec pause = { .tv_sec = 1 };
	struct check_talk talk = web;
	struct server server;
	int fd;

	for (int unheard = 0; unheard < 2; unheard++) {
		setup();
		fd = bound_socket(AF_INET);
		CU_ASSERT_EQUAL(listen(fd, 64), 0);
		server = make_server(port_of(fd), 60000, 700);
		server.config.check.talk = &talk;
		start(&server);
		while (control.probes.made == 0)
			run_for(0);
		CU_ASSERT_EQUAL(server.probe->state, PROBE_CONNECTING);
		if (unheard)
			loop_watch_events(control.loop, &server.probe->watch, 0);
		nanosleep(&pause, NULL);
		run_for(20);
		CU_ASSERT_EQUAL(probe_stats_failed(&control.probes), 0);
		CU_ASSERT_EQUAL(server.probe->state, PROBE_TALKING);
		CU_ASSERT_TRUE(loop_timer_is_set(&server.probe->timer));
		if (loop_timer_is_set(&server.probe->timer))
			run_until(has_failed, NULL);
		CU_ASSERT_EQUAL(control.probes.by_status[CHECK_L7TOUT], 1);
		stop(&server);
		close(fd);
		teardown();
	}
}

static const struct unit_test tests[] = {
	{ "tcp: answers", tcp_answers },
	{ "tcp: greetings", tcp_greetings },
	{ "http: answers", http_answers },
	{ "http: the request", http_request },
	{ "a megabyte", a_megabyte },
	{ "all that is there", all_that_is_there },
	{ "slow to take a large request", slow_to_take_it },
	{ "answered before all is sent", answered_before_all_is_sent },
	{ "a reload meanwhile", reloaded_meanwhile },
	{ "many times", many_times },
	{ "stopped while connecting", stopped_while_connecting },
};

UNIT_MAIN("probe_talk", tests)
