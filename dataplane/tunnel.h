/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding mode tunnel: the client's packet, as it is to the last bit, travels inside another one
 * to the server, which takes it out, finds its own address in it (the balanced one, on a loopback
 * interface) and answers the client directly. Servers may be anywhere that IP reaches.
 *
 *	Ethernet | outer IPv4 or IPv6 | nothing, GRE, or UDP (GUE) | the client's packet
 *
 * GUE is variant 1 of draft-ietf-intarea-gue, in which the packet stands right behind the UDP
 * header and says by its version what it is: Linux takes it on a `gue` port of its FOU module
 * beside variant 0, Katran sends it, and it is the shortest.
 */
#ifndef DATAPLANE_TUNNEL_H
#define DATAPLANE_TUNNEL_H

#include "generation.h"

#define TUNNEL_MAX_BYTES 48 /* of what is put in front of a packet: IPv6 and UDP */

/* How much that is to this server. */
unsigned int tunnel_overhead(const struct gen_server *server);

/*
 * Uses what parse has set, headroom, owner_hash and server. Sets out_port, moves data and bytes to
 * take in the outer headers (l3_offset and l4_offset stay with the client's), and lowers the MSS of
 * a SYN if the backend says so; or sets drop (NO_NEIGHBOR, TOO_BIG and then fit_bytes) and leaves
 * the bytes alone. port_macs, port_mtus: of all ports, by index. Worker.
 */
void tunnel_to_server(struct pkt *p, const struct gen_server *server,
	const struct shunt_mac *port_macs, const uint16_t *port_mtus);

#endif
