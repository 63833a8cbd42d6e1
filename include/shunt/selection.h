/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The selection hash: which slot of a backend's table a client falls into. All nodes of a cluster
 * and both processes must agree on it, so it stands in the contract.
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012) under the configuration's hash-secret: an outsider
 * cannot choose addresses that all fall on one server. Its 32 cycles are for new flows, where they
 * do not matter, and for stateless services, of which the dataplane hashes eight at a time if it
 * can.
 */
#ifndef SHUNT_SELECTION_H
#define SHUNT_SELECTION_H

#include <stddef.h>

#include "types.h"

/* What the key is mixed with in the beginning */
#define SHUNT_SIP_V0 0x736f6d6570736575ull
#define SHUNT_SIP_V1 0x646f72616e646f6dull
#define SHUNT_SIP_V2 0x6c7967656e657261ull
#define SHUNT_SIP_V3 0x7465646279746573ull

#define SHUNT_SIP_ROUND(v0, v1, v2, v3)          \
	do {                                     \
		v0 += v1;                        \
		v2 += v3;                        \
		v1 = (v1 << 13 | v1 >> 51) ^ v0; \
		v3 = (v3 << 16 | v3 >> 48) ^ v2; \
		v0 = v0 << 32 | v0 >> 32;        \
		v2 += v1;                        \
		v0 += v3;                        \
		v1 = (v1 << 17 | v1 >> 47) ^ v2; \
		v3 = (v3 << 21 | v3 >> 43) ^ v0; \
		v2 = v2 << 32 | v2 >> 32;        \
	} while (0)

static inline uint64_t
shunt_siphash(const uint8_t secret[16], const void *data, size_t bytes)
{
	const uint8_t *in = data;
	uint64_t k0, k1, word, v0, v1, v2, v3;
	size_t left = bytes;

	memcpy(&k0, secret, 8);
	memcpy(&k1, secret + 8, 8);
	v0 = k0 ^ SHUNT_SIP_V0;
	v1 = k1 ^ SHUNT_SIP_V1;
	v2 = k0 ^ SHUNT_SIP_V2;
	v3 = k1 ^ SHUNT_SIP_V3;
	for (; left >= 8; in += 8, left -= 8) {
		memcpy(&word, in, 8);
		v3 ^= word;
		SHUNT_SIP_ROUND(v0, v1, v2, v3);
		SHUNT_SIP_ROUND(v0, v1, v2, v3);
		v0 ^= word;
	}
	word = (uint64_t)bytes << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)in[i] << (8 * i);
	v3 ^= word;
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= word;
	v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		SHUNT_SIP_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

/* What the hash may cover; always complete, hash_on says how much of it counts. */
struct shunt_selection_key {
	struct shunt_addr client;
	uint16_t client_port_be;
	uint16_t service_port_be;
	uint8_t protocol;
	uint8_t pad[3];
	struct shunt_addr service;
};

static_assert(sizeof(struct shunt_selection_key) == 40, "hashed as bytes");

static inline uint32_t
shunt_selection_hash(
	const uint8_t secret[16], enum shunt_hash_on hash_on, const struct shunt_selection_key *key)
{
	size_t bytes = sizeof(key->client);

	if (hash_on == SHUNT_HASH_SOURCE_PORT)
		bytes = offsetof(struct shunt_selection_key, service_port_be);
	else if (hash_on == SHUNT_HASH_CONNECTION)
		bytes = sizeof(*key);
	return (uint32_t)shunt_siphash(secret, key, bytes);
}

/* Clears an address' last bits, as many as its family's argument says. */
static inline void
shunt_selection_network(struct shunt_addr *a, unsigned int bits4, unsigned int bits6)
{
	unsigned int bits = shunt_addr_is_v4(a) ? bits4 : bits6;
	unsigned int kept = sizeof(a->bytes) - bits / 8;

	memset(a->bytes + kept, 0, bits / 8);
	if (bits % 8)
		a->bytes[kept - 1] &= (uint8_t)(0xff << (bits % 8));
}

/* slot_count: a power of two or not, up to SHUNT_MAX_SLOTS. */
static inline uint32_t
shunt_selection_slot(uint32_t hash, uint32_t slot_count)
{
	return ((uint64_t)hash * slot_count) >> 32;
}

#endif
