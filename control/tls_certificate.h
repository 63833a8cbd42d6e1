/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a certificate is not good, in words. */
#ifndef CONTROL_TLS_CERTIFICATE_H
#define CONTROL_TLS_CERTIFICATE_H

#include <openssl/x509_vfy.h>
#include <stddef.h>

/* In OpenSSL's verify callback, where it failed: printable ASCII. */
void tls_certificate_why(X509_STORE_CTX *context, const char *wanted, char *why, size_t size);

#endif
