/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes over TLS of hostile servers, and without memory; also for tls_context.c. Servers are in a
 * thread.
 */
#include <poll.h>
#include <sys/ioctl.h>

#include "probe_impl.h"
#include "tls_bed.h"

/* What TLS itself would swallow without end. */
static void
floods(void)
{
	struct check_tls tls = settings(true);
	struct check_talk talk = web(&tls);
	struct tls_server server = { .cert = &well, .conduct = TICKETS };

	expect_result(&server, &talk, CHECK_L6RSP, "more than 192 KB came, and no end");
	server.conduct = KEY_UPDATES;
	expect_result(&server, &talk, CHECK_L6RSP, "more than 192 KB came, and no end");
}

/* The server's, without the loop. */
static int
connect_to(struct tls_server *server)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	tls_server_start(server);
	to.sin_port = server->port_be;
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* -EAGAIN: too late. */
static int
handshake(struct probe_tls *probe, int fd)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	int status;

	do {
		status = probe_tls_handshake(probe, fd);
	} while (status == -EAGAIN && poll(&answer, 1, TIMEOUT_MS) > 0);
	return status;
}

static int
unread(int fd)
{
	int bytes = 0;

	CU_ASSERT_EQUAL(ioctl(fd, FIONREAD, &bytes), 0);
	return bytes;
}

/* Nearly all of 250 tickets, which are 57 KB. */
static bool
is_flooded(void *context)
{
	return unread(*(int *)context) > (int)PROBE_TLS_STEP_BYTES * 6;
}

/* The loop is not held for longer than a portion takes, however much there is to read. */
static void
by_portions(void)
{
	struct check_tls tls = settings(true);
	const struct check_talk talk = { .tls = &tls };
	struct probe_tls *probe = probe_tls_create(&talk, "127.0.0.1");
	struct tls_server server = { .cert = &well, .conduct = TICKETS, .flood_count = 250 };
	unsigned int steps = 0;
	int fd, before, after;
	char byte;

	setup();
	fd = connect_to(&server);
	CU_ASSERT_EQUAL(handshake(probe, fd), 0);
	run_until(is_flooded, &fd);
	after = unread(fd);
	do {
		before = after;
		CU_ASSERT_EQUAL(probe_tls_handshake(probe, fd), 0);
		/* The second one finds nothing left of the step. */
		CU_ASSERT_EQUAL(probe_tls_recv(probe, fd, &byte, 1), -EAGAIN);
		CU_ASSERT_EQUAL(probe_tls_recv(probe, fd, &byte, 1), -EAGAIN);
		after = unread(fd);
		CU_ASSERT_TRUE(before - after <= (int)PROBE_TLS_STEP_BYTES);
	} while (after > 0 && ++steps < 100);
	CU_ASSERT_EQUAL(after, 0);
	probe_tls_destroy(probe);
	close(fd);
	tls_server_stop(&server);
	teardown();
}

/* Many that are new at once. */
static void
first_probes(void)
{
	struct check_tls tls = { 0 };
	const struct check_talk secure = { .tls = &tls }, plain = { 0 };
	struct prober prober = { .loop = loop_create() };

	for (uint64_t i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(prober_first_delay_ms(&prober, &secure), i);
	for (uint64_t i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(prober_first_delay_ms(&prober, i % 2 ? &plain : NULL), 5 + i / 16);
	loop_destroy(prober.loop);
}

static void
too_much(void)
{
	struct check_tls tls = settings(true);
	struct check_talk talk = web(&tls);
	struct tls_server server = { .cert = &well, .chain = &authority, .chain_count = 400 };
	struct cert rsa = cert_make((struct cert_wish){ .name = "rsa",
		.names = "IP:127.0.0.1",
		.issuer = &authority,
		.key = EVP_RSA_gen(2048) });

	expect_result(&server, &talk, CHECK_L6RSP, "excessive message size in the TLS handshake");
	/* Diffie-Hellman in a group that the server chooses; over curves it may. */
	server = (struct tls_server){ .cert = &rsa,
		.version = TLS1_2_VERSION,
		.ciphers = "DHE-RSA-AES128-GCM-SHA256",
		.answer = page };
	expect_result(&server, &talk, CHECK_L6RSP,
		"it sent the alert \"handshake failure\" in the TLS handshake");
	server.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
	expect_result(&server, &talk, CHECK_L7OK, "");
	cert_free(&rsa);
	/* A new handshake is refused, and the answer counts. */
	server = (struct tls_server){
		.cert = &well, .version = TLS1_2_VERSION, .conduct = ASKS_AGAIN, .answer = page
	};
	CU_ASSERT_EQUAL(probed(&server, &talk, TIMEOUT_MS).status, CHECK_L7OK);
	CU_ASSERT_EQUAL(server.handshakes, 1);
}

/* A server that is silent in the handshake keeps none of the others waiting. */
static void
beside_a_stalled_one(void)
{
	struct check_tls tls = settings(true);
	const struct check_talk talk = { .tls = &tls };
	struct tls_server silent = { .conduct = IS_SILENT }, good = { .cert = &well };
	struct server stalled, server;

	setup();
	tls_server_start(&silent);
	tls_server_start(&good);
	stalled = make_server(silent.port_be, 60000, RUN_MAX_MS);
	server = make_server(good.port_be, 60000, TIMEOUT_MS);
	stalled.config.check.talk = server.config.check.talk = &talk;
	start(&stalled);
	start(&server);
	run_until(has_result, &server);
	CU_ASSERT_EQUAL(server.report.status, CHECK_L6OK);
	CU_ASSERT_EQUAL(stalled.report.status, CHECK_INI);
	run_until(tls_server_is_over, &good);
	/* A reload meanwhile: no verdict. */
	stalled.config.check.talk = NULL;
	probe_update(stalled.probe);
	run_until(tls_server_is_over, &silent);
	CU_ASSERT_EQUAL(stalled.report.status, CHECK_INI);
	stop(&stalled);
	stop(&server);
	tls_server_stop(&silent);
	tls_server_stop(&good);
	teardown();
}

/* The server hangs up while our last word is on its way: it is heard why, and no signal comes. */
static void
broken_pipe(void)
{
	struct check_tls tls = settings(true);
	const struct check_talk talk = { .tls = &tls };
	struct probe_tls *probe = probe_tls_create(&talk, "127.0.0.1");
	char bytes[1024];
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	CU_ASSERT_EQUAL(probe_tls_handshake(probe, fds[0]), -EAGAIN);
	CU_ASSERT_FALSE(probe_tls_wants_write(probe));
	CU_ASSERT_TRUE(recv(fds[1], bytes, sizeof(bytes), 0) > 0);
	CU_ASSERT_EQUAL(send(fds[1], "\x15\x03\x03\x00\x02\x02\x50", 7, 0), 7);
	close(fds[1]);
	CU_ASSERT_EQUAL(probe_tls_handshake(probe, fds[0]), -EPROTO);
	CU_ASSERT_STRING_EQUAL(
		probe_tls_why(probe), "it sent the alert \"internal error\" in the TLS handshake");
	CU_ASSERT_EQUAL(probe_tls_recv(probe, fds[0], bytes, sizeof(bytes)), -EPROTO);
	CU_ASSERT_EQUAL(probe_tls_send(probe, fds[0], bytes, sizeof(bytes)), -EPROTO);
	probe_tls_bye(probe);
	probe_tls_destroy(probe);

	probe = probe_tls_create(&talk, "127.0.0.1");
	CU_ASSERT_EQUAL(probe_tls_handshake(probe, fds[0]), -EPROTO); /* nobody is there */
	CU_ASSERT_STRING_EQUAL(
		probe_tls_why(probe), "it closed the connection in the TLS handshake");
	probe_tls_destroy(probe);
	close(fds[0]);
}

/* Memory of which one piece is refused to this thread: ld's --wrap puts these before malloc(). */
static __thread unsigned int refused_in;

void *__real_malloc(size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

static bool
is_refused(void)
{
	return refused_in > 0 && --refused_in == 0;
}

void *
__wrap_malloc(size_t bytes)
{
	return is_refused() ? NULL : __real_malloc(bytes);
}

void *
__wrap_realloc(void *memory, size_t bytes)
{
	return is_refused() ? NULL : __real_realloc(memory, bytes);
}

/* What came of a handshake without that piece; *whole: it was never asked for. */
static int
shake(const struct check_talk *talk, unsigned int refused, bool *whole)
{
	struct tls_server server = { .cert = &well };
	int fd = connect_to(&server), status = -ENOMEM;
	struct probe_tls *probe;

	refused_in = refused;
	probe = probe_tls_create(talk, "127.0.0.1");
	if (probe)
		status = handshake(probe, fd);
	*whole = refused_in > 0;
	refused_in = 0;
	if (status == -EPROTO)
		fprintf(stderr, "\nwithout piece %u: %s\n", refused, probe_tls_why(probe));
	probe_tls_destroy(probe);
	close(fd);
	tls_server_stop(&server);
	return status;
}

/* The same with TLS 1.3, where the last word is ours: that it could not be said is no success. */
static void
unheard(void)
{
	struct check_tls tls = settings(true);
	const struct check_talk talk = { .tls = &tls };
	struct probe_tls *probe = probe_tls_create(&talk, "127.0.0.1");
	struct tls_server server = { .cert = &well };
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	int fds[2];
	SSL *ssl;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ssl = tls_server_ssl(&server, context, fds[1]);
	CU_ASSERT_EQUAL(probe_tls_handshake(probe, fds[0]), -EAGAIN);
	CU_ASSERT_EQUAL(SSL_accept(ssl), -1);
	close(fds[1]);
	CU_ASSERT_EQUAL(probe_tls_handshake(probe, fds[0]), -EPROTO);
	CU_ASSERT_FALSE(probe_tls_is_done(probe));
	CU_ASSERT_STRING_EQUAL(
		probe_tls_why(probe), "it closed the connection in the TLS handshake");
	probe_tls_destroy(probe);
	SSL_free(ssl);
	SSL_CTX_free(context);
	close(fds[0]);
}

/* Out of memory at any place: nothing is said of the server. */
static void
no_memory(void)
{
	struct check_tls tls = settings(true);
	const struct check_talk talk = { .tls = &tls };
	unsigned int piece = 1, refused = 0;

	for (bool whole = false; !whole; piece += 7) {
		int status = shake(&talk, piece, &whole);

		CU_ASSERT_TRUE(status == -ENOMEM || status == 0);
		refused += status == -ENOMEM;
	}
	CU_ASSERT_TRUE(refused > 10);
}

static const struct unit_test tests[] = {
	{ "certificates are made", certs_make },
	{ "floods", floods },
	{ "by portions", by_portions },
	{ "first probes", first_probes },
	{ "too much", too_much },
	{ "beside a stalled one", beside_a_stalled_one },
	{ "a broken pipe", broken_pipe },
	{ "unheard", unheard },
	{ "no memory", no_memory },
	{ "and removed", certs_free },
};

UNIT_MAIN("probe_tls_limits", tests)
