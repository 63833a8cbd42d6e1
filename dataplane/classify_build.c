/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An open-addressing table with linear probing, at most a quarter full, of 32-byte entries: a
 * lookup touches one cache line and rarely goes on to a second entry (with half a load the loop's
 * length is hard to predict: measured 54 instead of 35 cycles for a reply from one of 1000
 * servers). The key has the role in it, so that one address and port can be a service and a server
 * of another service at once.
 *
 * The hash is not secret: the keys in the table are the operator's, and what strangers look up
 * costs at most the longest run of full entries, which the low load keeps short.
 */
#include <stddef.h>
#include <stdlib.h>

#include "classify_impl.h"
#include "mem.h"

/* Turns counts (in start[i + 1]) into the index of each group's first element. */
static void
counts_to_starts(uint32_t *start, uint32_t groups)
{
	for (uint32_t i = 0; i < groups; i++)
		start[i + 1] += start[i];
}

/*
 * Does what comes from its address and port belong to balanced flows? Replies of full NAT are told
 * by their destination, which is a source address.
 */
static bool
is_reply_endpoint(const struct gen_server *s)
{
	return s->version && s->forward == SHUNT_NAT;
}

/* A reply of a service's comes from any backend that its rules lead to. */
static int
find_ways(struct builder *b)
{
	const struct generation *g = b->generation;
	uint32_t count, room = 0;

	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		if (!g->services[id].version)
			continue;
		generation_targets(g, id, &count);
		room += 1 + count;
	}
	b->ways = calloc(room + 1ull, sizeof(*b->ways));
	for (uint32_t id = 1; b->ways && id < SHUNT_MAX_SERVICES; id++) {
		if (g->services[id].version)
			b->service_total += generation_ways(g, id, &b->ways[b->service_total]);
	}
	return b->ways ? 0 : -1;
}

/* Groups services and servers by backend; returns how many entries there can be. */
static uint32_t
group_objects(struct builder *b)
{
	const struct generation *g = b->generation;
	uint32_t next[SHUNT_MAX_BACKENDS];
	uint32_t keys = 0;

	for (uint32_t i = 0; i < b->service_total; i++)
		b->service_start[classify_group_of(b, &b->ways[i]) + 1]++;
	for (uint32_t id = 1; id < g->server_count; id++) {
		uint32_t backend = g->servers[id].backend;

		if (!is_reply_endpoint(&g->servers[id]))
			continue;
		b->server_start[backend + 1]++;
		keys += (b->service_start[classify_group(backend, 0) + 1] > 0) +
			(b->service_start[classify_group(backend, 1) + 1] > 0);
	}
	counts_to_starts(b->service_start, 2 * SHUNT_MAX_BACKENDS);
	counts_to_starts(b->server_start, SHUNT_MAX_BACKENDS);
	memcpy(next, b->server_start, sizeof(next));
	for (uint32_t id = 1; id < g->server_count; id++) {
		if (is_reply_endpoint(&g->servers[id]))
			b->servers[next[g->servers[id].backend]++] = id;
	}
	for (uint32_t id = 1; id < SHUNT_MAX_SOURCES; id++)
		keys += g->sources[id].version != 0;
	return keys + b->service_total;
}

static int
allocate_entries(struct builder *b, uint32_t keys)
{
	struct classifier *c = b->classifier;
	uint32_t count = 16;

	while (count < 4 * keys)
		count *= 2;
	c->mask = count - 1;
	c->entries = mem_alloc(count * sizeof(*c->entries));
	b->notes = calloc(count, sizeof(*b->notes));
	return c->entries && b->notes ? 0 : -1;
}

static void
insert_id(struct builder *b, const struct key *key, uint32_t id)
{
	struct entry *e = classify_find(b->classifier, key, classify_key_hash(key));

	memcpy(e->address, key->address, sizeof(e->address));
	e->tail = key->tail;
	e->service = id;
}

static void
insert_services_and_sources(struct builder *b)
{
	const struct generation *g = b->generation;
	struct key key;

	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		const struct gen_service *s = &g->services[id];

		if (s->version == 0 || gen_service_is_range(s))
			continue;
		key = classify_key(s->address, s->version, s->port_be, s->protocol, ROLE_SERVICE);
		insert_id(b, &key, id);
	}
	for (uint32_t id = 1; id < SHUNT_MAX_SOURCES; id++) {
		const struct gen_source *s = &g->sources[id];

		if (s->version == 0)
			continue;
		key = classify_key(s->address, s->version, 0, 0, ROLE_SOURCE);
		insert_id(b, &key, id);
		b->classifier->has_sources = true;
	}
}

/*
 * The entry of a server for a protocol, or the empty one where it will be, and where the services
 * of its backend stand. NULL: it has none of its own.
 */
static struct entry *
server_entry(struct builder *b, const struct gen_server *s, unsigned int protocol_index,
	struct key *key, uint32_t *start, uint32_t *count)
{
	const uint32_t *group = &b->service_start[classify_group(s->backend, protocol_index)];

	*key = classify_key(s->address, s->version, s->port_be, classify_protocols[protocol_index],
		ROLE_SERVER);
	*start = group[0];
	*count = group[1] - group[0];
	if (*count == 0 || classify_has_ranges(b->classifier, s, protocol_index))
		return NULL;
	return classify_find(b->classifier, key, classify_key_hash(key));
}

/*
 * First pass: an entry for this server and protocol, which counts its services in `others`. The
 * servers of a backend come one after the other, so an entry that had this backend already had it
 * last.
 */
static void
insert_server(struct builder *b, const struct gen_server *s, unsigned int protocol_index)
{
	uint32_t start, count;
	struct key key;
	struct entry *e = server_entry(b, s, protocol_index, &key, &start, &count);
	struct note *note;

	if (!e)
		return;
	note = &b->notes[e - b->classifier->entries];
	if (note->backend == s->backend)
		return;
	if (e->tail) {
		/* A service may count twice, but there are less than SHUNT_MAX_WAYS in all. */
		b->list_length += note->shared ? count : e->others + count;
		note->shared = true;
	} else {
		memcpy(e->address, key.address, sizeof(e->address));
		e->tail = key.tail;
		e->list = start;
	}
	note->backend = s->backend;
	e->others += count;
}

/* Second pass: adds the backend's services to the entry's own stretch, if it has one. */
static void
fill_server(struct builder *b, const struct gen_server *s, unsigned int protocol_index)
{
	uint32_t start, count;
	struct key key;
	struct entry *e = server_entry(b, s, protocol_index, &key, &start, &count);
	struct note *note;

	if (!e)
		return;
	note = &b->notes[e - b->classifier->entries];
	if (!note->shared || note->backend == s->backend)
		return;
	memcpy(&b->classifier->list[e->list + note->filled], &b->classifier->list[start],
		count * sizeof(uint16_t));
	note->filled += count;
	note->backend = s->backend;
}

static void
each_server(struct builder *b,
	void (*fn)(struct builder *b, const struct gen_server *s, unsigned int protocol_index))
{
	uint32_t total = b->server_start[SHUNT_MAX_BACKENDS];

	for (uint32_t i = 0; i < total; i++) {
		fn(b, &b->generation->servers[b->servers[i]], 0);
		fn(b, &b->generation->servers[b->servers[i]], 1);
	}
}

/*
 * The list: first all services by backend and protocol, where the entries of one backend's servers
 * point; behind them a stretch for each entry that belongs to several backends; then the segments'.
 */
static int
build_list(struct builder *b)
{
	struct classifier *c = b->classifier;
	uint32_t next = b->service_total;
	uint32_t fill[2 * SHUNT_MAX_BACKENDS];

	uint32_t more = b->service_total + b->list_length;

	c->list = mem_alloc(((size_t)more + b->more_count) * sizeof(*c->list));
	c->segments = mem_alloc(b->segment_count * sizeof(*c->segments));
	if (!c->list || !c->segments)
		return -1;
	c->list_count = more + b->more_count;
	c->segment_count = b->segment_count;
	for (uint32_t i = 0; i < b->segment_count; i++) {
		c->segments[i] = b->segments[i];
		c->segments[i].list += more;
	}
	for (uint32_t i = 0; i < b->more_count; i++)
		c->list[more + i] = b->more[i];
	memcpy(fill, b->service_start, sizeof(fill));
	for (uint32_t i = 0; i < b->service_total; i++)
		c->list[fill[classify_group_of(b, &b->ways[i])]++] = b->ways[i].service;
	for (uint32_t i = 0; i <= c->mask; i++) {
		b->notes[i].backend = 0;
		if (b->notes[i].shared) {
			c->entries[i].list = next;
			next += c->entries[i].others;
		}
	}
	each_server(b, fill_server);
	return 0;
}

/*
 * Rules may lead one service to several backends that have the endpoint: then it stands there
 * several times. A stretch that several entries share has each once anyway.
 */
static void
drop_repeated(struct builder *b, uint32_t at, uint32_t *seen)
{
	struct entry *e = &b->classifier->entries[at];
	uint16_t *list = &b->classifier->list[e->list], kept = 0;

	for (uint32_t i = 0; i < e->others; i++) {
		if (seen[list[i]] == at + 1)
			continue;
		seen[list[i]] = at + 1;
		list[kept++] = list[i];
	}
	e->others = kept;
}

/* The first of an entry's services moves into the entry; others are the rest. */
static void
finish_entries(struct builder *b)
{
	struct classifier *c = b->classifier;
	uint32_t seen[SHUNT_MAX_SERVICES] = { 0 };

	for (uint32_t i = 0; i <= c->mask; i++) {
		struct entry *e = &c->entries[i];

		if (e->tail == 0 || e->tail >> 24 != ROLE_SERVER)
			continue;
		if (b->notes[i].shared)
			drop_repeated(b, i, seen);
		e->service = c->list[e->list];
		e->list++;
		e->others--;
	}
}

static int
build(struct builder *b)
{
	if (find_ways(b) < 0 || allocate_entries(b, group_objects(b)) < 0)
		return -1;
	insert_services_and_sources(b);
	if (classify_build_ranges(b) < 0)
		return -1;
	each_server(b, insert_server);
	if (build_list(b) < 0)
		return -1;
	finish_entries(b);
	return classify_build_plain(b->classifier);
}

struct classifier *
classifier_create(const struct generation *generation)
{
	struct classifier *c = mem_alloc(sizeof(*c));
	struct builder *b = calloc(1, sizeof(*b));
	int rc = -1;

	if (c)
		c->references = 1;
	if (c && b) {
		b->classifier = c;
		b->generation = generation;
		b->servers = calloc(generation->server_count + 1, sizeof(*b->servers));
		rc = b->servers ? build(b) : -1;
		free(b->ways);
		free(b->notes);
		free(b->servers);
		free(b->segments);
		free(b->more);
	}
	free(b);
	if (rc < 0) {
		classifier_destroy(c);
		return NULL;
	}
	return c;
}

struct classifier *
classifier_share(const struct generation *before, const struct generation *generation)
{
	/* A service's line holds what the classifier is built from, and sums of it. */
	if (before->services != generation->services &&
		memcmp(before->services, generation->services,
			SHUNT_MAX_SERVICES * sizeof(*generation->services)) != 0)
		return NULL;
	if (!generation_same_ways(before, generation) ||
		before->server_count != generation->server_count ||
		memcmp(before->sources, generation->sources, sizeof(before->sources)) != 0)
		return NULL;
	for (uint32_t id = 0; id < generation->server_count; id++) {
		const struct gen_server *a = &before->servers[id], *b = &generation->servers[id];

		if (a->version != b->version || a->port_be != b->port_be ||
			a->backend != b->backend || a->forward != b->forward ||
			memcmp(a->address, b->address, sizeof(a->address)) != 0)
			return NULL;
	}
	return classifier_hold(before->classifier);
}

uint64_t
classifier_bytes(const struct classifier *c)
{
	return sizeof(*c) + (c->mask + 1ull) * sizeof(*c->entries) +
		c->list_count * sizeof(*c->list) + c->segment_count * sizeof(*c->segments);
}

struct classifier *
classifier_hold(struct classifier *classifier)
{
	classifier->references++;
	return classifier;
}

void
classifier_destroy(struct classifier *classifier)
{
	if (!classifier || --classifier->references > 0)
		return;
	mem_free(classifier->segments);
	mem_free(classifier->list);
	mem_free(classifier->entries);
	mem_free(classifier->plain.entries);
	mem_free(classifier);
}

void
classifier_each(const struct classifier *classifier,
	void (*fn)(void *context, const struct shunt_addr *address, uint16_t first_port_be,
		uint16_t last_port_be, uint8_t protocol, bool is_service),
	void *context)
{
	for (uint32_t i = 0; i <= classifier->mask; i++) {
		const struct entry *e = &classifier->entries[i];
		uint32_t role = e->tail >> 24;
		uint16_t port_be = e->tail & 0xffff;
		uint8_t protocol = (e->tail >> 16) & 0xff;
		struct shunt_addr address;

		if (e->tail == 0 || role == ROLE_SOURCE)
			continue;
		memcpy(&address, e->address, sizeof(address));
		if (role == ROLE_SERVICE || role == ROLE_SERVER) {
			fn(context, &address, port_be, port_be, protocol, role == ROLE_SERVICE);
			continue;
		}
		for (uint32_t k = e->list; k < e->list + e->count; k++) {
			const struct segment *s = &classifier->segments[k];

			fn(context, &address, htons(s->first), htons(s->last), protocol,
				role == ROLE_SERVICE_RANGES);
		}
	}
}

bool
classify_is_shared(
	const struct classifier *classifier, const struct gen_server *server, uint8_t protocol)
{
	struct key key = classify_key(
		server->address, server->version, server->port_be, protocol, ROLE_SERVER);
	const struct entry *e;

	if (!is_reply_endpoint(server))
		return false;
	if (classifier->has_server_ranges) {
		e = classify_find_ranges(classifier, &key, ROLE_SERVER_RANGES);
		if (e->tail)
			return e->others;
	}
	e = classify_find(classifier, &key, classify_key_hash(&key));
	return e->tail && e->others;
}
