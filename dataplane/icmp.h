/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about balanced flows. In forwarding mode nat there are two ways:
 *
 *   to the server	from the client or a router on its side, about a reply that it got from the
 *			service: the quoted source and the error's destination become the server
 *   to the client	from the server or a router on its side, about a packet that it got from the
 *			client: the quoted destination becomes the service, and so does the error's
 *			source if it is the server; the address of a router is kept
 *
 * so that both ends read about a packet as they have sent it. Checksums are updated by differences,
 * those of the quoted packet as well, as far as they are quoted.
 */
#ifndef DATAPLANE_ICMP_H
#define DATAPLANE_ICMP_H

#include "ends.h"
#include "generation.h"
#include "hop.h"

/*
 * Use what parse, classify_icmp_error() and track_icmp_error() have set. Set out_port and the
 * bytes, or drop (TTL, NO_NEIGHBOR), and then leave the packet untouched. Worker.
 */
void
icmp_to_server(struct pkt *p, const struct gen_server *server, const struct shunt_mac *port_macs);
void icmp_to_client(struct pkt *p, const struct gen_service *service,
	const struct gen_server *server, const struct link *hop, const struct shunt_mac *port_macs);

/*
 * For full NAT, where both ends of the quoted packet become others: ends are those of a packet in
 * the error's direction, of the same family. new_sender: the error's own source becomes the ends',
 * else it is kept. TTL and link have been seen to. Worker.
 */
void icmp_to_end(struct pkt *p, const struct ends *ends, bool new_sender, const struct link *link,
	const struct shunt_mac *port_macs);

#endif
