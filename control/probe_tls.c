/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * OpenSSL reads and writes by functions of this file, not by its own: with MSG_NOSIGNAL, by
 * portions, and with an eye on the first bytes, which tell what a server is that speaks no TLS.
 */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "probe_tls.h"
#include "tls_certificate.h"
#include "tls_context.h"

#define FIRST_BYTES 40

struct probe_tls {
	SSL *ssl;
	int fd;
	bool done; /* the handshake */
	bool over; /* no more calls: OpenSSL would not know what to do */
	bool wants_write;
	bool hung_up;	       /* the server's FIN */
	unsigned long refused; /* tls_memory_refused() at the beginning */
	int recv_error;
	int send_error;
	unsigned int step; /* bytes that this call may read still */
	unsigned int left; /* bytes that the connection may */
	unsigned int first_length;
	char first[FIRST_BYTES];
	char wanted[CHECK_NAME_MAX + 1]; /* whose certificate it must be */
	char why[CHECK_TEXT_SIZE];
};

/* What this call may read still; false: nothing, and more of it later, if the connection may. */
static bool
may_read(struct probe_tls *tls, BIO *bio, int *length)
{
	if (tls->left == 0)
		return false;
	if (tls->step == 0) {
		BIO_set_retry_read(bio);
		return false;
	}
	if ((unsigned int)*length > tls->step)
		*length = (int)tls->step;
	if ((unsigned int)*length > tls->left)
		*length = (int)tls->left;
	return true;
}

static int
on_read(BIO *bio, char *out, int length)
{
	struct probe_tls *tls = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (length <= 0 || !may_read(tls, bio, &length))
		return -1;
	n = recv(tls->fd, out, (size_t)length, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_read(bio);
	} else if (n < 0) {
		tls->recv_error = errno;
	} else if (n == 0) {
		tls->hung_up = true;
	} else {
		size_t room = sizeof(tls->first) - tls->first_length;
		size_t first = (size_t)n < room ? (size_t)n : room;

		memcpy(tls->first + tls->first_length, out, first);
		tls->first_length += (unsigned int)first;
		tls->step -= (unsigned int)n;
		tls->left -= (unsigned int)n;
	}
	return (int)n;
}

/*
 * What cannot be sent any more is said to be, so that OpenSSL goes on to read: a server says why by
 * an alert, and hangs up.
 */
static int
on_write(BIO *bio, const char *bytes, int length)
{
	struct probe_tls *tls = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (tls->send_error || length <= 0)
		return length;
	n = send(tls->fd, bytes, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN || errno == EINTR) {
		BIO_set_retry_write(bio);
		return -1;
	}
	tls->send_error = errno;
	return length;
}

static long
on_control(BIO *bio, int command, long number, void *pointer)
{
	const struct probe_tls *tls = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return tls->hung_up;
	return command == BIO_CTRL_FLUSH;
}

/* NULL: out of memory. */
static BIO_METHOD *
socket_method(void)
{
	static BIO_METHOD *method; /* the process's, to its end */

	if (method)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "probe");
	if (!method)
		return NULL;
	BIO_meth_set_read(method, on_read);
	BIO_meth_set_write(method, on_write);
	BIO_meth_set_ctrl(method, on_control);
	return method;
}

static int
on_certificate(int good, X509_STORE_CTX *context)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct probe_tls *tls = SSL_get_app_data(ssl);

	if (good)
		return good;
	tls_certificate_why(context, tls->wanted, tls->why, sizeof(tls->why));
	return good;
}

/* "h2,http/1.1" with the length of each before it instead of a comma behind it (RFC 7301, 3.1). */
static bool
offer_protocols(SSL *ssl, const char *names)
{
	unsigned char wire[CHECK_TEXT_SIZE * 2 + 1];
	size_t length = strlen(names), used = 0;

	if (length + 1 > sizeof(wire))
		return false;
	for (const char *name = names; name < names + length;) {
		size_t n = strcspn(name, ",");

		wire[used] = (unsigned char)n;
		memcpy(wire + used + 1, name, n);
		used += n + 1;
		name += n + 1;
	}
	return SSL_set_alpn_protos(ssl, wire, (unsigned int)used) == 0;
}

/* False: out of memory. */
static bool
demand(struct probe_tls *tls, const struct check_tls *settings, char *sni)
{
	if (*sni && SSL_set_tlsext_host_name(tls->ssl, sni) != 1)
		return false;
	if (settings->alpn && !offer_protocols(tls->ssl, settings->alpn))
		return false;
	if (!settings->verify)
		return true;
	SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, on_certificate);
	SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (check_is_address(tls->wanted))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), tls->wanted) == 1;
	return SSL_set1_host(tls->ssl, tls->wanted) == 1;
}

struct probe_tls *
probe_tls_create(const struct check_talk *talk, const char *address)
{
	struct probe_tls *tls = calloc(1, sizeof(*tls));
	BIO_METHOD *method = socket_method();
	BIO *bio = method ? BIO_new(method) : NULL;
	char sni[CHECK_NAME_MAX + 1];

	if (tls)
		tls->ssl = SSL_new(tls_context_ssl(talk->tls->context));
	if (!tls || !tls->ssl || !bio) {
		BIO_free(bio);
		probe_tls_destroy(tls);
		ERR_clear_error();
		return NULL;
	}
	tls->left = PROBE_TLS_MAX_BYTES;
	tls->refused = tls_memory_refused();
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_connect_state(tls->ssl);
	check_tls_names(talk, address, sni, tls->wanted);
	if (demand(tls, talk->tls, sni))
		return tls;
	probe_tls_destroy(tls);
	ERR_clear_error();
	return NULL;
}

void
probe_tls_destroy(struct probe_tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	free(tls);
}

static void
begin(struct probe_tls *tls, int fd)
{
	tls->fd = fd;
	tls->wants_write = false;
	ERR_clear_error();
}

/* Does what has come begin like a record of TLS (RFC 8446, 5.1)? */
static bool
is_tls(const struct probe_tls *tls)
{
	static const unsigned char change = 20, application = 23, major = 3;
	unsigned char type = (unsigned char)tls->first[0];

	if (tls->first_length == 0)
		return true;
	return type >= change && type <= application &&
		(tls->first_length < 2 || (unsigned char)tls->first[1] == major);
}

/* "no TLS there": OpenSSL has read no more of it than a record's head. */
static void
say_foreign(struct probe_tls *tls)
{
	ssize_t more = recv(tls->fd, tls->first + tls->first_length,
		sizeof(tls->first) - tls->first_length, MSG_DONTWAIT);
	char first[FIRST_BYTES + 1];

	if (more > 0)
		tls->first_length += (unsigned int)more;
	check_excerpt(tls->first, tls->first_length, first, sizeof(first));
	snprintf(tls->why, sizeof(tls->why), "no TLS there: it answered \"%s\"", first);
}

/* "certificate required". OpenSSL has those of TLS 1.3 among its errors alone, behind "alert ". */
static const char *
alert_name(unsigned long error)
{
	const char *name = SSL_alert_desc_string_long(ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET);
	const char *reason = ERR_reason_error_string(error);
	const char *alert = reason ? strstr(reason, "alert ") : NULL;

	return strcmp(name, "unknown") == 0 && alert ? alert + strlen("alert ") : name;
}

static void
say(struct probe_tls *tls, unsigned long error)
{
	static const char where[] = " in the TLS handshake";
	const char *in = tls->done ? "" : where;
	const char *reason = ERR_reason_error_string(error);

	if (tls->why[0])
		return; /* of a certificate, before */
	if (!is_tls(tls))
		say_foreign(tls);
	else if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET)
		snprintf(tls->why, sizeof(tls->why), "it sent the alert \"%s\"%s",
			alert_name(error), in);
	else if (tls->left == 0)
		snprintf(tls->why, sizeof(tls->why), "more than %u KB came, and no end%s",
			PROBE_TLS_MAX_BYTES >> 10, in);
	else if (tls->recv_error)
		snprintf(tls->why, sizeof(tls->why), "%s%s", strerror(tls->recv_error), in);
	else if (tls->hung_up)
		snprintf(tls->why, sizeof(tls->why), "it closed the connection%s", in);
	else
		snprintf(tls->why, sizeof(tls->why), "%s%s", reason ? reason : "an error", in);
	tls->why[0] = (char)tolower((unsigned char)tls->why[0]);
}

/* What came of a call that did not succeed. */
static int
failed(struct probe_tls *tls, int result)
{
	int kind = SSL_get_error(tls->ssl, result);
	unsigned long error;

	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
		tls->wants_write = kind == SSL_ERROR_WANT_WRITE;
		return -EAGAIN;
	}
	tls->over = true;
	error = ERR_get_error(); /* the first is the cause */
	if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE || tls->refused != tls_memory_refused() ||
		tls->recv_error == ENOMEM || tls->recv_error == ENOBUFS)
		return -ENOMEM;
	say(tls, error);
	return -EPROTO;
}

int
probe_tls_handshake(struct probe_tls *tls, int fd)
{
	char byte;
	int result;

	tls->step = PROBE_TLS_STEP_BYTES;
	if (tls->done)
		return 0;
	/* What follows our last word of it shall not wait for the server's acknowledgment. */
	if (SSL_in_before(tls->ssl))
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	begin(tls, fd);
	result = SSL_do_handshake(tls->ssl);
	if (result != 1)
		return failed(tls, result);
	/* The last word of it is ours, and was not taken: the server has hung up, and may say why.
	 */
	if (tls->send_error) {
		result = SSL_peek(tls->ssl, &byte, 1);
		if (result <= 0)
			return failed(tls, result);
	}
	tls->done = true;
	return 0;
}

ssize_t
probe_tls_send(struct probe_tls *tls, int fd, const void *bytes, size_t length)
{
	int result;

	if (tls->over)
		return -EPROTO;
	begin(tls, fd);
	result = SSL_write(tls->ssl, bytes, (int)length);
	return result > 0 ? result : failed(tls, result);
}

ssize_t
probe_tls_recv(struct probe_tls *tls, int fd, void *bytes, size_t room)
{
	int result, status;

	if (tls->over)
		return -EPROTO;
	begin(tls, fd);
	result = SSL_read(tls->ssl, bytes, (int)room);
	if (result > 0)
		return result;
	if (SSL_get_error(tls->ssl, result) == SSL_ERROR_ZERO_RETURN)
		return 0;
	status = failed(tls, result);
	if (status != -EPROTO)
		return status;
	/* An end is one, also without TLS's word for it, and so are errors of the connection. */
	if (tls->recv_error)
		return -tls->recv_error;
	return tls->hung_up ? 0 : status;
}

void
probe_tls_bye(struct probe_tls *tls)
{
	if (!tls->done || tls->over)
		return;
	begin(tls, tls->fd);
	tls->over = true;
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

bool
probe_tls_is_done(const struct probe_tls *tls)
{
	return tls->done;
}

bool
probe_tls_wants_write(const struct probe_tls *tls)
{
	return tls->wants_write;
}

const char *
probe_tls_why(const struct probe_tls *tls)
{
	return tls->why;
}
