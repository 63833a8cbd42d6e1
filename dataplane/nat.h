/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding mode nat: the destination of a client's packet becomes the server, the source of the
 * reply becomes the service; TTL or hop limit goes down by one; checksums are updated by
 * precomputed differences (RFC 1624), so that a bad one stays bad. Ports follow the addresses, but
 * for a server without a port of its own, where they stay.
 */
#ifndef DATAPLANE_NAT_H
#define DATAPLANE_NAT_H

#include "generation.h"
#include "hop.h"

/* Both set p->out_port, or p->drop (TTL, NO_NEIGHBOR). src_mac: of the port it leaves by. */
void nat_to_server(struct pkt *p, const struct gen_service *service,
	const struct gen_server *server, const struct shunt_mac *port_macs);
void nat_to_client(struct pkt *p, const struct gen_service *service,
	const struct gen_server *server, const struct link *hop, const struct shunt_mac *port_macs);

#endif
