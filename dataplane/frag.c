/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "frag.h"
#include "fields.h"
#include "mem.h"
#include "mix.h"

#define NONE UINT16_MAX /* no place among the waiting */

/*
 * Who sends a datagram's fragments, and to whom. IPv6 has no protocol in it: RFC 8200 section 4.5
 * identifies a datagram without, for the next header of later fragments need not be the first's.
 */
struct frag_key {
	uint8_t source[16]; /* IPv4: the first four bytes, the rest zero */
	uint8_t destination[16];
	uint32_t id;
	uint8_t protocol;
	uint8_t version;
	uint8_t pad[2];
};

static_assert(sizeof(struct frag_key) == 40, "hashed and compared as bytes");

enum frag_state {
	STATE_WAITING,	 /* for the first fragment */
	STATE_HERE,	 /* the others go the way of the first */
	STATE_ELSEWHERE, /* all go to the flow's owner */
	STATE_REFUSED,	 /* the first was dropped, and so are the others */
};

struct frag_entry {
	struct frag_key key;
	uint64_t touched_ms;
	uint8_t state; /* enum frag_state */
	uint8_t drop;  /* REFUSED */
	uint8_t owner; /* ELSEWHERE */
	/* HERE, as in struct pkt: */
	uint8_t direction;
	uint8_t protocol;
	uint16_t client_port_be;
	uint16_t service;
	uint16_t hop;
	uint16_t source_port;
	uint16_t service_port_be;
	uint8_t source;
	uint32_t server;
	uint32_t owner_hash;
	/* Of the first, to tell another first one from a copy, and what overlaps it. */
	uint16_t sport_be;
	uint16_t dport_be;
	uint16_t first_bytes;
	/* Once as many bytes have been seen as the last fragment says there are, it is complete. */
	uint32_t total_bytes; /* 0: the last has not been seen */
	uint32_t seen_bytes;
	uint16_t waiting_first; /* WAITING: places, in order of arrival; NONE: none */
	uint16_t waiting_last;
	uint16_t waiting_count;
};

/* A fragment that waits. */
struct frag_place {
	void *handle; /* NULL: taken out already */
	uint64_t since_ms;
	struct frag_entry *entry; /* NULL: has given way to another */
	uint16_t next;		  /* of the same entry */
	struct pkt pkt;
};

/*
 * The places of those that wait are used in order, as a ring: all wait equally long, so the oldest
 * is the next to go. One that is taken out before its turn leaves its place empty.
 */
struct frag_table {
	uint64_t seed[2];
	uint32_t worker;
	uint32_t head; /* places head .. tail - 1 are in use, modulo FRAG_WAITING */
	uint32_t tail;
	uint32_t waiting;
	struct frag_entry *current; /* of the last frag_first(); NULL: it was not entered */
	uint16_t released;	    /* first of the places that waited for it, or NONE */
	struct frag_place places[FRAG_WAITING];
	/* A tag is 0 for a free entry, else bits of the key's hash: few keys are compared. */
	uint32_t tags[FRAG_BUCKETS][FRAG_WAYS];
	struct frag_entry entries[FRAG_BUCKETS][FRAG_WAYS];
};

static_assert((FRAG_WAITING & (FRAG_WAITING - 1)) == 0, "a mask is used");
static_assert((FRAG_BUCKETS & (FRAG_BUCKETS - 1)) == 0, "a mask is used");

struct frag_table *
frag_table_create(uint32_t worker, const uint64_t seed[2])
{
	struct frag_table *t = mem_alloc(sizeof(*t));

	if (!t)
		return NULL;
	t->seed[0] = seed[0];
	t->seed[1] = seed[1];
	t->worker = worker;
	t->released = NONE;
	return t;
}

void
frag_table_destroy(struct frag_table *table)
{
	mem_free(table);
}

uint32_t
frag_waiting(const struct frag_table *table)
{
	return table->waiting;
}

static void
frag_key_of(const struct pkt *p, struct frag_key *key)
{
	const uint8_t *ip = p->data + p->l3_offset;

	memset(key, 0, sizeof(*key));
	if (p->version == 4) {
		memcpy(key->source, ip + 12, 4);
		memcpy(key->destination, ip + 16, 4);
		key->protocol = p->protocol;
	} else {
		memcpy(key->source, ip + 8, 16);
		memcpy(key->destination, ip + 24, 16);
	}
	key->id = p->fragment_id;
	key->version = p->version;
}

/*
 * Keyed and non-linear, so that nobody outside can aim at a bucket or a worker. The constants are
 * those of wyhash (Wang Yi, 2019).
 */
static uint64_t
frag_hash(const struct frag_key *key, uint64_t seed_a, uint64_t seed_b)
{
	uint64_t words[5], h;

	memcpy(words, key, sizeof(words));
	h = mix_fold(words[0] ^ seed_a ^ 0xa0761d6478bd642full, words[1] ^ seed_b);
	h = mix_fold(words[2] ^ h ^ 0xe7037ed1a0b428dbull, words[3] ^ seed_a);
	return mix_fold(words[4] ^ h ^ 0x8ebc6af09c88c6e3ull, seed_b ^ 0x589965cc75374cc3ull);
}

uint32_t
frag_owner_hash(const struct pkt *p, uint64_t owner_seed)
{
	struct frag_key key;

	frag_key_of(p, &key);
	return frag_hash(&key, owner_seed, owner_seed << 32 | owner_seed >> 32) >> 32;
}

/* Also whether nothing more is to be expected of it: then another may have its place. */
static bool
is_complete(const struct frag_entry *e)
{
	return e->state != STATE_WAITING && e->total_bytes && e->seen_bytes >= e->total_bytes;
}

static bool
is_over(const struct frag_entry *e, uint64_t now_ms)
{
	return e->state != STATE_WAITING && now_ms - e->touched_ms >= FRAG_LIFETIME_MS;
}

/* Those that wait for this entry's first fragment wait for nothing any more. */
static void
orphan_waiting(struct frag_table *t, struct frag_entry *e)
{
	for (uint16_t i = e->waiting_first; i != NONE; i = t->places[i].next)
		t->places[i].entry = NULL;
}

/* The entry for a key that is not there: a free one, or that which has been silent longest. */
static struct frag_entry *
enter(struct frag_table *t, const struct frag_key *key, uint32_t bucket, uint32_t tag,
	uint64_t now_ms)
{
	struct frag_entry *entries = t->entries[bucket];
	unsigned int way = 0;

	for (unsigned int i = 0; i < FRAG_WAYS; i++) {
		if (t->tags[bucket][i] == 0) {
			way = i;
			break;
		}
		if (is_complete(&entries[i]) > is_complete(&entries[way]) ||
			(is_complete(&entries[i]) == is_complete(&entries[way]) &&
				entries[i].touched_ms < entries[way].touched_ms))
			way = i;
	}
	if (t->tags[bucket][way] && entries[way].state == STATE_WAITING)
		orphan_waiting(t, &entries[way]);
	t->tags[bucket][way] = tag;
	memset(&entries[way], 0, sizeof(entries[way]));
	entries[way].key = *key;
	entries[way].touched_ms = now_ms;
	entries[way].waiting_first = entries[way].waiting_last = NONE;
	return &entries[way];
}

/* The entry of p's datagram. NULL: there is none, and `make` is not set. */
static struct frag_entry *
find(struct frag_table *t, const struct pkt *p, bool make, uint64_t now_ms)
{
	struct frag_key key;
	uint32_t bucket, tag;
	uint64_t hash;

	frag_key_of(p, &key);
	hash = frag_hash(&key, t->seed[0], t->seed[1]);
	bucket = hash & (FRAG_BUCKETS - 1);
	tag = (uint32_t)(hash >> 32) | 1;
	for (unsigned int i = 0; i < FRAG_WAYS; i++) {
		struct frag_entry *e = &t->entries[bucket][i];

		if (t->tags[bucket][i] != tag || memcmp(&e->key, &key, sizeof(key)) != 0)
			continue;
		if (!is_over(e, now_ms))
			return e;
		t->tags[bucket][i] = 0;
		break;
	}
	return make ? enter(t, &key, bucket, tag, now_ms) : NULL;
}

/* Forgets an entry that nothing waits for any more. */
static void
forget(struct frag_table *t, const struct frag_entry *e)
{
	size_t index = (size_t)(e - &t->entries[0][0]);

	t->tags[index / FRAG_WAYS][index % FRAG_WAYS] = 0;
}

static void
count_bytes(struct frag_entry *e, const struct pkt *p)
{
	e->seen_bytes += p->fragment_bytes;
	if (!p->fragment_more)
		e->total_bytes = (uint32_t)p->fragment_offset + p->fragment_bytes;
}

/*
 * The same ports again are a copy that the network made, or a new datagram for which the sender has
 * come round to the same id (RFC 4963): either is forwarded. With other ports the fragments of
 * two datagrams could not be told apart, unless all of the former have been seen.
 */
static bool
is_another_datagram(const struct frag_entry *e, const struct pkt *p)
{
	return e->state != STATE_WAITING && !is_complete(e) &&
		(e->sport_be != p->sport_be || e->dport_be != p->dport_be);
}

enum frag_step
frag_first(struct frag_table *t, struct pkt *p, uint32_t flow_owner, uint64_t now_ms)
{
	struct frag_entry *e = find(t, p, true, now_ms);

	t->current = NULL;
	t->released = NONE;
	if (is_another_datagram(e, p)) {
		p->drop = SHUNT_DROP_FRAGMENT_DUPLICATE;
		return FRAG_DROP;
	}
	t->current = e;
	t->released = e->waiting_first;
	e->waiting_first = e->waiting_last = NONE;
	e->waiting_count = 0;
	e->touched_ms = now_ms;
	e->sport_be = p->sport_be;
	e->dport_be = p->dport_be;
	e->first_bytes = p->fragment_bytes;
	e->total_bytes = 0;
	e->seen_bytes = 0;
	count_bytes(e, p);
	e->state = STATE_REFUSED;
	e->drop = p->drop;
	if (p->drop)
		return FRAG_DROP;
	if (flow_owner == t->worker)
		return FRAG_FORWARD;
	e->state = STATE_ELSEWHERE;
	e->owner = (uint8_t)flow_owner;
	return FRAG_HAND_OVER;
}

void
frag_settle(struct frag_table *t, const struct pkt *p)
{
	struct frag_entry *e = t->current;

	e->state = p->drop ? STATE_REFUSED : STATE_HERE;
	e->drop = p->drop;
	e->direction = p->direction;
	e->protocol = p->protocol;
	e->client_port_be = p->client_port_be;
	e->service = p->service;
	e->hop = p->hop;
	e->source = p->source;
	e->source_port = p->source_port;
	e->service_port_be = p->service_port_be;
	e->server = p->server;
	e->owner_hash = p->owner_hash;
}

void *
frag_take(struct frag_table *t, struct pkt *p)
{
	struct frag_place *place;
	void *handle;

	if (t->released == NONE)
		return NULL;
	place = &t->places[t->released];
	t->released = place->next;
	handle = place->handle;
	*p = place->pkt;
	place->handle = NULL;
	t->waiting--;
	return handle;
}

static enum frag_step
drop(struct pkt *p, enum shunt_drop reason)
{
	p->drop = (uint8_t)reason;
	p->silent = true; /* the first one's sender is told, if anybody */
	p->server = 0;	  /* if it is for the first one's being too big: this one is not split */
	return FRAG_DROP;
}

static enum frag_step
wait_for_first(struct frag_table *t, struct frag_entry *e, const struct pkt *p, void *handle,
	uint64_t now_ms)
{
	uint16_t index = t->tail & (FRAG_WAITING - 1);
	struct frag_place *place = &t->places[index];

	t->tail++;
	t->waiting++;
	place->handle = handle;
	place->since_ms = now_ms;
	place->entry = e;
	place->next = NONE;
	place->pkt = *p;
	if (e->waiting_first == NONE)
		e->waiting_first = index;
	else
		t->places[e->waiting_last].next = index;
	e->waiting_last = index;
	e->waiting_count++;
	return FRAG_WAIT;
}

/* What frag_settle() has noted of the first. */
static enum frag_step
forward_like_first(const struct frag_entry *e, struct pkt *p)
{
	unsigned int source = field_source(p->version), address = field_address_bytes(p->version);

	p->direction = e->direction;
	p->protocol = e->protocol;
	p->service = e->service;
	p->server = e->server;
	p->hop = e->hop;
	p->source = e->source;
	p->source_port = e->source_port;
	p->service_port_be = e->service_port_be;
	p->owner_hash = e->owner_hash;
	p->client_port_be = e->client_port_be;
	p->client_version = p->version;
	p->client = p->data + p->l3_offset + source + (e->direction == PKT_TO_SERVER ? 0 : address);
	return FRAG_FORWARD;
}

enum frag_step
frag_later(struct frag_table *t, struct pkt *p, void *handle, bool placed, uint64_t now_ms,
	uint32_t *owner)
{
	bool room = t->tail - t->head < FRAG_WAITING;
	struct frag_entry *e = find(t, p, !placed && room, now_ms);

	if (!e)
		return drop(p, placed ? SHUNT_DROP_FRAGMENT_NO_FIRST : SHUNT_DROP_FRAGMENT_FULL);
	e->touched_ms = now_ms;
	if (e->state == STATE_WAITING) {
		/* A placed one is not found waiting, but if its first has been lost on the way. */
		if (placed)
			return drop(p, SHUNT_DROP_FRAGMENT_NO_FIRST);
		if (!room || e->waiting_count == FRAG_WAITING_OWN)
			return drop(p, SHUNT_DROP_FRAGMENT_FULL);
		return wait_for_first(t, e, p, handle, now_ms);
	}
	if (p->fragment_offset < e->first_bytes)
		return drop(p, SHUNT_DROP_FRAGMENT_OVERLAP);
	count_bytes(e, p);
	if (e->state == STATE_REFUSED)
		return drop(p, e->drop);
	if (e->state == STATE_HERE)
		return forward_like_first(e, p);
	*owner = e->owner;
	return FRAG_HAND_OVER;
}

void *
frag_reap(struct frag_table *t, uint64_t now_ms, enum shunt_drop *reason)
{
	while (t->head != t->tail) {
		uint16_t index = t->head & (FRAG_WAITING - 1);
		struct frag_place *place = &t->places[index];
		struct frag_entry *e = place->entry;
		bool late = now_ms - place->since_ms >= FRAG_WAIT_MS;
		void *handle = place->handle;

		if (handle && !late && t->tail - t->head < FRAG_WAITING)
			return NULL;
		t->head++;
		if (!handle)
			continue;
		place->handle = NULL;
		t->waiting--;
		*reason = late && e ? SHUNT_DROP_FRAGMENT_NO_FIRST : SHUNT_DROP_FRAGMENT_FULL;
		if (e) {
			/* The oldest of all is the oldest of its datagram. */
			e->waiting_first = place->next;
			e->waiting_count--;
			if (e->waiting_first == NONE)
				forget(t, e);
		}
		return handle;
	}
	return NULL;
}
