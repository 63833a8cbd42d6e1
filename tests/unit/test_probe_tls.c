/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes over TLS of servers on the loopback interface that are well, ill, or speak no TLS; also
 * for probe_talk.c's part of it and tls_certificate.c. Servers are in a thread.
 */
#include "tls_bed.h"

#define SHORT_MS 150

static char host[] = "www.example.org";
static char ready[] = "ready", pong[] = "+PONG", ping[] = "PING\r\n";

static void
handshakes(void)
{
	expect_handshake((struct tls_server){ .cert = &well }, true, CHECK_L6OK, "");
	expect_handshake((struct tls_server){ .cert = &well, .version = TLS1_2_VERSION }, true,
		CHECK_L6OK, "");
	expect_handshake((struct tls_server){ .cert = &alone }, false, CHECK_L6OK, "");
	expect_handshake((struct tls_server){ .cert = &expired }, false, CHECK_L6OK, "");
}

/* As the texts have it. */
static void
day_of(const ASN1_TIME *at, char day[16])
{
	struct tm tm;

	CU_ASSERT_EQUAL(ASN1_TIME_to_tm(at, &tm), 1);
	strftime(day, 16, "%Y-%m-%d", &tm);
}

static void
certificates(void)
{
	char text[CHECK_TEXT_SIZE], day[16];

	expect_handshake((struct tls_server){ .cert = &alone }, true, CHECK_L6RSP,
		"self-signed certificate");
	expect_handshake((struct tls_server){ .cert = &strange }, true, CHECK_L6RSP,
		"certificate's issuer is not trusted: nobody's");
	day_of(X509_get0_notAfter(expired.x509), day);
	snprintf(text, sizeof(text), "certificate has expired (not after %s)", day);
	expect_handshake((struct tls_server){ .cert = &expired }, true, CHECK_L6RSP, text);
	day_of(X509_get0_notBefore(early.x509), day);
	snprintf(text, sizeof(text), "certificate is not valid yet (not before %s)", day);
	expect_handshake((struct tls_server){ .cert = &early }, true, CHECK_L6RSP, text);
}

/* What clients are told is wanted, and whose certificate must be there. */
static void
names(void)
{
	static char b_name[] = "b.example", other[] = "other.example", local[] = "127.0.0.1";
	static char far[] = "10.0.0.1";
	struct cert for_b = cert_make(
		(struct cert_wish){ .name = "b", .names = "DNS:b.example", .issuer = &authority });
	struct cert bare = cert_make((struct cert_wish){ .name = "ba\nre", .issuer = &authority });
	struct tls_server server = { .cert = &well, .named = &for_b };
	struct check_tls tls = settings(true);
	struct check_talk talk = { .tls = &tls };

	expect_result(&server, &talk, CHECK_L6OK, "");
	CU_ASSERT_STRING_EQUAL(server.sni, "");
	tls.sni = b_name;
	expect_result(&server, &talk, CHECK_L6OK, "");
	CU_ASSERT_STRING_EQUAL(server.sni, "b.example");
	tls.verify_host = other;
	expect_result(
		&server, &talk, CHECK_L6RSP, "certificate is for b.example, not other.example");
	tls.verify_host = local;
	expect_result(&server, &talk, CHECK_L6RSP, "certificate is for b.example, not 127.0.0.1");
	tls.sni = NULL;
	expect_result(&server, &talk, CHECK_L6OK, "");
	tls.verify_host = far;
	expect_result(&server, &talk, CHECK_L6RSP,
		"certificate is for www.example.org and 2 more, not 10.0.0.1");
	/* HTTP's host, where nothing else is said. */
	tls.verify_host = NULL;
	talk = web(&tls);
	talk.host = b_name;
	server.answer = page;
	expect_result(&server, &talk, CHECK_L7OK, "");
	CU_ASSERT_STRING_EQUAL(server.sni, "b.example");
	talk.host = other;
	expect_result(&server, &talk, CHECK_L6RSP,
		"certificate is for www.example.org and 2 more, not other.example");
	server.cert = &bare;
	expect_result(&server, &talk, CHECK_L6RSP, "certificate is for ba.re, not other.example");
	cert_free(&for_b);
	cert_free(&bare);
}

static void
protocols(void)
{
	static char two[] = "h2,spdy/3", one[] = "http/1.1";
	struct tls_server server = { .cert = &well, .alpn = "spdy/3" };
	struct check_tls tls = settings(true);
	struct check_talk talk = { .tls = &tls };

	expect_result(&server, &talk, CHECK_L6OK, "");
	CU_ASSERT_FALSE(server.offered);
	tls.alpn = two;
	expect_result(&server, &talk, CHECK_L6OK, "");
	CU_ASSERT_TRUE(server.offered);
	tls.alpn = one;
	expect_result(&server, &talk, CHECK_L6RSP,
		"it sent the alert \"no application protocol\" in the TLS handshake");
}

static void
conversations(void)
{
	struct check_tls tls = settings(true);
	struct check_talk talk = web(&tls);
	struct tls_server server = { .cert = &well, .answer = page };
	char *large = calloc(1, CHECK_ANSWER_MAX * 4);

	talk.expect = ready;
	talk.host = host;
	expect_result(&server, &talk, CHECK_L7OK, "");
	CU_ASSERT_EQUAL(
		strncmp(server.request, "GET /up HTTP/1.1\r\nHost: www.example.org\r\n", 41), 0);
	CU_ASSERT_TRUE(server.bye);
	talk.host = NULL;
	tls.sni = host;
	expect_result(&server, &talk, CHECK_L7OK, "");
	CU_ASSERT_EQUAL(
		strncmp(server.request, "GET /up HTTP/1.1\r\nHost: www.example.org\r\n", 41), 0);
	tls.sni = NULL;
	expect_result(&server, &talk, CHECK_L7OK, "");
	CU_ASSERT_EQUAL(strncmp(server.request, "GET /up HTTP/1.1\r\nHost: 127.0.0.1:", 34), 0);
	server.answer = "HTTP/1.1 503 No\r\n\r\n";
	expect_result(&server, &talk, CHECK_L7STS, "HTTP 503, expected 200-399");
	/* An end of any kind is one, and is known at once. */
	server.answer = "HTTP/1.1 200 OK\r\n\r\nrea";
	server.conduct = CUTS;
	expect_result(&server, &talk, CHECK_L7RSP, "expected \"ready\", got \"rea\"");
	/* Of a large answer the beginning, and the rest is dropped. */
	memcpy(large, page, sizeof(page) - 1);
	server = (struct tls_server){
		.cert = &well, .answer = large, .answer_length = CHECK_ANSWER_MAX * 4
	};
	expect_result(&server, &talk, CHECK_L7OK, "");
	memset(large + 19, 'x', 10);
	CU_ASSERT_EQUAL(probed(&server, &talk, TIMEOUT_MS).status, CHECK_L7RSP);
	free(large);

	talk = (struct check_talk){ .tls = &tls, .send = ping, .send_length = 6, .expect = pong };
	server = (struct tls_server){ .cert = &well, .answer = "+PONG\r\n" };
	expect_result(&server, &talk, CHECK_L7OK, "");
	CU_ASSERT_STRING_EQUAL(server.request, "PING\r\n");
	talk.expect = NULL;
	expect_result(&server, &talk, CHECK_L6OK, "");
	CU_ASSERT_STRING_EQUAL(server.request, "PING\r\n");
	talk = (struct check_talk){ .type = CHECK_REDIS, .tls = &tls };
	expect_result(&server, &talk, CHECK_L7OK, "");
}

/* A handshake, and then nothing more. */
static void
late_answers(void)
{
	struct check_tls tls = settings(true);
	struct check_talk talk = { .tls = &tls, .expect = pong };
	struct tls_server server = { .cert = &well };
	struct check_report report = probed(&server, &talk, SHORT_MS * 10);

	CU_ASSERT_EQUAL(report.status, CHECK_L7TOUT);
	CU_ASSERT_STRING_EQUAL(report.text, "connected, but no answer within 1500 ms");
	CU_ASSERT_TRUE(server.bye);
	server = (struct tls_server){ .conduct = IS_SILENT };
	report = probed(&server, &talk, SHORT_MS);
	CU_ASSERT_EQUAL(report.status, CHECK_L6TOUT);
	CU_ASSERT_STRING_EQUAL(report.text, "timeout after 150 ms in TLS handshake");
	CU_ASSERT_TRUE(report.duration_us >= (SHORT_MS - 2) * 1000);
	/* The beginning of a record. */
	server = (struct tls_server){ .conduct = SAYS, .answer = "\x16\x03\x03" };
	CU_ASSERT_EQUAL(probed(&server, &talk, SHORT_MS).status, CHECK_L6TOUT);
	server.answer = "\x16\x03\x03\x40\x01................";
	CU_ASSERT_EQUAL(probed(&server, &talk, SHORT_MS).status, CHECK_L6TOUT);
}

static void
no_tls(void)
{
	expect_handshake((struct tls_server){ .conduct = SAYS,
				 .answer = "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n" },
		true, CHECK_L6RSP,
		"no TLS there: it answered \"HTTP/1.1 400 Bad Request..Server: x\"");
	expect_handshake(
		(struct tls_server){ .conduct = SAYS, .answer = "SSH-2.0-OpenSSH_9.2\r\n" }, true,
		CHECK_L6RSP, "no TLS there: it answered \"SSH-2.0-OpenSSH_9.2\"");
	expect_handshake((struct tls_server){ .conduct = SAYS,
				 .answer = "\x16\x03\x03\x00\x04\x02\x00\x00\x00",
				 .answer_length = 9 },
		true, CHECK_L6RSP, "length mismatch in the TLS handshake");
	expect_handshake((struct tls_server){ .conduct = SAYS,
				 .answer = "\x15\x03\x03\x00\x02\x02\x28",
				 .answer_length = 7 },
		true, CHECK_L6RSP, "it sent the alert \"handshake failure\" in the TLS handshake");
	expect_handshake((struct tls_server){ .conduct = HANGS_UP }, true, CHECK_L6RSP,
		"it closed the connection in the TLS handshake");
	expect_handshake((struct tls_server){ .conduct = RESETS }, true, CHECK_L6RSP,
		"connection reset by peer in the TLS handshake");
	expect_handshake((struct tls_server){ .cert = &well, .version = TLS1_1_VERSION }, true,
		CHECK_L6RSP, "it sent the alert \"protocol version\" in the TLS handshake");
}

/* A certificate of the client's: TLS 1.3 asks for it when the handshake is over for the client. */
static void
client_certificates(void)
{
	struct check_tls tls = settings(true);
	struct check_talk talk = web(&tls);
	struct tls_server server = {
		.cert = &well, .answer = page, .wants_client = true, .version = TLS1_2_VERSION
	};

	expect_result(&server, &talk, CHECK_L6RSP,
		"it sent the alert \"handshake failure\" in the TLS handshake");
	server.version = TLS1_3_VERSION;
	expect_result(&server, &talk, CHECK_L6RSP, "it sent the alert \"certificate required\"");
}

static const struct unit_test tests[] = {
	{ "certificates are made", certs_make },
	{ "handshakes", handshakes },
	{ "certificates", certificates },
	{ "names", names },
	{ "protocols", protocols },
	{ "conversations", conversations },
	{ "late answers", late_answers },
	{ "no TLS", no_tls },
	{ "certificates of the client's", client_certificates },
	{ "and removed", certs_free },
};

UNIT_MAIN("probe_tls", tests)
