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

/*
 * An endpoint of a service or a server, or an address. A key with port and protocol 0 says that the
 * address has services, or is a server's: for fragments, of which only the first has ports.
 */
struct xdp_filter_key {
	unsigned char address[16];
	unsigned short port_be;
	unsigned char protocol;
	unsigned char pad;
};

#endif
