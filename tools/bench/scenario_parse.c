/* SPDX-License-Identifier: BSD-3-Clause */
#include "scenario_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "image.h"
#include "pkt.h"

#define MAX_SERVERS 10000
#define MAX_FLOWS   (10u << 20)

/* Each sets its part of the scenario, if the value is one. */
typedef bool set_fn(struct scenario *s, const char *value);

static bool
one_of(const char *value, const char *const *names, uint8_t count, uint8_t *out)
{
	for (*out = 0; *out < count; ++*out) {
		if (strcmp(value, names[*out]) == 0)
			return true;
	}
	return false;
}

/* A number, or with k or M so many times 2^10 or 2^20. */
static bool
number(const char *value, uint32_t min, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long long parsed;

	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	parsed = strtoull(value, &end, 10);
	if (errno || parsed > max)
		return false;
	if (*end == 'k' || *end == 'M')
		parsed <<= *end++ == 'k' ? 10 : 20;
	if (*end || parsed < min || parsed > max)
		return false;
	*out = (uint32_t)parsed;
	return true;
}

static bool
set_mode(struct scenario *s, const char *value)
{
	static const char *const names[] = { "nat", "fullnat", "dr", "tunnel" };
	static const uint8_t modes[] = { SHUNT_NAT, SHUNT_FULLNAT, SHUNT_DR, SHUNT_TUNNEL };
	uint8_t i;
	bool good = one_of(value, names, 4, &i);

	if (good)
		s->forward = modes[i];
	return good;
}

static bool
set_family(struct scenario *s, const char *value)
{
	static const char *const names[] = { "ipv4", "ipv6" };
	uint8_t i;
	bool good = one_of(value, names, 2, &i);

	if (good)
		s->version = i ? 6 : 4;
	return good;
}

static bool
set_flows(struct scenario *s, const char *value)
{
	return number(value, PKT_BURST, MAX_FLOWS, &s->flows);
}

static bool
set_new(struct scenario *s, const char *value)
{
	return number(value, 0, 100, &s->new_percent);
}

static bool
set_services(struct scenario *s, const char *value)
{
	return number(value, 1, SHUNT_MAX_SERVICES - 1, &s->services);
}

static bool
set_servers(struct scenario *s, const char *value)
{
	return number(value, 1, MAX_SERVERS, &s->servers);
}

static bool
set_burst(struct scenario *s, const char *value)
{
	uint32_t burst = 0;
	bool good = number(value, 1, PKT_BURST, &burst);

	s->burst = (uint16_t)burst;
	return good;
}

static bool
set_distribution(struct scenario *s, const char *value)
{
	static const char *const names[] = { "uniform", "zipf" };
	uint8_t i;
	bool good = one_of(value, names, 2, &i);

	s->zipf = i == 1;
	return good;
}

static bool
set_kind(struct scenario *s, const char *value)
{
	static const char *const names[] = { "packets", "connections" };

	return one_of(value, names, 2, &s->kind);
}

static bool
set_flow_mode(struct scenario *s, const char *value)
{
	static const char *const names[] = { "stateful", "stateless" };
	uint8_t i;
	bool good = one_of(value, names, 2, &i);

	s->stateless = i == 1;
	return good;
}

static bool
set_balance(struct scenario *s, const char *value)
{
	static const char *const names[] = { "source", "roundrobin", "leastconn", "random" };
	static const uint8_t balances[] = { SHUNT_SOURCE, SHUNT_ROUNDROBIN, SHUNT_LEASTCONN,
		SHUNT_RANDOM };
	uint8_t i;
	bool good = one_of(value, names, 4, &i);

	if (good)
		s->balance = balances[i];
	return good;
}

static bool
set_hash_on(struct scenario *s, const char *value)
{
	static const char *const names[] = { "source-port", "connection" };
	uint8_t i;
	bool good = one_of(value, names, 2, &i);

	s->by_connection = i == 1;
	return good;
}

static bool
set_rules(struct scenario *s, const char *value)
{
	return number(value, 0, IMAGE_MAX_RULES, &s->rules);
}

static bool
set_new_are(struct scenario *s, const char *value)
{
	static const char *const names[] = { "clients", "flood" };
	uint8_t i;
	bool good = one_of(value, names, 2, &i);

	s->flood = i == 1;
	return good;
}

static const struct word {
	const char *name;
	const char *values;
	set_fn *set;
} words[] = {
	{ "mode", "nat, fullnat, dr or tunnel", set_mode },
	{ "family", "ipv4 or ipv6", set_family },
	{ "flows", "established flows, 64 to 10M (k: 2^10, M: 2^20)", set_flows },
	{ "new", "packets that open a flow, 0 to 100 in a hundred", set_new },
	{ "services", "1 to 8191", set_services },
	{ "servers", "1 to 10000", set_servers },
	{ "burst", "packets received at a time, 1 to 64", set_burst },
	{ "distribution", "uniform or zipf", set_distribution },
	{ "flow-mode", "stateful, or stateless (modes dr and tunnel)", set_flow_mode },
	{ "balance", "source, roundrobin, leastconn or random", set_balance },
	{ "hash-on", "source-port or connection", set_hash_on },
	{ "rules", "of each service, 0 to 100000 (flow-mode stateful)", set_rules },
	{ "new-are", "clients, or a flood answered with SYN cookies (mode nat)", set_new_are },
	{ "kind", "packets, or connections from SYN to FIN (mode nat)", set_kind },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static_assert(SHUNT_MAX_SERVICES - 1 == 8191, "as the word says");
static_assert(PKT_BURST == 64, "as the words say");

const char *
scenario_words(void)
{
	static char text[1024];
	size_t length = 0;

	for (size_t i = 0; i < WORDS && length < sizeof(text); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%25s%-12s %s\n",
			"", words[i].name, words[i].values);
	return text;
}

static int
refuse(const char *item, const char *why)
{
	fprintf(stderr, "shunt-bench: --scenario: '%s': %s\n", item, why);
	return -EINVAL;
}

static int
refuse_name(const char *item)
{
	char why[256] = "no such word; there are";
	size_t length = strlen(why);

	for (size_t i = 0; i < WORDS && length < sizeof(why); i++)
		length += (size_t)snprintf(
			why + length, sizeof(why) - length, "%s %s", i ? "," : "", words[i].name);
	return refuse(item, why);
}

/* WORD=VALUE; seen: bits of the words that were there before. */
static int
parse_item(const char *item, struct scenario *s, uint32_t *seen)
{
	size_t length = strcspn(item, "=");

	for (size_t i = 0; i < WORDS; i++) {
		if (strlen(words[i].name) != length || strncmp(item, words[i].name, length) != 0)
			continue;
		if (*seen & 1u << i)
			return refuse(item, "given twice");
		*seen |= 1u << i;
		if (!item[length] || !words[i].set(s, item + length + 1))
			return refuse(item, words[i].values);
		return 0;
	}
	return refuse_name(item);
}

/* What does not go together. */
static int
check(const char *text, struct scenario *s, uint32_t seen)
{
	if (s->kind == SCENARIO_CONNECTIONS) {
		bool has_new = false, has_distribution = s->zipf;

		for (size_t i = 0; i < WORDS; i++)
			has_new |= words[i].set == set_new && seen & 1u << i;
		if (s->forward != SHUNT_NAT)
			return refuse(text, "connections go both ways through mode nat only");
		if (has_new || has_distribution)
			return refuse(text, "connections have no share of new flows, and no zipf");
		s->new_percent = SCENARIO_CONNECTIONS_NEW;
	}
	if (s->stateless && s->forward != SHUNT_DR && s->forward != SHUNT_TUNNEL)
		return refuse(text, "flows are stateless in modes dr and tunnel only");
	if (s->balance != SHUNT_SOURCE && (s->stateless || s->kind == SCENARIO_CONNECTIONS))
		return refuse(text, "connections and stateless flows need balance=source");
	if (s->stateless && s->rules)
		return refuse(text, "stateless flows have no rules");
	if (s->flood && (s->forward != SHUNT_NAT || s->kind == SCENARIO_CONNECTIONS))
		return refuse(text, "a flood is of packets, and answered in mode nat only");
	if (!image_has_ports(s))
		return refuse(text,
			"full NAT has not so many ports to one server; more servers are needed");
	return 0;
}

int
scenario_parse(const char *text, struct scenario *s)
{
	char *copy = strdup(text), *rest = copy, *item;
	uint32_t seen = 0;
	int result = copy ? 0 : -ENOMEM;

	*s = *scenario_base();
	while (result == 0 && (item = strsep(&rest, ",")))
		result = parse_item(item, s, &seen);
	free(copy);
	return result < 0 ? result : check(text, s, seen);
}
