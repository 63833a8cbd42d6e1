/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding mode dr (direct routing): the server has the balanced address itself, on a loopback
 * interface, and answers the client directly. So the packet goes to the server's MAC address as it
 * is, to the last bit behind the Ethernet header. That includes the TTL: a server that looks at it
 * (GTSM, RFC 5082) sees what the client's router sees, and since packets leave towards a server
 * and nowhere else, no loop needs to be ended here.
 */
#ifndef DATAPLANE_DIRECT_H
#define DATAPLANE_DIRECT_H

#include "generation.h"

/*
 * Uses what parse has set, and server. Sets out_port and the Ethernet header, and lowers the MSS of
 * a SYN if the backend says so; or sets drop (NO_NEIGHBOR, TOO_BIG and then fit_bytes) and leaves
 * the bytes alone. port_macs, port_mtus: of all ports, by index. Worker.
 */
void direct_to_server(struct pkt *p, const struct gen_server *server,
	const struct shunt_mac *port_macs, const uint16_t *port_mtus);

#endif
