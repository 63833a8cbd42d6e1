/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "mem.h"
#include "mix.h"
#include "source_table.h"

#define SESSIONS_MASK 0xffffffffull
#define BUSY	      SESSIONS_MASK /* in place of sessions: it is being made another's */
#define SESSIONS_MAX  (BUSY - 1)
#define VERSION_ONE   (1ull << 32)

/* Looks at a set that another worker makes an entry in, and tries against what others swap in. */
#define CLAIM_TRIES 64
#define SWAP_TRIES  16

/* Of the window's word: its number 24, new sessions in the one before 20, in this one 20. */
#define WINDOW_BITS 20
#define WINDOW_MAX  ((1u << WINDOW_BITS) - 1)

struct source_entry {
	uint64_t state;	 /* version 32 | sessions 32 */
	uint64_t full;	 /* of its bucket: gcra.h */
	uint64_t window; /* how fast sessions come */
	uint64_t refused;
	uint64_t network[2];
	uint64_t name; /* number 32 | limit 16 */
	uint64_t pad;
};

struct source_set {
	uint64_t claimed;		 /* 1: somebody makes an entry */
	uint64_t tag[SOURCE_TABLE_WAYS]; /* 0: free */
	struct source_entry entry[SOURCE_TABLE_WAYS];
} __attribute__((aligned(SHUNT_CACHE_LINE)));

static_assert(sizeof(struct source_entry) == SHUNT_CACHE_LINE, "a line each");
static_assert(sizeof(struct source_set) == 8 * SHUNT_CACHE_LINE, "tags in the first");

struct source_table {
	uint64_t secret[4];
	uint64_t hz;
	uint32_t window_shift; /* a window is 2^this of the clock: between half a second and one */
	uint32_t set_count;
	struct source_set sets[];
};

/* A place that was looked up. */
struct found {
	struct source_entry *entry; /* NULL: there is none */
	uint64_t state;
};

static uint32_t
count_sets(uint32_t capacity)
{
	return (capacity + SOURCE_TABLE_WAYS - 1) / SOURCE_TABLE_WAYS;
}

uint64_t
source_table_bytes(uint32_t capacity)
{
	return sizeof(struct source_table) +
		(uint64_t)count_sets(capacity) * sizeof(struct source_set);
}

struct source_table *
source_table_create(uint32_t capacity, uint64_t hz, const uint64_t seed[2])
{
	struct source_table *t = mem_alloc(source_table_bytes(capacity));
	uint64_t state = seed[0] ^ seed[1];

	if (!t)
		return NULL;
	for (int i = 0; i < 4; i++)
		t->secret[i] = mix_next(&state) ^ seed[i & 1];
	t->hz = hz;
	t->window_shift = 63 - (uint32_t)__builtin_clzll(hz);
	t->set_count = count_sets(capacity);
	return t;
}

void
source_table_destroy(struct source_table *table)
{
	mem_free(table);
}

static uint64_t
name_of(const struct source_key *key)
{
	return key->number | (uint64_t)key->limit << 32;
}

static uint64_t
hash_of(const struct source_table *t, const struct source_key *key)
{
	uint64_t network[2];

	memcpy(network, key->network.bytes, sizeof(network));
	return mix_fold(mix_fold(network[0] ^ t->secret[0], network[1] ^ t->secret[1]) ^
			name_of(key) ^ t->secret[2],
		t->secret[3]);
}

static const struct source_set *
set_of(const struct source_table *t, uint64_t hash)
{
	return &t->sets[((hash >> 32) * t->set_count) >> 32];
}

static inline uint64_t
load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void
store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline bool
swap(uint64_t *word, uint64_t *expected, uint64_t value)
{
	return __atomic_compare_exchange_n(
		word, expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline uint32_t
sessions_in(uint64_t state)
{
	return (uint32_t)state;
}

static inline bool
same_version(uint64_t a, uint64_t b)
{
	return a >> 32 == b >> 32 && (b & SESSIONS_MASK) != BUSY;
}

/* The acquiring loads keep their order, so that what is read between two equal versions is one's.
 */
static bool
is_of(const struct source_entry *e, const struct source_key *key, uint64_t state)
{
	uint64_t network[2];

	memcpy(network, key->network.bytes, sizeof(network));
	return (state & SESSIONS_MASK) != BUSY && load(&e->network[0]) == network[0] &&
		load(&e->network[1]) == network[1] && load(&e->name) == name_of(key) &&
		same_version(state, load(&e->state));
}

static struct found
find(const struct source_set *set, uint64_t tag, const struct source_key *key)
{
	for (unsigned int i = 0; i < SOURCE_TABLE_WAYS; i++) {
		const struct source_entry *e = &set->entry[i];
		uint64_t state;

		if (load(&set->tag[i]) != tag)
			continue;
		state = load(&e->state);
		if (is_of(e, key, state))
			return (struct found){ (void *)(uintptr_t)e, state };
	}
	return (struct found){ 0 };
}

/* How near an entry is to its limits: 0, or 1 for an idle one up to GEN_LIMIT_FULL + 1 and more. */
static uint64_t
nearness(const struct source_entry *e, const struct gen_limits *limits, uint64_t now)
{
	uint64_t name = load(&e->name), full = load(&e->full), sessions, clock;
	uint32_t number = (uint32_t)name, id = (uint32_t)(name >> 32);
	const struct gen_limit *limit;

	if (id >= limits->end || limits->limit[id].source_number != number)
		/* Nobody counts it any more, or a later generation than this worker's does. */
		return number <= limits->last_number ? 0 : UINT64_MAX;
	limit = &limits->limit[id];
	sessions = sessions_in(load(&e->state)) * limit->session_weight;
	if (full <= now || !limit->source_rate.period)
		return sessions + 1;
	clock = full - now;
	if (clock > limit->source_rate.tolerance + limit->source_rate.period)
		clock = limit->source_rate.tolerance + limit->source_rate.period;
	clock = (clock * limit->clock_weight) >> 32;
	return (sessions > clock ? sessions : clock) + 1;
}

/*
 * The way that a new network takes. *value: how near the one there is to its limits. Of equals it
 * is any, by the tag: in a flood none of them stays for longer than others, and one that comes
 * again has the time to.
 */
static unsigned int
choose_way(const struct source_set *set, uint64_t tag, const struct gen_limits *limits,
	uint64_t now, uint64_t *value)
{
	unsigned int i = (unsigned int)(((tag & UINT32_MAX) * SOURCE_TABLE_WAYS) >> 32), best = i;

	*value = UINT64_MAX;
	for (unsigned int left = SOURCE_TABLE_WAYS; left > 0; left--) {
		uint64_t near = 0;

		if (set->tag[i])
			near = nearness(&set->entry[i], limits, now);
		if (near < *value) {
			best = i;
			*value = near;
		}
		if (near == 0)
			break;
		i = i + 1 == SOURCE_TABLE_WAYS ? 0 : i + 1;
	}
	return best;
}

/* Makes an entry; the set is claimed. */
static struct found
make(struct source_set *set, uint64_t tag, const struct source_key *key,
	const struct gen_limits *limits, uint64_t now, uint64_t *evicted)
{
	for (int try = 0; try < SWAP_TRIES; try++) {
		uint64_t value, state, network[2];
		unsigned int way = choose_way(set, tag, limits, now, &value);
		struct source_entry *e = &set->entry[way];

		if (value == UINT64_MAX)
			break;
		state = load(&e->state);
		if (!swap(&e->state, &state, ((state >> 32) + 1) << 32 | BUSY))
			continue;
		memcpy(network, key->network.bytes, sizeof(network));
		store(&e->network[0], network[0]);
		store(&e->network[1], network[1]);
		store(&e->name, name_of(key));
		store(&e->full, now);
		store(&e->window, 0);
		store(&e->refused, 0);
		store(&set->tag[way], tag);
		state = ((state >> 32) + 1) << 32;
		store(&e->state, state);
		*evicted += value > 1;
		return (struct found){ e, state };
	}
	return (struct found){ 0 };
}

static struct found
find_or_make(struct source_table *t, const struct source_key *key, const struct gen_limits *limits,
	uint64_t now, uint64_t *evicted)
{
	uint64_t hash = hash_of(t, key), tag = hash | 1;
	struct source_set *set = (void *)(uintptr_t)set_of(t, hash);
	struct found found = find(set, tag, key);

	for (int try = 0; !found.entry && try < CLAIM_TRIES; try++) {
		uint64_t unclaimed = 0;

		if (swap(&set->claimed, &unclaimed, 1)) {
			found = find(set, tag, key); /* by whoever had claimed it before */
			if (!found.entry)
				found = make(set, tag, key, limits, now, evicted);
			store(&set->claimed, 0);
			break;
		}
		found = find(set, tag, key);
	}
	return found;
}

/* The window's word as it would be now. */
static uint64_t
window_at(uint64_t word, uint64_t number)
{
	uint64_t before = word >> 2 * WINDOW_BITS, count = word & WINDOW_MAX;

	number &= (1u << 24) - 1;
	if (before == number)
		return word;
	if (((before + 1) & ((1u << 24) - 1)) != number)
		count = 0;
	return number << 2 * WINDOW_BITS | count << WINDOW_BITS;
}

static void
count_new(const struct source_table *t, struct source_entry *e, uint64_t now)
{
	uint64_t word = load(&e->window), next;

	for (int try = 0; try < SWAP_TRIES; try++) {
		next = window_at(word, now >> t->window_shift);
		if ((next & WINDOW_MAX) == WINDOW_MAX || swap(&e->window, &word, next + 1))
			return;
	}
}

/* This window's, and of the one before as much as a full window needs. */
static uint32_t
rate_of(const struct source_table *t, const struct source_entry *e, uint64_t now)
{
	uint64_t word = window_at(load(&e->window), now >> t->window_shift);
	uint64_t passed = (now >> (t->window_shift - 8)) & 0xff;
	uint64_t before = (word >> WINDOW_BITS) & WINDOW_MAX;
	uint64_t count = ((word & WINDOW_MAX) << 8) + before * (256 - passed);

	return (uint32_t)((count * (t->hz >> (t->window_shift - 8))) >> 16);
}

/* One session more, up to `most`. -1: it has become another's. */
static int
add_session(struct found *found, uint64_t most)
{
	uint64_t version = found->state;

	while (same_version(version, found->state)) {
		if (sessions_in(found->state) >= most)
			return 0;
		if (swap(&found->entry->state, &found->state, found->state + 1)) {
			found->state++;
			return 1;
		}
	}
	return -1;
}

static void
remove_session(struct found *found)
{
	uint64_t version = found->state;

	while (same_version(version, found->state) && sessions_in(found->state) > 0) {
		if (swap(&found->entry->state, &found->state, found->state - 1))
			return;
	}
}

static uint64_t
most_sessions(const struct gen_limit *limit, bool replaces)
{
	return limit->source_maxconn ? (uint64_t)limit->source_maxconn + replaces : SESSIONS_MAX;
}

static enum source_verdict
begin(struct source_table *t, const struct gen_limit *limit, struct found *found, bool replaces,
	uint64_t now)
{
	struct source_entry *e = found->entry;
	int added = add_session(found, most_sessions(limit, replaces));
	enum source_verdict verdict = SOURCE_COUNTED;

	if (added < 0)
		return SOURCE_LET_BY;
	count_new(t, e, now);
	if (!added) {
		verdict = limit->source_maxconn ? SOURCE_OVER_MAXCONN : SOURCE_LET_BY;
	} else if (limit->source_rate.period && !gcra_take(&limit->source_rate, &e->full, now)) {
		remove_session(found);
		verdict = SOURCE_OVER_RATE;
	}
	if (verdict >= SOURCE_OVER_RATE)
		__atomic_fetch_add(&e->refused, 1, __ATOMIC_RELAXED);
	return verdict;
}

enum source_verdict
source_table_begin(struct source_table *t, const struct gen_limits *limits,
	const struct source_key *key, bool replaces, uint64_t now, uint64_t *evicted)
{
	struct found found = find_or_make(t, key, limits, now, evicted);

	if (!found.entry)
		return SOURCE_LET_BY;
	return begin(t, &limits->limit[key->limit], &found, replaces, now);
}

bool
source_table_add(struct source_table *t, const struct gen_limits *limits,
	const struct source_key *key, uint64_t now, uint64_t *evicted)
{
	struct found found = find_or_make(t, key, limits, now, evicted);

	return found.entry && add_session(&found, SESSIONS_MAX) > 0;
}

static struct found
look_up(const struct source_table *t, const struct source_key *key)
{
	uint64_t hash = hash_of(t, key);

	return find(set_of(t, hash), hash | 1, key);
}

void
source_table_end(struct source_table *t, const struct source_key *key)
{
	struct found found = look_up(t, key);

	if (found.entry)
		remove_session(&found);
}

void
source_table_undo(
	struct source_table *t, const struct gen_limit *limit, const struct source_key *key)
{
	struct found found = look_up(t, key);

	if (!found.entry)
		return;
	remove_session(&found);
	if (limit->source_rate.period)
		gcra_give_back(&limit->source_rate, &found.entry->full);
}

struct source_facts
source_table_facts(const struct source_table *t, const struct source_key *key, uint64_t now)
{
	const struct found found = look_up(t, key);

	if (!found.entry)
		return (struct source_facts){ 0 };
	return (struct source_facts){
		.sessions = sessions_in(found.state),
		.rate = rate_of(t, found.entry, now),
		.refused = load(&found.entry->refused),
	};
}

enum source_verdict
source_table_ask(const struct source_table *t, const struct gen_limit *limit,
	const struct source_key *key, uint64_t now)
{
	const struct found found = look_up(t, key);

	if (!found.entry)
		return SOURCE_COUNTED;
	if (sessions_in(found.state) >= most_sessions(limit, false))
		return SOURCE_OVER_MAXCONN;
	if (limit->source_rate.period && !gcra_has(&limit->source_rate, &found.entry->full, now))
		return SOURCE_OVER_RATE;
	return SOURCE_COUNTED;
}

/* An entry as a row and how near it is, if it is one and stays one while it is read. */
static bool
read_row(const struct source_table *t, const struct source_entry *e,
	const struct gen_limits *limits, uint64_t now, struct shunt_source_row *row, uint64_t *near)
{
	uint64_t state = load(&e->state), name = load(&e->name), network[2];
	uint32_t id = (uint32_t)(name >> 32);

	*near = nearness(e, limits, now);
	if ((state & SESSIONS_MASK) == BUSY || id >= limits->end ||
		limits->limit[id].source_number != (uint32_t)name)
		return false;
	network[0] = load(&e->network[0]);
	network[1] = load(&e->network[1]);
	*row = (struct shunt_source_row){
		.limit = id,
		.sessions = sessions_in(state),
		.rate = rate_of(t, e, now),
		.refused = load(&e->refused),
	};
	memcpy(row->network.bytes, network, sizeof(network));
	row->bits = limits->limit[id].source_bits[!shunt_addr_is_v4(&row->network)];
	if (shunt_addr_is_v4(&row->network))
		row->bits -= 96;
	return same_version(state, load(&e->state)) &&
		(row->sessions || row->rate || row->refused || *near > 1);
}

/* Nearer ones first, then those that were refused more. */
static bool
is_before(const struct shunt_source_row *a, uint64_t near_a, const struct shunt_source_row *b,
	uint64_t near_b)
{
	return near_a != near_b ? near_a > near_b : a->refused > b->refused;
}

uint32_t
source_table_top(const struct source_table *t, const struct gen_limits *limits, uint64_t now,
	struct shunt_source_row *rows, uint32_t max)
{
	uint64_t near[SHUNT_MAX_SOURCE_ROWS], value;
	struct shunt_source_row row;
	uint32_t count = 0, at;

	if (max > SHUNT_MAX_SOURCE_ROWS)
		max = SHUNT_MAX_SOURCE_ROWS;
	for (uint64_t i = 0; i < (uint64_t)t->set_count * SOURCE_TABLE_WAYS; i++) {
		const struct source_set *set = &t->sets[i / SOURCE_TABLE_WAYS];

		if (!load(&set->tag[i % SOURCE_TABLE_WAYS]) ||
			!read_row(t, &set->entry[i % SOURCE_TABLE_WAYS], limits, now, &row, &value))
			continue;
		at = count;
		while (at > 0 && is_before(&row, value, &rows[at - 1], near[at - 1])) {
			if (at < max) {
				rows[at] = rows[at - 1];
				near[at] = near[at - 1];
			}
			at--;
		}
		if (at == max)
			continue;
		rows[at] = row;
		near[at] = value;
		count += count < max;
	}
	return count;
}
