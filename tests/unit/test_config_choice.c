/* SPDX-License-Identifier: BSD-3-Clause */
/* How a backend chooses among its servers: every key, right and wrong. */
#include "config_case.h"

#define B "$.backends[0]"
#define FRONTENDS \
	"'frontends': [{'name': 'f', 'bind': '198.51.100.1:80', 'default-backend': 'b'}], "
#define SERVER "{'name': 's', 'address': '10.0.0.1:80', 'weight': 10}"

static struct config *
load(const char *keys, const char *servers, const char *complaints)
{
	char *text = case_text("{" PORTS SECRET FRONTENDS
			       "'backends': [{'name': 'b', %s 'servers': [%s]}]}",
		keys, servers);
	struct config *config = config_case(text, complaints);

	free(text);
	return config;
}

static void
expect(const char *keys, const char *complaints)
{
	config_destroy(load(keys, SERVER, complaints));
}

static void
defaults(void)
{
	struct config *c = load("", SERVER, "");
	const struct backend_config *b;

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	b = &c->backends[0];
	CU_ASSERT(!b->ignored_bits4 && !b->ignored_bits6 && !b->balance_factor);
	CU_ASSERT(!b->reject_full && !b->all_backups && !b->quorum && !b->hysteresis);
	CU_ASSERT(!b->panic_threshold && !b->persist_ms);
	CU_ASSERT(!b->servers[0].maxconn && !b->servers[0].slowstart_ms);
	config_destroy(c);
}

static void
right(void)
{
	struct config *c = load("'source-prefix': 24, 'source-prefix6': 56, "
				"'hash-balance-factor': 125, 'on-maxconn': 'reject', "
				"'allbackups': true, 'quorum': 8, 'hysteresis': 2, "
				"'panic-threshold': 50, "
				"'persistence': {'prefix': 24, 'prefix6': 56, 'timeout': '6m'},",
		SERVER, "");
	const struct backend_config *b;

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	b = &c->backends[0];
	CU_ASSERT_EQUAL(b->ignored_bits4, 8);
	CU_ASSERT_EQUAL(b->ignored_bits6, 72);
	CU_ASSERT_EQUAL(b->balance_factor, 125);
	CU_ASSERT(b->reject_full && b->all_backups);
	CU_ASSERT_EQUAL(b->quorum, 8);
	CU_ASSERT_EQUAL(b->hysteresis, 2);
	CU_ASSERT_EQUAL(b->panic_threshold, 50);
	CU_ASSERT_EQUAL(b->persist_ms, 360000);
	CU_ASSERT_EQUAL(b->persist_prefix4, 24);
	CU_ASSERT_EQUAL(b->persist_prefix6, 56);
	config_destroy(c);
	c = load("'persistence': {'timeout': '5s'}, 'hash-balance-factor': 0,", SERVER, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(c->backends[0].persist_prefix4, 32);
	CU_ASSERT_EQUAL(c->backends[0].persist_prefix6, 128);
	CU_ASSERT_EQUAL(c->backends[0].balance_factor, 0);
	config_destroy(c);
}

/* Each level has the last word over the one before. */
static void
default_server(void)
{
	struct config *c = config_case_right(
		"{" PORTS SECRET FRONTENDS
		"'defaults': {'default-server': {'maxconn': 100, 'slowstart': '10s', 'weight': 5}},"
		"'backends': [{'name': 'b', 'default-server': {'maxconn': 200}, 'servers': ["
		"{'name': 's1', 'address': '10.0.0.1:80'},"
		"{'name': 's2', 'address': '10.0.0.2:80', 'maxconn': 0, 'slowstart': 0, "
		"'weight': 7}]}]}");
	const struct server_config *s = c->backends[0].servers;

	CU_ASSERT(s[0].maxconn == 200 && s[0].slowstart_ms == 10000 && s[0].weight == 5);
	CU_ASSERT(s[1].maxconn == 0 && s[1].slowstart_ms == 0 && s[1].weight == 7);
	config_destroy(c);
}

/* Where a server that comes back is everybody's choice, and only there, it warms up unasked. */
static void
leastconn_warms_up(void)
{
	static const struct {
		const char *keys;
		uint32_t slowstart_ms;
	} rows[] = {
		{ "'balance': 'leastconn'", 10000 },
		{ "'balance': 'roundrobin'", 0 },
		{ "'balance': 'leastconn', 'default-server': {'slowstart': 0}", 0 },
		{ "'balance': 'leastconn', 'default-server': {'slowstart': '2s'}", 2000 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char keys[128];
		struct config *c;

		snprintf(keys, sizeof(keys), "%s,", rows[i].keys);
		c = load(keys, SERVER, "");
		CU_ASSERT_PTR_NOT_NULL_FATAL(c);
		CU_ASSERT_EQUAL(c->backends[0].servers[0].slowstart_ms, rows[i].slowstart_ms);
		config_destroy(c);
	}
}

static void
wrong(void)
{
	expect("'source-prefix': 33,",
		B ".source-prefix: must be a whole number from 0 to 32, found the number 33");
	expect("'source-prefix6': -1,",
		B ".source-prefix6: must be a whole number from 0 to 128, found the number -1");
	expect("'balance': 'rr', 'source-prefix': 24,",
		B ".source-prefix: warning: has no effect: only 'balance': 'source' hashes");
	expect("'hash-balance-factor': 100,",
		B ".hash-balance-factor: must be a whole number from 101 to 65535, found the "
		  "number 100");
	expect("'balance': 'leastconn', 'hash-balance-factor': 150,",
		B ".hash-balance-factor: is for 'balance': 'source' only");
	expect("'on-maxconn': 'queue',",
		B ".on-maxconn: must be one of 'next', 'reject', found the string 'queue'");
	expect("'balance': 'first', 'on-maxconn': 'reject',",
		B ".on-maxconn: 'reject' is for algorithms that choose a server whether it is full "
		  "or not, which 'leastconn' and 'first' do not");
	expect("'allbackups': 1,", B ".allbackups: must be true or false, found the number 1");
	expect("'quorum': 4, 'hysteresis': 4,", B ".hysteresis: must be less than 'quorum'");
	expect("'quorum': 9, 'hysteresis': 2,",
		B ".quorum: warning: with 'hysteresis' is 11, more than all servers weigh together "
		  "(10): it is never there");
	expect("'panic-threshold': 101,",
		B ".panic-threshold: must be a whole number from 0 to 100, found the number 101");
	expect("'persistence': {'prefix': 24},", B ".persistence.timeout: missing, but required");
	expect("'persistence': '6m',", B ".persistence: must be an object, found the string '6m'");
	expect("'persistence': {'timeout': '25h'},",
		B ".persistence.timeout: must be from 1ms to 1d, found the string '25h'");
	expect("'default-server': {'check': true},",
		B ".default-server.check: unknown key; the keys here are: weight, maxconn, "
		  "slowstart, agent-check");
	config_destroy(load("",
		"{'name': 's', 'address': '10.0.0.1:80', 'maxconn': -1, 'slowstart': 'x'}",
		B
		".servers[0].maxconn: must be a whole number from 0 to 4294967295, found the "
		"number -1\n" B
		".servers[0].slowstart: must be a time such as '500ms', '2s', '15m' (units ms s m "
		"h d), from 0 to 1d, found the string 'x'"));
}

/* Where flows are not known, nothing can go by them. */
static void
stateless(void)
{
	static const struct {
		const char *keys, *key;
	} rows[] = {
		{ "'hash-balance-factor': 125,", "hash-balance-factor" },
		{ "'persistence': {'timeout': '5s'},", "persistence" },
		{ "'default-server': {'maxconn': 3},", "maxconn" },
		{ "'default-server': {'slowstart': '3s'},", "slowstart" },
		{ "'source-prefix': 24, 'quorum': 1, 'panic-threshold': 30,", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *complaint = case_text(rows[i].key
				? "$.frontends[0].flow-mode: 'stateless' does not go with '%s', "
				  "which backend 'b' has: it needs flows to be known"
				: "%s",
			rows[i].key ? rows[i].key : "");
		char *text = case_text("{" PORTS SECRET
				       "'frontends': [{'name': 'f', 'bind': '198.51.100.1:80', "
				       "'flow-mode': 'stateless', 'default-backend': 'b'}], "
				       "'backends': [{'name': 'b', 'forward': 'dr', %s 'servers': "
				       "[" SERVER "]}]}",
			rows[i].keys);

		case_quotes(complaint);
		config_destroy(config_case(text, complaint));
		free(complaint);
		free(text);
	}
}

static const struct unit_test tests[] = {
	{ "defaults", defaults },
	{ "right", right },
	{ "default-server", default_server },
	{ "leastconn warms up", leastconn_warms_up },
	{ "wrong", wrong },
	{ "stateless", stateless },
};

UNIT_MAIN("config_choice", tests)
