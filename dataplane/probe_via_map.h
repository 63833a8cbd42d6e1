/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tc programs that carry probes through services (probe_via.bpf.c) share with the agent
 * (probe_via.c). Addresses are in the form of struct shunt_addr.
 */
#ifndef DATAPLANE_PROBE_VIA_MAP_H
#define DATAPLANE_PROBE_VIA_MAP_H

#define PROBE_VIA_OUT	  "shunt_via_out" /* at most 15 characters: the kernel cuts names */
#define PROBE_VIA_IN	  "shunt_via_in"
#define PROBE_VIA_TARGETS "targets"

/* By server id: what becomes of a probe to a server's own address. */
struct probe_via_target {
	unsigned char server[16];
	unsigned char service[16];
	unsigned char source[16]; /* of a tunnel's packets */
	unsigned short server_port_be;
	unsigned short service_port_be;
	unsigned short encap_port_be; /* SHUNT_GUE */
	unsigned char version;	      /* of both addresses: 4 or 6 */
	unsigned char encap;	      /* enum shunt_encap; none: the MAC address is all it needs */
};

#endif
