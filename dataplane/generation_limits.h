/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The limits of a generation: what its frontends and their clients' networks may have. Built by the
 * agent with a generation, shared with the one before if no limit has changed, never changed. What
 * is counted against them is limit.h's, and outlives generations.
 */
#ifndef DATAPLANE_GENERATION_LIMITS_H
#define DATAPLANE_GENERATION_LIMITS_H

#include "gcra.h"
#include "shunt/types.h"

/* Of a network that is at its limit; see gen_limit's weights. */
#define GEN_LIMIT_FULL (1u << 20)

struct gen_limit {
	uint32_t maxconn; /* 0: none, here and below */
	uint32_t source_maxconn;
	struct gcra rate;
	struct gcra source_rate;
	/*
	 * Which networks are counted: 0: none; else a number that no others had. Another prefix
	 * makes other networks, so it has another number.
	 */
	uint32_t source_number;
	uint8_t source_bits[2]; /* of the prefixes: [0] IPv4's, of 128 too; [1] IPv6's */
	uint8_t drop;		/* who is refused is not told */
	uint8_t exists;
	/* What a session is worth, and a unit of clock until the bucket is full times 2^32. */
	uint64_t session_weight;
	uint64_t clock_weight;
};

struct gen_limits {
	uint32_t references;  /* agent only */
	uint32_t end;	      /* greatest id + 1 */
	uint32_t last_number; /* source_number given last */
	bool has_sources;
	struct gen_limit limit[]; /* [end], by id */
};

/* The networks that a limit counts, by the bits of their family. */
static inline struct shunt_addr
gen_limit_network(const struct gen_limit *limit, const struct shunt_addr *client)
{
	unsigned int bits = limit->source_bits[!shunt_addr_is_v4(client)];
	struct shunt_addr network = { 0 };

	memcpy(network.bytes, client->bytes, bits / 8);
	if (bits % 8)
		network.bytes[bits / 8] = client->bytes[bits / 8] & (uint8_t)(0xff00 >> bits % 8);
	return network;
}

#endif
