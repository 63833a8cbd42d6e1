/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of probes over TLS share: certificates good and bad, and one probe of a server. */
#ifndef TESTS_TLS_BED_H
#define TESTS_TLS_BED_H

#include "probe_bed.h"
#include "tls_server.h"
#include "probe_tls.h"
#include "tls_context.h"

#define TIMEOUT_MS 3000 /* of what is not to time out */

static char get[] = "GET", path[] = "/up", version[] = "1.1";
static const char page[] = "HTTP/1.1 200 OK\r\n\r\nall is ready";

static struct cert authority, other_authority, well, expired, early, strange, alone;
static char ca_file[64];
static struct tls_context *contexts;

static inline struct check_tls
settings(bool verify)
{
	char problem[256];
	struct check_tls tls = { .verify = verify };

	tls.context = tls_context_get(&contexts, verify, ca_file, problem, sizeof(problem));
	CU_ASSERT_PTR_NOT_NULL_FATAL(tls.context);
	return tls;
}

static inline void
certs_make(void)
{
	static const char names[] = "DNS:www.example.org,DNS:b.example,IP:127.0.0.1";

	settings(false); /* before OpenSSL has memory that is not watched */
	authority = cert_make((struct cert_wish){ .name = "test authority", .is_ca = true });
	other_authority = cert_make((struct cert_wish){ .name = "nobody's", .is_ca = true });
	well = cert_make(
		(struct cert_wish){ .name = "well", .names = names, .issuer = &authority });
	expired = cert_make((struct cert_wish){ .name = "expired",
		.names = names,
		.issuer = &authority,
		.first_day = -20,
		.last_day = -10 });
	early = cert_make((struct cert_wish){ .name = "early",
		.names = names,
		.issuer = &authority,
		.first_day = 10,
		.last_day = 20 });
	strange = cert_make((struct cert_wish){
		.name = "strange", .names = names, .issuer = &other_authority });
	alone = cert_make((struct cert_wish){ .name = "alone", .names = names });
	cert_file(ca_file, &authority, 1);
}

static inline void
certs_free(void)
{
	struct cert *all[] = { &authority, &other_authority, &well, &expired, &early, &strange,
		&alone };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		cert_free(all[i]);
	unlink(ca_file);
	tls_contexts_destroy(contexts);
}

static inline struct check_talk
web(struct check_tls *tls)
{
	return (struct check_talk){ .type = CHECK_HTTP,
		.tls = tls,
		.method = get,
		.path = path,
		.version = version,
		.status_count = 1,
		.statuses = { { 200, 399 } } };
}

static inline bool
has_result(void *context)
{
	const struct server *server = context;

	return server->report.status != CHECK_INI;
}

/* One probe of that server, and what came of it; ends when the server has seen its end. */
static inline struct check_report
probed(struct tls_server *tls, const struct check_talk *talk, uint32_t timeout_ms)
{
	struct server server;
	struct check_report report;

	setup();
	tls_server_start(tls);
	server = make_server(tls->port_be, 60000, timeout_ms);
	server.config.check.talk = talk;
	start(&server);
	run_until(has_result, &server);
	run_until(tls_server_is_over, tls);
	report = server.report;
	CU_ASSERT_EQUAL(is_up(&server), check_passed(&report));
	CU_ASSERT_EQUAL(server.check_error, 0);
	stop(&server);
	tls_server_stop(tls);
	teardown();
	return report;
}

static inline void
expect_result(
	struct tls_server *tls, const struct check_talk *talk, uint8_t status, const char *text)
{
	struct check_report report = probed(tls, talk, TIMEOUT_MS);

	CU_ASSERT_EQUAL(report.status, status);
	CU_ASSERT_STRING_EQUAL(report.text, text);
	if (report.status != status || strcmp(report.text, text) != 0)
		fprintf(stderr, "\nexpected: %s %s\nfound:    %s %s\n", check_status_name(status),
			text, check_status_name(report.status), report.text);
}

/* A handshake is what is asked; the address is in the certificate. */
static inline void
expect_handshake(struct tls_server server, bool verify, uint8_t status, const char *text)
{
	struct check_tls tls = settings(verify);
	const struct check_talk talk = { .tls = &tls };

	expect_result(&server, &talk, status, text);
	if (status == CHECK_L6OK) {
		CU_ASSERT_TRUE(server.handshake);
		CU_ASSERT_TRUE(server.bye);
		CU_ASSERT_FALSE(server.reset);
	}
}

#endif
