/* SPDX-License-Identifier: BSD-3-Clause */
/* What a certificate says is a stranger's bytes: of names the beginning, and what is printable. */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "tls_certificate.h"

#define NAME_SIZE 41

/* Of a subject or issuer. */
static void
common_name(const X509_NAME *name, char out[NAME_SIZE])
{
	int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *text = NULL;

	if (index >= 0)
		text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
	out[0] = '\0';
	if (text)
		check_excerpt((const char *)ASN1_STRING_get0_data(text),
			(size_t)ASN1_STRING_length(text), out, NAME_SIZE);
}

/* A name or address of the subject; false if it is neither. */
static bool
alternative_name(const GENERAL_NAME *name, char out[NAME_SIZE])
{
	const ASN1_STRING *text = name->type == GEN_DNS ? name->d.dNSName
		: name->type == GEN_IPADD		? name->d.iPAddress
							: NULL;
	const char *bytes = text ? (const char *)ASN1_STRING_get0_data(text) : NULL;
	int length = text ? ASN1_STRING_length(text) : 0;

	if (text && name->type == GEN_DNS)
		check_excerpt(bytes, (size_t)length, out, NAME_SIZE);
	else if (text && (length == 4 || length == 16))
		inet_ntop(length == 4 ? AF_INET : AF_INET6, bytes, out, NAME_SIZE);
	else
		return false;
	return true;
}

/* The first of its names, and how many more there are. */
static unsigned int
names_of(const X509 *certificate, char out[NAME_SIZE])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	char name[NAME_SIZE];
	unsigned int count = 0;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		if (alternative_name(sk_GENERAL_NAME_value(names, i), count ? name : out))
			count++;
	}
	GENERAL_NAMES_free(names);
	if (count == 0)
		common_name(X509_get_subject_name(certificate), out);
	return count ? count - 1 : 0;
}

static void
say_names(const X509 *certificate, const char *wanted, char *why, size_t size)
{
	char name[NAME_SIZE], more[24] = "";
	unsigned int others = names_of(certificate, name);

	if (others)
		snprintf(more, sizeof(more), " and %u more", others);
	snprintf(why, size, "certificate is for %s%s, not %.60s", name[0] ? name : "nobody", more,
		wanted);
}

static void
say_time(const char *text, const char *border, const ASN1_TIME *at, char *why, size_t size)
{
	char day[16] = "?";
	struct tm time;

	if (ASN1_TIME_to_tm(at, &time))
		strftime(day, sizeof(day), "%Y-%m-%d", &time);
	snprintf(why, size, "%s (%s %s)", text, border, day);
}

static void
say_issuer(const X509 *certificate, char *why, size_t size)
{
	char name[NAME_SIZE];

	common_name(X509_get_issuer_name(certificate), name);
	snprintf(why, size, "certificate's issuer is not trusted: %s",
		name[0] ? name : "it has no name");
}

void
tls_certificate_why(X509_STORE_CTX *context, const char *wanted, char *why, size_t size)
{
	const X509 *certificate = X509_STORE_CTX_get_current_cert(context);
	bool own = X509_STORE_CTX_get_error_depth(context) == 0;
	int error = X509_STORE_CTX_get_error(context);

	if (!certificate)
		error = X509_V_ERR_UNSPECIFIED;
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		say_time(own ? "certificate has expired" : "an issuer's certificate has expired",
			"not after", X509_get0_notAfter(certificate), why, size);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		say_time(own ? "certificate is not valid yet"
			     : "an issuer's certificate is not valid yet",
			"not before", X509_get0_notBefore(certificate), why, size);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		say_names(certificate, wanted, why, size);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		snprintf(why, size, "self-signed certificate");
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		say_issuer(certificate, why, size);
		break;
	default:
		snprintf(why, size, "certificate is not good: %s",
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
	}
}
