/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TLS server in a thread of its own, for one client: it does what it is told, hears its client
 * out and notes how that behaved. Whatever happens, it ends within TLS_SERVER_MAX_S.
 */
#ifndef TESTS_TLS_SERVER_H
#define TESTS_TLS_SERVER_H

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "listener.h"
#include "tls_certs.h"

#define TLS_SERVER_MAX_S 10

enum tls_conduct {
	SERVES,	     /* a handshake; hears a request where there is an answer, and gives it */
	IS_SILENT,   /* hears and says nothing */
	SAYS,	     /* says the answer at once, without TLS, and is silent */
	HANGS_UP,    /* when the client has begun */
	RESETS,	     /* the same, rudely */
	TICKETS,     /* after the handshake, without end */
	KEY_UPDATES, /* the same */
	ASKS_AGAIN,  /* TLS 1.2: for a new handshake, before it answers */
	CUTS,	     /* answers, and ends without a word of TLS */
};

struct tls_server {
	enum tls_conduct conduct;
	const struct cert *cert;
	const struct cert *named; /* for clients that name "b.example" */
	const struct cert *chain; /* sent with it, many times */
	unsigned int chain_count;
	int version; /* the only one; 0: any */
	const char *ciphers;
	const char *alpn; /* what it takes, one name */
	const char *answer;
	size_t answer_length; /* 0: the string's */
	int flood_count;      /* 0: as good as without end */
	bool wants_client;    /* a certificate of the client's */

	uint16_t port_be;
	int fd;
	pthread_t thread;
	bool over;

	char sni[256];
	bool offered; /* the client has offered protocols */
	char request[512];
	bool handshake;
	long handshakes; /* how many of them on the connection */
	bool bye;	 /* the client said close_notify */
	bool reset;
};

static inline int
tls_server_on_name(SSL *ssl, int *alert, void *argument)
{
	struct tls_server *server = argument;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	snprintf(server->sni, sizeof(server->sni), "%s", name ? name : "");
	if (server->named && name && strcmp(name, "b.example") == 0) {
		SSL_use_certificate(ssl, server->named->x509);
		SSL_use_PrivateKey(ssl, server->named->key);
	}
	return SSL_TLSEXT_ERR_OK;
}

static inline int
tls_server_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
	const unsigned char *in, unsigned int in_length, void *argument)
{
	struct tls_server *server = argument;
	size_t wanted = server->alpn ? strlen(server->alpn) : 0;

	(void)ssl;
	server->offered = true;
	for (unsigned int at = 0; at < in_length; at += in[at] + 1u) {
		if (in[at] == wanted && memcmp(in + at + 1, server->alpn, wanted) == 0) {
			*out = in + at + 1;
			*out_length = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static inline SSL *
tls_server_ssl(struct tls_server *server, SSL_CTX *context, int fd)
{
	SSL *ssl;

	SSL_CTX_use_certificate(context, server->cert->x509);
	SSL_CTX_use_PrivateKey(context, server->cert->key);
	for (unsigned int i = 0; i < server->chain_count; i++)
		SSL_CTX_add1_chain_cert(context, server->chain->x509);
	SSL_CTX_set_tlsext_servername_callback(context, tls_server_on_name);
	SSL_CTX_set_tlsext_servername_arg(context, server);
	SSL_CTX_set_alpn_select_cb(context, tls_server_on_alpn, server);
	SSL_CTX_set_dh_auto(context, 1);
	if (server->version) {
		SSL_CTX_set_security_level(context, 0);
		SSL_CTX_set_min_proto_version(context, server->version);
		SSL_CTX_set_max_proto_version(context, server->version);
	}
	if (server->ciphers)
		SSL_CTX_set_cipher_list(context, server->ciphers);
	if (server->wants_client)
		SSL_CTX_set_verify(
			context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	ssl = SSL_new(context);
	SSL_set_fd(ssl, fd);
	return ssl;
}

static inline void
tls_server_flood(struct tls_server *server, SSL *ssl)
{
	/* Some of OpenSSL's calls do not tell that the client has gone. */
	int count = server->flood_count ? server->flood_count : 20000;

	for (int i = 0; i < count; i++) {
		int made = server->conduct == TICKETS
			? SSL_new_session_ticket(ssl)
			: SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);

		if (made != 1 || SSL_do_handshake(ssl) != 1)
			break;
	}
}

static inline void
tls_server_converse(struct tls_server *server, SSL *ssl, int fd)
{
	char bytes[4096];
	int n;

	if (server->conduct == ASKS_AGAIN) {
		SSL_renegotiate(ssl);
		SSL_do_handshake(ssl);
	}
	if (server->conduct == TICKETS || server->conduct == KEY_UPDATES)
		tls_server_flood(server, ssl);
	if (server->answer) {
		n = SSL_read(ssl, server->request, sizeof(server->request) - 1);
		if (n > 0)
			SSL_write(ssl, server->answer,
				(int)(server->answer_length ? server->answer_length
							    : strlen(server->answer)));
	}
	if (server->conduct == CUTS)
		shutdown(fd, SHUT_WR);
	do {
		n = SSL_read(ssl, bytes, sizeof(bytes));
	} while (n > 0);
	server->bye = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
	if (server->conduct != CUTS)
		SSL_shutdown(ssl);
}

static inline void
tls_server_serve(struct tls_server *server, int fd)
{
	static const struct linger linger = { .l_onoff = 1 };
	SSL_CTX *context = NULL;
	SSL *ssl = NULL;
	char bytes[4096];
	ssize_t n;

	if (server->conduct == SAYS) {
		send(fd, server->answer,
			server->answer_length ? server->answer_length : strlen(server->answer),
			MSG_NOSIGNAL);
	} else if (server->conduct == HANGS_UP || server->conduct == RESETS) {
		recv(fd, bytes, sizeof(bytes), 0);
		if (server->conduct == RESETS)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		return;
	} else if (server->conduct != IS_SILENT) {
		context = SSL_CTX_new(TLS_server_method());
		ssl = tls_server_ssl(server, context, fd);
		server->handshake = SSL_accept(ssl) == 1;
		if (server->handshake)
			tls_server_converse(server, ssl, fd);
		server->handshakes = SSL_CTX_sess_accept_good(context);
		shutdown(fd, SHUT_WR);
	}
	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
	}
	server->reset = n < 0;
	SSL_free(ssl);
	SSL_CTX_free(context);
}

static inline void *
tls_server_run(void *argument)
{
	struct tls_server *server = argument;
	const struct timeval limit = { .tv_sec = TLS_SERVER_MAX_S };
	sigset_t pipe;
	int fd;

	/* OpenSSL writes here as it always does; the probe must do without this. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	setsockopt(server->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		tls_server_serve(server, fd);
		close(fd);
	}
	OPENSSL_thread_stop();
	__atomic_store_n(&server->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static inline bool
tls_server_is_over(void *context)
{
	const struct tls_server *server = context;

	return __atomic_load_n(&server->over, __ATOMIC_ACQUIRE);
}

static inline void
tls_server_start(struct tls_server *server)
{
	server->fd = bound_socket(AF_INET);
	/* The thread waits. */
	CU_ASSERT_EQUAL(fcntl(server->fd, F_SETFL, 0), 0);
	CU_ASSERT_EQUAL_FATAL(listen(server->fd, 8), 0);
	server->port_be = port_of(server->fd);
	server->over = false;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&server->thread, NULL, tls_server_run, server), 0);
}

static inline void
tls_server_stop(struct tls_server *server)
{
	CU_ASSERT_EQUAL(pthread_join(server->thread, NULL), 0);
	close(server->fd);
}

#endif
