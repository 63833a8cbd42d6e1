/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Full NAT: the destination becomes the server, as in NAT, and the source one of Shunt's own
 * addresses with a port that stands for the client, so that the server's reply comes back here
 * whatever its routes are.
 */
#ifndef DATAPLANE_FULLNAT_H
#define DATAPLANE_FULLNAT_H

#include "generation.h"
#include "hop.h"

/*
 * Use direction, service, server, source, source_port, hop and client. Set out_port and the bytes,
 * or drop (TTL, NO_NEIGHBOR, and what xlat.h says if the other end is of the other family), and
 * then leave the packet untouched. port_macs, port_mtus: [SHUNT_MAX_PORTS]. Worker.
 */
void fullnat_rewrite(struct pkt *p, const struct generation *generation,
	const struct hop_table *hops, const struct shunt_mac *port_macs, const uint16_t *port_mtus);

/*
 * The same for an ICMP error about such a flow. To a server it comes from the source address, as
 * all that belongs to a client does; to a client from the service if it is the server's own, else
 * from the router that has sent it, but across families from the service.
 */
void fullnat_icmp(struct pkt *p, const struct generation *generation, const struct hop_table *hops,
	const struct shunt_mac *port_macs);

#endif
