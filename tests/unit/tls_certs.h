/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificates for tests, made as they are needed: keys of P-256, unless another is given. */
#ifndef TESTS_TLS_CERTS_H
#define TESTS_TLS_CERTS_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

#define DAY_S 86400

struct cert {
	X509 *x509;
	EVP_PKEY *key;
};

/* What is not said is usual: signed by itself, valid from yesterday until tomorrow, no CA. */
struct cert_wish {
	const char *name;  /* common name */
	const char *names; /* "DNS:a.example,IP:127.0.0.1"; NULL: none */
	const struct cert *issuer;
	bool is_ca;
	int first_day, last_day; /* from today on; both 0: usual */
	EVP_PKEY *key;
};

static inline void
cert_extension(X509 *x509, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	CU_ASSERT_PTR_NOT_NULL_FATAL(extension);
	CU_ASSERT_EQUAL(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline struct cert
cert_make(struct cert_wish wish)
{
	static long serial;
	struct cert made = { X509_new(), wish.key ? wish.key : EVP_EC_gen("P-256") };
	const struct cert *issuer = wish.issuer ? wish.issuer : &made;
	X509_NAME *name = X509_get_subject_name(made.x509);
	bool usual = !wish.first_day && !wish.last_day;

	X509_set_version(made.x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(made.x509), (usual ? -1l : wish.first_day) * DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(made.x509), (usual ? 1l : wish.last_day) * DAY_S);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)wish.name, -1, -1, 0);
	X509_set_issuer_name(made.x509, X509_get_subject_name(issuer->x509));
	X509_set_pubkey(made.x509, made.key);
	cert_extension(
		made.x509, NID_basic_constraints, wish.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (wish.names)
		cert_extension(made.x509, NID_subject_alt_name, wish.names);
	CU_ASSERT_NOT_EQUAL_FATAL(X509_sign(made.x509, issuer->key, EVP_sha256()), 0);
	return made;
}

static inline void
cert_free(struct cert *cert)
{
	X509_free(cert->x509);
	EVP_PKEY_free(cert->key);
	*cert = (struct cert){ 0 };
}

/* A new file of the tests', with the certificates in PEM; `path` has its name. */
static inline void
cert_file(char path[64], const struct cert *certs, size_t count)
{
	FILE *file;
	int fd;

	snprintf(path, 64, "/tmp/shunt-test-ca-XXXXXX");
	fd = mkstemp(path);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	file = fdopen(fd, "w");
	for (size_t i = 0; i < count; i++)
		CU_ASSERT_EQUAL(PEM_write_X509(file, certs[i].x509), 1);
	fclose(file);
}

#endif
