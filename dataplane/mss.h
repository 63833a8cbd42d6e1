/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lowering the maximum segment size that a client announces in its SYN (RFC 9293 section 3.7.1), so
 * that the server sends no segments longer than that.
 */
#ifndef DATAPLANE_MSS_H
#define DATAPLANE_MSS_H

#include "pkt.h"

/*
 * Uses what parse has set. If it is a TCP SYN with an MSS option above limit, sets the option to
 * limit and updates the checksum (RFC 1624); else, and if the options cannot be walked, leaves it
 * as it is. A SYN without the option stays without: it means 536 (IPv4) or 1220 (IPv6) already.
 * Worker.
 */
void mss_clamp(struct pkt *p, uint16_t limit);

#endif
