/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes to offsets: checks every bound and every field that later stages rely on, once. Never
 * reads outside data[0 .. bytes), never writes.
 */
#ifndef DATAPLANE_PARSE_H
#define DATAPLANE_PARSE_H

#include "pkt.h"

/*
 * Uses data and bytes; sets drop and the parse fields; cuts bytes to the IP packet's end
 * (Ethernet padding is never forwarded).
 */
void parse_pkt(struct pkt *p);
void parse_burst(struct pkt *const *pkts, unsigned int n);

/*
 * The part for ICMP errors: uses version, the offsets and bytes of an ICMP (IPv4) or ICMPv6
 * message. Sets kind, protocol, ports and the inner offsets. PROTOCOL: it is no error.
 */
enum shunt_drop parse_icmp_error(struct pkt *p);

#endif
