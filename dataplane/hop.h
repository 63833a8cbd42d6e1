/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back to clients: replies go to the MAC, the VLAN and the port that the client's packets
 * come from. A flow has no room for these; it keeps the index of a hop in this table (one per
 * worker). Each packet from the client compares its source with the flow's hop, so a stale or
 * overwritten entry mends itself.
 */
#ifndef DATAPLANE_HOP_H
#define DATAPLANE_HOP_H

#include "link.h"

#define HOP_COUNT  65536u /* index 0 is never used: no hop */
#define HOP_PROBES 4

struct hop_table {
	uint64_t seed; /* of the hash; set once, at random, by the owner before the first packet */
	uint16_t last; /* that was learned */
	struct link hops[HOP_COUNT];
};

/*
 * The index for a source (link_back()): HOP_PROBES places are tried, then the first is overwritten.
 * Never 0. Worker only.
 */
uint16_t hop_learn(struct hop_table *table, const struct link *source);

static inline bool
hop_is(const struct hop_table *table, uint16_t index, const struct link *source)
{
	/* All bytes of a link are set: see link.h. Two words compared, and one branch. */
	return memcmp(&table->hops[index], source, sizeof(*source)) == 0;
}

#endif
