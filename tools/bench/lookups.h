/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow table beside rte_hash: the same keys, looked up in bursts and in no order. */
#ifndef BENCH_LOOKUPS_H
#define BENCH_LOOKUPS_H

#include "measure.h"

struct lookups {
	uint32_t flows;
	struct spread flow_cycles; /* a lookup in the flow table, as the packet path does it */
	struct spread hash_cycles; /* rte_hash_lookup_bulk_data() and a read of the state found */
	double flow_bytes;	   /* that the allocator gives up for a flow at the load cap */
	double flow6_bytes;	   /* of IPv6 */
	double hash_bytes;
};

/* IPv4 flows. 0 or -ENOMEM. */
int lookups_measure(uint32_t flows, unsigned int rounds, struct lookups *out);

#endif
