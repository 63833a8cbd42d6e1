/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the classifier, for classify.c and classify_*.c alone.
 *
 * Where a service has several ports, or a server has any, an entry under port 0 leads to a row of
 * segments, to be searched by bisection. Only packets whose own endpoint is not in the table come
 * to that. A server's address that has such an entry has no other for that protocol: those of its
 * servers that have a port of their own are segments of one port.
 */
#ifndef DATAPLANE_CLASSIFY_IMPL_H
#define DATAPLANE_CLASSIFY_IMPL_H

#include <arpa/inet.h>

#include "classify.h"
#include "classify_plain.h"
#include "mix.h"

enum role {
	ROLE_SERVICE = 0,
	ROLE_SERVER = 1,
	/* At port 0: the segments of an address and protocol. */
	ROLE_SERVICE_RANGES = 2,
	ROLE_SERVER_RANGES = 3,
	ROLE_SOURCE = 4, /* an address of full NAT's: port and protocol 0 */
};

/* tail: port (as on the wire) 16 | protocol 8 | role 8; never 0, for no protocol is 0. */
struct key {
	uint64_t address[2]; /* as a struct shunt_addr */
	uint32_t tail;
};

struct entry {
	uint64_t address[2];
	uint32_t tail;	  /* 0: empty */
	uint16_t service; /* id; of a server: the first it answers for; of a source: its id */
	uint16_t others;  /* how many more there are */
	uint32_t list;	  /* index of the first of the others; of ROLE_*_RANGES, into segments */
	uint32_t count;	  /* of segments */
};

static_assert(sizeof(struct entry) == 32, "two entries a cache line");

/* Ports that lead to the same services; those of one entry are sorted and apart. */
struct segment {
	uint16_t first; /* as numbers */
	uint16_t last;
	uint16_t service; /* as in struct entry */
	uint16_t others;
	uint32_t list;
	uint8_t is_range; /* the service has several ports */
	uint8_t pad[3];
};

struct classifier {
	uint32_t references; /* agent only */
	uint32_t mask;	     /* entries - 1 */
	struct entry *entries;
	uint16_t *list; /* service ids; a stretch of them for each server entry or segment */
	uint32_t list_count;
	struct segment *segments;
	uint32_t segment_count;
	bool has_service_ranges;
	bool has_server_ranges;
	bool has_sources;
	struct classify_plain plain;
};

/* address: 4 bytes for version 4, else 16. */
static inline struct key
classify_key(
	const uint8_t *address, uint8_t version, uint16_t port_be, uint8_t protocol, enum role role)
{
	struct shunt_addr mapped;
	struct key key;

	if (version == 4) {
		mapped = shunt_addr_from_v4(address);
		memcpy(key.address, &mapped, sizeof(mapped));
	} else {
		memcpy(key.address, address, sizeof(key.address));
	}
	key.tail = port_be | (uint32_t)protocol << 16 | (uint32_t)role << 24;
	return key;
}

/* Odd constants from the fraction of the golden ratio and from wyhash (Wang Yi, 2019). */
static inline uint32_t
classify_key_hash(const struct key *key)
{
	uint64_t h = mix_fold(
		key->address[0] ^ 0x9e3779b97f4a7c15ull, key->address[1] ^ 0xa0761d6478bd642full);

	return (uint32_t)mix_fold(h ^ key->tail, 0xe7037ed1a0b428dbull);
}

static inline bool
classify_key_is(const struct entry *e, const struct key *key)
{
	return e->tail == key->tail && e->address[0] == key->address[0] &&
		e->address[1] == key->address[1];
}

/* The key's entry, or the empty one where it would be. */
static inline struct entry *
classify_find(const struct classifier *c, const struct key *key, uint32_t hash)
{
	uint32_t i = hash & c->mask;

	while (c->entries[i].tail && !classify_key_is(&c->entries[i], key))
		i = (i + 1) & c->mask;
	return &c->entries[i];
}

/* What create needs beside the classifier: objects grouped by backend, and notes on entries. */
struct builder {
	struct classifier *classifier;
	const struct generation *generation;
	struct gen_way *ways;	/* each service to each backend that it may lead to, by service */
	uint32_t service_total; /* of those */
	uint32_t service_start[2 * SHUNT_MAX_BACKENDS + 1]; /* by classify_group(): into list */
	uint32_t server_start[SHUNT_MAX_BACKENDS + 1];	    /* by backend: into servers */
	uint32_t *servers;				    /* ids, by backend */
	uint32_t list_length; /* of the stretches that are entries' own */
	struct segment *segments;
	uint32_t segment_count;
	uint32_t segment_room;
	uint16_t *more; /* services of segments */
	uint32_t more_count;
	uint32_t more_room;
	struct note {
		uint16_t backend; /* that was last added to this entry */
		uint16_t filled;  /* ids written; of one that several backends share */
		bool shared;
	} * notes; /* by entry */
};

static inline uint32_t
classify_group(uint32_t backend, unsigned int protocol_index)
{
	return 2 * backend + protocol_index;
}

/* The group that a way's service counts in. */
static inline uint32_t
classify_group_of(const struct builder *b, const struct gen_way *way)
{
	return classify_group(
		way->backend, b->generation->services[way->service].protocol == SHUNT_UDP);
}

static const uint8_t classify_protocols[2] = { SHUNT_TCP, SHUNT_UDP };

/* The entry with the segments of a key's address and protocol, or the empty one. */
static inline struct entry *
classify_find_ranges(const struct classifier *c, const struct key *key, enum role role)
{
	struct key ranges = *key;

	ranges.tail = (key->tail & 0xff0000) | (uint32_t)role << 24;
	return classify_find(c, &ranges, classify_key_hash(&ranges));
}

/* Are the server's packets found by segments? Its own entry is not in the table then. */
static inline bool
classify_has_ranges(
	const struct classifier *c, const struct gen_server *s, unsigned int protocol_index)
{
	struct key key = classify_key(s->address, s->version, s->port_be,
		classify_protocols[protocol_index], ROLE_SERVER);

	return c->has_server_ranges && classify_find_ranges(c, &key, ROLE_SERVER_RANGES)->tail;
}

/* classify_ranges.c, before any server's own entry is made. 0, or -1: no memory. */
int classify_build_ranges(struct builder *b);

/* classify_plain.c, when all entries are made. 0, or -1: no memory. */
int classify_build_plain(struct classifier *c);

#endif
