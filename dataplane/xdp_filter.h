/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The maps of the XDP filter, as the BPF program (xdp_filter.bpf.c) and the agent (xdp.c) share
 * them. Addresses are in the form of struct shunt_addr.
 */
#ifndef DATAPLANE_XDP_FILTER_H
#define DATAPLANE_XDP_FILTER_H

#define XDP_FILTER_PROGRAM    "shunt_filter" /* at most 15 characters: the kernel cuts names */
#define XDP_FILTER_SOCKETS    "xsks_map"     /* the name the AF_XDP driver looks for */
#define XDP_FILTER_SERVICES   "services"
#define XDP_FILTER_SERVERS    "servers"
#define XDP_FILTER_LOCALS     "locals"
#define XDP_FILTER_SOURCES    "sources"
#define XDP_FILTER_MAX_QUEUES 64

#define XDP_FILTER_SERVICE_RANGES "service_ranges"
#define XDP_FILTER_SERVER_RANGES  "server_ranges"

/*
 * An endpoint of a service or a server, or an address. A key with port and protocol 0 says that the
 * address has services, or is a server's: for fragments, of which only the first has ports. Of a
 * tunnel, port is GUE's or 0.
 */
struct xdp_filter_key {
	unsigned char address[16];
	unsigned char protocol;
	unsigned char tunnel; /* 1: of a tunnel to a server; packets to there are Shunt's own */
	unsigned short port_be;
};

/*
 * Ports that share their first bits: a key of a map of longest prefixes. The port is last in an
 * endpoint so that its end can be cut off. A range of ports is some of these, 30 at most.
 */
struct xdp_filter_prefix {
	unsigned int bits;
	struct xdp_filter_key key;
};

#define XDP_FILTER_PREFIX_BITS 160 /* with all of the port */

#endif
