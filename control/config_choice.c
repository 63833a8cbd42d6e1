/* SPDX-License-Identifier: BSD-3-Clause */
/* How a backend chooses among its servers, and when it does without some of them. */
#include "config_read.h"

#define MAX_FACTOR 65535

void
config_read_balance(struct json_at at, uint8_t *algorithm)
{
	/* HAProxy's words first, then those of ipvsadm. */
	static const struct json_word words[] = {
		{ "source", SHUNT_SOURCE },
		{ "roundrobin", SHUNT_ROUNDROBIN },
		{ "leastconn", SHUNT_LEASTCONN },
		{ "random", SHUNT_RANDOM },
		{ "first", SHUNT_FIRST },
		{ "sh", SHUNT_SOURCE },
		{ "mh", SHUNT_SOURCE },
		{ "rr", SHUNT_ROUNDROBIN },
		{ "wrr", SHUNT_ROUNDROBIN },
		{ "lc", SHUNT_LEASTCONN },
		{ "wlc", SHUNT_LEASTCONN },
		{ NULL, 0 },
	};
	int value;

	if (json_get_word(at, words, &value))
		*algorithm = value;
}

static void
read_hash_on(struct json_at at, const struct backend_config *backend, uint8_t *hash_on)
{
	static const struct json_word words[] = {
		{ "source", SHUNT_HASH_SOURCE },
		{ "source-port", SHUNT_HASH_SOURCE_PORT },
		{ "connection", SHUNT_HASH_CONNECTION },
		{ NULL, 0 },
	};
	int value;

	if (!json_get_word(at, words, &value))
		return;
	*hash_on = value;
	if (backend->algorithm != SHUNT_SOURCE)
		json_at_warning(at, "has no effect: only \"balance\": \"source\" hashes");
}

/* How many of an address' bits count; *ignored: the rest. */
static void
read_prefix(struct json_at at, const struct backend_config *backend, int64_t bits, uint8_t *ignored)
{
	int64_t prefix;

	if (!json_get_int(at, 0, bits, &prefix))
		return;
	*ignored = bits - prefix;
	if (backend->algorithm != SHUNT_SOURCE)
		json_at_warning(at, "has no effect: only \"balance\": \"source\" hashes");
}

static void
read_balance_factor(struct json_at at, struct backend_config *backend)
{
	int64_t value;

	if (!config_key_is_for(at, backend->algorithm == SHUNT_SOURCE, "\"balance\": \"source\"") ||
		(json_is_integer(at.value) && json_integer_value(at.value) == 0))
		return;
	if (json_get_int(at, 101, MAX_FACTOR, &value))
		backend->balance_factor = value;
}

/* Where the algorithm itself goes by what room there is, a full server is never its choice. */
static void
read_on_maxconn(struct json_at at, struct backend_config *backend)
{
	static const struct json_word words[] = {
		{ "next", false },
		{ "reject", true },
		{ NULL, 0 },
	};
	bool asks = backend->algorithm == SHUNT_LEASTCONN || backend->algorithm == SHUNT_FIRST;
	int value;

	if (!json_get_word(at, words, &value))
		return;
	backend->reject_full = value;
	if (value && asks)
		json_at_error(at,
			"\"reject\" is for algorithms that choose a server whether it is full or "
			"not, which \"leastconn\" and \"first\" do not");
}

static void
read_quorum(const struct json_at *at, struct backend_config *backend)
{
	struct json_at quorum = json_at_member(at, "quorum");
	struct json_at hysteresis = json_at_member(at, "hysteresis");
	uint64_t all = 0;
	int64_t value;

	for (size_t i = 0; i < backend->server_count; i++)
		all += backend->servers[i].backup ? 0 : backend->servers[i].weight;
	if (json_get_int(quorum, 0, UINT32_MAX / 2, &value))
		backend->quorum = value;
	if (json_get_int(hysteresis, 0, UINT32_MAX / 2, &value))
		backend->hysteresis = value;
	if (backend->hysteresis && backend->hysteresis >= backend->quorum)
		json_at_error(hysteresis, "must be less than \"quorum\"");
	else if (backend->quorum && backend->quorum + backend->hysteresis > all)
		json_at_warning(quorum,
			"with \"hysteresis\" is %u, more than all servers weigh together (%lu): it "
			"is never there",
			backend->quorum + backend->hysteresis, all);
}

/* keepalived's persistence_granularity and persistence_timeout. */
static void
read_persistence(struct json_at at, struct backend_config *backend)
{
	static const char *const keys[] = { "prefix", "prefix6", "timeout", NULL };
	struct json_at timeout = json_at_member(&at, "timeout");
	int64_t prefix4 = 32, prefix6 = 128;

	if (!json_get_object(at, keys))
		return;
	json_get_int(json_at_member(&at, "prefix"), 0, 32, &prefix4);
	json_get_int(json_at_member(&at, "prefix6"), 0, 128, &prefix6);
	if (!json_at_require(timeout) ||
		!json_get_time_ms(timeout, 1, SHUNT_MAX_TIMEOUT_MS, &backend->persist_ms))
		return;
	backend->persist_prefix4 = prefix4;
	backend->persist_prefix6 = prefix6;
}

void
config_read_choice(struct json_at at, struct backend_config *backend)
{
	int64_t value;

	read_hash_on(json_at_member(&at, "hash-on"), backend, &backend->hash_on);
	read_prefix(json_at_member(&at, "source-prefix"), backend, 32, &backend->ignored_bits4);
	read_prefix(json_at_member(&at, "source-prefix6"), backend, 128, &backend->ignored_bits6);
	read_balance_factor(json_at_member(&at, "hash-balance-factor"), backend);
	read_on_maxconn(json_at_member(&at, "on-maxconn"), backend);
	json_get_bool(json_at_member(&at, "allbackups"), &backend->all_backups);
	read_quorum(&at, backend);
	if (json_get_int(json_at_member(&at, "panic-threshold"), 0, 100, &value))
		backend->panic_threshold = value;
	read_persistence(json_at_member(&at, "persistence"), backend);
}
