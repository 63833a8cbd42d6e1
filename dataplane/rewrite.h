/* SPDX-License-Identifier: BSD-3-Clause */
/* The stage that makes a packet what the next station expects: one loop a forwarding mode. */
#ifndef DATAPLANE_REWRITE_H
#define DATAPLANE_REWRITE_H

#include "generation.h"
#include "hop.h"

/*
 * Uses direction, service, server, hop and what full NAT has in a packet. Sets out_port, or drop
 * (TTL, NO_NEIGHBOR, TOO_BIG), and rewrites the bytes. port_macs, port_mtus: [SHUNT_MAX_PORTS], the
 * ports' own. n: at most PKT_BURST. Worker.
 */
void rewrite_burst(const struct generation *generation, const struct hop_table *hops,
	const struct shunt_mac *port_macs, const uint16_t *port_mtus, struct pkt *const *pkts,
	unsigned int n);

#endif
