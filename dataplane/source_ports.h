/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Full NAT's source ports, and the way from a reply to its client: which (source address, source
 * port) stands for which client at which server. One table per worker, used by that worker alone.
 *
 * A key is a server's endpoint (as a tag of 40 bits), the source address and the source port, so
 * that one source address has all its ports at each server anew. Since the port is ours to choose,
 * an entry has one bucket only and never moves: a port whose bucket is full is passed over. So a
 * reply costs one cache line, and a pointer to an entry stays good as long as the entry is.
 *
 * Ports are given out in order, from a random place for each server on (RFC 6056 section 3.3.3,
 * with the server's id in place of the hash): the port that has been free for longest comes next.
 *
 * A worker has its own slice of the ports, the same for all addresses, so that a reply's port names
 * its owner.
 *
 * Each entry stands for 49 bytes of memory at the load of 65 % that the flow table has, too. With
 * the flow table's 25 that makes 74 bytes for an IPv4 flow.
 */
#ifndef DATAPLANE_SOURCE_PORTS_H
#define DATAPLANE_SOURCE_PORTS_H

#include "flow.h"

/* As the flow table's: a table of the same capacity has an entry for each of its IPv4 flows. */
#define SOURCE_PORTS_MAX_LOAD_PERCENT 65

#define SOURCE_PORTS_COUNT (65536u - SHUNT_MIN_SOURCE_PORT)

/* Ports looked at for a new flow. With nine of ten in use, one in 850 finds none of the rest. */
#define SOURCE_PORTS_TRIES 64

/*
 * How long a port is held whose server has closed first: its socket waits in TIME_WAIT, for twice
 * the MSL (RFC 9293 section 3.6.1). That is 60 s in Linux, where RFC 9293 section 3.4.2 would have
 * 4 minutes.
 */
#define SOURCE_PORTS_HOLD_TICKS (60000 / SHUNT_FLOW_TICK_MS + 1)

struct source_port {
	uint64_t key;	    /* tag 40 | source id 8 | port 16; 0: free, as no source has id 0 */
	uint8_t client[16]; /* as a struct shunt_addr */
	uint16_t client_port_be;
	uint16_t service; /* id; 0: held, for the server's TIME_WAIT */
	uint16_t hop;	  /* the client's way back (hop.h) */
	union {
		uint16_t service_port_be; /* that the client has connected to */
		uint16_t since;		  /* held: tick */
	};
};

static_assert(sizeof(struct source_port) == 32, "two in a cache line");

struct source_ports;

/*
 * capacity: as the flow table's. worker: its index, of worker_count. seed: random, this worker's
 * own. NULL: no memory. Agent.
 */
struct source_ports *source_ports_create(
	uint32_t capacity, uint32_t worker, uint32_t worker_count, const uint64_t seed[2]);
void source_ports_destroy(struct source_ports *table);

uint64_t source_ports_bytes(uint32_t capacity);			    /* of such a table */
uint32_t source_ports_live(const struct source_ports *table);	    /* in use, held ones not */
uint32_t source_ports_slice(const struct source_ports *table);	    /* ports of each address */
uint16_t source_ports_first_port(const struct source_ports *table); /* of them */

static inline uint8_t
source_port_source(const struct source_port *entry)
{
	return (entry->key >> 16) & 0xff;
}

static inline uint16_t
source_port_number(const struct source_port *entry)
{
	return entry->key & 0xffff;
}

/*
 * What worker_owner() finds the owner of a port by, for any number of workers: the ports from the
 * least to the greatest stand for the whole range of a hash. port: at least SHUNT_MIN_SOURCE_PORT.
 */
static inline uint32_t
source_ports_owner_hash(uint16_t port)
{
	return (uint32_t)(((uint64_t)(port - SHUNT_MIN_SOURCE_PORT) << 32) / SOURCE_PORTS_COUNT);
}

/* A server's endpoint for the functions below. address: 4 or 16 bytes, by version. Worker. */
uint64_t source_ports_tag(const struct source_ports *table, const uint8_t *address, uint8_t version,
	uint16_t port_be, uint8_t protocol);

/* Where an entry would be. To be prefetched. */
const void *
source_ports_place(const struct source_ports *table, uint64_t tag, uint8_t source, uint16_t port);

/* The entry of a flow, or NULL: the port is free or held. Worker. */
struct source_port *
source_ports_find(struct source_ports *table, uint64_t tag, uint8_t source, uint16_t port);

/*
 * Gives a new flow a port: a free one, or one whose time has been held, or if there is none within
 * SOURCE_PORTS_TRIES, that which has been held for longest. server: id, whose next port is taken.
 * sources: ids. flow: what the entry shall say, but for the key. NULL: there is none; whatever has
 * a flow is left alone. Worker.
 */
struct source_port *
source_ports_take(struct source_ports *table, uint64_t tag, uint32_t server, const uint8_t *sources,
	unsigned int source_count, const struct source_port *flow, uint16_t tick);

/* The flow of an entry has gone. hold: its server has closed first, at the tick since. Worker. */
void source_ports_release(
	struct source_ports *table, struct source_port *entry, bool hold, uint16_t since);

/*
 * Looks at up to `buckets` buckets, from where the last sweep stopped. Frees what has been held
 * long enough, and holds the ports of flows that are not there any more by what lives() says: those
 * whose server was not known any more when they went. Worker.
 */
void source_ports_sweep(struct source_ports *table, unsigned int buckets,
	bool (*lives)(void *context, const struct source_port *entry, uint16_t tick), void *context,
	uint16_t tick);

#endif
