/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check asks a DNS server, and which answers are good. */
#include <string.h>
#include <strings.h>

#include "config_read.h"

#define NAME_MAX_BYTES 255 /* as text, with the dot at its end */
#define TYPE_SOA       6

static const struct json_word types[] = {
	{ "A", 1 },
	{ "NS", 2 },
	{ "CNAME", 5 },
	{ "SOA", TYPE_SOA },
	{ "PTR", 12 },
	{ "MX", 15 },
	{ "TXT", 16 },
	{ "AAAA", 28 },
	{ "SRV", 33 },
	{ "NAPTR", 35 },
	{ "DS", 43 },
	{ "DNSKEY", 48 },
	{ "SVCB", 64 },
	{ "HTTPS", 65 },
	{ "ANY", 255 },
	{ "CAA", 257 },
	{ NULL, 0 },
};

static void
read_query(struct json_at at, char **query)
{
	uint8_t name[CHECK_DNS_NAME_SIZE];
	const char *text;

	if (!json_get_string(at, NAME_MAX_BYTES, &text))
		return;
	if (!check_dns_name(text, name))
		json_at_mismatch(at,
			"a name such as \"www.example.org\" or \".\", whose labels have 1 to 63 "
			"bytes of printable ASCII");
	else
		config_set_text(at, query, text, strlen(text));
}

static void
read_type(struct json_at at, uint16_t *type)
{
	int64_t number;
	int value;

	if (json_is_integer(at.value)) {
		if (json_get_int(at, 1, 65535, &number))
			*type = (uint16_t)number;
	} else if (json_get_word(at, types, &value)) {
		*type = (uint16_t)value;
	}
}

static bool
read_rcode(struct json_at at, struct check_statuses *out)
{
	int64_t value = -1;

	if (json_is_integer(at.value) && !json_get_int(at, 0, CHECK_DNS_RCODE_MAX, &value))
		return false;
	for (unsigned int i = 0; json_is_string(at.value) && i <= CHECK_DNS_RCODE_MAX; i++) {
		const char *name = check_dns_rcode_name(i);

		if (name && strcasecmp(json_string_value(at.value), name) == 0)
			value = i;
	}
	if (value < 0)
		return json_at_mismatch(at,
			"a response code: a name such as \"NOERROR\", or a number from 0 to 15");
	*out = (struct check_statuses){ (uint16_t)value, (uint16_t)value };
	return true;
}

void
config_read_dns(const struct json_at *at, struct check_talk *talk)
{
	struct json_at rcode_at = json_at_member(at, "rcode");

	if (!talk->query) {
		config_set_text(*at, &talk->query, ".", 1);
		talk->query_type = TYPE_SOA;
		talk->statuses[0] = (struct check_statuses){ 0, 0 };
		talk->status_count = 1;
	}
	read_query(json_at_member(at, "query"), &talk->query);
	read_type(json_at_member(at, "query-type"), &talk->query_type);
	config_read_statuses(rcode_at, read_rcode, talk->statuses, &talk->status_count);
	config_refuse_empty(rcode_at);
}
