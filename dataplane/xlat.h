/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation of a packet of one IP family into the other, for full NAT from IPv6 clients to IPv4
 * servers and the reverse. IP headers are made anew as RFC 7915 says, in place: the header of IPv6
 * is longer, so a packet may grow into its headroom. What is behind the IP headers stays where it
 * lies, but for ports and checksum.
 *
 * Carried over: TOS and traffic class with DSCP and ECN, TTL less one, and the fields of fragments
 * (the 32 bits of an IPv6 identification are cut to 16). Left out: options and extension headers.
 * The flow label is 0. An IPv4 packet without DF that does not fit with its longer header can be
 * fragmented before; one that fits is not, though RFC 7915 section 4 asks for it above 1280 bytes.
 */
#ifndef DATAPLANE_XLAT_H
#define DATAPLANE_XLAT_H

#include "ends.h"
#include "pkt.h"

/* An IPv6 header with a fragment header instead of an IPv4 header. */
#define XLAT_GROW 28
/* An ICMP error grows twice: it quotes a packet. */
#define XLAT_ICMP_GROW (20 + XLAT_GROW)

/*
 * Translates TCP, UDP and their fragments. ends->version is the other one than p's; the ends may be
 * in the packet. mtu: of the port by which it leaves. id: for the IPv4 header of a packet that
 * routers may fragment, another for each packet. p as parsed, its TTL above 1.
 *
 * Sets data, bytes, headroom, version, l4_offset and fragment_id; p->client is no longer there.
 * The Ethernet addresses are moved, and left to the caller. Or sets drop, and fit_bytes with it,
 * and leaves the packet untouched:
 *   TOO_BIG		with the longer header it does not fit the MTU, or the headroom
 *   UDP_CHECKSUM	no checksum, in an IPv6 packet or in a fragment that has to become one
 *   FRAGMENT_TOO_LONG	a fragment that ends behind what an IPv4 datagram may have
 *   IP6_EXTENSIONS	a fragment whose datagram has headers that cannot be left out
 * Worker.
 */
void xlat_pkt(struct pkt *p, const struct ends *ends, uint16_t mtu, uint16_t id);

/*
 * For an IPv4 packet that xlat_pkt() has found TOO_BIG: cuts it, whole or fragment, behind as much
 * as fits and makes a fragment of the end, in `room`, which has at least room_bytes. Both are then
 * as if they had been received so, but for fields of their IP headers that xlat_pkt() does not
 * read; rest->headroom is for the caller to set. False, and nothing has changed: it may not be
 * fragmented (DF), or cannot. Worker.
 */
bool xlat_split(struct pkt *p, struct pkt *rest, uint8_t *room, uint32_t room_bytes);

/*
 * The same as xlat_pkt() for an ICMP error about TCP or UDP, with the packet that it quotes; the
 * ends of the error itself have no ports. It is cut where it is longer than errors of its new
 * family may be (1280 or 576 bytes), and extensions of RFC 4884 are left out. Sets inner_l3_offset
 * and inner_l4_offset too. Drops: ICMP_TYPE, if the other family has no such error; TOO_BIG, if the
 * headroom is too small.
 */
void
xlat_icmp_error(struct pkt *p, const struct ends *outer, const struct ends *quoted, uint16_t id);

#endif
