/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two sets of addresses: open addressing, at most half full. Each has a filter of 256 bits in
 * front, by the last byte of an address, so that the many replies to clients mostly cost one look
 * at a line that is in the cache anyway: the balancer's own addresses are few.
 *
 * The hash is not secret: what is in the sets is the operator's, and strangers who look something
 * up cost at most the longest run of full slots.
 */
#include "known.h"

#include "generation.h"
#include "mem.h"
#include "mix.h"
#include "objects.h"

struct address_set {
	uint32_t references; /* agent only */
	uint32_t mask;	     /* slots - 1 */
	uint64_t filter[4];
	struct shunt_addr slots[]; /* all zeros, which is no host's address: empty */
};

struct known {
	struct address_set *locals;
	struct address_set *servers;
};

static const struct shunt_addr none;

static struct address_set *
set_create(uint32_t max)
{
	struct address_set *set;
	uint32_t count = 8;

	while (count < 2 * max)
		count *= 2;
	set = mem_alloc(sizeof(*set) + count * sizeof(set->slots[0]));
	if (!set)
		return NULL;
	set->references = 1;
	set->mask = count - 1;
	return set;
}

static void
set_destroy(struct address_set *set)
{
	if (set && --set->references == 0)
		mem_free(set);
}

static inline uint32_t
hash_of(const struct shunt_addr *address)
{
	uint64_t half[2];

	memcpy(half, address, sizeof(half));
	/* Folded, since an address's last byte, the highest of its word, reaches no bit below it.
	 */
	return (uint32_t)mix_fold(half[0] ^ half[1], 0x9e3779b97f4a7c15ull);
}

/* The slot that holds the address, or the empty one where it would be. */
static inline uint32_t
find(const struct address_set *set, const struct shunt_addr *address)
{
	uint32_t i = hash_of(address) & set->mask;

	while (!shunt_addr_equal(&set->slots[i], &none) &&
		!shunt_addr_equal(&set->slots[i], address))
		i = (i + 1) & set->mask;
	return i;
}

static void
set_add(struct address_set *set, const struct shunt_addr *address)
{
	uint8_t last = address->bytes[15];

	set->slots[find(set, address)] = *address;
	set->filter[last / 64] |= 1ull << (last % 64);
}

static inline bool
set_has(const struct address_set *set, const uint8_t *address, uint8_t version)
{
	uint8_t last = address[version == 4 ? 3 : 15];
	struct shunt_addr key;

	if (!(set->filter[last / 64] >> (last % 64) & 1))
		return false;
	if (version == 4)
		key = shunt_addr_from_v4(address);
	else
		memcpy(&key, address, sizeof(key));
	return !shunt_addr_equal(&key, &none) &&
		shunt_addr_equal(&set->slots[find(set, &key)], &key);
}

static struct address_set *
create_locals(const struct object_store *objects)
{
	uint32_t end = object_store_end(objects, SHUNT_KIND_LOCAL);
	struct address_set *set = set_create(end);

	for (uint32_t id = 1; set && id < end; id++) {
		const struct object *o = object_store_get(objects, SHUNT_KIND_LOCAL, id);

		if (o)
			set_add(set, &((const struct shunt_local *)o->bytes)->address);
	}
	return set;
}

static struct address_set *
create_servers(const struct generation *g)
{
	struct address_set *set = set_create(g->server_count);

	for (uint32_t id = 1; set && id < g->server_count; id++) {
		const struct gen_server *s = &g->servers[id];
		struct shunt_addr address;

		if (s->version == 0)
			continue;
		if (s->version == 4)
			address = shunt_addr_from_v4(s->address);
		else
			memcpy(&address, s->address, sizeof(address));
		set_add(set, &address);
	}
	return set;
}

struct known *
known_create(const struct object_store *objects, const struct generation *generation,
	const struct known *before)
{
	struct known *known = mem_alloc(sizeof(*known));

	if (!known)
		return NULL;
	known->locals = create_locals(objects);
	if (before) {
		known->servers = before->servers;
		known->servers->references++;
	} else {
		known->servers = create_servers(generation);
	}
	if (!known->locals || !known->servers) {
		known_destroy(known);
		return NULL;
	}
	return known;
}

void
known_destroy(struct known *known)
{
	if (!known)
		return;
	set_destroy(known->locals);
	set_destroy(known->servers);
	mem_free(known);
}

static uint64_t
set_bytes(const struct address_set *set)
{
	return sizeof(*set) + (set->mask + 1ull) * sizeof(set->slots[0]);
}

uint64_t
known_bytes(const struct known *known)
{
	return sizeof(*known) + set_bytes(known->locals) + set_bytes(known->servers);
}

bool
known_is_local(const struct known *known, const uint8_t *address, uint8_t version)
{
	return set_has(known->locals, address, version);
}

const uint64_t *
known_local_filter(const struct known *known)
{
	return known->locals->filter;
}

bool
known_is_server(const struct known *known, const uint8_t *address, uint8_t version)
{
	return set_has(known->servers, address, version);
}

void
known_mark_local(const struct known *known, struct pkt *const *pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = pkts[i];

		/* Of a reply to a source address the client is not known yet. */
		if (!p->drop && p->direction == PKT_TO_CLIENT && !p->source &&
			set_has(known->locals, p->client, p->version))
			p->drop = SHUNT_DROP_LOCAL;
	}
}
