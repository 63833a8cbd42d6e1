/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast path for IPv6: the same promise as in fast.h, for packets without extension headers, of
 * those that are strange there. One packet at a time, in three passes over a burst.
 *
 * Pure. Worker.
 */
#ifndef DATAPLANE_FAST6_H
#define DATAPLANE_FAST6_H

#include "fast.h"

enum {
	FAST6_L4 = FAST_L3 + 40,
	FAST6_MIN_BYTES = FAST6_L4 + 20, /* all that is read, also of UDP */
};

struct fast6_pkt {
	uint8_t *frame;
	void *mbuf; /* the caller's */
	struct flow_words words;
	union flow_bucket *bucket;
	uint64_t *flow; /* NULL: not in the table */
	uint32_t hash;	/* of the flow: its lower half names the second bucket */
	uint16_t bytes; /* of the frame, without padding */
	uint8_t kind;	/* as in struct fast_burst */
	uint8_t out_port;
};

static_assert(sizeof(struct fast6_pkt) <= 2 * SHUNT_CACHE_LINE, "a few lines a packet");

struct fast6_burst {
	uint64_t marks;	    /* a bit by address: of packets of IPv6 that are strange */
	uint64_t kept_back; /* a bit by hash: of flows of which packets were left */
	unsigned int count;
	struct fast6_pkt pkts[PKT_BURST];
};

void fast6_begin(struct fast6_burst *b);

/*
 * Takes a packet into the burst, and asks for its flow's bucket. False: it is none for this path,
 * or another worker's.
 */
bool fast6_take(const struct fast_view *v, struct fast6_burst *b, uint8_t *frame, uint16_t bytes,
	void *mbuf);

/* Sets all packets' flows. */
void fast6_find(const struct fast_view *v, struct fast6_burst *b);

/* Rewrites the packet and counts it; sets out_port. False: it is left as it is. In their order. */
bool fast6_forward(const struct fast_view *v, struct fast6_burst *b, struct fast6_pkt *p);

#endif
