/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services with several ports, and servers that take any: which services each port of an address
 * leads to, worked out when a generation is built, so that a packet needs one search. Agent only.
 */
#include <stdlib.h>

#include "classify_impl.h"

/* Ports at a server's address (or at a service's own), and a service that they belong to. */
struct span {
	const struct gen_service *service;
	uint16_t id;
	uint16_t first;
	uint16_t last;
	bool kept; /* the ports are the service's own; else a server's, where nothing hides it */
};

struct spans {
	struct span *span;
	size_t count;
	size_t room;
};

/* A server that is found by segments. */
struct item {
	uint32_t entry;
	uint32_t server;
	unsigned int protocol_index;
};

/* Room for one more element; NULL: no memory, and the old one is as it was. */
static void *
grow(void *array, size_t count, size_t *room, size_t bytes)
{
	if (count < *room)
		return array;
	*room = *room ? 2 * *room : 64;
	return reallocarray(array, *room, bytes);
}

static int
spans_add(struct spans *spans, const struct span *span)
{
	struct span *grown = grow(spans->span, spans->count, &spans->room, sizeof(*spans->span));

	if (!grown)
		return -1;
	spans->span = grown;
	spans->span[spans->count++] = *span;
	return 0;
}

static int
compare_address(const struct gen_service *a, const struct gen_service *b)
{
	int order = memcmp(a->address, b->address, sizeof(a->address));

	return order ? order : a->version - b->version;
}

/* By service address, the narrowest first; of equals that with the lowest ports. */
static int
compare_spans(const void *a, const void *b)
{
	const struct span *one = a, *other = b;
	int order = other->kept - one->kept;

	if (!order && one->kept)
		order = compare_address(one->service, other->service);
	if (!order)
		order = (one->last - one->first) - (other->last - other->first);
	if (!order)
		order = one->first - other->first;
	return order ? order : one->id - other->id;
}

static int
compare_ports(const void *a, const void *b)
{
	return (int)*(const uint32_t *)a - (int)*(const uint32_t *)b;
}

/* Where something begins or is over, in order, each once. Returns how many, in *cuts. */
static size_t
find_cuts(const struct spans *spans, uint32_t **cuts)
{
	uint32_t *cut = calloc(2 * spans->count, sizeof(*cut));
	size_t count = 1;

	*cuts = cut;
	if (!cut)
		return 0;
	for (size_t i = 0; i < spans->count; i++) {
		cut[2 * i] = spans->span[i].first;
		cut[2 * i + 1] = spans->span[i].last + 1u;
	}
	qsort(cut, 2 * spans->count, sizeof(*cut), compare_ports);
	for (size_t i = 1; i < 2 * spans->count; i++) {
		if (cut[i] != cut[count - 1])
			cut[count++] = cut[i];
	}
	return count;
}

static int
more_add(struct builder *b, uint16_t service)
{
	size_t room = b->more_room;
	uint16_t *grown = grow(b->more, b->more_count, &room, sizeof(*b->more));

	if (!grown || room > UINT32_MAX / 2)
		return -1;
	b->more = grown;
	b->more_room = (uint32_t)room;
	b->more[b->more_count++] = service;
	return 0;
}

/* Appends it, or widens the last one since `start` if that is the same. */
static int
segment_add(struct builder *b, uint32_t start, const struct segment *segment)
{
	struct segment *last = b->segment_count > start ? &b->segments[b->segment_count - 1] : NULL;
	size_t room = b->segment_room;
	struct segment *grown;

	if (last && last->last + 1 == segment->first && last->service == segment->service &&
		!last->others && !segment->others) {
		last->last = segment->last;
		return 0;
	}
	grown = grow(b->segments, b->segment_count, &room, sizeof(*b->segments));
	if (!grown || room > UINT32_MAX / 2)
		return -1;
	b->segments = grown;
	b->segment_room = (uint32_t)room;
	b->segments[b->segment_count++] = *segment;
	return 0;
}

/* The same service has it by another of its servers, perhaps of another backend. */
static bool
segment_has(const struct builder *b, const struct segment *segment, uint16_t service)
{
	bool has = segment->service == service;

	for (uint32_t i = 0; i < segment->others && !has; i++)
		has = b->more[segment->list + i] == service;
	return has;
}

/* The services that the ports first..last lead to, which no span begins or ends within. */
static int
build_segment(
	struct builder *b, const struct spans *spans, uint32_t start, uint16_t first, uint16_t last)
{
	struct segment segment = { .first = first, .last = last, .list = b->more_count };
	const struct span *added = NULL;

	for (size_t i = 0; i < spans->count; i++) {
		const struct span *span = &spans->span[i];

		if (span->first > first || span->last < last)
			continue;
		/* A narrower service at the same address has these ports. */
		if (added && added->kept && span->kept &&
			compare_address(added->service, span->service) == 0)
			continue;
		if (added && segment_has(b, &segment, span->id))
			continue;
		if (!added) {
			segment.service = span->id;
			segment.is_range = gen_service_is_range(span->service);
		} else {
			if (more_add(b, span->id) < 0)
				return -1;
			segment.others++;
		}
		added = span;
	}
	return added ? segment_add(b, start, &segment) : 0;
}

/* Sets the entry's segments, and in `others` whether one of them has several services. */
static int
build_segments(struct builder *b, struct spans *spans, struct entry *e)
{
	uint32_t start = b->segment_count, *cuts;
	size_t count;
	int rc = 0;

	qsort(spans->span, spans->count, sizeof(*spans->span), compare_spans);
	count = find_cuts(spans, &cuts);
	if (!cuts)
		return -1;
	for (size_t i = 0; i + 1 < count && rc == 0; i++)
		rc = build_segment(b, spans, start, (uint16_t)cuts[i], (uint16_t)(cuts[i + 1] - 1));
	free(cuts);
	e->list = start;
	e->count = b->segment_count - start;
	e->others = 0;
	for (uint32_t i = start; i < b->segment_count; i++)
		e->others |= b->segments[i].others != 0;
	return rc;
}

static struct entry *
make_entry(struct builder *b, const uint8_t *address, uint8_t version, uint8_t protocol,
	enum role role)
{
	struct key key = classify_key(address, version, 0, protocol, role);
	struct entry *e = classify_find(b->classifier, &key, classify_key_hash(&key));

	memcpy(e->address, key.address, sizeof(e->address));
	e->tail = key.tail;
	return e;
}

static struct span
span_of(const struct generation *g, uint16_t id)
{
	const struct gen_service *s = &g->services[id];

	return (struct span){
		.service = s,
		.id = id,
		.first = ntohs(s->port_be),
		.last = ntohs(s->last_port_be),
		.kept = true,
	};
}

static int
compare_owners(const void *a, const void *b)
{
	const struct span *one = a, *other = b;
	int order = compare_address(one->service, other->service);

	return order ? order : one->service->protocol - other->service->protocol;
}

/* The services with several ports, those of one address and protocol together. */
static int
build_services(struct builder *b)
{
	const struct generation *g = b->generation;
	struct spans all = { 0 };
	int rc = 0;

	for (uint32_t id = 1; id < SHUNT_MAX_SERVICES && rc == 0; id++) {
		struct span span = span_of(g, (uint16_t)id);

		if (g->services[id].version && gen_service_is_range(&g->services[id]))
			rc = spans_add(&all, &span);
	}
	if (all.count)
		qsort(all.span, all.count, sizeof(*all.span), compare_owners);
	for (size_t i = 0, end; i < all.count && rc == 0; i = end) {
		const struct gen_service *s = all.span[i].service;
		struct spans part = { .span = all.span + i };

		for (end = i; end < all.count && compare_owners(&all.span[i], &all.span[end]) == 0;)
			end++;
		part.count = end - i;
		rc = build_segments(b, &part,
			make_entry(b, s->address, s->version, s->protocol, ROLE_SERVICE_RANGES));
		b->classifier->has_service_ranges = true;
	}
	free(all.span);
	return rc;
}

static const uint32_t *
group_start(const struct builder *b, const struct gen_server *s, unsigned int protocol_index)
{
	return &b->service_start[classify_group(s->backend, protocol_index)];
}

/* What one server adds to its address: each service of its backend. */
static int
add_server(struct builder *b, struct spans *spans, const struct item *item, const uint16_t *grouped)
{
	const struct gen_server *s = &b->generation->servers[item->server];
	const uint32_t *start = group_start(b, s, item->protocol_index);
	int rc = 0;

	for (uint32_t i = start[0]; i < start[1] && rc == 0; i++) {
		struct span span = span_of(b->generation, grouped[i]);

		if (s->port_be) {
			span.first = span.last = ntohs(s->port_be);
			span.kept = false;
		}
		rc = spans_add(spans, &span);
	}
	return rc;
}

static int
compare_items(const void *a, const void *b)
{
	const struct item *one = a, *other = b;

	if (one->entry != other->entry)
		return one->entry < other->entry ? -1 : 1;
	return one->server < other->server ? -1 : one->server > other->server;
}

/* Makes the entries of the servers that take any port. True: there are some. */
static bool
make_server_entries(struct builder *b)
{
	const struct generation *g = b->generation;
	bool any = false;

	for (uint32_t i = 0; i < b->server_start[SHUNT_MAX_BACKENDS]; i++) {
		const struct gen_server *s = &g->servers[b->servers[i]];

		for (unsigned int k = 0; k < 2 && !s->port_be; k++) {
			const uint32_t *start = group_start(b, s, k);

			if (start[0] == start[1])
				continue;
			make_entry(b, s->address, s->version, classify_protocols[k],
				ROLE_SERVER_RANGES);
			any = true;
		}
	}
	return any;
}

/* All servers at the addresses of those, by entry. Returns how many, or -1. */
static int
find_items(struct builder *b, struct item **items)
{
	const struct generation *g = b->generation;
	uint32_t total = b->server_start[SHUNT_MAX_BACKENDS];
	int count = 0;

	*items = calloc(2 * (size_t)total, sizeof(**items));
	if (!*items)
		return -1;
	for (uint32_t i = 0; i < total; i++) {
		const struct gen_server *s = &g->servers[b->servers[i]];

		for (unsigned int k = 0; k < 2; k++) {
			const uint32_t *start = group_start(b, s, k);
			struct key key = classify_key(
				s->address, s->version, 0, classify_protocols[k], ROLE_SERVER);
			const struct entry *e =
				classify_find_ranges(b->classifier, &key, ROLE_SERVER_RANGES);

			if (start[0] != start[1] && e->tail)
				(*items)[count++] = (struct item){
					.entry = (uint32_t)(e - b->classifier->entries),
					.server = b->servers[i],
					.protocol_index = k,
				};
		}
	}
	qsort(*items, (size_t)count, sizeof(**items), compare_items);
	return count;
}

/* The services' ids by backend and protocol, as service_start says. */
static uint16_t *
group_services(const struct builder *b)
{
	uint16_t *grouped = calloc(b->service_total + 1u, sizeof(*grouped));
	uint32_t fill[2 * SHUNT_MAX_BACKENDS];

	if (!grouped)
		return NULL;
	memcpy(fill, b->service_start, sizeof(fill));
	for (uint32_t i = 0; i < b->service_total; i++)
		grouped[fill[classify_group_of(b, &b->ways[i])]++] = b->ways[i].service;
	return grouped;
}

/*
 * One entry: its servers are items[0..count-1]. An address with nothing but one server, which is
 * the rule, has the same segments as the backend's other ones.
 */
static int
build_server_entry(struct builder *b, const struct item *items, size_t count,
	const uint16_t *grouped, uint32_t *by_group)
{
	const struct gen_server *s = &b->generation->servers[items->server];
	uint32_t *same = &by_group[classify_group(s->backend, items->protocol_index)];
	struct entry *e = &b->classifier->entries[items->entry];
	struct spans spans = { 0 };
	int rc = 0;

	if (count == 1 && *same) {
		const struct entry *other = &b->classifier->entries[*same - 1];

		e->list = other->list;
		e->count = other->count;
		e->others = other->others;
		return 0;
	}
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = add_server(b, &spans, &items[i], grouped);
	if (rc == 0)
		rc = build_segments(b, &spans, e);
	if (count == 1)
		*same = items->entry + 1;
	free(spans.span);
	return rc;
}

static int
build_servers(struct builder *b)
{
	uint32_t *by_group = calloc(2 * SHUNT_MAX_BACKENDS, sizeof(*by_group));
	uint16_t *grouped = group_services(b);
	struct item *items = NULL;
	int count = -1;
	int rc = -1;

	if (by_group && grouped)
		count = find_items(b, &items);
	if (count >= 0)
		rc = 0;
	for (int i = 0, end; i < count && rc == 0; i = end) {
		for (end = i; end < count && items[end].entry == items[i].entry;)
			end++;
		rc = build_server_entry(b, &items[i], (size_t)(end - i), grouped, by_group);
	}
	free(by_group);
	free(grouped);
	free(items);
	return rc;
}

int
classify_build_ranges(struct builder *b)
{
	if (build_services(b) < 0)
		return -1;
	if (!make_server_entries(b))
		return 0;
	b->classifier->has_server_ranges = true;
	return build_servers(b);
}
