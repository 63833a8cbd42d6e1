/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include "classify_impl.h"
#include "fields.h"
#include "owner.h"
#include "source_ports.h"

uint32_t
classify_owner_hash(
	const uint8_t *client, uint8_t version, uint16_t client_port_be, uint64_t owner_seed)
{
	struct key key = classify_key(client, version, client_port_be, 0, 0);

	return owner_hash(key.address, client_port_be, owner_seed);
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
	p->owner_hash = owner_hash(key->address, key->tail & 0xffff, owner_seed);
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
	p->seq_delta = 0;
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

		if (p->drop)
			continue;
		l3 = p->data + p->l3_offset;
		l->service = classify_key(l3 + field_destination(p->version), p->version,
			p->dport_be, p->protocol, ROLE_SERVICE);
		l->server = classify_key(l3 + field_source(p->version), p->version, p->sport_be,
			p->protocol, ROLE_SERVER);
		l->service_hash = classify_key_hash(&l->service);
		l->server_hash = classify_key_hash(&l->server);
		__builtin_prefetch(&classifier->entries[l->service_hash & classifier->mask]);
		__builtin_prefetch(&classifier->entries[l->server_hash & classifier->mask]);
	}
	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = pkts[i];
		const uint8_t *l3;

		if (p->drop)
			continue;
		l3 = p->data + p->l3_offset;
		classify_pkt(classifier, p, &lookups[i], l3 + field_destination(p->version),
			l3 + field_source(p->version), owner_seed);
	}
}

void
classify_icmp_error(const struct classifier *classifier, struct pkt *p, uint64_t owner_seed)
{
	const uint8_t *l3 = p->data + p->inner_l3_offset;
	const uint8_t *source = l3 + field_source(p->version);
	const uint8_t *destination = l3 + field_destination(p->version);
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
