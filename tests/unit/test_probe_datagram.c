/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes without a connection, on the loopback interface: UDP servers that answer well, badly, late
 * or not at all, ports where nobody is, and echo requests, by ping sockets or raw ones, or where
 * neither is allowed.
 */
#include <linux/capability.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "listener.h"
#include "probe_bed.h"
#include "probe_impl.h"

#define TIMEOUT_MS  150
#define HEARD_MAX   8
#define ANSWERS_MAX 40

/* What a DNS server does with a query before it sends it back. */
enum forgery {
	GENUINE,
	WRONG_ID,
	WRONG_QUESTION,
};

/* A UDP server: to each datagram it says all that it has to say, each in one of its own. */
struct responder {
	struct loop_watch watch;
	const char *answers[ANSWERS_MAX + 1]; /* NULL: no more */
	bool dns;			      /* instead: answers by the query, */
	enum forgery forgeries[3];	      /* these ones */
	size_t forgery_count;
	uint8_t rcode;
	unsigned int heard;
	char requests[HEARD_MAX][64]; /* their beginnings */
	size_t lengths[HEARD_MAX];
	uint16_t ports[HEARD_MAX];
};

static void
answer_query(const struct responder *responder, int fd, const struct sockaddr_in6 *to,
	socklen_t to_length, const char *query, size_t length)
{
	char answer[64];

	for (size_t i = 0; i < responder->forgery_count; i++) {
		memcpy(answer, query, length);
		answer[2] |= (char)0x80;
		answer[3] = (char)responder->rcode;
		answer[1] ^= responder->forgeries[i] == WRONG_ID;
		answer[length - 3] ^= responder->forgeries[i] == WRONG_QUESTION;
		CU_ASSERT_EQUAL(
			sendto(fd, answer, length, 0, (const struct sockaddr *)to, to_length),
			(ssize_t)length);
	}
}

static void
on_datagram(struct loop_watch *watch, uint32_t events)
{
	struct responder *responder = loop_container(watch, struct responder, watch);
	struct sockaddr_in6 from = { 0 };
	socklen_t from_length = sizeof(from);
	char bytes[64];
	ssize_t length = recvfrom(watch->fd, bytes, sizeof(bytes), MSG_DONTWAIT,
		(struct sockaddr *)&from, &from_length);
	unsigned int n = responder->heard;

	(void)events;
	if (length < 0)
		return;
	responder->heard++;
	if (n < HEARD_MAX) {
		memcpy(responder->requests[n], bytes, (size_t)length);
		responder->lengths[n] = (size_t)length;
		responder->ports[n] = from.sin6_port; /* in both families */
	}
	if (responder->dns)
		answer_query(responder, watch->fd, &from, from_length, bytes, (size_t)length);
	for (const char **answer = responder->answers; *answer; answer++)
		sendto(watch->fd, *answer, strlen(*answer), 0, (struct sockaddr *)&from,
			from_length);
}

static int
bound_datagram_socket(int family)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	bool four = family == AF_INET;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, four ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
				      four ? sizeof(v4) : sizeof(v6)),
		0);
	return fd;
}

static void
responder_open(struct responder *responder, int family)
{
	responder->watch.on_event = on_datagram;
	CU_ASSERT_EQUAL(
		loop_watch(control.loop, &responder->watch, bound_datagram_socket(family), EPOLLIN),
		0);
}

static void
responder_close(struct responder *responder)
{
	int fd = responder->watch.fd;

	loop_unwatch(control.loop, &responder->watch);
	close(fd);
}

static bool
has_result(void *context)
{
	const struct server *server = context;

	return server->report.status != CHECK_INI;
}

static struct server
server_of(uint16_t port_be, int family, const struct check_talk *talk)
{
	struct server server = make_server(port_be, 60000, TIMEOUT_MS);

	if (family == AF_INET6)
		memcpy(server.config.address.bytes, &in6addr_loopback, sizeof(in6addr_loopback));
	server.config.check.talk = talk;
	return server;
}

/* One probe, and what came of it. */
static struct check_report
probed(struct server *server)
{
	start(server);
	run_until(has_result, server);
	CU_ASSERT_EQUAL(control.prober->open, 0);
	stop(server);
	CU_ASSERT_TRUE(server->report.duration_us > 0);
	return server->report;
}

static struct check_report
probed_once(struct responder *responder, int family, const struct check_talk *talk)
{
	struct server server;
	struct check_report report;

	setup();
	responder_open(responder, family);
	server = server_of(port_of(responder->watch.fd), family, talk);
	report = probed(&server);
	CU_ASSERT_EQUAL(is_up(&server), check_passed(&report));
	CU_ASSERT_EQUAL(server.check_fail, !check_passed(&report));
	CU_ASSERT_EQUAL(server.check_error, 0);
	run_for(5);
	CU_ASSERT_EQUAL(responder->heard, 1);
	responder_close(responder);
	teardown();
	return report;
}

static void
must_come_to(struct check_report report, uint8_t status, uint16_t code, const char *text)
{
	CU_ASSERT_EQUAL(report.status, status);
	CU_ASSERT_EQUAL(report.code, code);
	CU_ASSERT_STRING_EQUAL(report.text, text);
}

static void
must_have_waited(struct check_report report, bool waited)
{
	CU_ASSERT_EQUAL(report.duration_us >= (TIMEOUT_MS - 2) * 1000, waited);
}

static char ping[] = "ping", pong[] = "pong";
static const struct check_talk expecting = {
	.type = CHECK_UDP, .send = ping, .send_length = 4, .expect = pong
};

static void
udp_answers(void)
{
	struct responder right = { .answers = { "a pong" } };
	struct responder later = { .answers = { "what?", "", "a pong" } };
	struct responder wrong = { .answers = { "pang", "what?" } };
	struct responder silent = { .watch.fd = -1 };
	struct check_report report = probed_once(&right, AF_INET, &expecting);

	must_come_to(report, CHECK_L7OK, 0, "");
	CU_ASSERT_EQUAL(right.lengths[0], 4);
	CU_ASSERT_EQUAL(memcmp(right.requests[0], "ping", 4), 0);
	must_come_to(probed_once(&later, AF_INET, &expecting), CHECK_L7OK, 0, "");
	right.heard = 0;
	must_come_to(probed_once(&right, AF_INET6, &expecting), CHECK_L7OK, 0, "");
	report = probed_once(&wrong, AF_INET, &expecting);
	must_come_to(report, CHECK_L7RSP, 0, "expected \"pong\", got \"what?\"");
	must_have_waited(report, true);
	report = probed_once(&silent, AF_INET, &expecting);
	must_come_to(report, CHECK_L4TOUT, 0, "no answer within 150 ms");
	must_have_waited(report, true);
}

static void
udp_without_expectation(void)
{
	const struct check_talk talk = { .type = CHECK_UDP };
	struct responder answers = { .answers = { "x" } }, silent = { .watch.fd = -1 };
	struct check_report report = probed_once(&answers, AF_INET, &talk);

	must_come_to(report, CHECK_L4OK, 0, "");
	CU_ASSERT_EQUAL(answers.lengths[0], 0);
	report = probed_once(&silent, AF_INET, &talk);
	must_come_to(report, CHECK_L4OK, 0, "no answer, and no refusal: nothing was expected");
	must_have_waited(report, true);
}

/* So many that they are no longer looked at one by one: then the last one counts, at the end. */
static void
udp_many_answers(void)
{
	struct responder many = { .watch.fd = -1 };

	for (int i = 0; i < ANSWERS_MAX; i++)
		many.answers[i] = "what?";
	must_come_to(probed_once(&many, AF_INET, &expecting), CHECK_L7RSP, 0,
		"expected \"pong\", got \"what?\"");
	many.heard = 0;
	many.answers[ANSWERS_MAX - 1] = "pong";
	must_come_to(probed_once(&many, AF_INET, &expecting), CHECK_L7OK, 0, "");
}

/* Where nobody listens, the network says so, whatever is expected. */
static void
refused(void)
{
	static const struct check_talk deaf = { .type = CHECK_UDP };
	static const int families[] = { AF_INET, AF_INET6 };

	for (int i = 0; i < 4; i++) {
		int family = families[i % 2], fd;
		struct server server;
		struct check_report report;

		setup();
		fd = bound_datagram_socket(family);
		server = server_of(port_of(fd), family, i < 2 ? &expecting : &deaf);
		close(fd);
		report = probed(&server);
		must_come_to(report, CHECK_L4CON, 0, "port unreachable");
		CU_ASSERT_EQUAL(server.check_fail, 1);
		CU_ASSERT_EQUAL(server.check_error, 0);
		teardown();
	}
}

static char name[] = "a.b";
static const struct check_talk query = {
	.type = CHECK_DNS, .query = name, .query_type = 6, .status_count = 1
};

static void
dns_answers(void)
{
	struct responder right = { .dns = true, .forgeries = { GENUINE }, .forgery_count = 1 };
	struct responder later = {
		.dns = true, .forgeries = { WRONG_ID, WRONG_QUESTION, GENUINE }, .forgery_count = 3
	};
	struct responder wrong = { .dns = true, .forgeries = { WRONG_ID }, .forgery_count = 1 };
	struct responder fails = {
		.dns = true, .forgeries = { GENUINE }, .forgery_count = 1, .rcode = 2
	};
	struct responder garbage = { .answers = { "x" } }, silent = { .watch.fd = -1 };

	must_come_to(probed_once(&right, AF_INET, &query), CHECK_L7OK, 0, "");
	right.heard = 0;
	must_come_to(probed_once(&right, AF_INET6, &query), CHECK_L7OK, 0, "");
	must_come_to(probed_once(&later, AF_INET, &query), CHECK_L7OK, 0, "");
	must_come_to(
		probed_once(&fails, AF_INET, &query), CHECK_L7STS, 2, "SERVFAIL, expected NOERROR");
	must_come_to(probed_once(&wrong, AF_INET, &query), CHECK_L7RSP, 0,
		"not the answer: it has another id than the query");
	must_come_to(probed_once(&garbage, AF_INET, &query), CHECK_L7RSP, 0,
		"not the answer: it is shorter than a DNS header");
	must_come_to(
		probed_once(&silent, AF_INET, &query), CHECK_L4TOUT, 0, "no answer within 150 ms");
}

static bool
is_full(void *context)
{
	const struct responder *responder = context;

	return responder->heard >= HEARD_MAX;
}

/* Nobody who knows one probe's id and port knows the next one's. */
static void
nothing_to_foresee(void)
{
	struct responder right = { .dns = true, .forgeries = { GENUINE }, .forgery_count = 1 };
	unsigned int ids = 0, ports = 0, steps = 0;
	struct server server;

	setup();
	responder_open(&right, AF_INET);
	server = server_of(port_of(right.watch.fd), AF_INET, &query);
	server.config.check.inter_ms = server.config.check.fastinter_ms =
		server.config.check.downinter_ms = 30;
	start(&server);
	run_until(is_full, &right);
	for (int i = 1; i < HEARD_MAX; i++) {
		const uint8_t *before = (const uint8_t *)right.requests[i - 1];
		const uint8_t *after = (const uint8_t *)right.requests[i];
		unsigned int step = (after[0] * 256u + after[1] - before[0] * 256u - before[1]);

		ids += step == 0;
		steps += (step & 0xffff) <= 16;
		ports += right.ports[i] == right.ports[i - 1];
	}
	/* By chance, at most once in 65536 and in some 28000. */
	CU_ASSERT_TRUE(ids <= 1);
	CU_ASSERT_TRUE(steps <= 1);
	CU_ASSERT_TRUE(ports <= 1);
	stop(&server);
	responder_close(&right);
	teardown();
}

static bool
is_heard(void *context)
{
	const struct responder *responder = context;

	return responder->heard > 0;
}

/* The file changes while the server thinks: from datagrams to others, and to a connection. */
static void
reloaded_meanwhile(void)
{
	struct responder silent = { .watch.fd = -1 };
	struct listener *listener;
	struct server server;

	setup();
	responder_open(&silent, AF_INET);
	listener = listener_open(control.loop, AF_INET);
	server = server_of(port_of(silent.watch.fd), AF_INET, &query);
	server.config.check.timeout_ms = 2000;
	start(&server);
	run_until(is_heard, &silent);
	server.config.check.inter_ms = server.config.check.fastinter_ms =
		server.config.check.downinter_ms = 20;
	server.config.check.talk = &expecting;
	probe_update(server.probe);
	CU_ASSERT_EQUAL(server.report.status, CHECK_INI);
	silent.answers[0] = "pong";
	run_until(is_up, &server);
	CU_ASSERT_EQUAL(server.report.status, CHECK_L7OK);
	CU_ASSERT_EQUAL(server.check_fail, 0);
	server.config.check.talk = NULL;
	server.config.check.port_be = port_of(listener->watch.fd);
	probe_update(server.probe);
	run_until(all_clients_gone, listener);
	CU_ASSERT_EQUAL(server.report.status, CHECK_L4OK);
	CU_ASSERT_EQUAL(listener->broken, 0);
	stop(&server);
	listener_close(listener);
	responder_close(&silent);
	teardown();
}

/* The file changes while a handshake is under way: no datagram goes over that socket. */
static void
reloaded_while_connecting(void)
{
	struct responder right = { .dns = true, .forgeries = { GENUINE }, .forgery_count = 1 };
	struct full_listener full;
	struct server server;

	setup();
	responder_open(&right, AF_INET);
	full_listener_open(&full);
	server = server_of(full.port_be, AF_INET, NULL);
	server.config.check.timeout_ms = 2000;
	start(&server);
	run_for(20);
	CU_ASSERT_EQUAL(control.prober->open, 1);
	server.config.check.talk = &query;
	server.config.check.port_be = port_of(right.watch.fd);
	server.config.check.inter_ms = server.config.check.fastinter_ms =
		server.config.check.downinter_ms = 20;
	probe_update(server.probe);
	run_until(has_result, &server);
	CU_ASSERT_EQUAL(server.report.status, CHECK_L7OK);
	CU_ASSERT_EQUAL(server.check_fail, 0);
	stop(&server);
	full_listener_close(&full);
	responder_close(&right);
	teardown();
}

/* Where the kernel lets nothing out, nothing is said of the server. */
static void
no_way(void)
{
	struct server server;

	setup();
	server = server_of(htons(53), AF_INET, &query);
	/* Broadcasts need a permission that the socket does not have. */
	memset(&server.config.address.bytes[12], 0xff, 4);
	must_come_to(probed(&server), CHECK_SOCKERR, 0, "permission denied");
	CU_ASSERT_EQUAL(server.check_error, 1);
	CU_ASSERT_EQUAL(server.check_fail, 0);
	teardown();
}

static bool
set_raw_capability(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	if (on)
		data[0].effective |= 1u << CAP_NET_RAW;
	else
		data[0].effective &= ~(1u << CAP_NET_RAW);
	return syscall(SYS_capset, &header, data) == 0;
}

static bool
may_open(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void
echo(void)
{
	static const struct check_talk talk = { .type = CHECK_ICMP };
	static const int families[] = { AF_INET, AF_INET6 };
	bool allowed = may_open(SOCK_DGRAM) || may_open(SOCK_RAW);

	for (int i = 0; i < 2; i++) {
		struct server server;

		setup();
		server = server_of(htons(80), families[i], &talk);
		if (allowed)
			must_come_to(probed(&server), CHECK_L4OK, 0, "");
		else
			CU_ASSERT_EQUAL(probed(&server).status, CHECK_SOCKERR);
		CU_ASSERT_EQUAL(server.check_error, !allowed);
		teardown();
	}
}

/* Several at a time: with raw sockets each hears the others' replies. */
static void
echoes_together(void)
{
	enum {
		SERVERS = 20
	};
	static const struct check_talk talk = { .type = CHECK_ICMP };
	struct server servers[SERVERS];

	if (!may_open(SOCK_DGRAM) && !may_open(SOCK_RAW))
		return;
	setup();
	for (int i = 0; i < SERVERS; i++) {
		servers[i] = server_of(0, AF_INET, &talk);
		start(&servers[i]);
	}
	for (int i = 0; i < SERVERS; i++) {
		run_until(has_result, &servers[i]);
		CU_ASSERT_EQUAL(servers[i].report.status, CHECK_L4OK);
	}
	for (int i = 0; i < SERVERS; i++)
		stop(&servers[i]);
	teardown();
}

static void
echo_forbidden(void)
{
	static const struct check_talk talk = { .type = CHECK_ICMP };
	bool had = may_open(SOCK_RAW);
	struct server server;

	if (had)
		CU_ASSERT_TRUE(set_raw_capability(false));
	/* Where ping sockets are open to this group nothing can forbid them. */
	if (!may_open(SOCK_DGRAM)) {
		setup();
		server = server_of(0, AF_INET, &talk);
		must_come_to(probed(&server), CHECK_SOCKERR, 0,
			"operation not permitted; \"icmp\" needs its group in "
			"net.ipv4.ping_group_range, or CAP_NET_RAW");
		CU_ASSERT_EQUAL(server.check_error, 1);
		CU_ASSERT_EQUAL(server.check_fail, 0);
		CU_ASSERT_TRUE(is_down(&server));
		teardown();
	}
	if (had)
		CU_ASSERT_TRUE(set_raw_capability(true));
}

static const struct unit_test tests[] = {
	{ "udp: answers", udp_answers },
	{ "udp: nothing is expected", udp_without_expectation },
	{ "udp: many answers", udp_many_answers },
	{ "refused", refused },
	{ "dns: answers", dns_answers },
	{ "dns: ids and ports", nothing_to_foresee },
	{ "a reload meanwhile", reloaded_meanwhile },
	{ "a reload during a handshake", reloaded_while_connecting },
	{ "no way from here", no_way },
	{ "icmp: echo", echo },
	{ "icmp: echoes together", echoes_together },
	{ "icmp: forbidden", echo_forbidden },
};

UNIT_MAIN("probe_datagram", tests)
