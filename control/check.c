/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

const char *
check_status_name(uint8_t status)
{
	static const char *const names[CHECK_STATUS_COUNT] = {
		[CHECK_INI] = "INI",
		[CHECK_SOCKERR] = "SOCKERR",
		[CHECK_L4OK] = "L4OK",
		[CHECK_L4TOUT] = "L4TOUT",
		[CHECK_L4CON] = "L4CON",
		[CHECK_L6OK] = "L6OK",
		[CHECK_L6TOUT] = "L6TOUT",
		[CHECK_L6RSP] = "L6RSP",
		[CHECK_L7OK] = "L7OK",
		[CHECK_L7TOUT] = "L7TOUT",
		[CHECK_L7RSP] = "L7RSP",
		[CHECK_L7STS] = "L7STS",
	};

	return status < CHECK_STATUS_COUNT ? names[status] : "";
}

void
check_report_text(const struct check_report *report, char *out, size_t size)
{
	char code[8] = "";

	if (report->status == CHECK_INI) {
		snprintf(out, size, "INI");
		return;
	}
	if (report->code)
		snprintf(code, sizeof(code), " %u", report->code);
	snprintf(out, size, "%s%s in %.1f ms%s%s", check_status_name(report->status), code,
		report->duration_us / 1000.0, report->text[0] ? ": " : "", report->text);
}

static const struct {
	char *(*request)(const struct check_talk *talk, const char *host, size_t *length);
	bool (*judge)(const struct check_talk *talk, const struct check_answer *answer,
		struct check_report *report);
	enum check_transport transport;
	void (*salt)(const uint8_t random[CHECK_SALT_SIZE], char *request, size_t length);
} kinds[CHECK_TYPE_COUNT] = {
	[CHECK_TCP] = { check_tcp_request, check_tcp_judge, CHECK_STREAM, NULL },
	[CHECK_HTTP] = { check_http_request, check_http_judge, CHECK_STREAM, NULL },
	[CHECK_REDIS] = { check_redis_request, check_redis_judge, CHECK_STREAM, NULL },
	[CHECK_POSTGRES] = { check_postgres_request, check_postgres_judge, CHECK_STREAM, NULL },
	[CHECK_MYSQL] = { check_mysql_request, check_mysql_judge, CHECK_STREAM, NULL },
	[CHECK_AGENT] = { check_tcp_request, check_agent_judge, CHECK_STREAM, NULL },
	/* What tcp would send, at once, is the datagram. */
	[CHECK_UDP] = { check_tcp_request, check_udp_judge, CHECK_DATAGRAM, NULL },
	[CHECK_DNS] = { check_dns_request, check_dns_judge, CHECK_DATAGRAM, check_dns_salt },
	[CHECK_ICMP] = { check_icmp_request, check_icmp_judge, CHECK_ECHO, check_icmp_salt },
};

enum check_transport
check_transport(const struct check_talk *talk)
{
	return talk ? kinds[talk->type].transport : CHECK_STREAM;
}

char *
check_request(const struct check_talk *talk, const char *host, size_t *length)
{
	return kinds[talk->type].request(talk, host, length);
}

void
check_salt(const struct check_talk *talk, const uint8_t random[CHECK_SALT_SIZE], char *request,
	size_t length)
{
	if (kinds[talk->type].salt)
		kinds[talk->type].salt(random, request, length);
}

bool
check_silent(struct check_report *report)
{
	report->status = CHECK_L4TOUT;
	snprintf(report->text, sizeof(report->text), "no answer");
	return true;
}

bool
check_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report)
{
	struct check_answer whole = *answer;

	if (whole.length >= CHECK_ANSWER_MAX)
		whole.ended = true;
	return kinds[talk->type].judge(talk, &whole, report);
}

static const char *
pattern_of(const struct check_talk *talk)
{
	return talk->regex ? check_regex_pattern(talk->regex) : NULL;
}

bool
check_talk_equal(const struct check_talk *a, const struct check_talk *b)
{
	if (!a || !b)
		return a == b;
	return a->type == b->type && check_tls_equal(a->tls, b->tls) &&
		check_same_text(a->method, b->method) && check_same_text(a->path, b->path) &&
		check_same_text(a->version, b->version) && check_same_text(a->host, b->host) &&
		check_same_text(a->headers, b->headers) && check_same_text(a->user, b->user) &&
		check_same_text(a->password, b->password) &&
		check_same_text(a->database, b->database) && a->writable == b->writable &&
		check_same_text(a->query, b->query) && a->query_type == b->query_type &&
		a->send_length == b->send_length &&
		(a->send_length == 0 || memcmp(a->send, b->send, a->send_length) == 0) &&
		check_same_text(a->expect, b->expect) &&
		check_same_text(pattern_of(a), pattern_of(b)) &&
		a->status_count == b->status_count &&
		memcmp(a->statuses, b->statuses, a->status_count * sizeof(a->statuses[0])) == 0 &&
		a->soft_count == b->soft_count &&
		memcmp(a->soft_statuses, b->soft_statuses,
			a->soft_count * sizeof(a->soft_statuses[0])) == 0;
}

static bool
copy_text(char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return !text || *out;
}

struct check_talk *
check_talk_copy(const struct check_talk *talk)
{
	struct check_talk *copy = calloc(1, sizeof(*copy));
	const char *pattern = talk ? pattern_of(talk) : NULL;
	char error[64];
	bool whole;

	if (!copy || !talk)
		return copy;
	copy->type = talk->type;
	copy->tls_word = talk->tls_word;
	copy->writable = talk->writable;
	copy->query_type = talk->query_type;
	copy->status_count = talk->status_count;
	memcpy(copy->statuses, talk->statuses, sizeof(copy->statuses));
	copy->soft_count = talk->soft_count;
	memcpy(copy->soft_statuses, talk->soft_statuses, sizeof(copy->soft_statuses));
	whole = copy_text(&copy->method, talk->method) && copy_text(&copy->path, talk->path) &&
		copy_text(&copy->version, talk->version) && copy_text(&copy->host, talk->host) &&
		copy_text(&copy->headers, talk->headers) &&
		copy_text(&copy->expect, talk->expect) && copy_text(&copy->user, talk->user) &&
		copy_text(&copy->password, talk->password) &&
		copy_text(&copy->database, talk->database) && copy_text(&copy->query, talk->query);
	if (whole && talk->tls) {
		copy->tls = check_tls_copy(talk->tls);
		whole = copy->tls != NULL;
	}
	if (whole && talk->send) {
		copy->send = malloc(talk->send_length);
		whole = copy->send != NULL;
		if (whole)
			memcpy(copy->send, talk->send, talk->send_length);
		copy->send_length = talk->send_length;
	}
	if (whole && pattern) {
		copy->regex = check_regex_create(pattern, error, sizeof(error));
		whole = copy->regex != NULL;
	}
	if (whole)
		return copy;
	check_talk_destroy(copy);
	return NULL;
}

void
check_talk_destroy(struct check_talk *talk)
{
	if (!talk)
		return;
	check_tls_destroy(talk->tls);
	free(talk->method);
	free(talk->path);
	free(talk->version);
	free(talk->host);
	free(talk->headers);
	free(talk->user);
	free(talk->password);
	free(talk->database);
	free(talk->query);
	free(talk->send);
	free(talk->expect);
	check_regex_destroy(talk->regex);
	free(talk);
}
