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
#include "source_ports.h"

static uint32_t
group_of_service(const struct gen_service *s)
{
	return classify_group(s->backend, s->protocol == SHUNT_UDP);
}

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

/* Groups services and servers by backend; returns how many entries there can be. */
static uint32_t
group_objects(struct builder *b)
{
	const struct generation *g = b->generation;
	uint32_t next[SHUNT_MAX_BACKENDS];
	uint32_t keys = 0;

	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		if (g->services[id].version) {
			b->service_start[group_of_service(&g->services[id]) + 1]++;
			b->service_total++;
		}
	}
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
 * First pass: an entry for this server and protocol, which counts its services in `others`. The
 * servers of a backend come one after the other, so an entry that had this backend already had it
 * last.
 */
static void
insert_server(struct builder *b, const struct gen_server *s, unsigned int protocol_index)
{
	uint32_t start = b->service_start[classify_group(s->backend, protocol_index)];
	uint32_t count = b->service_start[classify_group(s->backend, protocol_index) + 1] - start;
	struct key key = classify_key(s->address, s->version, s->port_be,
		classify_protocols[protocol_index], ROLE_SERVER);
	struct entry *e;
	struct note *note;

	if (count == 0 || classify_has_ranges(b->classifier, s, protocol_index))
		return;
	e = classify_find(b->classifier, &key, classify_key_hash(&key));
	note = &b->notes[e - b->classifier->entries];
	if (note->backend == s->backend)
		return;
	if (e->tail) {
		/* Services differ between backends, so the sum stays below SHUNT_MAX_SERVICES. */
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
	uint32_t start = b->service_start[classify_group(s->backend, protocol_index)];
	uint32_t count = b->service_start[classify_group(s->backend, protocol_index) + 1] - start;
	struct key key = classify_key(s->address, s->version, s->port_be,
		classify_protocols[protocol_index], ROLE_SERVER);
	struct entry *e;
	struct note *note;

	if (count == 0 || classify_has_ranges(b->classifier, s, protocol_index))
		return;
	e = classify_find(b->classifier, &key, classify_key_hash(&key));
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
	const struct generation *g = b->generation;
	struct classifier *c = b->classifier;
	uint32_t next = b->service_total;
	uint32_t fill[2 * SHUNT_MAX_BACKENDS];

	uint32_t more = b->service_total + b->list_length;

	c->list = mem_alloc(((size_t)more + b->more_count) * sizeof(*c->list));
	c->segments = mem_alloc(b->segment_count * sizeof(*c->segments));
	if (!c->list || !c->segments)
		return -1;
	c->segment_count = b->segment_count;
	for (uint32_t i = 0; i < b->segment_count; i++) {
		c->segments[i] = b->segments[i];
		c->segments[i].list += more;
	}
	for (uint32_t i = 0; i < b->more_count; i++)
		c->list[more + i] = b->more[i];
	memcpy(fill, b->service_start, sizeof(fill));
	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES; id++) {
		if (g->services[id].version)
			c->list[fill[group_of_service(&g->services[id])]++] = id;
	}
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

/* The first of an entry's services moves into the entry; others are the rest. */
static void
finish_entries(struct classifier *c)
{
	for (uint32_t i = 0; i <= c->mask; i++) {
		struct entry *e = &c->entries[i];

		if (e->tail == 0 || e->tail >> 24 != ROLE_SERVER)
			continue;
		e->service = c->list[e->list];
		e->list++;
		e->others--;
	}
}

static int
build(struct builder *b)
{
	if (allocate_entries(b, group_objects(b)) < 0)
		return -1;
	insert_services_and_sources(b);
	if (classify_build_ranges(b) < 0)
		return -1;
	each_server(b, insert_server);
	if (build_list(b) < 0)
		return -1;
	finish_entries(b->classifier);
	return 0;
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
	if (before->server_count != generation->server_count ||
		memcmp(before->sources, generation->sources, sizeof(before->sources)) != 0)
		return NULL;
	for (uint32_t id = 0; id < generation->server_count; id++) {
		const struct gen_server *a = &before->servers[id], *b = &generation->servers[id];

		if (a->version != b->version || a->port_be != b->port_be ||
			a->backend != b->backend || a->forward != b->forward ||
			memcmp(a->address, b->address, sizeof(a->address)) != 0)
			return NULL;
	}
	before->classifier->references++;
	return before->classifier;
}

void
classifier_destroy(struct classifier *classifier)
{
	if (!classifier || --classifier->references > 0)
		return;
	mem_free(classifier->segments);
	mem_free(classifier->list);
	mem_free(classifier->entries);
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
		const struct segment *s = &classifier->segments[e->list];
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
		for (uint32_t k = 0; k < e->count; k++)
			fn(context, &address, htons(s[k].first), htons(s[k].last), protocol,
				role == ROLE_SERVICE_RANGES);
	}
}

/*
 * The same for both directions of a flow, for it covers the client alone; its high bits are good,
 * for they name the worker. Keyed, so that nobody outside can put all flows on one worker.
 */
static inline uint32_t
owner_hash(const struct key *client, uint64_t seed)
{
	uint64_t h = classify_fold(client->address[0] ^ seed ^ 0xa0761d6478bd642full,
		client->address[1] ^ (seed << 32 | seed >> 32) ^ 0x9e3779b97f4a7c15ull);

	return classify_fold(h ^ (client->tail & 0xffff), 0xe7037ed1a0b428dbull) >> 32;
}

uint32_t
classify_owner_hash(
	const uint8_t *client, uint8_t version, uint16_t client_port_be, uint64_t owner_seed)
{
	struct key key = classify_key(client, version, client_port_be, 0, 0);

	return owner_hash(&key, owner_seed);
}

/* The two keys of a packet: one end as a service, the other as a server. */
struct lookup {
	struct key service;
	struct key server;
	uint32_t service_hash;
	uint32_t server_hash;
};

static inline void
set_client(struct pkt *p, const struct key *key, const uint8_t *address, uint64_t owner_seed)
{
	p->client = address;
	p->client_version = p->version;
	p->client_port_be = key->tail & 0xffff;
	p->owner_hash = owner_hash(key, owner_seed);
}

/*
 * A reply to an address of full NAT's, if its destination is one. Who the client is stands in the
 * table of the worker that owns the port. False: it is none.
 */
static bool
reply_to_source(const struct classifier *c, struct pkt *p, const struct key *destination)
{
	struct key key = *destination;
	uint16_t port = ntohs(key.tail & 0xffff);
	const struct entry *e;

	key.tail = (uint32_t)ROLE_SOURCE << 24;
	e = classify_find(c, &key, classify_key_hash(&key));
	if (e->tail == 0)
		return false;
	if (port < SHUNT_MIN_SOURCE_PORT) {
		p->drop = SHUNT_DROP_NO_FLOW;
		return true;
	}
	p->direction = PKT_TO_CLIENT;
	p->source = (uint8_t)e->service;
	p->source_port = port;
	p->owner_hash = source_ports_owner_hash(port);
	p->service = 0;
	p->other_service_count = 0;
	return true;
}

/* The segment that the key's port is in, or NULL. */
static __attribute__((noinline)) const struct segment *
find_segment(const struct classifier *c, const struct key *key, enum role role)
{
	const struct entry *e = classify_find_ranges(c, key, role);
	uint16_t port = ntohs(key->tail & 0xffff);
	uint32_t low = e->list, high = e->list + e->count;

	if (!e->tail)
		return NULL;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct segment *s = &c->segments[middle];

		if (port < s->first)
			high = middle;
		else if (port > s->last)
			low = middle + 1;
		else
			return s;
	}
	return NULL;
}

/*
 * For packets that no entry of their own endpoints has been found for. service_only: one has, of
 * the server. False: there is no segment either.
 */
static __attribute__((noinline)) bool
classify_by_range(const struct classifier *c, struct pkt *p, const struct lookup *l,
	const uint8_t *service_end, const uint8_t *server_end, bool service_only,
	uint64_t owner_seed)
{
	const struct segment *s = NULL;

	if (c->has_service_ranges)
		s = find_segment(c, &l->service, ROLE_SERVICE_RANGES);
	if (s) {
		p->direction = PKT_TO_SERVER;
		set_client(p, &l->server, server_end, owner_seed);
		p->range_port_be = l->service.tail & 0xffff;
	} else if (!service_only && c->has_server_ranges) {
		s = find_segment(c, &l->server, ROLE_SERVER_RANGES);
		if (!s)
			return false;
		p->direction = PKT_TO_CLIENT;
		set_client(p, &l->service, service_end, owner_seed);
		p->range_port_be = s->is_range ? l->server.tail & 0xffff : 0;
	} else {
		return false;
	}
	p->service = s->service;
	p->other_services = s->list;
	p->other_service_count = s->others;
	return true;
}

/* The addresses: of the end that may be a service, and of the one that may be a server. */
static inline void
classify_pkt(const struct classifier *c, struct pkt *p, const struct lookup *l,
	const uint8_t *service_end, const uint8_t *server_end, uint64_t owner_seed)
{
	const struct entry *e = classify_find(c, &l->service, l->service_hash);

	p->source = 0;
	p->range_port_be = 0;
	p->other_port_be = 0;
	if (e->tail) {
		p->direction = PKT_TO_SERVER;
		set_client(p, &l->server, server_end, owner_seed);
	} else {
		if (c->has_sources && reply_to_source(c, p, &l->service))
			return;
		e = classify_find(c, &l->server, l->server_hash);
		if ((c->has_service_ranges || c->has_server_ranges) &&
			classify_by_range(
				c, p, l, service_end, server_end, e->tail != 0, owner_seed))
			return;
		if (e->tail == 0) {
			p->drop = SHUNT_DROP_NO_SERVICE;
			return;
		}
		p->direction = PKT_TO_CLIENT;
		set_client(p, &l->service, service_end, owner_seed);
	}
	p->service = e->service;
	p->other_services = e->list;
	p->other_service_count = e->others;
}

void
classify_burst(const struct classifier *classifier, struct pkt *const *pkts, unsigned int n,
	uint64_t owner_seed)
{
	struct lookup lookups[PKT_BURST];

	for (unsigned int i = 0; i < n; i++) {
		const struct pkt *p = pkts[i];
		struct lookup *l = &lookups[i];
		const uint8_t *l3;
		bool v4;

		if (p->drop)
			continue;
		l3 = p->data + p->l3_offset;
		v4 = p->version == 4;
		l->service = classify_key(
			l3 + (v4 ? 16 : 24), p->version, p->dport_be, p->protocol, ROLE_SERVICE);
		l->server = classify_key(
			l3 + (v4 ? 12 : 8), p->version, p->sport_be, p->protocol, ROLE_SERVER);
		l->service_hash = classify_key_hash(&l->service);
		l->server_hash = classify_key_hash(&l->server);
		__builtin_prefetch(&classifier->entries[l->service_hash & classifier->mask]);
		__builtin_prefetch(&classifier->entries[l->server_hash & classifier->mask]);
	}
	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = pkts[i];
		const uint8_t *l3 = p->data + p->l3_offset;
		bool v4 = p->version == 4;

		if (!p->drop)
			classify_pkt(classifier, p, &lookups[i], l3 + (v4 ? 16 : 24),
				l3 + (v4 ? 12 : 8), owner_seed);
	}
}

void
classify_icmp_error(const struct classifier *classifier, struct pkt *p, uint64_t owner_seed)
{
	const uint8_t *l3 = p->data + p->inner_l3_offset;
	const uint8_t *source = l3 + (p->version == 4 ? 12 : 8);
	const uint8_t *destination = l3 + (p->version == 4 ? 16 : 24);
	struct lookup l;

	l.service = classify_key(source, p->version, p->sport_be, p->protocol, ROLE_SERVICE);
	l.server = classify_key(destination, p->version, p->dport_be, p->protocol, ROLE_SERVER);
	l.service_hash = classify_key_hash(&l.service);
	l.server_hash = classify_key_hash(&l.server);
	classify_pkt(classifier, p, &l, source, destination, owner_seed);
}

uint16_t
classify_other_service(const struct classifier *classifier, const struct pkt *p, unsigned int i)
{
	return classifier->list[p->other_services + i];
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
