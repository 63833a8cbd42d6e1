/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path's rewriting, as far as all that forwards has it: the way out, and the counters. */
#ifndef DATAPLANE_FAST_REWRITE_H
#define DATAPLANE_FAST_REWRITE_H

#include "fast.h"

/* As link_out(), where neither has VLANs. */
static inline void
fast_leave_by(
	const struct fast_view *v, struct fast_burst *f, unsigned int i, const struct link *link)
{
	uint8_t *frame = f->frame[i];

	memcpy(frame, link->mac.bytes, sizeof(link->mac.bytes));
	memcpy(frame + 6, v->port_macs[link->port].bytes, sizeof(link->mac.bytes));
	f->out_port[i] = link->port;
}

/* Packets and bytes to or from a service that are not counted yet. */
struct fast_tally {
	uint64_t *counters; /* its packets, and behind them its bytes */
	/* Not of a width, or compilers pair them in a vector, which is slower. */
	uint32_t packets;
	uint64_t bytes;
};

static_assert(offsetof(struct shunt_service_stats, in_bytes) ==
			offsetof(struct shunt_service_stats, in_packets) + 8 &&
		offsetof(struct shunt_service_stats, out_bytes) ==
			offsetof(struct shunt_service_stats, out_packets) + 8,
	"struct fast_tally");

static inline void
fast_tally_end(const struct fast_tally *t)
{
	t->counters[0] += t->packets;
	t->counters[1] += t->bytes;
}

/* One after the other mostly goes to the same service, and each addition would wait for the last.
 */
static inline void
fast_tally_add(struct fast_tally *t, uint64_t *counters, unsigned int bytes)
{
	if (t->counters != counters) {
		fast_tally_end(t);
		*t = (struct fast_tally){ .counters = counters };
	}
	t->packets++;
	t->bytes += bytes;
}

/* To the server, and counted. All that a packet to one of mode `dr` needs. */
static inline void
fast_to_server(const struct fast_view *v, struct fast_burst *f, unsigned int i, uint32_t id,
	struct fast_tally *t)
{
	fast_leave_by(v, f, i, &v->servers[id].link);
	fast_tally_add(t, &v->service_stats[f->key[i] >> 48].in_packets, f->ip_bytes[i]);
	v->server_stats[id].in_packets++;
	v->server_stats[id].in_bytes += f->ip_bytes[i];
}

#endif
