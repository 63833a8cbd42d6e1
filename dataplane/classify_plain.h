/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The classifier's answers for the fast path (fast.h): whole endpoints of IPv4 that belong to one
 * service alone, in a table of their own whose keys are single words. What is not in it is not
 * unknown, but for classify_burst() to say.
 */
#ifndef DATAPLANE_CLASSIFY_PLAIN_H
#define DATAPLANE_CLASSIFY_PLAIN_H

#include "pkt.h"

/* In a key, between address 32 | protocol 8 and port 16. */
#define CLASSIFY_PLAIN_SERVER (1ull << 40)

struct classify_plain_entry {
	uint64_t key; /* 0: empty */
	uint16_t service;
	uint8_t pad[6];
};

static_assert(sizeof(struct classify_plain_entry) == 16, "four entries a cache line");

/* Open addressing with linear probing, at most a quarter full: as the classifier's own table. */
struct classify_plain {
	struct classify_plain_entry *entries;
	uint32_t mask;	/* entries - 1 */
	uint8_t shift;	/* of the hash, to an index */
	bool displaced; /* a service is not at its key's place, but further on */
	/*
	 * A bit for each last byte of an address to which a packet from a server's endpoint may be
	 * something else than a reply: of full NAT's sources, and of services with several ports.
	 * Of both families.
	 */
	uint64_t no_reply[4];
};

struct classifier;

/* Of a classifier in use. Worker. */
const struct classify_plain *classify_plain(const struct classifier *classifier);

/* address, port_be: as they lie in a packet. */
static inline uint64_t
classify_plain_key(uint32_t address, uint16_t port_be, uint8_t protocol)
{
	return address | (uint64_t)protocol << 32 | (uint64_t)port_be << 48;
}

/*
 * Where the search for a key begins. Fibonacci hashing (Knuth, The Art of Computer Programming,
 * volume 3, section 6.4): one multiplication, whose upper bits depend on all of the key. It is not
 * keyed, for the same reason as in classify_build.c.
 */
static inline uint32_t
classify_plain_place(const struct classify_plain *plain, uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> plain->shift);
}

/* The entry of the key, or the empty one where it would be. */
static inline struct classify_plain_entry *
classify_plain_find(const struct classify_plain *plain, uint64_t key)
{
	uint32_t i = classify_plain_place(plain, key);

	while (plain->entries[i].key && plain->entries[i].key != key)
		i = (i + 1) & plain->mask;
	return &plain->entries[i];
}

/* The service of a key, or 0. */
static inline uint16_t
classify_plain_service(const struct classify_plain *plain, uint64_t key)
{
	return classify_plain_find(plain, key)->service;
}

#endif
