/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What TLS connections of checks have in common: which versions and ciphers, and which certificates
 * are trusted. One for each distinct setting, made when the configuration is read, which owns it;
 * it does not change. Certificates are read then, and no file is read when a connection is made.
 */
#ifndef CONTROL_TLS_CONTEXT_H
#define CONTROL_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct tls_context;

/* OpenSSL sorts all that it has for each that comes: 2000 take 0.7 s, 8000 would 8 s. */
#define TLS_CA_FILE_MAX_BYTES (1u << 20)

/*
 * That of the list, or a new one in it: certificates are verified by those in a file, in PEM; by
 * the system's if ca_file is NULL (OpenSSL's: SSL_CERT_FILE, SSL_CERT_DIR, or what it was built
 * with); or not at all. NULL, and what is wrong in `problem`: a file that cannot be read, or has
 * none. It is read once for a list, also if it cannot be.
 */
const struct tls_context *tls_context_get(
	struct tls_context **list, bool verify, const char *ca_file, char *problem, size_t size);
/* Connections under way may outlive it. */
void tls_contexts_destroy(struct tls_context *list);

/*
 * How often OpenSSL could not have memory so far. It tells of that by errors of many kinds, also by
 * such as speak of a bad certificate.
 */
unsigned long tls_memory_refused(void);

struct ssl_ctx_st *tls_context_ssl(const struct tls_context *context);

#endif
