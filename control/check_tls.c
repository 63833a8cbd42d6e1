/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check wants of TLS, without TLS itself. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define LABEL_MAX 63 /* bytes */

bool
check_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Not the contexts: of two configurations they differ always. */
bool
check_tls_equal(const struct check_tls *a, const struct check_tls *b)
{
	if (!a || !b)
		return a == b;
	return a->verify == b->verify && check_same_text(a->ca_file, b->ca_file) &&
		check_same_text(a->sni, b->sni) &&
		check_same_text(a->verify_host, b->verify_host) &&
		check_same_text(a->alpn, b->alpn);
}

static char *
copy_text(const char *text, bool *whole)
{
	char *copy = text ? strdup(text) : NULL;

	*whole &= !text || copy;
	return copy;
}

struct check_tls *
check_tls_copy(const struct check_tls *tls)
{
	struct check_tls *copy = calloc(1, sizeof(*copy));
	bool whole = true;

	if (!copy || !tls)
		return copy;
	*copy = *tls;
	copy->ca_file = copy_text(tls->ca_file, &whole);
	copy->sni = copy_text(tls->sni, &whole);
	copy->verify_host = copy_text(tls->verify_host, &whole);
	copy->alpn = copy_text(tls->alpn, &whole);
	if (whole)
		return copy;
	check_tls_destroy(copy);
	return NULL;
}

void
check_tls_destroy(struct check_tls *tls)
{
	if (!tls)
		return;
	free(tls->ca_file);
	free(tls->sni);
	free(tls->verify_host);
	free(tls->alpn);
	free(tls);
}

bool
check_is_address(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

bool
check_is_dns_name(const char *text)
{
	size_t label = 0;
	const char *at;

	for (at = text; *at; at++) {
		bool letter = (*at | 0x20) >= 'a' && (*at | 0x20) <= 'z';

		if (*at == '.' ? label == 0
			       : !letter && (*at < '0' || *at > '9') && *at != '-' && *at != '_')
			return false;
		label = *at == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return label > 0 && at - text <= CHECK_NAME_MAX && !check_is_address(text);
}

/* HTTP's host without its port, and an IPv6 address without its brackets. */
static void
bare_host(const char *host, char out[CHECK_NAME_MAX + 1])
{
	size_t length = strcspn(host, ":");

	if (host[0] == '[')
		length = strcspn(++host, "]");
	snprintf(out, CHECK_NAME_MAX + 1, "%.*s", (int)length, host);
}

void
check_tls_names(const struct check_talk *talk, const char *address, char sni[CHECK_NAME_MAX + 1],
	char verify_host[CHECK_NAME_MAX + 1])
{
	const char *wanted = talk->tls->verify_host;
	char host[CHECK_NAME_MAX + 1] = "";

	if (talk->tls->sni)
		snprintf(host, sizeof(host), "%s", talk->tls->sni);
	else if (talk->host)
		bare_host(talk->host, host);
	snprintf(sni, sizeof(host), "%s", check_is_dns_name(host) ? host : "");
	if (!wanted)
		wanted = *sni || check_is_address(host) ? host : address;
	snprintf(verify_host, sizeof(host), "%s", wanted);
}
